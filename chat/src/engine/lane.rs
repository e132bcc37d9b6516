//! The way to one reader. Two threads bring things: the committer what is new, the postman what had waited.
//!
//! Invariant: an outlet hears a mailbox's items in their order. While the postman is on his way ([`Lane::hold`]), what is new
//! waits behind him.

use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use tertulia_chat_core::{Item, Position};

/// Forms that readers may keep of a delivery.
pub const SLOTS: usize = 3;

/// An item with its body, for all its readers.
#[derive(Debug)]
pub struct Delivery {
    /// What.
    pub item: Item,
    /// The message's body; empty for what is no message.
    pub body: Bytes,
    /// What readers made of it, by a number of theirs: encoded once, however many get it.
    pub slots: [OnceLock<Bytes>; SLOTS],
}

impl Delivery {
    pub(crate) fn new(item: Item, body: Bytes) -> Arc<Self> {
        Arc::new(Self { item, body, slots: [const { OnceLock::new() }; SLOTS] })
    }
}

/// Where a reader hears. Called from the engine's threads: it must not wait for anything.
pub trait Outlet: Send + Sync {
    /// The next item.
    fn deliver(&self, delivery: &Arc<Delivery>);

    /// Everything that had waited has been delivered.
    fn drained(&self, upto: Position);
}

pub(crate) struct Lane {
    outlet: Arc<dyn Outlet>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Times the postman was called and has not come back.
    calls: usize,
    behind: Vec<Arc<Delivery>>,
    drained: bool,
}

impl Lane {
    pub(crate) fn new(outlet: Arc<dyn Outlet>) -> Self {
        Self { outlet, state: Mutex::default() }
    }

    /// The postman is called.
    pub(crate) fn hold(&self) {
        self.state.lock().calls += 1;
    }

    /// The committer brings what is new.
    pub(crate) fn follow(&self, delivery: &Arc<Delivery>) {
        let mut state = self.state.lock();
        if state.calls > 0 {
            state.behind.push(Arc::clone(delivery));
        } else {
            self.outlet.deliver(delivery);
        }
    }

    /// The postman brings what had waited. What was handed out while he was on his way may be from before it: the reader followed,
    /// fell behind again, and called him once more.
    pub(crate) fn bring(&self, delivery: &Arc<Delivery>) {
        let mut state = self.state.lock();
        let position = delivery.item.position();
        let earlier = state.behind.iter().take_while(|waits| waits.item.position() < position).count();
        state.behind.drain(..earlier).for_each(|waits| self.outlet.deliver(&waits));
        self.outlet.deliver(delivery);
    }

    /// The postman has brought everything, or as much as the reader may owe.
    pub(crate) fn go_on(&self, drained: Option<Position>) {
        let mut state = self.state.lock();
        state.calls = state.calls.saturating_sub(1);
        if let Some(upto) = drained.filter(|_| !state.drained) {
            state.drained = true;
            self.outlet.drained(upto);
        }
        if state.calls == 0 {
            std::mem::take(&mut state.behind).iter().for_each(|delivery| self.outlet.deliver(delivery));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tertulia_chat_core::GapReason;

    #[derive(Default)]
    struct Heard(Mutex<Vec<u64>>);

    impl Outlet for Heard {
        fn deliver(&self, delivery: &Arc<Delivery>) {
            self.0.lock().push(delivery.item.position().0);
        }

        fn drained(&self, _: Position) {}
    }

    fn at(position: u64) -> Arc<Delivery> {
        Delivery::new(Item::Gap { upto: Position(position), reason: GapReason::Quota }, Bytes::new())
    }

    #[test]
    fn m3_what_was_handed_out_while_the_postman_came_is_heard_before_what_he_brings_the_next_time() {
        let heard = Arc::new(Heard::default());
        let lane = Lane::new(Arc::clone(&heard) as Arc<dyn Outlet>);
        // Called twice, he comes twice.
        lane.hold();
        lane.hold();
        lane.bring(&at(1));
        lane.follow(&at(2));
        lane.go_on(Some(Position(1)));
        // It owed too much, and has acknowledged: three waited.
        lane.bring(&at(3));
        lane.follow(&at(4));
        lane.go_on(None);
        assert_eq!(*heard.0.lock(), [1, 2, 3, 4]);
    }
}
