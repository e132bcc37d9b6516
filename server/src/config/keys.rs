//! API keys: those of the configuration, and one of our own in the data folder.
//!
//! Our own signs the demo's sign-ins, and `tertulia token` where no other key is configured. It is a file beside the
//! database, readable by this user only, and not a row in it: a copy or a replica of the database then signs nobody in,
//! and minting a token needs no database. Where apps have keys and it is no demo, it opens nothing.

use super::Config;
use super::sections::ApiKey;
use anyhow::{Context as _, bail};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use tertulia_signaling::auth::Keys;

/// The id of our own key.
pub(crate) const INTERNAL_KEY_ID: &str = "internal";

/// Bytes of our own key; HS256 takes no gain from more (RFC 7518 §3.2).
const INTERNAL_KEY_BYTES: usize = 32;
/// Its name in the data folder.
const CALL_LINK_KEY: &str = "call-links.key";

/// The keys whose tokens count. Makes our own at first start.
pub(crate) fn api_keys(config: &Config) -> anyhow::Result<Keys> {
    let mut keys = Keys::default();
    if uses_internal_key(config) {
        keys.insert_hs256(INTERNAL_KEY_ID, &internal_key(&config.data.dir)?)?;
    }
    insert_configured(config, &mut keys)?;
    Ok(keys)
}

/// Whether the configured keys can be used; makes and changes nothing.
pub(crate) fn check_keys(config: &Config) -> anyhow::Result<()> {
    insert_configured(config, &mut Keys::default())
}

fn insert_configured(config: &Config, keys: &mut Keys) -> anyhow::Result<()> {
    for key in &config.api_keys {
        match key {
            ApiKey::HS256 { id, .. } | ApiKey::EdDSA { id, .. } if id == INTERNAL_KEY_ID => {
                bail!("the id {id:?} is taken by the server's own key: choose another")
            }
            ApiKey::HS256 { id, secret, secret_file } => {
                let secret = match (secret, secret_file) {
                    (Some(secret), None) => secret.0.clone().into_bytes(),
                    (None, Some(file)) => read(file)?.trim_ascii_end().to_vec(),
                    _ => bail!("API key {id:?} needs either secret or secret_file"),
                };
                keys.insert_hs256(id, &secret)?;
            }
            ApiKey::EdDSA { id, public_key_file } => keys.insert_eddsa(id, &read(public_key_file)?)?,
        }
    }
    Ok(())
}

/// The key with which `tertulia token` signs, unless told: the first that can.
pub(crate) fn signing_key_id(config: &Config) -> anyhow::Result<&str> {
    let own = uses_internal_key(config).then_some(INTERNAL_KEY_ID);
    let configured = config.api_keys.iter().find_map(|key| match key {
        ApiKey::HS256 { id, .. } => Some(id.as_str()),
        ApiKey::EdDSA { .. } => None,
    });
    configured.or(own).context("every API key is EdDSA: only the app that has the private half can make tokens")
}

fn uses_internal_key(config: &Config) -> bool {
    config.is_demo() || config.api_keys.is_empty()
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("key file {}", file.display()))
}

/// A folder for this user only, unless it is there.
pub(crate) fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Our own key, made if there is none.
fn internal_key(folder: &Path) -> anyhow::Result<Vec<u8>> {
    own_key(folder, "internal.key")
}

impl Config {
    /// What the tokens of call links are made with. Made at first start.
    pub(super) fn call_link_key(&self) -> anyhow::Result<[u8; INTERNAL_KEY_BYTES]> {
        let key = own_key(&self.data.dir, CALL_LINK_KEY)?;
        key.try_into().map_err(|_| anyhow::anyhow!("{CALL_LINK_KEY} is damaged"))
    }
}

/// A key of 32 random bytes in the folder, made if there is none.
pub(super) fn own_key(folder: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let file = folder.join(name);
    make_private_folder(folder).with_context(|| folder.display().to_string())?;
    match std::fs::read(&file) {
        Ok(key) => check_key(&file, key),
        Err(error) if error.kind() == ErrorKind::NotFound => make_key(&file),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}

fn check_key(file: &Path, key: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let mode = std::fs::metadata(file)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("others can read {}: chmod 600 it, or delete it to get a new one", file.display());
    }
    if key.len() != INTERNAL_KEY_BYTES {
        bail!("{} is damaged; delete it to get a new one (what was signed or sealed with it is lost)", file.display());
    }
    Ok(key)
}

/// Whole or not at all: written beside, flushed, then linked into place, so that two starts at once agree on one key.
fn make_key(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut key = vec![0; INTERNAL_KEY_BYTES];
    getrandom::fill(&mut key).context("no random numbers")?;
    let mut draft = file.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = std::path::PathBuf::from(draft);
    let written =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).and_then(|mut out| {
            out.write_all(&key)?;
            out.sync_all()
        });
    written.with_context(|| draft.display().to_string())?;
    let linked = std::fs::hard_link(&draft, file);
    std::fs::remove_file(&draft)?;
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check_key(file, read(file)?),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}
