//! One load for all who wait for the same.
//!
//! Invariant: for a key there is at most one flight that may land in the cache. A flight goes on when those who wait leave,
//! and ends by itself: what is loaded has its own time.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

type Landing<T> = Shared<BoxFuture<'static, Option<T>>>;

struct Flight<T> {
    number: u64,
    landing: Landing<T>,
}

struct State<K, T> {
    open: HashMap<K, Flight<T>>,
    flown: u64,
}

/// The flights that are under way.
pub(super) struct Flights<K, T> {
    /// Held for a look-up, and while what has landed is put into the cache.
    state: Arc<Mutex<State<K, T>>>,
    max: usize,
}

/// What to wait for.
pub(super) enum Boarding<T> {
    /// Nothing: it has landed in the meantime.
    Landed(T),
    /// A flight that others wait for, too.
    Joined(Landing<T>),
    /// A new one.
    Started(Landing<T>),
    /// There are too many.
    Busy,
}

impl<K, T> Flights<K, T>
where
    K: Copy + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(super) fn new(max: usize) -> Self {
        Self { state: Arc::new(Mutex::new(State { open: HashMap::new(), flown: 0 })), max }
    }

    /// Joins the flight for a key or starts one, unless `kept` finds that one has just landed. `keep` is told what has landed, unless the key was cancelled meanwhile.
    /// What lands is `None` if the load has panicked.
    pub(super) fn board(
        &self,
        key: K,
        kept: impl FnOnce() -> Option<T>,
        load: impl FnOnce() -> BoxFuture<'static, T>,
        keep: impl FnOnce(&T) + Send + 'static,
    ) -> Boarding<T> {
        let mut state = self.state.lock();
        if let Some(flight) = state.open.get(&key) {
            return Boarding::Joined(flight.landing.clone());
        }
        if let Some(landed) = kept() {
            return Boarding::Landed(landed);
        }
        if state.open.len() >= self.max {
            return Boarding::Busy;
        }
        state.flown += 1;
        let number = state.flown;
        let (loading, end) = (load(), End { state: Arc::clone(&self.state), key, number });
        let flying = tokio::spawn(async move {
            let loaded = loading.await;
            end.land(|| keep(&loaded));
            loaded
        });
        let landing = flying.map(Result::ok).boxed().shared();
        state.open.insert(key, Flight { number, landing: landing.clone() });
        Boarding::Started(landing)
    }

    /// What is under way for a key will not be kept, and nobody joins it any more. `also` happens in the same moment.
    pub(super) fn cancel(&self, key: &K, also: impl FnOnce()) {
        let mut state = self.state.lock();
        state.open.remove(key);
        also();
    }
}

/// Takes a flight off the list when it is over, also by a panic.
struct End<K: Copy + Eq + Hash, T> {
    state: Arc<Mutex<State<K, T>>>,
    key: K,
    number: u64,
}

impl<K: Copy + Eq + Hash, T> End<K, T> {
    fn land(self, keep: impl FnOnce()) {
        let mut state = self.state.lock();
        if state.open.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            keep();
            // With what is in the cache nobody need join any more: the two must change in one moment.
            state.open.remove(&self.key);
        }
    }
}

impl<K: Copy + Eq + Hash, T> Drop for End<K, T> {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if state.open.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            state.open.remove(&self.key);
        }
    }
}
