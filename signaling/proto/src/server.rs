//! What the server sends.

use crate::account::{Devices, Settings};
use crate::call_link::{CallLinkPeek, CallWaiting};
use crate::chat::{Drained, Gap, Message, MessageSent, Receipts};
use crate::conference::{CallGroup, CallPeek, CallPublish, CallReaction, CallSpeakers, GroupCall, GroupCallChanged};
use crate::error::ErrorBody;
use crate::media::{Media, MediaProgress, MediaRejected, UploadLimits};
use crate::presence::{Presence, Typing};
use crate::types::{
    CallElsewhere, CallSnapshot, EndReason, IceServer, MediaFlags, MediaKind, Participant, ParticipantQuality, Person,
    Phase, RequestId, Slot, VideoCodec,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::{CallId, DeviceId, SessionId, Timestamp, UserId};
use ts_rs::TS;

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type")]
pub enum ServerFrame {
    /// The answer to `hello`.
    #[serde(rename = "welcome")]
    Welcome(Box<Welcome>),
    /// A request was done.
    #[serde(rename = "ok")]
    Ok(OkFrame),
    /// A request was refused (with its `id`), or a frame could not be read (without).
    #[serde(rename = "error")]
    Error(ErrorFrame),
    /// Are you there? Answer with `pong`.
    #[serde(rename = "ping")]
    Ping(Ping),
    /// The server is about to go: connect again before the deadline, and resume.
    #[serde(rename = "drain")]
    Drain(Drain),
    /// Another socket has taken this device's place; this one is closed.
    #[serde(rename = "displaced")]
    Displaced(Displaced),
    /// Someone calls. Ring, and say `call.ringing`.
    #[serde(rename = "call.incoming")]
    CallIncoming(CallIncoming),
    /// A call of this device has moved on.
    #[serde(rename = "call.state")]
    CallState(CallState),
    /// Who is in the call, and what they send. The newest version counts.
    #[serde(rename = "call.roster")]
    CallRoster(CallRoster),
    /// What has changed of who is in a group call of many.
    #[serde(rename = "call.roster_changes")]
    CallRosterChanges(CallRosterChanges),
    /// What this device's receive slots carry.
    #[serde(rename = "call.slots")]
    CallSlots(CallSlots),
    /// Who waits to be let into a link's call. To its hosts.
    #[serde(rename = "call.waiting")]
    CallWaiting(CallWaiting),
    /// How well the media flows.
    #[serde(rename = "call.quality")]
    CallQuality(CallQuality),
    /// Who speaks in a group call.
    #[serde(rename = "call.speakers")]
    CallSpeakers(CallSpeakers),
    /// What the others show of what this device sends.
    #[serde(rename = "call.publish")]
    CallPublish(CallPublish),
    /// Somebody in a group call shows how they feel.
    #[serde(rename = "call.reaction")]
    CallReaction(CallReaction),
    /// The call of a group of this user's has begun, has another number of participants, or is over.
    #[serde(rename = "call.group")]
    CallGroup(Box<GroupCallChanged>),
    /// The call is over for this device.
    #[serde(rename = "call.ended")]
    CallEnded(CallEnded),
    /// Someone called while nobody answered.
    #[serde(rename = "call.missed")]
    CallMissed(CallMissed),
    /// The running calls of this user on their other devices: all of them, whenever one comes, moves or goes.
    #[serde(rename = "calls.elsewhere")]
    CallsElsewhere(CallsElsewhere),
    /// The devices of this user have changed, or a new one waits for its approval no longer.
    #[serde(rename = "devices")]
    Devices(Devices),
    /// The settings of this user have changed, on whichever device.
    #[serde(rename = "settings")]
    Settings(Settings),
    /// An upload of this user is being made playable.
    #[serde(rename = "media.progress")]
    MediaProgress(MediaProgress),
    /// An upload of this user can be had.
    #[serde(rename = "media.ready")]
    MediaReady(Box<Media>),
    /// An upload of this user was refused.
    #[serde(rename = "media.rejected")]
    MediaRejected(MediaRejected),
    /// A message has come.
    #[serde(rename = "message")]
    Message(Box<Message>),
    /// Members of a conversation have received or read more.
    #[serde(rename = "receipts")]
    Receipts(Receipts),
    /// Messages were given up before this device came for them.
    #[serde(rename = "gap")]
    Gap(Gap),
    /// What had waited has been handed out.
    #[serde(rename = "drained")]
    Drained(Drained),
    /// How things are with people this device watches: what there is news of.
    #[serde(rename = "presence")]
    Presence(Presence),
    /// Somebody types to this user, or in a group that this device watches.
    #[serde(rename = "typing")]
    Typing(Typing),
    /// Demo only: who has signed in.
    #[serde(rename = "demo.people")]
    DemoPeople(crate::http::DemoPeople),
}

impl ServerFrame {
    /// Whether a client counts it as received (for `resume`): all but `welcome`, `ping`, `presence` and `typing`.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        !matches!(self, Self::Welcome(_) | Self::Ping(_) | Self::Presence(_) | Self::Typing(_))
    }
}

/// The session is open.
// No `Debug` on the secret.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Welcome {
    /// Who the token says you are.
    pub user_id: UserId,
    /// Your display name.
    pub name: String,
    /// This device.
    pub device_id: DeviceId,
    /// This session, for `resume`.
    pub session: SessionId,
    /// Proves that the session is yours.
    pub secret: String,
    /// Whether the session asked for goes on. If not, all is new: frames and request ids start from zero.
    pub resumed: bool,
    /// The highest request id that was handled; ask again for those above it.
    pub last_request: RequestId,
    /// A `ping` comes this often, in seconds. Nothing for twice as long: the socket is dead.
    pub heartbeat_s: u32,
    /// How long the server keeps a session without a socket, in seconds.
    pub resume_window_s: u32,
    /// What this connection may do.
    pub limits: Limits,
    /// What an upload may be. Absent: this server takes no uploads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub uploads: Option<UploadLimits>,
    /// The server's clock.
    pub now: Timestamp,
    /// Calls that go on for this device.
    pub calls: Vec<CallSnapshot>,
    /// Calls missed since this user last connected, oldest first.
    pub missed_calls: Vec<CallMissed>,
    /// The running calls of this user on their other devices.
    pub calls_elsewhere: Vec<CallElsewhere>,
    /// Calls of this user's groups that go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<GroupCall>>", optional)]
    pub group_calls: Vec<GroupCall>,
    /// What cameras are coded as in calls of this server, and in its group calls nothing else: everybody has to show it. Absent: VP8.
    #[serde(default, skip_serializing_if = "VideoCodec::is_default")]
    #[ts(as = "Option<VideoCodec>", optional)]
    pub video_codec: VideoCodec,
    /// STUN and TURN servers to use.
    pub ice_servers: Vec<IceServer>,
    /// When their credentials end, by the server's clock: ask for new ones by `GET /v1/ice-servers` before a call that may
    /// outlast them. Absent: they do not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub ice_expires_at: Option<Timestamp>,
    /// This user's settings.
    pub settings: Settings,
    /// Which run of the server this is. Another one than before: the media of every call is gone, and has to be connected
    /// anew; the calls themselves go on.
    pub instance: String,
    /// Whether this server runs as a demo: `/v1/demo/…` works and `demo.people` comes.
    pub demo: bool,
}

impl std::fmt::Debug for Welcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Welcome")
            .field("user_id", &self.user_id)
            .field("device_id", &self.device_id)
            .field("session", &self.session)
            .field("resumed", &self.resumed)
            .finish_non_exhaustive()
    }
}

/// What a connection may do; beyond it comes an `error` of class `limit`, or the socket is closed with a reason.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Limits {
    /// Bytes of the largest frame.
    pub frame_bytes_max: u32,
    /// Requests a second, on average.
    pub requests_per_s: u32,
    /// Requests at once above that average.
    pub requests_burst: u32,
    /// Requests not answered yet.
    pub outstanding_max: u32,
    /// People in a `presence.watch`.
    pub watched_users_max: u32,
    /// Groups in a `presence.watch`.
    pub watched_groups_max: u32,
}

/// A request was done. Which of the optional fields are there depends on the request.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct OkFrame {
    /// Of the request.
    pub id: RequestId,
    /// `call.invite`: the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call_id: Option<CallId>,
    /// `call.invite` by a link: this user waits until a host lets them in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub waiting: bool,
    /// `call.peek` by a link: what one would come into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub link: Option<Box<CallLinkPeek>>,
    /// `call.connect`: the SDP answer. Each line `a=x-restart:<ufrag> <password>` in it is good for one restart of ICE that
    /// the client makes without asking, in their order: as if the answer had come again, with these credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub sdp: Option<String>,
    /// `call.connect`: the receive slots of the offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub slots: Option<Vec<Slot>>,
    /// `call.peek`: who is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub peek: Option<CallPeek>,
    /// `message.send`: where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub message: Option<MessageSent>,
}

impl std::fmt::Debug for OkFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OkFrame").field("id", &self.id).field("call_id", &self.call_id).finish_non_exhaustive()
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct ErrorFrame {
    /// Of the request; absent when the frame could not be read that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub id: Option<RequestId>,
    /// What is wrong.
    pub error: ErrorBody,
}

/// Are you there?
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Ping {
    /// The server's clock.
    pub now: Timestamp,
}

/// The server is about to go.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Drain {
    /// Sockets are closed after this many milliseconds.
    pub deadline_ms: u32,
}

/// Another socket has taken this device's place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Displaced {}

/// Someone calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallIncoming {
    /// Which call.
    pub call_id: CallId,
    /// Who.
    pub from: Person,
    /// By voice or by video.
    pub media: MediaKind,
    /// When it stops ringing, by the server's clock (`welcome.now`).
    pub expires_at: Timestamp,
    /// It is a group call: `call.roster` says who is in, and it goes on when one leaves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub conference: bool,
    /// The group that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub group: Option<CallGroup>,
}

/// A call has moved on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallState {
    /// Which call.
    pub call_id: CallId,
    /// Where it stands now.
    pub phase: Phase,
    /// When it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub answered_at: Option<Timestamp>,
}

/// Who is in a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallRoster {
    /// Which call.
    pub call_id: CallId,
    /// Rises with every change.
    pub version: u32,
    /// Everyone who is in, in the order of their coming.
    pub participants: Vec<RosterEntry>,
    /// It is a group call; one of two becomes one when somebody adds a third.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub conference: bool,
    /// Of a group call: who rings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<Person>>", optional)]
    pub ringing: Vec<Person>,
    /// Of a group call: those of its participants who may remove others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<UserId>>", optional)]
    pub hosts: Vec<UserId>,
    /// Of a link's call: only hosts let others in, and add others. It stays as it is, so changes of the roster do not say it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub approval: bool,
}

/// What has changed of who is in a group call, where so many are that nobody is told all of them again. Whoever has a roster of `since`
/// or a newer one makes `version` of it; who has an older one or none is told a whole roster besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallRosterChanges {
    /// Which call.
    pub call_id: CallId,
    /// What these are the changes since.
    pub since: u32,
    /// What they make of it.
    pub version: u32,
    /// Who is otherwise than before, in their places, and who has come, behind those who were there.
    pub changed: Vec<RosterEntry>,
    /// Who has gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<Participant>>", optional)]
    pub gone: Vec<Participant>,
    /// Who rings; all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<Person>>", optional)]
    pub ringing: Vec<Person>,
    /// Those who may remove others; all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<UserId>>", optional)]
    pub hosts: Vec<UserId>,
}

/// One participant of a roster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct RosterEntry {
    /// Who, on which device.
    #[serde(flatten)]
    #[ts(flatten)]
    pub participant: Participant,
    /// Their display name.
    pub name: String,
    /// What they send.
    #[serde(flatten)]
    #[ts(flatten)]
    pub media: MediaFlags,
    /// They have put the call on hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub held: bool,
    /// When they raised their hand; absent: it is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub hand_at: Option<Timestamp>,
}

/// What this device's receive slots carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallSlots {
    /// Which call.
    pub call_id: CallId,
    /// Every slot of the device's offer.
    pub slots: Vec<Slot>,
}

/// How well the media of a call flows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallQuality {
    /// Which call.
    pub call_id: CallId,
    /// Figures of everyone who is in; where many are, of this device alone.
    pub participants: Vec<ParticipantQuality>,
}

/// A call is over for this device.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallEnded {
    /// Which call.
    pub call_id: CallId,
    /// Why.
    pub reason: EndReason,
    /// From answer to end, in milliseconds; zero if it was not answered.
    #[ts(type = "number")]
    pub duration_ms: u64,
}

/// A call that nobody answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallMissed {
    /// Which call.
    pub call_id: CallId,
    /// Who called.
    pub from: Person,
    /// By voice or by video.
    pub media: MediaKind,
    /// When they called.
    pub at: Timestamp,
}

/// The running calls of this user on their other devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallsElsewhere {
    /// All of them.
    pub calls: Vec<CallElsewhere>,
}
