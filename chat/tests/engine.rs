//! One suite for every store: what the engine promises its readers and senders, whatever keeps the records, and whichever of the
//! nodes that share it they are on.

#[expect(dead_code, reason = "other test files use the rest")]
mod support;

use bytes::Bytes;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak, mpsc};
use support::{PATIENCE, Phone, Server, embedded, limits, logs, small, user};
use tertulia_chat::engine::{Engine, Outlet, Rejected};
use tertulia_chat::journal::Settings;
use tertulia_chat::store::{Store, embedded::Embedded, memory::Memory};
use tertulia_chat::vault::Kek;
use tertulia_chat_core::{BodyRef, ClientId, ConversationId, MessageId, Position, Refusal, Relay, Seq, Submit, To};
use zeroize::Zeroizing;

/// Runs on a server of each kind.
fn on_each(test: impl Fn(&Server)) {
    test(&Server::start(Relay::new(limits()), Box::new(Memory::default())));
    let folder = tempfile::tempdir().expect("a folder");
    test(&embedded(folder.path()));
    // On a second node as well: everything goes through the one that owns the log.
    let folder = tempfile::tempdir().expect("a folder");
    for log in logs(folder.path()) {
        let owner = Server::join(Arc::clone(&log), Arc::new(Weak::<Engine>::new()));
        owner.leads().expect("it leads");
        test(&owner);
    }
    let folder = tempfile::tempdir().expect("a folder");
    for log in logs(folder.path()) {
        let owner = Server::join(Arc::clone(&log), Arc::new(Weak::<Engine>::new()));
        owner.leads().expect("it leads");
        let mut follower = Server::join(log, Arc::new(Arc::downgrade(&owner.engine)));
        follower.owner = Some(owner.engine);
        test(&follower);
    }
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
