//! The network: what it does to datagrams, by a seed; and a narrow way: what it can't carry waits, and what would wait too long is
//! dropped.

use std::time::{Duration, Instant};

/// A way to a client that carries so many bits a second, and drops what would wait too long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipe {
    pub(crate) bps: u64,
    free_at: Option<Instant>,
}

impl Pipe {
    pub(crate) fn of(bps: u64) -> Self {
        Self { bps, free_at: None }
    }

    /// When a datagram is through.
    pub(crate) fn pass(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let free_at = self.free_at.map_or(now, |free_at| free_at.max(now));
        if free_at - now > Duration::from_millis(300) {
            return None;
        }
        self.free_at = Some(free_at + Duration::from_micros(bytes as u64 * 8_000_000 / self.bps));
        self.free_at
    }
}

/// A small generator of our own: the same seed gives the same numbers on every machine and in every version.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn chance(&mut self, part: f64) -> bool {
        ((self.next() >> 11) as f64) < part * (1u64 << 53) as f64
    }
}

/// What the network does to a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) loss: f64,
    pub(crate) duplicates: f64,
    pub(crate) delay: Duration,
    /// Up to this much more, each datagram for itself: what is later may arrive earlier.
    pub(crate) jitter: Duration,
}

impl Link {
    pub(crate) const CLEAN: Self =
        Self { loss: 0.0, duplicates: 0.0, delay: Duration::from_millis(10), jitter: Duration::ZERO };
}
