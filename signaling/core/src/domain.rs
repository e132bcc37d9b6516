//! What calls are made of, as this crate sees it. The gateway translates to and from the wire.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tertulia_common::{CallId, DeviceId, Timestamp, UserId};

/// One device of one user: a device's id is unique within its user only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Whose device.
    pub user: UserId,
    /// Which.
    pub device: DeviceId,
}

/// What the ids of a person's standard peers begin with: a program that publishes (WHIP), and one that plays (WHEP). No device of theirs
/// may go by such an id.
pub const STANDARD_PEER_PREFIXES: [&str; 2] = ["whip-", "whep-"];

impl Endpoint {
    /// Whether it is a standard peer: in a conference it is there beside the person's device, and does not take its place.
    #[must_use]
    pub fn is_standard_peer(&self) -> bool {
        is_standard_peer(&self.device)
    }
}

/// Whether a device's id is one of standard peers.
#[must_use]
pub fn is_standard_peer(device: &DeviceId) -> bool {
    STANDARD_PEER_PREFIXES.iter().any(|prefix| device.as_str().starts_with(prefix))
}

/// What a call was placed as. Cameras come and go during it by [`MediaFlags`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Microphones only.
    Voice,
    /// Microphones and cameras.
    Video,
}

/// What a participant sends now. Nothing, until its device says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MediaFlags {
    /// The microphone is open.
    pub mic: bool,
    /// The camera is on.
    pub camera: bool,
    /// A screen is shared.
    pub screen: bool,
}

/// Where a call that has not ended stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Invited; no device of the callee has said that it rings.
    Offered,
    /// A device of the callee rings.
    Ringing,
    /// Accepted; the media of both sides is not up yet.
    Connecting,
    /// Accepted, and the media of both sides is up.
    Active,
    /// The media of a side is gone; it has the grace time to come back.
    Reconnecting,
}

impl Phase {
    /// Every phase, in the order a call goes through them.
    pub const ALL: [Self; 5] = [Self::Offered, Self::Ringing, Self::Connecting, Self::Active, Self::Reconnecting];
}

/// Why a call ended: for everyone, or (where it says so) for one device while the call went on or ended otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// One side hung up an answered call.
    Hangup,
    /// The callee declined.
    Declined,
    /// Every device of the callee is in another call. Told to one device: it is in another call itself.
    Busy,
    /// The caller gave up before an answer, or its device's session ended.
    Cancelled,
    /// Nobody answered in time.
    Missed,
    /// Another device of this user answered. Of a device, never of a call.
    AnsweredElsewhere,
    /// Another device of this user declined. Of a device, never of a call.
    DeclinedElsewhere,
    /// The media never came up, or the server had to end the call.
    Failed,
    /// The media of a side was gone for longer than the grace time, or the person called again instead of waiting.
    Lost,
    /// Another device of this user has taken the call over. Of a device, never of a call.
    HandedOver,
    /// Somebody who may has taken this user out of a conference, or they belong to its group no longer. Of a device, never of a call.
    Removed,
    /// A host did not let this user in. Of a device that waited, never of a call.
    TurnedAway,
    /// The link was revoked, or its time is over. Of a device that waited, never of a call.
    LinkOver,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 13] = [
        Self::Hangup,
        Self::Declined,
        Self::Busy,
        Self::Cancelled,
        Self::Missed,
        Self::AnsweredElsewhere,
        Self::DeclinedElsewhere,
        Self::Failed,
        Self::Lost,
        Self::HandedOver,
        Self::Removed,
        Self::TurnedAway,
        Self::LinkOver,
    ];
}

/// Why a device declines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeclineReason {
    /// The person does not want to: every device of theirs stops.
    Declined,
    /// This device is taken: the others keep ringing.
    Busy,
}

/// When a device's media may flow, once it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The call is answered and the device is in it: admit it as soon as it has a peer.
    Now,
    /// The call rings, or is on hold, or is being taken over: connect, but forward nothing until
    /// [`Output::Admit`](crate::Output::Admit).
    Later,
}

/// A group of people who write to each other, as the chat names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct GroupKey(pub u128);

// As text: no number of JSON holds it.
impl From<GroupKey> for String {
    fn from(key: GroupKey) -> Self {
        format!("{:032x}", key.0)
    }
}

impl TryFrom<String> for GroupKey {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u128::from_str_radix(&text, 16).map(Self)
    }
}

/// A link by which people come into a call, as the directory names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LinkKey(pub u128);

impl From<LinkKey> for String {
    fn from(key: LinkKey) -> Self {
        GroupKey(key.0).into()
    }
}

impl TryFrom<String> for LinkKey {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        GroupKey::try_from(text).map(|key| Self(key.0))
    }
}

/// What a link says of its call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallLink {
    /// Which.
    pub key: LinkKey,
    /// Who made it: a host of its call.
    pub owner: UserId,
    /// A host has to let in whoever comes by it.
    pub approval: bool,
    /// From then on nobody new comes in by it.
    pub expires_at: Timestamp,
}

/// What sort of call it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallKind {
    /// Between two people.
    #[default]
    Pair,
    /// One that any number can be in.
    Conference {
        /// Whose members may join; none: those who were asked in.
        group: Option<GroupKey>,
    },
}

/// Who is in an answered call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// Starts at 1 with the answer and rises with every change.
    pub version: u32,
    /// Of a call of two the caller's device, then the callee's; of a conference those who are in, in the order of their coming.
    pub participants: Vec<RosterEntry>,
    /// What sort of call it is.
    pub kind: CallKind,
    /// Of a conference: who was asked in and has not answered.
    pub ringing: Vec<UserId>,
    /// Of a conference: who may take others out, beside those whom their group allows it.
    pub hosts: Vec<UserId>,
    /// Of a link's call: only hosts let others in, and have them rung.
    pub approval: bool,
}

/// What has changed of a conference's roster since an earlier version. It makes any version from that one on the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterChanges {
    /// That version.
    pub since: u32,
    /// The new one.
    pub version: u32,
    /// Who has come, behind those who were there, and who is there as before but for something: as they are now.
    pub changed: Vec<RosterEntry>,
    /// Who has gone.
    pub gone: Vec<Endpoint>,
    /// See [`Roster::ringing`]; all of them.
    pub ringing: Vec<UserId>,
    /// See [`Roster::hosts`]; all of them.
    pub hosts: Vec<UserId>,
}

/// One participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterEntry {
    /// Who, on which device.
    pub endpoint: Endpoint,
    /// What they send.
    pub media: MediaFlags,
    /// They have put the call on hold.
    pub held: bool,
    /// Since when their hand is up.
    pub hand: Option<Timestamp>,
}

/// How a call, or one device's part in it, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// From answer to end; zero if it was not answered, or not by this device.
    pub duration: Duration,
}

/// A call that is over, for both sides' history. Exactly one comes out for each call that was placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which call.
    pub call: CallId,
    /// Who placed it.
    pub caller: UserId,
    /// For whom.
    pub callee: UserId,
    /// What it was placed as.
    pub media: MediaKind,
    /// When it was placed.
    pub started_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why it ended; never a reason that is of a device only.
    pub reason: EndReason,
    /// From answer to end; zero if it was not answered.
    pub duration: Duration,
    /// Whether the callee must never hear of it: they have blocked the caller.
    pub hidden: bool,
    /// Who else was in it or asked in, of one to which others were added.
    pub others: Vec<Party>,
}

impl Record {
    /// Whether the callee has missed it: they did not answer, and did not decline.
    #[must_use]
    pub fn is_missed(&self) -> bool {
        self.answered_at.is_none() && self.reason != EndReason::Declined && !self.hidden
    }
}

/// Whom a call reaches. The caller can't tell the three apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The callee's devices ring.
    #[default]
    Rings,
    /// The callee does not want to be disturbed: nothing rings, and the call is missed.
    Silent,
    /// The callee has blocked the caller: nothing rings, and they never hear of it.
    Nobody,
}

/// An answered call of a user, for their other devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Which call.
    pub call: CallId,
    /// The other side.
    pub peer: UserId,
    /// What it was placed as.
    pub media: MediaKind,
    /// When it was answered.
    pub answered_at: Timestamp,
    /// The user's device that is in it.
    pub device: DeviceId,
    /// What sort of call it is.
    pub kind: CallKind,
}

/// A group's call, as those see it who might join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCall {
    /// Which call.
    pub call: CallId,
    /// What it was started as.
    pub media: MediaKind,
    /// Who started it.
    pub started_by: UserId,
    /// When.
    pub started_at: Timestamp,
    /// Who is in it, in the order of their coming.
    pub participants: Vec<Endpoint>,
}

/// Somebody whom a call of many concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Who.
    pub user: UserId,
    /// What they had of it.
    pub state: PartyState,
    /// Whether they must not see that they were asked in: they have blocked who did.
    pub hidden: bool,
}

/// What somebody had of a call of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartyState {
    /// They were in it.
    Came,
    /// They were asked in and did not want to.
    Declined,
    /// They were asked in and did not come.
    Missed,
}

/// A group's call that is over. Exactly one comes out for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRecord {
    /// Which call.
    pub call: CallId,
    /// Whose.
    pub group: GroupKey,
    /// Who started it.
    pub started_by: UserId,
    /// What it was started as.
    pub media: MediaKind,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why it ended.
    pub reason: EndReason,
    /// From start to end.
    pub duration: Duration,
    /// Everybody who was in it or asked in, by their ids.
    pub people: Vec<Party>,
}

/// A call as a device that has just connected must see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Which call.
    pub call: CallId,
    /// The other side; of a conference who asked this user in, or who started it.
    pub peer: UserId,
    /// Whether this device placed it.
    pub outgoing: bool,
    /// What it was placed as.
    pub media: MediaKind,
    /// Where it stands.
    pub phase: Phase,
    /// When it was placed.
    pub started_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When it stops ringing; none once it is answered.
    pub expires_at: Option<Timestamp>,
    /// Who is in it; none before the answer.
    pub roster: Option<Roster>,
    /// This device has put it on hold.
    pub held: bool,
    /// What sort of call it is.
    pub kind: CallKind,
    /// Of a device of a host: who waits to be let in.
    pub waiting: Vec<UserId>,
}

/// How many calls there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Calls that have not ended, by phase, in the order of [`Phase::ALL`].
    pub calls: [usize; 5],
    /// Calls that have ended and are kept for late requests.
    pub tombstones: usize,
}

impl Gauges {
    /// Calls in one phase.
    #[must_use]
    pub fn in_phase(&self, phase: Phase) -> usize {
        self.calls[phase as usize]
    }

    /// Calls that have not ended.
    #[must_use]
    pub fn live(&self) -> usize {
        self.calls.iter().sum()
    }
}
