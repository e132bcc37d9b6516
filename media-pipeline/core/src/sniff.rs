//! What a file is, by its first bytes alone: neither its name nor what its sender says of it counts.
//!
//! Invariant: the leading bytes decide. A file that is two things at once is what it begins as, is read as that, and is
//! handed out as that. What counts as video counts so even where it is not accepted: only a document passes untouched.

mod boxed;
mod document;
mod sound;
mod text;

pub use document::{OCTETS, mime_of_document};

use crate::{Class, Reason, Refusal, Treatment};

/// Bytes of a file's beginning that [`sniff`] looks at. Raising it finds pictures that come late, and costs each upload so much
/// memory.
pub const HEAD_BYTES: usize = 4_096;

/// What a file begins as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// ISO base media: MP4 and its kin.
    Mp4,
    /// QuickTime.
    Mov,
    /// 3GPP and 3GPP2.
    ThreeGp,
    /// ISO base media whose brand says that it is sound.
    M4a,
    /// HEIF pictures, HEVC inside.
    Heic,
    /// HEIF pictures, AV1 inside.
    Avif,
    /// Matroska.
    Matroska,
    /// WebM.
    WebM,
    /// Matroska or WebM that says early on that it holds sound alone.
    MatroskaSound,
    /// AVI.
    Avi,
    /// JPEG.
    Jpeg,
    /// PNG, and APNG.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    WebP,
    /// Ogg with sound in it: Opus, Vorbis, FLAC, Speex.
    OggSound,
    /// MPEG audio, layer 1 to 3.
    Mp3,
    /// AAC in ADTS or ADIF.
    Aac,
    /// RIFF wave.
    Wav,
    /// FLAC.
    Flac,
    /// AMR, narrow or wide.
    Amr,
    /// Apple's AIFF.
    Aiff,
    /// Apple's Core Audio.
    Caf,
    /// WavPack.
    WavPack,
    /// Ogg with pictures that move.
    OggVideo,
    /// MPEG program stream, or a bare MPEG video.
    MpegPs,
    /// MPEG transport stream.
    MpegTs,
    /// Flash video.
    Flv,
    /// Microsoft's ASF: WMV and WMA.
    Asf,
    /// RealMedia.
    RealMedia,
    /// Other pictures that move: bare H.264 and HEVC, IVF, Y4M, NUT, MXF, Bink.
    OtherVideo,
    /// Text that players follow to other files: playlists, session descriptions, manifests, SVG.
    Follower,
    /// PDF.
    Pdf,
    /// ZIP, and what is packed in one: office files, books, programs.
    Zip,
    /// The container of older office files.
    Ole,
    /// gzip.
    Gzip,
    /// 7z.
    SevenZip,
    /// Anything else that reads as text.
    Text,
    /// Anything else.
    Other,
    /// No byte at all.
    Nothing,
}

/// What a format is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Pictures that move, accepted.
    Video,
    /// Pictures that move, of a kind that is not accepted.
    OtherVideo,
    /// A picture.
    Image,
    /// Sound.
    Sound,
    /// Text that players follow to other files: for download only.
    Follower,
    /// None of these.
    Other,
}

impl Format {
    /// What it is about.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Mp4 | Self::Mov | Self::ThreeGp | Self::Matroska | Self::WebM | Self::Avi => Kind::Video,
            Self::OggVideo
            | Self::MpegPs
            | Self::MpegTs
            | Self::Flv
            | Self::Asf
            | Self::RealMedia
            | Self::OtherVideo => Kind::OtherVideo,
            Self::Jpeg | Self::Png | Self::Gif | Self::WebP | Self::Heic | Self::Avif => Kind::Image,
            Self::M4a
            | Self::MatroskaSound
            | Self::OggSound
            | Self::Mp3
            | Self::Aac
            | Self::Wav
            | Self::Flac
            | Self::Amr
            | Self::Aiff
            | Self::Caf
            | Self::WavPack => Kind::Sound,
            Self::Follower => Kind::Follower,
            Self::Pdf
            | Self::Zip
            | Self::Ole
            | Self::Gzip
            | Self::SevenZip
            | Self::Text
            | Self::Other
            | Self::Nothing => Kind::Other,
        }
    }

    /// Whether it is made of ISO boxes that a [`Scanner`](crate::boxes::Scanner) reads.
    #[must_use]
    pub fn is_boxed(self) -> bool {
        matches!(self, Self::Mp4 | Self::Mov | Self::ThreeGp | Self::M4a)
    }
}

/// What was found out about a file from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sniffed {
    /// What it begins as.
    pub format: Format,
}

impl Sniffed {
    /// What its format is about.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.format.kind()
    }
}

/// What begins with `head`: the first [`HEAD_BYTES`] of it, or all of it if it is shorter. More is not looked at.
#[must_use]
pub fn sniff(head: &[u8]) -> Sniffed {
    let head = &head[..head.len().min(HEAD_BYTES)];
    let format = by_magic(head)
        .or_else(|| boxed::format(head))
        .or_else(|| sound::format(head))
        .or_else(|| text::format(head))
        .unwrap_or(if head.is_empty() { Format::Nothing } else { Format::Other });
    Sniffed { format }
}

/// What an upload is, as its sender wants it treated.
///
/// # Errors
/// `Unsupported` for what can't be played and was not sent as a document; `Empty` for nothing at all.
pub fn class_for(sniffed: Sniffed, treatment: Treatment) -> Result<Class, Refusal> {
    if sniffed.format == Format::Nothing {
        return Err(Refusal::from(Reason::Empty));
    }
    match (treatment, sniffed.kind()) {
        (Treatment::Sealed, _) => Ok(Class::Sealed),
        (Treatment::Document, _) | (Treatment::Auto, Kind::Other) => Ok(Class::Document),
        (Treatment::Voice, Kind::Video | Kind::Sound) => Ok(Class::Voice),
        (Treatment::Auto, Kind::Video) => Ok(Class::Video),
        (Treatment::Auto, Kind::Image) => Ok(Class::Image),
        (Treatment::Auto, Kind::Sound) => Ok(Class::Audio),
        (Treatment::Auto, Kind::OtherVideo | Kind::Follower)
        | (Treatment::Voice, Kind::OtherVideo | Kind::Image | Kind::Follower | Kind::Other) => {
            Err(Refusal::from(Reason::Unsupported))
        }
    }
}

/// Beginnings that are the same bytes at the same place in every file of their kind.
const MAGIC: &[(usize, &[u8], Format)] = &[
    (0, b"\xff\xd8\xff", Format::Jpeg),
    (0, b"\x89PNG\r\n\x1a\n", Format::Png),
    (0, b"GIF87a", Format::Gif),
    (0, b"GIF89a", Format::Gif),
    (0, b"fLaC", Format::Flac),
    (0, b"#!AMR\n", Format::Amr),
    (0, b"#!AMR-WB\n", Format::Amr),
    (0, b"caff\0", Format::Caf),
    (0, b"wvpk", Format::WavPack),
    (0, b"ADIF", Format::Aac),
    (0, b"\0\0\x01\xba", Format::MpegPs),
    (0, b"\0\0\x01\xb3", Format::MpegPs),
    (0, b"FLV\x01", Format::Flv),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Format::Asf),
    (0, b".RMF\0", Format::RealMedia),
    (0, b"DKIF\0\0", Format::OtherVideo),
    (0, b"YUV4MPEG2 ", Format::OtherVideo),
    (0, b"nut/multimedia container\0", Format::OtherVideo),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", Format::OtherVideo),
    (0, b"BIK", Format::OtherVideo),
    (0, b"KB2", Format::OtherVideo),
    // Parameter sets of H.264 and HEVC, bare.
    (0, b"\0\0\0\x01\x67", Format::OtherVideo),
    (0, b"\0\0\0\x01\x27", Format::OtherVideo),
    (0, b"\0\0\0\x01\x40\x01", Format::OtherVideo),
    (0, b"%PDF-", Format::Pdf),
    (0, b"PK\x03\x04", Format::Zip),
    (0, b"PK\x05\x06", Format::Zip),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format::Ole),
    (0, b"\x1f\x8b\x08", Format::Gzip),
    (0, b"7z\xbc\xaf\x27\x1c", Format::SevenZip),
];

/// Beginnings of a family at 0 and of a member at 8.
const FAMILIES: &[(&[u8], &[u8], Format)] = &[
    (b"RIFF", b"AVI ", Format::Avi),
    (b"RIFF", b"AVIX", Format::Avi),
    (b"RIFF", b"WAVE", Format::Wav),
    (b"RF64", b"WAVE", Format::Wav),
    (b"RIFF", b"WEBP", Format::WebP),
    (b"FORM", b"AIFF", Format::Aiff),
    (b"FORM", b"AIFC", Format::Aiff),
];

fn by_magic(head: &[u8]) -> Option<Format> {
    let at = |from: usize, what: &[u8]| head.get(from..).is_some_and(|rest| rest.starts_with(what));
    MAGIC
        .iter()
        .find(|(from, what, _)| at(*from, what))
        .map(|(_, _, format)| *format)
        .or_else(|| {
            FAMILIES.iter().find(|(family, member, _)| at(0, family) && at(8, member)).map(|(_, _, format)| *format)
        })
        .or_else(|| is_transport_stream(head).then_some(Format::MpegTs))
}

/// A packet begins every 188 bytes, or every 192 where each has a time before it.
fn is_transport_stream(head: &[u8]) -> bool {
    let packets = |from: usize, step: usize| (0..3).all(|index| head.get(from + index * step) == Some(&0x47));
    packets(0, 188) || packets(4, 192)
}

#[cfg(test)]
mod tests;
