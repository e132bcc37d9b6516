//! What a cache counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The figures of a cache. The hit rate is `hits / (hits + misses)`.
#[derive(Clone, Debug, Default)]
pub struct CacheFigures {
    /// Reads that memory answered.
    pub hits: Counter,
    /// Reads that had to go further, those that joined another's load included.
    pub misses: Counter,
    /// Misses that joined a load under way.
    pub joined: Counter,
    /// Reads of what is not kept: too large, or to be seen once.
    pub bypassed: Counter,
    /// Reads that were not loaded through the cache because as many loads as may be were under way.
    pub busy: Counter,
    /// What had to make room.
    pub evictions: Counter,
    /// Bytes kept, or rows for a cache of rows.
    pub held: Gauge,
}

impl CacheFigures {
    /// Adds them under `<name>_hits` and so on.
    pub fn register(&self, registry: &mut Registry, name: &str) {
        let counters = [
            ("hits", "Reads answered from memory", &self.hits),
            ("misses", "Reads that had to go further", &self.misses),
            ("joined", "Misses that joined a load under way", &self.joined),
            ("bypassed", "Reads of what is not kept: too large, or to be seen once", &self.bypassed),
            ("busy", "Reads past the cache because of too many loads at once", &self.busy),
            ("evictions", "What had to make room", &self.evictions),
        ];
        for (figure, help, counter) in counters {
            registry.register(format!("{name}_{figure}"), help, counter.clone());
        }
        registry.register(format!("{name}_held"), "Kept in memory: bytes of blobs, or rows", self.held.clone());
    }
}
