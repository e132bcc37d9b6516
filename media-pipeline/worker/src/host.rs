//! The program's side: processes made ready beforehand, one job each, watched and ended.
//!
//! Invariants: jobs that run never use more cores than configured, each no more than it has threads; whatever a worker does costs its job only; nothing of a
//! worker (process, descriptor, pipe) outlives its job, or the pool.

mod attempt;
mod check;
mod config;
mod counters;
mod cpus;
pub(crate) mod fuzzing;
mod process;
mod slot;
mod spawn;
mod watch;

pub use config::{PoolConfig, Program};
pub use counters::{Cause, Counters, JobResult};

use crate::sandbox::Layers;
use attempt::{Attempt, End};
use process::{Confined, Process};
use slot::{Cores, Shared, State};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tertulia_media_core::{Job, Outcome, Reason, Refusal};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Workers that a job is tried on: a second one, since the first may have been ended for what the machine did to it.
const ATTEMPTS_MAX: usize = 2;
/// Workers that may be found dead before they have begun, for one job.
const NEVER_BEGUN_MAX: usize = 8;

/// Workers that are ready, and what is needed to have more.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    /// Ends the slots, and with them their workers.
    _closing: DropGuard,
}

/// What goes with a job, owned until it is over.
struct Files {
    input: OwnedFd,
    outputs: [OwnedFd; 3],
}

impl Pool {
    /// Starts to make workers ready. Needs a runtime. It may turn out that there can be none: see [`Pool::layers`].
    ///
    /// # Errors
    /// If the thread that starts them can't be started.
    pub fn start(config: PoolConfig) -> io::Result<Self> {
        let shared = Shared::new(config)?;
        slot::open_all(&shared);
        let closing = shared.closing.clone().drop_guard();
        Ok(Self { shared, _closing: closing })
    }

    /// Waits until the first worker is ready, or it is clear that none will be: which layers hold them, or why there are none.
    ///
    /// # Errors
    /// Why there are none, for the log and for people who run the server.
    pub async fn layers(&self) -> Result<Layers, String> {
        let mut state = self.shared.state.subscribe();
        let known = tokio::select! {
            known = state.wait_for(|state| !matches!(state, State::Starting)) => known.map(|state| state.clone()),
            () = self.shared.closing.cancelled() => Ok(State::Unavailable("the pool is closed".into())),
        };
        match known {
            Ok(State::Available(layers)) => Ok(layers),
            Ok(State::Unavailable(why)) => Err(why),
            Ok(State::Starting) | Err(_) => Err("the pool is closed".into()),
        }
    }

    /// What it has counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The layers that hold the workers now. `None` while there are none.
    #[must_use]
    pub fn layers_now(&self) -> Option<Layers> {
        match &*self.shared.state.borrow() {
            State::Available(layers) => Some(*layers),
            State::Starting | State::Unavailable(_) => None,
        }
    }

    /// Does a job: waits for cores and a worker, sees it through, tries once more if a worker breaks over it. `input` is open
    /// for reading only; `outputs` are open for reading and writing, and are emptied before each attempt.
    ///
    /// Dropping the future ends the worker, as cancelling does.
    ///
    /// # Errors
    /// Why it can't be done. [`Reason::Busy`] if the pool is closed meanwhile: the job is as it was.
    pub async fn run(
        &self,
        job: &Job,
        input: OwnedFd,
        outputs: [OwnedFd; 3],
        cancel: CancellationToken,
        mut progress: impl FnMut(u16) + Send,
    ) -> Result<Outcome, Refusal> {
        let mut best = 0;
        // A second attempt begins at the beginning: what was told is not taken back.
        let mut rises = move |thousandths: u16| {
            if thousandths > best {
                best = thousandths;
                progress(thousandths);
            }
        };
        let files = Files { input, outputs };
        let _counted = self.shared.tasks.token();
        let result = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Reason::Cancelled.into()),
            () = self.shared.closing.cancelled() => Err(Reason::Busy.into()),
            result = self.attempts(job, &files, &mut rises) => result,
        };
        self.shared.counters.count_result(match &result {
            Ok(_) => JobResult::Done,
            Err(refusal) => match refusal.reason {
                Reason::Cancelled | Reason::Busy => JobResult::Cancelled,
                Reason::SandboxUnavailable => JobResult::Unavailable,
                Reason::WorkerCrashed | Reason::TimedOut | Reason::OutOfMemory => JobResult::Failed,
                _ => JobResult::Refused,
            },
        });
        result
    }

    async fn attempts(
        &self,
        job: &Job,
        files: &Files,
        progress: &mut (dyn FnMut(u16) + Send),
    ) -> Result<Outcome, Refusal> {
        let job = Job { threads: job.threads.clamp(1, self.shared.config.cores), ..job.clone() };
        let cores = Cores::take(&self.shared, job.threads).await.ok_or(Reason::Busy)?;
        let _running = self.shared.counters.runs();
        let (mut failures, mut never_begun) = (0, 0);
        loop {
            let process = self.worker().await?;
            check::rewind(&files.input, &files.outputs).map_err(|_| Reason::StoreUnavailable)?;
            if process.confine(cores.cpus()) == Confined::Refused {
                self.shared.counters.count_unconfined();
            }
            let attempt =
                Attempt { config: &self.shared.config, job: &job, input: &files.input, outputs: &files.outputs };
            let cause = match attempt.run(process, progress).await {
                End::Done(outcome) => return Ok(outcome),
                End::Refused(refusal) => return Err(refusal),
                End::NeverBegun if never_begun < NEVER_BEGUN_MAX => {
                    never_begun += 1;
                    self.shared.counters.count_lost_waiting();
                    continue;
                }
                End::NeverBegun => Cause::Crashed,
                End::Failed(cause) => cause,
            };
            failures += 1;
            self.shared.counters.count_failure(cause);
            tracing::warn!(class = job.class.name(), cause = cause.name(), attempt = failures, "a media worker failed");
            if failures == ATTEMPTS_MAX {
                // The last attempt's outputs mean nothing either.
                let _kept = check::rewind(&files.input, &files.outputs).is_err();
                return Err(cause.reason().into());
            }
            self.shared.counters.count_retry();
        }
    }

    /// A worker that is ready.
    async fn worker(&self) -> Result<Process, Refusal> {
        let mut state = self.shared.state.subscribe();
        let (reply, worker) = oneshot::channel();
        let _wanted = self.shared.want(reply).await.ok_or(Reason::Busy)?;
        tokio::select! {
            biased;
            worker = worker => worker.map_err(|_| Reason::Busy.into()),
            unavailable = state.wait_for(|state| matches!(state, State::Unavailable(_))) => {
                drop(unavailable);
                Err(Reason::SandboxUnavailable.into())
            }
        }
    }

    /// Ends all workers, those at jobs included, and waits until nothing is left of them.
    pub async fn shutdown(&self) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.spawner.mourn().await;
    }
}
