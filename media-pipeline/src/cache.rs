//! What is read again and again, in memory: small blobs (thumbnails, posters, voice notes) and rows of the directory.
//!
//! Invariant: neither holds more than it may, whatever is asked of it. What was [forgotten](Blobs::forget) is not brought
//! back by a load that was under way. What may be seen once is never kept.

mod blobs;
mod figures;
mod flights;
mod rows;

pub use blobs::{Blobs, Keep};
pub use figures::CacheFigures;
pub use rows::{Row, Rows};

use serde::{Deserialize, Serialize};

/// How much is kept in memory: `[uploads.cache]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheLimits {
    /// Bytes of blobs. Zero keeps none. A fifth of the media draws most reads: a fifth of what the thumbnails of a busy day
    /// take is a good size.
    pub blob_bytes_max: u64,
    /// Bytes of the largest blob that is kept; larger ones are streamed from the store.
    pub blob_item_bytes_max: u64,
    /// Rows of the directory. Raising it costs some 500 bytes each.
    pub rows_max: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { blob_bytes_max: 64 * 1024 * 1024, blob_item_bytes_max: 256 * 1024, rows_max: 20_000 }
    }
}
