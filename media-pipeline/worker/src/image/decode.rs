//! Bytes into pixels, by what the bytes begin with. Every size is checked against the limits before memory is asked for.

use super::animation::{Animation, Count};
use super::frame::{Frame, Layout};
use super::orient::Orientation;
use super::{gif, heif, jpeg, png, webp};
use tertulia_media_core::{Job, Reason, Refusal};

/// A picture as it was stored.
pub(super) struct Decoded {
    /// Its pixels.
    pub(super) sheet: Sheet,
    /// Pixels across and down as stored: the pixels may have been decoded smaller.
    pub(super) original: (u32, u32),
    /// How they have to be turned.
    pub(super) orientation: Orientation,
    /// The ICC profile that says what its colours mean; empty: sRGB.
    pub(super) profile: Vec<u8>,
    /// Whether its end was missing.
    pub(super) is_salvaged: bool,
    /// Whether it was stored exactly, as drawings and screenshots are, and not as photographs are.
    pub(super) is_drawn: bool,
}

/// Pixels of one kind or the other.
pub(super) enum Sheet {
    /// Red, green and blue.
    Light(Frame),
    /// Cyan, magenta, yellow and black: as much ink as the byte says.
    Ink {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Four bytes for each.
        pixels: Vec<u8>,
    },
}

/// What a file begins as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Gif,
    Heif,
    Jpeg,
    Png,
    WebP,
}

impl Format {
    fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Self::Heif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            _ => None,
        }
    }
}

/// Decodes a picture that stands still.
///
/// # Errors
/// [`Reason::Unsupported`], [`Reason::Damaged`], [`Reason::TooManyPixels`], [`Reason::TooComplex`] or [`Reason::OutOfMemory`].
pub(super) fn decode(job: &Job, bytes: &[u8]) -> Result<Decoded, Refusal> {
    match Format::sniff(bytes).ok_or(Reason::Unsupported)? {
        Format::Gif => gif::first(bytes, &gif::count(job, bytes)?),
        Format::Heif => heif::decode(job, bytes),
        Format::Jpeg => jpeg::decode(job, bytes),
        Format::Png => png::decode(job, bytes),
        Format::WebP => webp::first(job, bytes, webp::read_chunks(job, bytes)?),
    }
}

/// What the structure of a picture that may move tells; nothing for those that never do.
///
/// # Errors
/// [`Reason::Damaged`], [`Reason::TooManyPixels`] or [`Reason::TooComplex`].
pub(super) fn count(job: &Job, bytes: &[u8]) -> Result<Option<Count>, Refusal> {
    match Format::sniff(bytes) {
        Some(Format::Gif) => gif::count(job, bytes).map(Some),
        Some(Format::Png) => png::count(job, bytes),
        Some(Format::WebP) => webp::read_chunks(job, bytes).map(|chunks| Some(chunks.count)),
        Some(Format::Heif | Format::Jpeg) | None => Ok(None),
    }
}

/// The pictures of one that moves.
///
/// # Errors
/// [`Reason::Damaged`].
pub(super) fn pictures(bytes: &[u8]) -> Result<Animation<'_>, Refusal> {
    match Format::sniff(bytes) {
        Some(Format::Gif) => gif::all(bytes),
        Some(Format::Png) => png::all(bytes),
        Some(Format::WebP) => webp::all(bytes),
        Some(Format::Heif | Format::Jpeg) | None => Err(Reason::Unsupported.into()),
    }
}

/// Whether a picture may have this size.
///
/// # Errors
/// [`Reason::Damaged`] if there is nothing; [`Reason::TooManyPixels`] with the figures.
pub(super) fn check_size(job: &Job, width: u64, height: u64) -> Result<(), Refusal> {
    let count = width.saturating_mul(height);
    match count {
        0 => Err(Reason::Damaged.into()),
        count if count > job.limits.image_pixels_max => {
            Err(Refusal::over(Reason::TooManyPixels, job.limits.image_pixels_max, count))
        }
        _ => Ok(()),
    }
}

/// A frame from samples of 8 bits: grey, grey with opacity, colours, or colours with opacity.
///
/// # Errors
/// [`Reason::Damaged`] if there are not as many samples as that.
pub(super) fn frame(width: u32, height: u32, channels: usize, samples: Vec<u8>) -> Result<Frame, Refusal> {
    match channels {
        1 => {
            let pixels = samples.iter().flat_map(|grey| [*grey; 3]).collect();
            Frame::new(width, height, Layout::Rgb, pixels)
        }
        2 => {
            let pixels = samples.chunks_exact(2).flat_map(|pixel| [pixel[0], pixel[0], pixel[0], pixel[1]]).collect();
            Frame::new(width, height, Layout::Rgba, pixels)
        }
        3 => Frame::new(width, height, Layout::Rgb, samples),
        _ => Frame::new(width, height, Layout::Rgba, samples),
    }
}
