//! What a segment's bytes mean. A segment opens with a head; parts follow, each a head and its records.
//!
//! Invariant: a frame verifies only in the segment and at the offset it was written for. Its checksum is seeded with the segment's
//! generation, a random salt that each preparation of a file draws anew, and the offset; so nothing that a recycled file still holds,
//! and nothing that a user put into a payload, can pass for a frame.

use super::Place;

/// Bytes of a segment's head.
pub(super) const HEAD: usize = 36;
/// Bytes of a part's head.
pub(super) const PART: usize = 24;
/// Bytes before a record's payload.
pub(super) const RECORD: usize = 9;

const HEAD_MAGIC: [u8; 8] = *b"TTJRNL\x00\x01";
/// What a part begins with: rare, so that a search for parts need not check a sum at each byte.
pub(super) const PART_MAGIC: [u8; 4] = [0xd7, 0x1c, 0xa9, 0x3e];

/// What the checksums of one preparation of one segment begin with.
#[derive(Clone, Copy)]
pub(super) struct Seed(Option<u32>);

impl Seed {
    pub(super) fn new(generation: u64, salt: u64) -> Self {
        Self(Some(crc32c::crc32c_append(crc32c::crc32c(&generation.to_le_bytes()), &salt.to_le_bytes())))
    }

    /// For the test that shows what the seed is for.
    #[cfg(test)]
    pub(super) const fn none() -> Self {
        Self(None)
    }

    fn at(self, offset: usize) -> u32 {
        self.0.map_or(0, |seed| crc32c::crc32c_append(seed, &(offset as u64).to_le_bytes()))
    }
}

/// What a segment says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) generation: u64,
    pub(super) salt: u64,
    pub(super) size: u64,
}

impl Head {
    pub(super) fn encode(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&HEAD_MAGIC);
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.size.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..32]);
        bytes[32..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEAD)?;
        if bytes[..8] != HEAD_MAGIC || u32_at(bytes, 32) != crc32c::crc32c(&bytes[..32]) {
            return None;
        }
        Some(Self { generation: u64_at(bytes, 8), salt: u64_at(bytes, 16), size: u64_at(bytes, 24) })
    }
}

/// The head of a part: the records of one batch that are in one segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    /// The batch it is of. Batches are numbered from 1 without a gap.
    pub(super) batch: u64,
    /// The how many-th of its batch, from 0.
    pub(super) index: u16,
    /// Whether the batch ends with it.
    pub(super) last: bool,
    /// Bytes of records that follow.
    pub(super) bytes: u32,
}

impl Part {
    pub(super) fn encode(self, seed: Seed, offset: usize) -> [u8; PART] {
        let mut bytes = [0; PART];
        bytes[..4].copy_from_slice(&PART_MAGIC);
        bytes[4..12].copy_from_slice(&self.batch.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[16..18].copy_from_slice(&self.index.to_le_bytes());
        bytes[18] = u8::from(self.last);
        let sum = crc32c::crc32c_append(seed.at(offset), &bytes[..20]);
        bytes[20..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The head at `offset` of `segment`, if that is one, and its records fit into the segment.
    pub(super) fn decode(segment: &[u8], seed: Seed, offset: usize) -> Option<Self> {
        let bytes = segment.get(offset..)?.get(..PART)?;
        if bytes[..4] != PART_MAGIC || u32_at(bytes, 20) != crc32c::crc32c_append(seed.at(offset), &bytes[..20]) {
            return None;
        }
        let part = Self {
            batch: u64_at(bytes, 4),
            bytes: u32_at(bytes, 12),
            index: u16::from_le_bytes([bytes[16], bytes[17]]),
            last: bytes[18] != 0,
        };
        (part.bytes as usize <= segment.len() - offset - PART).then_some(part)
    }
}

/// Appends a record whose sum is still missing; `len` is the payload's.
pub(super) fn append_record(into: &mut Vec<u8>, kind: u8, payload: &[&[u8]], len: u32) {
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(&len.to_le_bytes());
    into.push(kind);
    for piece in payload {
        into.extend_from_slice(piece);
    }
}

/// Gives the records in `bytes`, the first of which will stand at `offset` of its segment, their sums.
pub(super) fn sum_records(mut bytes: &mut [u8], seed: Seed, mut offset: usize) {
    while !bytes.is_empty() {
        let frame = RECORD + u32_at(bytes, 4) as usize;
        let (record, rest) = bytes.split_at_mut(frame);
        let sum = crc32c::crc32c_append(seed.at(offset), &record[4..]);
        record[..4].copy_from_slice(&sum.to_le_bytes());
        offset += frame;
        bytes = rest;
    }
}

/// The record whose frame begins `bytes`, and which stands at `offset` of its segment: its kind and payload.
pub(super) fn decode_record(bytes: &[u8], seed: Seed, offset: usize) -> Option<(u8, &[u8])> {
    let head = bytes.get(..RECORD)?;
    let len = u32_at(head, 4) as usize;
    let frame = bytes.get(4..RECORD.checked_add(len)?)?;
    if u32_at(head, 0) != crc32c::crc32c_append(seed.at(offset), frame) {
        return None;
    }
    Some((head[8], &frame[RECORD - 4..]))
}

/// Finds the records of a part whose first stands at `start`, all verified; or says where the first is that does not verify.
pub(super) fn verify(
    segment: &[u8],
    seed: Seed,
    generation: u64,
    start: usize,
    bytes: usize,
    found: &mut Vec<(u8, Place)>,
) -> Result<(), usize> {
    let (mut offset, end) = (start, start + bytes);
    while offset < end {
        let (kind, payload) = decode_record(&segment[offset..end], seed, offset).ok_or(offset)?;
        found.push((kind, Place { segment: generation, offset: narrow(offset), len: narrow(payload.len()) }));
        offset += RECORD + payload.len();
    }
    Ok(())
}

/// An offset or length within a segment, which is at most 1 GiB.
#[expect(clippy::cast_possible_truncation, reason = "a segment has at most 2^30 bytes")]
pub(super) const fn narrow(bytes: usize) -> u32 {
    bytes as u32
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}
