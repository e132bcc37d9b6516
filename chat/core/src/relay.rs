//! The state of one owner: who is there, who writes to whom, what comes next.

use crate::conversation::{Author, Conversation, Kept, Kind, Member, Role};
use crate::group::{Everyone, InviteHash};
use crate::id::{BodyRef, ClientId, ConvRef, ConversationId, DeviceRef, MessageId, Position, Seq, UserRef};
use crate::mailbox::{Mailbox, Receipt};
use crate::note::Notes;
use crate::record::{Record, SentRecord};
use crate::wake::Wakes;
use crate::{Limits, Refusal};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use tertulia_common::{DeviceId, Timestamp, UserId};

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// To somebody, or to oneself. Whether they exist and may be written to is the caller's to know.
    User(UserId),
    /// To a conversation that the sender is in.
    Conversation(ConversationId),
    /// To a group that the sender is in.
    Group(ConversationId),
    /// The same, with the members it had at this version of it: [`Relay::written_to`] tells both.
    GroupAt(ConversationId, u64),
}

impl From<UserId> for To {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

/// A message that somebody wants to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit {
    /// Where to.
    pub to: To,
    /// The device's own name for it.
    pub client_id: ClientId,
    /// Tells another body under the same name: a hash of what is sent.
    pub digest: u64,
    /// Its length, in bytes.
    pub body_bytes: usize,
    /// Whoever it is for does not want to hear of the sender, who is not to learn of that: it gets its place and its answer, and
    /// goes to the sender's own devices alone.
    pub withheld: bool,
}

/// A message that was sent, now or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Which.
    pub id: MessageId,
    /// When.
    pub sent_at: Timestamp,
    /// Where it stands in mailboxes. None: it was sent before, and is not sent again.
    pub position: Option<Position>,
}

/// A body that nobody waits for any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dead {
    /// The message's place in mailboxes: its number in the store.
    pub position: Position,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Where its body is.
    pub body: BodyRef,
}

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    /// Those that are open.
    pub(crate) mailboxes: Vec<DeviceRef>,
    pub(crate) conversations: Vec<ConvRef>,
}

/// What is decided and not yet known to be durable.
#[derive(Clone, Debug)]
pub(crate) enum Fresh {
    Entry {
        conversation: ConvRef,
        position: Position,
    },
    Receipts {
        conversation: ConvRef,
        position: Position,
        moved: Vec<Receipt>,
        /// Those of them who have read further.
        readers: Vec<UserRef>,
        /// Somebody has left: who has written hears of all others, whoever has moved.
        left: bool,
        everyone: Everyone,
    },
}

/// The state. See the crate's docs for how it is driven.
#[derive(Clone, Debug)]
pub struct Relay {
    pub(crate) limits: Limits,
    pub(crate) by_user: FxHashMap<UserId, UserRef>,
    pub(crate) users: Vec<User>,
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) by_id: FxHashMap<ConversationId, ConvRef>,
    pub(crate) conversations: Vec<Conversation>,
    /// Of groups that may be joined.
    pub(crate) invites: FxHashMap<InviteHash, ConvRef>,
    pub(crate) notes: Notes,
    /// The highest position given.
    pub(crate) reached: Position,
    /// Up to where everything is durable.
    pub(crate) settled: Position,
    pub(crate) fresh: VecDeque<Fresh>,
    /// Conversations in which somebody's figures moved.
    pub(crate) moved: Vec<ConvRef>,
    /// Those of them that were told of too lately.
    pub(crate) later: Vec<ConvRef>,
    /// When the first of those may be told.
    pub(crate) later_at: Option<Timestamp>,
    /// Where the last receipts were told.
    pub(crate) receipts_at: Position,
    pub(crate) wakes: Wakes,
    pub(crate) dead: Vec<Dead>,
    /// What was sent up to which position, by time: one an hour.
    pub(crate) hours: VecDeque<(Timestamp, Position)>,
}

impl Relay {
    /// Nobody yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            by_user: FxHashMap::default(),
            users: Vec::new(),
            mailboxes: Vec::new(),
            by_id: FxHashMap::default(),
            conversations: Vec::new(),
            invites: FxHashMap::default(),
            notes: Notes::default(),
            reached: Position(0),
            settled: Position(0),
            fresh: VecDeque::new(),
            moved: Vec::new(),
            later: Vec::new(),
            later_at: None,
            receipts_at: Position(0),
            wakes: Wakes::default(),
            dead: Vec::new(),
            hours: VecDeque::new(),
        }
    }

    /// Up to where positions were given.
    #[must_use]
    pub fn reached(&self) -> Position {
        self.reached
    }

    /// Where nothing was ever given a place: places begin above this one. A relay whose records were lost is to begin above what
    /// it gave before, or devices would take what is new for what they have.
    pub fn begin_above(&mut self, position: Position, out: &mut Vec<Record>) {
        if self.reached == Position(0) {
            (self.reached, self.settled) = (position, position);
            out.push(Record::Reached { position });
        }
    }

    /// Up to where everything is durable, and may be seen.
    #[must_use]
    pub fn settled(&self) -> Position {
        self.settled
    }

    /// The mailbox of a device, opened if it is new: from now on it gets what its user gets. A user's first device gets what
    /// has waited for the user.
    ///
    /// # Errors
    /// [`Refusal::Devices`] if the user has as many as one may have.
    pub fn open(&mut self, user: &UserId, device: &DeviceId, out: &mut Vec<Record>) -> Result<DeviceRef, Refusal> {
        let owner = self.user(user);
        if let Some(known) = self.find(owner, Some(device)) {
            return Ok(known);
        }
        let open = &self.users[owner.0 as usize].mailboxes;
        let limit = self.limits.devices_per_user_max;
        let mailbox = match self.find(owner, None) {
            Some(waiting) => {
                out.push(self.closed(waiting));
                let reached = self.reached;
                let mailbox = &mut self.mailboxes[waiting.0 as usize];
                (mailbox.device, mailbox.opened) = (Some(device.clone()), reached);
                waiting
            }
            None if open.len() >= limit => return Err(Refusal::Devices { limit }),
            None => {
                // Everything settled and everything decided is older than the device.
                let mailbox = Mailbox::new(owner, Some(device.clone()), self.reached, self.reached);
                self.add_mailbox(mailbox)
            }
        };
        out.push(self.device_record(mailbox));
        Ok(mailbox)
    }

    /// The mailbox of a device, if it is open.
    #[must_use]
    pub fn device(&self, user: &UserId, device: &DeviceId) -> Option<DeviceRef> {
        self.find(*self.by_user.get(user)?, Some(device))
    }

    /// Sends a message from a device: gives it its place, or finds the place it was given before.
    ///
    /// The caller stores the body with the [`Record::Message`] and says where by [`Self::placed`].
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn send(
        &mut self,
        now: Timestamp,
        from: DeviceRef,
        submit: &Submit,
        out: &mut Vec<Record>,
    ) -> Result<Sent, Refusal> {
        let mailbox = self.mailboxes.get(from.0 as usize).filter(|mailbox| mailbox.open).ok_or(Refusal::DeviceGone)?;
        // A mailbox that waits for a first device has none: nobody sends from that.
        let device = mailbox.device.clone().ok_or(Refusal::DeviceGone)?;
        let sender = mailbox.user;
        let id = match &submit.to {
            To::User(user) => ConversationId::direct(&self.users[sender.0 as usize].id, user),
            To::Conversation(id) | To::Group(id) | To::GroupAt(id, _) => *id,
        };
        if let Some(known) = mailbox.sent.find(submit.client_id) {
            if known.conversation != id || known.digest != submit.digest {
                return Err(Refusal::ClientIdReused);
            }
            let id = MessageId { conversation: id, seq: known.seq };
            return Ok(Sent { id, sent_at: known.sent_at, position: None });
        }
        let limit = self.limits.body_bytes_max;
        if submit.body_bytes > limit {
            return Err(Refusal::BodyTooLong { limit, actual: submit.body_bytes });
        }
        let conversation = self.writable(sender, id, &submit.to, out)?;
        Ok(self.add_entry(now, (from, device), conversation, submit, out))
    }

    /// The conversation a message goes to; one of two people begins with its first message.
    pub(crate) fn writable(
        &mut self,
        sender: UserRef,
        id: ConversationId,
        to: &To,
        out: &mut Vec<Record>,
    ) -> Result<ConvRef, Refusal> {
        if let Some(&known) = self.by_id.get(&id) {
            let of = &self.conversations[known.0 as usize];
            if matches!(to, To::Group(_) | To::GroupAt(..)) && of.group.is_none() {
                return Err(Refusal::NoConversation);
            }
            self.may_write(sender, known)?;
            return match to {
                To::GroupAt(_, version) if *version != of.version => Err(Refusal::Changed),
                _ => Ok(known),
            };
        }
        let To::User(other) = to else { return Err(Refusal::NoConversation) };
        let other = self.user(other);
        let limit = self.limits.conversations_per_user_max;
        if [sender, other].iter().any(|user| self.users[user.0 as usize].conversations.len() >= limit) {
            return Err(Refusal::Conversations { limit });
        }
        let conversation = self.conversation(id, Kind::Direct);
        // From the beginning: what a crash leaves of it is the whole of it.
        self.join(conversation, Member::new(sender, Role::Member, Position(0)));
        if other != sender {
            self.join(conversation, Member::new(other, Role::Member, Position(0)));
        }
        self.conversations[conversation.0 as usize].version = 1;
        out.push(self.conversation_record(conversation));
        Ok(conversation)
    }

    /// Whether somebody may write in a conversation that is there.
    pub(crate) fn may_write(&self, sender: UserRef, conversation: ConvRef) -> Result<(), Refusal> {
        let of = &self.conversations[conversation.0 as usize];
        let least = of.group.as_ref().map_or(Role::Member, |group| group.about.post);
        match of.member(sender) {
            Some(member) if member.is_in() && member.role >= least => Ok(()),
            // Who never was in it learns nothing of it; who was, does.
            Some(_) => Err(Refusal::NotAllowed),
            None => Err(Refusal::NoConversation),
        }
    }

    fn add_entry(
        &mut self,
        now: Timestamp,
        (from, device): (DeviceRef, DeviceId),
        conversation: ConvRef,
        submit: &Submit,
        out: &mut Vec<Record>,
    ) -> Sent {
        let (id, position, audience) = self.append(now, conversation, Author::Device(from), submit.withheld, out);
        let MessageId { seq, .. } = id;
        let sender = self.mailboxes[from.0 as usize].user;
        let Submit { client_id, digest, .. } = *submit;
        self.wrote(
            conversation,
            from,
            SentRecord { client_id, digest, conversation: id.conversation, seq, sent_at: now },
        );
        out.push(Record::Message {
            conversation: id.conversation,
            seq,
            position,
            sent_at: now,
            sender: self.users[sender.0 as usize].id.clone(),
            device,
            client_id,
            digest,
            withheld: submit.withheld,
        });
        self.appended(conversation, position, audience, out);
        Sent { id, sent_at: now, position: Some(position) }
    }

    /// A message from this device is there: it is known by its name from now on.
    pub(crate) fn wrote(&mut self, conversation: ConvRef, from: DeviceRef, known: SentRecord) {
        let mailbox = &mut self.mailboxes[from.0 as usize];
        mailbox.sent.add(known, self.limits.dedup_per_device);
        if let Some(member) = self.conversations[conversation.0 as usize].member_mut(mailbox.user) {
            member.wrote = true;
        }
    }

    /// Gives an entry its places; and says in which mailboxes it waits, for [`Self::appended`].
    pub(crate) fn append(
        &mut self,
        now: Timestamp,
        conversation: ConvRef,
        author: Author,
        withheld: bool,
        out: &mut Vec<Record>,
    ) -> (MessageId, Position, Vec<DeviceRef>) {
        let position = self.next_position(now);
        let audience = self.audience(conversation, author, position, withheld, out);
        for &reader in &audience {
            self.mailboxes[reader.0 as usize].depth += 1;
        }
        let owed = u32::try_from(audience.len()).unwrap_or(u32::MAX);
        let of = &mut self.conversations[conversation.0 as usize];
        let seq = Seq(of.last.0 + 1);
        (of.last, of.last_at) = (seq, position);
        let body = BodyRef::default();
        of.entries.push_back(Kept { position, seq, sent_at: now, author, body, withheld, owed });
        (MessageId { conversation: of.id, seq }, position, audience)
    }

    /// The entry's record is there: it is on its way, and mailboxes that it was too much for give up their oldest.
    pub(crate) fn appended(
        &mut self,
        conversation: ConvRef,
        position: Position,
        audience: Vec<DeviceRef>,
        out: &mut Vec<Record>,
    ) {
        self.fresh.push_back(Fresh::Entry { conversation, position });
        audience.into_iter().for_each(|reader| self.keep_quota(reader, out));
    }

    /// The body of the message at this position lies there.
    pub fn placed(&mut self, message: MessageId, position: Position, body: BodyRef) {
        let Some(conversation) = self.by_id.get(&message.conversation) else { return };
        let conversation = &mut self.conversations[conversation.0 as usize];
        if let Some(index) = conversation.at(position) {
            conversation.entries[index].body = body;
            if conversation.entries[index].owed == 0 {
                // It was for nobody from the start: a note to oneself with one device.
                let sent_at = conversation.entries[index].sent_at;
                self.dead.push(Dead { position, sent_at, body });
                conversation.shed();
            }
        }
    }

    /// Where the body of a message is, while somebody waits for it.
    #[must_use]
    pub fn locate(&self, message: MessageId, position: Position) -> Option<BodyRef> {
        let of = &self.conversations[self.by_id.get(&message.conversation)?.0 as usize];
        Some(&of.entries[of.at(position)?]).filter(|kept| kept.owed > 0).map(|kept| kept.body)
    }

    /// The store has moved the body of a message.
    pub fn moved(&mut self, message: MessageId, position: Position, body: BodyRef) {
        let Some(conversation) = self.by_id.get(&message.conversation) else { return };
        let of = &mut self.conversations[conversation.0 as usize];
        if let Some(index) = of.at(position) {
            of.entries[index].body = body;
        }
    }

    /// The bodies that nobody waits for any longer, since the last time this was asked.
    pub fn take_dead(&mut self) -> Vec<Dead> {
        std::mem::take(&mut self.dead)
    }

    /// Mailboxes that an entry goes to; who has none yet gets one that waits for a first device.
    pub(crate) fn audience(
        &mut self,
        conversation: ConvRef,
        author: Author,
        position: Position,
        withheld: bool,
        out: &mut Vec<Record>,
    ) -> Vec<DeviceRef> {
        let writer = self.writer(author);
        let users: Vec<UserRef> = self.conversations[conversation.0 as usize]
            .members
            .iter()
            .filter(|member| member.gets(position) && (!withheld || member.user == writer))
            .map(|member| member.user)
            .collect();
        let mut audience = Vec::with_capacity(users.len());
        for user in users {
            if self.users[user.0 as usize].mailboxes.is_empty() {
                if author == Author::Note(user) {
                    continue;
                }
                let before = Position(position.0 - 1);
                let waiting = self.add_mailbox(Mailbox::new(user, None, before, before));
                out.push(self.device_record(waiting));
            }
            audience.extend(
                self.users[user.0 as usize].mailboxes.iter().filter(|device| author != Author::Device(**device)),
            );
        }
        audience
    }

    pub(crate) fn writer(&self, author: Author) -> UserRef {
        match author {
            Author::Device(device) => self.mailboxes[device.0 as usize].user,
            Author::Change(user) | Author::Note(user) => user,
        }
    }

    pub(crate) fn next_position(&mut self, now: Timestamp) -> Position {
        self.reached.0 += 1;
        match self.hours.back_mut() {
            Some((hour, upto)) if now.0 / HOUR_MS == hour.0 / HOUR_MS => *upto = self.reached,
            _ => self.hours.push_back((now, self.reached)),
        }
        self.reached
    }

    pub(crate) fn user(&mut self, id: &UserId) -> UserRef {
        if let Some(&known) = self.by_user.get(id) {
            return known;
        }
        let user = UserRef(index(self.users.len()));
        self.users.push(User { id: id.clone(), mailboxes: Vec::new(), conversations: Vec::new() });
        self.by_user.insert(id.clone(), user);
        user
    }

    pub(crate) fn conversation(&mut self, id: ConversationId, kind: Kind) -> ConvRef {
        if let Some(&known) = self.by_id.get(&id) {
            return known;
        }
        let conversation = ConvRef(index(self.conversations.len()));
        self.conversations.push(Conversation::new(id, kind));
        self.by_id.insert(id, conversation);
        conversation
    }

    pub(crate) fn join(&mut self, conversation: ConvRef, member: Member) {
        let user = &mut self.users[member.user.0 as usize];
        if !user.conversations.contains(&conversation) {
            user.conversations.push(conversation);
        }
        self.conversations[conversation.0 as usize].members.push(member);
    }

    pub(crate) fn add_mailbox(&mut self, mailbox: Mailbox) -> DeviceRef {
        let device = DeviceRef(index(self.mailboxes.len()));
        self.users[mailbox.user.0 as usize].mailboxes.push(device);
        self.mailboxes.push(mailbox);
        device
    }

    pub(crate) fn find(&self, user: UserRef, device: Option<&DeviceId>) -> Option<DeviceRef> {
        let of_user = &self.users[user.0 as usize].mailboxes;
        of_user.iter().copied().find(|of| self.mailboxes[of.0 as usize].device.as_ref() == device)
    }
}

/// Positions are dated to the hour: how exactly entries expire.
const HOUR_MS: u64 = 3_600_000;

/// Things are counted by 32 bits here; memory ends long before.
fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or_else(|_| unreachable!("more than four thousand million of a thing"))
}
