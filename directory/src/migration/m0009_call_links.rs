//! Addresses by which people come into a call.
#![expect(elided_lifetimes_in_paths, reason = "the trait of sea-orm-migration is written so")]

use super::goes_with_user;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, string_len, string_null};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0009_call_links"
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum CallLink {
    Table,
    Id,
    Hash,
    Owner,
    Name,
    Media,
    Approval,
    MadeAt,
    ExpiresAt,
    RevokedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(CallLink::Table)
                    .col(string_len(CallLink::Id, 32).primary_key())
                    .col(string_len(CallLink::Hash, 64))
                    .col(string_len(CallLink::Owner, 64))
                    .col(string_null(CallLink::Name))
                    .col(string_len(CallLink::Media, 16))
                    .col(boolean(CallLink::Approval))
                    .col(big_integer(CallLink::MadeAt))
                    .col(big_integer(CallLink::ExpiresAt))
                    .col(big_integer_null(CallLink::RevokedAt))
                    .foreign_key(&mut goes_with_user(CallLink::Table, CallLink::Owner))
                    .to_owned(),
            )
            .await?;
        let by_hash =
            Index::create().name("call_link_hash").table(CallLink::Table).col(CallLink::Hash).unique().to_owned();
        manager.create_index(by_hash).await?;
        let of_owner =
            Index::create().name("call_link_of_owner").table(CallLink::Table).col(CallLink::Owner).to_owned();
        manager.create_index(of_owner).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(CallLink::Table).to_owned()).await
    }
}
