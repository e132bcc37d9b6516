//! A call as the conversation of its two, or of its group, keeps it. The server says it, in the name of who called; nobody sends it.

use crate::MediaKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::{CallId, Timestamp, UserId};
use ts_rs::TS;

/// A call that has ended. Who is called has missed it where it was neither answered nor declined; of a group's call `group` says who has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallEntry {
    /// Which. Its entry comes once.
    pub call_id: CallId,
    /// What it was placed as.
    pub media: MediaKind,
    /// What became of it.
    pub outcome: CallOutcome,
    /// From the answer to the end. Absent: nobody answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub duration_ms: Option<u64>,
    /// Of the call of a group: the conversation is the group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub group: Option<GroupCallEntry>,
}

/// What the entry of a group's call says beside what that of any call does. Who started it is the entry's sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct GroupCallEntry {
    /// When it was started.
    pub started_at: Timestamp,
    /// Who was in it: the first 32, by their ids.
    pub people: Vec<UserId>,
    /// How many were in it.
    pub people_count: u32,
    /// Who was asked in, and neither came nor declined: they have missed it. At most 256.
    pub missed: Vec<UserId>,
}

/// What became of a call: an `EndReason` that holds for both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// One side hung up an answered call, or the last one left a group's.
    Hangup,
    /// The callee declined.
    Declined,
    /// Every device of the callee was in another call.
    Busy,
    /// The caller gave up before an answer.
    Cancelled,
    /// Nobody answered in time, or nobody but who started it came.
    Missed,
    /// The media never came up, or the server had to end the call.
    Failed,
    /// A side was gone for too long.
    Lost,
}
