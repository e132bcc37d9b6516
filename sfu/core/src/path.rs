//! The two ends of a datagram's way, and the name under which clients know ours.
//!
//! Behind a NAT the address at which a datagram arrives is not the one that its sender was told. ICE is spoken in told
//! addresses; what is sent leaves from the address at which the peer was heard.

use std::net::{IpAddr, SocketAddr};
use str0m::net::Protocol;

/// The far end of a way: one address may be used by both protocols at once.
pub(crate) type Remote = (Protocol, SocketAddr);

/// The way that a datagram came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Over what.
    pub protocol: Protocol,
    /// Who sent it.
    pub remote: SocketAddr,
    /// Our own address and port at which it arrived; the unspecified address where that is not known.
    pub local: SocketAddr,
}

impl Path {
    /// By UDP.
    #[must_use]
    pub const fn udp(remote: SocketAddr, local: SocketAddr) -> Self {
        Self { protocol: Protocol::Udp, remote, local }
    }

    /// By a TCP connection that the client has opened.
    #[must_use]
    pub const fn tcp(remote: SocketAddr, local: SocketAddr) -> Self {
        Self { protocol: Protocol::Tcp, remote, local }
    }

    pub(crate) fn far_end(&self) -> Remote {
        (self.protocol, self.remote)
    }
}

/// An address that clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What they are told.
    pub public: SocketAddr,
    /// Where what they send to it arrives, if that is another: a NAT is in between.
    pub local: Option<IpAddr>,
}

impl From<SocketAddr> for Told {
    fn from(public: SocketAddr) -> Self {
        Self { public, local: None }
    }
}

/// Under which of the told addresses clients know `local`. One that is none of them (a NAT in between that nobody
/// configured) counts as the first of its family.
pub(crate) fn known_as(told: &[Told], local: SocketAddr) -> SocketAddr {
    let ip = local.ip();
    let behind = told.iter().find(|told| told.local == Some(ip));
    let exact = || told.iter().find(|told| told.public.ip() == ip);
    let family = || told.iter().find(|told| told.public.is_ipv4() == ip.is_ipv4());
    behind.or_else(exact).or_else(family).or(told.first()).map_or(local, |told| told.public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c6_an_address_behind_a_nat_is_known_by_its_public_one() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let told = [
            Told::from(at("192.0.2.1:5000")),
            Told { public: at("203.0.113.9:5000"), local: Some(at("10.0.0.5:1").ip()) },
            Told::from(at("[2001:db8::1]:5000")),
        ];
        let name = |local: &str| known_as(&told, at(local)).to_string();
        assert_eq!(name("192.0.2.1:5000"), "192.0.2.1:5000");
        assert_eq!(name("10.0.0.5:5000"), "203.0.113.9:5000");
        assert_eq!(name("[2001:db8::1]:5000"), "[2001:db8::1]:5000");
        assert_eq!(name("10.0.0.6:5000"), "192.0.2.1:5000", "the first of its family");
        assert_eq!(name("[::1]:5000"), "[2001:db8::1]:5000");
        assert_eq!(known_as(&told[..1], at("[::1]:5000")), at("192.0.2.1:5000"), "there is nothing else");
    }
}
