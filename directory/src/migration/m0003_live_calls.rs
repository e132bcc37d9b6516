//! Calls that go on, so that a restart keeps them; calls that their callee must not see; and how a call was.
#![expect(elided_lifetimes_in_paths, reason = "the trait of sea-orm-migration is written so")]

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, integer, string_len, text, text_null};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_live_calls"
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum Call {
    Table,
    Hidden,
    CallerQuality,
    CalleeQuality,
}

#[derive(Clone, Copy, DeriveIden)]
enum LiveCall {
    Table,
    Id,
    Image,
    ForgetAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Run {
    Table,
    Id,
    AliveAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column a statement.
        let mut hidden = boolean(Call::Hidden);
        hidden.default(false);
        for column in [hidden, text_null(Call::CallerQuality), text_null(Call::CalleeQuality)] {
            manager.alter_table(Table::alter().table(Call::Table).add_column(column).to_owned()).await?;
        }
        manager
            .create_table(
                Table::create()
                    .table(LiveCall::Table)
                    .col(string_len(LiveCall::Id, 36).primary_key())
                    .col(text(LiveCall::Image))
                    .col(big_integer_null(LiveCall::ForgetAt))
                    .to_owned(),
            )
            .await?;
        let by_end = Index::create().name("live_call_end").table(LiveCall::Table).col(LiveCall::ForgetAt).to_owned();
        manager.create_index(by_end).await?;
        manager
            .create_table(
                Table::create()
                    .table(Run::Table)
                    .col(integer(Run::Id).primary_key())
                    .col(big_integer(Run::AliveAt))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Run::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(LiveCall::Table).to_owned()).await?;
        for column in [Call::Hidden, Call::CallerQuality, Call::CalleeQuality] {
            manager.alter_table(Table::alter().table(Call::Table).drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}
