//! One run's figures, as a row of the table.

use crate::shape::Shape;
use std::time::Duration;

/// The heading of the rows.
pub(crate) const HEAD: &str = "\
| server | room | packets/s out | short % | CPU µs/packet | allocations/packet | latency p50 ms | p99 ms \
| KiB/subscriber | CPU ms/join | idle CPU µs/s/peer | client µs/packet |\n\
|---|---|---|---|---|---|---|---|---|---|---|---|";

/// What a run has measured.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) server: &'static str,
    pub(crate) shape: Shape,
    pub(crate) window: Duration,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) cpu: Duration,
    pub(crate) client_cpu: Duration,
    /// None where the server does not count them.
    pub(crate) allocations: Option<u64>,
    /// Microseconds, sorted.
    pub(crate) latencies: Vec<u32>,
    pub(crate) resident_per_subscriber: u64,
    pub(crate) join_cpu: Duration,
    pub(crate) idle_window: Duration,
    pub(crate) idle_cpu: Duration,
}

/// The value that this part of the sorted samples does not exceed.
pub(crate) fn quantile(sorted: &[u32], part: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of a slice")]
    let index = (sorted.len().saturating_sub(1) as f64 * part) as usize;
    sorted.get(index).map_or(f64::NAN, |us| f64::from(*us))
}

impl Figures {
    pub(crate) fn row(&self) -> String {
        let (received, peers) = (self.received as f64, (self.shape.publishers + self.shape.subscribers) as f64);
        let subscribers = self.shape.subscribers as f64;
        let expected = self.sent as f64 * subscribers;
        let per_packet = |cpu: Duration| cpu.as_secs_f64() * 1e6 / received;
        let allocations = self.allocations.map_or("–".to_owned(), |n| format!("{:.2}", n as f64 / received));
        format!(
            "| {} | {} | {:.0} | {:.2} | {:.2} | {allocations} | {:.2} | {:.2} | {:.0} | {:.2} | {:.0} | {:.1} |",
            self.server,
            self.shape,
            received / self.window.as_secs_f64(),
            (1.0 - received / expected) * 100.0,
            per_packet(self.cpu),
            quantile(&self.latencies, 0.5) / 1e3,
            quantile(&self.latencies, 0.99) / 1e3,
            self.resident_per_subscriber as f64 / 1024.0,
            self.join_cpu.as_secs_f64() * 1e3 / peers,
            self.idle_cpu.as_secs_f64() * 1e6 / self.idle_window.as_secs_f64() / peers,
            per_packet(self.client_cpu),
        )
    }
}
