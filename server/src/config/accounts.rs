//! The section `[accounts]`: registration by phone number, and how PINs are sent.

use super::Config;
use super::sections::Secret;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tertulia_push::Webhook;
use tertulia_signaling::{AccountLimits, AccountsConfig, PhoneSignIn};

/// Accounts of this server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Accounts {
    pub(super) phone: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// Absent: the log, where nobody else reaches the server or it is a demo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pin_sender: Option<PinSender>,
    /// It may carry a key of the carrier's.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secret: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secret_file: Option<PathBuf>,
    limits: AccountLimits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PinSender {
    Console,
    Webhook,
}

impl Config {
    /// Whether it holds together; reads no file.
    pub(super) fn check_accounts(&self) -> anyhow::Result<()> {
        let accounts = &self.accounts;
        accounts.limits.check().map_err(anyhow::Error::msg).context("[accounts.limits]")?;
        accounts.region()?;
        if accounts.phone {
            self.pin_sender()?;
        }
        Ok(())
    }

    fn pin_sender(&self) -> anyhow::Result<PinSender> {
        match self.accounts.pin_sender {
            Some(sender) => Ok(sender),
            None if self.accounts.webhook_url.is_some() => Ok(PinSender::Webhook),
            None if self.is_demo() || !self.is_reached_from_outside() => Ok(PinSender::Console),
            None => bail!(
                "accounts.phone is on, and others reach this server: say how PINs are sent. Either accounts.pin_sender = \
                 \"webhook\" with accounts.webhook_url, or \"console\" if whoever registers can read this server's log"
            ),
        }
    }

    /// What the gateway is told.
    pub(super) fn accounts(&self) -> anyhow::Result<AccountsConfig> {
        let accounts = &self.accounts;
        let limits = accounts.limits.clone();
        if !accounts.phone {
            return Ok(AccountsConfig { phone: None, limits });
        }
        let sender = match self.pin_sender()? {
            PinSender::Console => tertulia_signaling::PinSender::Console,
            PinSender::Webhook => tertulia_signaling::PinSender::Webhook(accounts.webhook()?),
        };
        Ok(AccountsConfig { phone: Some(PhoneSignIn { region: accounts.region()?, sender }), limits })
    }
}

impl Accounts {
    /// Where PINs are posted to, `host:port`, if they are. What else is in the address may be secret.
    pub(crate) fn webhook_host(&self) -> Option<String> {
        let url = &self.webhook_url.as_ref().filter(|_| self.phone && self.pin_sender != Some(PinSender::Console))?.0;
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?;
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let port = if scheme == "https" { 443 } else { 80 };
        Some(if has_port { host.to_owned() } else { format!("{host}:{port}") })
    }

    fn region(&self) -> anyhow::Result<Option<tertulia_signaling::Region>> {
        let region =
            self.region.as_ref().map(|region| region.parse().with_context(|| format!("accounts.region {region:?}")));
        region.transpose()
    }

    fn webhook(&self) -> anyhow::Result<Webhook> {
        let url = self.webhook_url.as_ref().context("accounts.webhook_url is missing")?;
        let secret =
            secret_of("accounts.webhook_secret", self.webhook_secret.as_ref(), self.webhook_secret_file.as_deref())?;
        Webhook::new(&url.0, secret).context("accounts.webhook_url and its secret")
    }
}

/// The secret of a webhook: given itself, or as a file.
pub(super) fn secret_of(name: &str, secret: Option<&Secret>, file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    match (secret, file) {
        (Some(secret), None) => Ok(secret.0.clone().into_bytes()),
        (None, Some(file)) => {
            let read = std::fs::read(file).with_context(|| format!("{name}_file {}", file.display()));
            Ok(read?.trim_ascii_end().to_vec())
        }
        _ => bail!("the webhook needs either {name} or {name}_file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOOK: &str = "webhook_url = \"https://sms.example.org/hush\"\nwebhook_secret = \"hush, sixteen bytes\"\n";

    fn phone(more: &str) -> Config {
        Config::parse(&format!("[accounts]\nphone = true\n{more}"), []).unwrap()
    }

    #[test]
    fn a1_registration_is_off_unless_it_is_set() {
        assert!(Config::parse("", []).unwrap().accounts().unwrap().phone.is_none());
        assert!(phone("").accounts().unwrap().phone.is_some());
    }

    #[test]
    fn a1_the_host_of_the_webhook_is_known_without_what_is_secret_in_its_address() {
        let host = |url: &str| {
            phone(&format!("webhook_url = \"{url}\"\nwebhook_secret = \"hush, sixteen bytes\"")).accounts.webhook_host()
        };
        assert_eq!(host("https://user:hush@sms.example.org/hush?key=hush").as_deref(), Some("sms.example.org:443"));
        assert_eq!(host("https://sms.example.org:8443").as_deref(), Some("sms.example.org:8443"));
        assert_eq!(host("http://[::1]:9/x").as_deref(), Some("[::1]:9"));
        assert_eq!(phone("pin_sender = \"console\"").accounts.webhook_host(), None);
    }

    #[test]
    fn a1_pins_go_to_the_log_only_where_nobody_else_reaches_the_server_or_it_is_said() {
        let sender = |config: Config| config.accounts().unwrap().phone.unwrap().sender;
        assert!(matches!(sender(phone("")), tertulia_signaling::PinSender::Console));
        assert!(matches!(sender(phone(HOOK)), tertulia_signaling::PinSender::Webhook(_)));

        let outside = "demo = false\nhttp.trusted_proxies = [\"10.0.0.1\"]\nhttp.listen = \"0.0.0.0:8080\"\n";
        let parse = |more: &str| Config::parse(&format!("{outside}[accounts]\nphone = true\n{more}"), []);
        let refused = format!("{:#}", parse("").unwrap_err());
        assert!(refused.contains("accounts.pin_sender"), "{refused}");
        assert!(matches!(sender(parse("pin_sender = \"console\"").unwrap()), tertulia_signaling::PinSender::Console));
        assert!(matches!(sender(parse(HOOK).unwrap()), tertulia_signaling::PinSender::Webhook(_)));
        // People can register: no API key is needed for somebody to sign in.
        let alone = format!("{}[accounts]\nphone = true\n{HOOK}", outside.trim_start_matches("demo = false\n"));
        assert!(!Config::parse(&alone, []).unwrap().is_demo());
    }

    #[test]
    fn what_is_missing_or_makes_no_sense_is_named() {
        for (text, name) in [
            ("pin_sender = \"webhook\"", "webhook_url"),
            ("webhook_url = \"https://sms.example.org\"", "webhook_secret"),
            ("webhook_url = \"http://sms.example.org\"\nwebhook_secret = \"sixteen bytes ok\"", "webhook_url"),
            ("webhook_url = \"https://x.org\"\nwebhook_secret_file = \"/nowhere\"", "/nowhere"),
        ] {
            let refused = format!("{:#}", phone(text).accounts().unwrap_err());
            assert!(refused.contains(name), "{refused}");
        }
        for (text, name) in [("region = \"Spain\"", "accounts.region"), ("limits.pin_tries = 0", "pin_tries")] {
            let refused = format!("{:#}", Config::parse(&format!("[accounts]\n{text}"), []).unwrap_err());
            assert!(refused.contains(name), "{refused}");
        }
    }

    #[test]
    fn no_secret_of_the_webhook_shows() {
        let config = phone(HOOK);
        let shown = format!("{config:?} {} {:?}", toml::to_string(&config).unwrap(), config.accounts().unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }
}
