//! What a client shows is what its slots carry.

use crate::groups::{heard_from, room, slots_of};
use crate::world::{Link, ROOM, World};
use std::collections::BTreeSet;
use std::time::Duration;
use str0m::media::MediaKind;
use tertulia_sfu_core::{Event, FULL_HEIGHT, Limits, Source, Want};

/// Says which of the others' cameras a client shows.
pub(crate) fn show(world: &mut World, who: usize, cameras: &[usize]) {
    let want = |of: &usize| Want { publisher: world.clients[*of].id, source: Source::Camera, max_height: FULL_HEIGHT };
    let wants: Vec<Want> = cameras.iter().map(want).collect();
    let id = world.clients[who].id;
    world.shard.view(world.now, ROOM, id, &wants);
}

/// Whose cameras a client's slots carry, slot by slot.
fn cameras(world: &World, who: usize) -> Vec<Option<usize>> {
    let carried = slots_of(world, who).into_iter().map(|slot| slot.carries);
    let cameras = carried.filter(|carried| carried.is_none_or(|(_, source)| source == Source::Camera));
    cameras.map(|carried| carried.map(|(peer, _)| peer.0 as usize - 1)).collect()
}

fn seen(world: &World, who: usize, since: u64) -> BTreeSet<usize> {
    heard_from(world, who, MediaKind::Video, since)
}

#[test]
fn c3_slots_carry_what_is_shown_and_nothing_else() {
    let mut world = room(50, Link::CLEAN, 8, |_, client| client.slots = (0, 3));
    world.run(1_000);
    assert_eq!(seen(&world, 7, world.ms() - 300), BTreeSet::from([0, 1, 2]), "in the order of coming at first");
    show(&mut world, 7, &[5, 1]);
    world.run(500);
    assert_eq!(seen(&world, 7, world.ms() - 300), BTreeSet::from([1, 5]));
    assert_eq!(cameras(&world, 7).iter().flatten().count(), 2, "the third slot is empty");
    show(&mut world, 7, &[]);
    world.run(500);
    assert_eq!(seen(&world, 7, world.ms() - 300), BTreeSet::new(), "what nobody shows is not forwarded");
    assert_eq!(seen(&world, 6, world.ms() - 300), BTreeSet::from([0, 1, 2]), "and the others see what they saw");
}

#[test]
fn c3_another_view_moves_slots_without_sdp_and_keeps_what_stays() {
    let mut world = room(51, Link::CLEAN, 6, |_, client| client.slots = (0, 3));
    show(&mut world, 0, &[1, 2, 3]);
    world.run(1_000);
    let before = cameras(&world, 0);
    let numbers = |world: &World, of: usize| {
        let heard = world.clients[0].heard.iter().filter(|heard| heard.from.0 as usize == of + 1);
        heard.map(|heard| heard.number).collect::<Vec<_>>()
    };
    let answer = world.clients[0].answer.clone();
    show(&mut world, 0, &[4, 3, 1]);
    let changed = world.ms();
    let shows = |world: &World| seen(world, 0, changed + 50).contains(&4);
    assert!(world.run_until(400, shows), "a picture within {} ms", world.ms() - changed);
    let after = cameras(&world, 0);
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert_eq!(moved, 1, "{before:?} became {after:?}");
    world.run(500);
    for of in [1, 3] {
        let numbers = numbers(&world, of);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "what stays loses nothing");
    }
    assert_eq!(world.clients[0].answer, answer, "no new offer");
    let order = [3, 1, 4];
    world.events.clear();
    show(&mut world, 0, &order);
    world.run(200);
    assert!(world.events.is_empty(), "another order moves nothing");
}

#[test]
fn c3_whoever_is_wanted_and_comes_later_is_shown_when_they_come() {
    let mut world = room(52, Link::CLEAN, 3, |_, client| client.slots = (1, 1));
    let late = tertulia_common::PeerId(4);
    let wants = [
        Want { publisher: late, source: Source::Camera, max_height: FULL_HEIGHT },
        Want { publisher: late, source: Source::Screen, max_height: FULL_HEIGHT },
        Want { publisher: tertulia_common::PeerId(99), source: Source::Camera, max_height: FULL_HEIGHT },
        Want { publisher: world.clients[0].id, source: Source::Camera, max_height: FULL_HEIGHT },
        Want { publisher: world.clients[1].id, source: Source::Camera, max_height: 180 },
    ];
    world.shard.view(world.now, ROOM, world.clients[0].id, &wants);
    world.run(1_000);
    assert_eq!(seen(&world, 0, world.ms() - 300), BTreeSet::from([1]), "who is there, and not oneself");
    let index = world.join();
    assert!(world.run_until(5_000, |world| world.clients[index].connected > 0));
    world.shard.admit(world.now, late);
    world.clients[index].sending = true;
    world.run(1_000);
    assert_eq!(seen(&world, 0, world.ms() - 300), BTreeSet::from([3]), "the more important one");
    world.shard.hold(world.now, late);
    world.run(500);
    assert_eq!(seen(&world, 0, world.ms() - 300), BTreeSet::from([1]), "and back");
}

#[test]
fn c3_of_twenty_each_sees_whom_they_chose_soon_after() {
    let link = Link { loss: 0.02, delay: Duration::from_millis(25), jitter: Duration::from_millis(10), ..Link::CLEAN };
    let mut world = room(53, link, 20, |_, client| client.slots = (3, 4));
    world.run(500);
    for who in 0..20 {
        let chosen: Vec<usize> = (1..=4).map(|step| (who + step * 3) % 20).collect();
        show(&mut world, who, &chosen);
    }
    let chosen_at = world.ms();
    let all = |world: &World| {
        (0..20).all(|who| {
            let seen = seen(world, who, chosen_at + 60);
            (1..=4).all(|step| seen.contains(&((who + step * 3) % 20)))
        })
    };
    assert!(world.run_until(1_500, all), "eighty pictures in {} ms", world.ms() - chosen_at);
}

#[test]
fn c3_a_view_is_bounded_and_a_stranger_has_none() {
    let limits = Limits { view_wants_max: 2, ..Limits::default() };
    let mut world = World::with_limits(54, Link::CLEAN, limits);
    for _ in 0..5 {
        world.join_as(|client| client.slots = (0, 4));
    }
    assert!(world.run_until(10_000, |world| world.clients.iter().all(|client| client.connected > 0)));
    for index in 0..5 {
        world.shard.admit(world.now, world.clients[index].id);
        world.clients[index].sending = true;
    }
    show(&mut world, 0, &[1, 2, 3, 4]);
    world.run(500);
    assert_eq!(seen(&world, 0, world.ms() - 200), BTreeSet::from([1, 2]));
    assert_eq!(world.shard.counters().wants_over_limit, 2);
    let nobody = tertulia_common::PeerId(77);
    world.shard.view(world.now, ROOM, nobody, &[]);
    let elsewhere = tertulia_common::RoomId(1);
    world.shard.view(world.now, elsewhere, world.clients[1].id, &[]);
    world.run(300);
    assert_eq!(seen(&world, 1, world.ms() - 200).len(), 4, "a view of another room's is not this one's");
}

/// How a client was last told that its camera is wanted; the outer one is none where it was told nothing.
fn told(world: &World, who: usize) -> Option<Option<u32>> {
    let id = world.clients[who].id;
    world.events.iter().rev().find_map(|event| match event {
        Event::Publish { peer, wanted, .. } if *peer == id => {
            wanted.iter().find(|(source, _)| *source == Source::Camera).map(|(_, height)| *height)
        }
        _ => None,
    })
}

#[test]
fn c7_a_publisher_is_told_how_large_its_picture_is_wanted() {
    let mut world = room(55, Link::CLEAN, 4, |_, client| client.slots = (1, 3));
    world.run(4_000);
    assert!((0..4).all(|who| told(&world, who).is_none()), "all is wanted, as it is taken to be");
    let say = |world: &mut World, who: usize, cameras: &[(usize, u32)]| {
        let want = |(of, max_height): &(usize, u32)| Want {
            publisher: world.clients[*of].id,
            source: Source::Camera,
            max_height: *max_height,
        };
        let wants: Vec<Want> = cameras.iter().map(want).collect();
        let id = world.clients[who].id;
        world.shard.view(world.now, ROOM, id, &wants);
    };
    for who in 1..4 {
        say(&mut world, who, &[(0, 180)]);
    }
    say(&mut world, 0, &[(1, 720), (2, 200)]);
    world.run(5_000);
    assert_eq!(told(&world, 0), Some(Some(180)));
    assert_eq!(told(&world, 1), Some(Some(720)));
    assert_eq!(told(&world, 2), Some(Some(180)));
    assert_eq!(told(&world, 3), Some(None), "nobody shows it");
    let events = world.events.len();
    for _ in 0..10 {
        say(&mut world, 0, &[(1, 700), (2, 190)]);
        world.run(100);
        say(&mut world, 0, &[(2, 170)]);
        world.run(100);
    }
    say(&mut world, 0, &[(1, 700), (2, 190)]);
    world.run(5_000);
    let news = world.events[events..].iter().filter(|event| matches!(event, Event::Publish { .. })).count();
    assert_eq!(news, 0, "back and forth, and a little larger or smaller, is no news");
    say(&mut world, 0, &[(3, 360), (1, 720)]);
    world.run(1);
    assert_eq!(told(&world, 3), Some(Some(360)), "more at once");
    // Two are left, one of whom has said what it shows.
    for who in [1, 2] {
        world.shard.remove(world.now, world.clients[who].id);
        world.clients[who].silent = true;
    }
    world.run(5_000);
    assert_eq!((told(&world, 3), told(&world, 0)), (Some(Some(360)), Some(Some(180))));
}

#[test]
fn c7_a_call_of_two_that_says_nothing_is_told_nothing() {
    let mut world = room(56, Link::CLEAN, 2, |_, _| {});
    world.run(6_000);
    assert!(!world.events.iter().any(|event| matches!(event, Event::Publish { .. })));
}

#[test]
fn c3_whoever_comes_late_sees_and_hears_within_moments_in_rooms_of_three_eight_and_twenty() {
    for (seed, count) in [(57, 3), (58, 8), (59, 20)] {
        let link = Link { delay: Duration::from_millis(25), jitter: Duration::from_millis(5), ..Link::CLEAN };
        let mut world = room(seed, link, count - 1, |_, client| client.slots = (3, 4));
        world.run(2_000);
        let late = world.join_as(|client| client.slots = (3, 4));
        assert!(world.run_until(5_000, |world| world.clients[late].connected > 0));
        let admitted = world.ms();
        world.shard.admit(world.now, world.clients[late].id);
        world.clients[late].sending = true;
        let shown = (count - 1).min(4);
        let sees = |world: &World| seen(world, late, 0).len() == shown;
        assert!(world.run_until(300, sees), "{count}: {shown} pictures in {} ms", world.ms() - admitted);
        let hears = |world: &World| !heard_from(world, late, MediaKind::Audio, 0).is_empty();
        assert!(world.run_until(100, hears), "{count}: a picture may be there before the first sound");
        let is_seen = |world: &World| seen(world, 0, admitted).contains(&late);
        show(&mut world, 0, &[late]);
        assert!(world.run_until(300, is_seen), "{count}: and is seen in {} ms", world.ms() - admitted);
    }
}
