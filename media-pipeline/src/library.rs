//! What the HTTP layer calls: uploads, claims, views, shares, links, view-once, deletion.
//!
//! A file is bytes (*content*: sent once, whoever sends them) and *handles* on them: one for each person who has uploaded,
//! claimed or forwarded them. A handle is its owner's, who may *grant* it to others. Handles are what an id names.
//!
//! Invariants: whoever has no right to a file learns nothing of it, not even that it exists; nothing is confirmed that would
//! not survive a loss of power; a view-once file leaves the server at most once for each person it is for.

mod settings;
mod words;

pub use settings::{CollectConfig, JobsConfig, LibraryConfig, QuotaConfig};
pub use words::{
    Caller, Challenge, Events, FILE_NAME_CHARS_MAX, GRANTS_MAX, Intent, Lease, LibraryError, MIME_CHARS_MAX, Made,
    MediaState, MediaView, PAGE_MAX, Page, SHARE_MAX, Servable, SignedLink, Variant,
};

use crate::jobs::Work;
use crate::store::{BlobRead, BlobStore};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::{MediaId, Timestamp, UserId};
use tertulia_directory::Directory;
use tertulia_media_core::{Limits, Treatment};

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
    #[expect(dead_code, reason = "the next commit uses it")]
    inner: Arc<Inner>,
}

struct Inner {}

/// An upload that streams in. Dropping it takes it back.
#[expect(missing_debug_implementations, reason = "it holds hashes that prove possession")]
pub struct Upload {}

impl Upload {
    /// More bytes. After an error there is nothing to go on with: drop it.
    ///
    /// # Errors
    /// The first limit that is passed, or if they can't be written.
    pub async fn write(&mut self, _bytes: &[u8]) -> Result<(), LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// It was all. When this is done the file is the owner's, whatever happens to the machine; where a worker has to make
    /// something of it, that goes on behind it.
    ///
    /// # Errors
    /// If it is not what was announced, is over a quota, or can't be stored.
    pub async fn finish(self) -> Result<MediaView, LibraryError> {
        Err(LibraryError::NotReady)
    }
}

impl Library {
    /// Opens the library and takes up what the run before has left: jobs go on, what was half done is cleaned up.
    ///
    /// # Errors
    /// If the folder or the directory can't be used.
    pub async fn open(_config: LibraryConfig, _parts: Parts) -> Result<Self, LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// Stops the workers and the collection; jobs stay for the next run.
    pub async fn close(&self) {}

    /// What an upload may be: for `welcome`.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// If what is announced is over a limit or quota, or the user has too many at once or in an hour.
    pub async fn begin(&self, _caller: &Caller, _intent: Intent) -> Result<Upload, LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// Asks to prove that one has the file of this hash and size. The answer is the same whether it is here or not.
    ///
    /// # Errors
    /// [`LibraryError::Slower`] if the user asks too often.
    pub async fn claim_begin(
        &self,
        _user: &UserId,
        _sha256: [u8; 32],
        _bytes: u64,
        _treatment: Treatment,
    ) -> Result<Challenge, LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// Proves it: the file becomes this user's too, as if they had uploaded it. One try.
    ///
    /// # Errors
    /// [`LibraryError::NoClaim`] if there is nothing or the proof is wrong; a refusal if it is over the quota.
    pub async fn claim_finish(
        &self,
        _caller: &Caller,
        _claim: u128,
        _proof: [u8; 32],
        _intent: Intent,
    ) -> Result<MediaView, LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// A file, if this user may see it.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`].
    pub async fn view(&self, _user: &UserId, _id: MediaId) -> Result<MediaView, LibraryError> {
        Err(LibraryError::NotFound)
    }

    /// A page of the user's own files, newest first, all older than `before`. View-once files are not among them.
    ///
    /// # Errors
    /// If the directory fails.
    pub async fn list(&self, _user: &UserId, _before: Option<MediaId>, _limit: u64) -> Result<Page, LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// The bytes of a variant, if this device may have them: of a view-once file, while its lease lasts.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::NotReady`], for view-once files [`LibraryError::Forbidden`] and
    /// [`LibraryError::Opened`].
    pub async fn servable(&self, _caller: &Caller, _id: MediaId, _variant: Variant) -> Result<Servable, LibraryError> {
        Err(LibraryError::NotFound)
    }

    /// The bytes that a signed link stands for.
    ///
    /// # Errors
    /// [`LibraryError::BadLink`], [`LibraryError::NotFound`].
    pub async fn by_link(&self, _link: &SignedLink) -> Result<Servable, LibraryError> {
        Err(LibraryError::BadLink)
    }

    /// Reads what may be served; a range must be cut to its size.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn read(&self, _servable: &Servable, _range: Option<Range<u64>>) -> Result<BlobRead, LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// A link by which anybody can fetch a variant for so long (cut to the operator's limit).
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::NotReady`]; [`LibraryError::Forbidden`] for view-once files.
    pub async fn sign_link(
        &self,
        _user: &UserId,
        _id: MediaId,
        _variant: Variant,
        _ttl: Duration,
    ) -> Result<SignedLink, LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// Shares a file with these people. Who is not its owner forwards it: they get a handle of their own on the same bytes,
    /// which is what is shared. The id to tell the others.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::Forbidden`] for view-once files, [`LibraryError::UnknownUser`],
    /// [`LibraryError::Recipients`], or a quota.
    pub async fn share(&self, _caller: &Caller, _id: MediaId, _to: &[UserId]) -> Result<MediaId, LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// Shares one's own file no longer with these people.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`].
    pub async fn unshare(&self, _user: &UserId, _id: MediaId, _from: &[UserId]) -> Result<(), LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// Whether its owner keeps it though nobody else has it.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`].
    pub async fn keep(&self, _user: &UserId, _id: MediaId, _keep: bool) -> Result<(), LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// Deletes one's own file, for everybody it was shared with. While it is worked on, that is cancelled: the same call.
    /// The bytes go a little later, if nobody else has them.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`].
    pub async fn delete(&self, _user: &UserId, _id: MediaId) -> Result<(), LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// Opens a view-once file on this device: for a minute it may be fetched, in any number of ranges. Once a person: the
    /// same device asking again within the minute gets the same lease.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::Opened`], [`LibraryError::NotReady`], [`LibraryError::Forbidden`] for its
    /// sender and for other files.
    pub async fn open_once(&self, _caller: &Caller, _id: MediaId) -> Result<Lease, LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// It has been seen: the lease ends now.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`] if this device has not opened it.
    pub async fn opened(&self, _caller: &Caller, _id: MediaId) -> Result<(), LibraryError> {
        Err(LibraryError::NotReady)
    }

    /// Whether a user has deleted their account: everything of theirs goes, uploads under way included.
    ///
    /// # Errors
    /// If the directory fails.
    pub async fn forget_user(&self, _user: &UserId) -> Result<(), LibraryError> {
        Err(LibraryError::NotReady)
    }
}
