//! The section `[tls]`, and what it has to do with where people connect: nothing is spoken in plain beyond this machine.

use super::Config;
use anyhow::bail;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// HTTPS by ourselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cert_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redirect_listen: Option<SocketAddr>,
    pub(crate) handshake_timeout_ms: u64,
    pub(crate) handshakes_per_address_per_s: u32,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            cert_file: None,
            key_file: None,
            redirect_listen: None,
            handshake_timeout_ms: 10_000,
            handshakes_per_address_per_s: 50,
        }
    }
}

impl Tls {
    /// The files of the certificate chain and of its key, if TLS is on.
    pub(crate) fn files(&self) -> Option<(&Path, &Path)> {
        self.cert_file.as_deref().zip(self.key_file.as_deref())
    }

    fn check(&self) -> anyhow::Result<()> {
        match (&self.cert_file, &self.key_file) {
            (Some(_), None) => bail!("tls.cert_file needs tls.key_file: the private key of the certificate (PEM)"),
            (None, Some(_)) => bail!("tls.key_file needs tls.cert_file: the certificate and those above it (PEM)"),
            (None, None) if self.redirect_listen.is_some() => {
                bail!("tls.redirect_listen sends people on to https, which tls.cert_file and tls.key_file turn on")
            }
            _ => Ok(()),
        }
    }
}

impl Config {
    /// Whether people reach it from other machines, by themselves or through a proxy.
    pub(crate) fn is_reached_from_outside(&self) -> bool {
        !self.http.listen.ip().is_loopback() || !self.http.trusted_proxies.0.is_empty()
    }

    pub(super) fn check_tls(&self) -> anyhow::Result<()> {
        self.tls.check()?;
        let listen = self.http.listen;
        if !listen.ip().is_loopback() && self.tls.files().is_none() && self.http.trusted_proxies.0.is_empty() {
            bail!(
                "http.listen is {listen}, beyond this machine, without TLS: tokens could be read on the way, and browsers \
                 give no camera to such pages. Either set tls.cert_file and tls.key_file, or put a proxy with HTTPS in \
                 front and say its address in http.trusted_proxies, or listen on loopback. To try it on a network at home, \
                 start `tertulia run --lan`: it makes a certificate itself"
            );
        }
        if let Some(host) = self.http.public_hosts.iter().find(|host| !is_host(host)) {
            bail!("http.public_hosts: {host:?} is no host name; write it as in calls.example.org, or with :port");
        }
        if let Some(origin) = self.http.allowed_origins.iter().find(|origin| !is_origin(origin)) {
            bail!(
                "http.allowed_origins: {origin:?} is no origin, so no page would match it; write it as a browser does: \
                 https://app.example.org, no slash at the end, or \"*\" for all"
            );
        }
        Ok(())
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte))
}

fn is_origin(origin: &str) -> bool {
    origin == "*" || origin.split_once("://").is_some_and(|(scheme, host)| !scheme.is_empty() && is_host(host))
}

/// Networks, written as `10.0.0.0/8`, or as one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Networks(pub(crate) Vec<IpNet>);

impl Networks {
    /// Whether the address is of one of them. An IPv4 address in IPv6's clothes counts as IPv4.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let network = |text: &String| {
            text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                serde::de::Error::custom(format!("{text:?} is no network: write it as in 10.0.0.0/8 or 10.0.0.1"))
            })
        };
        Vec::<String>::deserialize(deserializer)?.iter().map(network).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", Config::parse(text, []).expect_err("must be refused"))
    }

    const BEYOND: &str = "demo = true\nhttp.listen = \"0.0.0.0:443\"\n";

    #[test]
    fn a5_beyond_this_machine_it_needs_tls_or_a_proxy_that_has_it() {
        let refused = error(BEYOND);
        for way in ["tls.cert_file", "http.trusted_proxies", "loopback", "--lan"] {
            assert!(refused.contains(way), "{refused}");
        }
        let proxy = Config::parse(&format!("{BEYOND}http.trusted_proxies = [\"10.0.0.0/8\", \"::1\"]"), []).unwrap();
        assert!(proxy.http.trusted_proxies.contain("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!proxy.http.trusted_proxies.contain("11.0.0.1".parse().unwrap()));
        assert!(Config::parse(&format!("{BEYOND}[tls]\ncert_file = \"c\"\nkey_file = \"k\""), []).is_ok());
    }

    #[test]
    fn a5_half_a_pair_is_named() {
        assert!(error("[tls]\ncert_file = \"c\"").contains("tls.key_file"));
        assert!(error("[tls]\nkey_file = \"k\"").contains("tls.cert_file"));
        assert!(error("[tls]\nredirect_listen = \"0.0.0.0:80\"").contains("tls.cert_file"));
        let variables = [("TERTULIA_TLS__CERT_FILE", "/c.pem"), ("TERTULIA_TLS__KEY_FILE", "/k.pem")];
        let config = Config::parse("", variables.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
        assert_eq!(config.tls.files(), Some((Path::new("/c.pem"), Path::new("/k.pem"))));
    }

    #[test]
    fn what_would_match_nothing_is_named() {
        assert!(error("http.trusted_proxies = [\"proxy\"]").contains("\"proxy\" is no network"));
        assert!(error("http.public_hosts = [\"https://calls.example.org/\"]").contains("http.public_hosts"));
        assert!(error("http.allowed_origins = [\"https://app.example.org/\"]").contains("http.allowed_origins"));
        assert!(Config::parse("http.allowed_origins = [\"*\", \"https://app.example.org:8443\"]", []).is_ok());
    }

    #[test]
    fn a_demo_behind_a_proxy_is_on_only_if_it_is_set() {
        let proxy = "http.trusted_proxies = [\"127.0.0.1\"]";
        assert!(error(proxy).contains("demo = true"));
        assert!(Config::parse(&format!("demo = true\n{proxy}"), []).unwrap().is_demo());
    }
}
