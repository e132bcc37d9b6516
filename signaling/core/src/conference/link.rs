//! The call of a link: who may come in by it, who has to wait before the door, and who opens it.
//!
//! Invariants: who waits has no seat and no peer, and is told nothing but that they wait and how that ended; a user waits with one device
//! at most; only hosts hear who waits; nobody waits at a door that nobody can open any more.

use super::{Change, Conference};
use crate::call::Context;
use crate::{
    CallError, CallLink, EndReason, Ended, Endpoint, Limit, LinkKey, Measure, MediaKind, Notice, Output,
    TURNED_AWAY_FOR, WAIT_MAX,
};
use std::time::Duration;
use tertulia_common::{CallId, Timestamp, UserId};

/// Somebody who waits to be let in.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    endpoint: Endpoint,
    pub(super) until: Timestamp,
}

/// How somebody comes in by the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// At once.
    Open,
    /// A host has to let them in.
    Knock,
}

impl Conference {
    /// The call of a link. Who starts it is in it, or waits for a host where one has to let them in.
    pub(crate) fn open(
        cx: &mut Context<'_>,
        id: CallId,
        link: CallLink,
        from: &Endpoint,
        media: MediaKind,
    ) -> Result<Self, CallError> {
        // Where somebody lets people in, that is the owner, whoever comes first.
        let started_by = if link.approval { link.owner.clone() } else { from.user.clone() };
        let mut call = Self { link: Some(link), ..Self::new(id, cx.now, started_by, media) };
        match call.door(cx.now, &from.user)? {
            Door::Open => call.sit(cx, from),
            Door::Knock => call.knock(cx, from)?,
        }
        Ok(call)
    }

    /// The link whose call it is.
    pub(crate) fn link(&self) -> Option<LinkKey> {
        self.link.as_ref().map(|link| link.key)
    }

    /// Whose link it is the call of.
    pub(crate) fn link_owner(&self) -> Option<&UserId> {
        self.link.as_ref().map(|link| &link.owner)
    }

    /// Whether somebody has been in it.
    pub(super) fn has_begun(&self) -> bool {
        !self.met.is_empty()
    }

    /// Who may take others out and let others in.
    pub(super) fn hosts(&self) -> Vec<UserId> {
        let owner = self.link_owner().filter(|owner| **owner != self.started_by);
        owner.into_iter().chain([&self.started_by]).cloned().collect()
    }

    pub(super) fn is_host(&self, user: &UserId) -> bool {
        *user == self.started_by || self.link_owner() == Some(user)
    }

    /// Whether this user may have others ring: who was let in lets nobody in.
    pub(crate) fn may_ask_in(&self, user: &UserId) -> bool {
        self.is_host(user) || !self.has_approval()
    }

    /// Whether only hosts let others in.
    pub(super) fn has_approval(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.approval)
    }

    /// Whether the device waits to be let in.
    pub(crate) fn waits(&self, device: &Endpoint) -> bool {
        self.waiting.iter().any(|waiter| waiter.endpoint == *device)
    }

    /// How a user comes in by the link now. Who was in it once, or is asked in, needs it no more.
    pub(crate) fn door(&self, now: Timestamp, user: &UserId) -> Result<Door, CallError> {
        if let Some(reason) = self.ended {
            return Err(CallError::Over(reason));
        }
        let link = self.link.as_ref().ok_or(CallError::UnknownCall)?;
        if self.barred.contains(user) {
            return Err(CallError::NotAllowed);
        }
        if self.knows(user) {
            return Ok(Door::Open);
        }
        if self.closed || link.expires_at <= now {
            return Err(CallError::LinkOver);
        }
        if !link.approval || self.is_host(user) {
            return Ok(Door::Open);
        }
        match self.turned_away.get(user).filter(|until| **until > now) {
            Some(until) => Err(CallError::TurnedAway { wait: *until - now }),
            None => Ok(Door::Knock),
        }
    }

    /// A device waits to be let in from now on.
    pub(crate) fn knock(&mut self, cx: &mut Context<'_>, device: &Endpoint) -> Result<(), CallError> {
        if self.waits(device) {
            return Ok(());
        }
        if let Some(before) = self.take_waiter(&device.user) {
            self.tell_wait_over(cx, before.endpoint, Some(EndReason::AnsweredElsewhere));
        } else if self.waiting.len() >= cx.limits.waiting {
            cx.out.push_back(Output::Measured(Measure::LimitHit(Limit::Waiting)));
            return Err(CallError::Full { limit: Limit::Waiting, max: cx.limits.waiting });
        }
        self.waiting.push(Waiter { endpoint: device.clone(), until: cx.now + WAIT_MAX });
        self.changes.push(Change::Waits(device.clone()));
        self.notify(cx, device.clone(), Notice::Wait);
        self.tell_hosts(cx);
        Ok(())
    }

    /// Whose wait this device may end by what it says: none if what is wanted is so already.
    pub(crate) fn knocker(&self, by: &Endpoint, user: &UserId, admit: bool) -> Result<Option<Endpoint>, CallError> {
        if !self.is_in(by) || !self.is_host(&by.user) {
            return Err(CallError::NotAllowed);
        }
        if let Some(device) = self.waiting_device(user) {
            return Ok(Some(device));
        }
        let is_so = if admit {
            self.seats.iter().any(|seat| seat.endpoint.user == *user)
        } else {
            self.turned_away.contains_key(user)
        };
        if is_so { Ok(None) } else { Err(CallError::StateMismatch) }
    }

    /// A host does not want this user in: they can't ask again for a while.
    pub(crate) fn turn_away(&mut self, cx: &mut Context<'_>, user: &UserId) {
        let Some(waiter) = self.take_waiter(user) else { return };
        // As many as hosts turn away within that time, by hand.
        self.turned_away.retain(|_, until| *until > cx.now);
        self.turned_away.insert(user.clone(), cx.now + TURNED_AWAY_FOR);
        self.unsaved = true;
        self.wait_over(cx, waiter, Some(EndReason::TurnedAway));
    }

    /// A device waits no longer, because it does not want to, or because its session is over.
    pub(crate) fn stop_waiting(&mut self, cx: &mut Context<'_>, device: &Endpoint, reason: Option<EndReason>) {
        if self.waits(device)
            && let Some(waiter) = self.take_waiter(&device.user)
        {
            self.wait_over(cx, waiter, reason);
        }
    }

    /// The device is in, or about to be: nobody of its user waits any more.
    pub(super) fn waits_no_more(&mut self, cx: &mut Context<'_>, device: &Endpoint) {
        let Some(waiter) = self.take_waiter(&device.user) else { return };
        let elsewhere = (waiter.endpoint != *device).then_some(EndReason::AnsweredElsewhere);
        self.tell_wait_over(cx, waiter.endpoint, elsewhere);
        self.tell_hosts(cx);
    }

    /// The link is revoked: nobody new comes in.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        if self.link.is_none() || self.ended.is_some() || std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.unsaved = true;
        self.empty_waiting_room(cx, EndReason::LinkOver);
        self.end_if_deserted(cx);
    }

    /// Those who have waited for too long, or at a link whose time is over.
    pub(super) fn give_up_waiting(&mut self, cx: &mut Context<'_>) {
        if self.link.as_ref().is_some_and(|link| link.expires_at <= cx.now) {
            self.empty_waiting_room(cx, EndReason::LinkOver);
        }
        while let Some(at) = self.waiting.iter().position(|waiter| waiter.until <= cx.now) {
            let waiter = self.waiting.remove(at);
            self.wait_over(cx, waiter, Some(EndReason::Missed));
        }
        self.end_if_deserted(cx);
    }

    /// When somebody's wait is over, if nothing happens before.
    pub(super) fn waits_until(&self) -> Option<Timestamp> {
        let first = self.waiting.iter().map(|waiter| waiter.until).min()?;
        Some(self.link.as_ref().map_or(first, |link| first.min(link.expires_at)))
    }

    /// Nobody waits any more. The hosts hear it.
    pub(super) fn empty_waiting_room(&mut self, cx: &mut Context<'_>, reason: EndReason) {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return;
        }
        for waiter in waiting {
            self.leaves_no_name(cx, &waiter.endpoint.user);
            self.tell_wait_over(cx, waiter.endpoint, Some(reason));
        }
        self.tell_hosts(cx);
    }

    /// Who waits, in the order of their coming.
    pub(super) fn waiting_users(&self) -> Vec<UserId> {
        self.waiting.iter().map(|waiter| waiter.endpoint.user.clone()).collect()
    }

    /// Tells a host's device that has come in who waits.
    pub(super) fn tell_host(&self, cx: &mut Context<'_>, device: &Endpoint) {
        if self.is_host(&device.user) && !self.waiting.is_empty() {
            self.notify(cx, device.clone(), Notice::Waiting(self.waiting_users()));
        }
    }

    fn tell_hosts(&self, cx: &mut Context<'_>) {
        let hosts = self.seats.iter().map(|seat| &seat.endpoint).filter(|device| self.is_host(&device.user));
        let to: Vec<Endpoint> = hosts.cloned().collect();
        if !to.is_empty() {
            cx.out.push_back(Output::Announce { to, call: self.id, notice: Notice::Waiting(self.waiting_users()) });
        }
    }

    /// The device with which a user waits.
    pub(super) fn waiting_device(&self, user: &UserId) -> Option<Endpoint> {
        self.waiting.iter().map(|waiter| &waiter.endpoint).find(|device| device.user == *user).cloned()
    }

    fn take_waiter(&mut self, user: &UserId) -> Option<Waiter> {
        let at = self.waiting.iter().position(|waiter| waiter.endpoint.user == *user)?;
        Some(self.waiting.remove(at))
    }

    fn wait_over(&mut self, cx: &mut Context<'_>, waiter: Waiter, reason: Option<EndReason>) {
        self.leaves_no_name(cx, &waiter.endpoint.user);
        self.tell_wait_over(cx, waiter.endpoint, reason);
        self.tell_hosts(cx);
        self.end_if_deserted(cx);
    }

    fn tell_wait_over(&mut self, cx: &mut Context<'_>, device: Endpoint, reason: Option<EndReason>) {
        if let Some(reason) = reason {
            self.notify(cx, device.clone(), Notice::Ended(Ended { reason, duration: Duration::ZERO }));
        }
        self.changes.push(Change::WaitsNot(device));
    }

    /// Who only waited had no part in the call.
    fn leaves_no_name(&self, cx: &mut Context<'_>, user: &UserId) {
        if !self.knows(user) && !self.is_host(user) {
            cx.out.push_back(Output::Forget { call: self.id, user: user.clone() });
        }
    }
}
