//! Devices that wait to be linked to an account.
//!
//! A new device shows a code and waits with a secret; a device of the account looks the code up, shows who asks, and
//! approves it. Invariant: a code is good once and for a while; the access goes to whoever has the secret, once; approving
//! takes a look first, by the same user. Time is an argument.

use super::config::AccountLimits;
use super::random_bytes;
use crate::bucket::{Buckets, Wait};
use crate::clock::random;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sha2::Sha256;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tertulia_common::{Timestamp, UserId};
use tertulia_signaling_proto::{DeviceAccess, LinkState};
use tokio::sync::Notify;

/// Devices that wait. Raising it costs about 400 bytes each, and makes a guessed code hit more often.
const WAITING_MAX: usize = 10_000;
/// Remote addresses whose rates are remembered. Raising it costs about 60 bytes each.
const ADDRESSES_MAX: usize = 50_000;
/// Without I and O, 0 and 1, which look alike.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// 40 bits: with a few tries an hour nobody guesses one.
const CODE_CHARS: usize = 8;

/// What a new device is told.
pub(crate) struct Begun {
    pub(crate) link: u128,
    pub(crate) code: String,
    pub(crate) secret: [u8; 32],
}

/// What a person is about to let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) device_name: String,
    pub(crate) address: IpAddr,
    pub(crate) asked_at: Timestamp,
}

/// Why a code leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// There is no such code (any longer).
    Over,
    /// Nobody of this account has looked at it.
    NotSeen,
    /// The address has tried too many.
    Wait(Duration),
}

/// What a device that waits hears.
pub(crate) enum Polled {
    /// Something new.
    News(LinkState),
    /// Nothing new: wait for this, and ask again.
    Wait(Arc<Notify>),
}

enum Stage {
    Waiting,
    SeenBy(UserId),
    /// Somebody is approving it: the directory is at work.
    Taken,
    Approved(DeviceAccess),
}

struct Link {
    code: [u8; 32],
    secret: [u8; 32],
    found: Found,
    stage: Stage,
    changed: Arc<Notify>,
    /// Its device has heard that someone looks at it.
    told_seen: bool,
}

struct Inner {
    links: FxHashMap<u128, Link>,
    by_code: FxHashMap<[u8; 32], u128>,
    /// All of `links`, the oldest first; some may be gone.
    oldest: VecDeque<(Timestamp, u128)>,
    asking: Buckets<IpAddr>,
    trying: Buckets<IpAddr>,
}

/// The devices that wait.
pub(crate) struct Links {
    ttl: Duration,
    key: [u8; 32],
    inner: Mutex<Inner>,
}

impl Links {
    pub(crate) fn new(limits: &AccountLimits) -> Self {
        let inner = Inner {
            links: FxHashMap::default(),
            by_code: FxHashMap::default(),
            oldest: VecDeque::new(),
            asking: Buckets::new(limits.links_per_address(), ADDRESSES_MAX),
            trying: Buckets::new(limits.tries_per_address(), ADDRESSES_MAX),
        };
        Self { ttl: limits.link_ttl(), key: random_bytes(), inner: Mutex::new(inner) }
    }

    /// A new device asks, from this address (`network`: what its limits count).
    pub(crate) fn begin(
        &self,
        device_name: String,
        address: IpAddr,
        network: IpAddr,
        now: Timestamp,
    ) -> Result<Begun, Wait> {
        let mut inner = self.inner.lock();
        inner.forget_expired(now);
        inner.asking.take(network, now)?;
        if inner.links.len() >= WAITING_MAX {
            return Err(Wait(self.ttl));
        }
        let (link, secret, code) = (random(), random_bytes(), new_code());
        let expires_at = now + self.ttl;
        let by_code = self.mac(&code);
        let found = Found { device_name, address, asked_at: now };
        let changed = Arc::new(Notify::new());
        let waiting = Link { code: by_code, secret, found, stage: Stage::Waiting, changed, told_seen: false };
        inner.links.insert(link, waiting);
        inner.by_code.insert(by_code, link);
        inner.oldest.push_back((expires_at, link));
        Ok(Begun { link, code, secret })
    }

    /// Where it stands, for the device that has the secret.
    pub(crate) fn poll(&self, link: u128, secret: &[u8], now: Timestamp) -> Result<Polled, NotFound> {
        let mut inner = self.inner.lock();
        inner.forget_expired(now);
        let waiting = inner.links.get_mut(&link).filter(|waiting| bool::from(waiting.secret.as_slice().ct_eq(secret)));
        let waiting = waiting.ok_or(NotFound::Over)?;
        match &waiting.stage {
            Stage::Approved(access) => {
                let access = access.clone();
                inner.links.remove(&link);
                Ok(Polled::News(LinkState::Approved(access)))
            }
            Stage::SeenBy(_) if !waiting.told_seen => {
                waiting.told_seen = true;
                Ok(Polled::News(LinkState::Seen))
            }
            Stage::Waiting | Stage::SeenBy(_) | Stage::Taken => Ok(Polled::Wait(Arc::clone(&waiting.changed))),
        }
    }

    /// What to say when nothing has changed.
    pub(crate) fn state(&self, link: u128) -> LinkState {
        match self.inner.lock().links.get(&link).map(|waiting| &waiting.stage) {
            Some(Stage::SeenBy(_) | Stage::Taken) => LinkState::Seen,
            _ => LinkState::Waiting,
        }
    }

    /// A user's device looks at a code.
    pub(crate) fn inspect(
        &self,
        code: &str,
        user: &UserId,
        network: IpAddr,
        now: Timestamp,
    ) -> Result<Found, NotFound> {
        let mut inner = self.inner.lock();
        let waiting = self.by_code(&mut inner, code, network, now)?;
        waiting.stage = Stage::SeenBy(user.clone());
        waiting.changed.notify_waiters();
        Ok(waiting.found.clone())
    }

    /// A user's device approves a code that it has looked at. From now on the code is used; [`Links::approved`] says how
    /// it went.
    pub(crate) fn take(
        &self,
        code: &str,
        user: &UserId,
        network: IpAddr,
        now: Timestamp,
    ) -> Result<(u128, Found), NotFound> {
        let mut inner = self.inner.lock();
        let waiting = self.by_code(&mut inner, code, network, now)?;
        match &waiting.stage {
            Stage::SeenBy(seen) if seen == user => {}
            Stage::SeenBy(_) | Stage::Waiting | Stage::Taken | Stage::Approved(_) => return Err(NotFound::NotSeen),
        }
        waiting.stage = Stage::Taken;
        let (code, found) = (waiting.code, waiting.found.clone());
        let link = inner.by_code.remove(&code).ok_or(NotFound::Over)?;
        Ok((link, found))
    }

    /// The device of a code that was taken has its access; without one it asks anew.
    pub(crate) fn approved(&self, link: u128, access: Option<DeviceAccess>) {
        let mut inner = self.inner.lock();
        let Some(waiting) = inner.links.get_mut(&link) else { return };
        waiting.changed.notify_waiters();
        match access {
            Some(access) => waiting.stage = Stage::Approved(access),
            None => drop(inner.links.remove(&link)),
        }
    }

    fn by_code<'a>(
        &self,
        inner: &'a mut Inner,
        code: &str,
        network: IpAddr,
        now: Timestamp,
    ) -> Result<&'a mut Link, NotFound> {
        inner.forget_expired(now);
        inner.trying.take(network, now).map_err(|Wait(wait)| NotFound::Wait(wait))?;
        let link = *inner.by_code.get(&self.mac(&plain(code))).ok_or(NotFound::Over)?;
        inner.links.get_mut(&link).ok_or(NotFound::Over)
    }

    /// Codes are looked up by this: how long that takes says nothing of how much of a code was right.
    fn mac(&self, code: &str) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length");
        mac.update(code.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl Inner {
    fn forget_expired(&mut self, now: Timestamp) {
        while let Some((expires_at, link)) = self.oldest.front().copied()
            && expires_at <= now
        {
            self.oldest.pop_front();
            if let Some(gone) = self.links.remove(&link) {
                self.by_code.remove(&gone.code);
                gone.changed.notify_waiters();
            }
        }
    }
}

fn new_code() -> String {
    let mut bits = random();
    let chars = (0..CODE_CHARS).map(|_| {
        let digit = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
        char::from(digit)
    });
    chars.collect()
}

/// As people read it: `ABCD-EFGH`.
pub(crate) fn shown(code: &str) -> String {
    let (left, right) = code.split_at_checked(CODE_CHARS / 2).unwrap_or((code, ""));
    format!("{left}-{right}")
}

/// As it is looked up: small letters, blanks and hyphens are forgiven.
fn plain(code: &str) -> String {
    let chars = code.chars().filter(|c| !c.is_whitespace() && *c != '-').take(CODE_CHARS + 1);
    chars.map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests;
