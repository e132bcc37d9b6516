//! Brings an MP4's header to the front, so that it plays before it has all come.
//!
//! FFmpeg can do so itself only where it may open the output a second time by name. The file keeps its length: the header
//! changes places with what was before it, and every offset in it is moved by its length.

use super::boxes::{read, top, within_ranges};
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;

/// Bytes that are moved at a time.
const STEP: u64 = 1024 * 1024;

/// Puts the header of an MP4 that we have written behind its first box.
///
/// # Errors
/// If the file can't be read or written, or is not as we write them.
pub(super) fn bring(file: &File) -> Result<()> {
    let odd = || Error::from(ErrorKind::InvalidData);
    let boxes = top(file)?;
    let header = *boxes.iter().find(|found| &found.kind == b"moov").ok_or_else(odd)?;
    let first = *boxes.first().filter(|found| &found.kind == b"ftyp").ok_or_else(odd)?;
    let to = first.at + first.size;
    if header.at == to {
        return Ok(());
    }
    let mut bytes = read(file, header.at, header.size)?;
    if bytes.len() as u64 != header.size || header.at + header.size != file.metadata()?.len() {
        return Err(odd());
    }
    move_offsets(&mut bytes, header.size).ok_or_else(odd)?;
    shift(file, to, header.at, header.size)?;
    file.write_all_at(&bytes, to)
}

/// Moves what is between two places back by so many bytes, the last first.
fn shift(file: &File, from: u64, to: u64, by: u64) -> Result<()> {
    let mut buffer = vec![0; usize::try_from(STEP.min(to - from)).unwrap_or(0)];
    let mut end = to;
    while end > from {
        let count = STEP.min(end - from);
        let part = &mut buffer[..usize::try_from(count).unwrap_or(0)];
        file.read_exact_at(part, end - count)?;
        file.write_all_at(part, end - count + by)?;
        end -= count;
    }
    Ok(())
}

/// Adds `by` to every offset of a chunk in a header.
fn move_offsets(header: &mut [u8], by: u64) -> Option<()> {
    let mut tables = vec![(*b"moov", 0..header.len())];
    for path in [b"moov", b"trak", b"mdia", b"minf", b"stbl"] {
        let mut inner = Vec::new();
        for (_, range) in tables.iter().filter(|(kind, _)| kind == path) {
            let skip = if path == b"moov" { 8 } else { 0 };
            inner.extend(within_ranges(header, range.start + skip..range.end));
        }
        tables = inner;
    }
    for (kind, range) in tables {
        let wide = match &kind {
            b"stco" => 4,
            b"co64" => 8,
            _ => continue,
        };
        let table = header.get_mut(range)?;
        let count = u32::from_be_bytes(table.get(4..8)?.try_into().ok()?) as usize;
        for entry in table.get_mut(8..)?.chunks_exact_mut(wide).take(count) {
            if wide == 4 {
                let offset = u64::from(u32::from_be_bytes(entry.try_into().ok()?)) + by;
                entry.copy_from_slice(&u32::try_from(offset).ok()?.to_be_bytes());
            } else {
                let offset = u64::from_be_bytes(entry.try_into().ok()?).checked_add(by)?;
                entry.copy_from_slice(&offset.to_be_bytes());
            }
        }
    }
    Some(())
}
