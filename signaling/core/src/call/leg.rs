//! A leg: one device of the callee, from the first ring to why it stopped.
//!
//! Invited → Ringing → Accepted or Stopped, and never back, but for a device that was busy and then called the caller
//! itself: that is an accept.

use crate::{CallError, EndReason, MediaFlags};
use tertulia_common::DeviceId;

/// What one device brings to a call: the caller's, or a leg's.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Its media is connected to the server.
    pub(super) media_up: bool,
    /// What it says that it sends.
    pub(super) flags: MediaFlags,
}

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LegState {
    /// The device has been offered the call.
    Invited,
    /// It has said that it rings.
    Ringing,
    /// It has answered. It stays so when the call ends.
    Accepted,
    /// The call is over for this device, and why.
    Stopped(EndReason),
}

/// One device of the callee.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) device: DeviceId,
    pub(super) state: LegState,
    pub(super) line: Line,
    /// Whether it ever said that it rings: saying so again is not an error, however late.
    pub(super) rang: bool,
    /// Whether it may connect its media before the answer.
    pub(super) early_media: bool,
}

impl Leg {
    pub(super) fn new(device: DeviceId, state: LegState) -> Self {
        Self { device, state, line: Line::default(), rang: false, early_media: false }
    }

    /// Whether it may still answer.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, LegState::Invited | LegState::Ringing)
    }

    /// The error of a request that comes after the leg has stopped for this reason.
    pub(super) fn stopped_error(reason: EndReason) -> CallError {
        match reason {
            EndReason::AnsweredElsewhere => CallError::AnsweredElsewhere,
            other => CallError::Over(other),
        }
    }
}
