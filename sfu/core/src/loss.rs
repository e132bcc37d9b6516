//! What loss alone says of a link: where much of what is sent is lost, less than that can be had.
//!
//! An estimate by delay stands still where a queue is full all the time: it no longer grows, so that nothing seems wrong while a third is
//! lost. And a receiver that tells no arrival times has no estimate at all. Both tell what they lost.

use std::time::{Duration, Instant};

/// What has to be lost, as a part of what was sent. Networks that lose a tenth at random are slow by nothing that sending less would mend.
const MUCH: f32 = 0.15;
/// Packets of which it has to be known.
const PACKETS_MIN: u64 = 15;
/// How long it holds after the last loss. Longer keeps pictures away from links that have become wide.
const HOLDS: Duration = Duration::from_secs(10);

/// A bound by loss.
#[derive(Debug, Default)]
pub(crate) struct LossBound {
    lost: f32,
    packets: u64,
    /// Since when, what it is, and the least that it becomes, bits a second.
    bound: Option<(Instant, u64, u64)>,
}

impl LossBound {
    /// A receiver says what part it lost of so many packets.
    pub(crate) fn told(&mut self, loss: f32, packets: u64) {
        #[expect(clippy::cast_precision_loss, reason = "packets of a second are few")]
        let lost = loss * packets as f32;
        self.lost += lost;
        self.packets += packets;
    }

    /// A tick is over, with so much sent, bits a second. Whether too much was lost of it.
    pub(crate) fn judge(&mut self, now: Instant, sent_bps: u64) -> bool {
        if self.packets < PACKETS_MIN {
            return false;
        }
        #[expect(clippy::cast_precision_loss, reason = "packets of a second are few")]
        let loss = std::mem::take(&mut self.lost) / std::mem::take(&mut self.packets) as f32;
        if loss < MUCH || sent_bps == 0 {
            return false;
        }
        let (before, least) = self.bps_and_least(now).unwrap_or((sent_bps, sent_bps / 2));
        // As loss-based control has it: half of the part that was lost (draft-ietf-rmcat-gcc-02 §6).
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part between none and all")]
        let less = u64::from((loss.clamp(0.0, 1.0) * 500.0) as u32);
        let bps = before.min(sent_bps) * (1_000 - less) / 1_000;
        self.bound = Some((now, bps.max(least), least));
        true
    }

    fn bps_and_least(&self, now: Instant) -> Option<(u64, u64)> {
        let (since, bps, least) = self.bound?;
        (now.saturating_duration_since(since) < HOLDS).then_some((bps, least))
    }

    /// What can be had at most, bits a second, if it is known.
    pub(crate) fn bps(&self, now: Instant) -> Option<u64> {
        self.bps_and_least(now).map(|(bps, _)| bps)
    }

    /// The link is measured anew.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::epoch;

    fn at(ms: u64) -> Instant {
        epoch() + Duration::from_millis(ms)
    }

    #[test]
    fn c7_what_is_sent_into_a_full_queue_is_bounded_and_never_by_more_than_half() {
        let mut bound = LossBound::default();
        bound.told(0.3, 100);
        assert!(bound.judge(at(0), 200_000));
        assert_eq!(bound.bps(at(0)), Some(170_000));
        bound.told(0.2, 100);
        assert!(bound.judge(at(1_000), 200_000));
        assert_eq!(bound.bps(at(1_000)), Some(153_000));
        for second in 2..20 {
            bound.told(0.5, 100);
            bound.judge(at(second * 1_000), 200_000);
        }
        assert_eq!(bound.bps(at(19_000)), Some(100_000), "what is lost all the same is not for want of room");
        assert_eq!(bound.bps(at(29_000)), None, "it may be better by now");
    }

    #[test]
    fn c7_little_loss_and_loss_of_little_say_nothing() {
        let mut bound = LossBound::default();
        bound.told(0.14, 100);
        assert!(!bound.judge(at(0), 200_000));
        bound.told(0.5, 14);
        assert!(!bound.judge(at(1_000), 200_000), "too few packets");
        bound.told(0.0, 86);
        assert!(!bound.judge(at(2_000), 200_000), "seven of a hundred");
        bound.told(0.3, 100);
        assert!(!bound.judge(at(3_000), 0), "no picture took the room");
        assert_eq!(bound.bps(at(3_000)), None);
        bound.told(0.3, 100);
        assert!(bound.judge(at(4_000), 100_000));
        bound.forget();
        assert_eq!(bound.bps(at(4_000)), None);
    }
}
