//! Small blobs that are read often, in front of a store.
//!
//! Invariant: what is kept has the hash that its key says. The bytes kept, with what it takes to keep them, are never more
//! than the limit.

use super::flights::{Boarding, Flights};
use super::{CacheFigures, CacheLimits};
use crate::hash::Sha256;
use crate::store::{BlobKey, BlobStore, StoreError};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use prometheus_client::metrics::counter::Counter;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use std::fmt;
use std::hash::RandomState;
use std::sync::Arc;

/// What an entry takes besides its bytes: its key twice, the places in the cache's own tables, what was forgotten lately.
const ENTRY_BYTES: u64 = 256;
/// Loads at once. Each may take [`CacheLimits::blob_item_bytes_max`] of memory beside the cache.
const LOADS_MAX: usize = 64;
/// Parts of the cache that are locked apart.
const SHARDS_MAX: u64 = 16;
/// Items of the largest size that a part must have room for.
const SHARD_ITEMS_MIN: u64 = 16;
/// What an item has on average, for the sizes of tables.
const ITEM_BYTES_TYPICAL: u64 = 16 * 1024;

/// Whether what is read may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// In memory, if it is small enough.
    Hot,
    /// Nowhere: it is to be seen once, or sealed for one.
    Never,
}

/// Small blobs that are read often. Clones share them.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    store: Arc<dyn BlobStore>,
    hot: Cache<BlobKey, Bytes, Weigh, RandomState, Evictions>,
    flights: Flights<BlobKey, Result<Bytes, StoreError>>,
    item_bytes_max: u64,
    figures: CacheFigures,
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl Blobs {
    /// A cache in front of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn BlobStore>, limits: &CacheLimits) -> Self {
        let bytes_max = limits.blob_bytes_max;
        // In a small cache no single blob may push out all others.
        let item_bytes_max = limits.blob_item_bytes_max.min((bytes_max / 4).saturating_sub(ENTRY_BYTES));
        let shards = bytes_max.checked_div((item_bytes_max + ENTRY_BYTES) * SHARD_ITEMS_MIN).unwrap_or(1);
        // Rounded down to a power of two: rounded up, parts would be smaller than they have to be.
        let shards = 1 << shards.clamp(1, SHARDS_MAX).ilog2();
        let items = usize::try_from(bytes_max / ITEM_BYTES_TYPICAL).unwrap_or(usize::MAX).max(32 * shards);
        let figures = CacheFigures::default();
        let options = OptionsBuilder::new()
            // Each part's share is rounded up.
            .weight_capacity(bytes_max - bytes_max % shards as u64)
            .estimated_items_capacity(items)
            .shards(shards)
            .build()
            .unwrap_or_else(|_| unreachable!("both capacities are set"));
        let evictions = Evictions(figures.evictions.clone());
        let hot = Cache::with_options(options, Weigh, RandomState::new(), evictions);
        Self(Arc::new(Inner { store, hot, flights: Flights::new(LOADS_MAX), item_bytes_max, figures }))
    }

    /// The bytes of a blob of this size, from memory or from the store. `None` where it is not to be kept: then the caller
    /// streams it from the store itself.
    ///
    /// # Errors
    /// As of the store; [`StoreError::Damaged`] if it has not this size, or not the hash that its key says.
    pub async fn get(&self, key: BlobKey, bytes: u64, keep: Keep) -> Result<Option<Bytes>, StoreError> {
        let inner = &self.0;
        if keep == Keep::Never || bytes > inner.item_bytes_max {
            inner.figures.bypassed.inc();
            return Ok(None);
        }
        if let Some(kept) = inner.hot.get(&key) {
            inner.figures.hits.inc();
            return Ok(Some(kept));
        }
        inner.figures.misses.inc();
        let (store, keeper) = (Arc::clone(&inner.store), Arc::clone(inner));
        let keep = move |loaded: &Result<Bytes, StoreError>| {
            if let Ok(blob) = loaded {
                keeper.hot.insert(key, blob.clone());
                keeper.count();
            }
        };
        let kept = || inner.hot.get(&key).map(Ok);
        let landing = match inner.flights.board(key, kept, || load(store, key, bytes).boxed(), keep) {
            Boarding::Landed(landed) => return landed.map(Some),
            Boarding::Joined(landing) => {
                inner.figures.joined.inc();
                landing
            }
            Boarding::Started(landing) => landing,
            Boarding::Busy => {
                inner.figures.busy.inc();
                return Ok(None);
            }
        };
        let lost = || Err(StoreError::Failed("the task that was to load it has ended".to_owned()));
        landing.await.unwrap_or_else(lost).map(Some)
    }

    /// Forgets a blob: it is about to be deleted.
    pub fn forget(&self, key: BlobKey) {
        self.0.flights.cancel(&key, || {
            self.0.hot.remove(&key);
        });
        self.0.count();
    }

    /// Bytes kept, with what it takes to keep them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.hot.weight()
    }

    /// What it counts.
    #[must_use]
    pub fn figures(&self) -> &CacheFigures {
        &self.0.figures
    }
}

impl Inner {
    fn count(&self) {
        self.figures.held.set(i64::try_from(self.hot.weight()).unwrap_or(i64::MAX));
    }
}

/// A blob in one piece, of exactly its own memory.
async fn load(store: Arc<dyn BlobStore>, key: BlobKey, bytes: u64) -> Result<Bytes, StoreError> {
    let mut read = store.read(key, None).await?;
    if read.size != bytes {
        return Err(StoreError::Damaged);
    }
    let mut blob = Vec::with_capacity(usize::try_from(bytes).map_err(|_| StoreError::Damaged)?);
    while let Some(piece) = read.body.next().await {
        let piece = piece?;
        if piece.len() > blob.capacity() - blob.len() {
            return Err(StoreError::Damaged);
        }
        blob.extend_from_slice(&piece);
    }
    let mut hash = Sha256::new();
    hash.update(&blob);
    if hash.finish() == key.0 { Ok(blob.into()) } else { Err(StoreError::Damaged) }
}

#[derive(Clone)]
struct Weigh;

impl Weighter<BlobKey, Bytes> for Weigh {
    fn weight(&self, _: &BlobKey, blob: &Bytes) -> u64 {
        blob.len() as u64 + ENTRY_BYTES
    }
}

#[derive(Clone)]
struct Evictions(Counter);

impl Lifecycle<BlobKey, Bytes> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: BlobKey, _: Bytes) {
        self.0.inc();
    }
}
