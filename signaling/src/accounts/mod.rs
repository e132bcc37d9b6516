//! Accounts of this server: registration by phone number and PIN, and devices that are linked to one.
//!
//! ```text
//!   POST register ── pins ── sender ──► the person's phone        (what waits for a PIN: in memory)
//!   POST register/verify ── pins ── directory                     (the account and its primary device)
//!   POST devices/link … approve ── links ── directory             (what waits for an approval: in memory)
//! ```
//!
//! Invariant: until a PIN was right nothing depends on whether a number has an account, neither answers nor time: the
//! directory is not asked.

mod config;
mod links;
mod phone;
mod pins;
mod seen;
mod sender;

pub use config::{AccountLimits, Accounts as AccountsConfig, PhoneSignIn, PinSender};
pub(crate) use links::{Links, NotFound, Polled, shown as shown_code};
pub(crate) use phone::PhoneNumber;
#[doc(hidden)]
pub use phone::fuzz as fuzz_phone;
pub use phone::{Region, UnknownRegion};
pub(crate) use pins::{NotBegun, NotVerified, PIN_DIGITS, Pins};
pub(crate) use seen::Seen;
pub(crate) use sender::{Message, Sender};

use crate::bucket::Buckets;
use crate::clock::random;
use crate::metrics::Metrics;
use parking_lot::Mutex;
use std::sync::Arc;
use tertulia_common::{DeviceId, Timestamp, UserId};

/// Users whose rate of look-ups, or of tried link codes, is remembered. Raising it costs about 100 bytes each.
const USERS_MAX: usize = 50_000;

/// The accounts' part of what every request has at hand.
pub(crate) struct Accounts {
    pub(crate) limits: AccountLimits,
    /// Registration by phone number, where it is on.
    pub(crate) phone: Option<Registrations>,
    pub(crate) links: Links,
    pub(crate) seen: Arc<Seen>,
    /// How often a user asks who has a number.
    pub(crate) lookups: Mutex<Buckets<UserId>>,
    /// How often a user tries link codes.
    pub(crate) link_tries: Mutex<Buckets<UserId>>,
}

/// Registration by phone number.
pub(crate) struct Registrations {
    pub(crate) region: Option<Region>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) sender: Sender,
}

impl Accounts {
    pub(crate) fn new(config: &AccountsConfig, metrics: &Arc<Metrics>, now: Timestamp) -> Self {
        let limits = config.limits.clone();
        let phone = config.phone.as_ref().map(|phone| Registrations {
            region: phone.region,
            pins: Arc::new(Pins::new(&limits, now)),
            sender: Sender::new(phone.sender.clone(), Arc::clone(metrics)),
        });
        let lookups = Mutex::new(Buckets::new(limits.lookups(), USERS_MAX));
        let link_tries = Mutex::new(Buckets::new(limits.link_tries(), USERS_MAX));
        Self {
            links: Links::new(&limits),
            seen: Arc::new(Seen::new(Arc::clone(metrics))),
            lookups,
            link_tries,
            phone,
            limits,
        }
    }
}

/// 256 random bits.
pub(crate) fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    let (low, high) = bytes.split_at_mut(16);
    low.copy_from_slice(&random().to_le_bytes());
    high.copy_from_slice(&random().to_le_bytes());
    bytes
}

/// The id of a new account.
#[expect(clippy::expect_used, reason = "small letters and digits are a user id")]
pub(crate) fn new_user() -> UserId {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bits = random();
    let digits = (0..26).map(|_| {
        let digit = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
        char::from(digit)
    });
    format!("u{}", digits.collect::<String>()).parse().expect("it is a user id")
}

/// The id of a new device: nobody can guess one, so none is taken twice.
#[expect(clippy::expect_used, reason = "32 hexadecimal digits and a letter are a device id")]
pub(crate) fn new_device() -> DeviceId {
    format!("d{:032x}", random()).parse().expect("hexadecimal digits are allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_random_and_have_their_form() {
        let (one, other) = (new_user(), new_user());
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), 27);
        assert_ne!(random_bytes(), random_bytes());
        assert_ne!(new_device(), new_device());
    }
}
