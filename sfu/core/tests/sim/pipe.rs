//! A narrow way: what it can't carry waits, and what would wait too long is dropped.

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
