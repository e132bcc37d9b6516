//! Stores of blobs: one conformance suite for all of them, and what happens to each when what is under it fails.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod cache;
mod config;
mod conformance;
mod examine;
mod faults;
mod folder;
mod s3;
mod tls;

use aws_lc_rs::digest::{SHA256, digest};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tertulia_media_pipeline::ingest::{Spool, SpoolLimits, Spooled};
use tertulia_media_pipeline::store::{BlobKey, BlobStore, StoreError};

/// A folder of a test, with a spool in it.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
    pub(crate) spool: Spool,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let limits = SpoolLimits { free_bytes_min: 0, ..SpoolLimits::default() };
        let spool = Spool::open(&folder.path().join("incoming"), limits).unwrap();
        Self { folder, spool }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn spooled(&self, bytes: Vec<u8>) -> Spooled {
        self.spool.put(bytes).await.unwrap()
    }

    /// Puts bytes under their own key.
    pub(crate) async fn put(&self, store: &Arc<dyn BlobStore>, bytes: &[u8]) -> Result<BlobKey, StoreError> {
        let spooled = self.spooled(bytes.to_vec()).await;
        store.put(key_of(bytes), &spooled).await.map(|()| key_of(bytes))
    }
}

pub(crate) fn key_of(bytes: &[u8]) -> BlobKey {
    BlobKey(digest(&SHA256, bytes).as_ref().try_into().unwrap())
}

/// So many bytes that repeat nowhere, the same for the same seed.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// All of a read, or the error in it.
pub(crate) async fn read(
    store: &Arc<dyn BlobStore>,
    key: BlobKey,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, StoreError> {
    use futures_util::StreamExt;
    let mut read = store.read(key, range).await?;
    let mut all = Vec::new();
    while let Some(piece) = read.body.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}
