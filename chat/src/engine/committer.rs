//! The committer: takes what waits, decides it, writes it with one sync, and tells it.

mod asked;
mod groups;

use super::{Command, Pace, Reader, Rejected, Reply, Shared, count};
use crate::store::{Body, Store, StoreError};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::time::{Duration, Instant};
use tertulia_chat_core::{BodyRef, Dead, Handout, Item, Position, Record, Refusal, Relay, Sent};
use tertulia_common::{Timestamp, UserId};

/// Commands that are decided and written together: more make one sync serve more, and the first wait longer.
const BATCH_MAX: usize = 512;

/// What is told when the batch is durable.
type Told = Box<dyn FnOnce() + Send>;

struct Committer<'a> {
    shared: &'a Shared,
    store: Box<dyn Store>,
    pace: Pace,
    receipts_at: Timestamp,
    tidy_at: Timestamp,
    told: Vec<Told>,
    /// What is told when the receipts that are being gathered are durable.
    reads: Vec<Told>,
    bodies: FxHashMap<Position, Bytes>,
    behind: Vec<Reader>,
    records: Vec<Record>,
    tidy: Vec<Reply<()>>,
    /// Something was decided that must be durable before it is told.
    sync: bool,
    /// The next sync begins no sooner.
    sync_at: Instant,
}

/// The clock, what to do when the store fails, and how people are woken.
type World<'a> = (&'a dyn Fn() -> Timestamp, Box<dyn FnOnce(&StoreError) + Send>, &'a dyn Fn(Vec<UserId>));

/// Decides until the engine ends; what is in `first` before all else.
pub(crate) fn run(
    shared: &Shared,
    store: Box<dyn Store>,
    pace: Pace,
    (now, on_failure, wake): World<'_>,
    first: Vec<Command>,
) {
    let start = now();
    let mut committer = Committer {
        shared,
        store,
        pace,
        receipts_at: start,
        tidy_at: start,
        told: Vec::new(),
        reads: Vec::new(),
        bodies: FxHashMap::default(),
        behind: Vec::new(),
        records: Vec::new(),
        tidy: Vec::new(),
        sync: false,
        sync_at: Instant::now(),
    };
    if let Err(error) = committer.turn(now(), first, wake).and_then(|()| committer.run(now, wake)) {
        fail(shared, &error, on_failure);
    }
}

/// Nothing is confirmed from here on: who waits hears that it ended.
pub(crate) fn fail(shared: &Shared, error: &StoreError, on_failure: Box<dyn FnOnce(&StoreError) + Send>) {
    shared.inbox.close();
    let mut left = Vec::new();
    shared.inbox.take(&mut left, Duration::ZERO, Instant::now());
    on_failure(error);
    left.into_iter().for_each(|command| command.refuse(&Rejected::Ended));
}

impl Committer<'_> {
    fn run(&mut self, now: &dyn Fn() -> Timestamp, wake: &dyn Fn(Vec<UserId>)) -> Result<(), StoreError> {
        let mut waiting = Vec::new();
        loop {
            let patience = self.patience(now());
            let goes_on = self.shared.inbox.take(&mut waiting, patience, self.sync_at);
            let mut commands = std::mem::take(&mut waiting);
            let mut rest = commands.drain(..);
            // With nobody waiting there may still be something due.
            loop {
                let some = rest.by_ref().take(BATCH_MAX).collect();
                self.turn(now(), some, wake)?;
                if rest.len() == 0 {
                    break;
                }
            }
            drop(rest);
            waiting = commands;
            if !goes_on {
                self.store.commit(true)?;
                return Ok(());
            }
        }
    }

    /// How long there is nothing to do unless somebody asks.
    fn patience(&self, now: Timestamp) -> Duration {
        let relay = self.shared.relay.lock();
        // Where a talk is let alone for longer, what is acknowledged in it meanwhile must not wake us each time.
        let soon = now + Duration::from_millis(self.pace.receipts_ms.max(1));
        let receipts = relay.receipts_due_at().map(|due| due.max(self.receipts_at).min(soon));
        let next = [receipts, relay.wake_at()].into_iter().flatten().fold(self.tidy_at, Timestamp::min);
        next - now
    }

    /// How long a conversation is let alone after it was told of.
    fn pause(&self) -> Duration {
        Duration::from_millis(self.pace.talk_receipts_ms)
    }

    fn turn(&mut self, now: Timestamp, commands: Vec<Command>, wake: &dyn Fn(Vec<UserId>)) -> Result<(), StoreError> {
        let upto = {
            let mut relay = self.shared.relay.lock();
            for command in commands {
                self.decide(&mut relay, now, command)?;
            }
            if now >= self.receipts_at && relay.receipts_due_at().is_some_and(|due| due <= now) {
                relay.tell_due_receipts(now, self.pause(), &mut self.records);
                self.receipts_at = now + Duration::from_millis(self.pace.receipts_ms);
                self.write(&mut relay)?;
            }
            if !relay.has_reads() {
                self.told.append(&mut self.reads);
            }
            relay.reached()
        };
        if self.sync {
            self.sync_at = Instant::now() + Duration::from_millis(self.pace.sync_every_ms);
        }
        self.store.commit(std::mem::take(&mut self.sync))?;
        let (handouts, dead, woken) = {
            let mut relay = self.shared.relay.lock();
            (relay.settle(upto), relay.take_dead(), relay.wake(now))
        };
        let told = std::mem::take(&mut self.told);
        self.say(told, handouts);
        self.bodies.clear();
        self.forget(&dead);
        self.behind.drain(..).for_each(|reader| self.shared.call(reader));
        if !woken.is_empty() {
            wake(woken);
        }
        if now >= self.tidy_at || !self.tidy.is_empty() {
            self.tidy(now)?;
        }
        Ok(())
    }

    fn decide(&mut self, relay: &mut Relay, now: Timestamp, command: Command) -> Result<(), StoreError> {
        match command {
            Command::Open { user, device, reply } => {
                let opened = relay.open(&user, &device, &mut self.records);
                self.write(relay)?;
                self.tell(reply, opened);
            }
            Command::Send { reply, .. } | Command::Note { reply, .. } if self.store.is_short() => {
                count(&self.shared.counters.full, 1);
                self.told.push(Box::new(move || reply(Err(Rejected::Full))));
            }
            Command::Send { from, submit, body, reply } => {
                let sent = relay.send(now, from.device, &submit, &mut self.records);
                self.sent(relay, sent, body, reply)?;
            }
            Command::Note { note, body, reply } => {
                let noted = relay.note(now, &note, &mut self.records);
                self.sent(relay, noted, body, reply)?;
            }
            Command::Acknowledge { reader: Reader { device, number }, upto, .. } => {
                match relay.acknowledge(device, number, upto, &mut self.records) {
                    Ok(()) => self.write(relay)?,
                    Err(Refusal::NotHandedOut) => count(&self.shared.counters.bad_acknowledgements, 1),
                    // It was displaced meanwhile.
                    Err(_) => {}
                }
                if relay.is_behind(device, number) {
                    self.behind.push(Reader { device, number });
                }
            }
            Command::Read { reader, conversation, upto, reply } => {
                let read = relay.read(reader.device, conversation, upto);
                if read.is_ok() && relay.has_reads() {
                    // What was read is durable with the receipts that tell it.
                    self.reads.push(Box::new(move || reply(Ok(()))));
                } else {
                    self.tell(reply, read);
                }
            }
            Command::Detach { reader } => relay.detach(reader.device, reader.number),
            Command::Close { user, device } => {
                if let Some(device) = relay.device(&user, &device) {
                    relay.close(device, &mut self.records);
                    self.write(relay)?;
                }
            }
            Command::Remove { user } => {
                let made = relay.remove(now, &user, &mut self.records);
                self.made(relay, &made)?;
            }
            Command::Groups(command) => self.groups(relay, now, command)?,
            Command::Look { look, reply } => {
                let looked = relay.look(&look);
                let cut = looked.as_ref().is_ok_and(|looked| looked.cut);
                count(&self.shared.counters.cut_looks, cut.into());
                self.tell(reply, looked);
            }
            Command::Tidy { reply } => self.tidy.push(reply),
            Command::Asked { asked, answer } => self.asked(relay, now, asked, answer)?,
            Command::Lead { reply } => self.tell(reply, Ok(())),
            // From when this node followed.
            Command::Answered { .. } | Command::Hint => {}
        }
        Ok(())
    }

    /// Writes a message that has its place, with its body.
    fn sent(
        &mut self,
        relay: &mut Relay,
        sent: Result<Sent, Refusal>,
        body: Bytes,
        reply: Reply<Sent>,
    ) -> Result<(), StoreError> {
        if let Ok(Sent { position, .. }) = &sent {
            let counters = &self.shared.counters;
            count(if position.is_some() { &counters.sent } else { &counters.duplicates }, 1);
            if let Some(position) = position {
                self.bodies.insert(*position, body);
            }
        }
        self.write(relay)?;
        self.tell(reply, sent);
        Ok(())
    }

    /// Answers when the batch is durable.
    fn tell<T: Send + 'static>(&mut self, reply: Reply<T>, answer: Result<T, Refusal>) {
        if answer.is_err() {
            count(&self.shared.counters.refused, 1);
        }
        self.told.push(Box::new(move || reply(answer.map_err(Rejected::from))));
    }

    /// Writes what was decided; an entry's record with its body.
    fn write(&mut self, relay: &mut Relay) -> Result<(), StoreError> {
        for record in self.records.drain(..) {
            self.sync |= !matches!(record, Record::Acknowledged { .. });
            let entry = record.entry();
            let body = entry.and_then(|(_, position, sent_at)| {
                self.bodies.get(&position).map(|bytes| Body { position, sent_at, bytes })
            });
            let at: BodyRef = self.store.push(&record, body)?;
            if let (Some(body), Some((id, ..))) = (body, entry) {
                relay.placed(id, body.position, at);
            }
        }
        Ok(())
    }

    /// Tells what is durable.
    fn say(&self, mut told: Vec<Told>, mut handouts: Vec<Handout>) {
        if told.is_empty() && handouts.is_empty() {
            return;
        }
        (self.shared.together)(&mut || {
            told.drain(..).for_each(|tell| tell());
            handouts.drain(..).for_each(|handout| self.hand(handout));
        });
    }

    fn hand(&self, handout: Handout) {
        let Handout { item, to } = handout;
        let body = match &item {
            Item::Entry(entry) => self.bodies.get(&entry.position).cloned().unwrap_or_default(),
            Item::Receipts { .. } | Item::Gap { .. } => Bytes::new(),
        };
        self.shared.hand(item, body, &to);
    }

    fn forget(&mut self, dead: &[Dead]) {
        count(&self.shared.counters.forgotten, dead.len() as u64);
        self.store.release(dead);
    }

    fn tidy(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.tidy_at = now + Duration::from_millis(self.pace.tidy_ms);
        {
            let mut relay = self.shared.relay.lock();
            relay.expire(now, &mut self.records);
            self.write(&mut relay)?;
        }
        // Acknowledgements are durable before what they were for is forgotten.
        self.store.commit(true)?;
        let dead = self.shared.relay.lock().take_dead();
        self.forget(&dead);
        self.store.tidy(&self.shared.relay, now)?;
        // To give back room receipts may have been written ahead of their time.
        let (handouts, written) = {
            let mut relay = self.shared.relay.lock();
            let upto = relay.reached();
            (relay.settle(upto), !relay.has_reads())
        };
        let told = if written { std::mem::take(&mut self.reads) } else { Vec::new() };
        self.say(told, handouts);
        *self.shared.figures.lock() = self.store.figures();
        self.tidy.drain(..).for_each(|reply| reply(Ok(())));
        Ok(())
    }
}
