//! ISO boxes as they stream by: what a film says of itself before all of it is there, and what it must not say.
//!
//! Invariant: the verdict depends on the bytes alone, not on how they are cut into pieces; memory is some hundred bytes,
//! whatever sizes a file claims. It refuses early what a worker would refuse late; what it misses is the worker's.

use crate::{Reason, Refusal};

/// Bytes of a box's own header, with a size of 64 bits.
const HEADER_MAX: usize = 16;
/// Bytes of a box's content that are kept to be read: the times of `mvhd`.
const FIELDS_MAX: usize = 32;
/// How deep boxes lie within each other, where something is looked for.
const DEPTH_MAX: usize = 8;

/// What a film says of itself. All of it is an opinion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Where the index begins.
    pub moov_at: Option<u64>,
    /// Where the first pictures and sounds begin.
    pub mdat_at: Option<u64>,
    /// How long it says it is, in milliseconds. Zero and nonsense are said often.
    pub duration_ms: Option<u64>,
    /// Whether its index is in pieces.
    pub is_fragmented: bool,
}

impl Facts {
    /// Whether it can be played while it comes.
    #[must_use]
    pub fn has_index_first(&self) -> bool {
        self.moov_at.is_some_and(|moov| self.mdat_at.is_none_or(|mdat| moov < mdat))
    }
}

/// A box that is gone into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Moov,
    Trak,
    Mdia,
    Minf,
    Dinf,
    Dref,
    Stbl,
    Stsd,
}

/// What is being read.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The header of the next box.
    Header { have: usize, bytes: [u8; HEADER_MAX] },
    /// The first bytes of a box, to be looked at; so many come after them.
    Fields { what: Fields, have: usize, bytes: [u8; FIELDS_MAX], rest: u64 },
    /// A name, which is none if it is all zeros; so many bytes are left of it.
    Name { left: u64 },
    /// Nothing of interest; so many bytes of it are left.
    Skip { left: u64 },
    /// Nothing any more.
    Over,
}

/// Which fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fields {
    /// The times of a film.
    Mvhd,
    /// The flags of a place where data are.
    Place,
}

impl Fields {
    /// How many bytes they are.
    fn want(self) -> usize {
        match self {
            Self::Mvhd => FIELDS_MAX,
            Self::Place => 4,
        }
    }
}

const NEXT: State = State::Header { have: 0, bytes: [0; HEADER_MAX] };

/// Reads boxes as they stream by.
#[derive(Clone, Debug)]
pub struct Scanner {
    at: u64,
    state: State,
    depth: usize,
    open: [(Within, u64); DEPTH_MAX],
    facts: Facts,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { at: 0, state: NEXT, depth: 0, open: [(Within::Moov, 0); DEPTH_MAX], facts: Facts::default() }
    }
}

impl Scanner {
    /// At the start of a file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was said so far.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// The next bytes of the file.
    ///
    /// # Errors
    /// `External` if its data are elsewhere, `Encrypted` if it is copy-protected. It stays at that.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            self.close();
            let (taken, verdict) = self.step(bytes);
            self.at = self.at.saturating_add(taken as u64);
            bytes = &bytes[taken..];
            if let Err(reason) = verdict {
                self.state = State::Over;
                return Err(reason.into());
            }
            if matches!(self.state, State::Over) {
                break;
            }
        }
        Ok(())
    }

    /// Leaves the boxes that are at their end. A header that a box's end cuts short is no header.
    fn close(&mut self) {
        if let State::Header { .. } = self.state {
            while self.depth > 0 && self.at >= self.open[self.depth - 1].1 {
                self.depth -= 1;
                self.state = NEXT;
            }
        }
    }

    /// Where the innermost box ends.
    fn end(&self) -> u64 {
        self.depth.checked_sub(1).map_or(u64::MAX, |top| self.open[top].1)
    }

    /// Takes at least one byte of what there is.
    fn step(&mut self, bytes: &[u8]) -> (usize, Result<(), Reason>) {
        match self.state {
            State::Header { mut have, bytes: mut header } => {
                header[have] = bytes[0];
                have += 1;
                self.state = State::Header { have, bytes: header };
                let is_long = header[..4] == [0, 0, 0, 1];
                if have == 8 && !is_long || have == HEADER_MAX {
                    return (1, self.enter(&header, have as u64));
                }
                (1, Ok(()))
            }
            State::Fields { what, have, bytes: mut fields, rest } => {
                let taken = bytes.len().min(what.want() - have);
                fields[have..have + taken].copy_from_slice(&bytes[..taken]);
                self.state = State::Fields { what, have: have + taken, bytes: fields, rest };
                if have + taken == what.want() {
                    self.read(what, &fields, rest);
                }
                (taken, Ok(()))
            }
            State::Name { left } => {
                let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let is_name = bytes[..taken].iter().any(|byte| *byte != 0);
                self.go_on(left - taken as u64, |left| State::Name { left });
                (taken, if is_name { Err(Reason::External) } else { Ok(()) })
            }
            State::Skip { left } => {
                let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.go_on(left - taken as u64, |left| State::Skip { left });
                (taken, Ok(()))
            }
            State::Over => (bytes.len(), Ok(())),
        }
    }

    fn go_on(&mut self, left: u64, state: impl Fn(u64) -> State) {
        self.state = if left == 0 { NEXT } else { state(left) };
    }

    /// A box's header is there whole: `at` is its last byte.
    fn enter(&mut self, header: &[u8; HEADER_MAX], length: u64) -> Result<(), Reason> {
        let [a, b, c, d, w, x, y, z, long @ ..] = *header;
        let kind = [w, x, y, z];
        let begin = self.at.saturating_add(1).saturating_sub(length);
        let body = begin.saturating_add(length);
        let size = match u32::from_be_bytes([a, b, c, d]) {
            0 => u64::MAX,
            1 => u64::from_be_bytes(long),
            size => u64::from(size),
        };
        if size < length {
            // Not a box. At the top that is the end; within one, the rest of that one is passed over.
            self.state = match self.end() {
                u64::MAX => State::Over,
                end => State::Skip { left: end.saturating_sub(body) },
            };
            self.settle();
            return Ok(());
        }
        // What claims to go beyond what it lies in ends with that.
        let end = begin.saturating_add(size).min(self.end());
        let verdict = self.look(kind, begin, body, end);
        self.settle();
        verdict
    }

    /// What there is nothing left of is over.
    fn settle(&mut self) {
        if let State::Skip { left: 0 } | State::Name { left: 0 } = self.state {
            self.state = NEXT;
        }
    }

    fn look(&mut self, kind: [u8; 4], begin: u64, body: u64, end: u64) -> Result<(), Reason> {
        let left = end.saturating_sub(body);
        self.state = State::Skip { left };
        let parent = self.depth.checked_sub(1).map(|top| self.open[top].0);
        match (parent, &kind) {
            (None, b"moov") => {
                self.facts.moov_at.get_or_insert(begin);
                self.open(Within::Moov, end, 0, left);
            }
            (None, b"mdat") => {
                self.facts.mdat_at.get_or_insert(begin);
            }
            (None, b"moof") | (Some(Within::Moov), b"mvex") => self.facts.is_fragmented = true,
            // A film that is only a list of other films.
            (Some(Within::Moov), b"rmra") => return Err(Reason::External),
            (Some(Within::Moov), b"mvhd") => self.fields(Fields::Mvhd, left),
            (Some(Within::Moov), b"trak") => self.open(Within::Trak, end, 0, left),
            (Some(Within::Trak), b"mdia") => self.open(Within::Mdia, end, 0, left),
            (Some(Within::Mdia), b"minf") => self.open(Within::Minf, end, 0, left),
            (Some(Within::Minf), b"dinf") => self.open(Within::Dinf, end, 0, left),
            (Some(Within::Minf), b"stbl") => self.open(Within::Stbl, end, 0, left),
            // Both begin with a version and a number of entries.
            (Some(Within::Dinf), b"dref") => self.open(Within::Dref, end, 8, left),
            (Some(Within::Stbl), b"stsd") => self.open(Within::Stsd, end, 8, left),
            (Some(Within::Dref), b"url " | b"urn " | b"alis" | b"rsrc" | b"cios") => self.fields(Fields::Place, left),
            (Some(Within::Stsd), b"encv" | b"enca" | b"enct" | b"encs" | b"drmi" | b"drms") => {
                return Err(Reason::Encrypted);
            }
            _ => {}
        }
        Ok(())
    }

    /// Goes into a box, past its first `past` bytes.
    fn open(&mut self, within: Within, end: u64, past: u64, left: u64) {
        if let Some(place) = self.open.get_mut(self.depth).filter(|_| left > past) {
            *place = (within, end);
            self.depth += 1;
            self.state = State::Skip { left: past };
        }
    }

    /// Keeps the first bytes of a box that has as many.
    fn fields(&mut self, what: Fields, left: u64) {
        if let Some(rest) = left.checked_sub(what.want() as u64) {
            self.state = State::Fields { what, have: 0, bytes: [0; FIELDS_MAX], rest };
        }
    }

    fn read(&mut self, what: Fields, fields: &[u8; FIELDS_MAX], rest: u64) {
        self.state = State::Skip { left: rest };
        match what {
            // A flag of 1: the data are in this file. One byte is the end of an empty name.
            Fields::Place if fields[3] & 1 == 0 && rest > 1 => self.state = State::Name { left: rest },
            Fields::Place => {}
            Fields::Mvhd => {
                if let Some(duration) = duration_ms(fields) {
                    self.facts.duration_ms.get_or_insert(duration);
                }
            }
        }
        self.settle();
    }
}

/// What the fields of `mvhd` say, unless they say that they do not know.
fn duration_ms(fields: &[u8; FIELDS_MAX]) -> Option<u64> {
    let word = |at: usize| fields[at..at + 4].iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    let (scale, ticks) = match fields[0] {
        1 => (word(20), Some(word(24) << 32 | word(28)).filter(|ticks| *ticks != u64::MAX)),
        _ => (word(12), Some(word(16)).filter(|ticks| *ticks != u64::from(u32::MAX))),
    };
    let ms = (u128::from(ticks?) * 1_000).checked_div(u128::from(scale))?;
    Some(u64::try_from(ms).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
