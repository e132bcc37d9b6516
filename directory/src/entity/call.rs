//! Table `call`: every call that has ended, one row for both sides.
#![expect(unnameable_types, reason = "the derive makes public items, and rows stay in this crate")]

use crate::calls::{EndReason, Media};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "call")]
pub struct Model {
    /// A version 7 UUID as text: sorts by the time when the call was placed.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub caller: String,
    pub callee: String,
    pub media: Media,
    /// Milliseconds since the Unix epoch, as all times here.
    pub started_at: i64,
    pub answered_at: Option<i64>,
    pub ended_at: i64,
    pub reason: EndReason,
    /// The callee missed it.
    pub missed: bool,
    /// The callee has been told that they missed it.
    pub missed_seen: bool,
    /// The callee must not see it: they had blocked the caller.
    pub hidden: bool,
    /// How it was for the caller, as JSON that only the gateway reads.
    pub caller_quality: Option<String>,
    /// How it was for the callee.
    pub callee_quality: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
