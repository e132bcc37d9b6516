//! What a history says of messages, devices and groups, gathered once: who sent what, where it stands, to whom it is due.

use super::history::{Answer, Deed, Device, Event, Happened, History, Item, Step, To, What};
use super::standing::{Changes, Roster, Rosters, Standing};
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
    /// It is an entry of a group. Its sender is whoever changed that, on no device; it was sent no earlier than `sent`.
    pub(super) entry: Option<Happened>,
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
    /// When it was to be unlinked, and was.
    pub(super) unlink_asked: Option<usize>,
    pub(super) unlinked: Option<usize>,
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

/// Everything gathered.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) messages: Vec<Message>,
    pub(super) devices: BTreeMap<Device, Opened>,
    /// By conversation and place.
    pub(super) places: BTreeMap<String, BTreeMap<u64, usize>>,
    by_name: HashMap<(Device, u128), usize>,
    by_body: HashMap<String, usize>,
    /// By group and user.
    changes: HashMap<(String, String), Changes>,
    /// By who blocks and who is blocked.
    blocks: HashMap<(String, String), Changes>,
    /// What somebody asked of a group, and when.
    deeds: HashMap<(String, String), Vec<(usize, Deed)>>,
    rosters: Rosters,
    /// Names of groups that are to be made: by whom, when, with whom.
    titles: HashMap<String, (Device, usize, Vec<String>)>,
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
                What::Heard(item @ Item::Entry { .. }) => facts.heard_entry(at, device, item, faults),
                _ => facts.changes(at, device, what),
            }
        }
        facts.date_entries(faults);
        facts
    }

    fn changes(&mut self, at: usize, device: &Device, what: &What) {
        let of = |group: &String, user: &String| (group.clone(), user.clone());
        match what {
            What::Creates { title, members } => {
                self.titles.insert(title.clone(), (device.clone(), at, members.clone()));
            }
            What::Created { title, group } => self.created(title, group, Some(at)),
            What::Changes { group, user, is_in } => {
                self.changes.entry(of(group, user)).or_default().asked(device, at, *is_in);
            }
            What::Changed { group, user, is_in } => {
                self.changes.entry(of(group, user)).or_default().done(device, at, *is_in);
            }
            What::Unchanged { group, user, is_in } => {
                self.changes.entry(of(group, user)).or_default().refused(device, *is_in);
            }
            What::Asks { group: Some(group), deed, .. } => {
                self.deeds.entry(of(group, &device.user)).or_default().push((at, deed.clone()));
            }
            What::Blocks { user, is_blocked } => {
                self.blocks.entry(of(&device.user, user)).or_default().asked(device, at, *is_blocked);
            }
            What::Blocked { user, is_blocked } => {
                self.blocks.entry(of(&device.user, user)).or_default().done(device, at, *is_blocked);
            }
            What::Unlinks { device: other } => {
                let other = Device::new(&device.user, other);
                self.devices.entry(other).or_default().unlink_asked.get_or_insert(at);
            }
            What::Unlinked { device: other } => {
                let other = Device::new(&device.user, other);
                self.devices.entry(other).or_default().unlinked.get_or_insert(at);
            }
            _ => {}
        }
    }

    /// It is known which group bears a name; `done`: its maker has the answer.
    fn created(&mut self, title: &str, group: &str, done: Option<usize>) {
        let Some((by, asked, members)) = self.titles.get(title).cloned() else { return };
        for user in members {
            let changes = self.changes.entry((group.to_owned(), user)).or_default();
            changes.begins(&by, asked);
            if let Some(done) = done {
                changes.done(&by, done, true);
            }
        }
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
            entry: None,
        });
    }

    fn answered(&mut self, at: usize, device: &Device, name: u128, answer: &Answer, faults: &mut Vec<Fault>) {
        let mut fault = |message: &Message, seen: String| {
            let (device, message) = (Some(device.clone()), Some(message.name()));
            faults.push(Fault { rule: Rule::ChangedAnswer, device, message, at: Some(at), seen });
        };
        let Some(&index) = self.by_name.get(&(device.clone(), name)) else { return };
        let message = &mut self.messages[index];
        let (conversation, seq, sent_at, duplicate) = match answer {
            Answer::Sent { conversation, seq, sent_at, duplicate } => (conversation, seq, sent_at, duplicate),
            Answer::Refused { is_final, why } => {
                if *is_final && message.answered.is_some() {
                    fault(message, format!("it was sent, and is refused now: {why}"));
                }
                message.refused = true;
                return;
            }
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

    fn heard_entry(&mut self, at: usize, device: &Device, item: &Item, faults: &mut Vec<Fault>) {
        let Item::Entry { position, group, seq, from, sent_at, what } = item else { return };
        let place = (group.clone(), *seq, *sent_at);
        let Some(index) = self.standing_at(group, *seq) else {
            if let Happened::Created(title, _) = what {
                self.created(title, group, None);
            }
            let index = self.messages.len();
            self.messages.push(Message {
                from: Device::new(from, ""),
                to: To::Group(group.clone()),
                body: format!("{what:?}"),
                sent: 0,
                times: 1,
                new: true,
                refused: false,
                known: Some(at),
                answered: None,
                place: None,
                position: Some(*position),
                entry: Some(what.clone()),
            });
            return self.takes(at, index, place, faults);
        };
        let message = &self.messages[index];
        let same = message.entry.as_ref() == Some(what)
            && message.from.user == *from
            && message.position == Some(*position)
            && message.place.as_ref() == Some(&place);
        if !same {
            let seen = format!("heard from {from}, position {position}: {what:?}");
            let (device, message) = (Some(device.clone()), Some(message.name()));
            let rule = if self.messages[index].entry.is_some() { Rule::Altered } else { Rule::PlaceTaken };
            faults.push(Fault { rule, device, message, at: Some(at), seen });
        }
    }

    /// No entry was made before somebody asked for it, nor before what stands before it was sent.
    fn date_entries(&mut self, faults: &mut Vec<Fault>) {
        for (conversation, places) in &self.places {
            let mut asked_for: HashMap<(&str, &str, bool), usize> = HashMap::new();
            let (mut latest, mut entries, mut edits_of) = (0, Vec::new(), HashMap::<&str, usize>::new());
            for &index in places.values() {
                let message = &self.messages[index];
                let Some(happened) = &message.entry else {
                    latest = latest.max(message.sent);
                    continue;
                };
                let by = message.from.user.as_str();
                let asked = match (happened, happened.moves()) {
                    (Happened::Created(title, _), _) => self.titles.get(title).map(|(_, at, _)| *at),
                    (_, Some((user, is_in))) => {
                        let before = asked_for.entry((by, user, is_in)).or_default();
                        *before += 1;
                        let key = (conversation.clone(), user.to_owned());
                        let of = self.changes.get(&key);
                        of.and_then(|of| of.asked_by(by, is_in).nth(*before - 1))
                    }
                    (other, None) => {
                        let mut before = 0;
                        if matches!(other, Happened::Edited { .. }) {
                            let edits = edits_of.entry(by).or_default();
                            before = std::mem::replace(edits, *edits + 1);
                        }
                        Some(self.deed_behind(conversation, by, other, before))
                    }
                };
                if asked.is_none() {
                    let (message, seen) = (Some(message.name()), "nobody asked for it".to_owned());
                    faults.push(Fault { rule: Rule::FromNowhere, device: None, message, at: None, seen });
                }
                latest = latest.max(asked.unwrap_or_default());
                entries.push((index, latest));
            }
            for (index, sent) in entries {
                self.messages[index].sent = sent;
            }
            let standing = places.iter().map(|(seq, index)| (*seq, self.messages[*index].entry.as_ref()));
            let roster = Roster::read(standing);
            self.rosters.insert(conversation.clone(), roster);
        }
    }

    /// The first event at which somebody may have asked for what an entry says; of edits, after so many of theirs.
    fn deed_behind(&self, group: &str, by: &str, happened: &Happened, before: usize) -> usize {
        let deeds = self.deeds.get(&(group.to_owned(), by.to_owned())).into_iter().flatten();
        let mut deeds = deeds.filter(|(_, deed)| match (happened, deed) {
            (Happened::Edited { .. }, Deed::Edit { .. })
            | (Happened::Becomes(..), Deed::Put(..))
            | (Happened::Ended, Deed::End) => true,
            // Whose it is leaves it to somebody, or nobody.
            (Happened::Becomes(..) | Happened::Ended, Deed::Remove(user)) => user == by,
            _ => false,
        });
        deeds.nth(before).map_or(0, |(at, _)| *at)
    }

    fn standing_at(&self, conversation: &str, seq: u64) -> Option<usize> {
        self.places.get(conversation)?.get(&seq).copied()
    }

    /// The message that says this.
    fn message(&self, body: &str) -> Option<usize> {
        self.by_body.get(body).copied()
    }

    /// The message that came out of a mailbox, if it is one.
    pub(super) fn of_item(&self, item: &Item) -> Option<usize> {
        match item {
            Item::Message { body, .. } => self.message(body),
            Item::Entry { group, seq, .. } => self.standing_at(group, *seq),
            Item::Receipts { .. } | Item::Gap { .. } => None,
        }
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
            To::User(_) if own => Due::Yes,
            To::User(to) if *to == device.user => self.is_heard(&device.user, message),
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
        if opened.unlinked.is_some_and(|unlinked| unlinked < message.sent) {
            return Due::No(Rule::AfterUnlinking);
        }
        let goes = opened.unlink_asked.is_some_and(|asked| message.known.is_none_or(|known| asked < known));
        let is_there = if goes && is_there == Due::Yes { Due::Maybe } else { is_there };
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

    /// Whether somebody did not want to hear of another one, at some moment between the two.
    pub(super) fn is_blocked(&self, user: &str, other: &str, after: usize, before: usize) -> Standing {
        let blocks = self.blocks.get(&(user.to_owned(), other.to_owned()));
        blocks.map_or(Standing::Never, |blocks| blocks.at(after, Some(before)))
    }

    /// Those who were certainly in a group at its place in mailboxes and from there to an event, each with the place before they came.
    pub(super) fn stay(&self, group: &str, position: u64, upto: usize) -> Vec<(&str, u64)> {
        let (Some(roster), Some(places)) = (self.rosters.get(group), self.places.get(group)) else { return Vec::new() };
        let below = |index: &usize| self.messages[*index].position.is_some_and(|at| at < position);
        let Some((&seq, index)) = places.iter().rfind(|(_, index)| below(index)) else {
            return Vec::new();
        };
        let sent = self.messages[*index].sent;
        let members = roster.after(seq).into_iter().flatten().map(String::as_str);
        let stays = |user: &&str| {
            let changes = self.changes.get(&(group.to_owned(), (*user).to_owned()));
            changes.is_some_and(|changes| changes.at(sent, Some(upto)) == Standing::In)
        };
        members.filter(stays).map(|user| (user, roster.came(user, seq))).collect()
    }

    /// Whether somebody came into a group at a place in mailboxes no higher than there, as far as is known.
    pub(super) fn may_have_come(&self, group: &str, user: &str, upto: u64) -> bool {
        let Some(places) = self.places.get(group) else { return false };
        let in_a_group = places.values().any(|index| matches!(self.messages[*index].to, To::Group(_)));
        let comes = |index: &usize| {
            let message = &self.messages[*index];
            let moves = message.entry.as_ref().and_then(Happened::moves);
            moves == Some((user, true)) && message.position.is_some_and(|at| at <= upto)
        };
        in_a_group && (self.roster(group).is_none() || places.values().any(comes))
    }

    /// Who is in a group after its last place, if all of its places are known.
    pub(super) fn roster(&self, group: &str) -> Option<&Roster> {
        let last = self.places.get(group)?.keys().next_back().copied()?;
        self.rosters.get(group).filter(|roster| roster.last() == last)
    }

    /// Whether somebody hears of the sender.
    fn is_heard(&self, user: &str, message: &Message) -> Due {
        let Some(blocks) = self.blocks.get(&(user.to_owned(), message.from.user.clone())) else { return Due::Yes };
        match blocks.at(message.sent, message.known) {
            Standing::Never | Standing::Out => Due::Yes,
            Standing::In => Due::No(Rule::Withheld),
            Standing::Open => Due::Maybe,
        }
    }

    /// Whether somebody was in a group when a message was sent there: by what was asked and answered; where that leaves it open, by
    /// the entries.
    fn is_in(&self, group: &str, user: &str, message: &Message) -> Due {
        let Some(changes) = self.changes.get(&(group.to_owned(), user.to_owned())) else {
            return Due::No(Rule::NotAddressed);
        };
        match changes.at(message.sent, message.known) {
            Standing::Never => Due::No(Rule::BeforeComing),
            Standing::In => Due::Yes,
            Standing::Out => Due::No(Rule::AfterRemoval),
            Standing::Open => {
                let place = message.place.as_ref().map(|(_, seq, _)| *seq);
                let said = place.zip(self.rosters.get(group));
                let said = said.and_then(|(seq, roster)| {
                    Some((roster.hears(user, seq, message.entry.is_some())?, roster.was_in(user, seq)))
                });
                match said {
                    None => Due::Maybe,
                    Some((true, _)) => Due::Yes,
                    Some((false, true)) => Due::No(Rule::AfterRemoval),
                    Some((false, false)) => Due::No(Rule::BeforeComing),
                }
            }
        }
    }
}
