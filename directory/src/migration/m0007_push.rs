//! Where devices want to be woken.
#![expect(elided_lifetimes_in_paths, reason = "the trait of sea-orm-migration is written so")]

use super::goes_with_user;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string_len};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0007_push"
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Push {
    Table,
    User,
    Device,
    Endpoint,
    P256dh,
    Auth,
    At,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Push::Table)
                    .col(string_len(Push::User, 64))
                    .col(string_len(Push::Device, 64))
                    .col(string_len(Push::Endpoint, 1_024))
                    .col(string_len(Push::P256dh, 128))
                    .col(string_len(Push::Auth, 64))
                    .col(big_integer(Push::At))
                    .primary_key(Index::create().col(Push::User).col(Push::Device))
                    .foreign_key(&mut goes_with_user(Push::Table, Push::User))
                    .to_owned(),
            )
            .await?;
        // A browser belongs to whoever signed in last.
        let one = Index::create().name("push_endpoint").table(Push::Table).col(Push::Endpoint).unique().to_owned();
        manager.create_index(one).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Push::Table).to_owned()).await
    }
}
