//! Presence in virtual time: scripts, and random ones against a model that knows everything.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use proptest::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::time::Duration;
use tertulia_chat_core::ConversationId;
use tertulia_chat_core::presence::{
    Audience, Facts, LEAVING, News, NotWatched, PERIOD, Presence, PresenceLimits, Privacy, View, Wanted,
};
use tertulia_common::{SessionId, Timestamp, UserId};

const START: Timestamp = Timestamp(1_000_000_000);
const OPEN: Privacy = Privacy { online: Audience::Everyone, last_seen: Audience::Everyone };
const CLOSED: Privacy = Privacy { online: Audience::Nobody, last_seen: Audience::Nobody };

fn user(n: usize) -> UserId {
    ["alice", "bob", "carol", "dave"][n].parse().unwrap()
}

fn session(n: usize) -> SessionId {
    SessionId::new(Timestamp(1), n as u128)
}

/// What is durable, whom each session watches, and what it was told.
struct World {
    core: Presence,
    now: Timestamp,
    privacy: [Privacy; 4],
    blocks: FxHashSet<(usize, usize)>,
    contacts: FxHashSet<(usize, usize)>,
    /// Of those, what the store has.
    stored_contacts: FxHashSet<(usize, usize)>,
    stored_seen: FxHashMap<usize, Timestamp>,
    watched: FxHashMap<usize, Vec<usize>>,
    clients: FxHashMap<usize, FxHashMap<UserId, View>>,
    frames: usize,
}

impl World {
    fn new() -> Self {
        Self {
            core: Presence::new(PresenceLimits::default()),
            now: START,
            privacy: [OPEN; 4],
            blocks: FxHashSet::default(),
            contacts: FxHashSet::default(),
            stored_contacts: FxHashSet::default(),
            stored_seen: FxHashMap::default(),
            watched: FxHashMap::default(),
            clients: FxHashMap::default(),
            frames: 0,
        }
    }

    /// Of the sessions 0 to 7, two a person.
    fn owner(session: usize) -> usize {
        session / 2
    }

    fn set(&mut self, n: usize, active: bool) {
        self.core.set(self.now, session(n), &user(Self::owner(n)), active);
    }

    fn facts(&self, watcher: usize, of: usize) -> Facts {
        Facts {
            privacy: self.privacy[of],
            last_seen: self.stored_seen.get(&of).copied(),
            contact: self.stored_contacts.contains(&(of, watcher)),
            blocks: self.blocks.contains(&(of, watcher)),
            blocked: self.blocks.contains(&(watcher, of)),
        }
    }

    fn watch(&mut self, n: usize, users: &[usize]) -> Result<(), NotWatched> {
        let watcher = Self::owner(n);
        let wanted = Wanted { users: users.iter().map(|of| user(*of)).collect(), groups: Vec::new() };
        let facts = users.iter().map(|of| (user(*of), self.facts(watcher, *of))).collect();
        let generation = self.core.generation();
        let own = self.privacy[watcher];
        self.core.watch(self.now, (session(n), &user(watcher)), &wanted, generation, own, &facts)?;
        self.watched.insert(n, users.iter().copied().filter(|of| *of != watcher).collect());
        let client = self.clients.entry(n).or_default();
        client.retain(|known, _| wanted.users.contains(known));
        Ok(())
    }

    fn drain(&mut self) -> Vec<News> {
        let news: Vec<News> = std::iter::from_fn(|| self.core.poll(self.now)).collect();
        for News { to, people } in &news {
            self.frames += 1;
            let n = (0..8).find(|n| session(*n) == *to).unwrap();
            for (of, view) in people {
                self.clients.entry(n).or_default().insert(of.clone(), *view);
            }
        }
        news
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drain();
            match self.core.next_due().filter(|due| *due <= end) {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
        }
        self.now = end;
        self.drain();
    }

    fn seen(&self, n: usize, of: usize) -> View {
        self.clients.get(&n).and_then(|client| client.get(&user(of))).copied().unwrap_or(View::HIDDEN)
    }

    fn write(&mut self) {
        let notes = self.core.take_notes();
        let number = |id: &UserId| (0..4).find(|n| user(*n) == *id).unwrap();
        self.stored_seen.extend(notes.seen.iter().map(|(id, at)| (number(id), *at)));
        self.stored_contacts.extend(notes.contacts.iter().map(|(from, to)| (number(from), number(to))));
        self.core.written(true);
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn online() -> View {
    View { online: true, last_seen: None }
}

fn last_seen(at: Timestamp) -> View {
    View { online: false, last_seen: Some(Timestamp(at.0 / 1_000 * 1_000)) }
}

const ALICE: usize = 0;
const BOB: usize = 1;
/// Sessions.
const ALICES: usize = 0;
const ALICES_OTHER: usize = 1;
const BOBS: usize = 2;

#[test]
fn m6_a_watcher_is_told_at_once_who_is_here_and_when_others_last_were() {
    let mut world = World::new();
    world.stored_seen.insert(3, Timestamp(77_123));
    world.set(ALICES, true);
    world.watch(BOBS, &[ALICE, 3]).unwrap();
    world.drain();
    assert_eq!((world.seen(BOBS, ALICE), world.seen(BOBS, 3)), (online(), last_seen(Timestamp(77_123))));
}

#[test]
fn m6_who_leaves_is_gone_a_little_later_and_a_page_loaded_anew_is_no_news() {
    let mut world = World::new();
    world.set(ALICES, true);
    world.watch(BOBS, &[ALICE]).unwrap();
    world.pass(seconds(5));
    let (before, left) = (world.frames, world.now);
    world.core.closed(world.now, session(ALICES));
    world.pass(LEAVING - Duration::from_millis(1));
    world.set(ALICES_OTHER, true);
    world.pass(seconds(60));
    assert_eq!((world.frames, world.seen(BOBS, ALICE)), (before, online()));
    world.set(ALICES_OTHER, false);
    let last = world.now;
    assert!(last > left);
    world.pass(LEAVING);
    assert_eq!(world.seen(BOBS, ALICE), last_seen(last));
}

#[test]
fn m6_online_is_who_looks_not_who_is_connected() {
    let mut world = World::new();
    world.watch(BOBS, &[ALICE]).unwrap();
    world.watch(ALICES, &[BOB]).unwrap();
    world.set(ALICES_OTHER, false);
    world.pass(seconds(5));
    assert_eq!(world.seen(BOBS, ALICE), View::HIDDEN, "connected, and a device that sleeps");
    world.set(ALICES, true);
    world.set(ALICES_OTHER, false);
    world.pass(seconds(5));
    assert_eq!(world.seen(BOBS, ALICE), online(), "one of two is looked at");
}

#[test]
fn m6_only_what_somebody_does_moves_when_they_were_last_seen() {
    let mut world = World::new();
    world.watch(BOBS, &[ALICE]).unwrap();
    world.set(ALICES, true);
    world.pass(seconds(10));
    world.set(ALICES, false);
    let left = world.now;
    world.pass(seconds(100));
    // It reconnects in the background, and says again that nobody looks.
    world.core.resumed(world.now, session(ALICES));
    world.set(ALICES, false);
    world.set(ALICES_OTHER, false);
    world.core.closed(world.now, session(ALICES));
    world.pass(seconds(100));
    assert_eq!(world.seen(BOBS, ALICE), last_seen(left));
    world.core.acted(world.now, &user(ALICE));
    let acted = world.now;
    world.pass(seconds(1));
    assert_eq!(world.seen(BOBS, ALICE), last_seen(acted));
}

#[test]
fn m6_who_comes_and_goes_all_the_time_costs_a_watcher_a_frame_a_second() {
    let mut world = World::new();
    world.watch(BOBS, &[ALICE]).unwrap();
    world.set(ALICES, true);
    world.pass(seconds(2));
    let before = world.frames;
    for n in 0..1_000 {
        world.core.privacy(world.now, &user(ALICE), if n % 2 == 0 { CLOSED } else { OPEN });
        world.pass(Duration::from_millis(10));
    }
    assert!(world.frames - before <= 10 + 1, "{} frames in ten seconds", world.frames - before);
    assert!(world.frames - before >= 9);
    assert!(world.core.figures().coalesced > 900);
}

#[test]
fn m6_who_acts_all_the_time_is_news_once_a_second() {
    let mut world = World::new();
    world.watch(BOBS, &[ALICE]).unwrap();
    world.pass(seconds(1));
    let before = world.core.figures().coalesced;
    for _ in 0..500 {
        world.core.acted(world.now, &user(ALICE));
        world.now = world.now + Duration::from_millis(1);
    }
    assert_eq!(world.core.figures().coalesced, before);
    world.pass(seconds(1));
    assert_eq!(world.seen(BOBS, ALICE), last_seen(Timestamp(world.now.0 - 1_001)));
}

#[test]
fn m6_what_could_not_be_told_is_told_as_it_is_by_then() {
    let mut world = World::new();
    world.watch(BOBS, &[ALICE]).unwrap();
    world.set(ALICES, true);
    let news = world.core.poll(world.now).unwrap();
    world.core.refused(world.now, &news);
    assert_eq!(world.core.poll(world.now), None, "not before a while has passed");
    world.set(ALICES, false);
    let left = world.now;
    world.now = world.now + LEAVING;
    let news = world.core.poll(world.now).unwrap();
    assert_eq!(news.people, [(user(ALICE), last_seen(left))], "one state, and not the two that it missed");
    assert!(PERIOD <= LEAVING && world.core.poll(world.now).is_none());
}

#[test]
fn m6_a_session_that_is_away_is_told_nothing_and_everything_when_it_is_back() {
    let mut world = World::new();
    world.watch(BOBS, &[ALICE]).unwrap();
    world.set(BOBS, false);
    world.set(ALICES, true);
    world.pass(seconds(60));
    assert_eq!(world.seen(BOBS, ALICE), View::HIDDEN);
    world.set(BOBS, true);
    world.drain();
    assert_eq!(world.seen(BOBS, ALICE), online());
}

#[test]
fn m6_contacts_are_those_one_has_written_to() {
    let mut world = World::new();
    world.privacy[ALICE] = Privacy::default();
    world.watch(BOBS, &[ALICE]).unwrap();
    world.set(ALICES, true);
    world.core.wrote(world.now, &user(BOB), &user(ALICE));
    world.pass(seconds(5));
    assert_eq!(world.seen(BOBS, ALICE), View::HIDDEN, "who writes to her sees nothing by that");
    world.core.wrote(world.now, &user(ALICE), &user(BOB));
    world.pass(seconds(1));
    assert_eq!(world.seen(BOBS, ALICE), online());
    // Not written to the store yet, and asked for again.
    world.watch(BOBS, &[]).unwrap();
    world.watch(BOBS, &[ALICE]).unwrap();
    world.drain();
    assert_eq!(world.seen(BOBS, ALICE), online());
}

#[test]
fn m6_a_block_and_a_change_of_privacy_count_for_those_who_watch_now() {
    let mut world = World::new();
    world.set(ALICES, true);
    world.set(BOBS, true);
    world.watch(BOBS, &[ALICE]).unwrap();
    world.watch(ALICES, &[BOB]).unwrap();
    world.pass(seconds(2));
    assert_eq!((world.seen(BOBS, ALICE), world.seen(ALICES, BOB)), (online(), online()));
    world.core.blocked(world.now, &user(ALICE), &user(BOB), true);
    world.pass(seconds(1));
    assert_eq!((world.seen(BOBS, ALICE), world.seen(ALICES, BOB)), (View::HIDDEN, View::HIDDEN));
    world.core.blocked(world.now, &user(ALICE), &user(BOB), false);
    world.core.privacy(world.now, &user(ALICE), CLOSED);
    world.pass(seconds(1));
    let hidden = (world.seen(BOBS, ALICE), world.seen(ALICES, BOB));
    assert_eq!(hidden, (View::HIDDEN, View::HIDDEN), "who hides from all sees nobody");
    world.core.privacy(world.now, &user(ALICE), OPEN);
    world.pass(seconds(1));
    assert_eq!((world.seen(BOBS, ALICE), world.seen(ALICES, BOB)), (online(), online()));
    let before = world.frames;
    world.core.privacy(world.now, &user(ALICE), CLOSED);
    world.core.privacy(world.now, &user(ALICE), OPEN);
    world.pass(seconds(5));
    assert_eq!(world.frames, before, "what is again as it was told is no news");
    world.core.removed(world.now, &user(ALICE));
    world.pass(seconds(1));
    assert_eq!(world.seen(BOBS, ALICE), View::HIDDEN);
}

#[test]
fn m6_who_hides_that_they_are_here_does_not_tell_it_by_when_they_were_last_seen() {
    let mut world = World::new();
    world.privacy[ALICE] = Privacy { online: Audience::Nobody, last_seen: Audience::Everyone };
    world.watch(BOBS, &[ALICE]).unwrap();
    world.core.acted(world.now, &user(ALICE));
    let earlier = world.now;
    world.pass(seconds(100));
    world.set(ALICES, true);
    for _ in 0..20 {
        world.core.acted(world.now, &user(ALICE));
        world.write();
        world.pass(seconds(5));
        // Whoever asks anew learns no more.
        world.watch(BOBS, &[]).unwrap();
        world.watch(BOBS, &[ALICE]).unwrap();
        world.drain();
        assert_eq!(world.seen(BOBS, ALICE), last_seen(earlier));
    }
    world.set(ALICES, false);
    let left = world.now;
    world.pass(LEAVING);
    assert_eq!(world.seen(BOBS, ALICE), last_seen(left));
}

#[test]
fn m6_what_changes_between_reading_the_store_and_watching_makes_it_read_again() {
    let mut world = World::new();
    let wanted = Wanted { users: vec![user(ALICE)], groups: Vec::new() };
    let facts: FxHashMap<UserId, Facts> = [(user(ALICE), world.facts(BOB, ALICE))].into_iter().collect();
    let generation = world.core.generation();
    world.core.blocked(world.now, &user(ALICE), &user(BOB), true);
    let bob = user(BOB);
    let mut ask = |generation| world.core.watch(START, (session(BOBS), &bob), &wanted, generation, OPEN, &facts);
    assert_eq!(ask(generation), Err(NotWatched::Stale));
    assert_eq!(ask(generation + 1), Ok(()));
}

#[test]
fn m6_how_many_are_watched_is_bounded_and_nothing_is_kept_of_who_is_gone() {
    let limits = PresenceLimits { watches_max: 3, notes_max: 2 };
    let mut world = World { core: Presence::new(limits), ..World::new() };
    world.watch(BOBS, &[ALICE, 2, 3]).unwrap();
    assert_eq!(world.watch(ALICES, &[BOB]), Err(NotWatched::Full { limit: 3 }));
    world.watch(BOBS, &[ALICE, ALICE, BOB]).unwrap();
    world.watch(ALICES, &[BOB, 2]).unwrap();
    assert_eq!(world.core.figures().watches, 3);
    for n in 0..3 {
        world.core.acted(world.now, &user(n));
        world.core.wrote(world.now, &user(n), &user(3));
    }
    assert_eq!(world.core.figures().not_noted, 2);
    for n in [ALICES, BOBS] {
        world.core.closed(world.now, session(n));
    }
    let left = world.core.figures();
    assert_eq!((left.people, left.watches, left.online), (0, 0, 0));
    assert_eq!(world.core.next_due(), None);
}

#[test]
fn m6_typing_is_heard_by_who_watches_and_neither_by_who_is_away_nor_after_a_block() {
    let mut world = World::new();
    world.watch(BOBS, &[ALICE]).unwrap();
    assert_eq!(world.core.hears(&user(BOB), &user(ALICE)), [session(BOBS)]);
    assert!(world.core.hears(&user(ALICE), &user(BOB)).is_empty(), "she watches nobody");
    world.set(BOBS, false);
    assert!(world.core.hears(&user(BOB), &user(ALICE)).is_empty(), "it would wake a device that sleeps");
    world.set(BOBS, true);
    for (by, whom) in [(ALICE, BOB), (BOB, ALICE)] {
        world.core.blocked(world.now, &user(by), &user(whom), true);
        assert!(world.core.hears(&user(BOB), &user(ALICE)).is_empty());
        world.core.blocked(world.now, &user(by), &user(whom), false);
    }
    let group = ConversationId(7);
    let wanted = Wanted { users: Vec::new(), groups: vec![group] };
    for n in [ALICES, BOBS] {
        let generation = world.core.generation();
        let of = user(World::owner(n));
        world.core.watch(START, (session(n), &of), &wanted, generation, OPEN, &FxHashMap::default()).unwrap();
    }
    assert_eq!(world.core.hears_group(group, &user(ALICE)), [(session(BOBS), user(BOB))]);
    world.core.closed(world.now, session(BOBS));
    assert!(world.core.hears_group(group, &user(ALICE)).is_empty());
    world.core.closed(world.now, session(ALICES));
    assert_eq!(world.core.figures().groups, 0);
}

#[derive(Clone, Debug)]
enum Step {
    Set(usize, bool),
    Close(usize),
    Resume(usize),
    Acts(usize),
    Writes(usize, usize),
    Blocks(usize, usize, bool),
    Shows(usize, Privacy),
    Watches(usize, Vec<usize>),
    Loses,
    Removed(usize),
    Noted,
    Passes(u64),
}

fn audience() -> impl Strategy<Value = Audience> {
    prop_oneof![Just(Audience::Everyone), Just(Audience::Contacts), Just(Audience::Nobody)]
}

fn step() -> impl Strategy<Value = Step> {
    let (who, session) = (0..4usize, 0..8usize);
    prop_oneof![
        4 => (session.clone(), any::<bool>()).prop_map(|(n, active)| Step::Set(n, active)),
        1 => session.clone().prop_map(Step::Close),
        1 => session.clone().prop_map(Step::Resume),
        3 => who.clone().prop_map(Step::Acts),
        2 => (who.clone(), who.clone()).prop_map(|(from, to)| Step::Writes(from, to)),
        2 => (who.clone(), who.clone(), any::<bool>()).prop_map(|(by, whom, on)| Step::Blocks(by, whom, on)),
        2 => (who.clone(), audience(), audience())
            .prop_map(|(of, online, last_seen)| Step::Shows(of, Privacy { online, last_seen })),
        4 => (session, prop::collection::vec(who.clone(), 0..4)).prop_map(|(n, of)| Step::Watches(n, of)),
        1 => Just(Step::Loses),
        1 => who.prop_map(Step::Removed),
        1 => Just(Step::Noted),
        4 => (0..4_000u64).prop_map(Step::Passes),
    ]
}

/// What the people of a random script really do.
#[derive(Default)]
struct Truth {
    /// By session.
    active: FxHashSet<usize>,
    acted: FxHashMap<usize, Timestamp>,
}

impl World {
    fn may_see(&self, watcher: usize, of: usize, shown: Audience, own: Audience) -> bool {
        let blocked = self.blocks.contains(&(of, watcher)) || self.blocks.contains(&(watcher, of));
        let listed =
            shown == Audience::Everyone || shown == Audience::Contacts && self.contacts.contains(&(of, watcher));
        listed && !blocked && own != Audience::Nobody
    }

    /// Whoever was told something could know it then.
    fn judge(&self, news: &[News], was_here: impl Fn(usize) -> bool) {
        for News { to, people } in news {
            let n = (0..8).find(|n| session(*n) == *to).unwrap();
            let watcher = Self::owner(n);
            for (id, view) in people {
                let of = (0..4).find(|of| user(*of) == *id).unwrap();
                let (shown, own) = (self.privacy[of], self.privacy[watcher]);
                if view.online {
                    assert!(self.may_see(watcher, of, shown.online, own.online), "{watcher} sees {of}");
                    assert!(was_here(of), "{of} is not here");
                }
                if view.last_seen.is_some() {
                    assert!(self.may_see(watcher, of, shown.last_seen, own.last_seen), "{watcher} saw {of}");
                }
            }
        }
    }

    fn run(&mut self, truth: &mut Truth, step: Step) {
        match step {
            Step::Set(n, active) => {
                self.set(n, active);
                let was = truth.active.contains(&n);
                if active || was {
                    truth.acted.insert(Self::owner(n), self.now);
                }
                if active {
                    truth.active.insert(n)
                } else {
                    truth.active.remove(&n)
                };
            }
            Step::Close(n) => {
                self.core.closed(self.now, session(n));
                truth.active.remove(&n);
                self.watched.remove(&n);
                self.clients.remove(&n);
            }
            Step::Resume(n) => {
                self.core.resumed(self.now, session(n));
                // Nothing of what was on its way has come.
                self.clients.remove(&n);
            }
            Step::Acts(of) => {
                self.core.acted(self.now, &user(of));
                truth.acted.insert(of, self.now);
            }
            Step::Writes(from, to) if from != to => {
                self.core.wrote(self.now, &user(from), &user(to));
                self.contacts.insert((from, to));
            }
            Step::Blocks(by, whom, on) if by != whom => {
                if on {
                    self.blocks.insert((by, whom))
                } else {
                    self.blocks.remove(&(by, whom))
                };
                self.core.blocked(self.now, &user(by), &user(whom), on);
            }
            Step::Writes(..) | Step::Blocks(..) => {}
            Step::Shows(of, privacy) => {
                self.privacy[of] = privacy;
                self.core.privacy(self.now, &user(of), privacy);
            }
            Step::Watches(n, of) => self.watch(n, &of).unwrap(),
            Step::Loses => {
                self.now = self.now + PERIOD;
                while let Some(news) = self.core.poll(self.now) {
                    self.core.refused(self.now, &news);
                }
            }
            Step::Removed(of) => {
                self.privacy[of] = Privacy::default();
                self.blocks.retain(|(by, whom)| *by != of && *whom != of);
                self.contacts.retain(|(from, to)| *from != of && *to != of);
                self.stored_contacts.retain(|(from, to)| *from != of && *to != of);
                self.stored_seen.remove(&of);
                truth.acted.remove(&of);
                truth.active.retain(|n| Self::owner(*n) != of);
                self.core.removed(self.now, &user(of));
                for n in [2 * of, 2 * of + 1] {
                    self.run(truth, Step::Close(n));
                }
            }
            Step::Noted => self.write(),
            Step::Passes(ms) => self.now = self.now + Duration::from_millis(ms),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Nobody sees what they may not, and each watcher that is not away knows the truth a moment after the last change.
    #[test]
    fn m6_nobody_sees_what_they_may_not_and_watchers_come_to_the_truth(steps in prop::collection::vec(step(), 1..120)) {
        let (mut world, mut truth) = (World::new(), Truth::default());
        let mut away: FxHashSet<usize> = FxHashSet::default();
        // When each person last looked.
        let mut looked: FxHashMap<usize, Timestamp> = FxHashMap::default();
        for step in steps {
            match &step {
                Step::Set(n, false) => drop(away.insert(*n)),
                Step::Set(n, true) | Step::Close(n) => drop(away.remove(n)),
                Step::Removed(of) => away.retain(|n| World::owner(*n) != *of),
                _ => {}
            }
            looked.extend(truth.active.iter().map(|n| (World::owner(*n), world.now)));
            world.run(&mut truth, step);
            looked.extend(truth.active.iter().map(|n| (World::owner(*n), world.now)));
            let (now, news) = (world.now, world.drain());
            world.judge(&news, |of| looked.get(&of).is_some_and(|at| now.since(*at) <= LEAVING));
        }
        world.pass(seconds(10));
        for (n, watched) in world.watched.iter().filter(|(n, _)| !away.contains(n)) {
            for of in watched {
                let watcher = World::owner(*n);
                let (shown, own) = (world.privacy[*of], world.privacy[watcher]);
                let is_here = truth.active.iter().any(|n| World::owner(*n) == *of);
                let here = is_here && world.may_see(watcher, *of, shown.online, own.online);
                let known = world.seen(*n, *of);
                prop_assert_eq!(known.online, here, "{} of {}", n, of);
                if !is_here {
                    let told = world.may_see(watcher, *of, shown.last_seen, own.last_seen);
                    let at = truth.acted.get(of).filter(|_| told).map(|at| Timestamp(at.0 / 1_000 * 1_000));
                    prop_assert_eq!(known.last_seen, at, "{} of {}", n, of);
                }
            }
        }
    }
}
