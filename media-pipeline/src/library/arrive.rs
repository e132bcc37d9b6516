//! How a file becomes somebody's: uploaded, claimed, forwarded.

use super::figures::Doing;
use super::words::{Caller, FILE_NAME_CHARS_MAX, Intent, LibraryError, MediaView, SHARE_MAX};
use super::{Inner, rows};
use crate::ingest::Ingested;
use crate::store::{BlobKey, StoreError};
use std::collections::HashSet;
use std::time::Duration;
use tertulia_common::{MediaId, UserId};
use tertulia_directory::{
    BlobPut, MediaAdded, MediaBlob, MediaFile, MediaJob, MediaOrigin, MediaQuota, NewMedia, UnknownContent,
};
use tertulia_media_core::{Class, Reason, Refusal, Treatment, clean_name};

/// Bytes that broke a worker are not tried again until their refusal is forgotten.
const FINAL_REASONS: &[&str] = &["media_worker_crashed", "media_timed_out", "media_out_of_memory"];
/// When the queue is worth another look.
const QUEUE_RETRY: Duration = Duration::from_secs(10);
/// How often is asked whether a blob that is being deleted is gone, and how many times.
const DELETING_WAIT: Duration = Duration::from_millis(50);
const DELETING_TRIES: usize = 100;
/// How often a blob is put again that was given up on its way.
const STALE_TRIES: usize = 5;

impl Inner {
    /// An intent that can be carried out: names cut, people there, nobody twice.
    pub(crate) async fn check(&self, caller: &Caller, mut intent: Intent) -> Result<Intent, LibraryError> {
        intent.file_name = intent.file_name.as_deref().and_then(|name| {
            let name: String = clean_name(name)?.chars().take(FILE_NAME_CHARS_MAX).collect();
            (!name.is_empty()).then_some(name)
        });
        if let Some(people) = intent.view_once.take() {
            let people = others(&caller.user, &people)?;
            for person in &people {
                self.parts.directory.user(person).await?.ok_or(LibraryError::UnknownUser)?;
            }
            intent.view_once = Some(people);
        }
        Ok(intent)
    }

    /// Whether the user may have so many bytes more. The transaction that adds them looks again.
    pub(crate) async fn has_room(&self, user: &UserId, bytes: u64) -> Result<(), LibraryError> {
        let (files, used) = self.parts.directory.media_usage(user).await?;
        let (quota, would) = (self.config.quota, used.saturating_add(bytes));
        if would > quota.bytes_max {
            self.figures.quota_full.inc();
            return Err(Refusal::over(Reason::Quota, quota.bytes_max, would).into());
        }
        if files >= quota.files_max {
            self.figures.quota_full.inc();
            return Err(Refusal::from(Reason::Quota).into());
        }
        Ok(())
    }

    /// Keeps what has come.
    pub(crate) async fn keep_upload(
        &self,
        new: NewMedia,
        treatment: Treatment,
        ingested: Ingested,
    ) -> Result<MediaFile, LibraryError> {
        self.figures.uploaded_bytes.inc_by(ingested.bytes);
        if ingested.class.is_processed() {
            self.keep_for_a_job(new, treatment, ingested).await
        } else {
            self.keep_as_it_is(new, treatment, ingested).await
        }
    }

    async fn keep_for_a_job(
        &self,
        new: NewMedia,
        treatment: Treatment,
        ingested: Ingested,
    ) -> Result<MediaFile, LibraryError> {
        let jobs = &self.config.jobs;
        let unknown = UnknownContent::Job {
            input: ingested.spooled.name().to_owned(),
            queue_max: jobs.queue_max,
            queue_of_user_max: jobs.queue_of_user_max,
            final_reasons: FINAL_REASONS,
        };
        let origin = origin(&ingested, treatment, unknown);
        let added = match self.parts.directory.media_add(&new, &origin).await {
            Ok(added) => added,
            // Its owner has deleted their account meanwhile: nothing was written, and the input goes with this error.
            Err(error @ tertulia_directory::Error::UnknownUser) => return Err(error.into()),
            Err(error) => {
                // Whether it was written is not known: if it was, the job needs its input.
                let _name = ingested.spooled.keep();
                return Err(error.into());
            }
        };
        let (media, is_new_job) = self.added(added)?;
        if is_new_job {
            let input = ingested.spooled.keep();
            let (content, class) = (media.content.id, media.content.class.clone());
            let user = Some(new.owner);
            self.queue.push(MediaJob { content, input, user, class, attempts: 0 }, self.now());
        }
        Ok(media)
    }

    async fn keep_as_it_is(
        &self,
        new: NewMedia,
        treatment: Treatment,
        ingested: Ingested,
    ) -> Result<MediaFile, LibraryError> {
        let directory = &self.parts.directory;
        let known = origin(&ingested, treatment, UnknownContent::Ask);
        match directory.media_add(&new, &known).await? {
            MediaAdded::Unknown => {}
            added => return Ok(self.added(added)?.0),
        }
        self.has_room(&new.owner, ingested.bytes).await?;
        let blob = MediaBlob { key: ingested.sha256, bytes: ingested.bytes };
        let mime = match ingested.class {
            Class::Sealed => "application/octet-stream",
            _ => ingested.mime_of_document(new.file_name.as_deref()),
        };
        for _ in 0..STALE_TRIES {
            let put = self.put(blob, &ingested.spooled).await?;
            let made = Box::new(rows::untouched(ingested.class, mime, blob));
            let origin = origin(&ingested, treatment, UnknownContent::Ready(made, vec![put]));
            match directory.media_add(&new, &origin).await? {
                MediaAdded::Stale => {}
                added => return Ok(self.added(added)?.0),
            }
        }
        Err(Refusal::from(Reason::StoreUnavailable).into())
    }

    /// Puts a blob, so that it can be referred to.
    pub(crate) async fn put(&self, blob: MediaBlob, bytes: &crate::ingest::Spooled) -> Result<BlobPut, LibraryError> {
        for _ in 0..DELETING_TRIES {
            let random = self.random_u64()?;
            if let Some(generation) = self.parts.directory.blob_touch(blob, self.now(), random).await? {
                self.parts.store.put(BlobKey(blob.key), bytes).await.inspect_err(|error| {
                    self.figures.store_failed(Doing::Put);
                    tracing::warn!(%error, "a blob could not be put");
                })?;
                return Ok(BlobPut { blob, generation });
            }
            tokio::time::sleep(DELETING_WAIT).await;
        }
        Err(StoreError::Unavailable("a blob is being deleted".to_owned()).into())
    }

    /// A handle that is to be.
    pub(crate) fn new_media(
        &self,
        caller: &Caller,
        intent: &Intent,
        id: Option<MediaId>,
    ) -> Result<NewMedia, LibraryError> {
        let now = self.now();
        let collect = &self.config.collect;
        let ends_at = match (&intent.view_once, intent.keep) {
            (Some(_), _) => Some(now + collect.view_once),
            (None, true) => None,
            (None, false) => Some(now + collect.idle),
        };
        let quota = self.config.quota;
        Ok(NewMedia {
            id: match id {
                Some(id) => id,
                None => MediaId::new(now, self.random_u128()?),
            },
            owner: caller.user.clone(),
            device: Some(caller.device.clone()),
            file_name: intent.file_name.clone(),
            view_once: intent.view_once.clone(),
            kept: intent.keep && intent.view_once.is_none(),
            now,
            ends_at,
            quota: MediaQuota { bytes_max: quota.bytes_max, files_max: quota.files_max },
        })
    }

    /// A handle on a content that is here, by a proof or because it was shared.
    pub(crate) async fn take(&self, new: &NewMedia, origin: &MediaOrigin) -> Result<MediaFile, LibraryError> {
        let added = self.parts.directory.media_add(new, origin).await?;
        Ok(self.added(added)?.0)
    }

    fn added(&self, added: MediaAdded) -> Result<(MediaFile, bool), LibraryError> {
        let quota = self.config.quota;
        match added {
            MediaAdded::Added { media, is_new_job } => {
                self.figures.added.inc();
                Ok((*media, is_new_job))
            }
            MediaAdded::Unknown => Err(LibraryError::NoClaim),
            MediaAdded::Stale => Err(Refusal::from(Reason::StoreUnavailable).into()),
            MediaAdded::Refused(row) => Err(rows::refusal(&row).into()),
            MediaAdded::OverBytes { actual } => {
                self.figures.quota_full.inc();
                Err(Refusal::over(Reason::Quota, quota.bytes_max, actual).into())
            }
            MediaAdded::OverFiles { .. } => {
                self.figures.quota_full.inc();
                Err(Refusal::from(Reason::Quota).into())
            }
            MediaAdded::QueueFull { max } => {
                self.figures.queue_full.inc();
                let refusal = Refusal::over(Reason::Busy, max, max.saturating_add(1));
                Err(LibraryError::Slower { refusal, retry_after: QUEUE_RETRY })
            }
        }
    }

    pub(crate) fn own_view(&self, media: MediaFile) -> Result<MediaView, LibraryError> {
        let owner = media.owner.clone();
        self.view(media, &owner)
    }
}

/// These people without who asks, and nobody twice.
pub(crate) fn others(user: &UserId, people: &[UserId]) -> Result<Vec<UserId>, LibraryError> {
    let mut seen = HashSet::new();
    let others: Vec<UserId> = people.iter().filter(|person| *person != user && seen.insert(*person)).cloned().collect();
    if others.is_empty() || people.len() > SHARE_MAX {
        return Err(LibraryError::Recipients { max: SHARE_MAX as u64 });
    }
    Ok(others)
}

fn origin(ingested: &Ingested, treatment: Treatment, unknown: UnknownContent) -> MediaOrigin {
    MediaOrigin::Upload {
        sha256: ingested.sha256,
        treatment: treatment.name().to_owned(),
        h2: ingested.h2,
        class: ingested.class.name().to_owned(),
        original_bytes: ingested.bytes,
        unknown,
    }
}
