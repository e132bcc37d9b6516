//! `Pii<T>`: personal data that prints as a short fingerprint, so that a log line can be followed but tells nobody who it was.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Wraps personal data (a user's name, an address) for logs.
///
/// `Debug` and `Display` print eight hexadecimal digits of a hash that is stable within one run of one build: two lines
/// about the same person can be matched, the person can't be read off. It is no anonymisation of data at rest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pii<T>(pub T);

impl<T: Hash> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        // The low half of a 64-bit hash is enough to tell two people in one log apart.
        write!(f, "~{:08x}", hasher.finish() & 0xffff_ffff)
    }
}

impl<T: Hash> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_a_fingerprint_and_never_the_data() {
        let shown = format!("{} {:?}", Pii("alice"), Pii("alice"));
        assert!(!shown.contains("alice"), "{shown}");
        let (a, b) = shown.split_once(' ').unwrap();
        assert_eq!(a, b);
        assert_ne!(Pii("alice").to_string(), Pii("bob").to_string());
    }
}
