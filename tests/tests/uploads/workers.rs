//! The processes in which a server opens media, seen and handled as an operator with a root shell could.

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashSet;
use tertulia_tests::Server;
use tertulia_tests::wait::eventually;

/// A process, not mistaken for a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    pid: i32,
    started: u64,
}

/// Parent, state and start of a process.
fn stat(pid: i32) -> Option<(i32, char, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses, and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(1)?.parse().ok()?, fields.first()?.chars().next()?, fields.get(19)?.parse().ok()?))
}

/// The server's children that live.
pub(crate) fn workers(server: &Server) -> HashSet<Worker> {
    let parent = i32::try_from(server.pid()).unwrap_or(-1);
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let ours = |pid| match stat(pid)? {
        (its, state, started) if its == parent && !matches!(state, 'Z' | 'X') => Some(Worker { pid, started }),
        _ => None,
    };
    pids.filter_map(ours).collect()
}

impl Worker {
    fn signal(self, signal: Signal) -> anyhow::Result<()> {
        ensure!(self.lives(), "it has ended by itself");
        Ok(kill_process(Pid::from_raw(self.pid).context("a pid")?, signal)?)
    }

    /// Whether it is there, dead ones that nobody has waited for included.
    pub(crate) fn lives(self) -> bool {
        stat(self.pid).is_some_and(|(_, _, started)| started == self.started)
    }

    /// Whatever it is doing, it goes on with it no further.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    pub(crate) fn kill(self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)
    }
}

/// As many ready ones as configured, all of them stopped: the next jobs begin and go nowhere.
pub(crate) async fn stopped(server: &Server, ready: usize) -> anyhow::Result<HashSet<Worker>> {
    let all = eventually("workers are ready", || async {
        let is_ready = server.metrics().await.ok()?.sum("tertulia_media_workers_ready", &[]) >= ready as f64;
        let all = workers(server);
        (is_ready && all.len() == ready).then_some(all)
    });
    let all = all.await?;
    for worker in &all {
        worker.stop()?;
    }
    Ok(all)
}

/// Waits until a figure is this.
pub(crate) async fn figure(server: &Server, name: &str, labels: &[&str], is: f64) -> anyhow::Result<()> {
    let what = format!("{name}{labels:?} is {is}");
    let sum = || async { Some(server.metrics().await.ok()?.sum(name, labels)).filter(|sum| *sum == is).map(drop) };
    eventually(&what, sum).await
}

/// Waits until they are all gone.
pub(crate) async fn gone(workers: &HashSet<Worker>) -> anyhow::Result<()> {
    let none = || async { workers.iter().all(|worker| !worker.lives()).then_some(()) };
    eventually("the workers are gone", none).await
}
