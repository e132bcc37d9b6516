//! Containers that are made of boxes or elements: ISO base media and QuickTime by their brands, Matroska by its document type.

use super::Format;

/// First boxes of a QuickTime file that has no brand.
const OLD_MOV: [&[u8; 4]; 6] = [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"];
/// A first box that claims more has text where its size would be.
const OLD_MOV_BOX_MAX: u32 = 0x2000_0000;
/// Brands that are looked at in one file.
const BRANDS_MAX: usize = 32;

pub(super) fn format(head: &[u8]) -> Option<Format> {
    iso(head).or_else(|| matroska(head))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

fn iso(head: &[u8]) -> Option<Format> {
    let size = word(head, 0)?;
    let kind = head.get(4..8)?;
    if kind == b"ftyp" {
        return Some(by_brands(head, size));
    }
    let is_old = OLD_MOV.iter().any(|known| kind == *known) && (size <= 1 || (8..OLD_MOV_BOX_MAX).contains(&size));
    is_old.then_some(Format::Mov)
}

/// The major brand, else the first compatible one that says more than that it is ISO base media.
fn by_brands(head: &[u8], size: u32) -> Format {
    let end = head.len().min(usize::try_from(size).unwrap_or(usize::MAX).max(12));
    let major = head.get(8..12).map(brand);
    let compatible = || head.get(16..end).unwrap_or_default().chunks_exact(4).take(BRANDS_MAX).map(brand);
    match major {
        Some(Brand::Is(format)) => format,
        // A picture whose codec only the others name; libheif decides what is left open.
        Some(Brand::Picture) => compatible().find_map(Brand::picture).unwrap_or(Format::Heic),
        Some(Brand::Foreign) => Format::Other,
        Some(Brand::Base) | None => compatible().find_map(Brand::picture).unwrap_or(Format::Mp4),
    }
}

/// What a brand says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brand {
    Is(Format),
    /// HEIF, without a word on the codec.
    Picture,
    /// Boxes, but neither a film nor a picture that we read.
    Foreign,
    /// Nothing of its own.
    Base,
}

impl Brand {
    fn picture(self) -> Option<Format> {
        match self {
            Self::Is(format @ (Format::Heic | Format::Avif)) => Some(format),
            Self::Is(_) | Self::Picture | Self::Foreign | Self::Base => None,
        }
    }
}

fn brand(code: &[u8]) -> Brand {
    match code {
        b"qt  " => Brand::Is(Format::Mov),
        b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " => Brand::Is(Format::M4a),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => Brand::Is(Format::Heic),
        b"avif" | b"avis" => Brand::Is(Format::Avif),
        b"mif1" | b"msf1" | b"mif2" | b"miaf" => Brand::Picture,
        b"crx " | b"jp2 " | b"jpx " | b"jpm " | b"jxl " | b"mj2s" => Brand::Foreign,
        [b'3', b'g', ..] => Brand::Is(Format::ThreeGp),
        _ => Brand::Base,
    }
}

/// Elements of Matroska that are walked through.
const EBML: u32 = 0x1a45_dfa3;
const DOC_TYPE: u32 = 0x4282;
const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_TYPE: u32 = 0x83;
/// Elements that are looked at in one head: it has room for no more that matter.
const ELEMENTS_MAX: usize = 256;

/// An element: its id, and what is there of its content. `is_whole` unless the head ends within it.
struct Element<'a> {
    id: u32,
    body: &'a [u8],
    is_whole: bool,
}

/// The elements in `bytes`, as far as they make sense.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let id_bytes = usize::try_from(bytes.first()?.leading_zeros()).ok()? + 1;
        if id_bytes > 4 {
            return None;
        }
        let id = bytes.get(..id_bytes)?.iter().fold(0_u32, |id, byte| id << 8 | u32::from(*byte));
        let rest = &bytes[id_bytes..];
        let size_bytes = usize::try_from(rest.first()?.leading_zeros()).ok()? + 1;
        if size_bytes > 8 {
            return None;
        }
        let coded = rest.get(..size_bytes)?.iter().fold(0_u64, |size, byte| size << 8 | u64::from(*byte));
        let all_ones = (1_u64 << (7 * size_bytes)) - 1;
        let size = coded & all_ones;
        let rest = &rest[size_bytes..];
        // All ones: it goes on for as long as there is something.
        let length = usize::try_from(size).ok().filter(|length| size != all_ones && *length <= rest.len());
        let (body, after) = rest.split_at(length.unwrap_or(rest.len()));
        bytes = after;
        Some(Element { id, body, is_whole: length.is_some() })
    })
    .take(ELEMENTS_MAX)
}

fn matroska(head: &[u8]) -> Option<Format> {
    let mut top = elements(head);
    let header = top.next().filter(|element| element.id == EBML)?;
    let doc_type = elements(header.body).find(|element| element.id == DOC_TYPE)?.body;
    let is_sound = top.find(|element| element.id == SEGMENT).is_some_and(|segment| holds_sound_alone(segment.body));
    match doc_type.split(|byte| *byte == 0).next()? {
        b"webm" | b"matroska" if is_sound => Some(Format::MatroskaSound),
        b"webm" => Some(Format::WebM),
        b"matroska" => Some(Format::Matroska),
        _ => None,
    }
}

/// Whether the list of tracks is there whole and has sound and nothing else.
fn holds_sound_alone(segment: &[u8]) -> bool {
    let Some(tracks) = elements(segment).find(|element| element.id == TRACKS).filter(|tracks| tracks.is_whole) else {
        return false;
    };
    let kinds = elements(tracks.body).filter(|element| element.id == TRACK_ENTRY).map(|entry| {
        elements(entry.body).find(|element| element.id == TRACK_TYPE).and_then(|kind| kind.body.last().copied())
    });
    let mut count = 0;
    kinds.inspect(|_| count += 1).all(|kind| kind == Some(2)) && count > 0
}
