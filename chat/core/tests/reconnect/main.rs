//! The race between a message that is routed and a device that comes back, explored in full: every interleaving, not a sample.
//!
//! One person writes to another with two devices. What the engine does in steps is in steps here: commands are decided, the
//! batch is synced, the batch is settled and told; and at any point between them a device may attach with a new reader, take
//! a page, or the program may die, with or without what was written and not synced. In every state that can be reached:
//!
//! - nothing is handed out that is not durable;
//! - a session gets everything that its device lacks, in order, without a hole, nothing twice;
//! - what was acknowledged, and not lost with the program, does not come again;
//! - how far others have read, once it was told, is known to every device that has acknowledged all it was given;
//! - and if from there on nothing bad happens, every device gets everything that was confirmed, and then nobody waits.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use tertulia_chat_core::{
    BodyRef, ClientId, ConversationId, DeviceRef, Item, Limits, Position, Record, Refusal, Relay, Restoring, Seq,
    Submit, To,
};
use tertulia_common::{DeviceId, Timestamp, UserId};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const BOBS: [&str; 2] = ["phone", "laptop"];

/// How much may happen.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    messages: u8,
    /// Sessions of each device.
    sessions: u8,
    deaths: u8,
    /// Times receipts are told.
    receipts: u8,
    /// Alice reads what she wrote, once, as soon as there is something: a second one whose figures move.
    alice_reads: bool,
    /// Entries a device may owe.
    owed: usize,
    /// Bob's devices are open from the start.
    open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Send,
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

/// What a device's client knows. Messages are numbered from 1, which is also their place.
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
    /// For each device of Bob's.
    due: [Vec<u8>; 2],
    /// For the first device there will be.
    waiting: Vec<u8>,
    /// Positions of messages.
    positions: Vec<u64>,
}

#[derive(Clone, Debug)]
struct World {
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
fn fingerprint(world: &World) -> u64 {
    let mut hash = DefaultHasher::new();
    let World { relay, written, synced, batch, settling, promise, durable, opened, sent, confirmed, .. } = world;
    let World { confirming, clients, deaths, receipts, read, read_told, .. } = world;
    write!(Formatted(&mut hash), "{relay:?} {} {settling:?}", batch.len()).expect("a hash takes everything");
    if *deaths < world.bounds.deaths {
        // What is written matters to those who start again.
        write!(Formatted(&mut hash), "{written:?} {synced} {batch:?}").expect("a hash takes everything");
    }
    (promise, durable, opened, sent, confirmed, confirming, clients, deaths, receipts, read, read_told).hash(&mut hash);
    hash.finish()
}

impl World {
    fn new(bounds: Bounds) -> Self {
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
        if bounds.open {
            (0..BOBS.len()).for_each(|at| world.act(Action::Open(at)).expect("room"));
        }
        world.act(Action::Sync).expect("it always can");
        world.act(Action::Settle).expect("it was synced");
        world
    }

    fn at(&self, index: usize) -> DeviceRef {
        self.relay.device(&user("bob"), &device(BOBS[index])).expect("an open mailbox")
    }

    fn decided(&mut self, out: Vec<Record>, body: BodyRef) {
        for record in out {
            let body = if matches!(record, Record::Message { .. }) { body } else { BodyRef::default() };
            self.batch.push((record, body));
        }
    }

    /// Everything that may happen now. Commands are decided between batches; readers and deaths do not wait.
    fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.settling.is_some() {
            actions.push(Action::Settle);
        } else {
            if self.sent < self.bounds.messages {
                actions.push(Action::Send);
            }
            if !self.batch.is_empty() || self.confirming > self.confirmed {
                actions.push(Action::Sync);
            }
            if self.receipts < self.bounds.receipts && self.relay.has_receipts() {
                actions.push(Action::TellReceipts);
            }
            if self.bounds.alice_reads && self.read == 0 && self.confirmed > 0 {
                actions.push(Action::AliceReads);
            }
            for (at, client) in self.clients.iter().enumerate() {
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

    fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Send => self.send(),
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
                let conversation = ConversationId::direct(&user("alice"), &user("bob"));
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

    fn send(&mut self) -> Result<(), String> {
        self.sent += 1;
        let number = self.sent;
        let submit = Submit {
            to: To::User(user("bob")),
            client_id: ClientId(number.into()),
            digest: number.into(),
            body_bytes: 10,
            withheld: false,
        };
        let alice = self.relay.device(&user("alice"), &device("phone")).expect("Alice's");
        let mut out = Vec::new();
        let sent = self.relay.send(NOW, alice, &submit, &mut out).map_err(|refusal| refusal.to_string())?;
        if sent.id.seq.0 != u64::from(number) {
            return Err(format!("message {number} stands at {:?}", sent.id.seq));
        }
        let body = BodyRef { file: 1, offset: number.into(), len: 10 };
        self.decided(out, body);
        self.confirming = number;
        let Some(position) = sent.position else {
            // It was durable before the program died.
            return if self.durable.positions.len() >= number.into() {
                Ok(())
            } else {
                Err(format!("{number} is known"))
            };
        };
        self.relay.placed(sent.id, position, body);
        self.promise.positions.push(position.0);
        for at in 0..BOBS.len() {
            if self.promise.open[at] {
                self.promise.due[at].push(number);
            }
        }
        if self.promise.open == [false; 2] {
            self.promise.waiting.push(number);
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), String> {
        let upto = self.settling.take().expect("a batch");
        let handouts = self.relay.settle(upto);
        (self.confirmed, self.opened) = (self.confirming, self.durable.open);
        for handout in handouts {
            for (to, reader) in &handout.to {
                let at = (0..BOBS.len()).find(|at| self.opened[*at] && self.at(*at) == *to);
                let Some(at) = at else {
                    // Alice's: receipts.
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
            return Err(format!("{} hears message {number}, which is not durable", BOBS[at]));
        }
        if !self.promise.due[at].contains(&number) {
            return Err(format!("{} hears message {number}, which is not its", BOBS[at]));
        }
        if self.clients[at].had.contains(&number) {
            return Err(format!("{} hears message {number} again", BOBS[at]));
        }
        let has = |earlier: &u8| {
            let client = &self.clients[at];
            client.had.contains(earlier) || client.heard.iter().any(|(_, heard)| heard == &Some(*earlier))
        };
        match self.promise.due[at].iter().find(|earlier| **earlier < number && !has(earlier)) {
            Some(missing) => Err(format!("{} hears message {number} and lacks {missing}", BOBS[at])),
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

    /// From here on nothing bad happens.
    fn ends_well(mut self) -> Result<(), String> {
        let end_batch = |world: &mut Self| {
            if world.settling.is_none() {
                world.act(Action::Sync)?;
            }
            world.act(Action::Settle)
        };
        end_batch(&mut self)?;
        for at in 0..BOBS.len() {
            if !self.promise.open[at] {
                self.act(Action::Open(at))?;
            }
        }
        while self.sent < self.bounds.messages {
            self.act(Action::Send)?;
        }
        end_batch(&mut self)?;
        for (at, name) in BOBS.iter().enumerate() {
            self.act(Action::Attach(at))?;
            loop {
                let reader = self.clients[at].reader.expect("it has attached");
                let page = self.relay.take(self.at(at), reader, 2);
                page.items.iter().try_for_each(|item| self.hear(at, item))?;
                if self.clients[at].heard.last().is_some_and(|(position, _)| *position > self.clients[at].acknowledged)
                {
                    self.acknowledge(at, true)?;
                }
                if page.drained {
                    break;
                }
                if page.items.is_empty() {
                    return Err(format!("{name} is not drained and is told nothing"));
                }
            }
            let (had, due) = (&self.clients[at].had, &self.promise.due[at]);
            if had != due {
                return Err(format!("{name} has {had:?} of {due:?} in the end"));
            }
            let knows = self.clients[at].knows_read;
            if knows != self.read_told {
                return Err(format!("alice has read {}, {name} was told {knows} in the end", self.read_told));
            }
        }
        let left = self.relay.live().count();
        if left > 0 {
            return Err(format!("{left} bodies wait for nobody"));
        }
        Ok(())
    }
}

/// Goes through every state that can be reached; gives how many there are.
#[expect(clippy::print_stdout, reason = "how much was explored is worth seeing")]
fn explore(bounds: Bounds) -> usize {
    let start = World::new(bounds);
    let mut known = HashSet::from([fingerprint(&start)]);
    let mut open = vec![(start, Vec::new())];
    while let Some((world, way)) = open.pop() {
        if let Err(broken) = world.clone().ends_well() {
            panic!("{broken}, in the end after {way:?}");
        }
        for action in world.actions() {
            let (mut next, mut way) = (world.clone(), way.clone());
            way.push(action);
            if let Err(broken) = next.act(action) {
                panic!("{broken}, by {way:?}");
            }
            if known.insert(fingerprint(&next)) {
                open.push((next, way));
            }
        }
    }
    println!("{bounds:?}: {} states", known.len());
    known.len()
}

#[test]
fn m3_two_devices_that_come_and_go_while_messages_are_sent_get_each_once_and_in_order() {
    let bounds = Bounds { messages: 3, sessions: 2, deaths: 0, receipts: 0, alice_reads: false, owed: 2, open: true };
    assert!(explore(bounds) > 15_000);
}

#[test]
fn m3_so_they_do_when_the_program_dies_at_any_point() {
    let bounds = Bounds { messages: 2, sessions: 2, deaths: 1, receipts: 0, alice_reads: false, owed: 2, open: true };
    assert!(explore(bounds) > 50_000);
}

#[test]
fn m3_m5_so_they_do_between_receipts_and_when_they_may_owe_one_message() {
    let bounds = Bounds { messages: 2, sessions: 2, deaths: 0, receipts: 1, alice_reads: false, owed: 1, open: true };
    assert!(explore(bounds) > 25_000);
}

#[test]
fn m5_every_receipt_comes_to_a_device_that_comes_back_while_receipts_are_told() {
    let bounds = Bounds { messages: 1, sessions: 1, deaths: 0, receipts: 2, alice_reads: true, owed: 2, open: true };
    assert!(explore(bounds) > 15_000);
}

#[test]
fn m3_what_waits_for_a_first_device_comes_to_the_first_that_opens() {
    let bounds = Bounds { messages: 2, sessions: 1, deaths: 1, receipts: 0, alice_reads: false, owed: 2, open: false };
    assert!(explore(bounds) > 30_000);
}
