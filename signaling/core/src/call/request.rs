//! What the devices of a call ask for, and the answers. Late and repeated requests are answered as the first time.

use super::{Answer, Call, Context, Leg, LegState, Part, State, Timer};
use crate::{Admission, CallError, DeclineReason, EndReason, Limit, Measure, MediaFlags, Output};
use tertulia_common::{CallId, DeviceId};

impl Call {
    pub(crate) fn ringing(&mut self, cx: &mut Context<'_>, part: Part) -> Result<(), CallError> {
        let Part::Leg(index) = part else { return Err(CallError::StateMismatch) };
        let leg = &mut self.legs[index];
        match leg.state {
            LegState::Invited => {
                leg.state = LegState::Ringing;
                leg.rang = true;
            }
            LegState::Stopped(reason) if !leg.rang => return Err(Leg::stopped_error(reason)),
            LegState::Ringing | LegState::Accepted | LegState::Stopped(_) => return Ok(()),
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
        let Part::Leg(index) = part else { return Err(CallError::StateMismatch) };
        match self.legs[index].state {
            LegState::Invited | LegState::Ringing => Ok(true),
            LegState::Accepted => Ok(false),
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
        let answer = Answer { at: cx.now, leg: index, version: 1 };
        let winner = self.leg_endpoint(&self.legs[index]);
        // Media first: what the two wait for is each other's voice.
        cx.out.push_back(Output::Admit { call: self.id, device: self.caller.clone() });
        cx.out.push_back(Output::Admit { call: self.id, device: winner });
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
        let index = self.legs.iter().position(|leg| leg.device == *device).unwrap_or_else(|| {
            self.legs.push(Leg::new(device.clone(), LegState::Invited));
            self.legs.len() - 1
        });
        self.merged = Some(invite);
        cx.out.push_back(Output::Measured(Measure::Merged));
        self.accept(cx, index);
    }

    pub(crate) fn decline(&mut self, cx: &mut Context<'_>, part: Part, reason: DeclineReason) -> Result<(), CallError> {
        let Part::Leg(index) = part else { return Err(CallError::StateMismatch) };
        let stopped = match reason {
            DeclineReason::Declined => EndReason::Declined,
            DeclineReason::Busy => EndReason::Busy,
        };
        match self.legs[index].state {
            LegState::Invited | LegState::Ringing => {}
            LegState::Accepted => return Err(CallError::StateMismatch),
            LegState::Stopped(before) if before == stopped => return Ok(()),
            LegState::Stopped(before) => return Err(Leg::stopped_error(before)),
        }
        self.stop_leg(cx, index, stopped);
        match reason {
            DeclineReason::Declined => self.end(cx, EndReason::Declined),
            DeclineReason::Busy => self.end_if_busy(cx),
        }
        Ok(())
    }

    /// The caller wants out. If the answer was quicker, the person still wants out: it ends as hung up.
    pub(crate) fn cancel(&mut self, cx: &mut Context<'_>, part: Part) -> Result<(), CallError> {
        match part {
            Part::Caller => self.hangup(cx, part),
            Part::Leg(_) => Err(CallError::StateMismatch),
        }
    }

    pub(crate) fn hangup(&mut self, cx: &mut Context<'_>, part: Part) -> Result<(), CallError> {
        if let Part::Leg(index) = part {
            match self.legs[index].state {
                LegState::Accepted => {}
                LegState::Invited | LegState::Ringing => return Err(CallError::StateMismatch),
                LegState::Stopped(reason) => return Err(Leg::stopped_error(reason)),
            }
        }
        let reason = if self.state.is_open() { EndReason::Cancelled } else { EndReason::Hangup };
        // Both may hang up at once: the second finds it ended, and has what it wanted.
        self.end(cx, reason);
        Ok(())
    }

    pub(crate) fn set_flags(&mut self, cx: &mut Context<'_>, part: Part, flags: MediaFlags) -> Result<(), CallError> {
        self.check_open_for(part)?;
        let line = match part {
            Part::Caller => &mut self.line,
            Part::Leg(index) => &mut self.legs[index].line,
        };
        if line.flags == flags {
            return Ok(());
        }
        line.flags = flags;
        // After the answer, every device that the call is not over for is in it.
        if let Some(answer) = self.state.answer_mut() {
            answer.version = answer.version.saturating_add(1);
            self.announce_roster(cx);
        }
        Ok(())
    }

    /// Whether the device may connect its media, and when they may flow.
    pub(crate) fn admit_media(&mut self, cx: &mut Context<'_>, part: Part) -> Result<Admission, CallError> {
        self.check_open_for(part)?;
        if self.state.answer().is_some() {
            return Ok(Admission::Now);
        }
        if let Part::Leg(index) = part
            && !self.legs[index].early_media
        {
            if self.legs.iter().filter(|leg| leg.early_media && leg.is_open()).count() >= cx.limits.early_media_legs {
                cx.out.push_back(Output::Measured(Measure::LimitHit(Limit::EarlyMediaLegs)));
                return Err(CallError::AnswerFirst);
            }
            self.legs[index].early_media = true;
        }
        Ok(Admission::AfterAnswer)
    }

    /// An error if the call is over, or over for this device.
    fn check_open_for(&self, part: Part) -> Result<(), CallError> {
        if let Part::Leg(index) = part
            && let LegState::Stopped(reason) = self.legs[index].state
        {
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
