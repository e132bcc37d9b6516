//! What of a call outlives the process, and how the call comes back from it.
//!
//! Not in it: media (they are down after a restart, whatever they were), the time that media has to come up, and who has
//! been told what. An image that contradicts itself is refused whole: a call is never half restored.

use super::{Answer, Call, Leg, LegState, Line, Merged, PLACER, State, Timer, TimerTable};
use crate::timer::Side;
use crate::{EndReason, Endpoint, MediaFlags, MediaKind, Reach, Timeouts};
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use tertulia_common::{CallId, DeviceId, Timestamp, UserId};

/// The version of the format. An image of another one is refused.
const FORMAT: u32 = 1;

/// A call of two as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct CallImage {
    format: u32,
    call: CallId,
    caller: Endpoint,
    callee: UserId,
    media: MediaKind,
    reach: Reach,
    started_at: Timestamp,
    legs: Vec<LegImage>,
    stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merged: Option<Merged>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Open { ringing: bool, until: Timestamp },
    Answered(Answer),
    Ended { reason: EndReason, forget_at: Timestamp },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct LegImage {
    device: DeviceId,
    side: Side,
    state: LegState,
    flags: MediaFlags,
    held: bool,
    rang: bool,
    early_media: bool,
    call_waiting: bool,
    #[serde(default)]
    unheard: bool,
}

impl CallImage {
    /// Which call.
    pub(crate) fn call(&self) -> CallId {
        self.call
    }

    /// The caller and the callee.
    pub(crate) fn users(&self) -> [&UserId; 2] {
        [&self.caller.user, &self.callee]
    }

    /// Whether it is answered and goes on.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Answered(_))
    }

    /// When it need not be kept any longer; none while the call goes on.
    pub(crate) fn forget_at(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Ended { forget_at, .. } => Some(forget_at),
            Stage::Open { .. } | Stage::Answered(_) => None,
        }
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    fn is_sound(&self) -> bool {
        let placer = |leg: &LegImage| leg.side == Side::Caller && leg.device == self.caller.device;
        let seat = |part: usize, side| {
            self.legs.get(part).is_some_and(|leg| leg.side == side && leg.state == LegState::Accepted)
        };
        let stage = match self.stage {
            Stage::Open { .. } => seat(PLACER, Side::Caller),
            Stage::Answered(answer) => {
                seat(answer.seat(Side::Caller), Side::Caller) && seat(answer.seat(Side::Callee), Side::Callee)
            }
            Stage::Ended { .. } => true,
        };
        self.format == FORMAT
            && stage
            && self.caller.user != self.callee
            && self.legs.get(PLACER).is_some_and(placer)
            && self.merged.is_none_or(|merged| merged.leg < self.legs.len())
    }
}

impl Call {
    /// What of it outlives the process.
    pub(crate) fn image(&self) -> CallImage {
        let leg = |leg: &Leg| LegImage {
            device: leg.device.clone(),
            side: leg.side,
            state: leg.state,
            flags: leg.line.flags,
            held: leg.line.held,
            rang: leg.rang,
            early_media: leg.early_media,
            call_waiting: leg.call_waiting,
            unheard: leg.unheard,
        };
        let at = |timer| self.timers.get(timer).unwrap_or_default();
        let stage = match self.state {
            State::Offered => Stage::Open { ringing: false, until: at(Timer::Ring) },
            State::Ringing => Stage::Open { ringing: true, until: at(Timer::Ring) },
            State::Connecting(answer) | State::Active(answer) | State::Reconnecting { answer, .. } => {
                Stage::Answered(answer)
            }
            State::Ended { reason } => Stage::Ended { reason, forget_at: at(Timer::Forget) },
        };
        CallImage {
            format: FORMAT,
            call: self.id,
            caller: self.caller.clone(),
            callee: self.callee.clone(),
            media: self.media,
            reach: self.reach,
            started_at: self.started_at,
            legs: self.legs.iter().map(leg).collect(),
            stage,
            merged: self.merged,
        }
    }

    /// The call after a restart: its media are down, and have the grace time to come back. None if the image is not sound.
    pub(crate) fn restore(now: Timestamp, timeouts: &Timeouts, image: CallImage) -> Option<Self> {
        if !image.is_sound() {
            return None;
        }
        let leg = |leg: LegImage| {
            let LegImage { device, side, state, flags, held, rang, early_media, call_waiting, unheard } = leg;
            let line = Line { media_up: false, flags, held, restored: true };
            Leg { device, side, state, line, rang, early_media, call_waiting, unheard }
        };
        let legs: Vec<Leg> = image.legs.into_iter().map(leg).collect();
        let mut timers = TimerTable::default();
        let state = match image.stage {
            Stage::Open { ringing, until } => {
                timers.set(Timer::Ring, until);
                if ringing { State::Ringing } else { State::Offered }
            }
            Stage::Answered(answer) => {
                for side in [Side::Caller, Side::Callee] {
                    timers.set(Timer::Grace(side), now + timeouts.grace);
                    if legs.iter().any(|leg| leg.side == side && leg.state == LegState::Joining) {
                        timers.set(Timer::Join(side), now + timeouts.connect);
                    }
                }
                State::Reconnecting { answer, since: now }
            }
            Stage::Ended { reason, forget_at } => {
                timers.set(Timer::Forget, forget_at);
                State::Ended { reason }
            }
        };
        let CallImage { call: id, caller, callee, media, reach, started_at, merged, .. } = image;
        Some(Self { id, caller, callee, media, reach, started_at, legs, state, timers, merged })
    }
}
