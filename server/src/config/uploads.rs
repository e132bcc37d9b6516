//! The section `[uploads]`: what may be sent, what a user may keep, where the bytes live, and what opening them may cost.

use super::Config;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;
use tertulia_common::Timestamp;
use tertulia_media_core::Limits;
use tertulia_media_pipeline::cache::CacheLimits;
use tertulia_media_pipeline::ingest::SpoolLimits;
use tertulia_media_pipeline::library::{CollectConfig, JobsConfig, LibraryConfig, QuotaConfig};
use tertulia_media_pipeline::links::LinkKeys;
use tertulia_media_pipeline::store::StoreConfig;
use tertulia_media_pipeline::tus::TusConfig;
use tertulia_media_worker::host::{PoolConfig, Program};

/// The hidden command of this program that is a worker.
pub(crate) const WORKER_COMMAND: &str = "media-worker";

/// Uploads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Uploads {
    pub(crate) enabled: bool,
    pub(crate) limits: Limits,
    pub(crate) user_bytes_max: u64,
    pub(crate) user_files_max: u64,
    pub(crate) user_uploads_at_once: usize,
    pub(crate) uploads_at_once: usize,
    pub(crate) user_uploads_per_hour: u32,
    pub(crate) stall_s: u32,
    pub(crate) link_ttl_s: u32,
    pub(crate) link_ttl_max_s: u32,
    pub(crate) link_key_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) link_key_file: Option<PathBuf>,
    pub(crate) idle_s: u64,
    pub(crate) view_once_s: u64,
    pub(crate) resumable_s: u64,
    pub(crate) user_resumable_max: u64,
    pub(crate) resumable_max: u64,
    pub(crate) spool_files_max: usize,
    pub(crate) spool_free_bytes_min: u64,
    pub(crate) doomed_s: u64,
    pub(crate) collect_every_s: u64,
    pub(crate) cores: u32,
    pub(crate) workers_ready: usize,
    pub(crate) worker_memory_bytes_max: u64,
    pub(crate) worker_nice: u8,
    pub(crate) queue_max: u64,
    pub(crate) user_queue_max: u64,
    pub(crate) cache_bytes_max: u64,
    pub(crate) cache_rows_max: usize,
    pub(crate) store: StoreConfig,
}

impl Default for Uploads {
    fn default() -> Self {
        let (quota, jobs, collect) = (QuotaConfig::default(), JobsConfig::default(), CollectConfig::default());
        let (tus, spool) = (TusConfig::default(), SpoolLimits::default());
        Self {
            enabled: true,
            limits: Limits::default(),
            user_bytes_max: quota.bytes_max,
            user_files_max: quota.files_max,
            user_uploads_at_once: quota.uploads_at_once_max,
            uploads_at_once: quota.all_uploads_at_once_max,
            user_uploads_per_hour: quota.uploads_per_hour_max,
            stall_s: 30,
            link_ttl_s: 3_600,
            link_ttl_max_s: 7 * 24 * 3_600,
            link_key_s: 30 * 24 * 3_600,
            link_key_file: None,
            idle_s: collect.idle.as_secs(),
            view_once_s: collect.view_once.as_secs(),
            resumable_s: tus.ttl.as_secs(),
            user_resumable_max: tus.of_user_max,
            resumable_max: tus.all_max,
            spool_files_max: spool.files_max,
            spool_free_bytes_min: spool.free_bytes_min,
            doomed_s: collect.doomed.as_secs(),
            collect_every_s: collect.every.as_secs(),
            cores: 0,
            workers_ready: 2,
            worker_memory_bytes_max: 512 * 1024 * 1024,
            worker_nice: 5,
            queue_max: jobs.queue_max,
            user_queue_max: jobs.queue_of_user_max,
            cache_bytes_max: 64 * 1024 * 1024,
            cache_rows_max: CacheLimits::default().rows_max,
            store: StoreConfig::default(),
        }
    }
}

impl Uploads {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.limits.check().context("[uploads.limits]")?;
        self.store.check().context("[uploads.store]")?;
        let positive = [
            ("user_bytes_max", self.user_bytes_max),
            ("user_files_max", self.user_files_max),
            ("user_uploads_at_once", self.user_uploads_at_once as u64),
            ("uploads_at_once", self.uploads_at_once as u64),
            ("user_uploads_per_hour", self.user_uploads_per_hour.into()),
            ("stall_s", self.stall_s.into()),
            ("link_ttl_s", self.link_ttl_s.into()),
            ("link_ttl_max_s", self.link_ttl_max_s.into()),
            ("idle_s", self.idle_s),
            ("view_once_s", self.view_once_s),
            ("resumable_s", self.resumable_s),
            ("user_resumable_max", self.user_resumable_max),
            ("resumable_max", self.resumable_max),
            ("spool_files_max", self.spool_files_max as u64),
            ("cache_rows_max", self.cache_rows_max as u64),
            ("doomed_s", self.doomed_s),
            ("collect_every_s", self.collect_every_s),
            ("workers_ready", self.workers_ready as u64),
            ("queue_max", self.queue_max),
            ("user_queue_max", self.user_queue_max),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            bail!("uploads.{name} must be at least 1");
        }
        if self.worker_memory_bytes_max < 128 * 1024 * 1024 {
            bail!(
                "uploads.worker_memory_bytes_max is {}: below 134217728 no video can be opened",
                self.worker_memory_bytes_max
            );
        }
        if self.worker_nice > 19 {
            bail!("uploads.worker_nice is {}: from 0 to 19", self.worker_nice);
        }
        Ok(())
    }

    /// Cores that opening media may use.
    fn cores(&self) -> u32 {
        let all = || std::thread::available_parallelism().map_or(1, NonZero::get);
        if self.cores == 0 { u32::try_from(all()).unwrap_or(u32::MAX) } else { self.cores }
    }

    /// What the pool of workers is told.
    pub(crate) fn pool(&self) -> PoolConfig {
        PoolConfig {
            ready: self.workers_ready,
            memory_bytes_max: self.worker_memory_bytes_max,
            file_bytes_max: self.limits.file_bytes_max,
            nice: self.worker_nice,
            ..PoolConfig::new(Program::own([WORKER_COMMAND]), self.cores())
        }
    }
}

impl Config {
    /// Where files are, on their way and for good.
    pub(crate) fn media_folder(&self) -> PathBuf {
        self.data.dir.join("media")
    }

    /// The keys of links: the operator's, or our own, made where there are none.
    ///
    /// # Errors
    /// If their file can't be used.
    pub(crate) fn link_keys(&self, now: Timestamp) -> anyhow::Result<LinkKeys> {
        let uploads = &self.uploads;
        let own = self.media_folder().join("links.key");
        let signs_for = (uploads.link_key_s > 0).then(|| Duration::from_secs(uploads.link_key_s));
        let ttl_max = Duration::from_secs(uploads.link_ttl_max_s.into());
        let (file, keys) = match &uploads.link_key_file {
            Some(file) => (file, LinkKeys::read(file)),
            None => (&own, LinkKeys::open(&own, signs_for, ttl_max, now)),
        };
        keys.with_context(|| file.display().to_string())
    }

    /// What the library is told.
    pub(crate) fn library(&self, link_keys: LinkKeys) -> LibraryConfig {
        let uploads = &self.uploads;
        // A video takes all cores there are, so that it is ready soon; several at once share them no better.
        let threads = uploads.cores();
        LibraryConfig {
            limits: uploads.limits,
            quota: QuotaConfig {
                bytes_max: uploads.user_bytes_max,
                files_max: uploads.user_files_max,
                uploads_at_once_max: uploads.user_uploads_at_once,
                all_uploads_at_once_max: uploads.uploads_at_once,
                uploads_per_hour_max: uploads.user_uploads_per_hour,
            },
            jobs: JobsConfig {
                workers: threads as usize,
                threads,
                queue_max: uploads.queue_max,
                queue_of_user_max: uploads.user_queue_max,
                ..JobsConfig::default()
            },
            collect: CollectConfig {
                idle: Duration::from_secs(uploads.idle_s),
                view_once: Duration::from_secs(uploads.view_once_s),
                doomed: Duration::from_secs(uploads.doomed_s),
                every: Duration::from_secs(uploads.collect_every_s),
                ..CollectConfig::default()
            },
            tus: TusConfig {
                ttl: Duration::from_secs(uploads.resumable_s),
                of_user_max: uploads.user_resumable_max,
                all_max: uploads.resumable_max,
                ..TusConfig::default()
            },
            spool: SpoolLimits { files_max: uploads.spool_files_max, free_bytes_min: uploads.spool_free_bytes_min },
            link_ttl_max: Duration::from_secs(uploads.link_ttl_max_s.into()),
            cache: CacheLimits {
                blob_bytes_max: uploads.cache_bytes_max,
                rows_max: uploads.cache_rows_max,
                ..CacheLimits::default()
            },
            ..LibraryConfig::new(self.media_folder().join("incoming"), link_keys)
        }
    }
}
