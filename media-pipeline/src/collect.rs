//! The collection: files whose time is over, contents that nobody has, blobs that nothing refers to.
//!
//! What counts as referred to: a file that is shared with somebody, or that its owner keeps. Anything else goes after a while
//! (`idle`), so that an upload whose message is never sent does not stay. View-once files go when all they are for have seen
//! them, or after `view_once`. A blob goes in steps that are rows of the directory (`tertulia_directory`'s `media/blobs.rs`):
//! a collection that dies between any two is finished by the next one, and a put of the same bytes stops it.
//!
//! Each look handles a bounded number of rows, so that uploads wait for a short write at most.

use crate::library::{Doing, Inner, LibraryError};
use crate::store::BlobKey;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tertulia_common::Timestamp;
use tertulia_directory::MediaBlob;
use tokio::time::{Instant, MissedTickBehavior};

/// How often the store is compared with the directory: blobs that a crash, or a directory from a backup, has left unknown.
const COMPARE_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// Names that one listing asks for.
const LISTED_MAX: usize = 1_000;
/// How old a blob must be by the store's clock before it counts as forgotten: more than any put takes.
const UNKNOWN_AGE: Duration = Duration::from_secs(24 * 3_600);

/// What one look has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Files whose time was over.
    pub files: u64,
    /// Contents that nobody had.
    pub contents: u64,
    /// Blobs deleted from the store.
    pub blobs: u64,
}

/// Looks now and then, until the library is closed.
pub(crate) async fn collect(inner: Arc<Inner>) {
    let every = inner.config.collect.every;
    let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut compare_at = inner.now();
    while inner.closing.run_until_cancelled(ticks.tick()).await.is_some() {
        match inner.config.link_keys.renew(inner.now()) {
            Ok(true) => tracing::info!("links are signed with a new key; those given out go on"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "no new key for links could be made: the old one signs on"),
        }
        if let Err(error) = inner.collect_once().await {
            tracing::warn!(%error, "the collection was interrupted");
        }
        if let Err(error) = inner.tus().sweep().await {
            tracing::warn!(%error, "resumable uploads were not swept");
        }
        if inner.now() >= compare_at {
            compare_at = inner.now() + COMPARE_EVERY;
            if let Err(error) = inner.compare().await {
                tracing::warn!(%error, "the store could not be compared with the directory");
            }
        }
    }
}

impl Inner {
    /// One look.
    pub(crate) async fn collect_once(&self) -> Result<Collected, LibraryError> {
        let (directory, config, now) = (&self.parts.directory, &self.config.collect, self.now());
        let (files, cancelled) = directory.media_expire(now, config.batch).await?;
        self.cancel_jobs(&cancelled);
        let contents = directory.media_sweep(now, config.batch).await?;
        let mut blobs = 0;
        for key in directory.blobs_to_delete(now, config.on_its_way, config.doomed, config.batch).await? {
            self.cache.forget(BlobKey(key));
            // One that fails is tried again at the next look; nothing can refer to it meanwhile.
            match self.parts.store.delete(BlobKey(key)).await {
                Ok(()) => {
                    directory.blob_deleted(&key).await?;
                    blobs += 1;
                }
                Err(error) => {
                    self.figures.store_failed(Doing::Delete);
                    tracing::warn!(%error, "a blob could not be deleted");
                }
            }
        }
        // Rows that this run does not know of: their write was confirmed too late for whoever asked.
        for job in directory.media_jobs().await? {
            self.queue.push(job, now);
        }
        let backlog = directory.media_backlog(now, config.doomed).await?;
        for (gauge, count) in self.figures.backlog.iter().zip(backlog) {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.figures.expired.inc_by(files);
        self.figures.contents_forgotten.inc_by(contents);
        self.figures.blobs_deleted.inc_by(blobs);
        Ok(Collected { files, contents, blobs })
    }

    /// Tells the directory of blobs that it does not know and that are old: they are collected like any other.
    pub(crate) async fn compare(&self) -> Result<u64, LibraryError> {
        let store = &self.parts.store;
        store.sweep().await?;
        let (mut after, mut found) = (None, 0);
        loop {
            let listed = store.list(after, LISTED_MAX).await?;
            let Some(last) = listed.last() else { return Ok(found) };
            after = Some(last.key);
            for blob in listed {
                let is_old = SystemTime::now().duration_since(blob.put_at).is_ok_and(|age| age >= UNKNOWN_AGE);
                if is_old && self.parts.directory.blob_state(&blob.key.0).await?.is_none() {
                    let unknown = MediaBlob { key: blob.key.0, bytes: blob.bytes };
                    self.parts.directory.blob_touch(unknown, self.now(), self.random_u64()?).await?;
                    self.figures.blobs_found.inc();
                    found += 1;
                }
            }
        }
    }

    /// When a file goes that is neither shared nor kept from now on.
    pub(crate) fn idle_end(&self) -> Timestamp {
        self.now() + self.config.collect.idle
    }
}
