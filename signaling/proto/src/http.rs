//! The bodies of the HTTP calls, but those of accounts.

use crate::conference::CallGroup;
use crate::types::{EndReason, IceServer, MediaKind, Person, QualitySummary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::{CallId, Timestamp, UserId};
use ts_rs::TS;

/// `POST /v1/demo/sign-in`: a name is enough. Exists with `demo = true` only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct DemoSignIn {
    /// What the others see, 1 to 40 characters. The user id is made from it: the same name is the same person.
    pub name: String,
}

/// Its answer.
// No `Debug` on the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct DemoSignedIn {
    /// Who you are now.
    pub user_id: UserId,
    /// For `hello`.
    pub token: String,
}

/// `GET /v1/demo/people`, and the frame `demo.people`: everyone who has signed in. Exists with `demo = true` only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct DemoPeople {
    /// Those online first, then by name.
    pub people: Vec<Person>,
}

/// `GET /v1/calls`: this user's calls, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallHistory {
    /// One page.
    pub calls: Vec<CallRecord>,
    /// Pass as `?before=` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub next: Option<CallId>,
}

/// Which way a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// This user was called.
    Incoming,
    /// This user called.
    Outgoing,
}

/// A call that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallRecord {
    /// Which call.
    pub call_id: CallId,
    /// Which way it went.
    pub direction: Direction,
    /// The other side. Of a group's call who started it; for who was added to a call of two, its caller.
    pub peer: Person,
    /// By voice or by video.
    pub media: MediaKind,
    /// When it was placed.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why it ended.
    pub reason: EndReason,
    /// From answer to end, in milliseconds; zero if it was not answered, or this user was not in it.
    #[ts(type = "number")]
    pub duration_ms: u64,
    /// How it was for this user; absent where nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quality: Option<QualitySummary>,
    /// How it was for the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub peer_quality: Option<QualitySummary>,
    /// Of the call of a group: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub group: Option<CallGroup>,
    /// Who was in a call of more than two: in a list the first 8, in `GET /v1/calls/{call_id}` everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<Person>>", optional)]
    pub people: Vec<Person>,
    /// How many were in it. Absent: it was of two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub people_count: Option<u32>,
}

/// `GET /v1/server`: what a client must know before it signs in. Needs no token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct ServerInfo {
    /// The ways to sign in, the best first.
    pub sign_in: Vec<SignInWay>,
    /// The country that phone numbers without a country code are taken to be of (ISO 3166, as in `ES`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub phone_region: Option<String>,
    /// Digits of a PIN.
    pub pin_digits: u32,
}

/// A way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum SignInWay {
    /// By phone number and PIN (`/v1/register`), or linked to a device that has (`/v1/devices/link`).
    Phone,
    /// By name alone (`/v1/demo/sign-in`).
    Demo,
    /// With a token that an app has made.
    Token,
}

/// `GET /v1/ice-servers`: STUN and TURN servers, with credentials made now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct IceServers {
    /// The servers.
    pub ice_servers: Vec<IceServer>,
    /// When the credentials end, by the server's clock. Absent: they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub expires_at: Option<Timestamp>,
}
