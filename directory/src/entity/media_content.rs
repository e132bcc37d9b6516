//! Table `media_content`: bytes as they were sent, and what has become of them. One row, whoever sends them.
#![expect(unnameable_types, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "media_content")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Of the original, in hexadecimal digits; unique with the treatment.
    pub sha256: String,
    pub treatment: String,
    /// Proves possession: never shown.
    pub h2: String,
    pub original_bytes: i64,
    pub class: String,
    pub state: String,
    pub reason: Option<String>,
    pub limit_figure: Option<i64>,
    pub actual_figure: Option<i64>,
    pub main: Option<String>,
    pub main_bytes: i64,
    pub thumb_jpeg: Option<String>,
    pub thumb_jpeg_bytes: i64,
    pub thumb_webp: Option<String>,
    pub thumb_webp_bytes: i64,
    #[sea_orm(column_type = "Text")]
    pub mime: String,
    pub width: i64,
    pub height: i64,
    pub duration_ms: i64,
    pub has_sound: bool,
    pub is_salvaged: bool,
    pub thumbhash: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub preview: String,
    pub waveform: Vec<u8>,
    /// Nobody has it since then: it is to go.
    pub orphan_since: Option<i64>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
