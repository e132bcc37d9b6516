//! Token buckets: how often something may happen.
//!
//! Invariant: over any time `t`, at most `burst + rate × t` units are taken. Time is an argument. A map of buckets is
//! bounded: a full bucket says nothing about the past, so it can be forgotten.

use rustc_hash::FxHashMap;
use std::hash::Hash;
use std::time::Duration;
use tertulia_common::Timestamp;

/// What a token is divided into, so that a slow rate loses nothing to rounding.
const UNITS: u64 = 1_000_000;

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    units_per_s: u64,
    capacity: u64,
}

impl Rate {
    /// So many tokens a second, and so many at once.
    pub(crate) fn per_second(tokens: u32, burst: u32) -> Self {
        Self { units_per_s: u64::from(tokens.max(1)) * UNITS, capacity: u64::from(burst.max(1)) * UNITS }
    }

    /// So many tokens a minute, and so many at once.
    pub(crate) fn per_minute(tokens: u32, burst: u32) -> Self {
        Self::per(tokens, 60, burst)
    }

    /// So many tokens an hour, and so many at once.
    pub(crate) fn per_hour(tokens: u32, burst: u32) -> Self {
        Self::per(tokens, 3_600, burst)
    }

    /// So many tokens in 24 hours, and so many at once.
    pub(crate) fn per_day(tokens: u32, burst: u32) -> Self {
        Self::per(tokens, 86_400, burst)
    }

    fn per(tokens: u32, seconds: u64, burst: u32) -> Self {
        Self {
            units_per_s: (u64::from(tokens.max(1)) * UNITS / seconds).max(1),
            capacity: u64::from(burst.max(1)) * UNITS,
        }
    }
}

/// One bucket. It starts full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    units: u64,
    at: Timestamp,
}

/// Refused: when there will be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Duration);

impl Bucket {
    pub(crate) fn new(rate: Rate, now: Timestamp) -> Self {
        Self { rate, units: rate.capacity, at: now }
    }

    /// Takes one token.
    pub(crate) fn take(&mut self, now: Timestamp) -> Result<(), Wait> {
        self.take_units(now, UNITS)
    }

    /// Takes a tenth of a token: for what costs little.
    pub(crate) fn take_tenth(&mut self, now: Timestamp) -> Result<(), Wait> {
        self.take_units(now, UNITS / 10)
    }

    fn take_units(&mut self, now: Timestamp, cost: u64) -> Result<(), Wait> {
        self.fill(now);
        if let Some(left) = self.units.checked_sub(cost) {
            self.units = left;
            return Ok(());
        }
        let missing = cost - self.units;
        Err(Wait(Duration::from_millis((missing * 1_000).div_ceil(self.rate.units_per_s))))
    }

    fn fill(&mut self, now: Timestamp) {
        let elapsed_ms = now.as_millis().saturating_sub(self.at.as_millis());
        let gained = elapsed_ms.saturating_mul(self.rate.units_per_s) / 1_000;
        // Time that has not made a whole unit yet is kept for the next look.
        if gained > 0 {
            self.units = self.units.saturating_add(gained).min(self.rate.capacity);
            self.at = now;
        }
    }

    fn is_full(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        self.units == self.rate.capacity
    }
}

/// A bucket for each key, as many as `entries_max`.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    rate: Rate,
    entries_max: usize,
    entries: FxHashMap<K, Bucket>,
}

impl<K: Eq + Hash> Buckets<K> {
    pub(crate) fn new(rate: Rate, entries_max: usize) -> Self {
        Self { rate, entries_max, entries: FxHashMap::default() }
    }

    /// Takes one token of this key. When there are too many keys that have been busy lately, a new one must wait.
    pub(crate) fn take(&mut self, key: K, now: Timestamp) -> Result<(), Wait> {
        if self.entries.len() >= self.entries_max && !self.entries.contains_key(&key) {
            self.entries.retain(|_, bucket| !bucket.is_full(now));
            if self.entries.len() >= self.entries_max {
                return Err(Wait(Duration::from_secs(1)));
            }
        }
        self.entries.entry(key).or_insert_with(|| Bucket::new(self.rate, now)).take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp(1_000_000 + ms)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut bucket = Bucket::new(Rate::per_second(10, 3), at(0));
        assert!((0..3).all(|_| bucket.take(at(0)).is_ok()));
        assert_eq!(bucket.take(at(0)), Err(Wait(Duration::from_millis(100))));
        assert_eq!(bucket.take(at(99)), Err(Wait(Duration::from_millis(1))));
        assert_eq!(bucket.take(at(100)), Ok(()));
        assert!(bucket.take(at(101)).is_err());
    }

    #[test]
    fn a_long_silence_gives_no_more_than_the_burst() {
        let mut bucket = Bucket::new(Rate::per_second(10, 3), at(0));
        let taken = (0..100).filter(|_| bucket.take(at(3_600_000)).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn over_a_minute_no_more_than_rate_and_burst_are_taken_however_often_one_asks() {
        let mut bucket = Bucket::new(Rate::per_minute(30, 5), at(0));
        let taken = (0..60_000).filter(|ms| bucket.take(at(*ms)).is_ok()).count();
        assert_eq!(taken, 5 + 29);
    }

    #[test]
    fn the_clock_of_an_argument_from_the_past_gives_nothing() {
        let mut bucket = Bucket::new(Rate::per_second(10, 1), at(1_000));
        assert!(bucket.take(at(1_000)).is_ok());
        assert!(bucket.take(at(0)).is_err());
    }

    #[test]
    fn keys_do_not_share_and_their_number_is_bounded() {
        let mut buckets = Buckets::new(Rate::per_second(1, 1), 2);
        assert!(buckets.take("a", at(0)).is_ok());
        assert!(buckets.take("b", at(0)).is_ok());
        assert!(buckets.take("a", at(0)).is_err());
        assert!(buckets.take("c", at(0)).is_err(), "no room for another");
        assert!(buckets.take("c", at(1_000)).is_ok(), "the full ones have been forgotten");
        assert_eq!(buckets.entries.len(), 1);
    }
}
