//! Who is to be woken: people with a message that no device of theirs has acknowledged for a while, and people who have no
//! device here when a message comes. What wakes them (a push) is not this crate's.
//!
//! ```text
//!   quiet ──message, a device is here──▶ waits ──a while, not acknowledged──▶ told ──a while, nothing new──▶ quiet
//!     └────message, no device is here──────────────────────────────────────▶ told ──a while, something new──▶ told again
//! ```
//!
//! Invariant: nobody is told more often than once in that while, however much comes; who waits has exactly one moment at which
//! they are looked at.

use crate::conversation::Author;
use crate::id::{Position, UserRef};
use crate::relay::Relay;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;
use std::time::Duration;
use tertulia_common::{Timestamp, UserId};

/// Before a start, messages so young may have told nobody yet.
const YOUNG: Duration = Duration::from_secs(60);

/// Somebody for whom something came.
#[derive(Clone, Copy, Debug)]
struct Waits {
    /// The first that they are looked at for.
    since: Position,
    /// The last that came, and when.
    newest: Position,
    newest_at: Timestamp,
    /// They were told, of everything up to there.
    told: Option<Position>,
}

/// Everybody who is to be looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wakes {
    waits: FxHashMap<UserRef, Waits>,
    due: BinaryHeap<Reverse<(Timestamp, UserRef)>>,
    /// To be told at once.
    at_once: Vec<UserRef>,
}

impl Wakes {
    /// A message has come for somebody; `here`: a device of theirs is.
    pub(crate) fn came(&mut self, user: UserRef, position: Position, at: Timestamp, here: bool, after: Duration) {
        match self.waits.entry(user) {
            Entry::Occupied(mut waits) => {
                let waits = waits.get_mut();
                (waits.newest, waits.newest_at) = (position.max(waits.newest), at.max(waits.newest_at));
            }
            Entry::Vacant(waits) => {
                let told = (!here).then_some(position);
                waits.insert(Waits { since: position, newest: position, newest_at: at, told });
                self.due.push(Reverse((at + after, user)));
                if !here {
                    self.at_once.push(user);
                }
            }
        }
    }

    fn forget(&mut self, user: UserRef) {
        self.waits.remove(&user);
    }
}

impl Relay {
    /// When somebody may have to be woken, if nothing else happens.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        if !self.wakes.at_once.is_empty() {
            return Some(Timestamp(0));
        }
        self.wakes.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Who is to be woken now.
    pub fn wake(&mut self, now: Timestamp) -> Vec<UserId> {
        let mut told = std::mem::take(&mut self.wakes.at_once);
        while let Some(&Reverse((at, user))) = self.wakes.due.peek() {
            if at > now {
                break;
            }
            self.wakes.due.pop();
            if self.look_at(now, user) {
                told.push(user);
            }
        }
        told.into_iter().map(|user| self.users[user.0 as usize].id.clone()).collect()
    }

    /// True: they are to be woken.
    fn look_at(&mut self, now: Timestamp, user: UserRef) -> bool {
        let Some(waits) = self.wakes.waits.get(&user).copied() else { return false };
        let of = self.users[user.0 as usize].mailboxes.iter().map(|device| &self.mailboxes[device.0 as usize]);
        let had = of.filter(|mailbox| mailbox.device.is_some()).map(|mailbox| mailbox.acknowledged).max();
        let had = had.unwrap_or_default();
        let after = self.limits.wake_after;
        let news = had < waits.newest && waits.told.is_none_or(|told| waits.newest > told);
        if !news {
            self.wakes.forget(user);
            return false;
        }
        // What they were first looked at for they have; what came since is not old enough.
        if waits.told.is_none() && had >= waits.since && now < waits.newest_at + after {
            self.wakes.waits.insert(user, Waits { since: waits.newest, ..waits });
            self.wakes.due.push(Reverse((waits.newest_at + after, user)));
            return false;
        }
        self.wakes.waits.insert(user, Waits { told: Some(waits.newest), ..waits });
        self.wakes.due.push(Reverse((now + after, user)));
        true
    }

    /// After a start: whoever waits for a message that was young when the program ended is looked at, once devices have had time
    /// to come back.
    pub fn look_again(&mut self, now: Timestamp) {
        let entries = || self.conversations.iter().flat_map(|of| of.entries.iter().map(move |kept| (of, kept)));
        let Some(last) = entries().map(|(_, kept)| kept.sent_at).max() else { return };
        let mut wait = Vec::new();
        for (of, kept) in entries().filter(|(_, kept)| kept.owed > 0 && last.since(kept.sent_at) <= YOUNG) {
            let writer = self.writer(kept.author);
            let for_others = matches!(kept.author, Author::Device(_)) && !kept.withheld;
            for member in of.members.iter().filter(|member| for_others && member.user != writer) {
                let lacks =
                    |mailbox: &&crate::id::DeviceRef| self.mailboxes[mailbox.0 as usize].acknowledged < kept.position;
                let lacks = self.users[member.user.0 as usize].mailboxes.iter().all(|mailbox| lacks(&mailbox));
                if lacks && member.gets(kept.position) {
                    wait.push((kept.position, member.user));
                }
            }
        }
        wait.sort_unstable();
        let after = self.limits.wake_after;
        wait.into_iter().for_each(|(position, user)| self.wakes.came(user, position, now, true, after));
    }
}
