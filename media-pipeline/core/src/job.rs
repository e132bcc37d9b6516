//! What a worker is told to do, and what it tells: the words between the program and its sandboxed process.
//!
//! With a job go file descriptors, in this order: the input (read only), then one for each [`Output`] of the class. A worker
//! has no other way to the outside.

use crate::{Class, Limits, Refusal};
use serde::{Deserialize, Serialize};

/// The longer side of a video's poster, in pixels.
pub const POSTER_SIDE: u32 = 640;
/// The longer side of a picture's thumbnail, in pixels.
pub const IMAGE_THUMB_SIDE: u32 = 320;
/// Bytes of the picture that travels in the message itself, as a data URI.
pub const PREVIEW_BYTES_MAX: usize = 2_047;
/// Points of a waveform, each 0 to 100.
pub const WAVEFORM_POINTS: usize = 64;

/// Where a worker writes, in the order of the descriptors after the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// What is played, shown or downloaded.
    Main,
    /// The thumbnail or poster as JPEG. Left empty where there is none.
    ThumbJpeg,
    /// The same as WebP.
    ThumbWebp,
}

impl Output {
    /// Every output, in the order of their descriptors.
    pub const ALL: [Self; 3] = [Self::Main, Self::ThumbJpeg, Self::ThumbWebp];
}

/// One job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What the input was sniffed or declared to be: `Video`, `Image`, `Audio` or `Voice`.
    pub class: Class,
    /// What it may be.
    pub limits: Limits,
    /// Threads it may use.
    pub threads: u32,
}

/// What a worker tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// So many thousandths are done.
    Progress(u16),
    /// It is done: the outputs are written.
    Done(Box<Outcome>),
    /// It can't be done. The outputs mean nothing.
    Refused(Refusal),
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What it has turned out to be: a GIF that moves and an MP4 without pictures are other than they seem.
    pub class: Class,
    /// Media type of the main output.
    pub mime: String,
    /// Bytes of the main output.
    pub bytes: u64,
    /// Pixels across, upright. Zero for sounds.
    pub width: u32,
    /// Pixels down, upright. Zero for sounds.
    pub height: u32,
    /// Milliseconds, as measured. Zero for pictures that stand still.
    pub duration_ms: u64,
    /// Whether there is sound in it.
    pub has_sound: bool,
    /// Whether the coded pictures and sounds were copied, not coded anew.
    pub is_remuxed: bool,
    /// Whether the end was missing and what there was has been kept.
    pub is_salvaged: bool,
    /// The picture in some 25 bytes ([ThumbHash](https://evanw.github.io/thumbhash/)). Empty for sounds.
    pub thumbhash: Vec<u8>,
    /// A tiny JPEG or WebP as a data URI, at most [`PREVIEW_BYTES_MAX`] characters. Empty for sounds.
    pub preview: String,
    /// How loud it is over time: [`WAVEFORM_POINTS`] points of 0 to 100 for voice notes and sounds, else empty.
    pub waveform: Vec<u8>,
}
