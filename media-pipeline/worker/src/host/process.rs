//! One worker process, from its start to its burial.
//!
//! Invariant: however it is let go, by its end or by a drop in the middle of anything, the process is killed and waited for.
#![expect(unsafe_code, reason = "tokio takes descriptors of other kinds than its own by an unsafe function only")]

use super::spawn::{Spawner, Started};
use super::watch::{self, Usage};
use crate::sandbox::{Layers, Missing, Setup};
use crate::wire::{self, FromWorker, JOB_DESCRIPTORS, ToWorker, WireError};
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::{Child, ChildStderr, ExitStatus};
use std::time::Duration;
use tertulia_media_core::Job;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How long a worker may take to load its libraries and close itself in: under 100 ms on an idle machine.
const READY_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of what a worker says before it is ready: the loader's complaint that a library is missing.
const LAST_WORDS_MAX: usize = 512;

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("a worker can't be started: {0}")]
    Spawn(#[from] io::Error),
    #[error("the sandbox lacks {}: {}", .0.layer, .0.why)]
    Sandbox(Missing),
    #[error("a worker ended before it was ready{0}")]
    Ended(String),
    #[error("a worker said nothing for {} s", READY_TIMEOUT.as_secs())]
    Silent,
    #[error("a worker can't be watched: /proc does not tell its memory")]
    Unwatched,
}

/// Whether a worker is kept to its cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confined {
    /// It is, or has ended, or nobody knows which cores there are.
    Done,
    /// The kernel or the host refuses.
    Refused,
}

/// A worker that is closed in and waits for its job, or is at it.
pub(super) struct Process {
    /// `None` once it is buried.
    child: Option<Child>,
    socket: AsyncFd<OwnedFd>,
    handle: AsyncFd<OwnedFd>,
    status: File,
    spawner: Spawner,
}

impl Process {
    /// Starts one, and waits until it is closed in.
    pub(super) async fn ready(spawner: &Spawner, setup: Setup) -> Result<(Self, Layers), StartError> {
        let Started { child, socket, handle, status, stderr } = spawner.start().await?;
        let (socket, handle) = match (register(socket), register(handle)) {
            (Ok(socket), Ok(handle)) => (socket, handle),
            (Err(error), _) | (_, Err(error)) => {
                spawner.bury(child);
                return Err(StartError::Spawn(error));
            }
        };
        let process = Self { child: Some(child), socket, handle, status, spawner: spawner.clone() };
        match tokio::time::timeout(READY_TIMEOUT, process.greet(setup)).await {
            Err(_) => Err(StartError::Silent),
            // Only now: of one that is about to end /proc tells nothing either, and why it ends is in its words.
            Ok(Ok(FromWorker::Ready(_))) if process.usage().is_none() && !process.has_ended() => {
                Err(StartError::Unwatched)
            }
            Ok(Ok(FromWorker::Ready(layers))) if layers.is_sufficient() => Ok((process, layers)),
            Ok(Ok(FromWorker::Missing(missing))) => Err(StartError::Sandbox(missing)),
            Ok(_) => Err(StartError::Ended(last_words(stderr))),
        }
        // Its standard error is closed here. From now on it sees strangers' bytes, and nobody listens to it.
    }

    async fn greet(&self, setup: Setup) -> Result<FromWorker, WireError> {
        wire::say(self.socket.get_ref(), &ToWorker::Setup(setup), false)?;
        self.hear().await
    }

    /// Keeps it to some cores: its one thread, and all that this one will start. It can't take that back.
    pub(super) fn confine(&self, cpus: Option<CpuSet>) -> Confined {
        let (Some(cpus), Some(child)) = (cpus, &self.child) else { return Confined::Done };
        match sched_setaffinity(Some(Pid::from_child(child)), &cpus) {
            Ok(()) | Err(Errno::SRCH) => Confined::Done,
            Err(errno) => {
                tracing::warn!(%errno, "a media worker can't be kept to its cores");
                Confined::Refused
            }
        }
    }

    /// Gives it its job.
    pub(super) fn give(&self, job: Job, descriptors: &[BorrowedFd<'_>; JOB_DESCRIPTORS]) -> Result<(), WireError> {
        wire::hand(self.socket.get_ref(), &ToWorker::Job(job), descriptors)
    }

    /// The next that it says. Can be dropped while it waits, without losing anything.
    pub(super) async fn hear(&self) -> Result<FromWorker, WireError> {
        let heard = self.socket.async_io(Interest::READABLE, |socket| match wire::hear(socket) {
            Err(WireError::Socket(Errno::AGAIN)) => Err(io::ErrorKind::WouldBlock.into()),
            other => Ok(other),
        });
        heard.await.map_err(|_| WireError::Closed)?
    }

    /// Resolves when it has ended.
    pub(super) async fn ended(&self) {
        // Only a runtime that shuts down fails this, and then it is as good as ended.
        let _shutdown = self.handle.readable().await.is_err();
    }

    fn has_ended(&self) -> bool {
        let mut fds = [rustix::event::PollFd::new(self.handle.get_ref(), rustix::event::PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut fds, Some(&now)).is_ok_and(|count| count > 0)
    }

    /// What it uses now.
    pub(super) fn usage(&self) -> Option<Usage> {
        watch::usage(self.status.as_fd())
    }

    /// Kills it if it still lives, and waits until it is gone: after this it writes nothing more anywhere.
    pub(super) async fn end(mut self) -> Option<ExitStatus> {
        if let Some(child) = &mut self.child {
            let _gone_already = child.kill().is_err();
        }
        self.ended().await;
        // Readable means ended, so this does not wait. It is buried by the drop if it fails nevertheless.
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        self.child = None;
        Some(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            self.spawner.bury(child);
        }
    }
}

/// Has the runtime tell when a descriptor can be read.
fn register(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open for as long as it lives, and always the same; it is moved in, so nothing else closes it.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(io::Error::from)
}

/// What a worker has said that ended before it was ready. It had seen nothing of a stranger's.
fn last_words(mut stderr: ChildStderr) -> String {
    let mut bytes = [0; LAST_WORDS_MAX];
    let length = stderr.read(&mut bytes).unwrap_or(0);
    let words = String::from_utf8_lossy(&bytes[..length]);
    let words: String = words.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if words.is_empty() { words } else { format!(": {words}") }
}
