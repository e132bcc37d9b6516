//! Messages: sending them, a device's mailbox, receipts.
//!
//! **The mailbox.** A device that says so in its `hello` (`caps.messages`) is handed its mailbox: what waited, in order, then
//! `drained`, then what comes. Each of these frames carries `seq`, rising; `mailbox.ack` says up to where the device has kept
//! everything, and the server forgets it. What was handed out and not acknowledged comes again in the next session: a client
//! shows a message once, by its conversation and its place there.

use crate::types::RequestId;
use crate::{GroupEvent, MediaContent, VoiceContent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::{ClientMessageId, Timestamp, UserId};
use ts_rs::TS;

/// Send a message.
// No `Debug` of the content.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MessageSend {
    /// The request's number.
    pub id: RequestId,
    /// This device's own name for the message, a UUID. The same again is the same message: answered as before, delivered once.
    /// Only a device's latest 64 are known: it must not have more without an answer.
    pub client_id: ClientMessageId,
    /// Where to.
    pub to: Recipient,
    /// What.
    pub content: Content,
}

impl std::fmt::Debug for MessageSend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageSend").field("id", &self.id).field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// A message that is sent by plain HTTP: the same as `message.send`, from a device that need not be connected.
// No `Debug` of the content.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MessagePost {
    /// The device's own name for the message, a UUID: as in `message.send`, and of the same latest 64.
    pub client_id: ClientMessageId,
    /// Where to.
    pub to: Recipient,
    /// What.
    pub content: Content,
}

impl std::fmt::Debug for MessagePost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessagePost").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// To one person, or to oneself: a note.
    User(UserId),
    /// To a group, by its conversation.
    Group(String),
}

/// What a message says.
// No `Debug` of what people write.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Text.
    Text {
        /// Not empty.
        text: String,
    },
    /// A picture, video, sound or file.
    Media(MediaContent),
    /// A voice note.
    Voice(VoiceContent),
    /// What happened to a group. The server says it; nobody sends it.
    System(GroupEvent),
    /// A call that has ended. The server says it; nobody sends it.
    Call(crate::CallEntry),
}

impl Content {
    /// As the relay keeps it: MessagePack, whatever the codec of who sent it.
    #[must_use]
    #[expect(clippy::expect_used, reason = "text and numbers: the writer can't fail on them")]
    pub fn to_bytes(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("content is MessagePack")
    }

    /// What the relay kept. None: a newer program wrote it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text { text } => write!(f, "text of {} bytes", text.len()),
            Self::Media(media) => write!(f, "{media:?}"),
            Self::Voice(voice) => write!(f, "{voice:?}"),
            Self::System(_) => f.write_str("a change of the group"),
            Self::Call(call) => write!(f, "{call:?}"),
        }
    }
}

/// Where a message stands: in the answer to `message.send`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MessageSent {
    /// Its conversation.
    pub conversation: String,
    /// Its place there: 1, 2, 3, …
    #[ts(type = "number")]
    pub conversation_seq: u64,
    /// When, by the server's clock.
    pub sent_at: Timestamp,
    /// It was sent before, by the same `client_id`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub duplicate: bool,
    /// Of a message with a file: what the others get, with what the server says of it. Absent where it is gone by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub content: Option<Box<Content>>,
}

/// A message has come: somebody's, or one of this user's from another device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Message {
    /// Its place in mailboxes, for `mailbox.ack`.
    #[ts(type = "number")]
    pub seq: u64,
    /// Its conversation.
    pub conversation: String,
    /// Its place there.
    #[ts(type = "number")]
    pub conversation_seq: u64,
    /// Who sent it.
    pub from: UserId,
    /// To whom.
    pub to: Recipient,
    /// When, by the server's clock.
    pub sent_at: Timestamp,
    /// What it says.
    pub content: Content,
}

/// How far members of a conversation have come. Figures only grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Receipts {
    /// The place of the change in mailboxes, for `mailbox.ack`.
    #[ts(type = "number")]
    pub seq: u64,
    /// Which conversation.
    pub conversation: String,
    /// Those that have moved.
    pub receipts: Vec<Receipt>,
    /// In a group: how far all others have come. A message's ticks are all there once this has reached it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub all: Option<ReceiptsOfAll>,
}

/// How far everybody in a group but oneself has come, of what was sent while they were in it. Who left is waited for no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct ReceiptsOfAll {
    /// Each has a device that has everything up to here.
    #[ts(type = "number")]
    pub delivered_upto: u64,
    /// Each has read up to here.
    #[ts(type = "number")]
    pub read_upto: u64,
}

/// How far one member has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Receipt {
    /// Who. Oneself: read on another device.
    pub user: UserId,
    /// A device of theirs has everything up to here.
    #[ts(type = "number")]
    pub delivered_upto: u64,
    /// They have read up to here.
    #[ts(type = "number")]
    pub read_upto: u64,
}

/// This user has read a conversation up to there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MessageRead {
    /// The request's number.
    pub id: RequestId,
    /// Which conversation.
    pub conversation: String,
    /// Up to which place.
    #[ts(type = "number")]
    pub read_upto: u64,
}

/// This device has kept everything up to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MailboxAck {
    /// The `seq` of the last frame that it has kept.
    #[ts(type = "number")]
    pub seq: u64,
    /// How many frames of the session it has received, as in `ack`: saves one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub received: Option<u64>,
}

/// What had waited has been handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Drained {
    /// Up to where.
    #[ts(type = "number")]
    pub seq: u64,
}

/// Something was here and was given up: the device was away for too long, or too much waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Gap {
    /// Everything up to there that this device had not acknowledged.
    #[ts(type = "number")]
    pub seq: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why messages were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// They have waited as long as messages are kept.
    Expired,
    /// Too many waited.
    Quota,
}
