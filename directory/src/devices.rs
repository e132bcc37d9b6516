//! The devices of accounts, and who a device token belongs to.
//!
//! Invariant: of a token only its SHA-256 is here, and a token counts exactly as long as its device's row is there.

use crate::entity::device::{ActiveModel, Column, Entity, Model};
use crate::push;
use crate::users::{millis, now_ms, timestamp};
use crate::{Directory, Error, Result, User};
use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use std::fmt::Write as _;
use std::time::Duration;
use tertulia_common::{DeviceId, Pii, Timestamp, UserId};

/// How stale the time may be when a device was last seen. Raising it saves a write a reconnect, and tells people less.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// SHA-256 of a device's token.
pub type TokenHash = [u8; 32];

/// A device of an account.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    /// Which.
    pub id: DeviceId,
    /// What it called itself.
    pub name: String,
    /// Registered by PIN; the others were linked.
    pub primary: bool,
    /// Since when.
    pub linked_at: Timestamp,
    /// When it was last connected, to the minute.
    pub seen_at: Option<Timestamp>,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, name, primary, linked_at, seen_at } = self;
        let mut shown = f.debug_struct("Device");
        shown.field("id", id).field("name", &Pii(name)).field("primary", primary);
        shown.field("linked_at", linked_at).field("seen_at", seen_at).finish()
    }
}

/// A device that is to be added. No `Debug`: nobody has to see a token's hash.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_debug_implementations, reason = "it holds a token's hash")]
pub struct NewDevice {
    /// Which, new.
    pub id: DeviceId,
    /// What it calls itself.
    pub name: String,
    /// Of its token.
    pub token_hash: TokenHash,
}

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceOwner {
    /// The person.
    pub user: User,
    /// Their device.
    pub device: Device,
}

impl TryFrom<Model> for Device {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: row.id.parse().map_err(|_| Error::Unreadable { what: "device id" })?,
            name: row.name,
            primary: row.is_primary,
            linked_at: timestamp(row.linked_at, "time when a device was linked")?,
            seen_at: row.seen_at.map(|ms| timestamp(ms, "time when a device was seen")).transpose()?,
        })
    }
}

impl Directory {
    /// Whose device has the token of this hash, if any has.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn device_by_token(&self, hash: &TokenHash) -> Result<Option<DeviceOwner>> {
        let Some(row) = Entity::find().filter(Column::TokenHash.eq(hex(hash))).one(&self.db).await? else {
            return Ok(None);
        };
        let user: UserId = row.user.parse().map_err(|_| Error::Unreadable { what: "user id" })?;
        // Between the two reads the account may have been deleted.
        let Some(user) = self.user(&user).await? else { return Ok(None) };
        Ok(Some(DeviceOwner { user, device: row.try_into()? }))
    }

    /// The devices of an account: the primary one first, then the newest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn devices_of(&self, user: &UserId) -> Result<Vec<Device>> {
        let rows = Entity::find()
            .filter(Column::User.eq(user.as_str()))
            .order_by_desc(Column::IsPrimary)
            .order_by_desc(Column::LinkedAt)
            .order_by_asc(Column::Id)
            .all(&self.db)
            .await?;
        rows.into_iter().map(Device::try_from).collect()
    }

    /// These devices are connected, or were a moment ago: in one write, and of each at most once a minute. Those that are gone
    /// are no error.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn devices_seen(&self, devices: &[(UserId, DeviceId)]) -> Result<()> {
        let now = now_ms();
        let stale = now - millis(Timestamp::default() + SEEN_EVERY);
        let tx = self.begin_write().await?;
        for (user, device) in devices {
            let old = Condition::any().add(Column::SeenAt.is_null()).add(Column::SeenAt.lte(stale));
            let seen = Entity::update_many().col_expr(Column::SeenAt, Expr::value(now));
            let mine = seen.filter(Column::User.eq(user.as_str())).filter(Column::Id.eq(device.as_str()));
            mine.filter(old).exec(&tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Adds a device to an account that has fewer than `linked_max` beside its primary one.
    ///
    /// # Errors
    /// [`Error::UnknownUser`] if there is no such account, [`Error::Full`] if it has too many; if the database fails.
    pub async fn link_device(&self, user: &UserId, device: &NewDevice, linked_max: u64) -> Result<()> {
        let tx = self.begin_write().await?;
        let linked =
            Entity::find().filter(Column::User.eq(user.as_str())).filter(Column::IsPrimary.eq(false)).count(&tx);
        if linked.await? >= linked_max {
            return Err(Error::Full { max: linked_max });
        }
        insert(&tx, user, device, false).await?;
        Ok(tx.commit().await?)
    }

    /// Takes a device's access. The device as it was; none if it is not there.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn revoke_device(&self, user: &UserId, device: &DeviceId) -> Result<Option<Device>> {
        let key = (user.as_str().to_owned(), device.as_str().to_owned());
        let tx = self.begin_write().await?;
        let Some(row) = Entity::find_by_id(key.clone()).one(&tx).await? else { return Ok(None) };
        Entity::delete_by_id(key).exec(&tx).await?;
        push::forget(&tx, user.as_str(), device.as_str(), None).await?;
        tx.commit().await?;
        Ok(Some(row.try_into()?))
    }
}

pub(crate) async fn insert(
    tx: &impl ConnectionTrait,
    user: &UserId,
    device: &NewDevice,
    is_primary: bool,
) -> Result<()> {
    let row = ActiveModel {
        user: Set(user.as_str().to_owned()),
        id: Set(device.id.as_str().to_owned()),
        name: Set(device.name.clone()),
        is_primary: Set(is_primary),
        token_hash: Set(hex(&device.token_hash)),
        linked_at: Set(now_ms()),
        seen_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a string does not fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}
