//! Uploads: the bodies of the HTTP calls about media, and the frames that tell how they come along.

use crate::chat::Recipient;
use crate::error::ErrorBody;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::{MediaId, Timestamp, UserId};
use ts_rs::TS;

/// What an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum MediaClass {
    /// Pictures that move: MP4, H.264 and AAC.
    Video,
    /// A picture.
    Image,
    /// Sound: M4A, AAC.
    Audio,
    /// A voice note: Ogg, Opus, with a waveform.
    Voice,
    /// Anything, untouched, for download only.
    Document,
    /// Encrypted by its sender.
    Sealed,
}

/// What an upload is to be treated as: `?as=` of an upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum MediaTreatment {
    /// As what it is.
    #[default]
    Auto,
    /// A voice note.
    Voice,
    /// Untouched, for download only, whatever it is.
    Document,
    /// Encrypted by its sender: never looked at.
    Sealed,
}

/// How far an upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum MediaState {
    /// It is being made playable.
    Processing,
    /// It can be had.
    Ready,
    /// It was refused: `error` says why.
    Refused,
}

/// A picture, video, sound or file, as its owner and those it is shared with see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Media {
    /// Which.
    pub media_id: MediaId,
    /// Who has sent it.
    pub owner: UserId,
    /// How far it has come.
    pub state: MediaState,
    /// What it is.
    pub class: MediaClass,
    /// When it was sent.
    pub created_at: Timestamp,
    /// Its owner keeps it. What is neither kept nor shared goes after a day.
    pub keep: bool,
    /// Opened once by each who gets it, then gone.
    pub view_once: bool,
    /// Its name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub file_name: Option<String>,
    /// Media type. Once it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub mime: Option<String>,
    /// Bytes to download; of one in the making, as sent.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Pixels across.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub width: Option<u32>,
    /// Pixels down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub height: Option<u32>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub duration_ms: Option<u64>,
    /// Whether there is sound in it. Of a video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub has_sound: Option<bool>,
    /// Whether there is a thumbnail.
    pub has_thumbnail: bool,
    /// The picture in some 25 bytes (ThumbHash, base64).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub thumbhash: Option<String>,
    /// A tiny picture as a data URI under 2 KB, for the message itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub preview: Option<String>,
    /// How loud it is over time: 64 points of 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub waveform: Option<Vec<u8>>,
    /// Its end was missing, and what there was has been kept.
    pub salvaged: bool,
    /// Of one in the making: thousandths done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub progress: Option<u16>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub error: Option<ErrorBody>,
}

/// `GET /v1/media`: this user's uploads, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MediaPage {
    /// One page.
    pub media: Vec<Media>,
    /// Pass as `?before=` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub next: Option<MediaId>,
}

/// `POST /v1/media/claims`: is what I have here already? The answer is the same either way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct MediaClaim {
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Its bytes.
    #[ts(type = "number")]
    pub size: u64,
    /// What it is to be treated as.
    #[serde(default, rename = "as")]
    #[ts(as = "Option<MediaTreatment>", optional)]
    pub treatment: MediaTreatment,
}

/// Its answer (201).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MediaChallenge {
    /// For `PUT /v1/media/claims/{claim_id}`.
    pub claim_id: String,
    /// 32 bytes, base64url.
    pub nonce: String,
    /// How long the claim can be proved, in seconds.
    pub expires_in_s: u32,
}

/// `PUT /v1/media/claims/{claim_id}`: I have it, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct MediaProof {
    /// HMAC-SHA256 of the nonce, keyed by SHA-256 of the five bytes `proof` and the file; base64url.
    pub proof: String,
    /// Its name, for those it is shared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub file_name: Option<String>,
    /// Keep it though nobody else has it.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub keep: bool,
}

/// `POST /v1/media/{media_id}/link`: a link that anyone can open until it expires.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct MediaLinkRequest {
    /// How long it is good for, in seconds; the server has a maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub expires_in_s: Option<u32>,
}

/// Its answer (201). Relative to this server.
// No `Debug` on the links: they are the permission.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MediaLink {
    /// The file.
    pub path: String,
    /// Its thumbnail, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub thumbnail_path: Option<String>,
    /// When it ends, by the server's clock.
    pub expires_at: Timestamp,
}

/// `POST /v1/media/{media_id}/share`: these people may have it too. Nothing is copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct MediaShare {
    /// Who.
    pub to: Vec<UserId>,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MediaShared {
    /// By which id they have it: what you forward is yours to take back.
    pub media_id: MediaId,
}

/// `POST /v1/media/{media_id}/open`: this device may look, once, until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MediaLease {
    /// When it ends, by the server's clock.
    pub expires_at: Timestamp,
}

/// What an upload may be. A video that is sent as a document may be as large as any file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct UploadLimits {
    /// Bytes of a video.
    #[ts(type = "number")]
    pub video_bytes_max: u64,
    /// Seconds of a video.
    pub video_seconds_max: u32,
    /// Bytes of a sound or voice note.
    #[ts(type = "number")]
    pub audio_bytes_max: u64,
    /// Seconds of a sound or voice note.
    pub audio_seconds_max: u32,
    /// Bytes of a picture.
    #[ts(type = "number")]
    pub image_bytes_max: u64,
    /// Pixels of a picture.
    #[ts(type = "number")]
    pub image_pixels_max: u64,
    /// Bytes of anything.
    #[ts(type = "number")]
    pub file_bytes_max: u64,
}

/// An upload of this user is being made playable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MediaProgress {
    /// Which.
    pub media_id: MediaId,
    /// Thousandths done.
    pub progress: u16,
}

/// An upload was refused: this user's, on whichever device it was sent, or somebody else's that was to come here (`from`, `to`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MediaRejected {
    /// Which; absent where it was refused while it came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub media_id: Option<MediaId>,
    /// Its name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub file_name: Option<String>,
    /// Why, with the limit and the actual figure.
    pub error: ErrorBody,
    /// Who sent it; absent where it is one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub from: Option<UserId>,
    /// To whom it was to go, as a message says it; absent where it is one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub to: Option<Recipient>,
}
