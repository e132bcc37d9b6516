//! Two nodes on one log, what goes wrong between them, and who owns it.

use super::{Random, Tally, limits};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tertulia_chat::engine::{Answer, Asked, Engine, Following, Outside, Pace, Way};
use tertulia_chat::store::log::{Hint, Log, Mark, Slice};
use tertulia_chat::store::{Bodies, Body, Figures, Store, StoreError};
use tertulia_chat_core::{BodyRef, Dead, Limits, Record, Relay};
use tertulia_common::Timestamp;

/// What is lost between nodes: of so many asks, answers and hints each time one, by chance. Zero: nothing is.
struct Losses {
    one_of: AtomicU64,
    random: Mutex<Random>,
    lost: AtomicUsize,
}

impl Losses {
    fn loses(&self) -> bool {
        let one_of = self.one_of.load(Ordering::SeqCst);
        let loses = one_of > 0 && self.random.lock().below(one_of) == 0;
        self.lost.fetch_add(loses.into(), Ordering::SeqCst);
        loses
    }
}

/// The way to the owner.
struct Wire {
    owner: Mutex<Weak<Node>>,
    losses: Arc<Losses>,
}

impl Way for Wire {
    fn ask(&self, asked: Asked, answer: Answer) {
        let owner = self.owner.lock().upgrade();
        if let Some(owner) = owner.filter(|_| !self.losses.loses()) {
            let answer = if self.losses.loses() { Box::new(drop) } else { answer };
            owner.engine.asked(asked, answer);
        }
    }
}

/// The log, with hints that get lost and owners that can be killed.
struct Faulty {
    log: Arc<dyn Log>,
    losses: Arc<Losses>,
    /// Set: the owner that claimed last dies with its next commit.
    dies: Mutex<Arc<AtomicBool>>,
}

impl Log for Faulty {
    fn slice(&self) -> Slice {
        self.log.slice()
    }

    fn claim(&self) -> Result<Box<dyn Store>, StoreError> {
        let store = self.log.claim()?;
        let dies = Arc::<AtomicBool>::default();
        *self.dies.lock() = Arc::clone(&dies);
        Ok(Box::new(Mortal { store, dies }))
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
        let losses = Arc::clone(&self.losses);
        self.log.watch(Box::new(move || losses.loses() || hint()));
    }
}

/// An owner's store that it can be killed over: what it pushed and has not committed is gone then.
struct Mortal {
    store: Box<dyn Store>,
    dies: Arc<AtomicBool>,
}

impl Store for Mortal {
    fn push(&mut self, record: &Record, body: Option<Body<'_>>) -> Result<BodyRef, StoreError> {
        self.store.push(record, body)
    }

    fn commit(&mut self, sync: bool) -> Result<(), StoreError> {
        if self.dies.load(Ordering::SeqCst) {
            return Err(StoreError::Folder(std::io::Error::other("it was killed")));
        }
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

pub(crate) struct Nodes {
    log: Arc<Faulty>,
    wire: Arc<Wire>,
    losses: Arc<Losses>,
    nodes: [Mutex<Arc<Node>>; 2],
    owner: AtomicUsize,
}

/// A node. Once it has failed its devices go elsewhere.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) has_failed: Arc<AtomicBool>,
}

fn start(log: &Arc<Faulty>, wire: &Arc<Wire>) -> Arc<Node> {
    let failed = Arc::<AtomicBool>::default();
    let has_failed = Arc::clone(&failed);
    let outside = Outside {
        now: Box::new(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp(u64::try_from(now.as_millis()).unwrap_or_default())
        }),
        on_failure: Box::new(move |error| {
            assert!(!matches!(error, StoreError::Diverged(_) | StoreError::Record), "{error}");
            has_failed.store(true, Ordering::SeqCst);
        }),
        wake: Box::new(drop),
        together: Box::new(|tell| tell()),
    };
    let pace = Pace { receipts_ms: 5, talk_receipts_ms: 20, tidy_ms: 50, ..Pace::default() };
    let following = Following { poll: Duration::from_millis(30), again: Duration::from_millis(30) };
    let (log, way) = (Arc::clone(log) as Arc<dyn Log>, Arc::clone(wire) as Arc<dyn Way>);
    let engine = Engine::join(log, way, limits(), (pace, following), outside).expect("a node");
    Arc::new(Node { engine, has_failed: failed })
}

impl Nodes {
    pub(crate) fn on(log: Arc<dyn Log>, seed: u64) -> Self {
        let losses = Arc::new(Losses {
            one_of: AtomicU64::new(0),
            random: Mutex::new(Random(!seed)),
            lost: AtomicUsize::new(0),
        });
        let log = Arc::new(Faulty { log, losses: Arc::clone(&losses), dies: Mutex::default() });
        let wire = Arc::new(Wire { owner: Mutex::default(), losses: Arc::clone(&losses) });
        let nodes = [(); 2].map(|()| Mutex::new(start(&log, &wire)));
        let all = Self { log, wire, losses, nodes, owner: AtomicUsize::new(1) };
        assert!(all.takes_over(), "nothing is lost yet");
        all
    }

    pub(crate) fn node(&self, which: u64) -> Arc<Node> {
        Arc::clone(&self.nodes[usize::from(which % 2 == 1)].lock())
    }

    /// The one that follows owns the log from now on.
    fn takes_over(&self) -> bool {
        let next = 1 - self.owner.load(Ordering::SeqCst);
        let node = Arc::clone(&self.nodes[next].lock());
        let (tell, told) = std::sync::mpsc::channel();
        node.engine.lead(move |done| drop(tell.send(done)));
        if !matches!(told.recv_timeout(super::PATIENCE), Ok(Ok(()))) {
            // It had failed, or fell behind: it comes back before it is asked again.
            return false;
        }
        *self.wire.owner.lock() = Arc::downgrade(&node);
        self.owner.store(next, Ordering::SeqCst);
        true
    }

    /// The node that does not own the log ends, if it has not, and comes back.
    fn comes_back(&self) {
        let other = 1 - self.owner.load(Ordering::SeqCst);
        let new = start(&self.log, &self.wire);
        let old = std::mem::replace(&mut *self.nodes[other].lock(), new);
        old.engine.end();
    }

    /// Something goes wrong.
    pub(crate) fn trouble(&self, random: &mut Random, tally: &mut Tally) {
        let a_while = |random: &mut Random, most| std::thread::sleep(Duration::from_millis(random.below(most)));
        a_while(random, 80);
        match random.below(4) {
            0 => {
                self.log.dies.lock().store(true, Ordering::SeqCst);
                a_while(random, 60);
                while !self.takes_over() {
                    self.comes_back();
                }
                a_while(random, 60);
                self.comes_back();
                tally.killed += 1;
            }
            1 => {
                while !self.takes_over() {
                    self.comes_back();
                }
                // It goes on as if it owned the log.
                a_while(random, 100);
                self.comes_back();
                tally.displaced += 1;
            }
            _ => self.losses.one_of.store([0, 3, 10][usize::try_from(random.below(3)).unwrap_or(0)], Ordering::SeqCst),
        }
        self.revive(tally);
        tally.lost = self.losses.lost.load(Ordering::SeqCst);
    }

    /// A node that follows and has failed, since it fell behind, comes back.
    pub(crate) fn revive(&self, tally: &mut Tally) {
        let follows = Arc::clone(&self.nodes[1 - self.owner.load(Ordering::SeqCst)].lock());
        if follows.has_failed.load(Ordering::SeqCst) {
            self.comes_back();
            tally.behind += 1;
        }
    }

    /// Nothing is lost any longer.
    pub(crate) fn heal(&self) {
        self.losses.one_of.store(0, Ordering::SeqCst);
    }
}
