//! A group call: who is in it, who rings for it, and how it ends.
//!
//! Unlike a call of two it has no sides: it begins with one who is in it, others come and go, and it is over when nobody is left (or,
//! where it is of no group, one alone for whom nobody rings). Invariants: a device has one seat at most, and a user one that counts (the
//! newest, once its media is up) beside its standard peers; who has a seat rings no longer; every change of who is in raises the roster's
//! version, and everybody who is in hears the newest one, so many a second at most that a large call does not tell itself about itself all
//! the time.

mod image;
mod link;
mod parties;
mod ring;
mod seats;

pub(crate) use image::ConferenceImage;
pub(crate) use link::Door;

use crate::call::Context;
use crate::{
    CallKind, CallLink, EndReason, Ended, Endpoint, GroupCall, GroupKey, GroupRecord, MediaFlags, MediaKind, Notice,
    Output, Phase, Record, Roster, RosterChanges, RosterEntry, Running, Snapshot,
};
use link::Waiter;
use parties::Asked;
use ring::Ring;
use seats::Seat;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tertulia_common::{CallId, Timestamp, UserId};

/// Between two rosters, in a call of hundreds. A roster is told to everyone, and who comes names themselves to everyone: what they cost
/// together grows with the square.
const ROSTER_EVERY_MAX: Duration = Duration::from_secs(1);

/// A call of two that became this one.
#[derive(Clone, Debug)]
struct Grown {
    caller: UserId,
    callee: UserId,
    started_at: Timestamp,
    answered_at: Timestamp,
}

/// What a step has changed for the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The device is in it.
    Sat(Endpoint),
    /// The device is in it no longer.
    Rose(Endpoint),
    /// The user's devices may ring for it.
    Rings(UserId),
    /// They do no longer.
    RingsNot(UserId),
    /// The device waits to be let in.
    Waits(Endpoint),
    /// It does no longer.
    WaitsNot(Endpoint),
}

#[derive(Debug)]
pub(crate) struct Conference {
    id: CallId,
    group: Option<GroupKey>,
    /// The link by which people come in.
    link: Option<CallLink>,
    /// By which nobody new comes in any more: it was revoked.
    closed: bool,
    grown: Option<Grown>,
    media: MediaKind,
    started_by: UserId,
    started_at: Timestamp,
    /// In the order of their coming.
    seats: Vec<Seat>,
    /// One for each user who was asked in and has not answered.
    rings: Vec<Ring>,
    /// Who waits to be let in, in the order of their coming.
    waiting: Vec<Waiter>,
    /// Who was turned away, and until when they can't ask again.
    turned_away: BTreeMap<UserId, Timestamp>,
    /// Who was taken out, and has not been asked in again.
    barred: BTreeSet<UserId>,
    /// Everybody who was in it.
    met: BTreeSet<UserId>,
    /// Everybody who was asked in.
    asked: BTreeMap<UserId, Asked>,
    version: u32,
    told_at: Timestamp,
    /// The roster that was told to everybody last.
    told: (u32, Vec<RosterEntry>),
    roster_due: Option<Timestamp>,
    ended: Option<EndReason>,
    forget_at: Option<Timestamp>,
    changes: Vec<Change>,
    unsaved: bool,
}

impl Conference {
    /// One that nobody is in yet.
    fn new(id: CallId, now: Timestamp, started_by: UserId, media: MediaKind) -> Self {
        Self {
            id,
            group: None,
            link: None,
            closed: false,
            grown: None,
            media,
            started_by,
            started_at: now,
            seats: Vec::new(),
            rings: Vec::new(),
            waiting: Vec::new(),
            turned_away: BTreeMap::new(),
            barred: BTreeSet::new(),
            met: BTreeSet::new(),
            asked: BTreeMap::new(),
            version: 0,
            told_at: Timestamp(0),
            told: (0, Vec::new()),
            roster_due: None,
            ended: None,
            forget_at: None,
            changes: Vec::new(),
            unsaved: true,
        }
    }

    /// The call of a group. Who starts it is in it.
    pub(crate) fn start(cx: &mut Context<'_>, id: CallId, group: GroupKey, from: &Endpoint, media: MediaKind) -> Self {
        let mut call = Self { group: Some(group), ..Self::new(id, cx.now, from.user.clone(), media) };
        call.sit(cx, from);
        call
    }

    /// A call of two goes on as this one: `seats` are in it, with what they send and whether their media is up.
    pub(crate) fn grow(
        cx: &mut Context<'_>,
        (id, media): (CallId, MediaKind),
        (caller, callee): (UserId, UserId),
        (started_at, answered_at): (Timestamp, Timestamp),
        version: u32,
        seats: Vec<(Endpoint, MediaFlags, bool, bool)>,
    ) -> Self {
        let mut call = Self::new(id, started_at, caller.clone(), media);
        call.grown = Some(Grown { caller, callee, started_at, answered_at });
        call.version = version;
        for (endpoint, flags, held, media_up) in seats {
            call.take_over(cx, endpoint, flags, held, media_up);
        }
        call.renew(cx);
        call
    }

    pub(crate) fn id(&self) -> CallId {
        self.id
    }

    pub(crate) fn group(&self) -> Option<GroupKey> {
        self.group
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Why it is over.
    pub(crate) fn ended(&self) -> Option<EndReason> {
        self.ended
    }

    /// What the steps since the last time have changed.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Whether what outlives the process has changed since the last time. Where people only wait there is nothing to outlive it.
    pub(crate) fn take_unsaved(&mut self) -> bool {
        self.has_begun() && std::mem::take(&mut self.unsaved) && self.ended.is_none()
    }

    /// When it wants to be woken.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        if self.ended.is_some() {
            return self.forget_at;
        }
        let seats = self.seats.iter().filter_map(|seat| seat.deadline);
        let rings = self.rings.iter().map(|ring| ring.until);
        seats.chain(rings).chain(self.roster_due).chain(self.waits_until()).min()
    }

    /// A moment has come for which it wanted to be woken. Returns whether it is to be forgotten.
    pub(crate) fn on_timer(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ended.is_some() {
            return self.forget_at.is_some_and(|at| at <= cx.now);
        }
        self.give_up_rings(cx);
        self.give_up_seats(cx);
        self.give_up_waiting(cx);
        if self.roster_due.is_some_and(|at| at <= cx.now) {
            self.tell_roster(cx);
        }
        false
    }

    fn kind(&self) -> CallKind {
        CallKind::Conference { group: self.group }
    }

    /// Ends it for everyone.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>, reason: EndReason) {
        if self.ended.is_some() {
            return;
        }
        let lasted = cx.now - self.answered_at();
        for seat in std::mem::take(&mut self.seats) {
            self.notify(cx, seat.endpoint.clone(), Notice::Ended(Ended { reason, duration: lasted }));
            self.changes.push(Change::Rose(seat.endpoint));
        }
        for ring in std::mem::take(&mut self.rings) {
            self.stop_ring(cx, ring, EndReason::Missed, None);
        }
        self.empty_waiting_room(cx, reason);
        self.ended = Some(reason);
        self.roster_due = None;
        self.forget_at = Some(cx.now + cx.timeouts.tombstone);
        cx.out.push_back(Output::CloseRoom { call: self.id });
        if let Some(group) = self.group {
            cx.out.push_back(Output::GroupCall { group });
        }
        self.record(cx, reason, lasted);
    }

    fn record(&self, cx: &mut Context<'_>, reason: EndReason, duration: Duration) {
        if let Some(Grown { caller, callee, started_at, answered_at }) = self.grown.clone() {
            cx.out.push_back(Output::Record(Record {
                call: self.id,
                caller,
                callee,
                media: self.media,
                started_at,
                answered_at: Some(answered_at),
                ended_at: cx.now,
                reason,
                duration,
                hidden: false,
                others: self.parties(),
            }));
        }
        if let Some(group) = self.group {
            cx.out.push_back(Output::GroupRecord(GroupRecord {
                call: self.id,
                group,
                started_by: self.started_by.clone(),
                media: self.media,
                started_at: self.started_at,
                ended_at: cx.now,
                reason,
                duration,
                people: self.parties(),
            }));
        }
        if self.link.is_some() {
            cx.out.push_back(Output::LinkRecord { call: self.id, reason });
        }
    }

    /// When talking began.
    fn answered_at(&self) -> Timestamp {
        self.grown.as_ref().map_or(self.started_at, |grown| grown.answered_at)
    }

    /// Something of the roster has changed.
    fn renew(&mut self, cx: &mut Context<'_>) {
        self.version = self.version.saturating_add(1);
        self.unsaved = true;
        let seats = u64::try_from(self.seats.len()).unwrap_or(u64::MAX);
        let every = Duration::from_millis(seats.saturating_mul(seats) / 20).min(ROSTER_EVERY_MAX);
        let due = self.told_at + every;
        if due <= cx.now {
            self.tell_roster(cx);
        } else {
            self.roster_due = Some(due);
        }
    }

    fn tell_roster(&mut self, cx: &mut Context<'_>) {
        (self.told_at, self.roster_due) = (cx.now, None);
        let to = self.seats.iter().map(|seat| seat.endpoint.clone()).collect();
        let roster = self.roster();
        let changes = self.is_large(cx).then(|| changes(&self.told, &roster)).flatten();
        self.told = (roster.version, roster.participants.clone());
        let notice = changes.map_or(Notice::Roster(roster), Notice::RosterChanges);
        cx.out.push_back(Output::Announce { to, call: self.id, notice });
        if let Some(group) = self.group {
            cx.out.push_back(Output::GroupCall { group });
        }
    }

    /// So many are in it that they are told what has changed, not everything.
    fn is_large(&self, cx: &Context<'_>) -> bool {
        self.seats.len() > cx.limits.roster_whole
    }

    fn roster(&self) -> Roster {
        let entry = |seat: &Seat| RosterEntry {
            endpoint: seat.endpoint.clone(),
            media: seat.flags,
            held: seat.held,
            hand: seat.hand,
        };
        Roster {
            version: self.version,
            participants: self.seats.iter().map(entry).collect(),
            kind: self.kind(),
            ringing: self.rings.iter().map(|ring| ring.user.clone()).collect(),
            hosts: self.hosts(),
            approval: self.has_approval(),
        }
    }

    /// Where it stands for a device that is in it.
    fn phase_of(&self, seat: &Seat) -> Phase {
        match (seat.media_up, seat.was_up) {
            (true, _) => Phase::Active,
            (false, false) => Phase::Connecting,
            (false, true) => Phase::Reconnecting,
        }
    }

    /// The call as one of its devices sees it.
    pub(crate) fn snapshot(&self, device: &Endpoint) -> Option<Snapshot> {
        if self.ended.is_some() {
            return None;
        }
        let seat = self.seat(device);
        let ring = self.ringing(device);
        let phase = match (seat, ring) {
            (Some(seat), _) => self.phase_of(seat),
            (None, Some(_)) => Phase::Ringing,
            (None, None) => return None,
        };
        Some(Snapshot {
            call: self.id,
            peer: ring.map_or(&self.started_by, |ring| &ring.by).clone(),
            outgoing: seat.is_some(),
            media: self.media,
            phase,
            started_at: self.started_at,
            answered_at: seat.map(|_| self.answered_at()),
            expires_at: ring.map(|ring| ring.until),
            roster: seat.map(|_| self.roster()),
            held: seat.is_some_and(|seat| seat.held),
            kind: self.kind(),
            waiting: seat
                .filter(|seat| self.is_host(&seat.endpoint.user))
                .map(|_| self.waiting_users())
                .unwrap_or_default(),
        })
    }

    /// The call as the other devices of somebody see it who is in it.
    pub(crate) fn running(&self, user: &UserId) -> Option<Running> {
        let theirs = |seat: &&Seat| seat.endpoint.user == *user && !seat.endpoint.is_standard_peer();
        let seat = self.seats.iter().find(theirs)?;
        Some(Running {
            call: self.id,
            peer: self.started_by.clone(),
            media: self.media,
            answered_at: self.answered_at(),
            device: seat.endpoint.device.clone(),
            kind: self.kind(),
        })
    }

    /// The call as those see it who might join.
    pub(crate) fn group_call(&self) -> Option<GroupCall> {
        if self.ended.is_some() {
            return None;
        }
        Some(GroupCall {
            call: self.id,
            media: self.media,
            started_by: self.started_by.clone(),
            started_at: self.started_at,
            participants: self.seats.iter().map(|seat| seat.endpoint.clone()).collect(),
        })
    }

    /// Who is in it, or is asked in, each once.
    pub(crate) fn users(&self) -> Vec<UserId> {
        let seats = self.seats.iter().map(|seat| &seat.endpoint.user);
        let all: BTreeSet<&UserId> = seats.chain(self.rings.iter().map(|ring| &ring.user)).collect();
        all.into_iter().cloned().collect()
    }

    /// The devices that have a part in it.
    pub(crate) fn devices(&self) -> impl Iterator<Item = Endpoint> + '_ {
        let seats = self.seats.iter().map(|seat| seat.endpoint.clone());
        seats.chain(self.rings.iter().flat_map(Ring::devices))
    }

    fn notify(&self, cx: &mut Context<'_>, to: Endpoint, notice: Notice) {
        cx.out.push_back(Output::Notify { to, call: self.id, notice });
    }
}

/// What has changed since the roster that was told; none where everything is hardly more, or nothing was told.
fn changes((since, told): &(u32, Vec<RosterEntry>), now: &Roster) -> Option<RosterChanges> {
    let before: BTreeMap<&Endpoint, &RosterEntry> = told.iter().map(|entry| (&entry.endpoint, entry)).collect();
    let there: BTreeSet<&Endpoint> = now.participants.iter().map(|entry| &entry.endpoint).collect();
    let is_same = |entry: &&RosterEntry| before.get(&entry.endpoint).is_some_and(|was| *was == *entry);
    let changed: Vec<RosterEntry> = now.participants.iter().filter(|entry| !is_same(entry)).cloned().collect();
    let gone: Vec<Endpoint> = before.keys().filter(|was| !there.contains(*was)).map(|was| (*was).clone()).collect();
    let (ringing, hosts) = (now.ringing.clone(), now.hosts.clone());
    let is_less = *since > 0 && (changed.len() + gone.len()) * 2 < now.participants.len();
    is_less.then_some(RosterChanges { since: *since, version: now.version, changed, gone, ringing, hosts })
}
