//! Rule 7: receipts.

use super::facts::Facts;
use super::history::{Device, Event, History, Item, Step, Tick, To, What};
use super::{Fault, Rule};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A conversation and somebody in it.
type Member<'a> = (&'a str, &'a str);

/// A figure, and the event by which it was reached.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    seq: u64,
    at: usize,
}

impl Reached {
    fn rise(&mut self, seq: u64, at: usize) {
        if seq > self.seq {
            *self = Self { seq, at };
        }
    }
}

/// How far everyone has come, and was told that others have.
struct Ticks<'a> {
    facts: &'a Facts,
    /// What each device has heard in its session: position, conversation, place.
    heard: HashMap<&'a Device, Vec<(u64, &'a str, u64)>>,
    had: BTreeMap<Member<'a>, Reached>,
    /// By devices that stay: what another acknowledged last may never have arrived.
    stays: BTreeMap<Member<'a>, Reached>,
    read: BTreeMap<Member<'a>, Reached>,
    confirmed: BTreeMap<Member<'a>, Reached>,
    unlinked: BTreeSet<Device>,
    /// What each device was told of each member last.
    told: HashMap<(&'a Device, Member<'a>), (u64, u64)>,
    /// And of all others in a group.
    told_of_all: HashMap<(&'a Device, &'a str), (u64, u64)>,
}

impl<'a> Ticks<'a> {
    fn new(facts: &'a Facts) -> Self {
        Self {
            facts,
            heard: HashMap::new(),
            had: BTreeMap::new(),
            stays: BTreeMap::new(),
            read: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            unlinked: BTreeSet::new(),
            told: HashMap::new(),
            told_of_all: HashMap::new(),
        }
    }

    fn gather(history: &'a History, facts: &'a Facts, faults: &mut Vec<Fault>) -> Self {
        let mut ticks = Self::new(facts);
        for Event { step, .. } in &history.events {
            if let Step::Device(by, What::Unlinks { device }) = step {
                ticks.unlinked.insert(Device::new(&by.user, device));
            }
        }
        for (at, Event { step, .. }) in history.events.iter().enumerate() {
            if let Step::Device(device, what) = step {
                ticks.step(at, device, what, faults);
            }
        }
        ticks
    }

    fn step(&mut self, at: usize, device: &'a Device, what: &'a What, faults: &mut Vec<Fault>) {
        match what {
            What::Welcomed => {
                self.heard.remove(device);
            }
            What::Heard(
                Item::Message { position, conversation, seq, .. }
                | Item::Entry { position, group: conversation, seq, .. },
            ) => {
                self.heard.entry(device).or_default().push((*position, conversation, *seq));
                // Whoever comes back into a group begins anew.
                if let What::Heard(Item::Entry { what, .. }) = what
                    && let Some((user, true)) = what.moves()
                {
                    // As may have done, unheard, while the device's own user was out of it, whoever is there then.
                    let is_back = *user == device.user;
                    self.told.retain(|(who, (group, member)), _| {
                        *who != device || *group != conversation || (*member != user && !is_back)
                    });
                }
            }
            What::Heard(Item::Gap { upto, .. }) => {
                // Among what was given up may be that somebody came back.
                let facts = self.facts;
                self.told.retain(|(who, (conversation, user)), _| {
                    let came = |user: &str| facts.may_have_come(conversation, user, *upto);
                    *who != device || !(came(user) || came(&device.user))
                });
            }
            What::Acknowledges { upto } => {
                let heard = self.heard.entry(device).or_default();
                for (_, conversation, seq) in heard.extract_if(.., |(position, ..)| *position <= *upto) {
                    self.had.entry((conversation, &device.user)).or_default().rise(seq, at);
                    if !self.unlinked.contains(device) {
                        self.stays.entry((conversation, &device.user)).or_default().rise(seq, at);
                    }
                }
            }
            What::Reads { conversation, upto, .. } => {
                self.read.entry((conversation, &device.user)).or_default().rise(*upto, at);
            }
            What::ReadTaken { conversation, upto, .. } => {
                self.confirmed.entry((conversation, &device.user)).or_default().rise(*upto, at);
            }
            What::Heard(Item::Receipts { position, conversation, ticks, all }) => {
                for tick in ticks {
                    self.hears(at, device, conversation, tick, faults);
                }
                if let Some(all) = all {
                    self.hears_of_all((at, device), (conversation, *position), *all, faults);
                }
            }
            _ => {}
        }
    }

    fn hears(&mut self, at: usize, device: &'a Device, conversation: &'a str, tick: &'a Tick, faults: &mut Vec<Fault>) {
        let member = (conversation, tick.user.as_str());
        let mut complain = |rule, seen: String| {
            faults.push(Fault { rule, device: Some(device.clone()), message: None, at: Some(at), seen });
        };
        let figures = format!("{} has {}, read {} of {conversation}", tick.user, tick.delivered, tick.read);
        let told = self.told.entry((device, member)).or_default();
        if tick.delivered < told.0 || tick.read < told.1 {
            complain(Rule::Shrunk, format!("{figures}, after {told:?}"));
        }
        *told = (told.0.max(tick.delivered), told.1.max(tick.read));
        let of = |figures: &BTreeMap<_, Reached>| figures.get(&member).map_or(0, |reached| reached.seq);
        let (had, read) = (of(&self.had), of(&self.read));
        if tick.delivered > had.max(read) || tick.read > read {
            complain(Rule::Untrue, format!("{figures}, as is told; they have {had} and read {read}"));
        }
    }
}

impl<'a> Ticks<'a> {
    /// How far all others in a group have come, as a device is told: nobody who was in it all the while is further behind.
    fn hears_of_all(
        &mut self,
        (at, device): (usize, &'a Device),
        (group, position): (&'a str, u64),
        all: (u64, u64),
        faults: &mut Vec<Fault>,
    ) {
        let mut complain = |rule, seen: String| {
            faults.push(Fault { rule, device: Some(device.clone()), message: None, at: Some(at), seen });
        };
        let told = self.told_of_all.entry((device, group)).or_default();
        if all.0 < told.0 || all.1 < told.1 {
            complain(Rule::Shrunk, format!("all others in {group} have come to {all:?}, after {told:?}"));
        }
        *told = (told.0.max(all.0), told.1.max(all.1));
        for (user, since) in self.facts.stay(group, position, at) {
            let of = |figures: &BTreeMap<_, Reached>| figures.get(&(group, user)).map_or(0, |reached| reached.seq);
            let read = of(&self.read).max(since);
            let had = of(&self.had).max(read);
            if user != device.user && (all.0 > had || all.1 > read) {
                complain(
                    Rule::Untrue,
                    format!("all others in {group} have come to {all:?}, {user} to {had}, read {read}"),
                );
            }
        }
    }

    /// Of what somebody has written in a group while they stayed in it: that each of those who stayed too has it, and has read it, and
    /// that all have who are in it now.
    fn untold_in_groups(&self, missing: &mut Vec<Fault>) {
        for (group, places) in &self.facts.places {
            let Some(roster) = self.facts.roster(group) else { continue };
            let Some(members) = roster.after(roster.last()) else { continue };
            let since = |user: &str| roster.came(user, roster.last());
            for (watcher, opened) in &self.facts.devices {
                if !members.contains(&watcher.user) || self.unlinked.contains(watcher) {
                    continue;
                }
                // What came after the device did, and since its user came the last time.
                let there = opened.done.unwrap_or(usize::MAX);
                let own = |upto: u64| {
                    let messages = places.range(..=upto).rev().map(|(seq, index)| (*seq, &self.facts.messages[*index]));
                    let mut own = messages.filter(|(seq, message)| {
                        let is_own = message.from.user == watcher.user && message.entry.is_none();
                        is_own && *seq > since(&watcher.user) && message.sent > there
                    });
                    own.next().map_or(0, |(seq, _)| seq)
                };
                let of = |figures: &BTreeMap<Member<'_>, Reached>, user: &str| {
                    figures.get(&(group.as_str(), user)).map_or(0, |reached| reached.seq)
                };
                let mut expect = |rule, whom: &str, upto: u64, told: u64| {
                    let expected = own(upto.min(roster.last()));
                    if told < expected {
                        let seen =
                            format!("{whom} in {group} have come to {upto}, told is {told}, less than {expected}");
                        missing.push(Fault { rule, device: Some(watcher.clone()), message: None, at: None, seen });
                    }
                };
                let mut least = (roster.last(), roster.last());
                for user in members.iter().filter(|user| **user != watcher.user) {
                    let (had, read) = (of(&self.stays, user), of(&self.confirmed, user));
                    least = (least.0.min(had.max(read).max(since(user))), least.1.min(read.max(since(user))));
                    let told = self.told.get(&(watcher, (group.as_str(), user.as_str()))).copied().unwrap_or_default();
                    // What they have of what was before they came is nobody's to know.
                    if own(had) > since(user) {
                        expect(Rule::Untold, user, had, told.0);
                    }
                    if own(read) > since(user) {
                        expect(Rule::ForgottenRead, user, read, told.1);
                    }
                }
                let told = self.told_of_all.get(&(watcher, group.as_str())).copied().unwrap_or_default();
                // Who is alone waits for nobody.
                if members.len() > 1 {
                    expect(Rule::Untold, "all others", least.0, told.0);
                    expect(Rule::ForgottenRead, "all others", least.1, told.1);
                }
            }
        }
    }
}

/// Receipts that shrank or were not true.
pub(super) fn judge(history: &History, facts: &Facts, faults: &mut Vec<Fault>) {
    Ticks::gather(history, facts, faults);
}

/// Figures that those who were there have not been told. In a group those are told who write, of what they have written.
pub(super) fn untold(history: &History, facts: &Facts, missing: &mut Vec<Fault>) {
    let ticks = Ticks::gather(history, facts, &mut Vec::new());
    ticks.untold_in_groups(missing);
    for (conversation, places) in &facts.places {
        let last = places.keys().next_back().copied().unwrap_or_default();
        let mut users = BTreeSet::new();
        for message in places.values().map(|index| &facts.messages[*index]) {
            if let To::User(to) = &message.to {
                users.extend([to.as_str(), message.from.user.as_str()]);
            }
        }
        let watchers: Vec<&Device> = {
            let stays = |of: &&Device| users.contains(&*of.user) && !ticks.unlinked.contains(of);
            facts.devices.keys().filter(stays).collect()
        };
        for user in users {
            let member = (conversation.as_str(), user);
            for watcher in &watchers {
                let told = ticks.told.get(&(*watcher, member)).copied().unwrap_or_default();
                let opened = facts.devices[*watcher].done;
                let mut expect = |rule, figures: &BTreeMap<Member<'_>, Reached>, told: u64| {
                    let Some(reached) = figures.get(&member) else { return };
                    let was_there = opened.is_some_and(|opened| opened < reached.at);
                    let expected = reached.seq.min(last);
                    if was_there && told < expected {
                        let seen = format!("{user} has come to {expected} in {conversation}, told is {told}");
                        let device = Some((*watcher).clone());
                        missing.push(Fault { rule, device, message: None, at: Some(reached.at), seen });
                    }
                };
                // That they have it themselves is no news to a user's own devices.
                if watcher.user != user {
                    expect(Rule::Untold, &ticks.stays, told.0);
                }
                expect(Rule::ForgottenRead, &ticks.confirmed, told.1);
            }
        }
    }
}
