//! A queue that one thread empties at once: under load one waking serves many.

use super::{Command, Reader, Rejected};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// So much ends the gathering before its time: more would make what follows late, and saves little.
const ENOUGH: usize = 64;
/// How long what can wait may lie there: what was acknowledged is told no sooner anyway.
const SOON: Duration = Duration::from_millis(100);

/// What may wait in an inbox.
pub(crate) trait Waits {
    /// It is taken however much waits.
    fn is_owed(&self) -> bool;

    /// It need not wake anybody who wakes soon ([`SOON`]).
    fn can_wait(&self) -> bool {
        false
    }
}

impl Waits for Command {
    fn is_owed(&self) -> bool {
        Self::is_owed(self)
    }

    fn can_wait(&self) -> bool {
        matches!(self, Self::Acknowledge { hurried: false, .. })
    }
}

impl Waits for Reader {
    fn is_owed(&self) -> bool {
        true
    }
}

pub(crate) struct Inbox<T> {
    max: usize,
    state: Mutex<State<T>>,
    woken: Condvar,
}

struct State<T> {
    waiting: Vec<T>,
    closed: bool,
    sleeps: Sleeps,
    /// Something came while it was gathered last: it is likely to do so again.
    gathers: bool,
}

/// How whoever empties it sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleeps {
    Not,
    /// What comes meanwhile is taken at a time that is set.
    Gathers,
    Shortly,
    Long,
}

impl<T: Waits> Inbox<T> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            state: Mutex::new(State { waiting: Vec::new(), closed: false, sleeps: Sleeps::Not, gathers: false }),
            woken: Condvar::new(),
        }
    }

    /// Adds to the queue; gives back what can't be taken, and why.
    pub(crate) fn push(&self, item: T) -> Result<(), (T, Rejected)> {
        let mut state = self.state.lock();
        if state.closed {
            return Err((item, Rejected::Ended));
        }
        if state.waiting.len() >= self.max && !item.is_owed() {
            return Err((item, Rejected::Busy));
        }
        let wakes = match state.sleeps {
            Sleeps::Not => false,
            Sleeps::Gathers => state.waiting.len() + 1 >= ENOUGH,
            Sleeps::Shortly => !item.can_wait(),
            Sleeps::Long => true,
        };
        state.waiting.push(item);
        if wakes {
            state.sleeps = Sleeps::Not;
            self.woken.notify_one();
        }
        Ok(())
    }

    /// Everything that waits, into `taken`, which is empty; waits for it as long as said. It is not taken before `earliest`, unless it
    /// is [`ENOUGH`]: whoever comes meanwhile wakes nobody. False once closed and empty.
    pub(crate) fn take(&self, taken: &mut Vec<T>, patience: Duration, earliest: Instant) -> bool {
        let mut state = self.state.lock();
        if state.gathers || !state.waiting.is_empty() {
            self.gather(&mut state, earliest);
        }
        if state.waiting.is_empty() && !state.closed {
            state.sleeps = if patience <= SOON { Sleeps::Shortly } else { Sleeps::Long };
            self.woken.wait_for(&mut state, patience);
            state.sleeps = Sleeps::Not;
            if !state.waiting.is_empty() {
                self.gather(&mut state, earliest);
            }
        }
        std::mem::swap(taken, &mut state.waiting);
        !(state.closed && taken.is_empty())
    }

    fn gather(&self, state: &mut MutexGuard<'_, State<T>>, until: Instant) {
        if Instant::now() >= until {
            return;
        }
        state.sleeps = Sleeps::Gathers;
        while state.waiting.len() < ENOUGH && !state.closed && !self.woken.wait_until(state, until).timed_out() {}
        state.sleeps = Sleeps::Not;
        state.gathers = !state.waiting.is_empty();
    }

    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.woken.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    struct Item;

    impl Waits for Item {
        fn is_owed(&self) -> bool {
            false
        }
    }

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn what_comes_after_one_was_taken_is_taken_together_and_not_before_its_time() {
        let inbox = Inbox::new(8);
        let (mut taken, earliest) = (Vec::new(), Instant::now() + Duration::from_millis(200));
        thread::scope(|scope| {
            scope.spawn(|| (0..3).for_each(|_| assert!(inbox.push(Item).is_ok())));
            assert!(inbox.take(&mut taken, LONG, earliest));
        });
        assert_eq!(taken.len(), 3);
        assert!(Instant::now() >= earliest);
    }

    #[test]
    fn enough_is_taken_at_once_and_so_is_the_end() {
        let inbox = Inbox::new(ENOUGH);
        let mut taken = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| (0..ENOUGH).for_each(|_| assert!(inbox.push(Item).is_ok())));
            assert!(inbox.take(&mut taken, LONG, Instant::now() + LONG));
        });
        assert_eq!(taken.len(), ENOUGH);
        taken.clear();
        thread::scope(|scope| {
            scope.spawn(|| inbox.close());
            assert!(!inbox.take(&mut taken, LONG, Instant::now() + LONG));
        });
    }
}
