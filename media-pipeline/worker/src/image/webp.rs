//! WebP in: its chunks are walked before anything is decoded. A small canvas may hold a huge picture, so both are measured.

use super::animation::{Animation, Count};
use super::decode::{Decoded, Sheet, check_size, frame};
use super::jpeg::PROFILE_BYTES_MAX;
use super::orient::Orientation;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder as _, ImageDecoder as _};
use std::io::Cursor;
use tertulia_media_core::{Job, Reason, Refusal};

/// What stands beside the pixels, and what the chunks tell.
pub(super) struct Chunks {
    pub(super) count: Count,
    orientation: Orientation,
    profile: Vec<u8>,
}

/// Walks the chunks.
///
/// # Errors
/// [`Reason::Damaged`], [`Reason::TooManyPixels`] or [`Reason::TooComplex`].
pub(super) fn read_chunks(job: &Job, bytes: &[u8]) -> Result<Chunks, Refusal> {
    let mut found = Chunks {
        count: Count { frames: 0, pixels: 0, is_whole: true },
        orientation: Orientation::default(),
        profile: Vec::new(),
    };
    let mut rest = bytes.get(12..).ok_or(Reason::Damaged)?;
    while let Some((kind, body, after)) = next_chunk(rest) {
        match kind {
            b"VP8X" if body.len() >= 10 => {
                found.count.pixels = measure(job, three(&body[4..]) + 1, three(&body[7..]) + 1)?
            }
            b"VP8 " | b"VP8L" => {
                let pixels = measure_picture(job, kind, body)?;
                found.count.pixels = found.count.pixels.max(pixels);
                found.count.frames += 1;
            }
            b"ANMF" if body.len() > 16 => {
                let pixels = measure(job, three(&body[6..]) + 1, three(&body[9..]) + 1)?;
                found.count.pixels = found.count.pixels.max(pixels);
                let mut inner = &body[16..];
                while let Some((kind, body, after)) = next_chunk(inner) {
                    if matches!(kind, b"VP8 " | b"VP8L") {
                        let pixels = measure_picture(job, kind, body)?;
                        found.count.pixels = found.count.pixels.max(pixels);
                    }
                    inner = after;
                }
                found.count.frames += 1;
            }
            b"EXIF" => found.orientation = Orientation::from_exif(body.strip_prefix(b"Exif\0\0").unwrap_or(body)),
            b"ICCP" if body.len() <= PROFILE_BYTES_MAX => found.profile = body.to_vec(),
            _ => {}
        }
        if found.count.frames > job.limits.image_frames_max {
            return Err(Refusal::over(
                Reason::TooComplex,
                job.limits.image_frames_max.into(),
                found.count.frames.into(),
            ));
        }
        rest = after;
    }
    found.count.is_whole = rest.is_empty();
    Ok(found)
}

/// The picture, or the first of them.
///
/// # Errors
/// [`Reason::Damaged`].
pub(super) fn first(job: &Job, bytes: &[u8], chunks: Chunks) -> Result<Decoded, Refusal> {
    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|_| Refusal::from(Reason::Damaged))?;
    let (width, height) = decoder.dimensions();
    check_size(job, width.into(), height.into())?;
    let channels = usize::from(decoder.color_type().channel_count());
    let mut samples = vec![0; width as usize * height as usize * channels];
    decoder.read_image(&mut samples).map_err(|_| Refusal::from(Reason::Damaged))?;
    let Chunks { orientation, profile, .. } = chunks;
    let sheet = Sheet::Light(frame(width, height, channels, samples)?);
    let is_drawn = bytes.get(12..16) == Some(b"VP8L");
    Ok(Decoded { sheet, original: (width, height), orientation, profile, is_salvaged: false, is_drawn })
}

/// All its pictures, one after the other.
///
/// # Errors
/// [`Reason::Damaged`].
pub(super) fn all(bytes: &[u8]) -> Result<Animation<'_>, Refusal> {
    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|_| Refusal::from(Reason::Damaged))?;
    Ok(Animation::new(decoder.into_frames()))
}

fn measure(job: &Job, width: u64, height: u64) -> Result<u64, Refusal> {
    check_size(job, width, height)?;
    Ok(width * height)
}

/// The size that a picture's own header says.
fn measure_picture(job: &Job, kind: &[u8; 4], body: &[u8]) -> Result<u64, Refusal> {
    match (kind, body) {
        (b"VP8 ", [_, _, _, 0x9d, 0x01, 0x2a, width_low, width_high, height_low, height_high, ..]) => {
            let side = |low, high| u64::from(u16::from_le_bytes([low, high]) & 0x3fff);
            measure(job, side(*width_low, *width_high), side(*height_low, *height_high))
        }
        (b"VP8L", [0x2f, bits @ ..]) => {
            let bits = u32::from_le_bytes(*bits.first_chunk().ok_or(Reason::Damaged)?);
            measure(job, u64::from(bits & 0x3fff) + 1, u64::from(bits >> 14 & 0x3fff) + 1)
        }
        _ => Err(Reason::Damaged.into()),
    }
}

fn three(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |[low, middle, high]| u64::from(u32::from_le_bytes([*low, *middle, *high, 0])))
}

/// The chunk that `bytes` begins with: its name, its body and what follows. Nothing if its end is not there.
fn next_chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let kind = bytes.first_chunk()?;
    let length = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
    let body = bytes.get(8..)?.get(..length)?;
    let after = &bytes[8 + length..];
    Some((kind, body, after.get(length % 2..).unwrap_or_default()))
}
