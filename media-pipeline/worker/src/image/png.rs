//! PNG in, whatever its depth, palette or interlacing. Of an animated one, the picture that stands for it.

use super::decode::{Decoded, Sheet, check_size, frame};
use super::jpeg::PROFILE_BYTES_MAX;
use super::orient::Orientation;
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

fn is_end_missing(error: &DecodingError) -> bool {
    matches!(error, DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof)
}

fn refusal(error: &DecodingError) -> Refusal {
    match error {
        DecodingError::LimitsExceeded => Reason::TooComplex.into(),
        DecodingError::IoError(_) | DecodingError::Format(_) | DecodingError::Parameter(_) => Reason::Damaged.into(),
    }
}
