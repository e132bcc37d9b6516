//! What the library may use and keep: set by the operator, with defaults.

use crate::cache::CacheLimits;
use crate::ingest::SpoolLimits;
use crate::links::LinkKeys;
use crate::tus::TusConfig;
use std::path::PathBuf;
use std::time::Duration;
use tertulia_media_core::Limits;

/// How the library is run.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "it holds the keys of links")]
pub struct LibraryConfig {
    /// The folder of uploads on their way and of jobs' inputs and outputs. Nothing else may be in it.
    pub incoming: PathBuf,
    /// Sign links.
    pub link_keys: LinkKeys,
    /// What an upload may be.
    pub limits: Limits,
    /// What a user may have and do.
    pub quota: QuotaConfig,
    /// The workers' queue.
    pub jobs: JobsConfig,
    /// When files go.
    pub collect: CollectConfig,
    /// Resumable uploads.
    pub tus: TusConfig,
    /// What may be on its way.
    pub spool: SpoolLimits,
    /// How long a link may be good.
    pub link_ttl_max: Duration,
    /// What is kept in memory of what is read often.
    pub cache: CacheLimits,
}

impl LibraryConfig {
    /// The defaults, in this folder and with these keys.
    #[must_use]
    pub fn new(incoming: PathBuf, link_keys: LinkKeys) -> Self {
        Self {
            incoming,
            link_keys,
            limits: Limits::default(),
            quota: QuotaConfig::default(),
            jobs: JobsConfig::default(),
            collect: CollectConfig::default(),
            tus: TusConfig::default(),
            spool: SpoolLimits::default(),
            link_ttl_max: Duration::from_secs(7 * 24 * 3_600),
            cache: CacheLimits::default(),
        }
    }
}

/// What a user may have and do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaConfig {
    /// Bytes of a user's files: as kept, and as sent while they are worked on.
    pub bytes_max: u64,
    /// Files of a user. Raising it makes the sum that every upload takes longer.
    pub files_max: u64,
    /// Uploads of a user that stream in at once. Each may hold two descriptors and some hundred KiB.
    pub uploads_at_once_max: usize,
    /// Uploads of everybody that stream in at once.
    pub all_uploads_at_once_max: usize,
    /// Uploads and claims of a user in an hour.
    pub uploads_per_hour_max: u32,
}

impl Default for QuotaConfig {
    fn default() -> Self {
        Self {
            bytes_max: 10 * 1024 * 1024 * 1024,
            files_max: 50_000,
            uploads_at_once_max: 8,
            all_uploads_at_once_max: 256,
            uploads_per_hour_max: 600,
        }
    }
}

/// The workers' queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobsConfig {
    /// Jobs that run at once. Times `threads`, it should not be more than the machine's cores.
    pub workers: usize,
    /// Threads of one job.
    pub threads: u32,
    /// Jobs that wait or run; a job's input stays on the disk for so long.
    pub queue_max: u64,
    /// The same of one user.
    pub queue_of_user_max: u64,
    /// The first wait after the store has failed; it doubles up to a minute.
    pub store_retry: Duration,
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self { workers: 1, threads: 2, queue_max: 512, queue_of_user_max: 64, store_retry: Duration::from_secs(1) }
    }
}

/// When files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectConfig {
    /// How long a file stays that is neither kept by its owner nor shared with anybody, and how long a refused one can be
    /// asked about. Lowering it takes files away whose message has not been sent yet.
    pub idle: Duration,
    /// How long a view-once file waits for those it is for.
    pub view_once: Duration,
    /// How long a doomed blob stays, and can be revived by an upload of the same bytes.
    pub doomed: Duration,
    /// How long a blob may be on its way from the store to the directory. One that took longer is put again.
    pub on_its_way: Duration,
    /// How often is looked.
    pub every: Duration,
    /// The most rows of a kind that one look handles. Raising it makes its writes longer, which others wait for.
    pub batch: u64,
}

impl Default for CollectConfig {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(24 * 3_600),
            view_once: Duration::from_secs(14 * 24 * 3_600),
            doomed: Duration::from_secs(60),
            on_its_way: Duration::from_secs(3_600),
            every: Duration::from_secs(15),
            batch: 256,
        }
    }
}
