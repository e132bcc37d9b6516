//! Which part of a file is asked for, and whether the one who asks has it already
//! ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110), sections 13 and 14).
//!
//! Invariant: a part lies within the file and has at least a byte. What is not understood asks for nothing: the whole is sent.

use std::ops::Range;

/// Characters of a header of this kind that are read.
const HEADER_MAX: usize = 256;
/// Tags of an `If-None-Match` that are read.
const TAGS_MAX: usize = 16;

/// What a `Range` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it: 200.
    Whole,
    /// These bytes: 206.
    Bytes(Range<u64>),
    /// Bytes that are not there: 416.
    Nowhere,
}

/// What the header asks for of a file of `size` bytes. Several ranges at once are answered with the whole, as is what is not
/// understood.
#[must_use]
pub fn part(header: Option<&str>, size: u64) -> Part {
    let asked = header.filter(|header| header.len() <= HEADER_MAX).and_then(|header| {
        let (unit, range) = header.split_once('=')?;
        let (first, last) = unit.trim().eq_ignore_ascii_case("bytes").then(|| range.trim().split_once('-'))??;
        Some((first.trim(), last.trim()))
    });
    let Some((first, last)) = asked else { return Part::Whole };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Part::Whole,
    };
    if range.start < range.end { Part::Bytes(range) } else { Part::Nowhere }
}

/// Digits and nothing else; what is larger than any file is the largest number.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The value of `Content-Range` for a part, or for none where there is nothing.
#[must_use]
pub fn content_range(part: Option<&Range<u64>>, size: u64) -> String {
    match part {
        Some(part) => format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1)),
        None => format!("bytes */{size}"),
    }
}

/// Whether `If-None-Match` names `etag`, which is given with its quotes: 304. Weak tags are as good as strong ones here.
#[must_use]
pub fn has_it(if_none_match: Option<&str>, etag: &str) -> bool {
    if_none_match.is_some_and(|header| {
        header
            .split(',')
            .take(TAGS_MAX)
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}

/// Whether a `Range` still counts under `If-Range`: only if it names the very same bytes.
#[must_use]
pub fn is_same(if_range: Option<&str>, etag: &str) -> bool {
    if_range.is_none_or(|tag| tag.trim() == etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn d5_parts_are_what_was_asked_for() {
        let cases = [
            (None, Part::Whole),
            (Some("bytes=0-"), Part::Bytes(0..100)),
            (Some("bytes=0-0"), Part::Bytes(0..1)),
            (Some("Bytes = 10-19"), Part::Bytes(10..20)),
            (Some("bytes=90-500"), Part::Bytes(90..100)),
            (Some("bytes=-10"), Part::Bytes(90..100)),
            (Some("bytes=-500"), Part::Bytes(0..100)),
            (Some("bytes=100-"), Part::Nowhere),
            (Some("bytes=-0"), Part::Nowhere),
            (Some("bytes=99999999999999999999999-"), Part::Nowhere),
            (Some("bytes=5-99999999999999999999999"), Part::Bytes(5..100)),
            (Some("bytes=20-10"), Part::Whole),
            (Some("bytes=0-1,5-6"), Part::Whole),
            (Some("bytes=+1-2"), Part::Whole),
            (Some("lines=1-2"), Part::Whole),
            (Some("bytes=-"), Part::Whole),
            (Some("bytes"), Part::Whole),
        ];
        for (header, part) in cases {
            assert_eq!(super::part(header, 100), part, "{header:?}");
        }
        assert_eq!(part(Some("bytes=0-"), 0), Part::Nowhere);
    }

    #[test]
    fn d5_what_one_has_is_not_sent_again() {
        assert_eq!(content_range(Some(&(10..20)), 100), "bytes 10-19/100");
        assert_eq!(content_range(None, 100), "bytes */100");
        assert!(has_it(Some("\"a\", W/\"b\""), "\"b\"") && has_it(Some("*"), "\"b\""));
        assert!(!has_it(Some("\"a\""), "\"b\"") && !has_it(None, "\"b\""));
        assert!(is_same(None, "\"b\"") && is_same(Some("\"b\""), "\"b\""));
        assert!(!is_same(Some("W/\"b\""), "\"b\"") && !is_same(Some("Sat, 01 Jan 2000 00:00:00 GMT"), "\"b\""));
    }

    proptest! {
        #[test]
        fn d5_a_part_lies_within_the_file(header in "(bytes=)?[0-9,\\-= ]{0,40}", size in 0..1_000_u64) {
            if let Part::Bytes(range) = part(Some(&header), size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
