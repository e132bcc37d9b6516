//! Phone numbers, as people write them. The invariants are checked where they are read: `signaling/src/accounts/phone.rs`.

/// Reads `data` as a phone number.
pub fn target(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        tertulia_signaling::fuzzing::phone(text);
    }
}
