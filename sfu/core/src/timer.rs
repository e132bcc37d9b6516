//! When to wake which peer: a heap with lazy deletion.
//!
//! A peer's deadline moves with almost every packet. Moving it later costs nothing here: the old entry stays, and is put
//! back when it comes up too early. Only an earlier deadline adds an entry.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Deadlines of peers, by their place in the shard.
#[derive(Debug, Default)]
pub(crate) struct WakeUps {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    /// The earliest entry in the heap for each place.
    queued: Vec<Option<Instant>>,
}

impl WakeUps {
    /// Asks that `place` is woken at `at`, or sooner.
    pub(crate) fn set(&mut self, place: usize, at: Instant) {
        if self.queued.len() <= place {
            self.queued.resize(place + 1, None);
        }
        if self.queued[place].is_none_or(|queued| at < queued) {
            self.queued[place] = Some(at);
            self.heap.push(Reverse((at, place)));
        }
    }

    /// Forgets `place`; entries still in the heap are dropped when they come up.
    pub(crate) fn clear(&mut self, place: usize) {
        if let Some(queued) = self.queued.get_mut(place) {
            *queued = None;
        }
    }

    /// The earliest deadline, perhaps of an entry that is out of date.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one place whose entry is due. Its real deadline may be later: the caller looks, and sets it again.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<usize> {
        while let Some(Reverse((at, place))) = self.heap.peek().copied() {
            if at > now {
                return None;
            }
            self.heap.pop();
            // Only the earliest entry of a place counts; others are left over from deadlines that moved forward.
            if self.queued[place] == Some(at) {
                self.queued[place] = None;
                return Some(place);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn wakes_each_place_once_at_its_earliest_deadline() {
        let start = crate::shard::tests::epoch();
        let at = |ms| start + Duration::from_millis(ms);
        let mut wake_ups = WakeUps::default();
        wake_ups.set(3, at(30));
        wake_ups.set(3, at(10));
        wake_ups.set(3, at(20)); // later than what is queued: no entry
        wake_ups.set(1, at(15));
        assert_eq!(wake_ups.next(), Some(at(10)));
        assert_eq!(wake_ups.pop_due(at(9)), None);
        assert_eq!(wake_ups.pop_due(at(12)), Some(3));
        assert_eq!(wake_ups.pop_due(at(40)), Some(1));
        assert_eq!(wake_ups.pop_due(at(40)), None, "the entry at 30 was replaced by the one at 10");
    }

    #[test]
    fn a_cleared_place_is_not_woken() {
        let start = crate::shard::tests::epoch();
        let mut wake_ups = WakeUps::default();
        wake_ups.set(0, start);
        wake_ups.clear(0);
        assert_eq!(wake_ups.pop_due(start), None);
    }
}
