//! Table `device`: the devices of accounts, each with the hash of its token.
#![expect(unnameable_types, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "device")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: String,
    /// Registered by PIN; the others were linked.
    pub is_primary: bool,
    /// SHA-256 of the token, in hexadecimal digits; unique.
    pub token_hash: String,
    pub linked_at: i64,
    /// Written now and then: see `devices`.
    pub seen_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
