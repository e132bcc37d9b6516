//! Hashes: what a file is called by, and what proves that one has it. By the library that TLS has, which is as quick in a build
//! for tests as in one for use.
//!
//! Invariant: H2 never leaves the server. Who can answer for it has had every byte.

use crate::ingest::READ_BYTES;
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What H2 begins with, so that it is not the SHA-256 of anything else that is known.
const PROOF: &[u8] = b"proof";
/// Bytes that both hashes take in turn: few enough that the second finds in the nearest cache what the first has read.
const TURN_BYTES: usize = 16 * 1_024;

/// SHA-256, as it goes.
#[derive(Clone)]
pub(crate) struct Sha256(Context);

impl Sha256 {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}

/// SHA-1, as it goes: for checksums against accidents.
pub(crate) struct Sha1(Context);

impl Sha1 {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA1_FOR_LEGACY_USE_ONLY))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> [u8; 20] {
        let mut digest = [0; 20];
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}

/// Both hashes of an original, so far.
#[derive(Clone)]
pub(crate) struct Hashes {
    sha256: Sha256,
    h2: Sha256,
}

impl Hashes {
    pub(crate) fn new() -> Self {
        let mut h2 = Sha256::new();
        h2.update(PROOF);
        Self { sha256: Sha256::new(), h2 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(TURN_BYTES) {
            self.sha256.update(piece);
            self.h2.update(piece);
        }
    }

    /// SHA-256 of the bytes, and H2.
    pub(crate) fn finish(self) -> ([u8; 32], [u8; 32]) {
        (self.sha256.finish(), self.h2.finish())
    }
}

/// The SHA-256 of a file.
pub(crate) fn sha256_of(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finish()),
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest as _;

    #[test]
    fn d6_both_hashes_are_those_that_clients_make() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        let mut hashes = Hashes::new();
        bytes.chunks(33_333).for_each(|piece| hashes.update(piece));
        let (sha256, h2) = hashes.finish();
        assert_eq!(sha256, <[u8; 32]>::from(sha2::Sha256::digest(&bytes)));
        assert_eq!(h2, <[u8; 32]>::from(sha2::Sha256::digest([b"proof", &bytes[..]].concat())));
        let mut sha1 = Sha1::new();
        sha1.update(b"abc");
        assert_eq!(sha1.finish()[..4], [0xa9, 0x99, 0x3e, 0x36]);
    }
}
