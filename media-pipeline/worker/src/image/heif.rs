//! HEIC and AVIF in, by the system's libheif, which turns and crops them as the file says; EXIF's orientation does not count here.
//!
//! The sizes in the boxes are checked first, before the library sees the file: its own bounds have no figures. What the coded
//! picture itself claims shows only to the decoder: there the bounds of the whole process hold.
#![expect(unsafe_code, reason = "what libheif can decode is asked of its C interface")]

use super::decode::{Decoded, Sheet, check_size};
use super::frame::{Frame, Layout};
use super::jpeg::PROFILE_BYTES_MAX;
use super::orient::Orientation;
use libheif_rs::{ColorPrimaries, ColorSpace, HeifContext, HeifError, HeifErrorCode, ImageHandle, LibHeif, RgbChroma};
use moxcms::ColorProfile;
use tertulia_media_core::{Job, Reason, Refusal};

/// Where the boxes are that say sizes: at the beginning, before the coded pictures.
const BOXES_BYTES_MAX: usize = 256 * 1024;

/// Has libheif look for its plugins, which are files, and keep them: it would let go of them after each picture.
pub(super) fn warm_up() {
    std::mem::forget(LibHeif::new());
}

/// The library's version.
pub(super) fn version() -> String {
    LibHeif::new().version().map(|number| number.to_string()).join(".")
}

/// Whether it can decode HEVC, which is a plugin of its own in newer distributions.
pub(super) fn opens_hevc() -> bool {
    // Looks for plugins.
    let _library = LibHeif::new();
    // SAFETY: looks through the library's own list.
    unsafe {
        libheif_sys::heif_have_decoder_for_format(libheif_sys::heif_compression_format_heif_compression_HEVC) != 0
    }
}

/// Decodes the primary picture.
///
/// # Errors
/// [`Reason::Damaged`], [`Reason::Unsupported`] or [`Reason::TooManyPixels`].
pub(super) fn decode(job: &Job, bytes: &[u8]) -> Result<Decoded, Refusal> {
    check_boxes(job, bytes)?;
    let library = LibHeif::new();
    let mut context = HeifContext::read_from_bytes(bytes).map_err(|error| refusal(&error))?;
    context.set_max_decoding_threads(job.threads);
    let handle = context.primary_image_handle().map_err(|error| refusal(&error))?;
    let stored = (handle.ispe_width(), handle.ispe_height());
    for (width, height) in [stored, (handle.width().cast_signed(), handle.height().cast_signed())] {
        check_size(job, u64::try_from(width).unwrap_or(0), u64::try_from(height).unwrap_or(0))?;
    }
    let is_deep = handle.luma_bits_per_pixel() > 8;
    let (chroma, layout) = match (is_deep, handle.has_alpha_channel()) {
        (false, false) => (RgbChroma::Rgb, Layout::Rgb),
        (false, true) => (RgbChroma::Rgba, Layout::Rgba),
        (true, false) => (RgbChroma::HdrRgbLe, Layout::Rgb),
        (true, true) => (RgbChroma::HdrRgbaLe, Layout::Rgba),
    };
    // Without options: this version of the crate frees them before the library reads them.
    let image = library.decode(&handle, ColorSpace::Rgb(chroma), None).map_err(|error| refusal(&error))?;
    let plane = image.planes().interleaved.ok_or(Reason::Damaged)?;
    check_size(job, plane.width.into(), plane.height.into())?;
    let sample = if is_deep { 2 } else { 1 };
    let row = plane.width as usize * layout.channels() * sample;
    let mut pixels = Vec::with_capacity(row / sample * plane.height as usize);
    for line in plane.data.chunks(plane.stride.max(1)).take(plane.height as usize) {
        let line = line.get(..row).ok_or(Reason::Damaged)?;
        if is_deep {
            let shift = u32::from(plane.bits_per_pixel.clamp(8, 16) - 8);
            let narrow = |pair: &[u8; 2]| u8::try_from(u16::from_le_bytes(*pair) >> shift).unwrap_or(u8::MAX);
            pixels.extend(line.as_chunks::<2>().0.iter().map(narrow));
        } else {
            pixels.extend_from_slice(line);
        }
    }
    let (width, height) = (plane.width, plane.height);
    let sheet = Sheet::Light(Frame::new(width, height, layout, pixels)?);
    let (original, orientation, profile) = ((width, height), Orientation::default(), profile(&handle));
    Ok(Decoded { sheet, original, orientation, profile, is_salvaged: false, is_drawn: false })
}

/// Whether any picture in it may have the size that its box says (`ispe`: version, width, height).
fn check_boxes(job: &Job, bytes: &[u8]) -> Result<(), Refusal> {
    let head = &bytes[..bytes.len().min(BOXES_BYTES_MAX)];
    for window in head.windows(16) {
        if let [b'i', b's', b'p', b'e', 0, 0, 0, 0, size @ ..] = window {
            let side = |at: usize| size[at..].first_chunk().map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)));
            check_size(job, side(0), side(4))?;
        }
    }
    Ok(())
}

/// What its colours mean: a profile, or primaries by their number.
fn profile(handle: &ImageHandle) -> Vec<u8> {
    if let Some(raw) = handle.color_profile_raw() {
        return if raw.data.len() <= PROFILE_BYTES_MAX { raw.data } else { Vec::new() };
    }
    let primaries = handle.color_profile_nclx().map(|nclx| nclx.color_primaries());
    match primaries {
        Some(ColorPrimaries::SMPTE_EG_432_1) => ColorProfile::new_display_p3().encode().unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn refusal(error: &HeifError) -> Refusal {
    match error.code {
        HeifErrorCode::UnsupportedFeature | HeifErrorCode::UnsupportedFileType => Reason::Unsupported.into(),
        // So it calls what is beyond its own bounds.
        HeifErrorCode::MemoryAllocationError => Reason::TooComplex.into(),
        _ => Reason::Damaged.into(),
    }
}
