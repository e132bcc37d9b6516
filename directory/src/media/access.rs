//! Who may see a file: its owner, and those it is granted to who have not blocked its owner. To everybody else it is not
//! there.

use super::{ContentId, MediaFile, media_of};
use crate::entity::{block, media, media_content, media_grant};
use crate::users::millis;
use crate::{Directory, Result};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tertulia_common::{MediaId, Timestamp, UserId};

/// By what somebody reaches a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is theirs.
    Owner,
    /// It was shared with them.
    Granted,
}

impl Directory {
    /// A file as this user reaches it, if they do.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_for(&self, user: &UserId, id: MediaId, now: Timestamp) -> Result<Option<(MediaFile, Reach)>> {
        let Some((row, reach)) = reach(&self.db, user, id, now).await? else { return Ok(None) };
        Ok(with_content(&self.db, row).await?.map(|media| (media, reach)))
    }

    /// A file, for whoever has a right of another kind.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media(&self, id: MediaId, now: Timestamp) -> Result<Option<MediaFile>> {
        match there(&self.db, id, now).await? {
            Some(row) => with_content(&self.db, row).await,
            None => Ok(None),
        }
    }

    /// Whether a file of this owner's is shared with this user, who has not blocked them.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_granted(&self, user: &UserId, id: MediaId, owner: &UserId) -> Result<bool> {
        is_granted(&self.db, user, &id.to_string(), owner.as_str()).await
    }

    /// A user's own files, newest first, at most `limit`, all older than `before`; without those to be seen once.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_of(
        &self,
        owner: &UserId,
        before: Option<MediaId>,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<MediaFile>> {
        let mut rows = media::Entity::find()
            .filter(media::Column::Owner.eq(owner.as_str()))
            .filter(media::Column::ViewOnce.eq(false))
            .filter(media::Column::EndsAt.is_null().or(media::Column::EndsAt.gt(millis(now))));
        if let Some(before) = before {
            rows = rows.filter(media::Column::Id.lt(before.to_string()));
        }
        let rows = rows.order_by_desc(media::Column::Id).limit(limit).all(&self.db).await?;
        with_contents(&self.db, rows).await
    }

    /// Everybody's handles on a content: at most `limit`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_on(&self, content: ContentId, limit: u64) -> Result<Vec<MediaFile>> {
        on(&self.db, content, limit).await
    }
}

/// The handles on a content.
pub(super) async fn on(db: &impl ConnectionTrait, content: ContentId, limit: u64) -> Result<Vec<MediaFile>> {
    let rows = media::Entity::find().filter(media::Column::Content.eq(content.0)).limit(limit).all(db).await?;
    with_contents(db, rows).await
}

/// A handle's row as this user reaches it.
pub(super) async fn reach(
    db: &impl ConnectionTrait,
    user: &UserId,
    id: MediaId,
    now: Timestamp,
) -> Result<Option<(media::Model, Reach)>> {
    let Some(row) = there(db, id, now).await? else { return Ok(None) };
    if row.owner == user.as_str() {
        return Ok(Some((row, Reach::Owner)));
    }
    Ok(is_granted(db, user, &row.id, &row.owner).await?.then_some((row, Reach::Granted)))
}

async fn is_granted(db: &impl ConnectionTrait, user: &UserId, id: &str, owner: &str) -> Result<bool> {
    let granted = media_grant::Entity::find()
        .filter(media_grant::Column::Media.eq(id))
        .filter(media_grant::Column::User.eq(user.as_str()));
    if granted.one(db).await?.is_none() {
        return Ok(false);
    }
    let blocked = block::Entity::find_by_id((user.as_str().to_owned(), owner.to_owned()));
    Ok(blocked.one(db).await?.is_none())
}

/// The row of a handle whose time is not over: the collection may be late.
pub(super) async fn there(db: &impl ConnectionTrait, id: MediaId, now: Timestamp) -> Result<Option<media::Model>> {
    let row = media::Entity::find_by_id(id.to_string()).one(db).await?;
    Ok(row.filter(|row| row.ends_at.is_none_or(|end| end > millis(now))))
}

async fn with_content(db: &impl ConnectionTrait, row: media::Model) -> Result<Option<MediaFile>> {
    // Between two reads outside of a transaction it may have gone.
    let content = media_content::Entity::find_by_id(row.content).one(db).await?;
    content.map(|content| media_of(row, content)).transpose()
}

async fn with_contents(db: &impl ConnectionTrait, rows: Vec<media::Model>) -> Result<Vec<MediaFile>> {
    let ids = rows.iter().map(|row| row.content);
    let contents = media_content::Entity::find().filter(media_content::Column::Id.is_in(ids)).all(db).await?;
    let content = |id: i64| contents.iter().find(|content| content.id == id).cloned();
    rows.into_iter().filter_map(|row| content(row.content).map(|content| media_of(row, content))).collect()
}
