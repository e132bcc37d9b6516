//! What must be durable: everything a relay knows can be told in these, and told again after a crash.
//!
//! Invariant: applying a record twice, or an older one after a newer, changes nothing: numbers merge by maximum, a list of
//! members carries a version. So a store may copy what still lives behind what is newer, and be killed half-way.

use crate::conversation::{Kind, Role};
use crate::group::{About, InviteHash, KnownChange};
use crate::id::{ClientId, ConversationId, MessageId, Position, Seq};
use crate::mailbox::GapReason;
use serde::{Deserialize, Serialize};
use tertulia_common::{DeviceId, Timestamp, UserId};

/// One durable fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A message was sent. Its body, sealed, follows the record in the store.
    Message {
        /// Where.
        conversation: ConversationId,
        /// Its place there.
        seq: Seq,
        /// Its place in mailboxes.
        position: Position,
        /// When, by the relay's clock.
        sent_at: Timestamp,
        /// Who sent it.
        sender: UserId,
        /// From which device.
        device: DeviceId,
        /// Under which name of the device's own.
        client_id: ClientId,
        /// Tells another body under the same name.
        digest: u64,
        /// Only for its sender's own devices.
        withheld: bool,
    },
    /// A device has everything up to there.
    Acknowledged {
        /// Whose.
        user: UserId,
        /// Which; none for what waits for a user's first device.
        device: Option<DeviceId>,
        /// Up to where.
        upto: Position,
    },
    /// Who has what of a conversation: only the members that moved.
    Receipts {
        /// Which conversation.
        conversation: ConversationId,
        /// The place of this change in mailboxes.
        position: Position,
        /// Member, delivered up to, read up to.
        moved: Vec<(UserId, Seq, Seq)>,
    },
    /// A conversation as it is now: when it begins, when its members change, and when the store moves it.
    Conversation {
        /// Which.
        id: ConversationId,
        /// Of what kind.
        kind: Kind,
        /// Rises with each change of the members.
        version: u64,
        /// Everyone who is, or was and still has entries to come.
        members: Vec<MemberRecord>,
        /// The last message's place; zero before the first.
        last: Seq,
        /// The last change of receipts.
        receipts_at: Position,
    },
    /// A mailbox as it is now: when it is opened, and when the store moves it.
    Device {
        /// Whose.
        user: UserId,
        /// Which; none for what waits for a user's first device.
        device: Option<DeviceId>,
        /// Has everything up to there.
        acknowledged: Position,
        /// It was ever to get only what is above.
        since: Position,
        /// It has borne the device's name since then.
        opened: Position,
        /// What was given up, while the device has not heard of it.
        gap: Option<(Position, GapReason)>,
        /// Its latest messages, oldest first.
        sent: Vec<SentRecord>,
    },
    /// A mailbox is closed: what waited in it is for nobody, unless it was the user's last.
    Closed {
        /// Whose.
        user: UserId,
        /// Which; none for what waited for a first device, which has come.
        device: Option<DeviceId>,
    },
    /// Nothing durable is above this position: a mark that outlives the entries below it.
    Reached {
        /// The highest position.
        position: Position,
    },
    /// A group was changed: the entry that says so. What it says, sealed, follows the record in the store.
    Event {
        /// Which group.
        conversation: ConversationId,
        /// The entry's place there.
        seq: Seq,
        /// Its place in mailboxes.
        position: Position,
        /// When.
        sent_at: Timestamp,
        /// Who changed it.
        by: UserId,
    },
    /// A group as it is now: with every change of it, and when the store moves it.
    Group {
        /// Which.
        id: ConversationId,
        /// Rises with each change.
        version: u64,
        /// What it is called, and who may do what.
        about: About,
        /// Whoever shows what this is the hash of may join.
        invite: Option<InviteHash>,
        /// It is over: nobody is in it.
        ended: bool,
        /// Everyone who is, or was and still has entries to come.
        members: Vec<GroupMember>,
        /// The latest changes, oldest first.
        changes: Vec<KnownChange>,
        /// The last entry's place.
        last: Seq,
        /// The last change of receipts.
        receipts_at: Position,
    },
    /// The server noted something. What it says, sealed, follows the record in the store.
    Note {
        /// In which conversation.
        conversation: ConversationId,
        /// Its place there.
        seq: Seq,
        /// Its place in mailboxes.
        position: Position,
        /// When.
        sent_at: Timestamp,
        /// In whose name.
        by: UserId,
        /// Its own name.
        client_id: ClientId,
        /// Only for the devices of that one.
        withheld: bool,
    },
    /// The latest notes: when the store moves one.
    Notes {
        /// In order.
        known: Vec<KnownNote>,
    },
}

impl Record {
    /// Of an entry, that a body belongs to: which it is, its place in mailboxes, and when it was sent.
    #[must_use]
    pub fn entry(&self) -> Option<(MessageId, Position, Timestamp)> {
        match self {
            Self::Message { conversation, seq, position, sent_at, .. }
            | Self::Event { conversation, seq, position, sent_at, .. }
            | Self::Note { conversation, seq, position, sent_at, .. } => {
                Some((MessageId { conversation: *conversation, seq: *seq }, *position, *sent_at))
            }
            _ => None,
        }
    }
}

/// A member in a [`Record::Group`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// As in any conversation.
    pub member: MemberRecord,
    /// Times before, with entries still to come: above the first, up to the second.
    pub earlier: Vec<(Position, Position)>,
    /// The group's last place when they came.
    pub since: Seq,
    /// They have written something.
    pub wrote: bool,
}

/// A member in a [`Record::Conversation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// Gets what is above.
    pub from: Position,
    /// And up to here, after leaving.
    pub until: Option<Position>,
    /// Some device of theirs has everything up to here.
    pub delivered: Seq,
    /// They have read up to here.
    pub read: Seq,
}

/// A message as its sender's device knows it, in a [`Record::Device`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentRecord {
    /// The device's own name for it.
    pub client_id: ClientId,
    /// Tells another body under the same name.
    pub digest: u64,
    /// Where it went.
    pub conversation: ConversationId,
    /// Its place there.
    pub seq: Seq,
    /// When.
    pub sent_at: Timestamp,
}

/// A note as it is known by its name, in a [`Record::Notes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownNote {
    /// Its name.
    pub client_id: ClientId,
    /// Its place in mailboxes.
    pub position: Position,
    /// Where it is.
    pub conversation: ConversationId,
    /// Its place there.
    pub seq: Seq,
    /// When.
    pub sent_at: Timestamp,
}
