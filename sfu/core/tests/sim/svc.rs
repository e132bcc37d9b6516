//! Cameras that come as one stream of layers (VP9, AV1): who gets which, and that everyone can decode what they get.

use crate::describe::Mode;
use crate::groups::room;
use crate::pipe::Pipe;
use crate::scalable::{Described, Stream};
use crate::simulcast::{pictures, show};
use crate::world::{Heard, Link, World};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use str0m::format::Codec;
use str0m::media::{MediaKind, Mid};
use tertulia_sfu_core::Event;

const L1T2: Mode = Mode::new(1, 2, false);
const L1T3: Mode = Mode::new(1, 3, false);
const L3T3: Mode = Mode::new(3, 3, false);
const L3T3_KEY: Mode = Mode::new(3, 3, true);

/// A room of clients whose cameras come like this.
fn room_of(seed: u64, link: Link, count: usize, mode: Mode, codec: Codec) -> World {
    let world = World::new(seed, link);
    let now = world.now;
    room(seed, link, count, move |index, client| {
        client.speaks(codec, now);
        client.scalable = Some(Stream::new(mode, 65_000 - 20_000 * index as u16));
    })
}

/// What a decoder demands of each slot of a client, over a network that loses nothing: numbers without a gap, every frame whole,
/// and what it refers to before it; pictures that end with a marker, where nothing of them comes after; frame numbers of the
/// slot's own that go on. Gives the number of frames.
fn decodes(world: &World, who: usize) -> usize {
    let mut slots: BTreeMap<Mid, Vec<&Heard>> = BTreeMap::new();
    for heard in world.clients[who].heard.iter().filter(|heard| heard.kind == MediaKind::Video) {
        slots.entry(heard.mid).or_default().push(heard);
    }
    slots.values_mut().map(|slot| decodes_slot(slot)).sum()
}

fn decodes_slot(slot: &mut [&Heard]) -> usize {
    slot.sort_by_key(|heard| heard.seq);
    let mut had = BTreeSet::new();
    let mut parts = BTreeMap::new();
    let mut newest: Option<(&Heard, &Described)> = None;
    for heard in slot {
        let said = heard.described.as_ref().expect("its descriptor comes with it");
        if let Some((before, was)) = newest {
            assert_eq!(heard.seq, before.seq + 1, "a gap: {before:?} {heard:?}");
            let same = before.time == heard.time;
            assert_eq!(was.marker, !same, "the end of a picture: {before:?} {heard:?}");
            assert!(heard.time.wrapping_sub(before.time) < 180_000, "time goes on: {before:?} {heard:?}");
            let ahead = said.number().wrapping_sub(was.number());
            assert!(ahead < 1_000 && (ahead == 0) == (said.part > 0), "frame numbers go on: {before:?} {heard:?}");
        }
        if said.key && said.spatial == 0 {
            had.clear();
            assert!(said.part > 0 || said.descriptor.len() > 5, "it says how it is built");
        }
        for of in &said.refers {
            assert!(had.contains(of), "{heard:?} refers to what did not come");
        }
        // A picture that is kept may be shown to whoever saw it before they looked at another.
        let of = parts.entry((heard.from, said.frame)).or_insert(0);
        *of = if said.part == 0 { 1 } else { *of + 1 };
        if Described::is_whole(*of, said.spatial) {
            had.insert(said.frame);
        }
        newest = Some((heard, said));
    }
    parts.len()
}

/// Sizes and rates of what a client has seen of a camera since `ms`.
fn points(world: &World, who: usize, of: usize, since: u64) -> BTreeSet<(u8, u8)> {
    let of = pictures(world, who, of, since).into_iter().filter_map(|heard| heard.described);
    of.map(|said| (said.spatial, said.temporal)).collect()
}

fn largest(world: &World, who: usize, of: usize, since: u64) -> Option<u8> {
    points(world, who, of, since).into_iter().map(|(spatial, _)| spatial).max()
}

/// The longest that a client saw nothing of a camera.
fn still_ms(world: &World, who: usize, of: usize, since: u64) -> u64 {
    let mut at: Vec<u64> = pictures(world, who, of, since).iter().map(|heard| heard.at_ms).collect();
    at.insert(0, since);
    at.push(world.ms());
    at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(u64::MAX)
}

#[test]
fn c7_svc_each_gets_the_size_that_they_draw_and_can_decode_it() {
    let far = Link { delay: Duration::from_millis(30), ..Link::CLEAN };
    for (seed, mode, codec) in [(100, L3T3, Codec::Av1), (101, L3T3, Codec::Vp9), (102, L3T3_KEY, Codec::Vp9)] {
        let mut world = room_of(seed, far, 4, mode, codec);
        for (who, height) in [(1, 180), (2, 360), (3, 720)] {
            show(&mut world, who, &[(0, height)]);
        }
        world.run(4_000);
        for (who, spatial) in [(1, 0), (2, 1), (3, 2)] {
            assert_eq!(largest(&world, who, 0, world.ms() - 1_000), Some(spatial), "{mode:?} {who}");
            assert!(still_ms(&world, who, 0, world.ms() - 1_000) < 50, "every picture: {mode:?} {who}");
        }
        for (height, spatial) in [(720, 2), (180, 0), (360, 1), (720, 2)] {
            show(&mut world, 1, &[(0, height)]);
            let since = world.ms();
            // Larger ones come when the estimate has grown so far.
            world.run_until(6_000, |world| largest(world, 1, 0, world.ms() - 100) == Some(spatial));
            world.run(300);
            assert_eq!(largest(&world, 1, 0, world.ms() - 200), Some(spatial), "{mode:?} {height}");
            let still = still_ms(&world, 1, 0, since);
            assert!(still < 200, "{mode:?} {height} {still}");
        }
        for who in 0..4 {
            assert!(decodes(&world, who) > 100, "{mode:?} {who}");
        }
    }
}

#[test]
fn c7_svc_a_slot_goes_on_when_it_changes_its_source() {
    for codec in [Codec::Vp9, Codec::Av1] {
        let mut world = room_of(116, Link::CLEAN, 4, L3T3, codec);
        for of in [0, 2, 3, 0] {
            show(&mut world, 1, &[(of, 360)]);
            world.run(1_000);
            assert_eq!(largest(&world, 1, of, world.ms() - 300), Some(1), "{of}");
        }
        let slots: BTreeSet<_> =
            [0, 2, 3].iter().flat_map(|of| pictures(&world, 1, *of, 500)).map(|heard| heard.mid).collect();
        assert_eq!(slots.len(), 1, "all of them on one line");
        assert!(decodes(&world, 1) > 100);
    }
}

#[test]
fn c7_svc_goes_down_at_once_without_a_key_frame() {
    let mut world = room_of(103, Link::CLEAN, 3, L3T3, Codec::Av1);
    show(&mut world, 1, &[(0, 720)]);
    world.run(3_000);
    assert_eq!(largest(&world, 1, 0, world.ms() - 300), Some(2));
    let keys = world.clients[0].keyframes_sent;
    show(&mut world, 1, &[(0, 180)]);
    let began = world.ms();
    world.run(1_000);
    assert_eq!(largest(&world, 1, 0, began + 60), Some(0));
    assert!(still_ms(&world, 1, 0, began) < 60);
    assert_eq!(world.clients[0].keyframes_sent, keys);
    decodes(&world, 1);
}

#[test]
fn c7_svc_a_narrow_way_gets_less_and_hurts_nobody() {
    for (seed, mode) in [(104, L1T2), (105, L1T3), (106, L3T3)] {
        let mut world = World::new(seed, Link::CLEAN);
        let now = world.now;
        for index in 0..3 {
            world.join_as(|client| {
                client.speaks(Codec::Av1, now);
                client.scalable = Some(Stream::new(mode, 0));
                let kbps = if mode.spatial == 1 { 200 } else { 500 };
                client.downlink = (index == 2).then(|| Pipe::of(kbps * 1_000));
                client.slots = (1, 1);
            });
        }
        assert!(world.run_until(20_000, |world| world.clients.iter().all(|client| client.connected > 0)));
        for index in 0..3 {
            world.shard.admit(world.now, world.clients[index].id);
            world.clients[index].sending = true;
        }
        if mode.spatial == 1 {
            // One small picture is 120 kbit/s: two of them do not fit the way.
            world.clients[2].downlink = Some(Pipe::of(150_000));
        }
        for who in [1, 2] {
            show(&mut world, who, &[(0, 720)]);
        }
        world.run(12_000);
        let since = world.ms() - 2_000;
        let (wide, narrow) = (points(&world, 1, 0, since), points(&world, 2, 0, since));
        assert!(wide.contains(&(mode.spatial - 1, mode.temporal - 1)), "{mode:?} {wide:?}");
        assert!(still_ms(&world, 1, 0, since) < 60, "{mode:?}");
        assert!(narrow.len() < wide.len() && still_ms(&world, 2, 0, since) < 700, "{mode:?} {narrow:?}");
        decodes(&world, 1);
    }
}

#[test]
fn c7_svc_when_the_largest_size_stops_nobody_goes_black() {
    for (seed, mode, says, most_ms) in
        [(107, L3T3, true, 60), (108, L3T3, false, 60), (109, L3T3_KEY, true, 300), (110, L3T3_KEY, false, 1_000)]
    {
        let mut world = room_of(seed, Link::CLEAN, 3, mode, Codec::Vp9);
        show(&mut world, 1, &[(0, 720)]);
        world.run(3_000);
        let size = |world: &mut World, spatial: u8| {
            let stream = world.clients[0].scalable.as_mut().expect("its stream");
            (stream.spatial, stream.says) = (spatial, says);
            world.ms()
        };
        let stopped = size(&mut world, 2);
        world.run(2_000);
        let still = still_ms(&world, 1, 0, stopped);
        assert!(still <= most_ms, "{mode:?}, says so: {says}: {still} ms of nothing");
        assert_eq!(largest(&world, 1, 0, world.ms() - 500), Some(1));
        size(&mut world, 3);
        world.clients[0].keyframes_wanted[0] = true; // as an encoder begins a size
        world.run(2_000);
        assert_eq!(largest(&world, 1, 0, world.ms() - 500), Some(2), "{mode:?} {says}: and back when it comes");
        decodes(&world, 1);
    }
}

#[test]
fn c7_svc_whoever_comes_late_is_shown_the_size_that_they_draw() {
    let link = Link { delay: Duration::from_millis(40), ..Link::CLEAN };
    let mut world = room_of(111, link, 3, L3T3, Codec::Av1);
    world.run(500);
    let now = world.now;
    let late = world.join_as(|client| {
        client.speaks(Codec::Av1, now);
        client.slots = (1, 1);
    });
    assert!(world.run_until(5_000, |world| world.clients[late].connected > 0));
    show(&mut world, late, &[(0, 180)]);
    world.shard.admit(world.now, world.clients[late].id);
    let admitted = world.ms();
    world.run(45);
    assert_eq!(points(&world, late, 0, admitted), BTreeSet::from([(0, 0)]), "what is kept, and of it what is drawn");
    assert_eq!(world.shard.counters().kept_shown, 1);
    world.run(1_000);
    assert_eq!(largest(&world, late, 0, world.ms() - 300), Some(0));
    assert!(decodes(&world, late) > 20);
}

#[test]
fn c7_svc_goes_whole_to_whoever_can_not_be_told_what_is_left_out() {
    let world = World::new(117, Link::CLEAN);
    let now = world.now;
    let mut world = room(117, Link::CLEAN, 3, move |index, client| {
        client.speaks_with(Codec::Av1, index != 1, now);
        client.scalable = (index != 1).then(|| Stream::new(L3T3, 0));
    });
    for who in [1, 2] {
        show(&mut world, who, &[(0, 180)]);
    }
    world.run(2_000);
    let whole = pictures(&world, 1, 0, 0);
    assert!(whole.len() > 200 && whole.windows(2).all(|pair| pair[1].number == pair[0].number + 1));
    assert!(whole.iter().all(|heard| heard.described.is_none()));
    assert_eq!(largest(&world, 2, 0, world.ms() - 500), Some(0), "the other one gets what they draw");
}

#[test]
fn c7_svc_in_a_call_of_two_goes_whole() {
    let mut world = room_of(112, Link::CLEAN, 2, L3T3, Codec::Av1);
    world.run(3_000);
    for (who, of) in [(0, 1), (1, 0)] {
        assert_eq!(points(&world, who, of, world.ms() - 500).len(), 9, "all sizes at all rates");
        assert!(decodes(&world, who) > 200);
    }
}

#[test]
fn c7_svc_over_a_lossy_network_gives_no_number_twice_and_what_was_lost_again() {
    for (seed, jitter_ms) in [(113, 10), (114, 10), (116, 0), (117, 0), (118, 0)] {
        let (delay, jitter) = (Duration::from_millis(20), Duration::from_millis(jitter_ms));
        let link = Link { loss: 0.05, duplicates: 0.02, delay, jitter };
        let mut world = room_of(seed, Link::CLEAN, 3, L3T3, Codec::Av1);
        show(&mut world, 1, &[(0, 360)]);
        world.run(1_000);
        world.link = link;
        for height in [180, 720, 360, 180, 360] {
            show(&mut world, 1, &[(0, height)]);
            world.run(900);
        }
        world.clients.iter_mut().for_each(|client| client.sending = false);
        world.run(1_500);
        let heard = pictures(&world, 1, 0, 0);
        let mut numbers: BTreeSet<u64> = heard.iter().map(|heard| heard.seq).collect();
        assert_eq!(numbers.len(), heard.len(), "seed {seed}: no number twice");
        assert!(!numbers.iter().any(|number| world.clients[1].empty.contains(number)), "nor for nothing");
        // What was late and not for this slot: its number is filled, with what is not sent again. All else is.
        numbers.extend(&world.clients[1].empty);
        let (first, last) = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0));
        let missing = last + 1 - first - numbers.len() as u64;
        let most = if jitter.is_zero() { 50 } else { 20 }; // half of the numbers are filled where everything is late
        assert!(missing * most <= last - first, "seed {seed}: {missing} of {} packets are missing", last - first);
        let spatial: BTreeSet<u8> = heard.iter().filter_map(|heard| Some(heard.described.as_ref()?.spatial)).collect();
        assert!(spatial.len() >= 2, "seed {seed}");
    }
}

#[test]
fn c7_simulcast_of_h264_changes_sizes_without_a_gap() {
    let world = World::new(115, Link::CLEAN);
    let now = world.now;
    let mut world = room(115, Link::CLEAN, 3, move |_, client| {
        client.speaks(Codec::H264, now);
        client.simulcast = true;
    });
    show(&mut world, 1, &[(0, 720)]);
    world.run(3_000);
    for (height, layer) in [(180, 0), (720, 2), (360, 1), (720, 2)] {
        show(&mut world, 1, &[(0, height)]);
        world.run(900);
        assert_eq!(crate::simulcast::layers(&world, 1, 0, world.ms() - 200), BTreeSet::from([layer]), "{height}");
    }
    let heard = pictures(&world, 1, 0, 0);
    for pair in heard.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert_eq!(b.seq, a.seq + 1, "no gap: {a:?} {b:?}");
        assert!(b.time.wrapping_sub(a.time) < 90_000, "time goes on: {a:?} {b:?}");
        assert!(b.layer != a.layer || b.number == a.number + 1, "{a:?} {b:?}");
    }
    assert!(!world.events.iter().any(|event| matches!(event, Event::Gone { .. })));
}
