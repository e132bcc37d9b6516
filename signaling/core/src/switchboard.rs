//! All calls of the process, and what crosses them: who is busy, calls that cross, calling again, which call is on hold.
//!
//! Invariant: a device is in at most two calls, and in at most one that is not on hold. Everything due before `now` happens before what is
//! asked at `now`, however late the shell wakes: an accept after the ring time is too late even if no timer has run.

use crate::call::{Call, Context, Part, is_busy};
use crate::conference::Conference;
use crate::image::Sort;
use crate::index::{Footprint, Index};
use crate::{
    Admission, CallError, Callee, EndReason, Endpoint, Event, Gauges, GroupKey, Image, Limit, Limits, LinkKey, Measure,
    MediaKind, Output, Phase, Reach, Request, Ringer, Running, Snapshot, Timeouts,
};
use conferences::Asked;
use std::collections::{BTreeMap, HashMap, VecDeque};
use tertulia_common::{CallId, Timestamp, UserId};

mod conferences;
mod restore;

pub use restore::Restored;

/// Owns every call. See the crate's documentation for how to drive it.
#[derive(Debug)]
pub struct Switchboard {
    timeouts: Timeouts,
    limits: Limits,
    calls: BTreeMap<CallId, Call>,
    conferences: BTreeMap<CallId, Conference>,
    /// The calls of groups that go on.
    groups: HashMap<GroupKey, CallId>,
    /// The calls of links that go on.
    links: HashMap<LinkKey, CallId>,
    /// Invites that have merged into another call, to that call.
    merged: HashMap<CallId, CallId>,
    index: Index,
    out: VecDeque<Output>,
    shutting_down: bool,
}

impl Switchboard {
    /// A switchboard without calls.
    #[must_use]
    pub fn new(timeouts: Timeouts, limits: Limits) -> Self {
        Self {
            timeouts,
            limits,
            calls: BTreeMap::new(),
            conferences: BTreeMap::new(),
            groups: HashMap::new(),
            links: HashMap::new(),
            merged: HashMap::new(),
            index: Index::default(),
            out: VecDeque::new(),
            shutting_down: false,
        }
    }

    /// A device's wish. Answered with the id of the call that it was about.
    ///
    /// # Errors
    /// Why it is refused; a refused request has changed nothing.
    pub fn request(&mut self, now: Timestamp, from: &Endpoint, request: Request) -> Result<CallId, CallError> {
        self.handle_timeout(now);
        let request = match self.request_conference(now, from, request) {
            Asked::Done(done) => return done,
            Asked::Other(request) => request,
        };
        match request {
            Request::Invite { call, callee, media } => self.invite(now, from, call, callee, media),
            Request::Accept { call } => self.accept(now, from, call),
            Request::Ringing { call } => self.with_part(now, from, call, Call::ringing),
            Request::Decline { call, reason } => {
                self.with_part(now, from, call, |call, cx, part| call.decline(cx, part, reason))
            }
            Request::Cancel { call } => self.with_part(now, from, call, Call::cancel),
            Request::Hangup { call } | Request::Leave { call } => self.with_part(now, from, call, Call::hangup),
            Request::Hold { call, on } => self.hold(now, from, call, on),
            Request::Join { call, .. } => self.join(now, from, call),
            Request::Add { call, ring } => self.grow(now, from, call, ring),
            // Of a conference only: a call of two has none of it.
            Request::Start { call, .. }
            | Request::Link { call, .. }
            | Request::Admit { call, .. }
            | Request::Remove { call, .. }
            | Request::Hand { call, .. }
            | Request::React { call, .. } => self.part_of(call, from).and(Err(CallError::StateMismatch)),
            Request::Media { call, flags } => {
                self.with_part(now, from, call, |call, cx, part| call.set_flags(cx, part, flags))
            }
        }
    }

    /// Whether a device may connect its media to a call now, and when they may flow. Ask for each `call.connect`.
    ///
    /// # Errors
    /// [`CallError::AnswerFirst`] if too many devices ring to let this one connect before the answer; otherwise as a
    /// request: the call is unknown, or over.
    pub fn admit_media(&mut self, now: Timestamp, call: CallId, from: &Endpoint) -> Result<Admission, CallError> {
        self.handle_timeout(now);
        if let Some(admission) = self.admit_conference(now, call, from) {
            return admission;
        }
        let part = self.part_of(call, from)?;
        self.step(now, call, |call, cx| call.admit_media(cx, part)).unwrap_or(Err(CallError::UnknownCall))
    }

    /// Something has happened.
    pub fn handle(&mut self, now: Timestamp, event: Event) {
        self.handle_timeout(now);
        self.handle_conferences(now, &event);
        match event {
            Event::LeftGroup { .. } | Event::LinkOver { .. } | Event::DeviceReplaced { .. } => {}
            Event::DeviceConnected { device, call_waiting } => self.device_connected(now, &device, call_waiting),
            Event::DeviceGone { device } => self.device_gone(now, &device),
            Event::MediaUp { call, device } => {
                if let Ok(part) = self.part_of(call, &device) {
                    self.step(now, call, |call, cx| call.media_up(cx, part));
                    self.settle_busy(now, call);
                }
            }
            Event::MediaDown { call, device } => {
                if let Ok(part) = self.part_of(call, &device) {
                    self.step(now, call, |call, cx| call.media_down(cx, part));
                }
            }
            Event::Fail { call } => {
                self.step(now, call, |call, cx| call.end(cx, EndReason::Failed));
            }
            Event::Shutdown => {
                self.shutting_down = true;
                for id in self.calls.keys().copied().collect::<Vec<_>>() {
                    self.step(now, id, |call, cx| call.end(cx, EndReason::Failed));
                }
            }
        }
    }

    /// The next output. Take them all after every input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`Switchboard::handle_timeout`]; none if nothing is under way.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.index.next_deadline().map(|(at, _)| at)
    }

    /// Does what was due until now, as of the moment when it was due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.index.next_deadline()
            && at <= now
        {
            let over = self.step(at, id, Call::on_timer).or_else(|| self.step_conference(at, id, Conference::on_timer));
            if over.unwrap_or(true) {
                self.forget(id);
            }
        }
    }

    /// The calls that a device is in, or could answer, oldest first.
    #[must_use]
    pub fn snapshots_for(&self, device: &Endpoint) -> Vec<Snapshot> {
        let mut ids: Vec<CallId> = self.index.open_for(&device.user).to_vec();
        ids.extend(self.index.seats(device));
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter()
            .filter_map(|id| match self.calls.get(&id) {
                Some(call) => call.snapshot(call.part_of(device)?),
                None => self.conferences.get(&id)?.snapshot(device),
            })
            .collect()
    }

    /// The answered calls of a user, on whichever device, oldest answer first.
    #[must_use]
    pub fn running_for(&self, user: &UserId) -> Vec<Running> {
        let mut ids = self.index.running_for(user).to_vec();
        ids.dedup();
        let running = |id: &CallId| match self.calls.get(id) {
            Some(call) => call.running(user),
            None => self.conferences.get(id)?.running(user),
        };
        ids.iter().filter_map(running).collect()
    }

    /// Which side of an answered call a device is in: true for the caller's. None if it is not.
    #[must_use]
    pub fn seat_of(&self, call: CallId, device: &Endpoint) -> Option<bool> {
        let call = self.calls.get(&call)?;
        let part = call.part_of(device)?;
        call.is_seated(part).then(|| device.user == call.caller().user)
    }

    /// What of a call has to outlive the process; of a call that has ended too, for as long as it is remembered.
    #[must_use]
    pub fn image(&self, call: CallId) -> Option<Image> {
        let of_two = || Some(Image(Sort::Pair(self.calls.get(&call)?.image())));
        of_two().or_else(|| self.conference_image(call))
    }

    /// How many calls there are.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        self.index.gauges()
    }

    fn invite(
        &mut self,
        now: Timestamp,
        from: &Endpoint,
        id: CallId,
        callee: Option<Callee>,
        media: MediaKind,
    ) -> Result<CallId, CallError> {
        if let Some(known) = self.known_invite(from, id)? {
            return Ok(known);
        }
        let callee = callee.ok_or(CallError::UnknownUser)?;
        if callee.user == from.user {
            return Err(CallError::SelfCall);
        }
        if self.shutting_down {
            return Err(CallError::ShuttingDown);
        }
        let stale = match *self.index.seats(from) {
            [] => None,
            [seat] => match self.again(seat, from, &callee)? {
                Again::SameCall => return Ok(seat),
                Again::Anew => Some(seat),
            },
            _ => return Err(CallError::AlreadyInCall),
        };
        let crossing = self.crossing(from, &callee);
        if crossing.is_none() {
            self.check_room(&callee, stale.is_some())?;
        }
        if let Some(stale) = stale {
            self.step(now, stale, |call, cx| call.end(cx, EndReason::Lost));
        }
        if let Some(crossing) = crossing {
            self.merged.insert(id, crossing);
            self.step(now, crossing, |call, cx| call.merge(cx, &from.device, id));
            self.settle_busy(now, crossing);
            return Ok(crossing);
        }
        self.place(now, from, id, callee, media);
        Ok(id)
    }

    /// The call of an invite that has been seen before: of this device's, or nobody else's business.
    fn known_invite(&self, from: &Endpoint, id: CallId) -> Result<Option<CallId>, CallError> {
        let known = self.merged.get(&id).copied().unwrap_or(id);
        let Some(call) = self.calls.get(&known) else { return Ok(None) };
        let theirs = if known == id { call.caller() == from } else { call.merged_by().as_ref() == Some(from) };
        if theirs { Ok(Some(known)) } else { Err(CallError::UnknownCall) }
    }

    /// What an invite comes to for a device that is in a call.
    fn again(&self, seat: CallId, from: &Endpoint, callee: &Callee) -> Result<Again, CallError> {
        let call = self.calls.get(&seat).ok_or(CallError::AlreadyInCall)?;
        let part = call.part_of(from).ok_or(CallError::AlreadyInCall)?;
        if *call.peer_of(&from.user) != callee.user {
            return Err(CallError::AlreadyInCall);
        }
        match call.phase() {
            Some(Phase::Offered | Phase::Ringing | Phase::Connecting) => Ok(Again::SameCall),
            Some(Phase::Reconnecting) if call.is_restored_for(part) => Ok(Again::SameCall),
            Some(Phase::Reconnecting) if call.is_stale_for(part) => Ok(Again::Anew),
            Some(Phase::Active | Phase::Reconnecting) | None => Err(CallError::AlreadyInCall),
        }
    }

    /// The callee's call to this user, if one waits for an answer.
    fn crossing(&self, from: &Endpoint, callee: &Callee) -> Option<CallId> {
        let open = self.index.open_for(&from.user).iter();
        open.copied().find(|id| self.calls.get(id).is_some_and(|call| call.caller().user == callee.user))
    }

    fn check_room(&mut self, callee: &Callee, replaces_one: bool) -> Result<(), CallError> {
        let live = self.gauges().live() - usize::from(replaces_one);
        let full = if live >= self.limits.calls {
            Some((Limit::Calls, self.limits.calls))
        } else if self.index.open_for(&callee.user).len() >= self.limits.calls_per_callee {
            Some((Limit::CallsPerCallee, self.limits.calls_per_callee))
        } else {
            None
        };
        let Some((limit, max)) = full else { return Ok(()) };
        self.out.push_back(Output::Measured(Measure::LimitHit(limit)));
        Err(CallError::Full { limit, max })
    }

    fn place(&mut self, now: Timestamp, from: &Endpoint, id: CallId, callee: Callee, media: MediaKind) {
        let Callee { user, mut devices, reach } = callee;
        devices.sort_unstable();
        devices.dedup_by(|a, b| a.device == b.device);
        let offers: Vec<_> = devices
            .into_iter()
            .map(|ringer| {
                let device = Endpoint { user: user.clone(), device: ringer.device.clone() };
                let busy = is_busy(self.answered(&device), ringer.call_waiting);
                (ringer, busy)
            })
            .collect();
        let cx = Context { now, timeouts: &self.timeouts, limits: &self.limits, out: &mut self.out };
        let call = Call::place(&cx, id, from.clone(), (user, reach), media);
        self.index.update(&call, Footprint::default());
        self.calls.insert(id, call);
        self.step(now, id, |call, cx| {
            for (ringer, busy) in offers {
                call.offer(cx, ringer, busy);
            }
            call.end_if_busy(cx);
        });
        if self.calls.get(&id).is_some_and(|call| call.phase().is_some()) {
            self.out.push_back(Output::Save { call: id });
        }
    }

    fn accept(&mut self, now: Timestamp, from: &Endpoint, id: CallId) -> Result<CallId, CallError> {
        let part = self.part_of(id, from)?;
        let wins = self.calls.get(&id).ok_or(CallError::UnknownCall)?.would_accept(part)?;
        if wins {
            let waits = self.calls.get(&id).is_some_and(|call| call.takes_second(part));
            match *self.index.seats(from) {
                [] => {}
                // The one it is in waits meanwhile.
                [first] if waits && self.is_seated(first, from) => self.put_on_hold(now, first, from),
                _ => return Err(CallError::AlreadyInCall),
            }
            self.step(now, id, |call, cx| call.accept(cx, part));
            self.settle_busy(now, id);
        }
        Ok(id)
    }

    fn hold(&mut self, now: Timestamp, from: &Endpoint, id: CallId, on: bool) -> Result<CallId, CallError> {
        let part = self.part_of(id, from)?;
        if self.calls.get(&id).ok_or(CallError::UnknownCall)?.would_hold(part, on)? {
            let others: Vec<CallId> = self.index.seats(from).iter().copied().filter(|other| *other != id).collect();
            if !on {
                others.into_iter().for_each(|other| self.put_on_hold(now, other, from));
            }
            self.step(now, id, |call, cx| call.set_held(cx, part, on));
        }
        Ok(id)
    }

    fn put_on_hold(&mut self, now: Timestamp, id: CallId, device: &Endpoint) {
        if let Ok(part) = self.part_of(id, device) {
            self.step(now, id, |call, cx| call.set_held(cx, part, true));
        } else {
            // What can't be held is not gone on with either: it is over.
            self.step_conference(now, id, |call, cx| call.set_held(cx, device, true).ok());
        }
    }

    fn join(&mut self, now: Timestamp, from: &Endpoint, id: CallId) -> Result<CallId, CallError> {
        let call = self.calls.get(&id).filter(|call| call.reach() != Reach::Nobody || call.caller().user == from.user);
        let call = call.ok_or(CallError::UnknownCall)?;
        let side = call.side_of(&from.user).ok_or(CallError::UnknownCall)?;
        if call.would_join(side, &from.device)? {
            if !self.index.seats(from).is_empty() {
                return Err(CallError::AlreadyInCall);
            }
            let joined = self.step(now, id, |call, cx| call.join(cx, side, &from.device));
            joined.unwrap_or(Err(CallError::UnknownCall))?;
        }
        Ok(id)
    }

    fn is_seated(&self, id: CallId, device: &Endpoint) -> bool {
        let call = self.calls.get(&id);
        call.is_some_and(|call| call.part_of(device).is_some_and(|part| call.is_seated(part)))
            || self.conferences.get(&id).is_some_and(|call| call.is_in(device))
    }

    /// The two devices of an answered call ring for no other, unless they can have a second one.
    fn settle_busy(&mut self, now: Timestamp, answered: CallId) {
        let Some(call) = self.calls.get(&answered) else { return };
        let devices: Vec<_> = call.taken().into_iter().flatten().map(|part| call.endpoint(part)).collect();
        devices.iter().for_each(|device| self.busy_now(now, device));
    }

    /// The device is in another call more: what it can't have beside that rings no longer.
    fn busy_now(&mut self, now: Timestamp, device: &Endpoint) {
        let answered = self.answered(device);
        for id in self.index.open_for(&device.user).to_vec() {
            self.step(now, id, |call, cx| call.device_busy(cx, &device.device, answered));
            self.step_conference(now, id, |call, cx| call.device_answered(cx, device, answered));
        }
    }

    fn device_connected(&mut self, now: Timestamp, device: &Endpoint, call_waiting: bool) {
        let busy = is_busy(self.answered(device), call_waiting);
        for id in self.index.open_for(&device.user).to_vec() {
            self.step(now, id, |call, cx| {
                call.offer(cx, Ringer { device: device.device.clone(), call_waiting }, busy);
                call.end_if_busy(cx);
            });
        }
    }

    fn device_gone(&mut self, now: Timestamp, device: &Endpoint) {
        let mut ids = self.index.open_for(&device.user).to_vec();
        ids.extend(self.index.seats(device));
        for id in ids {
            if let Ok(part) = self.part_of(id, device) {
                self.step(now, id, |call, cx| call.device_gone(cx, part));
            }
        }
    }

    /// In how many answered calls a device is. One that dials still rings for others.
    fn answered(&self, device: &Endpoint) -> usize {
        let answered = |phase| matches!(phase, Some(Phase::Connecting | Phase::Active | Phase::Reconnecting));
        let is_in = |id: &&CallId| match self.calls.get(id) {
            Some(call) => answered(call.phase()),
            None => self.conferences.contains_key(id),
        };
        self.index.seats(device).iter().filter(is_in).count()
    }

    fn part_of(&self, id: CallId, device: &Endpoint) -> Result<Part, CallError> {
        self.calls.get(&id).and_then(|call| call.part_of(device)).ok_or(CallError::UnknownCall)
    }

    fn with_part(
        &mut self,
        now: Timestamp,
        from: &Endpoint,
        id: CallId,
        act: impl FnOnce(&mut Call, &mut Context<'_>, Part) -> Result<(), CallError>,
    ) -> Result<CallId, CallError> {
        let part = self.part_of(id, from)?;
        self.step(now, id, |call, cx| act(call, cx, part)).unwrap_or(Err(CallError::UnknownCall))?;
        Ok(id)
    }

    /// The one way to change a call: the index follows.
    fn step<T>(&mut self, now: Timestamp, id: CallId, act: impl FnOnce(&mut Call, &mut Context<'_>) -> T) -> Option<T> {
        let call = self.calls.get_mut(&id)?;
        let before = Footprint::of(call);
        let mut cx = Context { now, timeouts: &self.timeouts, limits: &self.limits, out: &mut self.out };
        let result = act(call, &mut cx);
        let changed = self.index.update(call, before);
        if changed.image {
            self.out.push_back(Output::Save { call: id });
        }
        if changed.seats {
            let users = [call.caller().user.clone(), call.callee().clone()];
            self.out.extend(users.map(|user| Output::Running { user }));
        }
        let freed: Vec<Endpoint> = changed.freed.into_iter().flatten().map(|part| call.endpoint(part)).collect();
        while let Some(oldest) = self.index.oldest_above(self.limits.tombstones) {
            self.out.push_back(Output::Measured(Measure::LimitHit(Limit::Tombstones)));
            self.forget(oldest);
        }
        freed.iter().for_each(|device| self.ring_again(now, device));
        Some(result)
    }

    /// The device has left a call: what it was too busy for rings now.
    fn ring_again(&mut self, now: Timestamp, device: &Endpoint) {
        let answered = self.answered(device);
        for id in self.index.open_for(&device.user).to_vec() {
            self.step(now, id, |call, cx| call.device_free(cx, &device.device, answered));
            self.step_conference(now, id, |call, cx| call.device_answered(cx, device, answered));
        }
    }

    fn forget(&mut self, id: CallId) {
        let Some(call) = self.calls.remove(&id) else { return self.forget_conference(id) };
        self.index.forget(&call);
        if let Some(invite) = call.merged() {
            self.merged.remove(&invite);
        }
    }
}

/// An invite to the person that the device is in a call with.
enum Again {
    /// That call is what is wanted.
    SameCall,
    /// That call is broken on this side: it makes way.
    Anew,
}

#[cfg(test)]
mod tests;
