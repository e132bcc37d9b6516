//! A call's timers, as a table: one moment each, set or not (the habit of quinn-proto).

use serde::{Deserialize, Serialize};
use tertulia_common::Timestamp;

/// A side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    Caller,
    Callee,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// An answer.
    Ring,
    /// The media of both sides, after the answer.
    Connect,
    /// The media of one side to come back.
    Grace(Side),
    /// The media of a device that takes over one side.
    Join(Side),
    /// The moment to forget a call that has ended.
    Forget,
}

impl Timer {
    const ALL: [Self; 7] = [
        Self::Ring,
        Self::Connect,
        Self::Grace(Side::Caller),
        Self::Grace(Side::Callee),
        Self::Join(Side::Caller),
        Self::Join(Side::Callee),
        Self::Forget,
    ];

    fn index(self) -> usize {
        match self {
            Self::Ring => 0,
            Self::Connect => 1,
            Self::Grace(Side::Caller) => 2,
            Self::Grace(Side::Callee) => 3,
            Self::Join(Side::Caller) => 4,
            Self::Join(Side::Callee) => 5,
            Self::Forget => 6,
        }
    }
}

/// The timers of one call.
#[derive(Debug, Default)]
pub(crate) struct TimerTable([Option<Timestamp>; Timer::ALL.len()]);

impl TimerTable {
    pub(crate) fn set(&mut self, timer: Timer, at: Timestamp) {
        self.0[timer.index()] = Some(at);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.0[timer.index()] = None;
    }

    pub(crate) fn stop_all(&mut self) {
        self.0 = Default::default();
    }

    pub(crate) fn get(&self, timer: Timer) -> Option<Timestamp> {
        self.0[timer.index()]
    }

    /// The earliest moment of them all.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes out a timer whose moment has come.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Timer> {
        let due = Timer::ALL.into_iter().find(|timer| self.get(*timer).is_some_and(|at| at <= now))?;
        self.stop(due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_at_its_moment_and_once() {
        let mut table = TimerTable::default();
        table.set(Timer::Ring, Timestamp(20));
        table.set(Timer::Grace(Side::Callee), Timestamp(10));
        assert_eq!(table.next(), Some(Timestamp(10)));
        assert_eq!(table.take_due(Timestamp(9)), None);
        assert_eq!(table.take_due(Timestamp(10)), Some(Timer::Grace(Side::Callee)));
        assert_eq!(table.take_due(Timestamp(10)), None);
        assert_eq!(table.next(), Some(Timestamp(20)));
    }

    #[test]
    fn every_timer_has_its_own_place() {
        for (index, timer) in Timer::ALL.into_iter().enumerate() {
            assert_eq!(timer.index(), index);
        }
    }
}
