//! What a device has waiting and what its user has sent, page by page: `GET /v1/messages`.

use crate::{Content, Recipient};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::{ClientMessageId, Timestamp, UserId};
use ts_rs::TS;

/// One page of messages, by conversation and place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Messages {
    /// May be none although there are more: a page looks through so many at most.
    pub messages: Vec<FoundMessage>,
    /// For the next page. Absent: this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub next: Option<String>,
}

/// A message that waits, or that this user has sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct FoundMessage {
    /// Its conversation, a dot, its place there.
    pub message_id: String,
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
    /// How far it has come.
    pub state: DeliveryState,
    /// Under which name this user's device has sent it, while that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub client_id: Option<ClientMessageId>,
    /// What it says: of one that waits for this device, and of no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub content: Option<Content>,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// This user's own: somebody it is for has it on no device. Somebody else's: it waits for this device.
    Pending,
    /// Everybody it is for has it on a device.
    Delivered,
    /// Everybody it is for has read it.
    Read,
}
