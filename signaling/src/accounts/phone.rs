//! Phone numbers: what people write becomes E.164, or nothing.

use phonenumber::metadata::{DATABASE, Metadata};
use phonenumber::{Mode, country};
use std::fmt;
use std::str::FromStr;
use tertulia_common::Pii;

/// The longest text that is looked at.
const TEXT_BYTES_MAX: usize = 64;

/// Digits of a number at most, its country code included (ITU-T E.164).
const DIGITS_MAX: usize = 15;

/// A country, as in `ES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region(country::Id);

/// There is no such country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a country (ISO 3166, two capital letters, as in ES)")]
pub struct UnknownRegion;

impl Region {
    /// Its country code: 34 of Spain.
    fn code(self) -> Option<u16> {
        DATABASE.by_id(self.0.as_ref()).map(Metadata::country_code)
    }
}

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Self, UnknownRegion> {
        text.parse().map(Self).map_err(|_| UnknownRegion)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

/// A number that can be called, in E.164 (`+34612345678`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PhoneNumber(String);

impl PhoneNumber {
    /// The number in this text; one without a country code is taken to be of `region`.
    pub(crate) fn parse(text: &str, region: Option<Region>) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        // With its country code a number is of no region. The library would still take that region's trunk prefix off it:
        // a 1 of the US off the Chinese +86 139…, which makes another number.
        let region = region.filter(|_| !text.contains(['+', '＋']));
        let number = phonenumber::parse(region.map(|region| region.0), text.trim()).ok()?;
        // The same where the country code came by a way out of the region (00…): such a number needs its +.
        if region.is_some_and(|region| region.code() != Some(number.code().value())) {
            return None;
        }
        // A number with an extension rings several people's desks: a PIN can't be sent there.
        if !number.is_valid() || number.extension().is_some() {
            return None;
        }
        let number = number.format().mode(Mode::E164).to_string();
        // Some countries' plans have room for longer ones than the world's.
        let digits = number.strip_prefix('+')?;
        (digits.len() <= DIGITS_MAX).then_some(Self(number))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What others see of a person who has said no name.
    pub(crate) fn last_digits(&self) -> String {
        let digits = self.0.len().saturating_sub(4);
        format!("…{}", self.0.get(digits..).unwrap_or_default())
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Pii(&self.0), f)
    }
}

/// For the fuzz targets: whatever is taken is E.164, and is the same number wherever it is read again.
#[doc(hidden)]
pub fn fuzz(text: &str) {
    for region in [None, Some(Region(country::ES)), Some(Region(country::US))] {
        let Some(number) = PhoneNumber::parse(text, region) else { continue };
        let digits = number.as_str().strip_prefix('+').unwrap_or_default();
        assert!(
            (4..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()),
            "no E.164 of {text:?}"
        );
        for again in [None, region, Some(Region(country::JP))] {
            assert!(PhoneNumber::parse(number.as_str(), again).as_ref() == Some(&number), "{text:?} in {again:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, region: Option<&str>) -> Option<String> {
        let region = region.map(|region| region.parse().unwrap());
        PhoneNumber::parse(text, region).map(|number| number.0)
    }

    #[test]
    fn a1_a_number_is_one_however_it_is_written() {
        for text in ["+34 612 345 678", "+34612345678", " +34 (612) 34-56-78 "] {
            assert_eq!(parse(text, None).as_deref(), Some("+34612345678"), "{text}");
        }
        assert_eq!(parse("612 34 56 78", Some("ES")).as_deref(), Some("+34612345678"));
        assert_eq!(parse("(650) 253-0000", Some("US")).as_deref(), Some("+16502530000"));
        assert_eq!(parse("+44 20 7946 0018", Some("ES")).as_deref(), Some("+442079460018"));
    }

    #[test]
    fn a1_a_number_with_its_country_code_is_the_same_in_every_region() {
        for region in ["US", "DE", "JP", "GB", "BR"] {
            for number in ["+8613912345678", "+390669812345", "+2250712345678", "+24107123456", "+5511912345678"] {
                assert_eq!(parse(number, Some(region)).as_deref(), Some(number), "{region}");
            }
        }
        assert_eq!(parse("0086 139 1234 5678", Some("DE")), None, "rather none than another");
        assert_eq!(parse("030 901820", Some("DE")).as_deref(), Some("+4930901820"));
    }

    #[test]
    fn a1_what_can_not_be_called_is_no_number() {
        for text in
            ["", "612 34 56 78", "+34 612", "+34 000 000 000", "+999 123456789", "abc", "+34612345678;ext=9", "🙂"]
        {
            assert_eq!(parse(text, None), None, "{text}");
        }
        assert_eq!(parse(&"6".repeat(100), Some("ES")), None);
        assert_eq!(parse("+49805G 698 12234U5", None), None, "one of Germany's with 16 digits");
        assert_eq!(parse(&format!("+34612345678{}", " ".repeat(100)), None), None);
    }

    #[test]
    fn a_number_shows_its_last_digits_only_and_none_in_debug_output() {
        let number = PhoneNumber::parse("+34612345678", None).unwrap();
        assert_eq!(number.last_digits(), "…5678");
        assert!(!format!("{number:?}").contains("5678"));
        assert!("XX".parse::<Region>().is_err() && "ES".parse::<Region>().unwrap().to_string() == "ES");
    }
}
