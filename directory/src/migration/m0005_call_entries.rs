//! Calls that have ended and are not yet in the conversation of their two.
#![expect(elided_lifetimes_in_paths, reason = "the trait of sea-orm-migration is written so")]

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::string_len;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_call_entries"
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Call {
    Table,
    Id,
}

#[derive(Clone, Copy, DeriveIden)]
enum CallEntry {
    Table,
    Id,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(CallEntry::Table)
                    .col(string_len(CallEntry::Id, 36).primary_key())
                    .foreign_key(
                        ForeignKey::create()
                            .from(CallEntry::Table, CallEntry::Id)
                            .to(Call::Table, Call::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(CallEntry::Table).to_owned()).await
    }
}
