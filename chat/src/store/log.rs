//! One log that several nodes share: one of them owns it and writes, the others follow.
//!
//! ```text
//!   owner ── push, commit ──▶ log ── read ──▶ followers        claim: a higher fence; whoever held a lower one is refused
//!                              └── a hint that there is more ──▶ (it may be lost: they also look by themselves)
//! ```
//!
//! Invariants: only who holds the newest fence commits. What a node reads is durable, in the order in which it was committed, and
//! ends where a commit ended. Who has claimed, and read to the end, knows everything that was ever confirmed.
//!
//! What the calls become on distributed engines, where a slice is a partition:
//!
//! | here | there |
//! |---|---|
//! | [`Log::claim`] | Kafka: `initTransactions` under the slice's transactional id, which ends what was begun and fences who had it; who may try is a lease in Redis (`SET … NX PX`) |
//! | [`Store::push`] | Cassandra: insert of the body by (bucket, position), before its record goes to Kafka |
//! | [`Store::commit`] | Kafka: the records in one transaction with `acks=all`; [`StoreError::Fenced`] is `ProducerFenced` |
//! | [`Log::restore`], [`Log::read`] | Kafka: a snapshot, then the partition from its offset on, `read_committed` |
//! | [`Log::watch`] | Redis: sharded publish and subscribe, one channel a node, without content |
//! | [`Store::release`], [`Store::tidy`] | Cassandra: buckets of time that expire whole; snapshots of what lives, then `deleteRecords` below them |
//! | [`Bodies::read`](super::Bodies::read) | Cassandra: select by (bucket, position) |

use super::{Bodies, Body, Figures, Store, StoreError};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use tertulia_chat_core::{BodyRef, ConversationId, Dead, Limits, Record, Relay, Restoring};
use tertulia_common::Timestamp;

/// Conversations that have one owner together, and one log. All of them today: a mailbox has one cursor, so it lies in one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slice(u32);

impl Slice {
    /// That of a conversation.
    #[must_use]
    pub fn of(_: ConversationId) -> Self {
        Self(0)
    }
}

/// How far somebody has read. Its meaning is the log's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Which file, or how many records.
    pub file: u64,
    /// Where in it.
    pub offset: u32,
}

/// A slice's log, as each of the nodes that share it has it.
pub trait Log: Send + Sync {
    /// Which slice it is of.
    fn slice(&self) -> Slice;

    /// Takes the slice over. Whoever had it is refused from now on ([`StoreError::Fenced`]), and what they had not committed is gone.
    /// Who has claimed it reads to the end, and [`Store::adopt`]s what they know then, before they write.
    ///
    /// # Errors
    /// The store's.
    fn claim(&self) -> Result<Box<dyn Store>, StoreError>;

    /// The relay as what is durable says, and up to where that was read.
    ///
    /// # Errors
    /// The store's.
    fn restore(&self, limits: Limits) -> Result<(Relay, Mark), StoreError>;

    /// Hands out what became durable after a mark, and says how far that went.
    ///
    /// # Errors
    /// [`StoreError::Behind`]: begin anew, with [`Self::restore`].
    fn read(&self, after: Mark, each: &mut dyn FnMut(Record, BodyRef)) -> Result<Mark, StoreError>;

    /// Reads bodies.
    fn bodies(&self) -> Box<dyn Bodies>;

    /// Calls this whenever there may be more to read, until it answers false. A hint may be lost, and come for nothing. It must
    /// not wait for anything.
    fn watch(&self, hint: Hint);
}

/// Told that there may be more to read. False: nobody cares any longer.
pub type Hint = Box<dyn Fn() -> bool + Send + Sync>;

/// What a store must be able to do beside, for nodes of one process to share it.
pub trait Shareable: Store {
    /// Before everything that is there.
    fn beginning(&self) -> Mark;

    /// Drops what was pushed and not committed; what was committed is durable when this returns.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn abandon(&mut self) -> Result<(), StoreError>;

    /// As [`Log::read`].
    ///
    /// # Errors
    /// As [`Log::read`].
    fn read(&self, after: Mark, each: &mut dyn FnMut(Record, BodyRef)) -> Result<Mark, StoreError>;
}

/// A store that nodes of one process share.
pub struct Shared<S>(Arc<Inner<S>>);

struct Inner<S> {
    kept: Mutex<Kept<S>>,
    hints: Mutex<Vec<Hint>>,
}

struct Kept<S> {
    store: S,
    /// The newest.
    fence: u64,
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Shareable> Shared<S> {
    /// Shares a store. Nobody owns it yet.
    pub fn new(store: S) -> Self {
        Self(Arc::new(Inner { kept: Mutex::new(Kept { store, fence: 0 }), hints: Mutex::default() }))
    }
}

impl<S: Shareable + 'static> Log for Shared<S> {
    fn slice(&self) -> Slice {
        Slice::default()
    }

    fn claim(&self) -> Result<Box<dyn Store>, StoreError> {
        let mut kept = self.0.kept.lock();
        kept.fence += 1;
        kept.store.abandon()?;
        Ok(Box::new(Held { inner: Arc::clone(&self.0), fence: kept.fence, is_new: false }))
    }

    fn restore(&self, limits: Limits) -> Result<(Relay, Mark), StoreError> {
        let mut restoring = Restoring::new(limits);
        let kept = self.0.kept.lock();
        let mark = kept.store.read(kept.store.beginning(), &mut |record, body| restoring.restore(record, body))?;
        drop(kept);
        Ok((restoring.finish()?, mark))
    }

    fn read(&self, after: Mark, each: &mut dyn FnMut(Record, BodyRef)) -> Result<Mark, StoreError> {
        self.0.kept.lock().store.read(after, each)
    }

    fn bodies(&self) -> Box<dyn Bodies> {
        self.0.kept.lock().store.bodies()
    }

    fn watch(&self, hint: Hint) {
        self.0.hints.lock().push(hint);
    }
}

/// The store as its owner has it.
struct Held<S> {
    inner: Arc<Inner<S>>,
    fence: u64,
    /// Something was pushed that followers have not been told of.
    is_new: bool,
}

impl<S: Shareable> Held<S> {
    /// The store, if it is still ours.
    fn ours(&self) -> Result<MutexGuard<'_, Kept<S>>, StoreError> {
        let kept = self.inner.kept.lock();
        if kept.fence == self.fence { Ok(kept) } else { Err(StoreError::Fenced) }
    }
}

impl<S: Shareable> Store for Held<S> {
    fn push(&mut self, record: &Record, body: Option<Body<'_>>) -> Result<BodyRef, StoreError> {
        self.is_new = true;
        self.ours()?.store.push(record, body)
    }

    fn commit(&mut self, sync: bool) -> Result<(), StoreError> {
        self.ours()?.store.commit(sync)?;
        if sync && std::mem::take(&mut self.is_new) {
            self.inner.hints.lock().retain(|hint| hint());
        }
        Ok(())
    }

    fn is_short(&self) -> bool {
        self.inner.kept.lock().store.is_short()
    }

    fn release(&mut self, dead: &[Dead]) {
        if let Ok(mut kept) = self.ours() {
            kept.store.release(dead);
        }
    }

    fn tidy(&mut self, relay: &Mutex<Relay>, now: Timestamp) -> Result<(), StoreError> {
        self.is_new = true;
        self.ours()?.store.tidy(relay, now)
    }

    fn adopt(&mut self, relay: &Relay) {
        if let Ok(mut kept) = self.ours() {
            kept.store.adopt(relay);
        }
    }

    fn bodies(&self) -> Box<dyn Bodies> {
        self.inner.kept.lock().store.bodies()
    }

    fn figures(&self) -> Figures {
        self.inner.kept.lock().store.figures()
    }
}
