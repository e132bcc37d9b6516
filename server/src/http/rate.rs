//! How often an address may begin what costs us work before we know anything of it: a TLS handshake.
//!
//! Invariant: the map is bounded. When it is full of addresses that were heard of lately, those that are new share one
//! allowance: a flood from very many addresses slows down strangers, not those who are here, and not us.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses whose allowance is remembered. Raising it costs about 60 bytes each.
const ADDRESSES_MAX: usize = 20_000;
/// At once, in seconds of the average: everyone behind one address comes back after a restart.
const BURST_S: u32 = 10;
/// Whose allowance those share who have none of their own.
const STRANGERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Looking through a full map takes its time too: not more often than this.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// The allowances.
#[derive(Debug)]
pub(super) struct Rates {
    per_s: f64,
    burst: f64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    left: HashMap<IpAddr, Left>,
    pruned: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    allowance: f64,
    at: Instant,
}

impl Rates {
    pub(super) fn new(per_s: u32) -> Self {
        Self { per_s: per_s.into(), burst: per_s.saturating_mul(BURST_S).into(), known: Mutex::default() }
    }

    /// Whether whoever this stands for may begin once more.
    pub(super) fn take(&self, network: IpAddr, now: Instant) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let has_own = known.left.contains_key(&network) || self.has_room(&mut known, now);
        let network = if has_own { network } else { STRANGERS };
        let found = known.left.entry(network).or_insert(Left { allowance: self.burst, at: now });
        *found = Left { allowance: self.refilled(found, now), at: now };
        let may = found.allowance >= 1.0;
        if may {
            found.allowance -= 1.0;
        }
        may
    }

    /// Forgets, when it is full, those who have all of their allowance again: a new entry would be the same.
    fn has_room(&self, known: &mut Known, now: Instant) -> bool {
        let is_due = known.pruned.is_none_or(|pruned| now.saturating_duration_since(pruned) >= PRUNE_EVERY);
        if known.left.len() >= ADDRESSES_MAX && is_due {
            known.left.retain(|network, found| *network == STRANGERS || self.refilled(found, now) < self.burst);
            known.pruned = Some(now);
        }
        known.left.len() < ADDRESSES_MAX
    }

    fn refilled(&self, left: &Left, now: Instant) -> f64 {
        let since = now.saturating_duration_since(left.at).as_secs_f64();
        since.mul_add(self.per_s, left.allowance).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    #[test]
    fn an_address_has_its_average_and_its_burst_and_takes_nobody_elses() {
        let rates = Rates::new(2);
        let start = Instant::now();
        let granted = |at: Duration| (0..100).filter(|_| rates.take(address(1), start + at)).count();
        assert_eq!(granted(Duration::ZERO), 20);
        assert_eq!(granted(Duration::from_secs(1)), 2);
        assert!(rates.take(address(2), start));
        assert_eq!(granted(Duration::from_secs(100)), 20, "what is saved is bounded");
    }

    #[test]
    fn a_flood_of_addresses_takes_no_more_room_and_leaves_those_who_are_here_alone() {
        let rates = Rates::new(1);
        let now = Instant::now();
        let size = || rates.known.lock().unwrap().left.len();
        let flood: Vec<bool> = (0..50_000).map(|number| rates.take(address(number), now)).collect();
        assert!(size() <= ADDRESSES_MAX + 1);
        assert!(flood[..ADDRESSES_MAX].iter().all(|may| *may));
        assert_eq!(flood[ADDRESSES_MAX..].iter().filter(|may| **may).count(), 10, "strangers share one burst");
        assert!(rates.take(address(1), now), "who is here goes on");
        let later = now + Duration::from_secs(60);
        assert!(rates.take(address(60_000), later));
        assert!(size() <= 2, "who has not been heard of is forgotten");
    }
}
