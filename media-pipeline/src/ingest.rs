//! One pass over bytes that stream in: limit, sniff, hash, spool.
//!
//! Invariant: the first byte over a limit ends it, and what was written is gone when an [`Ingest`] is dropped. In flight an
//! upload holds three blocks of [`BLOCK_BYTES`] and the head of the file, whatever its size.

mod gate;
mod spool;
mod writer;

pub use spool::{Spool, SpoolFile, SpoolLimits, Spooled};
pub use writer::BLOCK_BYTES;

pub(crate) use gate::Gate;
pub(crate) use spool::READ_BYTES;

use crate::hash::Hashes;
use tertulia_media_core::boxes::Scanner;
use tertulia_media_core::sniff::{OCTETS, Sniffed, mime_of_document};
use tertulia_media_core::{Class, Limits, Reason, Refusal, Treatment};
use writer::Writer;

/// What is said of an upload before it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// How it is to be treated.
    pub treatment: Treatment,
    /// What it may be.
    pub limits: Limits,
    /// Its bytes, where they are known.
    pub length: Option<u64>,
    /// Its SHA-256, where it is known.
    pub sha256: Option<[u8; 32]>,
}

/// A whole upload, checked and on the disk.
#[expect(missing_debug_implementations, reason = "whoever has the second hash can claim the file")]
pub struct Ingested {
    /// What it is.
    pub class: Class,
    /// What it begins as; `None` where nobody has looked.
    pub sniffed: Option<Sniffed>,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// SHA-256 of `"proof"` and its bytes: never shown to anybody.
    pub h2: [u8; 32],
    /// Its size.
    pub bytes: u64,
    /// Its bytes.
    pub spooled: Spooled,
}

impl Ingested {
    /// The media type that it is handed out with as a document of this name.
    #[must_use]
    pub fn mime_of_document(&self, name: Option<&str>) -> &'static str {
        self.sniffed.map_or(OCTETS, |sniffed| mime_of_document(sniffed, name))
    }
}

/// What is known of an upload so far, without its bytes: enough to go on with it.
#[derive(Clone)]
pub(crate) struct Standing {
    pub(crate) gate: Gate,
    /// Not there if the beginning was written by another run: then all is read again at the end.
    pub(crate) hashes: Option<Hashes>,
}

/// An upload that streams in. Dropping it takes it back.
#[expect(missing_debug_implementations, reason = "it holds hashes that prove possession")]
pub struct Ingest {
    announced: Announced,
    spool: Spool,
    gate: Gate,
    writer: Writer,
}

impl Ingest {
    /// Begins one.
    ///
    /// # Errors
    /// If what is announced is over the limit of any file; if the spool has no room for it.
    pub fn start(spool: &Spool, announced: Announced) -> Result<Self, Refusal> {
        let begin = || {
            let gate = Gate::new(announced)?;
            let file = spool.create(announced.length.unwrap_or_default())?;
            Ok(Self::resume(spool, announced, file, Standing { gate, hashes: Some(Hashes::new()) }))
        };
        begin().inspect_err(|refusal| spool.count_refusal(*refusal))
    }

    /// Goes on with one whose first bytes are in `file`.
    pub(crate) fn resume(spool: &Spool, announced: Announced, file: SpoolFile, standing: Standing) -> Self {
        let writer = Writer::new(file, standing.hashes);
        Self { announced, spool: spool.clone(), gate: standing.gate, writer }
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.gate.seen()
    }

    /// What it is, once enough of it is there to tell.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        self.gate.class()
    }

    /// More bytes. After an error there is nothing to go on with: drop it.
    ///
    /// # Errors
    /// The first limit that is passed, what its beginning or its index gives away, or if it can't be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let written = match self.gate.admit(bytes) {
            Ok(()) => self.writer.write(bytes).await,
            Err(refusal) => Err(refusal),
        };
        written.inspect_err(|refusal| self.spool.count_refusal(*refusal))
    }

    /// It was all: it is checked against what was announced, and on the disk when this is done.
    ///
    /// # Errors
    /// `Empty`, `LengthMismatch`, `ChecksumMismatch`, what its beginning gives away, or if it can't be written.
    pub async fn finish(self) -> Result<Ingested, Refusal> {
        let spool = self.spool.clone();
        self.end().await.inspect_err(|refusal| spool.count_refusal(*refusal))
    }

    async fn end(mut self) -> Result<Ingested, Refusal> {
        let (class, sniffed) = self.gate.end()?;
        let scanner = self.gate.wants_boxes().then(Scanner::new);
        let (spooled, (sha256, h2)) = self.writer.finish(scanner).await?;
        if self.announced.sha256.is_some_and(|announced| announced != sha256) {
            return Err(Refusal::from(Reason::ChecksumMismatch));
        }
        Ok(Ingested { class, sniffed, sha256, h2, bytes: spooled.bytes(), spooled })
    }

    /// Puts what there is on the disk, to go on with it later.
    pub(crate) async fn pause(self) -> Result<(SpoolFile, Standing), Refusal> {
        let (file, hashes) = self.writer.pause().await?;
        Ok((file, Standing { gate: self.gate, hashes }))
    }
}

#[cfg(test)]
mod tests;
