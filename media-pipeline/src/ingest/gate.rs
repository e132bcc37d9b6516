//! What is let in: counts, sniffs and scans bytes before they are written.
//!
//! Invariant: the limit is that of any file until the first bytes are seen, and from then on that of what they are.

use super::Announced;
use tertulia_media_core::boxes::Scanner;
use tertulia_media_core::sniff::{HEAD_BYTES, Sniffed, class_for, sniff};
use tertulia_media_core::{Class, Limits, Reason, Refusal, Treatment};

/// Counts, sniffs, scans.
#[derive(Clone)]
pub(crate) struct Gate {
    treatment: Treatment,
    limits: Limits,
    length: Option<u64>,
    seen: u64,
    state: State,
}

#[derive(Clone)]
enum State {
    /// Its first bytes, not enough yet.
    Head(Vec<u8>),
    /// What it is; its boxes, where they are looked at.
    Known { class: Class, sniffed: Option<Sniffed>, boxes: Boxes },
}

/// Whether the boxes of a film are looked at.
#[derive(Clone)]
enum Boxes {
    /// There are none.
    None,
    /// As they stream by.
    Passing(Box<Scanner>),
    /// At the end: the beginning was not seen.
    Later,
}

impl Gate {
    pub(crate) fn new(announced: Announced) -> Result<Self, Refusal> {
        let Announced { treatment, limits, length, .. } = announced;
        let most = limits.file_bytes_max;
        if let Some(length) = length.filter(|length| *length > most) {
            return Err(Refusal::over(Reason::TooLarge, most, length));
        }
        if length == Some(0) {
            return Err(Refusal::from(Reason::Empty));
        }
        let state = match treatment {
            Treatment::Sealed => State::Known { class: Class::Sealed, sniffed: None, boxes: Boxes::None },
            Treatment::Auto | Treatment::Voice | Treatment::Document => State::Head(Vec::new()),
        };
        Ok(Self { treatment, limits, length, seen: 0, state })
    }

    /// A gate that has let `seen` bytes through, the first of which are `head`.
    pub(crate) fn reopen(announced: Announced, head: &[u8], seen: u64) -> Result<Self, Refusal> {
        let mut gate = Self::new(announced)?;
        gate.admit(&head[..head.len().min(HEAD_BYTES)])?;
        if let State::Known { boxes, .. } = &mut gate.state
            && matches!(boxes, Boxes::Passing(_))
            && seen > gate.seen
        {
            *boxes = Boxes::Later;
        }
        gate.seen = seen;
        Ok(gate)
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    pub(crate) fn class(&self) -> Option<Class> {
        match &self.state {
            State::Head(_) => None,
            State::Known { class, .. } => Some(*class),
        }
    }

    /// Whether the boxes have to be looked at in the file.
    pub(crate) fn wants_boxes(&self) -> bool {
        matches!(self.state, State::Known { boxes: Boxes::Later, .. })
    }

    pub(crate) fn admit(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        self.check_count()?;
        let mut rest = bytes;
        if let State::Head(head) = &mut self.state {
            let taken = rest.len().min(HEAD_BYTES - head.len());
            head.extend_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            if head.len() < HEAD_BYTES {
                return Ok(());
            }
            self.decide()?;
        }
        match &mut self.state {
            State::Known { boxes: Boxes::Passing(scanner), .. } => scanner.push(rest),
            State::Known { .. } | State::Head(_) => Ok(()),
        }
    }

    /// There is no more.
    pub(crate) fn end(&mut self) -> Result<(Class, Option<Sniffed>), Refusal> {
        if self.seen == 0 {
            return Err(Refusal::from(Reason::Empty));
        }
        if let Some(length) = self.length.filter(|length| *length != self.seen) {
            return Err(Refusal::over(Reason::LengthMismatch, length, self.seen));
        }
        self.decide()
    }

    fn decide(&mut self) -> Result<(Class, Option<Sniffed>), Refusal> {
        let head = match &mut self.state {
            State::Known { class, sniffed, .. } => return Ok((*class, *sniffed)),
            State::Head(head) => std::mem::take(head),
        };
        let sniffed = sniff(&head);
        let class = class_for(sniffed, self.treatment)?;
        let mut boxes = Boxes::None;
        if class.is_processed() && sniffed.format.is_boxed() {
            let mut scanner = Box::new(Scanner::new());
            scanner.push(&head)?;
            boxes = Boxes::Passing(scanner);
        }
        self.state = State::Known { class, sniffed: Some(sniffed), boxes };
        self.check_count()?;
        Ok((class, Some(sniffed)))
    }

    fn check_count(&self) -> Result<(), Refusal> {
        let most = self.class().map_or(self.limits.file_bytes_max, |class| self.limits.bytes_max(class));
        let least = self.length.map_or(self.seen, |length| length.max(self.seen));
        if least > most {
            return Err(Refusal::over(Reason::TooLarge, most, least));
        }
        match self.length {
            Some(length) if self.seen > length => Err(Refusal::over(Reason::LengthMismatch, length, self.seen)),
            Some(_) | None => Ok(()),
        }
    }
}
