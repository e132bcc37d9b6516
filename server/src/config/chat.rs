//! The section `[chat]`: the relay of messages, what may wait in it, and the keys of what it keeps.

use super::Config;
use super::keys::own_key;
use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tertulia_chat::engine::Pace;
use tertulia_chat::journal::Settings;
use tertulia_chat::vault::Kek;
use tertulia_chat_core::Limits;
use tertulia_signaling::GroupsConfig;
use zeroize::Zeroizing;

/// Bytes of a key-encryption key.
const KEY_BYTES: usize = 32;
/// The key that is made where none is configured.
const OWN_KEY: &str = "chat.key";
/// The key that tokens of invitations are made with.
const INVITE_KEY: &str = "invites.key";
/// Above, the record of one group would be megabytes, written with every change of it.
const GROUP_MEMBERS_MAX: usize = 4_096;
/// What the record of a group takes at most: beside its members, and for each that it may have (a second one may wait for what
/// was before they left). A file of the journal holds it whole.
const GROUP_BYTES: usize = 16 * 1024;
const GROUP_MEMBER_BYTES: usize = 600;

/// Above, messages would be late for whoever reads along.
const SYNC_EVERY_MS_MAX: u64 = 100;
/// Bytes of a frame beside its body: ids, names, times.
const FRAME_BYTES: usize = 384;
/// How often longer the worst body is in JSON: each byte of it a `\u0000`.
const ESCAPED: usize = 6;

/// Messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Chat {
    pub(crate) enabled: bool,
    pub(crate) message_bytes_max: usize,
    pub(crate) mailbox_entries_max: u32,
    pub(crate) mailboxes_per_user_max: usize,
    pub(crate) conversations_per_user_max: usize,
    pub(crate) group_members_max: usize,
    pub(crate) group_changes_per_minute: u32,
    pub(crate) group_changes_burst: u32,
    pub(crate) group_joins_per_minute: u32,
    pub(crate) unacknowledged_max: usize,
    pub(crate) unacknowledged_bytes_max: usize,
    pub(crate) keep_days: u64,
    pub(crate) queue_max: usize,
    pub(crate) sync_every_ms: u64,
    pub(crate) segment_bytes: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) key_files: Vec<PathBuf>,
}

impl Default for Chat {
    fn default() -> Self {
        let (limits, pace) = (Limits::default(), Pace::default());
        Self {
            enabled: true,
            message_bytes_max: limits.body_bytes_max / 2,
            mailbox_entries_max: limits.mailbox_entries_max,
            mailboxes_per_user_max: limits.devices_per_user_max,
            conversations_per_user_max: limits.conversations_per_user_max,
            group_members_max: limits.group_members_max,
            group_changes_per_minute: 60,
            group_changes_burst: 300,
            group_joins_per_minute: 10,
            unacknowledged_max: 128,
            unacknowledged_bytes_max: limits.unacknowledged_bytes_max,
            keep_days: limits.keep.as_secs() / (24 * 3600),
            queue_max: pace.queue_max,
            sync_every_ms: pace.sync_every_ms,
            segment_bytes: Settings::default().segment_bytes,
            key_files: Vec::new(),
        }
    }
}

impl Chat {
    /// Checks that the settings hold together, also with how much may wait in a socket.
    pub(super) fn check(&self, socket: &tertulia_signaling::Limits) -> anyhow::Result<()> {
        let positive = [
            ("chat.message_bytes_max", self.message_bytes_max as u64),
            ("chat.mailbox_entries_max", self.mailbox_entries_max.into()),
            ("chat.mailboxes_per_user_max", self.mailboxes_per_user_max as u64),
            ("chat.conversations_per_user_max", self.conversations_per_user_max as u64),
            ("chat.group_members_max", self.group_members_max as u64),
            ("chat.group_changes_per_minute", self.group_changes_per_minute.into()),
            ("chat.group_changes_burst", self.group_changes_burst.into()),
            ("chat.group_joins_per_minute", self.group_joins_per_minute.into()),
            ("chat.unacknowledged_max", self.unacknowledged_max as u64),
            ("chat.unacknowledged_bytes_max", self.unacknowledged_bytes_max as u64),
            ("chat.keep_days", self.keep_days),
            ("chat.queue_max", self.queue_max as u64),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            bail!("{name} must be at least 1");
        }
        let (items, bytes) = (self.unacknowledged_max, self.unacknowledged_bytes_max.max(self.message_bytes_max));
        let handed = items.saturating_mul(FRAME_BYTES).saturating_add(bytes.saturating_mul(ESCAPED));
        ensure!(
            handed <= socket.queue_bytes_max as usize && items <= socket.queue_frames_max as usize,
            "what a device is handed without acknowledging it has to fit into its socket's queue: {items} messages, {handed} \
             bytes with chat.unacknowledged_bytes_max and chat.message_bytes_max escaped in JSON; signaling.queue_frames_max \
             is {}, signaling.queue_bytes_max {}",
            socket.queue_frames_max,
            socket.queue_bytes_max,
        );
        ensure!(
            self.group_members_max <= GROUP_MEMBERS_MAX,
            "chat.group_members_max must be at most {GROUP_MEMBERS_MAX}"
        );
        ensure!(self.sync_every_ms <= SYNC_EVERY_MS_MAX, "chat.sync_every_ms must be at most {SYNC_EVERY_MS_MAX}");
        let room = 4 * self.message_bytes_max;
        ensure!(
            (self.segment_bytes as usize) > room && self.segment_bytes <= 1 << 30,
            "chat.segment_bytes must be above {room} (four of the largest messages), and at most 1 GiB"
        );
        Ok(())
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            devices_per_user_max: self.mailboxes_per_user_max,
            mailbox_entries_max: self.mailbox_entries_max,
            keep: Duration::from_secs(self.keep_days.saturating_mul(24 * 3600)),
            body_bytes_max: self.message_bytes_max,
            conversations_per_user_max: self.conversations_per_user_max,
            group_members_max: self.group_members_max(),
            unacknowledged_max: self.unacknowledged_max,
            unacknowledged_bytes_max: self.unacknowledged_bytes_max,
            ..Limits::default()
        }
    }

    /// Members of a group, as many as the record of one may have.
    fn group_members_max(&self) -> usize {
        let room = (self.segment_bytes as usize).saturating_sub(GROUP_BYTES) / GROUP_MEMBER_BYTES;
        self.group_members_max.min(room)
    }

    pub(crate) fn pace(&self) -> Pace {
        Pace { queue_max: self.queue_max, sync_every_ms: self.sync_every_ms, ..Pace::default() }
    }

    pub(crate) fn journal(&self) -> Settings {
        Settings { segment_bytes: self.segment_bytes, ..Settings::default() }
    }
}

impl Config {
    /// Where messages are kept.
    pub(crate) fn chat_folder(&self) -> PathBuf {
        self.data.dir.join("chat")
    }

    /// Groups, as the gateway handles them. Makes the key of invitations at first start.
    pub(crate) fn groups(&self) -> anyhow::Result<GroupsConfig> {
        let key = Zeroizing::new(own_key(&self.data.dir, INVITE_KEY)?);
        let mut invite_key = [0; KEY_BYTES];
        invite_key.copy_from_slice(key.get(..KEY_BYTES).context(INVITE_KEY)?);
        Ok(GroupsConfig {
            invite_key,
            members_max: self.chat.group_members_max(),
            changes_per_minute: self.chat.group_changes_per_minute,
            changes_burst: self.chat.group_changes_burst,
            joins_per_minute: self.chat.group_joins_per_minute,
        })
    }

    /// The keys of what is kept: the first wraps, all unwrap. Without any a key is made in the data folder.
    pub(crate) fn chat_keys(&self) -> anyhow::Result<Vec<Kek>> {
        if self.chat.key_files.is_empty() {
            let own = Zeroizing::new(own_key(&self.data.dir, OWN_KEY)?);
            return Ok(vec![key(Path::new(OWN_KEY), own)?]);
        }
        let read = |file: &PathBuf| {
            let bytes = std::fs::read(file).with_context(|| format!("key file {}", file.display()))?;
            key(file, Zeroizing::new(bytes))
        };
        self.chat.key_files.iter().map(read).collect()
    }
}

fn key(file: &Path, bytes: Zeroizing<Vec<u8>>) -> anyhow::Result<Kek> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    ensure!(bytes.len() == KEY_BYTES, "key file {}: {} bytes instead of {KEY_BYTES}", file.display(), bytes.len());
    key.copy_from_slice(&bytes);
    Ok(Kek::new(key))
}
