//! What clients count, and what a window of time has cost the server whose clients they are: ours or a peer.

use crate::figures::quantile;
use crate::process;
use anyhow::ensure;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What all clients count.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) confirmed: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) drained: AtomicU64,
    /// Whoever hears something answers it.
    pub(crate) echo: AtomicBool,
    pub(crate) measuring: AtomicBool,
    /// Microseconds.
    pub(crate) latencies: parking_lot::Mutex<Vec<u32>>,
}

/// What a window of time has cost.
pub(crate) struct Window<'a> {
    pid: u32,
    counted: &'a Counted,
    at: Instant,
    cpu: Duration,
    own: Duration,
    confirmed: u64,
    received: u64,
}

impl<'a> Window<'a> {
    pub(crate) fn opens(pid: u32, counted: &'a Counted) -> anyhow::Result<Self> {
        counted.measuring.store(true, Relaxed);
        Ok(Self {
            pid,
            counted,
            at: Instant::now(),
            cpu: process::cpu(pid)?,
            own: process::cpu(std::process::id())?,
            confirmed: counted.confirmed.load(Relaxed),
            received: counted.received.load(Relaxed),
        })
    }

    /// The line. `unit`: what the CPU is divided by.
    pub(crate) fn closes(self, what: &str) -> anyhow::Result<String> {
        let (secs, cpu) = (self.at.elapsed().as_secs_f64(), process::cpu(self.pid)? - self.cpu);
        let own = process::cpu(std::process::id())? - self.own;
        self.counted.measuring.store(false, Relaxed);
        let confirmed = self.counted.confirmed.load(Relaxed) - self.confirmed;
        let received = self.counted.received.load(Relaxed) - self.received;
        let mut latencies = std::mem::take(&mut *self.counted.latencies.lock());
        latencies.sort_unstable();
        ensure!(self.counted.refused.load(Relaxed) == 0, "{} were refused", self.counted.refused.load(Relaxed));
        let us = |cpu: Duration, of: u64| cpu.as_secs_f64() * 1e6 / of.max(1) as f64;
        Ok(format!(
            "{what}: {:.0} confirmed and {:.0} delivered a second; server {:.1} µs CPU a message, {:.1} a copy ({:.2} cores), \
             clients {:.1}; sender → recipient p50 {:.2} ms, p99 {:.2} ms",
            confirmed as f64 / secs,
            received as f64 / secs,
            us(cpu, confirmed),
            us(cpu, received),
            cpu.as_secs_f64() / secs,
            us(own, received),
            quantile(&latencies, 0.5) / 1e3,
            quantile(&latencies, 0.99) / 1e3,
        ))
    }
}
