//! Table `departed`: which ids have deleted their account, when, and who stands for them in the others' history.
#![expect(unreachable_pub, reason = "the derive makes public items, and rows stay in this crate")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "departed")]
pub struct Model {
    /// SHA-256 of the id, in hexadecimal digits: the id itself is gone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id_hash: String,
    /// The last time, if it was more than once.
    pub at: i64,
    /// A row of `user` that nobody can be.
    pub stand_in: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
