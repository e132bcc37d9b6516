//! Handing out: what a device gets, in which order, and how much at a time.
//!
//! Two orderings close the race between a message that is routed and a device that comes back: an entry is in its conversation
//! before readers are looked up ([`Relay::settle`] comes after [`Relay::send`]), and a reader is registered before it reads
//! ([`Relay::attach`] comes before [`Relay::take`]).

use crate::conversation::{Author, Conversation, Kept, Kind};
use crate::group::Everyone;
use crate::id::{ConvRef, DeviceRef, MessageId, Position, UserRef};
use crate::mailbox::{Entry, Item, Least, Receipt, receipts_bytes};
use crate::receipts::receipts;
use crate::relay::{Fresh, Relay};
use std::cell::LazyCell;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Something for several readers at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handout {
    /// What.
    pub item: Item,
    /// For which devices, and by which readers of theirs.
    pub to: Vec<(DeviceRef, u64)>,
}

/// What a device is to have next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub items: Vec<Item>,
    /// It has everything now, and follows: what comes later is handed out by [`Relay::settle`].
    pub drained: bool,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    /// Conversations there are.
    pub conversations: usize,
    /// Mailboxes that are open.
    pub mailboxes: usize,
    /// Entries that wait in them, an entry counting once for each mailbox.
    pub entries: u64,
    /// The most that wait in one.
    pub deepest: u32,
    /// When the oldest entry that somebody waits for was sent.
    pub oldest: Option<tertulia_common::Timestamp>,
}

/// What a merge of conversations points at next: by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Entry(Position, ConvRef, usize),
    Receipts(Position, ConvRef),
}

impl Next {
    fn position(self) -> Position {
        match self {
            Self::Entry(position, ..) | Self::Receipts(position, _) => position,
        }
    }

    /// An entry's place.
    pub(crate) fn entry(self) -> Option<(Position, ConvRef)> {
        match self {
            Self::Entry(position, conversation, _) => Some((position, conversation)),
            Self::Receipts(..) => None,
        }
    }

    fn conversation(self) -> ConvRef {
        match self {
            Self::Entry(_, conversation, _) | Self::Receipts(_, conversation) => conversation,
        }
    }
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> Ordering {
        // No two things have one position.
        self.position().cmp(&other.position())
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Relay {
    /// A reader takes the mailbox: the one before gets nothing any longer. It is read again from what was acknowledged.
    pub fn attach(&mut self, device: DeviceRef, reader: u64) {
        let Some(mailbox) = self.mailboxes.get_mut(device.0 as usize).filter(|mailbox| mailbox.open) else { return };
        mailbox.reader = Some(reader);
        mailbox.handed = mailbox.acknowledged;
        mailbox.owed.clear();
        mailbox.following = false;
        mailbox.gap_told = false;
    }

    /// The reader is gone. Nothing happens if another one has taken the mailbox.
    pub fn detach(&mut self, device: DeviceRef, reader: u64) {
        let Some(mailbox) = self.mailboxes.get_mut(device.0 as usize) else { return };
        if mailbox.reader == Some(reader) {
            mailbox.reader = None;
            mailbox.following = false;
            mailbox.owed.clear();
            mailbox.handed = mailbox.acknowledged;
        }
    }

    /// Whether a reader must be read to ([`Self::take`]): it does not follow, and may owe more.
    #[must_use]
    pub fn is_behind(&self, device: DeviceRef, reader: u64) -> bool {
        self.mailboxes.get(device.0 as usize).is_some_and(|mailbox| {
            mailbox.reader == Some(reader) && !mailbox.following && mailbox.owed.has_room(0, &self.limits)
        })
    }

    /// Whether a reader does not follow: what it acknowledges makes room for what waits.
    #[must_use]
    pub fn lags(&self, device: DeviceRef, reader: u64) -> bool {
        let mailbox = self.mailboxes.get(device.0 as usize);
        mailbox.is_some_and(|mailbox| mailbox.reader == Some(reader) && !mailbox.following)
    }

    /// How many mailboxes are open, entries wait in them, and when the oldest of those was sent.
    #[must_use]
    pub fn depths(&self) -> Depths {
        let open = self.mailboxes.iter().filter(|mailbox| mailbox.open);
        let mut depths = Depths { conversations: self.conversations.len(), ..Depths::default() };
        for mailbox in open {
            depths.mailboxes += 1;
            depths.entries += u64::from(mailbox.depth);
            depths.deepest = depths.deepest.max(mailbox.depth);
        }
        depths.oldest = self.conversations.iter().filter_map(|of| of.entries.front()).map(|kept| kept.sent_at).min();
        depths
    }

    /// The next items for a reader, at most `max` and no more than it may owe. Empty and not drained: it must acknowledge first,
    /// or it is not the mailbox's reader.
    pub fn take(&mut self, device: DeviceRef, reader: u64, max: usize) -> Page {
        let Some(mailbox) = self.mailboxes.get(device.0 as usize).filter(|mailbox| mailbox.reader == Some(reader))
        else {
            return Page::default();
        };
        if mailbox.following {
            return Page { items: Vec::new(), drained: true };
        }
        let mut items = Vec::new();
        if let (Some((upto, reason)), false) = (mailbox.gap, mailbox.gap_told) {
            items.push(Item::Gap { upto, reason });
        }
        let (nexts, mut more) = self.above(device, mailbox.handed, self.settled, max);
        let (settled, user) = (self.settled, self.mailboxes[device.0 as usize].user);
        let pending = if self.receipts_at > settled { self.receipts_at } else { Position(0) };
        for next in nexts {
            let item = self.item(next, user);
            let mailbox = &mut self.mailboxes[device.0 as usize];
            if !mailbox.owed.has_room(item.bytes(), &self.limits) {
                more = true;
                break;
            }
            mailbox.handed = next.position();
            mailbox.owed.push(next.position(), next.conversation(), item.bytes());
            items.push(item);
        }
        let mailbox = &mut self.mailboxes[device.0 as usize];
        mailbox.gap_told = true;
        if !more {
            mailbox.handed = mailbox.handed.max(settled);
            (mailbox.following, mailbox.began) = (true, pending);
        }
        Page { items, drained: !more }
    }

    /// Everything up to there is durable: what is handed out by it, in order.
    pub fn settle(&mut self, upto: Position) -> Vec<Handout> {
        let mut handouts = Vec::new();
        while let Some(fresh) = self.fresh.front() {
            let position = match fresh {
                Fresh::Entry { position, .. } | Fresh::Receipts { position, .. } => *position,
            };
            if position > upto {
                break;
            }
            self.settled = position;
            match self.fresh.pop_front() {
                Some(Fresh::Entry { conversation, position }) => {
                    let handout = self.hand_entry(conversation, position);
                    handouts.extend(handout.filter(|handout| !handout.to.is_empty()));
                }
                Some(Fresh::Receipts { conversation, position, moved, readers, left, everyone }) => {
                    let news = (&moved[..], &readers[..], left);
                    handouts.extend(self.hand_receipts(conversation, position, news, everyone));
                }
                None => {}
            }
        }
        handouts
    }

    fn hand_entry(&mut self, conversation: ConvRef, position: Position) -> Option<Handout> {
        let of = &self.conversations[conversation.0 as usize];
        // It may have been given up, or was for nobody.
        let kept = &of.entries[of.at(position)?];
        let (author, withheld, sent_at) = (kept.author, kept.withheld, kept.sent_at);
        let writer = self.writer(author);
        let item = Item::Entry(self.entry(of, kept));
        let bytes = item.bytes();
        let mut to = Vec::new();
        for member in of.members.iter().filter(|member| member.gets(position) && (!withheld || member.user == writer)) {
            let mut here = false;
            for &device in &self.users[member.user.0 as usize].mailboxes {
                let mailbox = &mut self.mailboxes[device.0 as usize];
                here |= mailbox.reader.is_some();
                let Some(reader) = mailbox.reader.filter(|_| mailbox.following && author != Author::Device(device))
                else {
                    continue;
                };
                if position <= mailbox.acknowledged {
                    continue; // it was opened after this was sent
                }
                if !mailbox.owed.has_room(bytes, &self.limits) {
                    mailbox.following = false;
                    continue;
                }
                mailbox.handed = position;
                mailbox.owed.push(position, conversation, bytes);
                to.push((device, reader));
            }
            if member.user != writer && matches!(author, Author::Device(_)) {
                self.wakes.came(member.user, position, sent_at, here, self.limits.wake_after);
            }
        }
        Some(Handout { item, to })
    }

    /// One handout, or in a group up to three: who is behind all others does not hear of themselves. As many again for readers
    /// that began to follow while this was on its way to the disk: they have not read what was told before, and hear of it even
    /// if what has moved now is no news to them.
    fn hand_receipts(
        &mut self,
        conversation: ConvRef,
        position: Position,
        (moved, readers, left): (&[Receipt], &[UserRef], bool),
        everyone: Everyone,
    ) -> Vec<Handout> {
        let of = &self.conversations[conversation.0 as usize];
        let all = LazyCell::new(|| receipts(of, &self.users));
        let mut handouts: Vec<(Option<Least>, bool, Handout)> = Vec::new();
        for member in &of.members {
            if !member.hears(position) {
                continue;
            }
            let watches = (left && member.wrote)
                || Self::watches(of, member, moved, readers, &self.users[member.user.0 as usize].id);
            let least = of.group.is_some().then(|| everyone.but(member.user));
            for &device in &self.users[member.user.0 as usize].mailboxes {
                let mailbox = &mut self.mailboxes[device.0 as usize];
                let Some(reader) = mailbox.reader.filter(|_| mailbox.following) else { continue };
                let whole = position <= mailbox.began;
                if !watches && !whole {
                    continue;
                }
                let figures = if whole { &all[..] } else { moved };
                let bytes = receipts_bytes(figures);
                if !mailbox.owed.has_room(bytes, &self.limits) {
                    mailbox.following = false;
                    continue;
                }
                mailbox.handed = mailbox.handed.max(position);
                mailbox.owed.push(position, conversation, bytes);
                match handouts.iter_mut().find(|(of, given, _)| (*of, *given) == (least, whole)) {
                    Some((.., handout)) => handout.to.push((device, reader)),
                    None => {
                        let receipts = figures.to_vec();
                        let item = Item::Receipts { position, conversation: of.id, receipts, everyone: least };
                        handouts.push((least, whole, Handout { item, to: vec![(device, reader)] }));
                    }
                }
            }
        }
        handouts.into_iter().map(|(.., handout)| handout).collect()
    }

    /// What is above a position for a device, in order, at most so many; and whether there is more.
    pub(crate) fn above(&self, device: DeviceRef, after: Position, upto: Position, max: usize) -> (Vec<Next>, bool) {
        let mailbox = &self.mailboxes[device.0 as usize];
        let user = mailbox.user;
        let mut heap = BinaryHeap::new();
        for &conversation in &self.users[user.0 as usize].conversations {
            let of = &self.conversations[conversation.0 as usize];
            heap.extend(self.next_entry(of, conversation, device, of.first_above(after), upto).map(Reverse));
            let receipts = of.receipts_at > after && of.receipts_at <= upto && mailbox.device.is_some();
            if receipts && of.member(user).is_some_and(|member| member.hears(of.receipts_at)) {
                heap.push(Reverse(Next::Receipts(of.receipts_at, conversation)));
            }
        }
        let mut nexts = Vec::new();
        while nexts.len() < max {
            let Some(Reverse(next)) = heap.pop() else { return (nexts, false) };
            nexts.push(next);
            if let Next::Entry(_, conversation, index) = next {
                let of = &self.conversations[conversation.0 as usize];
                heap.extend(self.next_entry(of, conversation, device, index + 1, upto).map(Reverse));
            }
        }
        (nexts, !heap.is_empty())
    }

    fn next_entry(
        &self,
        of: &Conversation,
        conversation: ConvRef,
        device: DeviceRef,
        from: usize,
        upto: Position,
    ) -> Option<Next> {
        let member = of.member(self.mailboxes[device.0 as usize].user)?;
        let (index, kept) = of
            .entries
            .range(from.min(of.entries.len())..)
            .enumerate()
            .find(|(_, kept)| kept.owed > 0 && member.gets(kept.position) && self.is_for(kept, device))?;
        (kept.position <= upto).then_some(Next::Entry(kept.position, conversation, from + index))
    }

    /// Whether an entry of a conversation that its user is in is for a device: not what the device sent itself, and of what its
    /// user sent from others only what was sent since it is there.
    pub(crate) fn is_for(&self, kept: &Kept, device: DeviceRef) -> bool {
        let mailbox = &self.mailboxes[device.0 as usize];
        let own = self.writer(kept.author) == mailbox.user;
        match kept.author {
            Author::Device(sender) if own => sender != device && kept.position > mailbox.opened,
            _ => own || !kept.withheld,
        }
    }

    fn item(&self, next: Next, reader: UserRef) -> Item {
        match next {
            Next::Entry(_, conversation, index) => {
                let of = &self.conversations[conversation.0 as usize];
                Item::Entry(self.entry(of, &of.entries[index]))
            }
            Next::Receipts(position, conversation) => {
                let of = &self.conversations[conversation.0 as usize];
                let everyone = of.group.is_some().then(|| of.everyone.but(reader));
                Item::Receipts { position, conversation: of.id, receipts: receipts(of, &self.users), everyone }
            }
        }
    }

    pub(crate) fn entry(&self, of: &Conversation, kept: &Kept) -> Entry {
        let sender = self.writer(kept.author);
        Entry {
            position: kept.position,
            id: MessageId { conversation: of.id, seq: kept.seq },
            sender: self.users[sender.0 as usize].id.clone(),
            to: (of.kind == Kind::Direct).then(|| {
                let other = of.members.iter().map(|member| member.user).find(|member| *member != sender);
                self.users[other.unwrap_or(sender).0 as usize].id.clone()
            }),
            is_event: matches!(kept.author, Author::Change(_)),
            sent_at: kept.sent_at,
            body: kept.body,
        }
    }
}
