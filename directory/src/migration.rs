//! The tables' history, oldest first. A migration that has been released is never edited; a change is a new one.

mod m0001_people_and_calls;
mod m0002_accounts;
mod m0003_live_calls;
mod m0004_media;
mod m0005_call_entries;
mod m0006_presence;
mod m0007_push;
mod m0008_group_calls;
mod m0009_call_links;

use sea_orm_migration::prelude::*;

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_people_and_calls::Migration),
            Box::new(m0002_accounts::Migration),
            Box::new(m0003_live_calls::Migration),
            Box::new(m0004_media::Migration),
            Box::new(m0005_call_entries::Migration),
            Box::new(m0006_presence::Migration),
            Box::new(m0007_push::Migration),
            Box::new(m0008_group_calls::Migration),
            Box::new(m0009_call_links::Migration),
        ]
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum User {
    Table,
    Id,
}

/// What goes when its user does.
fn goes_with_user(table: impl IntoIden, column: impl IntoIden) -> ForeignKeyCreateStatement {
    let mut key = ForeignKey::create();
    key.from(table.into_iden(), column.into_iden()).to(User::Table, User::Id).on_delete(ForeignKeyAction::Cascade);
    key
}
