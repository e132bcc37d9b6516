//! Table `media_grant`: who else may see a file, and by what.
#![expect(unreachable_pub, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "media_grant")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub media: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user: String,
    /// What it hangs on: empty where its owner has said so, else the message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub reference: String,
    pub at: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
