//! Rule 7: receipts.

use super::facts::Facts;
use super::history::{Device, Event, Happened, History, Item, Step, Tick, To, What};
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
#[derive(Default)]
struct Ticks<'a> {
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
}

impl<'a> Ticks<'a> {
    fn gather(history: &'a History, faults: &mut Vec<Fault>) -> Self {
        let mut ticks = Self::default();
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
                if let What::Heard(Item::Entry { what: Happened::In(user), .. }) = what {
                    self.told.remove(&(device, (conversation, user)));
                }
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
            What::Heard(Item::Receipts { conversation, ticks, .. }) => {
                for tick in ticks {
                    self.hears(at, device, conversation, tick, faults);
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

/// Receipts that shrank or were not true.
pub(super) fn judge(history: &History, faults: &mut Vec<Fault>) {
    Ticks::gather(history, faults);
}

/// Figures that those who were there have not been told. In groups not everybody is told: they are not judged.
pub(super) fn untold(history: &History, facts: &Facts, missing: &mut Vec<Fault>) {
    let ticks = Ticks::gather(history, &mut Vec::new());
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
