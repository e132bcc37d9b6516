//! The promise of messages over two nodes that share one log: random workloads in which devices go from node to node, asks, answers
//! and hints are lost, owners are killed in the middle of a batch or displaced without knowing it. Judged by what the devices saw.
//!
//! A few seeds in every run of the tests; more by `CHAT_NODES_RUNS` (and `CHAT_NODES_FIRST_SEED`).

mod device;
mod nodes;

use anyhow::ensure;
use device::{Device, Recorder};
use nodes::Nodes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tertulia_chat::store::embedded::Embedded;
use tertulia_chat::store::log::{Log, Shared};
use tertulia_chat::store::memory::Memory;
use tertulia_chat::vault::Kek;
use tertulia_chat_core::Limits;
use tertulia_tests::chat::{Policy, faults, missing};
use zeroize::Zeroizing;

const SEEDS: [u64; 3] = [1, 2, 3];
const DEVICES: [(&str, &str); 5] =
    [("alice", "phone"), ("alice", "laptop"), ("bob", "phone"), ("bob", "laptop"), ("carol", "phone")];
/// What each device does before it settles.
const STEPS: usize = 250;
/// How long something may take that must happen. Only a broken engine waits as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chance, by a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}

fn limits() -> Limits {
    Limits { unacknowledged_max: 8, ..Limits::default() }
}

/// What has happened in a run, beside what the devices saw.
#[derive(Debug, Default)]
struct Tally {
    killed: usize,
    displaced: usize,
    lost: usize,
    behind: usize,
}

fn run(seed: u64, log: Arc<dyn Log>) -> anyhow::Result<Tally> {
    let recorder = Recorder::default();
    let nodes = Nodes::on(log, seed);
    let (working, settled) = (AtomicUsize::new(DEVICES.len()), AtomicUsize::new(0));
    let (settling, ending) = (AtomicBool::new(false), AtomicBool::new(false));
    let tally = std::thread::scope(|scope| {
        let ends = Ends(&ending);
        let mut threads = Vec::new();
        for (number, (user, name)) in DEVICES.into_iter().enumerate() {
            let (nodes, recorder, working, settled) = (&nodes, &recorder, &working, &settled);
            let (settling, ending) = (&settling, &ending);
            threads.push(scope.spawn(move || {
                let mut device = Device::new((user, name), nodes, recorder, Random(seed << 8 | number as u64));
                for _ in 0..STEPS {
                    device.step();
                }
                working.fetch_sub(1, Ordering::SeqCst);
                let mut is_settled = false;
                while !ending.load(Ordering::SeqCst) {
                    device.step_on(settling.load(Ordering::SeqCst));
                    if !is_settled && settling.load(Ordering::SeqCst) && device.is_settled() {
                        is_settled = true;
                        settled.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }));
        }
        let mut random = Random(seed);
        let mut tally = Tally::default();
        let start = Instant::now();
        while working.load(Ordering::SeqCst) > 0 {
            ensure!(start.elapsed() < PATIENCE, "they have not done what they had to do");
            ensure!(!threads.iter().any(|thread| thread.is_finished()), "a device has failed");
            nodes.trouble(&mut random, &mut tally);
        }
        nodes.heal();
        settling.store(true, Ordering::SeqCst);
        let start = Instant::now();
        while settled.load(Ordering::SeqCst) < DEVICES.len() || !missing(&recorder.history()).is_empty() {
            if start.elapsed() > PATIENCE {
                let missing = missing(&recorder.history());
                anyhow::bail!("it does not settle: {}, {missing:?}", settled.load(Ordering::SeqCst));
            }
            nodes.revive(&mut tally);
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(ends);
        Ok(tally)
    })?;
    let faults = faults(&recorder.history(), &Policy::default());
    ensure!(faults.is_empty(), "{}", recorder.told(&faults));
    Ok(tally)
}

/// However a run ends, its devices do.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// More seeds, if they are asked for.
fn asked_for() -> anyhow::Result<std::ops::Range<u64>> {
    let number = |variable| std::env::var(variable).ok().map(|text| text.parse::<u64>()).transpose();
    let first = number("CHAT_NODES_FIRST_SEED")?.unwrap_or(1_000);
    Ok(first..first + number("CHAT_NODES_RUNS")?.unwrap_or_default())
}

/// Runs every seed; each of the troubles must have come at least once among them.
fn runs(tell: impl Fn(u64, &Tally), log: impl Fn(u64) -> anyhow::Result<Arc<dyn Log>>) -> anyhow::Result<()> {
    let mut all = Tally::default();
    for seed in SEEDS.into_iter().chain(asked_for()?) {
        let tally = run(seed, log(seed)?).map_err(|error| error.context(format!("seed {seed}")))?;
        tell(seed, &tally);
        (all.killed, all.displaced, all.lost) =
            (all.killed + tally.killed, all.displaced + tally.displaced, all.lost + tally.lost);
    }
    ensure!(all.killed > 0 && all.displaced > 0 && all.lost > 10, "nothing much has happened: {all:?}");
    Ok(())
}

#[test]
fn m1_m3_m4_m5_the_promise_holds_on_two_nodes_that_share_a_log_in_memory() -> anyhow::Result<()> {
    runs(|seed, tally| println!("seed {seed}: {tally:?}"), |_| Ok(Arc::new(Shared::new(Memory::default()))))
}

#[test]
fn m1_m3_m4_m5_the_promise_holds_on_two_nodes_that_share_a_journal() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let tell = |seed, tally: &Tally| println!("seed {seed}: {tally:?}");
    runs(tell, |seed| {
        let settings = tertulia_chat::journal::Settings { segment_bytes: 16 * 1024, ..Default::default() };
        let keys = vec![Kek::new(Zeroizing::new([7; 32]))];
        let folder = folder.path().join(seed.to_string());
        std::fs::create_dir(&folder)?;
        let (store, _) = Embedded::open(&folder, settings, limits(), keys)?;
        Ok(Arc::new(Shared::new(store)))
    })
}
