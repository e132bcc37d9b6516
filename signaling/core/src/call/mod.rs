//! One call: who takes part, where it stands, and how it ends.
//!
//! Invariants: at most one leg is accepted; every device that was offered the call is told exactly once that it is over for
//! it; a call that has ended never changes. What crosses calls (glare, busy) is the switchboard's.

mod leg;
mod media;
mod request;
mod state;

use crate::timer::{Side, Timer, TimerTable};
use crate::{
    EndReason, Ended, Endpoint, Limit, Limits, Measure, MediaKind, Notice, Output, Phase, Record, Roster, RosterEntry,
    Snapshot, Timeouts,
};
use leg::{Leg, LegState, Line};
use state::{Answer, State};
use std::collections::VecDeque;
use std::time::Duration;
use tertulia_common::{CallId, DeviceId, Timestamp, UserId};

/// What a call needs to move: the moment, the rules, and where its outputs go.
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) timeouts: &'a Timeouts,
    pub(crate) limits: &'a Limits,
    pub(crate) out: &'a mut VecDeque<Output>,
}

/// The part of a device in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Caller,
    Leg(usize),
}

#[derive(Debug)]
pub(crate) struct Call {
    id: CallId,
    caller: Endpoint,
    callee: UserId,
    media: MediaKind,
    started_at: Timestamp,
    /// The caller's.
    line: Line,
    legs: Vec<Leg>,
    state: State,
    timers: TimerTable,
    /// The invite of the callee that has merged into this call.
    merged: Option<CallId>,
}

impl Call {
    /// A call that rings nowhere yet: legs come by [`Call::offer`].
    pub(crate) fn place(cx: &Context<'_>, id: CallId, caller: Endpoint, callee: UserId, media: MediaKind) -> Self {
        let mut timers = TimerTable::default();
        timers.set(Timer::Ring, cx.now + cx.timeouts.ring);
        Self {
            id,
            caller,
            callee,
            media,
            started_at: cx.now,
            line: Line::default(),
            legs: Vec::new(),
            state: State::Offered,
            timers,
            merged: None,
        }
    }

    pub(crate) fn id(&self) -> CallId {
        self.id
    }

    pub(crate) fn caller(&self) -> &Endpoint {
        &self.caller
    }

    pub(crate) fn callee(&self) -> &UserId {
        &self.callee
    }

    pub(crate) fn merged(&self) -> Option<CallId> {
        self.merged
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        self.state.phase()
    }

    /// When it wants to be woken.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// The device that has answered, while the call goes on or after.
    pub(crate) fn answered_by(&self) -> Option<Endpoint> {
        let leg = self.legs.iter().find(|leg| leg.state == LegState::Accepted)?;
        Some(self.leg_endpoint(leg))
    }

    pub(crate) fn part_of(&self, device: &Endpoint) -> Option<Part> {
        if *device == self.caller {
            return Some(Part::Caller);
        }
        if device.user != self.callee {
            return None;
        }
        self.legs.iter().position(|leg| leg.device == device.device).map(Part::Leg)
    }

    /// The user on the other side.
    pub(crate) fn peer_of(&self, user: &UserId) -> &UserId {
        if *user == self.caller.user { &self.callee } else { &self.caller.user }
    }

    /// Offers the call to a device of the callee. A busy one never rings. One that is offered it already is told again (its
    /// session is new), unless the call has stopped for it.
    pub(crate) fn offer(&mut self, cx: &mut Context<'_>, device: DeviceId, busy: bool) {
        if !self.state.is_open() {
            return;
        }
        match self.legs.iter().find(|leg| leg.device == device) {
            Some(leg) if !leg.is_open() => return,
            Some(_) => {}
            None if self.legs.len() >= cx.limits.legs_per_call => {
                cx.out.push_back(Output::Measured(Measure::LimitHit(Limit::LegsPerCall)));
                return;
            }
            None => {
                let state = if busy { LegState::Stopped(EndReason::Busy) } else { LegState::Invited };
                self.legs.push(Leg::new(device.clone(), state));
                if busy {
                    return;
                }
            }
        }
        let to = Endpoint { user: self.callee.clone(), device };
        let expires_at = self.timers.get(Timer::Ring).unwrap_or(cx.now);
        self.notify(cx, to, Notice::Incoming { from: self.caller.user.clone(), media: self.media, expires_at });
    }

    /// Ends the call as busy if every device of the callee is. With no device at all it goes on ringing.
    pub(crate) fn end_if_busy(&mut self, cx: &mut Context<'_>) {
        let busy = |leg: &Leg| leg.state == LegState::Stopped(EndReason::Busy);
        if self.state.is_open() && !self.legs.is_empty() && self.legs.iter().all(busy) {
            self.end(cx, EndReason::Busy);
        }
    }

    /// The device has just gone into another call.
    pub(crate) fn device_busy(&mut self, cx: &mut Context<'_>, device: &DeviceId) {
        let open = |leg: &Leg| leg.is_open() && leg.device == *device;
        if let Some(index) = self.legs.iter().position(open) {
            self.stop_leg(cx, index, EndReason::Busy);
            self.end_if_busy(cx);
        }
    }

    /// The device's session is over. Its leg disappears if it rang; a caller that goes before the answer has cancelled. After
    /// the answer only the media counts: while it is up people talk, and when it breaks its own timers run.
    pub(crate) fn device_gone(&mut self, cx: &mut Context<'_>, part: Part) {
        if !self.state.is_open() {
            return;
        }
        match part {
            Part::Caller => self.end(cx, EndReason::Cancelled),
            Part::Leg(index) if self.legs[index].is_open() => {
                let device = self.leg_endpoint(&self.legs[index]);
                self.legs.remove(index);
                cx.out.push_back(Output::RemovePeer { call: self.id, device });
                self.end_if_busy(cx);
            }
            Part::Leg(_) => {}
        }
    }

    /// A timer has come. Returns whether the call is to be forgotten.
    pub(crate) fn on_timer(&mut self, cx: &mut Context<'_>) -> bool {
        match self.timers.take_due(cx.now) {
            Some(Timer::Ring) => self.end(cx, EndReason::Missed),
            Some(Timer::Connect) => self.end(cx, EndReason::Failed),
            Some(Timer::Grace(_)) => self.end(cx, EndReason::Lost),
            Some(Timer::Forget) => return true,
            None => {}
        }
        false
    }

    /// Ends the call for everyone who is still in it, unless it has ended.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>, reason: EndReason) {
        if self.state.phase().is_none() {
            return;
        }
        let answered_at = self.state.answer().map(|answer| answer.at);
        let duration = answered_at.map_or(Duration::ZERO, |at| cx.now - at);
        self.state = State::Ended { reason };
        self.timers.stop_all();
        self.timers.set(Timer::Forget, cx.now + cx.timeouts.tombstone);

        self.notify(cx, self.caller.clone(), Notice::Ended(Ended { reason, duration }));
        if let Some(winner) = self.answered_by() {
            self.notify(cx, winner, Notice::Ended(Ended { reason, duration }));
        }
        let of_leg = if reason == EndReason::Declined { EndReason::DeclinedElsewhere } else { reason };
        for index in 0..self.legs.len() {
            if self.legs[index].is_open() {
                self.tell_stopped(cx, index, of_leg);
            }
        }
        cx.out.push_back(Output::CloseRoom { call: self.id });
        self.record(cx, reason, answered_at, duration);
    }

    fn record(&self, cx: &mut Context<'_>, reason: EndReason, answered_at: Option<Timestamp>, duration: Duration) {
        let record = Record {
            call: self.id,
            caller: self.caller.user.clone(),
            callee: self.callee.clone(),
            media: self.media,
            started_at: self.started_at,
            answered_at,
            ended_at: cx.now,
            reason,
            duration,
        };
        if record.is_missed() {
            cx.out.push_back(Output::Missed {
                callee: self.callee.clone(),
                call: self.id,
                caller: self.caller.user.clone(),
                media: self.media,
                at: self.started_at,
            });
        }
        cx.out.push_back(Output::Record(record));
    }

    /// The leg is over while the call goes on, or before it ends.
    fn stop_leg(&mut self, cx: &mut Context<'_>, index: usize, reason: EndReason) {
        let device = self.tell_stopped(cx, index, reason);
        cx.out.push_back(Output::RemovePeer { call: self.id, device });
    }

    fn tell_stopped(&mut self, cx: &mut Context<'_>, index: usize, reason: EndReason) -> Endpoint {
        let leg = &mut self.legs[index];
        leg.state = LegState::Stopped(reason);
        leg.line = Line::default();
        let device = self.leg_endpoint(&self.legs[index]);
        self.notify(cx, device.clone(), Notice::Ended(Ended { reason, duration: Duration::ZERO }));
        device
    }

    /// Tells the caller, and the one who answered, where the call stands.
    fn announce_state(&self, cx: &mut Context<'_>) {
        let Some(phase) = self.state.phase() else { return };
        let answer = self.state.answer();
        let notice = Notice::State { phase, answered_at: answer.map(|answer| answer.at) };
        if let Some(answer) = answer {
            self.notify(cx, self.leg_endpoint(&self.legs[answer.leg]), notice.clone());
        }
        self.notify(cx, self.caller.clone(), notice);
    }

    /// Tells both who are in the call who is in it.
    fn announce_roster(&self, cx: &mut Context<'_>) {
        let Some(roster) = self.roster() else { return };
        for entry in &roster.participants {
            self.notify(cx, entry.endpoint.clone(), Notice::Roster(roster.clone()));
        }
    }

    fn roster(&self) -> Option<Roster> {
        let answer = self.state.answer()?;
        let leg = &self.legs[answer.leg];
        let participants = [
            RosterEntry { endpoint: self.caller.clone(), media: self.line.flags },
            RosterEntry { endpoint: self.leg_endpoint(leg), media: leg.line.flags },
        ];
        Some(Roster { version: answer.version, participants })
    }

    /// The call as one of its devices sees it; none once it is over for that device.
    pub(crate) fn snapshot(&self, part: Part) -> Option<Snapshot> {
        let phase = self.state.phase()?;
        if let Part::Leg(index) = part
            && matches!(self.legs[index].state, LegState::Stopped(_))
        {
            return None;
        }
        let outgoing = part == Part::Caller;
        Some(Snapshot {
            call: self.id,
            peer: if outgoing { self.callee.clone() } else { self.caller.user.clone() },
            outgoing,
            media: self.media,
            phase,
            started_at: self.started_at,
            answered_at: self.state.answer().map(|answer| answer.at),
            expires_at: self.timers.get(Timer::Ring),
            roster: self.roster(),
        })
    }

    fn leg_endpoint(&self, leg: &Leg) -> Endpoint {
        Endpoint { user: self.callee.clone(), device: leg.device.clone() }
    }

    fn notify(&self, cx: &mut Context<'_>, to: Endpoint, notice: Notice) {
        cx.out.push_back(Output::Notify { to, call: self.id, notice });
    }
}
