//! What is set for accounts: whether people register by phone number, how PINs are sent, and what one may take.

use super::Region;
use crate::bucket::Rate;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tertulia_push::Webhook;

/// Accounts of this server.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// Registration by phone number. None: it is off; accounts that exist keep working.
    pub phone: Option<PhoneSignIn>,
    /// What one may take.
    pub limits: AccountLimits,
}

/// Registration by phone number.
#[derive(Clone, Debug)]
pub struct PhoneSignIn {
    /// The country of numbers that are written without one.
    pub region: Option<Region>,
    /// How PINs reach people.
    pub sender: PinSender,
}

/// How PINs reach people.
#[derive(Clone, Debug)]
pub enum PinSender {
    /// They are written to the log: for a server that its only users run themselves.
    Console,
    /// They are handed to a program of the operator's, which sends them.
    Webhook(Webhook),
}

/// What one may take of accounts: the section `[accounts.limits]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountLimits {
    /// How long a PIN is good for, in seconds. Raising it gives guessers more time.
    pub pin_ttl_s: u32,
    /// Tries of one PIN. Raising it gives guessers more chances.
    pub pin_tries: u32,
    /// How long a number waits for a second PIN, in seconds; it doubles with each, up to an hour.
    pub pin_again_s: u32,
    /// PINs to one number within 24 hours. Raising it lets strangers bother its owner more, and guess more.
    pub pins_per_number_per_day: u32,
    /// PINs that one remote address (of IPv6: one /64) may ask for in an hour.
    pub pins_per_address_per_hour: u32,
    /// PINs that the server sends a minute, on average: what a flood costs.
    pub pins_per_minute: u32,
    /// PINs and link codes that one remote address may try in an hour.
    pub tries_per_address_per_hour: u32,
    /// Devices that one remote address may ask to be linked in an hour.
    pub links_per_address_per_hour: u32,
    /// Link codes that one user may try in an hour.
    pub link_tries_per_user_per_hour: u32,
    /// How long a link code is good for, in seconds.
    pub link_ttl_s: u32,
    /// Linked devices of one account, beside its primary one.
    pub linked_devices_max: u32,
    /// Numbers that one user may look up in 24 hours. Raising it lets people find out faster who is here.
    pub lookups_per_day: u32,
    /// People whom one user may block.
    pub blocks_max: u32,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            pin_ttl_s: 600,
            pin_tries: 5,
            pin_again_s: 60,
            pins_per_number_per_day: 10,
            pins_per_address_per_hour: 20,
            pins_per_minute: 60,
            tries_per_address_per_hour: 100,
            links_per_address_per_hour: 60,
            link_tries_per_user_per_hour: 30,
            link_ttl_s: 180,
            linked_devices_max: 10,
            lookups_per_day: 100,
            blocks_max: 1_000,
        }
    }
}

/// What may be used at once of the rates above, at most.
const PINS_PER_ADDRESS_BURST: u32 = 10;
const PINS_BURST: u32 = 100;
const TRIES_PER_ADDRESS_BURST: u32 = 30;
const LINKS_PER_ADDRESS_BURST: u32 = 20;
const LINK_TRIES_BURST: u32 = 10;
const LOOKUPS_BURST: u32 = 20;

impl AccountLimits {
    /// Whether they can hold together.
    ///
    /// # Errors
    /// The name of the first that can't, and why.
    pub fn check(&self) -> Result<(), String> {
        let positive = [
            ("pin_ttl_s", self.pin_ttl_s),
            ("pin_tries", self.pin_tries),
            ("pin_again_s", self.pin_again_s),
            ("pins_per_number_per_day", self.pins_per_number_per_day),
            ("pins_per_address_per_hour", self.pins_per_address_per_hour),
            ("pins_per_minute", self.pins_per_minute),
            ("tries_per_address_per_hour", self.tries_per_address_per_hour),
            ("links_per_address_per_hour", self.links_per_address_per_hour),
            ("link_tries_per_user_per_hour", self.link_tries_per_user_per_hour),
            ("link_ttl_s", self.link_ttl_s),
            ("lookups_per_day", self.lookups_per_day),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name} must be at least 1"));
        }
        Ok(())
    }

    pub(super) fn pins_per_address(&self) -> Rate {
        let rate = self.pins_per_address_per_hour;
        Rate::per_hour(rate, rate.min(PINS_PER_ADDRESS_BURST))
    }

    pub(super) fn pins(&self) -> Rate {
        Rate::per_minute(self.pins_per_minute, self.pins_per_minute.min(PINS_BURST))
    }

    pub(super) fn tries_per_address(&self) -> Rate {
        let rate = self.tries_per_address_per_hour;
        Rate::per_hour(rate, rate.min(TRIES_PER_ADDRESS_BURST))
    }

    pub(super) fn links_per_address(&self) -> Rate {
        let rate = self.links_per_address_per_hour;
        Rate::per_hour(rate, rate.min(LINKS_PER_ADDRESS_BURST))
    }

    pub(super) fn link_tries(&self) -> Rate {
        let rate = self.link_tries_per_user_per_hour;
        Rate::per_hour(rate, rate.min(LINK_TRIES_BURST))
    }

    pub(super) fn lookups(&self) -> Rate {
        Rate::per_day(self.lookups_per_day, self.lookups_per_day.min(LOOKUPS_BURST))
    }

    pub(super) fn pin_ttl(&self) -> Duration {
        Duration::from_secs(self.pin_ttl_s.into())
    }

    pub(super) fn pin_again(&self) -> Duration {
        Duration::from_secs(self.pin_again_s.into())
    }

    pub(super) fn link_ttl(&self) -> Duration {
        Duration::from_secs(self.link_ttl_s.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_and_a_zero_is_named() {
        assert_eq!(AccountLimits::default().check(), Ok(()));
        let zero = AccountLimits { pin_tries: 0, ..AccountLimits::default() };
        assert!(zero.check().unwrap_err().contains("pin_tries"));
    }
}
