//! A way with losses and a narrow part, for what comes to a peer: as its own network would do it, on this machine.
//!
//! Invariant: the same seed loses the same datagrams; nothing overtakes, and what waits is bounded by [`QUEUE`].

use std::time::{Duration, Instant};

/// How long a datagram waits at most before the narrow part; one that would wait longer is lost. A home router holds some hundred
/// milliseconds.
const QUEUE: Duration = Duration::from_millis(200);

/// What a way does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Way {
    /// Which part of the datagrams it loses, 0 to 1, by chance.
    pub loss: f64,
    /// Bits a second that it takes; none: any.
    pub bps: Option<u64>,
    /// Of the chance.
    pub seed: u64,
}

/// A way that is travelled.
#[derive(Debug)]
pub(crate) struct Road {
    way: Way,
    random: u64,
    /// When the narrow part is free again.
    free_at: Option<Instant>,
}

impl Road {
    pub(crate) fn new(way: Way) -> Self {
        Self { way, random: way.seed, free_at: None }
    }

    /// When a datagram that comes now is there; none: it is lost.
    pub(crate) fn carry(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        if self.chance() < self.way.loss {
            return None;
        }
        let Some(bps) = self.way.bps else { return Some(now) };
        let begins = self.free_at.map_or(now, |free| free.max(now));
        if begins - now > QUEUE {
            return None;
        }
        let arrives = begins + Duration::from_secs_f64(bytes as f64 * 8.0 / bps as f64);
        self.free_at = Some(arrives);
        Some(arrives)
    }

    /// From 0 to 1, SplitMix64 (Steele, Lea, Flood 2014).
    fn chance(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_loses_the_same_and_as_many_as_it_says() {
        let lost = |seed| {
            let mut road = Road::new(Way { loss: 0.03, bps: None, seed });
            let now = Instant::now();
            (0..10_000).filter(|_| road.carry(now, 1_200).is_none()).count()
        };
        assert_eq!(lost(7), lost(7));
        assert_ne!(lost(7), lost(8));
        assert!((250..350).contains(&lost(7)), "{}", lost(7));
    }

    #[test]
    fn a_narrow_way_takes_its_time_and_holds_no_more_than_its_queue() {
        let mut road = Road::new(Way { loss: 0.0, bps: Some(800_000), seed: 0 });
        let now = Instant::now();
        let after = |road: &mut Road| road.carry(now, 1_000).map(|at| at - now);
        assert_eq!(after(&mut road), Some(Duration::from_millis(10)));
        assert_eq!(after(&mut road), Some(Duration::from_millis(20)));
        let through = (0..100).filter(|_| after(&mut road).is_some()).count();
        assert_eq!(through, 19, "20 more would wait longer than they may");
        assert_eq!(road.carry(now + Duration::from_secs(1), 1_000), Some(now + Duration::from_millis(1_010)));
    }
}
