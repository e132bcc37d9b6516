//! The relay's journal: an append-only log in segments, written ahead of their use, of its own. What the relay knows is a record in it.
//!
//! ```text
//! segment-0000000000000007   head │ part of batch 41 │ batch 42 │ first part of batch 43
//! segment-0000000000000008   head │ last part of batch 43 │ batch 44 │ (stale bytes or zeros)
//! spare-0000000000000006     a retired segment's file, to be used again
//! ```
//!
//! Invariants: what [`Journal::commit`] with [`Durability::Sync`] has returned for is replayed by every later [`Journal::open`], whole and in
//! order, until its segment is retired; what is replayed was committed; of a batch all or nothing is. At most one batch is unsynced on the
//! disk, the last: lazy ones wait in memory and are written as one with the next. A failed write or sync ends the journal, since nobody
//! can know what it left behind.

mod batch;
mod frame;
mod metrics;
mod onward;
mod prepare;
mod recover;
mod segment;
#[cfg(test)]
mod tests;

use std::{any::Any, collections::VecDeque, io, sync::Arc, sync::atomic::Ordering::Relaxed, thread::JoinHandle};

use batch::{PartBytes, Position};
use frame::{HEAD, PART, Part, narrow};
use metrics::Counters;
use prepare::{Preparer, segment_name, spare_name};
use segment::Shared;

pub use batch::Batch;
pub use metrics::{BATCH_CLASSES, Metrics};
pub use onward::Mark;
pub use segment::{Reader, SegmentStats};

use crate::disk::Disk;

/// No segment is larger: offsets stay within 32 bits, and a record's length with them.
const SEGMENT_MAX: u32 = 1 << 30;
/// No segment is smaller: heads would be most of it.
const SEGMENT_MIN: u32 = 4096;
/// Buffers of written parts that are kept for the next batch, and the size above which one is not: 4 MiB in all.
const BUFFERS: usize = 4;
const BUFFER_MAX: usize = 1 << 20;

/// Where a record is. It stays until the record's segment is retired.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// The generation of its segment.
    pub segment: u64,
    /// Where in the segment its frame begins.
    pub offset: u32,
    /// Bytes of its payload.
    pub len: u32,
}

/// How the journal is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of a segment, 4 KiB to 1 GiB. Larger ones are retired later, smaller ones are prepared more often. A journal whose size was
    /// changed keeps the segments that it has.
    pub segment_bytes: u32,
    /// Files of retired segments that are kept to be used again: each saves writing a segment's zeros, and keeps its space.
    pub spares: usize,
    /// What was committed lazily is written and synced once it is more than this.
    pub lazy_bytes: usize,
    /// Whether a thread prepares segments ahead. Without it the committer does, when it needs one: for simulations.
    pub helper: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { segment_bytes: 32 << 20, spares: 4, lazy_bytes: 1 << 20, helper: true }
    }
}

/// When a commit is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// When it returns.
    Sync,
    /// With the next that is synced, or [`Journal::flush`].
    Lazy,
}

/// Why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// An earlier write or sync failed. What is durable is unknown: the program must end and open the journal anew.
    #[error("the journal has failed before: it must be opened anew")]
    Poisoned,
    /// There is no room for a further segment. Nothing of the batch was kept; later there may be room again.
    #[error("no space is left for the journal")]
    Full,
    /// A record or batch that no segment, or no number of them, could hold.
    #[error("{bytes} bytes are more than the {max} that fit")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest.
        max: usize,
    },
    /// The batch was begun before another one was committed: its places are taken.
    #[error("another batch was committed since this one was begun")]
    Stale,
    /// What was confirmed once does not verify, or is missing. The journal must not be opened over it.
    #[error("the journal is damaged: segment {segment:016x} at {offset}")]
    Damaged {
        /// The segment's generation.
        segment: u64,
        /// Where in it.
        offset: u32,
    },
    /// The record's segment was retired.
    #[error("the record's segment was retired")]
    Gone,
    /// Only the oldest segment can be retired, and not the one that is written to.
    #[error("segment {0:016x} is not the oldest, or is being written to")]
    NotOldest(u64),
    /// Another program has this journal.
    #[error("another program uses this journal")]
    Locked,
    /// A size that is out of bounds.
    #[error("a segment has from 4 KiB to 1 GiB")]
    Settings,
    /// The file system failed.
    #[error("{doing}: {source}")]
    Io {
        /// At what.
        doing: &'static str,
        /// What it says.
        source: io::Error,
    },
}

/// What keeps the promise. The tests leave each out in turn, to see that the promise is broken then.
#[derive(Clone, Copy)]
struct Guards {
    /// Checksums depend on segment, salt and offset.
    #[cfg_attr(not(test), expect(dead_code, reason = "there is no way without it but in the tests"))]
    seeded: bool,
    /// A segment's name is synced before it is used, and its end before it is forgotten.
    sync_names: bool,
    /// A commit is synced before it is confirmed.
    sync_commits: bool,
    /// What a torn batch left is overwritten.
    clean_tail: bool,
    /// What was replayed is synced before anybody acts on it.
    sync_replayed: bool,
}

impl Guards {
    const ALL: Self =
        Self { seeded: true, sync_names: true, sync_commits: true, clean_tail: true, sync_replayed: true };
}

/// The log, for its one writer. [`Journal::reader`] is for everybody else.
pub struct Journal {
    disk: Arc<dyn Disk>,
    settings: Settings,
    guards: Guards,
    shared: Arc<Shared>,
    preparer: Arc<Preparer>,
    helper: Option<JoinHandle<()>>,
    next: Position,
    next_batch: u64,
    /// What was committed and is not written: the parts of one batch to be.
    waiting: VecDeque<PartBytes>,
    waiting_records: usize,
    buffers: Vec<Vec<u8>>,
    _lock: Box<dyn Any + Send + Sync>,
}

impl Journal {
    /// Opens the journal in `disk`, and hands what is in it to `replay`, in the order in which it was committed: kind, payload, place.
    /// All that was replayed is durable when this returns.
    ///
    /// # Errors
    ///
    /// [`JournalError::Damaged`], [`JournalError::Locked`], [`JournalError::Full`], [`JournalError::Io`]. What `replay` has got by then
    /// must not be acted on.
    pub fn open(
        disk: Arc<dyn Disk>,
        settings: Settings,
        mut replay: impl FnMut(u8, &[u8], Place),
    ) -> Result<Self, JournalError> {
        Self::open_guarded(disk, settings, Guards::ALL, &mut replay)
    }

    fn open_guarded(
        disk: Arc<dyn Disk>,
        settings: Settings,
        guards: Guards,
        replay: recover::Replay<'_>,
    ) -> Result<Self, JournalError> {
        if !(SEGMENT_MIN..=SEGMENT_MAX).contains(&settings.segment_bytes) {
            return Err(JournalError::Settings);
        }
        let lock = disk.lock().map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => JournalError::Locked,
            _ => JournalError::Io { doing: "locking the journal", source },
        })?;
        let shared = Arc::new(Shared::default());
        let found = recover::recover(&*disk, guards, &shared, replay)?;
        let next_generation = found.tail.map_or(1, |(generation, _)| generation + 1);
        let size = settings.segment_bytes as usize;
        let preparer = Preparer::new(Arc::clone(&disk), Arc::clone(&shared), size, guards, next_generation);
        let helper = if settings.helper {
            let started = preparer.start();
            Some(started.map_err(|source| JournalError::Io { doing: "starting a thread", source })?)
        } else {
            None
        };
        let next = Position { generation: next_generation, offset: HEAD, size, joins: false };
        let mut journal = Self {
            disk,
            settings,
            guards,
            shared,
            preparer,
            helper,
            next,
            next_batch: found.next_batch,
            waiting: VecDeque::new(),
            waiting_records: 0,
            buffers: Vec::new(),
            _lock: lock,
        };
        if let Some((generation, offset)) = found.tail {
            let size = journal.shared.get(generation).map_or(size, |segment| segment.size);
            journal.next = Position { generation, offset, size, joins: false };
        } else {
            journal.provide(next_generation)?;
        }
        Ok(journal)
    }

    /// A batch that begins where the last one ended. One at a time: of two that were begun, the second to be committed is refused.
    #[must_use]
    pub fn batch(&mut self) -> Batch {
        Batch::new(self.next, self.settings.segment_bytes as usize, std::mem::take(&mut self.buffers))
    }

    /// Makes the batch part of the log, all of it or nothing.
    ///
    /// # Errors
    ///
    /// [`JournalError::Full`] and [`JournalError::Stale`]: nothing was kept, and a new batch may be tried. [`JournalError::Io`]: the batch
    /// may be there or not after the next opening; from now on every call is [`JournalError::Poisoned`].
    pub fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), JournalError> {
        self.shared.check()?;
        if batch.began != self.next {
            return Err(JournalError::Stale);
        }
        for part in &batch.parts {
            self.provide(part.generation)?;
        }
        self.wait(batch);
        let waiting: usize = self.waiting.iter().map(|part| part.bytes.len()).sum();
        // The parts of one batch have numbers of 16 bits, so what waits must not become too many.
        let room = waiting <= self.settings.lazy_bytes && self.waiting.len() < batch::PARTS_MAX;
        match durability {
            Durability::Lazy if room => {
                Counters::add(&self.shared.counters.lazy, 1);
                Ok(())
            }
            Durability::Lazy | Durability::Sync => self.flush(),
        }
    }

    /// Takes the segment that follows into use.
    fn provide(&self, generation: u64) -> Result<(), JournalError> {
        if self.shared.get(generation).is_none() {
            let segment = self.preparer.take(self.settings.helper)?;
            debug_assert_eq!(segment.generation, generation, "segments are used in the order of their making");
            self.shared.segments.write().insert(generation, Arc::new(segment));
        }
        Ok(())
    }

    /// Puts the batch behind what waits to be written.
    fn wait(&mut self, batch: Batch) {
        for mut part in batch.parts {
            let at = part.records_at();
            if let Some(segment) = self.shared.get(part.generation) {
                frame::sum_records(&mut part.bytes[at..], segment.seed, part.start + at);
                segment.add(part.bytes.len() - at);
            }
            match self.waiting.back_mut() {
                Some(last) if !part.headed => {
                    last.bytes.extend_from_slice(&part.bytes);
                    self.keep(part.bytes);
                }
                _ => self.waiting.push_back(part),
            }
        }
        self.buffers.extend(batch.buffers);
        self.buffers.truncate(BUFFERS);
        self.waiting_records += batch.records;
        self.next = Position { joins: !self.waiting.is_empty(), ..batch.next };
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        if self.buffers.len() < BUFFERS && buffer.capacity() <= BUFFER_MAX {
            self.buffers.push(buffer);
        }
    }

    /// Returns when everything that was committed is durable.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`], and from then on [`JournalError::Poisoned`].
    pub fn flush(&mut self) -> Result<(), JournalError> {
        self.shared.check()?;
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut written = Vec::with_capacity(self.waiting.len());
        let parts = self.waiting.len();
        for index in 0..parts {
            let Some(mut part) = self.waiting.pop_front() else { break };
            let Some(segment) = self.shared.get(part.generation) else { return Err(JournalError::Gone) };
            let head = Part {
                batch: self.next_batch,
                index: u16::try_from(index).unwrap_or(u16::MAX),
                last: index + 1 == parts,
                bytes: narrow(part.bytes.len() - PART),
            };
            part.bytes[..PART].copy_from_slice(&head.encode(segment.seed, part.start));
            let done = segment.file.write_at(&part.bytes, part.start as u64);
            done.map_err(|source| self.shared.poison("writing to the journal", source))?;
            segment.end.store((part.start + part.bytes.len()) as u64, Relaxed);
            Counters::add(&self.shared.counters.bytes, part.bytes.len());
            self.keep(part.bytes);
            written.push(segment);
        }
        for segment in written.iter().filter(|_| self.guards.sync_commits) {
            segment.file.sync().map_err(|source| self.shared.poison("syncing the journal", source))?;
            Counters::add(&self.shared.counters.syncs, 1);
        }
        Counters::add(&self.shared.counters.batches, 1);
        Counters::add(&self.shared.counters.records, self.waiting_records);
        self.shared.counters.batch(self.waiting_records);
        self.next_batch += 1;
        self.waiting_records = 0;
        self.next.joins = false;
        Ok(())
    }

    /// Whether there is no room for a further segment, as of the last attempt to prepare one ahead. What the current one still holds can be
    /// written: time to refuse what is new, and to retire what is old. A retirement, or [`Journal::retry`], has it tried again.
    #[must_use]
    pub fn is_short(&self) -> bool {
        matches!(self.preparer.ready(), (0, true))
    }

    /// Bytes of records, their frames included, that can be committed before another segment must be prepared: at least.
    #[must_use]
    pub fn room(&self) -> usize {
        let current = self.next.size.saturating_sub(self.next.offset + PART);
        current + self.preparer.ready().0 * (self.settings.segment_bytes as usize - HEAD - PART)
    }

    /// Has the helper try again to prepare a segment, where there was no room for it. For every few seconds, not every commit.
    pub fn retry(&self) {
        self.preparer.retry();
    }

    /// What reads records back, for any thread.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader { shared: Arc::clone(&self.shared) }
    }

    /// The payload of the record at `place`: [`Reader::read`].
    ///
    /// # Errors
    ///
    /// Those of [`Reader::read`].
    pub fn read(&self, place: Place) -> Result<Vec<u8>, JournalError> {
        self.reader().read(place)
    }

    /// Says that the record at `place` is needed no longer: [`Reader::release`].
    pub fn release(&self, place: Place) {
        self.reader().release(place);
    }

    /// The oldest segment, if it is not the one that is written to: the one to copy forward from, and to retire.
    #[must_use]
    pub fn oldest(&self) -> Option<SegmentStats> {
        let segments = self.shared.segments.read();
        let (&generation, segment) = segments.first_key_value()?;
        (generation < self.next.generation).then(|| segment.stats())
    }

    /// Hands out the records of a segment, dead ones too, in order: kind, payload, place.
    ///
    /// # Errors
    ///
    /// [`JournalError::Gone`], [`JournalError::Damaged`], [`JournalError::Io`].
    pub fn records(&mut self, generation: u64, mut each: impl FnMut(u8, &[u8], Place)) -> Result<(), JournalError> {
        self.flush()?;
        let segment = self.shared.get(generation).ok_or(JournalError::Gone)?;
        onward::read_on(&segment, HEAD, &mut each)?;
        Ok(())
    }

    /// Gives the oldest segment up, with all that is in it. What was copied out of it is synced first, if it is not.
    ///
    /// # Errors
    ///
    /// [`JournalError::NotOldest`]; [`JournalError::Io`], and from then on [`JournalError::Poisoned`].
    pub fn retire(&mut self, generation: u64) -> Result<(), JournalError> {
        self.shared.check()?;
        if self.oldest().is_none_or(|oldest| oldest.generation != generation) {
            return Err(JournalError::NotOldest(generation));
        }
        self.flush()?;
        self.shared.segments.write().remove(&generation);
        let spare = (self.preparer.spares() < self.settings.spares).then(|| spare_name(generation));
        let moved = match &spare {
            Some(spare) => self.disk.rename(&segment_name(generation), spare),
            None => self.disk.remove(&segment_name(generation)),
        };
        let moved = moved.and_then(|()| if self.guards.sync_names { self.disk.sync_dir() } else { Ok(()) });
        moved.map_err(|source| self.shared.poison("retiring a segment", source))?;
        Counters::add(&self.shared.counters.retired, 1);
        match spare {
            Some(spare) => self.preparer.add_spare(spare),
            None => Counters::add(&self.shared.counters.removed, 1),
        }
        Ok(())
    }

    /// What the journal has done since it was opened.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.counters.read()
    }
}

impl Drop for Journal {
    /// Ends the helper. What was committed lazily and not flushed is lost, as in a crash: whoever ends in order flushes.
    fn drop(&mut self) {
        self.preparer.stop();
        if let Some(helper) = self.helper.take() {
            drop(helper.join());
        }
    }
}
