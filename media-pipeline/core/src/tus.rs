//! Resumable uploads as they are said in headers: [tus 1.0](https://tus.io/protocols/resumable-upload).
//!
//! Invariant: every value is bounded and checked before it is believed; what is not understood is refused, not guessed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// The only version there is.
pub const VERSION: &str = "1.0.0";
/// What is offered beside the core: concatenation is not.
pub const EXTENSIONS: &str = "creation,creation-with-upload,expiration,checksum,termination";
/// The checksums that are understood, for `Tus-Checksum-Algorithm`.
pub const CHECKSUMS: &str = "sha1,sha256";
/// The type of a `PATCH`'s body, and of a creation's that comes with one.
pub const BODY_TYPE: &str = "application/offset+octet-stream";
/// Characters of an `Upload-Metadata`. Raising it makes every row of an upload larger.
pub const METADATA_BYTES_MAX: usize = 4_096;
/// Pairs in an `Upload-Metadata`.
pub const METADATA_PAIRS_MAX: usize = 16;

/// Why a header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HeaderError {
    /// Another version than ours: 412.
    #[error("the version of tus is not {VERSION}")]
    Version,
    /// No length, or one that comes later: 400.
    #[error("Upload-Length has to be known at creation")]
    Length,
    /// Parts that are to be put together: 400.
    #[error("concatenation is not offered")]
    Concat,
    /// No offset, or not a number: 400.
    #[error("Upload-Offset is missing or not a number")]
    Offset,
    /// Another type of body: 415.
    #[error("Content-Type has to be {BODY_TYPE}")]
    ContentType,
    /// Not pairs of a key and Base64, or too many: 400.
    #[error("Upload-Metadata is malformed or too long")]
    Metadata,
    /// An algorithm that is not offered, or not a digest of it: 400.
    #[error("Upload-Checksum is malformed or not offered")]
    Checksum,
}

impl HeaderError {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Version => 412,
            Self::ContentType => 415,
            Self::Length | Self::Concat | Self::Offset | Self::Metadata | Self::Checksum => 400,
        }
    }
}

/// Checks `Tus-Resumable`.
///
/// # Errors
/// [`HeaderError::Version`] if it is not ours, or not there.
pub fn check_version(header: Option<&str>) -> Result<(), HeaderError> {
    if header.is_some_and(|version| version.trim() == VERSION) { Ok(()) } else { Err(HeaderError::Version) }
}

/// Checks the `Content-Type` of a body.
///
/// # Errors
/// [`HeaderError::ContentType`].
pub fn check_body_type(header: Option<&str>) -> Result<(), HeaderError> {
    let is_ours = header.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(BODY_TYPE));
    if is_ours { Ok(()) } else { Err(HeaderError::ContentType) }
}

/// Checks that an upload is whole and of a known length: `Upload-Length`, `Upload-Defer-Length`, `Upload-Concat`.
///
/// # Errors
/// [`HeaderError::Length`], [`HeaderError::Concat`].
pub fn length(length: Option<&str>, defer: Option<&str>, concat: Option<&str>) -> Result<u64, HeaderError> {
    if concat.is_some() {
        return Err(HeaderError::Concat);
    }
    length.filter(|_| defer.is_none()).and_then(number).ok_or(HeaderError::Length)
}

/// `Upload-Offset`.
///
/// # Errors
/// [`HeaderError::Offset`].
pub fn offset(header: Option<&str>) -> Result<u64, HeaderError> {
    header.and_then(number).ok_or(HeaderError::Offset)
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// `Upload-Metadata`: keys and what they stand for. Personal data: it has the file's name in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, Vec<u8>)>);

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(key, _)| key)).finish()
    }
}

impl Metadata {
    /// Reads the header. No header is no pairs.
    ///
    /// # Errors
    /// [`HeaderError::Metadata`].
    pub fn parse(header: Option<&str>) -> Result<Self, HeaderError> {
        let header = header.unwrap_or_default();
        if header.len() > METADATA_BYTES_MAX {
            return Err(HeaderError::Metadata);
        }
        let mut pairs: Vec<(String, Vec<u8>)> = Vec::new();
        for pair in header.split(',').map(str::trim) {
            if pair.is_empty() && header.trim().is_empty() {
                break;
            }
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
            let is_new = pairs.iter().all(|(known, _)| known != key);
            let value = STANDARD.decode(value.trim()).map_err(|_| HeaderError::Metadata)?;
            if !is_key || !is_new || pairs.len() == METADATA_PAIRS_MAX {
                return Err(HeaderError::Metadata);
            }
            pairs.push((key.to_owned(), value));
        }
        Ok(Self(pairs))
    }

    /// The header, as `HEAD` shows it again. `None` if there are no pairs.
    #[must_use]
    pub fn header(&self) -> Option<String> {
        let pair = |(key, value): &(String, Vec<u8>)| match value.as_slice() {
            [] => key.clone(),
            value => format!("{key} {}", STANDARD.encode(value)),
        };
        (!self.0.is_empty()).then(|| self.0.iter().map(pair).collect::<Vec<_>>().join(","))
    }

    /// What `key` stands for, if it is UTF-8.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == key)?;
        std::str::from_utf8(value).ok()
    }

    /// The file's name: what tus-js-client calls `filename` and others `name`.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.text("filename").or_else(|| self.text("name"))
    }

    /// What its sender says that it is.
    #[must_use]
    pub fn file_type(&self) -> Option<&str> {
        self.text("filetype").or_else(|| self.text("type"))
    }
}

/// `Upload-Checksum`: what the body of this request must hash to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-1: every server of tus has to know it. It guards against accidents only.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Checksum {
    /// Reads the header. No header is no checksum.
    ///
    /// # Errors
    /// [`HeaderError::Checksum`].
    pub fn parse(header: Option<&str>) -> Result<Option<Self>, HeaderError> {
        let Some(header) = header else { return Ok(None) };
        let parsed = header.trim().split_once(' ').and_then(|(algorithm, digest)| {
            // Longer than any of them is none of them.
            let digest = STANDARD.decode(digest.trim().get(..64).unwrap_or(digest.trim())).ok()?;
            match algorithm {
                "sha1" => digest.try_into().ok().map(Self::Sha1),
                "sha256" => digest.try_into().ok().map(Self::Sha256),
                _ => None,
            }
        });
        parsed.map(Some).ok_or(HeaderError::Checksum)
    }
}

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// The last second of the year 9999: dates of HTTP have four digits for the year.
const DATE_MAX_S: u64 = 253_402_300_799;

/// A date of HTTP ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110), 5.6.7), of seconds since the Unix epoch.
#[must_use]
pub fn http_date(unix_s: u64) -> String {
    let unix_s = unix_s.min(DATE_MAX_S);
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let name = DAYS[usize::try_from(days % 7).unwrap_or_default()];
    // Years are counted from March, so that the day that is there now and then is the last of a year (H. Hinnant's way).
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let month = MONTHS[usize::try_from(month).unwrap_or_default()];
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{name}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn d1_another_version_of_tus_is_refused() {
        assert_eq!(check_version(Some("1.0.0")), Ok(()));
        assert_eq!(check_version(Some("0.2.2")), Err(HeaderError::Version));
        assert_eq!(check_version(None).unwrap_err().status(), 412);
        assert_eq!(check_body_type(Some("Application/offset+octet-stream")), Ok(()));
        assert_eq!(check_body_type(Some("application/octet-stream")).unwrap_err().status(), 415);
    }

    #[test]
    fn d1_numbers_are_digits() {
        assert_eq!(length(Some("100"), None, None), Ok(100));
        assert_eq!(length(Some("100"), Some("1"), None), Err(HeaderError::Length));
        assert_eq!(length(None, Some("1"), None), Err(HeaderError::Length));
        assert_eq!(length(Some("100"), None, Some("partial")), Err(HeaderError::Concat));
        assert_eq!(offset(Some("0")), Ok(0));
        for bad in ["", "-1", "+1", "1.5", "1e3", "0x10", "99999999999999999999", "1 2"] {
            assert_eq!(offset(Some(bad)), Err(HeaderError::Offset), "{bad}");
        }
        assert_eq!(offset(None).unwrap_err().status(), 400);
    }

    #[test]
    fn d1_metadata_are_keys_and_base64() {
        let header = "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential, filetype YXBwbGljYXRpb24vcGRm";
        let metadata = Metadata::parse(Some(header)).unwrap();
        assert_eq!(metadata.file_name(), Some("world_domination_plan.pdf"));
        assert_eq!(metadata.file_type(), Some("application/pdf"));
        assert_eq!(metadata.text("is_confidential"), Some(""));
        assert_eq!(metadata.text("other"), None);
        assert_eq!(Metadata::parse(metadata.header().as_deref()), Ok(metadata.clone()));
        assert!(!format!("{metadata:?}").contains("domination"));
        assert_eq!(Metadata::parse(None).unwrap().header(), None);
        assert_eq!(Metadata::parse(Some(" ")).unwrap().header(), None);
        for bad in ["a b c", "a !!!!", "a YQ==,a YQ==", "a YQ==,,b YQ==", "ä YQ==", "a YQ"] {
            assert_eq!(Metadata::parse(Some(bad)), Err(HeaderError::Metadata), "{bad}");
        }
        let many = |count: usize| (0..count).map(|at| format!("k{at} YQ==")).collect::<Vec<_>>().join(",");
        assert!(Metadata::parse(Some(&many(METADATA_PAIRS_MAX))).is_ok());
        assert!(Metadata::parse(Some(&many(METADATA_PAIRS_MAX + 1))).is_err());
        assert!(Metadata::parse(Some(&format!("a {}", "YQ==".repeat(2_000)))).is_err());
    }

    #[test]
    fn d1_checksums_are_of_what_is_offered() {
        assert_eq!(Checksum::parse(None), Ok(None));
        let sha1 = Checksum::parse(Some("sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="));
        assert!(matches!(sha1, Ok(Some(Checksum::Sha1([0xda, 0x39, 0xa3, ..])))));
        let sha256 = Checksum::parse(Some("sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
        assert!(matches!(sha256, Ok(Some(Checksum::Sha256([0xe3, 0xb0, ..])))));
        for bad in ["", "sha1", "sha1 YQ==", "md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha256 2jmj7l5rSw0yVb/vlWAYkK/YBwk="] {
            assert_eq!(Checksum::parse(Some(bad)), Err(HeaderError::Checksum), "{bad}");
        }
    }

    #[test]
    fn d1_dates_are_those_of_http() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(http_date(951_868_800), "Wed, 01 Mar 2000 00:00:00 GMT");
        assert_eq!(http_date(1_798_761_599), "Thu, 31 Dec 2026 23:59:59 GMT");
        assert_eq!(http_date(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(http_date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    proptest! {
        #[test]
        fn d1_what_is_read_is_shown_the_same(header in "[a-z ,]{0,6}([a-z]{1,4} [A-Za-z0-9+/=]{0,12},){0,4}[a-z]{0,3}") {
            if let Ok(metadata) = Metadata::parse(Some(&header)) {
                prop_assert_eq!(Metadata::parse(metadata.header().as_deref()), Ok(metadata));
            }
        }
    }
}
