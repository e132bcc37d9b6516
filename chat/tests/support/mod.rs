//! Servers on every kind of store, and devices that note what they are handed.
#![expect(unreachable_pub, reason = "shared by the test files")]

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tertulia_chat::engine::{Delivery, Engine, Following, GroupChanged, Outlet, Outside, Pace, Reader, Rejected, Way};
use tertulia_chat::journal::Settings;
use tertulia_chat::store::log::{Log, Shared};
use tertulia_chat::store::{Store, embedded::Embedded, memory::Memory};
use tertulia_chat::vault::Kek;
use tertulia_chat_core::{
    About, Ask, Change, ClientId, ConversationId, GroupView, Item, Limits, Note, Position, Relay, Role, Sent, Seq,
    Submit, To,
};
use tertulia_common::{Timestamp, UserId};
use zeroize::Zeroizing;

/// How long something may take that must happen. Only a broken engine waits as long.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn user(name: &str) -> UserId {
    name.parse().expect("an id")
}

/// A device: what it was handed, and whether it has everything.
#[derive(Default)]
pub struct Phone {
    pub state: Mutex<Seen>,
    pub news: Condvar,
}

#[derive(Default)]
pub struct Seen {
    pub texts: Vec<String>,
    /// The same, with their positions.
    pub placed: Vec<(u64, String)>,
    pub upto: u64,
    pub drained: bool,
    pub ticks: Vec<(String, u64, u64)>,
}

impl Outlet for Phone {
    fn deliver(&self, delivery: &Arc<Delivery>) {
        let mut seen = self.state.lock();
        let position = delivery.item.position().0;
        assert!(position >= seen.upto, "in order: {position} after {}", seen.upto);
        seen.upto = position;
        match &delivery.item {
            Item::Entry(entry) => {
                let text = match entry.is_event {
                    true => "a change".to_owned(),
                    false => String::from_utf8(delivery.body.to_vec()).expect("text"),
                };
                seen.placed.push((position, text.clone()));
                seen.texts.push(text);
            }
            Item::Receipts { receipts, .. } => {
                let ticks = receipts.iter().map(|of| (of.user.as_str().to_owned(), of.delivered.0, of.read.0));
                seen.ticks.extend(ticks);
            }
            Item::Gap { .. } => {}
        }
        self.news.notify_all();
    }

    fn drained(&self, _: Position) {
        self.state.lock().drained = true;
        self.news.notify_all();
    }
}

impl Phone {
    pub fn until(&self, what: &str, happened: impl Fn(&Seen) -> bool) {
        let mut seen = self.state.lock();
        while !happened(&seen) {
            assert!(!self.news.wait_for(&mut seen, PATIENCE).timed_out(), "{what}: {:?}", seen.texts);
        }
    }

    pub fn has(&self, texts: &[&str]) {
        self.until(&format!("{texts:?}"), |seen| seen.texts == texts);
    }

    pub fn upto(&self) -> Position {
        Position(self.state.lock().upto)
    }
}

/// Nobody hears when an engine fails: who looks at [`Server::failed`] does.
fn outside() -> (Arc<AtomicU64>, Arc<Mutex<Option<String>>>, Outside) {
    let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
    let failed: Arc<Mutex<Option<String>>> = Arc::default();
    let (now, why) = (Arc::clone(&clock), Arc::clone(&failed));
    let outside = Outside {
        now: Box::new(move || Timestamp(now.fetch_add(1, Ordering::Relaxed))),
        on_failure: Box::new(move |error| *why.lock() = Some(error.to_string())),
        wake: Box::new(drop),
        together: Box::new(|tell| tell()),
    };
    (clock, failed, outside)
}

const PACE: Pace = Pace { queue_max: 16_384, sync_every_ms: 1, receipts_ms: 1, talk_receipts_ms: 3, tidy_ms: 15_000 };
/// Quicker than a server's, so that what was lost on purpose is asked again soon.
const FOLLOWING: Following = Following { poll: Duration::from_millis(20), again: Duration::from_millis(20) };

fn submit(to: To, number: u128, text: &str, withheld: bool) -> Submit {
    let digest = text.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    Submit { to, client_id: ClientId(number), digest, body_bytes: text.len(), withheld }
}

pub struct Server {
    pub engine: Arc<Engine>,
    /// Who owns the slice, where this one follows.
    pub owner: Option<Arc<Engine>>,
    /// Why it failed, if it did.
    pub failed: Arc<Mutex<Option<String>>>,
    pub clock: Arc<AtomicU64>,
}

impl Server {
    pub fn start(relay: Relay, store: Box<dyn Store>) -> Self {
        let (clock, failed, outside) = outside();
        let engine = Arc::new(Engine::start(relay, store, PACE, outside).expect("threads"));
        Self { engine, owner: None, failed, clock }
    }

    /// A node that follows, and asks by this way.
    pub fn join(log: Arc<dyn Log>, way: Arc<dyn Way>) -> Self {
        let (clock, failed, outside) = outside();
        let engine = Engine::join(log, way, limits(), (PACE, FOLLOWING), outside).expect("a node");
        Self { engine: Arc::new(engine), owner: None, failed, clock }
    }

    pub fn leads(&self) -> Result<(), Rejected> {
        let (tell, told) = mpsc::channel();
        self.engine.lead(move |done| drop(tell.send(done)));
        told.recv_timeout(PATIENCE).expect("an answer")
    }

    pub fn attach(&self, name: &str, on: &str) -> (Reader, Arc<Phone>) {
        let phone = Arc::new(Phone::default());
        let (tell, told) = mpsc::channel();
        let outlet: Arc<dyn Outlet> = Arc::clone(&phone) as Arc<dyn Outlet>;
        self.engine.attach(&user(name), &on.parse().expect("an id"), outlet, move |reader| {
            tell.send(reader).expect("somebody waits");
        });
        let reader = told.recv_timeout(PATIENCE).expect("an answer").expect("a reader");
        phone.until("drained, or full", |seen| seen.drained || !seen.texts.is_empty());
        (reader, phone)
    }

    pub fn send(&self, from: Reader, to: &str, number: u128, text: &str) -> Result<Sent, Rejected> {
        self.sends(from, To::User(user(to)), number, text, false)
    }

    /// To a group.
    pub fn send_to(&self, from: Reader, to: ConversationId, number: u128, text: &str) -> Result<Sent, Rejected> {
        self.sends(from, To::Group(to), number, text, false)
    }

    /// Whoever it is for does not hear it.
    pub fn withheld(&self, from: Reader, to: &str, number: u128, text: &str) -> Result<Sent, Rejected> {
        self.sends(from, To::User(user(to)), number, text, true)
    }

    fn sends(&self, from: Reader, to: To, number: u128, text: &str, withheld: bool) -> Result<Sent, Rejected> {
        let (tell, told) = mpsc::channel();
        let submit = submit(to, number, text, withheld);
        self.engine.send(from, submit, Bytes::copy_from_slice(text.as_bytes()), move |sent| {
            tell.send(sent).expect("somebody waits");
        });
        told.recv_timeout(PATIENCE).expect("an answer")
    }

    /// Does not wait for the answer.
    pub fn submit(
        &self,
        from: Reader,
        to: &str,
        number: u128,
        text: &str,
        answer: impl FnOnce(Result<Sent, Rejected>) + Send + 'static,
    ) {
        let submit = submit(To::User(user(to)), number, text, false);
        self.engine.send(from, submit, Bytes::copy_from_slice(text.as_bytes()), answer);
    }

    pub fn makes_group(&self, by: &str, members: &[&str]) -> ConversationId {
        let (name, description) = ("Friends".to_owned(), String::new());
        let about = About { name, description, icon: None, post: Role::Member, edit: Role::Admin };
        let members = members.iter().map(|name| user(name)).collect();
        self.changes(by, None, 1, Change::Create { about, members }).expect("a group").changed.group
    }

    /// Somebody comes into a group, or goes.
    pub fn changes_member(
        &self,
        by: &str,
        group: ConversationId,
        number: u128,
        whom: &str,
        comes: bool,
    ) -> Result<GroupChanged, Rejected> {
        let user = user(whom);
        let change = if comes { Change::Member { user, role: None } } else { Change::Remove { user } };
        self.changes(by, Some(group), number, change)
    }

    fn changes(
        &self,
        by: &str,
        group: Option<ConversationId>,
        number: u128,
        change: Change,
    ) -> Result<GroupChanged, Rejected> {
        let (tell, told) = mpsc::channel();
        let ask = Ask { by: user(by), client_id: ClientId(number), group, change };
        self.engine.change_group(ask, move |changed| tell.send(changed).expect("somebody waits"));
        told.recv_timeout(PATIENCE).expect("an answer")
    }

    pub fn group(&self, of: &str, group: ConversationId) -> Option<GroupView> {
        let (tell, told) = mpsc::channel();
        self.engine.group(&user(of), group, move |view| tell.send(view).expect("somebody waits"));
        told.recv_timeout(PATIENCE).expect("an answer").expect("a view")
    }

    /// Notes that one called the other.
    pub fn note(&self, by: &str, to: &str, number: u128, text: &str) -> Result<Sent, Rejected> {
        let note = Note { by: user(by), to: user(to).into(), client_id: ClientId(number), withheld: false };
        let (tell, told) = mpsc::channel();
        let body = Bytes::copy_from_slice(text.as_bytes());
        self.engine.note(note, body, move |noted| tell.send(noted).expect("somebody waits"));
        told.recv_timeout(PATIENCE).expect("an answer")
    }

    pub fn read(&self, reader: Reader, conversation: ConversationId, upto: u64) -> Result<(), Rejected> {
        let (tell, told) = mpsc::channel();
        self.engine.read(reader, conversation, Seq(upto), move |done| tell.send(done).expect("somebody waits"));
        told.recv_timeout(PATIENCE).expect("an answer")
    }

    pub fn tidy(&self) {
        let (tell, told) = mpsc::channel();
        self.engine.tidy(move |done| tell.send(done).expect("somebody waits"));
        told.recv_timeout(PATIENCE).expect("an answer").expect("tidied");
    }
}

pub fn limits() -> Limits {
    Limits { unacknowledged_max: 8, ..Limits::default() }
}

pub fn small() -> Settings {
    Settings { segment_bytes: 64 * 1024, ..Settings::default() }
}

/// Logs of each kind that nodes may share. The folder is the second one's.
pub fn logs(folder: &Path) -> [Arc<dyn Log>; 2] {
    let keys = vec![Kek::new(Zeroizing::new([7; 32]))];
    let (store, _) = Embedded::open(folder, small(), limits(), keys).expect("a store");
    [Arc::new(Shared::new(Memory::default())), Arc::new(Shared::new(store))]
}

pub fn embedded(folder: &Path) -> Server {
    let keys = vec![Kek::new(Zeroizing::new([7; 32]))];
    let (store, relay) = Embedded::open(folder, small(), limits(), keys).expect("a store");
    Server::start(relay, Box::new(store))
}
