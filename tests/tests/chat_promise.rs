//! The promise of messages over the real program: random workloads with kills, judged by what the clients saw.
//!
//! A few seeds in every run of the tests; more by `CHAT_PROMISE_RUNS` (and `CHAT_PROMISE_FIRST_SEED`). A seed that has failed
//! once stays in [`SEEDS`].

use anyhow::ensure;
use std::collections::BTreeSet;
use tertulia_tests::chat::workload::{Outcome, Plan, run};

/// Run by every run of the tests: a few that are as good as any.
const SEEDS: [u64; 4] = [1, 2, 3, 2010];

/// More seeds, if they are asked for.
fn asked_for() -> anyhow::Result<std::ops::Range<u64>> {
    let number = |variable| std::env::var(variable).ok().map(|text| text.parse::<u64>()).transpose();
    let first = number("CHAT_PROMISE_FIRST_SEED")?.unwrap_or(1_000);
    Ok(first..first + number("CHAT_PROMISE_RUNS")?.unwrap_or_default())
}

#[tokio::test]
async fn m1_m2_m3_m4_m5_m15_the_promise_holds_over_random_workloads_and_kills() -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    for seed in SEEDS.into_iter().chain(asked_for()?) {
        let Outcome { tally, .. } = run(Plan::new(seed)).await?;
        println!("seed {seed}: {tally:?}");
        // A workload that does nothing proves nothing.
        let at_least =
            [("sends", 60), ("heard", 80), ("acknowledgements", 15), ("sessions", 6), ("kills", 3), ("entries", 1)];
        for (kind, least) in at_least {
            let count = tally.get(kind).copied().unwrap_or_default();
            ensure!(count >= least, "seed {seed}: {count} {kind} only");
        }
        seen.extend(tally.into_keys());
    }
    for kind in ["resumes", "changes of groups", "refused", "blocks", "gaps"] {
        ensure!(seen.contains(kind), "no seed has {kind}");
    }
    Ok(())
}
