//! What goes into the switchboard and what comes out.

use crate::{
    CallKind, CallLink, DeclineReason, EndReason, Ended, Endpoint, GroupKey, GroupRecord, Limit, LinkKey, MediaFlags,
    MediaKind, Phase, Reach, Record, Roster, RosterChanges,
};
use std::time::Duration;
use tertulia_common::{CallId, DeviceId, Timestamp, UserId};

/// A device's wish, answered at once.
///
/// Each may come late or more than once: what is already so is answered as the first time and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Call someone. Answered with the id of the call: `call`, or that of the call it has merged into (the callee was
    /// calling this user at the same moment, and this counts as this device's accept; or this device calls them already).
    /// A call of this device with the same person whose media is down here is ended, and the new one placed.
    Invite {
        /// A new id, made for this request. The same one again gets the same answer, for as long as the call is
        /// remembered: whoever lets requests through twice after that must remember them itself.
        call: CallId,
        /// Whom; none if the directory does not know them.
        callee: Option<Callee>,
        /// By voice or by video.
        media: MediaKind,
    },
    /// This device rings.
    Ringing {
        /// Which call.
        call: CallId,
    },
    /// Answer on this device. The first wins.
    Accept {
        /// Which call.
        call: CallId,
    },
    /// Do not answer.
    Decline {
        /// Which call.
        call: CallId,
        /// For all devices, or for this one.
        reason: DeclineReason,
    },
    /// Give up the call that this device placed. Ends it as hung up if the answer was quicker.
    Cancel {
        /// Which call.
        call: CallId,
    },
    /// End a call that this device is in. Of the caller, before the answer, it is a [`Request::Cancel`].
    Hangup {
        /// Which call.
        call: CallId,
    },
    /// Put an answered call that this device is in on hold, or go on with it. To go on with one puts the device's other call on
    /// hold.
    Hold {
        /// Which call.
        call: CallId,
        /// On hold, or not.
        on: bool,
    },
    /// Take an answered call over from the device of this user that is in it. That one stays in until the media of this one
    /// is up ([`Event::MediaUp`]); if it never is, nothing changes. Of a conference: go in.
    Join {
        /// Which call.
        call: CallId,
        /// Whether this user is a member of the group whose call it is.
        member: bool,
    },
    /// Start the call of a group, or go into the one that goes on there. The caller has seen to it that this user is a member.
    Start {
        /// A new id, made for this request.
        call: CallId,
        /// Which group.
        group: GroupKey,
        /// By voice or by video.
        media: MediaKind,
        /// Who is to ring.
        ring: Vec<Callee>,
    },
    /// Come in by a link: starts its call, or goes into the one that goes on there, or waits to be let in
    /// ([`Switchboard::waits`](crate::Switchboard::waits) says which). The caller has seen to it that the link is good.
    Link {
        /// A new id, made for this request.
        call: CallId,
        /// The link.
        link: CallLink,
        /// By voice or by video.
        media: MediaKind,
    },
    /// Let somebody in who waits, or turn them away. A host in the call may.
    Admit {
        /// Which call.
        call: CallId,
        /// Whom.
        user: UserId,
        /// In, or away.
        admit: bool,
    },
    /// Leave a conference, or wait no longer to be let in. Of a call of two it is a [`Request::Hangup`].
    Leave {
        /// Which call.
        call: CallId,
    },
    /// Have more people ring. An answered call of two becomes a conference by it. The caller has seen to it that of a group's call they
    /// are members.
    Add {
        /// Which call.
        call: CallId,
        /// Who is to ring.
        ring: Vec<Callee>,
    },
    /// Take somebody out of a conference.
    Remove {
        /// Which call.
        call: CallId,
        /// Whom.
        user: UserId,
        /// Whether this user may, beside who started the call.
        admin: bool,
    },
    /// Raise a hand in a conference, or take it down.
    Hand {
        /// Which call.
        call: CallId,
        /// Up, or not.
        up: bool,
    },
    /// Show the others in a conference how one feels.
    React {
        /// Which call.
        call: CallId,
        /// What they see.
        reaction: String,
    },
    /// What this device sends now. The roster's version rises if it is different and the call is answered.
    Media {
        /// Which call.
        call: CallId,
        /// What is on.
        flags: MediaFlags,
    },
}

impl Request {
    /// The call that it is about, if there is one already.
    pub(crate) fn about(&self) -> Option<CallId> {
        match self {
            Self::Invite { .. } | Self::Start { .. } | Self::Link { .. } => None,
            Self::Ringing { call }
            | Self::Accept { call }
            | Self::Decline { call, .. }
            | Self::Cancel { call }
            | Self::Hangup { call }
            | Self::Hold { call, .. }
            | Self::Join { call, .. }
            | Self::Admit { call, .. }
            | Self::Leave { call }
            | Self::Add { call, .. }
            | Self::Remove { call, .. }
            | Self::Hand { call, .. }
            | Self::React { call, .. }
            | Self::Media { call, .. } => Some(*call),
        }
    }
}

/// Whom a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callee {
    /// Who.
    pub user: UserId,
    /// Their connected devices that can ring. May be empty: it rings until one connects or the time is over.
    pub devices: Vec<Ringer>,
    /// Whether they may be rung at all.
    pub reach: Reach,
}

/// A device that can ring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ringer {
    /// Which.
    pub device: DeviceId,
    /// Whether it can have one call on hold and be in another: then it rings while it is in one.
    pub call_waiting: bool,
}

/// What the world does. About calls and devices that have no part in one it may say anything: that is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A device that can ring has opened a new session (not: resumed one). It gets every call that rings for its user, with
    /// the time that remains. One that it declined or was busy for stays silent.
    DeviceConnected {
        /// Which device.
        device: Endpoint,
        /// See [`Ringer::call_waiting`].
        call_waiting: bool,
    },
    /// A device's session is over: no socket, and the resume window has passed. Its ringing legs disappear; a call that it
    /// placed and nobody has answered is cancelled; an answered call goes on for as long as its media does.
    DeviceGone {
        /// Which device.
        device: Endpoint,
    },
    /// A device's media is connected (again).
    MediaUp {
        /// Which call.
        call: CallId,
        /// Which device.
        device: Endpoint,
    },
    /// A device's media is broken and may come back, or its peer is over. A new `call.connect` may bring it up again.
    MediaDown {
        /// Which call.
        call: CallId,
        /// Which device.
        device: Endpoint,
    },
    /// Somebody is a member of a group no longer: they are taken out of its call.
    LeftGroup {
        /// Which group.
        group: GroupKey,
        /// Who.
        user: UserId,
    },
    /// Another session of a device has taken the place of the one before: what that waited for, this one knows nothing of.
    DeviceReplaced {
        /// Which device.
        device: Endpoint,
    },
    /// A link is revoked: nobody new comes in by it. Those who are in stay.
    LinkOver {
        /// Which.
        link: LinkKey,
    },
    /// The server can't go on with a call (its room's shard has stopped). It ends as failed.
    Fail {
        /// Which call.
        call: CallId,
    },
    /// The server goes: every call ends as failed and no new one is taken.
    Shutdown,
}

/// What comes out. Carry it out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell a device.
    Notify {
        /// Which device.
        to: Endpoint,
        /// About which call.
        call: CallId,
        /// What.
        notice: Notice,
    },
    /// Tell several devices the same.
    Announce {
        /// Which devices.
        to: Vec<Endpoint>,
        /// About which call.
        call: CallId,
        /// What.
        notice: Notice,
    },
    /// The call of a group has begun, has other people in it, or is over
    /// ([`Switchboard::group_call`](crate::Switchboard::group_call)).
    GroupCall {
        /// Which group.
        group: GroupKey,
    },
    /// Keep a group's call that is over.
    GroupRecord(GroupRecord),
    /// The call of a link is over. Exactly one comes out for each, and nothing about the call comes after it.
    LinkRecord {
        /// Which call.
        call: CallId,
        /// Why.
        reason: EndReason,
    },
    /// Somebody who waited to be let in is gone, and has no part in the call: what is known of them for it is needed no longer.
    Forget {
        /// Which call.
        call: CallId,
        /// Who.
        user: UserId,
    },
    /// What has to outlive the process has changed: keep [`Switchboard::image`](crate::Switchboard::image), in the order of
    /// these. It is superseded by the image at the call's [`Output::Record`].
    Save {
        /// Which call.
        call: CallId,
    },
    /// The answered calls of a user have changed: tell their devices
    /// ([`Switchboard::running_for`](crate::Switchboard::running_for)).
    Running {
        /// Whose.
        user: UserId,
    },
    /// Keep a missed call for a user and tell their devices. Comes just before the call's [`Output::Record`], for each record
    /// of which [`Record::is_missed`].
    Missed {
        /// Who has missed it.
        callee: UserId,
        /// Which call.
        call: CallId,
        /// Who called.
        caller: UserId,
        /// By voice or by video.
        media: MediaKind,
        /// When they called.
        at: Timestamp,
    },
    /// Keep a finished call in the history. One for each call, and nothing about the call comes after it.
    Record(Record),
    /// The media of a device may flow. If it has no peer yet, [`Admission`](crate::Admission) says so when it connects.
    Admit {
        /// Which call.
        call: CallId,
        /// Which device.
        device: Endpoint,
    },
    /// The media of a device flows no longer, until it is admitted again; its peer stays.
    Hold {
        /// Which call.
        call: CallId,
        /// Which device.
        device: Endpoint,
    },
    /// A device has no part in the call any longer: remove its peer, if it has one.
    RemovePeer {
        /// Which call.
        call: CallId,
        /// Which device.
        device: Endpoint,
    },
    /// The call is over: close its room, with all peers, if there is one.
    CloseRoom {
        /// Which call.
        call: CallId,
    },
    /// For the metrics.
    Measured(Measure),
}

/// What a device is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Someone calls: ring.
    Incoming {
        /// Who.
        from: UserId,
        /// By voice or by video.
        media: MediaKind,
        /// When it stops ringing.
        expires_at: Timestamp,
        /// What sort of call it is.
        kind: CallKind,
    },
    /// The call has moved on. To the caller, and to the one who answered.
    State {
        /// Where it stands now.
        phase: Phase,
        /// When it was answered.
        answered_at: Option<Timestamp>,
    },
    /// This device waits to be let in.
    Wait,
    /// Who waits to be let in, in the order of their coming; empty: nobody any more. To hosts.
    Waiting(Vec<UserId>),
    /// Who is in the call. To those who are.
    Roster(Roster),
    /// The same, of a conference of many: what has changed since they were told last.
    RosterChanges(RosterChanges),
    /// Somebody in the conference shows how they feel.
    Reaction {
        /// Who.
        from: Endpoint,
        /// What the others see.
        reaction: String,
    },
    /// The call is over for this device. Every device that placed, was offered or accepted a call hears it once.
    Ended(Ended),
}

/// A figure for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// From invite to the first device that rings.
    Rang(Duration),
    /// From invite to answer.
    Answered(Duration),
    /// From answer until the media of both sides is up.
    Joined(Duration),
    /// From the loss of a side's media until both are up again.
    Reconnected(Duration),
    /// Two calls that crossed have become one.
    Merged,
    /// A device has taken a call over from another one.
    HandedOver,
    /// A limit was hit: a call was refused, a device did not ring, a tombstone was forgotten early.
    LimitHit(Limit),
}
