//! What messages carry besides words: pictures, videos, sounds, files, voice notes.
//!
//! **Who says what.** A sender names a file of theirs, or one that they were sent, and leaves `file` out. The server says there
//! what it is, from what it knows of it: nobody can say something else of a file than what is so.

use crate::MediaClass;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use tertulia_common::MediaId;
use ts_rs::TS;

/// A picture, video, sound or file, perhaps with a few words.
// No `Debug` of what people write.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MediaContent {
    /// Which: in what is sent, one's own or one that was shared with oneself; in what comes, the sender's own. Everybody the
    /// message is for may fetch it from then on. It must be `ready`.
    pub media_id: MediaId,
    /// A few words, not blank: at most 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub caption: Option<String>,
    /// What it is: the server says it, and refuses a message in which somebody else does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub file: Option<Box<SharedFile>>,
}

impl MediaContent {
    /// The longest caption, in characters.
    pub const CAPTION_CHARS_MAX: usize = 1_024;
}

impl fmt::Debug for MediaContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caption = self.caption.as_ref().map_or(0, String::len);
        write!(f, "{:?} with {} and {caption} bytes of words", self.media_id, Told(self.file.as_deref()))
    }
}

/// A voice note.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct VoiceContent {
    /// As in a message with media. What it names must have been sent as a voice note.
    pub media_id: MediaId,
    /// As in a message with media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub file: Option<Box<SharedFile>>,
}

impl fmt::Debug for VoiceContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, a voice note, with {}", self.media_id, Told(self.file.as_deref()))
    }
}

/// Whether a file was told of, without what it is called.
struct Told<'a>(Option<&'a SharedFile>);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(file) => write!(f, "{:?} of {} bytes", file.class, file.bytes),
            None => f.write_str("nothing told"),
        }
    }
}

/// What a file is: enough to show a message with it before anything of it is fetched.
// No `Debug`: what people call their files.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct SharedFile {
    /// What it is.
    pub class: MediaClass,
    /// Media type.
    pub mime: String,
    /// Its name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub file_name: Option<String>,
    /// Bytes to download.
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
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub has_thumbnail: bool,
    /// The picture in some 25 bytes (ThumbHash, base64).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub thumbhash: Option<String>,
    /// A tiny picture as a data URI under 2 KB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub preview: Option<String>,
    /// How loud it is over time: 64 points of 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub waveform: Option<Vec<u8>>,
    /// Opened once by each who gets it, then gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub once: bool,
}
