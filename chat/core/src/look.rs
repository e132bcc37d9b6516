//! Looking at what waits and what was sent, without taking anything: pages that stay whole while more is sent.
//!
//! What is known of a message that somebody has sent: while anybody waits for it all of it; then, while it is among the latest
//! of its device ([`crate::Limits::dedup_per_device`]), when and by which name. Its state is worked out from how far the others
//! have come, as it was last told: nothing is kept for it.
//!
//! Invariant: what is found rises by conversation and place, so that a page that begins after the last one finds nothing twice
//! and misses nothing that was there all the time.

use crate::Refusal;
use crate::conversation::{Author, Conversation, Kept, Kind, Member};
use crate::id::{ClientId, ConvRef, ConversationId, DeviceRef, MessageId, Position, Seq, UserRef};
use crate::mailbox::Entry;
use crate::record::SentRecord;
use crate::relay::Relay;
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;
use tertulia_common::{DeviceId, Timestamp, UserId};

/// Entries that one look passes over at most: it ends early then, and the next goes on. Raising it lets one look hold up the
/// relay for longer.
const PASSED_MAX: usize = 20_000;

/// How far the others have come with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Somebody has it on no device; or it is another's and waits for the asker's device.
    Pending,
    /// Everybody has it on a device.
    Delivered,
    /// Everybody has read it.
    Read,
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Who asks.
    pub user: UserId,
    /// From which device: what waits for it is shown. None: only what the asker has sent.
    pub device: Option<DeviceId>,
    /// In this conversation only.
    pub conversation: Option<ConversationId>,
    /// At this place only.
    pub seq: Option<Seq>,
    /// In these states only.
    pub standings: Vec<Standing>,
    /// After this one.
    pub after: Option<MessageId>,
    /// At most so many.
    pub max: usize,
    /// And of bodies at most so many bytes, if more than one has any.
    pub bytes_max: usize,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub id: MessageId,
    /// Who sent it.
    pub sender: UserId,
    /// Between two people: to whom. None in a group.
    pub to: Option<UserId>,
    /// When.
    pub sent_at: Timestamp,
    /// How far it has come.
    pub standing: Standing,
    /// Of one that the asker has sent, while that is known: by which name.
    pub client_id: Option<ClientId>,
    /// It waits for the asker's device.
    pub waits: Option<Entry>,
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// By conversation and place.
    pub found: Vec<Found>,
    /// There may be more after this one.
    pub next: Option<MessageId>,
    /// It ended early, after [`PASSED_MAX`].
    pub cut: bool,
}

/// Who looks.
struct Asker<'a> {
    user: UserRef,
    device: Option<DeviceRef>,
    sent: BTreeMap<MessageId, &'a SentRecord>,
}

impl Relay {
    /// Looks. Nothing is acknowledged, nothing changes.
    ///
    /// # Errors
    /// [`Refusal::NoConversation`] if the asker has no part in the one that is asked for.
    pub fn look(&self, look: &Look) -> Result<Looked, Refusal> {
        let Some(&user) = self.by_user.get(&look.user) else {
            return if look.conversation.is_some() { Err(Refusal::NoConversation) } else { Ok(Looked::default()) };
        };
        let device = look.device.as_ref().and_then(|device| self.find(user, Some(device)));
        let asker = Asker { user, device, sent: self.sent_by(user) };
        let mut page = Looked::default();
        let (mut passed, mut bytes) = (0, 0);
        for at in self.looked_through(user, look)? {
            let of = &self.conversations[at.0 as usize];
            let Some(member) = of.member(user) else { continue };
            for id in self.places(of, &asker, look) {
                if passed >= PASSED_MAX {
                    page.cut = true;
                    return Ok(page);
                }
                passed += 1;
                if let Some(found) =
                    self.found(of, member, &asker, id).filter(|it| look.standings.contains(&it.standing))
                {
                    let len = found.waits.as_ref().map_or(0, |entry| entry.body.len as usize);
                    if page.found.len() >= look.max || (bytes > 0 && bytes + len > look.bytes_max) {
                        return Ok(page);
                    }
                    bytes += len;
                    page.found.push(found);
                }
                page.next = Some(id);
            }
        }
        page.next = None;
        Ok(page)
    }

    /// Whether two are together in a conversation, or a group.
    #[must_use]
    pub fn have_met(&self, one: &UserId, other: &UserId) -> bool {
        let (Some(&one), Some(&other)) = (self.by_user.get(one), self.by_user.get(other)) else { return false };
        let of = |user: UserRef| &self.users[user.0 as usize].conversations;
        let theirs: FxHashSet<ConvRef> = of(other).iter().copied().collect();
        of(one).iter().filter(|at| theirs.contains(at)).any(|at| {
            let of = &self.conversations[at.0 as usize];
            [one, other].into_iter().all(|user| of.member(user).is_some_and(Member::is_in))
        })
    }

    /// The latest messages of all devices of somebody.
    fn sent_by(&self, user: UserRef) -> BTreeMap<MessageId, &SentRecord> {
        let devices = self.users[user.0 as usize].mailboxes.iter();
        let sent = devices.flat_map(|device| self.mailboxes[device.0 as usize].sent.iter());
        sent.map(|sent| (MessageId { conversation: sent.conversation, seq: sent.seq }, sent)).collect()
    }

    /// The conversations that are looked through, in order.
    fn looked_through(&self, user: UserRef, look: &Look) -> Result<Vec<ConvRef>, Refusal> {
        let id = |at: &ConvRef| self.conversations[at.0 as usize].id;
        let mut through: Vec<ConvRef> = self.users[user.0 as usize].conversations.clone();
        if let Some(only) = look.conversation {
            through.retain(|at| id(at) == only);
            if through.is_empty() {
                return Err(Refusal::NoConversation);
            }
        }
        through.retain(|at| look.after.is_none_or(|after| id(at) >= after.conversation));
        through.sort_unstable_by_key(id);
        Ok(through)
    }

    /// The places of a conversation at which something may be found, in order.
    fn places<'a>(
        &'a self,
        of: &'a Conversation,
        asker: &'a Asker<'_>,
        look: &Look,
    ) -> impl Iterator<Item = MessageId> + 'a {
        let after = look.after.filter(|after| after.conversation == of.id).map_or(Seq(0), |after| after.seq);
        let first = look.seq.unwrap_or_default().max(Seq(after.0 + 1));
        let last = look.seq.unwrap_or(Seq(u64::MAX));
        let place = |seq| MessageId { conversation: of.id, seq };
        let from = of.entries.partition_point(|kept| kept.seq < first);
        let kept = of.entries.range(from..).map(|kept| kept.seq).take_while(move |seq| *seq <= last);
        let mut sent = (first <= last).then(|| asker.sent.range(place(first)..=place(last))).into_iter().flatten();
        let (mut kept, mut next) = (kept.peekable(), sent.next().map(|(id, _)| id.seq));
        std::iter::from_fn(move || {
            let least = match (kept.peek().copied(), next) {
                (Some(kept), Some(sent)) => kept.min(sent),
                (kept, sent) => kept.or(sent)?,
            };
            kept.next_if_eq(&least);
            if next == Some(least) {
                next = sent.next().map(|(id, _)| id.seq);
            }
            Some(place(least))
        })
    }

    fn found(&self, of: &Conversation, member: &Member, asker: &Asker<'_>, id: MessageId) -> Option<Found> {
        let index = of.entries.partition_point(|kept| kept.seq < id.seq);
        let kept = of.entries.get(index).filter(|kept| kept.seq == id.seq);
        let entry = kept.filter(|kept| self.waits(kept, member, asker)).map(|kept| self.entry(of, kept));
        let sent = asker.sent.get(&id);
        // What somebody does to a group is no message; and who has left hears no more of how others do.
        let own = sent.is_some() || kept.is_some_and(|kept| self.is_own_message(kept, asker.user));
        if entry.is_none() && !(own && member.is_in()) {
            return None;
        }
        let sender = match &entry {
            Some(entry) => entry.sender.clone(),
            None => self.users[asker.user.0 as usize].id.clone(),
        };
        let other = |of: &Conversation| {
            let other = of.members.iter().map(|member| member.user).find(|user| *user != asker.user);
            self.users[other.unwrap_or(asker.user).0 as usize].id.clone()
        };
        let to = match &entry {
            Some(entry) => entry.to.clone(),
            None => (of.kind == Kind::Direct).then(|| other(of)),
        };
        Some(Found {
            id,
            sender,
            to,
            sent_at: sent.map(|sent| sent.sent_at).or(kept.map(|kept| kept.sent_at))?,
            standing: if own { standing(of, asker.user, id.seq) } else { Standing::Pending },
            client_id: sent.map(|sent| sent.client_id),
            waits: entry,
        })
    }

    /// Whether an entry waits for the asker's device.
    fn waits(&self, kept: &Kept, member: &Member, asker: &Asker<'_>) -> bool {
        asker.device.is_some_and(|device| {
            let above: Position = self.mailboxes[device.0 as usize].acknowledged;
            kept.owed > 0 && kept.position > above && member.gets(kept.position) && self.is_for(kept, device)
        })
    }

    fn is_own_message(&self, kept: &Kept, user: UserRef) -> bool {
        !matches!(kept.author, Author::Change(_)) && self.writer(kept.author) == user
    }
}

/// How far all others have come with what stands at a place, as it was last told. A note to oneself is read.
fn standing(of: &Conversation, asker: UserRef, seq: Seq) -> Standing {
    let (delivered, read) = if of.group.is_some() {
        let all = of.everyone.but(asker);
        (all.delivered, all.read)
    } else {
        let other = of.members.iter().find(|member| member.user != asker);
        other.map_or((of.last, of.last), |other| other.told)
    };
    match seq {
        seq if seq <= read => Standing::Read,
        seq if seq <= delivered => Standing::Delivered,
        _ => Standing::Pending,
    }
}
