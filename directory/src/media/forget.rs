//! How files go: deleted by their owner, at their end, with their owner's account. A content goes when its last handle does.

use super::{ContentId, blobs, content_state, once, share};
use crate::entity::{media, media_content, media_grant, media_job};
use crate::users::{millis, timestamp};
use crate::{AccessChange, Directory, Result};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use std::time::Duration;
use tertulia_common::{MediaId, Timestamp, UserId};

impl Directory {
    /// Deletes one's own file, for everybody. `None` if it is not there; else the jobs that nobody needs any longer.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_delete(&self, owner: &UserId, id: MediaId, now: Timestamp) -> Result<Option<Vec<ContentId>>> {
        let owner = owner.clone();
        self.changing(AccessChange::File(id), async move |this| {
            let tx = this.begin_write().await?;
            let row = media::Entity::find_by_id(id.to_string()).one(&tx).await?;
            let Some(row) = row.filter(|row| row.owner == owner.as_str()) else { return Ok(None) };
            let cancelled = delete(&tx, vec![row], now).await?;
            tx.commit().await?;
            Ok(Some(cancelled))
        })
        .await
    }

    /// Deletes at most `limit` files whose time is over. How many they were, and the jobs that nobody needs any longer.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_expire(&self, now: Timestamp, limit: u64) -> Result<(u64, Vec<ContentId>)> {
        let over = || {
            let rows = media::Entity::find().filter(media::Column::EndsAt.lte(millis(now)));
            rows.order_by_asc(media::Column::EndsAt).limit(limit)
        };
        // A look that finds nothing costs no write.
        if over().one(&self.db).await?.is_none() {
            return Ok((0, Vec::new()));
        }
        let tx = self.begin_write().await?;
        let rows = over().all(&tx).await?;
        let count = rows.len() as u64;
        let cancelled = delete(&tx, rows, now).await?;
        tx.commit().await?;
        Ok((count, cancelled))
    }

    /// Forgets at most `limit` contents that nobody has, and dooms their blobs. How many they were.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_sweep(&self, now: Timestamp, limit: u64) -> Result<u64> {
        let orphans = || {
            let rows = media_content::Entity::find().filter(media_content::Column::OrphanSince.is_not_null());
            rows.order_by_asc(media_content::Column::OrphanSince).limit(limit)
        };
        if orphans().one(&self.db).await?.is_none() {
            return Ok(0);
        }
        let tx = self.begin_write().await?;
        let mut count = 0;
        for row in orphans().all(&tx).await? {
            forget_content(&tx, &row, now).await?;
            count += 1;
        }
        tx.commit().await?;
        Ok(count)
    }

    /// What is to go and has not gone yet: files whose time is over, contents that nobody has, blobs that have been doomed for
    /// longer than `doomed`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_backlog(&self, now: Timestamp, doomed: Duration) -> Result<[u64; 3]> {
        let files = media::Entity::find().filter(media::Column::EndsAt.lte(millis(now))).count(&self.db).await?;
        let orphans = media_content::Entity::find().filter(media_content::Column::OrphanSince.is_not_null());
        Ok([files, orphans.count(&self.db).await?, blobs::overdue(&self.db, now, doomed).await?])
    }

    /// Deletes everything of this user's: files, what was shared with them, their turns in the queue. The jobs that nobody
    /// needs any longer. What was shared with nobody else, and its owner does not keep, goes after `stay`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_forget(&self, user: &UserId, now: Timestamp, stay: Duration) -> Result<Vec<ContentId>> {
        let user = user.clone();
        self.changing(AccessChange::All, async move |this| {
            let tx = this.begin_write().await?;
            let cancelled = forget_media_of(&tx, &user, now, stay).await?;
            tx.commit().await?;
            Ok(cancelled)
        })
        .await
    }
}

/// As [`Directory::media_forget`], in the transaction that deletes the account.
pub(crate) async fn forget_media_of(
    tx: &impl ConnectionTrait,
    user: &UserId,
    now: Timestamp,
    stay: Duration,
) -> Result<Vec<ContentId>> {
    let own = media::Entity::find().filter(media::Column::Owner.eq(user.as_str())).all(tx).await?;
    let cancelled = delete(tx, own, now).await?;
    let granted = media_grant::Entity::find()
        .filter(media_grant::Column::User.eq(user.as_str()))
        .select_only()
        .column(media_grant::Column::Media)
        .distinct()
        .into_tuple::<String>()
        .all(tx)
        .await?;
    media_grant::Entity::delete_many().filter(media_grant::Column::User.eq(user.as_str())).exec(tx).await?;
    for id in granted {
        let Some(row) = media::Entity::find_by_id(id).one(tx).await? else { continue };
        if row.view_once {
            once::end_when_all_have_opened(tx, &row, now).await?;
        } else {
            share::end_if_idle(tx, &row, now + stay).await?;
        }
    }
    media_job::Entity::update_many()
        .col_expr(media_job::Column::User, Expr::value(""))
        .filter(media_job::Column::User.eq(user.as_str()))
        .exec(tx)
        .await?;
    Ok(cancelled)
}

/// Deletes handles; their grants and leases go with them. The contents that were being worked on for them alone.
async fn delete(tx: &impl ConnectionTrait, rows: Vec<media::Model>, now: Timestamp) -> Result<Vec<ContentId>> {
    let mut cancelled = Vec::new();
    for row in rows {
        media::Entity::delete_by_id(row.id).exec(tx).await?;
        let others = media::Entity::find().filter(media::Column::Content.eq(row.content));
        if others.one(tx).await?.is_some() {
            continue;
        }
        let Some(content) = media_content::Entity::find_by_id(row.content).one(tx).await? else { continue };
        if content.state == content_state::READY {
            // Its blobs take a look each: that is left to the sweep.
            media_content::Entity::update_many()
                .col_expr(media_content::Column::OrphanSince, Expr::value(millis(now)))
                .filter(media_content::Column::Id.eq(content.id))
                .exec(tx)
                .await?;
            continue;
        }
        if content.state == content_state::PROCESSING {
            cancelled.push(ContentId(content.id));
        }
        media_content::Entity::delete_by_id(content.id).exec(tx).await?;
    }
    Ok(cancelled)
}

async fn forget_content(tx: &impl ConnectionTrait, row: &media_content::Model, now: Timestamp) -> Result<()> {
    let others = media::Entity::find().filter(media::Column::Content.eq(row.id));
    if others.one(tx).await?.is_some() {
        // Whoever has it again has said so in their own transaction; a row that says otherwise is mended.
        media_content::Entity::update_many()
            .col_expr(media_content::Column::OrphanSince, Expr::value(None::<i64>))
            .filter(media_content::Column::Id.eq(row.id))
            .exec(tx)
            .await?;
        return Ok(());
    }
    media_content::Entity::delete_by_id(row.id).exec(tx).await?;
    let at = row.orphan_since.unwrap_or_else(|| millis(now));
    blobs::doom(tx, row, timestamp(at, "time when a file went")?).await
}
