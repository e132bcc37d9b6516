//! A store in memory: the double of the tests. It forgets everything with the program, and nothing before.

use super::{Bodies, Body, Figures, Store, StoreError};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use tertulia_chat_core::{BodyRef, Dead, MessageId, Position, Record, Relay};
use tertulia_common::Timestamp;

/// The store.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    bodies: Arc<Mutex<FxHashMap<Position, Vec<u8>>>>,
    dead: Vec<Position>,
    figures: Figures,
}

impl Store for Memory {
    fn push(&mut self, _: &Record, body: Option<Body<'_>>) -> Result<BodyRef, StoreError> {
        let Some(body) = body else { return Ok(BodyRef::default()) };
        self.bodies.lock().insert(body.position, body.bytes.to_vec());
        let len = u32::try_from(body.bytes.len()).unwrap_or(u32::MAX);
        self.figures.live += u64::from(len);
        Ok(BodyRef { file: 0, offset: 0, len })
    }

    fn commit(&mut self, sync: bool) -> Result<(), StoreError> {
        self.figures.syncs += u64::from(sync);
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

    fn bodies(&self) -> Box<dyn Bodies> {
        Box::new(Reader(Arc::clone(&self.bodies)))
    }

    fn figures(&self) -> Figures {
        Figures { size: self.figures.live, ..self.figures }
    }
}

struct Reader(Arc<Mutex<FxHashMap<Position, Vec<u8>>>>);

impl Bodies for Reader {
    fn read(&self, _: MessageId, position: Position, _: Timestamp, _: BodyRef) -> Result<Vec<u8>, StoreError> {
        self.0.lock().get(&position).cloned().ok_or(StoreError::Gone)
    }
}
