//! What a download is called: names that strangers chose, made harmless, and the header that carries them
//! ([RFC 6266](https://www.rfc-editor.org/rfc/rfc6266), [RFC 8187](https://www.rfc-editor.org/rfc/rfc8187)).
//!
//! Invariant: what comes out has no folder, nothing invisible, and can't end the header it is in.

use std::fmt::Write as _;

/// The longest name, in bytes of UTF-8: what file systems take.
pub const NAME_BYTES_MAX: usize = 255;
/// The longest end of a name (`.jpeg`) that is kept where a name is cut.
const EXTENSION_BYTES_MAX: usize = 16;

/// A name without folders, control characters and what turns the direction of writing, cut to [`NAME_BYTES_MAX`]. `None` if
/// nothing is left.
#[must_use]
pub fn clean_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible: String = last
        .chars()
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .map(|c| if is_awkward(c) { '_' } else { c })
        .collect();
    // A leading dot hides a file; trailing dots and spaces are dropped by some systems, and change its end.
    let name = visible.trim_matches(|c: char| c == '.' || c.is_whitespace());
    (!name.is_empty()).then(|| cut(name))
}

/// Turns the direction of writing, joins or separates, or marks the order of bytes: a name can pretend by it to end otherwise.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Means something to a shell or a file system.
fn is_awkward(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

fn cut(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let end = name.rfind('.').filter(|dot| name.len() - dot <= EXTENSION_BYTES_MAX).map_or("", |dot| &name[dot..]);
    let room = NAME_BYTES_MAX - end.len();
    let stem = (0..=room).rev().find(|at| name.is_char_boundary(*at)).map_or("", |at| &name[..at]);
    // Where the cut falls behind a dot or a space, that would be the name's end.
    format!("{}{end}", stem.trim_end_matches(|c: char| c == '.' || c.is_whitespace()))
}

/// The value of `Content-Disposition`: whether a browser shows it, if it can, or saves it, and under which name. The name is
/// cleaned first; ASCII for old clients, UTF-8 for all others.
#[must_use]
pub fn content_disposition(is_shown: bool, name: Option<&str>) -> String {
    let mut value = if is_shown { "inline" } else { "attachment" }.to_owned();
    let Some(name) = name.and_then(clean_name) else { return value };
    // A percent sign in the plain form is decoded by some browsers.
    let plain: String =
        name.chars().map(|c| if c.is_ascii() && !matches!(c, '"' | '\\' | '%') { c } else { '_' }).collect();
    let is_plain = plain == name;
    value.push_str("; filename=\"");
    value.push_str(&plain);
    value.push('"');
    if !is_plain {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => value.push(char::from(byte)),
                _ => write!(value, "%{byte:02X}").unwrap_or_default(),
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn d1_names_lose_folders_and_tricks() {
        let cases = [
            ("photo.jpg", Some("photo.jpg")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\Users\\me\\photo.jpg", Some("photo.jpg")),
            ("a\r\nSet-Cookie: x=1.txt", Some("aSet-Cookie_ x=1.txt")),
            ("invoice\u{202e}fdp.exe", Some("invoicefdp.exe")),
            (".htaccess", Some("htaccess")),
            ("what? \"this\".txt. .", Some("what_ _this_.txt")),
            ("Grüße aus 東京.png", Some("Grüße aus 東京.png")),
            ("..", None),
            ("folder/", None),
            (" \u{200b}\0", None),
        ];
        for (name, clean) in cases {
            assert_eq!(clean_name(name).as_deref(), clean, "{name:?}");
        }
    }

    #[test]
    fn d1_long_names_keep_their_end() {
        let name = clean_name(&format!("{}.jpeg", "ü".repeat(300))).unwrap();
        assert!(name.len() <= NAME_BYTES_MAX && name.len() > NAME_BYTES_MAX - 2 && name.ends_with("ü.jpeg"), "{name}");
        assert_eq!(clean_name(&"x".repeat(300)).unwrap().len(), NAME_BYTES_MAX);
        let cut_at_a_dot = format!("{}.{}", "x".repeat(NAME_BYTES_MAX - 1), "y".repeat(40));
        assert_eq!(clean_name(&cut_at_a_dot), Some("x".repeat(NAME_BYTES_MAX - 1)));
    }

    #[test]
    fn d5_a_download_says_what_it_is_called() {
        let saved = |name| content_disposition(false, name);
        assert_eq!(saved(Some("a b.pdf")), "attachment; filename=\"a b.pdf\"");
        assert_eq!(saved(Some("é%.pdf")), "attachment; filename=\"__.pdf\"; filename*=UTF-8''%C3%A9%25.pdf");
        assert_eq!(saved(Some("/")), "attachment");
        assert_eq!(content_disposition(true, None), "inline");
    }

    proptest! {
        #[test]
        fn d5_no_name_ends_the_header_it_is_in(name in ".{0,300}") {
            let value = content_disposition(false, Some(&name));
            prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert!(value.matches('"').count() <= 2 && !value.contains('\\') && !value.contains('/'));
            if let Some(clean) = clean_name(&name) {
                prop_assert_eq!(clean_name(&clean), Some(clean.clone()));
                prop_assert!(clean.len() <= NAME_BYTES_MAX);
            }
        }
    }
}
