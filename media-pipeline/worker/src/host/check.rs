//! What a worker says is checked before anything believes it: it may have been taken over by what it read.
//!
//! Sizes are the kernel's, kinds are from a list, figures are within limits, and each output begins as its kind does. What is
//! inside of an output stays a stranger's bytes: it is served so that a browser runs none of them.

use rustix::fs::fstat;
use rustix::io::pread;
use std::os::fd::{AsFd, OwnedFd};
use tertulia_media_core::{Class, Job, Limits, Outcome, Output, PREVIEW_BYTES_MAX, Reason, Refusal, WAVEFORM_POINTS};

/// Bytes of a ThumbHash: 25 at most, by its format.
const THUMBHASH_BYTES_MAX: usize = 25;
/// Bytes of a thumbnail or poster: a few ten thousand, honestly.
pub(super) const THUMB_BYTES_MAX: u64 = 1 << 20;
/// The longer side of anything that is shown: what H.264 and WebP can have.
const SIDE_MAX: u32 = 16_384;
/// How much longer than its limit something may be found: the last frame begins within it.
const DURATION_SLACK_MS: u64 = 5_000;
/// The loudest point of a waveform.
const WAVEFORM_MAX: u8 = 100;
/// What previews are made of.
const PREVIEW_STARTS: [&str; 3] = ["data:image/jpeg;base64,", "data:image/webp;base64,", "data:image/png;base64,"];

/// A claim that no honest worker makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forged(pub(super) &'static str);

/// Checks an outcome, and puts the true sizes into it. The worker has ended before: nothing changes the outputs any more.
pub(super) fn outcome(job: &Job, mut claimed: Outcome, outputs: &[OwnedFd; 3]) -> Result<Outcome, Forged> {
    if !may_become(job.class, claimed.class) {
        return Err(Forged("class"));
    }
    let [main, jpeg, webp] = outputs;
    claimed.bytes = size(main)?;
    if claimed.bytes == 0 || claimed.bytes > main_bytes_max(claimed.class, &job.limits) {
        return Err(Forged("size"));
    }
    if !kind_of(main, &claimed.mime).is_some_and(|class| class == claimed.class) {
        return Err(Forged("media type"));
    }
    thumb(jpeg, "image/jpeg")?;
    thumb(webp, "image/webp")?;
    figures(&claimed, &job.limits)?;
    preview(&claimed)?;
    Ok(claimed)
}

/// Checks a refusal: its reason is one that a worker can find.
pub(super) fn refusal(claimed: Refusal) -> Result<Refusal, Forged> {
    match claimed.reason {
        Reason::TooLarge
        | Reason::TooLong
        | Reason::TooManyPixels
        | Reason::TooComplex
        | Reason::Unsupported
        | Reason::Damaged
        | Reason::Empty
        | Reason::Encrypted
        | Reason::External
        | Reason::StoreUnavailable
        | Reason::TimedOut
        | Reason::OutOfMemory => Ok(claimed),
        Reason::ChecksumMismatch
        | Reason::LengthMismatch
        | Reason::Stalled
        | Reason::Quota
        | Reason::Busy
        | Reason::WorkerCrashed
        | Reason::SandboxUnavailable
        | Reason::Cancelled => Err(Forged("reason")),
    }
}

fn may_become(asked: Class, made: Class) -> bool {
    match asked {
        Class::Video => matches!(made, Class::Video | Class::Audio),
        Class::Image => matches!(made, Class::Image | Class::Video),
        Class::Audio => made == Class::Audio,
        Class::Voice => made == Class::Voice,
        Class::Document | Class::Sealed => false,
    }
}

/// The most bytes that a main output may have.
pub(super) fn main_bytes_max(class: Class, limits: &Limits) -> u64 {
    if class == Class::Video { limits.video_bytes_max } else { limits.file_bytes_max }
}

fn size(output: impl AsFd) -> Result<u64, Forged> {
    fstat(output).ok().and_then(|stat| u64::try_from(stat.st_size).ok()).ok_or(Forged("size"))
}

/// Which class a main output of this media type is, if it begins as such.
fn kind_of(output: impl AsFd, mime: &str) -> Option<Class> {
    let mut start = [0; 12];
    let length = pread(output, &mut start, 0).ok()?;
    let start = &start[..length];
    let is_mp4 = start.get(4..8) == Some(b"ftyp");
    match mime {
        "video/mp4" if is_mp4 => Some(Class::Video),
        "audio/mp4" if is_mp4 => Some(Class::Audio),
        "audio/ogg" | "audio/ogg; codecs=opus" | "audio/ogg;codecs=opus" if start.starts_with(b"OggS") => {
            Some(Class::Voice)
        }
        "image/jpeg" if start.starts_with(&[0xff, 0xd8, 0xff]) => Some(Class::Image),
        "image/png" if start.starts_with(b"\x89PNG\r\n\x1a\n") => Some(Class::Image),
        "image/webp" if start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP") => Some(Class::Image),
        "image/gif" if start.starts_with(b"GIF8") => Some(Class::Image),
        _ => None,
    }
}

fn thumb(output: &OwnedFd, mime: &str) -> Result<(), Forged> {
    match size(output)? {
        0 => Ok(()),
        1..=THUMB_BYTES_MAX if kind_of(output, mime).is_some() => Ok(()),
        _ => Err(Forged("thumbnail")),
    }
}

fn figures(claimed: &Outcome, limits: &Limits) -> Result<(), Forged> {
    let is_seen = matches!(claimed.class, Class::Video | Class::Image);
    let sides = [claimed.width, claimed.height];
    let pixels = u64::from(claimed.width) * u64::from(claimed.height);
    let are_sides_sound = if is_seen {
        sides.iter().all(|side| (1..=SIDE_MAX).contains(side)) && pixels <= limits.image_pixels_max.max(1 << 26)
    } else {
        sides == [0, 0]
    };
    if !are_sides_sound {
        return Err(Forged("dimensions"));
    }
    let seconds_max = match claimed.class {
        Class::Video => limits.video_seconds_max,
        Class::Audio | Class::Voice => limits.audio_seconds_max,
        Class::Image | Class::Document | Class::Sealed => 0,
    };
    let duration_ms_max = u64::from(seconds_max) * 1_000 + if seconds_max == 0 { 0 } else { DURATION_SLACK_MS };
    if claimed.duration_ms > duration_ms_max {
        return Err(Forged("duration"));
    }
    let points = &claimed.waveform;
    if !(points.is_empty() || points.len() == WAVEFORM_POINTS) || points.iter().any(|point| *point > WAVEFORM_MAX) {
        return Err(Forged("waveform"));
    }
    Ok(())
}

fn preview(claimed: &Outcome) -> Result<(), Forged> {
    if claimed.thumbhash.len() > THUMBHASH_BYTES_MAX {
        return Err(Forged("thumbhash"));
    }
    let text = &claimed.preview;
    let is_base64 = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'=');
    let is_sound = text.is_empty()
        || text.len() <= PREVIEW_BYTES_MAX
            && PREVIEW_STARTS
                .iter()
                .filter_map(|start| text.strip_prefix(start))
                .any(|rest| rest.bytes().all(is_base64));
    if is_sound { Ok(()) } else { Err(Forged("preview")) }
}

/// Empties the outputs, and sets all descriptors to their beginning: for the next worker.
pub(super) fn rewind(input: &OwnedFd, outputs: &[OwnedFd; Output::ALL.len()]) -> Result<(), rustix::io::Errno> {
    for output in outputs {
        rustix::fs::ftruncate(output, 0)?;
    }
    for descriptor in outputs.iter().chain([input]) {
        rustix::fs::seek(descriptor, rustix::fs::SeekFrom::Start(0))?;
    }
    Ok(())
}
