//! A segment's file and what is known of it; the table of all of them; reading a record back by its place.
//!
//! Invariant: a segment in the table is on the disk under its name, with a head that was synced, and its generation is one more than that
//! of the one before it. It leaves the table before its file is touched again, so a reader that finds garbage finds it gone, too.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;

use super::{
    JournalError, Place,
    frame::{self, RECORD, Seed},
    metrics::{Counters, Metrics},
};
use crate::disk::DiskFile;

/// What is in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentStats {
    /// Its number: segments are replayed in this order.
    pub generation: u64,
    /// Bytes of records that were not released yet, their frames included.
    pub live_bytes: u64,
    /// Bytes of all its records, their frames included.
    pub bytes: u64,
}

pub(super) struct Segment {
    pub(super) generation: u64,
    pub(super) seed: Seed,
    pub(super) size: usize,
    pub(super) file: Box<dyn DiskFile>,
    pub(super) live: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// Where what was written ends.
    pub(super) end: AtomicU64,
}

impl Segment {
    pub(super) fn new(generation: u64, seed: Seed, size: usize, file: Box<dyn DiskFile>) -> Self {
        let end = AtomicU64::new(frame::HEAD as u64);
        Self { generation, seed, size, file, live: AtomicU64::new(0), bytes: AtomicU64::new(0), end }
    }

    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.live.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> SegmentStats {
        SegmentStats {
            generation: self.generation,
            live_bytes: self.live.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// What the journal's threads share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) segments: RwLock<BTreeMap<u64, Arc<Segment>>>,
    pub(super) counters: Counters,
    poisoned: AtomicBool,
}

impl Shared {
    pub(super) fn check(&self) -> Result<(), JournalError> {
        if self.poisoned.load(Ordering::Acquire) { Err(JournalError::Poisoned) } else { Ok(()) }
    }

    /// Nothing is known any more of what is durable: for good.
    pub(super) fn poison(&self, doing: &'static str, source: std::io::Error) -> JournalError {
        self.poisoned.store(true, Ordering::Release);
        JournalError::Io { doing, source }
    }

    pub(super) fn get(&self, generation: u64) -> Option<Arc<Segment>> {
        self.segments.read().get(&generation).cloned()
    }
}

/// Reads records back by their place, and takes word of those that are no longer needed. Cheap to clone, for any thread.
#[derive(Clone)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
}

impl Reader {
    /// The payload of the record at `place`, verified. What was committed lazily can be read after the next sync.
    ///
    /// # Errors
    ///
    /// [`JournalError::Gone`] where its segment was retired, [`JournalError::Damaged`] where what is there does not verify,
    /// [`JournalError::Poisoned`], [`JournalError::Io`].
    pub fn read(&self, place: Place) -> Result<Vec<u8>, JournalError> {
        self.shared.check()?;
        let segment = self.shared.get(place.segment).ok_or(JournalError::Gone)?;
        let damaged = JournalError::Damaged { segment: place.segment, offset: place.offset };
        let (offset, len) = (place.offset as usize, RECORD + place.len as usize);
        if offset + len > segment.size {
            return Err(damaged);
        }
        let mut bytes = vec![0; len];
        segment
            .file
            .read_at(&mut bytes, offset as u64)
            .map_err(|source| JournalError::Io { doing: "reading a record", source })?;
        match frame::decode_record(&bytes, segment.seed, offset) {
            Some((_, payload)) if payload.len() == place.len as usize => {
                Counters::add(&self.shared.counters.reads, 1);
                bytes.drain(..RECORD);
                Ok(bytes)
            }
            // It may have been retired, and its file be in use for another, since it was looked up.
            _ if self.shared.get(place.segment).is_none() => Err(JournalError::Gone),
            _ => Err(damaged),
        }
    }

    /// Says that the record at `place` is needed no longer. To be said once.
    pub fn release(&self, place: Place) {
        if let Some(segment) = self.shared.get(place.segment) {
            let bytes = RECORD as u64 + u64::from(place.len);
            let less = segment.live.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |live| live.checked_sub(bytes));
            debug_assert!(less.is_ok(), "more was released than there was");
        }
    }

    /// What the journal has done since it was opened.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.counters.read()
    }

    /// Every segment, the oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentStats> {
        self.shared.segments.read().values().map(|segment| segment.stats()).collect()
    }
}
