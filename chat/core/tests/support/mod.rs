//! A relay with a store that loses nothing, and devices that note what they get: the driver of the scripts and properties.
#![expect(unreachable_pub, reason = "shared by the test files")]

mod copy;

use copy::Copy;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tertulia_chat_core::{
    About, Ask, BodyRef, Changed, ClientId, ConversationId, DeviceRef, GapReason, Item, Limits, Position, Record,
    Refusal, Relay, Restoring, Role, Sent, Seq, Submit, To,
};
use tertulia_common::{DeviceId, Timestamp, UserId};

/// What a device has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub reader: u64,
    pub connected: bool,
    pub handed: u64,
    pub bodies: Vec<u32>,
    pub places: Vec<(ConversationId, u64)>,
    pub gaps: Vec<(u64, GapReason)>,
    pub ticks: HashMap<(ConversationId, String), (u64, u64)>,
    /// How far all others in a group have come.
    pub alls: HashMap<ConversationId, (u64, u64)>,
}

pub struct Scene {
    pub relay: Relay,
    pub limits: Limits,
    pub now: Timestamp,
    pub records: Vec<(Record, BodyRef)>,
    pub seen: BTreeMap<(String, String), Seen>,
    pub dead: Vec<u32>,
    readers: u64,
    copy: Copy,
    /// What is sent now is withheld.
    pub withheld: bool,
}

/// The body of the message with this number, as the scripts compare it.
pub fn body(number: u32) -> u32 {
    number
}

/// The body of the event at this position.
pub fn event_body(position: Position) -> BodyRef {
    BodyRef { file: 2, offset: EVENTS + u32::try_from(position.0).expect("a short test"), len: 10 }
}

/// Numbers of bodies from here on are events.
pub const EVENTS: u32 = 1_000_000;

/// A group in which everybody writes and admins edit.
pub fn about() -> About {
    let (name, description) = ("Friends".to_owned(), String::new());
    About { name, description, icon: None, post: Role::Member, edit: Role::Admin }
}

pub fn user(name: &str) -> UserId {
    name.parse().expect("an id")
}

pub fn device(name: &str) -> DeviceId {
    name.parse().expect("an id")
}

impl Scene {
    pub fn new(limits: Limits) -> Self {
        Self {
            relay: Relay::new(limits.clone()),
            copy: Copy::new(limits.clone()),
            limits,
            now: Timestamp(1_700_000_000_000),
            records: Vec::new(),
            seen: BTreeMap::new(),
            dead: Vec::new(),
            readers: 0,
            withheld: false,
        }
    }

    /// Writes what was decided, and then tells it.
    pub fn commit(&mut self, out: Vec<Record>, body: BodyRef) {
        let from = self.records.len();
        for record in out {
            let body = match &record {
                Record::Message { .. } | Record::Note { .. } => body,
                Record::Event { position, .. } => event_body(*position),
                _ => BodyRef::default(),
            };
            self.records.push((record, body));
        }
        self.copied(from);
        let upto = self.relay.reached();
        for handout in self.relay.settle(upto) {
            for (_, reader) in &handout.to {
                let seen = self.seen.values_mut().find(|seen| seen.reader == *reader);
                seen.expect("a reader that we attached").note(&handout.item);
            }
        }
        self.dead.extend(self.relay.take_dead().iter().map(|dead| dead.body.offset));
        self.is_copied();
    }

    /// The copy is told what was written from there on.
    pub fn copied(&mut self, from: usize) {
        self.copy.hear(&self.records[from..]);
    }

    /// The copy is as the relay is, in all that the last records were about.
    fn is_copied(&self) {
        let last = self.records.len().saturating_sub(40);
        let about: Vec<Record> = self.records[last..].iter().map(|(record, _)| record.clone()).collect();
        let devices: Vec<_> = self.seen.keys().map(|(name, on)| (user(name), device(on))).collect();
        self.copy.is_as(&self.relay, &about, &devices);
    }

    pub fn at(&mut self, name: &str, on: &str) -> DeviceRef {
        self.relay.device(&user(name), &device(on)).expect("an open mailbox")
    }

    fn see(&mut self, name: &str, on: &str) -> &mut Seen {
        self.seen.entry((name.to_owned(), on.to_owned())).or_default()
    }

    pub fn connects(&mut self, name: &str, on: &str) -> &mut Self {
        let mut out = Vec::new();
        let at = self.relay.open(&user(name), &device(on), &mut out).expect("room for a device");
        self.commit(out, BodyRef::default());
        self.readers += 1;
        let reader = self.readers;
        self.relay.attach(at, reader);
        let seen = self.see(name, on);
        (seen.reader, seen.connected, seen.handed) = (reader, true, 0);
        self.reads_on(name, on);
        self
    }

    /// Takes until there is nothing, or it owes too much.
    pub fn reads_on(&mut self, name: &str, on: &str) {
        let (at, reader) = (self.at(name, on), self.see(name, on).reader);
        loop {
            let page = self.relay.take(at, reader, 3);
            let seen = self.see(name, on);
            page.items.iter().for_each(|item| seen.note(item));
            if page.drained || page.items.is_empty() {
                break;
            }
        }
    }

    pub fn leaves(&mut self, name: &str, on: &str) -> &mut Self {
        let (at, reader) = (self.at(name, on), self.see(name, on).reader);
        self.relay.detach(at, reader);
        let seen = self.see(name, on);
        (seen.connected, seen.reader) = (false, 0);
        self
    }

    pub fn sends(&mut self, name: &str, on: &str, to: &str, number: u32) -> Result<Sent, Refusal> {
        self.sends_as(name, on, to, number, u64::from(number))
    }

    pub fn sends_as(&mut self, name: &str, on: &str, to: &str, number: u32, digest: u64) -> Result<Sent, Refusal> {
        self.submits(name, on, To::User(user(to)), number, digest)
    }

    pub fn sends_into(&mut self, name: &str, on: &str, to: ConversationId, number: u32) -> Result<Sent, Refusal> {
        self.submits(name, on, To::Conversation(to), number, u64::from(number))
    }

    /// Asks for a change of a group.
    pub fn changes(&mut self, ask: &Ask) -> Result<Changed, Refusal> {
        let mut out = Vec::new();
        let changed = self.relay.change(self.now, ask, &mut out)?;
        for made in &changed.made {
            self.relay.placed(made.id, made.position, event_body(made.position));
        }
        self.commit(out, BodyRef::default());
        Ok(changed)
    }

    pub fn submits(&mut self, name: &str, on: &str, to: To, number: u32, digest: u64) -> Result<Sent, Refusal> {
        let from = self.at(name, on);
        let mut out = Vec::new();
        let submit = Submit { to, client_id: ClientId(number.into()), digest, body_bytes: 10, withheld: self.withheld };
        let sent = self.relay.send(self.now, from, &submit, &mut out)?;
        let body = BodyRef { file: 1, offset: number, len: 10 };
        if let Some(position) = sent.position {
            self.relay.placed(sent.id, position, body);
        }
        self.commit(out, body);
        Ok(sent)
    }

    pub fn acknowledges(&mut self, name: &str, on: &str) -> Result<(), Refusal> {
        let upto = self.see(name, on).handed;
        self.acknowledges_upto(name, on, upto)
    }

    pub fn acknowledges_upto(&mut self, name: &str, on: &str, upto: u64) -> Result<(), Refusal> {
        let reader = self.see(name, on).reader;
        self.acknowledges_as(name, on, reader, upto)
    }

    pub fn acknowledges_as(&mut self, name: &str, on: &str, reader: u64, upto: u64) -> Result<(), Refusal> {
        let at = self.at(name, on);
        let mut out = Vec::new();
        let done = self.relay.acknowledge(at, reader, Position(upto), &mut out);
        self.commit(out, BodyRef::default());
        done
    }

    pub fn reads(&mut self, name: &str, on: &str, other: &str, upto: u64) -> Result<(), Refusal> {
        self.reads_conversation(name, on, ConversationId::direct(&user(name), &user(other)), upto)
    }

    pub fn reads_conversation(&mut self, name: &str, on: &str, of: ConversationId, upto: u64) -> Result<(), Refusal> {
        let at = self.at(name, on);
        self.relay.read(at, of, Seq(upto))
    }

    /// As the committer does ten times a second.
    pub fn tells_due_receipts(&mut self, pause: Duration) {
        let mut out = Vec::new();
        self.relay.tell_due_receipts(self.now, pause, &mut out);
        self.commit(out, BodyRef::default());
    }

    pub fn tells_receipts(&mut self) {
        let mut out = Vec::new();
        self.relay.tell_receipts(self.now, &mut out);
        self.commit(out, BodyRef::default());
    }

    pub fn closes(&mut self, name: &str, on: &str) {
        let at = self.at(name, on);
        let mut out = Vec::new();
        self.relay.close(at, &mut out);
        self.commit(out, BodyRef::default());
        let seen = self.see(name, on);
        (seen.connected, seen.reader) = (false, 0);
    }

    pub fn after_hours(&mut self, hours: u64) -> &mut Self {
        self.now = self.now + Duration::from_secs(hours * 3600);
        self
    }

    pub fn expires(&mut self) {
        let mut out = Vec::new();
        self.relay.expire(self.now, &mut out);
        self.commit(out, BodyRef::default());
    }

    /// The program dies, and comes back with the first `kept` records; every reader is gone.
    pub fn dies(&mut self, kept: usize) {
        self.records.truncate(kept);
        let mut restoring = Restoring::new(self.limits.clone());
        for (record, body) in &self.records {
            restoring.restore(record.clone(), *body);
        }
        self.is_restored(restoring);
        for seen in self.seen.values_mut() {
            (seen.connected, seen.reader) = (false, 0);
        }
    }

    /// The relay is what was restored.
    pub fn is_restored(&mut self, restoring: Restoring) {
        self.relay = restoring.finish().expect("a whole");
        self.copy.begin(&self.relay);
    }

    pub fn got(&mut self, name: &str, on: &str) -> Vec<u32> {
        self.see(name, on).bodies.clone()
    }

    pub fn gaps(&mut self, name: &str, on: &str) -> Vec<(u64, GapReason)> {
        self.see(name, on).gaps.clone()
    }

    pub fn ticks(&mut self, name: &str, on: &str, of: &str) -> (u64, u64) {
        let mine = self.see(name, on).ticks.clone();
        mine.iter().find(|((_, who), _)| who == of).map_or((0, 0), |(_, ticks)| *ticks)
    }

    pub fn reader(&mut self, name: &str, on: &str) -> u64 {
        self.see(name, on).reader
    }

    pub fn dead(&self) -> usize {
        self.dead.len()
    }
}

impl Seen {
    /// What a client does: what it has seen already it shows no second time.
    pub fn note(&mut self, item: &Item) {
        assert!(item.position().0 >= self.handed, "handed out in order: {item:?} after {}", self.handed);
        self.handed = item.position().0;
        match item {
            Item::Entry(entry) => {
                let place = (entry.id.conversation, entry.id.seq.0);
                if !self.places.contains(&place) {
                    self.places.push(place);
                    self.bodies.push(entry.body.offset);
                }
            }
            Item::Receipts { conversation, receipts, everyone, .. } => {
                if let Some(everyone) = everyone {
                    let all = self.alls.entry(*conversation).or_default();
                    let now = (everyone.delivered.0, everyone.read.0);
                    assert!(now.0 >= all.0 && now.1 >= all.1, "what all have only grows: {all:?}, {now:?}");
                    *all = now;
                }
                for receipt in receipts {
                    let key = (*conversation, receipt.user.as_str().to_owned());
                    let ticks = self.ticks.entry(key).or_default();
                    assert!(receipt.delivered.0 >= ticks.0 && receipt.read.0 >= ticks.1, "receipts only grow");
                    *ticks = (receipt.delivered.0, receipt.read.0);
                }
            }
            Item::Gap { upto, reason } => self.gaps.push((upto.0, *reason)),
        }
    }
}
