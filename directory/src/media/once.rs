//! Files that are seen once: for each person they are for, one device gets them for a while, and then nobody does.
//!
//! Invariant: a row of `media_open` is a person's one time. It is made by the first device that opens, and never again.

use super::{Reach, access, content_state, share};
use crate::entity::{media, media_content, media_grant, media_open};
use crate::users::{millis, timestamp};
use crate::{Directory, Result};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use std::collections::HashSet;
use std::time::Duration;
use tertulia_common::{DeviceId, MediaId, Timestamp, UserId};

/// What came of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// This device may fetch it until then.
    Lease(Timestamp),
    /// This person has had their time, or has it on another device.
    Opened,
    /// It is not ready: nobody's time has begun.
    NotReady,
    /// It is not a file to be seen once, or it is who asks that has sent it.
    Forbidden,
    /// It is not for who asks.
    NotFound,
}

impl Directory {
    /// Opens a file that is seen once.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_open(
        &self,
        user: &UserId,
        device: &DeviceId,
        id: MediaId,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Opening> {
        let tx = self.begin_write().await?;
        let row = match access::reach(&tx, user, id, now).await? {
            None => return Ok(Opening::NotFound),
            Some((row, Reach::Granted)) if row.view_once => row,
            Some(_) => return Ok(Opening::Forbidden),
        };
        let content = media_content::Entity::find_by_id(row.content).one(&tx).await?;
        if content.is_none_or(|content| content.state != content_state::READY) {
            return Ok(Opening::NotReady);
        }
        let key = (row.id.clone(), user.as_str().to_owned());
        if let Some(open) = media_open::Entity::find_by_id(key).one(&tx).await? {
            return Ok(match lease_of(&open, device, now)? {
                Some(until) => Opening::Lease(until),
                None => Opening::Opened,
            });
        }
        let until = now + lease;
        let open = media_open::ActiveModel {
            media: Set(row.id.clone()),
            user: Set(user.as_str().to_owned()),
            device: Set(device.as_str().to_owned()),
            lease_until: Set(millis(until)),
            opened_at: Set(None),
        };
        media_open::Entity::insert(open).exec_without_returning(&tx).await?;
        end_when_all_have_opened(&tx, &row, now).await?;
        tx.commit().await?;
        Ok(Opening::Lease(until))
    }

    /// Until when this device may fetch a file that is seen once, if it may.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_lease(
        &self,
        user: &UserId,
        device: &DeviceId,
        id: MediaId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let key = (id.to_string(), user.as_str().to_owned());
        let open = media_open::Entity::find_by_id(key).one(&self.db).await?;
        open.map(|open| lease_of(&open, device, now)).transpose().map(Option::flatten)
    }

    /// Whether this person's time with a file that is seen once has begun.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_was_opened(&self, user: &UserId, id: MediaId) -> Result<bool> {
        let key = (id.to_string(), user.as_str().to_owned());
        Ok(media_open::Entity::find_by_id(key).one(&self.db).await?.is_some())
    }

    /// This device has seen it: its lease is over. False if it has none; again is no error.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_opened(&self, user: &UserId, device: &DeviceId, id: MediaId, now: Timestamp) -> Result<bool> {
        let tx = self.begin_write().await?;
        let mine = media_open::Entity::find_by_id((id.to_string(), user.as_str().to_owned()))
            .filter(media_open::Column::Device.eq(device.as_str()));
        let Some(open) = mine.one(&tx).await? else { return Ok(false) };
        if open.opened_at.is_none() {
            media_open::Entity::update_many()
                .col_expr(media_open::Column::OpenedAt, Expr::value(millis(now)))
                .filter(media_open::Column::Media.eq(&open.media))
                .filter(media_open::Column::User.eq(&open.user))
                .exec(&tx)
                .await?;
        }
        if let Some(row) = media::Entity::find_by_id(id.to_string()).one(&tx).await? {
            end_when_all_have_opened(&tx, &row, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

fn lease_of(open: &media_open::Model, device: &DeviceId, now: Timestamp) -> Result<Option<Timestamp>> {
    let is_good = open.device == device.as_str() && open.opened_at.is_none() && open.lease_until > millis(now);
    is_good.then(|| timestamp(open.lease_until, "end of a lease")).transpose()
}

/// When the last of those it is for has begun, it goes with the end of the last lease, never later than it would anyway.
pub(super) async fn end_when_all_have_opened(
    tx: &impl ConnectionTrait,
    row: &media::Model,
    now: Timestamp,
) -> Result<()> {
    let opens = media_open::Entity::find().filter(media_open::Column::Media.eq(&row.id)).all(tx).await?;
    let opened: HashSet<&str> = opens.iter().map(|open| open.user.as_str()).collect();
    let people = media_grant::Entity::find()
        .filter(media_grant::Column::Media.eq(&row.id))
        .select_only()
        .column(media_grant::Column::User)
        .into_tuple::<String>()
        .all(tx)
        .await?;
    if people.iter().any(|person| !opened.contains(person.as_str())) {
        return Ok(());
    }
    let last = opens.iter().map(|open| open.opened_at.unwrap_or(open.lease_until)).max();
    let last = timestamp(last.unwrap_or_else(|| millis(now)), "end of a lease")?;
    share::set_end(
        tx,
        &row.id,
        Some(row.ends_at.map_or(Ok(last), |end| timestamp(end, "end of a file").map(|end| end.min(last)))?),
    )
    .await
}
