//! Whom a session watches.
//!
//! Invariant: a session is among somebody's watchers exactly as long as it watches them.

use super::{Edge, Facts, PersonRef, Presence, Privacy, View};
use crate::ConversationId;
use crate::presence::view::Between;
use rustc_hash::{FxHashMap, FxHashSet};
use tertulia_common::{SessionId, Timestamp, UserId};

/// What a session wants to know of: this, and no longer what it wanted before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// These people.
    pub users: Vec<UserId>,
    /// Who types in these groups. Whether the session's person is in one is asked when somebody types.
    pub groups: Vec<ConversationId>,
}

/// Why nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWatched {
    /// What was read of the store may be out of date: read it again.
    #[error("something has changed meanwhile")]
    Stale,
    /// Too many are watched.
    #[error("no more than {limit} people can be watched")]
    Full {
        /// On this server.
        limit: usize,
    },
}

impl Presence {
    /// Rises with everything that makes what was read of the store before wrong.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Of these people, those that a session does not watch yet: what is durable of them has to be read.
    #[must_use]
    pub fn unwatched(&self, session: SessionId, users: &[UserId]) -> Vec<UserId> {
        let of = self.sessions.get(&session);
        let is_watched = |user| {
            let person = self.by_user.get(user);
            person.zip(of).is_some_and(|(person, of)| of.watches.contains_key(person))
        };
        users.iter().filter(|user| !is_watched(user)).cloned().collect()
    }

    /// A session watches these from now on, and no others. `facts`: of those it has not watched; `own`: what its person shows;
    /// both read after `generation`.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn watch(
        &mut self,
        now: Timestamp,
        (session, user): (SessionId, &UserId),
        wanted: &Wanted,
        generation: u64,
        own: Privacy,
        facts: &FxHashMap<UserId, Facts>,
    ) -> Result<(), NotWatched> {
        let unwatched = self.unwatched(session, &wanted.users);
        if generation != self.generation || unwatched.iter().any(|user| !facts.contains_key(user)) {
            return Err(NotWatched::Stale);
        }
        let users: FxHashSet<&UserId> = wanted.users.iter().filter(|watched| *watched != user).collect();
        let before = self.sessions.get(&session).map_or(0, |of| of.watches.len());
        let limit = self.limits.watches_max;
        if self.figures.watches - before + users.len() > limit {
            return Err(NotWatched::Full { limit });
        }
        let person = self.open(session, user);
        self.people[person.0].privacy = own;
        self.unwatch_others(session, &users);
        for user in unwatched.iter().filter(|user| users.contains(user)) {
            if let Some(facts) = facts.get(user) {
                self.add_watch(session, user, *facts);
            }
        }
        self.watch_groups(session, &wanted.groups);
        if let Some(of) = self.sessions.get_mut(&session) {
            // Who asks is answered at once.
            of.told_at = None;
        }
        self.unschedule(session);
        self.schedule(now, session);
        Ok(())
    }

    fn unwatch_others(&mut self, session: SessionId, users: &FxHashSet<&UserId>) {
        let Some(of) = self.sessions.get_mut(&session) else { return };
        let gone = of.watches.extract_if(|person, _| !users.contains(&self.people[person.0].id));
        let gone: Vec<PersonRef> = gone.map(|(person, _)| person).collect();
        self.figures.watches -= gone.len();
        for person in gone {
            self.people[person.0].watchers.remove(&session);
            self.forget_unused(person);
        }
    }

    fn add_watch(&mut self, session: SessionId, user: &UserId, facts: Facts) {
        let watched = self.person(user);
        let Some(of) = self.sessions.get_mut(&session) else { return };
        let watcher = &self.people[of.person.0].id;
        let contact = facts.contact || self.unwritten.is_contact(user, watcher);
        let between = Between { contact, blocks: facts.blocks, blocked: facts.blocked };
        // Twice in a list is once.
        if of.watches.contains_key(&watched) {
            return;
        }
        of.watches.insert(watched, Edge { between, told: Some(View::HIDDEN), has_news: true });
        of.news.push(watched);
        self.figures.watches += 1;
        let of = &mut self.people[watched.0];
        of.watchers.insert(session);
        of.privacy = facts.privacy;
        of.acted = of.acted.max(facts.last_seen);
        // While they are here, what was written since they came does not count.
        let before = facts.last_seen.filter(|at| !of.online || *at < of.since);
        of.last_seen = of.last_seen.max(before);
    }

    fn watch_groups(&mut self, session: SessionId, groups: &[ConversationId]) {
        let wanted: FxHashSet<ConversationId> = groups.iter().copied().collect();
        let Some(of) = self.sessions.get_mut(&session) else { return };
        let before = std::mem::replace(&mut of.groups, wanted.clone());
        for group in before.difference(&wanted) {
            self.leave_group(session, *group);
        }
        for group in wanted {
            self.groups.entry(group).or_default().insert(session);
        }
    }

    pub(super) fn leave_group(&mut self, session: SessionId, group: ConversationId) {
        if let Some(watchers) = self.groups.get_mut(&group) {
            watchers.remove(&session);
            if watchers.is_empty() {
                self.groups.remove(&group);
            }
        }
    }
}
