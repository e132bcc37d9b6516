//! People who do anything at any time, over a network that delays, repeats and reorders what they ask for.

use crate::desk::START;
use crate::judge::Judge;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tertulia_common::{CallId, Timestamp};
use tertulia_signaling_core::{
    CallError, Callee, DeclineReason, Endpoint, Event, Image, Limits, MediaFlags, MediaKind, Output, Reach, Record,
    Request, Ringer, Switchboard, Timeouts,
};

/// Three people with three devices each: few, so that they get in each other's way.
const USERS: [&str; 3] = ["a", "b", "c"];
const DEVICES_PER_USER: usize = 3;

/// One thing that happens. Devices and calls are picked by number, so that every script makes sense.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Time passes.
    Wait { ms: u64 },
    /// A device calls someone.
    Invite { from: usize, to: usize, reach: Reach, sent: Sent },
    /// A device takes over a running call of its user, picked by number.
    Join { device: usize, call: usize, sent: Sent },
    /// A device that has a part in a call asks for something; which part is picked by number.
    Ask { part: usize, what: Wish, sent: Sent },
    /// Any device asks for something about any of the last calls, in turn or not.
    Meddle { from: usize, call: usize, what: Wish, sent: Sent },
    /// A device opens a new session.
    Connect { device: usize },
    /// A device's session ends.
    Gone { device: usize },
    /// The media of a device that has a part in a call.
    Media { part: usize, up: bool },
    /// The media of any device, in any of the last calls.
    StrayMedia { device: usize, call: usize, up: bool },
    /// The server gives up one of the last calls.
    Fail { call: usize },
    /// The server goes without a word and comes back; of the devices, those in the mask come back too. `what` is asked of
    /// both, for a comparison.
    Restart { away_ms: u64, back: u16, part: usize, what: Wish },
}

/// How a request travels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    delay_ms: u64,
    /// It arrives a second time, so much later.
    again_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Ringing,
    Accept,
    Decline,
    DeclineBusy,
    Cancel,
    Hangup,
    Media(bool),
    Hold(bool),
    Join,
    Connect,
}

fn sent() -> impl Strategy<Value = Sent> {
    let delay = prop_oneof![4 => Just(0_u64), 2 => 0..300_u64, 1 => 0..20_000_u64];
    let again = prop_oneof![3 => Just(None), 1 => Just(Some(0)), 1 => (0..90_000_u64).prop_map(Some)];
    (delay, again).prop_map(|(delay_ms, again_ms)| Sent { delay_ms, again_ms })
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        3 => Just(Wish::Ringing),
        4 => Just(Wish::Accept),
        1 => Just(Wish::Decline),
        1 => Just(Wish::DeclineBusy),
        1 => Just(Wish::Cancel),
        2 => Just(Wish::Hangup),
        1 => any::<bool>().prop_map(Wish::Media),
        2 => any::<bool>().prop_map(Wish::Hold),
        1 => Just(Wish::Join),
        2 => Just(Wish::Connect),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let device = 0..USERS.len() * DEVICES_PER_USER;
    let wait = prop_oneof![4 => 0..3_000_u64, 2 => 0..20_000_u64, 1 => 0..65_000_u64];
    prop_oneof![
        6 => wait.prop_map(|ms| Step::Wait { ms }),
        6 => (device.clone(), 0..=USERS.len(), reach(), sent())
            .prop_map(|(from, to, reach, sent)| Step::Invite { from, to, reach, sent }),
        2 => (device.clone(), any::<usize>(), sent()).prop_map(|(device, call, sent)| Step::Join { device, call, sent }),
        12 => (any::<usize>(), wish(), sent()).prop_map(|(part, what, sent)| Step::Ask { part, what, sent }),
        3 => (device.clone(), 0..6_usize, wish(), sent())
            .prop_map(|(from, call, what, sent)| Step::Meddle { from, call, what, sent }),
        2 => device.clone().prop_map(|device| Step::Connect { device }),
        1 => device.clone().prop_map(|device| Step::Gone { device }),
        12 => (any::<usize>(), prop::bool::weighted(0.85)).prop_map(|(part, up)| Step::Media { part, up }),
        1 => (device, 0..6_usize, any::<bool>()).prop_map(|(device, call, up)| Step::StrayMedia { device, call, up }),
        1 => (0..60_usize).prop_map(|call| Step::Fail { call }),
        1 => (prop_oneof![4 => 0..4_000_u64, 1 => 0..200_000_u64], any::<u16>(), any::<usize>(), wish())
            .prop_map(|(away_ms, back, part, what)| Step::Restart { away_ms, back, part, what }),
    ]
}

fn reach() -> impl Strategy<Value = Reach> {
    prop_oneof![10 => Just(Reach::Rings), 1 => Just(Reach::Silent), 1 => Just(Reach::Nobody)]
}

/// Whether a device can have a second call: of each user's three the first.
pub(crate) fn waits(device: &Endpoint) -> bool {
    device.device.as_str() == "0"
}

/// Limits so low that people meet them.
pub(crate) fn tight() -> Limits {
    Limits {
        calls: 3,
        calls_per_callee: 2,
        legs_per_call: 2,
        early_media_legs: 1,
        tombstones: 3,
        participants: 3,
        roster_whole: 2,
        waiting: 2,
    }
}

pub(crate) struct World {
    board: Switchboard,
    limits: Limits,
    /// What was to be kept, as it is kept.
    kept: BTreeMap<CallId, String>,
    now: Timestamp,
    /// Whether timers run at their moment, or only when something else happens.
    punctual: bool,
    in_flight: BTreeMap<(Timestamp, usize), (Endpoint, Request)>,
    serial: usize,
    calls: Vec<CallId>,
    online: BTreeSet<Endpoint>,
    pub(crate) judge: Judge,
    pub(crate) outputs: Vec<Output>,
}

impl World {
    pub(crate) fn new(limits: Limits, punctual: bool) -> Self {
        Self {
            board: Switchboard::new(Timeouts::default(), limits),
            limits,
            kept: BTreeMap::new(),
            now: START,
            punctual,
            in_flight: BTreeMap::new(),
            serial: 0,
            calls: Vec::new(),
            // One device of each is offline until it connects.
            online: everyone().filter(|device| device.device.as_str() != "2").collect(),
            judge: Judge::default(),
            outputs: Vec::new(),
        }
    }

    pub(crate) fn run(&mut self, script: &[Step]) {
        for step in script {
            // Who does what is chosen by what people see.
            self.catch_up();
            self.take(step);
            self.deliver_until(self.now);
            self.check();
        }
        self.settle();
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Wait { ms } => self.deliver_until(self.now + Duration::from_millis(*ms)),
            Step::Invite { from, to, reach, sent } => {
                let call = CallId::new(self.now, self.serial as u128);
                let user = USERS.get(*to);
                let callee =
                    user.map(|user| Callee { user: user.parse().unwrap(), devices: Vec::new(), reach: *reach });
                self.send(nth(*from), Request::Invite { call, callee, media: MediaKind::Voice }, *sent);
            }
            Step::Ask { part, what, sent } => {
                if let Some((from, call)) = self.judge.nth_part(*part) {
                    self.wish(from, call, *what, *sent);
                }
            }
            Step::Meddle { from, call, what, sent } => {
                if let Some(call) = self.recent(*call) {
                    self.wish(nth(*from), call, *what, *sent);
                }
            }
            Step::Join { device, call, sent } => {
                if let Some(call) = self.judge.nth_running(&nth(*device).user, *call) {
                    self.wish(nth(*device), call, Wish::Join, *sent);
                }
            }
            Step::Connect { device } => self.connect(nth(*device)),
            Step::Restart { away_ms, back, part, what } => self.restart(*away_ms, *back, (*part, *what)),
            Step::Gone { device } => self.gone(nth(*device)),
            Step::Media { part, up } => {
                if let Some((device, call)) = self.judge.nth_part(*part) {
                    self.media(device, call, *up);
                }
            }
            Step::StrayMedia { device, call, up } => {
                if let Some(call) = self.recent(*call) {
                    self.media(nth(*device), call, *up);
                }
            }
            Step::Fail { call } => {
                if let Some(call) = self.recent(*call) {
                    self.judge.failing(call);
                    self.event(Event::Fail { call });
                }
            }
        }
    }

    fn wish(&mut self, from: Endpoint, call: CallId, what: Wish, sent: Sent) {
        if let Some(request) = what.request(call) {
            return self.send(from, request, sent);
        }
        let admission = self.board.admit_media(self.now, call, &from);
        self.collect();
        self.judge.admission(&from, call, admission);
    }

    fn connect(&mut self, device: Endpoint) {
        self.online.insert(device.clone());
        let call_waiting = waits(&device);
        self.event(Event::DeviceConnected { device, call_waiting });
    }

    /// What the board has said must be kept is enough to go on from.
    fn restart(&mut self, away_ms: u64, back: u16, (part, what): (usize, Wish)) {
        self.kept.retain(|_, kept| image(kept).forget_at().is_none_or(|at| at > self.now));
        for call in &self.calls {
            let current = self.board.image(*call).filter(|image| image.forget_at().is_none());
            let kept = self.kept.get(call).map(|kept| image(kept)).filter(|image| image.forget_at().is_none());
            assert_eq!(current, kept, "what is kept is what there is");
        }
        let asked = self.judge.nth_part(part).and_then(|(from, call)| Some((from, what.request(call)?)));
        if let Some((from, request)) = asked {
            let (mut twin, _) = self.restored(self.now);
            let answer = self.board.request(self.now, &from, request.clone());
            assert_eq!(twin.request(self.now, &from, request), answer, "a restart changes no answer");
        }
        let alive_at = self.now;
        let away = Duration::from_millis(away_ms);
        self.now = self.now + away;
        self.judge.restarted(away > Timeouts::default().outage);
        let (board, mut devices) = self.restored(alive_at);
        self.board = board;
        self.collect();
        devices.extend(self.online.iter().cloned());
        for (number, device) in everyone().enumerate() {
            if self.online.contains(&device) && back & (1 << number) != 0 {
                self.connect(device);
            } else if devices.contains(&device) {
                self.gone(device);
            }
        }
    }

    fn restored(&self, alive_at: Timestamp) -> (Switchboard, Vec<Endpoint>) {
        let mut board = Switchboard::new(Timeouts::default(), self.limits);
        let restored = board.restore(self.now, alive_at, self.kept.values().map(|kept| image(kept)).collect());
        assert_eq!(restored.refused, []);
        (board, restored.devices)
    }

    fn send(&mut self, from: Endpoint, request: Request, sent: Sent) {
        let first = self.now + Duration::from_millis(sent.delay_ms);
        let again = sent.again_ms.map(|ms| first + Duration::from_millis(ms));
        for at in [Some(first), again].into_iter().flatten() {
            self.serial += 1;
            self.in_flight.insert((at, self.serial), (from.clone(), request.clone()));
        }
    }

    /// Moves the clock, on the way delivering what arrives and running what is due.
    fn deliver_until(&mut self, until: Timestamp) {
        loop {
            let arrival = self.in_flight.keys().next().map(|(at, _)| *at).filter(|at| *at <= until);
            let timer = self.board.poll_timeout().filter(|at| self.punctual && *at <= until);
            match (arrival, timer) {
                (None, None) => break,
                (at, Some(timer)) if at.is_none_or(|at| timer <= at) => {
                    self.now = timer;
                    self.board.handle_timeout(timer);
                    self.collect();
                }
                _ => {
                    let Some(((at, _), (from, request))) = self.in_flight.pop_first() else { break };
                    self.now = self.now.max(at);
                    self.arrive(&from, request);
                }
            }
        }
        self.now = until;
    }

    fn arrive(&mut self, from: &Endpoint, mut request: Request) {
        if let Request::Invite { call, .. } = &request
            && self.judge.is_over(*call)
            && self.board.image(*call).is_none()
        {
            return; // The gateway remembers it, the board need not.
        }
        // The gateway looks up who is connected when the request arrives.
        if let Request::Invite { callee: Some(callee), .. } = &mut request {
            let devices = self.online.iter().filter(|device| device.user == callee.user);
            let ringer = |of: &Endpoint| Ringer { device: of.device.clone(), call_waiting: waits(of) };
            callee.devices = devices.map(ringer).collect();
        }
        let answer = self.ask(from, &request);
        let before = self.outputs.len();
        let again = self.ask(from, &request);
        assert_eq!(answer, again, "{from:?} {request:?}: the same request, the same answer");
        self.assert_nothing_since(before, "a repeated request changes nothing");
    }

    fn ask(&mut self, from: &Endpoint, request: &Request) -> Result<CallId, CallError> {
        let before = self.outputs.len();
        let answer = self.board.request(self.now, from, request.clone());
        if let Request::Invite { call, callee, .. } = request {
            if answer == Ok(*call) && !self.calls.contains(call) {
                self.calls.push(*call);
            }
            self.judge.invited(self.now, from, *call, callee.as_ref(), answer);
        } else {
            self.judge.asked(from, request, answer);
        }
        self.collect();
        if answer.is_err() && self.punctual {
            self.assert_nothing_since(before, "a refused request changes nothing");
        }
        answer
    }

    fn assert_nothing_since(&self, before: usize, why: &str) {
        let changed = |output: &&Output| !matches!(output, Output::Measured(_));
        assert_eq!(self.outputs[before..].iter().find(changed), None, "{why}");
    }

    fn media(&mut self, device: Endpoint, call: CallId, up: bool) {
        self.event(if up { Event::MediaUp { call, device } } else { Event::MediaDown { call, device } });
    }

    fn gone(&mut self, device: Endpoint) {
        // What was due goes first: the judge must not yet know.
        self.catch_up();
        self.online.remove(&device);
        self.judge.gone(&device);
        self.event(Event::DeviceGone { device: device.clone() });
        self.judge.assert_left(&device);
    }

    fn event(&mut self, event: Event) {
        self.board.handle(self.now, event);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(output) = self.board.poll_output() {
            self.judge.output(self.now, &self.online, &output);
            if let Output::Save { call } | Output::Record(Record { call, .. }) = &output {
                // Of one that ended and is forgotten at once there is nothing.
                match self.board.image(*call) {
                    Some(image) => drop(self.kept.insert(*call, serde_json::to_string(&image).unwrap())),
                    None => drop(self.kept.remove(call)),
                }
            }
            self.outputs.push(output);
        }
    }

    /// What the board says about itself is what the devices have heard.
    fn check(&mut self) {
        if !self.punctual {
            return;
        }
        self.judge.check_gauges(self.board.gauges());
        for device in everyone() {
            let calls: BTreeSet<CallId> = self.board.snapshots_for(&device).iter().map(|call| call.call).collect();
            assert_eq!(calls, self.judge.calls_of(&device), "the calls of {device:?}");
            let user = &device.user;
            let running = self.board.running_for(user).into_iter();
            let running: BTreeSet<_> =
                running.map(|call| (call.call, Endpoint { user: user.clone(), device: call.device })).collect();
            assert_eq!(running, self.judge.running_for(user));
        }
    }

    /// Everybody goes home: every session ends, every media connection breaks, what is in flight arrives. Then, within the
    /// times that the board has, everything is over and forgotten.
    fn settle(&mut self) {
        if let Some((last, _)) = self.in_flight.keys().next_back().copied() {
            self.deliver_until(last);
        }
        for device in everyone() {
            self.gone(device.clone());
            for call in self.calls.clone() {
                self.media(device.clone(), call, false);
            }
        }
        let t = Timeouts::default();
        self.deliver_until(self.now + t.ring.max(t.connect + t.grace));
        self.catch_up();
        assert_eq!(self.board.gauges().live(), 0, "every call ends");
        self.judge.check_all_over();
        self.deliver_until(self.now + t.tombstone);
        self.catch_up();
        assert_eq!(self.board.gauges().tombstones, 0, "every call is forgotten");
        assert_eq!(self.board.poll_timeout(), None);
    }

    fn catch_up(&mut self) {
        self.board.handle_timeout(self.now);
        self.collect();
    }

    fn recent(&self, nth: usize) -> Option<CallId> {
        self.calls.iter().rev().nth(nth).copied()
    }
}

fn image(kept: &str) -> Image {
    serde_json::from_str(kept).expect("what was kept can be read")
}

impl Wish {
    /// None: it is none of the requests, but a question.
    fn request(self, call: CallId) -> Option<Request> {
        Some(match self {
            Self::Ringing => Request::Ringing { call },
            Self::Accept => Request::Accept { call },
            Self::Decline => Request::Decline { call, reason: DeclineReason::Declined },
            Self::DeclineBusy => Request::Decline { call, reason: DeclineReason::Busy },
            Self::Cancel => Request::Cancel { call },
            Self::Hangup => Request::Hangup { call },
            Self::Media(camera) => Request::Media { call, flags: MediaFlags { mic: true, camera, screen: false } },
            Self::Hold(on) => Request::Hold { call, on },
            Self::Join => Request::Join { call, member: false },
            Self::Connect => return None,
        })
    }
}

fn everyone() -> impl Iterator<Item = Endpoint> {
    (0..USERS.len() * DEVICES_PER_USER).map(nth)
}

fn nth(device: usize) -> Endpoint {
    let user = USERS[device / DEVICES_PER_USER];
    // Users share the ids of their devices, as they may.
    let device = (device % DEVICES_PER_USER).to_string();
    Endpoint { user: user.parse().unwrap(), device: device.parse().unwrap() }
}
