//! From records back to a state, and from a state to the records that stand for it.
//!
//! Records may come twice, and a thing's snapshot after what builds on it: everything merges by maximum, and what waits for
//! whom is worked out once at the end.

use crate::Limits;
use crate::conversation::{Author, Kept, Kind, Member};
use crate::dedup::Dedup;
use crate::group::Group;
use crate::id::{BodyRef, ConvRef, ConversationId, DeviceRef, MessageId, Position, Seq, UserRef};
use crate::mailbox::Mailbox;
use crate::note::Notes;
use crate::record::{GroupMember, KnownNote, MemberRecord, Record, SentRecord};
use crate::relay::Relay;
use rustc_hash::FxHashMap;
use tertulia_common::{DeviceId, UserId};

/// A relay that is being told what was durable.
#[derive(Debug)]
pub struct Restoring {
    relay: Relay,
    /// Every mailbox ever named, also the closed ones: entries name them as senders.
    devices: FxHashMap<(UserRef, Option<DeviceId>), DeviceRef>,
    /// Which of them were opened, or closed, last.
    open: FxHashMap<DeviceRef, bool>,
    notes: Vec<KnownNote>,
}

/// The records don't make a whole: something that was durable is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("messages of a conversation that no record describes: {0}")]
pub struct Incomplete(pub ConversationId);

impl Restoring {
    /// Nothing told yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { relay: Relay::new(limits), devices: FxHashMap::default(), open: FxHashMap::default(), notes: Vec::new() }
    }

    /// The next record that was durable; `body` says where the store keeps a message's.
    pub fn restore(&mut self, record: Record, body: BodyRef) {
        match record {
            Record::Message { conversation, seq, position, sent_at, sender, device, client_id, digest, withheld } => {
                let sender = self.mailbox(&sender, Some(device));
                let known = SentRecord { client_id, digest, conversation, seq, sent_at };
                let max = self.relay.limits.dedup_per_device;
                self.relay.mailboxes[sender.0 as usize].sent.add(known, max);
                let author = Author::Device(sender);
                self.entry(conversation, Kept { position, seq, sent_at, author, body, withheld, owed: 0 });
            }
            Record::Acknowledged { user, device, upto } => {
                let mailbox = self.mailbox(&user, device);
                let mailbox = &mut self.relay.mailboxes[mailbox.0 as usize];
                mailbox.acknowledged = mailbox.acknowledged.max(upto);
                // Whoever acknowledged what came after a gap had heard of that.
                mailbox.gap = mailbox.gap.filter(|(gap, _)| *gap > upto);
                self.reach(upto);
            }
            Record::Receipts { conversation, position, moved } => self.told(conversation, position, moved),
            Record::Conversation { id, kind, version, members, last, receipts_at } => {
                self.relay.describe(id, kind, version, members);
                let of = self.conversation(id);
                let of = &mut self.relay.conversations[of.0 as usize];
                of.last = of.last.max(last);
                of.receipts_at = of.receipts_at.max(receipts_at);
                self.reach(receipts_at);
            }
            Record::Device { user, device, acknowledged, since, opened, gap, sent } => {
                let at = self.mailbox(&user, device);
                self.open.insert(at, true);
                let mailbox = &mut self.relay.mailboxes[at.0 as usize];
                mailbox.acknowledged = mailbox.acknowledged.max(acknowledged);
                // A mailbox that was closed and opened again begins anew.
                (mailbox.since, mailbox.opened, mailbox.gap) = (since, opened, gap);
                let max = self.relay.limits.dedup_per_device;
                sent.into_iter().for_each(|known| mailbox.sent.add(known, max));
                self.reach(acknowledged.max(opened));
            }
            Record::Closed { user, device } => {
                let at = self.mailbox(&user, device);
                self.open.insert(at, false);
                let mailbox = &mut self.relay.mailboxes[at.0 as usize];
                // Another one of the same name starts with nothing of this one.
                mailbox.acknowledged = Position(0);
                mailbox.sent = Dedup::default();
            }
            Record::Reached { position } => self.reach(position),
            Record::Event { conversation, seq, position, sent_at, by } => {
                let author = Author::Change(self.relay.user(&by));
                self.entry(conversation, Kept { position, seq, sent_at, author, body, withheld: false, owed: 0 });
            }
            Record::Note { conversation, seq, position, sent_at, by, client_id, withheld } => {
                self.notes.push(KnownNote::of(MessageId { conversation, seq }, position, sent_at, client_id));
                let author = Author::Note(self.relay.user(&by));
                self.entry(conversation, Kept { position, seq, sent_at, author, body, withheld, owed: 0 });
            }
            Record::Notes { known } => self.notes.extend(known),
            Record::Group { id, version, about, invite, ended, members, changes, last, receipts_at } => {
                let group = Group { about, invite, ended, changes: changes.into() };
                self.relay.describe_group(id, version, group, members);
                let of = self.conversation(id);
                let of = &mut self.relay.conversations[of.0 as usize];
                of.last = of.last.max(last);
                of.receipts_at = of.receipts_at.max(receipts_at);
                self.reach(receipts_at);
            }
        }
    }

    fn entry(&mut self, conversation: ConversationId, kept: Kept) {
        let of = self.conversation(conversation);
        self.reach(kept.position);
        self.relay.conversations[of.0 as usize].entries.push_back(kept);
    }

    fn told(&mut self, conversation: ConversationId, position: Position, moved: Vec<(UserId, Seq, Seq)>) {
        let of = self.conversation(conversation);
        for (user, delivered, read) in moved {
            let user = self.relay.user(&user);
            let Some(member) = self.member(of, user) else { continue };
            (member.delivered, member.read) = (member.delivered.max(delivered), member.read.max(read));
            member.told = (member.delivered, member.read);
        }
        let of = &mut self.relay.conversations[of.0 as usize];
        of.receipts_at = of.receipts_at.max(position);
        self.reach(position);
    }

    /// All records were told: works out who waits for what.
    ///
    /// # Errors
    /// [`Incomplete`] if the records don't make a whole.
    pub fn finish(mut self) -> Result<Relay, Incomplete> {
        for at in 0..self.relay.conversations.len() {
            let of = &self.relay.conversations[at];
            if of.version == 0 {
                return Err(Incomplete(of.id));
            }
        }
        for (device, open) in &self.open {
            let mailbox = &mut self.relay.mailboxes[device.0 as usize];
            mailbox.open = *open;
            mailbox.handed = mailbox.acknowledged;
            mailbox.sent.sort();
        }
        let mut order: Vec<DeviceRef> = self.open.iter().filter(|(_, open)| **open).map(|(at, _)| *at).collect();
        order.sort_unstable();
        for device in order {
            let user = self.relay.mailboxes[device.0 as usize].user;
            self.relay.users[user.0 as usize].mailboxes.push(device);
        }
        for at in 0..self.relay.conversations.len() {
            self.relay.settle_accounts(at);
        }
        for at in 0..self.relay.conversations.len() {
            let at = ConvRef(u32::try_from(at).unwrap_or(u32::MAX));
            let invite = self.relay.conversations[at.0 as usize].group.as_ref().and_then(|group| group.invite);
            self.relay.invites.extend(invite.map(|invite| (invite, at)));
            self.relay.conversations[at.0 as usize].everyone = self.relay.everyone(at);
        }
        self.relay.notes = Notes::restored(std::mem::take(&mut self.notes));
        self.relay.date();
        self.relay.settled = self.relay.reached;
        Ok(self.relay)
    }

    fn reach(&mut self, position: Position) {
        self.relay.reached = self.relay.reached.max(position);
    }

    fn mailbox(&mut self, user: &UserId, device: Option<DeviceId>) -> DeviceRef {
        let user = self.relay.user(user);
        if let Some(&known) = self.devices.get(&(user, device.clone())) {
            return known;
        }
        let at = DeviceRef(u32::try_from(self.relay.mailboxes.len()).unwrap_or(u32::MAX));
        let mailbox = Mailbox::new(user, device.clone(), Position(0), Position(0));
        self.relay.mailboxes.push(Mailbox { open: false, ..mailbox });
        self.devices.insert((user, device), at);
        at
    }

    fn conversation(&mut self, id: ConversationId) -> ConvRef {
        self.relay.conversation(id, Kind::Direct)
    }

    fn member(&mut self, of: ConvRef, user: UserRef) -> Option<&mut Member> {
        let of = &mut self.relay.conversations[of.0 as usize];
        let known = of.members.iter().position(|member| member.user == user);
        if known.is_none() && of.version == 0 {
            // Described later: a record may come before what it builds on. Who is in it is for that to say.
            of.members.push(Member::new(user, crate::Role::Member, Position(0)));
        }
        match known {
            Some(known) => of.members.get_mut(known),
            None if of.version == 0 => of.members.last_mut(),
            None => None,
        }
    }
}

impl Relay {
    /// Who is in a conversation, unless something newer is known.
    pub(crate) fn describe(&mut self, id: ConversationId, kind: Kind, version: u64, members: Vec<MemberRecord>) {
        let at = self.conversation(id, Kind::Direct);
        let of = &mut self.conversations[at.0 as usize];
        if version < of.version {
            return;
        }
        (of.kind, of.version) = (kind, version);
        let earlier = std::mem::take(&mut of.members);
        for record in members {
            let member = self.described(&earlier, record);
            self.join(at, member);
        }
    }

    /// A group and who is in it, unless something newer is known.
    pub(crate) fn describe_group(&mut self, id: ConversationId, version: u64, group: Group, members: Vec<GroupMember>) {
        let at = self.conversation(id, Kind::Direct);
        let of = &mut self.conversations[at.0 as usize];
        if version < of.version {
            return;
        }
        (of.kind, of.version, of.group) = (Kind::Group, version, Some(Box::new(group)));
        let before = std::mem::take(&mut of.members);
        for member in &before {
            let user = &mut self.users[member.user.0 as usize];
            user.conversations.retain(|of| *of != at);
        }
        for GroupMember { member, earlier, since, wrote } in members {
            let member = self.described(&before, member);
            self.join(at, Member { earlier, since, wrote, ..member });
        }
    }

    /// A member as a record has them, with figures that may have been told since.
    fn described(&mut self, earlier: &[Member], record: MemberRecord) -> Member {
        let MemberRecord { user, role, from, until, delivered, read } = record;
        let user = self.user(&user);
        let known = earlier.iter().find(|member| member.user == user);
        let told = known.map_or((delivered, read), |known| (known.told.0.max(delivered), known.told.1.max(read)));
        let figures = known.map_or(told, |known| (known.delivered.max(told.0), known.read.max(told.1)));
        let (delivered, read) = figures;
        let moved = known.is_some_and(|known| known.moved);
        Member { until, delivered, read, told, moved, ..Member::new(user, role, from) }
    }

    /// Who waits for which entry of a conversation, and what was delivered without its receipt.
    fn settle_accounts(&mut self, at: usize) {
        let mut of = std::mem::replace(
            &mut self.conversations[at],
            crate::conversation::Conversation::new(ConversationId(0), Kind::Direct),
        );
        let mut entries: Vec<Kept> = std::mem::take(&mut of.entries).into();
        // A copy comes after what it was copied from: the later one is where the body will stay.
        entries.sort_by_key(|kept| kept.position);
        entries.dedup_by(|later, earlier| {
            let same = later.position == earlier.position;
            if same {
                earlier.body = later.body;
            }
            same
        });
        let mut late = Vec::new();
        for kept in &mut entries {
            (of.last, of.last_at) = (of.last.max(kept.seq), of.last_at.max(kept.position));
            let writer = self.writer(kept.author);
            let is_message = matches!(kept.author, Author::Device(_));
            for member in &mut of.members {
                if is_message && member.user == writer {
                    member.wrote = true;
                }
                if !member.gets(kept.position) {
                    continue;
                }
                for &device in &self.users[member.user.0 as usize].mailboxes {
                    if !self.is_for(kept, device) {
                        continue;
                    }
                    let mailbox = &mut self.mailboxes[device.0 as usize];
                    if kept.position > mailbox.acknowledged {
                        kept.owed += 1;
                        mailbox.depth += 1;
                    } else if kept.position > mailbox.since && kept.seq > member.delivered {
                        member.delivered = kept.seq;
                        late.push(member.user);
                    }
                }
            }
        }
        // Who left was told of or not: what all others have is told once more.
        let of_a_change = |kept: &Kept| matches!(kept.author, Author::Change(_)) && kept.position > of.receipts_at;
        let left = entries.iter().any(of_a_change);
        entries.retain(|kept| kept.owed > 0);
        of.entries = entries.into();
        of.left = left;
        self.conversations[at] = of;
        let conversation = ConvRef(u32::try_from(at).unwrap_or(u32::MAX));
        late.into_iter().for_each(|user| self.mark_moved(user, conversation));
        if left {
            self.gather(conversation);
        }
    }

    /// When what waits was sent, for [`Self::expire`].
    fn date(&mut self) {
        let mut sent: Vec<_> = self
            .conversations
            .iter()
            .flat_map(|of| of.entries.iter().map(|kept| (kept.position, kept.sent_at)))
            .collect();
        sent.sort_unstable();
        for (position, sent_at) in sent {
            match self.hours.back_mut() {
                Some((hour, upto)) if sent_at.since(*hour) < HOUR => *upto = position,
                _ => self.hours.push_back((sent_at, position)),
            }
        }
    }

    /// Where the bodies are that somebody waits for, with their positions and the times they were sent.
    pub fn live(&self) -> impl Iterator<Item = crate::Dead> {
        self.conversations.iter().flat_map(|of| {
            of.entries.iter().filter(|kept| kept.owed > 0).map(|kept| crate::Dead {
                position: kept.position,
                sent_at: kept.sent_at,
                body: kept.body,
            })
        })
    }

    /// The records that stand for what `record` is about, as it is now: what a store writes before it drops the file that the
    /// record is in. Nothing for a message: it is copied as it is while somebody waits for it.
    pub fn snapshot(&self, record: &Record, out: &mut Vec<Record>) {
        match record {
            Record::Message { sender, device, conversation, .. } => {
                self.snapshot_device(sender, Some(device), out);
                self.snapshot_conversation(*conversation, out);
            }
            Record::Acknowledged { user, device, .. } | Record::Device { user, device, .. } => {
                self.snapshot_device(user, device.as_ref(), out);
            }
            Record::Receipts { conversation: id, .. }
            | Record::Conversation { id, .. }
            | Record::Event { conversation: id, .. }
            | Record::Note { conversation: id, .. }
            | Record::Group { id, .. } => self.snapshot_conversation(*id, out),
            // What was opened before was in this file or an older one: nothing is left of it that a close would undo.
            Record::Closed { .. } => {}
            // Nobody's in particular: [`Self::marks`].
            Record::Reached { .. } | Record::Notes { .. } => {}
        }
    }

    /// What a store writes whenever it drops a file, whatever is in that: how far positions have come, and the latest notes.
    pub fn marks(&self, out: &mut Vec<Record>) {
        out.push(Record::Reached { position: self.reached });
        out.extend(self.notes.record());
    }

    fn snapshot_device(&self, user: &UserId, device: Option<&DeviceId>, out: &mut Vec<Record>) {
        let known = self.by_user.get(user).and_then(|user| self.find(*user, device));
        out.extend(known.map(|device| self.device_record(device)));
    }

    fn snapshot_conversation(&self, id: ConversationId, out: &mut Vec<Record>) {
        out.extend(self.by_id.get(&id).map(|at| self.conversation_record(*at)));
    }

    pub(crate) fn conversation_record(&self, at: ConvRef) -> Record {
        if let Some(group) = self.group_record(at) {
            return group;
        }
        let of = &self.conversations[at.0 as usize];
        Record::Conversation {
            id: of.id,
            kind: of.kind,
            version: of.version,
            members: of
                .members
                .iter()
                .map(|member| MemberRecord {
                    user: self.users[member.user.0 as usize].id.clone(),
                    role: member.role,
                    from: member.from,
                    until: member.until,
                    delivered: member.told.0,
                    read: member.told.1,
                })
                .collect(),
            last: of.last,
            receipts_at: of.receipts_at,
        }
    }

    pub(crate) fn device_record(&self, device: DeviceRef) -> Record {
        let Mailbox { user, device, acknowledged, since, opened, gap, sent, .. } = &self.mailboxes[device.0 as usize];
        Record::Device {
            user: self.users[user.0 as usize].id.clone(),
            device: device.clone(),
            acknowledged: *acknowledged,
            since: *since,
            opened: *opened,
            gap: *gap,
            sent: sent.iter().copied().collect(),
        }
    }

    pub(crate) fn acknowledged(&self, device: DeviceRef) -> Record {
        let mailbox = &self.mailboxes[device.0 as usize];
        Record::Acknowledged {
            user: self.users[mailbox.user.0 as usize].id.clone(),
            device: mailbox.device.clone(),
            upto: mailbox.acknowledged,
        }
    }

    pub(crate) fn closed(&self, device: DeviceRef) -> Record {
        let mailbox = &self.mailboxes[device.0 as usize];
        Record::Closed { user: self.users[mailbox.user.0 as usize].id.clone(), device: mailbox.device.clone() }
    }
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
