//! Table `group_call`: every call of a group that has ended.
#![expect(unnameable_types, reason = "the derive makes public items, and rows stay in this crate")]

use crate::calls::{EndReason, Media};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "group_call")]
pub struct Model {
    /// As a call's.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// As the gateway names it.
    pub group_id: String,
    /// What it was called then.
    pub group_name: String,
    pub started_by: String,
    pub media: Media,
    pub started_at: i64,
    pub ended_at: i64,
    pub reason: EndReason,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
