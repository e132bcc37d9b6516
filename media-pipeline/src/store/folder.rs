//! Blobs in a local folder: `ab/cd/<hex of the whole key>`, for its owner only.
//!
//! Invariant: what has a blob's name is the whole blob. Its bytes are synced before it gets the name, and the folders that
//! lead to the name are synced before `put` is done. Whatever is on its way is in `.partial` on the same file system.
//!
//! After a failed sync the kernel may take pages for clean that never reached the disk, and a second sync would succeed. So
//! from then on spooled files are not linked but copied, with their hash checked, and it is the copy that is synced. A put
//! that is tried again changes the folder again, so that a folder's sync is never one that had nothing to do.

mod disk;

use crate::ingest::Spooled;
use crate::store::{BlobKey, BlobRead, BlobStore, LEFTOVER_AGE, Listed, PIECE_BYTES_MAX, StoreError};
use bytes::{Bytes, BytesMut};
use disk::Disk;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A local folder. Clones share it.
#[derive(Clone, Debug)]
pub struct Folder(Arc<Disk>);

impl Folder {
    /// Opens the folder, makes it if it is not there, and removes what a crash has left in it if no other process has it
    /// open.
    ///
    /// # Errors
    /// The folder can't be made, read or written.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Disk::open(root).map(|disk| Self(Arc::new(disk))).map_err(|error| failed(&error))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Disk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let disk = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || run(&disk)).await;
        done.unwrap_or_else(|_| Err(StoreError::Failed("the task that was to do it has ended".to_owned())))
    }
}

impl BlobStore for Folder {
    fn put<'a>(&'a self, key: BlobKey, bytes: &'a Spooled) -> BoxFuture<'a, Result<(), StoreError>> {
        let (path, size) = (bytes.path().to_owned(), bytes.bytes());
        let put = self.blocking(move |disk| disk.put(key, &path, size));
        // What is missing then is a folder that somebody has removed, not the blob.
        put.map(|done| done.map_err(|error| if error == StoreError::NotFound { gone() } else { error })).boxed()
    }

    fn read(&self, key: BlobKey, range: Option<Range<u64>>) -> BoxFuture<'_, Result<BlobRead, StoreError>> {
        async move {
            let (file, size) = self.blocking(move |disk| disk.open_blob(key).map_err(|error| failed(&error))).await?;
            let range = range.unwrap_or(0..size);
            if range.end > size || range.start > range.end {
                return Err(StoreError::Damaged);
            }
            Ok(BlobRead { size, body: pieces(file, range).boxed() })
        }
        .boxed()
    }

    fn size(&self, key: BlobKey) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        self.blocking(move |disk| match disk.open_blob(key) {
            Ok((_, size)) => Ok(Some(size)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&error)),
        })
        .boxed()
    }

    fn delete(&self, key: BlobKey) -> BoxFuture<'_, Result<(), StoreError>> {
        self.blocking(move |disk| disk.delete(key).map_err(|error| failed(&error))).boxed()
    }

    fn list(&self, after: Option<BlobKey>, max: usize) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>> {
        self.blocking(move |disk| disk.list(after, max).map_err(|error| failed(&error))).boxed()
    }

    fn sweep(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.blocking(move |disk| disk.sweep(LEFTOVER_AGE).map_err(|error| failed(&error))).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.blocking(move |disk| disk.probe().map_err(|error| failed(&error))).boxed()
    }
}

/// The bytes of a range, a piece at a time, each read when it is asked for.
fn pieces(file: File, range: Range<u64>) -> impl stream::Stream<Item = Result<Bytes, StoreError>> + Send + 'static {
    let file = Arc::new(file);
    stream::unfold(range, move |left| {
        let file = Arc::clone(&file);
        async move {
            let bytes = usize::try_from(left.end - left.start).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
            if bytes == 0 {
                return None;
            }
            let done = tokio::task::spawn_blocking(move || {
                let mut piece = BytesMut::zeroed(bytes);
                file.read_exact_at(&mut piece, left.start).map(|()| piece.freeze())
            });
            // After an error nothing follows: the rest is taken away.
            match done.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(piece) => Some((Ok(piece), left.start + bytes as u64..left.end)),
                Err(error) => Some((Err(failed(&error)), left.end..left.end)),
            }
        }
    })
}

fn gone() -> StoreError {
    StoreError::Failed("a part of the folder has gone".to_owned())
}

/// What an error of the disk is. Its own words name no file.
fn failed(error: &io::Error) -> StoreError {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => StoreError::NotFound,
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => StoreError::Full,
        Kind::UnexpectedEof => StoreError::Damaged,
        Kind::OutOfMemory | Kind::Interrupted | Kind::ResourceBusy | Kind::TimedOut => {
            StoreError::Unavailable(error.to_string())
        }
        // Too many open files: this process', or the system's.
        _ if matches!(error.raw_os_error(), Some(23 | 24)) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Failed(error.to_string()),
    }
}
