//! Pictures of VP8 in three rates, as browsers code them, and what who has little bandwidth gets of them.

use crate::bandwidth::sound;
use crate::groups::room;
use crate::pipe::Pipe;
use crate::simulcast::{continues, layers, pictures, show};
use crate::world::{Heard, Link, World};
use std::time::Duration;

/// Where a camera of three rates stands, by layer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    /// Pictures since the newest key frame.
    since_key: [u8; 3],
    /// How many were of the slowest rate.
    slowest: [u8; 3],
}

/// What a picture says of its rate: that, whether it builds on the slowest alone, and how many pictures ago its key frame was.
pub(crate) type Said = (u8, bool, u8);

impl Rates {
    /// The next picture of a layer: what it says, and the number of the slowest on which it builds.
    fn next(&mut self, layer: usize, key: bool) -> (Said, u8) {
        let at = &mut self.since_key[layer];
        *at = if key { 0 } else { at.wrapping_add(1) };
        let temporal = [0, 2, 1, 2][usize::from(*at % 4)];
        self.slowest[layer] = self.slowest[layer].wrapping_add(u8::from(temporal == 0));
        ((temporal, temporal > 0 && *at % 8 < 3, *at), self.slowest[layer])
    }

    /// How large a packet of the smallest layer is: 500 bytes in the mean, those of slower rates larger.
    pub(crate) fn bytes(self) -> usize {
        [800, 350, 500, 350][usize::from(self.since_key[0] % 4)]
    }
}

/// What the packets of a picture begin with: VP8's descriptor (RFC 7741 §4.2), and the head of a key frame. `first` is its first byte.
pub(crate) fn heads(
    rates: Option<&mut Rates>,
    layer: usize,
    key: bool,
    picture: u16,
    height: u16,
) -> impl Fn(u8) -> Vec<u8> + use<> {
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let (descriptor, at) = match rates.map(|rates| rates.next(layer, key)) {
        Some(((temporal, sync, at), slowest)) => {
            (vec![0xe0, high, low, slowest, temporal << 6 | u8::from(sync) << 5], at)
        }
        None => (vec![0x80, high, low], 0),
    };
    move |first| {
        let size = height.to_le_bytes();
        let frame = [u8::from(!key), at, 0, 0x9d, 0x01, 0x2a, 0, 1, size[0], size[1]];
        [&[first][..], &descriptor, &frame].concat()
    }
}

/// How long a packet's descriptor is, and what it says of its rate.
pub(crate) fn read(payload: &[u8]) -> (usize, Option<Said>) {
    match payload {
        [_, 0xe0, _, _, _, rate, _, at, ..] => (6, Some((rate >> 6, rate & 0x20 != 0, *at))),
        _ => (4, None),
    }
}

/// Each picture of the smallest layer has what it builds on.
fn builds(heard: &[Heard]) {
    for (index, heard_now) in heard.iter().enumerate().skip(1) {
        let Some((temporal, sync, at)) = heard_now.rate else { continue };
        let back = match (temporal, at % 4) {
            (0, _) if heard_now.key => continue,
            (0, _) => 4,
            (_, position) if sync => u64::from(position),
            (_, 1) => 3, // the one of the second rate
            (_, 2) => 4,
            _ => 1,
        };
        let has = |earlier: &Heard| earlier.number + back == heard_now.number && earlier.layer == heard_now.layer;
        assert!(heard_now.layer > 0 || heard[..index].iter().any(has), "it lacks what it builds on: {heard_now:?}");
    }
}

/// The rates of the pictures that a client has seen of another since `ms`.
fn rates(world: &World, who: usize, of: usize, since: u64) -> Vec<u8> {
    pictures(world, who, of, since).iter().filter_map(|heard| Some(heard.rate?.0)).collect()
}

const LINK: Link = Link { delay: Duration::from_millis(25), ..Link::CLEAN };

/// A room in which two send, and the third sees the first on a way of 150 kbit/s.
fn at_150_kbps(seed: u64, link: Link) -> World {
    let mut world = room(seed, link, 3, |_, client| {
        client.simulcast = true;
        client.rates = Some(Rates::default());
        client.slots = (1, 1);
    });
    show(&mut world, 2, &[(0, 360)]);
    world.run(4_000);
    world.clients[2].downlink = Some(Pipe::of(150_000));
    world
}

#[test]
fn c7_at_150_kbps_a_face_and_a_voice_go_on_and_come_back_whole() {
    for (seed, loss) in [(130, 0.0), (131, 0.02), (132, 0.02), (145, 0.02)] {
        let mut world = at_150_kbps(seed, Link { loss, ..LINK });
        world.run(15_000);
        let settled = world.ms();
        world.run(30_000);
        let seen = pictures(&world, 2, 0, settled);
        let in_second = |s| seen.iter().filter(|heard| (heard.at_ms - settled) / 1_000 == s).count();
        let seconds: Vec<usize> = (0..30).map(in_second).collect();
        let still = seconds.iter().filter(|pictures| **pictures < 4).count();
        assert!(still <= 5, "seed {seed}: a small picture: {seconds:?}");
        let (lost, silence) = sound(&world, 2, settled);
        let most = if loss > 0.0 { 100 } else { 15 }; // of 1,500
        assert!(lost <= most && silence <= 300, "seed {seed}: {lost} lost, silent for {silence} ms");
        world.clients[2].downlink = None;
        let all = |world: &World| layers(world, 2, 0, world.ms().saturating_sub(500)).contains(&1);
        assert!(world.run_until(60_000, all), "seed {seed}: all of it, when there is enough again");
    }
}

#[test]
fn c7_what_is_left_out_late_is_not_padded_with_without_end() {
    for seed in [135, 136, 138, 139, 143] {
        let mut world = at_150_kbps(seed, Link { loss: 0.04, ..LINK });
        let settled = world.ms();
        world.run(30_000);
        assert!(!world.clients[2].empty.is_empty(), "seed {seed}: something that was left out came late");
        world.clients[2].packets.retain(|(at, _)| *at >= settled);
        let in_second = |s| world.clients[2].packets.iter().filter(|(at, _)| (at - settled) / 1_000 == s).count();
        let seconds: Vec<usize> = (0..30).map(in_second).collect();
        assert!(seconds.iter().all(|packets| *packets <= 200), "seed {seed}: {seconds:?}");
    }
}

#[test]
fn c7_the_slowest_rate_is_taken_and_left_without_a_key_frame_or_a_gap() {
    let mut world = at_150_kbps(133, LINK);
    let slow = |world: &World| {
        let seen = rates(world, 2, 0, world.ms().saturating_sub(1_000));
        !seen.is_empty() && seen.iter().all(|temporal| *temporal == 0)
    };
    assert!(world.run_until(20_000, slow), "the slowest alone");
    assert!(rates(&world, 1, 0, world.ms() - 1_000).len() > 25, "the other sees all");
    world.run(3_000);
    let (keys, since) = (world.clients[0].keyframes_sent, world.ms() - 1_000);
    world.clients[2].downlink = Some(Pipe::of(320_000));
    let whole = |world: &World| rates(world, 2, 0, world.ms().saturating_sub(1_000)).contains(&2);
    assert!(world.run_until(40_000, whole), "all of it");
    world.run(2_000);
    assert_eq!(world.clients[0].keyframes_sent, keys);
    let seen = pictures(&world, 2, 0, since);
    continues(&seen);
    builds(&seen);
}
