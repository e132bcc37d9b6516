//! What an upload is, and what its sender wants it to be.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Pictures that move: becomes MP4 (H.264, AAC).
    Video,
    /// A picture: re-encoded, upright, without its metadata.
    Image,
    /// Sound without pictures: becomes M4A (AAC).
    Audio,
    /// A voice note: becomes Ogg Opus, with a waveform.
    Voice,
    /// Anything: kept as it is, for download only.
    Document,
    /// Encrypted by its sender: kept as it is, and never looked at.
    Sealed,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 6] = [Self::Video, Self::Image, Self::Audio, Self::Voice, Self::Document, Self::Sealed];

    /// Its name on the wire, in tables and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Voice => "voice",
            Self::Document => "document",
            Self::Sealed => "sealed",
        }
    }

    /// Whether a worker has to make something of it before it can be had.
    #[must_use]
    pub fn is_processed(self) -> bool {
        !matches!(self, Self::Document | Self::Sealed)
    }
}

impl FromStr for Class {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|class| class.name() == text).ok_or(())
    }
}

/// What its sender wants an upload to be treated as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// As what it is.
    #[default]
    Auto,
    /// A voice note, whatever its container: refused if there is no sound in it.
    Voice,
    /// Untouched, for download only, whatever it is.
    Document,
    /// Encrypted by its sender.
    Sealed,
}

impl Treatment {
    /// Every treatment.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Voice, Self::Document, Self::Sealed];

    /// Its name on the wire and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Voice => "voice",
            Self::Document => "document",
            Self::Sealed => "sealed",
        }
    }
}

impl FromStr for Treatment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|treatment| treatment.name() == text).ok_or(())
    }
}
