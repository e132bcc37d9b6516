//! Groups on every store: what a change wrote is there after the journal has moved it and the engine has begun anew.

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tertulia_chat::engine::{Delivery, Engine, GroupChanged, Outlet, Outside, Pace, Reader, Rejected};
use tertulia_chat::journal::Settings;
use tertulia_chat::store::{Store, embedded::Embedded, memory::Memory};
use tertulia_chat::vault::Kek;
use tertulia_chat_core::{
    About, Ask, Change, ClientId, ConversationId, Event, GroupView, Item, Limits, Position, Refusal, Relay, Role,
    Submit, To,
};
use tertulia_common::{Timestamp, UserId};
use zeroize::Zeroizing;

/// How long something may take that must happen. Only a broken engine waits as long.
const PATIENCE: Duration = Duration::from_secs(60);

fn user(name: &str) -> UserId {
    name.parse().expect("an id")
}

/// What a device was handed.
#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Text(String),
    Event(String, Event),
}

#[derive(Default)]
struct Phone {
    heard: Mutex<(Vec<Heard>, Position)>,
    news: Condvar,
}

impl Outlet for Phone {
    fn deliver(&self, delivery: &Arc<Delivery>) {
        let mut heard = self.heard.lock();
        heard.1 = delivery.item.position();
        if let Item::Entry(entry) = &delivery.item {
            let what = match entry.is_event {
                true => {
                    Heard::Event(entry.sender.as_str().to_owned(), Event::from_bytes(&delivery.body).expect("an event"))
                }
                false => Heard::Text(String::from_utf8(delivery.body.to_vec()).expect("text")),
            };
            heard.0.push(what);
        }
        self.news.notify_all();
    }

    fn drained(&self, _: Position) {}
}

impl Phone {
    /// Waits for so many, and gives them.
    fn hears(&self, many: usize) -> Vec<Heard> {
        let mut heard = self.heard.lock();
        while heard.0.len() < many {
            assert!(!self.news.wait_for(&mut heard, PATIENCE).timed_out(), "{:?}", heard.0);
        }
        heard.0.clone()
    }
}

/// Asks, and waits for the answer.
fn answer<T: Send + 'static>(ask: impl FnOnce(Box<dyn FnOnce(T) + Send>)) -> T {
    let (tell, told) = mpsc::channel();
    ask(Box::new(move |done| tell.send(done).expect("somebody waits")));
    told.recv_timeout(PATIENCE).expect("an answer")
}

fn start(relay: Relay, store: Box<dyn Store>) -> Engine {
    let clock = AtomicU64::new(1_700_000_000_000);
    let outside = Outside {
        now: Box::new(move || Timestamp(clock.fetch_add(1, Ordering::Relaxed))),
        on_failure: Box::new(|error| panic!("the store failed: {error}")),
        wake: Box::new(drop),
        together: Box::new(|tell| tell()),
    };
    Engine::start(relay, store, Pace { receipts_ms: 1, ..Pace::default() }, outside).expect("threads")
}

fn embedded(folder: &Path) -> Engine {
    let settings = Settings { segment_bytes: 64 * 1024, ..Settings::default() };
    let keys = vec![Kek::new(Zeroizing::new([7; 32]))];
    let (store, relay) = Embedded::open(folder, settings, Limits::default(), keys).expect("a store");
    start(relay, Box::new(store))
}

fn attach(engine: &Engine, name: &str) -> (Reader, Arc<Phone>) {
    let phone = Arc::new(Phone::default());
    let outlet: Arc<dyn Outlet> = Arc::clone(&phone) as Arc<dyn Outlet>;
    let reader = answer(|tell| engine.attach(&user(name), &"phone".parse().expect("an id"), outlet, tell));
    (reader.expect("a reader"), phone)
}

fn change(
    engine: &Engine,
    by: &str,
    group: Option<ConversationId>,
    number: u128,
    change: Change,
) -> Result<GroupChanged, Rejected> {
    let ask = Ask { by: user(by), client_id: ClientId(number), group, change };
    answer(|tell| engine.change_group(ask, tell))
}

fn create(engine: &Engine, by: &str, members: &[&str]) -> ConversationId {
    let about = About {
        name: "Friends".to_owned(),
        description: String::new(),
        icon: None,
        post: Role::Member,
        edit: Role::Admin,
    };
    let members = members.iter().map(|name| user(name)).collect();
    change(engine, by, None, 1, Change::Create { about, members }).expect("a group").changed.group
}

fn say(engine: &Engine, from: Reader, to: To, number: u128, text: &str) -> Result<u64, Rejected> {
    let submit = Submit { to, client_id: ClientId(number), digest: 0, body_bytes: text.len(), withheld: false };
    let body = Bytes::copy_from_slice(text.as_bytes());
    answer(|tell: Box<dyn FnOnce(_) + Send>| engine.send(from, submit, body, tell)).map(|sent| sent.id.seq.0)
}

fn view(engine: &Engine, name: &str, group: ConversationId) -> Option<GroupView> {
    answer(|tell| engine.group(&user(name), group, tell)).expect("an answer")
}

#[test]
fn m2_a_change_is_told_to_who_is_there_with_its_body_and_to_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    for engine in [start(Relay::new(Limits::default()), Box::new(Memory::default())), embedded(folder.path())] {
        let ((alice, hers), (_, his), (_, eves)) =
            (attach(&engine, "alice"), attach(&engine, "bob"), attach(&engine, "eve"));
        let group = create(&engine, "alice", &["bob"]);
        let members = vec![user("alice"), user("bob")];
        let made = Heard::Event("alice".to_owned(), Event::Created { name: "Friends".to_owned(), members });
        say(&engine, alice, To::Group(group), 2, "hello").expect("sent");
        assert_eq!(his.hears(2), [made.clone(), Heard::Text("hello".to_owned())]);
        assert_eq!(hers.hears(1), [made], "her own change");
        let refused = change(&engine, "bob", Some(group), 1, Change::End).expect_err("a member may not");
        assert_eq!(refused, Rejected::Refused(Refusal::NotAllowed));
        assert_eq!(view(&engine, "eve", group), None);
        // An account that goes leaves by an entry of its own.
        engine.remove(&user("alice"));
        let follows = Event::Role { user: user("bob"), role: Role::Owner };
        let left = [follows, Event::Left].map(|event| Heard::Event("alice".to_owned(), event));
        assert_eq!(his.hears(4)[2..], left);
        assert!(eves.hears(0).is_empty());
    }
}

#[test]
fn m2_m3_what_waits_of_a_group_outlives_the_files_it_was_written_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = embedded(folder.path());
    let (alice, _) = attach(&engine, "alice");
    let (bob, _) = attach(&engine, "bob");
    engine.detach(bob);
    let group = create(&engine, "alice", &["bob"]);
    say(&engine, alice, To::Group(group), 2, "for Bob").expect("sent");
    change(&engine, "alice", Some(group), 3, Change::Remove { user: user("bob") }).expect("removed");
    say(&engine, alice, To::Group(group), 4, "not for Bob").expect("sent");
    // What Carol keeps at once makes the journal large, and empty of all but what waits for Bob.
    let (carol, phone) = attach(&engine, "carol");
    let long = "x".repeat(2_000);
    for number in 0..600 {
        say(&engine, alice, To::User(user("carol")), 100 + number, &long).expect("sent");
        phone.hears(usize::try_from(number).expect("few") + 1);
        let upto = phone.heard.lock().1;
        engine.acknowledge(carol, upto);
    }
    answer(|tell| engine.tidy(tell)).expect("tidied");
    let figures = engine.figures();
    assert!(figures.bytes > 2 * figures.size, "files were given back: {figures:?}");
    drop(engine);
    let engine = embedded(folder.path());
    let (_, phone) = attach(&engine, "bob");
    let members = vec![user("alice"), user("bob")];
    let said = |event| Heard::Event("alice".to_owned(), event);
    let wanted = [
        said(Event::Created { name: "Friends".to_owned(), members }),
        Heard::Text("for Bob".to_owned()),
        said(Event::Removed { user: user("bob") }),
    ];
    assert_eq!(phone.hears(3), wanted);
    let again = change(&engine, "alice", Some(group), 3, Change::Remove { user: user("bob") }).expect("as before");
    assert!(again.changed.duplicate);
    let members = view(&engine, "alice", group).expect("her group").members;
    assert_eq!(members, [(user("alice"), Role::Owner)]);
}

#[test]
fn d5_what_was_given_to_a_groups_members_goes_to_those_or_to_nobody() {
    let engine = start(Relay::new(Limits::default()), Box::new(Memory::default()));
    let ((alice, _), (bob, _), (eve, _)) = (attach(&engine, "alice"), attach(&engine, "bob"), attach(&engine, "eve"));
    let group = create(&engine, "alice", &["bob"]);
    let (version, mut there) = engine.written_to(alice, group).expect("hers");
    there.sort_unstable();
    assert_eq!(there, [user("alice"), user("bob")]);
    assert_eq!(engine.written_to(eve, group), Err(Rejected::Refused(Refusal::NoConversation)), "a stranger");
    assert!(!engine.knows(alice, ClientId(1)));
    // Somebody comes between the look and the message: it is for others than those who were looked at.
    change(&engine, "alice", Some(group), 2, Change::Member { user: user("carol"), role: None }).expect("carol");
    let late = say(&engine, alice, To::GroupAt(group, version), 1, "a photo");
    assert_eq!(late, Err(Rejected::Refused(Refusal::Changed)));
    assert!(!engine.knows(alice, ClientId(1)), "nothing was taken");
    let (version, there) = engine.written_to(alice, group).expect("hers");
    assert_eq!(there.len(), 3);
    let seq = say(&engine, alice, To::GroupAt(group, version), 1, "a photo").expect("sent");
    // Said again it is the same, whoever has come or gone since.
    change(&engine, "alice", Some(group), 3, Change::Remove { user: user("bob") }).expect("he goes");
    assert_eq!(say(&engine, alice, To::GroupAt(group, version), 1, "a photo"), Ok(seq));
    assert!(engine.knows(alice, ClientId(1)));
    assert_eq!(engine.written_to(alice, group).expect("hers").1.len(), 2);
    assert_eq!(engine.written_to(bob, group), Err(Rejected::Refused(Refusal::NotAllowed)), "not any more");
}
