//! Brings what had waited: to a device that came back, or was slow. Its own thread, since it may wait for the disk.

use super::lane::{Delivery, Lane};
use super::{Reader, Shared, count};
use crate::store::StoreError;
use bytes::Bytes;
use std::time::{Duration, Instant};
use tertulia_chat_core::{Entry, Item};

/// Items it takes at once: more make it hold the relay longer, fewer make it ask more often.
const PAGE: usize = 64;
/// It is woken by calls; this is only so that it does not sleep for ever.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(shared: &Shared) {
    let mut calls = Vec::new();
    while shared.calls.take(&mut calls, PATIENCE, Instant::now()) {
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
        let (mut page, upto) = {
            let mut relay = shared.relay.lock();
            (relay.take(reader.device, reader.number, PAGE), relay.settled())
        };
        count(&shared.counters.handed, page.items.len() as u64);
        let nothing = page.items.is_empty();
        (shared.together)(&mut || page.items.drain(..).for_each(|item| bring(shared, lane, item)));
        if page.drained || nothing {
            return lane.go_on(page.drained.then_some(upto));
        }
    }
}

fn bring(shared: &Shared, lane: &Lane, item: Item) {
    let read = match &item {
        Item::Entry(entry) => body(shared, entry),
        Item::Receipts { .. } | Item::Gap { .. } => Ok(Bytes::new()),
    };
    if let Some(body) = readable(shared, &item, read) {
        lane.bring(&Delivery::new(item, body));
    }
}

/// An item's body, unless it is gone, or can't be read.
pub(super) fn readable(shared: &Shared, item: &Item, read: Result<Bytes, StoreError>) -> Option<Bytes> {
    match read {
        Ok(body) => Some(body),
        Err(StoreError::Gone) => None,
        Err(error) => {
            count(&shared.counters.unreadable, 1);
            tracing::error!(position = item.position().0, %error, "a message's body can't be read");
            None
        }
    }
}

pub(super) fn body(shared: &Shared, entry: &Entry) -> Result<Bytes, StoreError> {
    // What fails here fails for the follower, too.
    body_of(shared, entry, || drop(shared.advance()))
}

/// What an entry says. `read_on`: a node that follows may not have read yet that it was moved.
pub(super) fn body_of(shared: &Shared, entry: &Entry, mut read_on: impl FnMut()) -> Result<Bytes, StoreError> {
    let Entry { id, position, sent_at, body, .. } = entry;
    let mut at = *body;
    loop {
        match shared.bodies.read(*id, *position, *sent_at, at) {
            Ok(body) => return Ok(body.into()),
            // The store has moved it since, or it was given up.
            Err(StoreError::Gone) => {
                read_on();
                let now = shared.relay.lock().locate(*id, *position);
                at = now.filter(|now| *now != at).ok_or(StoreError::Gone)?;
            }
            Err(other) => return Err(other),
        }
    }
}
