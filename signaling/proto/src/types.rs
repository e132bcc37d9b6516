//! What frames and HTTP bodies are made of.

use crate::conference::CallGroup;
use crate::finite;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::{CallId, DeviceId, Timestamp, UserId};
use ts_rs::TS;

/// Number of a request within its session: starts at 1 and rises. Below 2^53, so that every client can hold it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(transparent)]
pub struct RequestId(#[ts(type = "number")] pub u64);

/// What a call started as. It can change during the call without new SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Microphones only.
    Voice,
    /// Microphones and cameras.
    Video,
}

/// What cameras are coded as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// VP8 (RFC 7741).
    #[default]
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
    /// H.264 (RFC 6184).
    H264,
    /// AV1.
    Av1,
}

impl VideoCodec {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whom a call is for.
// No `Debug` on the link.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One person: every device of theirs rings.
    User(UserId),
    /// A group, by its conversation: its members ring, or the call that goes on there is joined.
    Group(String),
    /// A call link, by its token: its call is started, or the one that goes on is joined.
    Link(String),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => f.debug_tuple("User").field(user).finish(),
            Self::Group(group) => f.debug_tuple("Group").field(group).finish(),
            Self::Link(_) => f.debug_tuple("Link").finish_non_exhaustive(),
        }
    }
}

/// A person as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Person {
    /// Their id.
    pub user_id: UserId,
    /// Their display name.
    pub name: String,
    /// Whether a device of theirs is connected now. Only where the asker may know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub online: Option<bool>,
    /// Whether the account was deleted: then the name says only that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub deleted: bool,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Invited; no device of the callee has said that it rings.
    Offered,
    /// A device of the callee rings.
    Ringing,
    /// Accepted; the media is not up yet.
    Connecting,
    /// Accepted, and the media is up.
    Active,
    /// The media of a side is gone; it has some seconds to come back.
    Reconnecting,
    /// Of a link's call: this device waits until a host lets it in.
    Waiting,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// One side hung up an answered call.
    Hangup,
    /// The callee declined.
    Declined,
    /// Every device of the callee is in another call.
    Busy,
    /// The caller gave up before an answer.
    Cancelled,
    /// Nobody answered in time.
    Missed,
    /// Another device of this user answered (told to the others only).
    AnsweredElsewhere,
    /// Another device of this user declined (told to the others only).
    DeclinedElsewhere,
    /// The media never came up, or the server had to end the call.
    Failed,
    /// A side was gone for longer than the grace time.
    Lost,
    /// Another device of this user has taken the call over (told to the one that had it only).
    HandedOver,
    /// Somebody who may has taken this user out of the group call (told to them only).
    Removed,
    /// A host has not let this user in (told to them only).
    TurnedAway,
    /// This user waited at a link that was revoked, or whose time is over (told to them only).
    LinkOver,
}

/// Why a device declines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    /// The person does not want to: every device of theirs stops.
    Declined,
    /// This device is taken: the others keep ringing.
    Busy,
}

/// Which of a participant's sources something carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The microphone: the first sending audio line of the offer.
    Mic,
    /// The camera: the first sending video line of the offer.
    Camera,
    /// The shared screen: the second sending video line of the offer.
    Screen,
}

/// A receive slot: a line of the client's offer on which it can receive, and what it carries now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Slot {
    /// The line's `a=mid`.
    pub mid: String,
    /// Whose source it carries; absent while it carries none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub participant: Option<Participant>,
    /// Which of their sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub source: Option<Source>,
}

/// A device that is in a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
pub struct Participant {
    /// Whose device.
    pub user_id: UserId,
    /// Which device.
    pub device_id: DeviceId,
}

/// What a participant sends now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MediaFlags {
    /// The microphone is open.
    pub mic: bool,
    /// The camera is on.
    pub camera: bool,
    /// A screen is shared.
    pub screen: bool,
}

/// A call that this device takes part in or could answer, as `welcome` gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallSnapshot {
    /// Which call.
    pub call_id: CallId,
    /// The other side; of a group call, who started it.
    pub peer: Person,
    /// Whether this user placed the call.
    pub outgoing: bool,
    /// What it started as.
    pub media: MediaKind,
    /// Where it stands.
    pub phase: Phase,
    /// When it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub answered_at: Option<Timestamp>,
    /// This device has put it on hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub held: bool,
    /// It is a group call: `call.roster` says who is in, and it goes on when one leaves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub conference: bool,
    /// The group that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub group: Option<CallGroup>,
}

/// A running call of this user on another device of theirs; `call.join` takes it over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallElsewhere {
    /// Which call.
    pub call_id: CallId,
    /// The other side; of a group call, who started it.
    pub peer: Person,
    /// What it started as.
    pub media: MediaKind,
    /// When it was answered.
    pub answered_at: Timestamp,
    /// The device that is in it.
    pub device_id: DeviceId,
    /// That device's name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub device_name: Option<String>,
    /// It is a group call: `call.roster` says who is in, and it goes on when one leaves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub conference: bool,
    /// The group that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub group: Option<CallGroup>,
}

/// A STUN or TURN server for the client's `RTCPeerConnection`.
// No `Debug` on the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct IceServer {
    /// `stun:` and `turn:` URLs.
    pub urls: Vec<String>,
    /// User name, where the server wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub username: Option<String>,
    /// Password, where the server wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// Figures of one participant over the last interval, as the server measures them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct ParticipantQuality {
    /// Whose.
    pub user_id: UserId,
    /// Which device.
    pub device_id: DeviceId,
    /// Round trip between server and participant, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite::number_or_nothing")]
    #[ts(optional)]
    pub rtt_ms: Option<f32>,
    /// What the server thinks the participant can receive, in bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub estimate_bps: Option<u64>,
    /// From the participant to the server.
    pub up: TrackQuality,
    /// From the server to the participant.
    pub down: TrackQuality,
    /// How good the call is for this participant, 1 (bad) to 5 (excellent): a mean opinion score estimated from round
    /// trip, loss and jitter of both directions (E-model, ITU-T G.107, simplified). Absent while nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite::number_or_nothing")]
    #[ts(optional)]
    pub score: Option<f32>,
}

/// How a call was for one side, from its answer to its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct QualitySummary {
    /// The mean of the scores (see `ParticipantQuality`), 1 to 5.
    #[serde(deserialize_with = "finite::number")]
    pub score: f32,
    /// The lowest of them.
    #[serde(deserialize_with = "finite::number")]
    pub score_min: f32,
    /// Mean round trip between server and participant, in milliseconds.
    #[serde(deserialize_with = "finite::number")]
    pub rtt_ms: f32,
    /// Mean loss of both directions, as a fraction from 0 to 1.
    #[serde(deserialize_with = "finite::number")]
    pub loss: f32,
    /// Mean jitter, in milliseconds.
    #[serde(deserialize_with = "finite::number")]
    pub jitter_ms: f32,
    /// How often the media of this side was gone.
    pub interruptions: u32,
    /// For how long in all, in milliseconds.
    #[ts(type = "number")]
    pub interrupted_ms: u64,
}

/// Figures of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct TrackQuality {
    /// Bit/s, RTP payload and headers.
    #[ts(type = "number")]
    pub bitrate_bps: u64,
    /// Packets lost, as a fraction from 0 to 1, before retransmission.
    #[serde(deserialize_with = "finite::number")]
    pub loss: f32,
    /// Interarrival jitter of the audio (RFC 3550 §6.4.1), in milliseconds.
    #[serde(deserialize_with = "finite::number")]
    pub jitter_ms: f32,
}
