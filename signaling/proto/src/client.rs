//! What a client sends.

use crate::call_link::{CallAdmit, CallLook};
use crate::chat::{MailboxAck, MessageRead, MessageSend};
use crate::conference::{CallAdd, CallHand, CallReact, CallRemove, CallView};
use crate::presence::{PresenceSet, PresenceWatch, TypingSend};
use crate::types::{DeclineReason, MediaFlags, MediaKind, RequestId, Target};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::{CallId, DeviceId, SessionId};
use ts_rs::TS;

/// A frame from a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type")]
pub enum ClientFrame {
    /// The first frame of a socket: who is calling, and whether an earlier session goes on.
    #[serde(rename = "hello")]
    Hello(Hello),
    /// The answer to `ping`.
    #[serde(rename = "pong")]
    Pong(Ack),
    /// How much has been received, so that the server need not keep it for a resume.
    #[serde(rename = "ack")]
    Ack(Ack),
    /// Call someone, or start the call of a group or a link, or join the one that goes on there. Answer: `ok {call_id}`; with `waiting`
    /// where a host of a link's call has to let this user in. If they are calling us at this moment, this answers their call.
    #[serde(rename = "call.invite")]
    CallInvite(CallInvite),
    /// This device rings for the call.
    #[serde(rename = "call.ringing")]
    CallRinging(CallRequest),
    /// Answer the call on this device. The first device wins; the others get `call.ended {answered_elsewhere}`.
    #[serde(rename = "call.accept")]
    CallAccept(CallRequest),
    /// Do not answer the call.
    #[serde(rename = "call.decline")]
    CallDecline(CallDecline),
    /// Give up a call that this device placed and nobody has answered.
    #[serde(rename = "call.cancel")]
    CallCancel(CallRequest),
    /// End a call that this device is in.
    #[serde(rename = "call.hangup")]
    CallHangup(CallRequest),
    /// Connect the media: one offer before the answer, again for an ICE restart. Answer: `ok {sdp, slots}`.
    #[serde(rename = "call.connect")]
    CallConnect(CallConnect),
    /// What this device sends now; the others see it in `call.roster`.
    #[serde(rename = "call.media")]
    CallMedia(CallMedia),
    /// Put an answered call of this device on hold, or go on with it. Nothing is forwarded to or from a call on hold. To go
    /// on with one puts the other on hold. The others see it in `call.roster`.
    #[serde(rename = "call.hold")]
    CallHold(CallHold),
    /// Take over a running call of this user from another device (`calls_elsewhere`): after `ok`, `call.connect`. The earlier
    /// device stays in until this one's media is up; then it hears `call.ended {handed_over}`. Of a group call: go in, late or again.
    #[serde(rename = "call.join")]
    CallJoin(CallRequest),
    /// Leave a group call; it goes on for the others. Or wait no longer to be let in. Of a call of two it is `call.hangup`.
    #[serde(rename = "call.leave")]
    CallLeave(CallRequest),
    /// Who is in a group call that this user may join. Answer: `ok {peek}`. Or what one would come into by a link: `ok {link}`.
    #[serde(rename = "call.peek")]
    CallPeek(CallLook),
    /// Let somebody in who waits, or turn them away.
    #[serde(rename = "call.admit")]
    CallAdmit(CallAdmit),
    /// Have more people ring.
    #[serde(rename = "call.add")]
    CallAdd(CallAdd),
    /// Take somebody out of a group call: who started it may, and admins of its group.
    #[serde(rename = "call.remove")]
    CallRemove(CallRemove),
    /// Raise one's hand in a group call, or take it down; the others see it in `call.roster`.
    #[serde(rename = "call.hand")]
    CallHand(CallHand),
    /// Show the others how one feels.
    #[serde(rename = "call.react")]
    CallReact(CallReact),
    /// What this device shows of a group call. Until it says so, its slots carry what fits, in the order of coming.
    #[serde(rename = "call.view")]
    CallView(CallView),
    /// Send a message. Answer: `ok {message}`, once it is durable.
    #[serde(rename = "message.send")]
    MessageSend(MessageSend),
    /// This user has read a conversation up to there; the others see it in `receipts`, the user's other devices too.
    #[serde(rename = "message.read")]
    MessageRead(MessageRead),
    /// This device has kept everything of its mailbox up to there. Not answered.
    #[serde(rename = "mailbox.ack")]
    MailboxAck(MailboxAck),
    /// Somebody looks at this device, or no longer: a person is here while one of theirs is looked at.
    #[serde(rename = "presence.set")]
    PresenceSet(PresenceSet),
    /// Whom this device wants to know of from now on, instead of whom it named before. `presence` says at once what there is to see of
    /// them, and then what changes.
    #[serde(rename = "presence.watch")]
    PresenceWatch(PresenceWatch),
    /// This person types, records a voice message, or stopped. To be said again every three seconds while it goes on, and kept nowhere: whoever
    /// looks now, and watches this person or that group, hears of it.
    #[serde(rename = "typing")]
    Typing(TypingSend),
    /// Is the way to the server alive? Answered by `ok` at once; for clients that suspect their network.
    #[serde(rename = "probe")]
    Probe(Probe),
}

impl ClientFrame {
    /// The request's id; none for frames that are not answered.
    #[must_use]
    pub fn request_id(&self) -> Option<RequestId> {
        match self {
            Self::Hello(_) | Self::Pong(_) | Self::Ack(_) | Self::MailboxAck(_) => None,
            Self::MessageSend(r) => Some(r.id),
            Self::MessageRead(r) => Some(r.id),
            Self::PresenceSet(r) => Some(r.id),
            Self::PresenceWatch(r) => Some(r.id),
            Self::Typing(r) => Some(r.id),
            Self::CallInvite(r) => Some(r.id),
            Self::CallRinging(r)
            | Self::CallAccept(r)
            | Self::CallCancel(r)
            | Self::CallHangup(r)
            | Self::CallJoin(r)
            | Self::CallLeave(r) => Some(r.id),
            Self::CallPeek(r) => Some(r.id),
            Self::CallAdmit(r) => Some(r.id),
            Self::CallAdd(r) => Some(r.id),
            Self::CallRemove(r) => Some(r.id),
            Self::CallHand(r) => Some(r.id),
            Self::CallReact(r) => Some(r.id),
            Self::CallView(r) => Some(r.id),
            Self::CallHold(r) => Some(r.id),
            Self::Probe(r) => Some(r.id),
            Self::CallDecline(r) => Some(r.id),
            Self::CallConnect(r) => Some(r.id),
            Self::CallMedia(r) => Some(r.id),
        }
    }
}

/// Who is calling.
// No `Debug` on the token.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Hello {
    /// A device token of an account here, or a JWT minted with an API key.
    pub token: String,
    /// This device, as the client named it when it was installed. Absent: the server names it, and says so in `welcome`.
    /// With a device token: that token's device, or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub device_id: Option<DeviceId>,
    /// The session to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub resume: Option<Resume>,
    /// What the client can do.
    #[serde(default)]
    pub caps: Caps,
}

impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("device_id", &self.device_id)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}

/// Goes on with an earlier session.
// No `Debug` on the secret.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Resume {
    /// Which session, from its `welcome`.
    pub session: SessionId,
    /// The secret of that `welcome`.
    pub secret: String,
    /// How many frames of the session the client has received: `welcome`, `ping`, `presence` and `typing` are not counted.
    #[ts(type = "number")]
    pub received: u64,
}

impl std::fmt::Debug for Resume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resume")
            .field("session", &self.session)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

/// What a client can do. Unknown entries are ignored, absent ones are "no".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(default)]
pub struct Caps {
    /// It can ring: it takes calls. A back end or a test that only places calls says no.
    pub rings: bool,
    /// It takes messages: its mailbox is opened, and kept for it while it is away.
    pub messages: bool,
    /// It can have one call on hold and be in another: it rings while it is in a call. Without, it is busy then.
    pub call_waiting: bool,
}

/// How much of the session a client has received.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Ack {
    /// Frames received in this session: `welcome`, `ping`, `presence` and `typing` are not counted.
    #[ts(type = "number")]
    pub received: u64,
}

/// A request about a call that needs nothing but the call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallRequest {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    pub call_id: CallId,
}

/// Call someone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallInvite {
    /// The request's number.
    pub id: RequestId,
    /// Whom.
    pub to: Target,
    /// By voice or by video.
    pub media: MediaKind,
}

/// Do not answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallDecline {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    pub call_id: CallId,
    /// Why.
    pub reason: DeclineReason,
}

/// Connect the media of a call.
// No `Debug` on the SDP: it carries ICE passwords.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallConnect {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    pub call_id: CallId,
    /// An SDP offer (RFC 9429): lines that send (microphone, camera, screen) and lines that receive (slots).
    pub sdp: String,
}

impl std::fmt::Debug for CallConnect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallConnect").field("id", &self.id).field("call_id", &self.call_id).finish_non_exhaustive()
    }
}

/// What this device sends now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallMedia {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    pub call_id: CallId,
    /// What is on.
    #[serde(flatten)]
    #[ts(flatten)]
    pub media: MediaFlags,
}

/// Put a call on hold, or go on with it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallHold {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    pub call_id: CallId,
    /// On hold, or not.
    pub on: bool,
}

/// Is the way to the server alive?
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Probe {
    /// The request's number.
    pub id: RequestId,
}
