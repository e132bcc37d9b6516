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
    let crypto = Arc::new(str0m::crypto::from_feature_flags());
    let certificate = crypto.dtls_provider.generate_certificate().unwrap();
    let candidates = vec![SocketAddr::from(([127, 0, 0, 1], 5_000)).into()];
    let config = PeerConfig { certificate, candidates, tcp: false, crypto, estimate_initial_bps: 1_000_000 };
    Shard::new(ShardId(0), config, Limits::default(), epoch())
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
    let gone = Event::Gone { room, peer: PeerId(1), reason: GoneReason::Panicked };
    assert!(std::iter::from_fn(|| shard.poll_event()).any(|event| event == gone));
    assert_eq!(shard.counters().peers, 1);
    shard.connect(now, room, PeerId(1), &offer(), [8; 24]).unwrap();
    shard.flush(now);
    assert_eq!((shard.counters().peers, shard.counters().panics), (2, 1), "the other is there, and it may come again");
}
