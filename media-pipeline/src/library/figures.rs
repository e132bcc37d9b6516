//! What the library counts.
//!
//! Invariant: no label has a value that a client chooses.

use super::Inner;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tertulia_media_core::{Class, Reason};

/// Upper bounds of a job's time, in seconds.
const RUN_BOUNDS_S: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) added: Counter,
    pub(crate) claimed: Counter,
    pub(crate) claims_failed: Counter,
    pub(crate) queue_full: Counter,
    pub(crate) quota_full: Counter,
    pub(crate) shares_full: Counter,
    pub(crate) store_failed: Counter,
    pub(crate) expired: Counter,
    pub(crate) contents_forgotten: Counter,
    pub(crate) blobs_deleted: Counter,
    pub(crate) blobs_found: Counter,
    pub(crate) run_seconds: RunSeconds,
    results: Family<ResultLabel, Counter>,
}

/// How long jobs run, by class.
#[derive(Clone, Debug)]
pub(crate) struct RunSeconds(Family<ClassLabel, Histogram, fn() -> Histogram>);

impl RunSeconds {
    pub(crate) fn observe(&self, class: Class, took: Duration) {
        self.0.get_or_create(&ClassLabel { class: class.name() }).observe(took.as_secs_f64());
    }
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            added: Counter::default(),
            claimed: Counter::default(),
            claims_failed: Counter::default(),
            queue_full: Counter::default(),
            quota_full: Counter::default(),
            shares_full: Counter::default(),
            store_failed: Counter::default(),
            expired: Counter::default(),
            contents_forgotten: Counter::default(),
            blobs_deleted: Counter::default(),
            blobs_found: Counter::default(),
            run_seconds: RunSeconds(Family::new_with_constructor(|| Histogram::new(RUN_BOUNDS_S))),
            results: Family::default(),
        }
    }

    /// What came of a job: made, or why not.
    pub(crate) fn result(&self, refused: Option<Reason>) {
        let result = refused.map_or("made", Reason::name);
        self.results.get_or_create(&ResultLabel { result }).inc();
    }
}

/// Adds what the library counts.
pub(super) fn register(inner: &Arc<Inner>, registry: &mut Registry) {
    let figures = &inner.figures;
    let mut count = |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
    count("media_files_added", "Files that became somebody's", &figures.added);
    count("media_claims_proved", "Files that were claimed, not sent", &figures.claimed);
    count("media_claims_failed", "Claims of what is not here, or with a wrong proof", &figures.claims_failed);
    count("media_claims_limited", "Claims refused: too many at once", &inner.claims.refused);
    count("media_uploads_limited", "Uploads refused: too many at once or in an hour", &inner.rates.refused);
    count("media_queue_full", "Uploads refused: too many jobs", &figures.queue_full);
    count("media_quota_full", "Files refused: their owner has as much as they may", &figures.quota_full);
    count("media_shares_full", "Shares refused: with more people than a file may have", &figures.shares_full);
    count("media_store_failures", "Blobs that could not be put or deleted at the first try", &figures.store_failed);
    count("media_files_expired", "Files whose time was over", &figures.expired);
    count("media_contents_forgotten", "Contents that nobody had any longer", &figures.contents_forgotten);
    count("media_blobs_deleted", "Blobs deleted from the store", &figures.blobs_deleted);
    count("media_blobs_found", "Blobs in the store that nothing knew of", &figures.blobs_found);
    registry.register("media_job_seconds", "How long jobs run, by class", figures.run_seconds.0.clone());
    registry.register("media_job_results", "What came of jobs, by reason", figures.results.clone());
    registry.register_collector(Box::new(Queued(Arc::downgrade(inner))));
    inner.spool.register(registry);
    inner.cache.figures().register(registry, "media_cache");
}

/// What is looked up at a scrape.
#[derive(Debug)]
struct Queued(Weak<Inner>);

impl Collector for Queued {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(inner) = self.0.upgrade() else { return Ok(()) };
        let (waiting, running, oldest) = inner.queue.figures(inner.now());
        for (name, help, value) in [
            ("media_jobs_waiting", "Jobs that wait for a worker", waiting as f64),
            ("media_jobs_running", "Jobs that are worked on or being stored", running as f64),
            ("media_jobs_oldest_seconds", "How long the oldest waiting job has waited", oldest.as_secs_f64()),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library").finish_non_exhaustive()
    }
}
