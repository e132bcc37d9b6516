//! Who is here, when they last were, and who hears of it: sans-IO.
//!
//! **Here** is whoever has a session that says it is looked at, not merely connected. Who leaves is told so a little later, so
//! that a page that is loaded anew is no news. **Last seen** is moved by what a person does themselves, by nothing else.
//!
//! **Watching.** A session says whom it wants to know of; what changes is gathered a session and told at most once a
//! [`PERIOD`]: whoever comes and goes all the time costs a watcher no more. What could not be told is told as it is by then: of
//! each person a session owes one state, never a queue.
//!
//! Invariants: what a session is told is what [`view`] says at that moment; once nothing changes any more, each watcher has been
//! told the truth as far as it may know it. A session that is away (its device sleeps) is told nothing until it is back.
//!
//! **Racing the store.** What is durable is read beside this: who asks for a watch notes the [`Presence::generation`] before,
//! and is refused as [`NotWatched::Stale`] where something has changed meanwhile.

mod typing;
mod unwritten;
mod view;
mod watch;

pub use unwritten::Notes;
pub use view::{Audience, Facts, Privacy, View};
pub use watch::{NotWatched, Wanted};

use crate::ConversationId;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::time::Duration;
use tertulia_common::{SessionId, Timestamp, UserId};
use unwritten::Unwritten;
use view::{Between, Truth, view, whole_second};

/// A watcher hears of changes at most so often. Raising it saves frames and tells people later.
pub const PERIOD: Duration = Duration::from_secs(1);
/// Who is gone for less was not gone. Raising it shows people as here who have just left.
pub const LEAVING: Duration = Duration::from_secs(2);

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceLimits {
    /// People who are watched, counted for each session that does. Raising it costs about 100 bytes each.
    pub watches_max: usize,
    /// Of each kind of [`Notes`], those that wait to be written. Raising it costs about 150 bytes each.
    pub notes_max: usize,
}

impl Default for PresenceLimits {
    fn default() -> Self {
        Self { watches_max: 2_000_000, notes_max: 100_000 }
    }
}

/// A session is to be told this of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Which session.
    pub to: SessionId,
    /// Whom it watches and what it sees of them now.
    pub people: Vec<(UserId, View)>,
}

/// How much there is, and what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceFigures {
    /// People who are kept in mind: here, or watched.
    pub people: usize,
    /// People who are here.
    pub online: usize,
    /// People who are watched, counted for each session that does.
    pub watches: usize,
    /// Groups that are watched.
    pub groups: usize,
    /// Changes that came while an earlier one waited to be told: one less to tell.
    pub coalesced: u64,
    /// What was not noted since too much waited to be written.
    pub not_noted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PersonRef(usize);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gaze {
    /// It has not said: it is told, and nobody is here for it.
    #[default]
    Unsaid,
    /// Somebody looks at it.
    Active,
    /// Nobody does.
    Away,
}

#[derive(Debug)]
struct Person {
    id: UserId,
    sessions: Vec<SessionId>,
    watchers: FxHashSet<SessionId>,
    /// As it is told.
    online: bool,
    /// Since when.
    since: Timestamp,
    leaves_at: Option<Timestamp>,
    acted: Option<Timestamp>,
    /// The same as it is told: it stands still while they are here.
    last_seen: Option<Timestamp>,
    privacy: Privacy,
}

#[derive(Debug)]
struct Edge {
    between: Between,
    /// None: not known, it may have been lost with a socket.
    told: Option<View>,
    /// It is among those that have news.
    has_news: bool,
}

#[derive(Debug)]
struct Session {
    person: PersonRef,
    gaze: Gaze,
    watches: FxHashMap<PersonRef, Edge>,
    groups: FxHashSet<ConversationId>,
    /// Whom there is news of. Some may not be watched any longer.
    news: Vec<PersonRef>,
    due: Option<Timestamp>,
    told_at: Option<Timestamp>,
}

/// Who is here, and who watches whom.
#[derive(Debug)]
pub struct Presence {
    limits: PresenceLimits,
    by_user: FxHashMap<UserId, PersonRef>,
    people: Vec<Person>,
    free: Vec<PersonRef>,
    sessions: FxHashMap<SessionId, Session>,
    groups: FxHashMap<ConversationId, FxHashSet<SessionId>>,
    due: BTreeSet<(Timestamp, SessionId)>,
    leaving: BTreeSet<(Timestamp, PersonRef)>,
    generation: u64,
    unwritten: Unwritten,
    figures: PresenceFigures,
}

impl Presence {
    /// Nobody yet.
    #[must_use]
    pub fn new(limits: PresenceLimits) -> Self {
        Self {
            limits,
            by_user: FxHashMap::default(),
            people: Vec::new(),
            free: Vec::new(),
            sessions: FxHashMap::default(),
            groups: FxHashMap::default(),
            due: BTreeSet::new(),
            leaving: BTreeSet::new(),
            generation: 0,
            unwritten: Unwritten::new(limits.notes_max),
            figures: PresenceFigures::default(),
        }
    }

    /// How much there is.
    #[must_use]
    pub fn figures(&self) -> PresenceFigures {
        PresenceFigures { people: self.by_user.len(), groups: self.groups.len(), ..self.figures }
    }

    /// A session is looked at, or no longer.
    pub fn set(&mut self, now: Timestamp, session: SessionId, user: &UserId, active: bool) {
        let person = self.open(session, user);
        let Some(of) = self.sessions.get_mut(&session) else { return };
        let before = std::mem::replace(&mut of.gaze, if active { Gaze::Active } else { Gaze::Away });
        if active {
            self.schedule(now, session);
        } else {
            self.unschedule(session);
        }
        if active || before == Gaze::Active {
            self.count(now, person);
            // Of who has come it stands still by now: it must not tell who may not see that they are here.
            self.acted(now, user);
        }
    }

    /// A session has another socket: what went to the one before may be lost.
    pub fn resumed(&mut self, now: Timestamp, session: SessionId) {
        let Some(of) = self.sessions.get_mut(&session) else { return };
        for edge in of.watches.values_mut() {
            edge.told = None;
        }
        of.told_at = None;
        self.unschedule(session);
        self.news_of_all(now, session);
    }

    /// A session is over.
    pub fn closed(&mut self, now: Timestamp, session: SessionId) {
        self.unschedule(session);
        let Some(of) = self.sessions.remove(&session) else { return };
        self.figures.watches -= of.watches.len();
        for watched in of.watches.keys() {
            self.people[watched.0].watchers.remove(&session);
            self.forget_unused(*watched);
        }
        for group in &of.groups {
            self.leave_group(session, *group);
        }
        self.people[of.person.0].sessions.retain(|known| *known != session);
        self.count(now, of.person);
        self.forget_unused(of.person);
    }

    /// A person has done something themselves.
    pub fn acted(&mut self, now: Timestamp, user: &UserId) {
        if !self.unwritten.saw(user, now) {
            self.figures.not_noted += 1;
        }
        let Some(&person) = self.by_user.get(user) else { return };
        let of = &mut self.people[person.0];
        of.acted = Some(now);
        if !of.online {
            let before = of.last_seen.replace(now);
            // However often they act: it is told by the second.
            if before.map(whole_second) != Some(whole_second(now)) {
                self.news_to_watchers(now, person);
            }
        }
    }

    /// A person has written to another, who is a contact of theirs from now on.
    pub fn wrote(&mut self, now: Timestamp, from: &UserId, to: &UserId) {
        if from == to {
            return;
        }
        if !self.unwritten.wrote(from, to) {
            self.figures.not_noted += 1;
        }
        self.between(now, to, from, |between| between.contact = true);
    }

    /// A person has blocked another, or no longer. The store knows already.
    pub fn blocked(&mut self, now: Timestamp, by: &UserId, whom: &UserId, blocked: bool) {
        self.generation += 1;
        self.between(now, by, whom, |between| between.blocked = blocked);
        self.between(now, whom, by, |between| between.blocks = blocked);
    }

    /// A person shows more of themselves, or less. The store knows already.
    pub fn privacy(&mut self, now: Timestamp, user: &UserId, privacy: Privacy) {
        self.generation += 1;
        let Some(&person) = self.by_user.get(user) else { return };
        self.people[person.0].privacy = privacy;
        self.news_to_watchers(now, person);
        // What they see depends on what they show.
        for session in self.people[person.0].sessions.clone() {
            self.news_of_all(now, session);
        }
    }

    /// A person is gone for good, and what was known of them. The store knows already.
    pub fn removed(&mut self, now: Timestamp, user: &UserId) {
        self.generation += 1;
        self.unwritten.forget(user);
        let Some(&person) = self.by_user.get(user) else { return };
        let sessions = self.people[person.0].sessions.clone();
        for session in &sessions {
            if let Some(of) = self.sessions.get_mut(session) {
                of.gaze = Gaze::Unsaid;
            }
        }
        self.leaves(person, None);
        let of = &mut self.people[person.0];
        if std::mem::take(&mut of.online) {
            self.figures.online -= 1;
        }
        (of.acted, of.last_seen, of.privacy) = (None, None, Privacy::default());
        for watcher in of.watchers.clone() {
            let edge = self.sessions.get_mut(&watcher).and_then(|of| of.watches.get_mut(&person));
            if let Some(edge) = edge {
                edge.between = Between { contact: false, blocks: false, blocked: false };
            }
            self.news(now, watcher, person);
        }
    }

    /// Who has what to tell whom, by now. Ask until there is none; what could not be told is to be given back ([`Self::refused`]).
    pub fn poll(&mut self, now: Timestamp) -> Option<News> {
        while let Some(&(at, person)) = self.leaving.first()
            && at <= now
        {
            self.left(now, person);
        }
        while let Some(&(at, session)) = self.due.first()
            && at <= now
        {
            self.unschedule(session);
            let people = self.take_news(session);
            if let Some(of) = self.sessions.get_mut(&session).filter(|_| !people.is_empty()) {
                of.told_at = Some(now);
                return Some(News { to: session, people });
            }
        }
        None
    }

    /// When to ask again.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let (told, left) = (self.due.first().map(|(at, _)| *at), self.leaving.first().map(|(at, _)| *at));
        told.into_iter().chain(left).min()
    }

    /// A session could not be told: its socket is behind, or there is none. It is tried again with what is so by then.
    pub fn refused(&mut self, now: Timestamp, news: &News) {
        for (user, _) in &news.people {
            let Some(&person) = self.by_user.get(user) else { continue };
            let edge = self.sessions.get_mut(&news.to).and_then(|of| of.watches.get_mut(&person));
            if let Some(edge) = edge {
                edge.told = None;
                self.news(now, news.to, person);
            }
        }
    }

    /// What is to be written now; then say [`Self::written`].
    pub fn take_notes(&mut self) -> Notes {
        self.unwritten.take()
    }

    /// What was to be written is, or has to wait.
    pub fn written(&mut self, is_written: bool) {
        // Whoever has read the store before must not miss it.
        self.generation += 1;
        self.unwritten.written(is_written);
    }

    /// The session's person; from now on the session counts.
    fn open(&mut self, session: SessionId, user: &UserId) -> PersonRef {
        let person = self.person(user);
        self.sessions.entry(session).or_insert_with(|| {
            self.people[person.0].sessions.push(session);
            Session {
                person,
                gaze: Gaze::default(),
                watches: FxHashMap::default(),
                groups: FxHashSet::default(),
                news: Vec::new(),
                due: None,
                told_at: None,
            }
        });
        person
    }

    fn person(&mut self, user: &UserId) -> PersonRef {
        if let Some(&known) = self.by_user.get(user) {
            return known;
        }
        let acted = self.unwritten.last_seen(user);
        let person = Person {
            id: user.clone(),
            sessions: Vec::new(),
            watchers: FxHashSet::default(),
            online: false,
            since: Timestamp::default(),
            leaves_at: None,
            acted,
            last_seen: acted,
            privacy: Privacy::default(),
        };
        let at = self.free.pop().unwrap_or(PersonRef(self.people.len()));
        match self.people.get_mut(at.0) {
            Some(free) => *free = person,
            None => self.people.push(person),
        }
        self.by_user.insert(user.clone(), at);
        at
    }

    /// Forgets somebody who is neither here nor watched.
    fn forget_unused(&mut self, person: PersonRef) {
        let of = &self.people[person.0];
        if of.sessions.is_empty() && of.watchers.is_empty() && !of.online && self.by_user.remove(&of.id).is_some() {
            self.free.push(person);
        }
    }

    /// Whether a person is here, after one of their sessions has come, changed or gone.
    fn count(&mut self, now: Timestamp, person: PersonRef) {
        let looks = |session| self.sessions.get(session).is_some_and(|of: &Session| of.gaze == Gaze::Active);
        let is_here = self.people[person.0].sessions.iter().any(looks);
        let of = &mut self.people[person.0];
        match (is_here, of.online) {
            (true, false) => {
                (of.online, of.since) = (true, now);
                self.figures.online += 1;
                self.news_to_watchers(now, person);
            }
            (true, true) => self.leaves(person, None),
            (false, true) if of.leaves_at.is_none() => self.leaves(person, Some(now + LEAVING)),
            (false, _) => {}
        }
    }

    fn leaves(&mut self, person: PersonRef, at: Option<Timestamp>) {
        if let Some(before) = std::mem::replace(&mut self.people[person.0].leaves_at, at) {
            self.leaving.remove(&(before, person));
        }
        self.leaving.extend(at.map(|at| (at, person)));
    }

    fn left(&mut self, now: Timestamp, person: PersonRef) {
        self.leaves(person, None);
        let of = &mut self.people[person.0];
        (of.online, of.last_seen) = (false, of.acted);
        self.figures.online -= 1;
        self.news_to_watchers(now, person);
        self.forget_unused(person);
    }

    /// Something between a person and one they watch has changed.
    fn between(&mut self, now: Timestamp, watcher: &UserId, watched: &UserId, change: impl Fn(&mut Between)) {
        let (Some(&watcher), Some(&watched)) = (self.by_user.get(watcher), self.by_user.get(watched)) else { return };
        for session in self.people[watcher.0].sessions.clone() {
            let edge = self.sessions.get_mut(&session).and_then(|of| of.watches.get_mut(&watched));
            if let Some(edge) = edge {
                change(&mut edge.between);
                self.news(now, session, watched);
            }
        }
    }

    fn news_to_watchers(&mut self, now: Timestamp, person: PersonRef) {
        let watchers = std::mem::take(&mut self.people[person.0].watchers);
        for watcher in &watchers {
            self.news(now, *watcher, person);
        }
        self.people[person.0].watchers = watchers;
    }

    fn news_of_all(&mut self, now: Timestamp, session: SessionId) {
        let watched: Vec<_> =
            self.sessions.get(&session).map_or_else(Vec::new, |of| of.watches.keys().copied().collect());
        for person in watched {
            self.news(now, session, person);
        }
    }

    /// There may be news of a person for a session.
    fn news(&mut self, now: Timestamp, session: SessionId, person: PersonRef) {
        let Some(of) = self.sessions.get_mut(&session) else { return };
        let Some(edge) = of.watches.get_mut(&person) else { return };
        if std::mem::replace(&mut edge.has_news, true) {
            self.figures.coalesced += 1;
        } else {
            of.news.push(person);
        }
        self.schedule(now, session);
    }

    fn schedule(&mut self, now: Timestamp, session: SessionId) {
        let Some(of) = self.sessions.get_mut(&session) else { return };
        if of.due.is_none() && of.gaze != Gaze::Away && !of.news.is_empty() {
            let at = of.told_at.map_or(now, |told| now.max(told + PERIOD));
            of.due = Some(at);
            self.due.insert((at, session));
        }
    }

    fn unschedule(&mut self, session: SessionId) {
        if let Some(at) = self.sessions.get_mut(&session).and_then(|of| of.due.take()) {
            self.due.remove(&(at, session));
        }
    }

    /// What a session does not know yet; it counts as told.
    fn take_news(&mut self, session: SessionId) -> Vec<(UserId, View)> {
        let Some(of) = self.sessions.get_mut(&session) else { return Vec::new() };
        let own = self.people[of.person.0].privacy;
        let mut people = Vec::new();
        for person in std::mem::take(&mut of.news) {
            let Some(edge) = of.watches.get_mut(&person).filter(|edge| edge.has_news) else { continue };
            edge.has_news = false;
            let Person { id, online, last_seen, privacy, .. } = &self.people[person.0];
            let truth = Truth { online: *online, last_seen: *last_seen, privacy: *privacy };
            let seen = view(truth, edge.between, own);
            if edge.told.replace(seen) != Some(seen) {
                people.push((id.clone(), seen));
            }
        }
        people
    }
}
