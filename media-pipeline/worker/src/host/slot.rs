//! Slots, each of which keeps one worker ready: starts it, notices when it dies, hands it to a job, starts the next.

use super::config::PoolConfig;
use super::counters::Counters;
use super::cpus::{self, Cpus};
use super::process::{Process, StartError};
use super::spawn::Spawner;
use crate::sandbox::Layers;
use rustix::thread::CpuSet;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a slot waits after a worker could not be had; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Failures in a row after which there are no workers any more, where there have been some: a machine may be short of memory or
/// processes for a moment, and jobs can wait that long.
const FAILURES_MAX: usize = 4;

/// Whether there can be workers.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Nobody knows yet.
    Starting,
    /// There are, held by these layers.
    Available(Layers),
    /// There are none, for this reason.
    Unavailable(String),
}

/// What the slots and the jobs share.
pub(super) struct Shared {
    pub(super) config: PoolConfig,
    pub(super) counters: Counters,
    pub(super) spawner: Spawner,
    pub(super) state: watch::Sender<State>,
    pub(super) closing: CancellationToken,
    pub(super) tasks: TaskTracker,
    cores: Arc<Semaphore>,
    cpus: Cpus,
    /// Jobs that wait for a worker: each with where to send it.
    requests: mpsc::Sender<oneshot::Sender<Process>>,
    requested: Mutex<mpsc::Receiver<oneshot::Sender<Process>>>,
    wanted: AtomicUsize,
    /// Workers that are being started.
    starting: AtomicUsize,
    /// Since the last success.
    failures: AtomicUsize,
    /// Told when a core is free or a worker is wanted.
    refill: Notify,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(config: PoolConfig) -> io::Result<Arc<Self>> {
        let spawner = Spawner::new(config.program.clone())?;
        let cores = config.cores.max(1) as usize;
        // A job that waits here holds a core, so there are never more of them.
        let (requests, requested) = mpsc::channel(cores);
        Ok(Arc::new(Self {
            counters: Counters::default(),
            spawner,
            state: watch::Sender::new(State::Starting),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            cores: Arc::new(Semaphore::new(cores)),
            cpus: Cpus::own(),
            requests,
            requested: Mutex::new(requested),
            wanted: AtomicUsize::new(0),
            starting: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
            refill: Notify::new(),
            config: PoolConfig { cores: config.cores.max(1), ..config },
        }))
    }

    /// Asks the slots for a worker. What it gives counts the wish for as long as it is kept.
    pub(super) async fn want(&self, reply: oneshot::Sender<Process>) -> Option<Wanted<'_>> {
        self.wanted.fetch_add(1, Ordering::Relaxed);
        let wanted = Wanted(self);
        self.refill.notify_waiters();
        self.requests.send(reply).await.ok().map(|()| wanted)
    }

    fn available(&self, layers: Layers) {
        self.failures.store(0, Ordering::Relaxed);
        let is_new = !matches!(&*self.state.borrow(), State::Available(now) if *now == layers);
        if is_new {
            // Root needs no user namespace to have the others.
            let needless =
                (layers.net_namespace && layers.ipc_namespace && layers.mount_namespace).then_some("user_namespace");
            let is_absent = |(name, holds): &(&str, bool)| !holds && needless != Some(*name);
            let absent: Vec<_> = layers.each().into_iter().filter(is_absent).map(|(name, _)| name).collect();
            tracing::info!(%layers, landlock_version = layers.landlock, "media workers are ready");
            if !absent.is_empty() {
                tracing::warn!(
                    absent = absent.join(", "),
                    "this kernel or host refuses some of the layers around media workers; those that are required hold"
                );
            }
            self.state.send_replace(State::Available(layers));
        }
    }

    fn unavailable(&self, error: &StartError) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let is_lasting = matches!(error, StartError::Sandbox(_)) || failures >= FAILURES_MAX;
        let (is_new, has_been) = match &*self.state.borrow() {
            State::Starting => (true, false),
            State::Available(_) => (true, true),
            State::Unavailable(_) => (false, false),
        };
        let why = error.to_string();
        if has_been && !is_lasting {
            tracing::warn!(why, "a media worker can't be had now");
            return;
        }
        if is_new {
            tracing::error!(
                why,
                "media can't be opened safely here: videos, pictures and sounds are refused until they can. \
                 `tertulia doctor` tells what the host has to allow"
            );
        }
        self.state.send_replace(State::Unavailable(why));
    }

    /// Waits until a new worker would not take a core from a job, or is needed: now, or by the next job.
    async fn room(&self) {
        loop {
            let told = self.refill.notified();
            tokio::pin!(told);
            // Registers before looking, so that what happens between is not missed.
            told.as_mut().enable();
            let next_job_has_none = self.counters.ready() + self.starting.load(Ordering::Relaxed) == 0;
            if next_job_has_none || self.cores.available_permits() > 0 || self.wanted.load(Ordering::Relaxed) > 0 {
                return;
            }
            told.await;
        }
    }

    /// The next job that waits for a worker. `None` when the pool is gone.
    async fn request(&self) -> Option<oneshot::Sender<Process>> {
        self.requested.lock().await.recv().await
    }
}

/// A job's wish for a worker.
pub(super) struct Wanted<'a>(&'a Shared);

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.wanted.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The cores that a job uses.
pub(super) struct Cores<'a> {
    permit: Option<OwnedSemaphorePermit>,
    cpus: Vec<usize>,
    shared: &'a Shared,
}

impl<'a> Cores<'a> {
    /// Waits for its turn. `None` if there will be none.
    pub(super) async fn take(shared: &'a Shared, count: u32) -> Option<Self> {
        let permit = Arc::clone(&shared.cores).acquire_many_owned(count).await.ok()?;
        Some(Self { permit: Some(permit), cpus: shared.cpus.take(count), shared })
    }

    /// Where the job may run. `None` where the kernel did not say what there is.
    pub(super) fn cpus(&self) -> Option<CpuSet> {
        cpus::set(&self.cpus)
    }
}

impl Drop for Cores<'_> {
    fn drop(&mut self) {
        self.shared.cpus.give_back(&self.cpus);
        self.permit = None;
        self.shared.refill.notify_waiters();
    }
}

/// Opens the slots. They end when the pool closes.
pub(super) fn open_all(shared: &Arc<Shared>) {
    for _ in 0..shared.config.ready.max(1) {
        let shared = Arc::clone(shared);
        shared.tasks.clone().spawn(async move {
            let closing = shared.closing.clone();
            tokio::select! {
                () = closing.cancelled() => {}
                () = serve(&shared) => {}
            }
        });
    }
}

async fn serve(shared: &Shared) {
    let mut pause = FIRST_PAUSE;
    loop {
        let start = Instant::now();
        shared.starting.fetch_add(1, Ordering::Relaxed);
        let started = Process::ready(&shared.spawner, shared.config.setup()).await;
        shared.starting.fetch_sub(1, Ordering::Relaxed);
        match started {
            Ok((process, layers)) => {
                shared.counters.count_start(start.elapsed());
                shared.available(layers);
                if offer(shared, process).await {
                    pause = FIRST_PAUSE;
                    shared.room().await;
                    continue;
                }
                shared.counters.count_lost_waiting();
            }
            Err(error) => {
                shared.counters.count_not_started();
                shared.unavailable(&error);
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Offers a worker to whoever asks. Whether somebody has taken it: else it has died meanwhile.
async fn offer(shared: &Shared, mut process: Process) -> bool {
    let _ready = shared.counters.waits();
    loop {
        tokio::select! {
            // First, so that a job gets no dead one where it is known.
            biased;
            () = process.ended() => {
                process.end().await;
                return false;
            }
            request = shared.request() => {
                let Some(reply) = request else { return false };
                match reply.send(process) {
                    Ok(()) => return true,
                    // Whoever asked has given up.
                    Err(unwanted) => process = unwanted,
                }
            }
        }
    }
}
