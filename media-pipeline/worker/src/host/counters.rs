//! What the pool counts: read by the metrics of the program, one place for each figure.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Why a worker did not finish its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It ended by itself, by an abort, a fault or a panic.
    Crashed,
    /// It made a system call that is not allowed.
    Forbidden,
    /// It used more memory than it may, or more threads.
    Memory,
    /// It took longer than anything honest needs.
    TimedOut,
    /// It made no progress.
    Stalled,
    /// It wrote more to a file than it may.
    FileSize,
    /// It said what no honest worker says.
    Misbehaved,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 7] =
        [Self::Crashed, Self::Forbidden, Self::Memory, Self::TimedOut, Self::Stalled, Self::FileSize, Self::Misbehaved];

    /// Its name in metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::Forbidden => "forbidden_call",
            Self::Memory => "memory",
            Self::TimedOut => "timed_out",
            Self::Stalled => "stalled",
            Self::FileSize => "file_size",
            Self::Misbehaved => "misbehaved",
        }
    }
}

/// How a job came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobResult {
    /// Its outputs are there.
    Done,
    /// The worker has refused it, with a reason.
    Refused,
    /// Two workers have failed over it.
    Failed,
    /// It was taken back.
    Cancelled,
    /// There is no sandbox to do it in.
    Unavailable,
}

impl JobResult {
    /// Every result.
    pub const ALL: [Self; 5] = [Self::Done, Self::Refused, Self::Failed, Self::Cancelled, Self::Unavailable];

    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What the pool counts.
#[derive(Debug, Default)]
pub struct Counters {
    results: [AtomicU64; JobResult::ALL.len()],
    failures: [AtomicU64; Cause::ALL.len()],
    retries: AtomicU64,
    started: AtomicU64,
    start_micros: AtomicU64,
    lost_waiting: AtomicU64,
    not_started: AtomicU64,
    unconfined: AtomicU64,
    ready: AtomicUsize,
    running: AtomicUsize,
}

impl Counters {
    /// Jobs that came out so.
    #[must_use]
    pub fn results(&self, result: JobResult) -> u64 {
        self.results[result as usize].load(Ordering::Relaxed)
    }

    /// Workers that failed over a job so.
    #[must_use]
    pub fn failures(&self, cause: Cause) -> u64 {
        self.failures[cause as usize].load(Ordering::Relaxed)
    }

    /// Jobs that were given to a second worker.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Workers that became ready.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// How long that took, all together.
    #[must_use]
    pub fn start_time(&self) -> Duration {
        Duration::from_micros(self.start_micros.load(Ordering::Relaxed))
    }

    /// Workers that ended while they waited for a job.
    #[must_use]
    pub fn lost_waiting(&self) -> u64 {
        self.lost_waiting.load(Ordering::Relaxed)
    }

    /// Workers that could not be started, or could not close themselves in.
    #[must_use]
    pub fn not_started(&self) -> u64 {
        self.not_started.load(Ordering::Relaxed)
    }

    /// Workers that the kernel did not let us keep to their cores.
    #[must_use]
    pub fn unconfined(&self) -> u64 {
        self.unconfined.load(Ordering::Relaxed)
    }

    /// Workers that wait for a job now.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    /// Workers that are at a job now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn count_result(&self, result: JobResult) {
        self.results[result as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_failure(&self, cause: Cause) {
        self.failures[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_start(&self, took: Duration) {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.start_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn count_lost_waiting(&self) {
        self.lost_waiting.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_not_started(&self) {
        self.not_started.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_unconfined(&self) {
        self.unconfined.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn waits(&self) -> Gauge<'_> {
        Gauge::up(&self.ready)
    }

    pub(super) fn runs(&self) -> Gauge<'_> {
        Gauge::up(&self.running)
    }
}

/// One more, for as long as it lives.
#[derive(Debug)]
pub(super) struct Gauge<'a>(&'a AtomicUsize);

impl<'a> Gauge<'a> {
    fn up(gauge: &'a AtomicUsize) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Self(gauge)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
