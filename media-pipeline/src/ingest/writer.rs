//! Hashes and writes blocks where waiting for a disk holds nobody up.
//!
//! Invariant: while one block fills, one is being hashed and written and one waits for that, no more. A stalled upload holds no
//! thread, and no block but the one that fills.

use super::spool::{SpoolFile, Spooled, failed, flatten};
use crate::hash::Hashes;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use tertulia_media_core::boxes::Scanner;
use tertulia_media_core::{Reason, Refusal};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

/// Bytes that are hashed and written at once. Raising it costs memory, three times as much for each upload in flight; lowering
/// it costs a hand-over to another thread for each.
pub const BLOCK_BYTES: usize = 256 * 1024;

/// What a block is written with.
struct Desk {
    file: SpoolFile,
    hashes: Option<Hashes>,
}

impl Desk {
    fn take(&mut self, block: &[u8]) -> io::Result<()> {
        // First what the disk can be busy with meanwhile.
        self.file.append(block)?;
        if let Some(hashes) = &mut self.hashes {
            hashes.update(block);
        }
        Ok(())
    }
}

/// What the one who fills blocks and the thread that writes them share.
struct Shared {
    state: Mutex<State>,
    /// Told whenever something in it has changed. There is one who waits.
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Not there while a thread writes, and after an error.
    desk: Option<Desk>,
    /// To be written next.
    next: Option<Vec<u8>>,
    /// To fill next.
    spare: Option<Vec<u8>>,
    /// Nobody wants what is still to be written.
    is_abandoned: bool,
    has_failed: bool,
}

impl Shared {
    /// Writes until there is nothing left, then puts the desk back.
    fn work(&self, mut desk: Desk) {
        // Where writing panics nobody waits for it any longer.
        let mut failing = Failing { shared: self, is_armed: true };
        loop {
            let mut state = self.state.lock();
            let Some(block) = state.next.take().filter(|_| !state.is_abandoned) else {
                state.spare = None;
                state.desk = Some(desk);
                break;
            };
            drop(state);
            self.changed.notify_one();
            if let Err(error) = desk.take(&block) {
                let _logged = failed(&error);
                return;
            }
            let mut spare = block;
            spare.clear();
            self.state.lock().spare = Some(spare);
        }
        failing.is_armed = false;
        self.changed.notify_one();
    }
}

struct Failing<'a> {
    shared: &'a Shared,
    is_armed: bool,
}

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if self.is_armed {
            self.shared.state.lock().has_failed = true;
            self.shared.changed.notify_one();
        }
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    block: Vec<u8>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.state.lock().is_abandoned = true;
    }
}

impl Writer {
    pub(super) fn new(file: SpoolFile, hashes: Option<Hashes>) -> Self {
        let state = State { desk: Some(Desk { file, hashes }), ..State::default() };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }), block: Vec::new() }
    }

    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let taken = bytes.len().min(BLOCK_BYTES - self.block.len());
            self.block.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.block.len() == BLOCK_BYTES {
                while !self.hand_over()? {
                    self.shared.changed.notified().await;
                }
            }
        }
        Ok(())
    }

    /// Hands the full block over and takes an empty one, if there is a place for it.
    fn hand_over(&mut self) -> Result<bool, Refusal> {
        let mut state = self.shared.state.lock();
        if state.has_failed {
            return Err(Reason::StoreUnavailable.into());
        }
        if state.next.is_some() {
            return Ok(false);
        }
        let empty = state.spare.take().unwrap_or_else(|| Vec::with_capacity(BLOCK_BYTES));
        state.next = Some(std::mem::replace(&mut self.block, empty));
        if let Some(desk) = state.desk.take() {
            let shared = Arc::clone(&self.shared);
            drop(spawn_blocking(move || shared.work(desk)));
        }
        Ok(true)
    }

    /// Waits until all that was handed over is written. Cancelled, it can be called again.
    async fn desk(&mut self) -> Result<Desk, Refusal> {
        loop {
            {
                let mut state = self.shared.state.lock();
                if let Some(desk) = state.desk.take() {
                    return Ok(desk);
                }
                if state.has_failed {
                    return Err(Reason::StoreUnavailable.into());
                }
            }
            self.shared.changed.notified().await;
        }
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
