//! Accounts: a phone number and its primary device; profile and settings; and how an account is deleted.
//!
//! Deleting leaves nothing of a person but the hash of their id and when they went (so that their old tokens stay refused),
//! and in the others' history calls with somebody called [`DELETED_NAME`]: the calls are handed to a stand-in, a row of
//! `user` under an id that nobody can have. A user id that comes back later starts from nothing.

use crate::call_entries;
use crate::devices::{hex, insert};
use crate::entity::{call, call_party, departed, device, group_call, live_call, user};
use crate::media::forget_media_of;
use crate::push;
use crate::users::{cut_name, millis, now_ms, timestamp};
use crate::{AccessChange, Directory, Error, NewDevice, Result, User};
use sea_orm::sea_query::{Expr, OnConflict, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tertulia_common::{DeviceId, Pii, Timestamp, UserId};

/// How those who have deleted their account are called.
pub const DELETED_NAME: &str = "Deleted account";

/// How long a file stays that its owner does not keep, and that was shared with a user in the moment in which they delete their
/// account: for all others the library has said so before.
const STAY_ALONE: Duration = Duration::from_secs(24 * 3_600);

/// What the ids of stand-ins begin with. Nobody else may come by such an id.
pub const STAND_IN_PREFIX: &str = "deleted:";

/// A registration whose PIN was right.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "it holds a phone number and a token's hash")]
pub struct Registration {
    /// The number, E.164.
    pub phone: String,
    /// The id of the account, if there is none of this number yet.
    pub new_user: UserId,
    /// How others see the person. Without one, an account keeps its name.
    pub name: Option<String>,
    /// The name of a new account that says none.
    pub new_name: String,
    /// The device, primary from now on.
    pub device: NewDevice,
    /// Take the access of the linked devices too.
    pub unlink_others: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredPrimary {
    /// Whose account it is.
    pub user: User,
    /// Devices whose access has ended.
    pub ended: Vec<DeviceId>,
}

/// A person as they see themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    /// The person.
    pub user: User,
    /// Their number, E.164, if it is an account.
    pub phone: Option<String>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("user", &self.user).field("phone", &Pii(&self.phone)).finish()
    }
}

impl Directory {
    /// Makes the device the primary one of the number's account, which is made if there is none. The primary device
    /// before it loses its access.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn register_primary(&self, registration: &Registration) -> Result<RegisteredPrimary> {
        let Registration { phone, new_user, name, new_name, device, unlink_others } = registration;
        let tx = self.begin_write().await?;
        let known = user::Entity::find().filter(user::Column::Phone.eq(phone)).one(&tx).await?;
        let name = name.as_deref().and_then(cut_name);
        let id: UserId = match known {
            Some(row) => {
                if let Some(name) = name {
                    let named = user::Entity::update_many().col_expr(user::Column::Name, Expr::value(name));
                    named.filter(user::Column::Id.eq(&row.id)).exec(&tx).await?;
                }
                row.id.parse().map_err(|_| Error::Unreadable { what: "user id" })?
            }
            None => {
                let row = user::ActiveModel {
                    id: Set(new_user.as_str().to_owned()),
                    name: Set(name.or_else(|| cut_name(new_name)).unwrap_or_else(|| new_user.as_str().to_owned())),
                    created_at: Set(now_ms()),
                    phone: Set(Some(phone.clone())),
                    deleted_at: Set(None),
                    do_not_disturb_until: Set(None),
                };
                user::Entity::insert(row).exec_without_returning(&tx).await?;
                new_user.clone()
            }
        };
        let mut gone = device::Entity::find().filter(device::Column::User.eq(id.as_str()));
        if !unlink_others {
            gone = gone.filter(device::Column::IsPrimary.eq(true));
        }
        let gone = gone.all(&tx).await?;
        for row in &gone {
            device::Entity::delete_by_id((row.user.clone(), row.id.clone())).exec(&tx).await?;
            push::forget(&tx, &row.user, &row.id, None).await?;
        }
        insert(&tx, &id, device, true).await?;
        let row = user::Entity::find_by_id(id.as_str()).one(&tx).await?.ok_or(Error::UnknownUser)?;
        tx.commit().await?;
        let ended = gone.into_iter().map(|row| row.id.parse().map_err(|_| Error::Unreadable { what: "device id" }));
        Ok(RegisteredPrimary { user: row.try_into()?, ended: ended.collect::<Result<_>>()? })
    }

    /// A person as they see themselves.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn profile(&self, user: &UserId) -> Result<Option<Profile>> {
        let row = user::Entity::find_by_id(user.as_str()).one(&self.db).await?;
        row.map(|row| Ok(Profile { phone: row.phone.clone(), user: row.try_into()? })).transpose()
    }

    /// Who has this number.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn user_by_phone(&self, phone: &str) -> Result<Option<User>> {
        let row = user::Entity::find().filter(user::Column::Phone.eq(phone)).one(&self.db).await?;
        row.map(User::try_from).transpose()
    }

    /// Until when this user is not to be disturbed, if they have said so; the past counts as nothing.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn do_not_disturb(&self, user: &UserId) -> Result<Option<Timestamp>> {
        let until = user::Entity::find_by_id(user.as_str())
            .select_only()
            .column(user::Column::DoNotDisturbUntil)
            .into_tuple::<Option<i64>>()
            .one(&self.db)
            .await?;
        let until = until.flatten().filter(|until| *until > now_ms());
        until.map(|ms| timestamp(ms, "end of a do-not-disturb")).transpose()
    }

    /// Says until when.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_do_not_disturb(&self, user: &UserId, until: Option<Timestamp>) -> Result<()> {
        user::Entity::update_many()
            .col_expr(user::Column::DoNotDisturbUntil, Expr::value(until.map(millis)))
            .filter(user::Column::Id.eq(user.as_str()))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Deletes all that is kept of a user; see the head of this file. `stand_in` is new and begins with
    /// [`STAND_IN_PREFIX`]. Again, it changes only the time before which tokens are refused.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete_account(&self, id: &UserId, stand_in: &UserId) -> Result<()> {
        let (id, stand_in) = (id.clone(), stand_in.as_str().to_owned());
        self.changing(AccessChange::All, async move |this| this.delete_all_of(&id, &stand_in).await).await
    }

    async fn delete_all_of(&self, id: &UserId, stand_in: &str) -> Result<()> {
        let now = now_ms();
        let tx = self.begin_write().await?;
        let row = user::ActiveModel {
            id: Set(stand_in.to_owned()),
            name: Set(DELETED_NAME.to_owned()),
            created_at: Set(now),
            phone: Set(None),
            deleted_at: Set(Some(now)),
            do_not_disturb_until: Set(None),
        };
        user::Entity::insert(row).exec_without_returning(&tx).await?;
        for side in [call::Column::Caller, call::Column::Callee] {
            let calls = call::Entity::update_many().col_expr(side, Expr::value(stand_in));
            calls.filter(side.eq(id.as_str())).exec(&tx).await?;
        }
        group_call::Entity::update_many()
            .col_expr(group_call::Column::StartedBy, Expr::value(stand_in))
            .filter(group_call::Column::StartedBy.eq(id.as_str()))
            .exec(&tx)
            .await?;
        call_party::Entity::update_many()
            .col_expr(call_party::Column::User, Expr::value(stand_in))
            .filter(call_party::Column::User.eq(id.as_str()))
            .exec(&tx)
            .await?;
        call_entries::forgive(&tx, stand_in).await?;
        forget_calls_of_nobody(&tx, stand_in).await?;
        forget_media_of(&tx, id, timestamp(now, "time")?, STAY_ALONE).await?;
        // Devices and blocks go with it.
        user::Entity::delete_by_id(id.as_str()).exec(&tx).await?;
        let row = departed::ActiveModel { id_hash: Set(hash(id)), at: Set(now), stand_in: Set(stand_in.to_owned()) };
        let again = OnConflict::column(departed::Column::IdHash)
            .update_columns([departed::Column::At, departed::Column::StandIn])
            .to_owned();
        departed::Entity::insert(row).on_conflict(again).exec_without_returning(&tx).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets what is kept of this user's calls that have ended, for devices that come back late. To be asked when the calls
    /// of a deleted account have ended.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_ended_calls(&self, user: &UserId) -> Result<()> {
        // An image is JSON: the id stands in it as a whole text.
        let named = Expr::cust_with_values("instr(image, ?) > 0", [format!("\"{}\"", user.as_str())]);
        let ended = live_call::Entity::delete_many().filter(live_call::Column::ForgetAt.is_not_null());
        ended.filter(named).exec(&self.db).await?;
        Ok(())
    }

    /// When this user deleted their account, if they did: tokens from before count no longer.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn departed_at(&self, user: &UserId) -> Result<Option<Timestamp>> {
        let row = departed::Entity::find_by_id(hash(user)).one(&self.db).await?;
        row.map(|row| timestamp(row.at, "time when an account was deleted")).transpose()
    }

    /// The user, or who stands for them if they have deleted their account: for calls that end after that.
    pub(crate) async fn or_stand_in(&self, id: &UserId) -> Result<UserId> {
        if self.user(id).await?.is_some() {
            return Ok(id.clone());
        }
        let row = departed::Entity::find_by_id(hash(id)).one(&self.db).await?.ok_or(Error::UnknownUser)?;
        row.stand_in.parse().map_err(|_| Error::Unreadable { what: "stand-in" })
    }
}

/// Nobody is left who was in this call of many, or asked in.
const WITHOUT_PARTIES: &str = "NOT EXISTS (SELECT 1 FROM call_party JOIN user ON user.id = call_party.user
    WHERE call_party.call = {call} AND user.deleted_at IS NULL)";

/// Calls of which all have gone are nobody's history.
async fn forget_calls_of_nobody(tx: &impl ConnectionTrait, stand_in: &str) -> Result<()> {
    let gone = || {
        let mut ids = Query::select();
        ids.column(user::Column::Id).from(user::Entity).and_where(user::Column::DeletedAt.is_not_null());
        ids
    };
    for (mine, other) in [(call::Column::Caller, call::Column::Callee), (call::Column::Callee, call::Column::Caller)] {
        let calls = call::Entity::delete_many().filter(mine.eq(stand_in)).filter(other.in_subquery(gone()));
        calls.filter(Expr::cust(WITHOUT_PARTIES.replace("{call}", "call.id"))).exec(tx).await?;
    }
    let theirs = || {
        let mut calls = Query::select();
        calls.column(call_party::Column::Call).from(call_party::Entity);
        calls.and_where(call_party::Column::User.eq(stand_in));
        calls
    };
    let calls = call::Entity::delete_many().filter(call::Column::Id.in_subquery(theirs()));
    let calls = calls.filter(call::Column::Caller.in_subquery(gone())).filter(call::Column::Callee.in_subquery(gone()));
    calls.filter(Expr::cust(WITHOUT_PARTIES.replace("{call}", "call.id"))).exec(tx).await?;
    let calls = group_call::Entity::delete_many().filter(group_call::Column::Id.in_subquery(theirs()));
    calls.filter(Expr::cust(WITHOUT_PARTIES.replace("{call}", "group_call.id"))).exec(tx).await?;
    // Their parts go with them.
    let parts = call_party::Entity::delete_many().filter(call_party::Column::User.in_subquery(gone()));
    let parts = parts.filter(Expr::cust("NOT EXISTS (SELECT 1 FROM call WHERE call.id = call_party.call)"));
    parts
        .filter(Expr::cust("NOT EXISTS (SELECT 1 FROM group_call WHERE group_call.id = call_party.call)"))
        .exec(tx)
        .await?;
    Ok(())
}

pub(crate) fn hash(id: &UserId) -> String {
    hex(&Sha256::digest(id.as_str().as_bytes()))
}

#[cfg(test)]
mod tests;
