//! One clock for all of a publisher's tracks, so that lips and voice stay together.
//!
//! Sender reports (RFC 3550 §6.4.1) tie each track's RTP time to the publisher's own wall clock. We tie that clock to ours
//! once, for the publisher as a whole: a wrong tie delays voice and picture alike. Before its first report a track is
//! taken to be captured when it arrives.

use std::time::{Duration, Instant, SystemTime};
use str0m::rtp::RtpPacket;

/// How far a tie is moved back when a capture would lie in the future: the publisher's clock runs faster than ours.
/// Higher moves less often, each time by more.
const DRIFT_STEP: Duration = Duration::from_millis(5);

/// A publisher's clock, tied to ours.
#[derive(Debug, Default)]
pub(crate) struct PublisherClock {
    tie: Option<(SystemTime, Instant)>,
}

impl PublisherClock {
    /// When the packet was captured, by our clock: never after `now`.
    pub(crate) fn captured(&mut self, packet: &RtpPacket, now: Instant) -> Instant {
        let Some(report) = &packet.last_sender_info else { return now };
        let hz = u64::from(packet.time.frequency().get());
        let (rtp, reported) = (packet.time.numer(), report.rtp_time.rebase(packet.time.frequency()).numer());
        // Both are extended to 64 bits by the same receiver, but the report's may be of an earlier roll-over.
        #[expect(clippy::cast_possible_wrap, reason = "the distance of two 32-bit times, with its sign")]
        let ticks = (rtp as u32).wrapping_sub(reported as u32) as i32;
        let distance = Duration::from_micros(u64::from(ticks.unsigned_abs()) * 1_000_000 / hz.max(1));
        let theirs =
            if ticks >= 0 { report.ntp_time.checked_add(distance) } else { report.ntp_time.checked_sub(distance) };
        let Some(theirs) = theirs else { return now };
        self.at(theirs, now)
    }

    fn at(&mut self, theirs: SystemTime, now: Instant) -> Instant {
        let (tied, ours) = *self.tie.get_or_insert((theirs, now));
        let captured = match theirs.duration_since(tied) {
            Ok(later) => ours.checked_add(later),
            Err(earlier) => ours.checked_sub(earlier.duration()),
        };
        match captured {
            Some(captured) if captured <= now => captured,
            Some(captured) if captured - now < Duration::from_secs(10) => {
                self.tie = ours.checked_sub(captured - now + DRIFT_STEP).map(|ours| (tied, ours));
                now
            }
            // A clock that jumps is tied anew.
            Some(_) | None => {
                self.tie = Some((theirs, now));
                now
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::epoch;

    #[test]
    fn keeps_the_distance_of_two_tracks_and_never_lies_in_the_future() {
        let (now, theirs) = (epoch() + Duration::from_secs(100), SystemTime::UNIX_EPOCH + Duration::from_secs(5_000));
        let ms = Duration::from_millis;
        let mut clock = PublisherClock::default();
        assert_eq!(clock.at(theirs, now), now, "the first packet ties the clocks");
        // Captured 40 ms before the other, arriving 10 ms after it.
        assert_eq!(clock.at(theirs - ms(40), now + ms(10)), now - ms(40));
        // A fast clock: captured "in 30 ms", arriving in 20.
        assert_eq!(clock.at(theirs + ms(30), now + ms(20)), now + ms(20));
        assert_eq!(clock.at(theirs + ms(60), now + ms(60)), now + ms(45), "moved back by 10 + 5 ms");
    }

    #[test]
    fn a_clock_that_jumps_is_tied_anew() {
        let (now, theirs) = (epoch() + Duration::from_secs(100), SystemTime::UNIX_EPOCH + Duration::from_secs(5_000));
        let mut clock = PublisherClock::default();
        clock.at(theirs, now);
        assert_eq!(clock.at(theirs + Duration::from_secs(3_600), now), now);
        assert_eq!(clock.at(theirs + Duration::from_secs(3_600), now + Duration::from_secs(1)), now);
    }
}
