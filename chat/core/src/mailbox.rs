//! A mailbox: how far one device has come, and what was handed to it.
//!
//! ```text
//!   had | handed out, not acknowledged | not handed out
//!   acknowledged                     handed            settled
//! ```
//!
//! Invariants: `acknowledged ≤ handed ≤ settled`. What is handed out rises, without a hole among what is the device's. A device
//! that is not **following** is read to from the conversations; one that follows has been handed everything settled, and is
//! handed what is settled next at once.

use crate::Limits;
use crate::dedup::Dedup;
use crate::id::{BodyRef, ConvRef, ConversationId, MessageId, Position, Seq, UserRef};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tertulia_common::{DeviceId, Timestamp, UserId};

/// Something that a mailbox shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A message.
    Entry(Entry),
    /// How far members of a conversation have come.
    Receipts {
        /// The place of the change.
        position: Position,
        /// Which conversation.
        conversation: ConversationId,
        /// Those who have moved, or everybody who has moved at all.
        receipts: Vec<Receipt>,
        /// In a group: how far everybody has come but the reader.
        everyone: Option<Least>,
    },
    /// Here something was, and was given up.
    Gap {
        /// Everything up to there that was not acknowledged.
        upto: Position,
        /// Why.
        reason: GapReason,
    },
}

impl Item {
    /// Its place.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::Entry(entry) => entry.position,
            Self::Receipts { position, .. } => *position,
            Self::Gap { upto, .. } => *upto,
        }
    }

    /// About how long it is on its way to a reader, beside what every item takes.
    pub(crate) fn bytes(&self) -> u32 {
        match self {
            Self::Entry(entry) => entry.body.len,
            Self::Receipts { receipts, .. } => receipts_bytes(receipts),
            Self::Gap { .. } => 0,
        }
    }
}

/// A message in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in mailboxes.
    pub position: Position,
    /// Which message.
    pub id: MessageId,
    /// Who sent it.
    pub sender: UserId,
    /// Between two people: to whom. None in a group.
    pub to: Option<UserId>,
    /// It is no message but says how the group was changed: its body is an [`crate::Event`].
    pub is_event: bool,
    /// When.
    pub sent_at: Timestamp,
    /// Where its body is.
    pub body: BodyRef,
}

/// How far one member has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who.
    pub user: UserId,
    /// Some device of theirs has everything up to here.
    pub delivered: Seq,
    /// They have read up to here.
    pub read: Seq,
}

/// How far the last of several members has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Least {
    /// Each has everything up to here that was sent while they were a member.
    pub delivered: Seq,
    /// And has read it up to here.
    pub read: Seq,
}

/// About how long receipts are on their way: each has a user's id.
pub(crate) fn receipts_bytes(receipts: &[Receipt]) -> u32 {
    u32::try_from(receipts.len()).unwrap_or(u32::MAX).saturating_mul(96)
}

/// Why entries were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GapReason {
    /// They have waited as long as they are kept.
    Expired,
    /// Too many waited.
    Quota,
}

/// What was handed to a reader and not acknowledged, in order: the reader's debt, which its credit bounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owed {
    items: VecDeque<(Position, ConvRef, u32)>,
    bytes: usize,
}

impl Owed {
    /// Whether an item of this length may be added. One may always, or nothing would ever come.
    pub(crate) fn has_room(&self, bytes: u32, limits: &Limits) -> bool {
        self.items.is_empty()
            || (self.items.len() < limits.unacknowledged_max
                && self.bytes + bytes as usize <= limits.unacknowledged_bytes_max)
    }

    pub(crate) fn push(&mut self, position: Position, conversation: ConvRef, bytes: u32) {
        self.items.push_back((position, conversation, bytes));
        self.bytes += bytes as usize;
    }

    /// The first item, if it stands no higher than there.
    pub(crate) fn pop(&mut self, upto: Position) -> Option<(Position, ConvRef)> {
        self.items.front().filter(|(position, ..)| *position <= upto)?;
        let (position, conversation, bytes) = self.items.pop_front()?;
        self.bytes -= bytes as usize;
        Some((position, conversation))
    }

    /// Nobody reads any longer.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A device's mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    pub(crate) user: UserRef,
    /// None for what waits for a user's first device.
    pub(crate) device: Option<DeviceId>,
    /// Closed mailboxes keep their number: entries name it as their sender.
    pub(crate) open: bool,
    pub(crate) acknowledged: Position,
    /// It was ever to get only what is above: what it has is from here to `acknowledged`.
    pub(crate) since: Position,
    /// It has borne its device's name since then: what its user sent from other devices before is not for it.
    pub(crate) opened: Position,
    pub(crate) handed: Position,
    /// Handed out and not acknowledged.
    pub(crate) owed: Owed,
    /// Entries that wait for it, handed out or not.
    pub(crate) depth: u32,
    /// Who reads it now, by the reader's own number.
    pub(crate) reader: Option<u64>,
    pub(crate) following: bool,
    /// The receipts that were on their way to the disk when it began to follow are up to here. They hid the ones before them from
    /// the reading: they come with all figures, not only with those that moved.
    pub(crate) began: Position,
    pub(crate) gap: Option<(Position, GapReason)>,
    /// The reader has heard of it.
    pub(crate) gap_told: bool,
    pub(crate) sent: Dedup,
}

impl Mailbox {
    /// Gets what is above `since`; of its user's own messages, those above `opened`.
    pub(crate) fn new(user: UserRef, device: Option<DeviceId>, since: Position, opened: Position) -> Self {
        Self {
            user,
            device,
            open: true,
            acknowledged: since,
            since,
            opened,
            handed: since,
            owed: Owed::default(),
            depth: 0,
            reader: None,
            following: false,
            began: Position(0),
            gap: None,
            gap_told: false,
            sent: Dedup::default(),
        }
    }
}
