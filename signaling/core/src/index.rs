//! Where to find a call: by device, by callee, by the moment it wants to be woken. Kept true by comparing a call before and
//! after each step, so that no step can forget to.

use crate::call::Call;
use crate::{Endpoint, Gauges, Phase};
use std::collections::{BTreeSet, HashMap, VecDeque};
use tertulia_common::{CallId, Timestamp, UserId};

/// What the index needs to know of a call before a step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Footprint {
    phase: Option<Phase>,
    wake_at: Option<Timestamp>,
    answered: bool,
}

impl Footprint {
    pub(crate) fn of(call: &Call) -> Self {
        let phase = call.phase();
        Self { phase, wake_at: call.wake_at(), answered: phase.is_some_and(is_answered) }
    }

    fn is_open(&self) -> bool {
        self.phase.is_some() && !self.answered
    }
}

fn is_answered(phase: Phase) -> bool {
    match phase {
        Phase::Offered | Phase::Ringing => false,
        Phase::Connecting | Phase::Active | Phase::Reconnecting => true,
    }
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The call that a device placed or accepted, until it ends. At most one each.
    seats: HashMap<Endpoint, CallId>,
    /// Calls without an answer, by callee, oldest first.
    open: HashMap<UserId, Vec<CallId>>,
    deadlines: BTreeSet<(Timestamp, CallId)>,
    /// Calls that have ended, oldest end first.
    ended: VecDeque<CallId>,
    calls: [usize; Phase::ALL.len()],
}

impl Index {
    pub(crate) fn seat(&self, device: &Endpoint) -> Option<CallId> {
        self.seats.get(device).copied()
    }

    /// Calls that wait for this user's answer, oldest first.
    pub(crate) fn open_for(&self, callee: &UserId) -> &[CallId] {
        self.open.get(callee).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn next_deadline(&self) -> Option<(Timestamp, CallId)> {
        self.deadlines.first().copied()
    }

    pub(crate) fn gauges(&self) -> Gauges {
        Gauges { calls: self.calls, tombstones: self.ended.len() }
    }

    /// The call that ended first, if more are kept than `max`.
    pub(crate) fn oldest_above(&self, max: usize) -> Option<CallId> {
        if self.ended.len() > max { self.ended.front().copied() } else { None }
    }

    /// A call has taken a step (its first, if `before` is the default).
    pub(crate) fn update(&mut self, call: &Call, before: Footprint) {
        let after = Footprint::of(call);
        self.move_deadline(call.id(), before.wake_at, after.wake_at);
        if before.phase != after.phase {
            self.count(before.phase, after.phase);
        }
        if !before.is_open() && after.is_open() {
            self.seats.insert(call.caller().clone(), call.id());
            self.open.entry(call.callee().clone()).or_default().push(call.id());
        }
        if before.is_open() && !after.is_open() {
            self.close(call);
        }
        if !before.answered
            && after.answered
            && let Some(winner) = call.answered_by()
        {
            self.seats.insert(winner, call.id());
        }
        if before.phase.is_some() && after.phase.is_none() {
            self.leave(call.caller(), call.id());
            if let Some(winner) = call.answered_by() {
                self.leave(&winner, call.id());
            }
            self.ended.push_back(call.id());
        }
    }

    /// A call that has ended is no longer kept.
    pub(crate) fn forget(&mut self, call: &Call) {
        self.move_deadline(call.id(), call.wake_at(), None);
        // Nearly always the first: calls are forgotten in the order in which they end.
        if let Some(at) = self.ended.iter().position(|id| *id == call.id()) {
            self.ended.remove(at);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let maps = self.seats.is_empty() && self.open.is_empty() && self.deadlines.is_empty() && self.ended.is_empty();
        maps && self.calls == [0; Phase::ALL.len()]
    }

    fn count(&mut self, before: Option<Phase>, after: Option<Phase>) {
        if let Some(phase) = before {
            self.calls[phase as usize] -= 1;
        }
        if let Some(phase) = after {
            self.calls[phase as usize] += 1;
        }
    }

    fn move_deadline(&mut self, id: CallId, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before == after {
            return;
        }
        if let Some(at) = before {
            self.deadlines.remove(&(at, id));
        }
        if let Some(at) = after {
            self.deadlines.insert((at, id));
        }
    }

    fn close(&mut self, call: &Call) {
        if let Some(open) = self.open.get_mut(call.callee()) {
            open.retain(|id| *id != call.id());
            if open.is_empty() {
                self.open.remove(call.callee());
            }
        }
    }

    fn leave(&mut self, device: &Endpoint, id: CallId) {
        if self.seats.get(device) == Some(&id) {
            self.seats.remove(device);
        }
    }
}
