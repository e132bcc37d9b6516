//! GIF in: its blocks are walked before anything is decoded, so that frames and sizes are counted and not believed.

use super::animation::{Animation, Count};
use super::decode::{Decoded, Sheet, check_size};
use super::frame::{Frame, Layout};
use super::orient::Orientation;
use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder as _, ImageDecoder as _};
use std::io::Cursor;
use tertulia_media_core::{Job, Reason, Refusal};

/// What the blocks tell: each picture's size is checked, none is decoded.
///
/// # Errors
/// [`Reason::Damaged`], [`Reason::TooManyPixels`] or [`Reason::TooComplex`].
pub(super) fn count(job: &Job, bytes: &[u8]) -> Result<Count, Refusal> {
    let screen: [u8; 13] = *bytes.first_chunk().ok_or(Reason::Damaged)?;
    let (width, height) = (word(&screen[6..]), word(&screen[8..]));
    check_size(job, width, height)?;
    let mut rest = &bytes[13..];
    rest = rest.get(palette(screen[10])..).ok_or(Reason::Damaged)?;
    // A frame may be larger than the screen, and is decoded whole.
    let mut pixels = width * height;
    let mut frames = 0_u32;
    let mut is_whole = false;
    loop {
        let after = match *rest {
            [0x3b, ..] => {
                is_whole = true;
                break;
            }
            [0x21, _, ref after @ ..] => blocks(after),
            [0x2c, ref after @ ..] if after.len() > 9 => {
                let (width, height) = (word(&after[4..]), word(&after[6..]));
                check_size(job, width, height)?;
                pixels = pixels.max(width * height);
                let data = after.get(9 + palette(after[8]) + 1..);
                // A frame whose data break off is none.
                frames += u32::from(data.and_then(blocks).is_some());
                if frames > job.limits.image_frames_max {
                    return Err(Refusal::over(Reason::TooComplex, job.limits.image_frames_max.into(), frames.into()));
                }
                data.and_then(blocks)
            }
            _ => None,
        };
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
    Ok(Count { frames, pixels, is_whole })
}

/// The picture that a GIF begins with.
///
/// # Errors
/// [`Reason::Damaged`].
pub(super) fn first(bytes: &[u8], count: &Count) -> Result<Decoded, Refusal> {
    let decoder = GifDecoder::new(Cursor::new(bytes)).map_err(|_| Refusal::from(Reason::Damaged))?;
    let (width, height) = decoder.dimensions();
    let mut pixels = vec![0; width as usize * height as usize * 4];
    decoder.read_image(&mut pixels).map_err(|_| Refusal::from(Reason::Damaged))?;
    let sheet = Sheet::Light(Frame::new(width, height, Layout::Rgba, pixels)?);
    let is_salvaged = !count.is_whole;
    Ok(Decoded {
        sheet,
        original: (width, height),
        orientation: Orientation::default(),
        profile: Vec::new(),
        is_salvaged,
        is_drawn: true,
    })
}

/// All its pictures, one after the other.
///
/// # Errors
/// [`Reason::Damaged`].
pub(super) fn all(bytes: &[u8]) -> Result<Animation<'_>, Refusal> {
    let decoder = GifDecoder::new(Cursor::new(bytes)).map_err(|_| Refusal::from(Reason::Damaged))?;
    Ok(Animation::new(decoder.into_frames()))
}

fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |pair| u64::from(u16::from_le_bytes(*pair)))
}

/// Bytes of the palette that these flags announce.
fn palette(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// What follows a chain of blocks, each with its length before it, the last with none.
fn blocks(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, after) = rest.split_first()?;
        if *length == 0 {
            return Some(after);
        }
        rest = after.get(usize::from(*length)..)?;
    }
}
