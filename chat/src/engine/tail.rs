//! Where a node that follows has come in the log, and how it goes on: records are told to the copy of the relay, and what they bring is
//! handed out.
//!
//! Invariant: one thread at a time goes on, and hands out all that it has found before the next does. So lanes hear their mailboxes
//! in order, whoever asks: the follower, or the postman who misses a body that the owner has moved.

use super::{Shared, postman};
use crate::store::StoreError;
use crate::store::log::{Log, Mark};
use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;
use tertulia_chat_core::{BodyRef, ClientId, DeviceRef, Diverged, Handout, Item, Position, Record, Relay, Replica};

/// Where it has come.
pub(crate) struct Tail {
    pub(crate) log: Arc<dyn Log>,
    mark: Mark,
    replica: Replica,
    records: Vec<(Record, BodyRef)>,
    /// What devices here have acknowledged and the log does not say yet: at most one for each.
    pub(crate) owes: FxHashMap<DeviceRef, Owes>,
    /// Messages that were asked for here, and were not known: where they stand once the log says it.
    pub(crate) awaited: FxHashMap<(DeviceRef, ClientId), Weak<OnceLock<Position>>>,
    /// The copy was told a part of what belongs together: it is of no use.
    is_broken: bool,
}

/// An acknowledgement that the owner is to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owes {
    pub(crate) upto: Position,
    /// When the owner was last asked to.
    pub(crate) asked_at: Option<Instant>,
}

impl Tail {
    pub(crate) fn new(log: Arc<dyn Log>, mark: Mark) -> Self {
        Self {
            log,
            mark,
            replica: Replica::default(),
            records: Vec::new(),
            owes: FxHashMap::default(),
            awaited: FxHashMap::default(),
            is_broken: false,
        }
    }

    /// A message that is asked for now. If it comes into the log from here on it is new, also where its answer is lost, and the
    /// next says that it is known.
    pub(crate) fn awaits(&mut self, device: DeviceRef, client_id: ClientId, max: usize) -> Arc<OnceLock<Position>> {
        if self.awaited.len() >= max {
            // Those that were refused.
            self.awaited.retain(|_, place| place.strong_count() > 0);
        }
        let place = Arc::default();
        self.awaited.insert((device, client_id), Arc::downgrade(&place));
        place
    }

    /// Reads to the end of the log, and says what is to be handed out.
    fn read(&mut self, relay: &Mutex<Relay>, handouts: &mut VecDeque<Handout>) -> Result<(), StoreError> {
        if self.is_broken {
            return Err(Diverged.into());
        }
        let Self { log, mark, replica, records, owes, awaited, is_broken } = self;
        *mark = log.read(*mark, &mut |record, body| records.push((record, body)))?;
        if records.is_empty() {
            return Ok(());
        }
        // Until all of it was told.
        *is_broken = true;
        let mut relay = relay.lock();
        for (record, body) in records.drain(..) {
            replica.apply(&mut relay, &record, body)?;
            if let Record::Message { sender, device, client_id, position, .. } = &record
                && let Some(device) = relay.device(sender, device)
                && let Some(place) = awaited.remove(&(device, *client_id)).and_then(|place| place.upgrade())
            {
                place.set(*position).ok();
            }
            let written = match &record {
                Record::Acknowledged { user, device, upto } => Some((user, device, upto)),
                Record::Device { user, device, acknowledged, .. } => Some((user, device, acknowledged)),
                _ => None,
            };
            if let Some((user, Some(device), upto)) = written
                && let Some(device) = relay.device(user, device)
                && owes.get(&device).is_some_and(|owes| owes.upto <= *upto)
            {
                owes.remove(&device);
            }
        }
        replica.end(&mut relay)?;
        let upto = relay.reached();
        handouts.extend(relay.settle(upto));
        *is_broken = false;
        Ok(())
    }
}

impl Shared {
    /// Goes on to the end of the log. An owner has nothing to read.
    pub(crate) fn advance(&self) -> Result<(), StoreError> {
        let mut tail = self.tail.lock();
        let Some(tail) = tail.as_mut() else { return Ok(()) };
        let mut handouts = VecDeque::new();
        tail.read(&self.relay, &mut handouts)?;
        while let Some(Handout { item, to }) = handouts.pop_front() {
            let mut went = Ok(());
            let read = match &item {
                Item::Entry(entry) => postman::body_of(self, entry, || went = tail.read(&self.relay, &mut handouts)),
                Item::Receipts { .. } | Item::Gap { .. } => Ok(Bytes::new()),
            };
            went?;
            if let Some(body) = postman::readable(self, &item, read) {
                self.hand(item, body, &to);
            }
        }
        Ok(())
    }
}
