//! How much a peer may publish: a token bucket of bytes.

use std::time::{Duration, Instant};

/// How long a peer may save up. A key frame is a burst of a tenth of a second; higher lets floods through for longer.
const BURST: Duration = Duration::from_secs(1);

/// What a peer may still publish now.
#[derive(Debug)]
pub(crate) struct PublishBudget {
    bytes_per_s: u64,
    left: u64,
    filled: Instant,
}

impl PublishBudget {
    pub(crate) fn new(bitrate_max_bps: u64, now: Instant) -> Self {
        let bytes_per_s = bitrate_max_bps / 8;
        Self { bytes_per_s, left: bytes_per_s * BURST.as_secs(), filled: now }
    }

    /// Takes `bytes` from the budget; false if they are not there.
    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let micros = u64::try_from(now.saturating_duration_since(self.filled).as_micros()).unwrap_or(u64::MAX);
        let earned = self.bytes_per_s.saturating_mul(micros) / 1_000_000;
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(self.bytes_per_s * BURST.as_secs());
            self.filled = now;
        }
        let bytes = bytes as u64;
        let enough = bytes <= self.left;
        if enough {
            self.left -= bytes;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::epoch;

    #[test]
    fn a_flood_gets_its_rate_and_no_more() {
        let start = epoch();
        let mut budget = PublishBudget::new(8_000_000, start);
        let sent = (0..10_000u64).filter(|i| budget.take(1_000, start + Duration::from_micros(i * 500))).count();
        // One second saved up, and five seconds of a million bytes each.
        assert!((5_990..=6_000).contains(&sent), "{sent}");
    }
}
