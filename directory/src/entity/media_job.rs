//! Table `media_job`: contents that something is still to be made of.
#![expect(unreachable_pub, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "media_job")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub content: i64,
    /// The original's name in the spool.
    pub input: String,
    /// Whose turn it takes.
    pub user: String,
    /// How often it was begun.
    pub attempts: i32,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
