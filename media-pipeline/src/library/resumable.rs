//! The library's part in resumable uploads: their rows in the directory, and what becomes of whole ones.

use super::Inner;
use super::words::{Caller, Intent, LibraryError};
use crate::ingest::Ingested;
use crate::tus::{Accept, AcceptError, RowsError, UploadId, UploadRow, UploadRows};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::HashSet;
use std::sync::Weak;
use tertulia_common::{MediaId, Timestamp, UserId};
use tertulia_directory::{Directory, Error, MediaUpload};
use tertulia_media_core::tus::Metadata;
use tertulia_media_core::{Reason, Refusal};

/// The directory, as it keeps rows of uploads.
pub(super) struct Rows(pub(super) Directory);

fn failed(error: &Error) -> RowsError {
    RowsError(error.to_string())
}

fn to_directory(row: UploadRow) -> MediaUpload {
    let UploadRow { id, owner, device, length, offset, metadata, file, media, expires_at } = row;
    let (id, metadata) = (id.to_string(), metadata.header());
    MediaUpload { id, owner, device, length, offset, metadata, file, media, expires_at }
}

fn from_directory(row: MediaUpload) -> Result<UploadRow, RowsError> {
    let unreadable = || RowsError("an upload's row that this version can't read".to_owned());
    let MediaUpload { id, owner, device, length, offset, metadata, file, media, expires_at } = row;
    let id = id.parse().map_err(|()| unreadable())?;
    let metadata = Metadata::parse(metadata.as_deref()).map_err(|_| unreadable())?;
    Ok(UploadRow { id, owner, device, length, offset, metadata, file, media, expires_at })
}

fn all_from_directory(rows: Vec<MediaUpload>) -> Result<Vec<UploadRow>, RowsError> {
    rows.into_iter().map(from_directory).collect()
}

impl UploadRows for Rows {
    fn create(&self, row: UploadRow) -> BoxFuture<'_, Result<(), RowsError>> {
        async move { self.0.upload_create(&to_directory(row)).await.map_err(|error| failed(&error)) }.boxed()
    }

    fn get(&self, id: UploadId) -> BoxFuture<'_, Result<Option<UploadRow>, RowsError>> {
        async move {
            let row = self.0.upload(&id.to_string()).await.map_err(|error| failed(&error))?;
            row.map(from_directory).transpose()
        }
        .boxed()
    }

    fn advance(&self, id: UploadId, offset: u64, expires_at: Timestamp) -> BoxFuture<'_, Result<(), RowsError>> {
        async move {
            let done = self.0.upload_advance(&id.to_string(), offset, expires_at).await;
            done.map_err(|error| failed(&error))
        }
        .boxed()
    }

    fn complete(&self, id: UploadId, media: MediaId, expires_at: Timestamp) -> BoxFuture<'_, Result<(), RowsError>> {
        async move {
            let done = self.0.upload_complete(&id.to_string(), media, expires_at).await;
            done.map_err(|error| failed(&error))
        }
        .boxed()
    }

    fn remove(&self, id: UploadId) -> BoxFuture<'_, Result<(), RowsError>> {
        async move { self.0.upload_remove(&id.to_string()).await.map_err(|error| failed(&error)) }.boxed()
    }

    fn count(&self, owner: UserId) -> BoxFuture<'_, Result<(u64, u64), RowsError>> {
        async move { self.0.uploads_open(&owner).await.map_err(|error| failed(&error)) }.boxed()
    }

    fn expired(&self, now: Timestamp, limit: u64) -> BoxFuture<'_, Result<Vec<UploadRow>, RowsError>> {
        async move { all_from_directory(self.0.uploads_expired(now, limit).await.map_err(|error| failed(&error))?) }
            .boxed()
    }

    fn unfinished(&self, limit: u64) -> BoxFuture<'_, Result<Vec<UploadRow>, RowsError>> {
        async move { all_from_directory(self.0.uploads_whole(limit).await.map_err(|error| failed(&error))?) }.boxed()
    }

    fn files(&self) -> BoxFuture<'_, Result<HashSet<String>, RowsError>> {
        async move { Ok(self.0.upload_files().await.map_err(|error| failed(&error))?.into_iter().collect()) }.boxed()
    }
}

/// The library, as it takes whole uploads.
pub(super) struct Taker(pub(super) Weak<Inner>);

impl Taker {
    async fn admit(&self, owner: &UserId, length: u64) -> Result<(), LibraryError> {
        let inner = self.0.upgrade().ok_or(LibraryError::NotReady)?;
        inner.rates.begin(owner, inner.now())?;
        inner.parts.directory.ensure_user(owner, None).await?;
        inner.has_room(owner, length).await
    }

    async fn accept(&self, upload: &UploadRow, whole: Ingested) -> Result<MediaId, LibraryError> {
        let inner = self.0.upgrade().ok_or(LibraryError::NotReady)?;
        let caller = Caller { user: upload.owner.clone(), device: upload.device.clone() };
        let treatment = upload.treatment().map_err(|_| Refusal::from(Reason::Unsupported))?;
        let intent = inner.check(&caller, intent(&upload.metadata)?).await?;
        // The same id whenever the same upload is handed over again: what was taken and not heard of is taken once.
        let id = MediaId::new(Timestamp(upload.expires_at.as_millis().saturating_sub(inner.tus_ttl_ms)), upload.id.0);
        let new = inner.new_media(&caller, &intent, Some(id))?;
        Ok(inner.keep_upload(new, treatment, whole).await?.id)
    }
}

/// What a client says of an upload beside its treatment: `filename`, `keep` and `view_once` (people, with commas between).
fn intent(metadata: &Metadata) -> Result<Intent, LibraryError> {
    let people = metadata.text("view_once").map(|list| list.split(',').map(|id| id.trim().parse()).collect());
    let view_once: Option<Result<Vec<UserId>, _>> = people;
    Ok(Intent {
        file_name: metadata.file_name().map(str::to_owned),
        keep: metadata.text("keep").is_some_and(|text| text != "false" && text != "0"),
        view_once: view_once.transpose().map_err(|_| LibraryError::UnknownUser)?,
        ..Intent::default()
    })
}

impl Accept for Taker {
    fn admit<'a>(&'a self, owner: &'a UserId, length: u64) -> BoxFuture<'a, Result<(), AcceptError>> {
        async move { Self::admit(self, owner, length).await.map_err(for_good) }.boxed()
    }

    fn accept<'a>(&'a self, upload: &'a UploadRow, whole: Ingested) -> BoxFuture<'a, Result<MediaId, AcceptError>> {
        async move { Self::accept(self, upload, whole).await.map_err(for_good) }.boxed()
    }
}

fn for_good(error: LibraryError) -> AcceptError {
    match error {
        LibraryError::Refused(refusal) | LibraryError::Slower { refusal, .. } => AcceptError::Refused(refusal),
        // Those it was for have gone.
        LibraryError::UnknownUser | LibraryError::Recipients { .. } => AcceptError::Refused(Reason::Unsupported.into()),
        other => AcceptError::Failed(other.to_string()),
    }
}
