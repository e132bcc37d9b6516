//! A pool of workers that do what the job's input says, and files for their jobs.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tertulia_media_core::{Class, Job, Limits, Outcome, Refusal};
use tertulia_media_worker::host::{Pool, PoolConfig, Program};
use tokio_util::sync::CancellationToken;

/// Far longer than anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn attacker() -> Program {
    Program { path: env!("CARGO_BIN_EXE_media-attacker").into(), args: Vec::new() }
}

pub(crate) fn config() -> PoolConfig {
    PoolConfig::new(attacker(), 2)
}

pub(crate) fn job(class: Class) -> Job {
    Job { class, limits: Limits::default(), threads: 1 }
}

/// A job's files, of which the test keeps a hold.
pub(crate) struct Files {
    pub(crate) input: File,
    pub(crate) outputs: [File; 3],
}

impl Files {
    pub(crate) fn new(input: &[u8]) -> Self {
        let files = Self { input: file(), outputs: [file(), file(), file()] };
        files.rewrite(input);
        files
    }

    pub(crate) fn rewrite(&self, input: &[u8]) {
        let mut file = &self.input;
        file.set_len(0).expect("emptied");
        file.seek(SeekFrom::Start(0)).expect("at its beginning");
        file.write_all(input).expect("written");
    }

    pub(crate) fn handles(&self) -> (OwnedFd, [OwnedFd; 3]) {
        let copy = |file: &File| OwnedFd::from(file.try_clone().expect("another handle"));
        (copy(&self.input), self.outputs.each_ref().map(copy))
    }

    /// Of the worker that has told it.
    pub(crate) fn told_id(&self) -> rustix::process::Pid {
        let text = std::io::read_to_string(&self.outputs[2]).expect("readable");
        let mut file = &self.outputs[2];
        file.seek(SeekFrom::Start(0)).expect("at its beginning");
        // What comes first may be a scribble; the number is what a worker writes there.
        rustix::process::Pid::from_raw(text.trim().parse().expect("a number")).expect("not zero")
    }
}

fn file() -> File {
    tempfile::tempfile().expect("a file")
}

/// Has an attack done as a picture's job.
pub(crate) async fn run(pool: &Pool, attack: &str) -> Result<Outcome, Refusal> {
    run_files(pool, &Files::new(attack.as_bytes()), |_| {}).await
}

pub(crate) async fn run_files(
    pool: &Pool,
    files: &Files,
    progress: impl FnMut(u16) + Send,
) -> Result<Outcome, Refusal> {
    let (input, outputs) = files.handles();
    let work = job(Class::Image);
    let running = pool.run(&work, input, outputs, CancellationToken::new(), progress);
    tokio::time::timeout(PATIENCE, running).await.expect("it ends")
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process runs: neither gone nor waiting to be buried.
pub(crate) fn runs(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
        !matches!(stat.rsplit_once(')').map(|(_, rest)| rest.trim_start().as_bytes()[0]), Some(b'Z' | b'X'))
    })
}

/// The processes whose parent is this one, zombies included.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let ids = std::fs::read_dir("/proc").expect("the list of them").flatten();
    ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|id| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
            after_name.split_whitespace().nth(1).is_some_and(|id| id.parse() == Ok(parent))
        })
        .collect()
}
