//! The promise of messages over the real program: random workloads with kills, judged by what the clients saw.
//!
//! A few seeds in every run of the tests; more by `CHAT_PROMISE_RUNS` (and `CHAT_PROMISE_FIRST_SEED`), or those that
//! `CHAT_PROMISE_SEEDS` lists and no others; so many at once as `CHAT_PROMISE_AT_ONCE` says. A seed that has failed once stays
//! in [`SEEDS`]. Whatever fails, all of them are run, each says how it went, and the end says how many did.

use anyhow::ensure;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use tertulia_tests::chat::workload::{Outcome, Plan, run};
use tokio::task::JoinSet;

/// Run by every run of the tests: a few that are as good as any, and those that have failed. 10002 and 10042 found receipts that were
/// lost to a device that stayed (`reconnect` in `chat/core` finds that each time); 11117 and 11162 what quotas may give up, which
/// the judge took for lost; 72056 somebody who left a group and came back unheard by one who was out of it meanwhile, which the judge
/// took for a receipt that shrank.
const SEEDS: [u64; 9] = [1, 2, 3, 2010, 10_002, 10_042, 11_117, 11_162, 72_056];
/// Workloads at once. Each has a program of its own, and half of a workload's time is waiting; more make all of them slow.
const AT_ONCE: u64 = 3;

fn number(variable: &str) -> anyhow::Result<Option<u64>> {
    Ok(std::env::var(variable).ok().map(|text| text.parse()).transpose()?)
}

/// The usual seeds and more, if they are asked for.
fn seeds() -> anyhow::Result<Vec<u64>> {
    if let Ok(listed) = std::env::var("CHAT_PROMISE_SEEDS") {
        return Ok(listed.split(',').map(|seed| seed.trim().parse()).collect::<Result<_, _>>()?);
    }
    let first = number("CHAT_PROMISE_FIRST_SEED")?.unwrap_or(1_000);
    let more = first..first + number("CHAT_PROMISE_RUNS")?.unwrap_or_default();
    Ok(SEEDS.into_iter().chain(more).collect())
}

/// One workload: how often each kind of thing happened in it.
async fn judged(seed: u64) -> anyhow::Result<BTreeMap<&'static str, usize>> {
    let Outcome { tally, .. } = run(Plan::new(seed)).await?;
    // A workload that does nothing proves nothing.
    let at_least =
        [("sends", 60), ("heard", 80), ("acknowledgements", 15), ("sessions", 6), ("kills", 3), ("entries", 1)];
    for (kind, least) in at_least {
        let count = tally.get(kind).copied().unwrap_or_default();
        ensure!(count >= least, "{count} {kind} only");
    }
    Ok(tally)
}

#[tokio::test]
async fn m1_m2_m3_m4_m5_m15_the_promise_holds_over_random_workloads_and_kills() -> anyhow::Result<()> {
    let all = seeds()?;
    let at_once = usize::try_from(number("CHAT_PROMISE_AT_ONCE")?.unwrap_or(AT_ONCE))?;
    let (mut seen, mut failed, mut running) = (BTreeSet::new(), Vec::new(), JoinSet::new());
    let mut waiting = all.iter().copied();
    loop {
        for seed in waiting.by_ref().take(at_once.max(1).saturating_sub(running.len())) {
            running.spawn(async move {
                let start = Instant::now();
                (seed, judged(seed).await, start.elapsed())
            });
        }
        let Some(ended) = running.join_next().await else { break };
        match ended? {
            (seed, Ok(tally), took) => {
                println!("seed {seed}, {took:.1?}: {tally:?}");
                seen.extend(tally.into_keys());
            }
            (seed, Err(error), took) => {
                println!("seed {seed}, {took:.1?} FAILED: {error:#}");
                failed.push(seed);
            }
        }
    }
    println!("{} workloads, {} failed: {failed:?}", all.len(), failed.len());
    ensure!(failed.is_empty(), "of {} workloads {} failed: {failed:?}; each is told above", all.len(), failed.len());
    if all.len() >= SEEDS.len() {
        for kind in ["resumes", "changes of groups", "refused", "deeds refused", "figures of all", "blocks", "gaps"] {
            ensure!(seen.contains(kind), "no seed has {kind}");
        }
    }
    Ok(())
}
