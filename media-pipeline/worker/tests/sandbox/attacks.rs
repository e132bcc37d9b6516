//! A worker that has been taken over tries everything; each try is stopped, named, and costs its own job only.

use crate::support::{config, run};
use std::time::Duration;
use tertulia_media_core::{Class, Reason};
use tertulia_media_worker::host::{Cause, Pool, PoolConfig};

const EPERM: u64 = 1;
const ENOSYS: u64 = 38;

/// Calls for which the process dies, twice.
const KILLED: &[&str] = &[
    "open for writing",
    "open a path only",
    "own memory as a file",
    "unlink",
    "chdir",
    "chroot",
    "mount",
    "socket",
    "socketpair",
    "connect",
    "send elsewhere",
    "send descriptors",
    "fork",
    "clone with a new user",
    "execve",
    "execveat",
    "ptrace the parent",
    "read the parent",
    "kill the parent",
    "signal a thread of the parent",
    "a handle of the parent",
    "io_uring",
    "make data code",
    "map code",
    "personality",
    "unshare",
    "setns",
    "bpf",
    "perf",
    "keys",
    "userfaultfd",
    "memfd",
    "shared memory",
    "setuid",
    "capset",
    "another filter",
    "own a descriptor",
    "inherit priority",
    "a timer",
    #[cfg(target_arch = "x86_64")]
    "fork as of old",
    #[cfg(target_arch = "x86_64")]
    "vfork",
    #[cfg(target_arch = "x86_64")]
    "a call of the other kind",
];

/// Calls that are refused: honest libraries try them.
const REFUSED: &[(&str, u64)] = &[
    ("open", EPERM),
    ("stat a path", EPERM),
    ("readlink", EPERM),
    ("be dumpable", EPERM),
    ("outlive the parent", EPERM),
    ("a terminal's input", EPERM),
    ("limits of the parent", EPERM),
    ("own limits", EPERM),
    ("fork by clone3", ENOSYS),
];

async fn still_works(pool: &Pool, after: &str) {
    let outcome = run(pool, "obey").await.unwrap_or_else(|refusal| panic!("the job after {after:?}: {refusal}"));
    assert_eq!((outcome.class, outcome.bytes), (Class::Image, 12), "after {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_calls_that_lead_outside_kill_the_worker() {
    let pool = Pool::start(config()).expect("started");
    for (index, attack) in KILLED.iter().enumerate() {
        let refusal = run(&pool, attack).await.expect_err(attack);
        assert_eq!(refusal.reason, Reason::WorkerCrashed, "{attack}");
        assert_eq!(pool.counters().failures(Cause::Forbidden), 2 * (index as u64 + 1), "{attack}");
    }
    still_works(&pool, "forbidden calls").await;
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_what_libraries_try_is_refused_and_tells_nothing() {
    let pool = Pool::start(config()).expect("started");
    for (attack, errno) in REFUSED {
        let refusal = run(&pool, attack).await.expect_err(attack);
        assert_eq!((refusal.reason, refusal.actual), (Reason::Unsupported, Some(*errno)), "{attack}");
    }
    assert_eq!(pool.counters().retries(), 0);
    still_works(&pool, "refused calls").await;
    pool.shutdown().await;
}

/// Has a worker fail over an attack, twice, for this cause.
async fn fails(config: PoolConfig, attack: &str, cause: Cause, reason: Reason) {
    let pool = Pool::start(config).expect("started");
    let refusal = run(&pool, attack).await.expect_err(attack);
    assert_eq!(refusal.reason, reason, "{attack}");
    let counted: Vec<_> = Cause::ALL.into_iter().filter(|cause| pool.counters().failures(*cause) > 0).collect();
    assert_eq!(counted, [cause], "{attack}");
    assert_eq!((pool.counters().failures(cause), pool.counters().retries()), (2, 1), "{attack}");
    still_works(&pool, attack).await;
    pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_worker_that_breaks_is_one_that_crashed() {
    for attack in ["panic", "abort", "exit", "close the socket"] {
        fails(config(), attack, Cause::Crashed, Reason::WorkerCrashed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_worker_takes_no_more_memory_than_it_may() {
    let small = || PoolConfig { memory_bytes_max: 192 << 20, ..config() };
    fails(small(), "allocate", Cause::Memory, Reason::OutOfMemory).await;
    fails(small(), "threads", Cause::Memory, Reason::OutOfMemory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_worker_takes_no_more_time_than_it_may() {
    let stall = Duration::from_millis(700);
    for attack in ["spin", "sleep"] {
        fails(PoolConfig { stall, ..config() }, attack, Cause::Stalled, Reason::TimedOut).await;
    }
    let short = PoolConfig { wall_min: Duration::from_secs(1), video_wall_factor: 0.0, ..config() };
    fails(short, "creep", Cause::TimedOut, Reason::TimedOut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_worker_writes_no_more_than_it_may() {
    let config = PoolConfig { file_bytes_max: 3 << 20, ..config() };
    fails(config, "fill", Cause::FileSize, Reason::WorkerCrashed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_worker_that_floods_or_babbles_is_ended() {
    for attack in ["flood", "repeat", "exaggerate", "babble", "shout"] {
        fails(config(), attack, Cause::Misbehaved, Reason::WorkerCrashed).await;
    }
    // The socket can't tell an empty packet from an end.
    fails(config(), "say nothing often", Cause::Crashed, Reason::WorkerCrashed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_forged_result_is_not_believed() {
    for attack in [
        "forge the class",
        "forge the media type",
        "forge the kind",
        "forge the dimensions",
        "forge the duration",
        "forge the preview",
        "forge a long preview",
        "forge the waveform",
        "forge the thumbhash",
        "forge an empty output",
        "forge a thumbnail",
        "forge the reason",
    ] {
        fails(config(), attack, Cause::Misbehaved, Reason::WorkerCrashed).await;
    }
    let roomy = PoolConfig { file_bytes_max: 400 << 20, ..config() };
    fails(roomy, "forge a large output", Cause::Misbehaved, Reason::WorkerCrashed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_descriptor_that_slips_into_a_worker_is_closed() {
    // One that every process inherits which this one starts meanwhile.
    let slipped = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), 100).expect("another one");
    rustix::io::fcntl_setfd(&slipped, rustix::io::FdFlags::empty()).expect("inherited");
    let pool = Pool::start(config()).expect("started");
    run(&pool, "find a descriptor").await.expect("there is none");
    pool.shutdown().await;
}
