//! A copy of a relay, kept up by the records of the one that leads: what a node serves its own readers from, and goes on with when it
//! has to lead itself.
//!
//! Invariant: a relay that was told all records up to some point hands out what the one that made them would have, had everything up to
//! there been settled. It comes to that by the same steps ([`Relay::append`]): where these lead to another place than the record
//! says, something was missed, and the copy is of no use ([`Diverged`]). Records come in the order in which they were written, with
//! copies that the store has made of older ones among them.

use crate::conversation::Author;
use crate::group::Group;
use crate::id::{BodyRef, ConvRef, ConversationId, DeviceRef, MessageId, Position, Seq};
use crate::mailbox::{GapReason, Mailbox, Receipt};
use crate::record::{GroupMember, KnownNote, Record, SentRecord};
use crate::relay::{Fresh, Relay};
use crate::wake::Wakes;
use tertulia_common::{DeviceId, Timestamp, UserId};

/// A record does not follow on what was told before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record does not follow on those before it")]
pub struct Diverged;

/// What goes from one record to the next: see [`Self::apply`].
#[derive(Clone, Debug, Default)]
pub struct Replica {
    /// Entries of a group whose readers are not known yet: the record that says who is in it follows them.
    events: Vec<Event>,
    /// A mailbox that was closed. What waits in it may go over to the one that the next record opens.
    closing: Option<DeviceRef>,
}

/// The entry of a change of a group.
#[derive(Clone, Debug)]
struct Event {
    id: MessageId,
    position: Position,
    sent_at: Timestamp,
    by: UserId,
    body: BodyRef,
}

impl Replica {
    /// Tells the copy the next record; `body` says where the store keeps an entry's. What was written together ends with
    /// [`Self::end`]: then [`Relay::settle`] may hand it out.
    ///
    /// # Errors
    /// [`Diverged`]: the copy must be made anew.
    pub fn apply(&mut self, relay: &mut Relay, record: &Record, body: BodyRef) -> Result<(), Diverged> {
        if !matches!(record, Record::Device { .. }) {
            self.close(relay);
        }
        if let Some((id, position, _)) = record.entry().filter(|(id, ..)| relay.is_known(*id)) {
            // The store has written it again.
            relay.moved(id, position, body);
            return Ok(());
        }
        match record {
            Record::Message { conversation, seq, position, sent_at, sender, device, client_id, digest, withheld } => {
                let id = MessageId { conversation: *conversation, seq: *seq };
                let from = relay.device(sender, device).ok_or(Diverged)?;
                let at = relay.take_entry(id, (*position, *sent_at), Author::Device(from), *withheld, body)?;
                let (client_id, digest, sent_at) = (*client_id, *digest, *sent_at);
                relay.wrote(
                    at,
                    from,
                    SentRecord { client_id, digest, conversation: *conversation, seq: *seq, sent_at },
                );
            }
            Record::Event { conversation, seq, position, sent_at, by } => {
                let id = MessageId { conversation: *conversation, seq: *seq };
                self.events.push(Event { id, position: *position, sent_at: *sent_at, by: by.clone(), body });
            }
            Record::Note { conversation, seq, position, sent_at, by, client_id, withheld } => {
                let id = MessageId { conversation: *conversation, seq: *seq };
                let author = Author::Note(relay.user(by));
                relay.take_entry(id, (*position, *sent_at), author, *withheld, body)?;
                relay.notes.add(KnownNote::of(id, *position, *sent_at, *client_id));
            }
            Record::Group { id, version, about, invite, ended, members, changes, last, .. } => {
                let (about, changes) = (about.clone(), changes.clone().into());
                relay.regroup(*id, *version, Group { about, invite: *invite, ended: *ended, changes }, members);
                for Event { id, position, sent_at, by, body } in self.events.drain(..) {
                    let author = Author::Change(relay.user(&by));
                    relay.take_entry(id, (position, sent_at), author, false, body)?;
                }
                relay.is_known(MessageId { conversation: *id, seq: *last }).then_some(()).ok_or(Diverged)?;
            }
            Record::Closed { user, device } => {
                self.closing = relay.mailbox(user, device.as_ref()).inspect(|known| relay.unlist(*known));
            }
            Record::Device { user, device, acknowledged, since, opened, gap, sent } => {
                let owner = relay.user(user);
                match relay.find(owner, device.as_ref()) {
                    Some(known) => relay.is_as(known, *acknowledged, (*since, *opened), *gap),
                    None => {
                        let mailbox = Mailbox::new(owner, device.clone(), *since, *opened);
                        let (acknowledged, gap) = (*acknowledged, *gap);
                        relay.take_in(Mailbox { acknowledged, handed: acknowledged, gap, ..mailbox }, sent);
                    }
                }
                self.close(relay);
            }
            Record::Acknowledged { user, device, upto } => {
                relay.had(relay.mailbox(user, device.as_ref()).ok_or(Diverged)?, *upto);
            }
            Record::Receipts { conversation, position, moved } => relay.heard(*conversation, *position, moved)?,
            Record::Conversation { id, kind, version, members, .. } => {
                let known = relay.by_id.get(id).map_or(0, |at| relay.conversations[at.0 as usize].version);
                if known == 0 {
                    relay.describe(*id, *kind, *version, members.clone());
                }
            }
            Record::Reached { position } if *position > relay.reached => {
                (relay.reached, relay.settled) = (*position, *position);
            }
            // The notes themselves were told.
            Record::Reached { .. } | Record::Notes { .. } => {}
        }
        Ok(())
    }

    /// What was written together ends here.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn end(&mut self, relay: &mut Relay) -> Result<(), Diverged> {
        self.close(relay);
        // The one that leads wakes people, and gives room back.
        (relay.dead, relay.wakes) = (Vec::new(), Wakes::default());
        self.events.is_empty().then_some(()).ok_or(Diverged)
    }

    fn close(&mut self, relay: &mut Relay) {
        if let Some(closed) = self.closing.take() {
            relay.end(closed);
        }
    }
}

impl Relay {
    /// A copy begins to lead: what its leader had not told yet is told, and what is young is looked at.
    pub fn lead(&mut self, now: Timestamp) {
        self.moved.clear();
        self.later.clear();
        self.later_at = None;
        for at in 0..self.conversations.len() {
            let at = ConvRef(u32::try_from(at).unwrap_or(u32::MAX));
            let of = &mut self.conversations[at.0 as usize];
            (of.moved, of.hurries, of.waits) = (false, false, false);
            let is_behind = of.members.iter().any(|member| member.moved);
            if is_behind || (of.group.is_some() && self.everyone(at) != self.conversations[at.0 as usize].everyone) {
                self.gather(at);
            }
        }
        self.look_again(now);
    }

    /// A device has everything up to there, as its reader on another node was told.
    pub fn acknowledge_elsewhere(&mut self, device: DeviceRef, upto: Position, out: &mut Vec<Record>) {
        let is_there = self.mailboxes.len() > device.0 as usize;
        if is_there && self.had(device, upto.min(self.settled)) {
            out.push(self.acknowledged(device));
        }
    }

    /// How far a device has come, to be written again where it is not known to be.
    #[must_use]
    pub fn restate(&self, device: DeviceRef) -> Record {
        self.acknowledged(device)
    }

    /// Up to where a device has acknowledged.
    #[must_use]
    pub fn acknowledged_upto(&self, device: DeviceRef) -> Position {
        self.mailboxes.get(device.0 as usize).map_or(Position(0), |mailbox| mailbox.acknowledged)
    }

    /// Whose a device is, and which, if its mailbox is open.
    #[must_use]
    pub fn name(&self, device: DeviceRef) -> Option<(UserId, DeviceId)> {
        let mailbox = self.mailboxes.get(device.0 as usize).filter(|mailbox| mailbox.open)?;
        Some((self.users[mailbox.user.0 as usize].id.clone(), mailbox.device.clone()?))
    }

    fn mailbox(&self, user: &UserId, device: Option<&DeviceId>) -> Option<DeviceRef> {
        self.find(*self.by_user.get(user)?, device)
    }

    fn is_known(&self, id: MessageId) -> bool {
        let at = self.by_id.get(&id.conversation);
        at.is_some_and(|at| id.seq <= self.conversations[at.0 as usize].last)
    }

    /// An entry that another relay has decided.
    fn take_entry(
        &mut self,
        id: MessageId,
        (position, sent_at): (Position, Timestamp),
        author: Author,
        withheld: bool,
        body: BodyRef,
    ) -> Result<ConvRef, Diverged> {
        let at = *self.by_id.get(&id.conversation).ok_or(Diverged)?;
        if position <= self.reached {
            return Err(Diverged);
        }
        self.reached = Position(position.0 - 1);
        let mut none = Vec::new();
        let (given, _, audience) = self.append(sent_at, at, author, withheld, &mut none);
        if given != id || !none.is_empty() {
            return Err(Diverged);
        }
        self.placed(id, position, body);
        self.fresh.push_back(Fresh::Entry { conversation: at, position });
        for device in audience {
            // It was given up before its readers were known.
            if position <= self.mailboxes[device.0 as usize].acknowledged {
                self.pay(device, at, position);
            }
        }
        Ok(at)
    }

    /// Its readers get nothing any longer; what waits in it still does.
    fn unlist(&mut self, device: DeviceRef) {
        let mailbox = &mut self.mailboxes[device.0 as usize];
        (mailbox.open, mailbox.reader, mailbox.following) = (false, None, false);
        let owner = mailbox.user;
        self.users[owner.0 as usize].mailboxes.retain(|of| *of != device);
    }

    /// A mailbox was opened: what is above its cursor waits in it.
    fn take_in(&mut self, mailbox: Mailbox, sent: &[SentRecord]) {
        let (user, above) = (mailbox.user, mailbox.acknowledged);
        let device = self.add_mailbox(mailbox);
        let max = self.limits.dedup_per_device;
        sent.iter().for_each(|known| self.mailboxes[device.0 as usize].sent.add(*known, max));
        let mut waits = Vec::new();
        for &at in &self.users[user.0 as usize].conversations {
            let of = &self.conversations[at.0 as usize];
            let Some(member) = of.member(user) else { continue };
            for index in of.first_above(above)..of.entries.len() {
                let kept = &of.entries[index];
                if kept.owed > 0 && member.gets(kept.position) && self.is_for(kept, device) {
                    waits.push((at, index));
                }
            }
        }
        self.mailboxes[device.0 as usize].depth = u32::try_from(waits.len()).unwrap_or(u32::MAX);
        waits.into_iter().for_each(|(at, index)| self.conversations[at.0 as usize].entries[index].owed += 1);
    }

    /// A mailbox that is known as it is now: it may have given something up.
    fn is_as(
        &mut self,
        device: DeviceRef,
        acknowledged: Position,
        (since, opened): (Position, Position),
        gap: Option<(Position, GapReason)>,
    ) {
        if acknowledged > self.mailboxes[device.0 as usize].acknowledged {
            self.give_up(device, acknowledged, gap.map(|(_, reason)| reason));
        }
        let mailbox = &mut self.mailboxes[device.0 as usize];
        (mailbox.since, mailbox.opened) = (since, opened);
        mailbox.acknowledged = mailbox.acknowledged.max(acknowledged);
        mailbox.handed = mailbox.handed.max(acknowledged);
    }

    /// A device has everything up to there, whoever handed it out. False: that was known.
    fn had(&mut self, device: DeviceRef, upto: Position) -> bool {
        let mailbox = &self.mailboxes[device.0 as usize];
        let (user, before) = (mailbox.user, mailbox.acknowledged);
        if upto <= before || !mailbox.open {
            return false;
        }
        let (nexts, _) = self.above(device, before, upto, usize::MAX);
        for next in nexts {
            if let Some((position, conversation)) = next.entry() {
                self.delivered(user, conversation, position);
                self.pay(device, conversation, position);
            }
        }
        let mailbox = &mut self.mailboxes[device.0 as usize];
        while mailbox.owed.pop(upto).is_some() {}
        (mailbox.acknowledged, mailbox.handed) = (upto, mailbox.handed.max(upto));
        mailbox.gap = mailbox.gap.filter(|(gap, _)| *gap > upto);
        true
    }

    /// Figures were told.
    fn heard(
        &mut self,
        conversation: ConversationId,
        position: Position,
        moved: &[(UserId, Seq, Seq)],
    ) -> Result<(), Diverged> {
        let at = *self.by_id.get(&conversation).ok_or(Diverged)?;
        if position <= self.reached {
            return Err(Diverged);
        }
        let (mut receipts, mut readers) = (Vec::new(), Vec::new());
        for (user, delivered, read) in moved {
            let (user, id) = (self.user(user), user.clone());
            let (delivered, read) = (*delivered, *read);
            receipts.push(Receipt { user: id, delivered, read });
            let Some(member) = self.conversations[at.0 as usize].member_mut(user) else { continue };
            if read > member.told.1 {
                readers.push(user);
            }
            member.told = (delivered, read);
            (member.delivered, member.read) = (member.delivered.max(delivered), member.read.max(read));
            member.moved = (member.delivered, member.read) != member.told;
        }
        let everyone = self.everyone(at);
        let of = &mut self.conversations[at.0 as usize];
        (of.receipts_at, of.everyone) = (position, everyone);
        let left = std::mem::take(&mut of.left);
        (self.reached, self.receipts_at) = (position, position);
        self.fresh.push_back(Fresh::Receipts { conversation: at, position, moved: receipts, readers, left, everyone });
        Ok(())
    }

    /// A group is as this says now, if that is news.
    fn regroup(&mut self, id: ConversationId, version: u64, group: Group, members: &[GroupMember]) {
        let at = self.conversation(id, crate::Kind::Group);
        let of = &self.conversations[at.0 as usize];
        if version <= of.version {
            return;
        }
        let stays = |user: &UserId| {
            members.iter().any(|GroupMember { member, .. }| member.until.is_none() && member.user == *user)
        };
        let there = of.members.iter().filter(|member| member.is_in());
        let left = there.map(|member| &self.users[member.user.0 as usize].id).any(|user| !stays(user));
        let earlier = of.group.as_ref().and_then(|group| group.invite);
        earlier.map(|earlier| self.invites.remove(&earlier));
        self.invites.extend(group.invite.map(|invite| (invite, at)));
        self.describe_group(id, version, group, members.to_vec());
        self.conversations[at.0 as usize].left |= left;
        for GroupMember { member: of, .. } in members {
            let user = self.user(&of.user);
            let Some(member) = self.conversations[at.0 as usize].member_mut(user) else { continue };
            let told = (of.delivered, of.read);
            if member.told != told {
                // Forgotten as one who had left, they have come anew: nothing was told of them since.
                (member.told, member.delivered, member.read, member.moved) = (told, of.delivered, of.read, false);
            }
        }
    }
}
