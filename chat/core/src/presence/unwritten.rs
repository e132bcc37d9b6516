//! What is to be written down: when people last did something, and who has written to whom.
//!
//! Invariant: what is handed out to be written counts until it has been written: whoever reads the store meanwhile, and asks
//! here after that, misses nothing.

use rustc_hash::{FxHashMap, FxHashSet};
use tertulia_common::{Timestamp, UserId};

/// What is to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// When people last did something.
    pub seen: FxHashMap<UserId, Timestamp>,
    /// Who has written to whom.
    pub contacts: FxHashSet<(UserId, UserId)>,
}

impl Notes {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.contacts.is_empty()
    }

    fn add(&mut self, other: Self) {
        for (user, at) in other.seen {
            let known = self.seen.entry(user).or_insert(at);
            *known = at.max(*known);
        }
        self.contacts.extend(other.contacts);
    }

    fn forget(&mut self, user: &UserId) {
        self.seen.remove(user);
        self.contacts.retain(|(from, to)| from != user && to != user);
    }
}

#[derive(Debug)]
pub(super) struct Unwritten {
    waiting: Notes,
    under_way: Notes,
    max: usize,
}

impl Unwritten {
    pub(super) fn new(max: usize) -> Self {
        Self { waiting: Notes::default(), under_way: Notes::default(), max }
    }

    /// False if there is no room: it is not written then.
    pub(super) fn saw(&mut self, user: &UserId, at: Timestamp) -> bool {
        if let Some(known) = self.waiting.seen.get_mut(user) {
            *known = at.max(*known);
            return true;
        }
        let room = self.waiting.seen.len() < self.max;
        if room {
            self.waiting.seen.insert(user.clone(), at);
        }
        room
    }

    /// False if there is no room: it is not written then.
    pub(super) fn wrote(&mut self, from: &UserId, to: &UserId) -> bool {
        let pair = (from.clone(), to.clone());
        let room = self.waiting.contacts.len() < self.max || self.waiting.contacts.contains(&pair);
        if room {
            self.waiting.contacts.insert(pair);
        }
        room
    }

    pub(super) fn last_seen(&self, user: &UserId) -> Option<Timestamp> {
        self.waiting.seen.get(user).or_else(|| self.under_way.seen.get(user)).copied()
    }

    pub(super) fn is_contact(&self, from: &UserId, to: &UserId) -> bool {
        let pair = (from.clone(), to.clone());
        self.waiting.contacts.contains(&pair) || self.under_way.contacts.contains(&pair)
    }

    /// What is to be written now; then say [`Self::written`].
    pub(super) fn take(&mut self) -> Notes {
        let waiting = std::mem::take(&mut self.waiting);
        self.under_way.add(waiting);
        self.under_way.clone()
    }

    /// What was handed out is written, or has to wait.
    pub(super) fn written(&mut self, is_written: bool) {
        let under_way = std::mem::take(&mut self.under_way);
        if !is_written {
            self.waiting.add(under_way);
        }
    }

    pub(super) fn forget(&mut self, user: &UserId) {
        self.waiting.forget(user);
        self.under_way.forget(user);
    }
}
