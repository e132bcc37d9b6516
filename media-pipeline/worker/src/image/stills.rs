//! What stands for a picture before it is opened: thumbnails as JPEG and WebP, a ThumbHash, and the preview in the message.

use super::encode::{self, Jpeg};
use super::frame::{Frame, Layout, Quality};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs::File;
use std::io::Write as _;
use tertulia_media_core::{PREVIEW_BYTES_MAX, Reason, Refusal};

/// ThumbHash looks at no more than this.
const THUMBHASH_SIDE: u32 = 100;
/// Of thumbnails as JPEG: they are small on the screen.
const JPEG_QUALITY: i32 = 76;
/// Of thumbnails as WebP: looks like the JPEG, at two thirds of its bytes.
const WEBP_QUALITY: u8 = 70;
/// Of WebP: more makes it slightly smaller, and several times slower.
const WEBP_EFFORT: u8 = 3;
/// Sides and qualities of the preview, the best first: the first that fits is taken. The last always does.
const PREVIEWS: [(u32, u8); 6] = [(48, 50), (40, 45), (32, 40), (24, 35), (16, 30), (8, 20)];

/// What [`stills`] tells of a picture, besides what it writes.
#[derive(Debug)]
pub(crate) struct Stills {
    /// The picture in some 25 bytes.
    pub(crate) thumbhash: Vec<u8>,
    /// A tiny picture as a data URI, at most [`PREVIEW_BYTES_MAX`] characters.
    pub(crate) preview: String,
}

/// Writes thumbnails of an upright frame whose longer side is at most `side`, and makes what the message carries.
///
/// With two threads or more WebP, which takes as long as all the rest, is made beside it.
///
/// # Errors
/// [`Reason::StoreUnavailable`] if an output can't be written; [`Reason::OutOfMemory`].
pub(crate) fn stills(
    frame: &Frame,
    side: u32,
    threads: u32,
    [jpeg_out, webp_out]: [&mut File; 2],
) -> Result<Stills, Refusal> {
    let scaled = frame.within(side, Quality::Fine)?;
    let thumb = scaled.as_ref().unwrap_or(frame);
    let mut webp = || write(webp_out, &encode::webp(thumb, WEBP_QUALITY, WEBP_EFFORT)?);
    if threads < 2 {
        webp()?;
        return jpeg_and_tiny(thumb, jpeg_out);
    }
    std::thread::scope(|scope| {
        let webp = scope.spawn(webp);
        let stills = jpeg_and_tiny(thumb, jpeg_out);
        webp.join().map_err(|_| Refusal::from(Reason::Damaged))??;
        stills
    })
}

fn jpeg_and_tiny(thumb: &Frame, jpeg_out: &mut File) -> Result<Stills, Refusal> {
    let how = Jpeg { quality: JPEG_QUALITY, is_sharp: false, is_progressive: false };
    write(jpeg_out, &encode::jpeg(thumb, how)?)?;
    let small = thumb.within(THUMBHASH_SIDE, Quality::Coarse)?;
    let small = small.as_ref().unwrap_or(thumb);
    let thumbhash = thumbhash::rgba_to_thumb_hash(small.width() as usize, small.height() as usize, &small.to_rgba());
    Ok(Stills { thumbhash, preview: preview(small)? })
}

/// The best tiny picture that fits: JPEG, which everything shows, or WebP where it can be seen through.
fn preview(frame: &Frame) -> Result<String, Refusal> {
    for (side, quality) in PREVIEWS {
        let scaled = frame.within(side, Quality::Coarse)?;
        let tiny = scaled.as_ref().unwrap_or(frame);
        let (mime, bytes) = match tiny.layout() {
            Layout::Rgba if !tiny.is_opaque() => ("image/webp", encode::webp(tiny, quality, WEBP_EFFORT)?),
            Layout::Rgb | Layout::Rgba => {
                let how = Jpeg { quality: i32::from(quality), is_sharp: false, is_progressive: false };
                ("image/jpeg", encode::jpeg(tiny, how)?)
            }
        };
        let uri = format!("data:{mime};base64,{}", STANDARD.encode(bytes));
        if uri.len() <= PREVIEW_BYTES_MAX {
            return Ok(uri);
        }
    }
    Ok(String::new())
}

/// Writes an output.
///
/// # Errors
/// [`Reason::StoreUnavailable`].
pub(super) fn write(file: &mut File, bytes: &[u8]) -> Result<(), Refusal> {
    file.write_all(bytes).map_err(|_| Reason::StoreUnavailable.into())
}
