//! Uploaded files: their bytes, who has them, who may see them, what is still to be made of them.
#![expect(elided_lifetimes_in_paths, reason = "the trait of sea-orm-migration is written so")]

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, blob, boolean, integer, pk_auto, string_len, string_len_null, text, text_null,
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_media"
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum User {
    Table,
    Id,
}

#[derive(Clone, Copy, DeriveIden)]
enum Blob {
    Table,
    Key,
    Bytes,
    State,
    Since,
    Generation,
}

#[derive(Clone, Copy, DeriveIden)]
enum MediaContent {
    Table,
    Id,
    Sha256,
    Treatment,
    H2,
    OriginalBytes,
    Class,
    State,
    Reason,
    LimitFigure,
    ActualFigure,
    Main,
    MainBytes,
    ThumbJpeg,
    ThumbJpegBytes,
    ThumbWebp,
    ThumbWebpBytes,
    Mime,
    Width,
    Height,
    DurationMs,
    HasSound,
    IsSalvaged,
    Thumbhash,
    Preview,
    Waveform,
    OrphanSince,
}

#[derive(Clone, Copy, DeriveIden)]
enum Media {
    Table,
    Id,
    Owner,
    Device,
    Content,
    FileName,
    ViewOnce,
    Kept,
    CreatedAt,
    Charged,
    EndsAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum MediaGrant {
    Table,
    Media,
    User,
    Reference,
    At,
}

#[derive(Clone, Copy, DeriveIden)]
enum MediaOpen {
    Table,
    Media,
    User,
    Device,
    LeaseUntil,
    OpenedAt,
}

#[derive(Clone, Copy, DeriveIden)]
enum MediaJob {
    Table,
    Content,
    Input,
    User,
    Attempts,
}

#[derive(Clone, Copy, DeriveIden)]
enum MediaUpload {
    Table,
    Id,
    Owner,
    Device,
    Length,
    Offset,
    Metadata,
    File,
    Media,
    ExpiresAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [blobs(), contents(), media(), grants(), opens(), jobs(), uploads()] {
            manager.create_table(table).await?;
        }
        for index in indices() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(MediaUpload::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(MediaJob::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(MediaOpen::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(MediaGrant::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Media::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(MediaContent::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Blob::Table).to_owned()).await
    }
}

fn indices() -> Vec<IndexCreateStatement> {
    let by = |name: &str| Index::create().name(name).to_owned();
    let content = |name: &str, column| by(name).table(MediaContent::Table).col(column).to_owned();
    let once = by("media_content_original")
        .table(MediaContent::Table)
        .col(MediaContent::Sha256)
        .col(MediaContent::Treatment)
        .unique()
        .to_owned();
    vec![
        once,
        // Is a blob still somebody's?
        content("media_content_main", MediaContent::Main),
        content("media_content_thumb_jpeg", MediaContent::ThumbJpeg),
        content("media_content_thumb_webp", MediaContent::ThumbWebp),
        // What is to go is found without a look at what stays.
        content("media_content_orphan", MediaContent::OrphanSince),
        by("media_ends").table(Media::Table).col(Media::EndsAt).to_owned(),
        by("blob_state").table(Blob::Table).col(Blob::State).col(Blob::Since).to_owned(),
        // A user's sum is taken from the index alone.
        by("media_of_owner").table(Media::Table).col(Media::Owner).col(Media::Id).col(Media::Charged).to_owned(),
        by("media_of_content").table(Media::Table).col(Media::Content).col(Media::ViewOnce).to_owned(),
        by("media_grant_user").table(MediaGrant::Table).col(MediaGrant::User).to_owned(),
        by("media_upload_owner").table(MediaUpload::Table).col(MediaUpload::Owner).to_owned(),
        by("media_upload_end").table(MediaUpload::Table).col(MediaUpload::ExpiresAt).to_owned(),
        by("media_job_user").table(MediaJob::Table).col(MediaJob::User).to_owned(),
    ]
}

fn blobs() -> TableCreateStatement {
    Table::create()
        .table(Blob::Table)
        .col(string_len(Blob::Key, 64).primary_key())
        .col(big_integer(Blob::Bytes))
        .col(string_len(Blob::State, 16))
        .col(big_integer(Blob::Since))
        .col(big_integer(Blob::Generation))
        .to_owned()
}

fn contents() -> TableCreateStatement {
    Table::create()
        .table(MediaContent::Table)
        // Never used again after a deletion: a job that comes too late must not find another file under its number.
        .col(pk_auto(MediaContent::Id).big_integer())
        .col(string_len(MediaContent::Sha256, 64))
        .col(string_len(MediaContent::Treatment, 16))
        .col(string_len(MediaContent::H2, 64))
        .col(big_integer(MediaContent::OriginalBytes))
        .col(string_len(MediaContent::Class, 16))
        .col(string_len(MediaContent::State, 16))
        .col(string_len_null(MediaContent::Reason, 64))
        .col(big_integer_null(MediaContent::LimitFigure))
        .col(big_integer_null(MediaContent::ActualFigure))
        .col(string_len_null(MediaContent::Main, 64))
        .col(big_integer(MediaContent::MainBytes))
        .col(string_len_null(MediaContent::ThumbJpeg, 64))
        .col(big_integer(MediaContent::ThumbJpegBytes))
        .col(string_len_null(MediaContent::ThumbWebp, 64))
        .col(big_integer(MediaContent::ThumbWebpBytes))
        .col(text(MediaContent::Mime))
        .col(big_integer(MediaContent::Width))
        .col(big_integer(MediaContent::Height))
        .col(big_integer(MediaContent::DurationMs))
        .col(boolean(MediaContent::HasSound))
        .col(boolean(MediaContent::IsSalvaged))
        .col(blob(MediaContent::Thumbhash))
        .col(text(MediaContent::Preview))
        .col(blob(MediaContent::Waveform))
        .col(big_integer_null(MediaContent::OrphanSince))
        .to_owned()
}

fn media() -> TableCreateStatement {
    Table::create()
        .table(Media::Table)
        .col(string_len(Media::Id, 36).primary_key())
        .col(string_len(Media::Owner, 64))
        .col(string_len_null(Media::Device, 64))
        .col(big_integer(Media::Content))
        .col(text_null(Media::FileName))
        .col(boolean(Media::ViewOnce))
        .col(boolean(Media::Kept))
        .col(big_integer(Media::CreatedAt))
        .col(big_integer(Media::Charged))
        .col(big_integer_null(Media::EndsAt))
        .foreign_key(&mut to_user(Media::Table, Media::Owner))
        .foreign_key(
            ForeignKey::create()
                .from(Media::Table, Media::Content)
                .to(MediaContent::Table, MediaContent::Id)
                .on_delete(ForeignKeyAction::Restrict),
        )
        .to_owned()
}

fn grants() -> TableCreateStatement {
    Table::create()
        .table(MediaGrant::Table)
        .col(string_len(MediaGrant::Media, 36))
        .col(string_len(MediaGrant::User, 64))
        .col(string_len(MediaGrant::Reference, 64))
        .col(big_integer(MediaGrant::At))
        .primary_key(Index::create().col(MediaGrant::Media).col(MediaGrant::User).col(MediaGrant::Reference))
        .foreign_key(&mut to_media(MediaGrant::Table, MediaGrant::Media))
        .foreign_key(&mut to_user(MediaGrant::Table, MediaGrant::User))
        .to_owned()
}

fn opens() -> TableCreateStatement {
    Table::create()
        .table(MediaOpen::Table)
        .col(string_len(MediaOpen::Media, 36))
        .col(string_len(MediaOpen::User, 64))
        .col(string_len(MediaOpen::Device, 64))
        .col(big_integer(MediaOpen::LeaseUntil))
        .col(big_integer_null(MediaOpen::OpenedAt))
        .primary_key(Index::create().col(MediaOpen::Media).col(MediaOpen::User))
        .foreign_key(&mut to_media(MediaOpen::Table, MediaOpen::Media))
        .foreign_key(&mut to_user(MediaOpen::Table, MediaOpen::User))
        .to_owned()
}

fn jobs() -> TableCreateStatement {
    Table::create()
        .table(MediaJob::Table)
        .col(big_integer(MediaJob::Content).primary_key())
        .col(string_len(MediaJob::Input, 64))
        .col(string_len(MediaJob::User, 64))
        .col(integer(MediaJob::Attempts))
        .foreign_key(
            ForeignKey::create()
                .from(MediaJob::Table, MediaJob::Content)
                .to(MediaContent::Table, MediaContent::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn uploads() -> TableCreateStatement {
    Table::create()
        .table(MediaUpload::Table)
        .col(string_len(MediaUpload::Id, 32).primary_key())
        .col(string_len(MediaUpload::Owner, 64))
        .col(string_len(MediaUpload::Device, 64))
        .col(big_integer(MediaUpload::Length))
        .col(big_integer(MediaUpload::Offset))
        .col(text_null(MediaUpload::Metadata))
        .col(string_len(MediaUpload::File, 64))
        .col(string_len_null(MediaUpload::Media, 36))
        .col(big_integer(MediaUpload::ExpiresAt))
        .foreign_key(&mut to_user(MediaUpload::Table, MediaUpload::Owner))
        .to_owned()
}

fn to_user(table: impl IntoTableRef + Copy, column: impl IntoIden) -> ForeignKeyCreateStatement {
    let mut key = ForeignKey::create();
    key.from(table, column).to(User::Table, User::Id).on_delete(ForeignKeyAction::Cascade);
    key
}

fn to_media(table: impl IntoTableRef + Copy, column: impl IntoIden) -> ForeignKeyCreateStatement {
    let mut key = ForeignKey::create();
    key.from(table, column).to(Media::Table, Media::Id).on_delete(ForeignKeyAction::Cascade);
    key
}
