//! The two hashes of an original, in one pass: what it is called by, and what proves that one has it.
//!
//! Invariant: H2 never leaves the server. Who can answer for it has had every byte.

use super::spool::READ_BYTES;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What H2 begins with, so that it is not the SHA-256 of anything else that is known.
const PROOF: &[u8] = b"proof";

/// Both hashes, so far.
#[derive(Clone)]
pub(crate) struct Hashes {
    sha256: Sha256,
    h2: Sha256,
}

impl Hashes {
    pub(crate) fn new() -> Self {
        Self { sha256: Sha256::new(), h2: Sha256::new_with_prefix(PROOF) }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        // A few KiB at a time, so that the second hash finds in the nearest cache what the first has read.
        for piece in bytes.chunks(16 * 1024) {
            self.sha256.update(piece);
            self.h2.update(piece);
        }
    }

    /// SHA-256 of the bytes, and H2.
    pub(crate) fn finish(self) -> ([u8; 32], [u8; 32]) {
        (self.sha256.finalize().into(), self.h2.finalize().into())
    }
}

pub(crate) fn sha256_of(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
