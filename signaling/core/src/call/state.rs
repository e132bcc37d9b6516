//! Where a call stands: one variant a state, with the data of that state only.

use crate::timer::Side;
use crate::{EndReason, Phase};
use serde::{Deserialize, Serialize};
use tertulia_common::Timestamp;

/// Where a call stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// No device has said that it rings.
    Offered,
    /// One has.
    Ringing,
    /// Answered; the media is not up on both sides.
    Connecting(Answer),
    /// Answered, and the media is up on both sides.
    Active(Answer),
    /// The media was up, and is gone on a side or both.
    Reconnecting {
        answer: Answer,
        /// When it went.
        since: Timestamp,
    },
    /// Over: nothing changes any more.
    Ended { reason: EndReason },
}

/// An answer: there is at most one in a call, and it is never taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) at: Timestamp,
    /// The legs that are in the call: the caller's, and the callee's. Legs are not removed after the answer, so that these
    /// stay true.
    pub(super) seats: [usize; 2],
    /// The roster's version.
    pub(super) version: u32,
}

impl Answer {
    /// The leg of this side that is in the call.
    pub(super) fn seat(&self, side: Side) -> usize {
        self.seats[side as usize]
    }
}

impl State {
    /// The state as others see it; none once it has ended.
    pub(super) fn phase(&self) -> Option<Phase> {
        match self {
            Self::Offered => Some(Phase::Offered),
            Self::Ringing => Some(Phase::Ringing),
            Self::Connecting(_) => Some(Phase::Connecting),
            Self::Active(_) => Some(Phase::Active),
            Self::Reconnecting { .. } => Some(Phase::Reconnecting),
            Self::Ended { .. } => None,
        }
    }

    /// Whether it waits for an answer.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Offered | Self::Ringing)
    }

    /// The answer of a call that goes on.
    pub(super) fn answer(&self) -> Option<Answer> {
        match self {
            Self::Connecting(answer) | Self::Active(answer) | Self::Reconnecting { answer, .. } => Some(*answer),
            Self::Offered | Self::Ringing | Self::Ended { .. } => None,
        }
    }

    /// The same, to raise the roster's version or to move a seat.
    pub(super) fn answer_mut(&mut self) -> Option<&mut Answer> {
        match self {
            Self::Connecting(answer) | Self::Active(answer) | Self::Reconnecting { answer, .. } => Some(answer),
            Self::Offered | Self::Ringing | Self::Ended { .. } => None,
        }
    }
}
