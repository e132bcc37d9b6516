//! Presence: who is here, when they last were, who types.
//!
//! **Here** is whoever has a device that says `presence.set {active: true}`, not merely a socket. **Watching**: a client names whom
//! it wants to know of; what changes comes gathered, at most once a second. None of these frames is kept for a resume, nor counted as received
//! ([`crate::ServerFrame::is_counted`]): after a resume the server says anew how things are. A device that says `active: false` hears nothing of
//! all this until it says `true`.
//!
//! **Who sees what** is for each person to say, in their settings: everyone, whom they have written to, or nobody; who shows something to nobody
//! sees it of nobody. Where one of two has blocked the other, neither sees anything: as of somebody who shows nothing.

use crate::Recipient;
use crate::types::RequestId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::{Timestamp, UserId};
use ts_rs::TS;

/// To whom somebody shows something of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// To all.
    Everyone,
    /// To those they have written to, as one person to another (not in a group).
    #[default]
    Contacts,
    /// To nobody; and they see it of nobody.
    Nobody,
}

/// Somebody looks at this device, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct PresenceSet {
    /// The request's number.
    pub id: RequestId,
    /// Whether somebody does.
    pub active: bool,
}

/// Whom this device wants to know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct PresenceWatch {
    /// The request's number.
    pub id: RequestId,
    /// These people, at most `limits.watched_users_max`: their presence, and that they type to us.
    #[serde(default)]
    pub users: Vec<UserId>,
    /// These groups, by their conversations, at most `limits.watched_groups_max`: who types there.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// This person types, or no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct TypingSend {
    /// The request's number.
    pub id: RequestId,
    /// To whom.
    pub to: Recipient,
    /// What they do.
    pub what: TypingWhat,
}

/// What somebody is about to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum TypingWhat {
    /// They write.
    Text,
    /// They record a voice message.
    Voice,
    /// Neither, any longer.
    None,
}

/// How things are with people this device watches: those of whom there is news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Presence {
    /// Who, and how things are.
    pub people: Vec<PersonPresence>,
}

/// How things are with one person, as far as they show it. Of whom nothing was said yet, or who shows nothing: neither is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct PersonPresence {
    /// Who.
    pub user: UserId,
    /// They are here now.
    pub online: bool,
    /// When they last were, by the server's clock, in whole seconds. Absent while they are here, and where they do not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub last_seen: Option<Timestamp>,
}

/// Somebody types, or no longer. Nothing for six seconds: no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Typing {
    /// Who.
    pub from: UserId,
    /// To whom: this device's user, or a group.
    pub to: Recipient,
    /// What they do.
    pub what: TypingWhat,
}
