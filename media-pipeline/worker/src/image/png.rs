//! PNG in, whatever its depth, palette or interlacing, standing still or moving.

use super::animation::{Animation, Count};
use super::decode::{Decoded, Sheet, check_size, frame};
use super::jpeg::PROFILE_BYTES_MAX;
use super::orient::Orientation;
use image::AnimationDecoder as _;
use image::codecs::png::PngDecoder;
use png::{Decoder, DecodingError, Limits, Transformations};
use std::io::{Cursor, ErrorKind};
use tertulia_media_core::{Job, Reason, Refusal};

/// Bytes that the decoder may use besides the pixels: rows, and chunks that are compressed, whose size unpacked is anyone's guess.
const MEMORY_MAX: usize = 64 * 1024 * 1024;

/// Decodes a PNG.
///
/// # Errors
/// [`Reason::Damaged`], [`Reason::TooComplex`] or [`Reason::TooManyPixels`].
pub(super) fn decode(job: &Job, bytes: &[u8]) -> Result<Decoded, Refusal> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MEMORY_MAX });
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(|error| refusal(&error))?;
    check_size(job, u64::from(header.width), u64::from(header.height))?;
    let mut reader = decoder.read_info().map_err(|error| refusal(&error))?;
    let info = reader.info();
    let (width, height) = (info.width, info.height);
    let orientation = info.exif_metadata.as_ref().map(|block| Orientation::from_exif(block)).unwrap_or_default();
    let profile = info.icc_profile.as_ref().filter(|profile| profile.len() <= PROFILE_BYTES_MAX);
    let profile = profile.map(|profile| profile.to_vec()).unwrap_or_default();
    let channels = reader.output_color_type().0.samples();
    let mut samples = vec![0; reader.output_buffer_size().ok_or(Reason::TooComplex)?];
    let is_salvaged = match reader.next_frame(&mut samples) {
        Ok(_) => false,
        // What was read before the end is in its place. Nothing at all is no picture.
        Err(error) if is_end_missing(&error) && samples.iter().any(|sample| *sample != 0) => true,
        Err(error) => return Err(refusal(&error)),
    };
    let sheet = Sheet::Light(frame(width, height, channels, samples)?);
    Ok(Decoded { sheet, original: (width, height), orientation, profile, is_salvaged, is_drawn: true })
}

/// What the chunks tell of one that moves: the frames are counted, not believed. Nothing if it does not move.
///
/// # Errors
/// [`Reason::Damaged`], [`Reason::TooManyPixels`] or [`Reason::TooComplex`].
pub(super) fn count(job: &Job, bytes: &[u8]) -> Result<Option<Count>, Refusal> {
    let mut rest = bytes.get(8..).ok_or(Reason::Damaged)?;
    let mut count = Count { frames: 0, pixels: 0, is_whole: false };
    let mut moves = false;
    while let Some((kind, body, after)) = next_chunk(rest) {
        match kind {
            b"IHDR" if body.len() >= 8 => {
                let side =
                    |at: usize| body[at..].first_chunk().map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)));
                check_size(job, side(0), side(4))?;
                count.pixels = side(0) * side(4);
            }
            b"acTL" => moves = true,
            b"fcTL" => count.frames += 1,
            b"IEND" => count.is_whole = true,
            _ => {}
        }
        if count.frames > job.limits.image_frames_max {
            return Err(Refusal::over(Reason::TooComplex, job.limits.image_frames_max.into(), count.frames.into()));
        }
        rest = after;
    }
    Ok(moves.then_some(count))
}

/// All its pictures, one after the other.
///
/// # Errors
/// [`Reason::Damaged`].
pub(super) fn all(bytes: &[u8]) -> Result<Animation<'_>, Refusal> {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(MEMORY_MAX as u64);
    let damaged = |_| Refusal::from(Reason::Damaged);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(damaged)?;
    Ok(Animation::new(decoder.apng().map_err(damaged)?.into_frames()))
}

/// The chunk that `bytes` begins with: its name, its body and what follows. Nothing if its end is not there.
fn next_chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let kind = bytes.get(4..)?.first_chunk()?;
    let body = bytes.get(8..)?.get(..length)?;
    // Its checksum follows.
    Some((kind, body, bytes.get(8 + length + 4..)?))
}

fn is_end_missing(error: &DecodingError) -> bool {
    matches!(error, DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof)
}

fn refusal(error: &DecodingError) -> Refusal {
    match error {
        DecodingError::LimitsExceeded => Reason::TooComplex.into(),
        DecodingError::IoError(_) | DecodingError::Format(_) | DecodingError::Parameter(_) => Reason::Damaged.into(),
    }
}
