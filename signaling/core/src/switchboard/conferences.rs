//! Conferences among the calls: what is asked of them, and how the index follows.

use super::Switchboard;
use crate::call::{Call, Context};
use crate::conference::{Change, Conference, Door};
use crate::image::Sort;
use crate::{
    Admission, CallError, CallLink, Callee, EndReason, Endpoint, Event, GroupCall, GroupKey, Image, Limit, LinkKey,
    Measure, MediaKind, Output, Request, Ringer,
};
use tertulia_common::{CallId, Timestamp, UserId};

/// What has become of a request.
pub(super) enum Asked {
    /// It was about a conference.
    Done(Result<CallId, CallError>),
    /// It is about something else.
    Other(Request),
}

impl Switchboard {
    /// The call of a group that goes on.
    #[must_use]
    pub fn group_call(&self, group: GroupKey) -> Option<GroupCall> {
        self.conferences.get(self.groups.get(&group)?)?.group_call()
    }

    /// The group whose call this is: its members may join.
    #[must_use]
    pub fn group_of(&self, call: CallId) -> Option<GroupKey> {
        self.conferences.get(&call).filter(|call| !call.is_over())?.group()
    }

    /// The groups whose calls go on.
    #[must_use]
    pub fn groups_in_call(&self) -> Vec<GroupKey> {
        self.groups.keys().copied().collect()
    }

    /// Who is in a conference, or is asked in.
    #[must_use]
    pub fn users_of(&self, call: CallId) -> Vec<UserId> {
        self.conferences.get(&call).map(Conference::users).unwrap_or_default()
    }

    /// Whether it is a conference that goes on.
    #[must_use]
    pub fn is_conference(&self, call: CallId) -> bool {
        self.conferences.get(&call).is_some_and(|call| !call.is_over())
    }

    /// A conference as those see it who may join: `member`, of its group, or asked in, or in it before.
    #[must_use]
    pub fn peek(&self, call: CallId, user: &UserId, member: bool) -> Option<GroupCall> {
        let call = self.conferences.get(&call)?;
        if call.may_join(user, member) { call.group_call() } else { None }
    }

    /// What goes on at a link. None: nothing. Its call is for those who may come in without asking.
    #[must_use]
    pub fn link_call(&self, now: Timestamp, link: LinkKey, user: &UserId) -> Option<Option<GroupCall>> {
        let call = self.conferences.get(self.links.get(&link)?)?;
        Some(if call.door(now, user) == Ok(Door::Open) { call.group_call() } else { None })
    }

    /// The owner of the link whose call this is.
    #[must_use]
    pub fn link_owner(&self, call: CallId) -> Option<&UserId> {
        self.conferences.get(&call).filter(|call| !call.is_over())?.link_owner()
    }

    /// The links of a user whose calls go on.
    #[must_use]
    pub fn links_of(&self, owner: &UserId) -> Vec<LinkKey> {
        let links = self.links.iter();
        let of = |call: &CallId| self.conferences.get(call).and_then(Conference::link_owner) == Some(owner);
        links.filter(|(_, call)| of(call)).map(|(link, _)| *link).collect()
    }

    /// Whether the device waits to be let into a call.
    #[must_use]
    pub fn waits(&self, call: CallId, device: &Endpoint) -> bool {
        self.conferences.get(&call).is_some_and(|call| call.waits(device))
    }

    pub(super) fn conference_image(&self, id: CallId) -> Option<Image> {
        let call = self.conferences.get(&id).filter(|call| !call.is_over())?;
        Some(Image(Sort::Conference(call.image())))
    }

    /// Does what is asked, if it is about a conference.
    pub(super) fn request_conference(&mut self, now: Timestamp, from: &Endpoint, request: Request) -> Asked {
        if let Request::Start { call, group, media, ring } = request {
            return Asked::Done(self.start(now, from, call, group, media, ring));
        }
        if let Request::Link { call, link, media } = request {
            return Asked::Done(self.by_link(now, from, call, link, media));
        }
        let Some(id) = request.about().filter(|id| self.conferences.contains_key(id)) else {
            return Asked::Other(request);
        };
        Asked::Done(self.ask(now, from, id, request).map(|()| id))
    }

    fn ask(&mut self, now: Timestamp, from: &Endpoint, id: CallId, request: Request) -> Result<(), CallError> {
        let call = self.conferences.get(&id).ok_or(CallError::UnknownCall)?;
        let gives_up = matches!(request, Request::Leave { .. } | Request::Hangup { .. } | Request::Cancel { .. });
        if gives_up && call.waits(from) {
            self.step_conference(now, id, |call, cx| call.stop_waiting(cx, from, Some(EndReason::Cancelled)));
            return Ok(());
        }
        let member = matches!(request, Request::Join { member: true, .. });
        if !call.knows(&from.user) && !member {
            return Err(CallError::UnknownCall);
        }
        if let Some(reason) = call.ended() {
            return Err(CallError::Over(reason));
        }
        match request {
            Request::Ringing { .. } => Ok(()),
            // Whom it rings for may go in: who left the group meanwhile rings no longer.
            Request::Accept { .. } => {
                let rings = call.rings_for(&from.user);
                self.enter(now, from, id, rings)
            }
            Request::Join { member, .. } => self.enter(now, from, id, member),
            Request::Decline { reason, .. } => self.act(now, id, |call, cx| call.decline(cx, from, reason)),
            Request::Leave { .. } | Request::Hangup { .. } | Request::Cancel { .. } => {
                self.act(now, id, |call, cx| call.leave(cx, from))
            }
            Request::Hold { on, .. } => self.hold_conference(now, from, id, on),
            Request::Media { flags, .. } => self.act(now, id, |call, cx| call.set_flags(cx, from, flags)),
            Request::Hand { up, .. } => self.act(now, id, |call, cx| call.set_hand(cx, from, up)),
            Request::React { reaction, .. } => self.act(now, id, |call, cx| call.react(cx, from, reaction)),
            Request::Remove { user, admin, .. } => self.act(now, id, |call, cx| call.remove(cx, from, &user, admin)),
            Request::Add { ring, .. } => {
                if !call.is_in(from) {
                    return Err(CallError::StateMismatch);
                }
                if !call.may_ask_in(&from.user) {
                    return Err(CallError::NotAllowed);
                }
                self.ask_in(now, id, from, ring);
                Ok(())
            }
            Request::Admit { user, admit, .. } => self.answer_door(now, from, id, &user, admit),
            // Its id is another call's.
            Request::Invite { .. } | Request::Start { .. } | Request::Link { .. } => Err(CallError::UnknownCall),
        }
    }

    /// Starts a group's call, or goes into the one that goes on.
    fn start(
        &mut self,
        now: Timestamp,
        from: &Endpoint,
        id: CallId,
        group: GroupKey,
        media: MediaKind,
        ring: Vec<Callee>,
    ) -> Result<CallId, CallError> {
        if let Some(going) = self.groups.get(&group).copied() {
            self.enter(now, from, going, true)?;
            return Ok(going);
        }
        if self.shutting_down {
            return Err(CallError::ShuttingDown);
        }
        self.free_device(now, from, None)?;
        if self.gauges().live() >= self.limits.calls {
            self.out.push_back(Output::Measured(Measure::LimitHit(Limit::Calls)));
            return Err(CallError::Full { limit: Limit::Calls, max: self.limits.calls });
        }
        let mut cx = Context { now, timeouts: &self.timeouts, limits: &self.limits, out: &mut self.out };
        let call = Conference::start(&mut cx, id, group, from, media);
        self.groups.insert(group, id);
        self.begin(now, call);
        self.ask_in(now, id, from, ring);
        Ok(id)
    }

    /// Starts the call of a link, goes into the one that goes on, or waits there to be let in.
    fn by_link(
        &mut self,
        now: Timestamp,
        from: &Endpoint,
        id: CallId,
        link: CallLink,
        media: MediaKind,
    ) -> Result<CallId, CallError> {
        if let Some(going) = self.links.get(&link.key).copied() {
            let call = self.conferences.get(&going).ok_or(CallError::UnknownCall)?;
            if call.is_in(from) || call.waits(from) {
                return Ok(going);
            }
            match call.door(now, &from.user)? {
                Door::Open => self.enter(now, from, going, true)?,
                Door::Knock => {
                    self.may_wait(from)?;
                    self.act(now, going, |call, cx| call.knock(cx, from))?;
                }
            }
            return Ok(going);
        }
        if self.shutting_down {
            return Err(CallError::ShuttingDown);
        }
        if link.approval && link.owner != from.user {
            self.may_wait(from)?;
        } else {
            self.free_device(now, from, None)?;
        }
        if self.gauges().live() >= self.limits.calls {
            self.out.push_back(Output::Measured(Measure::LimitHit(Limit::Calls)));
            return Err(CallError::Full { limit: Limit::Calls, max: self.limits.calls });
        }
        let key = link.key;
        let mut cx = Context { now, timeouts: &self.timeouts, limits: &self.limits, out: &mut self.out };
        let call = Conference::open(&mut cx, id, link, from, media)?;
        self.links.insert(key, id);
        self.begin(now, call);
        Ok(id)
    }

    /// Whether the device can go in when it is let in: it waits at one door, and is in one other call at most.
    fn may_wait(&self, device: &Endpoint) -> Result<(), CallError> {
        let is_free = self.index.waiting_for(device).is_empty() && self.index.seats(device).len() < 2;
        if is_free { Ok(()) } else { Err(CallError::AlreadyInCall) }
    }

    /// A host lets somebody in, or turns them away.
    fn answer_door(
        &mut self,
        now: Timestamp,
        from: &Endpoint,
        id: CallId,
        user: &UserId,
        admit: bool,
    ) -> Result<(), CallError> {
        let call = self.conferences.get(&id).ok_or(CallError::UnknownCall)?;
        let Some(device) = call.knocker(from, user, admit)? else { return Ok(()) };
        if admit {
            // One that can't come in now goes on waiting.
            self.free_device(now, &device, Some(id)).map_err(|_| CallError::StateMismatch)?;
            self.act(now, id, |call, cx| call.join(cx, &device))
        } else {
            self.step_conference(now, id, |call, cx| call.turn_away(cx, user));
            Ok(())
        }
    }

    /// An answered call of two becomes a conference, because somebody is added.
    pub(super) fn grow(
        &mut self,
        now: Timestamp,
        from: &Endpoint,
        id: CallId,
        ring: Vec<Callee>,
    ) -> Result<CallId, CallError> {
        let part = self.part_of(id, from)?;
        let call = self.calls.get(&id).ok_or(CallError::UnknownCall)?;
        if !call.is_seated(part) {
            return Err(call.phase().map_or(CallError::Over(EndReason::Hangup), |_| CallError::StateMismatch));
        }
        // Who was about to take it over does so anew: there are no sides to take over any more.
        self.step(now, id, Call::forget_joins);
        let Some(call) = self.calls.remove(&id) else { return Err(CallError::UnknownCall) };
        self.index.grown(&call);
        if let Some(invite) = call.merged() {
            self.merged.remove(&invite);
        }
        let mut cx = Context { now, timeouts: &self.timeouts, limits: &self.limits, out: &mut self.out };
        let Some(grown) = call.grow(&mut cx) else { return Err(CallError::StateMismatch) };
        self.begin(now, grown);
        self.ask_in(now, id, from, ring);
        Ok(id)
    }

    pub(super) fn begin(&mut self, now: Timestamp, call: Conference) {
        let id = call.id();
        self.index.conference_began();
        self.index.wake_conference(id, None, call.wake_at());
        self.conferences.insert(id, call);
        self.step_conference(now, id, |_, _| ());
    }

    fn ask_in(&mut self, now: Timestamp, id: CallId, from: &Endpoint, ring: Vec<Callee>) {
        // A person's screen is not filled by groups either.
        let full = |callee: &Callee| self.index.open_for(&callee.user).len() >= self.limits.calls_per_callee;
        let (full, ring): (Vec<Callee>, Vec<Callee>) = ring.into_iter().partition(full);
        for _ in full {
            self.out.push_back(Output::Measured(Measure::LimitHit(Limit::CallsPerCallee)));
        }
        let devices = ring.iter().flat_map(|callee| {
            let device = |ringer: &Ringer| Endpoint { user: callee.user.clone(), device: ringer.device.clone() };
            callee.devices.iter().map(device).collect::<Vec<_>>()
        });
        let taken: Vec<(Endpoint, usize)> = devices.map(|device| (device.clone(), self.answered(&device))).collect();
        let answered = |device: &Endpoint| taken.iter().find(|(of, _)| of == device).map_or(0, |(_, calls)| *calls);
        self.step_conference(now, id, |call, cx| call.ask_in(cx, &from.user, ring, answered));
    }

    /// A device goes in.
    fn enter(&mut self, now: Timestamp, from: &Endpoint, id: CallId, member: bool) -> Result<(), CallError> {
        let call = self.conferences.get(&id).ok_or(CallError::UnknownCall)?;
        if call.is_in(from) {
            return Ok(());
        }
        if !call.may_join(&from.user, member) {
            return Err(CallError::NotAllowed);
        }
        self.free_device(now, from, Some(id))?;
        self.act(now, id, |call, cx| call.join(cx, from))
    }

    /// The device can go into another call: the one it is in, if any, waits meanwhile. `into` is one it rings for.
    fn free_device(&mut self, now: Timestamp, device: &Endpoint, into: Option<CallId>) -> Result<(), CallError> {
        match *self.index.seats(device) {
            [] => Ok(()),
            [first] if into.is_some() && self.is_seated(first, device) => {
                self.put_on_hold(now, first, device);
                Ok(())
            }
            _ => Err(CallError::AlreadyInCall),
        }
    }

    fn hold_conference(&mut self, now: Timestamp, from: &Endpoint, id: CallId, on: bool) -> Result<(), CallError> {
        let is_in = self.conferences.get(&id).is_some_and(|call| call.is_in(from));
        if is_in && !on {
            let others: Vec<CallId> = self.index.seats(from).iter().copied().filter(|other| *other != id).collect();
            others.into_iter().for_each(|other| self.put_on_hold(now, other, from));
        }
        self.act(now, id, |call, cx| call.set_held(cx, from, on))
    }

    pub(super) fn admit_conference(
        &mut self,
        now: Timestamp,
        id: CallId,
        from: &Endpoint,
    ) -> Option<Result<Admission, CallError>> {
        let call = self.conferences.get(&id)?;
        if !call.knows(&from.user) {
            return Some(Err(CallError::UnknownCall));
        }
        self.step_conference(now, id, |call, cx| call.admit_media(cx, from))
    }

    /// What happens, as conferences see it.
    pub(super) fn handle_conferences(&mut self, now: Timestamp, event: &Event) {
        match event {
            Event::DeviceConnected { device, call_waiting } => {
                let busy = crate::call::is_busy(self.answered(device), *call_waiting);
                for id in self.index.open_for(&device.user).to_vec() {
                    let ringer = Ringer { device: device.device.clone(), call_waiting: *call_waiting };
                    self.step_conference(now, id, |call, cx| call.offer(cx, &device.user, ringer, busy));
                }
            }
            Event::DeviceGone { device } => {
                for id in [self.index.open_for(&device.user), self.index.waiting_for(device)].concat() {
                    self.step_conference(now, id, |call, cx| call.device_gone(cx, device));
                }
            }
            Event::DeviceReplaced { device } => {
                for id in self.index.waiting_for(device).to_vec() {
                    self.step_conference(now, id, |call, cx| call.stop_waiting(cx, device, None));
                }
            }
            Event::LinkOver { link } => {
                if let Some(id) = self.links.get(link).copied() {
                    self.step_conference(now, id, Conference::close);
                }
            }
            Event::MediaUp { call, device } => {
                self.step_conference(now, *call, |call, cx| call.media_up(cx, device));
            }
            Event::MediaDown { call, device } => {
                self.step_conference(now, *call, |call, cx| call.media_down(cx, device));
            }
            Event::LeftGroup { group, user } => {
                if let Some(id) = self.groups.get(group).copied() {
                    self.step_conference(now, id, |call, cx| call.take_out(cx, user));
                }
            }
            Event::Fail { call } => {
                self.step_conference(now, *call, |call, cx| call.end(cx, EndReason::Failed));
            }
            Event::Shutdown => {
                for id in self.conferences.keys().copied().collect::<Vec<_>>() {
                    self.step_conference(now, id, |call, cx| call.end(cx, EndReason::Failed));
                }
            }
        }
    }

    fn act(
        &mut self,
        now: Timestamp,
        id: CallId,
        act: impl FnOnce(&mut Conference, &mut Context<'_>) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        self.step_conference(now, id, act).unwrap_or(Err(CallError::UnknownCall))
    }

    /// The one way to change a conference: the index follows.
    pub(super) fn step_conference<T>(
        &mut self,
        now: Timestamp,
        id: CallId,
        act: impl FnOnce(&mut Conference, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let call = self.conferences.get_mut(&id)?;
        let (wake_at, was_over) = (call.wake_at(), call.is_over());
        let mut cx = Context { now, timeouts: &self.timeouts, limits: &self.limits, out: &mut self.out };
        let result = act(call, &mut cx);
        let changes = call.take_changes();
        self.index.wake_conference(id, wake_at, call.wake_at());
        if call.take_unsaved() {
            self.out.push_back(Output::Save { call: id });
        }
        if call.is_over() && !was_over {
            self.index.conference_over(id);
            if let Some(group) = call.group() {
                self.groups.remove(&group);
            }
            if let Some(link) = call.link() {
                self.links.remove(&link);
            }
        }
        for change in &changes {
            self.index.update_conference(id, change);
        }
        for change in changes {
            match change {
                Change::Sat(device) => {
                    self.out.push_back(Output::Running { user: device.user.clone() });
                    self.busy_now(now, &device);
                }
                Change::Rose(device) => {
                    self.out.push_back(Output::Running { user: device.user.clone() });
                    self.ring_again(now, &device);
                }
                Change::Rings(_) | Change::RingsNot(_) | Change::Waits(_) | Change::WaitsNot(_) => {}
            }
        }
        while let Some(oldest) = self.index.oldest_above(self.limits.tombstones) {
            self.out.push_back(Output::Measured(Measure::LimitHit(Limit::Tombstones)));
            self.forget(oldest);
        }
        Some(result)
    }

    pub(super) fn forget_conference(&mut self, id: CallId) {
        if let Some(call) = self.conferences.remove(&id) {
            self.index.forget_conference(id, call.wake_at());
        }
    }
}
