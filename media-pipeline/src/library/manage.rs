//! What is done with files that are here: seen, fetched, shared, claimed, opened, deleted.

use super::figures::Doing;
use super::rows::FileRow;
use super::words::{
    Caller, Challenge, GRANTS_MAX, Intent, Lease, LibraryError, MediaView, PAGE_MAX, Page, Servable, SignedLink,
    Variant,
};
use super::{Inner, Library, arrive};
use crate::cache::Keep;
use crate::quota::Leaving;
use crate::store::BlobRead;
use futures_util::StreamExt;
use futures_util::future::ready;
use futures_util::stream;
use std::ops::Range;
use std::time::Duration;
use tertulia_common::{MediaId, UserId};
use tertulia_directory::{MediaFile, MediaOrigin, Opening, Reach, Shared};
use tertulia_media_core::{Class, Treatment};

/// How long one device may fetch a view-once file. Raising it gives slow phones more time, and whoever looks too.
const LEASE: Duration = Duration::from_secs(60);
/// A proof of what is not here is compared with one by this key, so that it takes as long.
const NOBODYS_H2: [u8; 32] = [0; 32];

impl Library {
    /// Asks to prove that one has the file of this hash and size. The answer is the same whether it is here or not.
    ///
    /// # Errors
    /// [`LibraryError::Slower`] if the user asks too often.
    pub async fn claim_begin(
        &self,
        user: &UserId,
        sha256: [u8; 32],
        bytes: u64,
        treatment: Treatment,
    ) -> Result<Challenge, LibraryError> {
        let inner = &self.inner;
        inner.rates.begin(user, inner.now())?;
        let mut random = [0; 48];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        inner.claims.begin(user, (sha256, bytes, treatment), random, inner.now())
    }

    /// Proves it: the file becomes this user's too, as if they had uploaded it. One try. Of the intent, the name and how
    /// long it stays count.
    ///
    /// # Errors
    /// [`LibraryError::NoClaim`] if there is nothing or the proof is wrong; a refusal if it is over the quota.
    pub async fn claim_finish(
        &self,
        caller: &Caller,
        claim: u128,
        proof: [u8; 32],
        intent: Intent,
    ) -> Result<MediaView, LibraryError> {
        let inner = &self.inner;
        let pending = inner.claims.take(&caller.user, claim, inner.now()).ok_or(LibraryError::NoClaim)?;
        let treatment = pending.treatment.name();
        let known = inner.parts.directory.media_claimable(&pending.sha256, treatment, pending.bytes).await?;
        let h2 = known.as_ref().map_or(&NOBODYS_H2, |(_, h2)| h2);
        let (true, Some((content, _))) = (pending.is_proof(h2, &proof), &known) else {
            inner.figures.claims_failed.inc();
            return Err(LibraryError::NoClaim);
        };
        inner.parts.directory.ensure_user(&caller.user, None).await?;
        let intent = inner.check(caller, intent).await?;
        let new = inner.new_media(caller, &intent, None)?;
        let media = inner.take(&new, &MediaOrigin::Claim(*content)).await?;
        inner.figures.claimed.inc();
        inner.own_view(media)
    }

    /// A file, if this user may see it.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`].
    pub async fn view(&self, user: &UserId, id: MediaId) -> Result<MediaView, LibraryError> {
        let (media, _) = self.reach(user, id).await?;
        self.inner.view(media, user)
    }

    /// A page of the user's own files, newest first, all older than `before`. View-once files are not among them.
    ///
    /// # Errors
    /// If the directory fails.
    pub async fn list(&self, user: &UserId, before: Option<MediaId>, limit: u64) -> Result<Page, LibraryError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut media = self.inner.parts.directory.media_of(user, before, self.inner.now(), limit + 1).await?;
        let has_more = media.len() as u64 > limit;
        media.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let media = media.into_iter().map(|media| self.inner.view(media, user)).collect::<Result<_, _>>()?;
        Ok(Page { media, has_more })
    }

    /// The bytes of a variant, if this device may have them: of a view-once file, while its lease lasts.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::NotReady`], for view-once files [`LibraryError::Forbidden`] and
    /// [`LibraryError::Opened`].
    pub async fn servable(&self, caller: &Caller, id: MediaId, variant: Variant) -> Result<Servable, LibraryError> {
        let Inner { parts, access, .. } = &*self.inner;
        let reached = access.reach(&parts.directory, &caller.user, id, self.inner.now()).await?;
        let (file, reach) = reached.ok_or(LibraryError::NotFound)?;
        if file.view_once {
            self.check_lease(caller, id, reach).await?;
            if variant != Variant::Main {
                return Err(LibraryError::NotFound);
            }
        }
        file.servable(variant)
    }

    async fn check_lease(&self, caller: &Caller, id: MediaId, reach: Reach) -> Result<(), LibraryError> {
        if reach == Reach::Owner {
            return Err(LibraryError::Forbidden);
        }
        let directory = &self.inner.parts.directory;
        if directory.media_lease(&caller.user, &caller.device, id, self.inner.now()).await?.is_some() {
            return Ok(());
        }
        let was_opened = directory.media_was_opened(&caller.user, id).await?;
        Err(if was_opened { LibraryError::Opened } else { LibraryError::Forbidden })
    }

    /// The bytes that a signed link stands for.
    ///
    /// # Errors
    /// [`LibraryError::BadLink`], [`LibraryError::NotFound`].
    pub async fn by_link(&self, link: &SignedLink) -> Result<Servable, LibraryError> {
        let inner = &self.inner;
        if !inner.config.link_keys.is_good(link, inner.now()) {
            return Err(LibraryError::BadLink);
        }
        let file = inner.access.file(&inner.parts.directory, link.id, inner.now()).await?;
        // No link to a view-once file was ever signed.
        file.filter(|file| !file.view_once).ok_or(LibraryError::NotFound)?.servable(link.variant)
    }

    /// Reads what may be served; a range must be cut to its size.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn read(&self, servable: &Servable, range: Option<Range<u64>>) -> Result<BlobRead, LibraryError> {
        let is_kept = servable.is_cacheable && servable.class != Class::Sealed;
        let keep = if is_kept { Keep::Hot } else { Keep::Never };
        let Inner { cache, parts, figures, .. } = &*self.inner;
        let failed = |_: &_| figures.store_failed(Doing::Read);
        let Some(blob) = cache.get(servable.key, servable.bytes, keep).await.inspect_err(failed)? else {
            return Ok(parts.store.read(servable.key, range).await.inspect_err(failed)?);
        };
        let size = blob.len() as u64;
        let at = |place: u64| usize::try_from(place).map_or(blob.len(), |place| place.min(blob.len()));
        let part = range.map_or(blob.clone(), |range| blob.slice(at(range.start)..at(range.end)));
        Ok(BlobRead { size, body: stream::once(ready(Ok(part))).boxed() })
    }

    /// A link by which anybody can fetch a variant for so long (cut to the operator's limit).
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::NotReady`]; [`LibraryError::Forbidden`] for view-once files.
    pub async fn sign_link(
        &self,
        user: &UserId,
        id: MediaId,
        variant: Variant,
        ttl: Duration,
    ) -> Result<SignedLink, LibraryError> {
        let (media, _) = self.reach(user, id).await?;
        if media.view_once {
            return Err(LibraryError::Forbidden);
        }
        FileRow::of(media)?.servable(variant)?;
        let config = &self.inner.config;
        Ok(config.link_keys.sign(id, variant, self.inner.now(), ttl.min(config.link_ttl_max)))
    }

    /// Shares a file with these people. Who is not its owner forwards it: they get a handle of their own on the same bytes,
    /// which is what is shared. The id to tell the others.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::Forbidden`] for view-once files, [`LibraryError::UnknownUser`],
    /// [`LibraryError::Recipients`], or a quota.
    pub async fn share(&self, caller: &Caller, id: MediaId, to: &[UserId]) -> Result<MediaId, LibraryError> {
        let (media, reach) = self.reach(&caller.user, id).await?;
        if media.view_once {
            return Err(LibraryError::Forbidden);
        }
        let to = arrive::others(&caller.user, to)?;
        let id = match reach {
            Reach::Owner => id,
            Reach::Granted => self.forward(caller, media).await?,
        };
        let (directory, now) = (&self.inner.parts.directory, self.inner.now());
        let shared = directory.media_share(&caller.user, id, &to, "", GRANTS_MAX, now).await;
        let shared = shared.map_err(|error| match error {
            tertulia_directory::Error::UnknownUser => LibraryError::UnknownUser,
            other => other.into(),
        })?;
        if shared == Shared::Full {
            self.inner.figures.shares_full.inc();
        }
        told(shared)?;
        Ok(id)
    }

    /// One's own handle on what was shared: the one there is, or a new one.
    pub(super) async fn forward(&self, caller: &Caller, media: MediaFile) -> Result<MediaId, LibraryError> {
        let inner = &self.inner;
        let content = media.content.id;
        if let Some(own) = inner.parts.directory.media_own(&caller.user, content, inner.now()).await? {
            return Ok(own);
        }
        let intent = Intent { file_name: media.file_name, ..Intent::default() };
        let new = inner.new_media(caller, &intent, None)?;
        match inner.take(&new, &MediaOrigin::Forward(content)).await {
            Err(LibraryError::NoClaim) => Err(LibraryError::NotFound),
            taken => Ok(taken?.id),
        }
    }

    /// Shares one's own file no longer with these people.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`].
    pub async fn unshare(&self, user: &UserId, id: MediaId, from: &[UserId]) -> Result<(), LibraryError> {
        let (directory, now) = (&self.inner.parts.directory, self.inner.now());
        told(directory.media_unshare(user, id, from, "", now, self.inner.idle_end()).await?)
    }

    /// Whether its owner keeps it though nobody else has it.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`].
    pub async fn keep(&self, user: &UserId, id: MediaId, keep: bool) -> Result<(), LibraryError> {
        let (directory, now) = (&self.inner.parts.directory, self.inner.now());
        told(directory.media_keep(user, id, keep, now, self.inner.idle_end()).await?)
    }

    /// Deletes one's own file, for everybody it was shared with. While it is worked on, that is cancelled: the same call.
    /// The bytes go a little later, if nobody else has them.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`].
    pub async fn delete(&self, user: &UserId, id: MediaId) -> Result<(), LibraryError> {
        let deleted = self.inner.parts.directory.media_delete(user, id, self.inner.now()).await?;
        self.inner.cancel_jobs(&deleted.ok_or(LibraryError::NotFound)?);
        Ok(())
    }

    /// Opens a view-once file on this device: for a minute it may be fetched, in any number of ranges. Once a person: the
    /// same device asking again within the minute gets the same lease.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::Opened`], [`LibraryError::NotReady`], [`LibraryError::Forbidden`] for its
    /// sender and for other files.
    pub async fn open_once(&self, caller: &Caller, id: MediaId) -> Result<Lease, LibraryError> {
        let Caller { user, device } = caller;
        let opening = self.inner.parts.directory.media_open(user, device, id, self.inner.now(), LEASE).await?;
        match opening {
            Opening::Lease(until) => Ok(Lease { until }),
            Opening::Opened => Err(LibraryError::Opened),
            Opening::NotReady => Err(LibraryError::NotReady),
            Opening::Forbidden => Err(LibraryError::Forbidden),
            Opening::NotFound => Err(LibraryError::NotFound),
        }
    }

    /// It has been seen: the lease ends now.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`] if this device has not opened it.
    pub async fn opened(&self, caller: &Caller, id: MediaId) -> Result<(), LibraryError> {
        let Caller { user, device } = caller;
        let had_a_lease = self.inner.parts.directory.media_opened(user, device, id, self.inner.now()).await?;
        had_a_lease.then_some(()).ok_or(LibraryError::NotFound)
    }

    /// A user deletes their account: everything of theirs goes, uploads under way included. None of theirs begins until
    /// what is returned is dropped: that is when the account has gone.
    ///
    /// # Errors
    /// If the directory fails.
    pub async fn forget_user(&self, user: &UserId) -> Result<Leaving, LibraryError> {
        let inner = &self.inner;
        let leaving = inner.rates.leave(user);
        inner.end_uploads_of(user).await?;
        let cancelled = inner.parts.directory.media_forget(user, inner.now(), inner.config.collect.idle).await?;
        inner.cancel_jobs(&cancelled);
        Ok(leaving)
    }

    pub(super) async fn reach(&self, user: &UserId, id: MediaId) -> Result<(MediaFile, Reach), LibraryError> {
        self.inner.parts.directory.media_for(user, id, self.inner.now()).await?.ok_or(LibraryError::NotFound)
    }
}

pub(super) fn told(shared: Shared) -> Result<(), LibraryError> {
    match shared {
        Shared::Done => Ok(()),
        Shared::NotFound => Err(LibraryError::NotFound),
        Shared::ViewOnce => Err(LibraryError::Forbidden),
        Shared::Full => Err(LibraryError::Recipients { max: GRANTS_MAX }),
    }
}
