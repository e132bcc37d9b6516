//! Who is asking, and whether nobody on the way could listen.
//!
//! Invariant: what a request says of itself (`X-Forwarded-For`, `X-Forwarded-Proto`) counts only where the connection comes
//! from a proxy that the operator trusts. From anyone else it is text, and the connection's own address is the client.

use crate::config::Networks;
use axum::http::{HeaderMap, HeaderName};
use std::net::{IpAddr, SocketAddr};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// TLS, ended here.
    Tls,
    /// Plain HTTP.
    Plain,
    /// Plain HTTP at a door that takes TLS only.
    PlainAtTls,
}

/// A connection's two facts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) remote: SocketAddr,
    pub(super) wire: Wire,
}

/// How a request came, from its client to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By HTTPS, at least to the trusted proxy.
    Secure,
    /// In plain, and never beyond this machine.
    Local,
    /// In plain over a network, to a trusted proxy.
    PlainToProxy,
    /// In plain over a network, to us.
    Plain,
}

/// The client's address and the way of the request. Of a client behind a proxy the port is not known: it is 0.
pub(super) fn client(arrival: Arrival, headers: &HeaderMap, trusted: &Networks) -> (SocketAddr, Way) {
    let Arrival { remote, wire } = arrival;
    let peer = remote.ip().to_canonical();
    let itself = match wire {
        Wire::Tls => Way::Secure,
        Wire::Plain | Wire::PlainAtTls if peer.is_loopback() => Way::Local,
        Wire::Plain | Wire::PlainAtTls => Way::Plain,
    };
    if !trusted.contain(peer) {
        return (remote, itself);
    }
    let way = match last(headers, &FORWARDED_PROTO) {
        Some(proto) if proto.eq_ignore_ascii_case("https") || proto.eq_ignore_ascii_case("wss") => Way::Secure,
        Some(_) => Way::PlainToProxy,
        // A program on this machine, where a proxy may be too; nobody else is let off saying how it was spoken to.
        None if itself == Way::Local && !headers.contains_key(FORWARDED_FOR) => Way::Local,
        None => Way::PlainToProxy,
    };
    match forwarded_for(headers, trusted) {
        Some(client) => (SocketAddr::new(client, 0), way),
        None => (remote, way),
    }
}

/// The rightmost address that is not itself a trusted proxy's: each proxy adds at the right whom it heard, so all that is
/// left of it may be made up. If all are trusted, the first of them asks for itself.
fn forwarded_for(headers: &HeaderMap, trusted: &Networks) -> Option<IpAddr> {
    let mut found = None;
    for value in headers.get_all(FORWARDED_FOR).iter().rev() {
        // What can't be read ends the search: left of it is nobody's word.
        let Ok(text) = value.to_str() else { break };
        for entry in text.rsplit(',') {
            let Some(address) = address(entry.trim()) else { return found };
            found = Some(address);
            if !trusted.contain(address) {
                return found;
            }
        }
    }
    found
}

/// `1.2.3.4`, `2001:db8::1`, and as some proxies write them: with a port, in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let ip = text.parse::<IpAddr>().ok();
    let ip = ip.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    let ip = ip.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    ip.map(|ip| ip.to_canonical())
}

/// The last value of a list: the proxy next to us said it.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?;
    Some(value.to_str().unwrap_or_default().rsplit(',').next().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.9:4000";

    fn seen(remote: &str, wire: Wire, headers: &[(&'static str, &str)]) -> (String, Way) {
        let trusted = Networks(vec!["10.0.0.0/24".parse().unwrap(), "127.0.0.1/32".parse().unwrap()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let (client, way) = client(Arrival { remote: remote.parse().unwrap(), wire }, &map, &trusted);
        (client.ip().to_string(), way)
    }

    #[test]
    fn a5_nobody_but_a_trusted_proxy_is_believed() {
        let spoofed = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https")];
        assert_eq!(seen("203.0.113.7:1", Wire::Plain, &spoofed), ("203.0.113.7".to_owned(), Way::Plain));
        assert_eq!(seen("203.0.113.7:1", Wire::Tls, &spoofed), ("203.0.113.7".to_owned(), Way::Secure));
        assert_eq!(seen("[::1]:1", Wire::Plain, &spoofed), ("::1".to_owned(), Way::Local));
        assert_eq!(seen(PROXY, Wire::Plain, &spoofed), ("1.1.1.1".to_owned(), Way::Secure));
        assert_eq!(seen("[::ffff:10.0.0.9]:1", Wire::Plain, &spoofed), ("1.1.1.1".to_owned(), Way::Secure));
    }

    #[test]
    fn a5_what_the_client_made_up_is_left_of_what_the_proxy_heard() {
        let client = |chain: &str| seen(PROXY, Wire::Plain, &[("x-forwarded-for", chain)]).0;
        assert_eq!(client("6.6.6.6, 203.0.113.7"), "203.0.113.7");
        assert_eq!(client("6.6.6.6, 203.0.113.7, 10.0.0.3"), "203.0.113.7", "through two proxies");
        assert_eq!(client("6.6.6.6, nonsense, 10.0.0.3"), "10.0.0.3", "left of nonsense is nobody's word");
        assert_eq!(client("10.0.0.4, 10.0.0.3"), "10.0.0.4");
        assert_eq!(client("203.0.113.7:5555"), "203.0.113.7");
        assert_eq!(client("[2001:db8::7]:5555"), "2001:db8::7");
        assert_eq!(client(""), "10.0.0.9");
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(seen(PROXY, Wire::Plain, &lines).0, "203.0.113.7", "lines are one list");
    }

    #[test]
    fn a5_a_proxy_that_does_not_say_https_was_spoken_to_in_plain() {
        let way = |headers: &[(&'static str, &str)]| seen(PROXY, Wire::Plain, headers).1;
        assert_eq!(way(&[]), Way::PlainToProxy);
        assert_eq!(way(&[("x-forwarded-proto", "http")]), Way::PlainToProxy);
        assert_eq!(way(&[("x-forwarded-proto", "https, http")]), Way::PlainToProxy, "the client wrote the first");
        assert_eq!(way(&[("x-forwarded-proto", "HTTPS")]), Way::Secure);
        let over_tls = seen(PROXY, Wire::Tls, &[("x-forwarded-proto", "http")]);
        assert_eq!(over_tls.1, Way::PlainToProxy);
        // On this machine, a program that is no proxy.
        assert_eq!(seen("127.0.0.1:9", Wire::Plain, &[]).1, Way::Local);
        assert_eq!(seen("127.0.0.1:9", Wire::Plain, &[("x-forwarded-for", "1.1.1.1")]).1, Way::PlainToProxy);
    }
}
