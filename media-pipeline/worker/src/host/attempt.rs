//! One worker at one job, watched: what it says, what it uses, how long it takes.
//!
//! Invariant: whatever the worker does, this ends within the job's time, and the worker is gone when it has.

use super::PoolConfig;
use super::check::{self, Forged};
use super::counters::Cause;
use super::process::Process;
use crate::wire::{FromWorker, WireError};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;
use tertulia_media_core::{Event, Job, Outcome, Refusal};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

/// How often a worker's memory is read. Rarer lets a bomb take more before it is seen: a process can fill some 100 MB in this.
const WATCH_INTERVAL: Duration = Duration::from_millis(25);
/// All of a job, in the unit of progress. It rises with each frame, so there are so many frames at most.
const WHOLE: u16 = 1_000;
/// Of the memory that it may use: a worker that ends by itself above this has run out of it.
const NEARLY_ALL: f64 = 0.8;

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum End {
    /// It is done, and checked.
    Done(Outcome),
    /// The worker has refused.
    Refused(Refusal),
    /// The worker has failed.
    Failed(Cause),
    /// The worker had ended before it had the job: another one can have it.
    NeverBegun,
}

/// What is being done, by whom and within what.
pub(super) struct Attempt<'a> {
    pub(super) config: &'a PoolConfig,
    pub(super) job: &'a Job,
    pub(super) input: &'a OwnedFd,
    pub(super) outputs: &'a [OwnedFd; 3],
}

/// What a worker has come to, as far as it is known before it is gone.
enum Verdict {
    Said(Event),
    Failed(Cause),
    Gone,
}

impl Attempt<'_> {
    /// Gives the job to a worker, and sees it through.
    pub(super) async fn run(self, process: Process, progress: &mut (dyn FnMut(u16) + Send)) -> End {
        let [main, jpeg, webp] = self.outputs;
        let descriptors = [self.input.as_fd(), main.as_fd(), jpeg.as_fd(), webp.as_fd()];
        if process.give(self.job.clone(), &descriptors).is_err() {
            process.end().await;
            return End::NeverBegun;
        }
        let mut memory_peak = 0;
        let verdict = self.watch(&process, progress, &mut memory_peak).await;
        // Nothing that it has said counts before it is gone: until then it can change its outputs.
        let status = process.end().await;
        match verdict {
            Verdict::Failed(cause) => End::Failed(cause),
            Verdict::Gone => End::Failed(self.cause(status, memory_peak)),
            Verdict::Said(Event::Done(outcome)) => {
                believed(check::outcome(self.job, *outcome, self.outputs).map(End::Done))
            }
            Verdict::Said(Event::Refused(refusal)) => believed(check::refusal(refusal).map(End::Refused)),
            Verdict::Said(Event::Progress(_)) => End::Failed(Cause::Misbehaved),
        }
    }

    async fn watch(&self, process: &Process, progress: &mut (dyn FnMut(u16) + Send), memory_peak: &mut u64) -> Verdict {
        let start = Instant::now();
        let over = start + self.config.wall(self.job);
        let mut stalled = start + self.config.stall;
        let mut look = interval_at(start + WATCH_INTERVAL, WATCH_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = 0;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(over) => return Verdict::Failed(Cause::TimedOut),
                () = sleep_until(stalled) => return Verdict::Failed(Cause::Stalled),
                _ = look.tick() => {
                    let usage = process.usage().unwrap_or_default();
                    *memory_peak = usage.memory_bytes.max(*memory_peak);
                    if self.config.is_too_much(usage.memory_bytes, usage.threads) {
                        return Verdict::Failed(Cause::Memory);
                    }
                }
                heard = process.hear() => {
                    match heard {
                        Ok(FromWorker::Event(Event::Progress(thousandths))) => {
                            if thousandths <= told || thousandths > WHOLE {
                                return Verdict::Failed(Cause::Misbehaved);
                            }
                            told = thousandths;
                            stalled = Instant::now() + self.config.stall;
                            progress(thousandths);
                        }
                        Ok(FromWorker::Event(event)) => return Verdict::Said(event),
                        Ok(FromWorker::Panicked) => return Verdict::Failed(Cause::Crashed),
                        Err(WireError::Closed) => {
                            // The socket closes a little before the process can be waited for; then its status tells more.
                            let _alive = tokio::time::timeout(WATCH_INTERVAL, process.ended()).await.is_err();
                            return Verdict::Gone;
                        }
                        Ok(FromWorker::Ready(_) | FromWorker::Missing(_)) | Err(_) => {
                            return Verdict::Failed(Cause::Misbehaved);
                        }
                    }
                }
            }
        }
    }

    /// Why a worker that has ended by itself did.
    fn cause(&self, status: Option<ExitStatus>, memory_peak: u64) -> Cause {
        #[expect(clippy::cast_precision_loss, reason = "a comparison of megabytes")]
        let is_out_of_memory = memory_peak as f64 > self.config.memory_bytes_max as f64 * NEARLY_ALL;
        match status.and_then(|status| status.signal()) {
            Some(libc::SIGSYS) => Cause::Forbidden,
            Some(libc::SIGXCPU) => Cause::TimedOut,
            Some(libc::SIGXFSZ) => Cause::FileSize,
            _ if is_out_of_memory => Cause::Memory,
            _ => Cause::Crashed,
        }
    }
}

fn believed(checked: Result<End, Forged>) -> End {
    checked.unwrap_or_else(|forged| {
        tracing::warn!(claim = forged.0, "a media worker's result was not believed");
        End::Failed(Cause::Misbehaved)
    })
}
