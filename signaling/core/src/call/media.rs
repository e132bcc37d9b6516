//! The media of a call as it comes up, breaks and comes back. Each side has its own grace time.

use super::{Answer, Call, Context, LegState, Part, State, Timer};
use crate::{Measure, Output};

impl Call {
    /// The call has just been answered. With media connected while it rang, it is active at once.
    pub(super) fn start_media(&mut self, cx: &mut Context<'_>, answer: Answer) {
        self.state = State::Connecting(answer);
        self.timers.set(Timer::Connect, cx.now + cx.timeouts.connect);
        if !self.settle_media(cx) {
            self.announce_state(cx);
        }
    }

    pub(crate) fn media_up(&mut self, cx: &mut Context<'_>, part: Part) {
        let leg = &mut self.legs[part];
        if matches!(leg.state, LegState::Stopped(_)) || std::mem::replace(&mut leg.line.media_up, true) {
            return;
        }
        leg.line.restored = false;
        let (side, joins) = (leg.side, leg.state == LegState::Joining);
        if joins {
            self.take_seat(cx, part);
        } else {
            self.timers.stop(Timer::Grace(side));
            self.settle_media(cx);
        }
    }

    /// Media of both sides may be up now: then the call is active. True if that is news.
    pub(super) fn settle_media(&mut self, cx: &mut Context<'_>) -> bool {
        let (answer, measure) = match self.state {
            State::Connecting(answer) => (answer, Measure::Joined(cx.now - answer.at)),
            State::Reconnecting { answer, since } => (answer, Measure::Reconnected(cx.now - since)),
            State::Offered | State::Ringing | State::Active(_) | State::Ended { .. } => return false,
        };
        let up = answer.seats.iter().all(|part| self.legs[*part].line.media_up);
        if up {
            self.state = State::Active(answer);
            self.timers.stop(Timer::Connect);
            cx.out.push_back(Output::Measured(measure));
            self.announce_state(cx);
        }
        up
    }

    pub(crate) fn media_down(&mut self, cx: &mut Context<'_>, part: Part) {
        let leg = &mut self.legs[part];
        if matches!(leg.state, LegState::Stopped(_)) || !std::mem::replace(&mut leg.line.media_up, false) {
            return;
        }
        let side = leg.side;
        match self.state {
            State::Active(answer) => {
                self.state = State::Reconnecting { answer, since: cx.now };
                self.timers.set(Timer::Grace(side), cx.now + cx.timeouts.grace);
                self.announce_state(cx);
            }
            State::Reconnecting { .. } => self.timers.set(Timer::Grace(side), cx.now + cx.timeouts.grace),
            // The connect timer runs.
            State::Connecting(_) | State::Offered | State::Ringing | State::Ended { .. } => {}
        }
    }

    /// Whether the call waits for the media of this device to come back: then its person may call again instead.
    pub(crate) fn is_stale_for(&self, part: Part) -> bool {
        let reconnects = matches!(self.state, State::Reconnecting { .. });
        reconnects && self.is_seated(part) && !self.legs[part].line.media_up
    }

    /// Whether the server was restarted and this device has not been back since: what it asks for now may be what it asked
    /// for before.
    pub(crate) fn is_restored_for(&self, part: Part) -> bool {
        self.is_seated(part) && self.legs[part].line.restored
    }
}
