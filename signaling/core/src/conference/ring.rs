//! Who is asked into a group call: their devices ring until one of them answers, they decline, or the time is over.

use super::{Change, Conference};
use crate::call::{Context, is_busy};
use crate::{
    CallError, Callee, DeclineReason, EndReason, Ended, Endpoint, Limit, Measure, Notice, Output, Reach, Ringer,
};
use std::time::Duration;
use tertulia_common::{DeviceId, Timestamp, UserId};

/// How a device rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sound {
    /// It was offered the call, or says that it rings.
    Rings,
    /// It is in another call: it hears of this one when that is over.
    Busy,
    /// It does not want to.
    Declined,
}

#[derive(Clone, Debug)]
struct RingLeg {
    device: DeviceId,
    call_waiting: bool,
    sound: Sound,
    /// It may connect its media before it answers.
    early: bool,
    /// It has, and they are up.
    media_up: bool,
}

/// Somebody who was asked in and has not answered.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub(super) user: UserId,
    pub(super) by: UserId,
    pub(super) until: Timestamp,
    reach: Reach,
    legs: Vec<RingLeg>,
}

impl Ring {
    /// The devices that ring.
    pub(super) fn devices(&self) -> impl Iterator<Item = Endpoint> + '_ {
        let rings = self.legs.iter().filter(|leg| leg.sound == Sound::Rings);
        rings.map(|leg| Endpoint { user: self.user.clone(), device: leg.device.clone() })
    }

    fn leg(&mut self, device: &DeviceId) -> Option<&mut RingLeg> {
        self.legs.iter_mut().find(|leg| leg.device == *device)
    }

    /// Somebody who rang before the server was restarted: their devices ring again as they come back.
    pub(super) fn restored(user: UserId, by: UserId, until: Timestamp, reach: Reach) -> Self {
        Self { user, by, until, reach, legs: Vec::new() }
    }
}

impl Conference {
    /// The ring of which this device is a part.
    pub(super) fn ringing(&self, device: &Endpoint) -> Option<&Ring> {
        let of = |ring: &&Ring| ring.user == device.user && ring.devices().any(|rings| rings.device == device.device);
        self.rings.iter().find(of)
    }

    /// Whether this user is asked in.
    pub(crate) fn rings_for(&self, user: &UserId) -> bool {
        self.rings.iter().any(|ring| ring.user == *user)
    }

    fn ring_of(&mut self, user: &UserId) -> Option<&mut Ring> {
        self.rings.iter_mut().find(|ring| ring.user == *user)
    }

    /// Asks people in who are not in it and not asked already. `answered`: in how many calls a device is.
    pub(crate) fn ask_in(
        &mut self,
        cx: &mut Context<'_>,
        by: &UserId,
        callees: Vec<Callee>,
        answered: impl Fn(&Endpoint) -> usize,
    ) {
        let mut any = false;
        for Callee { user, devices, reach } in callees {
            let is_in = self.seats.iter().any(|seat| seat.endpoint.user == user);
            if is_in || user == *by || self.rings.iter().any(|ring| ring.user == user) {
                continue;
            }
            if !self.asks(cx, &user, reach) {
                continue;
            }
            self.barred.remove(&user);
            self.turned_away.remove(&user);
            let until = cx.now + cx.timeouts.ring;
            self.changes.push(Change::Rings(user.clone()));
            self.rings.push(Ring { user: user.clone(), by: by.clone(), until, reach, legs: Vec::new() });
            for ringer in devices {
                let busy = is_busy(
                    answered(&Endpoint { user: user.clone(), device: ringer.device.clone() }),
                    ringer.call_waiting,
                );
                self.offer(cx, &user, ringer, busy);
            }
            any = true;
        }
        if any {
            self.renew(cx);
        }
    }

    /// Offers the call to a device of somebody who was asked in. One that is offered it already is told again (its session is new),
    /// unless it has declined.
    pub(crate) fn offer(&mut self, cx: &mut Context<'_>, user: &UserId, ringer: Ringer, busy: bool) {
        let (media, kind) = (self.media, self.kind());
        let Some(ring) = self.ring_of(user).filter(|ring| ring.reach == Reach::Rings) else { return };
        let Ringer { device, call_waiting } = ringer;
        let sound = if busy { Sound::Busy } else { Sound::Rings };
        let legs = ring.legs.len();
        match ring.leg(&device) {
            Some(leg) if leg.sound == Sound::Declined => return,
            Some(leg) => (leg.call_waiting, leg.sound) = (call_waiting, sound),
            None if legs >= cx.limits.legs_per_call => {
                cx.out.push_back(Output::Measured(Measure::LimitHit(Limit::LegsPerCall)));
                return;
            }
            None => {
                ring.legs.push(RingLeg { device: device.clone(), call_waiting, sound, early: false, media_up: false })
            }
        }
        if !busy {
            let notice = Notice::Incoming { from: ring.by.clone(), media, expires_at: ring.until, kind };
            let to = Endpoint { user: user.clone(), device };
            self.notify(cx, to, notice);
        }
    }

    /// The device is in so many other calls now: it stops ringing, or rings for what it was too busy for.
    pub(crate) fn device_answered(&mut self, cx: &mut Context<'_>, device: &Endpoint, answered: usize) {
        let Some(leg) = self.ring_of(&device.user).and_then(|ring| ring.leg(&device.device)) else { return };
        let busy = is_busy(answered, leg.call_waiting);
        let ringer = Ringer { device: device.device.clone(), call_waiting: leg.call_waiting };
        match (leg.sound, busy) {
            (Sound::Rings, true) => {
                (leg.sound, leg.early, leg.media_up) = (Sound::Busy, false, false);
                self.tell_over(cx, device.clone(), EndReason::Busy);
            }
            (Sound::Busy, false) => self.offer(cx, &device.user, ringer, false),
            (Sound::Rings, false) | (Sound::Busy, true) | (Sound::Declined, _) => {}
        }
    }

    /// The device's session is over: it does not ring any more.
    pub(super) fn ring_gone(&mut self, cx: &mut Context<'_>, device: &Endpoint) {
        let Some(ring) = self.ring_of(&device.user) else { return };
        let Some(at) = ring.legs.iter().position(|leg| leg.device == device.device) else { return };
        // One that has declined stays silent when it comes back.
        if ring.legs.get(at).is_some_and(|leg| leg.sound != Sound::Declined) {
            ring.legs.remove(at);
            cx.out.push_back(Output::RemovePeer { call: self.id, device: device.clone() });
        }
    }

    /// Whether the device may connect its media although it only rings.
    pub(super) fn admit_early(&mut self, cx: &mut Context<'_>, device: &Endpoint) -> Result<(), CallError> {
        let early = self.rings.iter().flat_map(|ring| &ring.legs).filter(|leg| leg.early).count();
        let Some(leg) = self.ring_of(&device.user).and_then(|ring| ring.leg(&device.device)) else {
            return Err(CallError::UnknownCall);
        };
        if leg.sound != Sound::Rings {
            return Err(CallError::Over(EndReason::Declined));
        }
        if !leg.early && early >= cx.limits.early_media_legs {
            cx.out.push_back(Output::Measured(Measure::LimitHit(Limit::EarlyMediaLegs)));
            return Err(CallError::AnswerFirst);
        }
        leg.early = true;
        Ok(())
    }

    pub(crate) fn decline(
        &mut self,
        cx: &mut Context<'_>,
        device: &Endpoint,
        reason: DeclineReason,
    ) -> Result<(), CallError> {
        if self.seat(device).is_some() {
            return Err(CallError::StateMismatch);
        }
        let Some(at) = self.rings.iter().position(|ring| ring.user == device.user) else {
            // It rings no longer, for whatever reason: what was wanted is so.
            return Ok(());
        };
        match reason {
            DeclineReason::Declined => {
                let ring = self.rings.remove(at);
                self.declines(&ring.user);
                self.stop_ring(cx, ring, EndReason::DeclinedElsewhere, Some((device, EndReason::Declined)));
                self.renew(cx);
                self.end_if_deserted(cx);
            }
            DeclineReason::Busy => {
                if let Some(leg) = self.ring_of(&device.user).and_then(|ring| ring.leg(&device.device)) {
                    leg.sound = Sound::Declined;
                    self.tell_over(cx, device.clone(), EndReason::Busy);
                }
            }
        }
        Ok(())
    }

    /// The media of a device that rings have come up, or broken: it is in with them as soon as it answers.
    pub(super) fn early_media(&mut self, device: &Endpoint, up: bool) {
        if let Some(leg) = self.ring_of(&device.user).and_then(|ring| ring.leg(&device.device)) {
            leg.media_up = up;
        }
    }

    /// Whether the media of a device that rings are up.
    pub(super) fn has_early_media(&self, device: &Endpoint) -> bool {
        let mut legs = self.rings.iter().filter(|ring| ring.user == device.user).flat_map(|ring| &ring.legs);
        legs.any(|leg| leg.device == device.device && leg.media_up)
    }

    /// Nobody rings for this user any longer: one device of theirs is in.
    pub(super) fn answered_by(&mut self, cx: &mut Context<'_>, device: &Endpoint) {
        let Some(at) = self.rings.iter().position(|ring| ring.user == device.user) else { return };
        let mut ring = self.rings.remove(at);
        ring.legs.retain(|leg| leg.device != device.device);
        self.stop_ring(cx, ring, EndReason::AnsweredElsewhere, None);
    }

    /// Somebody is asked in no longer.
    pub(super) fn ring_no_more(&mut self, cx: &mut Context<'_>, user: &UserId, reason: EndReason) -> bool {
        let Some(at) = self.rings.iter().position(|ring| ring.user == *user) else { return false };
        let ring = self.rings.remove(at);
        self.stop_ring(cx, ring, reason, None);
        true
    }

    /// Those whose time is over.
    pub(super) fn give_up_rings(&mut self, cx: &mut Context<'_>) {
        let due = |ring: &Ring| ring.until <= cx.now;
        if !self.rings.iter().any(due) {
            return;
        }
        let (over, on): (Vec<Ring>, Vec<Ring>) = std::mem::take(&mut self.rings).into_iter().partition(due);
        self.rings = on;
        for ring in over {
            self.stop_ring(cx, ring, EndReason::Missed, None);
        }
        self.renew(cx);
        self.end_if_deserted(cx);
    }

    /// Tells the devices that ring that they do no longer; one of them hears another reason.
    pub(super) fn stop_ring(
        &mut self,
        cx: &mut Context<'_>,
        ring: Ring,
        reason: EndReason,
        but: Option<(&Endpoint, EndReason)>,
    ) {
        for device in ring.devices() {
            let reason = but.filter(|(other, _)| **other == device).map_or(reason, |(_, reason)| reason);
            self.tell_over(cx, device, reason);
        }
        self.changes.push(Change::RingsNot(ring.user));
    }

    fn tell_over(&self, cx: &mut Context<'_>, device: Endpoint, reason: EndReason) {
        self.notify(cx, device.clone(), Notice::Ended(Ended { reason, duration: Duration::ZERO }));
        cx.out.push_back(Output::RemovePeer { call: self.id, device });
    }
}
