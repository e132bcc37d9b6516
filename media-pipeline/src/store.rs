//! Where bytes live, by the SHA-256 of what they are. A blob is there whole or not at all, and never changes.
//!
//! Invariant: `put` is done when the blob would survive a loss of power. The same blob put twice is there once.

mod config;
mod folder;
mod s3;
mod watch;

pub use config::{OpenError, StoreConfig, StoreKind};
pub use folder::Folder;
pub use s3::{Examined, S3, S3Config, S3ConfigError, SecretKey};
pub use watch::{ANSWERS_WITHIN, StoreTrouble, StoreWatch};

use crate::ingest::Spooled;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::fmt;
use std::ops::Range;
use std::time::{Duration, SystemTime};

/// Bytes of one piece of a blob that is read. Raising it costs every download as much memory; lowering it costs calls.
pub const PIECE_BYTES_MAX: usize = 128 * 1024;

/// How old what a put has left must be before it counts as left behind. More than any put takes.
pub const LEFTOVER_AGE: Duration = Duration::from_hours(6);

/// The name of a blob: the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(pub [u8; 32]);

impl BlobKey {
    /// A key from the 64 lower-case digits that [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
            return None;
        }
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
        }
        Some(Self(key))
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a store has failed. It names neither blobs nor secrets, so it may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such blob.
    #[error("no such blob")]
    NotFound,
    /// No room left.
    #[error("the store is full")]
    Full,
    /// What came back is not what was put: cut short, or other bytes.
    #[error("the blob is damaged")]
    Damaged,
    /// It does not answer, or says that it can't now. What was asked may be asked again.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The disk or the service failed, and will again until somebody looks at it.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// Whether the same may well succeed later, with nobody doing anything about it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// A blob being read.
pub struct BlobRead {
    /// Bytes of the whole blob.
    pub size: u64,
    /// The bytes of the range that was asked for, in pieces.
    pub body: BoxStream<'static, Result<Bytes, StoreError>>,
}

/// What a store knows of a blob by looking at its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub key: BlobKey,
    /// Its size.
    pub bytes: u64,
    /// When it was put, by the clock of the store.
    pub put_at: SystemTime,
}

/// A store of blobs.
pub trait BlobStore: Send + Sync + 'static {
    /// Puts a blob. Dropping the future leaves nothing behind, or the whole blob, which may appear a little later: what is
    /// deleted must not be what is being put. Nobody may write to the spooled file any more, by whatever descriptor: the
    /// folder keeps that very file. After an error nothing is known: the same put may be tried again.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the spooled file has not the size, or the copy not the hash, that it should have.
    fn put<'a>(&'a self, key: BlobKey, bytes: &'a Spooled) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Reads a blob, or the part of it in `range`, which the caller has cut to the size it knows. Pieces are at most
    /// [`PIECE_BYTES_MAX`]; nothing is read ahead of the one who takes them.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if there are fewer bytes than `range` asks for.
    fn read(&self, key: BlobKey, range: Option<Range<u64>>) -> BoxFuture<'_, Result<BlobRead, StoreError>>;

    /// A blob's size, or `None` if it is not there.
    fn size(&self, key: BlobKey) -> BoxFuture<'_, Result<Option<u64>, StoreError>>;

    /// Deletes a blob for good. It is fine if it is not there.
    fn delete(&self, key: BlobKey) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The blobs whose keys come after `after`, in the order of their keys, at most `max` of them: what a collector compares
    /// with the directory, since a crash between a put and the directory's row leaves a blob that nobody knows.
    fn list(&self, after: Option<BlobKey>, max: usize) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>>;

    /// Removes what puts that were cut short have left and that is no blob. Returns how many. To be called at start and
    /// daily; it touches nothing that is less than [`LEFTOVER_AGE`] old, which may be another node's.
    fn sweep(&self) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Whether the store answers and takes writes: for readiness and `tertulia doctor`. It writes, so not at every request.
    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
