//! A leg: one device's part in a call, from the first ring (or the placing, or the taking over) to why it stopped.
//!
//! A leg of the callee goes Invited → Ringing → Accepted or Stopped, and never back, but for two: a device that was busy and
//! then called the caller itself (that is an accept), and one that takes the answered call over (Stopped → Joining →
//! Accepted). The first leg of a call is that of the device that placed it: Accepted from the start.

use crate::timer::Side;
use crate::{CallError, EndReason, MediaFlags};
use serde::{Deserialize, Serialize};
use tertulia_common::DeviceId;

/// What one device brings to a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    /// Its media is connected to the server.
    pub(super) media_up: bool,
    /// What it says that it sends.
    pub(super) flags: MediaFlags,
    /// Its person has put the call on hold.
    pub(super) held: bool,
    /// The call comes from before a restart, and this device has not connected its media since.
    pub(super) restored: bool,
}

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LegState {
    /// The device has been offered the call.
    Invited,
    /// It has said that it rings.
    Ringing,
    /// It is in the call: it has placed it, answered it or taken it over. It stays so when the call ends.
    Accepted,
    /// It takes the call over from the device of its user that is in it, as soon as its media is up.
    Joining,
    /// The call is over for this device, and why.
    Stopped(EndReason),
}

/// One device's part.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) device: DeviceId,
    pub(super) side: Side,
    pub(super) state: LegState,
    pub(super) line: Line,
    /// Whether it ever said that it rings: saying so again is not an error, however late.
    pub(super) rang: bool,
    /// Whether it may connect its media before the answer.
    pub(super) early_media: bool,
    /// Whether the device can have one call on hold and be in another.
    pub(super) call_waiting: bool,
    /// It was busy when the call came, and has not heard of it.
    pub(super) unheard: bool,
}

impl Leg {
    pub(super) fn new(device: DeviceId, side: Side, state: LegState) -> Self {
        let line = Line::default();
        Self { device, side, state, line, rang: false, early_media: false, call_waiting: false, unheard: false }
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
