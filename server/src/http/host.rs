//! The `Host` of a request: by which name it speaks to us.
//!
//! A page of another site can have its own name resolve to 127.0.0.1 (DNS rebinding) and then speak to a program on this
//! machine as its own origin. What it can not do is send another name than its own: so a demo on loopback, which asks for no
//! token, answers to names of this machine only.

use axum::http::Request;
use axum::http::header::HOST;
use std::net::{IpAddr, Ipv6Addr};

/// The names a listener answers to.
#[derive(Debug)]
pub(super) enum Hosts {
    /// Tokens or certificates decide.
    Any,
    /// Those of this machine, and these.
    Local { bound: IpAddr, also: Vec<String> },
}

impl Hosts {
    pub(super) fn local(bound: IpAddr, also: &[String]) -> Self {
        Self::Local { bound, also: also.iter().map(|host| without_port(host).to_owned()).collect() }
    }

    pub(super) fn has(&self, host: Option<&str>) -> bool {
        let Self::Local { bound, also } = self else { return true };
        let Some(name) = host.map(without_port) else { return false };
        let is_address = ip(name).is_some_and(|ip| ip.is_loopback() || ip == *bound);
        is_address
            || name.eq_ignore_ascii_case("localhost")
            || also.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// What the request says, if it is the name of a host at all.
pub(super) fn of<B>(request: &Request<B>) -> Option<&str> {
    let host = request.headers().get(HOST)?.to_str().ok()?;
    is_host(host).then_some(host)
}

/// Whether it can be written into a header or an address: a name or an address, and perhaps a port.
pub(crate) fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte))
}

/// What is before the port.
pub(super) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !is_bare_v6(host) => name,
        _ => host,
    }
}

/// `::1`: its last colon begins no port.
fn is_bare_v6(host: &str) -> bool {
    host.parse::<Ipv6Addr>().is_ok()
}

fn ip(name: &str) -> Option<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

/// Whether browsers may be told to come back by HTTPS alone (HSTS). An address they would not bind; a name of this machine or
/// of the local network they would, for every port and program there, and with no way past a certificate's warning.
pub(super) fn is_public_name(host: &str) -> bool {
    let name = without_port(host).to_ascii_lowercase();
    ip(&name).is_none() && name != "localhost" && !name.ends_with(".localhost") && !name.ends_with(".local")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a5_a_local_demo_answers_to_names_of_this_machine_only() {
        let hosts = Hosts::local("127.0.0.2".parse().unwrap(), &["calls.test:8443".to_owned()]);
        for name in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.0.0.2", "[::1]:80", "calls.test", "Calls.test:1"]
        {
            assert!(hosts.has(Some(name)), "{name}");
        }
        for name in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "192.168.1.1", "calls.test.evil", ""]
        {
            assert!(!hosts.has(Some(name)), "{name}");
        }
        assert!(!hosts.has(None));
        assert!(Hosts::Any.has(Some("evil.example")));
    }

    #[test]
    fn a_port_is_told_from_a_name() {
        assert_eq!(without_port("calls.example:8443"), "calls.example");
        assert_eq!(without_port("[::1]:8443"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
        assert_eq!(without_port("::1"), "::1");
    }

    #[test]
    fn only_a_public_name_is_bound_to_https() {
        assert!(is_public_name("calls.example.org:8443"));
        for host in ["localhost:8443", "192.168.1.5:8443", "[fe80::1]", "laptop.local", "x.localhost"] {
            assert!(!is_public_name(host), "{host}");
        }
    }
}
