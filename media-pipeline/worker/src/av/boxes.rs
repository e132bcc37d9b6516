//! MP4's boxes: whether a file's header refers to other files or is encrypted, and a header moved to the front.
//!
//! Hostile input: no number read here is a size to allocate unless a bound of ours is above it, and nothing recurses deeper
//! than the names that are looked for.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use tertulia_media_core::{Reason, Refusal};

/// Bytes of a header (`moov`) that are read: an hour of video needs some two million.
const HEADER_MAX: u64 = 32 * 1024 * 1024;
/// Boxes at the top of a file. A fragmented file has two for each fragment: with one for each picture and sound, 40,000.
const TOP_BOXES_MAX: usize = 100_000;

/// How Matroska begins, and its outermost element.
pub(super) const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];

/// A box of a file: where it begins, how long it is, how much of that is its own header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) kind: [u8; 4],
    pub(super) at: u64,
    pub(super) size: u64,
    head: u64,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_be_bytes)
}

/// The box whose first bytes are `head`, which is at `at` of something that ends at `end`.
fn extent(head: &[u8], at: u64, end: u64) -> Option<Extent> {
    let kind = head.get(4..8)?.try_into().ok()?;
    let (size, head) = match word(head, 0)? {
        0 => (end - at, 8),
        1 => (long(head, 8)?, 16),
        size => (u64::from(size), 8),
    };
    (size >= head).then_some(Extent { kind, at, size, head })
}

/// The boxes at the top of a file, as far as they make sense.
pub(super) fn top(file: &File) -> std::io::Result<Vec<Extent>> {
    let end = file.metadata()?.len();
    let mut all = Vec::new();
    let mut at = 0;
    while at + 8 <= end && all.len() < TOP_BOXES_MAX {
        let mut head = [0_u8; 16];
        let count = file.read_at(&mut head, at)?;
        let Some(found) = extent(&head[..count], at, end) else { break };
        all.push(found);
        match at.checked_add(found.size) {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(all)
}

/// The boxes within a part of `bytes`, as far as they make sense: their kinds, and where their contents are.
pub(super) fn within_ranges(bytes: &[u8], part: Range<usize>) -> impl Iterator<Item = ([u8; 4], Range<usize>)> {
    let mut at = part.start;
    std::iter::from_fn(move || {
        let found = extent(bytes.get(at..part.end)?, at as u64, part.end as u64)?;
        let from = at.checked_add(usize::try_from(found.head).ok()?)?;
        let to = at.checked_add(usize::try_from(found.size).ok()?)?.min(part.end);
        at = to;
        (from <= to).then_some((found.kind, from..to))
    })
}

/// The boxes within `bytes`, as far as they make sense: their kinds, and their contents.
fn within(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    within_ranges(bytes, 0..bytes.len()).filter_map(|(kind, range)| Some((kind, bytes.get(range)?)))
}

/// Refuses what is encrypted, and what has its pictures and sounds in another file.
///
/// # Errors
/// `Encrypted`, `External`, or `TooComplex` for a header out of all proportion.
pub(super) fn check(file: &File) -> Result<(), Refusal> {
    let Ok(all) = top(file) else { return Err(Reason::Damaged.into()) };
    if all.len() == TOP_BOXES_MAX {
        // What is behind them has not been looked at.
        return Err(Reason::TooComplex.into());
    }
    for found in all.iter().filter(|found| &found.kind == b"moov") {
        if found.size > HEADER_MAX {
            return Err(Reason::TooComplex.into());
        }
        let Ok(header) = read(file, found.at + found.head, found.size - found.head) else { continue };
        for (_, track) in within(&header).filter(|(kind, _)| kind == b"trak") {
            check_track(track)?;
        }
    }
    Ok(())
}

/// Where a container says that it ends, if that is beyond the end of its file.
///
/// Looks at the size that the outermost element gives itself. One that gives none is as long as it is.
pub(super) fn end_beyond(file: &File) -> std::io::Result<Option<u64>> {
    let end = file.metadata()?.len();
    let mut head = [0_u8; 64];
    let count = file.read_at(&mut head, 0)?;
    let head = &head[..count];
    if head.starts_with(b"RIFF") {
        let size = head.get(4..8).and_then(|size| size.try_into().ok()).map_or(0, u32::from_le_bytes);
        return Ok(Some(u64::from(size)).filter(|claimed| *claimed > end));
    }
    if head.starts_with(&EBML) {
        return Ok(segment_end(file, head)?.filter(|claimed| *claimed > end));
    }
    Ok(top(file)?.last().map(|last| last.at.saturating_add(last.size)).filter(|claimed| *claimed > end))
}

/// Where Matroska's outermost element says that it ends.
fn segment_end(file: &File, head: &[u8]) -> std::io::Result<Option<u64>> {
    let Some((size, width)) = head.get(4..).and_then(ebml_size) else { return Ok(None) };
    let Some(at) = size.and_then(|size| size.checked_add(4 + width)) else { return Ok(None) };
    let mut segment = [0_u8; 12];
    let count = file.read_at(&mut segment, at)?;
    let sized = segment[..count].strip_prefix(&SEGMENT).and_then(ebml_size);
    Ok(sized.and_then(|(size, width)| size?.checked_add(at + 4 + width)))
}

/// A size as EBML writes it, and in how many bytes. Nothing instead of the size: not known.
fn ebml_size(bytes: &[u8]) -> Option<(Option<u64>, u64)> {
    let width = bytes.first()?.leading_zeros() + 1;
    let bytes = bytes.get(..usize::try_from(width).ok()?).filter(|bytes| bytes.len() <= 8)?;
    let all = bytes.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    let ones = (1_u64 << (7 * width)) - 1;
    let size = all & ones;
    Some(((size != ones).then_some(size), u64::from(width)))
}

fn check_track(track: &[u8]) -> Result<(), Reason> {
    let tables = |name: [u8; 4]| {
        within(track)
            .filter(|(kind, _)| kind == b"mdia")
            .flat_map(|(_, media)| within(media).filter(|(kind, _)| kind == b"minf"))
            .flat_map(|(_, info)| within(info))
            .filter(move |(kind, _)| *kind == name)
    };
    for (_, data) in tables(*b"dinf").flat_map(|(_, data)| within(data)).filter(|(kind, _)| kind == b"dref") {
        // A flag of 1: the data are in this file.
        let is_elsewhere = |(kind, entry): ([u8; 4], &[u8])| {
            let is_here = word(entry, 0).is_none_or(|flags| flags & 1 == 1);
            let has_name = entry.len() > 5 && entry.iter().skip(4).any(|byte| *byte != 0);
            matches!(&kind, b"url " | b"urn " | b"alis" | b"rsrc" | b"cios") && !is_here && has_name
        };
        if within(data.get(8..).unwrap_or_default()).any(is_elsewhere) {
            return Err(Reason::External);
        }
    }
    for (_, table) in tables(*b"stbl") {
        for (_, entries) in within(table).filter(|(kind, _)| kind == b"stsd") {
            let is_locked = |kind: &[u8; 4]| matches!(kind, b"encv" | b"enca" | b"drmi" | b"drms");
            let is_any_locked = |(kind, entry): ([u8; 4], &[u8])| is_locked(&kind) || says_how_it_is_locked(entry);
            if within(entries.get(8..).unwrap_or_default()).any(is_any_locked) {
                return Err(Reason::Encrypted);
            }
        }
    }
    Ok(())
}

/// Whether there is a box of protection (`sinf`, with the name of what it protects) in an entry, whatever the entry calls itself.
///
/// Where boxes begin in an entry depends on its kind, so both names are looked for anywhere.
fn says_how_it_is_locked(entry: &[u8]) -> bool {
    let has = |name: &[u8; 4]| entry.windows(4).any(|four| four == name);
    has(b"sinf") && has(b"frma")
}

pub(super) fn read(file: &File, at: u64, size: u64) -> std::io::Result<Vec<u8>> {
    let size = usize::try_from(size.min(HEADER_MAX)).unwrap_or(usize::MAX);
    let mut all = vec![0; size];
    let mut count = 0;
    while count < size {
        match file.read_at(&mut all[count..], at + count as u64)? {
            0 => break,
            more => count += more,
        }
    }
    all.truncate(count);
    Ok(all)
}
