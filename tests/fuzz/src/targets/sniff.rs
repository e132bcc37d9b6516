//! First bytes of files. Invariants: what comes after the head does not count; what a player would follow to other files is
//! never opened; a document is handed out as nothing that a browser runs.

use tertulia_media_core::sniff::{Format, HEAD_BYTES, Kind, class_for, mime_of_document, sniff};
use tertulia_media_core::{Class, Treatment};

/// Reads `data` as a file of which the head is looked at.
pub fn target(data: &[u8]) {
    let sniffed = sniff(data);
    assert_eq!(sniffed, sniff(&data[..data.len().min(HEAD_BYTES)]), "more than the head counts");
    assert_eq!(sniffed.format == Format::Nothing, data.is_empty());
    let is_list = data.starts_with(b"#EXTM3U") || data.starts_with(b"ffconcat version");
    for treatment in Treatment::ALL {
        let Ok(class) = class_for(sniffed, treatment) else { continue };
        match treatment {
            Treatment::Sealed => assert_eq!(class, Class::Sealed),
            Treatment::Document => assert_eq!(class, Class::Document),
            Treatment::Voice => assert_eq!(class, Class::Voice),
            Treatment::Auto => assert_eq!(class == Class::Document, sniffed.kind() == Kind::Other),
        }
        assert!(!is_list || !class.is_processed(), "a list of other files is opened");
    }
    for name in [None, Some("a.html"), Some("a.svg"), Some("a.txt"), Some("a.docx")] {
        let mime = mime_of_document(sniffed, name);
        assert!(!["html", "svg", "script"].iter().any(|bad| mime.contains(bad)), "a browser runs {mime}");
    }
}
