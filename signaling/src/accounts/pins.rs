//! PINs that have been sent and wait to be said again.
//!
//! In memory only: after a restart one asks for another. Invariant: a PIN is good once, for a while, for a few tries; which
//! number asked, and how often, bounds the next; and nothing here knows which numbers have an account. Time is an argument.

use super::config::AccountLimits;
use super::{PhoneNumber, random_bytes};
use crate::bucket::{Bucket, Buckets, Wait};
use crate::clock::random;
use crate::metrics::Hit;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sha2::Sha256;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tertulia_common::Timestamp;

/// Digits of a PIN.
pub(crate) const PIN_DIGITS: u32 = 6;
/// PINs that wait. Raising it costs about 200 bytes each; at a server's rate of PINs it is not reached.
const PENDING_MAX: usize = 50_000;
/// Numbers of which it is remembered when they may ask again. Raising it costs about 100 bytes each.
const NUMBERS_MAX: usize = 200_000;
/// Remote addresses whose rates are remembered. Raising it costs about 60 bytes each.
const ADDRESSES_MAX: usize = 50_000;
/// The longest that one waits for another PIN within the day.
const AGAIN_MAX: Duration = Duration::from_secs(3600);
/// After this a number starts anew.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A PIN on its way.
pub(crate) struct Begun {
    pub(crate) registration: u128,
    pub(crate) pin: String,
    /// When the number may ask for another.
    pub(crate) again_in: Duration,
}

/// Why no PIN is sent: which limit, and when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotBegun(pub(crate) Hit, pub(crate) Duration);

/// Why a PIN does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotVerified {
    /// Another one was sent.
    Wrong,
    /// None is waited for (any longer).
    Over,
    /// The address has tried too many.
    Wait(Duration),
}

#[derive(Clone)]
struct Pending {
    phone: PhoneNumber,
    /// Of the PIN, with a key of this process: a dump of the memory gives no list of PINs away by itself.
    mac: [u8; 32],
    tries_left: u32,
    expires_at: Timestamp,
}

/// When a number may ask again.
#[derive(Clone, Copy)]
struct Number {
    since: Timestamp,
    sent: u32,
    next_at: Timestamp,
}

struct Inner {
    pending: FxHashMap<u128, Pending>,
    /// All of `pending`, the oldest first; some may be gone.
    oldest: VecDeque<(Timestamp, u128)>,
    numbers: FxHashMap<PhoneNumber, Number>,
    asking: Buckets<IpAddr>,
    trying: Buckets<IpAddr>,
    all: Bucket,
}

/// The PINs.
pub(crate) struct Pins {
    limits: AccountLimits,
    key: [u8; 32],
    inner: Mutex<Inner>,
}

impl Pins {
    pub(crate) fn new(limits: &AccountLimits, now: Timestamp) -> Self {
        let inner = Inner {
            pending: FxHashMap::default(),
            oldest: VecDeque::new(),
            numbers: FxHashMap::default(),
            asking: Buckets::new(limits.pins_per_address(), ADDRESSES_MAX),
            trying: Buckets::new(limits.tries_per_address(), ADDRESSES_MAX),
            all: Bucket::new(limits.pins(), now),
        };
        Self { limits: limits.clone(), key: random_bytes(), inner: Mutex::new(inner) }
    }

    /// A PIN for this number, asked for from this address.
    pub(crate) fn begin(&self, phone: &PhoneNumber, address: IpAddr, now: Timestamp) -> Result<Begun, NotBegun> {
        let mut inner = self.inner.lock();
        inner.forget_expired(now);
        inner.asking.take(address, now).map_err(|Wait(wait)| NotBegun(Hit::PinsPerAddress, wait))?;
        let known = inner.numbers.get(phone).copied().filter(|number| now.since(number.since) < DAY);
        if let Some(number) = known.filter(|number| number.next_at > now) {
            return Err(NotBegun(Hit::PinsPerNumber, number.next_at.since(now)));
        }
        // Last: what is refused for another reason costs the others nothing.
        inner.all.take(now).map_err(|Wait(wait)| NotBegun(Hit::Pins, wait))?;
        if inner.numbers.len() >= NUMBERS_MAX && known.is_none() {
            inner.numbers.retain(|_, number| now.since(number.since) < DAY);
        }
        if inner.pending.len() >= PENDING_MAX || (inner.numbers.len() >= NUMBERS_MAX && known.is_none()) {
            return Err(NotBegun(Hit::Pins, self.limits.pin_again()));
        }
        let number = self.after_one_more(known, now);
        inner.numbers.insert(phone.clone(), number);

        let registration = random();
        let pin = format!("{:06}", random() % 1_000_000);
        let expires_at = now + self.limits.pin_ttl();
        let (phone, mac) = (phone.clone(), self.mac(registration, &pin));
        inner.pending.insert(registration, Pending { phone, mac, tries_left: self.limits.pin_tries, expires_at });
        inner.oldest.push_back((expires_at, registration));
        Ok(Begun { registration, pin, again_in: number.next_at.since(now) })
    }

    fn after_one_more(&self, known: Option<Number>, now: Timestamp) -> Number {
        let Number { since, sent, .. } = known.unwrap_or(Number { since: now, sent: 0, next_at: now });
        let sent = sent + 1;
        let next_at = if sent >= self.limits.pins_per_number_per_day {
            since + DAY
        } else {
            let again = self.limits.pin_again();
            now + again.saturating_mul(1 << (sent - 1).min(16)).min(AGAIN_MAX.max(again))
        };
        Number { since, sent, next_at }
    }

    /// The PIN could not be sent: it counts no longer, and the number may ask again.
    pub(crate) fn undo(&self, registration: u128, now: Timestamp) {
        let mut inner = self.inner.lock();
        let Some(pending) = inner.pending.remove(&registration) else { return };
        if let Some(number) = inner.numbers.get_mut(&pending.phone) {
            *number = Number { sent: number.sent.saturating_sub(1), next_at: now, ..*number };
        }
    }

    /// The number that this PIN was sent to. It counts once: [`Pins::keep`] what is not used after all.
    pub(crate) fn verify(
        &self,
        registration: u128,
        pin: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Verified, NotVerified> {
        // Whether there is such a registration or not, the same is computed.
        let mac = self.mac(registration, pin);
        let mut inner = self.inner.lock();
        inner.trying.take(address, now).map_err(|Wait(wait)| NotVerified::Wait(wait))?;
        inner.forget_expired(now);
        let pending = inner.pending.get_mut(&registration).ok_or(NotVerified::Over)?;
        if bool::from(pending.mac.ct_eq(&mac)) {
            let pending = inner.pending.remove(&registration).ok_or(NotVerified::Over)?;
            return Ok(Verified { registration, pending });
        }
        pending.tries_left = pending.tries_left.saturating_sub(1);
        if pending.tries_left == 0 {
            inner.pending.remove(&registration);
            return Err(NotVerified::Over);
        }
        Err(NotVerified::Wrong)
    }

    /// A PIN that was right but not used after all, since something else failed: it may be said again.
    pub(crate) fn keep(&self, verified: Verified) {
        let mut inner = self.inner.lock();
        // Its time may have been over meanwhile: it is to be forgotten then, not kept for good.
        inner.oldest.push_back((verified.pending.expires_at, verified.registration));
        inner.pending.insert(verified.registration, verified.pending);
    }

    fn mac(&self, registration: u128, pin: &str) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length");
        mac.update(&registration.to_le_bytes());
        mac.update(pin.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// A PIN that was right.
pub(crate) struct Verified {
    registration: u128,
    pending: Pending,
}

impl Verified {
    pub(crate) fn phone(&self) -> &PhoneNumber {
        &self.pending.phone
    }
}

impl Inner {
    fn forget_expired(&mut self, now: Timestamp) {
        while let Some((expires_at, registration)) = self.oldest.front().copied()
            && expires_at <= now
        {
            self.oldest.pop_front();
            self.pending.remove(&registration);
        }
    }
}

#[cfg(test)]
mod tests;
