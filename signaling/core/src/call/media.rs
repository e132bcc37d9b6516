//! The media of a call as it comes up, breaks and comes back. Each side has its own grace time.

use super::{Answer, Call, Context, LegState, Line, Part, Side, State, Timer};
use crate::{Measure, Output};

impl Call {
    /// The call has just been answered. With media connected while it rang, it is active at once.
    pub(super) fn start_media(&mut self, cx: &mut Context<'_>, answer: Answer) {
        self.state = State::Connecting(answer);
        self.timers.set(Timer::Connect, cx.now + cx.timeouts.connect);
        if !self.join_if_up(cx, answer) {
            self.announce_state(cx);
        }
    }

    pub(crate) fn media_up(&mut self, cx: &mut Context<'_>, part: Part) {
        let Some(line) = self.line_mut(part) else { return };
        if std::mem::replace(&mut line.media_up, true) {
            return;
        }
        self.timers.stop(Timer::Grace(part.side()));
        match self.state {
            State::Connecting(answer) => {
                self.join_if_up(cx, answer);
            }
            State::Reconnecting { answer, since } => {
                if self.both_up(answer) {
                    self.state = State::Active(answer);
                    cx.out.push_back(Output::Measured(Measure::Reconnected(cx.now - since)));
                    self.announce_state(cx);
                }
            }
            State::Offered | State::Ringing | State::Active(_) | State::Ended { .. } => {}
        }
    }

    pub(crate) fn media_down(&mut self, cx: &mut Context<'_>, part: Part) {
        let Some(line) = self.line_mut(part) else { return };
        if !std::mem::replace(&mut line.media_up, false) {
            return;
        }
        match self.state {
            State::Active(answer) => {
                self.state = State::Reconnecting { answer, since: cx.now };
                self.timers.set(Timer::Grace(part.side()), cx.now + cx.timeouts.grace);
                self.announce_state(cx);
            }
            State::Reconnecting { .. } => self.timers.set(Timer::Grace(part.side()), cx.now + cx.timeouts.grace),
            // The connect timer runs.
            State::Connecting(_) | State::Offered | State::Ringing | State::Ended { .. } => {}
        }
    }

    /// Whether the call waits for the media of this device to come back: then its person may call again instead.
    pub(crate) fn is_stale_for(&self, part: Part) -> bool {
        let up = match part {
            Part::Caller => self.line.media_up,
            Part::Leg(index) => self.legs[index].line.media_up,
        };
        matches!(self.state, State::Reconnecting { .. }) && !up
    }

    fn join_if_up(&mut self, cx: &mut Context<'_>, answer: Answer) -> bool {
        let up = self.both_up(answer);
        if up {
            self.state = State::Active(answer);
            self.timers.stop(Timer::Connect);
            cx.out.push_back(Output::Measured(Measure::Joined(cx.now - answer.at)));
            self.announce_state(cx);
        }
        up
    }

    fn both_up(&self, answer: Answer) -> bool {
        self.line.media_up && self.legs[answer.leg].line.media_up
    }

    /// The line of a device for which the call is not over.
    fn line_mut(&mut self, part: Part) -> Option<&mut Line> {
        match part {
            Part::Caller => Some(&mut self.line),
            Part::Leg(index) => {
                let leg = &mut self.legs[index];
                (!matches!(leg.state, LegState::Stopped(_))).then_some(&mut leg.line)
            }
        }
    }
}

impl Part {
    fn side(self) -> Side {
        match self {
            Self::Caller => Side::Caller,
            Self::Leg(_) => Side::Callee,
        }
    }
}
