//! Rows of the directory that are read often.
//!
//! Invariant: after [`Rows::forget`] nobody is given the row as it was before, by a load that began before it either.
//! Whoever changes a row forgets it after the change is committed and before telling anyone.

use super::CacheFigures;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, UnitWeighter};
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hash, RandomState};
use std::marker::PhantomData;

/// Counters of forgetting, each for a part of all keys. More make it rarer that one key's change keeps another's load out.
const EPOCHS: usize = 64;

/// What can be kept as a row. Large ones are kept behind an `Arc`.
pub trait Row: Clone + Send + Sync + 'static {
    /// Whether it may be kept at all. What is to be seen once may not: how often it was seen changes with every look.
    fn may_be_kept(&self) -> bool;
}

/// Rows by their keys.
pub struct Rows<K, V> {
    kept: Cache<K, V, UnitWeighter, RandomState, Evictions<K, V>>,
    /// How often something was forgotten. Each is held while a row is put in or taken out.
    epochs: Box<[Mutex<u64>]>,
    hasher: RandomState,
    figures: CacheFigures,
}

impl<K, V> fmt::Debug for Rows<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash, V: Row> Rows<K, V> {
    /// A cache of at most so many rows.
    #[must_use]
    pub fn new(rows_max: usize) -> Self {
        let figures = CacheFigures::default();
        let options = OptionsBuilder::new()
            .weight_capacity(rows_max as u64)
            .estimated_items_capacity(rows_max)
            // One part: a look-up takes far less than the request it is for, and the limit is exact.
            .shards(1)
            .build()
            .unwrap_or_else(|_| unreachable!("both capacities are set"));
        let evictions = Evictions(figures.evictions.clone(), PhantomData);
        let kept = Cache::with_options(options, UnitWeighter, RandomState::new(), evictions);
        let epochs = (0..EPOCHS).map(|_| Mutex::new(0)).collect();
        Self { kept, epochs, hasher: RandomState::new(), figures }
    }

    /// The row of a key, from memory or by `load`, which is not polled if it is in memory. That there is none is not kept.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn get<E>(&self, key: &K, load: impl Future<Output = Result<Option<V>, E>>) -> Result<Option<V>, E> {
        if let Some(row) = self.kept.get(key) {
            self.figures.hits.inc();
            return Ok(Some(row));
        }
        self.figures.misses.inc();
        let before = *self.epoch(key).lock();
        let row = load.await?;
        match &row {
            Some(row) if row.may_be_kept() => {
                let epoch = self.epoch(key).lock();
                // Else it was changed while it was read, and what was read may be what it was before.
                if *epoch == before {
                    self.kept.insert(key.clone(), row.clone());
                    self.count();
                }
            }
            Some(_) => {
                self.figures.bypassed.inc();
            }
            None => {}
        }
        Ok(row)
    }

    /// Forgets the row of a key: it has changed.
    pub fn forget(&self, key: &K) {
        let mut epoch = self.epoch(key).lock();
        *epoch += 1;
        self.kept.remove(key);
        self.count();
    }

    /// Forgets all: many have changed at once.
    pub fn forget_all(&self) {
        // Every part is closed until all are empty.
        let mut epochs: Vec<_> = self.epochs.iter().map(Mutex::lock).collect();
        epochs.iter_mut().for_each(|epoch| **epoch += 1);
        self.kept.clear();
        self.count();
    }

    /// How many rows are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// What it counts.
    #[must_use]
    pub fn figures(&self) -> &CacheFigures {
        &self.figures
    }

    fn epoch(&self, key: &K) -> &Mutex<u64> {
        let at = usize::try_from(self.hasher.hash_one(key) % EPOCHS as u64).unwrap_or_default();
        &self.epochs[at]
    }

    fn count(&self) {
        self.figures.held.set(i64::try_from(self.kept.len()).unwrap_or(i64::MAX));
    }
}

struct Evictions<K, V>(Counter, PhantomData<fn(K, V)>);

impl<K, V> Clone for Evictions<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<K, V> Lifecycle<K, V> for Evictions<K, V> {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: K, _: V) {
        self.0.inc();
    }
}
