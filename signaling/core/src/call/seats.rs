//! Who is in an answered call: hold, and the hand-over from one device of a user to another.
//!
//! A hand-over is made before it breaks: the device that takes over connects its media first, and only when they are up does
//! the seat move. At most one device a side is about to; the newest counts.

use super::{Call, Context, Leg, LegState, Line, Part, State};
use crate::conference::Conference;
use crate::timer::{Side, Timer};
use crate::{CallError, EndReason, Ended, Endpoint, Limit, Measure, Notice, Output};
use std::time::Duration;
use tertulia_common::{DeviceId, Timestamp};

impl Call {
    /// Whether this device is in the call, which is answered.
    pub(crate) fn is_seated(&self, part: Part) -> bool {
        self.state.answer().is_some_and(|answer| answer.seats.contains(&part))
    }

    /// When it was answered, if it goes on.
    pub(crate) fn answered_at(&self) -> Option<Timestamp> {
        self.state.answer().map(|answer| answer.at)
    }

    /// The devices that have a part in it.
    pub(crate) fn devices(&self) -> impl Iterator<Item = Endpoint> {
        let stopped = |leg: &Leg| matches!(leg.state, LegState::Stopped(_));
        (0..self.legs.len()).filter(move |part| !stopped(&self.legs[*part])).map(|part| self.endpoint(part))
    }

    /// Whether the device of this leg can have a second call.
    pub(crate) fn takes_second(&self, part: Part) -> bool {
        self.legs[part].call_waiting
    }

    /// The legs whose devices are taken by this call: those in it, and those about to take it over.
    pub(crate) fn taken(&self) -> [Option<Part>; 4] {
        if self.state.phase().is_none() {
            return [None; 4];
        }
        let Some(answer) = self.state.answer() else { return [Some(super::PLACER), None, None, None] };
        let [caller, callee] = answer.seats;
        [Some(caller), Some(callee), self.joining(Side::Caller), self.joining(Side::Callee)]
    }

    /// The device that is about to take this side over.
    fn joining(&self, side: Side) -> Option<Part> {
        self.legs.iter().position(|leg| leg.side == side && leg.state == LegState::Joining)
    }

    /// What a hold would come to: whether it changes anything.
    pub(crate) fn would_hold(&self, part: Part, on: bool) -> Result<bool, CallError> {
        self.check_open_for(part)?;
        if self.is_seated(part) { Ok(self.legs[part].line.held != on) } else { Err(CallError::StateMismatch) }
    }

    /// Puts the call on hold for one side, or goes on with it. Nothing happens where it is so already, or the device is not
    /// in it.
    pub(crate) fn set_held(&mut self, cx: &mut Context<'_>, part: Part, on: bool) {
        if !self.is_seated(part) || self.legs[part].line.held == on {
            return;
        }
        self.legs[part].line.held = on;
        let (call, device) = (self.id, self.endpoint(part));
        cx.out.push_back(if on { Output::Hold { call, device } } else { Output::Admit { call, device } });
        self.renew_roster(cx);
    }

    /// What a request to take the call over would come to: `Ok(false)` if the device is in it, or about to be.
    pub(crate) fn would_join(&self, side: Side, device: &DeviceId) -> Result<bool, CallError> {
        match self.state {
            State::Ended { reason } => Err(CallError::Over(reason)),
            State::Offered | State::Ringing => Err(CallError::StateMismatch),
            State::Connecting(_) | State::Active(_) | State::Reconnecting { .. } => {
                let leg = self.legs.iter().find(|leg| leg.side == side && leg.device == *device);
                Ok(leg.is_none_or(|leg| matches!(leg.state, LegState::Stopped(_))))
            }
        }
    }

    /// The device is about to take the call over: its media decide.
    pub(crate) fn join(&mut self, cx: &mut Context<'_>, side: Side, device: &DeviceId) -> Result<(), CallError> {
        let known = self.legs.iter().position(|leg| leg.side == side && leg.device == *device);
        // The placer's leg does not count.
        let max = cx.limits.legs_per_call;
        if known.is_none() && self.legs.len() > max {
            cx.out.push_back(Output::Measured(Measure::LimitHit(Limit::LegsPerCall)));
            return Err(CallError::Full { limit: Limit::LegsPerCall, max });
        }
        self.give_up_join(cx, side, EndReason::HandedOver);
        match known {
            Some(part) => self.legs[part].state = LegState::Joining,
            None => self.legs.push(Leg::new(device.clone(), side, LegState::Joining)),
        }
        self.timers.set(Timer::Join(side), cx.now + cx.timeouts.connect);
        Ok(())
    }

    /// The media of a device that takes over are up: the seat is its own.
    pub(super) fn take_seat(&mut self, cx: &mut Context<'_>, part: Part) {
        let side = self.legs[part].side;
        let Some(answer) = self.state.answer_mut() else { return };
        let before = std::mem::replace(&mut answer.seats[side as usize], part);
        let duration = cx.now - answer.at;
        self.timers.stop(Timer::Join(side));
        self.timers.stop(Timer::Grace(side));
        self.legs[part].state = LegState::Accepted;
        cx.out.push_back(Output::Admit { call: self.id, device: self.endpoint(part) });

        let leg = &mut self.legs[before];
        leg.state = LegState::Stopped(EndReason::HandedOver);
        leg.line = Line::default();
        let device = self.endpoint(before);
        let ended = Ended { reason: EndReason::HandedOver, duration };
        self.notify(cx, device.clone(), Notice::Ended(ended));
        cx.out.push_back(Output::RemovePeer { call: self.id, device });
        cx.out.push_back(Output::Measured(Measure::HandedOver));
        if !self.settle_media(cx) {
            self.announce_state(cx);
        }
        self.renew_roster(cx);
    }

    /// Nobody is about to take the call over any longer.
    pub(crate) fn forget_joins(&mut self, cx: &mut Context<'_>) {
        for side in [Side::Caller, Side::Callee] {
            self.give_up_join(cx, side, EndReason::Failed);
        }
    }

    /// The answered call goes on as a conference, under the same id and with the same media.
    pub(crate) fn grow(self, cx: &mut Context<'_>) -> Option<Conference> {
        let answer = self.state.answer()?;
        let seat = |part: usize| {
            let Line { flags, held, media_up, .. } = self.legs[part].line;
            (self.endpoint(part), flags, held, media_up)
        };
        let seats = answer.seats.map(seat).into();
        let users = (self.caller.user.clone(), self.callee.clone());
        let times = (self.started_at, answer.at);
        Some(Conference::grow(cx, (self.id, self.media), users, times, answer.version, seats))
    }

    /// Who was about to take this side over does not; they hear why.
    pub(super) fn give_up_join(&mut self, cx: &mut Context<'_>, side: Side, reason: EndReason) {
        if let Some(part) = self.joining(side) {
            let device = self.endpoint(part);
            self.leave_join(part, reason);
            let ended = Ended { reason, duration: Duration::ZERO };
            self.notify(cx, device.clone(), Notice::Ended(ended));
            cx.out.push_back(Output::RemovePeer { call: self.id, device });
        }
    }

    /// The device takes the call over no longer.
    pub(super) fn leave_join(&mut self, part: Part, reason: EndReason) {
        self.timers.stop(Timer::Join(self.legs[part].side));
        let leg = &mut self.legs[part];
        leg.state = LegState::Stopped(reason);
        leg.line = Line::default();
    }
}
