//! Rooms of more than two: who is heard.

use crate::world::{Client, Link, ROOM, World};
use std::collections::BTreeSet;
use str0m::media::MediaKind;
use tertulia_common::PeerId;
use tertulia_sfu_core::{Event, SlotState};

/// A room of so many, all connected and let in; each set up by its index.
pub(crate) fn room(seed: u64, link: Link, count: usize, set_up: impl Fn(usize, &mut Client)) -> World {
    let mut world = World::new(seed, link);
    for index in 0..count {
        world.join_as(|client| set_up(index, client));
    }
    assert!(world.run_until(20_000, |world| world.clients.iter().all(|client| client.connected > 0)));
    for index in 0..count {
        world.shard.admit(world.now, world.clients[index].id);
        world.clients[index].sending = true;
    }
    world
}

/// Whose media of a kind a client has heard since `ms`.
pub(crate) fn heard_from(world: &World, who: usize, kind: MediaKind, ms: u64) -> BTreeSet<usize> {
    let heard = world.clients[who].heard.iter().filter(|heard| heard.kind == kind && heard.at_ms >= ms);
    heard.map(|heard| heard.from.0 as usize - 1).collect()
}

/// What a client was last told of its slots.
pub(crate) fn slots_of(world: &World, who: usize) -> Vec<SlotState> {
    let id = world.clients[who].id;
    let told = world.events.iter().rev().find_map(|event| match event {
        Event::Slots { peer, slots, .. } if *peer == id => Some(slots.clone()),
        _ => None,
    });
    told.unwrap_or_default()
}

/// What was told of who speaks, by the index of the client.
fn told_speakers(world: &World) -> Vec<Vec<usize>> {
    let index = |peer: &PeerId| peer.0 as usize - 1;
    let told = world.events.iter().filter_map(|event| match event {
        Event::Speakers { room, speakers } if *room == ROOM => Some(speakers.iter().map(index).collect()),
        _ => None,
    });
    told.collect()
}

#[test]
fn c4_the_loudest_few_of_many_reach_everyone_and_nobody_hears_themselves() {
    let levels = [-127, -127, -127, -45, -20, -30, -127, -127];
    let mut world = room(40, Link::CLEAN, 8, |index, client| client.level = Some(levels[index]));
    world.run(3_000);
    let since = world.ms() - 1_500;
    for who in 0..8 {
        let expected = match who {
            4 => [3, 5],
            5 => [3, 4],
            _ => [4, 5],
        };
        assert_eq!(heard_from(&world, who, MediaKind::Audio, since), BTreeSet::from(expected), "client {who}");
        let slots = slots_of(&world, who);
        assert!(slots.iter().filter_map(|slot| slot.carries).all(|(peer, _)| peer != world.clients[who].id));
    }
    assert_eq!(told_speakers(&world).last(), Some(&vec![4, 5, 3]), "loudest first");
}

#[test]
fn c4_a_listener_who_begins_to_speak_is_heard_by_all_without_a_gap_in_the_numbers() {
    let mut world = room(41, Link::CLEAN, 20, |index, client| {
        client.slots = (3, 2);
        client.level = Some(if index < 4 { -25 } else { -127 });
    });
    world.run(3_000);
    for index in 0..4 {
        world.clients[index].level = Some(-127);
    }
    world.clients[19].level = Some(-30);
    let began = world.ms();
    let everyone = |world: &World| (0..19).all(|who| heard_from(world, who, MediaKind::Audio, began).contains(&19));
    world.run_until(3_000, everyone);
    assert!(world.ms() - began <= 2_500, "{} ms", world.ms() - began);
    world.run(2_000);
    for client in &world.clients {
        for slot in client.heard.iter().filter(|h| h.kind == MediaKind::Audio).map(|h| h.mid).collect::<BTreeSet<_>>() {
            let numbers: Vec<u64> = client.heard.iter().filter(|h| h.mid == slot).map(|h| h.seq).collect();
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{slot} goes on, whoever it carries");
        }
    }
    assert_eq!(told_speakers(&world).last(), Some(&vec![19]));
}

#[test]
fn c4_slots_stay_where_they_are_while_the_same_people_talk() {
    let mut world = room(42, Link::CLEAN, 8, |index, client| {
        client.slots = (3, 1);
        client.level = Some(if index < 3 { -25 - index as i8 } else { -127 });
    });
    world.run(2_000);
    world.events.clear();
    // They talk in turns, with pauses between the sentences.
    for turn in 0..12 {
        for index in 0..3 {
            world.clients[index].level = Some(if turn % 3 == index { -25 } else { -70 });
        }
        world.run(700);
    }
    let moved = world.events.iter().filter(|event| matches!(event, Event::Slots { .. })).count();
    assert_eq!(moved, 0, "nobody else wanted a slot");
    let told = told_speakers(&world).len();
    assert!((3..=28).contains(&told), "{told} times told who speaks, in eight seconds");
}

#[test]
fn c4_muted_microphones_cost_nothing_in_a_large_room() {
    let mut world = room(43, Link::CLEAN, 8, |_, client| {
        client.slots = (3, 0);
        client.level = Some(-127);
    });
    world.run(2_000);
    let before = world.shard.counters();
    world.run(2_000);
    let after = world.shard.counters();
    // Cameras send, and nobody has a slot for them.
    assert_eq!(after.packets_forwarded, before.packets_forwarded, "silence goes to nobody");
    assert!(after.skipped_mute > before.skipped_mute + 700);
    world.clients[7].level = Some(-25);
    let began = world.ms();
    assert!(world.run_until(400, |world| heard_from(world, 0, MediaKind::Audio, began).contains(&7)), "a voice does");
}

#[test]
fn c4_a_call_of_two_is_not_told_who_speaks_and_hears_silence_too() {
    let mut world = room(44, Link::CLEAN, 2, |_, client| client.level = Some(-127));
    world.run(3_000);
    assert!(told_speakers(&world).is_empty());
    let numbers = world.clients[0].numbers(MediaKind::Audio);
    assert!(numbers.len() > 140, "{} packets", numbers.len());
}

#[test]
fn c4_whoever_leaves_gives_the_slot_to_the_next() {
    let mut world = room(45, Link::CLEAN, 5, |index, client| {
        client.slots = (1, 4);
        client.level = Some(-20 - 10 * index as i8);
    });
    world.run(2_000);
    let since = world.ms() - 500;
    assert_eq!(heard_from(&world, 4, MediaKind::Audio, since), BTreeSet::from([0]));
    world.shard.remove(world.now, world.clients[0].id);
    world.clients[0].silent = true;
    world.run(500);
    let since = world.ms() - 300;
    assert_eq!(heard_from(&world, 4, MediaKind::Audio, since), BTreeSet::from([1]));
    assert_eq!(heard_from(&world, 1, MediaKind::Audio, since), BTreeSet::from([2]));
}
