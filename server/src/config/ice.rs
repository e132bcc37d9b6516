//! `[[ice_servers]]`: STUN and TURN servers, and with what clients are let in.

use super::Config;
use super::sections::Secret;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use tertulia_signaling::IceAccess;

/// Below this clients do little else than ask for new ones.
const TTL_MIN_S: u64 = 60;

/// A STUN or TURN server to tell clients of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IceServer {
    pub(crate) urls: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret_file: Option<PathBuf>,
    #[serde(default = "ttl_default_s")]
    pub(crate) ttl_s: u64,
}

fn ttl_default_s() -> u64 {
    12 * 3600
}

impl IceServer {
    fn check(&self) -> anyhow::Result<()> {
        if self.urls.is_empty() {
            bail!("urls is empty");
        }
        let known = ["stun:", "stuns:", "turn:", "turns:"];
        if let Some(url) = self.urls.iter().find(|url| !known.iter().any(|scheme| url.starts_with(scheme))) {
            bail!("{url:?} is no address of STUN or TURN: write it as in turn:turn.example.org:3478");
        }
        let shared = usize::from(self.secret.is_some()) + usize::from(self.secret_file.is_some());
        let fixed = self.username.is_some() || self.credential.is_some();
        if shared > 1 || (shared == 1 && fixed) {
            bail!("either secret, or secret_file, or username and credential");
        }
        if self.username.is_some() != self.credential.is_some() {
            bail!("username and credential go together");
        }
        if shared == 0 && !fixed && self.urls.iter().any(|url| url.starts_with("turn")) {
            bail!("TURN lets nobody in without credentials: set secret or secret_file (coturn's static-auth-secret)");
        }
        if self.ttl_s < TTL_MIN_S {
            bail!("ttl_s must be at least {TTL_MIN_S}");
        }
        Ok(())
    }

    fn access(&self) -> anyhow::Result<IceAccess> {
        let secret = match (&self.secret, &self.secret_file) {
            (Some(secret), _) => Some(secret.0.clone()),
            (None, Some(file)) => {
                Some(std::fs::read_to_string(file).with_context(|| file.display().to_string())?.trim_end().to_owned())
            }
            (None, None) => None,
        };
        match (secret, &self.username, &self.credential) {
            (Some(secret), ..) if secret.is_empty() => bail!("the secret is empty"),
            (Some(secret), ..) => Ok(IceAccess::Shared { secret, ttl: Duration::from_secs(self.ttl_s) }),
            (None, Some(username), Some(credential)) => {
                Ok(IceAccess::Fixed { username: username.clone(), credential: credential.0.clone() })
            }
            _ => Ok(IceAccess::Open),
        }
    }
}

impl Config {
    pub(super) fn check_ice_servers(&self) -> anyhow::Result<()> {
        self.ice_servers.iter().try_for_each(IceServer::check).context("[[ice_servers]]")
    }

    /// What the gateway is told of them; reads the files of their secrets.
    pub(crate) fn ice(&self) -> anyhow::Result<Vec<tertulia_signaling::IceServer>> {
        let server = |server: &IceServer| {
            Ok(tertulia_signaling::IceServer { urls: server.urls.clone(), access: server.access()? })
        };
        self.ice_servers.iter().map(server).collect::<anyhow::Result<_>>().context("[[ice_servers]]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &str) -> anyhow::Result<Config> {
        Config::parse(&format!("[[ice_servers]]\n{lines}"), [])
    }

    #[test]
    fn c6_a_relay_that_would_let_nobody_in_is_named() {
        for (lines, said) in [
            ("urls = []", "urls is empty"),
            ("urls = [\"turn.example.org\"]", "is no address of STUN or TURN"),
            ("urls = [\"turn:t\"]", "static-auth-secret"),
            ("urls = [\"turn:t\"]\nusername = \"u\"", "go together"),
            ("urls = [\"turn:t\"]\nsecret = \"s\"\nsecret_file = \"f\"", "either secret"),
            ("urls = [\"turn:t\"]\nsecret = \"s\"\nusername = \"u\"\ncredential = \"c\"", "either secret"),
            ("urls = [\"turn:t\"]\nsecret = \"s\"\nttl_s = 5", "ttl_s"),
        ] {
            let refused = format!("{:#}", parse(lines).expect_err(lines));
            assert!(refused.contains(said) && refused.contains("[[ice_servers]]"), "{lines}: {refused}");
        }
        assert!(parse("urls = [\"stun:s\"]").is_ok());
    }

    #[test]
    fn c6_a_secret_comes_from_here_or_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("turn.secret");
        let ice = || parse(&format!("urls = [\"turn:t\"]\nsecret_file = {file:?}\nttl_s = 600")).unwrap().ice();
        let missing = format!("{:#}", ice().unwrap_err());
        assert!(missing.contains("turn.secret"), "{missing}");
        std::fs::write(&file, "north wind\n").unwrap();
        let IceAccess::Shared { secret, ttl } = &ice().unwrap()[0].access else { panic!("it is shared") };
        assert_eq!((secret.as_str(), ttl.as_secs()), ("north wind", 600));
        std::fs::write(&file, "\n").unwrap();
        assert!(format!("{:#}", ice().unwrap_err()).contains("the secret is empty"));
    }
}
