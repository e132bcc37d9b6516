//! Looking at messages without taking them, as the gateway asks for it.
//!
//! Invariant: what is told is durable: the committer looks, and answers with its batch.

use super::{Command, Engine, Rejected, postman};
use crate::store::StoreError;
use bytes::Bytes;
use tertulia_chat_core::{Entry, Look, Looked};
use tertulia_common::UserId;

impl Engine {
    /// Looks at what waits for somebody and what they have sent. The answer comes from the committer's thread.
    pub fn look(&self, look: Look, answer: impl FnOnce(Result<Looked, Rejected>) + Send + 'static) {
        self.ask(Command::Look { look, reply: Box::new(answer) });
    }

    /// Whether two are together in a conversation, or a group: as it is decided, perhaps not durable yet.
    #[must_use]
    pub fn have_met(&self, one: &UserId, other: &UserId) -> bool {
        self.shared.relay.lock().have_met(one, other)
    }

    /// What an entry that was found says. Waits for the disk.
    ///
    /// # Errors
    /// [`StoreError::Gone`] if nobody waits for it any longer.
    pub fn body(&self, entry: &Entry) -> Result<Bytes, StoreError> {
        postman::body(&self.shared, entry)
    }
}
