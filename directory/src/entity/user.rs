//! Table `user`: everyone who has ever signed in or connected, and those who stand for deleted accounts.
#![expect(unnameable_types, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: String,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// E.164; of accounts only, and unique.
    pub phone: Option<String>,
    /// Of those who stand for a deleted account: since when.
    pub deleted_at: Option<i64>,
    pub do_not_disturb_until: Option<i64>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
