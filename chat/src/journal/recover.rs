//! Opening a journal: reads every segment in order, hands out what is whole, cuts off a torn tail, refuses damage.
//!
//! Invariant: only one batch is ever unsynced on the disk, the last. So whatever does not verify, and is followed by anything of a later
//! batch, was confirmed once: that is damage. Where nothing follows, it is the tail that a crash tore.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{
    Guards, JournalError, Place,
    frame::{self, HEAD, Head, PART, PART_MAGIC, Part, Seed, narrow},
    metrics::Counters,
    prepare::{FRESH, segment_name, zero},
    segment::{Segment, Shared},
};
use crate::disk::{Disk, DiskFile};

/// Stale bytes behind the end are looked for, and overwritten, in pieces of this size.
const PIECE: usize = 64 << 10;

/// What was found.
pub(super) struct Recovered {
    /// The segment that is written to next, if there is any, and where.
    pub(super) tail: Option<(u64, usize)>,
    pub(super) next_batch: u64,
}

/// What gets each record.
pub(super) type Replay<'a> = &'a mut dyn FnMut(u8, &[u8], Place);

struct Scan<'a> {
    shared: &'a Shared,
    replay: Replay<'a>,
    /// The part that must follow; none before the first of a journal whose beginning was retired.
    expected: Option<(u64, u16)>,
    /// Where the batch that is being read began.
    began: (u64, usize),
    /// Records of a batch that goes over several segments, until it is known to be whole.
    held: Vec<(u8, Place, Vec<u8>)>,
    found: Vec<(u8, Place)>,
    /// The first place that does not verify: where a segment ends early, that end.
    bad: (u64, usize),
}

pub(super) fn recover(
    disk: &dyn Disk,
    guards: Guards,
    shared: &Shared,
    replay: Replay<'_>,
) -> Result<Recovered, JournalError> {
    disk.sync_dir().map_err(|source| shared.poison("syncing the journal's directory", source))?;
    let (segments, unused) = names(disk).map_err(io_error)?;
    for pair in segments.windows(2) {
        if pair[1] != pair[0] + 1 {
            return Err(JournalError::Damaged { segment: pair[0] + 1, offset: 0 });
        }
    }
    let Some(&first) = segments.first() else {
        remove(disk, unused).map_err(io_error)?;
        return Ok(Recovered { tail: None, next_batch: 1 });
    };
    for &generation in &segments {
        let segment = open(disk, guards, generation)?;
        shared.segments.write().insert(generation, Arc::new(segment));
    }
    let mut scan = Scan {
        shared,
        replay,
        expected: (first == 1).then_some((1, 0)),
        began: (first, HEAD),
        held: Vec::new(),
        found: Vec::new(),
        bad: (first, HEAD),
    };
    let (tail, next_batch) = scan.run(&segments)?;
    settle(shared, guards, tail, &scan).map_err(|source| shared.poison("making sure of the journal's end", source))?;
    remove(disk, unused).map_err(io_error)?;
    // The newest first, so that none is ever missing between two.
    for &generation in segments.iter().rev().filter(|&&generation| generation > tail.0) {
        shared.segments.write().remove(&generation);
        remove(disk, vec![segment_name(generation)]).map_err(io_error)?;
        disk.sync_dir().map_err(|source| shared.poison("syncing the journal's directory", source))?;
    }
    Ok(Recovered { tail: Some(tail), next_batch })
}

/// The generations of the segments, in order, and the names of files that an earlier run made ready and did not use. Those are made anew:
/// that run may have ended because they could not be synced.
fn names(disk: &dyn Disk) -> io::Result<(Vec<u64>, Vec<String>)> {
    let (mut segments, mut unused) = (Vec::new(), Vec::new());
    for name in disk.list()? {
        if let Some(generation) = name.strip_prefix("segment-").and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
            segments.push(generation);
        } else if name.starts_with("spare-") || name == FRESH {
            unused.push(name);
        }
    }
    segments.sort_unstable();
    Ok((segments, unused))
}

fn remove(disk: &dyn Disk, names: Vec<String>) -> io::Result<()> {
    names.iter().try_for_each(|name| disk.remove(name))
}

fn open(disk: &dyn Disk, guards: Guards, generation: u64) -> Result<Segment, JournalError> {
    let damaged = JournalError::Damaged { segment: generation, offset: 0 };
    let file = disk.open(&segment_name(generation)).map_err(io_error)?;
    let bytes = file.len().map_err(io_error)?;
    if bytes < HEAD as u64 {
        return Err(damaged);
    }
    let mut head = [0; HEAD];
    file.read_at(&mut head, 0).map_err(io_error)?;
    match Head::decode(&head) {
        Some(head) if head.generation == generation && head.size == bytes && bytes <= u64::from(super::SEGMENT_MAX) => {
            let seed = guards.seed(generation, head.salt);
            Ok(Segment::new(generation, seed, usize::try_from(bytes).unwrap_or(usize::MAX), file))
        }
        _ => Err(damaged),
    }
}

impl Scan<'_> {
    /// Replays, and says where the next batch goes and what its number is.
    fn run(&mut self, segments: &[u64]) -> Result<((u64, usize), u64), JournalError> {
        let mut buffer = Vec::new();
        let mut end = (segments[0], HEAD);
        for &generation in segments {
            let segment = self.load(generation, &mut buffer)?;
            let offset = self.segment(&segment, &buffer)?;
            if offset == HEAD && generation != segments[0] {
                break;
            }
            if self.expected.is_none() {
                return Err(JournalError::Damaged { segment: self.bad.0, offset: narrow(self.bad.1) });
            }
            segment.end.store(offset as u64, Relaxed);
            end = (generation, offset);
        }
        let (batch, index) = self.expected.unwrap_or((1, 0));
        if index > 0 {
            end = self.began; // of a batch that is not whole
            self.load(end.0, &mut buffer)?.end.store(end.1 as u64, Relaxed);
        }
        self.look_behind(segments, end, batch, &mut buffer)?;
        Ok((end, batch))
    }

    fn load(&self, generation: u64, buffer: &mut Vec<u8>) -> Result<Arc<Segment>, JournalError> {
        let segment = self.shared.get(generation).ok_or(JournalError::Damaged { segment: generation, offset: 0 })?;
        buffer.resize(segment.size, 0);
        segment.file.read_at(buffer, 0).map_err(io_error)?;
        Ok(segment)
    }

    /// Replays what is in one segment, and says where that ends.
    fn segment(&mut self, segment: &Segment, bytes: &[u8]) -> Result<usize, JournalError> {
        let mut offset = HEAD;
        while let Some(part) = Part::decode(bytes, segment.seed, offset) {
            let (batch, index) = self.expected.unwrap_or((part.batch, part.index));
            if (part.batch, part.index) != (batch, index) {
                break;
            }
            let start = offset + PART;
            self.found.clear();
            if let Err(bad) =
                frame::verify(bytes, segment.seed, segment.generation, start, part.bytes as usize, &mut self.found)
            {
                self.bad = (segment.generation, bad);
                return Ok(offset);
            }
            if index == 0 {
                self.began = (segment.generation, offset);
            }
            self.accept(part, segment, bytes);
            offset = start + part.bytes as usize;
            self.bad = (segment.generation, offset);
            if !part.last {
                break; // it goes on in the next segment, or is torn
            }
        }
        Ok(offset)
    }

    /// Takes a part that verifies and is the next one.
    fn accept(&mut self, part: Part, segment: &Segment, bytes: &[u8]) {
        let payload = |place: Place| &bytes[place.offset as usize + frame::RECORD..][..place.len as usize];
        if !part.last {
            self.held.extend(self.found.drain(..).map(|(kind, place)| (kind, place, payload(place).to_vec())));
            self.expected = Some((part.batch, part.index + 1));
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        for (kind, place, payload) in held.drain(..) {
            if let Some(earlier) = self.shared.get(place.segment) {
                earlier.add(frame::RECORD + payload.len());
            }
            (self.replay)(kind, &payload, place);
        }
        self.held = held;
        for &(kind, place) in &self.found {
            (self.replay)(kind, payload(place), place);
        }
        segment.add(part.bytes as usize);
        self.expected = Some((part.batch + 1, 0));
    }

    /// Looks at what is behind the end: anything of a later batch than the one that is missing means damage, of that one a torn tail.
    fn look_behind(
        &self,
        segments: &[u64],
        end: (u64, usize),
        batch: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<(), JournalError> {
        let mut torn = false;
        for &generation in segments.iter().filter(|&&generation| generation >= end.0) {
            let segment = self.load(generation, buffer)?;
            let from = if generation == end.0 { end.1 } else { HEAD };
            for part in parts_anywhere(buffer, segment.seed, from) {
                if part.batch > batch {
                    return Err(JournalError::Damaged { segment: self.bad.0, offset: narrow(self.bad.1) });
                }
                torn |= part.batch == batch;
            }
        }
        if torn {
            Counters::add(&self.shared.counters.torn_tails, 1);
        }
        Ok(())
    }
}

/// Every part's head from `from` on, whether or not its records verify.
fn parts_anywhere(bytes: &[u8], seed: Seed, from: usize) -> impl Iterator<Item = Part> {
    let tail = &bytes[from.min(bytes.len())..];
    tail.windows(4)
        .enumerate()
        .filter(|(_, four)| *four == PART_MAGIC)
        .filter_map(move |(at, _)| Part::decode(bytes, seed, from + at))
}

/// What was replayed is durable, and what is behind the end is gone, before anybody acts on it. A killed program's writes may still be on
/// their way to the disk; those of one whose sync failed are in memory only, and count as written: so the last batch is written again. And
/// a torn batch's records must not be taken for those of the one that is written over it.
fn settle(shared: &Shared, guards: Guards, tail: (u64, usize), scan: &Scan<'_>) -> io::Result<()> {
    let from = scan.began.min(tail);
    let last: Vec<Arc<Segment>> =
        shared.segments.read().range(from.0..=tail.0).map(|(_, segment)| Arc::clone(segment)).collect();
    for segment in last {
        let start = if segment.generation == from.0 { from.1 } else { HEAD };
        let end = segment.end.load(Relaxed);
        let mut bytes = vec![0; usize::try_from(end).map_err(io::Error::other)?.saturating_sub(start)];
        if guards.sync_replayed {
            segment.file.read_at(&mut bytes, start as u64)?;
            segment.file.write_at(&bytes, start as u64)?;
        }
        if segment.generation == tail.0 && guards.clean_tail {
            clean(&*segment.file, tail.1, segment.size)?;
        }
        if guards.sync_replayed || guards.clean_tail {
            segment.file.sync()?;
        }
    }
    Ok(())
}

/// Overwrites with zeros what is not zero.
fn clean(file: &dyn DiskFile, from: usize, to: usize) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut at = from;
    while at < to {
        let len = PIECE.min(to - at);
        file.read_at(&mut piece[..len], at as u64)?;
        if piece[..len].iter().any(|&byte| byte != 0) {
            zero(file, at, at + len)?;
        }
        at += len;
    }
    Ok(())
}

fn io_error(source: io::Error) -> JournalError {
    JournalError::Io { doing: "opening the journal", source }
}
