//! Who is in a group call: coming, going, and what their media does meanwhile.

use super::{Change, Conference};
use crate::call::Context;
use crate::{Admission, CallError, EndReason, Ended, Endpoint, Limit, Measure, MediaFlags, Notice, Output};
use tertulia_common::{Timestamp, UserId};

/// The place of a device that is in.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) endpoint: Endpoint,
    pub(super) flags: MediaFlags,
    pub(super) held: bool,
    pub(super) media_up: bool,
    /// It has been.
    pub(super) was_up: bool,
    pub(super) hand: Option<Timestamp>,
    pub(super) joined_at: Timestamp,
    /// Its media has to be up by then.
    pub(super) deadline: Option<Timestamp>,
}

impl Conference {
    pub(super) fn seat(&self, device: &Endpoint) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.endpoint == *device)
    }

    fn seat_mut(&mut self, device: &Endpoint) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.endpoint == *device)
    }

    /// Whether the device is in it.
    pub(crate) fn is_in(&self, device: &Endpoint) -> bool {
        self.seat(device).is_some()
    }

    /// Whether somebody of the user's devices is in it, or it rings for them, or they were in it.
    pub(crate) fn knows(&self, user: &UserId) -> bool {
        let is_in = self.seats.iter().any(|seat| seat.endpoint.user == *user);
        is_in || self.rings_for(user) || self.met.contains(user)
    }

    /// Whether the user may come in: `member`, of its group, or by its link, or asked in, or in it before; and not taken out.
    pub(crate) fn may_join(&self, user: &UserId, member: bool) -> bool {
        let belongs = match (self.group, &self.link) {
            (Some(_), _) => member,
            (None, Some(_)) => member || self.knows(user),
            (None, None) => self.knows(user),
        };
        belongs && !self.barred.contains(user)
    }

    /// Takes a device in. The caller has asked whether it may.
    pub(crate) fn join(&mut self, cx: &mut Context<'_>, device: &Endpoint) -> Result<(), CallError> {
        if let Some(reason) = self.ended {
            return Err(CallError::Over(reason));
        }
        if self.is_in(device) {
            return Ok(());
        }
        let max = cx.limits.participants;
        let others = self.seats.iter().filter(|seat| seat.endpoint.user != device.user).count();
        if others >= max || self.seats.len() >= max.saturating_mul(2) {
            cx.out.push_back(Output::Measured(Measure::LimitHit(Limit::Participants)));
            return Err(CallError::Full { limit: Limit::Participants, max });
        }
        self.sit(cx, device);
        Ok(())
    }

    pub(super) fn sit(&mut self, cx: &mut Context<'_>, device: &Endpoint) {
        let early = self.has_early_media(device);
        self.seats.push(Seat {
            endpoint: device.clone(),
            flags: MediaFlags::default(),
            held: false,
            media_up: false,
            was_up: false,
            hand: None,
            joined_at: cx.now,
            deadline: Some(cx.now + cx.timeouts.connect),
        });
        self.meets(cx, &device.user);
        self.changes.push(Change::Sat(device.clone()));
        // Media first: what everybody waits for is each other's voice.
        cx.out.push_back(Output::Admit { call: self.id, device: device.clone() });
        self.answered_by(cx, device);
        self.waits_no_more(cx, device);
        self.tell_state(cx, device);
        self.renew(cx);
        // Whoever comes hears at once who is there, however many come, and all of them.
        if self.roster_due.is_some() || self.is_large(cx) {
            self.notify(cx, device.clone(), Notice::Roster(self.roster()));
        }
        self.tell_host(cx, device);
        if early {
            self.media_up(cx, device);
        }
    }

    /// Takes in a device that was in the call of two.
    pub(super) fn take_over(
        &mut self,
        cx: &Context<'_>,
        endpoint: Endpoint,
        flags: MediaFlags,
        held: bool,
        media_up: bool,
    ) {
        self.met.insert(endpoint.user.clone());
        self.changes.push(Change::Sat(endpoint.clone()));
        let deadline = (!media_up).then(|| cx.now + cx.timeouts.grace);
        let joined_at = cx.now;
        self.seats.push(Seat { endpoint, flags, held, media_up, was_up: true, hand: None, joined_at, deadline });
    }

    fn tell_state(&self, cx: &mut Context<'_>, device: &Endpoint) {
        if let Some(seat) = self.seat(device) {
            let notice = Notice::State { phase: self.phase_of(seat), answered_at: Some(self.answered_at()) };
            self.notify(cx, device.clone(), notice);
        }
    }

    /// A device leaves, or only rings and does not want to.
    pub(crate) fn leave(&mut self, cx: &mut Context<'_>, device: &Endpoint) -> Result<(), CallError> {
        if let Some(reason) = self.ended {
            return Err(CallError::Over(reason));
        }
        if self.is_in(device) {
            self.rise(cx, device, EndReason::Hangup);
            Ok(())
        } else if self.ringing(device).is_some() {
            Err(CallError::StateMismatch)
        } else {
            // It has left already.
            Ok(())
        }
    }

    /// A device is in it no longer, and hears why.
    fn rise(&mut self, cx: &mut Context<'_>, device: &Endpoint, reason: EndReason) {
        let Some(at) = self.seats.iter().position(|seat| seat.endpoint == *device) else { return };
        let seat = self.seats.remove(at);
        let ended = Ended { reason, duration: cx.now - seat.joined_at };
        self.notify(cx, device.clone(), Notice::Ended(ended));
        cx.out.push_back(Output::RemovePeer { call: self.id, device: device.clone() });
        self.changes.push(Change::Rose(device.clone()));
        self.renew(cx);
        self.end_if_deserted(cx);
    }

    /// Ends it if nobody is in it any more, or one alone whom nobody can join. Who came to a link before its host waits for them.
    pub(super) fn end_if_deserted(&mut self, cx: &mut Context<'_>) {
        if !self.has_begun() {
            if self.waiting.is_empty() {
                self.end(cx, EndReason::Cancelled);
            }
            return;
        }
        let can_be_joined = self.group.is_some() || self.link.is_some() || !self.rings.is_empty();
        if self.seats.is_empty() || (!can_be_joined && self.people() <= 1) {
            self.end(cx, EndReason::Hangup);
        }
    }

    fn people(&self) -> usize {
        let first = |at: &usize| {
            let user = &self.seats[*at].endpoint.user;
            self.seats[..*at].iter().all(|seat| seat.endpoint.user != *user)
        };
        // One alone or nobody is all that is asked.
        (0..self.seats.len()).filter(first).take(2).count()
    }

    /// Takes somebody out, with all their devices, until they are asked in again.
    pub(crate) fn remove(
        &mut self,
        cx: &mut Context<'_>,
        by: &Endpoint,
        user: &UserId,
        admin: bool,
    ) -> Result<(), CallError> {
        let may = admin || self.is_host(&by.user);
        let is_theirs = self.link_owner() == Some(user);
        if !may || *user == by.user || is_theirs || !self.is_in(by) {
            return Err(CallError::NotAllowed);
        }
        self.barred.insert(user.clone());
        self.take_out(cx, user);
        Ok(())
    }

    /// Somebody belongs to its group no longer.
    pub(crate) fn take_out(&mut self, cx: &mut Context<'_>, user: &UserId) {
        if self.ring_no_more(cx, user, EndReason::Removed) {
            self.renew(cx);
        }
        if let Some(device) = self.waiting_device(user) {
            self.stop_waiting(cx, &device, Some(EndReason::Removed));
        }
        let theirs = |seat: &&Seat| seat.endpoint.user == *user;
        let devices: Vec<Endpoint> = self.seats.iter().filter(theirs).map(|seat| seat.endpoint.clone()).collect();
        for device in devices {
            self.rise(cx, &device, EndReason::Removed);
        }
        self.end_if_deserted(cx);
    }

    pub(crate) fn media_up(&mut self, cx: &mut Context<'_>, device: &Endpoint) {
        let Some(seat) = self.seat_mut(device) else { return self.early_media(device, true) };
        if seat.media_up {
            return;
        }
        let (since, first) = (seat.joined_at, !seat.was_up);
        (seat.media_up, seat.was_up, seat.deadline) = (true, true, None);
        if first {
            cx.out.push_back(Output::Measured(Measure::Joined(cx.now - since)));
        }
        self.tell_state(cx, device);
        // The one that a person was in with before: its place is taken once this one can be heard. What a person publishes or plays
        // with by standard means is beside that.
        if device.is_standard_peer() {
            return;
        }
        let other = |seat: &&Seat| {
            seat.endpoint.user == device.user && seat.endpoint != *device && !seat.endpoint.is_standard_peer()
        };
        let before: Vec<Endpoint> = self.seats.iter().filter(other).map(|seat| seat.endpoint.clone()).collect();
        for device in before {
            cx.out.push_back(Output::Measured(Measure::HandedOver));
            self.rise(cx, &device, EndReason::HandedOver);
        }
    }

    pub(crate) fn media_down(&mut self, cx: &mut Context<'_>, device: &Endpoint) {
        let deadline = cx.now + cx.timeouts.grace;
        let Some(seat) = self.seat_mut(device) else { return self.early_media(device, false) };
        if !seat.media_up {
            return;
        }
        (seat.media_up, seat.deadline) = (false, Some(deadline));
        self.tell_state(cx, device);
    }

    /// Those whose media did not come in time.
    pub(super) fn give_up_seats(&mut self, cx: &mut Context<'_>) {
        let due = |seat: &&Seat| seat.deadline.is_some_and(|at| at <= cx.now);
        let late: Vec<(Endpoint, bool)> =
            self.seats.iter().filter(due).map(|seat| (seat.endpoint.clone(), seat.was_up)).collect();
        for (device, was_up) in late {
            self.rise(cx, &device, if was_up { EndReason::Lost } else { EndReason::Failed });
        }
    }

    /// The device's session is over. What it is in goes on for as long as its media does.
    pub(crate) fn device_gone(&mut self, cx: &mut Context<'_>, device: &Endpoint) {
        self.ring_gone(cx, device);
        self.stop_waiting(cx, device, None);
    }

    /// Whether the device may connect its media now, and when they may flow.
    pub(crate) fn admit_media(&mut self, cx: &mut Context<'_>, device: &Endpoint) -> Result<Admission, CallError> {
        if let Some(reason) = self.ended {
            return Err(CallError::Over(reason));
        }
        if let Some(seat) = self.seat(device) {
            return Ok(if seat.held { Admission::Later } else { Admission::Now });
        }
        self.admit_early(cx, device)?;
        Ok(Admission::Later)
    }

    pub(crate) fn set_flags(
        &mut self,
        cx: &mut Context<'_>,
        device: &Endpoint,
        flags: MediaFlags,
    ) -> Result<(), CallError> {
        self.change(cx, device, |seat| std::mem::replace(&mut seat.flags, flags) != flags)
    }

    pub(crate) fn set_hand(&mut self, cx: &mut Context<'_>, device: &Endpoint, up: bool) -> Result<(), CallError> {
        let now = cx.now;
        self.change(cx, device, |seat| {
            let changes = seat.hand.is_some() != up;
            seat.hand = if up { seat.hand.or(Some(now)) } else { None };
            changes
        })
    }

    /// Puts the call on hold for a device, or goes on with it.
    pub(crate) fn set_held(&mut self, cx: &mut Context<'_>, device: &Endpoint, on: bool) -> Result<(), CallError> {
        let mut changed = false;
        self.change(cx, device, |seat| {
            changed = std::mem::replace(&mut seat.held, on) != on;
            changed
        })?;
        if changed {
            let (call, device) = (self.id, device.clone());
            cx.out.push_back(if on { Output::Hold { call, device } } else { Output::Admit { call, device } });
        }
        Ok(())
    }

    /// Everybody else sees how somebody feels.
    pub(crate) fn react(&mut self, cx: &mut Context<'_>, device: &Endpoint, reaction: String) -> Result<(), CallError> {
        self.change(cx, device, |_| false)?;
        let others = self.seats.iter().map(|seat| &seat.endpoint).filter(|other| *other != device);
        let to = others.cloned().collect();
        let notice = Notice::Reaction { from: device.clone(), reaction };
        cx.out.push_back(Output::Announce { to, call: self.id, notice });
        Ok(())
    }

    fn change(
        &mut self,
        cx: &mut Context<'_>,
        device: &Endpoint,
        act: impl FnOnce(&mut Seat) -> bool,
    ) -> Result<(), CallError> {
        if let Some(reason) = self.ended {
            return Err(CallError::Over(reason));
        }
        let seat = self.seat_mut(device).ok_or(CallError::StateMismatch)?;
        if act(seat) {
            self.renew(cx);
        }
        Ok(())
    }
}
