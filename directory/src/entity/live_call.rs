//! Table `live_call`: calls that go on, and those that have ended lately, as the run before wrote them down.
#![expect(unreachable_pub, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "live_call")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// JSON that only its writer reads.
    #[sea_orm(column_type = "Text")]
    pub image: String,
    /// Of one that has ended: when it need not be kept any longer.
    pub forget_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
