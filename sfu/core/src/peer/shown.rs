//! What a peer is shown of pictures that came a while ago (see [`crate::kept`]): a bounded part of what its way takes.

use super::Peer;
use crate::forward::{Packet, Skip};
use std::time::{Duration, Instant};

/// What a peer may be shown at once of pictures that are kept: as much as its way takes in this time. Higher shows more of a large
/// room at once, and holds up for longer what is live.
const SHOWN_IN: Duration = Duration::from_millis(250);

/// What a peer has been shown lately.
#[derive(Debug, Default)]
pub(super) struct Shown {
    since: Option<Instant>,
    bits: u64,
}

impl Shown {
    /// Takes so much of what a way of `bps` bears at once; false if it is not there.
    fn take(&mut self, now: Instant, bits: u64, bps: u64) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= SHOWN_IN) {
            *self = Self { since: Some(now), bits: 0 };
        }
        let total = self.bits.saturating_add(bits);
        let most = u128::from(bps) * SHOWN_IN.as_millis() / 1_000;
        let fits = u128::from(total) <= most;
        if fits {
            self.bits = total;
        }
        fits
    }
}

impl Peer {
    /// Writes a picture that came a while ago to a slot that waits; see [`Slot::show`].
    pub(crate) fn show(&mut self, now: Instant, slot: usize, picture: &[Packet]) -> Result<(), Skip> {
        let slot = self.slots.get_mut(slot).ok_or(Skip::Old)?;
        let writes = slot.show(now, picture)?;
        if let Some(stream) = self.rtc.direct_api().stream_tx(&slot.ssrc) {
            self.waiting.wrote(writes.len());
            writes.into_iter().for_each(|write| stream.write_rtp(write));
        }
        Ok(())
    }

    /// Takes so much of what it may be shown at once beyond what is live; false if it is not there. `unknown_bps` is what it can
    /// receive while that is not known.
    pub(crate) fn take_shown(&mut self, now: Instant, bytes: usize, unknown_bps: u64) -> bool {
        self.shown.take(now, bytes as u64 * 8, self.estimate_bps.unwrap_or(unknown_bps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::epoch;

    #[test]
    fn c7_what_is_shown_at_once_is_a_quarter_of_a_second_of_the_way() {
        let mut shown = Shown::default();
        let at = |ms| epoch() + Duration::from_millis(ms);
        assert!(shown.take(at(0), 200_000, 1_000_000));
        assert!(!shown.take(at(0), 60_000, 1_000_000), "too much");
        assert!(shown.take(at(200), 50_000, 1_000_000), "a smaller one");
        assert!(!shown.take(at(249), 1, 1_000_000));
        assert!(shown.take(at(250), 250_000, 1_000_000));
    }
}
