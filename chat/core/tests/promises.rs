//! What the relay promises, over random workloads with crashes, lost acknowledgements and a store that moves its records.
//!
//! Every message that was confirmed reaches every device that was there, once, in its conversation's order; the same client
//! id gets the same answer; nothing that was forgotten is handed out; at the end nobody waits for anything. In a group: who was
//! removed gets the entry that says so and nothing after it, who came gets the entry that says so and nothing before it.

#[expect(dead_code, reason = "the scripts use the rest")]
mod support;

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use support::{Scene, about, device, event_body, user};
use tertulia_chat_core::{
    Ask, BodyRef, Change, ClientId, ConversationId, Event, InviteHash, Limits, Made, MessageId, Refusal, Role, To,
};
use tertulia_common::UserId;

const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
const DEVICES: [&str; 2] = ["phone", "laptop"];

#[derive(Clone, Debug)]
enum Op {
    Connect(usize, usize),
    Leave(usize, usize),
    /// To a person, or above them to the group.
    Send {
        from: (usize, usize),
        to: usize,
        again: bool,
    },
    Group {
        by: usize,
        what: What,
        whom: usize,
        again: bool,
    },
    Acknowledge {
        at: (usize, usize),
        all: bool,
    },
    ReadOn(usize, usize),
    Read {
        at: (usize, usize),
        other: usize,
    },
    TellReceipts,
    Forget,
    Move {
        sixteenths: usize,
        killed: bool,
    },
    Die {
        lose: bool,
    },
}

#[derive(Clone, Copy, Debug)]
enum What {
    Create,
    Add,
    Remove,
    Promote,
    Invite,
    Join,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let at = || (0..PEOPLE.len(), 0..DEVICES.len());
    let what = prop_oneof![
        2 => Just(What::Create),
        4 => Just(What::Add),
        4 => Just(What::Remove),
        1 => Just(What::Promote),
        1 => Just(What::Invite),
        2 => Just(What::Join),
    ];
    let op = prop_oneof![
        3 => at().prop_map(|(who, on)| Op::Connect(who, on)),
        2 => at().prop_map(|(who, on)| Op::Leave(who, on)),
        8 => (at(), 0..PEOPLE.len() + 3, prop::bool::weighted(0.2)).prop_map(|(from, to, again)| Op::Send { from, to, again }),
        6 => (0..PEOPLE.len(), what, 0..PEOPLE.len(), prop::bool::weighted(0.1))
            .prop_map(|(by, what, whom, again)| Op::Group { by, what, whom, again }),
        5 => (at(), any::<bool>()).prop_map(|(at, all)| Op::Acknowledge { at, all }),
        3 => at().prop_map(|(who, on)| Op::ReadOn(who, on)),
        2 => (at(), 0..PEOPLE.len()).prop_map(|(at, other)| Op::Read { at, other }),
        2 => Just(Op::TellReceipts),
        2 => Just(Op::Forget),
        2 => (1..16_usize, any::<bool>()).prop_map(|(sixteenths, killed)| Op::Move { sixteenths, killed }),
        1 => any::<bool>().prop_map(|lose| Op::Die { lose }),
    ];
    prop::collection::vec(op, 1..120)
}

/// The workload, and what a checker that knows nothing of the relay's insides expects.
struct Checker {
    scene: Scene,
    /// Records up to here are synced: all but acknowledgements that nothing has followed.
    synced: usize,
    next: u32,
    /// The last message of each device, to send it again.
    last: HashMap<(usize, usize), (To, u32, MessageId)>,
    /// What each device must get: bodies.
    expected: BTreeMap<(usize, usize), Vec<u32>>,
    opened: HashSet<(usize, usize)>,
    /// For people without a device: what waits for their first.
    waiting: HashMap<usize, Vec<u32>>,
    forgotten: HashSet<u32>,
    group: Option<ConversationId>,
    /// Who is in the group, and as what.
    members: BTreeMap<usize, Role>,
    invite: Option<InviteHash>,
    asked: Option<Ask>,
}

fn number_of(name: &UserId) -> usize {
    PEOPLE.iter().position(|other| *other == name.as_str()).expect("one of them")
}

impl Checker {
    fn new() -> Self {
        let limits = Limits { unacknowledged_max: 5, dedup_per_device: 4, ..Limits::default() };
        Self {
            scene: Scene::new(limits),
            synced: 0,
            next: 1,
            last: HashMap::new(),
            expected: BTreeMap::new(),
            opened: HashSet::new(),
            waiting: HashMap::new(),
            forgotten: HashSet::new(),
            group: None,
            members: BTreeMap::new(),
            invite: None,
            asked: None,
        }
    }

    /// These are to get a body, on every device but one.
    fn expect(&mut self, people: &[usize], body: u32, but: Option<(usize, usize)>) {
        for &who in people {
            let mut any = false;
            for on in 0..DEVICES.len() {
                if self.opened.contains(&(who, on)) {
                    any = true;
                    if Some((who, on)) != but {
                        self.expected.get_mut(&(who, on)).expect("opened").push(body);
                    }
                }
            }
            if !any {
                self.waiting.entry(who).or_default().push(body);
            }
        }
    }

    fn change(&mut self, by: usize, what: What, whom: usize, again: bool) {
        if again {
            if let Some(ask) = &self.asked {
                let again = self.scene.changes(ask).expect("as before");
                assert!(again.duplicate && again.made.is_empty(), "the same again changes nothing");
            }
            return;
        }
        let change = match what {
            // Whoever is in none makes another one.
            What::Create if self.group.is_some() => return,
            What::Create => Change::Create { about: about(), members: vec![user(PEOPLE[whom])] },
            What::Add => Change::Member { user: user(PEOPLE[whom]), role: None },
            What::Promote => Change::Member { user: user(PEOPLE[whom]), role: Some(Role::Admin) },
            What::Remove => Change::Remove { user: user(PEOPLE[whom]) },
            What::Invite => Change::Invite(Some(InviteHash([u8::try_from(self.next % 251).unwrap_or(0); 32]))),
            What::Join => Change::Join(self.invite.unwrap_or(InviteHash([255; 32]))),
        };
        let named = !matches!(what, What::Create | What::Join);
        if named && self.group.is_none() {
            return;
        }
        let allowed = self.may(by, what, whom);
        let client_id = ClientId(u128::from(self.next) << 32);
        self.next += 1;
        let group = self.group.filter(|_| named);
        let ask = Ask { by: user(PEOPLE[by]), client_id, group, change };
        match self.scene.changes(&ask) {
            Ok(changed) => {
                assert!(allowed, "{ask:?}");
                assert!(!changed.duplicate);
                self.group = Some(changed.group);
                if let Change::Invite(invite) = &ask.change {
                    self.invite = *invite;
                }
                changed.made.iter().for_each(|made| self.happened(by, made));
                self.asked = Some(ask);
            }
            Err(refusal) => assert!(!allowed, "{ask:?}: {refusal}"),
        }
    }

    /// The rules, in the test's own words.
    fn may(&self, by: usize, what: What, whom: usize) -> bool {
        let (mine, theirs) = (self.members.get(&by).copied(), self.members.get(&whom).copied());
        let Some(mine) = mine else {
            return match what {
                What::Create => true,
                What::Join => self.invite.is_some() && self.group.is_some(),
                _ => false,
            };
        };
        match what {
            What::Create => true,
            What::Join => self.invite.is_some(),
            What::Add | What::Invite => mine >= Role::Admin,
            What::Promote => match theirs {
                None | Some(Role::Admin) => mine >= Role::Admin,
                Some(theirs) => mine >= Role::Admin && mine > theirs,
            },
            What::Remove if by == whom => true,
            What::Remove => mine >= Role::Admin && theirs.is_some_and(|theirs| mine > theirs),
        }
    }

    fn happened(&mut self, by: usize, made: &Made) {
        let mut hear: BTreeSet<usize> = self.members.keys().copied().collect();
        match &made.event {
            Event::Created { members, .. } => {
                self.members = members.iter().map(|user| (number_of(user), Role::Member)).collect();
                self.members.insert(by, Role::Owner);
                hear = self.members.keys().copied().collect();
            }
            Event::Added { user, role } => {
                hear.insert(number_of(user));
                self.members.insert(number_of(user), *role);
            }
            Event::Joined => {
                hear.insert(by);
                self.members.insert(by, Role::Member);
            }
            Event::Removed { user } => drop(self.members.remove(&number_of(user))),
            Event::Left => drop(self.members.remove(&by)),
            Event::Role { user, role } => {
                if *role == Role::Owner {
                    self.members.insert(by, Role::Admin);
                }
                self.members.insert(number_of(user), *role);
            }
            Event::Ended => {
                self.members.clear();
                (self.group, self.invite) = (None, None);
            }
            Event::About(_) => {}
        }
        let hear: Vec<usize> = hear.into_iter().collect();
        self.expect(&hear, event_body(made.position).offset, None);
    }

    fn connect(&mut self, who: usize, on: usize) {
        if self.opened.insert((who, on)) {
            let first =
                DEVICES.iter().enumerate().all(|(other, _)| other == on || !self.opened.contains(&(who, other)));
            let waited = if first { self.waiting.remove(&who).unwrap_or_default() } else { Vec::new() };
            self.expected.insert((who, on), waited);
        }
        self.scene.connects(PEOPLE[who], DEVICES[on]);
    }

    fn is_connected(&self, (who, on): (usize, usize)) -> bool {
        self.scene.seen.get(&(PEOPLE[who].into(), DEVICES[on].into())).is_some_and(|seen| seen.connected)
    }

    fn send(&mut self, from: (usize, usize), to: usize, again: bool) {
        let (name, on) = (PEOPLE[from.0], DEVICES[from.1]);
        if again {
            if let Some((to, number, id)) = self.last.get(&from).cloned() {
                let sent = self.scene.submits(name, on, to, number, u64::from(number)).expect("sent");
                assert_eq!((sent.id, sent.position), (id, None), "the same again is answered the same");
            }
            return;
        }
        let (place, people) = match (PEOPLE.get(to), self.group) {
            (Some(other), _) => (To::User(user(other)), BTreeSet::from([from.0, to])),
            (None, Some(group)) => (To::Group(group), self.members.keys().copied().collect()),
            (None, None) => return,
        };
        let number = self.next;
        self.next += 1;
        let sent = self.scene.submits(name, on, place.clone(), number, u64::from(number));
        if !people.contains(&from.0) {
            assert!(matches!(sent, Err(Refusal::NoConversation | Refusal::NotAllowed)), "{sent:?}");
            return;
        }
        let sent = sent.expect("sent");
        self.last.insert(from, (place, number, sent.id));
        let people: Vec<usize> = people.into_iter().collect();
        self.expect(&people, number, Some(from));
    }

    /// The store copies what still lives in its oldest records behind the newest, and drops them; or is killed between.
    fn move_records(&mut self, sixteenths: usize, killed: bool) {
        let cut = self.scene.records.len() * sixteenths / 16;
        let live: HashSet<u32> = self.scene.relay.live().map(|live| live.body.offset).collect();
        let mut copies = Vec::new();
        for (record, body) in &self.scene.records[..cut] {
            let mut out = Vec::new();
            self.scene.relay.snapshot(record, &mut out);
            copies.extend(out.into_iter().map(|record| (record, BodyRef::default())));
            if record.entry().is_some() && live.contains(&body.offset) {
                copies.push((record.clone(), *body));
            }
        }
        let mut marks = Vec::new();
        self.scene.relay.marks(&mut marks);
        copies.extend(marks.into_iter().map(|record| (record, BodyRef::default())));
        let from = self.scene.records.len();
        self.scene.records.extend(copies);
        self.scene.copied(from);
        if killed {
            self.synced = self.scene.records.len();
            self.scene.dies(usize::MAX);
        } else {
            self.scene.records.drain(..cut);
        }
        self.synced = self.scene.records.len();
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Connect(who, on) => self.connect(who, on),
            Op::Leave(who, on) if self.is_connected((who, on)) => {
                self.scene.leaves(PEOPLE[who], DEVICES[on]);
            }
            Op::Send { from, to, again } if self.is_connected(from) => self.send(from, to, again),
            Op::Group { by, what, whom, again } => self.change(by, what, whom, again),
            Op::Acknowledge { at, all } if self.is_connected(at) => {
                let seen = &self.scene.seen[&(PEOPLE[at.0].into(), DEVICES[at.1].into())];
                let upto = if all { seen.handed } else { seen.handed.saturating_sub(1) };
                self.scene.acknowledges_upto(PEOPLE[at.0], DEVICES[at.1], upto).expect("handed out");
                return; // written, not synced
            }
            Op::ReadOn(who, on) if self.is_connected((who, on)) => self.scene.reads_on(PEOPLE[who], DEVICES[on]),
            Op::Read { at, other } if self.is_connected(at) => {
                // Where nothing was ever written there is nothing to read.
                self.scene.reads(PEOPLE[at.0], DEVICES[at.1], PEOPLE[other], 1_000).ok();
            }
            Op::TellReceipts => self.scene.tells_receipts(),
            Op::Forget => self.forgotten.extend(self.scene.dead.drain(..)),
            Op::Move { sixteenths, killed } => self.move_records(sixteenths, killed),
            Op::Die { lose } => {
                let kept = if lose { self.synced } else { usize::MAX };
                self.scene.dies(kept);
                // What was not forgotten before the crash is found dead again, or waits again.
                self.scene.dead.clear();
                self.synced = self.scene.records.len();
                return;
            }
            _ => return,
        }
        self.synced = self.scene.records.len();
    }

    fn finish(mut self) {
        for who in 0..PEOPLE.len() {
            for on in 0..DEVICES.len() {
                self.connect(who, on);
            }
        }
        for ((who, on), expected) in &self.expected {
            let (name, on) = (PEOPLE[*who], DEVICES[*on]);
            loop {
                let before = self.scene.seen[&(name.into(), on.into())].handed;
                self.scene.acknowledges(name, on).expect("handed out");
                self.scene.reads_on(name, on);
                if self.scene.seen[&(name.into(), on.into())].handed == before {
                    break;
                }
            }
            let seen = &self.scene.seen[&(name.into(), on.into())];
            let mut got = seen.bodies.clone();
            got.sort_unstable();
            let mut expected = expected.clone();
            expected.sort_unstable();
            assert_eq!(got, expected, "{name}'s {on}");
            assert!(seen.gaps.is_empty());
            let mut last = HashMap::new();
            for (conversation, seq) in &seen.places {
                assert!(last.insert(*conversation, *seq).is_none_or(|before| before < *seq), "in order");
            }
        }
        assert_eq!(self.scene.relay.live().count(), 0, "nobody waits for anything");
        for name in PEOPLE {
            for on in DEVICES {
                assert!(self.scene.relay.device(&user(name), &device(on)).is_some());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn m1_m2_m3_m4_nothing_is_lost_nothing_comes_twice_and_all_is_in_order(ops in ops()) {
        let mut checker = Checker::new();
        for op in ops {
            checker.run(op);
            for seen in checker.scene.seen.values() {
                // Bodies that were noted after they were forgotten would be noise on the disk.
                let last = seen.bodies.last();
                prop_assert!(last.is_none_or(|last| seen.bodies.iter().filter(|body| *body == last).count() == 1));
            }
        }
        checker.finish();
    }
}
