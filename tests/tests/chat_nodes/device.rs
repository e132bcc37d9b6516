//! A device that goes from node to node, and writes down what it does and sees.

use super::nodes::{Node, Nodes};
use super::{DEVICES, Random};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tertulia_chat::engine::{Delivery, Outlet, Reader, Rejected};
use tertulia_chat_core::{ClientId, ConversationId, Position, Seq, Submit};
use tertulia_common::{Timestamp, UserId};
use tertulia_tests::chat::Fault;
use tertulia_tests::chat::history::{self, Answer, History, Item, Step, Tick, To, What};

/// How long a device waits for an answer before it tries elsewhere.
const A_WHILE: Duration = Duration::from_millis(300);

/// Where everybody writes down what happens.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<History>>);

impl Recorder {
    fn note(&self, device: &history::Device, what: What) {
        let mut history = self.0.lock();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp(u64::try_from(now.as_millis()).unwrap_or_default());
        history.push(now, Step::Device(device.clone(), what));
    }

    pub(crate) fn history(&self) -> History {
        self.0.lock().clone()
    }

    /// The first faults, and what the device of the first saw before it.
    pub(crate) fn told(&self, faults: &[Fault]) -> String {
        let first: Vec<String> = faults.iter().take(5).map(ToString::to_string).collect();
        let history = self.history();
        let (upto, of) =
            faults.first().map_or((0, None), |fault| (fault.at.unwrap_or(usize::MAX), fault.device.as_ref()));
        let seen = history.events.iter().enumerate().filter(|(at, event)| *at <= upto && event.step.device() == of);
        let seen: Vec<String> = seen.map(|(at, event)| format!("{at} {:?}", event.step)).collect();
        format!("{first:#?}\n{:#?}", &seen[seen.len().saturating_sub(40)..])
    }
}

/// One time that a device is on a node.
struct Session {
    device: history::Device,
    recorder: Recorder,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    /// It has gone: what comes is not heard.
    is_over: bool,
    is_welcome: bool,
    is_drained: bool,
    heard: u64,
    /// The last message of each conversation.
    last: Option<(String, u64)>,
}

impl Session {
    fn note(&self, state: &mut State, what: What) {
        if !state.is_over {
            if !std::mem::replace(&mut state.is_welcome, true) {
                self.recorder.note(&self.device, What::Welcomed);
            }
            self.recorder.note(&self.device, what);
        }
    }

    /// What is asked is written down before it goes out.
    fn asks(&self, what: What) {
        self.note(&mut self.state.lock(), what);
    }
}

impl Outlet for Session {
    fn deliver(&self, delivery: &Arc<Delivery>) {
        use tertulia_chat_core::Item as Core;
        let item = match &delivery.item {
            Core::Entry(entry) => Item::Message {
                position: entry.position.0,
                conversation: entry.id.conversation.to_string(),
                seq: entry.id.seq.0,
                from: entry.sender.as_str().to_owned(),
                to: To::User(entry.to.as_ref().map_or_else(String::new, |to| to.as_str().to_owned())),
                sent_at: entry.sent_at,
                body: String::from_utf8_lossy(&delivery.body).into_owned(),
            },
            Core::Receipts { position, conversation, receipts, everyone } => Item::Receipts {
                position: position.0,
                conversation: conversation.to_string(),
                ticks: receipts
                    .iter()
                    .map(|of| Tick { user: of.user.as_str().to_owned(), delivered: of.delivered.0, read: of.read.0 })
                    .collect(),
                all: everyone.map(|all| (all.delivered.0, all.read.0)),
            },
            Core::Gap { upto, .. } => Item::Gap { upto: upto.0, why: history::Why::Quota },
        };
        let mut state = self.state.lock();
        state.heard = delivery.item.position().0;
        if let Item::Message { conversation, seq, .. } = &item {
            state.last = Some((conversation.clone(), *seq));
        }
        self.note(&mut state, What::Heard(item));
        self.news.notify_all();
    }

    fn drained(&self, _: Position) {
        let mut state = self.state.lock();
        state.is_drained = true;
        self.note(&mut state, What::Drained);
        self.news.notify_all();
    }
}

/// A message that was not answered yet.
struct Note {
    name: u128,
    to: &'static str,
    body: String,
}

pub(crate) struct Device<'a> {
    me: history::Device,
    nodes: &'a Nodes,
    recorder: &'a Recorder,
    random: Random,
    at: Option<(Arc<Node>, Reader, Arc<Session>)>,
    acknowledged: u64,
    requests: u64,
    names: u128,
    unanswered: Option<Note>,
}

impl<'a> Device<'a> {
    pub(crate) fn new((user, name): (&str, &str), nodes: &'a Nodes, recorder: &'a Recorder, random: Random) -> Self {
        let me = history::Device::new(user, name);
        let (at, unanswered) = (None, None);
        Self { me, nodes, recorder, random, at, acknowledged: 0, requests: 0, names: 0, unanswered }
    }

    /// Does something.
    pub(crate) fn step(&mut self) {
        match self.random.below(12) {
            0 => self.leave(),
            1..=4 => self.send(),
            5 => self.read(),
            6..=8 => self.acknowledge(),
            _ => std::thread::sleep(Duration::from_millis(self.random.below(25))),
        }
        if self.at.is_none() {
            self.connect();
        }
    }

    /// Keeps what it hears; what was not answered it sends again.
    pub(crate) fn step_on(&mut self, settles: bool) {
        if self.at.is_none() {
            self.connect();
        }
        if self.unanswered.is_some() {
            self.send();
        }
        self.acknowledge();
        // A node that has ended says nothing: now and then it looks elsewhere.
        let is_current = self.at.as_ref().is_some_and(|(node, ..)| {
            let is_one = (0..2).any(|which| Arc::ptr_eq(node, &self.nodes.node(which)));
            is_one && !node.has_failed.load(Ordering::SeqCst)
        });
        if !is_current || (!settles && self.random.below(40) == 0) {
            self.leave();
        }
        std::thread::sleep(Duration::from_millis(10));
    }

    pub(crate) fn is_settled(&self) -> bool {
        let is_drained = |(.., session): &(_, _, Arc<Session>)| session.state.lock().is_drained;
        self.unanswered.is_none() && self.at.as_ref().is_some_and(is_drained)
    }

    fn connect(&mut self) {
        let node = self.nodes.node(self.random.below(2));
        let session = Arc::new(Session {
            device: self.me.clone(),
            recorder: self.recorder.clone(),
            state: Mutex::default(),
            news: Condvar::new(),
        });
        self.recorder.note(&self.me, What::Connects);
        let (tell, told) = mpsc::channel();
        let outlet: Arc<dyn Outlet> = Arc::clone(&session) as Arc<dyn Outlet>;
        let (user, name) = (self.me.user.parse().expect("an id"), self.me.name.parse().expect("an id"));
        node.engine.attach(&user, &name, outlet, move |reader| drop(tell.send(reader)));
        match told.recv_timeout(A_WHILE) {
            Ok(Ok(reader)) => {
                let mut state = session.state.lock();
                if !std::mem::replace(&mut state.is_welcome, true) {
                    self.recorder.note(&self.me, What::Welcomed);
                }
                drop(state);
                self.acknowledged = 0;
                self.at = Some((node, reader, session));
            }
            _ => session.state.lock().is_over = true,
        }
    }

    /// It goes, at times without a word.
    fn leave(&mut self) {
        if let Some((node, reader, session)) = self.at.take() {
            session.state.lock().is_over = true;
            if self.random.below(2) == 0 {
                node.engine.detach(reader);
            }
        }
    }

    fn send(&mut self) {
        let Some((node, reader, session)) = self.at.clone() else { return };
        let note = self.unanswered.take().unwrap_or_else(|| {
            self.names += 1;
            let to = DEVICES[usize::try_from(self.random.below(DEVICES.len() as u64)).unwrap_or(0)].0;
            Note { name: self.names, to, body: format!("{} of {}", self.names, self.me) }
        });
        self.requests += 1;
        let (request, name) = (self.requests, note.name);
        session.asks(What::Sends { request, name, to: To::User(note.to.to_owned()), body: note.body.clone() });
        let submit = Submit {
            to: tertulia_chat_core::To::User(note.to.parse::<UserId>().expect("an id")),
            client_id: ClientId(name),
            digest: 0,
            body_bytes: note.body.len(),
            withheld: false,
        };
        let (tell, told) = mpsc::channel();
        let body = Bytes::from(note.body.clone().into_bytes());
        node.engine.send(reader, submit, body, move |sent| drop(tell.send(sent)));
        match told.recv_timeout(A_WHILE) {
            Ok(Ok(sent)) => {
                let answer = Answer::Sent {
                    conversation: sent.id.conversation.to_string(),
                    seq: sent.id.seq.0,
                    sent_at: sent.sent_at,
                    duplicate: sent.position.is_none(),
                };
                session.asks(What::Answered { request, name, answer });
                return;
            }
            Ok(Err(Rejected::Refused(refusal))) => panic!("{}: {refusal}", self.me),
            // Its node has ended, or what was asked or answered is lost.
            Ok(Err(_)) | Err(_) => self.leave(),
        }
        self.unanswered = Some(note);
    }

    fn acknowledge(&mut self) {
        let Some((node, reader, session)) = &self.at else { return };
        let upto = session.state.lock().heard;
        if upto > self.acknowledged {
            self.acknowledged = upto;
            session.asks(What::Acknowledges { upto });
            node.engine.acknowledge(*reader, Position(upto));
        }
    }

    fn read(&mut self) {
        let Some((node, reader, session)) = self.at.clone() else { return };
        let Some((conversation, upto)) = session.state.lock().last.clone() else { return };
        self.requests += 1;
        let request = self.requests;
        session.asks(What::Reads { request, conversation: conversation.clone(), upto });
        let (tell, told) = mpsc::channel();
        let id: ConversationId = conversation.parse().expect("an id");
        node.engine.read(reader, id, Seq(upto), move |done| drop(tell.send(done)));
        match told.recv_timeout(A_WHILE) {
            Ok(Ok(())) => session.asks(What::ReadTaken { request, conversation, upto }),
            Ok(Err(Rejected::Refused(refusal))) => panic!("{}: {refusal}", self.me),
            Ok(Err(_)) | Err(_) => self.leave(),
        }
    }
}
