//! Table `call_link`: addresses by which people come into a call.
#![expect(unnameable_types, reason = "the derive makes public items, and rows stay in this crate")]

use crate::calls::Media;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "call_link")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Unique: of the token, in hex.
    pub hash: String,
    pub owner: String,
    pub name: Option<String>,
    pub media: Media,
    pub approval: bool,
    pub made_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
