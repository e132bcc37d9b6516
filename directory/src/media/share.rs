//! Grants: by their owner to other people, and what keeps a file that is neither shared nor kept from going.

use super::{access, add};
use crate::entity::{media, media_grant};
use crate::users::millis;
use crate::{AccessChange, Directory, Result};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use tertulia_common::{MediaId, Timestamp, UserId};

/// What came of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// It is shared.
    Done,
    /// There is no such file, or it is somebody else's.
    NotFound,
    /// It is to be seen once: whom it is for was said when it was made.
    ViewOnce,
    /// It would be shared with more people than it may.
    Full,
}

impl Directory {
    /// Shares one's own file with these people, by a reference (empty: because its owner says so).
    ///
    /// # Errors
    /// [`Error::UnknownUser`](crate::Error::UnknownUser) if one of them is nobody; if the database fails.
    pub async fn media_share(
        &self,
        owner: &UserId,
        id: MediaId,
        to: &[UserId],
        reference: &str,
        max: u64,
        now: Timestamp,
    ) -> Result<Shared> {
        let (owner, reference) = (owner.clone(), reference.to_owned());
        let others: Vec<UserId> = to.iter().filter(|person| **person != owner).cloned().collect();
        self.changing(AccessChange::File(id), async move |this| {
            let tx = this.begin_write().await?;
            let row = match own(&tx, &owner, id, now).await? {
                Ok(row) => row,
                Err(other) => return Ok(other),
            };
            add::grant(&tx, id, &others, &reference, now).await?;
            let grants = media_grant::Entity::find().filter(media_grant::Column::Media.eq(id.to_string()));
            if grants.count(&tx).await? > max {
                return Ok(Shared::Full);
            }
            if !others.is_empty() && !is_refused(&tx, &row).await? {
                set_end(&tx, &row.id, None).await?;
            }
            tx.commit().await?;
            Ok(Shared::Done)
        })
        .await
    }

    /// Takes a reference back from these people. A file that is then neither shared nor kept goes at `idle_end`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_unshare(
        &self,
        owner: &UserId,
        id: MediaId,
        from: &[UserId],
        reference: &str,
        now: Timestamp,
        idle_end: Timestamp,
    ) -> Result<Shared> {
        let (owner, from, reference) = (owner.clone(), from.to_vec(), reference.to_owned());
        self.changing(AccessChange::Grants(id, from.clone()), async move |this| {
            let tx = this.begin_write().await?;
            let row = match own(&tx, &owner, id, now).await? {
                Ok(row) => row,
                Err(other) => return Ok(other),
            };
            media_grant::Entity::delete_many()
                .filter(media_grant::Column::Media.eq(&row.id))
                .filter(media_grant::Column::Reference.eq(reference))
                .filter(media_grant::Column::User.is_in(from.iter().map(UserId::as_str)))
                .exec(&tx)
                .await?;
            end_if_idle(&tx, &row, idle_end).await?;
            tx.commit().await?;
            Ok(Shared::Done)
        })
        .await
    }

    /// Whether its owner keeps a file that nobody else has.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_keep(
        &self,
        owner: &UserId,
        id: MediaId,
        keep: bool,
        now: Timestamp,
        idle_end: Timestamp,
    ) -> Result<Shared> {
        let owner = owner.clone();
        self.changing(AccessChange::File(id), async move |this| {
            let tx = this.begin_write().await?;
            let mut row = match own(&tx, &owner, id, now).await? {
                Ok(row) => row,
                Err(other) => return Ok(other),
            };
            row.kept = keep;
            let kept = media::Entity::update_many().col_expr(media::Column::Kept, Expr::value(keep));
            kept.filter(media::Column::Id.eq(&row.id)).exec(&tx).await?;
            if !keep {
                end_if_idle(&tx, &row, idle_end).await?;
            } else if !is_refused(&tx, &row).await? {
                set_end(&tx, &row.id, None).await?;
            }
            tx.commit().await?;
            Ok(Shared::Done)
        })
        .await
    }

    /// This user's own handle on the content of a file, other than to be seen once, if they have one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_own(
        &self,
        owner: &UserId,
        content: super::ContentId,
        now: Timestamp,
    ) -> Result<Option<MediaId>> {
        let row = media::Entity::find()
            .filter(media::Column::Content.eq(content.0))
            .filter(media::Column::ViewOnce.eq(false))
            .filter(media::Column::Owner.eq(owner.as_str()))
            .filter(media::Column::EndsAt.is_null().or(media::Column::EndsAt.gt(millis(now))))
            .select_only()
            .column(media::Column::Id)
            .into_tuple::<String>()
            .one(&self.db)
            .await?;
        row.map(|id| id.parse().map_err(|_| crate::Error::Unreadable { what: "media id" })).transpose()
    }
}

/// One's own file that is there and may be shared.
async fn own(
    tx: &impl ConnectionTrait,
    owner: &UserId,
    id: MediaId,
    now: Timestamp,
) -> Result<std::result::Result<media::Model, Shared>> {
    let row = access::there(tx, id, now).await?.filter(|row| row.owner == owner.as_str());
    Ok(match row {
        None => Err(Shared::NotFound),
        Some(row) if row.view_once => Err(Shared::ViewOnce),
        Some(row) => Ok(row),
    })
}

/// A file goes at `end` if it is neither shared nor kept, and does not go already.
pub(super) async fn end_if_idle(tx: &impl ConnectionTrait, row: &media::Model, end: Timestamp) -> Result<()> {
    let grants = media_grant::Entity::find().filter(media_grant::Column::Media.eq(&row.id));
    if !row.kept && row.ends_at.is_none() && grants.one(tx).await?.is_none() {
        set_end(tx, &row.id, Some(end)).await?;
    }
    Ok(())
}

pub(super) async fn set_end(tx: &impl ConnectionTrait, id: &str, end: Option<Timestamp>) -> Result<()> {
    let ends = media::Entity::update_many().col_expr(media::Column::EndsAt, Expr::value(end.map(millis)));
    ends.filter(media::Column::Id.eq(id)).exec(tx).await?;
    Ok(())
}

async fn is_refused(tx: &impl ConnectionTrait, row: &media::Model) -> Result<bool> {
    let content = crate::entity::media_content::Entity::find_by_id(row.content).one(tx).await?;
    Ok(content.is_none_or(|content| content.state == super::content_state::REFUSED))
}
