//! How busy the shards are, and what that means for who comes: where a new room goes, and when there is no more.
//!
//! A shard is busy for the part of its time in which its thread computes: what the kernel does for it, sending above all, is in it;
//! what other programs take from the machine is not. Rooms in progress are never ended for it. New ones are refused first, then
//! those who would come into rooms in progress.

use std::time::{Duration, Instant};

/// Over how long it is smoothed. Higher overlooks bursts, and storms for longer.
const SMOOTHED: Duration = Duration::from_secs(3);
/// What a new room is taken for, in per cent of a shard's time, until it shows. A voice call takes 0.05, one of eight with video 1.
/// Higher refuses storms of small calls that could be borne, lower lets a storm of large ones onto one shard.
const ROOM_PERCENT: f64 = 0.05;
/// Part of its time that a shard may be busy before the next one is opened: one that is awake works cheaper than one that is woken.
const PACKED_PERCENT: f64 = 50.0;

/// There is no shard with time for another room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("every shard is busy: the least for {busy_percent} % of its time, the limit is {limit_percent} %")]
pub struct Overloaded {
    /// How busy the least busy shard is.
    pub busy_percent: u8,
    /// See [`Limits::busy_rooms_max_percent`](crate::Limits::busy_rooms_max_percent).
    pub limit_percent: u8,
}

/// The time that this thread has computed since it began, if the kernel tells.
pub(crate) fn thread_time() -> Option<Duration> {
    let figures = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    // Nanoseconds computed, nanoseconds waited, times.
    figures.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Measures one thread.
#[derive(Debug)]
pub(crate) struct Meter {
    since: Instant,
    computed: Duration,
    percent: f64,
}

impl Meter {
    /// Begins, with what had been computed by then.
    pub(crate) fn new(now: Instant, computed: Duration) -> Self {
        Self { since: now, computed, percent: 0.0 }
    }

    /// Takes what has been computed in all. How busy the thread is, in per cent of its time.
    pub(crate) fn measure(&mut self, now: Instant, computed: Duration) -> f64 {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        if passed > 0.0 {
            let busy = 100.0 * computed.saturating_sub(self.computed).as_secs_f64() / passed;
            let weight = 1.0 - (-passed / SMOOTHED.as_secs_f64()).exp();
            self.percent += (busy.min(100.0) - self.percent) * weight;
            (self.since, self.computed) = (now, computed);
        }
        self.percent
    }
}

/// Rooms that were placed on a shard and do not show in what it measures yet: they fade as they come to show.
#[derive(Debug)]
pub(crate) struct Promised {
    at: Instant,
    percent: f64,
}

impl Promised {
    pub(crate) fn new(now: Instant) -> Self {
        Self { at: now, percent: 0.0 }
    }

    /// What they are taken for.
    pub(crate) fn percent(&mut self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.percent *= (-passed / SMOOTHED.as_secs_f64()).exp();
        self.at = now;
        self.percent
    }

    /// Another one is placed.
    pub(crate) fn add(&mut self, now: Instant) {
        self.percent = self.percent(now) + ROOM_PERCENT;
    }
}

/// Where a new room goes, by how busy each shard is: to the first with time to spare, else to the least busy one.
pub(crate) fn least(busy_percent: &[f64]) -> usize {
    packed(busy_percent, PACKED_PERCENT).0
}

/// The same, if that shard is below the limit.
pub(crate) fn choose(busy_percent: &[f64], limit_percent: u8) -> Result<usize, Overloaded> {
    let (index, busy) = packed(busy_percent, PACKED_PERCENT.min(f64::from(limit_percent)));
    if limit_percent < 100 && busy >= f64::from(limit_percent) {
        return Err(Overloaded { busy_percent: whole(busy), limit_percent });
    }
    Ok(index)
}

fn packed(busy_percent: &[f64], spare_percent: f64) -> (usize, f64) {
    let shards = || busy_percent.iter().copied().enumerate();
    let least = || shards().min_by(|a, b| a.1.total_cmp(&b.1));
    shards().find(|(_, busy)| *busy < spare_percent).or_else(least).unwrap_or((0, 0.0))
}

/// Whole per cent.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
pub(crate) const fn whole(percent: f64) -> u8 {
    percent.clamp(0.0, 100.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c3_what_a_shard_computes_shows_within_seconds_and_no_moment_alone_counts() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut meter = Meter::new(start, Duration::ZERO);
        assert_eq!(meter.measure(start, Duration::ZERO), 0.0);
        let burst = meter.measure(at(500), Duration::from_millis(500));
        assert!((10.0..20.0).contains(&burst), "{burst} after half a second at full");
        let mut busy = 0.0;
        for step in 1..=20 {
            busy = meter.measure(at(500 + step * 500), Duration::from_millis(500 + step * 400));
        }
        assert!((76.0..80.5).contains(&busy), "{busy} after ten seconds at four fifths");
        let mut idle = 0.0;
        for step in 1..=12 {
            idle = meter.measure(at(10_500 + step * 500), Duration::from_millis(8_500));
        }
        assert!((5.0..15.0).contains(&idle), "{idle} after six seconds of nothing");
    }

    #[test]
    fn c3_a_thread_s_own_time_is_told_by_the_kernel() {
        let Some(before) = thread_time() else { return }; // not on this system
        let began = Instant::now();
        let mut sum = 0u64;
        while began.elapsed() < Duration::from_millis(200) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(1));
        }
        let computed = thread_time().unwrap() - before;
        assert!(computed > Duration::from_millis(2) && computed <= Duration::from_millis(250), "{computed:?}");
        let before = thread_time().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert!(thread_time().unwrap() - before < Duration::from_millis(50), "it does not count while it sleeps");
    }

    #[test]
    fn c3_rooms_are_packed_then_spread_then_refused() {
        assert_eq!(choose(&[0.0, 0.0], 75), Ok(0));
        assert_eq!(choose(&[49.9, 0.0], 75), Ok(0));
        assert_eq!(choose(&[50.0, 0.0], 75), Ok(1));
        assert_eq!(choose(&[70.0, 60.0, 65.0], 75), Ok(1));
        assert_eq!(choose(&[99.0, 75.0], 75), Err(Overloaded { busy_percent: 75, limit_percent: 75 }));
        assert_eq!(choose(&[40.0, 0.0], 30), Ok(1));
        assert_eq!(choose(&[40.0, 35.0], 30), Err(Overloaded { busy_percent: 35, limit_percent: 30 }));
        assert_eq!(choose(&[100.0, 130.0], 100), Ok(0), "nobody is refused");
        assert_eq!(choose(&[0.0], 0), Err(Overloaded { busy_percent: 0, limit_percent: 0 }));
    }

    #[test]
    fn c3_rooms_that_do_not_show_yet_count_for_a_while() {
        let start = Instant::now();
        let mut promised = Promised::new(start);
        (0..1_200).for_each(|_| promised.add(start));
        assert!((59.0..61.0).contains(&promised.percent(start)), "a storm fills a shard at once");
        assert!(promised.percent(start + Duration::from_secs(10)) < 3.0, "and is measured then");
    }
}
