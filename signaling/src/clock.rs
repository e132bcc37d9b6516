//! The one clock of the gateway.
//!
//! Invariant: it never runs backwards. The wall clock is read once, at start; from there on time is what has passed.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tertulia_common::Timestamp;

/// Time since the Unix epoch, by a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    epoch: Timestamp,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), epoch: Timestamp::default() + since_epoch }
    }

    pub(crate) fn now(self) -> Timestamp {
        self.epoch + self.start.elapsed()
    }

    /// When a moment of this clock is, for the runtime's timers.
    pub(crate) fn instant(self, at: Timestamp) -> Instant {
        self.start + at.since(self.epoch)
    }
}

/// 128 random bits of the operating system.
#[expect(
    clippy::expect_used,
    reason = "without the system's randomness no secret can be made: there is nothing to go on with"
)]
pub(crate) fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_moment_of_the_clock_is_a_moment_of_the_runtime() {
        let clock = Clock::start();
        let later = clock.now() + Duration::from_secs(5);
        let ahead = clock.instant(later).duration_since(Instant::now());
        assert!(ahead > Duration::from_secs(4) && ahead <= Duration::from_secs(5), "{ahead:?}");
    }

    #[test]
    fn random_bits_differ() {
        assert_ne!(random(), random());
    }
}
