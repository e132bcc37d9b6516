//! Table `call_party`: whom a call of many concerned. All of a group's call; of one of two that grew, those who were added.
#![expect(unnameable_types, reason = "the derive makes public items, and rows stay in this crate")]

use crate::group_calls::Part;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "call_party")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user: String,
    /// In `group_call` or in `call`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub call: String,
    pub part: Part,
    /// They must not see it: they had blocked who asked them in.
    pub hidden: bool,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
