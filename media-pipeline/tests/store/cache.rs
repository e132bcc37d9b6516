//! The caches: how often they spare a read, how much they hold, and what they never hold.

use crate::{key_of, noise};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tertulia_media_pipeline::cache::{Blobs, CacheLimits, Keep, Row, Rows};
use tertulia_media_pipeline::ingest::Spooled;
use tertulia_media_pipeline::store::{BlobKey, BlobRead, BlobStore, Listed, StoreError};
use tokio::sync::Semaphore;

/// A store in memory that counts its reads, and gives each its answer when it is let.
struct Counting {
    blobs: Mutex<HashMap<BlobKey, Bytes>>,
    reads: AtomicU32,
    gate: Semaphore,
    is_failing: AtomicBool,
}

impl Counting {
    fn new(gate: usize) -> Arc<Self> {
        let gate = Semaphore::new(gate);
        Arc::new(Self { blobs: Mutex::default(), reads: AtomicU32::new(0), gate, is_failing: AtomicBool::new(false) })
    }

    fn with(self: Arc<Self>, blobs: impl IntoIterator<Item = Vec<u8>>) -> Arc<Self> {
        self.blobs.lock().extend(blobs.into_iter().map(|blob| (key_of(&blob), blob.into())));
        self
    }

    fn reads(&self) -> u32 {
        self.reads.load(Ordering::SeqCst)
    }
}

impl BlobStore for Counting {
    fn read(&self, key: BlobKey, _: Option<Range<u64>>) -> BoxFuture<'_, Result<BlobRead, StoreError>> {
        async move {
            self.reads.fetch_add(1, Ordering::SeqCst);
            // What it finds now it gives later.
            let blob = self.blobs.lock().get(&key).cloned().ok_or(StoreError::NotFound);
            self.gate.acquire().await.unwrap().forget();
            if self.is_failing.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("of the test".to_owned()));
            }
            let blob = blob?;
            Ok(BlobRead { size: blob.len() as u64, body: stream::iter([Ok(blob)]).boxed() })
        }
        .boxed()
    }

    fn put<'a>(&'a self, _: BlobKey, _: &'a Spooled) -> BoxFuture<'a, Result<(), StoreError>> {
        unreachable!("a cache puts nothing")
    }

    fn size(&self, _: BlobKey) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        unreachable!("a cache is told the size")
    }

    fn delete(&self, _: BlobKey) -> BoxFuture<'_, Result<(), StoreError>> {
        unreachable!("a cache deletes nothing")
    }

    fn list(&self, _: Option<BlobKey>, _: usize) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>> {
        unreachable!("a cache lists nothing")
    }

    fn sweep(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        unreachable!("a cache sweeps nothing")
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        unreachable!("a cache probes nothing")
    }
}

const OPEN: usize = Semaphore::MAX_PERMITS;

fn limits(blob_bytes_max: u64) -> CacheLimits {
    CacheLimits { blob_bytes_max, ..CacheLimits::default() }
}

/// Numbers that repeat from their seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

#[tokio::test]
async fn d12_where_a_fifth_of_the_media_draws_most_reads_most_reads_are_hits_and_the_bound_holds() {
    const MEDIA: usize = 1_000;
    const BYTES: usize = 2_048;
    let blobs: Vec<_> = (0..MEDIA).map(|seed| noise(seed as u64, BYTES)).collect();
    let keys: Vec<_> = blobs.iter().map(|blob| key_of(blob)).collect();
    let store = Counting::new(OPEN).with(blobs);
    // Room for a fifth, with what an entry takes besides.
    let bound = (MEDIA / 5 * (BYTES + 256)) as u64;
    let cache = Blobs::new(store.clone(), &limits(bound));
    let mut draw = Draw(42);
    for _ in 0..10_000 {
        // Four fifths of the reads want a fifth of the media.
        let at = if draw.below(5) < 4 { draw.below(MEDIA / 5) } else { draw.below(MEDIA) };
        let got = cache.get(keys[at], BYTES as u64, Keep::Hot).await.unwrap().unwrap();
        assert_eq!(got.len(), BYTES);
        assert!(cache.bytes() <= bound, "{} of {bound}", cache.bytes());
    }
    let (hits, misses) = (cache.figures().hits.get(), cache.figures().misses.get());
    assert_eq!(hits + misses, 10_000);
    assert_eq!(misses, u64::from(store.reads()));
    // Without any wit, evicting at random, it would be about half.
    assert!(hits > 6_500, "{hits} hits of 10,000");
    assert!(cache.figures().evictions.get() > 0);
    assert_eq!(u64::try_from(cache.figures().held.get()).unwrap(), cache.bytes());
}

#[tokio::test]
async fn d12_many_who_want_the_same_at_once_cause_one_read() {
    let blob = noise(1, 10_000);
    let key = key_of(&blob);
    let store = Counting::new(0).with([blob.clone()]);
    let cache = Blobs::new(store.clone(), &limits(1 << 20));
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let cache = cache.clone();
        readers.spawn(async move { cache.get(key, 10_000, Keep::Hot).await });
    }
    while cache.figures().joined.get() < 19 {
        tokio::task::yield_now().await;
    }
    store.gate.add_permits(20);
    while let Some(got) = readers.join_next().await {
        assert!(got.unwrap().unwrap().unwrap() == blob);
    }
    assert_eq!(store.reads(), 1);
    cache.get(key, 10_000, Keep::Hot).await.unwrap().unwrap();
    assert_eq!((store.reads(), cache.figures().hits.get()), (1, 1));
}

#[tokio::test]
async fn d12_a_load_goes_on_when_the_one_who_wanted_it_leaves() {
    let blob = noise(2, 1_000);
    let key = key_of(&blob);
    let store = Counting::new(0).with([blob]);
    let cache = Blobs::new(store.clone(), &limits(1 << 20));
    let reader = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get(key, 1_000, Keep::Hot).await }
    });
    while store.reads() == 0 {
        tokio::task::yield_now().await;
    }
    reader.abort();
    assert!(reader.await.unwrap_err().is_cancelled());
    store.gate.add_permits(1);
    cache.get(key, 1_000, Keep::Hot).await.unwrap().unwrap();
    assert_eq!(store.reads(), 1);
}

#[tokio::test]
async fn d12_a_failed_load_is_told_to_all_who_wait_and_not_kept() {
    let blob = noise(3, 1_000);
    let key = key_of(&blob);
    let store = Counting::new(OPEN).with([blob]);
    let cache = Blobs::new(store.clone(), &limits(1 << 20));
    store.is_failing.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert!(cache.get(key, 1_000, Keep::Hot).await.unwrap_err().is_transient());
    }
    store.is_failing.store(false, Ordering::SeqCst);
    cache.get(key, 1_000, Keep::Hot).await.unwrap().unwrap();
    assert_eq!(cache.get(key_of(b"x"), 9, Keep::Hot).await, Err(StoreError::NotFound));
    assert_eq!(store.reads(), 4);
}

#[tokio::test]
async fn d12_bytes_that_are_not_what_their_key_says_are_neither_given_nor_kept() {
    let store = Counting::new(OPEN);
    let (key, other) = (key_of(b"a dog"), key_of(b"a longer dog"));
    store.blobs.lock().extend([(key, Bytes::from("a cat")), (other, Bytes::from("a longer dog"))]);
    let cache = Blobs::new(store.clone(), &limits(1 << 20));
    assert_eq!(cache.get(key, 5, Keep::Hot).await, Err(StoreError::Damaged));
    assert_eq!(cache.get(other, 5, Keep::Hot).await, Err(StoreError::Damaged));
    assert_eq!(cache.bytes(), 0);
}

#[tokio::test]
async fn d10_what_is_to_be_seen_once_is_neither_kept_nor_read_through_the_cache() {
    let blob = noise(4, 1_000);
    let key = key_of(&blob);
    let store = Counting::new(OPEN).with([blob]);
    let cache = Blobs::new(store.clone(), &limits(1 << 20));
    assert_eq!(cache.get(key, 1_000, Keep::Never).await, Ok(None));
    assert_eq!((store.reads(), cache.bytes()), (0, 0));
    cache.get(key, 1_000, Keep::Hot).await.unwrap().unwrap();
    assert_eq!(cache.get(key, 1_000, Keep::Never).await, Ok(None), "not from memory either");
}

#[tokio::test]
async fn d12_what_is_too_large_or_one_load_too_many_is_for_the_caller_to_stream() {
    let store = Counting::new(0);
    let cache = Blobs::new(store.clone(), &limits(64 << 20));
    assert_eq!(cache.get(key_of(b"large"), 256 * 1024 + 1, Keep::Hot).await, Ok(None));
    assert_eq!(cache.figures().bypassed.get(), 1);
    let none = Blobs::new(store.clone(), &limits(0));
    assert_eq!(none.get(key_of(b"small"), 1, Keep::Hot).await, Ok(None));

    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..64_u32 {
        let cache = cache.clone();
        readers.spawn(async move { cache.get(key_of(&reader.to_le_bytes()), 4, Keep::Hot).await });
    }
    while store.reads() < 64 {
        tokio::task::yield_now().await;
    }
    assert_eq!(cache.get(key_of(b"one more"), 8, Keep::Hot).await, Ok(None));
    assert_eq!(cache.figures().busy.get(), 1);
}

#[tokio::test]
async fn d10_what_was_forgotten_is_not_brought_back_by_a_load_that_was_under_way() {
    let blob = noise(5, 1_000);
    let key = key_of(&blob);
    let store = Counting::new(0).with([blob]);
    let cache = Blobs::new(store.clone(), &limits(1 << 20));
    let mut early = Box::pin(cache.get(key, 1_000, Keep::Hot));
    assert!(futures_util::poll!(&mut early).is_pending());
    while store.reads() == 0 {
        tokio::task::yield_now().await;
    }
    cache.forget(key);
    store.blobs.lock().clear();
    let late = cache.get(key, 1_000, Keep::Hot);
    store.gate.add_permits(2);
    assert_eq!(late.await, Err(StoreError::NotFound), "it joined nobody");
    assert!(early.await.unwrap().is_some(), "whoever asked before is answered");
    assert_eq!(cache.bytes(), 0);

    let store = Counting::new(OPEN).with([noise(6, 1_000)]);
    let cache = Blobs::new(store, &limits(1 << 20));
    cache.get(key_of(&noise(6, 1_000)), 1_000, Keep::Hot).await.unwrap().unwrap();
    assert!(cache.bytes() > 1_000);
    cache.forget(key_of(&noise(6, 1_000)));
    assert_eq!(cache.bytes(), 0);
}

#[derive(Clone, Debug, PartialEq)]
struct Text(&'static str);

impl Row for Text {
    fn may_be_kept(&self) -> bool {
        self.0 != "once"
    }
}

async fn found(row: &'static str) -> Result<Option<Text>, StoreError> {
    Ok(Some(Text(row)))
}

async fn unasked() -> Result<Option<Text>, StoreError> {
    panic!("it is in memory")
}

#[tokio::test]
async fn d12_a_row_is_kept_until_it_is_forgotten() {
    let rows = Rows::new(10);
    assert_eq!(rows.get(&1, found("first")).await, Ok(Some(Text("first"))));
    assert_eq!(rows.get(&1, unasked()).await, Ok(Some(Text("first"))));
    rows.forget(&1);
    assert_eq!(rows.get(&1, found("second")).await, Ok(Some(Text("second"))));
    assert_eq!(rows.get(&2, async { Ok::<_, StoreError>(None) }).await, Ok(None));
    assert_eq!(rows.get(&2, found("it came")).await, Ok(Some(Text("it came"))), "that there was none is not kept");
    rows.forget_all();
    assert!(rows.is_empty());
    assert_eq!((rows.figures().hits.get(), rows.figures().misses.get()), (1, 4));
}

#[tokio::test]
async fn d12_a_row_that_changes_while_it_is_read_is_not_kept_as_it_was() {
    let rows = Rows::new(10);
    for forget in [|rows: &Rows<u32, Text>| rows.forget(&1), |rows: &Rows<u32, Text>| rows.forget_all()] {
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut reading = Box::pin(rows.get(&1, async { Ok::<_, StoreError>(told.await.ok()) }));
        assert!(futures_util::poll!(&mut reading).is_pending());
        forget(&rows);
        tell.send(Text("before")).unwrap();
        assert_eq!(reading.await, Ok(Some(Text("before"))), "its reader asked before the change");
        assert_eq!(rows.get(&1, found("after")).await, Ok(Some(Text("after"))));
        rows.forget(&1);
    }
}

#[tokio::test]
async fn d10_rows_of_what_is_to_be_seen_once_are_not_kept_and_the_others_are_bounded() {
    let rows = Rows::new(50);
    rows.get(&0, found("once")).await.unwrap();
    assert!(rows.is_empty());
    for key in 1..1_000 {
        rows.get(&key, found("often")).await.unwrap();
        assert!(rows.len() <= 50, "{}", rows.len());
    }
    assert!(rows.figures().evictions.get() >= 900);
}
