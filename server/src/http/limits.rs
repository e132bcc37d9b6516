//! How many connections there are, of whom, and what came of their requests.

use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections that are not WebSockets.
    pub(crate) connections_max: u32,
    /// Of one remote address (of IPv6, of one /64).
    pub(crate) connections_per_address_max: u32,
    /// Until the headers of a request are there; also how long a connection may be idle.
    pub(crate) header: Duration,
    /// From the headers of a request to the beginning of its answer.
    pub(crate) request: Duration,
    /// Until a connection that is no WebSocket is closed, whatever it does.
    pub(crate) connection: Duration,
}

impl From<&crate::config::Http> for Limits {
    fn from(http: &crate::config::Http) -> Self {
        Self {
            connections_max: http.connections_max,
            connections_per_address_max: http.connections_per_address_max,
            header: Duration::from_millis(http.header_timeout_ms),
            request: Duration::from_millis(http.request_timeout_ms),
            connection: Duration::from_millis(http.connection_timeout_ms),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limit {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: u16,
}

/// The door's figures.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    connections: Gauge,
    refused: Family<Limit, Counter>,
    answers: Family<Status, Counter>,
    pub(super) accept_errors: Counter,
}

impl Figures {
    /// Adds them to the metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let open = self.connections.clone();
        registry.register("tertulia_http_connections", "HTTP connections that are no WebSocket", open);
        let refused = self.refused.clone();
        registry.register("tertulia_http_connections_refused", "Connections closed at once, by limit", refused);
        let answers = self.answers.clone();
        registry.register("tertulia_http_answers", "HTTP answers by status", answers);
        let errors = self.accept_errors.clone();
        registry.register("tertulia_http_accept_errors", "Connections that could not be accepted", errors);
    }

    pub(super) fn answered(&self, status: StatusCode) {
        self.answers.get_or_create(&Status { status: status.as_u16() }).inc();
    }
}

#[derive(Default)]
struct Taken {
    all: u32,
    by_network: HashMap<IpAddr, u32>,
}

/// The places for connections. The map has an entry for a network only while it has a connection.
pub(super) struct Places {
    limits: Limits,
    taken: Mutex<Taken>,
    figures: Arc<Figures>,
}

impl Places {
    pub(super) fn new(limits: Limits, figures: Arc<Figures>) -> Arc<Self> {
        Arc::new(Self { limits, taken: Mutex::default(), figures })
    }

    /// A place for a connection from there, given back when dropped; none if a limit is reached. A proxy stands for many:
    /// only the limit of all holds for it, and the gateway counts its clients by their own addresses.
    pub(super) fn take(self: &Arc<Self>, remote: IpAddr, is_proxy: bool) -> Option<Place> {
        let network = network(remote);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_network = taken.by_network.get(&network).copied().unwrap_or(0);
        let reached = match () {
            () if taken.all >= self.limits.connections_max => Some("connections_max"),
            () if !is_proxy && of_network >= self.limits.connections_per_address_max => {
                Some("connections_per_address_max")
            }
            () => None,
        };
        if let Some(limit) = reached {
            self.figures.refused.get_or_create(&Limit { limit }).inc();
            return None;
        }
        taken.all += 1;
        taken.by_network.insert(network, of_network + 1);
        self.figures.connections.inc();
        Some(Place { places: Arc::clone(self), network })
    }
}

/// One connection's place.
pub(super) struct Place {
    places: Arc<Places>,
    network: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(count) = taken.by_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.by_network.remove(&self.network);
            }
        }
        self.places.figures.connections.dec();
    }
}

/// Whom an address stands for: an IPv6 subscriber has a /64 and can take any address of it.
pub(super) fn network(remote: IpAddr) -> IpAddr {
    match remote.to_canonical() {
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

    fn places(all: u32, of_one: u32) -> Arc<Places> {
        let http = crate::config::Http {
            connections_max: all,
            connections_per_address_max: of_one,
            ..crate::config::Http::default()
        };
        Places::new((&http).into(), Arc::default())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_given_back_and_nothing_remains() {
        let places = places(2, 2);
        let (first, second) = (places.take(ip("10.0.0.1"), false), places.take(ip("10.0.0.2"), false));
        assert!(first.is_some() && second.is_some());
        assert!(places.take(ip("10.0.0.3"), false).is_none());
        drop(first);
        assert!(places.take(ip("10.0.0.3"), false).is_some());
        drop(second);
        assert!(places.taken.lock().unwrap().by_network.is_empty());
    }

    #[test]
    fn one_address_can_not_take_all_places() {
        let places = places(10, 1);
        let _first = places.take(ip("2001:db8::1"), false).unwrap();
        assert!(places.take(ip("2001:db8::2"), false).is_none(), "the same /64");
        assert!(places.take(ip("2001:db8:0:1::1"), false).is_some());
        let _v4 = places.take(ip("10.0.0.1"), false).unwrap();
        assert!(places.take(ip("::ffff:10.0.0.1"), false).is_none(), "the same address, mapped");
        let reached = Limit { limit: "connections_per_address_max" };
        assert_eq!(places.figures.refused.get_or_create(&reached).get(), 2);
        assert!(places.take(ip("10.0.0.1"), true).is_some(), "a trusted proxy is not one client");
    }
}
