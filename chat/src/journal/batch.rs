//! Records that become durable together, or not at all. Invariant: every record's place is known when it is pushed, and is where the
//! journal writes it; a record lies in one segment, the batch may go over into the next ones.

use super::{
    JournalError, Place,
    frame::{self, HEAD, PART, RECORD, narrow},
};

/// A batch that would touch more segments than this is refused.
pub(super) const PARTS_MAX: usize = 256;

/// Where the next record goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Position {
    pub(super) generation: u64,
    pub(super) offset: usize,
    /// Bytes of the segment; those after it have [`Batch::size`].
    pub(super) size: usize,
    /// Whether records that wait to be written end here: what follows joins their part.
    pub(super) joins: bool,
}

/// The bytes of a batch that go into one segment.
pub(super) struct PartBytes {
    pub(super) generation: u64,
    /// Where in the segment they begin.
    pub(super) start: usize,
    /// A part's head, still empty, then the records; the records alone where they join a part that waits.
    pub(super) bytes: Vec<u8>,
    pub(super) headed: bool,
}

impl PartBytes {
    pub(super) fn records_at(&self) -> usize {
        if self.headed { PART } else { 0 }
    }
}

/// Records that become durable together, or not at all: see [`super::Journal::batch`].
pub struct Batch {
    pub(super) began: Position,
    pub(super) next: Position,
    pub(super) size: usize,
    pub(super) parts: Vec<PartBytes>,
    pub(super) records: usize,
    pub(super) buffers: Vec<Vec<u8>>,
}

impl Batch {
    pub(super) fn new(at: Position, size: usize, buffers: Vec<Vec<u8>>) -> Self {
        Self { began: at, next: at, size, parts: Vec::new(), records: 0, buffers }
    }

    /// Adds a record whose payload is all of `payload`, and says where it will be.
    ///
    /// # Errors
    ///
    /// [`JournalError::TooLarge`] where the record is larger than a segment, or the batch than 256 of them; nothing was added.
    pub fn push(&mut self, kind: u8, payload: &[&[u8]]) -> Result<Place, JournalError> {
        let len: usize = payload.iter().map(|piece| piece.len()).sum();
        let bytes = RECORD.saturating_add(len);
        let max = self.size - HEAD - PART;
        if bytes > max {
            return Err(JournalError::TooLarge { bytes, max });
        }
        let mut at = self.next;
        let goes_on = self.parts.last().is_some_and(|part| part.generation == at.generation);
        let mut headed = !goes_on && !at.joins;
        let mut new_part = !goes_on;
        if at.offset + bytes + if headed { PART } else { 0 } > at.size {
            at = Position { generation: at.generation + 1, offset: HEAD, size: self.size, joins: false };
            (headed, new_part) = (true, true);
        }
        if new_part {
            if self.parts.len() == PARTS_MAX {
                return Err(JournalError::TooLarge { bytes: PARTS_MAX * self.size, max: PARTS_MAX * max });
            }
            let mut bytes = self.buffers.pop().unwrap_or_default();
            bytes.clear();
            bytes.resize(if headed { PART } else { 0 }, 0);
            let start = at.offset;
            at.offset += bytes.len();
            self.parts.push(PartBytes { generation: at.generation, start, bytes, headed });
        }
        let place = Place { segment: at.generation, offset: narrow(at.offset), len: narrow(len) };
        if let Some(part) = self.parts.last_mut() {
            frame::append_record(&mut part.bytes, kind, payload, narrow(len));
        }
        at.offset += bytes;
        self.next = at;
        self.records += 1;
        Ok(place)
    }

    /// How many records are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Bytes that it will write.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }
}
