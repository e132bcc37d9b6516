//! Continues a slot's numbers across its sources.
//!
//! Within one source the distance between two packets stays what it was, so that losses stay visible and retransmissions
//! find their place. At a switch the new source's first packet follows the old one's last: sequence number plus one,
//! timestamp by the time that has passed, VP8 picture id (RFC 7741 §4.2) plus one.

use super::Packet;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Sequence numbers and timestamps of one slot.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    /// The newest packet sent, of whichever source.
    last: Option<Last>,
    /// Of the current source; none until its first packet.
    offsets: Option<Offsets>,
    /// 15-bit picture ids.
    pub(super) picture_ids: Continued<0x7fff>,
    /// 8-bit indices of base-layer pictures.
    pub(super) tl0_pic_indices: Continued<0xff>,
    /// 16-bit numbers of frames, in dependency descriptors.
    pub(super) frames: Continued<0xffff>,
    /// Of the current source, what was left out.
    left_out: LeftOut,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    seq: u64,
    time: u32,
    captured: Instant,
    clock_hz: u32,
}

#[derive(Clone, Copy, Debug)]
struct Offsets {
    /// The source's first packet.
    from_seq: u64,
    /// What is added, wrapping, to the source's sequence numbers.
    seq: u64,
    /// What is added, wrapping, to the source's timestamps.
    time: u32,
}

impl Rewriter {
    /// When the newest packet that was sent was captured.
    pub(super) fn last_captured(&self) -> Option<Instant> {
        self.last.map(|last| last.captured)
    }

    /// The next packet will be of another source.
    pub(super) fn switch_source(&mut self) {
        self.offsets = None;
        self.picture_ids.switch_source();
        self.tl0_pic_indices.switch_source();
        self.frames.switch_source();
        self.left_out.clear();
    }

    /// A packet of the current source is not for this slot: those after it close up. One that comes late has left a gap, since nobody
    /// knew that it would be left out: gives the number and timestamp that would fill it.
    pub(super) fn leave_out(&mut self, packet: &Packet) -> Option<(u64, u32)> {
        self.offsets?;
        if let Some(id) = packet.vp8.and_then(|descriptor| descriptor.picture_id()) {
            self.picture_ids.leave_out(id);
        }
        if self.left_out.add(packet.seq) { None } else { self.rewrite(packet) }
    }

    /// Makes `first` the first packet of the current source.
    pub(super) fn start(&mut self, first: &Packet) {
        let (seq, time) = match self.last {
            // Below 65,536: a new SRTP stream starts at roll-over zero (RFC 3711 §3.3.1).
            None => (1, first.rtp_time),
            Some(last) => {
                // At least a millisecond: two pictures of one timestamp would be taken for one.
                let passed = first.captured.saturating_duration_since(last.captured).max(Duration::from_millis(1));
                let ticks = passed.as_micros() * u128::from(last.clock_hz) / 1_000_000;
                #[expect(clippy::cast_possible_truncation, reason = "RTP time wraps at 32 bits")]
                let time = last.time.wrapping_add(ticks as u32);
                (last.seq + 1, time)
            }
        };
        self.offsets = Some(Offsets {
            from_seq: first.seq,
            seq: seq.wrapping_sub(first.seq),
            time: time.wrapping_sub(first.rtp_time),
        });
    }

    /// The slot's sequence number and timestamp for a packet of the current source; none for one of before its start.
    pub(super) fn rewrite(&mut self, packet: &Packet) -> Option<(u64, u32)> {
        let offsets = self.offsets?;
        if packet.seq < offsets.from_seq {
            return None;
        }
        let seq = (packet.seq - self.left_out.before(packet.seq)?).wrapping_add(offsets.seq);
        let time = packet.rtp_time.wrapping_add(offsets.time);
        if self.last.is_none_or(|last| seq > last.seq) {
            self.last = Some(Last { seq, time, captured: packet.captured, clock_hz: packet.clock_hz });
        }
        Some((seq, time))
    }
}

/// What was left out of one source.
#[derive(Debug, Default)]
struct LeftOut {
    /// Up to which number, and how many have been left out up to there.
    runs: VecDeque<(u64, u64)>,
    /// How many were left out before the first run that is known.
    forgotten: Option<(u64, u64)>,
    newest: u64,
}

/// Runs of packets left out that are known: for packets that come late. One a picture and size: some seconds.
const RUNS_MAX: usize = 512;

impl LeftOut {
    fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds one; false where those after it have gone already.
    fn add(&mut self, seq: u64) -> bool {
        if seq <= self.newest {
            return false;
        }
        self.newest = seq;
        match self.runs.back_mut() {
            Some((last, count)) if *last + 1 == seq => (*last, *count) = (seq, *count + 1),
            _ => {
                if self.runs.len() >= RUNS_MAX {
                    self.forgotten = self.runs.pop_front();
                }
                let count = self.runs.back().or(self.forgotten.as_ref()).map_or(0, |(_, count)| *count);
                self.runs.push_back((seq, count + 1));
            }
        }
        true
    }

    /// How many before a packet that goes were left out; none where that is no longer known.
    fn before(&mut self, seq: u64) -> Option<u64> {
        self.newest = self.newest.max(seq);
        let run = self.runs.iter().rev().find(|(last, _)| *last < seq).or(self.forgotten.as_ref());
        match run {
            Some((last, count)) => (*last < seq).then_some(*count),
            None => Some(0),
        }
    }
}

/// A wrapping number of `MASK + 1` values that continues across sources, and closes up over what is left out of one.
#[derive(Debug, Default)]
pub(super) struct Continued<const MASK: u16> {
    last: Option<u16>,
    offset: Option<u16>,
    /// The source's newest number, without its wraps.
    newest: u64,
    left_out: LeftOut,
}

impl<const MASK: u16> Continued<MASK> {
    fn switch_source(&mut self) {
        (self.offset, self.newest) = (None, 0);
        self.left_out.clear();
    }

    /// One of the source's numbers, as it would be had it never wrapped: above zero also where it is of before the first.
    fn unwrapped(&mut self, theirs: u16) -> u64 {
        let values = u64::from(MASK) + 1;
        if self.newest == 0 {
            self.newest = values + u64::from(theirs);
        }
        let ahead = u64::from(theirs).wrapping_sub(self.newest) & u64::from(MASK);
        if ahead <= u64::from(MASK / 2) {
            self.newest += ahead;
            self.newest
        } else {
            self.newest + ahead - values
        }
    }

    /// What has this number is not for this slot.
    pub(super) fn leave_out(&mut self, theirs: u16) {
        let number = self.unwrapped(theirs);
        self.left_out.add(number);
    }

    /// The slot's number for the source's.
    pub(super) fn map(&mut self, theirs: u16) -> u16 {
        let number = self.unwrapped(theirs);
        // What is older than all that is known is not sent: of packets as much is known.
        let closed_up = self.left_out.before(number).unwrap_or(0) as u16 & MASK;
        let theirs = theirs.wrapping_sub(closed_up) & MASK;
        let offset = *self.offset.get_or_insert(match self.last {
            Some(last) => last.wrapping_add(1).wrapping_sub(theirs) & MASK,
            None => 0,
        });
        let ours = theirs.wrapping_add(offset) & MASK;
        let ahead = self.last.map_or(0, |last| ours.wrapping_sub(last) & MASK);
        if ahead <= MASK / 2 {
            self.last = Some(ours); // a late packet does not set it back
        }
        ours
    }
}
