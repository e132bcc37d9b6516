//! One call: who takes part, where it stands, and how it ends.
//!
//! Invariants: at most one leg a side is in the call; every device that was offered the call is told exactly once that it is
//! over for it; a call that has ended never changes. What crosses calls (glare, busy, hold of the other one) is the
//! switchboard's.

mod image;
mod leg;
mod media;
mod request;
mod seats;
mod state;

pub(crate) use image::CallImage;

use crate::timer::{Side, Timer, TimerTable};
use crate::{
    CallKind, EndReason, Ended, Endpoint, Limit, Limits, Measure, MediaKind, Notice, Output, Phase, Reach, Record,
    Ringer, Roster, RosterEntry, Running, Snapshot, Timeouts,
};
use leg::{Leg, LegState, Line};
use serde::{Deserialize, Serialize};
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

/// The part of a device in a call: the number of its leg. Good until the call's next step.
pub(crate) type Part = usize;

/// The leg of the device that placed the call.
const PLACER: Part = 0;

#[derive(Debug)]
pub(crate) struct Call {
    id: CallId,
    /// The device that placed it. Another device of the same user may be in it by now.
    caller: Endpoint,
    callee: UserId,
    media: MediaKind,
    reach: Reach,
    started_at: Timestamp,
    /// The first is the placer's. Before the answer the others are the callee's, and may go.
    legs: Vec<Leg>,
    state: State,
    timers: TimerTable,
    merged: Option<Merged>,
}

/// The invite of the callee that has merged into this call, and the leg that it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Merged {
    invite: CallId,
    leg: usize,
}

impl Call {
    /// A call that rings nowhere yet: legs come by [`Call::offer`].
    pub(crate) fn place(
        cx: &Context<'_>,
        id: CallId,
        caller: Endpoint,
        (callee, reach): (UserId, Reach),
        media: MediaKind,
    ) -> Self {
        let mut timers = TimerTable::default();
        timers.set(Timer::Ring, cx.now + cx.timeouts.ring);
        let placer = Leg::new(caller.device.clone(), Side::Caller, LegState::Accepted);
        Self {
            id,
            caller,
            callee,
            media,
            reach,
            started_at: cx.now,
            legs: vec![placer],
            state: State::Offered,
            timers,
            merged: None,
        }
    }

    pub(crate) fn id(&self) -> CallId {
        self.id
    }

    /// The device that placed it.
    pub(crate) fn caller(&self) -> &Endpoint {
        &self.caller
    }

    pub(crate) fn callee(&self) -> &UserId {
        &self.callee
    }

    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }

    /// The invite that has merged into this call.
    pub(crate) fn merged(&self) -> Option<CallId> {
        self.merged.map(|merged| merged.invite)
    }

    /// The device whose invite has merged into this call.
    pub(crate) fn merged_by(&self) -> Option<Endpoint> {
        self.merged.map(|merged| self.endpoint(merged.leg))
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        self.state.phase()
    }

    /// When it wants to be woken.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    pub(crate) fn part_of(&self, device: &Endpoint) -> Option<Part> {
        let side = self.side_of(&device.user)?;
        self.legs.iter().position(|leg| leg.side == side && leg.device == device.device)
    }

    /// Which side a user is on.
    pub(crate) fn side_of(&self, user: &UserId) -> Option<Side> {
        if *user == self.caller.user { Some(Side::Caller) } else { (*user == self.callee).then_some(Side::Callee) }
    }

    fn user_of(&self, side: Side) -> &UserId {
        match side {
            Side::Caller => &self.caller.user,
            Side::Callee => &self.callee,
        }
    }

    /// The user on the other side.
    pub(crate) fn peer_of(&self, user: &UserId) -> &UserId {
        if *user == self.caller.user { &self.callee } else { &self.caller.user }
    }

    /// The device of a leg.
    pub(crate) fn endpoint(&self, part: Part) -> Endpoint {
        let leg = &self.legs[part];
        Endpoint { user: self.user_of(leg.side).clone(), device: leg.device.clone() }
    }

    /// Offers the call to a device of the callee. A busy one never rings. One that is offered it already is told again (its
    /// session is new), unless the call has stopped for it.
    pub(crate) fn offer(&mut self, cx: &mut Context<'_>, ringer: Ringer, busy: bool) {
        if !self.state.is_open() || self.reach != Reach::Rings {
            return;
        }
        let Ringer { device, call_waiting } = ringer;
        match self.legs.iter().position(|leg| leg.side == Side::Callee && leg.device == device) {
            Some(part) if !self.legs[part].is_open() => return,
            Some(part) => self.legs[part].call_waiting = call_waiting,
            None if self.legs.len() > cx.limits.legs_per_call => {
                cx.out.push_back(Output::Measured(Measure::LimitHit(Limit::LegsPerCall)));
                return;
            }
            None => {
                let state = if busy { LegState::Stopped(EndReason::Busy) } else { LegState::Invited };
                self.legs.push(Leg { call_waiting, unheard: busy, ..Leg::new(device.clone(), Side::Callee, state) });
                if busy {
                    return;
                }
            }
        }
        let to = Endpoint { user: self.callee.clone(), device };
        let expires_at = self.timers.get(Timer::Ring).unwrap_or(cx.now);
        let from = self.caller.user.clone();
        self.notify(cx, to, Notice::Incoming { from, media: self.media, expires_at, kind: CallKind::Pair });
    }

    /// Ends the call as busy if every device of the callee is. With no device at all it goes on ringing.
    pub(crate) fn end_if_busy(&mut self, cx: &mut Context<'_>) {
        let busy = |leg: &Leg| leg.state == LegState::Stopped(EndReason::Busy);
        let mut callees = self.legs.iter().filter(|leg| leg.side == Side::Callee).peekable();
        if self.state.is_open() && callees.peek().is_some() && callees.all(busy) {
            self.end(cx, EndReason::Busy);
        }
    }

    /// The device is in so many other calls now.
    pub(crate) fn device_busy(&mut self, cx: &mut Context<'_>, device: &DeviceId, answered: usize) {
        let busy = |leg: &Leg| leg.is_open() && leg.device == *device && is_busy(answered, leg.call_waiting);
        if let Some(index) = self.legs.iter().position(busy) {
            self.stop_leg(cx, index, EndReason::Busy);
            self.end_if_busy(cx);
        }
    }

    /// The device is in so many other calls now, one less than before: if it was busy when this one came, it rings now.
    pub(crate) fn device_free(&mut self, cx: &mut Context<'_>, device: &DeviceId, answered: usize) {
        let free = |leg: &Leg| leg.unheard && leg.device == *device && !is_busy(answered, leg.call_waiting);
        if self.state.is_open()
            && let Some(leg) = self.legs.iter_mut().find(|leg| free(leg))
        {
            leg.unheard = false;
            leg.state = LegState::Invited;
            let ringer = Ringer { device: device.clone(), call_waiting: leg.call_waiting };
            self.offer(cx, ringer, false);
        }
    }

    /// The device's session is over. Its leg disappears if it rang; a caller that goes before the answer has cancelled, and
    /// who was taking the call over does not. After the answer only the media counts: while it is up people talk, and when it
    /// breaks its own timers run.
    pub(crate) fn device_gone(&mut self, cx: &mut Context<'_>, part: Part) {
        match self.legs[part].state {
            LegState::Accepted if self.state.is_open() => self.end(cx, EndReason::Cancelled),
            LegState::Invited | LegState::Ringing => {
                let device = self.endpoint(part);
                self.legs.remove(part);
                cx.out.push_back(Output::RemovePeer { call: self.id, device });
                self.end_if_busy(cx);
            }
            // When it comes back it is asked anew.
            LegState::Stopped(_) if self.legs[part].unheard && self.state.is_open() => drop(self.legs.remove(part)),
            LegState::Joining => {
                let device = self.endpoint(part);
                self.leave_join(part, EndReason::Cancelled);
                cx.out.push_back(Output::RemovePeer { call: self.id, device });
            }
            LegState::Accepted | LegState::Stopped(_) => {}
        }
    }

    /// A timer has come. Returns whether the call is to be forgotten.
    pub(crate) fn on_timer(&mut self, cx: &mut Context<'_>) -> bool {
        match self.timers.take_due(cx.now) {
            Some(Timer::Ring) => self.end(cx, EndReason::Missed),
            Some(Timer::Connect) => self.end(cx, EndReason::Failed),
            Some(Timer::Grace(_)) => self.end(cx, EndReason::Lost),
            Some(Timer::Join(side)) => self.give_up_join(cx, side, EndReason::Failed),
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
        let answer = self.state.answer();
        let duration = answer.map_or(Duration::ZERO, |answer| cx.now - answer.at);
        let inside = answer.map_or_else(|| vec![PLACER], |answer| answer.seats.to_vec());
        self.state = State::Ended { reason };
        self.timers.stop_all();
        self.timers.set(Timer::Forget, cx.now + cx.timeouts.tombstone);

        for part in inside {
            self.notify(cx, self.endpoint(part), Notice::Ended(Ended { reason, duration }));
        }
        let of_leg = if reason == EndReason::Declined { EndReason::DeclinedElsewhere } else { reason };
        for index in 0..self.legs.len() {
            if self.legs[index].is_open() || self.legs[index].state == LegState::Joining {
                self.tell_stopped(cx, index, of_leg);
            }
        }
        cx.out.push_back(Output::CloseRoom { call: self.id });
        self.record(cx, reason, answer.map(|answer| answer.at), duration);
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
            hidden: self.reach == Reach::Nobody,
            others: Vec::new(),
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
        let device = self.endpoint(index);
        self.notify(cx, device.clone(), Notice::Ended(Ended { reason, duration: Duration::ZERO }));
        device
    }

    /// Tells the caller, and the one who answered, where the call stands.
    fn announce_state(&self, cx: &mut Context<'_>) {
        let Some(phase) = self.state.phase() else { return };
        let answer = self.state.answer();
        let notice = Notice::State { phase, answered_at: answer.map(|answer| answer.at) };
        if let Some(answer) = answer {
            self.notify(cx, self.endpoint(answer.seat(Side::Callee)), notice.clone());
        }
        let caller = answer.map_or(PLACER, |answer| answer.seat(Side::Caller));
        self.notify(cx, self.endpoint(caller), notice);
    }

    /// Something of the roster has changed.
    fn renew_roster(&mut self, cx: &mut Context<'_>) {
        if let Some(answer) = self.state.answer_mut() {
            answer.version = answer.version.saturating_add(1);
            self.announce_roster(cx);
        }
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
        let participants = answer.seats.map(|part| {
            let Line { flags, held, .. } = self.legs[part].line;
            RosterEntry { endpoint: self.endpoint(part), media: flags, held, hand: None }
        });
        let (version, participants) = (answer.version, participants.into());
        let (ringing, hosts) = (Vec::new(), Vec::new());
        Some(Roster { version, participants, kind: CallKind::Pair, ringing, hosts, approval: false })
    }

    /// The call as one of its devices sees it; none once it is over for that device.
    pub(crate) fn snapshot(&self, part: Part) -> Option<Snapshot> {
        let phase = self.state.phase()?;
        let leg = &self.legs[part];
        if matches!(leg.state, LegState::Stopped(_)) {
            return None;
        }
        Some(Snapshot {
            call: self.id,
            peer: self.peer_of(self.user_of(leg.side)).clone(),
            outgoing: leg.side == Side::Caller,
            media: self.media,
            phase,
            started_at: self.started_at,
            answered_at: self.state.answer().map(|answer| answer.at),
            expires_at: self.timers.get(Timer::Ring),
            roster: self.roster(),
            held: leg.line.held,
            kind: CallKind::Pair,
            waiting: Vec::new(),
        })
    }

    /// The answered call as the other devices of one of its users see it.
    pub(crate) fn running(&self, user: &UserId) -> Option<Running> {
        let answer = self.state.answer()?;
        let device = self.legs[answer.seat(self.side_of(user)?)].device.clone();
        let (peer, answered_at) = (self.peer_of(user).clone(), answer.at);
        Some(Running { call: self.id, peer, media: self.media, answered_at, device, kind: CallKind::Pair })
    }

    fn notify(&self, cx: &mut Context<'_>, to: Endpoint, notice: Notice) {
        cx.out.push_back(Output::Notify { to, call: self.id, notice });
    }
}

/// Whether a device that is in so many answered calls takes no other.
pub(crate) fn is_busy(answered: usize, call_waiting: bool) -> bool {
    answered > usize::from(call_waiting)
}
