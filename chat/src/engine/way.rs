//! What a node that follows asks of the one that owns the slice, and how it gets there.
//!
//! Invariant: everything that is asked may be asked again, until it is answered, and is done once: messages, changes and notes have
//! names of their own, the rest only rises. So an answer that was lost costs nothing but time.

use super::{Engine, GroupChanged, Rejected};
use crate::engine::Command;
use bytes::Bytes;
use std::sync::Weak;
use tertulia_chat_core::{Ask, ConversationId, Note, Position, Sent, Seq, Submit};
use tertulia_common::{DeviceId, UserId};

/// What is asked of an owner. People and devices are named: their numbers differ from node to node.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A device's mailbox is to be opened.
    Open {
        /// Whose.
        user: UserId,
        /// Which.
        device: DeviceId,
    },
    /// A message is sent.
    Send {
        /// Whose it is.
        user: UserId,
        /// From which device.
        device: DeviceId,
        /// Where to, and under which name.
        submit: Submit,
        /// What it says.
        body: Bytes,
        /// What the device has acknowledged by then: it is written with the message at the latest.
        had: Position,
    },
    /// The server notes something.
    Note {
        /// What.
        note: Note,
        /// What it says.
        body: Bytes,
    },
    /// A device has everything up to there: its reader, on the node that asks, was handed it.
    Acknowledge {
        /// Whose.
        user: UserId,
        /// Which.
        device: DeviceId,
        /// Up to where.
        upto: Position,
    },
    /// Somebody has read up to there.
    Read {
        /// Who.
        user: UserId,
        /// On which device.
        device: DeviceId,
        /// Which conversation.
        conversation: ConversationId,
        /// Up to where.
        upto: Seq,
    },
    /// A device is unlinked.
    Close {
        /// Whose.
        user: UserId,
        /// Which. Its id is never given to another.
        device: DeviceId,
    },
    /// A person is gone.
    Remove {
        /// Who.
        user: UserId,
    },
    /// A group is changed.
    Change(Ask),
}

impl Asked {
    /// It is to be done however busy the owner is.
    pub(super) fn is_owed(&self) -> bool {
        matches!(self, Self::Acknowledge { .. } | Self::Close { .. } | Self::Remove { .. })
    }
}

/// What an owner says. It is durable then.
#[derive(Clone, Debug)]
pub enum Answered {
    /// It is done.
    Done,
    /// The message, or note, stands there.
    Sent(Sent),
    /// The group was changed.
    Changed(GroupChanged),
}

/// Hears what became of something. Dropped unheard: nobody knows, it is asked again.
pub type Answer = Box<dyn FnOnce(Result<Answered, Rejected>) + Send>;

/// The way to whoever owns the slice: in one process a call, between two a connection.
pub trait Way: Send + Sync {
    /// Asks. Must not wait for the answer. [`Rejected::Ended`] says that whoever was asked does not own the slice: as if unheard.
    fn ask(&self, asked: Asked, answer: Answer);
}

impl<F: Fn(Asked, Answer) + Send + Sync> Way for F {
    fn ask(&self, asked: Asked, answer: Answer) {
        self(asked, answer);
    }
}

/// The way to an engine of the same process.
impl Way for Weak<Engine> {
    fn ask(&self, asked: Asked, answer: Answer) {
        if let Some(owner) = self.upgrade() {
            owner.asked(asked, answer);
        }
    }
}

impl Engine {
    /// A node that follows asks: the other end of its [`Way`]. Whoever does not own the slice answers [`Rejected::Ended`].
    pub fn asked(&self, asked: Asked, answer: Answer) {
        self.ask(Command::Asked { asked, answer });
    }
}
