//! The ports of a shard: one number for UDP and TCP, and the addresses that clients are told with it.

use crate::handle::StartError;
use crate::socket::BatchSocket;
use crate::tcp::{TcpLimits, TcpSide};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::{Duration, Instant};
use tertulia_sfu_core::Told;

/// An address that clients are told: `public`, or `public/local` where a NAT hands what comes to it on to `local`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Advertised {
    /// What clients are told.
    pub public: IpAddr,
    /// The address of this machine at which that arrives, if it is another.
    pub local: Option<IpAddr>,
}

/// Not `ADDRESS` or `PUBLIC/LOCAL`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an IP address nor PUBLIC/LOCAL, two of one family")]
pub struct AdvertisedError(String);

impl Advertised {
    pub(crate) const fn at(self, port: u16) -> Told {
        Told { public: SocketAddr::new(self.public, port), local: self.local }
    }
}

impl From<IpAddr> for Advertised {
    fn from(public: IpAddr) -> Self {
        Self { public, local: None }
    }
}

impl FromStr for Advertised {
    type Err = AdvertisedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match text.split_once('/') {
            None => text.parse::<IpAddr>().ok().map(Self::from),
            Some((public, local)) => match (public.parse::<IpAddr>(), local.parse::<IpAddr>()) {
                (Ok(public), Ok(local)) if public.is_ipv4() == local.is_ipv4() => {
                    Some(Self { public, local: Some(local) })
                }
                _ => None,
            },
        };
        parsed.ok_or_else(|| AdvertisedError(text.to_owned()))
    }
}

impl fmt::Display for Advertised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.local {
            None => self.public.fmt(f),
            Some(local) => write!(f, "{}/{local}", self.public),
        }
    }
}

/// How many free UDP ports are tried until one is free for TCP too.
const TRIES_MAX: usize = 16;

/// How long a port that was asked for may still be its last owner's: a program that has just been restarted finds the sockets
/// of the one before it, which the kernel closes a moment after that has gone.
const VACATED_WITHIN: Duration = Duration::from_millis(1_500);
/// How often it is tried meanwhile.
const VACATED_STEP: Duration = Duration::from_millis(50);

/// Binds both to one port: the given one, or any that is free. Blocks for [`VACATED_WITHIN`] at most, where the port is taken.
pub(crate) fn bind(
    address: SocketAddr,
    tcp: Option<&TcpLimits>,
    now: Instant,
) -> Result<(BatchSocket, Option<TcpSide>, SocketAddr), StartError> {
    let give_up = Instant::now() + VACATED_WITHIN;
    loop {
        match try_bind(address, tcp, now) {
            Err(StartError::Bind { source, .. })
                if source.kind() == io::ErrorKind::AddrInUse && address.port() != 0 && Instant::now() < give_up =>
            {
                std::thread::sleep(VACATED_STEP);
            }
            done => return done,
        }
    }
}

fn try_bind(
    address: SocketAddr,
    tcp: Option<&TcpLimits>,
    now: Instant,
) -> Result<(BatchSocket, Option<TcpSide>, SocketAddr), StartError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let failed = |protocol, address| move |source| StartError::Bind { address, protocol, source };
        let socket = BatchSocket::bind(address).map_err(failed("UDP", address))?;
        let bound = socket.local_addr().map_err(failed("UDP", address))?;
        let Some(limits) = tcp else { return Ok((socket, None, bound)) };
        match TcpSide::bind(bound, limits.clone(), now) {
            Ok(tcp) => return Ok((socket, Some(tcp), bound)),
            // Somebody else has the number for TCP: any other will do, if it was not asked for.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && address.port() == 0 && tries < TRIES_MAX => {}
            Err(error) => return Err(failed("TCP", bound)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c6_an_advertised_address_is_one_or_a_pair() {
        for text in ["203.0.113.5", "2001:db8::1", "203.0.113.5/10.0.0.5", "2001:db8::1/fd00::1"] {
            assert_eq!(text.parse::<Advertised>().unwrap().to_string(), text);
        }
        for text in ["", "/", "example.org", "203.0.113.5/", "203.0.113.5/24", "203.0.113.5/fd00::1", "1.2.3.4:5"] {
            let error = text.parse::<Advertised>().unwrap_err().to_string();
            assert!(error.contains("PUBLIC/LOCAL"), "{text:?}: {error}");
        }
    }

    #[test]
    fn c6_both_protocols_have_one_port_and_a_taken_one_is_said_plainly() {
        let now = Instant::now();
        let limits = TcpLimits::default();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (_socket, tcp, bound) = bind(any, Some(&limits), now).unwrap();
        assert!(tcp.is_some());
        assert!(std::net::TcpStream::connect(bound).is_ok(), "the same number");
        let refused = bind(bound, Some(&limits), now).err().unwrap().to_string();
        assert!(refused.contains(&bound.to_string()) && refused.contains("UDP"), "{refused}");
        // Taken for TCP alone.
        let other = std::net::TcpListener::bind(any).unwrap().local_addr().unwrap();
        let taken = std::net::TcpListener::bind(other).unwrap();
        let refused = bind(other, Some(&limits), now).err().unwrap().to_string();
        assert!(refused.contains("TCP") && refused.contains("media.tcp"), "{refused}");
        assert!(bind(other, None, now).is_ok(), "nobody minds without TCP");
        drop(taken);
    }

    #[test]
    fn c6_a_port_that_its_last_owner_is_about_to_leave_is_waited_for() {
        let limits = TcpLimits::default();
        let (socket, tcp, bound) = bind(SocketAddr::from(([127, 0, 0, 1], 0)), Some(&limits), Instant::now()).unwrap();
        let leaves = std::thread::spawn(move || {
            std::thread::sleep(VACATED_STEP * 3);
            drop((socket, tcp));
        });
        assert_eq!(bind(bound, Some(&limits), Instant::now()).unwrap().2, bound);
        leaves.join().unwrap();
    }
}
