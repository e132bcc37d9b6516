//! What an upload may be. All are settings (section `[uploads]`); the clients learn them from `welcome`.

use crate::Class;
use serde::{Deserialize, Serialize};

/// What an upload may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a video, as sent and as kept.
    pub video_bytes_max: u64,
    /// Seconds of a video.
    pub video_seconds_max: u32,
    /// Bytes of a sound or voice note, as sent.
    pub audio_bytes_max: u64,
    /// Seconds of a sound or voice note.
    pub audio_seconds_max: u32,
    /// Bytes of a picture, as sent.
    pub image_bytes_max: u64,
    /// Pixels of a picture, by its header. Raising it raises a worker's memory: six bytes a pixel.
    pub image_pixels_max: u64,
    /// The longer side of a picture as kept; larger ones are scaled down.
    pub image_side_max: u32,
    /// Frames of an animated picture.
    pub image_frames_max: u32,
    /// Bytes of anything: documents and sealed files, and the most that any other limit may be.
    pub file_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            video_bytes_max: 16 * 1024 * 1024,
            video_seconds_max: 180,
            audio_bytes_max: 16 * 1024 * 1024,
            audio_seconds_max: 3 * 3_600,
            image_bytes_max: 16 * 1024 * 1024,
            image_pixels_max: 40_000_000,
            image_side_max: 2_560,
            image_frames_max: 600,
            file_bytes_max: 100 * 1024 * 1024,
        }
    }
}

/// Limits that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// A limit of zero.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A class may be larger than any file.
    #[error("{0} is more than file_bytes_max")]
    AboveFile(&'static str),
}

impl Limits {
    /// Bytes that an upload of this class may have.
    #[must_use]
    pub fn bytes_max(&self, class: Class) -> u64 {
        match class {
            Class::Video => self.video_bytes_max,
            Class::Image => self.image_bytes_max,
            Class::Audio | Class::Voice => self.audio_bytes_max,
            Class::Document | Class::Sealed => self.file_bytes_max,
        }
    }

    /// Whether they hold together.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), LimitsError> {
        let bytes = [
            ("video_bytes_max", self.video_bytes_max),
            ("audio_bytes_max", self.audio_bytes_max),
            ("image_bytes_max", self.image_bytes_max),
        ];
        let others = [
            ("video_seconds_max", u64::from(self.video_seconds_max)),
            ("audio_seconds_max", u64::from(self.audio_seconds_max)),
            ("image_pixels_max", self.image_pixels_max),
            ("image_side_max", u64::from(self.image_side_max)),
            ("image_frames_max", u64::from(self.image_frames_max)),
            ("file_bytes_max", self.file_bytes_max),
        ];
        if let Some((name, _)) = bytes.iter().chain(&others).find(|(_, value)| *value == 0) {
            return Err(LimitsError::Zero(name));
        }
        match bytes.iter().find(|(_, value)| *value > self.file_bytes_max) {
            Some((name, _)) => Err(LimitsError::AboveFile(name)),
            None => Ok(()),
        }
    }
}
