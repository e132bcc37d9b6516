//! Table `media`: handles. Somebody has some content.
#![expect(unreachable_pub, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "media")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub owner: String,
    /// Which of their devices has sent it.
    pub device: Option<String>,
    pub content: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub file_name: Option<String>,
    pub view_once: bool,
    /// Though nobody else has it.
    pub kept: bool,
    pub created_at: i64,
    /// Bytes on its owner's account.
    pub charged: i64,
    /// When it goes, if it does.
    pub ends_at: Option<i64>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("id", &self.id).field("content", &self.content).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
