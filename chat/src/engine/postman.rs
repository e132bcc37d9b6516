//! Brings what had waited: to a device that came back, or was slow. Its own thread, since it may wait for the disk.

use super::lane::{Delivery, Lane};
use super::{Reader, Shared, count};
use crate::store::StoreError;
use bytes::Bytes;
use std::time::Duration;
use tertulia_chat_core::{Entry, Item};

/// Items it takes at once: more make it hold the relay longer, fewer make it ask more often.
const PAGE: usize = 64;
/// It is woken by calls; this is only so that it does not sleep for ever.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(shared: &Shared) {
    let mut calls = Vec::new();
    while shared.calls.take(&mut calls, PATIENCE) {
        for reader in calls.drain(..) {
            let lane = shared.lanes.lock().get(&reader.number).cloned();
            if let Some(lane) = lane {
                serve(shared, reader, &lane);
            }
        }
    }
}

fn serve(shared: &Shared, reader: Reader, lane: &Lane) {
    loop {
        let (page, upto) = {
            let mut relay = shared.relay.lock();
            (relay.take(reader.device, reader.number, PAGE), relay.settled())
        };
        count(&shared.counters.handed, page.items.len() as u64);
        let nothing = page.items.is_empty();
        for item in page.items {
            let read = match &item {
                Item::Entry(entry) => body(shared, entry),
                Item::Receipts { .. } | Item::Gap { .. } => Ok(Bytes::new()),
            };
            match read {
                Ok(body) => lane.bring(&Delivery::new(item, body)),
                Err(StoreError::Gone) => {}
                Err(error) => {
                    count(&shared.counters.unreadable, 1);
                    tracing::error!(position = item.position().0, %error, "a message's body can't be read");
                }
            }
        }
        if page.drained || nothing {
            return lane.go_on(page.drained.then_some(upto));
        }
    }
}

pub(super) fn body(shared: &Shared, entry: &Entry) -> Result<Bytes, StoreError> {
    let Entry { id, position, sent_at, body, .. } = entry;
    let mut at = *body;
    loop {
        match shared.bodies.read(*id, *position, *sent_at, at) {
            Ok(body) => return Ok(body.into()),
            // The store has moved it since, or it was given up.
            Err(StoreError::Gone) => {
                let now = shared.relay.lock().locate(*id, *position);
                at = now.filter(|now| *now != at).ok_or(StoreError::Gone)?;
            }
            Err(other) => return Err(other),
        }
    }
}
