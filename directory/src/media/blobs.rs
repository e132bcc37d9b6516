//! The store's blobs, and how one goes: in steps, so that none is deleted while a reference to it is on its way.
//!
//! Whoever wants to put a blob says so first ([`Directory::blob_touch`]), puts it, and refers to it in one transaction that
//! names the row's generation. A blob without references is *doomed*, later *deleting*, then deleted from the store, and only
//! then its row. Up to `deleting` a touch brings it back; from there on a touch is refused until the row is gone, and the next
//! row has another generation, so that a put from before can't be mistaken for one from after. The steps are rows: a
//! process that dies between any two of them leaves nothing that the next one can't finish.

use super::{MediaBlob, Sha256, content_state, signed, unhex};
use crate::devices::hex;
use crate::entity::{blob, media_content};
use crate::users::millis;
use crate::{Directory, Result};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use std::time::Duration;
use tertulia_common::Timestamp;

/// How a blob stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobState {
    /// Something refers to it.
    Kept,
    /// Nothing refers to it yet: it is being put.
    Loose,
    /// Nothing refers to it any longer.
    Doomed,
    /// It is being taken out of the store.
    Deleting,
}

impl BlobState {
    const ALL: [Self; 4] = [Self::Kept, Self::Loose, Self::Doomed, Self::Deleting];

    fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Loose => "loose",
            Self::Doomed => "doomed",
            Self::Deleting => "deleting",
        }
    }
}

/// A blob that has been announced and put: what may refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobPut {
    /// Which.
    pub blob: MediaBlob,
    /// Of its row when it was announced.
    pub generation: i64,
}

impl Directory {
    /// Announces that this blob is about to be put. The generation under which it may be referred to, or `None` while it is
    /// being deleted: ask again a moment later. `random` tells rows apart.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn blob_touch(&self, blob: MediaBlob, now: Timestamp, random: u64) -> Result<Option<i64>> {
        let key = hex(&blob.key);
        let tx = self.begin_write().await?;
        let row = blob::ActiveModel {
            key: Set(key.clone()),
            bytes: Set(signed(blob.bytes)),
            state: Set(BlobState::Loose.name().to_owned()),
            since: Set(millis(now)),
            generation: Set(i64::from_le_bytes(random.to_le_bytes())),
        };
        let known = OnConflict::column(blob::Column::Key).do_nothing().to_owned();
        blob::Entity::insert(row).on_conflict(known).exec_without_returning(&tx).await?;
        let back = [BlobState::Loose.name(), BlobState::Doomed.name()];
        set_state(
            &tx,
            BlobState::Loose,
            now,
            blob::Entity::update_many().filter(blob::Column::State.is_in(back)),
            &key,
        )
        .await?;
        let row = blob::Entity::find_by_id(key).one(&tx).await?;
        tx.commit().await?;
        Ok(row.filter(|row| row.state != BlobState::Deleting.name()).map(|row| row.generation))
    }

    /// Dooms what has been loose for longer than `on_its_way`, takes what has been doomed for longer than `doomed` to
    /// `deleting`, and gives at most `limit` blobs that are there: to be deleted from the store, then
    /// [`blob_deleted`](Self::blob_deleted). Those that an earlier run has left come first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn blobs_to_delete(
        &self,
        now: Timestamp,
        on_its_way: Duration,
        doomed: Duration,
        limit: u64,
    ) -> Result<Vec<Sha256>> {
        let old = |state: BlobState, wait: Duration| {
            let before = millis(now).saturating_sub(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            let rows = blob::Entity::find().filter(blob::Column::State.eq(state.name()));
            rows.filter(blob::Column::Since.lte(before)).order_by_asc(blob::Column::Since).limit(limit)
        };
        let lost = old(BlobState::Loose, on_its_way).all(&self.db).await?;
        let over = old(BlobState::Doomed, doomed).all(&self.db).await?;
        if !lost.is_empty() || !over.is_empty() {
            let tx = self.begin_write().await?;
            for (rows, from, to) in
                [(lost, BlobState::Loose, BlobState::Doomed), (over, BlobState::Doomed, BlobState::Deleting)]
            {
                for row in rows {
                    // It may have been touched since it was read, and what is referred to stays whatever its row says.
                    let to = if is_referred_to(&tx, &row.key).await? { BlobState::Kept } else { to };
                    let same = blob::Entity::update_many()
                        .filter(blob::Column::State.eq(from.name()))
                        .filter(blob::Column::Since.eq(row.since))
                        .filter(blob::Column::Generation.eq(row.generation));
                    set_state(&tx, to, now, same, &row.key).await?;
                }
            }
            tx.commit().await?;
        }
        let rows = blob::Entity::find()
            .filter(blob::Column::State.eq(BlobState::Deleting.name()))
            .order_by_asc(blob::Column::Since)
            .limit(limit)
            .all(&self.db)
            .await?;
        rows.iter().map(|row| unhex(&row.key)).collect()
    }

    /// This blob is no longer in the store.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn blob_deleted(&self, key: &Sha256) -> Result<()> {
        let gone = blob::Entity::delete_many().filter(blob::Column::Key.eq(hex(key)));
        gone.filter(blob::Column::State.eq(BlobState::Deleting.name())).exec(&self.db).await?;
        Ok(())
    }

    /// How this blob stands: for tests and the doctor.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn blob_state(&self, key: &Sha256) -> Result<Option<BlobState>> {
        let row = blob::Entity::find_by_id(hex(key)).one(&self.db).await?;
        Ok(row.and_then(|row| BlobState::ALL.into_iter().find(|state| state.name() == row.state)))
    }

    /// How many blobs there are, and their bytes.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn blobs(&self) -> Result<(u64, u64)> {
        let sum = blob::Entity::find()
            .select_only()
            .column_as(Expr::col(blob::Column::Bytes).sum(), "bytes")
            .into_tuple::<Option<i64>>()
            .one(&self.db)
            .await?;
        let count = blob::Entity::find().count(&self.db).await?;
        Ok((count, u64::try_from(sum.flatten().unwrap_or(0)).unwrap_or(0)))
    }
}

/// How many are to be deleted, and have been for longer than `doomed`.
pub(super) async fn overdue(db: &impl ConnectionTrait, now: Timestamp, doomed: Duration) -> Result<u64> {
    let before = millis(now).saturating_sub(i64::try_from(doomed.as_millis()).unwrap_or(i64::MAX));
    let states = [BlobState::Doomed.name(), BlobState::Deleting.name()];
    let rows = blob::Entity::find().filter(blob::Column::State.is_in(states));
    Ok(rows.filter(blob::Column::Since.lte(before)).count(db).await?)
}

/// Refers to blobs that were put. False if one of them was given up in between: then it has to be put again.
pub(super) async fn keep(tx: &impl ConnectionTrait, puts: &[BlobPut], now: Timestamp) -> Result<bool> {
    for put in puts {
        let same = blob::Entity::update_many()
            .filter(blob::Column::Generation.eq(put.generation))
            .filter(blob::Column::State.ne(BlobState::Deleting.name()));
        if set_state(tx, BlobState::Kept, now, same, &hex(&put.blob.key)).await? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Dooms those blobs of a content that is gone which nothing else refers to.
pub(super) async fn doom(tx: &impl ConnectionTrait, row: &media_content::Model, now: Timestamp) -> Result<()> {
    for key in [&row.main, &row.thumb_jpeg, &row.thumb_webp].into_iter().flatten() {
        if !is_referred_to(tx, key).await? {
            let kept = blob::Entity::update_many().filter(blob::Column::State.eq(BlobState::Kept.name()));
            set_state(tx, BlobState::Doomed, now, kept, key).await?;
        }
    }
    Ok(())
}

async fn set_state(
    tx: &impl ConnectionTrait,
    state: BlobState,
    now: Timestamp,
    rows: sea_orm::UpdateMany<blob::Entity>,
    key: &str,
) -> Result<u64> {
    let changed = rows
        .col_expr(blob::Column::State, Expr::value(state.name()))
        .col_expr(blob::Column::Since, Expr::value(millis(now)))
        .filter(blob::Column::Key.eq(key));
    Ok(changed.exec(tx).await?.rows_affected)
}

async fn is_referred_to(tx: &impl ConnectionTrait, key: &str) -> Result<bool> {
    use media_content::Column;
    // Three lookups, not one `OR`: each has an index.
    for column in [Column::Main, Column::ThumbJpeg, Column::ThumbWebp] {
        let ready = media_content::Entity::find().filter(Column::State.eq(content_state::READY));
        if ready.filter(column.eq(key)).select_only().column(Column::Id).into_tuple::<i64>().one(tx).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
