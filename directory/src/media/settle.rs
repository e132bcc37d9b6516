//! Jobs, and what came of them: in one transaction with the end of the job.

use super::{BlobPut, ContentId, MediaFile, MediaMade, MediaRefusal, access, add, blobs, content_state, signed};
use crate::entity::{media, media_content, media_job};
use crate::users::millis;
use crate::{Directory, Error, Result};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use std::time::Duration;
use tertulia_common::{Timestamp, UserId};

/// The most handles that hear what came of a content.
const TOLD_MAX: u64 = 1_024;

/// Something that is to be made of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaJob {
    /// Which.
    pub content: ContentId,
    /// The original's name in the spool.
    pub input: String,
    /// Whose turn it takes.
    pub user: Option<UserId>,
    /// What the original was sniffed to be.
    pub class: String,
    /// How often it was begun.
    pub attempts: u32,
}

/// What came of saying what came of a job.
#[derive(Debug)]
pub enum Settled {
    /// It is written. These hear it.
    Done(Vec<MediaFile>),
    /// Nobody has the content any longer.
    Gone,
    /// A blob was given up while it was on its way: put it again.
    Stale,
}

impl Directory {
    /// The jobs that are not over, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_jobs(&self) -> Result<Vec<MediaJob>> {
        let rows = media_job::Entity::find().order_by_asc(media_job::Column::Content).all(&self.db).await?;
        let ids = rows.iter().map(|row| row.content);
        let contents = media_content::Entity::find().filter(media_content::Column::Id.is_in(ids)).all(&self.db).await?;
        let class = |id: i64| contents.iter().find(|content| content.id == id).map(|content| content.class.clone());
        let job = |row: media_job::Model| {
            Ok(MediaJob {
                content: ContentId(row.content),
                class: class(row.content).ok_or(Error::Unreadable { what: "job" })?,
                input: row.input,
                // Whoever has deleted their account takes nobody's turn.
                user: row.user.parse().ok(),
                attempts: u32::try_from(row.attempts).unwrap_or(0),
            })
        };
        rows.into_iter().map(job).collect()
    }

    /// Writes that a job is begun once more. False: there is no such job any longer.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_job_begun(&self, content: ContentId) -> Result<bool> {
        let begun = media_job::Entity::update_many()
            .col_expr(media_job::Column::Attempts, Expr::col(media_job::Column::Attempts).add(1))
            .filter(media_job::Column::Content.eq(content.0))
            .exec(&self.db)
            .await?;
        Ok(begun.rows_affected > 0)
    }

    /// Writes that a job was not begun after all: the program is ending.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_job_put_back(&self, content: ContentId) -> Result<()> {
        media_job::Entity::update_many()
            .col_expr(media_job::Column::Attempts, Expr::col(media_job::Column::Attempts).sub(1))
            .filter(media_job::Column::Content.eq(content.0))
            .filter(media_job::Column::Attempts.gt(0))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// A job has made this of its content; the blobs have been put.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_made(
        &self,
        content: ContentId,
        made: &MediaMade,
        puts: &[BlobPut],
        now: Timestamp,
    ) -> Result<Settled> {
        let tx = self.begin_write().await?;
        if !is_processing(&tx, content).await? {
            return Ok(Settled::Gone);
        }
        if !blobs::keep(&tx, puts, now).await? {
            return Ok(Settled::Stale);
        }
        let mut row = add::content_row(Some(made), &made.class);
        row.id = Set(content.0);
        media_content::Entity::update(row).exec(&tx).await?;
        charge(&tx, content, made.bytes()).await?;
        media_job::Entity::delete_by_id(content.0).exec(&tx).await?;
        let told = access::on(&tx, content, TOLD_MAX).await?;
        tx.commit().await?;
        Ok(Settled::Done(told))
    }

    /// Nothing can be made of it. Those who have it can ask why for as long as `stay`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn media_refused(
        &self,
        content: ContentId,
        refusal: &MediaRefusal,
        now: Timestamp,
        stay: Duration,
    ) -> Result<Settled> {
        let tx = self.begin_write().await?;
        if !is_processing(&tx, content).await? {
            return Ok(Settled::Gone);
        }
        media_content::Entity::update_many()
            .col_expr(media_content::Column::State, Expr::value(content_state::REFUSED))
            .col_expr(media_content::Column::Reason, Expr::value(refusal.reason.clone()))
            .col_expr(media_content::Column::LimitFigure, Expr::value(refusal.limit.map(signed)))
            .col_expr(media_content::Column::ActualFigure, Expr::value(refusal.actual.map(signed)))
            .filter(media_content::Column::Id.eq(content.0))
            .exec(&tx)
            .await?;
        charge(&tx, content, 0).await?;
        media::Entity::update_many()
            .col_expr(media::Column::EndsAt, Expr::value(millis(now + stay)))
            .filter(media::Column::Content.eq(content.0))
            .exec(&tx)
            .await?;
        media_job::Entity::delete_by_id(content.0).exec(&tx).await?;
        let told = access::on(&tx, content, TOLD_MAX).await?;
        tx.commit().await?;
        Ok(Settled::Done(told))
    }
}

async fn is_processing(tx: &impl ConnectionTrait, content: ContentId) -> Result<bool> {
    let row = media_content::Entity::find_by_id(content.0).one(tx).await?;
    Ok(row.is_some_and(|row| row.state == content_state::PROCESSING))
}

async fn charge(tx: &impl ConnectionTrait, content: ContentId, bytes: u64) -> Result<()> {
    media::Entity::update_many()
        .col_expr(media::Column::Charged, Expr::value(signed(bytes)))
        .filter(media::Column::Content.eq(content.0))
        .exec(tx)
        .await?;
    Ok(())
}
