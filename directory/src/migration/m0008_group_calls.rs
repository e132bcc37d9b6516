//! Calls of groups that have ended, whom a call of many concerned, and the entries that are still to be made of them.
#![expect(elided_lifetimes_in_paths, reason = "the trait of sea-orm-migration is written so")]

use super::User;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, boolean, string, string_len};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0008_group_calls"
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum GroupCall {
    Table,
    Id,
    GroupId,
    GroupName,
    StartedBy,
    Media,
    StartedAt,
    EndedAt,
    Reason,
}

#[derive(Clone, Copy, DeriveIden)]
enum CallParty {
    Table,
    User,
    Call,
    Part,
    Hidden,
}

#[derive(Clone, Copy, DeriveIden)]
enum GroupCallEntry {
    Table,
    Id,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(GroupCall::Table)
                    .col(string_len(GroupCall::Id, 36).primary_key())
                    .col(string_len(GroupCall::GroupId, 64))
                    .col(string(GroupCall::GroupName))
                    .col(string_len(GroupCall::StartedBy, 64))
                    .col(string_len(GroupCall::Media, 16))
                    .col(big_integer(GroupCall::StartedAt))
                    .col(big_integer(GroupCall::EndedAt))
                    .col(string_len(GroupCall::Reason, 32))
                    .foreign_key(
                        ForeignKey::create().from(GroupCall::Table, GroupCall::StartedBy).to(User::Table, User::Id),
                    )
                    .to_owned(),
            )
            .await?;
        let of_starter =
            Index::create().name("group_call_of_starter").table(GroupCall::Table).col(GroupCall::StartedBy).to_owned();
        manager.create_index(of_starter).await?;
        // The call is in `call` or in `group_call`. A page of somebody's history is a range of the primary key.
        manager
            .create_table(
                Table::create()
                    .table(CallParty::Table)
                    .col(string_len(CallParty::User, 64))
                    .col(string_len(CallParty::Call, 36))
                    .col(string_len(CallParty::Part, 16))
                    .col(boolean(CallParty::Hidden))
                    .primary_key(Index::create().col(CallParty::User).col(CallParty::Call))
                    .foreign_key(ForeignKey::create().from(CallParty::Table, CallParty::User).to(User::Table, User::Id))
                    .to_owned(),
            )
            .await?;
        let of_call =
            Index::create().name("call_party_of_call").table(CallParty::Table).col(CallParty::Call).to_owned();
        manager.create_index(of_call).await?;
        manager
            .create_table(
                Table::create()
                    .table(GroupCallEntry::Table)
                    .col(string_len(GroupCallEntry::Id, 36).primary_key())
                    .foreign_key(
                        ForeignKey::create()
                            .from(GroupCallEntry::Table, GroupCallEntry::Id)
                            .to(GroupCall::Table, GroupCall::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(GroupCallEntry::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(CallParty::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(GroupCall::Table).to_owned()).await
    }
}
