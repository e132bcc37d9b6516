//! What a receiver's bandwidth is spent on: sound first, then pictures as far as it goes.

use crate::groups::room;
use crate::pipe::Pipe;
use crate::simulcast::{continues, layers, pictures, show};
use crate::world::{Link, World};
use std::collections::BTreeSet;
use std::time::Duration;
use str0m::media::MediaKind;

const LINK: Link = Link { delay: Duration::from_millis(25), ..Link::CLEAN };

/// How many pieces of sound were lost since `ms` on any of a client's slots, and the longest silence, milliseconds.
pub(crate) fn sound(world: &World, who: usize, since: u64) -> (u64, u64) {
    let heard = || world.clients[who].heard.iter().filter(|h| h.kind == MediaKind::Audio && h.at_ms >= since);
    let slots: Vec<_> = heard().map(|heard| heard.mid).collect::<BTreeSet<_>>().into_iter().collect();
    assert!(!slots.is_empty());
    let mut worst = (0, 0);
    for slot in slots {
        let slot: Vec<_> = heard().filter(|heard| heard.mid == slot).collect();
        let lost = slot.windows(2).map(|pair| pair[1].seq - pair[0].seq - 1).sum::<u64>();
        let silence = slot.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).max().unwrap_or(0);
        worst = (worst.0.max(lost), worst.1.max(silence));
    }
    worst
}

#[test]
fn c7_a_step_down_goes_to_a_small_picture_and_sound_holds() {
    for seed in [80, 81] {
        let mut world = room(seed, LINK, 3, |_, client| client.simulcast = true);
        show(&mut world, 1, &[(0, 720)]);
        world.run(4_000);
        assert_eq!(layers(&world, 1, 0, world.ms() - 500), BTreeSet::from([2]), "seed {seed}");
        world.clients[1].downlink = Some(Pipe::of(450_000));
        let narrow = world.ms();
        world.run(2_500);
        let seen = layers(&world, 1, 0, world.ms() - 1_000);
        assert!(!seen.contains(&2) && !seen.is_empty(), "seed {seed}: {seen:?}");
        let (lost, silence) = sound(&world, 1, narrow);
        assert!(lost <= 40 && silence <= 700, "seed {seed}: {lost} lost, silent for {silence} ms while it went down");
        let settled = world.ms();
        world.run(15_000);
        let (lost, silence) = sound(&world, 1, settled);
        assert!(lost <= 8 && silence <= 400, "seed {seed}: {lost} lost, silent for {silence} ms in fifteen seconds");
        let others = pictures(&world, 2, 0, narrow);
        continues(&others);
        assert_eq!(layers(&world, 2, 0, narrow), BTreeSet::from([2]), "seed {seed}: the other sees what it saw");
        world.clients[1].downlink = None;
        let wide = world.ms();
        let back = |world: &World| layers(world, 1, 0, wide).contains(&2);
        assert!(world.run_until(35_000, back), "seed {seed}: and back");
    }
}

#[test]
fn c7_the_last_are_paused_where_the_smallest_do_not_fit_and_sound_goes_on() {
    let seed = 83;
    let mut world = room(seed, LINK, 4, |_, client| {
        client.simulcast = true;
        client.slots = (3, 3);
    });
    show(&mut world, 3, &[(2, 360), (0, 360), (1, 360)]);
    world.run(4_000);
    world.clients[3].downlink = Some(Pipe::of(420_000));
    world.run(12_000);
    let since = world.ms() - 3_000;
    let there = |of| !pictures(&world, 3, of, since).is_empty();
    assert!(there(2), "seed {seed}: the most important one goes on");
    assert!(!there(1), "seed {seed}: the last is paused");
    assert!(world.shard.counters().pictures_paused >= 1);
    let (lost, silence) = sound(&world, 3, since);
    assert!(lost <= 8 && silence <= 400, "seed {seed}: {lost} lost, {silence} ms of silence");
    world.clients[3].downlink = None;
    let all = |world: &World| (0..3).all(|of| !pictures(world, 3, of, world.ms().saturating_sub(200)).is_empty());
    assert!(world.run_until(40_000, all), "seed {seed}: all of them, when there is enough again");
}

#[test]
fn c7_who_had_too_little_for_the_voices_alone_sees_everyone_again() {
    for (seed, loss) in [(87, 0.0), (88, 0.02), (89, 0.02)] {
        let mut world = room(seed, Link { loss, ..LINK }, 4, |_, client| {
            client.simulcast = true;
            client.slots = (3, 3);
        });
        show(&mut world, 3, &[(0, 360), (1, 360), (2, 360)]);
        world.run(4_000);
        world.clients[3].downlink = Some(Pipe::of(160_000));
        world.run(6_000);
        let settled = world.ms();
        world.run(20_000);
        let (lost, silence) = sound(&world, 3, settled);
        // Three voices alone are nearly more than it carries, each try adds to them, and what the network itself loses makes that worse.
        let (most, longest) = if loss > 0.0 { (250, 1_500) } else { (150, 1_000) };
        assert!(lost <= most && silence <= longest, "seed {seed}: {lost} lost, {silence} ms of silence");
        world.clients[3].downlink = None;
        let all = |world: &World| {
            let seen = |of| layers(world, 3, of, world.ms().saturating_sub(500));
            (0..3).all(|of| seen(of).contains(&1))
        };
        assert!(world.run_until(60_000, all), "seed {seed}: all of them, when there is enough again");
    }
}

#[test]
fn c7_nobody_is_paused_for_an_estimate_that_never_had_to_carry_more() {
    let mut world = room(85, LINK, 8, |_, client| client.slots = (3, 7));
    world.run(10_000);
    for who in 0..8 {
        for of in (0..8).filter(|of| *of != who) {
            let pictures = pictures(&world, who, of, world.ms() - 3_000);
            assert!(pictures.len() > 500, "{who} sees {} packets of {of}", pictures.len());
        }
    }
    assert_eq!(world.shard.counters().pictures_paused, 0);
}

#[test]
fn c7_cameras_that_are_off_take_nothing_from_the_others() {
    let mut world = room(86, LINK, 4, |index, client| {
        client.simulcast = true;
        client.slots = (3, 3);
        client.layers_off = [index < 2; 3];
    });
    show(&mut world, 3, &[(0, 720), (1, 720), (2, 720)]);
    let began = world.ms();
    let large = |world: &World| layers(world, 3, 2, began).contains(&2);
    assert!(world.run_until(1_000, large), "the one that is on, as large as it can be had");
    world.clients[0].layers_off = [false; 3];
    let on = world.ms();
    assert!(world.run_until(500, |world| !pictures(world, 3, 0, on).is_empty()), "and one that is turned on");
}
