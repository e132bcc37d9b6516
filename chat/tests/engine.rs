//! One suite for every store: what the engine promises its readers and senders, whatever keeps the records.

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tertulia_chat::engine::{Delivery, Engine, Outlet, Outside, Pace, Reader, Rejected};
use tertulia_chat::journal::Settings;
use tertulia_chat::store::{Store, embedded::Embedded, memory::Memory};
use tertulia_chat::vault::Kek;
use tertulia_chat_core::{
    BodyRef, ClientId, ConversationId, Item, Limits, MessageId, Note, Position, Refusal, Relay, Sent, Seq, Submit, To,
};
use tertulia_common::{Timestamp, UserId};
use zeroize::Zeroizing;

/// How long something may take that must happen. Only a broken engine waits as long.
const PATIENCE: Duration = Duration::from_secs(30);

fn user(name: &str) -> UserId {
    name.parse().expect("an id")
}

/// A device: what it was handed, and whether it has everything.
#[derive(Default)]
struct Phone {
    state: Mutex<Seen>,
    news: Condvar,
}

#[derive(Default)]
struct Seen {
    texts: Vec<String>,
    upto: u64,
    drained: bool,
    ticks: Vec<(String, u64, u64)>,
}

impl Outlet for Phone {
    fn deliver(&self, delivery: &Arc<Delivery>) {
        let mut seen = self.state.lock();
        let position = delivery.item.position().0;
        assert!(position >= seen.upto, "in order: {position} after {}", seen.upto);
        seen.upto = position;
        match &delivery.item {
            Item::Entry(_) => seen.texts.push(String::from_utf8(delivery.body.to_vec()).expect("text")),
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
    fn until(&self, what: &str, happened: impl Fn(&Seen) -> bool) {
        let mut seen = self.state.lock();
        while !happened(&seen) {
            assert!(!self.news.wait_for(&mut seen, PATIENCE).timed_out(), "{what}: {:?}", seen.texts);
        }
    }

    fn has(&self, texts: &[&str]) {
        self.until(&format!("{texts:?}"), |seen| seen.texts == texts);
    }

    fn upto(&self) -> Position {
        Position(self.state.lock().upto)
    }
}

struct Server {
    engine: Engine,
    clock: Arc<AtomicU64>,
}

impl Server {
    fn start(relay: Relay, store: Box<dyn Store>) -> Self {
        let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
        let now = Arc::clone(&clock);
        let outside = Outside {
            now: Box::new(move || Timestamp(now.fetch_add(1, Ordering::Relaxed))),
            on_failure: Box::new(|error| panic!("the store failed: {error}")),
            wake: Box::new(drop),
        };
        let pace = Pace { receipts_ms: 1, ..Pace::default() };
        Self { engine: Engine::start(relay, store, pace, outside).expect("threads"), clock }
    }

    fn attach(&self, name: &str, on: &str) -> (Reader, Arc<Phone>) {
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

    fn send(&self, from: Reader, to: &str, number: u128, text: &str) -> Result<Sent, Rejected> {
        let (tell, told) = mpsc::channel();
        let digest = text.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let submit = Submit {
            to: To::User(user(to)),
            client_id: ClientId(number),
            digest,
            body_bytes: text.len(),
            withheld: false,
        };
        self.engine.send(from, submit, Bytes::copy_from_slice(text.as_bytes()), move |sent| {
            tell.send(sent).expect("somebody waits");
        });
        told.recv_timeout(PATIENCE).expect("an answer")
    }

    /// Notes that one called the other.
    fn note(&self, by: &str, to: &str, number: u128, text: &str) -> Result<Sent, Rejected> {
        let note = Note { by: user(by), to: user(to), client_id: ClientId(number), withheld: false };
        let (tell, told) = mpsc::channel();
        let body = Bytes::copy_from_slice(text.as_bytes());
        self.engine.note(note, body, move |noted| tell.send(noted).expect("somebody waits"));
        told.recv_timeout(PATIENCE).expect("an answer")
    }

    fn read(&self, reader: Reader, conversation: ConversationId, upto: u64) -> Result<(), Rejected> {
        let (tell, told) = mpsc::channel();
        self.engine.read(reader, conversation, Seq(upto), move |done| tell.send(done).expect("somebody waits"));
        told.recv_timeout(PATIENCE).expect("an answer")
    }

    fn tidy(&self) {
        let (tell, told) = mpsc::channel();
        self.engine.tidy(move |done| tell.send(done).expect("somebody waits"));
        told.recv_timeout(PATIENCE).expect("an answer").expect("tidied");
    }
}

fn limits() -> Limits {
    Limits { unacknowledged_max: 8, ..Limits::default() }
}

fn small() -> Settings {
    Settings { segment_bytes: 64 * 1024, ..Settings::default() }
}

fn embedded(folder: &Path) -> Server {
    let keys = vec![Kek::new(Zeroizing::new([7; 32]))];
    let (store, relay) = Embedded::open(folder, small(), limits(), keys).expect("a store");
    Server::start(relay, Box::new(store))
}

/// Runs on a server of each kind.
fn on_each(test: impl Fn(&Server)) {
    test(&Server::start(Relay::new(limits()), Box::new(Memory::default())));
    let folder = tempfile::tempdir().expect("a folder");
    test(&embedded(folder.path()));
}

#[test]
fn m1_a_message_reaches_who_is_there_and_its_answer_says_where_it_stands() {
    on_each(|server| {
        let (alice, phone) = server.attach("alice", "phone");
        let (_, laptop) = server.attach("alice", "laptop");
        let (_, bob) = server.attach("bob", "phone");
        let sent = server.send(alice, "bob", 1, "hello").expect("sent");
        assert_eq!(sent.id.seq, Seq(1));
        bob.has(&["hello"]);
        laptop.has(&["hello"]);
        assert!(phone.state.lock().texts.is_empty(), "not to the device it came from");
    });
}

#[test]
fn m3_what_waited_comes_first_and_in_order_with_what_comes_meanwhile() {
    on_each(|server| {
        let (alice, _) = server.attach("alice", "phone");
        for number in 0..200 {
            server.send(alice, "bob", number, &number.to_string()).expect("sent");
        }
        let phone = Arc::new(Phone::default());
        let (tell, told) = mpsc::channel();
        let outlet: Arc<dyn Outlet> = Arc::clone(&phone) as Arc<dyn Outlet>;
        server.engine.attach(&user("bob"), &"phone".parse().expect("an id"), outlet, move |reader| {
            tell.send(reader.expect("a reader")).expect("somebody waits");
        });
        let bob = told.recv_timeout(PATIENCE).expect("an answer");
        for number in 200..300 {
            server.send(alice, "bob", number, &number.to_string()).expect("sent");
            server.engine.acknowledge(bob, phone.upto());
        }
        let all: Vec<String> = (0..300).map(|number: u128| number.to_string()).collect();
        while phone.state.lock().texts.len() < all.len() {
            let before = phone.upto();
            server.engine.acknowledge(bob, before);
            phone.until("more", |seen| seen.upto > before.0 || seen.texts.len() == 300);
        }
        assert_eq!(phone.state.lock().texts, all);
    });
}

#[test]
fn m4_the_same_again_is_answered_the_same_and_delivered_once() {
    on_each(|server| {
        let (alice, _) = server.attach("alice", "phone");
        let (_, bob) = server.attach("bob", "phone");
        let first = server.send(alice, "bob", 1, "once").expect("sent");
        let again = server.send(alice, "bob", 1, "once").expect("known");
        assert_eq!((again.id, again.sent_at, again.position), (first.id, first.sent_at, None));
        let other = server.send(alice, "bob", 1, "other");
        assert_eq!(other, Err(Rejected::Refused(Refusal::ClientIdReused)));
        server.send(alice, "bob", 2, "end").expect("sent");
        bob.has(&["once", "end"]);
    });
}

#[test]
fn c1_a_note_comes_to_both_once_and_to_nobody_who_takes_no_messages() {
    on_each(|server| {
        let refused = server.note("alice", "bob", 1, "nobody hears it");
        assert_eq!(refused, Err(Rejected::Refused(Refusal::DeviceGone)));
        let (_, hers) = server.attach("alice", "phone");
        let (_, his) = server.attach("bob", "phone");
        let first = server.note("alice", "bob", 1, "a call").expect("noted");
        let again = server.note("alice", "bob", 1, "a call").expect("known");
        assert_eq!((again.id, again.position), (first.id, None));
        server.note("alice", "bob", 2, "another").expect("noted");
        hers.has(&["a call", "another"]);
        his.has(&["a call", "another"]);
    });
}

#[test]
fn m5_ticks_come_to_the_sender_by_themselves() {
    on_each(|server| {
        let (alice, phone) = server.attach("alice", "phone");
        let (bob, other) = server.attach("bob", "phone");
        let sent = server.send(alice, "bob", 1, "hello").expect("sent");
        other.has(&["hello"]);
        server.engine.acknowledge(bob, other.upto());
        phone.until("delivered", |seen| seen.ticks.contains(&("bob".into(), 1, 0)));
        server.read(bob, sent.id.conversation, 1).expect("read");
        phone.until("read", |seen| seen.ticks.contains(&("bob".into(), 1, 1)));
    });
}

#[test]
fn a_slow_reader_is_waited_for_and_holds_nobody_up() {
    on_each(|server| {
        let (alice, _) = server.attach("alice", "phone");
        let (slow, phone) = server.attach("bob", "slow");
        let (_quick, _) = server.attach("carol", "phone");
        for number in 0..50 {
            server.send(alice, "bob", number, &number.to_string()).expect("sent");
        }
        phone.until("as many as it may owe", |seen| seen.texts.len() == 8);
        while phone.state.lock().texts.len() < 50 {
            let before = phone.upto();
            server.engine.acknowledge(slow, before);
            phone.until("more", |seen| seen.upto > before.0 || seen.texts.len() == 50);
        }
        assert_eq!(phone.state.lock().texts.len(), 50);
    });
}

#[test]
fn m3_after_a_restart_everything_that_was_confirmed_is_there_and_answers_as_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = {
        let server = embedded(folder.path());
        let (alice, _) = server.attach("alice", "phone");
        let (bob, phone) = server.attach("bob", "phone");
        let first = server.send(alice, "bob", 1, "one").expect("sent");
        phone.has(&["one"]);
        server.engine.acknowledge(bob, phone.upto());
        server.engine.detach(bob);
        server.send(alice, "bob", 2, "two").expect("sent");
        first
    };
    let server = embedded(folder.path());
    let (alice, _) = server.attach("alice", "phone");
    let again = server.send(alice, "bob", 1, "one").expect("known");
    assert_eq!((again.id, again.position), (first.id, None));
    let (_, phone) = server.attach("bob", "phone");
    phone.has(&["two"]);
    assert_eq!(server.send(alice, "bob", 3, "three").expect("sent").id.seq, Seq(3));
}

#[test]
fn the_journal_gives_back_its_room_and_keeps_what_somebody_waits_for() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let server = embedded(folder.path());
        let (alice, _) = server.attach("alice", "phone");
        server.send(alice, "away", 1, "kept").expect("sent");
        server.note("alice", "away", 1, "called").expect("noted");
        let (bob, phone) = server.attach("bob", "phone");
        let long = "x".repeat(2_000);
        for number in 10..400 {
            server.send(alice, "bob", number, &long).expect("sent");
            phone.until("delivered", |seen| seen.texts.len() as u128 == number - 9);
            server.engine.acknowledge(bob, phone.upto());
        }
        server.tidy();
        let figures = server.engine.figures();
        assert!(figures.bytes > 700_000, "{figures:?}");
        assert!(figures.size <= 6 * 64 * 1024, "{figures:?}");
        assert!(server.clock.load(Ordering::Relaxed) > 0);
    }
    let server = embedded(folder.path());
    let (_, phone) = server.attach("away", "phone");
    phone.has(&["kept", "called"]);
    let again = server.note("alice", "away", 1, "called").expect("known");
    assert_eq!((again.id.seq, again.position), (Seq(2), None));
    let (alice, _) = server.attach("alice", "phone");
    let known = server.send(alice, "bob", 399, &"x".repeat(2_000)).expect("known");
    assert_eq!((known.id.seq, known.position), (Seq(390), None));
}

#[test]
fn room_that_is_taken_by_what_lives_is_given_back_no_more_than_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = vec![Kek::new(Zeroizing::new([7; 32]))];
    let settings = Settings { segment_bytes: 4096, ..Settings::default() };
    let (store, relay) = Embedded::open(folder.path(), settings, limits(), keys).expect("a store");
    let server = Server::start(relay, Box::new(store));
    // Notes to oneself that nobody waits for. What lives is by which names they were sent: more than a few segments.
    for person in 0..10 {
        let name = format!("person-{person}");
        let (own, _) = server.attach(&name, "phone");
        for number in 0..64 {
            server.send(own, &name, number, "a note").expect("sent");
        }
    }
    server.tidy();
    let bytes = server.engine.figures().bytes;
    server.tidy();
    server.tidy();
    let again = server.engine.figures();
    assert!(again.bytes - bytes < again.size, "it was written again: {again:?}, {bytes} before");
}

#[test]
fn a_device_that_is_taken_by_another_socket_hears_nothing_any_longer() {
    on_each(|server| {
        let (alice, _) = server.attach("alice", "phone");
        let (_, earlier) = server.attach("bob", "phone");
        let (_, later) = server.attach("bob", "phone");
        server.send(alice, "bob", 1, "hello").expect("sent");
        later.has(&["hello"]);
        assert!(earlier.state.lock().texts.is_empty());
    });
}

/// Whether a text can be found, or what it was sealed from can be opened, in a copy of the folder.
fn is_readable(folder: &Path, text: &str) -> bool {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).expect("a file").windows(text.len()).any(|part| part == text.as_bytes()) {
                return true;
            }
        }
    }
    false
}

#[test]
fn m3_a_body_is_never_clear_on_the_disk_and_can_be_opened_by_nobody_once_all_have_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = embedded(folder.path());
    let (alice, _) = server.attach("alice", "phone");
    let (bob, phone) = server.attach("bob", "phone");
    server.send(alice, "bob", 1, "the secret of the house").expect("sent");
    server.send(alice, "away", 2, "what waits for somebody").expect("sent");
    phone.has(&["the secret of the house"]);
    assert!(!is_readable(folder.path(), "secret of the house"));
    server.engine.acknowledge(bob, phone.upto());
    // Its bucket is over: the next tidying forgets what is dead in it.
    server.clock.fetch_add(40_000, Ordering::Relaxed);
    server.tidy();
    let keys = || vec![Kek::new(Zeroizing::new([7; 32]))];
    drop(server);
    // Whoever has all of the disk and the key: the journal still has the sealed bytes, and no key opens them.
    let (store, relay) = Embedded::open(folder.path(), small(), limits(), keys()).expect("a store");
    assert_eq!(relay.live().count(), 1);
    let bodies = store.bodies();
    let mut opened = Vec::new();
    for live in relay.live() {
        let conversation = ConversationId::direct(&user("alice"), &user("away"));
        let id = MessageId { conversation, seq: Seq(1) };
        opened.push(bodies.read(id, live.position, live.sent_at, live.body).expect("what waits can be opened"));
        let id = MessageId { conversation: ConversationId::direct(&user("alice"), &user("bob")), seq: Seq(1) };
        let dead = BodyRef { offset: live.body.offset, ..live.body };
        assert!(bodies.read(id, Position(live.position.0 - 1), live.sent_at, dead).is_err());
    }
    assert_eq!(opened, [b"what waits for somebody".to_vec()]);
}

#[test]
fn an_engine_that_is_ended_has_written_what_it_took_on_and_takes_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = embedded(folder.path());
    let (alice, _) = server.attach("alice", "phone");
    server.send(alice, "bob", 1, "hello").expect("sent");
    let submit =
        Submit { to: To::User(user("bob")), client_id: ClientId(2), digest: 2, body_bytes: 1, withheld: false };
    let (tell, told) = mpsc::channel();
    server.engine.send(alice, submit, Bytes::from_static(b"2"), move |sent| tell.send(sent).expect("somebody waits"));
    server.engine.end();
    assert!(told.recv_timeout(PATIENCE).expect("an answer").is_ok(), "it was taken on");
    assert_eq!(server.send(alice, "bob", 3, "later"), Err(Rejected::Ended));
    drop(server);
    let again = embedded(folder.path());
    assert_eq!(again.engine.depths().entries, 2);
}
