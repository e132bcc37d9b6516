//! Acknowledgements and receipts: who has what, who has read what, who is told.
//!
//! A receipt is two numbers a member and conversation, merged by maximum: some device of theirs has everything up to there,
//! and they have read up to there. Changes are gathered and told together ([`Relay::tell_receipts`]); that a talk that goes on has been
//! delivered is told less often than that it has been read ([`Relay::tell_due_receipts`]).

use crate::Refusal;
use crate::conversation::{Conversation, Kind, Member};
use crate::id::{ConvRef, ConversationId, DeviceRef, Position, Seq, UserRef};
use crate::mailbox::Receipt;
use crate::record::Record;
use crate::relay::{Dead, Fresh, Relay, User};
use std::time::Duration;
use tertulia_common::{Timestamp, UserId};

impl Relay {
    /// A device has everything up to there. Asked again, or for less, nothing changes.
    ///
    /// # Errors
    /// [`Refusal::NotHandedOut`] above what this reader was handed: an acknowledgement must not bury what nobody saw.
    pub fn acknowledge(
        &mut self,
        device: DeviceRef,
        reader: u64,
        upto: Position,
        out: &mut Vec<Record>,
    ) -> Result<(), Refusal> {
        let mailbox = self.mailboxes.get_mut(device.0 as usize).filter(|mailbox| mailbox.open);
        let mailbox = mailbox.filter(|mailbox| mailbox.reader == Some(reader)).ok_or(Refusal::DeviceGone)?;
        if upto > mailbox.handed {
            return Err(Refusal::NotHandedOut);
        }
        if mailbox.gap.is_some_and(|(gap, _)| upto >= gap) && mailbox.gap_told {
            mailbox.gap = None;
        }
        if upto <= mailbox.acknowledged {
            return Ok(());
        }
        mailbox.acknowledged = upto;
        let user = mailbox.user;
        while let Some((position, conversation)) = self.mailboxes[device.0 as usize].owed.pop(upto) {
            self.delivered(user, conversation, position);
            self.pay(device, conversation, position);
        }
        out.push(self.acknowledged(device));
        Ok(())
    }

    /// A device owes an entry no longer.
    pub(crate) fn pay(&mut self, device: DeviceRef, conversation: ConvRef, position: Position) {
        let of = &mut self.conversations[conversation.0 as usize];
        let Some(index) = of.at(position) else { return };
        let kept = &mut of.entries[index];
        kept.owed = kept.owed.saturating_sub(1);
        if kept.owed == 0 {
            self.dead.push(Dead { position, sent_at: kept.sent_at, body: kept.body });
            of.shed();
        }
        let mailbox = &mut self.mailboxes[device.0 as usize];
        mailbox.depth = mailbox.depth.saturating_sub(1);
    }

    pub(crate) fn delivered(&mut self, user: UserRef, conversation: ConvRef, position: Position) {
        let of = &mut self.conversations[conversation.0 as usize];
        let Some(seq) = of.at(position).map(|index| of.entries[index].seq) else { return };
        let Some(member) = of.member_mut(user) else { return };
        if seq > member.delivered {
            member.delivered = seq;
            self.mark_moved(user, conversation);
        }
    }

    /// Somebody has read a conversation up to there; further than it goes is as far as it goes.
    ///
    /// # Errors
    /// [`Refusal::NoConversation`] if they are not in it.
    pub fn read(&mut self, device: DeviceRef, conversation: ConversationId, upto: Seq) -> Result<(), Refusal> {
        let mailbox = self.mailboxes.get(device.0 as usize).filter(|mailbox| mailbox.open);
        let user = mailbox.ok_or(Refusal::DeviceGone)?.user;
        let conversation = *self.by_id.get(&conversation).ok_or(Refusal::NoConversation)?;
        let of = &mut self.conversations[conversation.0 as usize];
        let upto = upto.min(of.last);
        let member = of.member_mut(user).filter(|member| member.is_in()).ok_or(Refusal::NoConversation)?;
        // What was before they came is nothing of theirs.
        if upto > member.read.max(member.since) {
            member.read = upto;
            member.delivered = member.delivered.max(upto);
            of.hurries = true;
            if std::mem::take(&mut of.waits) {
                self.moved.push(conversation);
            }
            self.mark_moved(user, conversation);
        }
        Ok(())
    }

    pub(crate) fn mark_moved(&mut self, user: UserRef, conversation: ConvRef) {
        let of = &mut self.conversations[conversation.0 as usize];
        if let Some(member) = of.member_mut(user) {
            member.moved = true;
        }
        self.gather(conversation);
    }

    /// Its figures are to be told.
    pub(crate) fn gather(&mut self, conversation: ConvRef) {
        let of = &mut self.conversations[conversation.0 as usize];
        if !of.moved {
            of.moved = true;
            self.moved.push(conversation);
        }
    }

    /// Whether there is something for [`Self::tell_receipts`].
    #[must_use]
    pub fn has_receipts(&self) -> bool {
        !self.moved.is_empty() || !self.later.is_empty()
    }

    /// From when on there is something for [`Self::tell_due_receipts`].
    #[must_use]
    pub fn receipts_due_at(&self) -> Option<Timestamp> {
        if self.moved.is_empty() { self.later_at } else { Some(Timestamp(0)) }
    }

    /// Whether somebody has read what was not told since.
    #[must_use]
    pub fn has_reads(&self) -> bool {
        !self.moved.is_empty()
    }

    /// Gathers what moved since the last time. Asked for about ten times a second, so that a talk costs no tick a message. Of a
    /// conversation that was told of within the `pause` it waits, unless somebody has read.
    pub fn tell_due_receipts(&mut self, now: Timestamp, pause: Duration, out: &mut Vec<Record>) {
        // Those of them that have been read meanwhile are among those that moved.
        for conversation in std::mem::take(&mut self.later) {
            let of = &mut self.conversations[conversation.0 as usize];
            if std::mem::take(&mut of.waits) {
                self.moved.push(conversation);
            }
        }
        self.later_at = None;
        for conversation in std::mem::take(&mut self.moved) {
            let of = &mut self.conversations[conversation.0 as usize];
            let due = of.told_at + pause;
            if of.hurries || now >= due {
                self.tell_receipts_of(conversation, now, out);
            } else {
                of.waits = true;
                self.later.push(conversation);
                self.later_at = Some(self.later_at.map_or(due, |at| at.min(due)));
            }
        }
    }

    /// Gathers all that moved since the last time.
    pub fn tell_receipts(&mut self, now: Timestamp, out: &mut Vec<Record>) {
        self.tell_due_receipts(now, Duration::ZERO, out);
    }

    fn tell_receipts_of(&mut self, conversation: ConvRef, now: Timestamp, out: &mut Vec<Record>) {
        let position = self.next_position(now);
        let of = &mut self.conversations[conversation.0 as usize];
        (of.moved, of.hurries, of.told_at) = (false, false, now);
        let left = std::mem::take(&mut of.left);
        of.receipts_at = position;
        self.receipts_at = position;
        let users = &self.users;
        let mut readers = Vec::new();
        let moved: Vec<Receipt> = of
            .members
            .iter_mut()
            .filter(|member| member.moved)
            .map(|member| {
                if member.read > member.told.1 {
                    readers.push(member.user);
                }
                (member.moved, member.told) = (false, (member.delivered, member.read));
                receipt(member, users)
            })
            .collect();
        let id = of.id;
        let everyone = self.everyone(conversation);
        self.conversations[conversation.0 as usize].everyone = everyone;
        out.push(Record::Receipts {
            conversation: id,
            position,
            moved: moved.iter().map(|moved| (moved.user.clone(), moved.delivered, moved.read)).collect(),
        });
        self.fresh.push_back(Fresh::Receipts { conversation, position, moved, readers, left, everyone });
    }

    /// Whether a member is told of what moved: of what others have, between two or, in a group, if they have written; and of what
    /// they have read, on another device. That they have it themselves is no news to anybody's own devices.
    pub(crate) fn watches(
        of: &Conversation,
        member: &Member,
        moved: &[Receipt],
        readers: &[UserRef],
        id: &UserId,
    ) -> bool {
        let of_others = || moved.is_empty() || moved.iter().any(|receipt| receipt.user != *id);
        let cares = of.kind == Kind::Direct || member.wrote;
        member.is_in() && (readers.contains(&member.user) || (cares && of_others()))
    }
}

/// Everybody's figures as they were last told, that are not zero: what is not durable could shrink in a crash.
pub(crate) fn receipts(of: &Conversation, users: &[User]) -> Vec<Receipt> {
    let told = of.members.iter().filter(|member| member.told != (Seq(0), Seq(0)));
    told.map(|member| receipt(member, users)).collect()
}

fn receipt(member: &Member, users: &[User]) -> Receipt {
    let (delivered, read) = member.told;
    Receipt { user: users[member.user.0 as usize].id.clone(), delivered, read }
}
