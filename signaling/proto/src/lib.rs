//! The wire: every frame, error code and HTTP body, and the two codecs. The only crate that knows the wire format.
//!
//! A frame is an object with a `type`. The same types make JSON (`tertulia.v1.json`, text frames) and MessagePack
//! (`tertulia.v1.msgpack`, binary frames). `docs/protocol.md`, the JSON Schema and the TypeScript types are generated from
//! here by the `reference` binary; a test fails when they no longer match.
//!
//! **Requests.** A request carries an `id`, rising within its session. Its answer is one `ok` or `error` of the same `id`.
//!
//! **Resuming.** Both sides count: the client how many frames it has received in the session (all but `welcome`,
//! `ping`, `presence` and `typing`), the server the ids it has handled. `hello.resume.received` and `welcome.last_request` tell each other; the
//! server replays what came after, the client asks again what was not handled. Nothing is lost, nothing happens twice.

mod account;
mod call_entry;
mod call_link;
mod chat;
mod client;
mod codec;
pub mod compact;
mod conference;
mod content;
mod error;
mod finite;
mod group;
mod http;
mod look;
mod media;
mod presence;
mod push;
mod server;
mod types;

pub use account::{
    Blocks, Device, DeviceAccess, Devices, LinkBegin, LinkBegun, LinkCode, LinkFound, LinkState, Lookup, Profile,
    ProfilePatch, Register, Registered, Settings, SettingsPatch, Verify,
};
pub use call_entry::{CallEntry, CallOutcome, GroupCallEntry};
pub use call_link::{CallAdmit, CallLink, CallLinkNew, CallLinkPeek, CallLinks, CallLook, CallWaiting};
pub use chat::{
    Content, Drained, Gap, GapReason, MailboxAck, Message, MessagePost, MessageRead, MessageSend, MessageSent, Receipt,
    Receipts, ReceiptsOfAll, Recipient,
};
pub use client::{
    Ack, CallConnect, CallDecline, CallHold, CallInvite, CallMedia, CallRequest, Caps, ClientFrame, Hello, Probe,
    Resume,
};
pub use codec::{Codec, DecodeError, MessageHead};
pub use conference::{
    CallAdd, CallGroup, CallHand, CallPeek, CallPublish, CallReact, CallReaction, CallRemove, CallSpeakers, CallView,
    GroupCall, GroupCallChanged, PublishWanted, ViewWant,
};
pub use content::{MediaContent, SharedFile, VoiceContent};
pub use error::{CloseCode, ErrorBody, ErrorClass, ErrorCode, WireError};
pub use group::{Group, GroupEvent, GroupInvite, GroupMember, GroupMemberPut, GroupNew, GroupPatch, GroupRole, Groups};
pub use http::{
    CallHistory, CallRecord, DemoPeople, DemoSignIn, DemoSignedIn, Direction, IceServers, ServerInfo, SignInWay,
};
pub use look::{DeliveryState, FoundMessage, Messages};
pub use media::{
    Media, MediaChallenge, MediaClaim, MediaClass, MediaLease, MediaLink, MediaLinkRequest, MediaPage, MediaProgress,
    MediaProof, MediaRejected, MediaShare, MediaShared, MediaState, MediaTreatment, UploadLimits,
};
pub use presence::{Audience, PersonPresence, Presence, PresenceSet, PresenceWatch, Typing, TypingSend, TypingWhat};
pub use push::{PushKeys, PushState, PushSubscription};
pub use server::{
    CallEnded, CallIncoming, CallMissed, CallQuality, CallRoster, CallRosterChanges, CallSlots, CallState,
    CallsElsewhere, Displaced, Drain, ErrorFrame, Limits, OkFrame, Ping, RosterEntry, ServerFrame, Welcome,
};
pub use types::{
    CallElsewhere, CallSnapshot, DeclineReason, EndReason, IceServer, MediaFlags, MediaKind, Participant,
    ParticipantQuality, Person, Phase, QualitySummary, RequestId, Slot, Source, Target, TrackQuality, VideoCodec,
};
