//! Uploaded files: *contents* (bytes as they were sent, and what has become of them, once for all who send them), *handles*
//! on them (an owner's file), *grants* (who else may see a handle), jobs, and the blobs of the store.
//!
//! Invariants: a handle is never without its content, nor a content that can be had without its blobs; a blob is given up
//! only after nothing refers to it, and what refers to it anew in the meantime brings it back or is told to put it again.
//! Everything that changes several of them is one transaction. Classes, treatments and reasons are their pipeline's words:
//! here they are names.

mod access;
mod add;
mod blobs;
mod forget;
mod once;
mod refer;
mod settle;
mod share;
mod uploads;

pub use access::Reach;
pub use add::{MediaAdded, MediaOrigin, MediaQuota, NewMedia, UnknownContent};
pub use blobs::{BlobPut, BlobState};
pub(crate) use forget::forget_media_of;
pub use once::Opening;
pub use settle::{MediaJob, Settled};
pub use share::Shared;
pub use uploads::MediaUpload;

use crate::devices::hex;
use crate::entity::{media, media_content};
use crate::users::timestamp;
use crate::{Error, Result};
use tertulia_common::{DeviceId, MediaId, Timestamp, UserId};

/// A content's number. Never given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(pub i64);

/// SHA-256 of something.
pub type Sha256 = [u8; 32];

/// A blob of the store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MediaBlob {
    /// SHA-256 of its bytes.
    pub key: Sha256,
    /// How many they are.
    pub bytes: u64,
}

impl std::fmt::Debug for MediaBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", hex(&self.key), self.bytes)
    }
}

/// What was made of a content.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaMade {
    /// What it has turned out to be.
    pub class: String,
    /// Media type of the main blob.
    pub mime: String,
    /// What is played, shown or downloaded.
    pub main: MediaBlob,
    /// Thumbnail as JPEG.
    pub thumb_jpeg: Option<MediaBlob>,
    /// Thumbnail as WebP.
    pub thumb_webp: Option<MediaBlob>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Milliseconds.
    pub duration_ms: u64,
    /// Whether there is sound.
    pub has_sound: bool,
    /// Whether its end was missing.
    pub is_salvaged: bool,
    /// The picture in some 25 bytes.
    pub thumbhash: Vec<u8>,
    /// A tiny picture.
    pub preview: String,
    /// How loud it is over time.
    pub waveform: Vec<u8>,
}

impl MediaMade {
    /// Its blobs.
    pub fn blobs(&self) -> impl Iterator<Item = MediaBlob> {
        [Some(self.main), self.thumb_jpeg, self.thumb_webp].into_iter().flatten()
    }

    /// Bytes on the accounts of those who have it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blobs().fold(0, |sum, blob| sum.saturating_add(blob.bytes))
    }
}

impl std::fmt::Debug for MediaMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaMade").field("class", &self.class).field("main", &self.main).finish_non_exhaustive()
    }
}

/// Why nothing could be made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRefusal {
    /// The reason's stable name.
    pub reason: String,
    /// The limit, where it is one.
    pub limit: Option<u64>,
    /// What it was instead.
    pub actual: Option<u64>,
}

/// How far a content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentState {
    /// There is a job.
    Processing,
    /// It can be had.
    Ready(Box<MediaMade>),
    /// It can't.
    Refused(MediaRefusal),
}

/// Bytes as they were sent, and what has become of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaContent {
    /// Which.
    pub id: ContentId,
    /// What its sender wanted.
    pub treatment: String,
    /// What it is, as far as is known.
    pub class: String,
    /// Bytes as sent.
    pub original_bytes: u64,
    /// How far it is.
    pub state: ContentState,
}

/// A handle: somebody's file.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaFile {
    /// Which.
    pub id: MediaId,
    /// Whose.
    pub owner: UserId,
    /// Which of their devices has sent it.
    pub device: Option<DeviceId>,
    /// What they call it.
    pub file_name: Option<String>,
    /// Seen once by each of those it is for.
    pub view_once: bool,
    /// Kept though nobody else has it.
    pub kept: bool,
    /// Since when.
    pub created_at: Timestamp,
    /// When it goes, if it does.
    pub ends_at: Option<Timestamp>,
    /// What it is.
    pub content: MediaContent,
}

impl std::fmt::Debug for MediaFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaFile").field("id", &self.id).field("content", &self.content).finish_non_exhaustive()
    }
}

/// What stands in the column `state` of `media_content`.
mod content_state {
    pub(super) const PROCESSING: &str = "processing";
    pub(super) const READY: &str = "ready";
    pub(super) const REFUSED: &str = "refused";
}

impl TryFrom<media_content::Model> for MediaContent {
    type Error = Error;

    fn try_from(row: media_content::Model) -> Result<Self> {
        let state = match row.state.as_str() {
            content_state::PROCESSING => ContentState::Processing,
            content_state::READY => ContentState::Ready(Box::new(made(&row)?)),
            content_state::REFUSED => ContentState::Refused(MediaRefusal {
                reason: row.reason.clone().unwrap_or_default(),
                limit: row.limit_figure.map(|figure| unsigned(figure, "limit")).transpose()?,
                actual: row.actual_figure.map(|figure| unsigned(figure, "figure")).transpose()?,
            }),
            _ => return Err(Error::Unreadable { what: "content's state" }),
        };
        let original_bytes = unsigned(row.original_bytes, "size")?;
        Ok(Self { id: ContentId(row.id), treatment: row.treatment, class: row.class, original_bytes, state })
    }
}

fn made(row: &media_content::Model) -> Result<MediaMade> {
    let blob = |key: &Option<String>, bytes: i64| -> Result<Option<MediaBlob>> {
        let Some(key) = key else { return Ok(None) };
        Ok(Some(MediaBlob { key: unhex(key)?, bytes: unsigned(bytes, "size of a blob")? }))
    };
    let pixels = |count: i64| u32::try_from(count).map_err(|_| Error::Unreadable { what: "number of pixels" });
    Ok(MediaMade {
        class: row.class.clone(),
        mime: row.mime.clone(),
        main: blob(&row.main, row.main_bytes)?.ok_or(Error::Unreadable { what: "blob" })?,
        thumb_jpeg: blob(&row.thumb_jpeg, row.thumb_jpeg_bytes)?,
        thumb_webp: blob(&row.thumb_webp, row.thumb_webp_bytes)?,
        width: pixels(row.width)?,
        height: pixels(row.height)?,
        duration_ms: unsigned(row.duration_ms, "duration")?,
        has_sound: row.has_sound,
        is_salvaged: row.is_salvaged,
        thumbhash: row.thumbhash.clone(),
        preview: row.preview.clone(),
        waveform: row.waveform.clone(),
    })
}

fn media_of(row: media::Model, content: media_content::Model) -> Result<MediaFile> {
    Ok(MediaFile {
        id: row.id.parse().map_err(|_| Error::Unreadable { what: "media id" })?,
        owner: row.owner.parse().map_err(|_| Error::Unreadable { what: "owner of a file" })?,
        device: row.device.map(|id| id.parse().map_err(|_| Error::Unreadable { what: "device id" })).transpose()?,
        file_name: row.file_name,
        view_once: row.view_once,
        kept: row.kept,
        created_at: timestamp(row.created_at, "time of an upload")?,
        ends_at: row.ends_at.map(|ms| timestamp(ms, "end of a file")).transpose()?,
        content: content.try_into()?,
    })
}

fn unsigned(figure: i64, what: &'static str) -> Result<u64> {
    u64::try_from(figure).map_err(|_| Error::Unreadable { what })
}

/// Figures beyond nine quintillion are cut.
fn signed(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}

fn unhex(text: &str) -> Result<Sha256> {
    let digits = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(digits).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(Error::Unreadable { what: "hash" })
}
