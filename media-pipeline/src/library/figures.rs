//! What the library counts.
//!
//! Invariant: no label has a value that a client chooses.

use super::Inner;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
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

/// What was asked of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Doing {
    Put,
    Read,
    Delete,
}

impl Doing {
    const ALL: [Self; 3] = [Self::Put, Self::Read, Self::Delete];

    fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Read => "read",
            Self::Delete => "delete",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DoingLabel {
    doing: &'static str,
}

#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) added: Counter,
    pub(crate) uploaded_bytes: Counter,
    pub(crate) backlog: [Gauge; 3],
    pub(crate) claimed: Counter,
    pub(crate) claims_failed: Counter,
    pub(crate) queue_full: Counter,
    pub(crate) quota_full: Counter,
    pub(crate) shares_full: Counter,
    store_failures: Family<DoingLabel, Counter>,
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
        let store_failures: Family<DoingLabel, Counter> = Family::default();
        // There from the start: an alert sees the first one rise.
        for doing in Doing::ALL {
            let _zero = store_failures.get_or_create(&DoingLabel { doing: doing.name() });
        }
        let results: Family<ResultLabel, Counter> = Family::default();
        for result in std::iter::once("made").chain(Reason::ALL.iter().map(|reason| reason.name())) {
            let _zero = results.get_or_create(&ResultLabel { result });
        }
        let run_seconds = RunSeconds(Family::new_with_constructor(|| Histogram::new(RUN_BOUNDS_S)));
        for class in Class::ALL.iter().filter(|class| class.is_processed()) {
            let _zero = run_seconds.0.get_or_create(&ClassLabel { class: class.name() });
        }
        Self {
            added: Counter::default(),
            uploaded_bytes: Counter::default(),
            backlog: Default::default(),
            claimed: Counter::default(),
            claims_failed: Counter::default(),
            queue_full: Counter::default(),
            quota_full: Counter::default(),
            shares_full: Counter::default(),
            store_failures,
            expired: Counter::default(),
            contents_forgotten: Counter::default(),
            blobs_deleted: Counter::default(),
            blobs_found: Counter::default(),
            run_seconds,
            results,
        }
    }

    /// The store did not do this at the first try.
    pub(crate) fn store_failed(&self, doing: Doing) {
        self.store_failures.get_or_create(&DoingLabel { doing: doing.name() }).inc();
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
    count("media_uploaded_bytes", "Bytes of uploads that came whole", &figures.uploaded_bytes);
    count("media_files_expired", "Files whose time was over", &figures.expired);
    count("media_contents_forgotten", "Contents that nobody had any longer", &figures.contents_forgotten);
    count("media_blobs_deleted", "Blobs deleted from the store", &figures.blobs_deleted);
    count("media_blobs_found", "Blobs in the store that nothing knew of", &figures.blobs_found);
    let failures = figures.store_failures.clone();
    registry.register("media_store_failures", "What the store did not do at the first try", failures);
    registry.register("media_job_seconds", "How long jobs run, by class", figures.run_seconds.0.clone());
    registry.register("media_job_results", "What came of jobs, by reason", figures.results.clone());
    let streaming = inner.rates.streaming.clone();
    registry.register("media_uploads_streaming", "Uploads in one request that stream in now", streaming);
    registry.register_collector(Box::new(Queued(Arc::downgrade(inner))));
    for reason in Reason::ALL {
        let _zero = inner.spool.refused(*reason); // there from the start
    }
    inner.spool.register(registry);
    inner.cache.figures().register(registry, "media_cache");
    inner.access.files.figures().register(registry, "media_rows");
    inner.access.grants.figures().register(registry, "media_grants");
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
        let help = "What waits to be collected, by the last look: it goes by itself";
        let mut backlog = encoder.encode_descriptor("media_collect_backlog", help, None, MetricType::Gauge)?;
        for (kind, gauge) in ["files", "contents", "blobs"].into_iter().zip(&inner.figures.backlog) {
            ConstGauge::new(gauge.get()).encode(backlog.encode_family(&[("kind", kind)])?)?;
        }
        let help = "Requests that were refused because of a limit of ours";
        let mut hits = encoder.encode_descriptor("media_limit_hits", help, None, MetricType::Counter)?;
        for (limit, counter) in inner.limits() {
            ConstCounter::new(counter.get()).encode(hits.encode_family(&[("limit", limit)])?)?;
        }
        Ok(())
    }
}

impl Inner {
    /// What each limit has refused.
    fn limits(&self) -> [(&'static str, &Counter); 8] {
        let Self { rates, claims, figures, .. } = self;
        [
            ("user_uploads_at_once", &rates.of_user_full),
            ("uploads_at_once", &rates.all_full),
            ("user_uploads_per_hour", &rates.hour_full),
            ("users", &rates.table_full),
            ("queue", &figures.queue_full),
            ("user_quota", &figures.quota_full),
            ("shares", &figures.shares_full),
            ("claims", &claims.refused),
        ]
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library").finish_non_exhaustive()
    }
}
