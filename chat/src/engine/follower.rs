//! A node that follows: it serves its own readers from a copy of the relay, and asks the owner for everything that is to be decided.
//!
//! ```text
//!   sessions ──commands──▶ follower ──asks──▶ owner ──records──▶ log
//!   sessions ◀──handouts── copy of the relay ◀──────read on──────┘
//! ```
//!
//! Invariants: readers are served what is durable, in its order, by the same relay as an owner's. An acknowledgement counts here at
//! once, and is asked for until the log says it. Told to lead ([`Engine::lead`]), the node claims the log, reads to its end, and only
//! then decides: what it had asked and not heard of it decides itself, under the same names.

use super::pending::{Pending, Wants};
use super::tail::{Owes, Tail};
use super::way::{Asked, Way};
use super::{Command, Engine, Outside, Pace, Reader, Rejected, Reply, Shared, committer, count, first_place};
use crate::engine::groups::{GroupCommand, GroupPage};
use crate::store::log::Log;
use crate::store::{Store, StoreError};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tertulia_chat_core::{DeviceRef, Limits, Position, Refusal, Sent, Submit};
use tertulia_common::Timestamp;

/// How a node follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Following {
    /// How often it looks by itself whether there is more to read: what a lost hint costs at most.
    pub poll: Duration,
    /// How long it waits for an answer before it asks again.
    pub again: Duration,
}

impl Default for Following {
    fn default() -> Self {
        Self { poll: Duration::from_secs(1), again: Duration::from_secs(1) }
    }
}

impl Engine {
    /// Starts on a log that other nodes share: follows whoever owns it, until it is told to [`Self::lead`]. An engine that is fenced
    /// off fails with [`StoreError::Fenced`], one that has fallen behind with [`StoreError::Behind`]: its sessions connect anew,
    /// and it may join again.
    ///
    /// # Errors
    /// If the log can't be read, or no thread can be started.
    pub fn join(
        log: Arc<dyn Log>,
        way: Arc<dyn Way>,
        limits: Limits,
        (pace, following): (Pace, Following),
        outside: Outside,
    ) -> Result<Self, StoreError> {
        let (relay, mark) = log.restore(limits)?;
        let Outside { now, on_failure, wake, together } = outside;
        let shared = Arc::new(Shared::new(relay, log.bodies(), pace, together));
        *shared.tail.lock() = Some(Tail::new(Arc::clone(&log), mark));
        let weak = Arc::downgrade(&shared);
        log.watch(Box::new(move || weak.upgrade().is_some_and(|shared| shared.hint())));
        Self::run(shared, move |shared| {
            let pending = Pending::new(pace.queue_max, following.again);
            let mut follower =
                Follower { shared, way: &*way, following, pending, queue_max: pace.queue_max, lead: None };
            match follower.run(&*now) {
                Ok(Some((store, first))) => {
                    committer::run(shared, store, pace, (&*now, on_failure, &*wake), first);
                }
                Ok(None) => follower.pending.refuse(),
                Err(error) => {
                    committer::fail(shared, &error, on_failure);
                    follower.pending.refuse();
                }
            }
        })
        .map_err(StoreError::Thread)
    }

    /// Takes the slice over: from now on this node owns it, and whoever did does not. Answered when it does; an owner does already.
    /// Who is to do so is for others to agree on, by a lease: two that try fence each other off, and no harm is done.
    pub fn lead(&self, answer: impl FnOnce(Result<(), Rejected>) + Send + 'static) {
        self.ask(Command::Lead { reply: Box::new(answer) });
    }
}

impl Shared {
    /// There may be more to read. False: this node reads no longer.
    fn hint(&self) -> bool {
        if !self.hinted.swap(true, Ordering::AcqRel) {
            self.inbox.push(Command::Hint).ok();
        }
        !self.leads.load(Ordering::Acquire)
    }
}

struct Follower<'a> {
    shared: &'a Arc<Shared>,
    way: &'a dyn Way,
    following: Following,
    pending: Pending,
    queue_max: usize,
    lead: Option<Reply<()>>,
}

/// A node that leads now: its store, and what it decides first.
type Leading = (Box<dyn Store>, Vec<Command>);

impl Follower<'_> {
    /// Follows until it leads, or ends.
    fn run(&mut self, now: &dyn Fn() -> Timestamp) -> Result<Option<Leading>, StoreError> {
        let shared = Arc::clone(self.shared);
        let mut waiting = Vec::new();
        loop {
            let goes_on = shared.inbox.take(&mut waiting, self.following.poll, Instant::now());
            shared.hinted.store(false, Ordering::Release);
            let mut went = Ok(());
            (shared.together)(&mut || {
                went = shared.advance();
                if went.is_ok() {
                    waiting.drain(..).for_each(|command| self.take(command));
                }
            });
            went?;
            self.ask_owner();
            if let Some(reply) = self.lead.take() {
                return self.take_over(now(), reply).map(Some);
            }
            if !goes_on {
                return Ok(None);
            }
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Open { user, device, reply } => {
                let known = self.shared.relay.lock().device(&user, &device);
                match known {
                    Some(device) => reply(Ok(device)),
                    None => self.add(Asked::Open { user, device }, Wants::Opened(reply), None),
                }
            }
            Command::Send { from, submit, body, reply } => self.send(from.device, submit, body, reply),
            Command::Note { note, body, reply } => self.add(Asked::Note { note, body }, Wants::Sent(reply), None),
            Command::Acknowledge { reader, upto, .. } => self.acknowledge(reader, upto),
            Command::Read { reader, conversation, upto, reply } => {
                let name = self.shared.relay.lock().name(reader.device);
                let Some((user, device)) = name else { return reply(Err(Refusal::DeviceGone.into())) };
                self.add(Asked::Read { user, device, conversation, upto }, Wants::Done(reply), None);
            }
            Command::Detach { reader } => self.shared.relay.lock().detach(reader.device, reader.number),
            Command::Close { user, device } => self.add(Asked::Close { user, device }, Wants::Nobody, None),
            Command::Remove { user } => self.add(Asked::Remove { user }, Wants::Nobody, None),
            Command::Groups(command) => self.groups(command),
            Command::Look { look, reply } => {
                let looked = self.shared.relay.lock().look(&look);
                reply(looked.map_err(Rejected::from));
            }
            Command::Tidy { reply } => reply(Ok(())),
            Command::Asked { answer, .. } => answer(Err(Rejected::Ended)),
            Command::Answered { number, answer } => {
                if let Some((asked, wants)) = self.pending.answered(number, &answer) {
                    // The log was read after the answer had come: what was opened is in it.
                    let opened = match asked {
                        Asked::Open { user, device } => self.shared.relay.lock().device(&user, &device),
                        _ => None,
                    };
                    wants.hear(opened, answer);
                }
            }
            Command::Hint => {}
            Command::Lead { reply } => self.lead = Some(reply),
        }
    }

    fn send(&mut self, from: DeviceRef, submit: Submit, body: Bytes, reply: Reply<Sent>) {
        let relay = self.shared.relay.lock();
        let (name, had) = (relay.name(from), relay.acknowledged_upto(from));
        let is_known = relay.knows(from, submit.client_id);
        drop(relay);
        let Some((user, device)) = name else { return reply(Err(Refusal::DeviceGone.into())) };
        let mut tail = self.shared.tail.lock();
        let tail = tail.as_mut().filter(|_| !is_known);
        let place = tail.map(|tail| tail.awaits(from, submit.client_id, self.queue_max)).unwrap_or_default();
        let reply = move |answer: Result<Sent, Rejected>| {
            reply(answer.map(|sent| Sent { position: sent.position.or_else(|| place.get().copied()), ..sent }));
        };
        let asked = Asked::Send { user, device, submit, body, had };
        self.add(asked, Wants::Sent(Box::new(reply)), Some(from));
    }

    fn acknowledge(&mut self, reader: Reader, upto: Position) {
        let mut relay = self.shared.relay.lock();
        let mut moved = Vec::new();
        let acknowledged = relay.acknowledge(reader.device, reader.number, upto, &mut moved);
        let is_behind = relay.is_behind(reader.device, reader.number);
        drop(relay);
        if acknowledged == Err(Refusal::NotHandedOut) {
            count(&self.shared.counters.bad_acknowledgements, 1);
        }
        if !moved.is_empty()
            && let Some(tail) = &mut *self.shared.tail.lock()
        {
            tail.owes.insert(reader.device, Owes { upto, asked_at: None });
        }
        if is_behind {
            self.shared.call(reader);
        }
    }

    /// To be asked of the owner, unless too much is.
    fn add(&mut self, asked: Asked, wants: Wants, device: Option<DeviceRef>) {
        if let Err(wants) = self.pending.add(asked, wants, device) {
            count(&self.shared.counters.busy, 1);
            wants.refuse(Rejected::Busy);
        }
    }

    fn groups(&mut self, command: GroupCommand) {
        let relay = &self.shared.relay;
        match command {
            GroupCommand::Change { ask, reply } => self.add(Asked::Change(ask), Wants::Changed(reply), None),
            GroupCommand::View { user, group, reply } => {
                let view = relay.lock().group(&user, group);
                reply(Ok(view));
            }
            GroupCommand::List { user, after, max, reply } => {
                let (groups, has_more) = relay.lock().groups(&user, after, max);
                reply(Ok(GroupPage { groups, has_more }));
            }
        }
    }

    /// Asks what is to be asked. Answers come into the inbox.
    fn ask_owner(&mut self) {
        for (number, asked) in self.pending.due() {
            let shared = Arc::downgrade(self.shared);
            self.way.ask(
                asked,
                Box::new(move |answer| {
                    if let Some(shared) = shared.upgrade() {
                        // Refused only when this node ends.
                        shared.inbox.push(Command::Answered { number, answer }).ok();
                    }
                }),
            );
        }
        let now = Instant::now();
        let mut due = Vec::new();
        if let Some(tail) = &mut *self.shared.tail.lock() {
            for (device, owes) in &mut tail.owes {
                if owes.asked_at.is_none_or(|at| now >= at + self.following.again) {
                    owes.asked_at = Some(now);
                    due.push((*device, owes.upto));
                }
            }
        }
        for (device, upto) in due {
            let name = self.shared.relay.lock().name(device);
            if let Some((user, device)) = name {
                self.way.ask(Asked::Acknowledge { user, device, upto }, Box::new(drop));
            }
        }
    }

    /// The log is this node's from now on.
    fn take_over(&mut self, now: Timestamp, reply: Reply<()>) -> Result<Leading, StoreError> {
        let shared = self.shared;
        let log = shared.tail.lock().as_ref().map(|tail| Arc::clone(&tail.log)).ok_or(StoreError::Fenced)?;
        let mut store = log.claim()?;
        // What was confirmed before the claim is in the log; nothing is after it.
        shared.advance()?;
        let mut tail = shared.tail.lock();
        let owes = tail.take().map(|tail| tail.owes).unwrap_or_default();
        shared.leads.store(true, Ordering::Release);
        let mut relay = shared.relay.lock();
        store.adopt(&relay);
        let mut records = Vec::new();
        relay.begin_above(first_place(now), &mut records);
        relay.lead(now);
        records
            .extend(owes.keys().filter(|device| relay.name(**device).is_some()).map(|device| relay.restate(*device)));
        for record in &records {
            store.push(record, None)?;
        }
        drop(relay);
        store.commit(true)?;
        let pending = Pending::new(0, self.following.again);
        let mut first: Vec<Command> = std::mem::replace(&mut self.pending, pending).into_commands().collect();
        first.push(Command::Lead { reply });
        Ok((store, first))
    }
}
