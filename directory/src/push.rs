//! Where devices want to be woken.
//!
//! Invariant: an address is one device's, and goes with its device and its user: who was unlinked, or has signed in elsewhere with
//! the same browser, is not told of what comes later.

use crate::entity::push::{ActiveModel, Column, Entity};
use crate::users::now_ms;
use crate::{Directory, Error, Result};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use tertulia_common::{DeviceId, UserId};

/// Where a browser wants its pushes. No `Debug`: whoever knows it can send to the browser.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_debug_implementations, reason = "it is a secret")]
pub struct PushAddress {
    /// The URL.
    pub endpoint: String,
    /// The browser's public key, in base64url.
    pub p256dh: String,
    /// The subscription's secret, in base64url.
    pub auth: String,
}

impl Directory {
    /// This device is woken there from now on, and no other that was.
    ///
    /// # Errors
    /// [`Error::UnknownUser`] if the user is not here, [`Error::Full`] if `max` other devices of theirs are woken; if the
    /// database fails.
    pub async fn set_push(&self, user: &UserId, device: &DeviceId, address: &PushAddress, max: u64) -> Result<()> {
        let tx = self.begin_write().await?;
        Entity::delete_many().filter(Column::Endpoint.eq(&address.endpoint)).exec(&tx).await?;
        let others = Entity::find().filter(Column::User.eq(user.as_str())).filter(Column::Device.ne(device.as_str()));
        if others.count(&tx).await? >= max {
            return Err(Error::Full { max });
        }
        let row = ActiveModel {
            user: Set(user.as_str().to_owned()),
            device: Set(device.as_str().to_owned()),
            endpoint: Set(address.endpoint.clone()),
            p256dh: Set(address.p256dh.clone()),
            auth: Set(address.auth.clone()),
            at: Set(now_ms()),
        };
        let again = OnConflict::columns([Column::User, Column::Device])
            .update_columns([Column::Endpoint, Column::P256dh, Column::Auth, Column::At])
            .to_owned();
        Entity::insert(row).on_conflict(again).exec_without_returning(&tx).await?;
        Ok(tx.commit().await?)
    }

    /// Where the devices of a user are woken.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn push_addresses(&self, user: &UserId) -> Result<Vec<(DeviceId, PushAddress)>> {
        let rows = Entity::find().filter(Column::User.eq(user.as_str())).all(&self.db).await?;
        let read = |row: crate::entity::push::Model| {
            let device = row.device.parse().map_err(|_| Error::Unreadable { what: "device id" })?;
            Ok((device, PushAddress { endpoint: row.endpoint, p256dh: row.p256dh, auth: row.auth }))
        };
        rows.into_iter().map(read).collect()
    }

    /// Whether this device is woken.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn has_push(&self, user: &UserId, device: &DeviceId) -> Result<bool> {
        let key = (user.as_str().to_owned(), device.as_str().to_owned());
        Ok(Entity::find_by_id(key).one(&self.db).await?.is_some())
    }

    /// This device is woken no longer; with an endpoint, only if it is woken there.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_push(&self, user: &UserId, device: &DeviceId, endpoint: Option<&str>) -> Result<()> {
        forget(&self.db, user.as_str(), device.as_str(), endpoint).await
    }
}

/// See [`Directory::forget_push`].
pub(crate) async fn forget(db: &impl ConnectionTrait, user: &str, device: &str, endpoint: Option<&str>) -> Result<()> {
    let mut gone = Entity::delete_many().filter(Column::User.eq(user)).filter(Column::Device.eq(device));
    if let Some(endpoint) = endpoint {
        gone = gone.filter(Column::Endpoint.eq(endpoint));
    }
    gone.exec(db).await?;
    Ok(())
}
