//! Where a browser wants its pushes, and which places are allowed.

use crate::sealed::{AUTH_BYTES, POINT_BYTES};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use reqwest::Url;
use std::fmt;

/// The longest endpoint. Those of today's services have 150 to 500 bytes.
const ENDPOINT_BYTES_MAX: usize = 1_024;

/// Base64url, with and without padding: browsers and libraries write both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where pushes may go: host names, `*.` before one for all below it, a port after a colon. A server that sent wherever its
/// clients say would reach into its own network for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Default for Hosts {
    /// The push services of Chrome and its kin, Firefox, Edge and Safari.
    fn default() -> Self {
        let known = ["fcm.googleapis.com", "*.push.services.mozilla.com", "*.notify.windows.com", "*.push.apple.com"];
        Self(known.map(str::to_owned).into())
    }
}

impl Hosts {
    /// These.
    #[must_use]
    pub fn new(hosts: Vec<String>) -> Self {
        Self(hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect())
    }

    /// As they were given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// By HTTPS; in plain only to a loopback address that is named with its port.
    fn allow(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let with_port = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let loopback = matches!(host, "127.0.0.1" | "[::1]") && url.port().is_some();
        let secure = url.scheme() == "https" || (url.scheme() == "http" && loopback);
        secure && self.0.iter().any(|allowed| is_below(&with_port, allowed))
    }
}

fn is_below(host: &str, allowed: &str) -> bool {
    match allowed.strip_prefix("*.") {
        Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => host == allowed,
    }
}

/// Why a subscription is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The endpoint is none, or goes where pushes may not go.
    #[error("the endpoint is not one of a push service that is allowed")]
    Endpoint,
    /// The keys are none.
    #[error("the keys are not those of a subscription")]
    Keys,
}

/// A browser's subscription. No `Debug`: whoever knows the endpoint and the keys can send to the browser.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_debug_implementations, reason = "it is a secret")]
pub struct Subscription {
    pub(crate) endpoint: Url,
    pub(crate) key: [u8; POINT_BYTES],
    pub(crate) auth: [u8; AUTH_BYTES],
}

impl Subscription {
    /// As a browser gives it: `endpoint`, and `p256dh` and `auth` in base64url.
    ///
    /// # Errors
    /// If it is none, or goes where it may not.
    pub fn parse(endpoint: &str, p256dh: &str, auth: &str, hosts: &Hosts) -> Result<Self, Refused> {
        let url: Url = endpoint.parse().map_err(|_| Refused::Endpoint)?;
        let plain = url.username().is_empty() && url.password().is_none();
        if endpoint.len() > ENDPOINT_BYTES_MAX || !plain || !hosts.allow(&url) {
            return Err(Refused::Endpoint);
        }
        let key: [u8; POINT_BYTES] = decode(p256dh)?;
        // Uncompressed; that it is on the curve shows when it is used.
        if key[0] != 4 {
            return Err(Refused::Keys);
        }
        Ok(Self { endpoint: url, key, auth: decode(auth)? })
    }

    /// The endpoint as it is kept.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_str()
    }

    /// Scheme, host and port: what a push service is called in tokens and logs.
    pub(crate) fn origin(&self) -> String {
        self.endpoint.origin().ascii_serialization()
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], Refused> {
    // Longer than any: not even looked at.
    if text.len() > 2 * POINT_BYTES {
        return Err(Refused::Keys);
    }
    BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(Refused::Keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    fn parse(endpoint: &str) -> Result<(), Refused> {
        let hosts = ["push.example.net", "*.notify.example.com", "127.0.0.1:9000"].map(str::to_owned);
        Subscription::parse(endpoint, KEY, AUTH, &Hosts::new(hosts.into())).map(|_| ())
    }

    #[test]
    fn m20_pushes_go_to_allowed_services_and_nowhere_else() {
        for endpoint in
            ["https://push.example.net/a?b", "https://eu.notify.example.com/x", "http://127.0.0.1:9000/push/1"]
        {
            assert_eq!(parse(endpoint), Ok(()), "{endpoint}");
        }
        for endpoint in [
            "http://push.example.net/a",
            "https://push.example.net:8443/a",
            "https://push.example.net.evil.org/a",
            "https://evil.org/push.example.net",
            "https://notify.example.com/x",
            "https://evilnotify.example.com/x",
            "https://.notify.example.com/x",
            "https://a:b@push.example.net/a",
            "http://127.0.0.1:9001/push",
            "http://127.0.0.1/push",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "file:///etc/passwd",
            "nonsense",
            "",
        ] {
            assert_eq!(parse(endpoint), Err(Refused::Endpoint), "{endpoint}");
        }
        assert_eq!(parse(&format!("https://push.example.net/{}", "x".repeat(1_024))), Err(Refused::Endpoint));
    }

    #[test]
    fn m20_what_is_no_key_is_refused() {
        let hosts = Hosts::new(vec!["push.example.net".to_owned()]);
        let parse = |key: &str, auth: &str| Subscription::parse("https://push.example.net/", key, auth, &hosts).err();
        assert_eq!(parse(KEY, AUTH), None);
        assert_eq!(parse(&format!("{KEY}="), &format!("{AUTH}==")), None, "padded");
        for (key, auth) in [("", AUTH), (KEY, ""), (AUTH, AUTH), (KEY, KEY), ("%", AUTH), (&KEY[1..], AUTH)] {
            assert_eq!(parse(key, auth), Some(Refused::Keys), "{key} {auth}");
        }
        let compressed = format!("A{}", &KEY[1..]);
        assert_eq!(parse(&compressed, AUTH), Some(Refused::Keys));
    }
}
