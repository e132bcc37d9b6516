//! The race between a message that is routed and a device that comes back, explored in full: every interleaving, not a sample.
//!
//! One person writes to another with two devices. What the engine does in steps is in steps here: commands are decided, the
//! batch is synced, the batch is settled and told; and at any point between them a device may attach with a new reader, take
//! a page, or the program may die, with or without what was written and not synced. In every state that can be reached:
//!
//! - nothing is handed out that is not durable;
//! - a session gets everything that its device lacks, in order, without a hole, nothing twice;
//! - what was acknowledged, and not lost with the program, does not come again;
//! - how far others have read, once it was told, is known to every device that has acknowledged all it was given;
//! - in a group, Bob gets what was sent while he was in it, how he came and how he went, and nothing else;
//! - and if from there on nothing bad happens, every device gets everything that was confirmed, and then nobody waits.

mod world;

use std::collections::HashSet;
use world::{Bounds, Group, World, fingerprint};

/// Goes through every state that can be reached; gives how many there are.
#[expect(clippy::print_stdout, reason = "how much was explored is worth seeing")]
fn explore(bounds: Bounds) -> usize {
    let start = World::new(bounds);
    let mut known = HashSet::from([fingerprint(&start)]);
    let mut open = vec![(start, Vec::new())];
    while let Some((world, way)) = open.pop() {
        if let Err(broken) = world.clone().ends_well() {
            panic!("{broken}, in the end after {way:?}");
        }
        for action in world.actions() {
            let (mut next, mut way) = (world.clone(), way.clone());
            way.push(action);
            if let Err(broken) = next.act(action) {
                panic!("{broken}, by {way:?}");
            }
            if known.insert(fingerprint(&next)) {
                open.push((next, way));
            }
        }
    }
    println!("{bounds:?}: {} states", known.len());
    known.len()
}

/// Two people, one of whom has two devices.
const TWO: Bounds = Bounds {
    messages: 0,
    sessions: 1,
    deaths: 0,
    receipts: 0,
    alice_reads: false,
    owed: 2,
    open: 2,
    devices: 2,
    group: None,
};

#[test]
fn m3_two_devices_that_come_and_go_while_messages_are_sent_get_each_once_and_in_order() {
    let bounds =
        Bounds { messages: 3, sessions: 2, deaths: 0, receipts: 0, alice_reads: false, owed: 2, open: 2, ..TWO };
    assert!(explore(bounds) > 15_000);
}

#[test]
fn m3_so_they_do_when_the_program_dies_at_any_point() {
    let bounds =
        Bounds { messages: 2, sessions: 2, deaths: 1, receipts: 0, alice_reads: false, owed: 2, open: 2, ..TWO };
    assert!(explore(bounds) > 50_000);
}

#[test]
fn m3_m5_so_they_do_between_receipts_and_when_they_may_owe_one_message() {
    let bounds =
        Bounds { messages: 2, sessions: 2, deaths: 0, receipts: 1, alice_reads: false, owed: 1, open: 2, ..TWO };
    assert!(explore(bounds) > 25_000);
}

#[test]
fn m5_every_receipt_comes_to_a_device_that_comes_back_while_receipts_are_told() {
    let bounds =
        Bounds { messages: 1, sessions: 1, deaths: 0, receipts: 2, alice_reads: true, owed: 2, open: 2, ..TWO };
    assert!(explore(bounds) > 15_000);
}

#[test]
fn m3_what_waits_for_a_first_device_comes_to_the_first_that_opens() {
    let bounds =
        Bounds { messages: 2, sessions: 1, deaths: 1, receipts: 0, alice_reads: false, owed: 2, open: 0, ..TWO };
    assert!(explore(bounds) > 30_000);
}

#[test]
fn m2_m3_a_member_who_comes_and_goes_while_messages_are_routed_gets_what_is_between_and_nothing_else() {
    let group = Some(Group { is_in: false, changes: 2 });
    let bounds = Bounds { messages: 2, sessions: 2, open: 1, devices: 1, group, ..TWO };
    assert!(explore(bounds) > 1_000);
}

#[test]
fn m2_m3_who_goes_and_comes_back_before_they_have_fetched_what_was_before_gets_both() {
    let group = Some(Group { is_in: true, changes: 2 });
    let bounds = Bounds { messages: 2, open: 1, devices: 1, group, ..TWO };
    assert!(explore(bounds) > 1_000);
}

#[test]
fn m2_m3_so_does_a_member_with_two_devices_that_come_and_go() {
    let group = Some(Group { is_in: true, changes: 1 });
    let bounds = Bounds { messages: 1, group, ..TWO };
    assert!(explore(bounds) > 1_000);
}

#[test]
fn m2_m3_so_does_a_member_when_the_program_dies_at_any_point() {
    let group = Some(Group { is_in: false, changes: 2 });
    let bounds = Bounds { messages: 1, deaths: 1, open: 1, devices: 1, group, ..TWO };
    assert!(explore(bounds) > 1_000);
}

#[test]
fn m2_m3_what_waits_for_a_member_without_a_device_is_what_was_sent_while_they_were_in() {
    let group = Some(Group { is_in: true, changes: 1 });
    let bounds = Bounds { messages: 1, deaths: 1, open: 0, devices: 1, group, ..TWO };
    assert!(explore(bounds) > 1_000);
}

#[test]
fn m2_m3_m5_so_it_is_while_receipts_are_told() {
    let group = Some(Group { is_in: true, changes: 1 });
    let bounds = Bounds { messages: 1, receipts: 1, open: 1, devices: 1, group, ..TWO };
    assert!(explore(bounds) > 1_000);
}
