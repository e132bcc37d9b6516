//! A store in memory: the double of the tests. It forgets everything with the program, and nothing before.

use super::log::{Mark, Shareable};
use super::{Bodies, Body, Figures, Store, StoreError};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use tertulia_chat_core::{BodyRef, Dead, MessageId, Position, Record, Relay};
use tertulia_common::Timestamp;

/// The store.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// What is durable, as far as memory is: with it everything that was committed lazily before.
    log: Vec<(Record, BodyRef)>,
    committed: Vec<Pushed>,
    pushed: Vec<Pushed>,
    bodies: Arc<Mutex<FxHashMap<Position, Vec<u8>>>>,
    dead: Vec<Position>,
    figures: Figures,
}

/// A record on its way, and its body.
type Pushed = (Record, BodyRef, Option<(Position, Vec<u8>)>);

impl Store for Memory {
    fn push(&mut self, record: &Record, body: Option<Body<'_>>) -> Result<BodyRef, StoreError> {
        let len = body.map_or(0, |body| u32::try_from(body.bytes.len()).unwrap_or(u32::MAX));
        let at = BodyRef { file: 0, offset: 0, len };
        self.pushed.push((record.clone(), at, body.map(|body| (body.position, body.bytes.to_vec()))));
        Ok(at)
    }

    fn commit(&mut self, sync: bool) -> Result<(), StoreError> {
        self.committed.append(&mut self.pushed);
        self.figures.syncs += u64::from(sync);
        if sync {
            let mut bodies = self.bodies.lock();
            for (record, at, body) in self.committed.drain(..) {
                self.log.push((record, at));
                self.figures.live += u64::from(at.len);
                bodies.extend(body);
            }
        }
        Ok(())
    }

    fn is_short(&self) -> bool {
        false
    }

    fn release(&mut self, dead: &[Dead]) {
        self.dead.extend(dead.iter().map(|dead| dead.position));
    }

    fn tidy(&mut self, _: &Mutex<Relay>, _: Timestamp) -> Result<(), StoreError> {
        let mut bodies = self.bodies.lock();
        for position in self.dead.drain(..) {
            self.figures.live -= bodies.remove(&position).map_or(0, |body| body.len() as u64);
        }
        Ok(())
    }

    fn adopt(&mut self, relay: &Relay) {
        let live: Vec<Position> = relay.live().map(|live| live.position).collect();
        self.dead.extend(self.bodies.lock().keys().filter(|position| !live.contains(position)));
    }

    fn bodies(&self) -> Box<dyn Bodies> {
        Box::new(Reader(Arc::clone(&self.bodies)))
    }

    fn figures(&self) -> Figures {
        Figures { size: self.figures.live, ..self.figures }
    }
}

impl Shareable for Memory {
    fn beginning(&self) -> Mark {
        Mark::default()
    }

    fn abandon(&mut self) -> Result<(), StoreError> {
        self.pushed.clear();
        self.commit(true)
    }

    fn read(&self, after: Mark, each: &mut dyn FnMut(Record, BodyRef)) -> Result<Mark, StoreError> {
        let read = usize::try_from(after.file).unwrap_or(usize::MAX);
        self.log.iter().skip(read).for_each(|(record, at)| each(record.clone(), *at));
        Ok(Mark { file: self.log.len() as u64, offset: 0 })
    }
}

struct Reader(Arc<Mutex<FxHashMap<Position, Vec<u8>>>>);

impl Bodies for Reader {
    fn read(&self, _: MessageId, position: Position, _: Timestamp, _: BodyRef) -> Result<Vec<u8>, StoreError> {
        self.0.lock().get(&position).cloned().ok_or(StoreError::Gone)
    }
}
