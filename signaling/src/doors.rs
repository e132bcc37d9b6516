//! How many sockets may be open: of this server, and of one remote address.
//!
//! Invariant: each place is given back exactly once, when its [`Place`] is dropped.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The counts.
#[derive(Debug)]
pub(crate) struct Doors {
    sockets_max: u32,
    per_address_max: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sockets: u32,
    by_address: FxHashMap<IpAddr, u32>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The server has as many sockets as it may.
    Server(u32),
    /// This address has.
    Address(u32),
}

/// A socket's place.
#[derive(Debug)]
pub(crate) struct Place {
    doors: Arc<Doors>,
    address: IpAddr,
}

impl Doors {
    pub(crate) fn new(sockets_max: u32, per_address_max: u32) -> Arc<Self> {
        Arc::new(Self { sockets_max, per_address_max, state: Mutex::default() })
    }

    /// A place for a socket from this address.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let address = network(address);
        let mut state = self.state.lock();
        if state.sockets >= self.sockets_max {
            return Err(Full::Server(self.sockets_max));
        }
        if state.by_address.get(&address).is_some_and(|open| *open >= self.per_address_max) {
            return Err(Full::Address(self.per_address_max));
        }
        *state.by_address.entry(address).or_default() += 1;
        state.sockets += 1;
        Ok(Place { doors: Arc::clone(self), address })
    }

    /// How many sockets are open.
    pub(crate) fn sockets(&self) -> u32 {
        self.state.lock().sockets
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.doors.state.lock();
        state.sockets -= 1;
        if let Some(open) = state.by_address.get_mut(&self.address) {
            *open -= 1;
            if *open == 0 {
                state.by_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: of IPv6 a /64, since that is what one subscriber has.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_bounded_by_address_and_in_all_and_come_back() {
        let doors = Doors::new(3, 2);
        let first = doors.enter(ip("10.0.0.1")).unwrap();
        let _second = doors.enter(ip("10.0.0.1")).unwrap();
        assert_eq!(doors.enter(ip("10.0.0.1")).unwrap_err(), Full::Address(2));
        let _third = doors.enter(ip("10.0.0.2")).unwrap();
        assert_eq!(doors.enter(ip("10.0.0.3")).unwrap_err(), Full::Server(3));
        drop(first);
        assert_eq!(doors.sockets(), 2);
        assert!(doors.enter(ip("10.0.0.1")).is_ok());
        assert_eq!(doors.state.lock().by_address.len(), 2, "who is gone is forgotten");
    }

    #[test]
    fn a_subscriber_with_many_ipv6_addresses_is_one() {
        assert_eq!(network(ip("2001:db8:1:2::1")), network(ip("2001:db8:1:2:ffff::9")));
        assert_ne!(network(ip("2001:db8:1:2::1")), network(ip("2001:db8:1:3::1")));
        assert_eq!(network(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }
}
