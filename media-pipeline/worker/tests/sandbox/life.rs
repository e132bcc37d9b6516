//! The pool's life: what comes back, what is tried again, what is ended, who waits for whom.

use crate::support::{Files, PATIENCE, config, job, run, run_files, runs, until};
use rustix::process::{Signal, kill_process};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tertulia_media_core::{Class, Job, Reason};
use tertulia_media_worker::host::{Cause, JobResult, Pool, PoolConfig, Program};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_comes_back_with_the_true_size() {
    let pool = Pool::start(config()).expect("started");
    let outcome = run(&pool, "obey").await.expect("done");
    assert_eq!(outcome.bytes, 12, "as the kernel says, not as the worker");
    assert_eq!(pool.counters().results(JobResult::Done), 1);
    let layers = pool.layers().await.expect("available");
    assert!(layers.no_new_privs && layers.rlimits && layers.seccomp && layers.no_capabilities, "{layers}");
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_may_use_its_threads() {
    let pool = Pool::start(config()).expect("started");
    run(&pool, "use the threads").await.expect("done");
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_job_runs_on_as_many_cores_as_it_has_threads() {
    let pool = Pool::start(config()).expect("started");
    let there = u64::try_from(std::thread::available_parallelism().expect("known").get()).expect("few");
    for threads in [1, 2] {
        let (input, outputs) = Files::new(b"count the cores").handles();
        let work = Job { threads, ..job(Class::Image) };
        let refusal = pool.run(&work, input, outputs, CancellationToken::new(), |_| {}).await.expect_err("a count");
        assert_eq!(refusal.actual, Some(u64::from(threads).min(there)), "with {threads} threads");
    }
    assert_eq!(pool.counters().unconfined(), 0);
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_is_replaced_and_the_job_done() {
    let pool = Pool::start(config()).expect("started");
    let files = Files::new(b"say the id and sleep");
    let mut killed = None;
    let outcome = run_files(&pool, &files, |_| {
        let id = files.told_id();
        killed = Some(id);
        files.rewrite(b"obey");
        kill_process(id, Signal::KILL).expect("killed");
    })
    .await
    .expect("done by the second worker");
    assert_eq!(outcome.bytes, 12);
    assert!(killed.is_some());
    assert_eq!((pool.counters().retries(), pool.counters().failures(Cause::Crashed)), (1, 1));
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_two_workers_is_refused() {
    let pool = Pool::start(config()).expect("started");
    let files = Files::new(b"say the id and sleep");
    // Progress is told once: of the second worker only the file tells.
    let kill = async {
        let mut last = None;
        for _ in 0..2 {
            let mut id = None;
            until("a worker says its id", || {
                let text = std::fs::read_to_string(format!("/proc/self/fd/{}", fd(&files))).unwrap_or_default();
                id = text.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
                id.is_some() && id != last
            })
            .await;
            last = id;
            kill_process(id.expect("told"), Signal::KILL).expect("killed");
        }
    };
    let (result, ()) = tokio::join!(run_files(&pool, &files, |_| {}), kill);
    assert_eq!(result.expect_err("refused").reason, Reason::WorkerCrashed);
    assert!(files.outputs.iter().all(|file| file.metadata().expect("readable").len() == 0), "nothing is left in them");
    run(&pool, "obey").await.expect("the next one works");
    pool.shutdown().await;
}

fn fd(files: &Files) -> i32 {
    use std::os::fd::AsRawFd as _;
    files.outputs[2].as_raw_fd()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_attempt_finds_the_outputs_empty() {
    let pool = Pool::start(config()).expect("started");
    let files = Files::new(b"scribble");
    run_files(&pool, &files, |_| files.rewrite(b"check the outputs")).await.expect("they were");
    assert_eq!(pool.counters().retries(), 1);
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_says_done_can_change_nothing_more() {
    let pool = Pool::start(config()).expect("started");
    let files = Files::new(b"linger");
    let outcome = run_files(&pool, &files, |_| {}).await.expect("done");
    let size = || files.outputs[0].metadata().expect("readable").len();
    assert_eq!(outcome.bytes, size());
    run(&pool, "obey").await.expect("done");
    assert_eq!(outcome.bytes, size(), "a job later it is the same");
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_the_worker() {
    let pool = Pool::start(config()).expect("started");
    let files = Files::new(b"say the id and sleep");
    let (input, outputs) = files.handles();
    let cancel = CancellationToken::new();
    let mut id = None;
    let result = pool
        .run(&job(Class::Image), input, outputs, cancel.clone(), |_| {
            id = Some(files.told_id());
            cancel.cancel();
        })
        .await;
    assert_eq!(result.expect_err("cancelled").reason, Reason::Cancelled);
    let id = id.expect("told").as_raw_nonzero().get().cast_unsigned();
    until("the worker is gone", || !runs(id)).await;
    assert_eq!(pool.counters().results(JobResult::Cancelled), 1);
    run(&pool, "obey").await.expect("the next one works");
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_ends_the_worker_and_frees_its_cores() {
    let pool = Pool::start(PoolConfig { cores: 1, ..config() }).expect("started");
    let files = Files::new(b"say the id and sleep");
    let (input, outputs) = files.handles();
    let (told, heard) = tokio::sync::oneshot::channel();
    let mut told = Some(told);
    let work = job(Class::Image);
    tokio::select! {
        _ = pool.run(&work, input, outputs, CancellationToken::new(), |_| {
            told.take().expect("once").send(files.told_id()).expect("awaited");
        }) => panic!("it sleeps"),
        id = heard => {
            let id = id.expect("told").as_raw_nonzero().get().cast_unsigned();
            assert!(runs(id), "it was there");
        }
    }
    let id = files.told_id().as_raw_nonzero().get().cast_unsigned();
    until("the worker is gone", || !runs(id)).await;
    run(&pool, "obey").await.expect("its core is free");
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_use_no_more_cores_than_configured() {
    let pool = Arc::new(Pool::start(PoolConfig { cores: 2, ready: 3, ..config() }).expect("started"));
    let most = Arc::new(AtomicUsize::new(0));
    let jobs = (0..6).map(|_| {
        let (pool, most) = (Arc::clone(&pool), Arc::clone(&most));
        tokio::spawn(async move {
            let files = Files::new(b"use the threads");
            let (input, outputs) = files.handles();
            let one = job(Class::Image);
            let running = pool.run(&one, input, outputs, CancellationToken::new(), |_| {});
            tokio::pin!(running);
            loop {
                most.fetch_max(pool.counters().running(), Ordering::Relaxed);
                tokio::select! {
                    result = &mut running => return result.map(|_| ()),
                    () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
                }
            }
        })
    });
    for handle in jobs.collect::<Vec<_>>() {
        handle.await.expect("no panic").expect("done");
    }
    let most = most.load(Ordering::Relaxed);
    assert!((1..=2).contains(&most), "{most} at once");
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_gets_no_more_threads_than_there_are_cores() {
    let pool = Pool::start(config()).expect("started");
    let files = Files::new(b"report the threads");
    let (input, outputs) = files.handles();
    let greedy = Job { threads: 500, ..job(Class::Image) };
    let running = pool.run(&greedy, input, outputs, CancellationToken::new(), |_| {});
    let refusal = tokio::time::timeout(PATIENCE, running).await.expect("it ends").expect_err("reports");
    assert_eq!(refusal.actual, Some(2));
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_program_media_are_refused_at_once() {
    let program = Program { path: "/nonexistent/worker".into(), args: Vec::new() };
    let pool = Pool::start(PoolConfig::new(program, 1)).expect("started");
    assert_eq!(run(&pool, "obey").await.expect_err("refused").reason, Reason::SandboxUnavailable);
    assert!(pool.layers().await.is_err() && pool.layers_now().is_none());
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_no_worker_is_unavailable_with_its_words() {
    let program = Program { path: "/bin/cat".into(), args: vec!["/nonexistent/file".into()] };
    let pool = Pool::start(PoolConfig::new(program, 1)).expect("started");
    let why = pool.layers().await.expect_err("unavailable");
    assert!(why.contains("/nonexistent/file"), "{why}");
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_jobs_as_they_were() {
    let pool = Pool::start(config()).expect("started");
    let files = Files::new(b"say the id and sleep");
    let (input, outputs) = files.handles();
    let work = job(Class::Image);
    let (told, heard) = tokio::sync::oneshot::channel();
    let mut told = Some(told);
    let running = pool.run(&work, input, outputs, CancellationToken::new(), |_| {
        told.take().expect("once").send(files.told_id()).expect("awaited");
    });
    let stop = async {
        let id = heard.await.expect("told").as_raw_nonzero().get().cast_unsigned();
        pool.shutdown().await;
        assert!(!runs(id), "the worker is gone");
    };
    let (result, ()) = tokio::join!(running, stop);
    assert_eq!(result.expect_err("ended").reason, Reason::Busy);
    assert_eq!((pool.counters().ready(), pool.counters().running()), (0, 0));
}
