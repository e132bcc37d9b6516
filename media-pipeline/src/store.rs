//! Where bytes live, by the SHA-256 of what they are. A blob is there whole or not at all, and never changes.
//!
//! Invariant: `put` is done when the blob would survive a loss of power. The same blob put twice is there once.

mod folder;
mod s3;

pub use folder::Folder;
pub use s3::{S3, S3Config};

use crate::ingest::Spooled;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::fmt;
use std::ops::Range;

/// The name of a blob: the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(pub [u8; 32]);

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

/// Why a store has failed.
#[derive(Debug, thiserror::Error)]
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
    /// The disk or the service failed.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A blob being read.
pub struct BlobRead {
    /// Bytes of the whole blob.
    pub size: u64,
    /// The bytes of the range that was asked for, in pieces.
    pub body: BoxStream<'static, Result<Bytes, StoreError>>,
}

/// A store of blobs.
pub trait BlobStore: Send + Sync + 'static {
    /// Puts a blob. Cancelling it leaves nothing behind, or the whole blob.
    fn put<'a>(&'a self, key: BlobKey, bytes: &'a Spooled) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Reads a blob, or the part of it in `range`, which the caller has cut to its size.
    fn read(&self, key: BlobKey, range: Option<Range<u64>>) -> BoxFuture<'_, Result<BlobRead, StoreError>>;

    /// A blob's size, or `None` if it is not there.
    fn size(&self, key: BlobKey) -> BoxFuture<'_, Result<Option<u64>, StoreError>>;

    /// Deletes a blob. It is fine if it is not there.
    fn delete(&self, key: BlobKey) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Whether the store answers and takes writes: for readiness and `tertulia doctor`.
    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
