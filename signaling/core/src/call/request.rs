//! What the devices of a call ask for, and the answers. Late and repeated requests are answered as the first time.

use super::{Answer, Call, Context, Leg, LegState, Merged, PLACER, Part, State, Timer};
use crate::timer::Side;
use crate::{Admission, CallError, DeclineReason, EndReason, Limit, Measure, MediaFlags, Output};
use tertulia_common::{CallId, DeviceId};

impl Call {
    pub(crate) fn ringing(&mut self, cx: &mut Context<'_>, part: Part) -> Result<(), CallError> {
        let leg = &mut self.legs[part];
        if leg.side == Side::Caller {
            return Err(CallError::StateMismatch);
        }
        match leg.state {
            LegState::Invited => {
                leg.state = LegState::Ringing;
                leg.rang = true;
            }
            LegState::Stopped(reason) if !leg.rang => return Err(Leg::stopped_error(reason)),
            LegState::Joining if !leg.rang => return Err(CallError::StateMismatch),
            LegState::Ringing | LegState::Accepted | LegState::Joining | LegState::Stopped(_) => return Ok(()),
        }
        if matches!(self.state, State::Offered) {
            self.state = State::Ringing;
            cx.out.push_back(Output::Measured(Measure::Rang(cx.now - self.started_at)));
            self.announce_state(cx);
        }
        Ok(())
    }

    /// What an accept of this leg would come to: `Ok(true)` if it would win, `Ok(false)` if it has won already.
    pub(crate) fn would_accept(&self, part: Part) -> Result<bool, CallError> {
        let leg = &self.legs[part];
        match leg.state {
            _ if leg.side == Side::Caller => Err(CallError::StateMismatch),
            LegState::Invited | LegState::Ringing => Ok(true),
            LegState::Accepted => Ok(false),
            LegState::Joining => Err(CallError::StateMismatch),
            LegState::Stopped(reason) => Err(Leg::stopped_error(reason)),
        }
    }

    /// The one place where a call is answered: a call that is not open any more is left as it is.
    pub(crate) fn accept(&mut self, cx: &mut Context<'_>, index: usize) {
        if !self.state.is_open() {
            return;
        }
        self.legs[index].state = LegState::Accepted;
        self.timers.stop(Timer::Ring);
        let answer = Answer { at: cx.now, seats: [PLACER, index], version: 1 };
        // Media first: what the two wait for is each other's voice.
        for part in answer.seats {
            cx.out.push_back(Output::Admit { call: self.id, device: self.endpoint(part) });
        }
        cx.out.push_back(Output::Measured(Measure::Answered(cx.now - self.started_at)));
        self.start_media(cx, answer);
        self.announce_roster(cx);
        for other in 0..self.legs.len() {
            if self.legs[other].is_open() {
                self.stop_leg(cx, other, EndReason::AnsweredElsewhere);
            }
        }
    }

    /// The callee's device has called the caller while this call rings: that is its accept, whether it rang or not.
    pub(crate) fn merge(&mut self, cx: &mut Context<'_>, device: &DeviceId, invite: CallId) {
        let known = self.legs.iter().position(|leg| leg.side == Side::Callee && leg.device == *device);
        let index = known.unwrap_or_else(|| {
            self.legs.push(Leg::new(device.clone(), Side::Callee, LegState::Invited));
            self.legs.len() - 1
        });
        self.merged = Some(Merged { invite, leg: index });
        cx.out.push_back(Output::Measured(Measure::Merged));
        self.accept(cx, index);
    }

    pub(crate) fn decline(&mut self, cx: &mut Context<'_>, part: Part, reason: DeclineReason) -> Result<(), CallError> {
        let leg = &self.legs[part];
        let stopped = match reason {
            DeclineReason::Declined => EndReason::Declined,
            DeclineReason::Busy => EndReason::Busy,
        };
        match leg.state {
            _ if leg.side == Side::Caller => return Err(CallError::StateMismatch),
            LegState::Invited | LegState::Ringing => {}
            LegState::Accepted | LegState::Joining => return Err(CallError::StateMismatch),
            LegState::Stopped(before) if before == stopped => return Ok(()),
            LegState::Stopped(before) => return Err(Leg::stopped_error(before)),
        }
        self.stop_leg(cx, part, stopped);
        match reason {
            DeclineReason::Declined => self.end(cx, EndReason::Declined),
            DeclineReason::Busy => self.end_if_busy(cx),
        }
        Ok(())
    }

    /// The device that placed the call wants out. If the answer was quicker, the person still wants out: it ends as hung up.
    pub(crate) fn cancel(&mut self, cx: &mut Context<'_>, part: Part) -> Result<(), CallError> {
        if part == PLACER { self.hangup(cx, part) } else { Err(CallError::StateMismatch) }
    }

    pub(crate) fn hangup(&mut self, cx: &mut Context<'_>, part: Part) -> Result<(), CallError> {
        match self.legs[part].state {
            LegState::Accepted => {
                let reason = if self.state.is_open() { EndReason::Cancelled } else { EndReason::Hangup };
                // Both may hang up at once: the second finds it ended, and has what it wanted.
                self.end(cx, reason);
                Ok(())
            }
            LegState::Joining => {
                self.give_up_join(cx, self.legs[part].side, EndReason::Hangup);
                Ok(())
            }
            LegState::Invited | LegState::Ringing => Err(CallError::StateMismatch),
            // It was about to take the call over, and thought better of it, or the call ended so.
            LegState::Stopped(EndReason::Hangup) => Ok(()),
            LegState::Stopped(reason) => Err(Leg::stopped_error(reason)),
        }
    }

    pub(crate) fn set_flags(&mut self, cx: &mut Context<'_>, part: Part, flags: MediaFlags) -> Result<(), CallError> {
        self.check_open_for(part)?;
        let line = &mut self.legs[part].line;
        if line.flags == flags {
            return Ok(());
        }
        line.flags = flags;
        if self.is_seated(part) {
            self.renew_roster(cx);
        }
        Ok(())
    }

    /// Whether the device may connect its media, and when they may flow.
    pub(crate) fn admit_media(&mut self, cx: &mut Context<'_>, part: Part) -> Result<Admission, CallError> {
        self.check_open_for(part)?;
        if self.state.answer().is_some() {
            let flows = self.is_seated(part) && !self.legs[part].line.held;
            return Ok(if flows { Admission::Now } else { Admission::Later });
        }
        if self.legs[part].side == Side::Callee && !self.legs[part].early_media {
            if self.legs.iter().filter(|leg| leg.early_media && leg.is_open()).count() >= cx.limits.early_media_legs {
                cx.out.push_back(Output::Measured(Measure::LimitHit(Limit::EarlyMediaLegs)));
                return Err(CallError::AnswerFirst);
            }
            self.legs[part].early_media = true;
        }
        Ok(Admission::Later)
    }

    /// An error if the call is over, or over for this device.
    pub(super) fn check_open_for(&self, part: Part) -> Result<(), CallError> {
        if let LegState::Stopped(reason) = self.legs[part].state {
            return Err(Leg::stopped_error(reason));
        }
        match self.state {
            State::Ended { reason } => Err(CallError::Over(reason)),
            State::Offered | State::Ringing | State::Connecting(_) | State::Active(_) | State::Reconnecting { .. } => {
                Ok(())
            }
        }
    }
}
