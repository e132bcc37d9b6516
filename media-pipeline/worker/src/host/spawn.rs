//! The thread that starts workers and buries them.
//!
//! The kernel ends a worker when the *thread* that started it ends, so it is one thread, which lives as long as the pool; and
//! whatever becomes of a worker, its process is waited for here or by its owner, never by nobody.

use super::Program;
use crate::wire;
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often killed workers are asked whether they are gone. They are, in a millisecond; one that the disk holds takes longer.
const BURIAL_INTERVAL: Duration = Duration::from_millis(5);
/// How long the thread waits for the last of them when the pool is gone. What is left then falls to init.
const LAST_BURIAL: Duration = Duration::from_secs(5);

/// A process that has just been started: nothing has been said to it yet.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) socket: OwnedFd,
    /// Readable when it has ended.
    pub(super) handle: OwnedFd,
    /// What the kernel says about it. Opened before it hides itself: later the kernel might not let us.
    pub(super) status: File,
    pub(super) stderr: ChildStderr,
}

enum Order {
    Start(oneshot::Sender<io::Result<Started>>),
    Bury(Child),
    /// To be answered when nobody is left to bury.
    Mourn(oneshot::Sender<()>),
}

/// The thread's other end. It ends when the last of these does, and its workers with it.
#[derive(Clone)]
pub(super) struct Spawner {
    orders: Sender<Order>,
}

impl Spawner {
    /// Starts the thread.
    pub(super) fn new(program: Program) -> io::Result<Self> {
        let (orders, incoming) = channel();
        std::thread::Builder::new().name("media-workers".into()).spawn(move || serve(&program, &incoming))?;
        Ok(Self { orders })
    }

    /// Starts a process.
    pub(super) async fn start(&self) -> io::Result<Started> {
        let gone = || io::Error::other("the thread that starts workers is gone");
        let (answer, started) = oneshot::channel();
        self.orders.send(Order::Start(answer)).map_err(|_| gone())?;
        started.await.map_err(|_| gone())?
    }

    /// Kills a process and waits for it, elsewhere.
    pub(super) fn bury(&self, mut child: Child) {
        // Here, so that it ends even while the thread is busy.
        let _gone_already = child.kill().is_err();
        let _at_exit = self.orders.send(Order::Bury(child)).is_err();
    }

    /// Resolves when everything that was to be buried is.
    pub(super) async fn mourn(&self) {
        let (answer, done) = oneshot::channel();
        if self.orders.send(Order::Mourn(answer)).is_ok() {
            let _ended = done.await.is_err();
        }
    }
}

fn serve(program: &Program, incoming: &Receiver<Order>) {
    let mut dying: Vec<Child> = Vec::new();
    let mut mourners: Vec<oneshot::Sender<()>> = Vec::new();
    loop {
        let order = if dying.is_empty() {
            incoming.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            incoming.recv_timeout(BURIAL_INTERVAL)
        };
        match order {
            Ok(Order::Start(answer)) => {
                // Nobody waits for it any more: it must not outlive that.
                if let Err(Ok(started)) = answer.send(start(program)) {
                    let mut child = started.child;
                    let _gone_already = child.kill().is_err();
                    dying.push(child);
                }
            }
            Ok(Order::Bury(child)) => dying.push(child),
            Ok(Order::Mourn(answer)) => mourners.push(answer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        dying.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        if dying.is_empty() {
            for mourner in mourners.drain(..) {
                let _gave_up = mourner.send(()).is_err();
            }
        }
    }
    let start = Instant::now();
    while !dying.is_empty() && start.elapsed() < LAST_BURIAL {
        std::thread::sleep(BURIAL_INTERVAL);
        dying.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

fn start(program: &Program) -> io::Result<Started> {
    let (socket, theirs) = wire::pair()?;
    ioctl_fionbio(&socket, true)?;
    let mut child = Command::new(&program.path)
        .args(&program.args)
        .env_clear()
        .current_dir("/")
        // A terminal's Ctrl-C is for the program, which ends its workers itself.
        .process_group(0)
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    match watch(&mut child) {
        Ok((handle, status, stderr)) => Ok(Started { child, socket, handle, status, stderr }),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error)
        }
    }
}

fn watch(child: &mut Child) -> io::Result<(OwnedFd, File, ChildStderr)> {
    let handle = pidfd_open(Pid::from_child(child), PidfdFlags::NONBLOCK)?;
    let status = File::open(format!("/proc/{}/status", child.id()))?;
    let stderr = child.stderr.take().ok_or_else(|| io::Error::other("no pipe"))?;
    ioctl_fionbio(&stderr, true)?;
    Ok((handle, status, stderr))
}
