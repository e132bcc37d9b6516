//! Accounts: phone numbers, devices, blocks, settings, and what is left of those who have deleted theirs.
#![expect(elided_lifetimes_in_paths, reason = "the trait of sea-orm-migration is written so")]

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, string, string_len, string_len_null};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_accounts"
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum User {
    Table,
    Id,
    Phone,
    DeletedAt,
    DoNotDisturbUntil,
}

#[derive(Clone, Copy, DeriveIden)]
enum Device {
    Table,
    User,
    Id,
    Name,
    IsPrimary,
    TokenHash,
    LinkedAt,
    SeenAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Block {
    Table,
    User,
    Blocked,
    At,
}

#[derive(Clone, Copy, DeriveIden)]
enum Departed {
    Table,
    IdHash,
    At,
    StandIn,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column a statement.
        for column in [
            string_len_null(User::Phone, 16),
            big_integer_null(User::DeletedAt),
            big_integer_null(User::DoNotDisturbUntil),
        ] {
            manager.alter_table(Table::alter().table(User::Table).add_column(column).to_owned()).await?;
        }
        let by_phone = Index::create().name("user_phone").table(User::Table).col(User::Phone).unique().to_owned();
        manager.create_index(by_phone).await?;
        manager.create_table(devices()).await?;
        let by_token =
            Index::create().name("device_token").table(Device::Table).col(Device::TokenHash).unique().to_owned();
        manager.create_index(by_token).await?;
        manager.create_table(blocks()).await?;
        // Whoever is deleted disappears from the others' lists without a search of the whole table.
        let by_blocked = Index::create().name("block_of_blocked").table(Block::Table).col(Block::Blocked).to_owned();
        manager.create_index(by_blocked).await?;
        manager
            .create_table(
                Table::create()
                    .table(Departed::Table)
                    .col(string_len(Departed::IdHash, 64).primary_key())
                    .col(big_integer(Departed::At))
                    .col(string_len(Departed::StandIn, 64))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Departed::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Block::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Device::Table).to_owned()).await?;
        manager.drop_index(Index::drop().name("user_phone").table(User::Table).to_owned()).await?;
        for column in [User::Phone, User::DeletedAt, User::DoNotDisturbUntil] {
            manager.alter_table(Table::alter().table(User::Table).drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}

fn devices() -> TableCreateStatement {
    Table::create()
        .table(Device::Table)
        .col(string_len(Device::User, 64))
        .col(string_len(Device::Id, 64))
        .col(string(Device::Name))
        .col(boolean(Device::IsPrimary))
        .col(string_len(Device::TokenHash, 64))
        .col(big_integer(Device::LinkedAt))
        .col(big_integer_null(Device::SeenAt))
        .primary_key(Index::create().col(Device::User).col(Device::Id))
        .foreign_key(
            ForeignKey::create()
                .from(Device::Table, Device::User)
                .to(User::Table, User::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn blocks() -> TableCreateStatement {
    let to_user = |column| {
        ForeignKey::create()
            .from(Block::Table, column)
            .to(User::Table, User::Id)
            .on_delete(ForeignKeyAction::Cascade)
            .to_owned()
    };
    Table::create()
        .table(Block::Table)
        .col(string_len(Block::User, 64))
        .col(string_len(Block::Blocked, 64))
        .col(big_integer(Block::At))
        .primary_key(Index::create().col(Block::User).col(Block::Blocked))
        .foreign_key(&mut to_user(Block::User))
        .foreign_key(&mut to_user(Block::Blocked))
        .to_owned()
}
