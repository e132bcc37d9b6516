//! Table `media_upload`: resumable uploads, until they are whole or expire.
#![expect(unnameable_types, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "media_upload")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub owner: String,
    pub device: String,
    pub length: i64,
    /// Bytes that are on the disk.
    pub offset: i64,
    /// As its client wrote it.
    #[sea_orm(column_type = "Text", nullable)]
    pub metadata: Option<String>,
    /// Its name in the spool.
    pub file: String,
    /// What has become of it.
    pub media: Option<String>,
    pub expires_at: i64,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("id", &self.id).field("offset", &self.offset).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
