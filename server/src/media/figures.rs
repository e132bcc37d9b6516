//! The figures of the workers that open media, and whether the store works.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt::Error;
use std::sync::Arc;
use tertulia_media_pipeline::store::{StoreTrouble, StoreWatch};
use tertulia_media_worker::host::{Cause, JobResult, Pool};

#[derive(Debug)]
struct Figures {
    pool: Arc<Pool>,
    store: Arc<StoreWatch>,
}

/// Adds them to the metrics.
pub(super) fn register(pool: Arc<Pool>, store: Arc<StoreWatch>, registry: &mut Registry) {
    registry.register_collector(Box::new(Figures { pool, store }));
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let counters = self.pool.counters();
        let results = JobResult::ALL.map(|result| (result.name(), counters.results(result)));
        family(&mut encoder, "tertulia_media_worker_jobs", "Jobs by result", "result", &results)?;
        let failures = Cause::ALL.map(|cause| (cause.name(), counters.failures(cause)));
        family(&mut encoder, "tertulia_media_worker_failures", "Workers that failed over a job", "cause", &failures)?;
        for (name, help, value) in [
            ("tertulia_media_worker_retries", "Jobs that were given to a second worker", counters.retries()),
            ("tertulia_media_workers_started", "Workers that became ready", counters.started()),
            ("tertulia_media_workers_lost", "Workers that ended while they waited", counters.lost_waiting()),
            ("tertulia_media_workers_unconfined", "Workers not kept to their cores", counters.unconfined()),
            ("tertulia_media_workers_not_started", "Workers that could not be closed in", counters.not_started()),
        ] {
            let value = ConstCounter::new(value);
            value.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let layers = self.pool.layers_now();
        for (name, help, value) in [
            ("tertulia_media_workers_ready", "Workers that wait for a job", counters.ready()),
            ("tertulia_media_workers_running", "Workers at a job", counters.running()),
            ("tertulia_media_sandbox", "1 if media can be opened safely, else 0", usize::from(layers.is_some())),
        ] {
            let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            value.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let help = "1 if this layer holds the workers that open media, else 0";
        let mut descriptor =
            encoder.encode_descriptor("tertulia_media_sandbox_layer", help, None, MetricType::Gauge)?;
        // None holds while there are no workers.
        for (layer, holds) in layers.unwrap_or_default().each() {
            ConstGauge::new(i64::from(holds)).encode(descriptor.encode_family(&[("layer", layer)])?)?;
        }
        let help = "1 for what is wrong with the store of uploads, 0 for what is not";
        let mut descriptor =
            encoder.encode_descriptor("tertulia_media_store_trouble", help, None, MetricType::Gauge)?;
        let now = self.store.trouble_now();
        for trouble in StoreTrouble::ALL {
            let label = [("trouble", trouble.name())];
            ConstGauge::new(i64::from(now == Some(trouble))).encode(descriptor.encode_family(&label)?)?;
        }
        Ok(())
    }
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&'static str, u64)],
) -> Result<(), Error> {
    let mut descriptor = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in values {
        ConstCounter::new(*count).encode(descriptor.encode_family(&[(label, *value)])?)?;
    }
    Ok(())
}
