//! When the stack need not be called again after it has sent.
//!
//! Its pacer takes one packet each time it is called, and after each asks to be called again at once. Where all that was written has
//! left, that last call, a walk over all lines, finds nothing: it may wait for the next packet, or for what was due before. Where a
//! datagram comes meanwhile, it waits for the flush that follows, and sends with it what was written since. Whatever else is done to the
//! stack [unsettles](Waiting::unsettle) it, and it is called until it has nothing more to say.

use std::time::Instant;
use str0m::rtp::Ssrc;
use str0m::{PacerReason, Reason};

/// Where an SSRC stands in an RTP packet (RFC 3550 §5.1).
const SSRC_AT: std::ops::Range<usize> = 8..12;

/// Whether the stack asks to be called for what only keeps its estimate up to date.
pub(super) const fn is_housekeeping(reason: Reason) -> bool {
    matches!(
        reason,
        // Padding: the stack would fill up to 50 kbit/s, in 200 packets of 30 bytes a second, for as long as it lives.
        Reason::Pacer(PacerReason::Handle | PacerReason::Padding)
            | Reason::BweDelayControl
            | Reason::BweProbeControl
            | Reason::BweProbeEstimator
    )
}

/// What was written and has not left yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    packets: usize,
    /// With which packets are written. Retransmissions and padding have others.
    ssrcs: Vec<[u8; 4]>,
    /// When the stack has something to do that is not sending; none while that is not known.
    due: Option<Instant>,
    /// A flush follows.
    flush_follows: bool,
}

impl Waiting {
    /// There is another stream to write to.
    pub(super) fn add(&mut self, ssrc: Ssrc) {
        self.ssrcs.push(ssrc.to_be_bytes());
    }

    pub(super) const fn wrote(&mut self, packets: usize) {
        self.packets += packets;
    }

    /// A datagram leaves.
    pub(super) fn leaves(&mut self, datagram: &[u8]) {
        let is_rtp = datagram.first().is_some_and(|first| (128..192).contains(first));
        let is_written = || datagram.get(SSRC_AT).is_some_and(|ssrc| self.ssrcs.iter().any(|one| one == ssrc));
        if self.packets > 0 && is_rtp && is_written() {
            self.packets -= 1;
        }
    }

    /// Something was done to the stack beside writing.
    pub(super) const fn unsettle(&mut self) {
        self.due = None;
    }

    /// A datagram came, which may be anything.
    pub(super) const fn receive(&mut self) {
        (self.due, self.flush_follows) = (None, true);
    }

    /// The stack is called.
    pub(super) const fn call(&mut self) {
        self.flush_follows = false;
    }

    /// It has nothing more to say until `due`.
    pub(super) const fn settle(&mut self, due: Instant) -> Instant {
        (self.packets, self.due) = (0, Some(due));
        due
    }

    /// Until when it may be left alone, though it asks to be called at once.
    pub(super) fn until(&self, now: Instant, reason: Reason) -> Option<Instant> {
        if reason != Reason::Pacer(PacerReason::Immediate) {
            return None;
        }
        let later = self.due.filter(|due| self.packets == 0 && *due > now);
        if self.flush_follows { Some(now) } else { later }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::epoch;
    use std::time::Duration;

    const ASKS: Reason = Reason::Pacer(PacerReason::Immediate);

    fn packet(ssrc: u32, second: u8) -> Vec<u8> {
        let mut datagram = vec![0x90, second, 0, 1, 0, 0, 0, 2];
        datagram.extend(ssrc.to_be_bytes());
        datagram
    }

    #[test]
    fn c7_the_stack_is_left_alone_only_when_all_has_left_and_nothing_else_was_done() {
        let (now, due) = (epoch(), epoch() + Duration::from_millis(30));
        let mut waiting = Waiting::default();
        waiting.add(Ssrc::from(7));
        assert_eq!(waiting.until(now, ASKS), None, "it was never settled");
        waiting.settle(due);
        waiting.wrote(2);
        waiting.leaves(&packet(7, 96));
        assert_eq!(waiting.until(now, ASKS), None, "one is still there");
        waiting.leaves(&packet(8, 97));
        waiting.leaves(&packet(7, 96)[..11]);
        waiting.leaves(&[22; 40]);
        assert_eq!(waiting.until(now, ASKS), None, "a retransmission, a stump and DTLS are not it");
        waiting.leaves(&packet(7, 96));
        assert_eq!(waiting.until(now, ASKS), Some(due));
        assert_eq!(waiting.until(now, Reason::Pacer(PacerReason::Probe2)), None, "another reason");
        assert_eq!(waiting.until(due, ASKS), None, "something else is due");
        waiting.unsettle();
        assert_eq!(waiting.until(now, ASKS), None, "something else was done");
        waiting.settle(due);
        waiting.receive();
        assert_eq!(waiting.until(now, ASKS), Some(now), "the flush that follows does it");
        waiting.call();
        assert_eq!(waiting.until(now, ASKS), None, "in full");
    }
}
