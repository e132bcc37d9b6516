//! Watches a switchboard from outside: what was asked, what came out. Knows the rules of calls and nothing of how they are kept.

use crate::desk::seconds;
use crate::world::waits;
use std::collections::{BTreeMap, BTreeSet};
use tertulia_common::{CallId, Timestamp, UserId};
use tertulia_signaling_core::{
    Admission, CallError, Callee, EndReason, Ended, Endpoint, Gauges, Measure, Notice, Output, Phase, Reach, Record,
    Request, Roster,
};

/// What is known of one call.
struct Seen {
    caller: Endpoint,
    callee: UserId,
    placed_at: Timestamp,
    reach: Reach,
    /// Who is in it: the caller's device and the callee's.
    seats: Vec<Endpoint>,
    /// Those of them who have put it on hold.
    held: BTreeSet<Endpoint>,
    /// Who is about to take a seat over.
    joining: BTreeSet<Endpoint>,
    phase: Phase,
    /// The newest roster, and who has heard it.
    roster: (u32, BTreeSet<Endpoint>),
    /// Why it ended for each who heard so.
    told: BTreeMap<Endpoint, EndReason>,
    /// The server was told to give it up.
    failing: bool,
    /// The server was away for too long.
    outage: bool,
    closed: bool,
    missed: bool,
    record: Option<Record>,
}

#[derive(Default)]
pub(crate) struct Judge {
    calls: BTreeMap<CallId, Seen>,
    /// Who has a call on the screen: placed, offered or accepted, and not heard that it is over.
    inside: BTreeSet<(Endpoint, CallId)>,
    /// What has happened at all, to know that the scripts reach it.
    pub(crate) reached: BTreeSet<String>,
}

impl Judge {
    pub(crate) fn nth_part(&self, nth: usize) -> Option<(Endpoint, CallId)> {
        self.inside.iter().nth(nth.checked_rem(self.inside.len())?).cloned()
    }

    pub(crate) fn calls_of(&self, device: &Endpoint) -> BTreeSet<CallId> {
        self.inside.iter().filter(|(inside, _)| inside == device).map(|(_, call)| *call).collect()
    }

    pub(crate) fn is_over(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|seen| seen.record.is_some())
    }

    /// Before the outputs of the invite.
    pub(crate) fn invited(
        &mut self,
        now: Timestamp,
        from: &Endpoint,
        call: CallId,
        callee: Option<&Callee>,
        answer: Result<CallId, CallError>,
    ) {
        self.note("invite", &answer);
        let Some(callee) = callee else {
            assert_eq!(answer, Err(CallError::UnknownUser));
            return;
        };
        if callee.user == from.user {
            assert_eq!(answer, Err(CallError::SelfCall));
            return;
        }
        let Ok(answer) = answer else { return };
        if answer == call && !self.calls.contains_key(&call) {
            let placed = Seen {
                caller: from.clone(),
                callee: callee.user.clone(),
                placed_at: now,
                reach: callee.reach,
                seats: Vec::new(),
                held: BTreeSet::new(),
                joining: BTreeSet::new(),
                phase: Phase::Offered,
                roster: (0, BTreeSet::new()),
                told: BTreeMap::new(),
                failing: false,
                outage: false,
                closed: false,
                missed: false,
                record: None,
            };
            self.calls.insert(call, placed);
        }
        let seen = &self.calls[&answer];
        let people = BTreeSet::from([&seen.caller.user, &seen.callee]);
        assert_eq!(people, BTreeSet::from([&from.user, &callee.user]), "a call between these two");
        if seen.record.is_none() {
            self.inside.insert((from.clone(), answer));
        }
    }

    pub(crate) fn asked(&mut self, from: &Endpoint, request: &Request, answer: Result<CallId, CallError>) {
        let (Request::Ringing { call }
        | Request::Accept { call }
        | Request::Decline { call, .. }
        | Request::Cancel { call }
        | Request::Hangup { call }
        | Request::Hold { call, .. }
        | Request::Join { call, .. }
        | Request::Media { call, .. }) = request
        else {
            return;
        };
        self.note(format!("{request:?}").split(' ').next().unwrap_or_default(), &answer);
        self.assert_no_stranger(from, *call, answer.err());
        assert!(answer.is_err() || answer == Ok(*call));
        if matches!(request, Request::Join { .. }) && answer.is_ok() {
            let seen = self.calls.get_mut(call).expect("a call that was placed");
            assert!(!seen.seats.is_empty() && seen.record.is_none(), "only a running call is taken over");
            if !seen.seats.contains(from) {
                seen.joining.insert(from.clone());
                self.inside.insert((from.clone(), *call));
            }
        }
    }

    pub(crate) fn admission(&mut self, from: &Endpoint, call: CallId, admission: Result<Admission, CallError>) {
        self.note("connect", &admission);
        self.assert_no_stranger(from, call, admission.err());
        if let Ok(admission) = admission {
            let seen = &self.calls[&call];
            let now = seen.seats.contains(from) && !seen.held.contains(from);
            assert_eq!(admission == Admission::Now, now);
            assert!(self.inside.contains(&(from.clone(), call)), "only who has a part connects media");
        }
    }

    fn assert_no_stranger(&self, from: &Endpoint, call: CallId, error: Option<CallError>) {
        let seen = &self.calls[&call];
        if from.user != seen.caller.user && from.user != seen.callee {
            assert_eq!(error, Some(CallError::UnknownCall), "{from:?} is a stranger");
        }
    }

    /// Before the outputs of the event. Who only rang is not told, there being nobody to tell.
    pub(crate) fn gone(&mut self, device: &Endpoint) {
        self.inside.retain(|(inside, call)| {
            let seen = &self.calls[call];
            let placed = seen.seats.is_empty() && seen.caller == *device;
            inside != device || placed || seen.seats.contains(device)
        });
        for seen in self.calls.values_mut() {
            seen.joining.remove(device);
        }
    }

    /// After the outputs of the event.
    pub(crate) fn assert_left(&self, device: &Endpoint) {
        for call in self.calls_of(device) {
            assert!(self.calls[&call].seats.contains(device), "{device:?} has gone before an answer");
        }
    }

    /// The server is told to give up a call.
    pub(crate) fn failing(&mut self, call: CallId) {
        if let Some(seen) = self.calls.get_mut(&call) {
            seen.failing = true;
        }
    }

    pub(crate) fn output(&mut self, now: Timestamp, online: &BTreeSet<Endpoint>, output: &Output) {
        match output {
            Output::Notify { to, call, notice } => {
                self.assert_open(*call);
                self.notified(now, online, to, *call, notice);
            }
            Output::Missed { call, callee, .. } => {
                let seen = self.assert_open(*call);
                assert_eq!(seen.callee, *callee);
                assert_ne!(seen.reach, Reach::Nobody, "who is blocked is not heard of");
                assert!(!std::mem::replace(&mut seen.missed, true));
            }
            Output::Record(record) => self.recorded(record),
            Output::Admit { call, device } => self.admitted(*call, device),
            Output::Hold { call, device } => {
                let seen = self.assert_open(*call);
                assert!(seen.seats.contains(device) && seen.held.insert(device.clone()), "{device:?} is not in it");
                self.reached.insert("held".to_owned());
            }
            Output::Save { call } => drop(self.assert_open(*call)),
            Output::Running { .. } => {}
            Output::Announce { .. }
            | Output::GroupCall { .. }
            | Output::GroupRecord(_)
            | Output::LinkRecord { .. }
            | Output::Forget { .. } => {
                unreachable!("of conferences only")
            }
            Output::RemovePeer { call, device } => {
                assert!(!self.assert_open(*call).seats.contains(device), "{device:?} is in the call");
                assert!(!self.inside.contains(&(device.clone(), *call)));
            }
            Output::CloseRoom { call } => {
                assert!(!std::mem::replace(&mut self.assert_open(*call).closed, true));
            }
            Output::Measured(Measure::LimitHit(limit)) => {
                self.reached.insert(format!("{limit:?}"));
            }
            Output::Measured(measure) => {
                self.reached.insert(format!("{measure:?}").chars().take_while(|c| c.is_alphabetic()).collect());
            }
        }
    }

    /// The call, of which there is no record yet: nothing comes after that.
    fn assert_open(&mut self, call: CallId) -> &mut Seen {
        let seen = self.calls.get_mut(&call).expect("a call that was placed");
        assert_eq!(seen.record, None, "nothing comes after the record");
        seen
    }

    fn notified(&mut self, now: Timestamp, online: &BTreeSet<Endpoint>, to: &Endpoint, call: CallId, notice: &Notice) {
        let part = (to.clone(), call);
        if let Notice::Incoming { expires_at, .. } = notice {
            assert!(self.answered(to) <= usize::from(waits(to)), "{to:?} is in an answered call");
            let seen = &self.calls[&call];
            assert!(online.contains(to) && to.user == seen.callee, "{to:?} does not wait for this call");
            assert!(seen.seats.is_empty(), "it is answered");
            assert_eq!(seen.reach, Reach::Rings, "they are not to be rung");
            assert!(now < *expires_at, "a late invite never rings");
            assert_eq!(*expires_at, seen.placed_at + seconds(60));
            assert!(!seen.told.contains_key(to), "{to:?} has heard that it is over");
            self.inside.insert(part);
            return;
        }
        assert!(self.inside.contains(&part), "{to:?} has no part in it: {notice:?}");
        let Some(seen) = self.calls.get_mut(&call) else { return };
        match notice {
            Notice::Incoming { .. } => {}
            Notice::State { phase, .. } => {
                let back = seen.phase == Phase::Reconnecting && *phase == Phase::Active;
                assert!(*phase >= seen.phase || back, "from {:?} to {phase:?}", seen.phase);
                assert_eq!(*phase >= Phase::Connecting, !seen.seats.is_empty());
                seen.phase = *phase;
            }
            Notice::Roster(roster) => seen.check_roster(to, roster),
            Notice::RosterChanges(_) | Notice::Reaction { .. } | Notice::Wait | Notice::Waiting(_) => {
                unreachable!("of conferences only")
            }
            Notice::Ended(Ended { reason, .. }) => {
                seen.told.insert(to.clone(), *reason);
                seen.joining.remove(to);
                self.inside.remove(&part);
                self.reached.insert(format!("told {reason:?}"));
            }
        }
    }

    /// The answer, the taking over of a seat, or the end of a hold.
    fn admitted(&mut self, call: CallId, device: &Endpoint) {
        assert!(self.inside.contains(&(device.clone(), call)), "{device:?} has no part in it");
        let others = self.calls.iter().filter(|(id, seen)| **id != call && seen.is_taken_by(device));
        let others: Vec<_> = others.map(|(_, seen)| seen).collect();
        assert!(others.len() <= usize::from(waits(device)), "{device:?} is in an answered call");
        assert!(others.iter().all(|seen| seen.held.contains(device)), "one that is not on hold at a time");
        let seen = self.assert_open(call);
        if seen.held.remove(device) {
            assert!(seen.seats.contains(device));
            self.reached.insert("resumed".to_owned());
        } else if seen.joining.remove(device) {
            let seat = usize::from(device.user == seen.callee);
            let before = std::mem::replace(&mut seen.seats[seat], device.clone());
            assert_eq!(before.user, device.user);
            seen.held.remove(&before);
        } else {
            let expected = if seen.seats.is_empty() { &seen.caller.user } else { &seen.callee };
            assert_eq!(device.user, *expected, "the caller comes first");
            assert!(!seen.seats.is_empty() || *device == seen.caller);
            seen.seats.push(device.clone());
            assert!(seen.seats.len() <= 2, "at most one accepted leg a side: {:?}", seen.seats);
        }
    }

    /// In how many answered calls a device is, or is about to be.
    fn answered(&self, device: &Endpoint) -> usize {
        self.calls.values().filter(|seen| seen.is_taken_by(device)).count()
    }

    /// An answered call of this user, by number.
    pub(crate) fn nth_running(&self, user: &UserId, nth: usize) -> Option<CallId> {
        let of_user = |seen: &&Seen| seen.caller.user == *user || seen.callee == *user;
        let running = self.calls.iter().filter(|(_, seen)| seen.is_running() && of_user(seen));
        let running: Vec<CallId> = running.map(|(call, _)| *call).collect();
        running.get(nth.checked_rem(running.len())?).copied()
    }

    /// The answered calls of this user, and on which device.
    pub(crate) fn running_for(&self, user: &UserId) -> BTreeSet<(CallId, Endpoint)> {
        let running = self.calls.iter().filter(|(_, seen)| seen.is_running());
        let seats = running.flat_map(|(call, seen)| seen.seats.iter().map(|seat| (*call, seat.clone())));
        seats.filter(|(_, seat)| seat.user == *user).collect()
    }

    /// The server has come back after so long: the media of every call are gone.
    pub(crate) fn restarted(&mut self, too_late: bool) {
        for seen in self.calls.values_mut().filter(|seen| seen.is_running()) {
            seen.phase = Phase::Reconnecting;
            seen.outage = too_late;
            // Those who hear nothing, there being nobody to tell.
            if too_late {
                self.reached.insert("outage".to_owned());
            }
            self.reached.insert("restart".to_owned());
        }
    }

    fn recorded(&mut self, record: &Record) {
        let inside = self.inside.iter().find(|(_, call)| *call == record.call);
        assert_eq!(inside, None, "left ringing, or in a call that has ended");
        let seen = self.assert_open(record.call);
        assert!(seen.closed);
        assert_eq!(seen.missed, record.is_missed());
        assert_eq!((&seen.caller.user, &seen.callee), (&record.caller, &record.callee));
        assert_eq!(seen.placed_at, record.started_at);
        assert_eq!(record.hidden, seen.reach == Reach::Nobody);
        let answered = !seen.seats.is_empty();
        assert!(!answered || seen.reach != Reach::Nobody, "who is not reached does not answer");
        assert_eq!(record.answered_at.is_some(), answered);
        let possible = match record.reason {
            EndReason::Hangup => answered,
            EndReason::Lost => seen.phase == Phase::Reconnecting || seen.outage,
            EndReason::Declined | EndReason::Busy | EndReason::Cancelled | EndReason::Missed => !answered,
            EndReason::Failed => seen.failing || (seen.phase == Phase::Connecting && record.duration == seconds(15)),
            EndReason::AnsweredElsewhere
            | EndReason::DeclinedElsewhere
            | EndReason::HandedOver
            | EndReason::Removed
            | EndReason::TurnedAway
            | EndReason::LinkOver => false,
        };
        assert!(possible, "{record:?}");
        let rang_for = record.answered_at.unwrap_or(record.ended_at).since(record.started_at);
        assert!(rang_for <= seconds(60), "{record:?}");
        assert!(record.reason != EndReason::Missed || rang_for == seconds(60), "{record:?}");
        assert_eq!(record.duration, record.answered_at.map_or(seconds(0), |at| record.ended_at.since(at)));
        let parties = if answered { seen.seats.clone() } else { vec![seen.caller.clone()] };
        for party in &parties {
            assert_eq!(seen.told.get(party), Some(&record.reason), "one reason for both");
        }
        self.reached.insert(format!("record {:?}", record.reason));
        if let Some(seen) = self.calls.get_mut(&record.call) {
            seen.record = Some(record.clone());
        }
    }

    pub(crate) fn check_gauges(&self, gauges: Gauges) {
        for phase in Phase::ALL {
            let calls = self.calls.values().filter(|seen| seen.record.is_none() && seen.phase == phase);
            assert_eq!(gauges.in_phase(phase), calls.count(), "{phase:?}");
        }
    }

    pub(crate) fn check_all_over(&self) {
        assert!(self.calls.values().all(|seen| seen.record.is_some()), "one record for each call");
        assert_eq!(self.inside.iter().next(), None, "nobody is left in a call");
    }

    fn note<T, E: std::fmt::Debug>(&mut self, what: &str, answer: &Result<T, E>) {
        let how = answer.as_ref().map_or_else(|error| format!("{error:?}"), |_| "ok".to_owned());
        self.reached.insert(format!("{what} {how}"));
    }
}

impl Seen {
    fn check_roster(&mut self, to: &Endpoint, roster: &Roster) {
        let (version, heard) = &mut self.roster;
        if roster.version != *version {
            assert_eq!(roster.version, *version + 1, "rosters come one by one");
            *version = roster.version;
            heard.clear();
        }
        assert!(heard.insert(to.clone()), "and once");
        for (entry, seat) in roster.participants.iter().zip(&self.seats) {
            assert_eq!((&entry.endpoint, entry.held), (seat, self.held.contains(seat)));
        }
    }

    fn is_running(&self) -> bool {
        !self.seats.is_empty() && self.record.is_none()
    }

    fn is_taken_by(&self, device: &Endpoint) -> bool {
        self.is_running() && (self.seats.contains(device) || self.joining.contains(device))
    }
}
