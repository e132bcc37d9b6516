//! What a pool leaves behind: nothing. Alone in its program, so that it can count processes and descriptors.

use rustix::process::{Pid, Signal, kill_process};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tertulia_media_core::{Class, Job, Limits};
use tertulia_media_worker::host::{Pool, PoolConfig, Program};
use tokio_util::sync::CancellationToken;

/// Far longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("the list of them").count()
}

fn children() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the list of them").flatten();
    tasks
        .flat_map(|task| {
            std::fs::read_to_string(task.path().join("children"))
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Neither gone nor waiting to be buried.
fn runs(id: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z") && !stat.contains(") X"))
}

async fn attack(pool: &Pool, name: &str) -> bool {
    let file = || OwnedFd::from(tempfile::tempfile().expect("a file"));
    let mut input = tempfile::tempfile().expect("a file");
    std::io::Write::write_all(&mut input, name.as_bytes()).expect("written");
    let job = Job { class: Class::Image, limits: Limits::default(), threads: 1 };
    let cancel = CancellationToken::new();
    let when_told = cancel.clone();
    let progress = move |_| when_told.cancel();
    pool.run(&job, OwnedFd::from(input), [file(), file(), file()], cancel, progress).await.is_ok()
}

#[test]
fn d7_nothing_is_left_of_jobs_and_pools() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let program = Program { path: env!("CARGO_BIN_EXE_media-attacker").into(), args: Vec::new() };
        let config = PoolConfig { ready: 2, stall: Duration::from_millis(500), ..PoolConfig::new(program, 2) };
        let before = descriptors();
        assert!(children().is_empty());

        let pool = Pool::start(config.clone()).expect("started");
        pool.layers().await.expect("available");
        let waiting = children();
        assert!(!waiting.is_empty(), "workers wait");
        for _ in 0..3 {
            assert!(attack(&pool, "obey").await);
            // It is cancelled at its first progress.
            for name in ["abort", "socket", "sleep", "babble", "say the id and sleep", "linger"] {
                let is_done = attack(&pool, name).await;
                assert_eq!(is_done, name == "linger", "{name}");
            }
        }
        // Those that wait may die too: they are buried, and others take their places.
        until("two wait", || pool.counters().ready() == 2 && children().len() == 2).await;
        let waiting = children();
        for worker in &waiting {
            let worker = Pid::from_raw(worker.parse().expect("a number")).expect("not zero");
            let _gone_already = kill_process(worker, Signal::KILL).is_err();
        }
        until("they are dead", || !waiting.iter().any(|worker| runs(worker))).await;
        assert!(attack(&pool, "obey").await, "done by another one");
        until("those that died are missed", || pool.counters().lost_waiting() >= 1).await;
        until("there are two again", || pool.counters().ready() == 2 && children().len() == 2).await;

        pool.shutdown().await;
        assert_eq!(children(), Vec::<String>::new(), "after shutdown there is no process");
        drop(pool);
        until("nothing is left of a shutdown", || is_nothing_left(before)).await;

        // Without shutdown too: in the middle of a job.
        let pool = Pool::start(config).expect("started");
        let job = async { attack(&pool, "sleep").await };
        assert!(tokio::time::timeout(Duration::from_millis(300), job).await.is_err(), "it sleeps");
        drop(pool);
        until("nothing is left of a drop", || is_nothing_left(before)).await;
    });
}

fn is_nothing_left(before: usize) -> bool {
    children().is_empty() && descriptors() == before
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        let (processes, descriptors) = (children(), descriptors());
        assert!(start.elapsed() < PATIENCE, "{what}: processes {processes:?}, {descriptors} descriptors");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
