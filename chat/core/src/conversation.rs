//! A conversation: its members, its entries that somebody still waits for, and how far everyone has come.

use crate::group::{Everyone, Group};
use crate::id::{BodyRef, ConversationId, DeviceRef, Position, Seq, UserRef};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tertulia_common::Timestamp;

/// What kind a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Between two people, or of one with themselves.
    Direct,
    /// A group.
    Group,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// May write.
    Member,
    /// May change the group.
    Admin,
    /// Made it, or was handed it.
    Owner,
}

/// Somebody in a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) user: UserRef,
    pub(crate) role: Role,
    /// Gets what is above.
    pub(crate) from: Position,
    /// And up to here, after leaving.
    pub(crate) until: Option<Position>,
    pub(crate) delivered: Seq,
    pub(crate) read: Seq,
    /// The same figures as they were last told, and are durable.
    pub(crate) told: (Seq, Seq),
    /// Their figures have moved since the last receipts were told.
    pub(crate) moved: bool,
    /// They have written something: whom receipts are for.
    pub(crate) wrote: bool,
    /// Times before that they were a member of a group, while a device of theirs waits for something of then: above the first,
    /// up to the second.
    pub(crate) earlier: Vec<(Position, Position)>,
    /// The conversation's last place when they came: nobody waits for them to have what was before.
    pub(crate) since: Seq,
}

impl Member {
    pub(crate) fn new(user: UserRef, role: Role, from: Position) -> Self {
        Self {
            user,
            role,
            from,
            until: None,
            delivered: Seq(0),
            read: Seq(0),
            told: (Seq(0), Seq(0)),
            moved: false,
            wrote: false,
            earlier: Vec::new(),
            since: Seq(0),
        }
    }

    /// Whether an entry at this position is theirs.
    pub(crate) fn gets(&self, position: Position) -> bool {
        let now = position > self.from && self.until.is_none_or(|until| position <= until);
        now || self.earlier.iter().any(|(from, until)| position > *from && position <= *until)
    }

    pub(crate) fn is_in(&self) -> bool {
        self.until.is_none()
    }

    /// Whether figures that were told at this position are for them. Those of before they came are not: figures of who came back while
    /// they were out begin anew, and an entry that says that they came themselves is to be heard first.
    pub(crate) fn hears(&self, position: Position) -> bool {
        self.is_in() && position > self.from
    }
}

/// Who made an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// A message: the device that sent it, which does not get it.
    Device(DeviceRef),
    /// A change of the group: who made it. All their devices get it, too.
    Change(UserRef),
    /// A note of the server's: in whose name. All their devices get it, too.
    Note(UserRef),
}

/// An entry that is kept because a device still waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) position: Position,
    pub(crate) seq: Seq,
    pub(crate) sent_at: Timestamp,
    pub(crate) author: Author,
    pub(crate) body: BodyRef,
    /// Only for its sender's own devices.
    pub(crate) withheld: bool,
    /// Devices that have not acknowledged it.
    pub(crate) owed: u32,
}

/// A conversation. Invariant: `entries` rise in position and in seq.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    pub(crate) id: ConversationId,
    pub(crate) kind: Kind,
    pub(crate) version: u64,
    pub(crate) members: Vec<Member>,
    pub(crate) entries: VecDeque<Kept>,
    pub(crate) last: Seq,
    /// The last entry's position, kept or not: nothing above it is in here.
    pub(crate) last_at: Position,
    pub(crate) receipts_at: Position,
    /// Somebody's figures have moved.
    pub(crate) moved: bool,
    /// Somebody has left since figures were told: what all others have may be more now, though nobody's has moved.
    pub(crate) left: bool,
    /// Somebody has read: they are told with the next receipts, however lately others were.
    pub(crate) hurries: bool,
    /// It was told of too lately, and waits.
    pub(crate) waits: bool,
    /// When its figures were last told.
    pub(crate) told_at: Timestamp,
    /// What makes it a group.
    pub(crate) group: Option<Box<Group>>,
    /// How far everybody had come at `receipts_at`.
    pub(crate) everyone: Everyone,
}

impl Conversation {
    pub(crate) fn new(id: ConversationId, kind: Kind) -> Self {
        Self {
            id,
            kind,
            version: 0,
            members: Vec::new(),
            entries: VecDeque::new(),
            last: Seq(0),
            last_at: Position(0),
            receipts_at: Position(0),
            moved: false,
            left: false,
            hurries: false,
            waits: false,
            told_at: Timestamp(0),
            group: None,
            everyone: Everyone::default(),
        }
    }

    pub(crate) fn member(&self, user: UserRef) -> Option<&Member> {
        self.members.iter().find(|member| member.user == user)
    }

    pub(crate) fn member_mut(&mut self, user: UserRef) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.user == user)
    }

    /// The index of the first kept entry above a position.
    pub(crate) fn first_above(&self, position: Position) -> usize {
        if self.last_at <= position {
            return self.entries.len();
        }
        self.entries.partition_point(|entry| entry.position <= position)
    }

    pub(crate) fn at(&self, position: Position) -> Option<usize> {
        let index = self.entries.partition_point(|entry| entry.position < position);
        self.entries.get(index).filter(|entry| entry.position == position).map(|_| index)
    }

    /// Drops entries at the front that nobody waits for. What is in the middle waits for what is before it.
    pub(crate) fn shed(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.owed == 0) {
            self.entries.pop_front();
        }
        if self.entries.is_empty() {
            // Most conversations are quiet: give the room back.
            self.entries = VecDeque::new();
        }
    }
}
