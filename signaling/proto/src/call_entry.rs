//! A call as the conversation of its two keeps it. The server says it, in the caller's name; nobody sends it.

use crate::MediaKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::CallId;
use ts_rs::TS;

/// A call that has ended. Who is called has missed it where it was neither answered nor declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
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
}

/// What became of a call: an `EndReason` that holds for both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// One side hung up an answered call.
    Hangup,
    /// The callee declined.
    Declined,
    /// Every device of the callee was in another call.
    Busy,
    /// The caller gave up before an answer.
    Cancelled,
    /// Nobody answered in time.
    Missed,
    /// The media never came up, or the server had to end the call.
    Failed,
    /// A side was gone for too long.
    Lost,
}
