//! The chat relay as sessions see it: sending, reading, the mailbox of a device that takes messages.
//!
//! Invariants: a session that takes messages holds its device's mailbox for as long as it lives ([`Held`]). Whom a message may
//! go to is asked of the directory, and remembered while nothing changes ([`Reach`]); what a blocked person writes is withheld, so that
//! a block does not tell of itself.

mod carry;
mod groups;
mod looks;
mod reach;

pub use groups::GroupsConfig;
pub(crate) use groups::{about as new_group, edit as group_edit, group_to_wire, invite_hash, role_from_wire};

use crate::clock::Clock;
use crate::hub::Hub;
use crate::session::Session;
use crate::translate;
use bytes::Bytes;
use carry::Carried;
use groups::Groups;
use reach::Reach;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Weak};
use tertulia_chat::engine::{Delivery, Engine, Outlet, Reader, Rejected, SLOTS};
use tertulia_chat_core::{
    ClientId, ConversationId, Entry, Event, GapReason, Item, Position, Receipt, Refusal, Sent, Seq, Submit, To,
};
use tertulia_common::{DeviceId, Timestamp, UserId};
use tertulia_directory::Directory;
use tertulia_media_pipeline::library::Library;
use tertulia_signaling_core::Endpoint;
use tertulia_signaling_proto::{
    Codec, Content, Drained, ErrorBody, ErrorCode, Gap, GapReason as WireGapReason, MailboxAck, MessageHead,
    MessagePost, MessageRead, MessageSend, MessageSent, OkFrame, Receipt as WireReceipt, Receipts, ReceiptsOfAll,
    Recipient, ServerFrame,
};
use tokio::sync::oneshot;

/// The relay, with what sessions need beside it.
pub(crate) struct Chat {
    engine: Arc<Engine>,
    /// Files that messages carry. Absent: this server takes none.
    library: Option<Library>,
    reach: Arc<Reach>,
    pub(crate) groups: Groups,
}

/// The relay, and what people may do with it.
#[derive(Clone)]
pub struct ChatConfig {
    /// The relay.
    pub engine: Arc<Engine>,
    /// Groups.
    pub groups: GroupsConfig,
}

impl std::fmt::Debug for ChatConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatConfig").field("groups", &self.groups).finish_non_exhaustive()
    }
}

/// A session's hold on its device's mailbox.
pub(crate) struct Held {
    engine: Arc<Engine>,
    reader: Reader,
}

impl Held {
    pub(crate) fn reader(&self) -> Reader {
        self.reader
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.engine.detach(self.reader);
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Held").field(&self.reader).finish()
    }
}

/// Where a session hears its mailbox. It does not keep the session alive.
struct Mail {
    hub: Arc<Hub>,
    session: Weak<Session>,
}

// A delivery is encoded once a codec.
const _: () = assert!(SLOTS == Codec::ALL.len());

impl Outlet for Mail {
    fn deliver(&self, delivery: &Arc<Delivery>) {
        let Some(session) = self.session.upgrade() else { return };
        let slot = &delivery.slots[session.who.codec.index()];
        let encoded = slot.get_or_init(|| encode(delivery, session.who.codec));
        // Written by a newer program, or damaged: the relay has said so.
        if !encoded.is_empty() {
            self.hub.tell_encoded(&session, encoded.clone());
        }
    }

    fn drained(&self, upto: Position) {
        if let Some(session) = self.session.upgrade() {
            self.hub.tell_session(&session, &ServerFrame::Drained(Drained { seq: upto.0 }));
        }
    }
}

impl Chat {
    pub(crate) fn new(config: ChatConfig, directory: &Directory, library: Option<Library>) -> Self {
        let groups = Groups::new(config.groups);
        Self { engine: config.engine, library, reach: Reach::of(directory), groups }
    }

    /// Opens the mailbox of a session's device and hands it out from now on. Whoever welcomes the session waits for it: what the
    /// client sends next needs the mailbox.
    pub(crate) async fn attach(&self, hub: &Arc<Hub>, session: &Arc<Session>) {
        let (tell, told) = oneshot::channel::<()>();
        let mail = Mail { hub: Arc::clone(hub), session: Arc::downgrade(session) };
        let (engine, weak, hub) = (Arc::clone(&self.engine), Arc::downgrade(session), Arc::clone(hub));
        let endpoint = &session.who.endpoint;
        self.engine.attach(&endpoint.user, &endpoint.device, Arc::new(mail), move |opened| {
            let _told = tell;
            match opened {
                Ok(reader) => {
                    let held = Held { engine, reader };
                    // If the session is over meanwhile, dropping the hold gives the mailbox back.
                    if let Some(session) = weak.upgrade() {
                        session.hold(held);
                    }
                }
                Err(rejected) => {
                    if let Some(session) = weak.upgrade() {
                        hub.refuse(&session, None, rejected_to_wire(&rejected));
                    }
                }
            }
        });
        // Dropped without a word only where the relay ends: its requests say so.
        drop(told.await);
    }

    /// The device has kept everything up to there.
    pub(crate) fn acknowledge(&self, session: &Session, ack: MailboxAck) {
        if let Some(reader) = session.reader() {
            self.engine.acknowledge(reader, Position(ack.seq));
        }
    }

    /// Devices have lost their access: their mailboxes close.
    pub(crate) fn close<'a>(&self, user: &UserId, devices: impl IntoIterator<Item = &'a DeviceId>) {
        devices.into_iter().for_each(|device| self.engine.close(user, device));
    }

    /// A person is gone.
    pub(crate) fn remove(&self, user: &UserId) {
        self.engine.remove(user);
    }

    /// Where a message that is nothing but words goes, and whether it is withheld, if nobody has to be asked for it.
    pub(crate) fn way_known(&self, now: Timestamp, session: &Session, send: &MessageSend) -> Option<(To, bool)> {
        if Carried::of(&send.content).is_some() {
            return None;
        }
        match &send.to {
            Recipient::User(to) => {
                let pair = (session.who.endpoint.user.clone(), to.clone());
                self.reach.known(now, &pair).map(|withheld| (To::User(pair.1), withheld))
            }
            Recipient::Group(group) => group.parse().ok().map(|group| (To::Group(group), false)),
        }
    }

    /// Sends a message that goes there; `answer` is called when it is durable, or refused.
    pub(crate) fn send_text(
        &self,
        session: &Session,
        (to, withheld): (To, bool),
        send: MessageSend,
        answer: impl FnOnce(Result<OkFrame, ErrorBody>) + Send + 'static,
    ) {
        let Some(reader) = session.reader() else { return answer(Err(ErrorCode::NoMailbox.into())) };
        let body = match checked(&send.content) {
            Ok(body) => body,
            Err(error) => return answer(Err(error)),
        };
        let client_id = ClientId(send.client_id.as_u128());
        self.hand_in(reader, Asked { client_id, to, withheld, body, carried: None }, answer);
    }

    /// Sends a message; `answer` is called when it is durable, or refused.
    pub(crate) async fn send(
        &self,
        directory: &Directory,
        clock: Clock,
        session: &Session,
        send: MessageSend,
        answer: impl FnOnce(Result<OkFrame, ErrorBody>) + Send + 'static,
    ) {
        let Some(reader) = session.reader() else { return answer(Err(ErrorCode::NoMailbox.into())) };
        let MessageSend { client_id, to, content, .. } = send;
        let post = MessagePost { client_id, to, content };
        let endpoint = &session.who.endpoint;
        let mut asked = match self.asked(directory, clock, &endpoint.user, post).await {
            Ok(asked) => asked,
            Err(error) => return answer(Err(error)),
        };
        if let Some(carried) = asked.carried.take() {
            let sent = self.send_carried(reader, (&endpoint.user, &endpoint.device), asked, carried).await;
            return answer(sent.map(|message| OkFrame { message: Some(message), ..OkFrame::default() }));
        }
        self.hand_in(reader, asked, answer);
    }

    fn hand_in(&self, reader: Reader, asked: Asked, answer: impl FnOnce(Result<OkFrame, ErrorBody>) + Send + 'static) {
        let (submit, body) = asked.into_submit();
        self.engine.send(reader, submit, body, move |sent| {
            let message = sent.map(|sent| Some(sent_to_wire(sent)));
            let ok = message.map(|message| OkFrame { message, ..OkFrame::default() });
            answer(ok.map_err(|rejected| rejected_to_wire(&rejected)));
        });
    }

    /// Sends a message from a device that need not be connected: the same way, with the same answer.
    pub(crate) async fn post(
        &self,
        directory: &Directory,
        clock: Clock,
        from: (&UserId, &DeviceId),
        post: MessagePost,
    ) -> Result<MessageSent, ErrorBody> {
        let sender = self.engine.sender(from.0, from.1).ok_or(ErrorCode::NoMailbox)?;
        let mut asked = self.asked(directory, clock, from.0, post).await?;
        if let Some(carried) = asked.carried.take() {
            return self.send_carried(sender, from, asked, carried).await;
        }
        let (submit, body) = asked.into_submit();
        let (tell, told) = oneshot::channel();
        // Nobody hears it if the asker is gone: they ask again.
        self.engine.send(sender, submit, body, move |sent| drop(tell.send(sent)));
        answered(told).await.map(sent_to_wire)
    }

    /// A message that makes sense and has somewhere to go.
    async fn asked(
        &self,
        directory: &Directory,
        clock: Clock,
        from: &UserId,
        post: MessagePost,
    ) -> Result<Asked, ErrorBody> {
        let body = checked(&post.content)?;
        let (to, withheld) = self.way(directory, clock, from, post.to).await?;
        let client_id = ClientId(post.client_id.as_u128());
        Ok(Asked { client_id, to, withheld, body, carried: Carried::of(&post.content) })
    }

    /// Where a message goes, and whether it is withheld. In a group members hear each other, blocked or not.
    async fn way(
        &self,
        directory: &Directory,
        clock: Clock,
        from: &UserId,
        to: Recipient,
    ) -> Result<(To, bool), ErrorCode> {
        match to {
            Recipient::User(to) => {
                let withheld = self.reach.is_withheld(directory, clock, from, &to).await?;
                Ok((To::User(to), withheld))
            }
            Recipient::Group(group) => {
                let group = group.parse().map_err(|_| ErrorCode::UnknownConversation)?;
                Ok((To::Group(group), false))
            }
        }
    }

    /// Whether what `from` writes comes to `to`.
    pub(crate) async fn reaches(&self, directory: &Directory, clock: Clock, from: &UserId, to: &UserId) -> bool {
        self.reach.is_withheld(directory, clock, from, to).await == Ok(false)
    }

    /// Whom a message from a device to a group would be for; none if it would be refused.
    pub(crate) fn written_to(&self, from: &Endpoint, group: &str) -> Option<Vec<UserId>> {
        let sender = self.engine.sender(&from.user, &from.device)?;
        let (_, members) = self.engine.written_to(sender, group.parse().ok()?).ok()?;
        Some(members)
    }

    /// The user has read up to there.
    pub(crate) fn read(
        &self,
        session: &Session,
        read: &MessageRead,
        answer: impl FnOnce(Result<OkFrame, ErrorBody>) + Send + 'static,
    ) {
        let Some(reader) = session.reader() else { return answer(Err(ErrorCode::NoMailbox.into())) };
        let Ok(conversation) = read.conversation.parse::<ConversationId>() else {
            return answer(Err(ErrorCode::UnknownConversation.into()));
        };
        self.engine.read(reader, conversation, Seq(read.read_upto), move |done| {
            answer(done.map(|()| OkFrame::default()).map_err(|rejected| rejected_to_wire(&rejected)));
        });
    }
}

/// A message as its sender wants it.
struct Asked {
    client_id: ClientId,
    to: To,
    withheld: bool,
    body: Bytes,
    /// What it carries besides words: it is sent by [`Chat::send_carried`].
    carried: Option<Carried>,
}

impl Asked {
    fn into_submit(self) -> (Submit, Bytes) {
        let Self { client_id, to, withheld, body, .. } = self;
        (Submit { to, client_id, digest: digest(&body), body_bytes: body.len(), withheld }, body)
    }
}

/// What is stored of a content that makes sense.
fn checked(content: &Content) -> Result<Bytes, ErrorBody> {
    let sense = match content {
        Content::Text { text } => !text.trim().is_empty(),
        Content::Media(_) | Content::Voice(_) => {
            carry::check(content)?;
            true
        }
        // The server's own words.
        Content::System(_) | Content::Call(_) => false,
    };
    sense.then(|| content.to_bytes().into()).ok_or_else(|| ErrorCode::BadRequest.into())
}

/// Tells one body from another.
fn digest(body: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(body)[..8]);
    u64::from_be_bytes(first)
}

fn sent_to_wire(sent: Sent) -> MessageSent {
    MessageSent {
        conversation: sent.id.conversation.to_string(),
        conversation_seq: sent.id.seq.0,
        sent_at: sent.sent_at,
        duplicate: sent.position.is_none(),
        content: None,
    }
}

/// What the relay answered.
async fn answered<T>(told: oneshot::Receiver<Result<T, Rejected>>) -> Result<T, ErrorBody> {
    // Dropped without a word, it has ended.
    told.await.unwrap_or(Err(Rejected::Ended)).map_err(|rejected| rejected_to_wire(&rejected))
}

fn rejected_to_wire(rejected: &Rejected) -> ErrorBody {
    match rejected {
        Rejected::Busy | Rejected::Full | Rejected::Ended => ErrorCode::MessageNotStored.into(),
        Rejected::Refused(refusal) => match refusal {
            Refusal::NoConversation => ErrorCode::UnknownConversation.into(),
            Refusal::NotAllowed => ErrorCode::Forbidden.into(),
            Refusal::BodyTooLong { limit, actual } => {
                translate::limit(ErrorCode::TooLarge, *limit as u64, *actual as u64)
            }
            Refusal::Devices { limit } | Refusal::Conversations { limit } => {
                translate::too_many(ErrorCode::TooMany, *limit)
            }
            Refusal::NotAddable => ErrorCode::NotAddable.into(),
            Refusal::NoMember => ErrorCode::UnknownUser.into(),
            Refusal::GroupFull { limit } => translate::too_many(ErrorCode::TooMany, *limit),
            Refusal::NoInvite => ErrorCode::InviteOver.into(),
            Refusal::Changed => ErrorCode::MessageNotStored.into(),
            Refusal::ClientIdReused => ErrorCode::ClientIdReused.into(),
            Refusal::NotHandedOut => ErrorCode::BadRequest.into(),
            Refusal::DeviceGone => ErrorCode::NoMailbox.into(),
        },
    }
}

/// The frame of a delivery; empty if it can't be made.
fn encode(delivery: &Delivery, codec: Codec) -> Bytes {
    let frame = match &delivery.item {
        Item::Entry(entry) => return message(entry, &delivery.body, codec).map(Bytes::from).unwrap_or_default(),
        Item::Receipts { position, conversation, receipts, everyone } => ServerFrame::Receipts(Receipts {
            seq: position.0,
            conversation: conversation.to_string(),
            receipts: receipts.iter().map(receipt).collect(),
            all: everyone.map(|all| ReceiptsOfAll { delivered_upto: all.delivered.0, read_upto: all.read.0 }),
        }),
        Item::Gap { upto, reason } => ServerFrame::Gap(Gap {
            seq: upto.0,
            reason: match reason {
                GapReason::Expired => WireGapReason::Expired,
                GapReason::Quota => WireGapReason::Quota,
            },
        }),
    };
    codec.encode_server(&frame).into()
}

/// What an entry says. None: a newer program wrote it.
fn content_of(entry: &Entry, body: &[u8]) -> Option<Content> {
    if entry.is_event {
        return Some(Content::System(groups::event_to_wire(Event::from_bytes(body)?)));
    }
    Content::from_bytes(body)
}

/// A message's frame. None: a newer program wrote it.
fn message(entry: &Entry, body: &[u8], codec: Codec) -> Option<Vec<u8>> {
    let conversation = entry.id.conversation.to_string();
    let to = match &entry.to {
        Some(user) => Recipient::User(user.clone()),
        None => Recipient::Group(conversation.clone()),
    };
    let (seq, conversation_seq) = (entry.position.0, entry.id.seq.0);
    let (from, sent_at) = (&entry.sender, entry.sent_at);
    let head = MessageHead { seq, conversation: &conversation, conversation_seq, from, to: &to, sent_at };
    if entry.is_event {
        return codec.encode_message(head, &content_of(entry, body)?.to_bytes());
    }
    codec.encode_message(head, body)
}

fn receipt(receipt: &Receipt) -> WireReceipt {
    WireReceipt { user: receipt.user.clone(), delivered_upto: receipt.delivered.0, read_upto: receipt.read.0 }
}
