//! How busy the shards are, as the rest of the program sees it: where rooms go, who is refused, what is told to operators.
#![expect(clippy::unwrap_used, reason = "the harness of tests: what can't be is a failed test")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use str0m::media::{Direction, MediaKind};
use str0m::{Candidate, Rtc};
use tertulia_common::{PeerId, RoomId, ShardId};
use tertulia_sfu::{Config, ConnectError, Limits, Overloaded, Sfu};

/// A client's offer to send and receive sound.
fn offer() -> String {
    let mut rtc = Rtc::builder().set_rtp_mode(true).build(Instant::now());
    rtc.add_local_candidate(Candidate::host("127.0.0.1:9".parse().unwrap(), "udp").unwrap());
    let mut api = rtc.sdp_api();
    api.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
    api.apply().unwrap().0.to_sdp_string()
}

fn start(shards: usize, limits: Limits) -> Sfu {
    let (sfu, mut events) = tertulia_sfu::start(Config { shards, limits, ..Config::default() }).unwrap();
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    sfu
}

fn told(sfu: &Sfu) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    sfu.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test]
async fn c3_new_rooms_are_refused_by_a_typed_error_and_counted() {
    // Nothing is too little to be too much.
    let sfu = start(1, Limits { busy_rooms_max_percent: 0, ..Limits::default() });
    assert_eq!(sfu.place(), Err(Overloaded { busy_percent: 0, limit_percent: 0 }));
    let refused = sfu.connect(ShardId(0), RoomId(1), PeerId(1), offer()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Overloaded { limit_percent: 0, .. }), "{refused:?}");
    assert_eq!(sfu.least_loaded(), ShardId(0), "what must not be refused has its place");
    let text = told(&sfu);
    assert!(text.contains("tertulia_sfu_rooms_refused_total{shard=\"0\"} 1"), "{text}");
    sfu.stop().await;
}

#[tokio::test]
async fn c3_a_room_in_progress_takes_newcomers_where_no_new_room_is_taken() {
    let sfu = start(1, Limits { busy_rooms_max_percent: 100, busy_joins_max_percent: 0, ..Limits::default() });
    let shard = sfu.place().unwrap();
    sfu.connect(shard, RoomId(1), PeerId(1), offer()).await.unwrap();
    let refused = sfu.connect(shard, RoomId(1), PeerId(2), offer()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Overloaded { limit_percent: 0, .. }), "{refused:?}");
    sfu.connect(shard, RoomId(1), PeerId(1), offer()).await.expect("who is there may connect anew");
    sfu.stop().await;
}

#[tokio::test]
async fn c3_a_storm_of_rooms_is_spread_before_it_shows() {
    let sfu = start(2, Limits { busy_rooms_max_percent: 90, ..Limits::default() });
    let placed: Vec<_> = (0..10_000).map(|_| sfu.place()).collect();
    let shards: BTreeSet<ShardId> = placed.iter().flatten().copied().collect();
    assert_eq!(shards.len(), 2);
    assert!(placed.last().is_some_and(Result::is_err), "and has an end");
    assert!(placed.iter().flatten().count() > 2_000);
    sfu.stop().await;
}

#[tokio::test]
async fn c3_how_busy_a_shard_is_is_told_and_an_idle_one_hardly_is() {
    let sfu = start(2, Limits::default());
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let text = told(&sfu);
    let busy: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with("tertulia_sfu_busy_ratio{"))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
        .collect();
    assert!(busy.len() == 2 && busy.iter().all(|busy| (0.0..0.2).contains(busy)), "{busy:?}");
    sfu.stop().await;
}
