//! Reading the journal on from somewhere, beside its writer: what several nodes that share it are told by.
//!
//! Invariant: what is handed out is durable, and ends where a batch ends: whoever holds the journal sees no batch that is being written,
//! and of those that wait to be written nothing.

use super::{
    Journal, JournalError, Place,
    frame::{self, HEAD, PART, Part, narrow},
    segment::Segment,
};
use std::sync::atomic::Ordering::Relaxed;

/// A place between two batches: everything before it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The generation of a segment.
    pub segment: u64,
    /// Where in it.
    pub offset: u32,
}

impl Journal {
    /// Before everything that was not retired.
    #[must_use]
    pub fn beginning(&self) -> Mark {
        let first = self.shared.segments.read().first_key_value().map(|(generation, _)| *generation);
        Mark { segment: first.unwrap_or(self.next.generation), offset: narrow(HEAD) }
    }

    /// Hands out what is durable behind a mark, in order: kind, payload, place. Says where that ended.
    ///
    /// # Errors
    ///
    /// [`JournalError::Gone`]: the mark's segment was retired, with what may have followed it. [`JournalError::Damaged`],
    /// [`JournalError::Poisoned`], [`JournalError::Io`].
    pub fn since(&self, mark: Mark, mut each: impl FnMut(u8, &[u8], Place)) -> Result<Mark, JournalError> {
        self.shared.check()?;
        let mut segment = self.shared.get(mark.segment).ok_or(JournalError::Gone)?;
        let mut from = mark.offset as usize;
        loop {
            let end = read_on(&segment, from, &mut each)?;
            // The next one is in use once something was written to it. Then nothing more is to this one.
            match self.shared.get(segment.generation + 1).filter(|next| next.end.load(Relaxed) > HEAD as u64) {
                Some(next) => (segment, from) = (next, HEAD),
                None => return Ok(Mark { segment: segment.generation, offset: narrow(end) }),
            }
        }
    }
}

/// Hands out the records of a segment's parts from one of them on. Says where what was written ends.
pub(super) fn read_on(
    segment: &Segment,
    from: usize,
    each: &mut impl FnMut(u8, &[u8], Place),
) -> Result<usize, JournalError> {
    let generation = segment.generation;
    let end = usize::try_from(segment.end.load(Relaxed)).unwrap_or(segment.size);
    if from >= end {
        return Ok(end);
    }
    // What is before is not read: places count from the segment's beginning.
    let mut bytes = vec![0; end];
    let read = segment.file.read_at(&mut bytes[from..], from as u64);
    read.map_err(|source| JournalError::Io { doing: "reading a segment", source })?;
    let damaged = |offset| JournalError::Damaged { segment: generation, offset: narrow(offset) };
    let (mut offset, mut found) = (from, Vec::new());
    while offset < bytes.len() {
        let part = Part::decode(&bytes, segment.seed, offset).ok_or_else(|| damaged(offset))?;
        found.clear();
        frame::verify(&bytes, segment.seed, generation, offset + PART, part.bytes as usize, &mut found)
            .map_err(damaged)?;
        for &(kind, place) in &found {
            each(kind, &bytes[place.offset as usize + frame::RECORD..][..place.len as usize], place);
        }
        offset += PART + part.bytes as usize;
    }
    Ok(end)
}
