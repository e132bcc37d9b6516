//! A queue that one thread empties at once: under load one waking serves many.

use super::{Command, Reader, Rejected};
use parking_lot::{Condvar, Mutex};
use std::time::Duration;

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
}

/// How whoever empties it sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleeps {
    Not,
    Shortly,
    Long,
}

impl<T: Waits> Inbox<T> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            state: Mutex::new(State { waiting: Vec::new(), closed: false, sleeps: Sleeps::Not }),
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

    /// Everything that waits, into `taken`, which is empty; waits for it as long as said. False once closed and empty.
    pub(crate) fn take(&self, taken: &mut Vec<T>, patience: Duration) -> bool {
        let mut state = self.state.lock();
        if state.waiting.is_empty() && !state.closed {
            state.sleeps = if patience <= SOON { Sleeps::Shortly } else { Sleeps::Long };
            self.woken.wait_for(&mut state, patience);
            state.sleeps = Sleeps::Not;
        }
        std::mem::swap(taken, &mut state.waiting);
        !(state.closed && taken.is_empty())
    }

    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.woken.notify_all();
    }
}
