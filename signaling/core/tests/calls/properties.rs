//! Whatever people do, and whenever: the rules of [`Judge`](crate::judge::Judge) hold.
//!
//! The scripts are the same in every run. `PROPTEST_RNG_SEED=<number>` draws others, `PROPTEST_CASES=<number>` more. What once
//! failed is kept in `proptest-regressions/` and tried first.

use crate::world::{Step, World, step, tight};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeSet;
use tertulia_signaling_core::{Limits, Output};

const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/calls.txt");

/// Enough to reach everything that `everything_is_reached` asks for, four times over; some seconds in a debug build.
const CASES: u32 = 400;

fn runner(cases: u32) -> TestRunner {
    let mut config = ProptestConfig::default();
    config.cases = config.cases.max(cases);
    config.failure_persistence = Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS)));
    config.source_file = Some(file!());
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1876);
    }
    TestRunner::new(config)
}

fn script() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..120)
}

fn evening(script: &[Step], limits: Limits, punctual: bool) -> (Vec<Output>, BTreeSet<String>) {
    let mut world = World::new(limits, punctual);
    world.run(script);
    (world.outputs, world.judge.reached)
}

/// At most one accepted leg a side; every call ends, for one reason, with one record; nobody is left ringing; every device
/// that was offered a call hears once that it is over; nobody else hears anything; repetitions change nothing.
#[test]
fn c1_every_random_evening_follows_the_rules() {
    let reached = RefCell::new(BTreeSet::new());
    let result = runner(CASES).run(&script(), |script| {
        let (_, seen) = evening(&script, Limits::default(), true);
        reached.borrow_mut().extend(seen);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    everything_is_reached(&reached.into_inner());
}

/// Among it that a server which is killed at any moment and started again goes on as if it had not been: see `World::restart`.
///
/// The same where every limit is met.
#[test]
fn c1_a_full_server_follows_the_rules() {
    let reached = RefCell::new(BTreeSet::new());
    let result = runner(CASES / 2).run(&script(), |script| {
        let (_, seen) = evening(&script, tight(), true);
        reached.borrow_mut().extend(seen);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    let reached = reached.into_inner();
    for limit in ["Calls", "CallsPerCallee", "LegsPerCall", "EarlyMediaLegs", "Tombstones", "connect AnswerFirst"] {
        assert!(reached.contains(limit), "the scripts never reach {limit}: {reached:#?}");
    }
}

/// Timers that run late, or only when something else happens, change no outcome.
#[test]
fn c1_a_sleepy_server_decides_the_same() {
    let result = runner(CASES / 2).run(&script(), |script| {
        let (on_time, _) = evening(&script, Limits::default(), true);
        let (late, _) = evening(&script, Limits::default(), false);
        prop_assert_eq!(on_time, late);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// A property holds of nothing if the scripts never get there.
fn everything_is_reached(reached: &BTreeSet<String>) {
    let records = ["Hangup", "Declined", "Busy", "Cancelled", "Missed", "Failed", "Lost"];
    let told = ["AnsweredElsewhere", "DeclinedElsewhere", "Busy", "Lost", "Missed", "HandedOver"];
    let measures = ["Rang", "Answered", "Joined", "Reconnected", "Merged", "HandedOver", "held", "resumed"];
    let answers = [
        "Ringing ok",
        "Ringing Over(Cancelled)",
        "Accept ok",
        "Accept AnsweredElsewhere",
        "Accept AlreadyInCall",
        "Accept UnknownCall",
        "Accept Over(Busy)",
        "Accept Over(Cancelled)",
        "Decline StateMismatch",
        "Cancel ok",
        "Hangup ok",
        "Media ok",
        "Hold ok",
        "Hold StateMismatch",
        "Join ok",
        "Join AlreadyInCall",
        "Join StateMismatch",
        "Join UnknownCall",
        "restart",
        "outage",
        "connect ok",
        "connect AnsweredElsewhere",
        "invite ok",
        "invite AlreadyInCall",
        "invite SelfCall",
        "invite UnknownUser",
    ];
    let wanted = records.map(|reason| format!("record {reason}")).into_iter();
    let wanted = wanted.chain(told.map(|reason| format!("told {reason}")));
    let wanted = wanted.chain(measures.into_iter().chain(answers).map(str::to_owned));
    let missing: Vec<String> = wanted.filter(|what| !reached.contains(what)).collect();
    assert!(missing.is_empty(), "the scripts never reach {missing:?}; they reach {reached:#?}");
}
