//! Notes: what the server itself says in a conversation of two, or of a group, in the name of one of them: that they called.
//!
//! Invariants: a note is made once under its name, also where it is asked for again after a crash, as long as it is among the
//! latest [`KNOWN`]. Nobody gets a mailbox by being named: between two who take no messages nothing is noted. A group hears it also when who
//! is named has left it, or may not write there: it is the server that speaks.

use crate::Refusal;
use crate::conversation::Author;
use crate::id::{ClientId, ConversationId, MessageId, Position};
use crate::id::{ConvRef, UserRef};
use crate::record::{KnownNote, Record};
use crate::relay::{Relay, Sent, To};
use std::collections::VecDeque;
use tertulia_common::{Timestamp, UserId};

/// Notes that are known by their names. Whoever asks for notes must not have more than this unconfirmed: over all runs, so a
/// few times what they ask for at once. Raising it makes each copy of the list longer by 50 bytes.
pub(crate) const KNOWN: usize = 64;

/// What the server has to say in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// In whose name: all their devices get it.
    pub by: UserId,
    /// The other one, or the group.
    pub to: To,
    /// Its name: the same again is the same note.
    pub client_id: ClientId,
    /// It is not for the others, as a blocked person's message is not.
    pub withheld: bool,
}

/// The latest notes, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(VecDeque<KnownNote>);

impl Notes {
    fn find(&self, client_id: ClientId) -> Option<&KnownNote> {
        self.0.iter().rev().find(|known| known.client_id == client_id)
    }

    pub(crate) fn add(&mut self, note: KnownNote) {
        while self.0.len() >= KNOWN {
            self.0.pop_front();
        }
        self.0.push_back(note);
    }

    /// From what was durable of them, in any order and more than once.
    pub(crate) fn restored(mut known: Vec<KnownNote>) -> Self {
        known.sort_unstable_by_key(|note| note.position);
        known.dedup_by_key(|note| note.position);
        known.drain(..known.len().saturating_sub(KNOWN));
        Self(known.into())
    }

    /// As it is now; none before the first.
    pub(crate) fn record(&self) -> Option<Record> {
        (!self.0.is_empty()).then(|| Record::Notes { known: self.0.iter().copied().collect() })
    }
}

impl Relay {
    /// Notes something, or finds that it was noted before.
    ///
    /// The caller stores the body with the [`Record::Note`] and says where by [`Self::placed`].
    ///
    /// # Errors
    /// [`Refusal::DeviceGone`] if neither of the two takes messages, [`Refusal::NoConversation`] if the group is none any longer. Nothing has
    /// changed then, nor with any other refusal.
    pub fn note(&mut self, now: Timestamp, note: &Note, out: &mut Vec<Record>) -> Result<Sent, Refusal> {
        let Note { by, to, client_id, withheld } = note;
        if let Some(known) = self.notes.find(*client_id) {
            let id = MessageId { conversation: known.conversation, seq: known.seq };
            return Ok(Sent { id, sent_at: known.sent_at, position: None });
        }
        let (by, at) = self.noted_in(by, to, out)?;
        let author = Author::Note(by);
        let (id, position, audience) = self.append(now, at, author, *withheld, out);
        let MessageId { conversation, seq } = id;
        out.push(Record::Note {
            conversation,
            seq,
            position,
            sent_at: now,
            by: note.by.clone(),
            client_id: *client_id,
            withheld: *withheld,
        });
        self.notes.add(KnownNote { client_id: *client_id, position, conversation, seq, sent_at: now });
        self.appended(at, position, audience, out);
        Ok(Sent { id, sent_at: now, position: Some(position) })
    }

    /// In whose name, and where.
    fn noted_in(&mut self, by: &UserId, to: &To, out: &mut Vec<Record>) -> Result<(UserRef, ConvRef), Refusal> {
        match to {
            To::User(other) => {
                if ![by, other].into_iter().any(|user| self.takes_messages(user)) {
                    return Err(Refusal::DeviceGone);
                }
                let author = self.user(by);
                Ok((author, self.writable(author, ConversationId::direct(by, other), to, out)?))
            }
            To::Conversation(id) | To::Group(id) | To::GroupAt(id, _) => {
                let there = |at: &ConvRef| {
                    let group = self.conversations.get(at.0 as usize).and_then(|of| of.group.as_ref());
                    group.is_some_and(|group| !group.ended)
                };
                let at = self.by_id.get(id).copied().filter(there).ok_or(Refusal::NoConversation)?;
                Ok((self.user(by), at))
            }
        }
    }

    fn takes_messages(&self, user: &UserId) -> bool {
        self.by_user.get(user).is_some_and(|user| !self.users[user.0 as usize].mailboxes.is_empty())
    }
}

impl KnownNote {
    /// What a [`Record::Note`] says.
    pub(crate) fn of(id: MessageId, position: Position, sent_at: Timestamp, client_id: ClientId) -> Self {
        let MessageId { conversation, seq } = id;
        Self { client_id, position, conversation, seq, sent_at }
    }
}
