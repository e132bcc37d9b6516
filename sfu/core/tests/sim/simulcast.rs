//! Cameras that come in several sizes: who gets which.

use crate::groups::room;
use crate::pipe::Pipe;
use crate::world::{Client, Heard, Link, ROOM, World};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use str0m::media::MediaKind;
use str0m::rtp::Extension;
use str0m::{Candidate, Rtc};
use tertulia_sfu_core::{Source, Want};

/// Says whose camera a client shows, and how high.
pub(crate) fn show(world: &mut World, who: usize, cameras: &[(usize, u32)]) {
    let want = |(of, max_height): &(usize, u32)| Want {
        publisher: world.clients[*of].id,
        source: Source::Camera,
        max_height: *max_height,
    };
    let wants: Vec<Want> = cameras.iter().map(want).collect();
    let id = world.clients[who].id;
    world.shard.view(world.now, ROOM, id, &wants);
}

/// The pictures of one camera as a client has seen them since `ms`.
pub(crate) fn pictures(world: &World, who: usize, of: usize, since: u64) -> Vec<Heard> {
    let is_it =
        |heard: &&Heard| heard.kind == MediaKind::Video && heard.from.0 as usize == of + 1 && heard.at_ms >= since;
    world.clients[who].heard.iter().filter(is_it).cloned().collect()
}

pub(crate) fn layers(world: &World, who: usize, of: usize, since: u64) -> BTreeSet<usize> {
    pictures(world, who, of, since).iter().map(|heard| heard.layer).collect()
}

/// What a decoder demands of a slot: numbers without a gap, times and picture ids that only rise.
pub(crate) fn continues(heard: &[Heard]) {
    for pair in heard.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert_eq!(b.seq, a.seq + 1, "no gap: {a:?} {b:?}");
        let ahead = b.time.wrapping_sub(a.time);
        assert!(ahead < 90_000, "time goes on: {a:?} {b:?}");
        let pictures = b.picture.wrapping_sub(a.picture) & 0x7fff;
        assert!(pictures <= 1, "picture ids go on: {a:?} {b:?}");
        assert_eq!(pictures == 0, ahead == 0, "a picture has one time: {a:?} {b:?}");
    }
}

#[test]
fn c7_each_gets_the_size_that_they_draw() {
    let mut world = room(60, Link::CLEAN, 4, |_, client| client.simulcast = true);
    for (who, height) in [(1, 180), (2, 360), (3, 720)] {
        show(&mut world, who, &[(0, height)]);
    }
    world.run(3_000);
    let since = world.ms() - 1_000;
    for (who, layer) in [(1, 0), (2, 1), (3, 2)] {
        assert_eq!(layers(&world, who, 0, since), BTreeSet::from([layer]), "client {who}");
    }
}

#[test]
fn c7_a_slot_changes_its_size_without_a_gap() {
    let link = Link { delay: Duration::from_millis(40), ..Link::CLEAN };
    let mut world = room(61, link, 3, |_, client| client.simulcast = true);
    show(&mut world, 1, &[(0, 720)]);
    world.run(3_000);
    for (height, layer) in [(180, 0), (720, 2), (360, 1), (720, 2)] {
        show(&mut world, 1, &[(0, height)]);
        let began = world.ms();
        let there = |world: &World| layers(world, 1, 0, began).contains(&layer);
        assert!(world.run_until(700, there), "{height}: not in {} ms", world.ms() - began);
        world.run(500);
        assert_eq!(layers(&world, 1, 0, world.ms() - 200), BTreeSet::from([layer]), "{height}");
    }
    let pictures = pictures(&world, 1, 0, 0);
    continues(&pictures);
    // The old size is seen until the new one comes: nowhere more than two pictures' time passes.
    let since = pictures[0].at_ms;
    let still = pictures.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).max();
    assert!(still < Some(80), "{still:?} ms without a picture since {since}");
}

/// A receiver without transport-wide feedback: it gets what it wants, whatever its link does.
pub(crate) fn says_nothing_of_its_bandwidth(client: &mut Client, now: Instant) {
    let mut config = Rtc::builder().set_rtp_mode(true).clear_codecs().enable_opus(true, false).enable_vp8(true);
    config = config.clear_extension_map();
    for (id, extension) in [
        (1, Extension::AudioLevel),
        (4, Extension::RtpMid),
        (10, Extension::RtpStreamId),
        (11, Extension::RepairedRtpStreamId),
    ] {
        config = config.set_extension(id, extension);
    }
    client.rtc = config.build(now);
    client.rtc.add_local_candidate(Candidate::host(client.seen_as, "udp").expect("an address of its own"));
}

#[test]
fn c7_sizes_change_cleanly_over_a_lossy_network() {
    for seed in [62, 63, 64] {
        let link =
            Link { loss: 0.05, duplicates: 0.02, delay: Duration::from_millis(30), jitter: Duration::from_millis(20) };
        let mut world = World::new(seed, link);
        for index in 0..3 {
            let now = world.now;
            world.join_as(|client| {
                client.simulcast = true;
                if index == 1 {
                    says_nothing_of_its_bandwidth(client, now);
                }
            });
        }
        assert!(world.run_until(20_000, |world| world.clients.iter().all(|client| client.connected > 0)));
        for index in 0..3 {
            world.shard.admit(world.now, world.clients[index].id);
            world.clients[index].sending = true;
        }
        for round in 0..6 {
            show(&mut world, 1, &[(0, [180, 720, 360][round % 3])]);
            world.run(1_200);
        }
        world.clients[0].sending = false;
        world.run(1_500);
        // Whatever was sent again comes late: in the order of numbers it is one stream.
        let mut pictures = pictures(&world, 1, 0, 0);
        pictures.sort_by_key(|heard| heard.seq);
        let unique: BTreeSet<u64> = pictures.iter().map(|heard| heard.seq).collect();
        assert_eq!(unique.len(), pictures.len(), "seed {seed}: no number twice");
        // Of what is not sent again in time all was of the old size, right before the new one began.
        let lost =
            pictures.windows(15).filter(|part| part[1].seq != part[0].seq + 1 && part[0].layer == part[14].layer);
        let lost = lost.map(|part| part[1].seq - part[0].seq - 1).sum::<u64>();
        assert!(
            lost * 200 <= pictures.len() as u64,
            "seed {seed}: {lost} of {} packets within one size",
            pictures.len()
        );
        for pair in pictures.windows(2) {
            let ahead = pair[1].time.wrapping_sub(pair[0].time);
            assert!(ahead < 180_000, "seed {seed}: {pair:?}");
        }
        let seen: BTreeSet<usize> = pictures.iter().map(|heard| heard.layer).collect();
        assert_eq!(seen.len(), 3, "seed {seed}");
    }
}

#[test]
fn c7_a_layer_that_stops_is_replaced_by_the_next_within_a_second() {
    let mut world = room(65, Link::CLEAN, 3, |_, client| client.simulcast = true);
    show(&mut world, 1, &[(0, 720)]);
    world.run(2_000);
    world.clients[0].layers_off = [false, false, true];
    let stopped = world.ms();
    let lower = |world: &World| layers(world, 1, 0, stopped + 50).contains(&1);
    assert!(world.run_until(1_000, lower), "the next lower one in {} ms", world.ms() - stopped);
    world.clients[0].layers_off = [false, true, true];
    let stopped = world.ms();
    assert!(world.run_until(1_000, |world| layers(world, 1, 0, stopped + 50).contains(&0)));
    world.clients[0].layers_off = [false; 3];
    let back = world.ms();
    assert!(world.run_until(1_500, |world| layers(world, 1, 0, back).contains(&2)), "and back when it comes");
    continues(&pictures(&world, 1, 0, 0));
}

#[test]
fn c7_a_late_layer_begins_with_its_first_key_frame() {
    let mut world = room(66, Link::CLEAN, 3, |index, client| {
        client.simulcast = true;
        client.layers_off = [false, index == 0, index == 0];
    });
    show(&mut world, 1, &[(0, 720)]);
    world.run(2_000);
    assert_eq!(layers(&world, 1, 0, world.ms() - 500), BTreeSet::from([0]), "what there is");
    let keyframes = world.clients[0].keyframes_sent;
    world.clients[0].layers_off = [false; 3];
    let came = world.ms();
    assert!(world.run_until(200, |world| layers(world, 1, 0, came).contains(&2)));
    assert!(world.clients[0].keyframes_sent - keyframes <= 3, "the first of each layer was taken");
}

#[test]
fn c7_simulcast_works_in_a_call_of_two_and_with_one_who_has_none() {
    let mut world = room(67, Link::CLEAN, 2, |index, client| client.simulcast = index == 0);
    world.run(3_000);
    let since = world.ms() - 500;
    assert_eq!(layers(&world, 1, 0, since), BTreeSet::from([2]), "as large as it can be had");
    assert_eq!(layers(&world, 0, 1, since), BTreeSet::from([0]));
    continues(&pictures(&world, 1, 0, 0));
}

#[test]
fn c7_of_eight_each_draws_one_large_and_the_others_small() {
    let mut world = room(68, Link { delay: Duration::from_millis(20), ..Link::CLEAN }, 8, |_, client| {
        client.simulcast = true;
        client.slots = (3, 7);
    });
    for who in 0..8 {
        let others = (1..8).map(|step| ((who + step) % 8, if step == 1 { 720 } else { 180 }));
        show(&mut world, who, &others.collect::<Vec<_>>());
    }
    world.run(7_000);
    let since = world.ms() - 500;
    for who in 0..8 {
        for step in 1..8 {
            let expected = if step == 1 { 2 } else { 0 };
            assert_eq!(layers(&world, who, (who + step) % 8, since), BTreeSet::from([expected]), "{who} of {step}");
        }
    }
}

#[test]
fn c7_one_bad_receiver_hurts_nobody_else() {
    let mut world = room(69, Link::CLEAN, 4, |index, client| {
        client.simulcast = true;
        client.downlink = (index == 3).then(|| Pipe::of(200_000));
    });
    world.run(9_000);
    let since = world.ms() - 2_000;
    // As soon as its estimate has grown so far.
    for (who, of) in [(0, 1), (1, 0), (2, 0), (2, 1)] {
        let pictures = pictures(&world, who, of, since);
        assert_eq!(layers(&world, who, of, since), BTreeSet::from([2]), "{who} sees {of} as large as it can be had");
        assert!(pictures.len() > 350, "{} packets in two seconds", pictures.len());
        continues(&pictures);
    }
    let asked = world.clients[0].keyframes_sent;
    assert!(asked < 45, "{asked} key frames in nine seconds: the one who loses asks for more than its share");
}
