//! Where media is bound, and which addresses clients are told, where the configuration says nothing of it.

use super::Config;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use tertulia_sfu::Advertised;

/// Addresses that are told without being configured. Each is a candidate in every answer, which every client tries.
const TOLD_MAX: usize = 8;
/// Interfaces that lead to containers and virtual machines of this machine only.
const INNER: [&str; 9] = ["docker", "br-", "virbr", "lxcbr", "lxdbr", "cni", "podman", "vmnet", "vboxnet"];

/// What this machine's interfaces say.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    /// The address from which it reaches others.
    pub(super) primary: Option<IpAddr>,
    /// Every address at which others may reach it.
    pub(super) all: Vec<IpAddr>,
}

impl Machine {
    /// This one.
    pub(super) fn look() -> Self {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let outer = interfaces.iter().filter(|interface| !INNER.iter().any(|name| interface.name.starts_with(name)));
        let all: Vec<IpAddr> = outer.map(if_addrs::Interface::ip).filter(is_reachable).collect();
        let primary = routed().or_else(|| all.iter().copied().find(IpAddr::is_ipv4)).or_else(|| all.first().copied());
        Self { primary, all }
    }

    /// What clients are told if media is bound to all addresses of `bind`'s family, or of both (`::`).
    fn told(&self, bind: IpAddr) -> Vec<IpAddr> {
        let mut told: Vec<IpAddr> = Vec::new();
        let fits = |ip: &&IpAddr| bind.is_ipv6() || ip.is_ipv4();
        let ipv4_first = self.all.iter().filter(|ip| ip.is_ipv4()).chain(self.all.iter().filter(|ip| ip.is_ipv6()));
        for ip in self.primary.iter().chain(ipv4_first).filter(fits) {
            if !told.contains(ip) && told.len() < TOLD_MAX {
                told.push(*ip);
            }
        }
        told
    }
}

/// At which IPv4 addresses others may reach this machine, that of the default route first.
pub(crate) fn own_addresses() -> Vec<IpAddr> {
    Machine::look().told(Ipv4Addr::UNSPECIFIED.into())
}

impl Config {
    /// Where to bind, and what to tell clients.
    ///
    /// A demo on loopback tells loopback too: Chromium takes it, Firefox takes no loopback candidate at all, so it needs
    /// an address of the machine. Beyond loopback media is where HTTP is; on loopback without a demo (a proxy is in
    /// front, or nothing yet) it stays on loopback until the operator says more.
    pub(super) fn media_addresses(&self, machine: impl Fn() -> Machine) -> anyhow::Result<(IpAddr, Vec<Advertised>)> {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let local_demo = self.is_demo() && self.http.listen.ip().is_loopback();
        let bind = self.media.bind_ip.unwrap_or_else(|| match () {
            () if local_demo => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            () if self.http.listen.ip().is_loopback() => loopback,
            () => self.http.listen.ip(),
        });
        if !self.media.advertise.is_empty() {
            return Ok((bind, self.media.advertise.clone()));
        }
        if !bind.is_unspecified() {
            return Ok((bind, vec![bind.into()]));
        }
        let mut told = machine().told(bind);
        if local_demo {
            told.insert(0, loopback);
        }
        if told.is_empty() {
            anyhow::bail!(
                "this machine has no address but loopback: say in media.advertise which one clients are told"
            );
        }
        Ok((bind, told.into_iter().map(Advertised::from).collect()))
    }
}

/// An address that others may send to: of this machine, and not of one link alone.
fn is_reachable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

/// That of the default route.
fn routed() -> Option<IpAddr> {
    // Connecting a UDP socket sends nothing; it only asks for the route (192.0.2.0/24 is for documentation, RFC 5737).
    let address = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    address.map(|address| address.ip()).ok().filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
}

/// `Advertised` as text, in configuration files.
pub(super) mod text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use tertulia_sfu::Advertised;

    pub(in crate::config) fn serialize<S: Serializer>(told: &[Advertised], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(told.iter().map(ToString::to_string))
    }

    pub(in crate::config) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<Advertised>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 7, 9));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));
    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    fn v6(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn addresses(text: &str, primary: Option<IpAddr>) -> anyhow::Result<(IpAddr, Vec<IpAddr>)> {
        of_machine(text, &Machine { primary, all: primary.into_iter().collect() })
    }

    fn of_machine(text: &str, machine: &Machine) -> anyhow::Result<(IpAddr, Vec<IpAddr>)> {
        let (bind, told) = Config::parse(text, []).unwrap().media_addresses(|| machine.clone())?;
        assert!(told.iter().all(|told| told.local.is_none()));
        Ok((bind, told.into_iter().map(|told| told.public).collect()))
    }

    #[test]
    fn a_demo_on_loopback_tells_loopback_and_the_machines_own_address() {
        assert_eq!(addresses("", Some(LAN)).unwrap(), (ANY, vec![LOOPBACK, LAN]));
        assert_eq!(addresses("", None).unwrap(), (ANY, vec![LOOPBACK]));
    }

    #[test]
    fn without_a_demo_media_stays_on_loopback() {
        assert_eq!(addresses("demo = false", Some(LAN)).unwrap(), (LOOPBACK, vec![LOOPBACK]));
    }

    #[test]
    fn beyond_loopback_media_is_where_http_is() {
        let specific = "demo = true\nhttp.listen = \"192.168.7.9:80\"\nhttp.trusted_proxies = [\"192.168.7.1\"]";
        assert_eq!(addresses(specific, None).unwrap(), (LAN, vec![LAN]));
        let any = "demo = true\nhttp.listen = \"0.0.0.0:80\"\nhttp.trusted_proxies = [\"192.168.7.1\"]";
        assert_eq!(addresses(any, Some(LAN)).unwrap(), (ANY, vec![LAN]));
        assert!(addresses(any, None).unwrap_err().to_string().contains("media.advertise"));
    }

    #[test]
    fn c6_bound_to_all_every_usable_address_is_told_the_routes_own_first() {
        let (global, private) = (v6("2001:db8::7"), v6("fd00::7"));
        let machine = Machine { primary: Some(LAN), all: vec![global, OTHER, LAN, private] };
        let ipv4 = "demo = false\nmedia.bind_ip = \"0.0.0.0\"";
        assert_eq!(of_machine(ipv4, &machine).unwrap(), (ANY, vec![LAN, OTHER]));
        let both = "demo = false\nmedia.bind_ip = \"::\"";
        assert_eq!(of_machine(both, &machine).unwrap(), (v6("::"), vec![LAN, OTHER, global, private]));
        let many = Machine { primary: Some(LAN), all: (0..99).map(|n| IpAddr::from([10, 0, 0, n])).collect() };
        assert_eq!(of_machine(ipv4, &many).unwrap().1.len(), TOLD_MAX);
    }

    #[test]
    fn c6_addresses_of_one_link_are_not_told() {
        let reachable = |text: &str| is_reachable(&text.parse().unwrap());
        for text in ["10.1.2.3", "203.0.113.5", "2001:db8::1", "fd00::1"] {
            assert!(reachable(text), "{text}");
        }
        for text in ["127.0.0.1", "127.3.0.1", "169.254.1.1", "::1", "fe80::1", "0.0.0.0", "::"] {
            assert!(!reachable(text), "{text}");
        }
    }

    #[test]
    fn c6_what_is_configured_is_what_is_told() {
        let text = "media.bind_ip = \"0.0.0.0\"\nmedia.advertise = [\"203.0.113.5/10.0.0.5\", \"2001:db8::1\"]";
        let (_, told) = Config::parse(text, []).unwrap().media_addresses(Machine::default).unwrap();
        assert_eq!(addresses("media.bind_ip = \"192.168.7.9\"", None).unwrap(), (LAN, vec![LAN]));
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["203.0.113.5/10.0.0.5", "2001:db8::1"]);
    }
}
