//! A copy of the scene's relay that is told its records alone, and must be as it is.

use std::collections::BTreeSet;
use tertulia_chat_core::{BodyRef, Item, Limits, Position, Record, Relay, Replica};
use tertulia_common::{DeviceId, UserId};

/// The number of a reader that no scene gives.
const NOBODYS: u64 = u64::MAX;

pub struct Copy {
    relay: Relay,
    replica: Replica,
}

/// What of a relay can be seen from outside, and must survive.
#[derive(Debug, PartialEq, Eq)]
struct Sight {
    live: BTreeSet<(Position, u32)>,
    records: Vec<Record>,
    waiting: Vec<(UserId, DeviceId, Vec<Item>, bool)>,
    reached: Position,
    depths: (usize, usize, u64, u32),
}

fn sight(relay: &Relay, about: &[Record], devices: &[(UserId, DeviceId)]) -> Sight {
    let mut records = Vec::new();
    about.iter().for_each(|record| relay.snapshot(record, &mut records));
    relay.marks(&mut records);
    let mut reading = relay.clone();
    let mut waiting = Vec::new();
    for (user, device) in devices {
        let Some(at) = reading.device(user, device) else { continue };
        reading.attach(at, NOBODYS);
        let page = reading.take(at, NOBODYS, usize::MAX);
        waiting.push((user.clone(), device.clone(), page.items, page.drained));
    }
    let depths = relay.depths();
    Sight {
        live: relay.live().map(|live| (live.position, live.body.offset)).collect(),
        records,
        waiting,
        reached: relay.reached(),
        depths: (depths.conversations, depths.mailboxes, depths.entries, depths.deepest),
    }
}

impl Copy {
    pub fn new(limits: Limits) -> Self {
        Self { relay: Relay::new(limits), replica: Replica::default() }
    }

    /// Begins anew from what a crash has left.
    pub fn begin(&mut self, relay: &Relay) {
        *self = Self { relay: relay.clone(), replica: Replica::default() };
    }

    /// What was written together.
    pub fn hear(&mut self, records: &[(Record, BodyRef)]) {
        for (record, body) in records {
            self.replica
                .apply(&mut self.relay, record, *body)
                .unwrap_or_else(|diverged| panic!("{diverged}: {record:?}"));
        }
        self.replica.end(&mut self.relay).expect("a whole");
        self.relay.settle(self.relay.reached());
    }

    /// It is as the one that it is a copy of.
    pub fn is_as(&self, relay: &Relay, about: &[Record], devices: &[(UserId, DeviceId)]) {
        let (copy, original) = (sight(&self.relay, about, devices), sight(relay, about, devices));
        for (copy, original) in copy.records.iter().zip(&original.records) {
            assert_eq!(copy, original);
        }
        for (copy, original) in copy.waiting.iter().zip(&original.waiting) {
            assert_eq!(copy, original);
        }
        assert!(copy == original, "{:?} {:?}, {:?} {:?}", copy.live, copy.depths, original.live, original.depths);
    }
}
