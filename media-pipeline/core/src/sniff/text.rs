//! Text: whether players would follow it to other files. Such text is kept for download, and never opened.

use super::Format;

/// Beginnings of lists, descriptions and manifests, in lower case.
const FOLLOWED: &[&[u8]] =
    &[b"#extm3u", b"ffconcat version", b"v=0\r\n", b"v=0\n", b"[playlist]", b"[reference]", b"rtsptext", b"asf "];
/// Names of the outermost element of XML that refers to other files, in lower case.
const FOLLOWED_ROOTS: &[&[u8]] = &[b"svg", b"smil", b"mpd", b"smoothstreamingmedia", b"asx", b"playlist", b"manifest"];
/// Comments, declarations and instructions before the outermost element that are passed over.
const PROLOGUE_MAX: usize = 32;

pub(super) fn format(head: &[u8]) -> Option<Format> {
    if head.is_empty() || !is_text(head) {
        return None;
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let is_followed = FOLLOWED.iter().any(|start| starts(text, start))
        || root(text).is_some_and(|name| FOLLOWED_ROOTS.iter().any(|root| name.eq_ignore_ascii_case(root)));
    Some(if is_followed { Format::Follower } else { Format::Text })
}

fn starts(text: &[u8], lower: &[u8]) -> bool {
    text.get(..lower.len()).is_some_and(|start| start.eq_ignore_ascii_case(lower))
}

/// UTF-8 (the last character may be cut) or something like it, without the bytes that text never has.
fn is_text(head: &[u8]) -> bool {
    !head.iter().any(|byte| *byte < b'\t' || (*byte > b'\r' && *byte < b' ' && *byte != 0x1b))
}

/// The name of the outermost element, without its prefix.
fn root(mut text: &[u8]) -> Option<&[u8]> {
    for _ in 0..PROLOGUE_MAX {
        text = text.trim_ascii_start();
        let end: &[u8] = match text {
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', b'?', ..] => b"?>",
            // A document type may say more in brackets, with its own ends; its name is the root's.
            [b'<', b'!', ..] if starts(text, b"<!doctype") => {
                return Some(name(text.get(9..)?.trim_ascii_start()));
            }
            [b'<', rest @ ..] => return Some(name(rest)),
            _ => return None,
        };
        let at = text.windows(end.len()).position(|window| window == end)?;
        text = &text[at + end.len()..];
    }
    None
}

fn name(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b":_-.".contains(byte));
    let name = &text[..end.unwrap_or(text.len())];
    name.iter().position(|byte| *byte == b':').map_or(name, |colon| &name[colon + 1..])
}
