//! JPEG in: its segments (orientation, profile, Adobe's mark) and its pixels, by libjpeg-turbo.
//!
//! The size is known before a pixel is decoded; what would be scaled down anyway is decoded smaller, which costs a fraction.

use super::decode::{Decoded, Sheet, check_size};
use super::frame::Frame;
use super::orient::Orientation;
use tertulia_media_core::{Job, Reason, Refusal};
use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

/// Passes over a progressive picture. Honest ones have some ten; each pass costs a walk over all of the picture, and a few bytes
/// make one.
const SCANS_MAX: u32 = 100;
/// Bytes of a colour profile that are looked at. Honest ones have 500 bytes, those for printing up to 2 MB.
pub(super) const PROFILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What libjpeg says of pictures whose end is missing.
const END_MISSING: &str = "Premature end";
/// What libjpeg says of pictures that are damaged, but not beyond reading on.
const PARTLY_DAMAGED: &str = "Corrupt JPEG data";

/// What stands in a JPEG's segments before its pixels.
#[derive(Default)]
struct Segments {
    orientation: Orientation,
    profile: Vec<u8>,
    is_adobe: bool,
    size: Option<(u64, u64)>,
}

/// Decodes a JPEG to at least as many pixels as will be kept.
///
/// # Errors
/// [`Reason::Damaged`], [`Reason::Unsupported`] or [`Reason::TooManyPixels`].
pub(super) fn decode(job: &Job, bytes: &[u8]) -> Result<Decoded, Refusal> {
    let segments = read_segments(bytes);
    // The library refuses sides above its own limit as damage, so the figures are read before it is asked.
    if let Some((width, height)) = segments.size {
        check_size(job, width, height)?;
    }
    let mut decoder = Decompressor::new().map_err(|_| Refusal::from(Reason::OutOfMemory))?;
    decoder.set_scan_limit(SCANS_MAX).map_err(|_| Refusal::from(Reason::Damaged))?;
    let header = decoder.read_header(bytes).map_err(|_| Refusal::from(Reason::Damaged))?;
    check_size(job, header.width as u64, header.height as u64)?;
    let is_cmyk = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    if !header.is_lossless {
        let factor = factor(header.width.max(header.height), job.limits.image_side_max as usize);
        decoder.set_scaling_factor(factor).map_err(|_| Refusal::from(Reason::Damaged))?;
    }
    let scaled = header.scaled(decoder.scaling_factor());
    let (format, channels) = if is_cmyk { (PixelFormat::CMYK, 4) } else { (PixelFormat::RGB, 3) };
    let (width, height) = (scaled.width, scaled.height);
    let mut pixels = vec![0; width * height * channels];
    let image = Image { pixels: pixels.as_mut_slice(), width, pitch: width * channels, height, format };
    let is_salvaged = match decoder.decompress(bytes, image) {
        Ok(()) => false,
        Err(turbojpeg::Error::TurboJpegError(text)) if text.contains(END_MISSING) => true,
        Err(turbojpeg::Error::TurboJpegError(text)) if text.contains(PARTLY_DAMAGED) => !ends(bytes),
        Err(turbojpeg::Error::TurboJpegError(text)) if text.contains("Unsupported") => {
            return Err(Reason::Unsupported.into());
        }
        Err(_) => return Err(Reason::Damaged.into()),
    };
    let size = |value: usize| u32::try_from(value).map_err(|_| Refusal::from(Reason::Damaged));
    let (width, height) = (size(width)?, size(height)?);
    let original = (size(header.width)?, size(header.height)?);
    let sheet = if is_cmyk {
        // Adobe's programs write how much ink is left out; everyone else how much there is.
        if segments.is_adobe {
            pixels.iter_mut().for_each(|ink| *ink = u8::MAX - *ink);
        }
        Sheet::Ink { width, height, pixels }
    } else {
        Sheet::Light(Frame::rgb(width, height, pixels)?)
    };
    let Segments { orientation, profile, .. } = segments;
    Ok(Decoded { sheet, original, orientation, profile, is_salvaged, is_drawn: false })
}

/// The smallest scale that leaves `side` pixels or more. Only those for which the library has vector code.
fn factor(longer: usize, side: usize) -> ScalingFactor {
    [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF]
        .into_iter()
        .find(|factor| factor.scale(longer) >= side)
        .unwrap_or(ScalingFactor::ONE)
}

/// Whether the mark of the end is there, somewhere in the last bytes: some cameras write theirs after it.
fn ends(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(4_096)..];
    tail.windows(2).any(|pair| pair == [0xff, 0xd9])
}

/// Walks the segments up to the first scan. What does not add up ends the walk: the decoder judges the picture.
fn read_segments(bytes: &[u8]) -> Segments {
    let mut found = Segments::default();
    let mut parts: Vec<(u8, &[u8])> = Vec::new();
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some((kind, body, after)) = next_segment(rest) {
        match kind {
            0xe1 if body.starts_with(b"Exif\0\0") => found.orientation = Orientation::from_exif(&body[6..]),
            0xe2 if body.starts_with(b"ICC_PROFILE\0") && body.len() > 14 => parts.push((body[12], &body[14..])),
            0xee if body.starts_with(b"Adobe") => found.is_adobe = true,
            // The frame's header: depth, height, width. Of these marks, three mean other things.
            0xc0..=0xcf if !matches!(kind, 0xc4 | 0xc8 | 0xcc) => {
                if let [_, height_high, height_low, width_high, width_low, ..] = *body {
                    let side = |high, low| u64::from(u16::from_be_bytes([high, low]));
                    found.size = Some((side(width_high, width_low), side(height_high, height_low)));
                }
            }
            0xda | 0xd9 => break,
            _ => {}
        }
        rest = after;
    }
    // Large profiles come in parts, numbered by a byte: there are 255 at most.
    parts.sort_by_key(|(number, _)| *number);
    if parts.iter().map(|(_, part)| part.len()).sum::<usize>() <= PROFILE_BYTES_MAX {
        found.profile = parts.into_iter().flat_map(|(_, part)| part.iter().copied()).collect();
    }
    found
}

/// The segment that `bytes` begins with: its mark, its body and what follows.
fn next_segment(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let fill = bytes.iter().take_while(|byte| **byte == 0xff).count();
    let kind = *bytes.get(fill).filter(|_| fill > 0)?;
    let rest = &bytes[fill + 1..];
    let length = usize::from(u16::from_be_bytes(rest.first_chunk::<2>().copied()?));
    let body = rest.get(2..length)?;
    Some((kind, body, &rest[length..]))
}
