//! What a pool is told: how many workers, how much of the machine, how long.

use crate::sandbox::Setup;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use tertulia_media_core::{Class, Job, Limits, Reason};

/// Threads of a worker. FFmpeg and x264 take some three for each core they may use; thread stacks in the kernel are memory that
/// no other limit counts.
const THREADS_MAX_BASE: u64 = 64;
const THREADS_MAX_PER_CORE: u64 = 16;
/// Memory that a thread may ask for beyond what it uses: its stack.
const STACK_BYTES: u64 = 8 << 20;

/// What to start as a worker.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl Program {
    /// This program itself, as it runs: the file that was started, even if an upgrade has put another one in its place.
    pub fn own(args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { path: "/proc/self/exe".into(), args: args.into_iter().map(Into::into).collect() }
    }
}

/// What a pool is told.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// What to start as a worker.
    pub program: Program,
    /// Workers that wait for a job. More start a burst of small jobs sooner; each costs some 10 MB of memory.
    pub ready: usize,
    /// Cores that all jobs together may use; a job takes as many as it has threads.
    pub cores: u32,
    /// Bytes of memory that a worker may use. Lower refuses larger pictures, higher lets more jobs fill the machine.
    pub memory_bytes_max: u64,
    /// Bytes that a worker may write to one output.
    pub file_bytes_max: u64,
    /// Time without progress after which a worker counts as hung.
    pub stall: Duration,
    /// The least time that any job has.
    pub wall_min: Duration,
    /// Seconds that a video's job may take for each second a video may last.
    pub video_wall_factor: f64,
    /// The same for sounds and voice notes, which take far less than they last.
    pub sound_wall_factor: f64,
    /// How much workers yield to the rest of the machine, 0 to 19: calls come first.
    pub nice: u8,
}

impl PoolConfig {
    /// The defaults, for a machine of so many cores.
    #[must_use]
    pub fn new(program: Program, cores: u32) -> Self {
        Self {
            program,
            ready: 2,
            cores: cores.max(1),
            memory_bytes_max: 512 << 20,
            file_bytes_max: Limits::default().file_bytes_max,
            stall: Duration::from_secs(30),
            wall_min: Duration::from_secs(60),
            video_wall_factor: 4.0,
            sound_wall_factor: 0.25,
            nice: 5,
        }
    }

    /// How long a job may take.
    pub(super) fn wall(&self, job: &Job) -> Duration {
        let (seconds, factor) = match job.class {
            // A picture that moves becomes a video.
            Class::Video | Class::Image => (job.limits.video_seconds_max, self.video_wall_factor),
            Class::Audio | Class::Voice => (job.limits.audio_seconds_max, self.sound_wall_factor),
            Class::Document | Class::Sealed => (0, 0.0),
        };
        let wall = Duration::try_from_secs_f64(f64::from(seconds) * factor).unwrap_or(self.wall_min);
        wall.max(self.wall_min)
    }

    /// Whether a worker uses more than it may.
    pub(super) fn is_too_much(&self, memory_bytes: u64, threads: u64) -> bool {
        memory_bytes > self.memory_bytes_max || threads > self.threads_max()
    }

    fn threads_max(&self) -> u64 {
        THREADS_MAX_BASE + THREADS_MAX_PER_CORE * u64::from(self.cores)
    }

    /// How a worker closes itself in. What it can ask for is more than it may use, since stacks and arenas are never filled.
    pub(super) fn setup(&self) -> Setup {
        let data = self.memory_bytes_max.saturating_mul(2).saturating_add(self.threads_max() * STACK_BYTES);
        // The time limit is the program's to watch; this one holds where the program itself is stopped.
        let limits = Limits::default();
        let longest = [Class::Video, Class::Audio]
            .map(|class| self.wall(&Job { class, limits, threads: 1 }))
            .into_iter()
            .fold(Duration::from_secs(3_600), Duration::max);
        Setup {
            file_bytes_max: self.file_bytes_max,
            data_bytes_max: data,
            cpu_seconds_max: longest.as_secs().saturating_mul(u64::from(self.cores)),
            nice: self.nice,
        }
    }
}

impl super::Cause {
    /// What the uploader is told.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Memory => Reason::OutOfMemory,
            Self::TimedOut | Self::Stalled => Reason::TimedOut,
            Self::Crashed | Self::Forbidden | Self::FileSize | Self::Misbehaved => Reason::WorkerCrashed,
        }
    }
}
