//! What the library is asked for and what it answers, in words of its own: the HTTP layer translates.

use crate::store::BlobKey;
use std::fmt;
use std::time::Duration;
use tertulia_common::{DeviceId, MediaId, Pii, Timestamp, UserId};
use tertulia_media_core::{Class, Refusal, Treatment};

/// Who asks, and from which device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The person.
    pub user: UserId,
    /// Their device.
    pub device: DeviceId,
}

/// What an upload is meant to be.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Intent {
    /// How it is to be treated.
    pub treatment: Treatment,
    /// What its sender calls it; cut to [`FILE_NAME_CHARS_MAX`] characters, and never believed.
    pub file_name: Option<String>,
    /// What its sender says it is. Not believed: what is served has the type that its bytes have.
    pub declared_mime: Option<String>,
    /// Its bytes, where they are known beforehand.
    pub length: Option<u64>,
    /// Its SHA-256, where it is known beforehand.
    pub sha256: Option<[u8; 32]>,
    /// Its owner keeps it even if nobody else has it. What is neither kept nor shared is collected.
    pub keep: bool,
    /// To be seen once by each of these people, and then by nobody.
    pub view_once: Option<Vec<UserId>>,
}

/// The longest file name that is kept, in characters.
pub const FILE_NAME_CHARS_MAX: usize = 255;
/// The most people one call may share a file with. Raising it makes one request write longer.
pub const SHARE_MAX: usize = 256;
/// The most people a file is shared with.
pub const GRANTS_MAX: u64 = 2_048;
/// The most files a page of a list has.
pub const PAGE_MAX: u64 = 100;

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { treatment, file_name, length, keep, view_once, .. } = self;
        let mut shown = f.debug_struct("Intent");
        shown.field("treatment", treatment).field("file_name", &Pii(file_name)).field("length", length);
        shown.field("keep", keep).field("view_once", view_once).finish_non_exhaustive()
    }
}

/// A file, as somebody who may see it sees it.
#[derive(Clone, PartialEq)]
pub struct MediaView {
    /// Which.
    pub id: MediaId,
    /// Whose.
    pub owner: UserId,
    /// Whether that is who asks.
    pub is_mine: bool,
    /// What its sender wanted.
    pub treatment: Treatment,
    /// What it is.
    pub class: Class,
    /// What its sender called it.
    pub file_name: Option<String>,
    /// Bytes as sent.
    pub original_bytes: u64,
    /// When it came.
    pub created_at: Timestamp,
    /// Its owner keeps it even if nobody else has it.
    pub keep: bool,
    /// It is seen once, by each of those it is for.
    pub view_once: bool,
    /// Neither kept nor shared, or view-once: when it goes.
    pub kept_until: Option<Timestamp>,
    /// How far it is.
    pub state: MediaState,
}

impl fmt::Debug for MediaView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("MediaView");
        shown.field("id", &self.id).field("class", &self.class).field("state", &self.state).finish_non_exhaustive()
    }
}

/// How far a file is.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaState {
    /// A worker is to make something of it: so many thousandths are done.
    Processing(u16),
    /// It can be had.
    Ready(Box<Made>),
    /// It can't be had.
    Refused(Refusal),
}

/// What a file has become. For view-once files and for those who may not open them, `thumbhash`, `preview` and `waveform` are
/// empty and there is no thumbnail.
#[derive(Clone, PartialEq)]
pub struct Made {
    /// Media type of what is downloaded.
    pub mime: String,
    /// Its bytes.
    pub bytes: u64,
    /// Pixels across; zero where there are none.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Milliseconds; zero for what has no time.
    pub duration_ms: u64,
    /// Whether there is sound.
    pub has_sound: bool,
    /// Whether its end was missing and what there was has been kept.
    pub is_salvaged: bool,
    /// Whether there is a thumbnail, in both formats.
    pub has_thumbnail: bool,
    /// The picture in some 25 bytes.
    pub thumbhash: Vec<u8>,
    /// A tiny picture as a data URI.
    pub preview: String,
    /// How loud it is over time.
    pub waveform: Vec<u8>,
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("mime", &self.mime).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// What of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// The file.
    Main,
    /// Its thumbnail as JPEG.
    ThumbJpeg,
    /// Its thumbnail as WebP.
    ThumbWebp,
}

impl Variant {
    /// Every variant.
    pub const ALL: [Self; 3] = [Self::Main, Self::ThumbJpeg, Self::ThumbWebp];

    /// Its name in links.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::ThumbJpeg => "thumb.jpg",
            Self::ThumbWebp => "thumb.webp",
        }
    }
}

/// Bytes that may be sent to who asked. Who holds one may [`read`](super::Library::read) it.
#[derive(Clone, PartialEq, Eq)]
pub struct Servable {
    pub(crate) key: BlobKey,
    /// Of what it is.
    pub class: Class,
    /// Its media type, never the sender's word: that of what was made, or `application/octet-stream`.
    pub mime: String,
    /// Its size.
    pub bytes: u64,
    /// What its sender called it, for a download's name.
    pub file_name: Option<String>,
    /// Whether anything on the way, the browser included, may keep it.
    pub is_cacheable: bool,
}

impl Servable {
    /// A tag that changes with the bytes: half of their SHA-256.
    #[must_use]
    pub fn etag(&self) -> String {
        self.key.to_string().chars().take(32).collect()
    }
}

impl fmt::Debug for Servable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servable").field("class", &self.class).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// A link that stands for the right to fetch. No `Debug`: it is the right.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_debug_implementations, reason = "whoever has the signature may fetch the file")]
pub struct SignedLink {
    /// Which file.
    pub id: MediaId,
    /// Which part of it.
    pub variant: Variant,
    /// Until when it is good, in seconds since the Unix epoch.
    pub expires_at_s: u64,
    /// HMAC-SHA256, in hexadecimal digits.
    pub signature: String,
}

/// What a claim has to answer: `HMAC-SHA256(key = SHA-256("proof" ‖ the file), nonce)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Which claim.
    pub claim: u128,
    /// What to sign.
    pub nonce: [u8; 32],
    /// How long it may take.
    pub valid_for: Duration,
}

/// The right of one device to fetch a view-once file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Until when.
    pub until: Timestamp,
}

/// A page of one's own files, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The files.
    pub media: Vec<MediaView>,
    /// Whether there are more behind the last one.
    pub has_more: bool,
}

/// What the library tells while nobody asks. Called from its own tasks: an implementation must not wait.
pub trait Events: Send + Sync + 'static {
    /// So many thousandths of the work are done.
    fn progress(&self, owner: &UserId, media: MediaId, thousandths: u16);

    /// It can be had.
    fn ready(&self, media: MediaView);

    /// It can't be had. `device` has sent it, where that is known.
    fn rejected(&self, owner: &UserId, device: Option<&DeviceId>, media: MediaId, refusal: Refusal);
}

/// Why the library does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A typed refusal, for people.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// More in a while: so many in so long.
    #[error("too much at a time")]
    Slower {
        /// What is too much.
        refusal: Refusal,
        /// When it is worth to ask again.
        retry_after: Duration,
    },
    /// There is no such file, or it is not for who asks: nobody learns which.
    #[error("no such file")]
    NotFound,
    /// What may not be done with this file: view-once files are not shared, linked, or opened by their sender.
    #[error("this can't be done with this file")]
    Forbidden,
    /// Nothing has been made of it yet, or nothing could be.
    #[error("the file is not ready")]
    NotReady,
    /// A view-once file that this person has opened, or is opening on another device.
    #[error("the file has been opened")]
    Opened,
    /// One of those it is to be shared with is nobody.
    #[error("there is nobody of this name")]
    UnknownUser,
    /// More people than [`SHARE_MAX`] at once or [`GRANTS_MAX`] in all, or none.
    #[error("a file can't be shared with so many people")]
    Recipients {
        /// How many there may be.
        max: u64,
    },
    /// The proof is wrong, too late, or of something that can't be claimed: nobody learns which.
    #[error("nothing can be claimed by this")]
    NoClaim,
    /// A link that is wrong or too old.
    #[error("the link is not good, or not any longer")]
    BadLink,
    /// The directory failed.
    #[error(transparent)]
    Directory(#[from] tertulia_directory::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The machine failed.
    #[error("the upload could not be written")]
    Io(#[from] std::io::Error),
}
