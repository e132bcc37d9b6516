//! Table `media_open`: who has opened, or is opening, a view-once file.
#![expect(unreachable_pub, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "media_open")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub media: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user: String,
    pub device: String,
    pub lease_until: i64,
    pub opened_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
