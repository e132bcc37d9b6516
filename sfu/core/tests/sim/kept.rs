//! Whoever comes late is shown the newest key frame at once, and never what refers to pictures that they have not seen.

use crate::groups::room;
use crate::pipe::Pipe;
use crate::simulcast::{layers, pictures, says_nothing_of_its_bandwidth};
use crate::views::show;
use crate::world::{Client, Heard, Link, World};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use str0m::media::{MediaKind, Mid};
use tertulia_sfu_core::{Limits, Source};

const DELAY: Duration = Duration::from_millis(40);
const FAR: Link = Link { delay: DELAY, ..Link::CLEAN };
/// One way, and the step of the clock.
const ONE_WAY_MS: u64 = 45;
const ROUND_TRIP_MS: u64 = 80;

/// What a decoder demands of each slot of a client: it begins with a key frame, and what refers to a picture comes after that
/// picture. Whatever the network lost is a gap in the numbers, and asked for again. Pictures that were counted.
fn decodes(client: &Client) -> usize {
    let mut slots: BTreeMap<Mid, Vec<&Heard>> = BTreeMap::new();
    for heard in client.heard.iter().filter(|heard| heard.kind == MediaKind::Video) {
        slots.entry(heard.mid).or_default().push(heard);
    }
    for slot in slots.values_mut() {
        slot.sort_by_key(|heard| heard.seq);
        assert!(slot[0].seq > 1 || slot[0].first && slot[0].key, "{:?}", slot[0]);
        for pair in slot.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let follows = (a.from, a.layer, a.number + 1) == (b.from, b.layer, b.number);
            let begins = b.first && b.key;
            assert!(b.seq > a.seq, "no number twice: {a:?} {b:?}");
            assert!(b.seq != a.seq + 1 || follows || begins, "a reference is missing: {a:?} {b:?}");
            let ahead = b.time.wrapping_sub(a.time);
            assert!(ahead < 90_000, "time goes on: {a:?} {b:?}");
            let pictures = b.picture.wrapping_sub(a.picture) & 0x7fff;
            assert!(pictures < 64, "picture ids go on: {a:?} {b:?}");
            assert!(b.seq != a.seq + 1 || (pictures == 0) == (ahead == 0), "a picture has one time: {a:?} {b:?}");
        }
    }
    slots.values().map(|slot| slot.iter().filter(|heard| heard.first).count()).sum()
}

/// Whose picture a client has seen whole since `ms`: six packets each.
fn seen(world: &World, who: usize, since: u64) -> BTreeSet<usize> {
    let mut parts = BTreeMap::new();
    for heard in &world.clients[who].heard {
        if heard.kind == MediaKind::Video && heard.at_ms >= since {
            *parts.entry((heard.from.0 as usize - 1, heard.picture)).or_insert(0) += 1;
        }
    }
    parts.into_iter().filter(|(_, parts)| *parts == 6).map(|((of, _), _)| of).collect()
}

/// A client that receives only joins and connects.
fn connects(world: &mut World, pictures: usize) -> usize {
    let late = world.join_as(|client| client.slots = (3, pictures));
    assert!(world.run_until(5_000, |world| world.clients[late].connected > 0));
    late
}

fn admit(world: &mut World, who: usize) -> u64 {
    world.shard.admit(world.now, world.clients[who].id);
    world.ms()
}

#[test]
fn c7_whoever_joins_eight_sees_everyone_within_a_round_trip() {
    let mut world = room(80, FAR, 7, |_, client| client.slots = (3, 7));
    world.run(6_000);
    // They are let in as they come, as signalling does it: the pictures are asked for while they connect.
    let late = world.join_as(|client| client.slots = (3, 7));
    admit(&mut world, late);
    assert!(world.run_until(5_000, |world| world.clients[late].connected > 0));
    let connected = world.ms();
    let sees = |world: &World| seen(world, late, 0).len() == 7;
    assert!(world.run_until(ROUND_TRIP_MS, sees), "{:?}", seen(&world, late, 0));
    assert!(world.ms() - connected <= ROUND_TRIP_MS);
    // Another one, who was connected before, a second later: what is kept is on its way at once.
    world.run(1_000);
    let later = connects(&mut world, 7);
    let admitted = admit(&mut world, later);
    let sees = |world: &World| seen(world, later, 0).len() == 7;
    assert!(world.run_until(ONE_WAY_MS, sees), "{:?} in {} ms", seen(&world, later, 0), world.ms() - admitted);
    world.run(1_000);
    assert_eq!(seen(&world, later, world.ms() - 200).len(), 7, "and then what is live");
    assert!(world.clients.iter().map(decodes).sum::<usize>() > 1_000);
    assert_eq!(world.shard.counters().kept_shown, 7);
}

#[test]
fn c7_thirty_who_join_within_a_second_cost_each_publisher_a_request_an_interval() {
    let mut world = room(81, FAR, 4, |_, client| client.slots = (3, 4));
    world.run(1_000);
    let late: Vec<usize> = (0..30).map(|_| world.join_as(|client| client.slots = (3, 4))).collect();
    assert!(world.run_until(9_000, |world| world.clients.iter().all(|client| client.connected > 0)));
    world.run(5_000);
    let before: Vec<u32> = world.clients.iter().map(|client| client.keyframes_sent).collect();
    let requested = world.shard.counters().keyframes_requested;
    let mut admitted = Vec::new();
    for who in &late {
        admitted.push(admit(&mut world, *who));
        world.run(33);
    }
    world.run(600);
    for (who, at) in late.iter().zip(admitted) {
        let all =
            |of: usize| world.clients[*who].heard.iter().find(|heard| heard.from.0 as usize == of + 1 && heard.key);
        let slowest = (0..4).map(|of| all(of).map_or(u64::MAX, |heard| heard.at_ms - at)).max();
        // The first of them wait for what they have asked for; whoever comes when it is there does not.
        let most = if at < world.ms() - 1_400 { 160 } else { ONE_WAY_MS };
        assert!(slowest <= Some(most), "{who}: {slowest:?} ms");
        decodes(&world.clients[*who]);
    }
    for (publisher, before) in world.clients.iter().zip(before).take(4) {
        let sent = publisher.keyframes_sent - before;
        assert!((1..=5).contains(&sent), "{sent} key frames of {:?} in a second and a half", publisher.id);
    }
    let counters = world.shard.counters();
    assert!(counters.keyframes_requested - requested <= 4 * 5, "{counters:?}");
    assert!(counters.kept_shown >= 4 * 20, "{counters:?}");
}

#[test]
fn c7_no_picture_lacks_its_reference_over_a_lossy_network() {
    for seed in [82, 83, 84] {
        let link =
            Link { loss: 0.05, duplicates: 0.02, delay: Duration::from_millis(30), jitter: Duration::from_millis(20) };
        let mut world = room(seed, link, 4, |_, client| client.slots = (3, 2));
        world.run(500);
        // Estimates fall by such a network's jitter, and pause what they should not: not looked at here.
        let now = world.now;
        let viewer = world.join_as(|client| {
            client.slots = (3, 2);
            says_nothing_of_its_bandwidth(client, now);
        });
        assert!(world.run_until(20_000, |world| world.clients[viewer].connected > 0));
        admit(&mut world, viewer);
        for round in 0..12 {
            show(&mut world, viewer, &[round % 4, (round + 1 + round / 4) % 4]);
            world.run([90, 250, 700][round % 3]);
        }
        world.clients.iter_mut().for_each(|client| client.sending = false);
        world.run(1_500);
        assert!(decodes(&world.clients[viewer]) > 60, "seed {seed}");
        let counters = world.shard.counters();
        assert!(counters.kept_shown >= 4, "seed {seed}: {counters:?}");
    }
}

#[test]
fn c7_who_looks_at_another_sees_them_at_once() {
    let mut world = room(85, FAR, 4, |_, client| client.slots = (1, 1));
    world.run(1_000);
    for (who, of) in [(0, 1), (1, 2), (2, 1)] {
        show(&mut world, who, &[of]);
    }
    world.run(500);
    // The key frame that the third asked for is kept.
    let shown = world.shard.counters().kept_shown;
    show(&mut world, 0, &[2]);
    let began = world.ms();
    world.run(10);
    show(&mut world, 0, &[2]);
    assert_eq!(world.shard.counters().kept_shown, shown + 1, "once, however often they say so");
    assert!(world.run_until(ONE_WAY_MS, |world| seen(world, 0, began + 1).contains(&2)), "within one way");
    world.run(500);
    assert!(seen(&world, 0, world.ms() - 200).contains(&2));
    decodes(&world.clients[0]);
}

#[test]
fn c7_a_small_picture_is_shown_until_the_large_one_comes() {
    let mut world = room(86, FAR, 3, |_, client| client.simulcast = true);
    for who in [1, 2] {
        crate::simulcast::show(&mut world, who, &[(0, 180)]);
    }
    world.run(6_000);
    // One asks for the small one anew; then a third comes, who wants it large.
    crate::simulcast::show(&mut world, 1, &[]);
    world.run(100);
    crate::simulcast::show(&mut world, 1, &[(0, 180)]);
    world.run(500);
    let late = connects(&mut world, 1);
    crate::simulcast::show(&mut world, late, &[(0, 720)]);
    let admitted = admit(&mut world, late);
    world.run(ONE_WAY_MS);
    assert_eq!(layers(&world, late, 0, admitted), BTreeSet::from([0]), "what there is");
    world.run(500);
    assert_eq!(layers(&world, late, 0, world.ms() - 200), BTreeSet::from([2]));
    decodes(&world.clients[late]);
    assert!(pictures(&world, late, 0, 0).len() > 20);
}

#[test]
fn c7_nobody_is_shown_what_is_old_or_has_ended() {
    let mut world = room(87, FAR, 3, |_, client| client.slots = (1, 3));
    let late: Vec<usize> = (0..4).map(|_| connects(&mut world, 1)).collect();
    let asks_anew = |world: &mut World| {
        for of in 0..3 {
            world.clients[of].sending = true;
        }
        show(world, 1, &[]);
        show(world, 1, &[0]);
        world.run(300);
    };
    let comes = |world: &mut World, who: usize| {
        show(world, who, &[0]);
        let before = world.shard.counters().kept_shown;
        admit(world, who);
        world.run(30);
        let shown = world.shard.counters().kept_shown - before;
        world.shard.remove(world.now, world.clients[who].id);
        shown
    };
    asks_anew(&mut world);
    assert_eq!(comes(&mut world, late[0]), 1, "as long as it is fresh");
    world.run(5_000);
    assert_eq!(comes(&mut world, late[1]), 0, "old");
    assert_eq!(world.shard.counters().kept_bytes % 2, 0);
    asks_anew(&mut world);
    world.clients[0].layers_off[0] = true;
    world.run(1_200);
    assert_eq!(comes(&mut world, late[2]), 0, "paused");
    world.clients[0].layers_off[0] = false;
    asks_anew(&mut world);
    let me = world.clients[0].id;
    world.shard.forget_pictures(me, Source::Camera);
    assert_eq!(comes(&mut world, late[3]), 0, "turned off");
    asks_anew(&mut world);
    assert!(world.shard.counters().kept_bytes > 0);
    for of in 0..3 {
        world.shard.hold(world.now, world.clients[of].id);
    }
    assert_eq!(world.shard.counters().kept_bytes, 0, "and nobody is in the room");
}

#[test]
fn c7_a_camera_that_comes_again_is_not_shown_as_it_was() {
    let mut world = room(88, FAR, 3, |_, client| client.slots = (1, 1));
    let late = connects(&mut world, 1);
    for who in [1, 2, late] {
        show(&mut world, who, &[0]);
    }
    world.run(500);
    world.clients[0].layers_off[0] = true;
    world.run(1_500);
    world.clients[0].layers_off[0] = false;
    world.run(120); // what comes now follows what was before
    let before = world.shard.counters().kept_shown;
    admit(&mut world, late);
    assert_eq!(world.shard.counters().kept_shown, before);
    assert!(world.run_until(300, |world| seen(world, late, 0).contains(&0)), "but as it is");
}

#[test]
fn c7_what_is_kept_is_bounded_and_a_narrow_way_is_not_flooded() {
    let limits = Limits { kept_bytes_max: 30_000, ..Limits::default() };
    let mut world = World::with_limits(89, FAR, limits);
    for index in 0..9 {
        world.join_as(|client| {
            client.slots = (1, 8);
            client.downlink = (index == 8).then(|| Pipe::of(300_000));
        });
    }
    assert!(world.run_until(20_000, |world| world.clients.iter().all(|client| client.connected > 0)));
    for index in 0..8 {
        admit(&mut world, index);
        world.clients[index].sending = true;
    }
    let most = std::cell::Cell::new(0);
    world.run_until(3_000, |world| {
        most.set(most.get().max(world.shard.counters().kept_bytes));
        false
    });
    assert!((20_000..=30_000).contains(&most.get()), "{}", most.get());
    assert!(world.shard.counters().kept_refused > 0);
    let mut world = room(90, FAR, 4, |_, client| client.slots = (1, 3));
    let narrow = connects(&mut world, 3);
    world.clients[narrow].downlink = Some(Pipe::of(300_000));
    world.run(200);
    admit(&mut world, narrow);
    let counters = world.shard.counters();
    assert!(counters.kept_shown >= 1 && counters.kept_shown + counters.kept_withheld >= 3, "{counters:?}");
}
