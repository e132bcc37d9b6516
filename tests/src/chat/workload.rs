//! A random workload over the real program: people with several devices that come and go, read slowly, send twice, lose
//! answers, make groups and change them, block each other, unlink devices, while the program is killed and started again; sometimes
//! less may wait for a device than comes. What it gives is a history for the judge.
//!
//! A seed decides what every device does and when the program dies; how that falls together is the machine's.

mod actor;
mod deeds;
mod item;

use super::history::{Device, Event, History, Step, What};
use super::{Fault, Policy, faults, missing_under, unfounded};
use crate::Server;
use crate::accounts::{Account, Carrier, phone_number};
use crate::socket::Socket;
use crate::token::token;
use actor::{Actor, Identity, Shared};
use anyhow::{Context, bail, ensure};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tertulia_common::Timestamp;
use tertulia_signaling_proto::{Caps, Codec, ServerFrame};
use tokio::task::JoinSet;

/// How long nothing may happen while something must. It is no measure of speed: only what has come to a halt is as still as this,
/// however busy the machine is.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long one part of a run may take, for what goes round in circles. A part takes seconds.
const PART_MAX: Duration = Duration::from_secs(900);
/// How long the program may take to start.
const START_MAX: Duration = Duration::from_secs(180);

/// How often people are tried to be registered again, before a run begins: that has deadlines of its own.
const SETUP_TRIES: usize = 5;

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// People; each has one to three devices.
    pub people: usize,
    /// What each device does before it settles.
    pub steps: usize,
    /// How often the program is killed meanwhile. Once more it is killed at the end.
    pub kills: usize,
    /// How many messages may wait for a device, if fewer than the program's own.
    pub quota: Option<u64>,
}

impl Plan {
    /// The usual size: some seconds.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, people: 4, steps: 60, kills: 2, quota: (seed % 3 == 2).then_some(16) }
    }
}

impl Plan {
    fn policy(&self) -> Policy {
        let policy = Policy::default();
        Policy { entries_max: self.quota.unwrap_or(policy.entries_max), ..policy }
    }
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened.
    pub history: History,
    /// How often each kind of thing happened.
    pub tally: BTreeMap<&'static str, usize>,
}

/// Numbers from a seed: splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    fn new(seed: u64, who: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ who.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    /// Below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }

    fn millis(&mut self, end: usize) -> Duration {
        Duration::from_millis(self.below(end) as u64)
    }
}

/// Where everyone writes down what happens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<Records>>);

#[derive(Debug, Default)]
struct Records {
    history: History,
    /// What brings a run on: not that somebody tries to get in once more.
    moves: usize,
}

impl Recorder {
    fn note(&self, step: Step) {
        // The clock is read under the lock, so that times rise with events.
        let mut records = self.0.lock();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let again = matches!(step, Step::Device(_, What::Connects | What::Welcomed | What::Resumed | What::Drained));
        records.moves += usize::from(!again);
        records.history.push(Timestamp(now.as_millis() as u64), step);
    }

    fn history(&self) -> History {
        self.0.lock().history.clone()
    }

    fn moves(&self) -> usize {
        self.0.lock().moves
    }

    fn events(&self) -> usize {
        self.0.lock().history.events.len()
    }
}

/// Whether anything is missing: judged again when something has happened since.
struct Missing<'a> {
    recorder: &'a Recorder,
    policy: Policy,
    events: usize,
}

impl Missing<'_> {
    fn is_nothing(&mut self) -> bool {
        let events = self.recorder.events();
        if events == self.events {
            return false;
        }
        self.events = events;
        missing_under(&self.recorder.history(), &self.policy).is_empty()
    }
}

/// Runs a workload to its end and judges it.
///
/// # Errors
/// If the promise was broken: the first faults, with what their devices saw last. Or if the run itself failed.
pub async fn run(plan: Plan) -> anyhow::Result<Outcome> {
    let recorder = Recorder::default();
    let ran = drive(plan, &recorder).await;
    let history = recorder.history();
    let policy = plan.policy();
    let broken = faults(&history, &policy);
    if ran.is_err() || !broken.is_empty() {
        keep(plan.seed, &history)?;
    }
    if !broken.is_empty() {
        let error = ran.err().unwrap_or_else(|| anyhow::anyhow!("it ran to its end"));
        return Err(error.context(format!("seed {}: {}", plan.seed, told(&history, &broken))));
    }
    if let Err(error) = ran {
        let missing = missing_under(&history, &policy);
        return Err(error.context(format!("seed {}: {}", plan.seed, told(&history, &missing))));
    }
    let broken = unfounded(&history, &policy);
    if !broken.is_empty() {
        keep(plan.seed, &history)?;
        bail!("seed {}: {}", plan.seed, told(&history, &broken));
    }
    let tally = super::places::tally(&history);
    Ok(Outcome { history, tally })
}

/// Keeps a history that was found wrong, if somebody wants to look at it: `CHAT_PROMISE_HISTORIES` names a folder.
fn keep(seed: u64, history: &History) -> anyhow::Result<()> {
    let Some(folder) = std::env::var_os("CHAT_PROMISE_HISTORIES") else { return Ok(()) };
    let mut text = String::new();
    for (index, event) in history.events.iter().enumerate() {
        writeln!(text, "{index} {} {:?}", event.at.as_millis(), event.step)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(std::fs::write(Path::new(&folder).join(format!("{seed}.txt")), text)?)
}

/// What the program has to say for itself: what its relay counts, and what it logged beyond the ordinary.
async fn its_side(server: &Server) -> String {
    let scrape = crate::http::request(server.operator(), "GET", "/metrics", None, None).await;
    let metrics = scrape.map(|answer| answer.body).unwrap_or_default();
    let of_the_relay = |line: &&str| (line.contains("mailbox") || line.contains("message")) && !line.starts_with('#');
    let mut lines: Vec<&str> = metrics.lines().filter(of_the_relay).collect();
    let log = server.log();
    lines.extend(log.lines().filter(|line| line.contains("ERROR") || line.contains("WARN")));
    lines.join("\n")
}

async fn drive(plan: Plan, recorder: &Recorder) -> anyhow::Result<()> {
    // Small segments and pages, so that a short run rolls and gives back many.
    let carrier = Carrier::open().await?;
    let builder = carrier.server();
    let builder = match plan.quota {
        Some(quota) => builder.set("chat.mailbox_entries_max", quota),
        None => builder,
    };
    let mut server = builder
        .set("media.shards", 1)
        .set("media.tcp", false)
        // Nothing here is uploaded, and each start would make workers ready.
        .set("uploads.enabled", false)
        .ready_within(START_MAX)
        .set("signaling.requests_per_s", 10_000)
        .set("signaling.requests_burst", 10_000)
        .set("chat.message_bytes_max", 1024)
        .set("chat.segment_bytes", 24_576)
        .set("chat.group_changes_per_minute", 100_000)
        .set("chat.group_changes_burst", 10_000)
        .set("chat.group_joins_per_minute", 10_000)
        .set("chat.unacknowledged_max", 8)
        .start()
        .await?;
    let went = goes(plan, recorder, &mut server, &carrier).await;
    match went {
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(its_side(&server).await)),
    }
}

/// Everybody's devices: some people have tokens of an app's own, others accounts of this server.
async fn everybody(
    plan: Plan,
    server: &Server,
    carrier: &Carrier,
    random: &mut Random,
) -> anyhow::Result<Vec<Vec<Identity>>> {
    let mut everybody = Vec::new();
    let mut number = 0;
    for (index, name) in ["alice", "bob", "carol", "dave", "erin"].into_iter().take(plan.people).enumerate() {
        let devices = 1 + random.below(3);
        let mut of_one = Vec::new();
        if index % 2 == 0 {
            register(server, name).await?;
            for device in ["phone", "laptop", "tablet"].iter().take(devices) {
                of_one.push((Device::new(name, device), token(name)));
            }
        } else {
            let primary = Account::register(server, carrier, &phone_number(), name).await?;
            let mut accounts = vec![primary.clone()];
            for _ in 0..devices {
                accounts.push(primary.link(server).await?);
            }
            of_one.extend(accounts.into_iter().map(|of| (Device::new(&of.user, &of.device), of.token)));
        }
        let linked: Vec<String> = of_one[1..].iter().map(|(device, _)| device.name.clone()).collect();
        let mut identities = Vec::new();
        for (at, (me, token)) in of_one.into_iter().enumerate() {
            number += 1;
            let siblings = if at == 0 && index % 2 == 1 { linked.clone() } else { Vec::new() };
            identities.push(Identity { me, token, siblings, number });
        }
        everybody.push(identities);
    }
    Ok(everybody)
}

async fn goes(plan: Plan, recorder: &Recorder, server: &mut Server, carrier: &Carrier) -> anyhow::Result<()> {
    let mut random = Random::new(plan.seed, 0);
    let mut tries = 0;
    let everybody = loop {
        // The same chances each time: a seed means the same on a busy machine.
        let mut chances = random.clone();
        match everybody(plan, server, carrier, &mut chances).await {
            Ok(all) => {
                random = chances;
                break all;
            }
            Err(error) if tries >= SETUP_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    };
    let shared = Arc::new(Shared {
        recorder: recorder.clone(),
        to: server.http(),
        people: everybody.iter().map(|of| of[0].me.user.clone()).collect(),
        groups: Mutex::default(),
        invites: Mutex::default(),
        unlinked: Mutex::default(),
        is_up: AtomicBool::new(true),
        settling: AtomicBool::new(false),
        ending: AtomicBool::new(false),
        working: AtomicUsize::new(0),
        unsettled: AtomicUsize::new(0),
        drained: AtomicUsize::new(0),
    });
    let mut actors = JoinSet::new();
    // By the seed's parity, so that all else of it stays what it was.
    let binary = if plan.seed.is_multiple_of(2) { Codec::Msgpack } else { Codec::Compact };
    for identity in everybody.into_iter().flatten() {
        let codec = if random.below(2) == 0 { Codec::Json } else { binary };
        let random = Random::new(plan.seed, identity.number);
        let actor = Actor::new(identity, codec, random, Arc::clone(&shared));
        shared.working.fetch_add(1, Ordering::SeqCst);
        shared.unsettled.fetch_add(1, Ordering::SeqCst);
        actors.spawn(actor.run(plan.steps));
    }
    let (count, policy) = (actors.len(), plan.policy());
    for _ in 0..plan.kills {
        tokio::time::sleep(Duration::from_millis(100) + random.millis(600)).await;
        kill(server, &shared).await?;
    }
    let missing = || Missing { recorder, policy, events: 0 };
    let worked = || shared.working.load(Ordering::SeqCst) == 0;
    until("everyone has done what they had to do", recorder, &mut actors, worked).await?;
    shared.settling.store(true, Ordering::SeqCst);
    let mut missed = missing();
    let settled = || shared.unsettled.load(Ordering::SeqCst) == 0 && missed.is_nothing();
    until("everything is answered, delivered and told", recorder, &mut actors, settled).await?;
    // What was acknowledged, and counts, comes to nobody again.
    shared.ending.store(true, Ordering::SeqCst);
    kill(server, &shared).await?;
    // An acknowledgement may have been under way as it died: what it means is told when the device has sent it again.
    let mut missed = missing();
    let is_back = || shared.drained.load(Ordering::SeqCst) == count && missed.is_nothing();
    until("everyone is back and nothing is missing after the last start", recorder, &mut actors, is_back).await?;
    actors.shutdown().await;
    Ok(())
}

/// The program dies as by a power cut of its own, and starts where it was.
async fn kill(server: &mut Server, shared: &Shared) -> anyhow::Result<()> {
    shared.recorder.note(Step::Killed);
    // Whoever tries to connect meanwhile may be given the program's own port to come from.
    shared.is_up.store(false, Ordering::SeqCst);
    server.kill()?;
    server.start_again().await.context("the program did not come back")?;
    shared.is_up.store(true, Ordering::SeqCst);
    shared.recorder.note(Step::Started);
    Ok(())
}

/// Waits for a condition, for as long as something happens; a device that fails ends it.
async fn until(
    what: &str,
    recorder: &Recorder,
    actors: &mut JoinSet<anyhow::Result<()>>,
    mut holds: impl FnMut() -> bool,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let (mut moves, mut moved) = (recorder.moves(), start);
    while !holds() {
        if let Some(ended) = actors.try_join_next() {
            ended?.with_context(|| format!("waiting until {what}"))?;
        }
        let now = recorder.moves();
        if now != moves {
            (moves, moved) = (now, Instant::now());
        }
        ensure!(moved.elapsed() < SILENCE_MAX, "nothing happens for {SILENCE_MAX:?}, and not: {what}");
        ensure!(start.elapsed() < PART_MAX, "not within {PART_MAX:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Makes a person known who has no mailbox yet: what is written to them waits for their first device.
async fn register(server: &Server, name: &str) -> anyhow::Result<()> {
    let mut socket = Socket::open(server, Codec::Json).await?;
    let caps = Caps { rings: false, call_waiting: false, messages: false };
    socket.hello_as(&token(name), "visitor", None, caps).await?;
    match socket.next_frame().await? {
        ServerFrame::Welcome(_) => Ok(()),
        other => bail!("no welcome but {other:?}"),
    }
}

/// The first faults, and what the first's device saw before it; without a fault what everyone saw last.
fn told(history: &History, faults: &[Fault]) -> String {
    const FAULTS: usize = 8;
    const EVENTS: usize = 25;
    const LAST: usize = 4;
    let mut text = format!("{} faults", faults.len());
    for fault in faults.iter().take(FAULTS) {
        write!(text, "\n  {fault}").ok();
    }
    let devices: BTreeSet<&Device> = history.events.iter().filter_map(|event| event.step.device()).collect();
    let shown: Vec<(&Device, usize, usize)> = match faults.first() {
        Some(Fault { device: Some(device), at, .. }) => vec![(device, at.unwrap_or(history.events.len()), EVENTS)],
        _ => devices.into_iter().map(|device| (device, history.events.len(), LAST)).collect(),
    };
    for (device, upto, most) in shown {
        write!(text, "\n--- {device} up to event {upto}, and kills").ok();
        let seen =
            |(index, event): &(usize, &Event)| *index <= upto && event.step.device().is_none_or(|of| of == device);
        let all: Vec<(usize, &Event)> = history.events.iter().enumerate().filter(seen).collect();
        for (index, event) in &all[all.len().saturating_sub(most)..] {
            let line: String = format!("{:?}", event.step).chars().take(300).collect();
            write!(text, "\n  {index} {line}").ok();
        }
    }
    text
}
