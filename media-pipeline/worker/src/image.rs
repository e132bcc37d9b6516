//! Pictures: decoded with limits, upright, without metadata, scaled; thumbnails, ThumbHash and the preview of a message.
//!
//! What comes out is made from pixels alone: no byte of the input's metadata, where places and names are, can be in it.
//! Photographs become progressive JPEG; what was stored exactly (PNG, GIF) becomes JPEG with colours at full resolution, since
//! text blurs otherwise; what can be seen through becomes WebP. Colours are converted to sRGB and the profile dropped.
//! What moves (GIF, APNG, WebP) becomes an MP4 without sound, a tenth of the bytes, on white where it could be seen through.
//! Sizes are read from headers and refused before memory is asked for.

mod animation;
mod colour;
mod decode;
mod encode;
mod frame;
mod gif;
mod heif;
mod jpeg;
mod orient;
mod png;
mod stills;
mod webp;

pub(crate) use frame::Frame;
pub(crate) use stills::{Stills, stills};

use crate::av::loops;
use animation::Count;
use decode::{Decoded, Sheet};
use encode::Jpeg;
use frame::{Quality, fit};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tertulia_media_core::{Class, IMAGE_THUMB_SIDE, Job, Outcome, POSTER_SIDE, Reason, Refusal};

/// Of photographs. Higher ones are larger for what nobody sees on a phone.
const PHOTO_QUALITY: i32 = 82;
/// Of drawings and screenshots, where what is lost shows around letters.
const DRAWN_QUALITY: i32 = 88;
/// Of pictures that can be seen through.
const WEBP_QUALITY: u8 = 82;
/// Of WebP: more makes it slightly smaller, and several times slower.
const WEBP_EFFORT: u8 = 4;

/// Pixels of a picture that moves: as for videos. Several are in memory at a time.
const MOVING_SIZE_MAX: u64 = 4_096 * 2_304;
/// Pixels of all pictures of one that moves together: 600 of 1920 × 1080, and half as many again. More is minutes of decoding.
const MOVING_PIXELS_MAX: u64 = 2_000_000_000;
/// How often coding what moves may turn out too large before it is given up. Each attempt has less than two thirds of the bits.
const ATTEMPTS: u32 = 4;

/// The libraries of the system that open pictures, each with its version.
#[must_use]
pub fn versions() -> Vec<(&'static str, String)> {
    vec![("libheif", heif::version())]
}

/// Whether the photographs of iPhones (HEIC) can be opened.
#[must_use]
pub fn opens_heic() -> bool {
    heif::opens_hevc()
}

/// Has the codecs look up what they look up once: which instructions the processor has (on some, in a file), and which plugins
/// there are.
///
/// To be called before the process is closed in.
pub fn warm_up() {
    // Nothing depends on it: what fails here fails again, typed, at the job.
    let _nothing_made = turbojpeg::Compressor::new().is_err();
    let _nothing_read = turbojpeg::Decompressor::new().is_err();
    heif::warm_up();
}

/// Does a job of class `Image`: reads the input, writes the outputs in the order of
/// [`Output::ALL`](tertulia_media_core::Output::ALL), and tells its progress in thousandths.
///
/// # Errors
/// If the input can't be made playable, or is more than its limits.
pub fn run(job: &Job, input: File, outputs: [File; 3], progress: &mut dyn FnMut(u16)) -> Result<Outcome, Refusal> {
    let bytes = read(job, input)?;
    // A decoder that panics has met something it was not written for: that is the file's fault, and no reason to try again.
    let make = || match decode::count(job, &bytes)?.filter(|count| count.frames > 1) {
        Some(count) => moving(job, &bytes, &count, outputs, progress),
        None => still(job, &bytes, outputs, progress),
    };
    catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|_| Err(Reason::Damaged.into()))
}

fn read(job: &Job, mut input: File) -> Result<Vec<u8>, Refusal> {
    let limit = job.limits.image_bytes_max;
    let mut bytes = Vec::new();
    input.seek(SeekFrom::Start(0)).map_err(|_| Refusal::from(Reason::StoreUnavailable))?;
    let read = input.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    let count = read.map_err(|_| Refusal::from(Reason::StoreUnavailable))? as u64;
    match count {
        0 => Err(Reason::Empty.into()),
        count if count > limit => Err(Refusal::over(Reason::TooLarge, limit, count)),
        _ => Ok(bytes),
    }
}

/// A picture that moves: a video without sound.
fn moving(
    job: &Job,
    bytes: &[u8],
    count: &Count,
    outputs: [File; 3],
    progress: &mut dyn FnMut(u16),
) -> Result<Outcome, Refusal> {
    if count.pixels > MOVING_SIZE_MAX {
        return Err(Refusal::over(Reason::TooManyPixels, MOVING_SIZE_MAX, count.pixels));
    }
    let work = count.pixels.saturating_mul(u64::from(count.frames));
    if work > MOVING_PIXELS_MAX {
        return Err(Refusal::over(Reason::TooComplex, MOVING_PIXELS_MAX, work));
    }
    let [main, mut thumb_jpeg, mut thumb_webp] = outputs;
    let (poster, shown_ms) = decode::pictures(bytes)?.next().ok_or(Reason::Damaged)??;
    let Stills { thumbhash, preview } = stills(&poster, POSTER_SIDE, job.threads, [&mut thumb_jpeg, &mut thumb_webp])?;
    drop(poster);
    let about_ms = u64::from(shown_ms) * u64::from(count.frames);
    let mut attempt = 0;
    let made = loop {
        let mut done = 0;
        let mut pictures = decode::pictures(bytes)?.inspect(|_| {
            done += 1;
            if attempt == 0 {
                progress(u16::try_from(done * 990 / u64::from(count.frames)).unwrap_or(990).min(990));
            }
        });
        match loops::code(job, &mut pictures, &main, attempt, about_ms) {
            Err(refusal) if refusal.reason == Reason::TooLarge && attempt + 1 < ATTEMPTS => attempt += 1,
            made => break made?,
        }
    };
    Ok(Outcome {
        class: Class::Video,
        mime: "video/mp4".to_owned(),
        bytes: made.bytes,
        width: made.width,
        height: made.height,
        duration_ms: made.duration_ms,
        has_sound: false,
        is_remuxed: false,
        is_salvaged: made.is_cut || !count.is_whole,
        thumbhash,
        preview,
        waveform: Vec::new(),
    })
}

/// A picture that stands still.
fn still(job: &Job, bytes: &[u8], outputs: [File; 3], progress: &mut dyn FnMut(u16)) -> Result<Outcome, Refusal> {
    let [mut main, mut thumb_jpeg, mut thumb_webp] = outputs;
    let decoded = decode::decode(job, bytes)?;
    let (is_salvaged, is_drawn) = (decoded.is_salvaged, decoded.is_drawn);
    progress(400);
    let frame = upright(job, decoded)?;
    progress(600);
    let (mime, made) = if frame.is_opaque() {
        let how = if is_drawn {
            Jpeg { quality: DRAWN_QUALITY, is_sharp: true, is_progressive: true }
        } else {
            Jpeg { quality: PHOTO_QUALITY, is_sharp: false, is_progressive: true }
        };
        ("image/jpeg", encode::jpeg(&frame, how)?)
    } else {
        ("image/webp", encode::webp(&frame, WEBP_QUALITY, WEBP_EFFORT)?)
    };
    stills::write(&mut main, &made)?;
    progress(850);
    let Stills { thumbhash, preview } =
        stills(&frame, IMAGE_THUMB_SIDE, job.threads, [&mut thumb_jpeg, &mut thumb_webp])?;
    Ok(Outcome {
        class: Class::Image,
        mime: mime.to_owned(),
        bytes: made.len() as u64,
        width: frame.width(),
        height: frame.height(),
        duration_ms: 0,
        has_sound: false,
        is_remuxed: false,
        is_salvaged,
        thumbhash,
        preview,
        waveform: Vec::new(),
    })
}

/// Scaled first, for everything after it costs by the pixel; then its colours, then turned.
fn upright(job: &Job, decoded: Decoded) -> Result<Frame, Refusal> {
    let Decoded { sheet, original: (width, height), orientation, profile, .. } = decoded;
    let target = fit(width, height, job.limits.image_side_max.min(encode::WEBP_SIDE_MAX));
    // Ink can't be averaged here: a profile has to say first what it looks like.
    let sheet = match sheet {
        Sheet::Light(frame) => {
            // Scaling what has an opacity takes a second copy of it all.
            let frame = frame.without_idle_opacity();
            Sheet::Light(frame.scaled(target, Quality::Fine)?.unwrap_or(frame))
        }
        ink @ Sheet::Ink { .. } => ink,
    };
    let frame = colour::to_srgb(sheet, &profile)?;
    let frame = frame.scaled(target, Quality::Fine)?.unwrap_or(frame);
    orientation.apply(frame)
}
