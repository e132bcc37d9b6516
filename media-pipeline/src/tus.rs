//! Resumable uploads ([tus 1.0](https://tus.io/protocols/resumable-upload)): creation, with or without bytes, offsets,
//! patches with checksums, expiration, termination.
//!
//! Invariant: an offset that a client has been told is on the disk, file and row. The file may be longer after a crash, never
//! shorter; it is cut to the offset before it is gone on with. One request at a time writes to an upload.

mod append;
mod uploads;

pub use uploads::Uploads;

use crate::ingest::{Announced, Ingested};
use futures_util::future::BoxFuture;
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::{DeviceId, MediaId, Timestamp, UserId};
use tertulia_media_core::tus::{HeaderError, Metadata};
use tertulia_media_core::{Limits, Refusal, Treatment};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One resumable upload: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub u128);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for UploadId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_id = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id { u128::from_str_radix(text, 16).map(Self).map_err(|_| ()) } else { Err(()) }
    }
}

/// What is kept of an upload until it has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRow {
    /// Which.
    pub id: UploadId,
    /// Whose.
    pub owner: UserId,
    /// Which of their devices sends it.
    pub device: DeviceId,
    /// Its bytes, when it is whole.
    pub length: u64,
    /// Bytes that are on the disk.
    pub offset: u64,
    /// What its sender says of it.
    pub metadata: Metadata,
    /// Its file's name in the spool.
    pub file: String,
    /// What has become of it, when it is whole.
    pub media: Option<MediaId>,
    /// When it goes.
    pub expires_at: Timestamp,
}

impl UploadRow {
    /// How its sender wants it treated.
    ///
    /// # Errors
    /// [`HeaderError::Metadata`] if that is no treatment.
    pub fn treatment(&self) -> Result<Treatment, HeaderError> {
        treatment_of(&self.metadata)
    }

    fn announced(&self, limits: Limits) -> Result<Announced, HeaderError> {
        let sha256 = sha256_of(&self.metadata)?;
        Ok(Announced { treatment: self.treatment()?, limits, length: Some(self.length), sha256 })
    }
}

fn treatment_of(metadata: &Metadata) -> Result<Treatment, HeaderError> {
    metadata.text("as").map_or(Ok(Treatment::Auto), |name| name.parse().map_err(|()| HeaderError::Metadata))
}

/// The SHA-256 of the whole, in hexadecimal digits, if its sender gives one.
fn sha256_of(metadata: &Metadata) -> Result<Option<[u8; 32]>, HeaderError> {
    let Some(text) = metadata.text("sha256") else { return Ok(None) };
    let digit = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(digit).collect();
    let is_digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    bytes.filter(|_| is_digits).and_then(|bytes| bytes.try_into().ok()).map(Some).ok_or(HeaderError::Metadata)
}

/// Where rows are kept: each call is done when it would survive a loss of power.
pub trait UploadRows: Send + Sync + 'static {
    /// Adds a row.
    fn create(&self, row: UploadRow) -> BoxFuture<'_, Result<(), RowsError>>;

    /// A row.
    fn get(&self, id: UploadId) -> BoxFuture<'_, Result<Option<UploadRow>, RowsError>>;

    /// So many bytes are on the disk.
    fn advance(&self, id: UploadId, offset: u64, expires_at: Timestamp) -> BoxFuture<'_, Result<(), RowsError>>;

    /// This has become of it.
    fn complete(&self, id: UploadId, media: MediaId, expires_at: Timestamp) -> BoxFuture<'_, Result<(), RowsError>>;

    /// Removes a row. It is fine if it is not there.
    fn remove(&self, id: UploadId) -> BoxFuture<'_, Result<(), RowsError>>;

    /// How many are not whole yet: of this person, and in all.
    fn count(&self, owner: UserId) -> BoxFuture<'_, Result<(u64, u64), RowsError>>;

    /// Some of those that have expired, at most `limit`.
    fn expired(&self, now: Timestamp, limit: u64) -> BoxFuture<'_, Result<Vec<UploadRow>, RowsError>>;

    /// Some of those of which every byte is there, and nothing has become yet, at most `limit`.
    fn unfinished(&self, limit: u64) -> BoxFuture<'_, Result<Vec<UploadRow>, RowsError>>;

    /// The files that are still to be kept.
    fn files(&self) -> BoxFuture<'_, Result<HashSet<String>, RowsError>>;
}

/// The rows can't be had.
#[derive(Debug, thiserror::Error)]
#[error("the directory failed: {0}")]
pub struct RowsError(pub String);

/// Who takes whole uploads: the library.
pub trait Accept: Send + Sync + 'static {
    /// Whether this person may upload so many bytes.
    fn admit<'a>(&'a self, owner: &'a UserId, length: u64) -> BoxFuture<'a, Result<(), AcceptError>>;

    /// Takes one over.
    fn accept<'a>(&'a self, upload: &'a UploadRow, whole: Ingested) -> BoxFuture<'a, Result<MediaId, AcceptError>>;
}

/// Why a whole upload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// For good: the upload is removed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// For now: the upload stays, and is tried again when its client asks.
    #[error("the upload could not be taken: {0}")]
    Failed(String),
}

/// How resumable uploads are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TusConfig {
    /// How long one stays after its last byte came.
    pub ttl: Duration,
    /// Uploads of a person that are not whole. Each may keep as many bytes on the disk as a file may have.
    pub of_user_max: u64,
    /// The same, of everybody.
    pub all_max: u64,
    /// How often the bytes of a long request are put on the disk. Lowering it costs a sync each time; raising it loses more
    /// of a slow upload when the program is killed.
    pub checkpoint: Duration,
    /// How long a request waits for another one that it has asked to stop.
    pub yield_within: Duration,
}

impl Default for TusConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(24 * 3_600),
            of_user_max: 16,
            all_max: 512,
            checkpoint: Duration::from_secs(5),
            yield_within: Duration::from_secs(5),
        }
    }
}

/// How an upload stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub id: UploadId,
    /// Its bytes, when it is whole.
    pub length: u64,
    /// Bytes that are on the disk.
    pub offset: u64,
    /// What its sender says of it.
    pub metadata: Metadata,
    /// When it goes.
    pub expires_at: Timestamp,
    /// What has become of it, when it is whole.
    pub media: Option<MediaId>,
}

impl From<UploadRow> for Status {
    fn from(row: UploadRow) -> Self {
        let UploadRow { id, length, offset, metadata, expires_at, media, .. } = row;
        Self { id, length, offset, metadata, expires_at, media }
    }
}

/// Why a request about an upload is not done.
#[derive(Debug, thiserror::Error)]
pub enum TusError {
    /// A header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// There is none of this id, or it is somebody else's: 404.
    #[error("no such upload")]
    NotFound,
    /// It has expired, or its bytes are lost: 410.
    #[error("the upload is gone")]
    Gone,
    /// It does not go on there: 409.
    #[error("the upload goes on at {have}")]
    Offset {
        /// Where it does.
        have: u64,
    },
    /// Another request is writing to it: 423.
    #[error("another request is writing to this upload")]
    Locked,
    /// The body is not what its checksum says: 460. Nothing of it was kept.
    #[error("the bytes are not those of the checksum")]
    Checksum,
    /// Another request has asked this one to stop: 423. What had come was kept.
    #[error("another request has taken the upload over")]
    Displaced,
    /// The body broke off or stalled. What had come was kept.
    #[error("the body broke off: {0}")]
    Broken(Refusal),
    /// It is refused; where it is for good, the upload is removed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The disk, the directory or the store failed: 503. What a client has been told still holds.
    #[error("the upload can't be handled now: {0}")]
    Unavailable(String),
}

impl TusError {
    /// The status of the answer; `None` where that is the refusal's.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        Some(match self {
            Self::Header(error) => error.status(),
            Self::NotFound => 404,
            Self::Gone => 410,
            Self::Offset { .. } => 409,
            Self::Locked | Self::Displaced => 423,
            Self::Checksum => 460,
            Self::Unavailable(_) => 503,
            Self::Broken(_) | Self::Refused(_) => return None,
        })
    }
}

impl From<RowsError> for TusError {
    fn from(error: RowsError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests;
