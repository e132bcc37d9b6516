//! Two nodes on one log: what is promised holds whichever of them somebody is on, whoever owns it, and whatever is lost between.

#[expect(dead_code, reason = "other test files use the rest")]
mod support;

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak, mpsc};
use std::time::Instant;
use support::{PATIENCE, Phone, Server, logs, user};
use tertulia_chat::engine::{Answer, Asked, Engine, Reader, Rejected, Way};
use tertulia_chat::store::log::{Hint, Log, Mark, Slice};
use tertulia_chat::store::{Bodies, Body, Figures, Store, StoreError};
use tertulia_chat_core::{BodyRef, Dead, Limits, Position, Record, Relay, Seq};
use tertulia_common::Timestamp;

/// The way to whoever owns the log now, on which things are lost.
#[derive(Default)]
struct Wire {
    owner: Mutex<Weak<Engine>>,
    sent: AtomicUsize,
    /// Of so many asks one is lost, and the answer of the next. Zero: nothing is.
    loses: AtomicUsize,
}

impl Way for Wire {
    fn ask(&self, asked: Asked, answer: Answer) {
        let owner = self.owner.lock().upgrade();
        let (number, loses) = (self.sent.fetch_add(1, Ordering::Relaxed), self.loses.load(Ordering::Relaxed));
        match owner {
            Some(_) if loses > 0 && number % loses == 0 => {}
            Some(owner) if loses > 0 && number % loses == 1 => owner.asked(asked, Box::new(drop)),
            Some(owner) => owner.asked(asked, answer),
            None => {}
        }
    }
}

/// A log on which things go wrong.
struct Faulty {
    log: Arc<dyn Log>,
    /// Nobody hears that there is more.
    deaf: bool,
    /// Commits that the next owners make: at the one after, the owner dies before it is written.
    commits: Arc<AtomicU64>,
}

impl Log for Faulty {
    fn slice(&self) -> Slice {
        self.log.slice()
    }

    fn claim(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(Dying { store: self.log.claim()?, commits: Arc::clone(&self.commits) }))
    }

    fn restore(&self, limits: Limits) -> Result<(Relay, Mark), StoreError> {
        self.log.restore(limits)
    }

    fn read(&self, after: Mark, each: &mut dyn FnMut(Record, BodyRef)) -> Result<Mark, StoreError> {
        self.log.read(after, each)
    }

    fn bodies(&self) -> Box<dyn Bodies> {
        self.log.bodies()
    }

    fn watch(&self, hint: Hint) {
        if !self.deaf {
            self.log.watch(hint);
        }
    }
}

struct Dying {
    store: Box<dyn Store>,
    commits: Arc<AtomicU64>,
}

impl Store for Dying {
    fn push(&mut self, record: &Record, body: Option<Body<'_>>) -> Result<BodyRef, StoreError> {
        self.store.push(record, body)
    }

    fn commit(&mut self, sync: bool) -> Result<(), StoreError> {
        let left = self.commits.load(Ordering::Relaxed);
        if left == 0 {
            return Err(StoreError::Folder(std::io::Error::other("it was killed")));
        }
        self.commits.store(if sync { left.saturating_sub(1) } else { left }, Ordering::Relaxed);
        self.store.commit(sync)
    }

    fn is_short(&self) -> bool {
        self.store.is_short()
    }

    fn release(&mut self, dead: &[Dead]) {
        self.store.release(dead);
    }

    fn tidy(&mut self, relay: &Mutex<Relay>, now: Timestamp) -> Result<(), StoreError> {
        self.store.tidy(relay, now)
    }

    fn adopt(&mut self, relay: &Relay) {
        self.store.adopt(relay);
    }

    fn bodies(&self) -> Box<dyn Bodies> {
        self.store.bodies()
    }

    fn figures(&self) -> Figures {
        self.store.figures()
    }
}

/// A log without fences: whoever claims it writes, and so does whoever had it.
struct Unfenced {
    log: Arc<dyn Log>,
    store: Arc<Mutex<Option<Box<dyn Store>>>>,
}

impl Log for Unfenced {
    fn slice(&self) -> Slice {
        self.log.slice()
    }

    fn claim(&self) -> Result<Box<dyn Store>, StoreError> {
        let mut store = self.store.lock();
        if store.is_none() {
            *store = Some(self.log.claim()?);
        }
        Ok(Box::new(Everybodys(Arc::clone(&self.store))))
    }

    fn restore(&self, limits: Limits) -> Result<(Relay, Mark), StoreError> {
        self.log.restore(limits)
    }

    fn read(&self, after: Mark, each: &mut dyn FnMut(Record, BodyRef)) -> Result<Mark, StoreError> {
        self.log.read(after, each)
    }

    fn bodies(&self) -> Box<dyn Bodies> {
        self.log.bodies()
    }

    fn watch(&self, hint: Hint) {
        self.log.watch(hint);
    }
}

struct Everybodys(Arc<Mutex<Option<Box<dyn Store>>>>);

impl Everybodys {
    fn with<T>(&self, what: impl FnOnce(&mut dyn Store) -> T) -> T {
        what(&mut **self.0.lock().as_mut().expect("it was claimed"))
    }
}

impl Store for Everybodys {
    fn push(&mut self, record: &Record, body: Option<Body<'_>>) -> Result<BodyRef, StoreError> {
        self.with(|store| store.push(record, body))
    }

    fn commit(&mut self, sync: bool) -> Result<(), StoreError> {
        self.with(|store| store.commit(sync))
    }

    fn is_short(&self) -> bool {
        self.with(|store| store.is_short())
    }

    fn release(&mut self, dead: &[Dead]) {
        self.with(|store| store.release(dead));
    }

    fn tidy(&mut self, _: &Mutex<Relay>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    fn adopt(&mut self, relay: &Relay) {
        self.with(|store| store.adopt(relay));
    }

    fn bodies(&self) -> Box<dyn Bodies> {
        self.with(|store| store.bodies())
    }

    fn figures(&self) -> Figures {
        self.with(|store| store.figures())
    }
}

/// Two nodes on one log. The first owns it at the beginning.
struct Nodes {
    nodes: [Server; 2],
    wire: Arc<Wire>,
    log: Arc<dyn Log>,
    commits: Arc<AtomicU64>,
}

const FOR_EVER: u64 = u64::MAX;

impl Nodes {
    fn on(log: &Arc<dyn Log>, deaf: bool) -> Self {
        let commits = Arc::new(AtomicU64::new(FOR_EVER));
        let log: Arc<dyn Log> = Arc::new(Faulty { log: Arc::clone(log), deaf, commits: Arc::clone(&commits) });
        let wire = Arc::new(Wire::default());
        let join = || Server::join(Arc::clone(&log), Arc::clone(&wire) as Arc<dyn Way>);
        let nodes = Self { nodes: [join(), join()], wire, log: Arc::clone(&log), commits };
        nodes.leads(0);
        nodes
    }

    fn leads(&self, which: usize) {
        self.nodes[which].leads().expect("it leads");
        *self.wire.owner.lock() = Arc::downgrade(&self.nodes[which].engine);
    }

    /// A node that has failed, or is to, comes back and follows.
    fn restarts(&mut self, which: usize) {
        self.nodes[which] = Server::join(Arc::clone(&self.log), Arc::clone(&self.wire) as Arc<dyn Way>);
    }

    /// Waits until a node has failed, and says why.
    fn fails(&self, which: usize) -> String {
        let since = Instant::now();
        loop {
            if let Some(why) = self.nodes[which].failed.lock().clone() {
                return why;
            }
            assert!(since.elapsed() < PATIENCE, "it has not failed");
            std::thread::yield_now();
        }
    }
}

/// Runs on a log of each kind.
fn on_each(deaf: bool, test: impl Fn(Nodes)) {
    let folder = tempfile::tempdir().expect("a folder");
    logs(folder.path()).iter().for_each(|log| test(Nodes::on(log, deaf)));
}

fn number(texts: std::ops::Range<u128>) -> Vec<String> {
    texts.map(|number| number.to_string()).collect()
}

fn acknowledge_all(server: &Server, reader: Reader, phone: &Phone, many: usize) {
    while phone.state.lock().texts.len() < many {
        let before = phone.upto();
        server.engine.acknowledge(reader, before);
        phone.until("more", |seen| seen.upto > before.0 || seen.texts.len() == many);
    }
    server.engine.acknowledge(reader, phone.upto());
}

#[test]
fn m1_people_on_two_nodes_write_to_each_other_in_one_order() {
    on_each(false, |nodes| {
        let [owner, follower] = &nodes.nodes;
        let (alice, hers) = owner.attach("alice", "phone");
        let (bob, his) = follower.attach("bob", "phone");
        let (beside, laptop) = owner.attach("bob", "laptop");
        let mut seqs = Vec::new();
        for number in 0..40 {
            let (server, from, to) = if number % 2 == 0 { (owner, alice, "bob") } else { (follower, bob, "alice") };
            seqs.push(server.send(from, to, number, &number.to_string()).expect("sent").id.seq.0);
            if number % 2 == 0 {
                his.until("it", |seen| seen.texts.len() as u128 == number / 2 + 1);
                follower.engine.acknowledge(bob, his.upto());
            } else {
                hers.until("it", |seen| seen.texts.len() as u128 == number / 2 + 1);
                owner.engine.acknowledge(alice, hers.upto());
            }
        }
        assert_eq!(seqs, (1..=40).collect::<Vec<u64>>());
        acknowledge_all(owner, beside, &laptop, 40);
        assert_eq!(laptop.state.lock().texts, number(0..40), "both sides, in order");
    });
}

#[test]
fn m3_a_hint_that_is_lost_costs_time_only() {
    on_each(true, |nodes| {
        let [owner, follower] = &nodes.nodes;
        let (alice, _) = owner.attach("alice", "phone");
        let (_, his) = follower.attach("bob", "phone");
        owner.send(alice, "bob", 1, "hello").expect("sent");
        his.has(&["hello"]);
    });
}

#[test]
fn m4_what_is_lost_between_the_nodes_is_asked_again_and_done_once_in_order() {
    on_each(false, |nodes| {
        nodes.wire.loses.store(3, Ordering::Relaxed);
        let [owner, follower] = &nodes.nodes;
        let (bob, _) = follower.attach("bob", "phone");
        let (alice, hers) = owner.attach("alice", "phone");
        // Not one after the other: a message that is asked for again must not be overtaken.
        let (tell, told) = mpsc::channel();
        for number in 0..30 {
            let tell = tell.clone();
            follower.submit(bob, "alice", number, &number.to_string(), move |sent| drop(tell.send(sent)));
        }
        for seq in 1..=30 {
            let sent = told.recv_timeout(PATIENCE).expect("an answer").expect("sent");
            assert_eq!(sent.id.seq, Seq(seq));
        }
        acknowledge_all(owner, alice, &hers, 30);
        assert_eq!(hers.state.lock().texts, number(0..30));
    });
}

#[test]
fn m5_ticks_cross_from_node_to_node() {
    on_each(false, |nodes| {
        nodes.wire.loses.store(4, Ordering::Relaxed);
        let [owner, follower] = &nodes.nodes;
        let (alice, hers) = owner.attach("alice", "phone");
        let (bob, his) = follower.attach("bob", "phone");
        let (_, laptop) = follower.attach("alice", "laptop");
        let sent = owner.send(alice, "bob", 1, "hello").expect("sent");
        his.has(&["hello"]);
        follower.engine.acknowledge(bob, his.upto());
        hers.until("delivered", |seen| seen.ticks.contains(&("bob".into(), 1, 0)));
        follower.read(bob, sent.id.conversation, 1).expect("read");
        hers.until("read", |seen| seen.ticks.contains(&("bob".into(), 1, 1)));
        // And to who is beside him on the follower.
        laptop.until("told", |seen| seen.ticks.contains(&("bob".into(), 1, 1)));
    });
}

#[test]
fn m2_withheld_messages_stay_their_senders_on_every_node() {
    on_each(false, |nodes| {
        let [owner, follower] = &nodes.nodes;
        let (_, his) = owner.attach("bob", "phone");
        let (eve, _) = follower.attach("eve", "phone");
        let (_, hers) = owner.attach("eve", "laptop");
        let (_, also_his) = follower.attach("bob", "laptop");
        follower.withheld(eve, "bob", 1, "you do not want this").expect("sent");
        hers.has(&["you do not want this"]);
        follower.send(eve, "bob", 2, "this is let through").expect("sent");
        his.has(&["this is let through"]);
        also_his.has(&["this is let through"]);
    });
}

/// A person's phone that goes from node to node: what it has shown, each message once, by its cursor.
#[derive(Default)]
struct Wanderer {
    upto: u64,
    shown: Vec<String>,
}

impl Wanderer {
    /// Takes what the phone was handed in one session. What it has shown before it does not show again.
    fn takes(&mut self, phone: &Phone) -> Position {
        let seen = phone.state.lock();
        for (position, text) in &seen.placed {
            if *position > self.upto {
                self.shown.push(text.clone());
            }
        }
        self.upto = self.upto.max(seen.upto);
        Position(seen.upto)
    }
}

#[test]
fn m3_a_device_that_goes_from_node_to_node_while_it_is_written_to_shows_everything_once() {
    on_each(false, |nodes| {
        let [owner, follower] = &nodes.nodes;
        let (alice, _) = owner.attach("alice", "phone");
        owner.attach("bob", "phone");
        let mut bob = Wanderer::default();
        let many: u128 = 200;
        std::thread::scope(|scope| {
            let sends = scope.spawn(|| {
                for number in 0..many {
                    owner.send(alice, "bob", number, &number.to_string()).expect("sent");
                }
            });
            let mut turn = 0;
            while bob.shown.len() < usize::try_from(many).expect("few") {
                let server = if turn % 2 == 0 { follower } else { owner };
                turn += 1;
                let (reader, phone) = server.attach("bob", "phone");
                // It goes in the middle of things, at times without a word.
                let some = 1 + turn % 5;
                let before = bob.shown.len();
                while bob.shown.len() < before + some && bob.shown.len() < usize::try_from(many).expect("few") {
                    let upto = bob.takes(&phone);
                    server.engine.acknowledge(reader, upto);
                    let is_enough = bob.shown.len() >= before + some || bob.shown.len() as u128 == many;
                    phone.until("more", |seen| is_enough || seen.upto > upto.0);
                }
                if turn % 3 == 0 {
                    server.engine.detach(reader);
                }
            }
            sends.join().expect("sent");
        });
        assert_eq!(bob.shown, number(0..many));
    });
}

#[test]
fn m3_an_owner_that_is_killed_in_the_middle_of_a_batch_is_followed_and_nothing_is_lost_or_twice() {
    on_each(false, |mut nodes| {
        let (bob, his) = nodes.nodes[1].attach("bob", "phone");
        let (alice, _) = nodes.nodes[0].attach("alice", "phone");
        for number in 0..5 {
            nodes.nodes[0].send(alice, "bob", number, &number.to_string()).expect("sent");
        }
        his.until("five", |seen| seen.texts.len() == 5);
        nodes.nodes[1].engine.acknowledge(bob, his.upto());
        // The next batch is pushed, and not committed.
        nodes.commits.store(0, Ordering::Relaxed);
        let (tell, told) = mpsc::channel();
        nodes.nodes[0].submit(alice, "bob", 5, "5", move |sent| drop(tell.send(sent)));
        assert!(told.recv_timeout(PATIENCE).is_err(), "nothing was confirmed");
        nodes.fails(0);
        // What the follower asks meanwhile waits.
        let (tell, told) = mpsc::channel();
        nodes.nodes[1].submit(bob, "alice", 100, "are you there", move |sent| drop(tell.send(sent)));
        nodes.commits.store(FOR_EVER, Ordering::Relaxed);
        nodes.leads(1);
        assert_eq!(told.recv_timeout(PATIENCE).expect("an answer").expect("sent").id.seq, Seq(6));
        nodes.restarts(0);
        let (alice, hers) = nodes.nodes[0].attach("alice", "phone");
        hers.has(&["are you there"]);
        // Asked again under the same name, of the one that follows now.
        assert_eq!(nodes.nodes[0].send(alice, "bob", 5, "5").expect("sent").id.seq, Seq(7));
        his.until("all", |seen| seen.texts.len() == 6);
        assert_eq!(his.state.lock().texts, number(0..6));
        let known = nodes.nodes[0].send(alice, "bob", 4, "4").expect("known");
        assert_eq!((known.id.seq, known.position), (Seq(5), None));
    });
}

#[test]
fn m3_an_owner_that_does_not_know_that_it_was_displaced_confirms_nothing() {
    on_each(false, |mut nodes| {
        let (alice, hers) = nodes.nodes[0].attach("alice", "phone");
        let (bob, his) = nodes.nodes[1].attach("bob", "phone");
        nodes.nodes[0].send(alice, "bob", 1, "one").expect("sent");
        nodes.leads(1);
        // The first still takes itself for the owner.
        let (tell, told) = mpsc::channel();
        nodes.nodes[0].submit(alice, "bob", 2, "two", move |sent| drop(tell.send(sent)));
        assert!(told.recv_timeout(PATIENCE).is_err(), "nothing was confirmed");
        assert_eq!(nodes.fails(0), StoreError::Fenced.to_string());
        assert_eq!(nodes.nodes[0].send(alice, "bob", 2, "two"), Err(Rejected::Ended));
        assert!(hers.state.lock().texts.is_empty());
        nodes.nodes[1].send(bob, "alice", 1, "mine").expect("sent");
        nodes.restarts(0);
        let (alice, hers) = nodes.nodes[0].attach("alice", "phone");
        hers.has(&["mine"]);
        assert_eq!(nodes.nodes[0].send(alice, "bob", 2, "two").expect("sent").id.seq, Seq(3));
        his.has(&["one", "two"]);
    });
}

/// What the fence is for: the mutation of the test above.
#[test]
fn m3_without_fences_one_place_is_given_to_two_messages() {
    on_each(false, |nodes| {
        // On a log of the same kind, since this one is owned already.
        drop(nodes.nodes);
        let log: Arc<dyn Log> = Arc::new(Unfenced { log: nodes.log, store: Arc::default() });
        let nodes = Nodes::on(&log, false);
        let (alice, _) = nodes.nodes[0].attach("alice", "phone");
        let (bob, _) = nodes.nodes[1].attach("bob", "phone");
        nodes.nodes[0].send(alice, "bob", 1, "one").expect("sent");
        nodes.leads(1);
        let one = nodes.nodes[0].send(alice, "bob", 2, "two").expect("it takes itself for the owner");
        let other = nodes.nodes[1].send(bob, "alice", 1, "mine").expect("it is");
        assert_eq!((one.id, one.position), (other.id, other.position));
    });
}

#[test]
fn m3_what_a_device_acknowledged_on_a_node_that_takes_over_is_written_there() {
    on_each(false, |mut nodes| {
        let (alice, _) = nodes.nodes[0].attach("alice", "phone");
        let (bob, his) = nodes.nodes[1].attach("bob", "phone");
        nodes.nodes[0].send(alice, "bob", 1, "one").expect("sent");
        his.has(&["one"]);
        // Everything that is asked from here on is lost, with the owner.
        nodes.wire.loses.store(1, Ordering::Relaxed);
        nodes.nodes[1].engine.acknowledge(bob, his.upto());
        nodes.leads(1);
        nodes.wire.loses.store(0, Ordering::Relaxed);
        nodes.restarts(0);
        let depths = nodes.nodes[0].engine.depths();
        assert_eq!((depths.entries, depths.mailboxes), (0, 2), "it is read from the log");
        let (_, his) = nodes.nodes[0].attach("bob", "phone");
        nodes.nodes[0].attach("alice", "phone").1.until("delivered", |seen| seen.ticks.contains(&("bob".into(), 1, 0)));
        assert!(his.state.lock().texts.is_empty());
    });
}

#[test]
fn m3_bodies_that_the_owner_moves_are_found_by_who_follows() {
    let folder = tempfile::tempdir().expect("a folder");
    let [_, log] = logs(folder.path());
    let nodes = Nodes::on(&log, true);
    let [owner, follower] = &nodes.nodes;
    let (alice, _) = owner.attach("alice", "phone");
    owner.send(alice, "away", 1, "kept").expect("sent");
    let (bob, phone) = owner.attach("bob", "phone");
    let long = "x".repeat(2_000);
    for number in 10..400 {
        owner.send(alice, "bob", number, &long).expect("sent");
        phone.until("delivered", |seen| seen.texts.len() as u128 == number - 9);
        owner.engine.acknowledge(bob, phone.upto());
    }
    let before = owner.engine.depths().entries;
    owner.tidy();
    let figures = owner.engine.figures();
    assert!(figures.bytes > 700_000 && figures.size <= 6 * 64 * 1024, "it was moved: {figures:?}, {before}");
    let (_, phone) = follower.attach("away", "phone");
    phone.has(&["kept"]);
}

#[test]
fn m4_a_group_on_two_nodes_has_one_order_of_changes_and_messages() {
    on_each(false, |nodes| {
        nodes.wire.loses.store(5, Ordering::Relaxed);
        let [owner, follower] = &nodes.nodes;
        let (alice, _) = owner.attach("alice", "phone");
        let (bob, _) = follower.attach("bob", "phone");
        let (carol, carols) = follower.attach("carol", "phone");
        let (_, daves) = owner.attach("dave", "phone");
        let group = follower.makes_group("bob", &["alice", "carol"]);
        for number in 0..3 {
            owner.send_to(alice, group, number, &format!("alice {number}")).expect("sent");
            follower.send_to(bob, group, number, &format!("bob {number}")).expect("sent");
        }
        acknowledge_all(follower, carol, &carols, 7);
        let order = carols.state.lock().texts[1..].to_vec();
        assert_eq!(order, ["alice 0", "bob 0", "alice 1", "bob 1", "alice 2", "bob 2"]);
        follower.changes_member("bob", group, 10, "dave", true).expect("added");
        follower.changes_member("bob", group, 11, "carol", false).expect("removed");
        owner.send_to(alice, group, 9, "after").expect("sent");
        daves.until("what came since", |seen| seen.texts.len() == 3);
        assert_eq!(daves.state.lock().texts[2], "after");
        acknowledge_all(follower, carol, &carols, 9);
        let group_is = follower.group("bob", group).expect("it is there");
        assert_eq!(
            group_is.members.iter().map(|(user, _)| user.clone()).collect::<Vec<_>>(),
            [user("bob"), user("alice"), user("dave")]
        );
        assert!(!carols.state.lock().texts.contains(&"after".to_owned()));
    });
}

#[test]
fn m3_a_node_that_joins_late_or_takes_over_twice_knows_everything() {
    on_each(false, |mut nodes| {
        for turn in 0..4_usize {
            let (owner, other) = (turn % 2, (turn + 1) % 2);
            let (alice, _) = nodes.nodes[other].attach("alice", "phone");
            let name = u128::try_from(turn).expect("few");
            nodes.nodes[other].send(alice, "bob", name, &turn.to_string()).expect("sent");
            nodes.leads(other);
            nodes.restarts(owner);
        }
        let (_, his) = nodes.nodes[1].attach("bob", "phone");
        his.has(&["0", "1", "2", "3"]);
    });
}
