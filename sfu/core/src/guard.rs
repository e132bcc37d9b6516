//! What strangers may cost: buckets of failed attempts.
//!
//! Some datagrams have to be tried before it shows that they are forged: a signature is computed, a packet decrypted.
//! Only failures are paid for, by the peer that they named, the sender's address, and the shard. So a peer that is not
//! attacked is never held back by its own traffic, and while the shard's bucket is empty one whose own is still full
//! gets its attempt: a flood that names one peer does not keep the others from coming from a new address.

use crate::path::Remote;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A bucket's size and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// A second, on average.
    pub per_s: u32,
}

/// A token bucket, in thousandths of a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    level: u64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, level: u64::from(rate.burst) * 1_000, filled: now }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        // Whole milliseconds only, so that what is less is not lost.
        let ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        if ms > 0 {
            let earned = ms.saturating_mul(u64::from(self.rate.per_s));
            self.level = self.level.saturating_add(earned).min(u64::from(self.rate.burst) * 1_000);
            self.filled += Duration::from_millis(ms);
        }
    }

    pub(crate) fn has(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.level >= 1_000
    }

    fn is_full(&self) -> bool {
        self.level == u64::from(self.rate.burst) * 1_000
    }

    fn pay(&mut self) {
        self.level = self.level.saturating_sub(1_000);
    }

    /// Takes one if it is there.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let has = self.has(now);
        if has {
            self.pay();
        }
        has
    }
}

/// Addresses share so many buckets: a table that an attacker can't grow.
const SOURCES: usize = 256;

/// The shard's and the addresses' buckets of one kind of attempt; each peer has its own.
#[derive(Debug)]
pub(crate) struct Guard {
    all: Bucket,
    sources: Vec<Bucket>,
}

impl Guard {
    pub(crate) fn new(all: Rate, source: Rate, now: Instant) -> Self {
        Self { all: Bucket::new(all, now), sources: vec![Bucket::new(source, now); SOURCES] }
    }

    /// Whether an attempt for the peer of this bucket may be made.
    pub(crate) fn allows(&mut self, peer: &mut Bucket, remote: &Remote, now: Instant) -> bool {
        let source = &mut self.sources[slot(remote)];
        peer.has(now) && source.has(now) && (self.all.has(now) || peer.is_full())
    }

    /// It failed.
    pub(crate) fn failed(&mut self, peer: &mut Bucket, remote: &Remote) {
        peer.pay();
        self.sources[slot(remote)].pay();
        self.all.pay();
    }
}

/// An IPv6 host has a /64 to itself (RFC 6177).
fn slot((_, address): &Remote) -> usize {
    let bits = match address.ip().to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    };
    (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % SOURCES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::epoch;
    use str0m::net::Protocol;

    const FEW: Rate = Rate { burst: 3, per_s: 2 };
    const MANY: Rate = Rate { burst: 1_000, per_s: 1_000 };

    fn from(last: u8) -> Remote {
        (Protocol::Udp, ([10, 0, 0, last], 9).into())
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(FEW, epoch());
        let given = (0..10_000).filter(|ms| bucket.take(epoch() + Duration::from_millis(*ms))).count();
        assert_eq!(given, 3 + 19, "the token of second ten is not there yet");
    }

    #[test]
    fn failures_of_one_peer_do_not_shut_out_another() {
        let now = epoch();
        let mut guard = Guard::new(FEW, MANY, now);
        let (mut attacked, mut other) = (Bucket::new(MANY, now), Bucket::new(MANY, now));
        for _ in 0..3 {
            assert!(guard.allows(&mut attacked, &from(1), now));
            guard.failed(&mut attacked, &from(1));
        }
        assert!(!guard.allows(&mut attacked, &from(1), now), "the shard has had enough");
        assert!(guard.allows(&mut other, &from(1), now), "but this one has cost nothing yet");
        guard.failed(&mut other, &from(1));
        assert!(!guard.allows(&mut other, &from(1), now));
    }

    #[test]
    fn failures_of_one_address_do_not_shut_out_another() {
        let now = epoch();
        let mut guard = Guard::new(MANY, FEW, now);
        let mut peer = Bucket::new(MANY, now);
        for _ in 0..3 {
            assert!(guard.allows(&mut peer, &from(1), now));
            guard.failed(&mut peer, &from(1));
        }
        assert!(!guard.allows(&mut peer, &from(1), now));
        assert!(guard.allows(&mut peer, &from(2), now));
    }
}
