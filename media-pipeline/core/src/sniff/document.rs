//! The media type a document is handed out with: from a list that has nothing a browser would run.
//!
//! Invariant: a type is given only where content and name agree with it; everything else is bytes.

use super::{Format, Sniffed};

/// What says nothing.
pub const OCTETS: &str = "application/octet-stream";

/// What packed files are, by the ends of their names.
const ZIPPED: &[(&str, &str)] = &[
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("epub", "application/epub+zip"),
    ("apk", "application/vnd.android.package-archive"),
];
const OLE: &[(&str, &str)] =
    &[("doc", "application/msword"), ("xls", "application/vnd.ms-excel"), ("ppt", "application/vnd.ms-powerpoint")];
/// Text that no browser takes for anything else.
const TEXTS: &[(&str, &str)] = &[
    ("txt", "text/plain"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("json", "application/json"),
    ("vcf", "text/vcard"),
    ("ics", "text/calendar"),
    ("gpx", "application/gpx+xml"),
];
const PLAIN: &[(Format, &str)] = &[
    (Format::Pdf, "application/pdf"),
    (Format::Zip, "application/zip"),
    (Format::Gzip, "application/gzip"),
    (Format::SevenZip, "application/x-7z-compressed"),
    (Format::Jpeg, "image/jpeg"),
    (Format::Png, "image/png"),
    (Format::Gif, "image/gif"),
    (Format::WebP, "image/webp"),
    (Format::Heic, "image/heic"),
    (Format::Avif, "image/avif"),
    (Format::Mp4, "video/mp4"),
    (Format::Mov, "video/quicktime"),
    (Format::ThreeGp, "video/3gpp"),
    (Format::Matroska, "video/x-matroska"),
    (Format::WebM, "video/webm"),
    (Format::Avi, "video/x-msvideo"),
    (Format::MpegPs, "video/mpeg"),
    (Format::MpegTs, "video/mp2t"),
    (Format::Flv, "video/x-flv"),
    (Format::Asf, "video/x-ms-asf"),
    (Format::OggVideo, "video/ogg"),
    (Format::M4a, "audio/mp4"),
    (Format::OggSound, "audio/ogg"),
    (Format::Mp3, "audio/mpeg"),
    (Format::Aac, "audio/aac"),
    (Format::Wav, "audio/wav"),
    (Format::Flac, "audio/flac"),
    (Format::Amr, "audio/amr"),
    (Format::Aiff, "audio/aiff"),
];

/// The media type of a document that begins as `sniffed` and is called `name`.
#[must_use]
pub fn mime_of_document(sniffed: Sniffed, name: Option<&str>) -> &'static str {
    let extension = name.and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
    let by_name = |list: &[(&str, &'static str)]| {
        let extension = extension?;
        list.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known)).map(|(_, mime)| *mime)
    };
    let named = match sniffed.format {
        Format::Zip => by_name(ZIPPED),
        Format::Ole => by_name(OLE),
        Format::Text => by_name(TEXTS),
        _ => None,
    };
    named
        .or_else(|| PLAIN.iter().find(|(format, _)| *format == sniffed.format).map(|(_, mime)| *mime))
        .unwrap_or(OCTETS)
}
