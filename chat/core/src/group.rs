//! What makes a conversation a group: what it is called, who may do what, its invitation, and how far everybody has come.
//!
//! A group changes by [`Change`]s. What a change did is an entry of the conversation, an [`Event`]: it has a place like a
//! message, is kept and acknowledged like one, and members see both in one order. Invariant: of an invitation only the hash is
//! known here.

use crate::conversation::Role;
use crate::id::{ClientId, ConversationId, MessageId, Position, Seq, UserRef};
use crate::mailbox::Least;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use tertulia_common::{MediaId, Timestamp, UserId};

/// The SHA-256 of an invitation's token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InviteHash(pub [u8; 32]);

impl std::fmt::Debug for InviteHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InviteHash")
    }
}

/// What a group is called, and who may do what in it.
// No `Debug` of what people write.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its picture.
    pub icon: Option<MediaId>,
    /// The least that one must be to write.
    pub post: Role,
    /// The least that one must be to change name, description and icon.
    pub edit: Role,
}

impl std::fmt::Debug for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { post, edit, .. } = self;
        f.debug_struct("About").field("post", post).field("edit", edit).finish_non_exhaustive()
    }
}

/// What of a group's [`About`] becomes otherwise.
// No `Debug` of what people write.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its picture, or none.
    pub icon: Option<Option<MediaId>>,
    /// The least that one must be to write.
    pub post: Option<Role>,
    /// The least that one must be to change name, description and icon.
    pub edit: Option<Role>,
}

impl std::fmt::Debug for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { post, edit, .. } = self;
        f.debug_struct("Edit").field("post", post).field("edit", edit).finish_non_exhaustive()
    }
}

impl Edit {
    /// Only what is not so already.
    pub(crate) fn news(mut self, about: &About) -> Self {
        self.name.take_if(|name| *name == about.name);
        self.description.take_if(|description| *description == about.description);
        self.icon.take_if(|icon| *icon == about.icon);
        self.post.take_if(|post| *post == about.post);
        self.edit.take_if(|edit| *edit == about.edit);
        self
    }

    pub(crate) fn apply(&self, about: &mut About) {
        let Self { name, description, icon, post, edit } = self;
        name.iter().for_each(|name| about.name.clone_from(name));
        description.iter().for_each(|description| about.description.clone_from(description));
        icon.iter().for_each(|icon| about.icon = *icon);
        post.iter().for_each(|post| about.post = *post);
        edit.iter().for_each(|edit| about.edit = *edit);
    }
}

/// What somebody wants of a group. Whether those that it names exist, and may be added by the asker, is the caller's to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// That there is one, with these members and the asker as its owner.
    Create {
        /// What it is called.
        about: About,
        /// Who is in it.
        members: Vec<UserId>,
    },
    /// That it is called otherwise.
    About(Edit),
    /// That somebody is in it, or is something else in it. An owner who makes another one the owner becomes an admin.
    Member {
        /// Who.
        user: UserId,
        /// As what; none: as what they are, or a member.
        role: Option<Role>,
    },
    /// That somebody is not in it any longer; oneself: to leave.
    Remove {
        /// Who.
        user: UserId,
    },
    /// That nobody is in it.
    End,
    /// That whoever has this may join, and nobody else; none: nobody.
    Invite(Option<InviteHash>),
    /// To be in it, by an invitation.
    Join(InviteHash),
}

impl Change {
    /// Tells another change under the same name.
    pub(crate) fn digest(&self) -> u64 {
        let bytes = postcard::to_allocvec(self).unwrap_or_else(|_| unreachable!("a change can be written"));
        let mut first = [0; 8];
        first.copy_from_slice(&Sha256::digest(bytes)[..8]);
        u64::from_be_bytes(first)
    }
}

/// Somebody wants something of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who.
    pub by: UserId,
    /// Their client's own name for it: the same again is the same change.
    pub client_id: ClientId,
    /// Which group; none for one to be made, and for an invitation.
    pub group: Option<ConversationId>,
    /// What.
    pub change: Change,
}

/// What happened to a group: the body of the entry that says so. Who did it is the entry's sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// It was made.
    Created {
        /// Its name then.
        name: String,
        /// Who was in it, its maker too.
        members: Vec<UserId>,
    },
    /// It is called otherwise.
    About(Edit),
    /// Somebody was added.
    Added {
        /// Who.
        user: UserId,
        /// As what.
        role: Role,
    },
    /// The sender came by an invitation.
    Joined,
    /// Somebody was removed.
    Removed {
        /// Who.
        user: UserId,
    },
    /// The sender left.
    Left,
    /// Somebody is something else now. A new owner: the earlier one is an admin.
    Role {
        /// Who.
        user: UserId,
        /// What.
        role: Role,
    },
    /// It is over.
    Ended,
}

impl Event {
    /// As the store keeps it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_else(|_| unreachable!("an event can be written"))
    }

    /// What the store kept. None: a newer program wrote it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

/// An entry that a change made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its place in the conversation.
    pub id: MessageId,
    /// Its place in mailboxes.
    pub position: Position,
    /// When.
    pub at: Timestamp,
    /// Its body.
    pub event: Event,
}

/// A change was made, now or before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which group.
    pub group: ConversationId,
    /// It was made before, under the same name.
    pub duplicate: bool,
    /// The entries that it made.
    pub made: Vec<Made>,
}

/// A group as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Which.
    pub id: ConversationId,
    /// What it is called.
    pub about: About,
    /// Who is in it, in the order they came.
    pub members: Vec<(UserId, Role)>,
    /// An invitation is valid.
    pub has_invite: bool,
    /// The last entry's place.
    pub last: Seq,
}

/// A change as its group remembers it, in a [`crate::Record::Group`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownChange {
    /// Who made it.
    pub by: UserId,
    /// Their client's own name for it.
    pub client_id: ClientId,
    /// Tells another change under the same name.
    pub digest: u64,
}

/// What a group's conversation has beside what every conversation has.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) about: About,
    pub(crate) invite: Option<InviteHash>,
    pub(crate) ended: bool,
    pub(crate) changes: VecDeque<KnownChange>,
}

impl Group {
    pub(crate) fn new(about: About) -> Self {
        Self { about, invite: None, ended: false, changes: VecDeque::new() }
    }

    pub(crate) fn known(&self, by: &UserId, client_id: ClientId) -> Option<&KnownChange> {
        self.changes.iter().rev().find(|known| known.client_id == client_id && known.by == *by)
    }

    pub(crate) fn note(&mut self, change: KnownChange, max: usize) {
        while self.changes.len() >= max.max(1) {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }
}

/// The least of several figures, whose it is, and the least of the others': what is left out for whoever it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lowest {
    least: Option<(Seq, UserRef)>,
    next: Option<Seq>,
}

impl Lowest {
    fn add(&mut self, seq: Seq, user: UserRef) {
        match self.least {
            Some((least, _)) if seq >= least => self.next = Some(self.next.map_or(seq, |next| next.min(seq))),
            earlier => {
                self.next = earlier.map(|(least, _)| least).or(self.next);
                self.least = Some((seq, user));
            }
        }
    }

    /// Without somebody's own figure; none if there is no other.
    fn but(&self, user: UserRef) -> Option<Seq> {
        self.least.filter(|(_, whose)| *whose != user).map(|(least, _)| least).or(self.next)
    }
}

/// How far everybody in a group had come when it was last told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Everyone {
    delivered: Lowest,
    read: Lowest,
    last: Seq,
}

impl Everyone {
    /// Of these: delivered, read, whose. `last` is what somebody hears who is alone.
    pub(crate) fn of(members: impl Iterator<Item = (Seq, Seq, UserRef)>, last: Seq) -> Self {
        let mut everyone = Self { last, ..Self::default() };
        for (delivered, read, user) in members {
            everyone.delivered.add(delivered, user);
            everyone.read.add(read, user);
        }
        everyone
    }

    /// How far all have come but this one.
    pub(crate) fn but(&self, user: UserRef) -> Least {
        Least {
            delivered: self.delivered.but(user).unwrap_or(self.last),
            read: self.read.but(user).unwrap_or(self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_but_ones_own_is_what_the_others_have_in_any_order() {
        let figures = [(7, 0), (3, 1), (3, 2), (9, 3), (5, 4)];
        for turn in 0..figures.len() {
            let mut lowest = Lowest::default();
            let turned = figures.iter().cycle().skip(turn).take(figures.len());
            turned.for_each(|(seq, user)| lowest.add(Seq(*seq), UserRef(*user)));
            for (_, user) in figures {
                let others = figures.iter().filter(|(_, other)| *other != user);
                assert_eq!(lowest.but(UserRef(user)), others.map(|(seq, _)| Seq(*seq)).min(), "but {user}");
            }
        }
        let mut alone = Lowest::default();
        alone.add(Seq(4), UserRef(1));
        assert_eq!(alone.but(UserRef(1)), None);
    }
}
