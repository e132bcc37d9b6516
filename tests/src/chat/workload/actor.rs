//! One device of a workload: what a client does with its socket, its outbox and its mailbox.
//!
//! It behaves as a client should: it gives a message one name, sends again what was not answered, in order and under the same
//! name, never has more without an answer than the server remembers, and acknowledges only what it has heard.

use super::item::{item, place};
use super::{Random, Recorder};
use crate::chat::history::{Answer, Device, Item, Step, What};
use crate::socket::{Incoming, Socket};
use anyhow::{bail, ensure};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tertulia_common::{ClientMessageId, Timestamp};
use tertulia_signaling_proto::{
    Ack, Caps, ClientFrame, Codec, Content, ErrorBody, ErrorClass, ErrorCode, MailboxAck, MessageRead, MessageSend,
    Recipient, RequestId, Resume, ServerFrame,
};

/// Messages without an answer at once: below the server's `outstanding_max`.
const OUTBOX_MAX: usize = 12;
/// Messages after one without an answer: the server knows a device's latest 64 by name.
const BEHIND_MAX: u128 = 40;

/// What all devices of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) recorder: Recorder,
    pub(super) to: SocketAddr,
    pub(super) people: Vec<String>,
    pub(super) groups: Mutex<Vec<String>>,
    /// Invitations that were made: the group, and what lets one in.
    pub(super) invites: Mutex<Vec<(String, String)>>,
    /// Devices that are to be unlinked, or were.
    pub(super) unlinked: Mutex<BTreeSet<Device>>,
    /// The program runs, as far as is known.
    pub(super) is_up: AtomicBool,
    /// Everybody is to bring what they began to its end.
    pub(super) settling: AtomicBool,
    /// The program dies for the last time.
    pub(super) ending: AtomicBool,
    /// Devices that still do what they please.
    pub(super) working: AtomicUsize,
    /// Devices that have something without an answer.
    pub(super) unsettled: AtomicUsize,
    /// Devices that are back after the last start.
    pub(super) drained: AtomicUsize,
}

/// A message of one's own.
#[derive(Clone, Debug)]
struct Note {
    name: u128,
    to: Recipient,
    body: String,
}

/// What a request asked.
#[derive(Clone, Debug)]
enum Asked {
    Send(u128),
    Read(String, u64),
}

/// Who a device is.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) me: Device,
    pub(super) token: String,
    /// Devices that this one may unlink.
    pub(super) siblings: Vec<String>,
    /// Among all devices of the run.
    pub(super) number: u64,
}

pub(super) struct Actor {
    pub(super) me: Device,
    pub(super) token: String,
    pub(super) siblings: Vec<String>,
    pub(super) number: u64,
    codec: Codec,
    pub(super) random: Random,
    pub(super) shared: Arc<Shared>,
    socket: Option<Socket>,
    resume: Option<Resume>,
    /// Counted frames of the session.
    received: u64,
    /// Requests of this device, in all its sessions.
    pub(super) requests: u64,
    asked: HashMap<u64, Asked>,
    /// Messages without an answer, in order.
    outbox: VecDeque<Note>,
    /// The latest with an answer.
    answered: VecDeque<Note>,
    names: u128,
    /// Positions heard in this session.
    heard: Vec<u64>,
    acknowledged: u64,
    /// Conversations, and how far they go as this device knows.
    conversations: Vec<(String, u64)>,
    drained: bool,
    /// Reads that were taken since [`Self::settle`] asked.
    reads_taken: usize,
}

impl Actor {
    pub(super) fn new(identity: Identity, codec: Codec, random: Random, shared: Arc<Shared>) -> Self {
        let Identity { me, token, siblings, number } = identity;
        Self {
            me,
            token,
            siblings,
            number,
            codec,
            random,
            shared,
            socket: None,
            resume: None,
            received: 0,
            requests: 0,
            asked: HashMap::new(),
            outbox: VecDeque::new(),
            answered: VecDeque::new(),
            names: 0,
            heard: Vec::new(),
            acknowledged: 0,
            conversations: Vec::new(),
            drained: false,
            reads_taken: 0,
        }
    }

    pub(super) fn note(&self, what: What) {
        self.shared.recorder.note(Step::Device(self.me.clone(), what));
    }

    /// Does so many things, then settles, then comes back after the last start. Whoever is unlinked meanwhile is out of it.
    pub(super) async fn run(mut self, steps: usize) -> anyhow::Result<()> {
        let (mut working, mut unsettled) = (true, true);
        let went = self.goes(steps, &mut working, &mut unsettled).await;
        if !self.is_unlinked() {
            return went;
        }
        let shared = Arc::clone(&self.shared);
        for (still, count) in [(working, &shared.working), (unsettled, &shared.unsettled)] {
            if still {
                count.fetch_sub(1, Ordering::SeqCst);
            }
        }
        shared.drained.fetch_add(1, Ordering::SeqCst);
        drop(self);
        std::future::pending().await
    }

    /// Its access is being taken, or was.
    fn is_unlinked(&self) -> bool {
        self.shared.unlinked.lock().contains(&self.me)
    }

    async fn goes(&mut self, steps: usize, working: &mut bool, unsettled: &mut bool) -> anyhow::Result<()> {
        for _ in 0..steps {
            if self.socket.is_none() {
                let pause = self.random.millis(40);
                tokio::time::sleep(pause).await;
                self.connect().await?;
            }
            self.step().await?;
            let a_while = self.random.millis(12);
            self.listen(a_while).await?;
        }
        self.shared.working.fetch_sub(1, Ordering::SeqCst);
        *working = false;
        self.settle(unsettled).await?;
        (self.socket, self.resume) = (None, None);
        self.connect().await?;
        while !self.drained {
            self.listen(Duration::from_millis(50)).await?;
            self.acknowledge(true).await;
            if self.socket.is_none() {
                self.connect().await?;
            }
        }
        self.shared.drained.fetch_add(1, Ordering::SeqCst);
        loop {
            self.listen(Duration::from_secs(1)).await?;
        }
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        match self.random.below(100) {
            0..38 => self.send_new(1).await,
            38..44 => self.send_new(4).await,
            44..53 => self.send_again().await,
            53..70 => self.acknowledge(false).await,
            70..77 => self.read().await,
            77..81 => {
                let blind = self.random.millis(120);
                tokio::time::sleep(blind).await;
            }
            81..85 => self.socket = None, // goes on with its session
            85..88 => (self.socket, self.resume) = (None, None),
            _ => self.deed().await?,
        }
        Ok(())
    }

    /// Brings everything to its end, until the program dies for the last time.
    async fn settle(&mut self, unsettled: &mut bool) -> anyhow::Result<()> {
        let mut asked = false;
        while !self.shared.ending.load(Ordering::SeqCst) {
            if self.socket.is_none() {
                self.connect().await?;
                asked = false;
            }
            self.listen(Duration::from_millis(20)).await?;
            self.acknowledge(true).await;
            if self.outbox.iter().any(|note| !self.is_outstanding(note.name)) {
                self.send_outbox().await;
            }
            // What was read is told as well, in the end.
            ensure!(!self.is_unlinked(), "{} is unlinked", self.me);
            let goes_on = self.shared.settling.load(Ordering::SeqCst) && self.outbox.is_empty();
            if goes_on && !asked {
                self.reads_taken = 0;
                self.read().await;
                asked = true;
            }
            let done = goes_on && asked && (self.reads_taken > 0 || self.conversations.is_empty());
            if done && *unsettled {
                *unsettled = false;
                self.shared.unsettled.fetch_sub(1, Ordering::SeqCst);
            }
        }
        ensure!(!*unsettled, "{} had something without an answer", self.me);
        Ok(())
    }

    fn is_outstanding(&self, name: u128) -> bool {
        self.asked.values().any(|asked| matches!(asked, Asked::Send(of) if *of == name))
    }

    /// Connects, for as long as it takes the program to be back: that nobody gets in any more is found by whoever waits for that.
    async fn connect(&mut self) -> anyhow::Result<()> {
        loop {
            while !self.shared.is_up.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.note(What::Connects);
            match self.greet().await {
                Ok(()) => break,
                Err(error) => ensure!(!self.is_unlinked(), "{} is not welcome: {error:#}", self.me),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.asked.clear();
        self.send_outbox().await;
        Ok(())
    }

    async fn greet(&mut self) -> anyhow::Result<()> {
        let mut socket = Socket::open_at(self.shared.to, self.codec, None).await?;
        let caps = Caps { rings: false, call_waiting: false, messages: true };
        let resume = self.resume.clone().map(|resume| Resume { received: self.received, ..resume });
        socket.hello_as(&self.token, &self.me.name, resume, caps).await?;
        let welcome = match socket.next_frame().await? {
            ServerFrame::Welcome(welcome) => welcome,
            other => bail!("no welcome but {other:?}"),
        };
        if welcome.resumed {
            self.note(What::Resumed);
        } else {
            self.note(What::Welcomed);
            self.heard.clear();
            (self.received, self.drained) = (0, false);
        }
        // What was acknowledged on the old socket may not have arrived.
        self.acknowledged = 0;
        self.resume = Some(Resume { session: welcome.session, secret: welcome.secret, received: 0 });
        self.socket = Some(socket);
        Ok(())
    }

    /// Hears what comes, for a while.
    async fn listen(&mut self, a_while: Duration) -> anyhow::Result<()> {
        let end = tokio::time::Instant::now() + a_while;
        loop {
            let Some(socket) = &mut self.socket else {
                // Not only to wait: whoever has no socket must not spin.
                tokio::time::sleep_until(end.min(tokio::time::Instant::now() + Duration::from_millis(5))).await;
                return Ok(());
            };
            let Ok(next) = tokio::time::timeout_at(end, socket.next_whenever()).await else { return Ok(()) };
            match next? {
                Incoming::Frame(frame) => self.hears(*frame).await,
                Incoming::Closed(_) => self.socket = None,
            }
        }
    }

    async fn hears(&mut self, frame: ServerFrame) {
        if frame.is_counted() {
            self.received += 1;
        }
        match frame {
            ServerFrame::Ping(_) => self.say(ClientFrame::Pong(Ack { received: self.received })).await,
            ServerFrame::Ok(ok) => match (self.asked.remove(&ok.id.0), ok.message) {
                (Some(Asked::Send(name)), Some(message)) => {
                    let answer = Answer::Sent {
                        conversation: message.conversation.clone(),
                        seq: message.conversation_seq,
                        sent_at: message.sent_at,
                        duplicate: message.duplicate,
                    };
                    self.note(What::Answered { request: ok.id.0, name, answer });
                    self.knows(&message.conversation, message.conversation_seq);
                    self.is_answered(name);
                }
                (Some(Asked::Read(conversation, upto)), _) => {
                    self.note(What::ReadTaken { request: ok.id.0, conversation, upto });
                    self.reads_taken += 1;
                }
                _ => {}
            },
            ServerFrame::Error(error) => self.is_refused(error.id.map_or(0, |id| id.0), &error.error),
            ServerFrame::Drained(_) => {
                self.note(What::Drained);
                self.drained = true;
            }
            other => {
                if let Some(item) = item(other) {
                    self.hears_item(item);
                }
            }
        }
    }

    fn is_refused(&mut self, request: u64, error: &ErrorBody) {
        match self.asked.remove(&request) {
            Some(Asked::Send(name)) => {
                let is_final = matches!(error.code.class(), ErrorClass::Invalid | ErrorClass::Forbidden);
                // Not of the message: this device is being unlinked.
                let is_final = is_final && error.code != ErrorCode::NoMailbox;
                let answer = Answer::Refused { is_final, why: wire_name(error.code) };
                self.note(What::Answered { request, name, answer });
                if is_final {
                    self.outbox.retain(|note| note.name != name);
                }
            }
            // Whoever is in a group no longer need not read on.
            Some(Asked::Read(..)) => self.reads_taken += 1,
            None => {}
        }
    }

    fn hears_item(&mut self, item: Item) {
        let position = match &item {
            Item::Message { position, conversation, seq, .. }
            | Item::Entry { position, group: conversation, seq, .. } => {
                self.knows(conversation, *seq);
                *position
            }
            Item::Receipts { position, .. } => *position,
            Item::Gap { upto, .. } => *upto,
        };
        self.heard.push(position);
        self.note(What::Heard(item));
    }

    fn knows(&mut self, conversation: &str, seq: u64) {
        match self.conversations.iter_mut().find(|(known, _)| known == conversation) {
            Some((_, last)) => *last = seq.max(*last),
            None => self.conversations.push((conversation.to_owned(), seq)),
        }
    }

    fn is_answered(&mut self, name: u128) {
        if let Some(at) = self.outbox.iter().position(|note| note.name == name) {
            self.answered.extend(self.outbox.remove(at));
            if self.answered.len() > OUTBOX_MAX {
                self.answered.pop_front();
            }
        }
    }

    /// A frame on the socket, if there is one. That it is broken shows when it is listened to.
    async fn say(&mut self, frame: ClientFrame) {
        if let Some(socket) = &mut self.socket {
            socket.send(&frame).await.ok();
        }
    }

    async fn send_new(&mut self, count: usize) {
        for _ in 0..count {
            let oldest = self.outbox.front().map_or(self.names, |note| note.name);
            if self.outbox.len() >= OUTBOX_MAX || self.names - oldest >= BEHIND_MAX {
                return;
            }
            self.names += 1;
            let to = self.somewhere();
            let filling = "x".repeat(self.random.below(200));
            let body = format!("{}/{}/{} {filling}", self.me.user, self.me.name, self.names);
            let note = Note { name: self.names, to, body };
            self.outbox.push_back(note.clone());
            self.send(note).await;
        }
    }

    /// A person, or a group; those whom this device knows or not.
    fn somewhere(&mut self) -> Recipient {
        let groups = self.shared.groups.lock().clone();
        let to = self.random.below(self.shared.people.len() + 2 * groups.len());
        match self.shared.people.get(to) {
            Some(user) => user.parse().map_or_else(|_| Recipient::Group(user.clone()), Recipient::User),
            None => Recipient::Group(groups[(to - self.shared.people.len()) / 2].clone()),
        }
    }

    /// Something that was sent, answered or not.
    async fn send_again(&mut self) {
        let known: Vec<Note> = self.answered.iter().chain(&self.outbox).cloned().collect();
        if !known.is_empty() && self.asked.len() < OUTBOX_MAX {
            let again = known[self.random.below(known.len())].clone();
            self.send(again).await;
        }
    }

    async fn send_outbox(&mut self) {
        for note in self.outbox.clone() {
            if !self.is_outstanding(note.name) {
                self.send(note).await;
            }
        }
    }

    async fn send(&mut self, note: Note) {
        let Note { name, to, body } = note;
        self.requests += 1;
        let request = self.requests;
        let noted = place(&to);
        self.note(What::Sends { request, name, to: noted, body: body.clone() });
        self.asked.insert(request, Asked::Send(name));
        // Names are the device's own: that two devices use the same ones must not matter.
        let client_id = ClientMessageId::new(Timestamp(1_790_000_000_000), name);
        let (id, content) = (RequestId(request), Content::Text { text: body });
        self.say(ClientFrame::MessageSend(MessageSend { id, client_id, to, content })).await;
    }

    /// All that was heard, or some of it.
    async fn acknowledge(&mut self, all: bool) {
        let Some(&last) = self.heard.last() else { return };
        let upto = if all || self.random.below(3) > 0 { last } else { self.heard[self.random.below(self.heard.len())] };
        if upto > self.acknowledged {
            self.acknowledged = upto;
            self.note(What::Acknowledges { upto });
            self.say(ClientFrame::MailboxAck(MailboxAck { seq: upto, received: None })).await;
        }
    }

    async fn read(&mut self) {
        if self.conversations.is_empty() || self.asked.len() >= OUTBOX_MAX {
            return;
        }
        let (conversation, last) = self.conversations[self.random.below(self.conversations.len())].clone();
        let upto = last - self.random.below(2) as u64;
        self.requests += 1;
        let request = self.requests;
        self.note(What::Reads { request, conversation: conversation.clone(), upto });
        self.asked.insert(request, Asked::Read(conversation.clone(), upto));
        let id = RequestId(request);
        self.say(ClientFrame::MessageRead(MessageRead { id, conversation, read_upto: upto })).await;
    }
}

/// A refusal's name, as it is on the wire.
fn wire_name(code: ErrorCode) -> String {
    let told = serde_json::to_value(code).unwrap_or_default();
    told.as_str().unwrap_or_default().to_owned()
}
