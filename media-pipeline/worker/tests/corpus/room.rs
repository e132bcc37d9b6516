//! Where cases run: one table at a time, two cases of it at once, each job by a real worker in its sandbox.
//!
//! Invariant: when a table is over nothing is left of it, neither process nor descriptor, and no worker has broken.

use crate::pattern::Shape;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tertulia_media_core::{Class, Job, Limits, Outcome, Refusal};
use tertulia_media_worker::host::{Cause, Pool, PoolConfig, Program};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Far longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(120);
/// Cases, and with them jobs and programs that make or judge media, at once.
const AT_ONCE: usize = 2;

/// Real workers, and a folder.
pub(crate) struct Room {
    folder: TempDir,
    runtime: Runtime,
    pool: Pool,
}

/// One case's place in the room.
pub(crate) struct Desk<'a> {
    room: &'a Room,
    folder: PathBuf,
}

/// What a job has made.
pub(crate) struct Made {
    pub(crate) outcome: Outcome,
    pub(crate) main: PathBuf,
    pub(crate) jpeg: PathBuf,
    pub(crate) webp: PathBuf,
}

/// Runs every case of a table, tells of all that fail, and sees that nothing is left.
pub(crate) fn table<T: Clone + Sync>(
    cases: &[T],
    name: impl Fn(&T) -> String + Sync,
    each: impl Fn(&Desk<'_>, &T) + Sync,
) {
    table_of(|_| cases.to_vec(), name, each);
}

/// The same for cases that have to be made first.
pub(crate) fn table_of<T: Sync>(
    make: impl FnOnce(&Desk<'_>) -> Vec<T>,
    name: impl Fn(&T) -> String + Sync,
    each: impl Fn(&Desk<'_>, &T) + Sync,
) {
    // What is left can only be counted where nobody else works.
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The first runtime of a process opens what it never closes, and so does whoever lays a bait.
    drop(Room::runtime());
    let _bait = bait();
    let descriptors_before = descriptors();
    assert_eq!(children(), Vec::<String>::new(), "the table before has left processes");
    let room = Room::open();
    let cases = make(&Desk::new(&room, usize::MAX));
    let failed = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(at) else { break };
                    let desk = Desk::new(&room, at);
                    if catch_unwind(AssertUnwindSafe(|| each(&desk, case))).is_err() {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(name(case));
                    }
                    fs::remove_dir_all(&desk.folder).unwrap();
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let broken = room.close(descriptors_before);
    assert_eq!(
        (failed, broken),
        (Vec::<String>::new(), Vec::new()),
        "cases that have failed, workers that have broken"
    );
}

impl Room {
    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    }

    fn open() -> Self {
        let runtime = Self::runtime();
        let program = Program { path: env!("CARGO_BIN_EXE_tertulia-media-worker").into(), args: Vec::new() };
        let config = PoolConfig { stall: PATIENCE, wall_min: PATIENCE * 4, ..PoolConfig::new(program, AT_ONCE as u32) };
        let pool = runtime.block_on(async {
            let pool = Pool::start(config).unwrap();
            pool.layers().await.unwrap();
            pool
        });
        Self { folder: tempfile::tempdir().unwrap(), runtime, pool }
    }

    /// Sees that nothing is left, and tells in which ways workers have broken.
    fn close(self, descriptors_before: usize) -> Vec<Cause> {
        let Self { folder, runtime, pool } = self;
        let broken = Cause::ALL.into_iter().filter(|cause| pool.counters().failures(*cause) > 0).collect();
        runtime.block_on(pool.shutdown());
        assert_eq!(children(), Vec::<String>::new(), "processes are left");
        drop((folder, pool, runtime));
        let start = Instant::now();
        while descriptors() != descriptors_before {
            assert!(start.elapsed() < PATIENCE, "{} descriptors, {descriptors_before} before", descriptors());
            std::thread::sleep(Duration::from_millis(5));
        }
        broken
    }
}

impl<'a> Desk<'a> {
    fn new(room: &'a Room, number: usize) -> Self {
        let folder = room.folder.path().join(number.to_string());
        fs::create_dir(&folder).unwrap();
        Self { room, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What FFmpeg is told to read the pattern.
    pub(crate) fn film(&self, shape: Shape) -> String {
        shape.write(self.room.folder.path())
    }

    /// A file of these bytes.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// What the distribution's FFmpeg makes of these arguments, which stand for themselves between blanks.
    pub(crate) fn make(&self, name: &str, arguments: &str) -> PathBuf {
        self.make_by("ffmpeg".as_ref(), name, arguments)
    }

    /// What a newer one makes of them, which codes AMR and turns pictures.
    pub(crate) fn make_by_newer(&self, name: &str, arguments: &str) -> PathBuf {
        self.make_by(&sample("ffmpeg"), name, arguments)
    }

    fn make_by(&self, program: &Path, name: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let made = Command::new(program)
            .args(["-nostdin", "-v", "error", "-y"])
            .args(arguments.split_whitespace())
            .arg(&path)
            .output()
            .unwrap();
        assert!(made.status.success(), "{arguments} {name}: {}", String::from_utf8_lossy(&made.stderr));
        path
    }

    /// Has a worker do a job.
    pub(crate) fn run(&self, class: Class, input: &Path) -> Result<Made, Refusal> {
        self.run_limited(class, Limits::default(), input)
    }

    /// The same, within other limits.
    pub(crate) fn run_limited(&self, class: Class, limits: Limits, input: &Path) -> Result<Made, Refusal> {
        let names = ["out.main", "out.jpg", "out.webp"].map(|name| self.path(name));
        let open = |path: &PathBuf| {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap();
            OwnedFd::from(file)
        };
        let outputs = [open(&names[0]), open(&names[1]), open(&names[2])];
        let input = OwnedFd::from(File::open(input).unwrap());
        let job = Job { class, limits, threads: 1 };
        let Room { runtime, pool, .. } = self.room;
        let outcome = runtime.block_on(pool.run(&job, input, outputs, CancellationToken::new(), |_| {}))?;
        let [main, jpeg, webp] = names;
        Ok(Made { outcome, main, jpeg, webp })
    }
}

/// A file that `./x test` has fetched.
pub(crate) fn sample(name: &str) -> PathBuf {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.cache/samples")).join(name);
    assert!(path.exists(), "{} is missing: `./x test rust` fetches it", path.display());
    path
}

/// Where nobody comes: what hostile files name.
pub(crate) fn bait() -> &'static TcpListener {
    static BAIT: LazyLock<TcpListener> = LazyLock::new(|| {
        let bait = TcpListener::bind("127.0.0.1:0").unwrap();
        bait.set_nonblocking(true).unwrap();
        bait
    });
    &BAIT
}

/// How often each file is cut, and broken.
pub(crate) fn rounds() -> usize {
    std::env::var("CORPUS_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    tasks.flat_map(|task| of(task).split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
