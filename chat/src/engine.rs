//! The engine: one owner's relay, its store, and the one thread that decides, writes and tells, in this order.
//!
//! ```text
//!  sessions ──commands──▶ committer ─┬─ decide (relay) ─ write (store, one sync for many) ─ settle ─▶ answers, handouts
//!                                    └─ every few seconds: tidy, expire, receipts
//!  sessions ◀──handouts── postman: what waited for a device that came back, or was slow
//! ```
//!
//! Invariants: nothing is told to anybody before it is durable. What goes to one reader goes through its [`Lane`] in the
//! mailbox's order, whoever of the two threads brings it. A store that fails ends the engine: `on_failure` is called once, and
//! nothing is confirmed after it.

mod committer;
mod follower;
mod groups;
mod inbox;
mod lane;
mod looks;
mod pending;
mod postman;
mod tail;
mod way;

pub use follower::Following;
pub use groups::{GroupChanged, GroupPage};
pub use lane::{Delivery, Outlet, SLOTS};
pub use way::{Answer, Answered, Asked, Way};

use crate::store::{Bodies, Figures, Store, StoreError};
use bytes::Bytes;
use groups::GroupCommand;
use inbox::Inbox;
use lane::Lane;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use tail::Tail;
use tertulia_chat_core::{
    ClientId, ConversationId, Depths, DeviceRef, Item, Look, Looked, Note, Position, Refusal, Relay, Sent, Seq, Submit,
};
use tertulia_common::{DeviceId, Timestamp, UserId};

/// What the engine needs from outside.
pub struct Outside {
    /// The clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// The store has failed: nothing is confirmed any longer, the program is to end and recover.
    pub on_failure: Box<dyn FnOnce(&StoreError) + Send>,
    /// These people are to be woken: they have messages that no device of theirs has acknowledged. Called by the committer: it must
    /// not wait for anything.
    pub wake: Box<dyn Fn(Vec<UserId>) + Send>,
    /// Runs what it is given, which tells several readers, once: what they are told may be written to each when all are told.
    pub together: Together,
}

/// Runs what tells several readers.
pub type Together = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// How the engine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Commands that may wait for the committer; above, senders are refused. Raising it lets latency grow under overload.
    pub queue_max: usize,
    /// How long after one sync began the next may begin, in milliseconds: what comes meanwhile shares it. Raising it saves work at
    /// moderate rates, a waking and a write for each message, and makes messages that much later.
    pub sync_every_ms: u64,
    /// How long receipts are gathered, in milliseconds.
    pub receipts_ms: u64,
    /// How long a conversation in which somebody was told of deliveries is let alone, in milliseconds: ticks of a talk that goes on.
    pub talk_receipts_ms: u64,
    /// How often the store is tidied, in milliseconds: what was acknowledged is unreadable within twice this.
    pub tidy_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { queue_max: 16_384, sync_every_ms: 2, receipts_ms: 100, talk_receipts_ms: 500, tidy_ms: 15_000 }
    }
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The relay's reason.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too much waits for the committer: try again a little later.
    #[error("too much waits to be written")]
    Busy,
    /// The store has no room for more.
    #[error("there is no room for more messages")]
    Full,
    /// The engine has ended.
    #[error("the relay is ending")]
    Ended,
}

/// Who reads a mailbox: of all readers of a device only the last that came gets anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reader {
    pub(crate) device: DeviceRef,
    pub(crate) number: u64,
}

/// The number that no reader has: they begin above.
const NOBODY: u64 = 0;

pub(crate) type Reply<T> = Box<dyn FnOnce(Result<T, Rejected>) + Send>;

/// What sessions ask of the committer.
pub(crate) enum Command {
    Open {
        user: UserId,
        device: DeviceId,
        reply: Reply<DeviceRef>,
    },
    Send {
        from: Reader,
        submit: Submit,
        body: Bytes,
        reply: Reply<Sent>,
    },
    Note {
        note: Note,
        body: Bytes,
        reply: Reply<Sent>,
    },
    Acknowledge {
        reader: Reader,
        upto: Position,
        /// The reader waits for more.
        hurried: bool,
    },
    Read {
        reader: Reader,
        conversation: ConversationId,
        upto: Seq,
        reply: Reply<()>,
    },
    /// After what the reader has acknowledged before.
    Detach {
        reader: Reader,
    },
    Close {
        user: UserId,
        device: DeviceId,
    },
    Remove {
        user: UserId,
    },
    Groups(GroupCommand),
    Look {
        look: Look,
        reply: Reply<Looked>,
    },
    /// Carries out what came before, makes it durable and readable no longer than needed, and answers.
    Tidy {
        reply: Reply<()>,
    },
    /// A node that follows asks.
    Asked {
        asked: Asked,
        answer: Answer,
    },
    /// What this node has asked is answered.
    Answered {
        number: u64,
        answer: Result<Answered, Rejected>,
    },
    /// There may be more to read in the log.
    Hint,
    /// This node is to own the slice.
    Lead {
        reply: Reply<()>,
    },
}

/// Counters of the engine, for the metrics.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages given a place.
    pub sent: AtomicU64,
    /// Changes of groups.
    pub group_changes: AtomicU64,
    /// Messages and changes of groups that were known.
    pub duplicates: AtomicU64,
    /// Messages and other requests that were refused.
    pub refused: AtomicU64,
    /// Copies handed to readers.
    pub handed: AtomicU64,
    /// Bodies nobody waits for any longer.
    pub forgotten: AtomicU64,
    /// Acknowledgements of what was never handed out.
    pub bad_acknowledgements: AtomicU64,
    /// Messages refused since the store had no room.
    pub full: AtomicU64,
    /// Commands refused since too many waited.
    pub busy: AtomicU64,
    /// Bodies that could not be read.
    pub unreadable: AtomicU64,
    /// Looks that ended early, since they had passed over so much.
    pub cut_looks: AtomicU64,
}

pub(crate) struct Shared {
    pub(crate) relay: Mutex<Relay>,
    pub(crate) inbox: Inbox<Command>,
    pub(crate) calls: Inbox<Reader>,
    pub(crate) lanes: Mutex<FxHashMap<u64, Arc<Lane>>>,
    pub(crate) bodies: Box<dyn Bodies>,
    pub(crate) counters: Counters,
    pub(crate) figures: Mutex<Figures>,
    pub(crate) together: Together,
    /// Where a node that follows has come.
    pub(crate) tail: Mutex<Option<Tail>>,
    /// A hint waits in the inbox.
    pub(crate) hinted: AtomicBool,
    /// This node decides.
    pub(crate) leads: AtomicBool,
    /// And always has: nobody else can.
    is_alone: AtomicBool,
    next_reader: AtomicU64,
}

/// A running engine. Ending it ([`Self::end`]), or dropping it, writes what was taken on, and ends its threads.
pub struct Engine {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Starts on a relay and its store.
    ///
    /// # Errors
    /// If no thread can be started, or the store does not take its first record.
    pub fn start(mut relay: Relay, mut store: Box<dyn Store>, pace: Pace, outside: Outside) -> std::io::Result<Self> {
        let Outside { now, on_failure, wake, together } = outside;
        let mut records = Vec::new();
        relay.begin_above(first_place(now()), &mut records);
        relay.look_again(now());
        for record in &records {
            store.push(record, None).map_err(std::io::Error::other)?;
        }
        let shared = Arc::new(Shared::new(relay, store.bodies(), pace, together));
        shared.leads.store(true, Ordering::Release);
        shared.is_alone.store(true, Ordering::Release);
        Self::run(shared, move |shared| {
            committer::run(shared, store, pace, (&*now, on_failure, &*wake), Vec::new());
        })
    }

    /// Starts the threads: what decides, or follows, and the postman.
    fn run(shared: Arc<Shared>, decides: impl FnOnce(&Arc<Shared>) + Send + 'static) -> std::io::Result<Self> {
        let committer = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("chat-committer".to_owned()).spawn(move || decides(&shared))?
        };
        let postman = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("chat-postman".to_owned()).spawn(move || postman::run(&shared))
        };
        let engine = Self { shared, threads: Mutex::new(vec![committer]) };
        // If it can't be started, dropping the engine ends the committer.
        engine.threads.lock().push(postman?);
        Ok(engine)
    }

    /// Opens a device's mailbox, if it is not open, and reads it from now on: what waits, then what comes. `opened` is told the
    /// reader before anything is delivered.
    pub fn attach(
        &self,
        user: &UserId,
        device: &DeviceId,
        outlet: Arc<dyn Outlet>,
        opened: impl FnOnce(Result<Reader, Rejected>) + Send + 'static,
    ) {
        let known = self.shared.relay.lock().device(user, device);
        // Where there are other nodes, what the device has acknowledged on one of them it is not to hear again: who follows reads on
        // first, who leads makes sure that it still does.
        if let Some(device) = known.filter(|_| self.shared.is_alone.load(Ordering::Acquire)) {
            return opened(Ok(self.shared.attach(device, outlet)));
        }
        let shared = Arc::clone(&self.shared);
        let reply = Box::new(move |device: Result<DeviceRef, Rejected>| {
            opened(device.map(|device| shared.attach(device, outlet)));
        });
        self.ask(Command::Open { user: user.clone(), device: device.clone(), reply });
    }

    /// The reader is gone. What it was handed and has not acknowledged waits for the next.
    pub fn detach(&self, reader: Reader) {
        self.shared.lanes.lock().remove(&reader.number);
        self.ask(Command::Detach { reader });
    }

    /// Who sends from a device's mailbox without reading it: none if it has none. Whoever reads it goes on.
    #[must_use]
    pub fn sender(&self, user: &UserId, device: &DeviceId) -> Option<Reader> {
        let device = self.shared.relay.lock().device(user, device)?;
        Some(Reader { device, number: NOBODY })
    }

    /// Whom a message from this reader's device to a group would be for, and the version of the group that says so.
    ///
    /// # Errors
    /// As the message would be refused.
    pub fn written_to(&self, from: Reader, group: ConversationId) -> Result<(u64, Vec<UserId>), Rejected> {
        Ok(self.shared.relay.lock().written_to(from.device, group)?)
    }

    /// Whether a message by this name was sent from this reader's device.
    #[must_use]
    pub fn knows(&self, from: Reader, client_id: ClientId) -> bool {
        self.shared.relay.lock().knows(from.device, client_id)
    }

    /// Sends a message. The answer comes when it is durable, from the committer's thread: it must not wait for anything.
    pub fn send(
        &self,
        from: Reader,
        submit: Submit,
        body: Bytes,
        answer: impl FnOnce(Result<Sent, Rejected>) + Send + 'static,
    ) {
        self.ask(Command::Send { from, submit, body, reply: Box::new(answer) });
    }

    /// Notes what the server itself has to say. Answered as [`Self::send`].
    pub fn note(&self, note: Note, body: Bytes, answer: impl FnOnce(Result<Sent, Rejected>) + Send + 'static) {
        self.ask(Command::Note { note, body, reply: Box::new(answer) });
    }

    /// The reader's device has everything up to there.
    pub fn acknowledge(&self, reader: Reader, upto: Position) {
        // Where the relay is busy, the committer is awake.
        let hurried = self.shared.relay.try_lock().is_none_or(|relay| relay.lags(reader.device, reader.number));
        self.ask(Command::Acknowledge { reader, upto, hurried });
    }

    /// The reader's user has read up to there.
    pub fn read(
        &self,
        reader: Reader,
        conversation: ConversationId,
        upto: Seq,
        answer: impl FnOnce(Result<(), Rejected>) + Send + 'static,
    ) {
        self.ask(Command::Read { reader, conversation, upto, reply: Box::new(answer) });
    }

    /// A device is unlinked: its mailbox closes. What waits in a user's last waits for their next.
    pub fn close(&self, user: &UserId, device: &DeviceId) {
        self.ask(Command::Close { user: user.clone(), device: device.clone() });
    }

    /// A person is gone, and what waits for them.
    pub fn remove(&self, user: &UserId) {
        self.ask(Command::Remove { user: user.clone() });
    }

    /// Makes everything durable and what is dead unreadable, now.
    pub fn tidy(&self, answer: impl FnOnce(Result<(), Rejected>) + Send + 'static) {
        self.ask(Command::Tidy { reply: Box::new(answer) });
    }

    /// Writes what was taken on, and ends: whoever asks for something from then on hears that it has ended. Waits for the disk.
    pub fn end(&self) {
        self.shared.inbox.close();
        self.shared.calls.close();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads.into_iter().filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // A thread that panicked has said so.
            drop(thread.join());
        }
    }

    /// How much waits.
    #[must_use]
    pub fn depths(&self) -> Depths {
        self.shared.relay.lock().depths()
    }

    /// What was done.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// What the store has done.
    #[must_use]
    pub fn figures(&self) -> Figures {
        *self.shared.figures.lock()
    }

    fn ask(&self, command: Command) {
        if let Err((command, rejected)) = self.shared.inbox.push(command) {
            if rejected == Rejected::Busy {
                count(&self.shared.counters.busy, 1);
            }
            command.refuse(&rejected);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn new(relay: Relay, bodies: Box<dyn Bodies>, pace: Pace, together: Together) -> Self {
        Self {
            relay: Mutex::new(relay),
            inbox: Inbox::new(pace.queue_max),
            // A reader calls at most once for each of its acknowledgements.
            calls: Inbox::new(usize::MAX),
            lanes: Mutex::default(),
            bodies,
            counters: Counters::default(),
            figures: Mutex::default(),
            together,
            tail: Mutex::default(),
            hinted: AtomicBool::new(false),
            leads: AtomicBool::new(false),
            is_alone: AtomicBool::new(false),
            next_reader: AtomicU64::new(NOBODY + 1),
        }
    }

    /// Hands something to its readers.
    pub(crate) fn hand(&self, item: Item, body: Bytes, to: &[(DeviceRef, u64)]) {
        count(&self.counters.handed, to.len() as u64);
        let delivery = Delivery::new(item, body);
        let lanes: Vec<Arc<_>> = {
            let lanes = self.lanes.lock();
            to.iter().filter_map(|(_, reader)| lanes.get(reader).cloned()).collect()
        };
        lanes.iter().for_each(|lane| lane.follow(&delivery));
    }

    fn attach(&self, device: DeviceRef, outlet: Arc<dyn Outlet>) -> Reader {
        let number = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let reader = Reader { device, number };
        // Register, then read: what is settled from here on finds the lane.
        self.lanes.lock().insert(number, Arc::new(Lane::new(outlet)));
        self.relay.lock().attach(device, number);
        self.call(reader);
        reader
    }

    /// Asks the postman to bring a reader what it is behind by.
    fn call(&self, reader: Reader) {
        let lane = self.lanes.lock().get(&reader.number).cloned();
        if let Some(lane) = lane {
            lane.hold();
            // Refused only when the engine ends.
            self.calls.push(reader).ok();
        }
    }
}

impl From<GroupCommand> for Command {
    fn from(command: GroupCommand) -> Self {
        Self::Groups(command)
    }
}

impl Command {
    /// Answers a command that is not carried out.
    fn refuse(self, why: &Rejected) {
        match self {
            Self::Open { reply, .. } => reply(Err(why.clone())),
            Self::Send { reply, .. } | Self::Note { reply, .. } => reply(Err(why.clone())),
            Self::Read { reply, .. } | Self::Tidy { reply } => reply(Err(why.clone())),
            Self::Groups(command) => command.refuse(why),
            Self::Look { reply, .. } => reply(Err(why.clone())),
            Self::Asked { answer, .. } => answer(Err(why.clone())),
            Self::Lead { reply } => reply(Err(why.clone())),
            Self::Answered { .. } | Self::Hint => {}
            Self::Acknowledge { .. } | Self::Detach { .. } | Self::Close { .. } | Self::Remove { .. } => {}
        }
    }

    /// What must be carried out however much waits: a device that was unlinked must not come back, and acknowledgements make
    /// room.
    fn is_owed(&self) -> bool {
        use Command::{Asked, Groups, Look, Note, Open, Read, Send};
        match self {
            Asked { asked, .. } => asked.is_owed(),
            _ => !matches!(self, Open { .. } | Send { .. } | Note { .. } | Read { .. } | Groups(_) | Look { .. }),
        }
    }
}

/// Where the places of a journal that begins now begin: above those of any that began before, as long as a journal gives fewer
/// than a million a second over its life. JavaScript counts so far exactly until 2242.
fn first_place(now: Timestamp) -> Position {
    Position((now.as_millis() / 1_000) << 20)
}

pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
