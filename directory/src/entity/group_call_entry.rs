//! Table `group_call_entry`: calls whose entry in the conversation of their group is still to be made. Mostly empty.
#![expect(unreachable_pub, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "group_call_entry")]
pub struct Model {
    /// The call's.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
