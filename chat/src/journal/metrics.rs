//! What the journal counts. Invariant: the counters only rise; whoever reads them may do so from any thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Sizes of batches are counted in classes: up to 1, 2, 4 … 2048 records, and more.
pub const BATCH_CLASSES: usize = 13;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What the journal has done since it was opened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Metrics {
            $($(#[$doc])* pub $name: u64,)*
            /// Written batches by their number of records: up to 1, 2, 4 … 2048, and more.
            pub batch_sizes: [u64; BATCH_CLASSES],
        }

        #[derive(Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)*
            batch_sizes: [AtomicU64; BATCH_CLASSES],
        }

        impl Counters {
            pub(super) fn read(&self) -> Metrics {
                let mut batch_sizes = [0; BATCH_CLASSES];
                for (to, from) in batch_sizes.iter_mut().zip(&self.batch_sizes) {
                    *to = from.load(Relaxed);
                }
                Metrics { $($name: self.$name.load(Relaxed),)* batch_sizes }
            }
        }
    };
}

counters! {
    /// Calls of fdatasync on segments that hold records.
    syncs,
    /// Batches written: what was committed lazily before one is part of it.
    batches,
    /// Records written.
    records,
    /// Bytes written, frames included.
    bytes,
    /// Commits that were left for the next sync.
    lazy,
    /// Segments that were made of new space.
    created,
    /// Segments that were made of a retired one's file.
    recycled,
    /// Segments that were retired.
    retired,
    /// Retired segments whose file was removed, since enough were kept.
    removed,
    /// Times that the committer waited for a segment to be prepared.
    waits,
    /// Commits that were refused since there was no room for a further segment.
    full,
    /// Tails of an incomplete batch that were cut off when the journal was opened.
    torn_tails,
    /// Records that were read back by their place.
    reads,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Relaxed);
    }

    pub(super) fn batch(&self, records: usize) {
        let class = records.max(1).next_power_of_two().trailing_zeros() as usize;
        Self::add(&self.batch_sizes[class.min(BATCH_CLASSES - 1)], 1);
    }
}
