//! Resumable uploads: how far each is, so that a restart goes on with them.

use super::{signed, unsigned};
use crate::entity::media_upload::{ActiveModel, Column, Entity, Model};
use crate::users::{millis, timestamp};
use crate::{Directory, Error, Result};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use tertulia_common::{DeviceId, MediaId, Timestamp, UserId};

/// A resumable upload.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaUpload {
    /// Which: its maker's text.
    pub id: String,
    /// Whose.
    pub owner: UserId,
    /// From which device.
    pub device: DeviceId,
    /// Bytes, when it is whole.
    pub length: u64,
    /// Bytes that are on the disk.
    pub offset: u64,
    /// As its client wrote it.
    pub metadata: Option<String>,
    /// Its name in the spool.
    pub file: String,
    /// What has become of it.
    pub media: Option<MediaId>,
    /// When it goes.
    pub expires_at: Timestamp,
}

// No `Debug` on the metadata: there is a name in it.
impl std::fmt::Debug for MediaUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaUpload").field("id", &self.id).field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl TryFrom<Model> for MediaUpload {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let media = row.media.map(|id| id.parse().map_err(|_| Error::Unreadable { what: "media id" }));
        Ok(Self {
            id: row.id,
            owner: row.owner.parse().map_err(|_| Error::Unreadable { what: "user id" })?,
            device: row.device.parse().map_err(|_| Error::Unreadable { what: "device id" })?,
            length: unsigned(row.length, "length of an upload")?,
            offset: unsigned(row.offset, "offset of an upload")?,
            metadata: row.metadata,
            file: row.file,
            media: media.transpose()?,
            expires_at: timestamp(row.expires_at, "end of an upload")?,
        })
    }
}

impl Directory {
    /// Adds a resumable upload.
    ///
    /// # Errors
    /// [`Error::UnknownUser`]; if the database fails.
    pub async fn upload_create(&self, upload: &MediaUpload) -> Result<()> {
        let row = ActiveModel {
            id: Set(upload.id.clone()),
            owner: Set(upload.owner.as_str().to_owned()),
            device: Set(upload.device.as_str().to_owned()),
            length: Set(signed(upload.length)),
            offset: Set(signed(upload.offset)),
            metadata: Set(upload.metadata.clone()),
            file: Set(upload.file.clone()),
            media: Set(upload.media.map(|id| id.to_string())),
            expires_at: Set(millis(upload.expires_at)),
        };
        Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok(())
    }

    /// A resumable upload.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn upload(&self, id: &str) -> Result<Option<MediaUpload>> {
        Entity::find_by_id(id).one(&self.db).await?.map(MediaUpload::try_from).transpose()
    }

    /// So many of its bytes are on the disk.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn upload_advance(&self, id: &str, offset: u64, expires_at: Timestamp) -> Result<()> {
        Entity::update_many()
            .col_expr(Column::Offset, Expr::value(signed(offset)))
            .col_expr(Column::ExpiresAt, Expr::value(millis(expires_at)))
            .filter(Column::Id.eq(id))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// This has become of it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn upload_complete(&self, id: &str, media: MediaId, expires_at: Timestamp) -> Result<()> {
        Entity::update_many()
            .col_expr(Column::Media, Expr::value(media.to_string()))
            .col_expr(Column::ExpiresAt, Expr::value(millis(expires_at)))
            .filter(Column::Id.eq(id))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Removes it. It is fine if it is not there.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn upload_remove(&self, id: &str) -> Result<()> {
        Entity::delete_by_id(id).exec(&self.db).await?;
        Ok(())
    }

    /// How many have become nothing yet: of this user, and in all.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn uploads_open(&self, owner: &UserId) -> Result<(u64, u64)> {
        let open = || Entity::find().filter(Column::Media.is_null());
        let mine = open().filter(Column::Owner.eq(owner.as_str())).count(&self.db).await?;
        Ok((mine, open().count(&self.db).await?))
    }

    /// A user's.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn uploads_of(&self, owner: &UserId) -> Result<Vec<MediaUpload>> {
        let rows = Entity::find().filter(Column::Owner.eq(owner.as_str())).all(&self.db).await?;
        rows.into_iter().map(MediaUpload::try_from).collect()
    }

    /// At most `limit` whose time is over.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn uploads_expired(&self, now: Timestamp, limit: u64) -> Result<Vec<MediaUpload>> {
        let rows = Entity::find().filter(Column::ExpiresAt.lte(millis(now))).order_by_asc(Column::ExpiresAt);
        rows.limit(limit).all(&self.db).await?.into_iter().map(MediaUpload::try_from).collect()
    }

    /// At most `limit` that are whole, and nothing has become of them.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn uploads_whole(&self, limit: u64) -> Result<Vec<MediaUpload>> {
        let whole = Expr::col(Column::Offset).gte(Expr::col(Column::Length));
        let rows = Entity::find().filter(Column::Media.is_null()).filter(whole);
        rows.limit(limit).all(&self.db).await?.into_iter().map(MediaUpload::try_from).collect()
    }

    /// The names in the spool of those that nothing has become of yet.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn upload_files(&self) -> Result<Vec<String>> {
        let names = Entity::find().filter(Column::Media.is_null()).select_only().column(Column::File);
        Ok(names.into_tuple::<String>().all(&self.db).await?)
    }
}
