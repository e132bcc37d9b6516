//! What people show of when they are here, when they last were, and who has written to whom.
#![expect(elided_lifetimes_in_paths, reason = "the trait of sea-orm-migration is written so")]

use super::goes_with_user;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, integer_null, string_len};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0006_presence"
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Presence {
    Table,
    User,
    /// To whom they show that they are here: 0 everyone, 1 contacts, 2 nobody.
    Online,
    /// To whom they show when they last were: the same.
    LastSeen,
    SeenAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Contact {
    Table,
    User,
    Other,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Presence::Table)
                    .col(string_len(Presence::User, 64).primary_key())
                    .col(integer_null(Presence::Online))
                    .col(integer_null(Presence::LastSeen))
                    .col(big_integer_null(Presence::SeenAt))
                    .foreign_key(&mut goes_with_user(Presence::Table, Presence::User))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Contact::Table)
                    .col(string_len(Contact::User, 64))
                    .col(string_len(Contact::Other, 64))
                    .primary_key(Index::create().col(Contact::User).col(Contact::Other))
                    .foreign_key(&mut goes_with_user(Contact::Table, Contact::User))
                    .foreign_key(&mut goes_with_user(Contact::Table, Contact::Other))
                    .to_owned(),
            )
            .await?;
        // Whoever is deleted disappears from the others' without a search of the whole table.
        let by_other = Index::create().name("contact_of_other").table(Contact::Table).col(Contact::Other).to_owned();
        manager.create_index(by_other).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Contact::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Presence::Table).to_owned()).await
    }
}
