//! What a history says of messages, devices and groups, gathered once: who sent what, where it stands, to whom it is due.

use super::history::{Answer, Device, Event, History, Item, Step, To, What};
use super::{Fault, Rule};
use std::collections::{BTreeMap, HashMap};
use tertulia_common::Timestamp;

/// What of a body names its message in a fault.
const NAME_CHARS: usize = 24;

/// One message, however often it was sent.
pub(super) struct Message {
    pub(super) from: Device,
    pub(super) to: To,
    pub(super) body: String,
    /// The event at which it was sent for the first time.
    pub(super) sent: usize,
    /// How often it was sent so far.
    pub(super) times: usize,
    /// An answer said that it was new.
    pub(super) new: bool,
    /// It was refused at least once.
    pub(super) refused: bool,
    /// The event that first told that it is there: from then on it was decided.
    pub(super) known: Option<usize>,
    /// The first answer.
    pub(super) answered: Option<usize>,
    /// Conversation, place, and when.
    pub(super) place: Option<(String, u64, Timestamp)>,
    /// In mailboxes.
    pub(super) position: Option<u64>,
}

impl Message {
    pub(super) fn name(&self) -> String {
        let place = self.place.as_ref().map_or_else(String::new, |(_, seq, _)| format!(" at place {seq}"));
        let body: String = self.body.chars().take(NAME_CHARS).collect();
        format!("{body:?} of {}{place}", self.from)
    }
}

/// When a device's mailbox may have been opened, and was open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opened {
    pub(super) asked: Option<usize>,
    pub(super) done: Option<usize>,
}

/// Whether a message is due to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It must come.
    Yes,
    /// Two things overlapped: both is right.
    Maybe,
    /// It must not; the rule that it breaks if it does.
    No(Rule),
}

/// Somebody comes into a group or goes.
struct Change {
    asked: usize,
    done: Option<usize>,
    is_in: bool,
}

/// Everything gathered.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) messages: Vec<Message>,
    pub(super) devices: BTreeMap<Device, Opened>,
    /// By conversation and place.
    pub(super) places: BTreeMap<String, BTreeMap<u64, usize>>,
    by_name: HashMap<(Device, u128), usize>,
    by_body: HashMap<String, usize>,
    changes: HashMap<(String, String), Vec<Change>>,
}

impl Facts {
    /// Reads the history once; what contradicts itself is a fault.
    pub(super) fn gather(history: &History, faults: &mut Vec<Fault>) -> Self {
        let mut facts = Self::default();
        for (at, Event { step, .. }) in history.events.iter().enumerate() {
            let Step::Device(device, what) = step else { continue };
            match what {
                What::Connects => {
                    facts.devices.entry(device.clone()).or_default().asked.get_or_insert(at);
                }
                What::Welcomed => {
                    facts.devices.entry(device.clone()).or_default().done.get_or_insert(at);
                }
                What::Sends { name, to, body, .. } => facts.sends(at, device, *name, to, body),
                What::Answered { name, answer, .. } => facts.answered(at, device, *name, answer, faults),
                What::Heard(Item::Message { .. }) => facts.heard(at, device, what, faults),
                What::Changes { group, user, is_in } => {
                    let change = Change { asked: at, done: None, is_in: *is_in };
                    facts.changes.entry((group.clone(), user.clone())).or_default().push(change);
                }
                What::Changed { group, user, is_in } => {
                    let of = facts.changes.entry((group.clone(), user.clone())).or_default();
                    if let Some(change) = of.iter_mut().find(|change| change.done.is_none() && change.is_in == *is_in) {
                        change.done = Some(at);
                    }
                }
                What::Heard(Item::Receipts { .. } | Item::Gap { .. })
                | What::Resumed
                | What::Drained
                | What::Acknowledges { .. }
                | What::Reads { .. }
                | What::ReadTaken { .. } => {}
            }
        }
        facts
    }

    fn sends(&mut self, at: usize, device: &Device, name: u128, to: &To, body: &str) {
        if let Some(&known) = self.by_name.get(&(device.clone(), name)) {
            self.messages[known].times += 1;
            return;
        }
        self.by_name.insert((device.clone(), name), self.messages.len());
        self.by_body.insert(body.to_owned(), self.messages.len());
        self.messages.push(Message {
            from: device.clone(),
            to: to.clone(),
            body: body.to_owned(),
            sent: at,
            times: 1,
            new: false,
            refused: false,
            known: None,
            answered: None,
            place: None,
            position: None,
        });
    }

    fn answered(&mut self, at: usize, device: &Device, name: u128, answer: &Answer, faults: &mut Vec<Fault>) {
        let mut fault = |message: &Message, seen: String| {
            let (device, message) = (Some(device.clone()), Some(message.name()));
            faults.push(Fault { rule: Rule::ChangedAnswer, device, message, at: Some(at), seen });
        };
        let Some(&index) = self.by_name.get(&(device.clone(), name)) else { return };
        let message = &mut self.messages[index];
        let Answer::Sent { conversation, seq, sent_at, duplicate } = answer else {
            message.refused = true;
            return;
        };
        if !duplicate && message.new {
            fault(message, "it is called new a second time".to_owned());
        }
        if *duplicate && message.times == 1 {
            fault(message, "it is called known and was sent once".to_owned());
        }
        message.new |= !duplicate;
        message.answered.get_or_insert(at);
        message.known.get_or_insert(at);
        let place = (conversation.clone(), *seq, *sent_at);
        match &message.place {
            Some(before) if *before != place => {
                fault(message, format!("answered place {seq} at {}, before {before:?}", sent_at.as_millis()));
            }
            Some(_) => {}
            None => self.takes(at, index, place, faults),
        }
    }

    /// A message has been found to stand somewhere.
    fn takes(&mut self, at: usize, index: usize, place: (String, u64, Timestamp), faults: &mut Vec<Fault>) {
        let of = self.places.entry(place.0.clone()).or_default();
        let other = *of.entry(place.1).or_insert(index);
        self.messages[index].place = Some(place);
        if other != index {
            let (message, seen) = (Some(self.messages[index].name()), self.messages[other].name());
            let seen = format!("there stands {seen}");
            faults.push(Fault { rule: Rule::PlaceTaken, device: None, message, at: Some(at), seen });
        }
    }

    fn heard(&mut self, at: usize, device: &Device, what: &What, faults: &mut Vec<Fault>) {
        let What::Heard(Item::Message { position, conversation, seq, from, to, sent_at, body }) = what else { return };
        let Some(index) = self.message(body) else {
            let (device, message) = (Some(device.clone()), Some(format!("{body:?}")));
            faults.push(Fault {
                rule: Rule::FromNowhere,
                device,
                message,
                at: Some(at),
                seen: format!("place {seq}, from {from}"),
            });
            return;
        };
        let place = (conversation.clone(), *seq, *sent_at);
        let message = &mut self.messages[index];
        message.known.get_or_insert(at);
        let same_place = message.place.as_ref().is_none_or(|before| *before == place);
        let same = *from == message.from.user && *to == message.to && message.position.is_none_or(|at| at == *position);
        message.position.get_or_insert(*position);
        if !same || !same_place {
            let seen = format!("heard from {from} to {to:?}, position {position}, as {place:?}");
            let (device, message) = (Some(device.clone()), Some(message.name()));
            faults.push(Fault { rule: Rule::Altered, device, message, at: Some(at), seen });
        }
        if self.messages[index].place.is_none() {
            self.takes(at, index, place, faults);
        }
    }

    /// The message that says this.
    pub(super) fn message(&self, body: &str) -> Option<usize> {
        self.by_body.get(body).copied()
    }

    /// The message of a device's own name.
    pub(super) fn named(&self, device: &Device, name: u128) -> Option<usize> {
        self.by_name.get(&(device.clone(), name)).copied()
    }

    /// Whether a message is due to a device.
    pub(super) fn due(&self, device: &Device, message: &Message) -> Due {
        if *device == message.from {
            return Due::No(Rule::NotAddressed);
        }
        let own = device.user == message.from.user;
        let is_of = match &message.to {
            To::User(to) if own || *to == device.user => Due::Yes,
            To::User(_) => Due::No(Rule::NotAddressed),
            To::Group(group) => self.is_in(group, &device.user, message),
        };
        let opened = self.devices.get(device).copied().unwrap_or_default();
        let before = opened.done.is_some_and(|done| done < message.sent);
        let after = message.known.zip(opened.asked).is_some_and(|(known, asked)| known < asked);
        let first = if own { Due::No(Rule::NotAddressed) } else { self.is_first(device, opened) };
        let is_there = match first {
            _ if before => Due::Yes,
            Due::Yes => Due::Yes,
            Due::No(rule) if after => Due::No(rule),
            Due::Maybe | Due::No(_) => Due::Maybe,
        };
        match (is_of, is_there) {
            (Due::No(rule), _) | (_, Due::No(rule)) => Due::No(rule),
            (Due::Yes, Due::Yes) => Due::Yes,
            (Due::Maybe, _) | (_, Due::Maybe) => Due::Maybe,
        }
    }

    /// Whether a device was its user's first: what waited for the user is its.
    fn is_first(&self, device: &Device, opened: Opened) -> Due {
        let others = || self.devices.iter().filter(|(other, _)| other.user == device.user && *other != device);
        let before =
            |one: Option<usize>, other: Option<usize>| one.is_some_and(|one| other.is_none_or(|other| one < other));
        if others().all(|(_, other)| before(opened.done, other.asked)) {
            return Due::Yes;
        }
        if others().any(|(_, other)| before(other.done, opened.asked)) {
            return Due::No(Rule::NotAddressed);
        }
        Due::Maybe
    }

    /// Whether somebody was in a group when a message was sent there.
    fn is_in(&self, group: &str, user: &str, message: &Message) -> Due {
        let mut now = Due::No(Rule::NotAddressed);
        for change in self.changes.get(&(group.to_owned(), user.to_owned())).into_iter().flatten() {
            if message.known.is_some_and(|known| known < change.asked) {
                break;
            }
            let settled = change.done.is_some_and(|done| done < message.sent);
            now = match (settled, change.is_in) {
                (true, true) => Due::Yes,
                (true, false) => Due::No(Rule::AfterRemoval),
                (false, _) => Due::Maybe,
            };
        }
        now
    }
}
