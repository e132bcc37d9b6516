//! What every store has to do, asked of each of them.

use crate::s3::Server;
use crate::{Home, key_of, noise, read};
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tertulia_media_pipeline::store::{BlobStore, Folder, PIECE_BYTES_MAX, StoreError};

/// More than a single request of S3 takes: three parts.
const LARGE: usize = 16 * 1024 * 1024 + 17;

/// A store, and what has to live as long as it.
struct Subject {
    home: Home,
    store: Arc<dyn BlobStore>,
    _server: Option<Server>,
}

fn folder() -> Subject {
    let home = Home::new();
    let store = Arc::new(Folder::open(&home.path().join("blobs")).unwrap());
    Subject { home, store, _server: None }
}

async fn s3() -> Subject {
    let server = Server::start().await;
    Subject { home: Home::new(), store: server.store(), _server: Some(server) }
}

macro_rules! suite {
    ($($name:ident)*) => {
        mod folder {
            $(#[tokio::test] async fn $name() { super::$name(super::folder()).await; })*
        }
        mod s3 {
            $(#[tokio::test] async fn $name() { super::$name(super::s3().await).await; })*
        }
    };
}

suite! {
    d5_what_is_put_is_read_whatever_its_size
    d5_a_range_is_exactly_the_bytes_that_were_asked_for
    d5_more_than_there_is_is_damage
    d5_what_is_not_there_is_not_found_and_may_be_deleted
    d10_what_is_deleted_is_gone_and_may_come_back
    d6_the_same_blob_put_twice_is_there_once
    d6_the_same_blob_put_by_many_at_once_is_there_once_and_never_in_part
    d5_a_blob_outlives_the_file_it_came_from
    d5_a_spooled_file_that_was_cut_short_is_refused
    d10_blobs_are_listed_in_order_page_by_page
    d5_a_put_that_is_dropped_leaves_nothing_or_the_whole_blob
    d5_a_probe_leaves_nothing_behind
    d5_a_sweep_leaves_blobs_alone
}

async fn d5_what_is_put_is_read_whatever_its_size(subject: Subject) {
    let Subject { home, store, .. } = &subject;
    for bytes in [0, 1, 4_096, PIECE_BYTES_MAX - 1, PIECE_BYTES_MAX, PIECE_BYTES_MAX + 1, 1_000_003, LARGE] {
        let blob = noise(bytes as u64, bytes);
        let key = home.put(store, &blob).await.unwrap();
        assert_eq!(store.size(key).await.unwrap(), Some(bytes as u64));
        let mut got = store.read(key, None).await.unwrap();
        assert_eq!(got.size, bytes as u64);
        let mut all = Vec::new();
        while let Some(piece) = got.body.next().await {
            let piece = piece.unwrap();
            assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES_MAX, "a piece of {}", piece.len());
            all.extend_from_slice(&piece);
        }
        assert!(all == blob, "{bytes} bytes came back as others");
    }
}

async fn d5_a_range_is_exactly_the_bytes_that_were_asked_for(subject: Subject) {
    let Subject { home, store, .. } = &subject;
    let blob = noise(7, 300_000);
    let key = home.put(store, &blob).await.unwrap();
    for range in [0..300_000, 0..1, 299_999..300_000, 1..299_999, 131_072..131_073, 100_000..231_073, 5..5, 0..0] {
        let got = store.read(key, Some(range.clone())).await.unwrap();
        assert_eq!(got.size, 300_000, "the size is the whole blob's");
        let all = read(store, key, Some(range.clone())).await.unwrap();
        let expected = &blob[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert!(all == expected, "{range:?}");
    }
}

async fn d5_more_than_there_is_is_damage(subject: Subject) {
    let Subject { home, store, .. } = &subject;
    let key = home.put(store, &noise(8, 1_000)).await.unwrap();
    for range in [0..1_001, 999..2_000, 1_000..1_001, 5_000..6_000, 1_001..1_001] {
        assert_eq!(read(store, key, Some(range.clone())).await, Err(StoreError::Damaged), "{range:?}");
    }
}

async fn d5_what_is_not_there_is_not_found_and_may_be_deleted(subject: Subject) {
    let store = &subject.store;
    let key = key_of(b"nobody has put this");
    assert_eq!(store.size(key).await, Ok(None));
    assert_eq!(read(store, key, None).await, Err(StoreError::NotFound));
    assert_eq!(read(store, key, Some(0..10)).await, Err(StoreError::NotFound));
    assert_eq!(read(store, key, Some(0..0)).await, Err(StoreError::NotFound));
    assert_eq!(store.delete(key).await, Ok(()));
}

async fn d10_what_is_deleted_is_gone_and_may_come_back(subject: Subject) {
    let Subject { home, store, .. } = &subject;
    let blob = noise(9, 50_000);
    let key = home.put(store, &blob).await.unwrap();
    store.delete(key).await.unwrap();
    assert_eq!(store.size(key).await, Ok(None));
    assert_eq!(read(store, key, None).await, Err(StoreError::NotFound));
    assert_eq!(store.list(None, 10).await, Ok(Vec::new()));
    home.put(store, &blob).await.unwrap();
    assert!(read(store, key, None).await.unwrap() == blob);
}

async fn d6_the_same_blob_put_twice_is_there_once(subject: Subject) {
    let Subject { home, store, .. } = &subject;
    for blob in [noise(10, 50_000), noise(10, LARGE)] {
        let key = home.put(store, &blob).await.unwrap();
        let spooled = home.spooled(blob.clone()).await;
        store.put(key, &spooled).await.unwrap();
        store.put(key, &spooled).await.unwrap();
        assert!(read(store, key, None).await.unwrap() == blob);
        assert_eq!(store.list(None, 10).await.unwrap().iter().filter(|listed| listed.key == key).count(), 1);
    }
}

async fn d6_the_same_blob_put_by_many_at_once_is_there_once_and_never_in_part(subject: Subject) {
    let Subject { home, store, .. } = &subject;
    let blob = noise(11, 700_000);
    let key = key_of(&blob);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, spooled) = (Arc::clone(store), home.spooled(blob.clone()).await);
        tasks.spawn(async move { store.put(key, &spooled).await });
    }
    loop {
        match store.size(key).await.unwrap() {
            None => {}
            Some(size) => assert_eq!(size, 700_000),
        }
        match tasks.try_join_next() {
            Some(done) => done.unwrap().unwrap(),
            None if tasks.is_empty() => break,
            None => {}
        }
    }
    assert!(read(store, key, None).await.unwrap() == blob);
    assert_eq!(store.list(None, 10).await.unwrap().len(), 1);
}

async fn d5_a_blob_outlives_the_file_it_came_from(subject: Subject) {
    let Subject { home, store, .. } = &subject;
    let blob = noise(12, 10_000);
    let spooled = home.spooled(blob.clone()).await;
    store.put(key_of(&blob), &spooled).await.unwrap();
    assert!(std::fs::read(spooled.path()).unwrap() == blob, "the spooled file is still its holder's");
    drop(spooled);
    assert!(read(store, key_of(&blob), None).await.unwrap() == blob);
}

async fn d5_a_spooled_file_that_was_cut_short_is_refused(subject: Subject) {
    let Subject { home, store, .. } = &subject;
    let blob = noise(13, 10_000);
    let spooled = home.spooled(blob.clone()).await;
    std::fs::OpenOptions::new().write(true).open(spooled.path()).unwrap().set_len(9_999).unwrap();
    assert_eq!(store.put(key_of(&blob), &spooled).await, Err(StoreError::Damaged));
    assert_eq!(store.size(key_of(&blob)).await, Ok(None));
    std::fs::remove_file(spooled.path()).unwrap();
    assert!(matches!(store.put(key_of(&blob), &spooled).await, Err(StoreError::Failed(_))));
}

async fn d10_blobs_are_listed_in_order_page_by_page(subject: Subject) {
    let Subject { home, store, .. } = &subject;
    assert_eq!(store.list(None, 10).await, Ok(Vec::new()));
    let mut keys = Vec::new();
    for seed in 0..23_u64 {
        let bytes = usize::try_from(100 + seed).unwrap();
        keys.push((home.put(store, &noise(seed, bytes)).await.unwrap(), 100 + seed));
    }
    keys.sort_unstable();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(after, 5).await.unwrap();
        assert!(page.len() <= 5);
        let Some(last) = page.last() else { break };
        after = Some(last.key);
        listed.extend(page);
    }
    assert_eq!(listed.iter().map(|listed| (listed.key, listed.bytes)).collect::<Vec<_>>(), keys);
    let now = SystemTime::now();
    for one in listed {
        let age = now.duration_since(one.put_at).unwrap_or_default();
        assert!(age < Duration::from_hours(1), "put {age:?} ago");
    }
    assert_eq!(store.list(None, 1_000).await.unwrap().len(), keys.len());
}

async fn d5_a_put_that_is_dropped_leaves_nothing_or_the_whole_blob(subject: Subject) {
    let Subject { home, store, .. } = &subject;
    for seed in 0..12 {
        let blob = noise(seed, 400_000);
        let key = key_of(&blob);
        let spooled = home.spooled(blob.clone()).await;
        // So many times it may go on, then it is dropped.
        let mut put = store.put(key, &spooled);
        for _ in 0..seed {
            if futures_util::poll!(&mut put).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(put);
        match store.size(key).await.unwrap() {
            None => {}
            Some(_) => assert!(read(store, key, None).await.unwrap() == blob),
        }
        store.put(key, &spooled).await.unwrap();
        assert!(read(store, key, None).await.unwrap() == blob, "put again after it was dropped");
    }
}

async fn d5_a_probe_leaves_nothing_behind(subject: Subject) {
    let store = &subject.store;
    store.probe().await.unwrap();
    assert_eq!(store.list(None, 10).await, Ok(Vec::new()));
}

async fn d5_a_sweep_leaves_blobs_alone(subject: Subject) {
    let Subject { home, store, .. } = &subject;
    let blob = noise(14, 1_000);
    let key = home.put(store, &blob).await.unwrap();
    assert_eq!(store.sweep().await, Ok(0));
    assert!(read(store, key, None).await.unwrap() == blob);
}
