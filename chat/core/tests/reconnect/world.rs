//! What can happen in the race, and what must hold whenever something has: Alice, who writes, Bob's two devices, and the steps of the
//! engine. Invariant: what is due and what was had are worked out beside the relay, from what was decided and told alone.

mod alice;

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use tertulia_chat_core::{
    BodyRef, ClientId, ConversationId, DeviceRef, Item, Limits, Position, Record, Refusal, Relay, Restoring, Seq,
};
use tertulia_common::{DeviceId, Timestamp, UserId};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const BOBS: [&str; 2] = ["phone", "laptop"];
/// Names of Alice's changes begin here, those of her messages below.
const CHANGES: u64 = 100;

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) messages: u8,
    /// Sessions of each device.
    pub(super) sessions: u8,
    pub(super) deaths: u8,
    /// Times receipts are told.
    pub(super) receipts: u8,
    /// Alice reads what she wrote, once, as soon as there is something: a second one whose figures move.
    pub(super) alice_reads: bool,
    /// Entries a device may owe.
    pub(super) owed: usize,
    /// How many of Bob's devices are open from the start.
    pub(super) open: usize,
    /// How many he has.
    pub(super) devices: usize,
    /// Alice writes in a group of hers.
    pub(super) group: Option<Group>,
}

/// Bob is a member of a group, for a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// He is in it from the start.
    pub(super) is_in: bool,
    /// How often Alice adds or removes him.
    pub(super) changes: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Send,
    /// Bob is added, or removed.
    Change,
    TellReceipts,
    AliceReads,
    Sync,
    Settle,
    Open(usize),
    Attach(usize),
    Detach(usize),
    Take(usize),
    /// Everything that was heard, or the first of it that was not acknowledged.
    Acknowledge {
        at: usize,
        all: bool,
    },
    /// By the reader before this one.
    AcknowledgeLate(usize),
    /// So many records after the last sync survive.
    Die {
        lazy: usize,
    },
}

/// What a device's client knows. Messages, and what happened to the group, are numbered by their place.
#[derive(Clone, Debug, Default, Hash)]
struct Client {
    reader: Option<u64>,
    sessions: u8,
    /// In this session: positions, and messages (none: receipts).
    heard: Vec<(u64, Option<u8>)>,
    acknowledged: u64,
    had: Vec<u8>,
    /// How far Alice has read, as was heard in this session, and where; and as was acknowledged.
    hears_read: Option<(u64, u64)>,
    knows_read: u64,
}

/// What is to be, as decided so far.
#[derive(Clone, Debug, Default, Hash)]
struct Promise {
    open: [bool; 2],
    /// Bob gets what is sent now.
    is_in: bool,
    /// For each device of Bob's.
    due: [Vec<u8>; 2],
    /// For the first device there will be.
    waiting: Vec<u8>,
    /// By place: in mailboxes.
    positions: Vec<u64>,
    /// By their own numbers: where Alice's messages stand.
    messages: Vec<u8>,
    /// How often the group was changed.
    changes: u8,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    bounds: Bounds,
    relay: Relay,
    /// Written, and how much of it is synced.
    written: Vec<(Record, BodyRef)>,
    synced: usize,
    /// Decided in this batch.
    batch: Vec<(Record, BodyRef)>,
    /// The batch is synced up to there, and not told.
    settling: Option<Position>,
    promise: Promise,
    durable: Promise,
    /// Mailboxes whose opening was told.
    opened: [bool; 2],
    /// Messages sent, and confirmed.
    sent: u8,
    confirmed: u8,
    /// Messages of this batch are confirmed up to here when it is told.
    confirming: u8,
    /// Changes of the group asked for, and confirmed; and those that are when this batch is told.
    changed: u8,
    changes_confirmed: u8,
    changes_confirming: u8,
    clients: [Client; 2],
    deaths: u8,
    receipts: u8,
    /// How far Alice has read, and how far that has been told.
    read: u64,
    read_told: u64,
    readers: u64,
}

fn user(name: &str) -> UserId {
    name.parse().expect("an id")
}

fn device(name: &str) -> DeviceId {
    name.parse().expect("an id")
}

/// Hashes what is formatted.
struct Formatted<'a>(&'a mut DefaultHasher);

impl Write for Formatted<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Tells one state from another: everything that what comes later depends on.
pub(super) fn fingerprint(world: &World) -> u64 {
    let mut hash = DefaultHasher::new();
    let World { relay, written, synced, batch, settling, promise, durable, opened, sent, confirmed, .. } = world;
    let World { confirming, clients, deaths, receipts, read, read_told, .. } = world;
    let changes = (world.changed, world.changes_confirmed, world.changes_confirming);
    write!(Formatted(&mut hash), "{relay:?} {} {settling:?}", batch.len()).expect("a hash takes everything");
    if *deaths < world.bounds.deaths {
        // What is written matters to those who start again.
        write!(Formatted(&mut hash), "{written:?} {synced} {batch:?}").expect("a hash takes everything");
    }
    (promise, durable, opened, sent, confirmed, confirming, changes).hash(&mut hash);
    (clients, deaths, receipts, read, read_told).hash(&mut hash);
    hash.finish()
}

impl World {
    pub(super) fn new(bounds: Bounds) -> Self {
        let limits = Limits { unacknowledged_max: bounds.owed, ..Limits::default() };
        let mut world = Self {
            bounds,
            relay: Relay::new(limits),
            written: Vec::new(),
            synced: 0,
            batch: Vec::new(),
            settling: None,
            promise: Promise::default(),
            durable: Promise::default(),
            opened: [false; 2],
            sent: 0,
            confirmed: 0,
            confirming: 0,
            changed: 0,
            changes_confirmed: 0,
            changes_confirming: 0,
            clients: Default::default(),
            deaths: 0,
            receipts: 0,
            read: 0,
            read_told: 0,
            readers: 0,
        };
        let mut out = Vec::new();
        world.relay.open(&user("alice"), &device("phone"), &mut out).expect("room");
        world.decided(out, BodyRef::default());
        (0..bounds.open).for_each(|at| world.act(Action::Open(at)).expect("room"));
        match bounds.group {
            Some(group) => world.create(group),
            None => world.promise.is_in = true,
        }
        world.act(Action::Sync).expect("it always can");
        world.act(Action::Settle).expect("it was synced");
        world
    }

    fn conversation(&self) -> ConversationId {
        match self.bounds.group {
            Some(_) => ConversationId::group(&user("alice"), ClientId(CHANGES.into())),
            None => ConversationId::direct(&user("alice"), &user("bob")),
        }
    }

    fn at(&self, index: usize) -> DeviceRef {
        self.relay.device(&user("bob"), &device(BOBS[index])).expect("an open mailbox")
    }

    fn decided(&mut self, out: Vec<Record>, body: BodyRef) {
        for record in out {
            let is_entry = matches!(record, Record::Message { .. } | Record::Event { .. });
            let body = if is_entry { body } else { BodyRef::default() };
            self.batch.push((record, body));
        }
    }

    /// Everything that may happen now. Commands are decided between batches; readers and deaths do not wait.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.settling.is_some() {
            actions.push(Action::Settle);
        } else {
            if self.sent < self.bounds.messages {
                actions.push(Action::Send);
            }
            if self.bounds.group.is_some_and(|group| self.changed < group.changes) {
                actions.push(Action::Change);
            }
            let told = (self.confirmed, self.changes_confirmed);
            if !self.batch.is_empty() || (self.confirming, self.changes_confirming) != told {
                actions.push(Action::Sync);
            }
            if self.receipts < self.bounds.receipts && self.relay.has_receipts() {
                actions.push(Action::TellReceipts);
            }
            if self.bounds.alice_reads && self.read == 0 && self.confirmed > 0 {
                actions.push(Action::AliceReads);
            }
            for (at, client) in self.clients.iter().enumerate().take(self.bounds.devices) {
                if !self.promise.open[at] {
                    actions.push(Action::Open(at));
                }
                if client.reader.is_none() {
                    continue;
                }
                actions.push(Action::Detach(at));
                if client.sessions > 1 {
                    actions.push(Action::AcknowledgeLate(at));
                }
                let unacknowledged =
                    client.heard.iter().filter(|(position, _)| *position > client.acknowledged).count();
                if unacknowledged > 0 {
                    actions.push(Action::Acknowledge { at, all: true });
                }
                if unacknowledged > 1 {
                    actions.push(Action::Acknowledge { at, all: false });
                }
            }
        }
        for (at, client) in self.clients.iter().enumerate() {
            if self.opened[at] && client.sessions < self.bounds.sessions {
                actions.push(Action::Attach(at));
            }
            if client.reader.is_some_and(|reader| self.relay.is_behind(self.at(at), reader)) {
                actions.push(Action::Take(at));
            }
        }
        if self.deaths < self.bounds.deaths {
            actions.extend((0..=self.written.len() - self.synced).map(|lazy| Action::Die { lazy }));
        }
        actions
    }

    pub(super) fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Send => self.send(),
            Action::Change => self.change(),
            Action::TellReceipts => {
                self.receipts += 1;
                let mut out = Vec::new();
                self.relay.tell_receipts(NOW, &mut out);
                self.read_told = self.read;
                self.decided(out, BodyRef::default());
                Ok(())
            }
            Action::AliceReads => {
                let alice = self.relay.device(&user("alice"), &device("phone")).expect("an open mailbox");
                let conversation = self.conversation();
                self.read = u64::from(self.confirmed);
                self.relay.read(alice, conversation, Seq(self.read)).map_err(|refusal| refusal.to_string())
            }
            Action::Sync => {
                let lazy = self.batch.iter().all(|(record, _)| matches!(record, Record::Acknowledged { .. }));
                self.written.append(&mut self.batch);
                if !lazy {
                    self.synced = self.written.len();
                }
                self.durable = self.promise.clone();
                self.settling = Some(self.relay.reached());
                Ok(())
            }
            Action::Settle => self.settle(),
            Action::Open(at) => {
                let mut out = Vec::new();
                self.relay.open(&user("bob"), &device(BOBS[at]), &mut out).map_err(|refusal| refusal.to_string())?;
                self.decided(out, BodyRef::default());
                self.promise.open[at] = true;
                // What waited for anybody is the first device's.
                let waited = std::mem::take(&mut self.promise.waiting);
                self.promise.due[at].extend(waited);
                Ok(())
            }
            Action::Attach(at) => {
                self.readers += 1;
                // Readers are numbered by device and session, so that two ways to one state number them alike.
                let client = &mut self.clients[at];
                client.sessions += 1;
                let reader = 10 * (at as u64 + 1) + u64::from(client.sessions);
                (client.reader, client.acknowledged, client.hears_read) = (Some(reader), 0, None);
                client.heard.clear();
                self.relay.attach(self.at(at), reader);
                Ok(())
            }
            Action::Detach(at) => {
                let reader = self.clients[at].reader.take().expect("a session");
                self.clients[at].heard.clear();
                self.relay.detach(self.at(at), reader);
                Ok(())
            }
            Action::Take(at) => {
                let reader = self.clients[at].reader.expect("a session");
                let page = self.relay.take(self.at(at), reader, 1);
                page.items.iter().try_for_each(|item| self.hear(at, item))
            }
            Action::Acknowledge { at, all } => self.acknowledge(at, all),
            Action::AcknowledgeLate(at) => {
                let client = &self.clients[at];
                let before = client.reader.expect("a session") - 1;
                let (upto, mut out) = (self.relay.settled(), Vec::new());
                match self.relay.acknowledge(self.at(at), before, upto, &mut out) {
                    Err(Refusal::DeviceGone) if out.is_empty() => Ok(()),
                    other => Err(format!("a reader that was displaced acknowledged {upto:?}: {other:?}")),
                }
            }
            Action::Die { lazy } => self.die(lazy),
        }
    }

    fn settle(&mut self) -> Result<(), String> {
        let upto = self.settling.take().expect("a batch");
        let handouts = self.relay.settle(upto);
        (self.confirmed, self.opened) = (self.confirming, self.durable.open);
        self.changes_confirmed = self.changes_confirming;
        for handout in handouts {
            for (to, reader) in &handout.to {
                let at = (0..BOBS.len()).find(|at| self.opened[*at] && self.at(*at) == *to);
                let Some(at) = at else {
                    // Alice's.
                    continue;
                };
                if self.clients[at].reader != Some(*reader) {
                    return Err(format!("{} was handed something for reader {reader}, who has gone", BOBS[at]));
                }
                self.hear(at, &handout.item)?;
            }
        }
        Ok(())
    }

    /// A device hears something: it must be durable, the next in order, and new to its session and to its device.
    fn hear(&mut self, at: usize, item: &Item) -> Result<(), String> {
        let position = item.position().0;
        let client = &mut self.clients[at];
        let before = client.heard.last().map_or(0, |(position, _)| *position);
        if position <= before {
            return Err(format!("{} hears position {position} after {before}", BOBS[at]));
        }
        let number = match item {
            Item::Entry(entry) => Some(u8::try_from(entry.id.seq.0).expect("few")),
            Item::Receipts { receipts, .. } => {
                let read = receipts.iter().find(|receipt| receipt.user == user("alice")).map(|alice| alice.read.0);
                client.hears_read = read.map(|read| (position, read)).or(client.hears_read);
                None
            }
            Item::Gap { .. } => return Err(format!("{} is told of a gap", BOBS[at])),
        };
        client.heard.push((position, number));
        let Some(number) = number else { return Ok(()) };
        if self.durable.positions.get(usize::from(number) - 1) != Some(&position) {
            return Err(format!("{} hears {number}, which is not durable", BOBS[at]));
        }
        if !self.promise.due[at].contains(&number) {
            return Err(format!("{} hears {number}, which is not its", BOBS[at]));
        }
        if self.clients[at].had.contains(&number) {
            return Err(format!("{} hears {number} again", BOBS[at]));
        }
        let has = |earlier: &u8| {
            let client = &self.clients[at];
            client.had.contains(earlier) || client.heard.iter().any(|(_, heard)| heard == &Some(*earlier))
        };
        match self.promise.due[at].iter().find(|earlier| **earlier < number && !has(earlier)) {
            Some(missing) => Err(format!("{} hears {number} and lacks {missing}", BOBS[at])),
            None => Ok(()),
        }
    }

    fn acknowledge(&mut self, at: usize, all: bool) -> Result<(), String> {
        let client = &mut self.clients[at];
        let mut left = client.heard.iter().filter(|(position, _)| *position > client.acknowledged);
        let upto = if all { left.next_back() } else { left.next() }.expect("something was heard").0;
        client.acknowledged = upto;
        let reader = client.reader.expect("a session");
        let now = client.heard.iter().filter(|(position, _)| *position <= upto).filter_map(|(_, number)| *number);
        client.had.extend(now.collect::<Vec<_>>());
        client.had.sort_unstable();
        client.had.dedup();
        let read = client.hears_read.filter(|(position, _)| *position <= upto).map_or(0, |(_, read)| read);
        client.knows_read = client.knows_read.max(read);
        let mut out = Vec::new();
        self.relay
            .acknowledge(self.at(at), reader, Position(upto), &mut out)
            .map_err(|refusal| format!("{} may not acknowledge {upto}, which it heard: {refusal}", BOBS[at]))?;
        self.decided(out, BodyRef::default());
        Ok(())
    }

    /// The program dies, and starts with what was written, some of it without having been synced.
    fn die(&mut self, lazy: usize) -> Result<(), String> {
        self.deaths += 1;
        self.written.truncate(self.synced + lazy);
        self.synced = self.written.len();
        self.batch.clear();
        self.settling = None;
        self.promise = self.durable.clone();
        self.opened = self.durable.open;
        // Alice sends again what was not confirmed.
        (self.sent, self.confirming) = (self.confirmed, self.confirmed);
        (self.changed, self.changes_confirming) = (self.changes_confirmed, self.changes_confirmed);
        let mut restoring = Restoring::new(Limits { unacknowledged_max: self.bounds.owed, ..Limits::default() });
        self.written.iter().for_each(|(record, body)| restoring.restore(record.clone(), *body));
        self.relay = restoring.finish().map_err(|incomplete| incomplete.to_string())?;
        for (at, client) in self.clients.iter_mut().enumerate() {
            client.reader = None;
            client.heard.clear();
            // An acknowledgement that was lost with the program: its messages may come again.
            let kept = self.written.iter().filter_map(|(record, _)| match record {
                Record::Acknowledged { user: whose, device: Some(of), upto } => {
                    (*whose == user("bob") && *of == device(BOBS[at])).then_some(upto.0)
                }
                _ => None,
            });
            let kept = kept.max().unwrap_or_default();
            client.had.retain(|number| self.durable.positions[usize::from(*number) - 1] <= kept);
        }
        Ok(())
    }

    /// From here on nothing bad happens: whether every device comes anew, or those that are there stay.
    pub(super) fn ends_well(self) -> Result<(), String> {
        if self.clients.iter().any(|client| client.reader.is_some()) {
            self.clone().ends(false)?;
        }
        self.ends(true)
    }

    fn ends(mut self, anew: bool) -> Result<(), String> {
        let end_batch = |world: &mut Self| {
            if world.settling.is_none() {
                world.act(Action::Sync)?;
            }
            world.act(Action::Settle)
        };
        end_batch(&mut self)?;
        for at in 0..self.bounds.devices {
            if !self.promise.open[at] {
                self.act(Action::Open(at))?;
            }
        }
        while self.bounds.group.is_some_and(|group| self.changed < group.changes) {
            self.act(Action::Change)?;
        }
        while self.sent < self.bounds.messages {
            self.act(Action::Send)?;
        }
        end_batch(&mut self)?;
        for (at, name) in BOBS.iter().enumerate().take(self.bounds.devices) {
            if anew || self.clients[at].reader.is_none() {
                self.act(Action::Attach(at))?;
            }
            self.drains(at)?;
            let (had, due) = (&self.clients[at].had, &self.promise.due[at]);
            if had != due {
                return Err(format!("{name} has {had:?} of {due:?} in the end"));
            }
            let knows = self.clients[at].knows_read;
            if knows != self.read_told {
                return Err(format!("alice has read {}, {name} was told {knows} in the end", self.read_told));
            }
        }
        self.alice_drains();
        let left = self.relay.live().count();
        if left > 0 {
            return Err(format!("{left} bodies wait for nobody"));
        }
        Ok(())
    }

    /// A device acknowledges and takes all there is.
    fn drains(&mut self, at: usize) -> Result<(), String> {
        let reader = self.clients[at].reader.expect("it has attached");
        loop {
            let client = &self.clients[at];
            let owes = client.heard.last().is_some_and(|(position, _)| *position > client.acknowledged);
            if owes {
                self.acknowledge(at, true)?;
            }
            let page = self.relay.take(self.at(at), reader, 2);
            page.items.iter().try_for_each(|item| self.hear(at, item))?;
            if page.drained && page.items.is_empty() {
                return Ok(());
            }
            if page.items.is_empty() {
                return Err(format!("{} is not drained and is told nothing", BOBS[at]));
            }
        }
    }
}
