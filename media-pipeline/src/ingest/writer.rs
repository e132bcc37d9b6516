//! Hashes and writes blocks where waiting for a disk holds nobody up.
//!
//! Invariant: one block at most is being written while another fills; a stalled upload holds no thread.

use super::spool::{SpoolFile, Spooled, failed, flatten};
use crate::hash::Hashes;
use std::io;
use tertulia_media_core::boxes::Scanner;
use tertulia_media_core::{Reason, Refusal};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes that are hashed and written at once. Raising it costs memory, twice as much for each upload in flight; lowering it
/// costs a hand-over to another thread for each.
pub const BLOCK_BYTES: usize = 256 * 1024;

/// What a block is written with.
struct Desk {
    file: SpoolFile,
    hashes: Option<Hashes>,
    /// A buffer to fill next.
    spare: Vec<u8>,
}

impl Desk {
    fn take(&mut self, block: &[u8]) -> io::Result<()> {
        if let Some(hashes) = &mut self.hashes {
            hashes.update(block);
        }
        self.file.append(block)
    }
}

pub(super) struct Writer {
    /// Not there while a block is being written, and after an error.
    desk: Option<Desk>,
    writing: Option<JoinHandle<io::Result<Desk>>>,
    block: Vec<u8>,
}

impl Writer {
    pub(super) fn new(file: SpoolFile, hashes: Option<Hashes>) -> Self {
        Self { desk: Some(Desk { file, hashes, spare: Vec::new() }), writing: None, block: Vec::new() }
    }

    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let taken = bytes.len().min(BLOCK_BYTES - self.block.len());
            self.block.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.block.len() == BLOCK_BYTES {
                let mut desk = self.desk().await?;
                let full = std::mem::replace(&mut self.block, std::mem::take(&mut desk.spare));
                self.writing = Some(spawn_blocking(move || {
                    desk.take(&full)?;
                    desk.spare = full;
                    desk.spare.clear();
                    Ok(desk)
                }));
            }
        }
        Ok(())
    }

    /// Waits until nothing is being written. Cancelled, it can be called again.
    async fn desk(&mut self) -> Result<Desk, Refusal> {
        if let Some(writing) = &mut self.writing {
            let written = writing.await;
            self.writing = None;
            self.desk = Some(flatten(written)?);
        }
        self.desk.take().ok_or_else(|| Refusal::from(Reason::StoreUnavailable))
    }

    /// Writes what is left and syncs it. With a scanner, or without hashes, all of the file is read once more.
    pub(super) async fn finish(mut self, scanner: Option<Scanner>) -> Result<(Spooled, ([u8; 32], [u8; 32])), Refusal> {
        let mut desk = self.desk().await?;
        let block = std::mem::take(&mut self.block);
        let last = spawn_blocking(move || {
            desk.take(&block).map_err(|error| failed(&error))?;
            let hashes = match (desk.hashes.take(), scanner) {
                (Some(hashes), None) => hashes,
                (_, scanner) => read_again(&mut desk.file, scanner)?,
            };
            let spooled = desk.file.finish_blocking().map_err(|error| failed(&error))?;
            Ok((spooled, hashes.finish()))
        });
        last.await.unwrap_or_else(|error| Err(failed(&io::Error::other(error))))
    }

    /// Writes what is left and syncs it.
    pub(super) async fn pause(mut self) -> Result<(SpoolFile, Option<Hashes>), Refusal> {
        let mut desk = self.desk().await?;
        let block = std::mem::take(&mut self.block);
        let last = spawn_blocking(move || {
            desk.take(&block)?;
            desk.file.sync()?;
            Ok((desk.file, desk.hashes))
        });
        flatten(last.await)
    }
}

/// What an earlier run has written was hashed and scanned by that run only.
fn read_again(file: &mut SpoolFile, mut scanner: Option<Scanner>) -> Result<Hashes, Refusal> {
    let mut hashes = Hashes::new();
    let mut verdict = Ok(());
    let read = file.reread(|bytes| {
        hashes.update(bytes);
        if let (Some(scanner), Ok(())) = (&mut scanner, verdict) {
            verdict = scanner.push(bytes);
        }
    });
    read.map_err(|error| failed(&error))?;
    verdict.map(|()| hashes)
}
