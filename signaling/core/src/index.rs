//! Where to find a call: by device, by callee, by the moment it wants to be woken. Kept true by comparing a call before and
//! after each step, so that no step can forget to.

use crate::call::{Call, Part};
use crate::conference::Change;
use crate::{Endpoint, Gauges, Phase, Reach};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use tertulia_common::{CallId, Timestamp, UserId};

/// What the index needs to know of a call before a step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Footprint {
    phase: Option<Phase>,
    wake_at: Option<Timestamp>,
    answered: bool,
    /// It waits for an answer, and may find one.
    open: bool,
    taken: [Option<Part>; 4],
    image: u64,
}

impl Footprint {
    pub(crate) fn of(call: &Call) -> Self {
        let phase = call.phase();
        let answered = phase.is_some_and(is_answered);
        Self {
            phase,
            wake_at: call.wake_at(),
            answered,
            open: phase.is_some() && !answered && call.reach() != Reach::Nobody,
            taken: call.taken(),
            image: call.image().fingerprint(),
        }
    }

    /// Who is in the call, once it is answered.
    fn seats(&self) -> Option<[Option<Part>; 2]> {
        self.answered.then_some([self.taken[0], self.taken[1]])
    }
}

/// What a step has changed, for those who are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The image of a call that goes on.
    pub(crate) image: bool,
    /// Who is in an answered call.
    pub(crate) seats: bool,
    /// The legs whose devices are no longer taken by the call.
    pub(crate) freed: [Option<Part>; 4],
}

fn is_answered(phase: Phase) -> bool {
    match phase {
        Phase::Offered | Phase::Ringing => false,
        Phase::Connecting | Phase::Active | Phase::Reconnecting => true,
    }
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The calls that a device placed, accepted or is about to take over, until they end. At most two each.
    seats: HashMap<Endpoint, Vec<CallId>>,
    /// Answered calls, by both users, in the order of their answers.
    running: HashMap<UserId, Vec<CallId>>,
    /// Calls that an answer may come for, by callee, oldest first.
    open: HashMap<UserId, Vec<CallId>>,
    /// The calls that a device waits to be let into. At most one each.
    waiting: HashMap<Endpoint, Vec<CallId>>,
    deadlines: BTreeSet<(Timestamp, CallId)>,
    /// Calls that have ended, oldest end first.
    ended: VecDeque<CallId>,
    calls: [usize; Phase::ALL.len()],
}

impl Index {
    /// The calls that a device is in, oldest seat first.
    pub(crate) fn seats(&self, device: &Endpoint) -> &[CallId] {
        self.seats.get(device).map_or(&[], Vec::as_slice)
    }

    /// The answered calls of a user, oldest answer first.
    pub(crate) fn running_for(&self, user: &UserId) -> &[CallId] {
        self.running.get(user).map_or(&[], Vec::as_slice)
    }

    /// Calls that wait for this user's answer, oldest first.
    pub(crate) fn open_for(&self, callee: &UserId) -> &[CallId] {
        self.open.get(callee).map_or(&[], Vec::as_slice)
    }

    /// The calls that a device waits to be let into.
    pub(crate) fn waiting_for(&self, device: &Endpoint) -> &[CallId] {
        self.waiting.get(device).map_or(&[], Vec::as_slice)
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
    pub(crate) fn update(&mut self, call: &Call, before: Footprint) -> Changed {
        let (id, after) = (call.id(), Footprint::of(call));
        self.move_deadline(id, before.wake_at, after.wake_at);
        if before.phase != after.phase {
            self.count(before.phase, after.phase);
        }
        if !before.open && after.open {
            enter(&mut self.open, call.callee().clone(), id);
        }
        if before.open && !after.open {
            leave(&mut self.open, call.callee(), id);
        }
        for user in [&call.caller().user, call.callee()] {
            match (before.answered, after.answered) {
                (false, true) => enter(&mut self.running, user.clone(), id),
                (true, false) => leave(&mut self.running, user, id),
                (false, false) | (true, true) => {}
            }
        }
        if before.taken != after.taken {
            before.taken.into_iter().flatten().for_each(|part| leave(&mut self.seats, &call.endpoint(part), id));
            after.taken.into_iter().flatten().for_each(|part| enter(&mut self.seats, call.endpoint(part), id));
        }
        if (before.phase.is_some() || before.image == 0) && after.phase.is_none() {
            self.ended.push_back(id);
        }
        let image = after.phase.is_some() && before.image != after.image;
        let freed = before.taken.map(|part| part.filter(|part| !after.taken.contains(&Some(*part))));
        Changed { image, seats: before.seats() != after.seats(), freed }
    }

    /// A conference has taken a step.
    pub(crate) fn update_conference(&mut self, id: CallId, change: &Change) {
        match change {
            Change::Sat(device) => {
                enter(&mut self.seats, device.clone(), id);
                enter(&mut self.running, device.user.clone(), id);
            }
            Change::Rose(device) => {
                leave(&mut self.seats, device, id);
                leave_once(&mut self.running, &device.user, id);
            }
            Change::Rings(user) => enter(&mut self.open, user.clone(), id),
            Change::RingsNot(user) => leave(&mut self.open, user, id),
            Change::Waits(device) => enter(&mut self.waiting, device.clone(), id),
            Change::WaitsNot(device) => leave(&mut self.waiting, device, id),
        }
    }

    /// A conference wants to be woken at another moment.
    pub(crate) fn wake_conference(&mut self, id: CallId, before: Option<Timestamp>, after: Option<Timestamp>) {
        self.move_deadline(id, before, after);
    }

    /// A conference has begun.
    pub(crate) fn conference_began(&mut self) {
        self.count(None, Some(Phase::Active));
    }

    /// A conference is over, and kept for late requests.
    pub(crate) fn conference_over(&mut self, id: CallId) {
        self.count(Some(Phase::Active), None);
        self.ended.push_back(id);
    }

    /// A conference that is over is no longer kept.
    pub(crate) fn forget_conference(&mut self, id: CallId, wake_at: Option<Timestamp>) {
        self.move_deadline(id, wake_at, None);
        if let Some(at) = self.ended.iter().position(|ended| *ended == id) {
            self.ended.remove(at);
        }
    }

    /// A call of two that goes on as a conference: nothing is left of it here.
    pub(crate) fn grown(&mut self, call: &Call) {
        let (id, before) = (call.id(), Footprint::of(call));
        self.move_deadline(id, before.wake_at, None);
        self.count(before.phase, None);
        for user in [&call.caller().user, call.callee()] {
            leave(&mut self.running, user, id);
        }
        before.taken.into_iter().flatten().for_each(|part| leave(&mut self.seats, &call.endpoint(part), id));
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
        let maps = self.seats.is_empty() && self.running.is_empty() && self.open.is_empty() && self.waiting.is_empty();
        maps && self.deadlines.is_empty() && self.ended.is_empty() && self.calls == [0; Phase::ALL.len()]
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
}

/// Adds a call to those of someone.
fn enter<K: Eq + Hash>(calls: &mut HashMap<K, Vec<CallId>>, of: K, id: CallId) {
    calls.entry(of).or_default().push(id);
}

/// Takes it away once: a user may be in it with two devices while one hands over to the other.
fn leave_once<K: Eq + Hash>(calls: &mut HashMap<K, Vec<CallId>>, of: &K, id: CallId) {
    if let Some(known) = calls.get_mut(of) {
        if let Some(at) = known.iter().position(|call| *call == id) {
            known.remove(at);
        }
        if known.is_empty() {
            calls.remove(of);
        }
    }
}

/// Takes it away.
fn leave<K: Eq + Hash>(calls: &mut HashMap<K, Vec<CallId>>, of: &K, id: CallId) {
    if let Some(known) = calls.get_mut(of) {
        known.retain(|call| *call != id);
        if known.is_empty() {
            calls.remove(of);
        }
    }
}
