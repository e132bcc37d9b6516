//! Where the records of a relay and the bodies of its messages are kept.
//!
//! [`Store`] has one writer, the engine's committer; [`Bodies`] reads from any thread. Two stores: [`memory`], the double of
//! the tests, and [`embedded`], on the journal. One suite of tests runs over both. Several nodes may share one of them: [`log`].

pub mod embedded;
pub mod log;
pub mod memory;

use crate::journal::JournalError;
use crate::vault::VaultError;
use parking_lot::Mutex;
use tertulia_chat_core::{BodyRef, Dead, MessageId, Position, Record, Relay};
use tertulia_common::Timestamp;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The journal's reason.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The vault's reason.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A record that can't be read: written by a newer program, or damaged.
    #[error("a record of the journal can't be read")]
    Record,
    /// The records don't make a whole.
    #[error(transparent)]
    Incomplete(#[from] tertulia_chat_core::Incomplete),
    /// Another node owns the slice now: nothing of what was pushed was kept, and nothing is to be confirmed.
    #[error("another node has taken over")]
    Fenced,
    /// What followed on what was read last is there no longer: whoever reads must begin anew.
    #[error("what followed is there no longer")]
    Behind,
    /// What was read does not fit what was known.
    #[error(transparent)]
    Diverged(#[from] tertulia_chat_core::Diverged),
    /// The body is not there: nobody waits for it any longer.
    #[error("the message's body is gone")]
    Gone,
    /// No thread can be started.
    #[error("no thread can be started")]
    Thread(#[source] std::io::Error),
    /// The folder can't be used.
    #[error("the chat's folder")]
    Folder(#[source] std::io::Error),
}

/// A message's body on its way in.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// The message's number.
    pub position: Position,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// One relay's records and bodies, for their one writer.
pub trait Store: Send {
    /// Adds a record to what the next [`Self::commit`] writes, a message's with its body, and says where the body will be.
    ///
    /// # Errors
    /// The store is of no use any longer then: the program ends, and finds what was durable at the next start.
    fn push(&mut self, record: &Record, body: Option<Body<'_>>) -> Result<BodyRef, StoreError>;

    /// Writes what was pushed; `sync`: it is durable when this returns. Otherwise it is with the next that is.
    ///
    /// # Errors
    /// As [`Self::push`].
    fn commit(&mut self, sync: bool) -> Result<(), StoreError>;

    /// Whether there is no room for much more: what is new is to be refused, before anything of it is decided.
    fn is_short(&self) -> bool;

    /// Nobody waits for these any longer. They can be read until [`Self::tidy`].
    fn release(&mut self, dead: &[Dead]);

    /// Makes what was released unreadable, and gives back its room. Called every few seconds.
    ///
    /// # Errors
    /// As [`Self::push`].
    fn tidy(&mut self, relay: &Mutex<Relay>, now: Timestamp) -> Result<(), StoreError>;

    /// It is this relay's from now on: what lives in it is what that knows of. For a node that takes over.
    fn adopt(&mut self, relay: &Relay);

    /// Reads bodies.
    fn bodies(&self) -> Box<dyn Bodies>;

    /// What it has done, for the metrics.
    fn figures(&self) -> Figures;
}

/// Reads bodies, from any thread.
pub trait Bodies: Send + Sync {
    /// The body of a message.
    ///
    /// # Errors
    /// [`StoreError::Gone`] if it has been moved or forgotten: whoever asks looks again where it is.
    fn read(
        &self,
        message: MessageId,
        position: Position,
        sent_at: Timestamp,
        at: BodyRef,
    ) -> Result<Vec<u8>, StoreError>;
}

/// What a store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Times it waited for the disk.
    pub syncs: u64,
    /// Bytes it wrote.
    pub bytes: u64,
    /// Bytes it takes now.
    pub size: u64,
    /// Bytes of them that somebody waits for.
    pub live: u64,
}
