//! The configuration: what can be set, its defaults, and what must hold together.
//!
//! Defaults, then a TOML file, then environment variables `TERTULIA_SECTION__KEY`; an unknown key is an error in both.
//! With no configuration at all it is a demo on loopback. `tertulia.example.toml` documents every option, and a test
//! keeps it true.

mod accounts;
mod addresses;
mod chat;
mod env;
mod ice;
mod keys;
mod push;
mod resolve;
mod sections;
#[cfg(test)]
mod tests;
mod tls;
mod uploads;

pub(crate) use addresses::own_addresses;
pub(crate) use keys::{INTERNAL_KEY_ID, api_keys, make_private_folder, signing_key_id};
pub(crate) use sections::{DrainedCalls, Http, Log, LogFormat};
pub(crate) use tls::{Networks, Tls};
pub(crate) use uploads::WORKER_COMMAND;

use crate::lan::Lan;
use accounts::Accounts;
use anyhow::{Context as _, bail};
use chat::Chat;
use ice::IceServer;
use keys::check_keys;
use push::Push;
use sections::{ApiKey, Calls, Data, Drain, Media, Operator};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tertulia_media_pipeline::links::LinkKeys;
use uploads::Uploads;

/// Everything that can be set.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Sign-in by name. Absent: only where `http.listen` is loopback, and no proxy is in front.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) demo: Option<bool>,
    pub(crate) http: Http,
    pub(crate) tls: Tls,
    pub(crate) operator: Operator,
    pub(crate) data: Data,
    pub(crate) accounts: Accounts,
    pub(crate) calls: Calls,
    pub(crate) signaling: tertulia_signaling::Limits,
    pub(crate) media: Media,
    pub(crate) chat: Chat,
    pub(crate) uploads: Uploads,
    pub(crate) push: Push,
    pub(crate) drain: Drain,
    pub(crate) log: Log,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) api_keys: Vec<ApiKey>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ice_servers: Vec<IceServer>,
    /// Of the command line: a trial on the local network.
    #[serde(skip)]
    pub(crate) lan: Option<Lan>,
}

impl Config {
    /// Reads the file, if there is one, and the environment over it, and checks that it holds together.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        Self::load_and(file, |_| Ok(()))
    }

    /// The same, with what a trial on the local network needs laid over it.
    pub(crate) fn load_for_lan(file: Option<&Path>) -> anyhow::Result<Self> {
        Self::load_and(file, |config| {
            let lan = Lan::find(config.http.listen.ip())?;
            lan.apply(config)?;
            config.lan = Some(lan);
            Ok(())
        })
    }

    fn load_and(file: Option<&Path>, lay_over: impl FnOnce(&mut Self) -> anyhow::Result<()>) -> anyhow::Result<Self> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
            None => String::new(),
        };
        let config = Self::read(&text, env::variables()).and_then(|mut config| {
            lay_over(&mut config)?;
            config.check()?;
            Ok(config)
        });
        match file {
            Some(path) => config.with_context(|| format!("configuration {}", path.display())),
            None => config.context("configuration"),
        }
    }

    /// From texts.
    fn parse(text: &str, variables: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<Self> {
        let config = Self::read(text, variables)?;
        config.check()?;
        Ok(config)
    }

    fn read(text: &str, variables: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<Self> {
        // First alone, so that the error shows the file's line.
        toml::from_str::<Self>(text)?;
        let mut table: toml::Table = toml::from_str(text)?;
        env::apply(&mut table, variables)?;
        Ok(table.try_into()?)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.demo.is_none() && self.is_reached_from_outside() && self.api_keys.is_empty() && !self.accounts.phone {
            bail!(
                "http.listen is {}, reached from beyond this machine, where the demo (sign-in by name, a list of everyone) is not on by \
                 itself, and there are no API keys: nobody could sign in. Either add [[api_keys]], or say `demo = true` \
                 (TERTULIA_DEMO=true) if everyone who reaches this address may sign in under any name",
                self.http.listen
            );
        }
        self.chat.check(&self.signaling)?;
        self.push.check()?;
        self.uploads.check()?;
        self.signaling.check().map_err(anyhow::Error::msg).context("[signaling]")?;
        let positive = [
            ("http.connections_max", u64::from(self.http.connections_max)),
            ("http.connections_per_address_max", u64::from(self.http.connections_per_address_max)),
            ("http.header_timeout_ms", self.http.header_timeout_ms),
            ("http.request_timeout_ms", self.http.request_timeout_ms),
            ("http.connection_timeout_ms", self.http.connection_timeout_ms),
            ("tls.handshake_timeout_ms", self.tls.handshake_timeout_ms),
            ("tls.handshakes_per_address_per_s", self.tls.handshakes_per_address_per_s.into()),
            ("calls.ring_timeout_ms", self.calls.ring_timeout_ms),
            ("calls.connect_timeout_ms", self.calls.connect_timeout_ms),
            ("calls.grace_ms", self.calls.grace_ms),
            ("drain.timeout_ms", self.drain.timeout_ms),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            bail!("{name} must be at least 1");
        }
        self.check_tls()?;
        self.check_accounts()?;
        self.check_ice_servers()?;
        self.media.check()?;
        self.log.filter()?;
        Ok(())
    }

    /// Whether the files of keys and secrets that it names hold what they should; makes and changes nothing.
    pub(crate) fn check_files(&self) -> anyhow::Result<()> {
        check_keys(self)?;
        self.ice()?;
        self.accounts().context("[accounts]")?;
        if let Some(file) = &self.uploads.link_key_file {
            LinkKeys::read(file).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }

    /// Whether this is a demo: said so, or by itself on loopback.
    pub(crate) fn is_demo(&self) -> bool {
        self.demo.unwrap_or_else(|| !self.is_reached_from_outside())
    }

    /// The file of the directory.
    pub(crate) fn directory_file(&self) -> PathBuf {
        self.data.dir.join("directory.db")
    }
}

/// For the fuzz targets: reads a configuration from texts. One that holds can be written, as `check-config` does.
#[doc(hidden)]
pub fn fuzz(text: &str, variables: impl IntoIterator<Item = (String, String)>) {
    let Ok(config) = Config::parse(text, variables) else { return };
    let written = toml::to_string(&config).map_err(|error| error.to_string());
    assert!(written.is_ok(), "it can't be written: {written:?}");
}
