//! People and the calls between them.
#![expect(elided_lifetimes_in_paths, reason = "the trait of sea-orm-migration is written so")]

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, string, string_len};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_people_and_calls"
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum User {
    Table,
    Id,
    Name,
    CreatedAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum Call {
    Table,
    Id,
    Caller,
    Callee,
    Media,
    StartedAt,
    AnsweredAt,
    EndedAt,
    Reason,
    Missed,
    MissedSeen,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(User::Table)
                    .col(string_len(User::Id, 64).primary_key())
                    .col(string(User::Name))
                    .col(big_integer(User::CreatedAt))
                    .to_owned(),
            )
            .await?;
        manager.create_index(index("user_name", User::Table, &[User::Name, User::Id])).await?;
        manager
            .create_table(
                Table::create()
                    .table(Call::Table)
                    .col(string_len(Call::Id, 36).primary_key())
                    .col(string_len(Call::Caller, 64))
                    .col(string_len(Call::Callee, 64))
                    .col(string_len(Call::Media, 16))
                    .col(big_integer(Call::StartedAt))
                    .col(big_integer_null(Call::AnsweredAt))
                    .col(big_integer(Call::EndedAt))
                    .col(string_len(Call::Reason, 32))
                    .col(boolean(Call::Missed))
                    .col(boolean(Call::MissedSeen))
                    .foreign_key(ForeignKey::create().from(Call::Table, Call::Caller).to(User::Table, User::Id))
                    .foreign_key(ForeignKey::create().from(Call::Table, Call::Callee).to(User::Table, User::Id))
                    .to_owned(),
            )
            .await?;
        // A page of a user's history is two short range scans, one index each.
        manager.create_index(index("call_of_caller", Call::Table, &[Call::Caller, Call::Id])).await?;
        manager.create_index(index("call_of_callee", Call::Table, &[Call::Callee, Call::Id])).await?;
        let unseen = [Call::Callee, Call::Missed, Call::MissedSeen, Call::Id];
        manager.create_index(index("call_missed", Call::Table, &unseen)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Call::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(User::Table).to_owned()).await
    }
}

fn index<I: Iden + Copy + 'static>(name: &str, table: I, columns: &[I]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}
