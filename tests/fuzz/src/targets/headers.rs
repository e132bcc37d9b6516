//! Headers of uploads and downloads. Invariants: what is read is shown the same; a part lies within its file; no name ends
//! the header it is in, nor leads to another folder.
//!
//! The first byte says which header the rest is.

use tertulia_media_core::range::{Part, content_range, has_it, is_same, part};
use tertulia_media_core::tus::{self, Checksum, Metadata};
use tertulia_media_core::{NAME_BYTES_MAX, clean_name, content_disposition};

/// Reads `data` as a header.
pub fn target(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(data);
    let header = Some(text.as_ref());
    match kind % 6 {
        0 => {
            if let Ok(metadata) = Metadata::parse(header) {
                assert_eq!(Metadata::parse(metadata.header().as_deref()), Ok(metadata));
            }
        }
        1 => drop(Checksum::parse(header)),
        2 => {
            let offset = tus::offset(header);
            assert_eq!(offset, tus::length(header, None, None).map_err(|_| tus::HeaderError::Offset));
            if let Ok(offset) = offset {
                assert_eq!(tus::offset(Some(&offset.to_string())), Ok(offset));
                assert_eq!(tus::http_date(offset).len(), 29);
            }
            assert!(tus::length(header, Some("1"), None).is_err() && tus::length(header, None, header).is_err());
        }
        3 => name(&text),
        4 => {
            for size in [0, 1, 1_000, u64::MAX] {
                if let Part::Bytes(range) = part(header, size) {
                    assert!(range.start < range.end && range.end <= size, "{range:?} of {size}");
                    assert!(content_range(Some(&range), size).ends_with(&format!("/{size}")));
                }
            }
        }
        _ => {
            assert!(!has_it(header, "\"tag\"") || text.contains("\"tag\"") || text.contains('*'));
            assert!(!is_same(header, "\"tag\"") || text.trim() == "\"tag\"");
            assert_eq!(tus::check_version(header).is_ok(), text.trim() == tus::VERSION);
            assert_eq!(tus::check_body_type(header).is_ok(), text.trim().eq_ignore_ascii_case(tus::BODY_TYPE));
        }
    }
}

fn name(name: &str) {
    for is_shown in [true, false] {
        let value = content_disposition(is_shown, Some(name));
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value:?}");
        assert!(value.matches('"').count() <= 2 && !value.contains(['/', '\\']), "{value:?}");
    }
    let Some(clean) = clean_name(name) else { return };
    assert!(clean.len() <= NAME_BYTES_MAX && !clean.contains(['/', '\\', '\0', '\n']) && clean != "..", "{clean:?}");
    assert_eq!(clean_name(&clean).as_deref(), Some(clean.as_str()), "cleaned twice it is another");
}
