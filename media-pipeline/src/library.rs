//! What the HTTP layer calls: uploads, claims, views, shares, links, view-once, deletion.
//!
//! A file is bytes (*content*: sent once, whoever sends them) and *handles* on them: one for each person who has uploaded,
//! claimed or forwarded them. A handle is its owner's, who may *grant* it to others. Handles are what an id names.
//!
//! Invariants: whoever has no right to a file learns nothing of it, not even that it exists; nothing is confirmed that would
//! not survive a loss of power; a view-once file leaves the server at most once for each person it is for.

pub(crate) mod access;
mod arrive;
mod carry;
mod figures;
mod icon;
mod manage;
mod resumable;
pub(crate) mod rows;
mod settings;
mod words;

pub use crate::quota::Leaving;
pub(crate) use figures::Doing;
pub use settings::{CollectConfig, JobsConfig, LibraryConfig, QuotaConfig};
pub use words::{
    Caller, Challenge, Events, FILE_NAME_CHARS_MAX, GRANTS_MAX, Intent, Lease, LibraryError, Made, MediaState,
    MediaView, PAGE_MAX, Page, SHARE_MAX, Servable, SignedLink, Variant,
};

use crate::cache::Blobs;
use crate::claims::Claims;
use crate::collect::{self, Collected};
use crate::ingest::{Announced, Ingest, Ingested, Spool};
use crate::jobs::{self, Queue, Work};
use crate::quota::{Rates, Slot};
use crate::store::BlobStore;
use crate::tus;
use access::Access;
use figures::Figures;
use prometheus_client::registry::Registry;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use tertulia_common::{Timestamp, UserId};
use tertulia_directory::{ContentId, Directory, MediaFile, NewMedia};
use tertulia_media_core::Limits;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tells the time. The program's is monotonic; tests have their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the library stands on.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "parts without Debug")]
pub struct Parts {
    /// What is known.
    pub directory: Directory,
    /// The bytes, behind their cache.
    pub store: Arc<dyn BlobStore>,
    /// The workers.
    pub work: Arc<dyn Work>,
    /// Who hears.
    pub events: Arc<dyn Events>,
    /// The time.
    pub clock: Clock,
}

/// The library. Clones are the same one.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "it holds keys")]
pub struct Library {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: LibraryConfig,
    pub(crate) parts: Parts,
    pub(crate) spool: Spool,
    pub(crate) rates: Arc<Rates>,
    pub(crate) claims: Claims,
    pub(crate) queue: Queue,
    pub(crate) figures: Figures,
    pub(crate) cache: Blobs,
    pub(crate) access: Arc<Access>,
    pub(crate) closing: CancellationToken,
    pub(crate) tasks: TaskTracker,
    tus: OnceLock<tus::Uploads>,
    tus_ttl_ms: u64,
}

/// An upload that streams in. Dropping it takes it back.
#[expect(missing_debug_implementations, reason = "it holds hashes that prove possession")]
pub struct Upload {
    inner: Arc<Inner>,
    caller: Caller,
    intent: Intent,
    ingest: Ingest,
    _slot: Slot,
}

impl Upload {
    /// More bytes. After an error there is nothing to go on with: drop it.
    ///
    /// # Errors
    /// The first limit that is passed, or if they can't be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), LibraryError> {
        Ok(self.ingest.write(bytes).await?)
    }

    /// It was all. When this is done the file is the owner's, whatever happens to the machine; where a worker has to make
    /// something of it, that goes on behind it. Dropping the future does not stop it.
    ///
    /// # Errors
    /// If it is not what was announced, is over a quota, or can't be stored.
    pub async fn finish(self) -> Result<MediaView, LibraryError> {
        let Self { inner, caller, intent, ingest, _slot: slot } = self;
        let ingested = ingest.finish().await?;
        let new = inner.new_media(&caller, &intent, None)?;
        let task = Arc::clone(&inner);
        // A task of its own: a put that is dropped halfway could appear after a collection has looked.
        let kept = inner.tasks.spawn(async move {
            let _slot = slot;
            task.keep(new, intent, ingested).await
        });
        let media = kept.await.map_err(|_| std::io::Error::other("the task that was to keep an upload has ended"))?;
        inner.own_view(media?)
    }
}

impl Library {
    /// Opens the library and takes up what the run before has left: jobs go on, what was half done is cleaned up.
    ///
    /// # Errors
    /// If the folder or the directory can't be used.
    pub async fn open(config: LibraryConfig, parts: Parts) -> Result<Self, LibraryError> {
        let spool = Spool::open(&config.incoming, config.spool)?;
        let jobs = parts.directory.media_jobs().await?;
        let mut keep: HashSet<String> = parts.directory.upload_files().await?.into_iter().collect();
        keep.extend(jobs.iter().map(|job| job.input.clone()));
        let removed = spool.clean(&keep)?;
        let tus_config = config.tus;
        let inner = Arc::new(Inner {
            rates: Arc::new(Rates::new(config.quota)),
            claims: Claims::default(),
            queue: Queue::default(),
            figures: Figures::new(),
            cache: Blobs::new(Arc::clone(&parts.store), &config.cache),
            access: Access::of(&parts.directory, config.cache.rows_max),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            tus: OnceLock::new(),
            tus_ttl_ms: u64::try_from(tus_config.ttl.as_millis()).unwrap_or(u64::MAX),
            config,
            parts,
            spool,
        });
        let rows = Arc::new(resumable::Rows(inner.parts.directory.clone()));
        let taker = Arc::new(resumable::Taker(Arc::downgrade(&inner)));
        let (spool, limits, clock) = (inner.spool.clone(), inner.config.limits, Arc::clone(&inner.parts.clock));
        inner.tus.get_or_init(|| tus::Uploads::new(spool, limits, tus_config, rows, taker, clock));
        if removed > 0 || !jobs.is_empty() {
            tracing::info!(removed, jobs = jobs.len(), "files on their way when the last run ended");
        }
        for job in jobs {
            inner.queue.push(job, inner.now());
        }
        inner.tasks.spawn(jobs::dispatch(Arc::clone(&inner)));
        inner.tasks.spawn(collect::collect(Arc::clone(&inner)));
        Ok(Self { inner })
    }

    /// Stops the workers and the collection; jobs stay for the next run. Uploads that are whole are still kept.
    pub async fn close(&self) {
        self.inner.closing.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Adds its figures.
    pub fn register(&self, registry: &mut Registry) {
        figures::register(&self.inner, registry);
        self.tus().register(registry);
    }

    /// What an upload may be: for `welcome`.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.inner.config.limits
    }

    /// Resumable uploads.
    #[must_use]
    pub fn tus(&self) -> &tus::Uploads {
        self.inner.tus()
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// If what is announced is over a limit or quota, or the user has too many at once or in an hour.
    pub async fn begin(&self, caller: &Caller, intent: Intent) -> Result<Upload, LibraryError> {
        let inner = &self.inner;
        let slot = inner.rates.stream(&caller.user, inner.now())?;
        inner.parts.directory.ensure_user(&caller.user, None).await?;
        let intent = inner.check(caller, intent).await?;
        let Intent { treatment, length, sha256, .. } = intent;
        inner.has_room(&caller.user, length.unwrap_or(1)).await?;
        let ingest = Ingest::start(&inner.spool, Announced { treatment, limits: inner.config.limits, length, sha256 })?;
        Ok(Upload { inner: Arc::clone(inner), caller: caller.clone(), intent, ingest, _slot: slot })
    }

    /// Looks once for what is to go, as is done every so often: for tests and for people who run the server.
    ///
    /// # Errors
    /// If the directory fails.
    pub async fn collect(&self) -> Result<Collected, LibraryError> {
        self.inner.collect_once().await
    }

    /// Compares the store with the directory, as is done once a day: how many blobs nothing knew of.
    ///
    /// # Errors
    /// If the store or the directory fails.
    pub async fn compare(&self) -> Result<u64, LibraryError> {
        self.inner.compare().await
    }
}

impl Inner {
    pub(crate) fn now(&self) -> Timestamp {
        (self.parts.clock)()
    }

    #[expect(clippy::expect_used, reason = "set before anybody has the library")]
    pub(crate) fn tus(&self) -> &tus::Uploads {
        self.tus.get().expect("the library is open")
    }

    pub(crate) fn random_u128(&self) -> Result<u128, LibraryError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(u128::from_le_bytes(bytes))
    }

    pub(crate) fn random_u64(&self) -> Result<u64, LibraryError> {
        Ok(getrandom::u64().map_err(std::io::Error::other)?)
    }

    async fn keep(&self, new: NewMedia, intent: Intent, ingested: Ingested) -> Result<MediaFile, LibraryError> {
        self.keep_upload(new, intent.treatment, ingested).await
    }

    /// Ends jobs that nobody needs any longer.
    pub(crate) fn cancel_jobs(&self, contents: &[ContentId]) {
        for content in contents {
            if let Some(input) = self.queue.cancel(*content) {
                self.spool.remove(&input);
            }
        }
    }

    /// Ends what a user has under way.
    async fn end_uploads_of(&self, user: &UserId) -> Result<(), LibraryError> {
        self.claims.forget(user);
        for upload in self.parts.directory.uploads_of(user).await? {
            if let Ok(id) = upload.id.parse()
                && let Err(error) = self.tus().terminate(user, id).await
            {
                tracing::debug!(%error, "a resumable upload ended by itself");
            }
            self.parts.directory.upload_remove(&upload.id).await?;
            self.spool.remove(&upload.file);
        }
        Ok(())
    }
}
