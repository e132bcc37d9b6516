//! Why an upload or a job is refused: one typed reason, with the limit and the actual figure where there are such.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $sentence:literal;)*) => {
        /// Why media are refused. The names are stable: they are on the wire, in tables and in metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its stable name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// For people.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

reasons! {
    /// More bytes than this class may have.
    TooLarge = "media_too_large", "This file is too large.";
    /// A longer video or sound than allowed; figures in milliseconds.
    TooLong = "media_too_long", "This video is too long.";
    /// A picture of more pixels than allowed.
    TooManyPixels = "media_too_many_pixels", "This picture has too many pixels.";
    /// More frames, streams or parts than anything honest has.
    TooComplex = "media_too_complex", "This file is too complex to be opened safely.";
    /// Nothing we can play, and not sent as a document.
    Unsupported = "media_unsupported", "This kind of file can't be played. Send it as a document.";
    /// It begins as what it says, and does not go on as that.
    Damaged = "media_damaged", "This file is damaged.";
    /// Nothing to see or hear in it.
    Empty = "media_empty", "There is nothing in this file.";
    /// Copy protection: it can't be decoded.
    Encrypted = "media_encrypted", "This file is copy-protected.";
    /// It wants to open other files or addresses.
    External = "media_external", "This file refers to other files, which is not allowed.";
    /// Its bytes are not those of the checksum that came with them.
    ChecksumMismatch = "media_checksum_mismatch", "The file was damaged on its way.";
    /// Its length is not what was said.
    LengthMismatch = "media_length_mismatch", "The file's length is not what was announced.";
    /// It stopped coming.
    Stalled = "media_stalled", "The upload stopped for too long.";
    /// The user's uploads hold as much as they may; figures in bytes.
    Quota = "media_quota", "Your storage is full. Delete something first.";
    /// Too many uploads at once, or too many jobs in the queue.
    Busy = "media_busy", "Too many files are being handled. Try again in a moment.";
    /// The store can't take it.
    StoreUnavailable = "media_store_unavailable", "The file could not be stored. Try again.";
    /// The worker took longer than anything honest needs.
    TimedOut = "media_timed_out", "It took too long to open this file.";
    /// The worker wanted more memory than it may have.
    OutOfMemory = "media_out_of_memory", "This file needs too much memory to be opened.";
    /// The worker broke, twice.
    WorkerCrashed = "media_worker_crashed", "This file could not be opened safely.";
    /// The machine lacks what makes decoding safe: see the log and `tertulia doctor`.
    SandboxUnavailable = "media_sandbox_unavailable", "This server can't open media safely, so it does not.";
    /// Whoever sent it took it back.
    Cancelled = "media_cancelled", "It was cancelled.";
}

/// A reason, with the figures that go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}", reason.name())]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The limit that was reached, in the reason's unit.
    pub limit: Option<u64>,
    /// What it was instead. Where reading stopped at the limit, the figure so far: at least this.
    pub actual: Option<u64>,
}

impl Refusal {
    /// With figures.
    #[must_use]
    pub fn over(reason: Reason, limit: u64, actual: u64) -> Self {
        Self { reason, limit: Some(limit), actual: Some(actual) }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, limit: None, actual: None }
    }
}
