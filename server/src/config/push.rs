//! The section `[push]`: waking devices that are not connected.

use super::Config;
use super::accounts::secret_of;
use super::keys::own_key;
use super::sections::Secret;
use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tertulia_push::{Hosts, Vapid, WebPush, Webhook};
use zeroize::Zeroizing;

/// The key that is made where none is configured.
const OWN_KEY: &str = "push.key";

/// Waking devices that are not connected.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Push {
    pub(crate) web: bool,
    after_s: u64,
    contact: String,
    hosts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<PathBuf>,
    /// It may carry a key of the carrier's.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secret: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secret_file: Option<PathBuf>,
}

impl Default for Push {
    fn default() -> Self {
        Self {
            web: true,
            after_s: 10,
            contact: "mailto:nobody@example.invalid".to_owned(),
            hosts: Hosts::default().iter().map(str::to_owned).collect(),
            key_file: None,
            webhook_url: None,
            webhook_secret: None,
            webhook_secret_file: None,
        }
    }
}

impl Push {
    /// Checks that the settings hold together; reads no file.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let contact = self.contact.starts_with("mailto:") || self.contact.starts_with("https://");
        ensure!(contact, "push.contact must begin with mailto: or https://");
        ensure!((1..=3_600).contains(&self.after_s), "push.after_s must be 1 to 3600");
        let named = self.webhook_url.is_some();
        let secret = self.webhook_secret.is_some() || self.webhook_secret_file.is_some();
        ensure!(named || !secret, "push.webhook_secret is there, and push.webhook_url is not");
        Ok(())
    }

    /// How long a message waits before its person is woken.
    pub(crate) fn after(&self) -> Duration {
        Duration::from_secs(self.after_s)
    }

    fn webhook(&self) -> anyhow::Result<Option<Webhook>> {
        let Some(url) = &self.webhook_url else { return Ok(None) };
        let (given, file) = (self.webhook_secret.as_ref(), self.webhook_secret_file.as_deref());
        let secret = secret_of("push.webhook_secret", given, file)?;
        Webhook::new(&url.0, secret).context("push.webhook_url and its secret").map(Some)
    }
}

impl Config {
    /// How people are woken, if they are. Makes the key at first start.
    pub(crate) fn push(&self) -> anyhow::Result<Option<tertulia_push::Config>> {
        let webhook = self.push.webhook()?;
        let web = self.push.web.then(|| self.web_push()).transpose()?;
        let some = web.is_some() || webhook.is_some();
        Ok(some.then_some(tertulia_push::Config { web, webhook, ring_after: self.push.after() }))
    }

    fn web_push(&self) -> anyhow::Result<Arc<WebPush>> {
        let key = match &self.push.key_file {
            Some(file) => std::fs::read(file).with_context(|| format!("push.key_file {}", file.display()))?,
            None => own_key(&self.data.dir, OWN_KEY)?,
        };
        let vapid = Vapid::new(&Zeroizing::new(key), &self.push.contact).with_context(|| {
            let own = self.data.dir.join(OWN_KEY);
            format!("the key of pushes, {}", self.push.key_file.as_ref().unwrap_or(&own).display())
        })?;
        Ok(Arc::new(WebPush { vapid, hosts: Hosts::new(self.push.hosts.clone()) }))
    }
}
