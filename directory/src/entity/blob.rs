//! Table `blob`: what lies in the store, or is on its way there or out of it. See `media::blobs`.
#![expect(unreachable_pub, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "blob")]
pub struct Model {
    /// SHA-256, in hexadecimal digits.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub bytes: i64,
    pub state: String,
    /// Of this state.
    pub since: i64,
    /// Another one for each time that the row is made.
    pub generation: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
