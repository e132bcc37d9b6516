//! Whether people get here: the addresses that media is told at, the relay for those whom nothing else lets through, and who
//! may sign in.

use super::finding::Finding;
use crate::config::Config;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

/// How long a relay may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where STUN and TURN are unless said otherwise (RFC 8489 §18.6).
const STUN_PORT: u16 = 3_478;
/// RFC 8489 §5.
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What came of a question to a STUN or TURN server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Came,
    /// Its name leads nowhere.
    NoName,
    Silence,
    /// It is asked for by TCP or TLS alone, which is not tried.
    NotTried,
}

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let from_outside = config.is_reached_from_outside();
    let mut findings = Vec::new();
    if let Ok(sfu) = config.sfu() {
        let ours: Vec<IpAddr> =
            if_addrs::get_if_addrs().unwrap_or_default().iter().map(if_addrs::Interface::ip).collect();
        let told: Vec<Told> =
            sfu.advertise.iter().map(|told| Told { public: told.public, local: told.local }).collect();
        findings.extend(told.iter().filter_map(|told| address(*told, &ours, from_outside)));
        if told.iter().all(|told| told.public.is_loopback()) && from_outside {
            let todo = "say in media.advertise what clients reach: media.advertise = [\"203.0.113.5\"]";
            findings.push(Finding::problem(
                "media",
                "clients are told loopback addresses only: no call gets media",
                todo,
            ));
        }
    }
    let urls: Vec<&str> = config.ice_servers.iter().flat_map(|server| server.urls.iter().map(String::as_str)).collect();
    findings.extend(relays(&urls, from_outside));
    if config.ice_servers.iter().any(|server| server.credential.is_some()) {
        findings.push(fixed_credentials());
    }
    findings.extend(urls.iter().map(|url| relay(url, &ask(url))));
    findings.extend(config.accounts.webhook_host().map(|host| webhook(&host, reaches(&host))));
    findings.push(demo(config.is_demo(), from_outside));
    findings
}

// === Addresses ===

#[derive(Clone, Copy, Debug)]
struct Told {
    public: IpAddr,
    local: Option<IpAddr>,
}

fn address(told: Told, ours: &[IpAddr], from_outside: bool) -> Option<Finding> {
    let Told { public, local } = told;
    if let Some(local) = local.filter(|local| !ours.contains(local)) {
        let says = format!("media.advertise has {public}/{local}, but {local} is not of this machine");
        return Some(Finding::problem("media", says, "see which addresses it has: ip -brief address"));
    }
    if public.is_loopback() {
        return None;
    }
    if ours.contains(&public) && from_outside && is_private(public) {
        let says = format!("clients are told {public}, which is of a private network: nobody outside it gets media");
        let todo = "on the internet: media.advertise = [\"PUBLIC/PRIVATE\"], and forward the ports; in this network alone: nothing";
        return Some(Finding::warning("media", says, todo));
    }
    if ours.contains(&public) {
        return Some(Finding::ok("media", format!("clients are told {public}, which is of this machine")));
    }
    let says = format!("clients are told {public}, which is not of this machine: right if a NAT hands it on");
    let todo = "see that the NAT forwards the media ports unchanged, UDP and TCP: one for each shard, from media.port";
    Some(Finding::warning("media", says, todo))
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        // RFC 1918, and what carriers have behind their NAT (RFC 6598).
        IpAddr::V4(ip) => ip.is_private() || ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64,
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

// === The relay ===

fn relays(urls: &[&str], from_outside: bool) -> Option<Finding> {
    let has = |scheme: &str| urls.iter().any(|url| url.starts_with(scheme));
    if !from_outside || has("turns:") {
        return None;
    }
    if has("turn:") {
        let says = "the relay is offered without TLS: a few networks let nothing but TLS to port 443 through";
        let todo = "add turns:…:443?transport=tcp to [[ice_servers]] (deploy/coturn/turnserver.conf shows it)";
        return Some(Finding::warning("relay", says, todo));
    }
    let says = "no TURN server: people behind the strictest networks (some offices, hotels) get no media";
    Some(Finding::warning("relay", says, "set one up: deploy/coturn/turnserver.conf, and [[ice_servers]]"))
}

fn fixed_credentials() -> Finding {
    let says = "the relay's credentials are the same for everyone and never end: who has them relays at your cost";
    Finding::warning("relay", says, "use-auth-secret in coturn, and secret_file in [[ice_servers]] in place of them")
}

/// The host and port of `turn:host:port?transport=udp`, if UDP reaches it.
fn udp_host(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once(':')?;
    let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !["stun", "turn"].contains(&scheme) || query == "transport=tcp" {
        return None;
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') && (!name.contains(':') || name.ends_with(']')) => {
            Some((name.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
        }
        _ => Some((host.trim_matches(['[', ']']).to_owned(), STUN_PORT)),
    }
}

fn ask(url: &str) -> Answer {
    let Some(host) = udp_host(url) else { return Answer::NotTried };
    let Some(address) = host.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()) else {
        return Answer::NoName;
    };
    if binding(address).is_ok_and(|answered| answered) { Answer::Came } else { Answer::Silence }
}

/// One STUN binding request (RFC 8489 §2), and whether something answers that speaks STUN.
fn binding(server: SocketAddr) -> std::io::Result<bool> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut request = [0; 20];
    request[1] = 1;
    request[4..8].copy_from_slice(&MAGIC);
    request[8..].copy_from_slice(b"doctor looks");
    socket.send(&request)?;
    let mut answer = [0; 512];
    let count = socket.recv(&mut answer)?;
    Ok(count >= 20 && answer[4..20] == request[4..])
}

fn relay(url: &str, answer: &Answer) -> Finding {
    match answer {
        Answer::Came => Finding::ok("relay", format!("{url} answers")),
        Answer::NotTried => Finding::ok("relay", format!("{url} is offered (by TCP or TLS, which is not tried here)")),
        Answer::NoName => {
            Finding::problem("relay", format!("{url}: the name leads nowhere"), "correct [[ice_servers]], or the DNS")
        }
        Answer::Silence => Finding::problem(
            "relay",
            format!("{url} does not answer"),
            "see that it runs (systemctl status coturn) and that the firewall lets UDP to it through",
        ),
    }
}

// === The sender of PINs ===

fn reaches(host: &str) -> bool {
    let address = host.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    address.is_some_and(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
}

fn webhook(host: &str, reached: bool) -> Finding {
    if reached {
        return Finding::ok("PINs", format!("{host}, which sends them, is there"));
    }
    let says = format!("{host}, which sends them, can't be reached: nobody can register");
    Finding::problem("PINs", says, "see that it runs, and that accounts.webhook_url is right")
}

// === Who may sign in ===

fn demo(demo: bool, from_outside: bool) -> Finding {
    match (demo, from_outside) {
        (true, true) => Finding::warning(
            "sign-in",
            "this is a demo that others reach: whoever does signs in under any name, and sees everyone",
            "demo = false, with accounts or [[api_keys]]; or see that only people you trust reach it",
        ),
        (true, false) => Finding::ok("sign-in", "a demo, on this machine alone"),
        (false, _) => Finding::ok("sign-in", "nobody gets in with a name alone"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn told(public: &str, ours: &[&str], from_outside: bool) -> Option<Level> {
        let (public, local) = public.split_once('/').map_or((public, None), |(public, local)| (public, Some(local)));
        let told = Told { public: public.parse().unwrap(), local: local.map(|ip| ip.parse().unwrap()) };
        let ours: Vec<IpAddr> = ours.iter().map(|ip| ip.parse().unwrap()).collect();
        address(told, &ours, from_outside).map(|finding| finding.level)
    }

    #[test]
    fn c6_an_address_that_clients_are_told_is_of_this_machine_or_a_nat_hands_it_on() {
        let ours = ["127.0.0.1", "10.0.0.5", "198.51.100.7"];
        assert_eq!(told("198.51.100.7", &ours, true), Some(Level::Ok));
        assert_eq!(told("10.0.0.5", &ours, true), Some(Level::Warning), "private");
        assert_eq!(told("10.0.0.5", &ours, false), Some(Level::Ok));
        assert_eq!(told("203.0.113.5", &ours, true), Some(Level::Warning), "behind NAT");
        assert_eq!(told("203.0.113.5/10.0.0.5", &ours, true), Some(Level::Warning));
        assert_eq!(told("203.0.113.5/10.0.0.6", &ours, true), Some(Level::Problem));
        assert_eq!(told("127.0.0.1", &ours, true), None);
    }

    #[test]
    fn c6_a_relay_is_missed_where_people_come_from_outside() {
        assert_eq!(relays(&[], false), None);
        assert!(relays(&["stun:a"], true).unwrap().says.contains("no TURN"));
        assert!(relays(&["turn:a"], true).unwrap().says.contains("without TLS"));
        assert_eq!(relays(&["turn:a", "turns:a:443?transport=tcp"], true), None);
    }

    #[test]
    fn c6_where_a_relay_is_asked_is_read_from_its_url() {
        let host = |name: &str, port| Some((name.to_owned(), port));
        assert_eq!(udp_host("turn:t.example.org:3479?transport=udp"), host("t.example.org", 3_479));
        assert_eq!(udp_host("stun:t.example.org"), host("t.example.org", 3_478));
        assert_eq!(udp_host("turn:[2001:db8::1]:5000"), host("2001:db8::1", 5_000));
        assert_eq!(udp_host("turn:[2001:db8::1]"), host("2001:db8::1", 3_478));
        for other in ["turn:t.example.org?transport=tcp", "turns:t.example.org", "nonsense", "turn:a:99999"] {
            assert_eq!(udp_host(other), None, "{other}");
        }
    }

    #[test]
    fn c6_a_relay_that_answers_is_told_from_one_that_does_not() {
        let server = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let address = server.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let mut request = [0; 20];
            let (count, from) = server.recv_from(&mut request).unwrap();
            assert_eq!((count, request[1]), (20, 1));
            request[0] = 1; // binding success
            server.send_to(&request, from).unwrap();
        });
        assert_eq!(ask(&format!("stun:{address}")), Answer::Came);
        answering.join().unwrap();
        // Nobody is there now: the kernel says so at once.
        assert_eq!(ask(&format!("stun:{address}")), Answer::Silence);
        assert_eq!(relay("turn:x", &Answer::Silence).level, Level::Problem);
        assert_eq!(relay("turn:x", &Answer::NoName).level, Level::Problem);
        assert_eq!(relay("turn:x", &Answer::Came).level, Level::Ok);
    }

    #[test]
    fn a1_a_sender_of_pins_that_is_not_there_is_a_problem() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        assert!(reaches(&host));
        drop(listener);
        assert!(!reaches(&host));
        assert_eq!((webhook("x", true).level, webhook("x", false).level), (Level::Ok, Level::Problem));
    }

    #[test]
    fn s8_a_demo_that_others_reach_is_warned_of() {
        assert_eq!(demo(true, true).level, Level::Warning);
        assert_eq!(demo(true, false).level, Level::Ok);
        assert_eq!(demo(false, true).level, Level::Ok);
    }
}
