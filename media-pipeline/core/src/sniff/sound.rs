//! Sound without a container of its own (MPEG audio, ADTS), and Ogg, whose streams say at its start what they are.

use super::Format;

/// Streams of an Ogg that are looked at.
const OGG_PAGES_MAX: usize = 16;

pub(super) fn format(head: &[u8]) -> Option<Format> {
    if head.starts_with(b"OggS\0") {
        return Some(ogg(head));
    }
    if head.starts_with(b"ID3") {
        return tagged(head);
    }
    frames(head)
}

/// What follows a tag of ID3v2; MPEG audio, if that is beyond what we see.
fn tagged(head: &[u8]) -> Option<Format> {
    let [b'I', b'D', b'3', major, minor, _, size @ ..] = head.get(..10)? else { return None };
    if *major == 0xff || *minor == 0xff || size.iter().any(|byte| *byte > 0x7f) {
        return None;
    }
    let size = size.iter().fold(0_usize, |size, byte| size << 7 | usize::from(*byte));
    match head.get(10 + size..) {
        Some(rest) if rest.starts_with(b"fLaC") => Some(Format::Flac),
        Some(rest) => Some(frames(rest).unwrap_or(Format::Mp3)),
        None => Some(Format::Mp3),
    }
}

/// Two frames in a row, or one and the end.
fn frames(head: &[u8]) -> Option<Format> {
    let (format, length) = frame(head)?;
    let rest = head.get(length..)?;
    (rest.is_empty() || frame(rest).is_some_and(|(next, _)| next == format)).then_some(format)
}

/// The format and length of the frame at the start.
fn frame(head: &[u8]) -> Option<(Format, usize)> {
    let [0xff, second, third, fourth, fifth, sixth, ..] = *head else { return None };
    if second & 0xf6 == 0xf0 {
        let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
        let is_real = third >> 2 & 0xf < 13 && length >= 7;
        return is_real.then_some((Format::Aac, length));
    }
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    if second & 0xe0 != 0xe0 || version == 1 || layer == 0 {
        return None;
    }
    mpeg_frame_length(version, layer, third).map(|length| (Format::Mp3, length))
}

/// Bit rates in kbit/s, by layer for MPEG 1, then layer 1 and the others for MPEG 2.
const RATES: [[usize; 14]; 5] = [
    [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// ISO 11172-3 and 13818-3. `version` is 3 for MPEG 1, 2 for 2, 0 for 2.5; `layer` is 3 for layer 1, 1 for layer 3.
fn mpeg_frame_length(version: u8, layer: u8, third: u8) -> Option<usize> {
    let is_mpeg1 = version == 3;
    let row = match (is_mpeg1, layer) {
        (true, 3) => 0,
        (true, 2) => 1,
        (true, _) => 2,
        (false, 3) => 3,
        (false, _) => 4,
    };
    let rate = RATES[row].get(usize::from(third >> 4).checked_sub(1)?)? * 1_000;
    let halved = [44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))?;
    let hertz = match version {
        3 => *halved,
        2 => halved / 2,
        _ => halved / 4,
    };
    let padding = usize::from(third >> 1 & 1);
    Some(match layer {
        3 => (12 * rate / hertz + padding) * 4,
        1 if !is_mpeg1 => 72 * rate / hertz + padding,
        _ => 144 * rate / hertz + padding,
    })
}

/// Every stream's first page comes before any other page; pictures in one of them make it a video.
fn ogg(head: &[u8]) -> Format {
    let mut rest = head;
    let mut found = Format::Other;
    for _ in 0..OGG_PAGES_MAX {
        let Some(header) = rest.get(..27).filter(|header| header.starts_with(b"OggS\0")) else { break };
        if header[5] & 2 == 0 {
            break; // no stream begins here: all have
        }
        let segments = usize::from(header[26]);
        let Some(sizes) = rest.get(27..27 + segments) else { break };
        let size = sizes.iter().map(|size| usize::from(*size)).sum::<usize>();
        let body = &rest[27 + segments..];
        let starts = |what: &[u8]| body.starts_with(what);
        if starts(b"\x80theora") || starts(b"\x01video") || starts(b"BBCD") || starts(b"OVP80") || starts(b"YUV4MPEG") {
            return Format::OggVideo;
        }
        if starts(b"OpusHead") || starts(b"\x01vorbis") || starts(b"\x7fFLAC") || starts(b"Speex   ") {
            found = Format::OggSound;
        }
        let Some(next) = body.get(size..) else { break };
        rest = next;
    }
    found
}
