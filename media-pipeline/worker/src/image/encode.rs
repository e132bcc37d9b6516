//! Pixels into JPEG and WebP. Nothing is written but what the pixels need: no metadata, no profile; the colours are sRGB's.

use super::frame::{Frame, Layout};
use tertulia_media_core::{Reason, Refusal};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};
use webp::{Encoder, WebPConfig};

/// The largest side that WebP can have.
pub(super) const WEBP_SIDE_MAX: u32 = 16_383;

/// How a JPEG is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jpeg {
    /// 1 to 100.
    pub(super) quality: i32,
    /// Colours at full resolution: for drawings and screenshots, whose edges blur otherwise.
    pub(super) is_sharp: bool,
    /// First the whole picture roughly, then finer: smaller and sooner seen, slower to make.
    pub(super) is_progressive: bool,
}

/// A JPEG of the frame, on white where it can be seen through.
///
/// # Errors
/// [`Reason::OutOfMemory`]: sizes are checked before, so nothing else is left.
pub(super) fn jpeg(frame: &Frame, how: Jpeg) -> Result<Vec<u8>, Refusal> {
    let flat;
    let frame = match frame.layout() {
        Layout::Rgb => frame,
        Layout::Rgba => {
            flat = frame.copy().on_white();
            &flat
        }
    };
    let write = || -> turbojpeg::Result<Vec<u8>> {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(how.quality)?;
        compressor.set_subsamp(if how.is_sharp { Subsamp::None } else { Subsamp::Sub2x2 })?;
        compressor.set_optimize(true)?;
        compressor.set_progressive(how.is_progressive)?;
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        compressor.compress_to_vec(Image {
            pixels: frame.pixels(),
            width,
            pitch: width * 3,
            height,
            format: PixelFormat::RGB,
        })
    };
    write().map_err(|_| Reason::OutOfMemory.into())
}

/// A WebP of the frame: colours lossy, opacity exact.
///
/// # Errors
/// [`Reason::OutOfMemory`]: sizes are checked before, so nothing else is left.
pub(super) fn webp(frame: &Frame, quality: u8, effort: u8) -> Result<Vec<u8>, Refusal> {
    let config = webp_config(quality, effort)?;
    let encoder = match frame.layout() {
        Layout::Rgb => Encoder::from_rgb(frame.pixels(), frame.width(), frame.height()),
        Layout::Rgba => Encoder::from_rgba(frame.pixels(), frame.width(), frame.height()),
    };
    let made = encoder.encode_advanced(&config).map_err(|_| Refusal::from(Reason::OutOfMemory))?;
    Ok(made.to_vec())
}

/// Settings of WebP: `quality` of 0 to 100, `effort` of 0 (quick) to 6 (small).
pub(super) fn webp_config(quality: u8, effort: u8) -> Result<WebPConfig, Refusal> {
    let mut config = WebPConfig::new().map_err(|()| Refusal::from(Reason::OutOfMemory))?;
    config.quality = f32::from(quality);
    config.method = i32::from(effort);
    Ok(config)
}
