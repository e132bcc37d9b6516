//! What can't be brought about from outside: a stack that panics. All else is in `tests/sim`.

use super::*;
use std::net::SocketAddr;
use std::sync::Arc;
use str0m::Rtc;
use str0m::media::{Direction, MediaKind};

/// The start of virtual time. The one clock reading of the core's tests: an `Instant` can't be made otherwise.
#[expect(clippy::disallowed_methods, reason = "an epoch for virtual time; only distances from it count")]
pub(crate) fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

fn shard() -> Shard {
    shard_within(Limits::default())
}

fn shard_within(limits: Limits) -> Shard {
    let crypto = Arc::new(str0m::crypto::from_feature_flags());
    let certificate = crypto.dtls_provider.generate_certificate().unwrap();
    let candidates = vec![SocketAddr::from(([127, 0, 0, 1], 5_000)).into()];
    let config = PeerConfig { certificate, candidates, tcp: false, crypto, estimate_initial_bps: 1_000_000 };
    Shard::new(ShardId(0), config, limits, epoch())
}

fn offer() -> String {
    let mut rtc = Rtc::new(epoch());
    let mut api = rtc.sdp_api();
    api.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
    api.apply().unwrap().0.to_sdp_string()
}

#[test]
fn a_panic_ends_its_peer_and_no_other() {
    let (mut shard, room, now) = (shard(), RoomId(1), epoch());
    for id in [1, 2] {
        shard.connect(now, room, PeerId(id), &offer(), [7; 24]).unwrap();
        shard.admit(now, PeerId(id));
    }
    let place = shard.by_id[&PeerId(1)];
    shard.peers[place].panics = true;
    shard.mark_dirty(place);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {})); // the backtrace is not news
    shard.flush(now);
    std::panic::set_hook(hook);
    assert_eq!(shard.counters().panics, 1);
    let gone = Event::Gone { room, peer: PeerId(1), made: 1, reason: GoneReason::Panicked };
    assert!(std::iter::from_fn(|| shard.poll_event()).any(|event| event == gone));
    assert_eq!(shard.counters().peers, 1);
    shard.connect(now, room, PeerId(1), &offer(), [8; 24]).unwrap();
    shard.flush(now);
    assert_eq!((shard.counters().peers, shard.counters().panics), (2, 1), "the other is there, and it may come again");
}

#[test]
fn c4_whoever_comes_into_or_leaves_a_large_room_moves_nobodys_slots_but_those_it_concerns() {
    let limits = Limits { room_peers_max: 300, ..Limits::default() };
    let (mut shard, room, now) = (shard_within(limits), RoomId(1), epoch());
    let offer = |sends: usize| {
        let mut rtc = Rtc::new(epoch());
        let mut api = rtc.sdp_api();
        for kind in [MediaKind::Audio, MediaKind::Video].into_iter().take(sends) {
            api.add_media(kind, Direction::SendOnly, None, None, None);
        }
        for kind in [MediaKind::Audio, MediaKind::Audio, MediaKind::Video] {
            api.add_media(kind, Direction::RecvOnly, None, None, None);
        }
        api.apply().unwrap().0.to_sdp_string()
    };
    let told = |shard: &mut Shard| {
        let events = std::iter::from_fn(|| shard.poll_event());
        events.filter(|event| matches!(event, Event::Slots { .. })).count()
    };
    let join = |shard: &mut Shard, id: u64, sends: usize| {
        shard.connect(now, room, PeerId(id), &offer(sends), [7; 24]).unwrap();
        shard.admit(now, PeerId(id));
        told(shard)
    };
    for id in 1..=4 {
        join(&mut shard, id, 2);
    }
    for id in 5..=200 {
        assert_eq!(join(&mut shard, id, 2), 1, "{id}: its own slots, the others' are taken");
    }
    assert_eq!(join(&mut shard, 201, 0), 1, "one who only listens");
    for id in [201, 200, 100] {
        shard.remove(now, PeerId(id));
        assert_eq!(told(&mut shard), 0, "{id} was in nobody's slots");
    }
    shard.remove(now, PeerId(1));
    assert_eq!(told(&mut shard), 197, "everyone else had it");
    shard.flush(now);
    for (place, peer) in &shard.peers {
        let carried: Vec<_> = peer.slots.iter().filter_map(|slot| slot.carries).collect();
        assert_eq!(carried.len(), 3, "all slots are taken again");
        assert!(carried.iter().all(|carried| carried.place != place && shard.peers.contains(carried.place)));
        for (index, slot) in peer.slots.iter().enumerate() {
            let (carried, listing) = (slot.carries.unwrap(), slot.listed[0].unwrap());
            let lists = &shard.peers[carried.place].tracks[carried.track].layers[listing.layer].subscribers;
            assert_eq!(lists[listing.at], (place, index), "list and slot say the same");
        }
    }
    shard.close_room(now, room);
    assert_eq!((shard.counters().peers, shard.counters().rooms), (0, 0));
}
