//! Calls over the wire: who hears what, who may do what, and what is kept.

use crate::support::{Client, Server, config, token, user};
use std::time::Duration;
use tertulia_common::CallId;
use tertulia_signaling::Config;
use tertulia_signaling_core::Timeouts;
use tertulia_signaling_proto::{
    CallConnect, CallDecline, CallHistory, CallMedia, ClientFrame, DeclineReason, Direction, EndReason, ErrorCode,
    MediaFlags, Phase, ServerFrame, Slot,
};

fn short_ring() -> Config {
    Config { timeouts: Timeouts { ring: Duration::from_millis(150), ..Timeouts::default() }, ..config() }
}

fn state(frame: &ServerFrame) -> Option<Phase> {
    match frame {
        ServerFrame::CallState(state) => Some(state.phase),
        _ => None,
    }
}

#[tokio::test]
async fn c1_a_call_rings_is_answered_and_hung_up() {
    let server = Server::start().await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    let call = alice.invite("bob").await.unwrap();
    let from = bob.expect("call.incoming", |frame| match frame {
        ServerFrame::CallIncoming(incoming) => Some(incoming.clone()),
        _ => None,
    });
    let incoming = from.await;
    assert_eq!((incoming.call_id, incoming.from.user_id), (call, user("alice")));
    bob.about(call, ClientFrame::CallRinging).await.unwrap();
    alice.expect("ringing", |frame| state(frame).filter(|phase| *phase == Phase::Ringing)).await;
    bob.about(call, ClientFrame::CallAccept).await.unwrap();
    alice.expect("connecting", |frame| state(frame).filter(|phase| *phase == Phase::Connecting)).await;

    let media = MediaFlags { mic: true, ..MediaFlags::default() };
    bob.ask(|id| ClientFrame::CallMedia(CallMedia { id, call_id: call, media })).await.unwrap();
    let hears_mic = |frame: &ServerFrame| match frame {
        ServerFrame::CallRoster(roster) => {
            roster.participants.iter().any(|entry| entry.media.mic && entry.name == "bob").then_some(())
        }
        _ => None,
    };
    alice.expect("a roster with bob's microphone", hears_mic).await;

    alice.about(call, ClientFrame::CallHangup).await.unwrap();
    assert_eq!(bob.ended().await, EndReason::Hangup);
    assert_eq!(alice.ended().await, EndReason::Hangup);
    server.wait_for_metric("tertulia_calls_ended_total{reason=\"hangup\"}", 1.0).await;
    server.wait_for_metric("tertulia_call_rooms", 0.0).await;
}

#[tokio::test]
async fn c2_the_first_device_to_accept_wins_and_the_others_hear_it() {
    let server = Server::start().await;
    let mut alice = server.client("alice", "phone").await;
    let (mut phone, mut tablet) = (server.client("bob", "phone").await, server.client("bob", "tablet").await);
    let call = alice.invite("bob").await.unwrap();
    assert_eq!((phone.incoming().await, tablet.incoming().await), (call, call));
    let (first, second) =
        tokio::join!(phone.about(call, ClientFrame::CallAccept), tablet.about(call, ClientFrame::CallAccept));
    assert_eq!([first, second].iter().filter(|answer| answer.is_ok()).count(), 1, "{first:?} {second:?}");
    let loser = if first.is_ok() { &mut tablet } else { &mut phone };
    assert_eq!(loser.ended().await, EndReason::AnsweredElsewhere);
}

#[tokio::test]
async fn c1_two_calls_that_cross_become_one_answered_call() {
    let server = Server::start().await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    let call = alice.invite("bob").await.unwrap();
    assert_eq!(bob.invite("alice").await, Ok(call));
    for client in [&mut alice, &mut bob] {
        client.expect("connecting", |frame| state(frame).filter(|phase| *phase == Phase::Connecting)).await;
    }
    server.wait_for_metric("tertulia_calls_merged_total", 1.0).await;
    server.wait_for_metric("tertulia_calls{state=\"connecting\"}", 1.0).await;
}

#[tokio::test]
async fn c1_declined_busy_and_oneself() {
    let server = Server::start().await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    assert_eq!(alice.invite("alice").await, Err(ErrorCode::CallSelf));
    assert_eq!(alice.invite("nobody").await, Err(ErrorCode::UnknownUser));
    for (reason, ends) in [(DeclineReason::Declined, EndReason::Declined), (DeclineReason::Busy, EndReason::Busy)] {
        let call_id = alice.invite("bob").await.unwrap();
        bob.incoming().await;
        bob.ask(|id| ClientFrame::CallDecline(CallDecline { id, call_id, reason })).await.unwrap();
        assert_eq!(alice.ended().await, ends);
    }
}

#[tokio::test]
async fn a_stranger_has_no_part_in_a_call_whatever_they_try() {
    let server = Server::start().await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    let mut mallory = server.client("mallory", "phone").await;
    let call = alice.invite("bob").await.unwrap();
    bob.incoming().await;
    let frames: [fn(_) -> ClientFrame; 4] =
        [ClientFrame::CallRinging, ClientFrame::CallAccept, ClientFrame::CallCancel, ClientFrame::CallHangup];
    for frame in frames {
        assert_eq!(mallory.about(call, frame).await, Err(ErrorCode::UnknownCall));
        assert_eq!(
            mallory.about(CallId::new(tertulia_common::Timestamp(1), 1), frame).await,
            Err(ErrorCode::UnknownCall)
        );
    }
    let sdp = "v=0\r\n".to_owned();
    let answer = mallory.ask(|id| ClientFrame::CallConnect(CallConnect { id, call_id: call, sdp })).await;
    assert_eq!(answer.unwrap_err().code, ErrorCode::UnknownCall);
    bob.about(call, ClientFrame::CallAccept).await.unwrap();
    assert!(mallory.unasked().is_empty(), "{:?}", mallory.unasked());
}

#[tokio::test]
async fn an_offer_that_can_not_be_used_or_is_too_large_is_a_typed_error() {
    let server = Server::start().await;
    let (mut alice, _bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    let call_id = alice.invite("bob").await.unwrap();
    for (sdp, code) in [
        ("nonsense".to_owned(), ErrorCode::SdpInvalid),
        (String::new(), ErrorCode::SdpInvalid),
        ("a".repeat(48 * 1024 + 1), ErrorCode::TooLarge),
    ] {
        let answer = alice.ask(|id| ClientFrame::CallConnect(CallConnect { id, call_id, sdp })).await;
        assert_eq!(answer.unwrap_err().code, code);
    }
    server.wait_for_metric("tertulia_call_peers", 0.0).await;
}

/// An offer as a browser makes it, with one microphone and one slot to hear. Nobody will ever connect with it.
fn offer(number: u8) -> String {
    let fingerprint = vec![format!("{number:02X}"); 32].join(":");
    let line = |mid: u8, direction: &str| {
        format!(
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:uf{number:02}\r\n\
             a=ice-pwd:0123456789abcdef01234567\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\n\
             a=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
        )
    };
    let [send, receive] = [line(0, "sendonly"), line(1, "recvonly")];
    format!(
        "v=0\r\no=- {number} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n{send}a=ssrc:1001 cname:x\r\n{receive}"
    )
}

async fn connect(client: &mut Client, call_id: CallId, number: u8) -> Vec<Slot> {
    let sdp = offer(number);
    let answer = client.ask(|id| ClientFrame::CallConnect(CallConnect { id, call_id, sdp })).await.unwrap();
    assert!(answer.sdp.is_some_and(|sdp| sdp.contains("a=recvonly") && sdp.contains("a=ice-lite")));
    answer.slots.unwrap()
}

async fn hears(client: &mut Client, whom: &str) {
    let carried = |frame: &ServerFrame| match frame {
        ServerFrame::CallSlots(slots) => {
            let of = |slot: &Slot| slot.participant.as_ref().is_some_and(|who| who.user_id.as_str() == whom);
            slots.slots.iter().any(of).then_some(())
        }
        _ => None,
    };
    client.expect("call.slots with the other's microphone", carried).await;
}

#[tokio::test]
async fn c1_devices_connect_while_it_rings_and_only_the_winner_stays() {
    let server = Server::start().await;
    let mut alice = server.client("alice", "phone").await;
    let (mut phone, mut tablet) = (server.client("bob", "phone").await, server.client("bob", "tablet").await);
    let call = alice.invite("bob").await.unwrap();
    let silent = vec![Slot { mid: "1".to_owned(), participant: None, source: None }];
    assert_eq!(connect(&mut alice, call, 1).await, silent, "nothing is forwarded before the answer");
    assert_eq!(connect(&mut phone, call, 2).await, silent);
    assert_eq!(connect(&mut tablet, call, 3).await, silent);
    server.wait_for_metric("tertulia_call_peers", 3.0).await;
    phone.about(call, ClientFrame::CallAccept).await.unwrap();
    hears(&mut alice, "bob").await;
    hears(&mut phone, "alice").await;
    server.wait_for_metric("tertulia_call_peers", 2.0).await;
    alice.about(call, ClientFrame::CallHangup).await.unwrap();
    server.wait_for_metric("tertulia_call_peers", 0.0).await;
    server.wait_for_metric("tertulia_call_rooms", 0.0).await;
}

#[tokio::test]
async fn c1_a_device_that_connects_after_the_answer_is_let_in_at_once() {
    let server = Server::start().await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    let call = alice.invite("bob").await.unwrap();
    connect(&mut alice, call, 1).await;
    bob.about(call, ClientFrame::CallAccept).await.unwrap();
    connect(&mut bob, call, 2).await;
    hears(&mut bob, "alice").await;
    hears(&mut alice, "bob").await;
}

#[tokio::test]
async fn c1_a_missed_call_is_shown_until_a_device_has_confirmed_it() {
    let server = Server::with(short_ring()).await;
    let mut bob = server.client("bob", "phone").await;
    bob.ws.close(None).await.unwrap();
    drop(bob);
    let mut alice = server.client("alice", "phone").await;
    let call = alice.invite("bob").await.unwrap();
    assert_eq!(alice.ended().await, EndReason::Missed);
    server.wait_for_metric("tertulia_calls_ended_total{reason=\"missed\"}", 1.0).await;

    // The writer is quick, but not instant: a device that connects meanwhile gets a frame instead.
    let mut bob = server.client("bob", "tablet").await;
    if bob.welcome.as_ref().unwrap().missed_calls.is_empty() {
        bob.expect("call.missed", |frame| matches!(frame, ServerFrame::CallMissed(_)).then_some(())).await;
    }
    drop(bob);
    let mut bob = server.client("bob", "laptop").await;
    let missed = &bob.welcome.as_ref().unwrap().missed_calls;
    assert_eq!(missed.len(), 1, "nobody has confirmed it");
    assert_eq!((missed[0].call_id, &missed[0].from.user_id), (call, &user("alice")));
    assert!(matches!(bob.any().await, Ok(ServerFrame::Ping(_))), "a ping follows, for its pong");
    bob.confirm().await;
    assert_eq!(bob.invite("nobody").await, Err(ErrorCode::UnknownUser), "the pong has been read");
    let seen = async {
        loop {
            let client = server.client("bob", "desk").await;
            if client.welcome.as_ref().unwrap().missed_calls.is_empty() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), seen).await.expect("it is not shown again");
}

#[tokio::test]
async fn a_live_device_hears_of_a_missed_call_and_confirms_by_counting() {
    let server = Server::with(short_ring()).await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    let call = alice.invite("bob").await.unwrap();
    assert_eq!(bob.ended().await, EndReason::Missed);
    bob.expect("call.missed", |frame| matches!(frame, ServerFrame::CallMissed(m) if m.call_id == call).then_some(()))
        .await;
    bob.confirm().await;
    assert_eq!(bob.invite("nobody").await, Err(ErrorCode::UnknownUser));
    let seen = async { while !server.client("bob", "tablet").await.welcome.unwrap().missed_calls.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(5), seen).await.expect("it is not shown again");
}

#[tokio::test]
async fn the_history_shows_both_sides_newest_first_in_pages() {
    let server = Server::start().await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    for _ in 0..3 {
        let call = alice.invite("bob").await.unwrap();
        bob.incoming().await;
        alice.about(call, ClientFrame::CallCancel).await.unwrap();
        bob.expect("call.missed", |frame| matches!(frame, ServerFrame::CallMissed(_)).then_some(())).await;
    }
    let page = async |who: &str, query: &str| {
        let head = format!("GET /v1/calls{query}\nauthorization: Bearer {}", token(who));
        let (status, text) = server.http(&head, "").await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<CallHistory>(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let first = page("alice", "?limit=2").await;
    assert_eq!(first.calls.len(), 2);
    assert!(first.calls[0].call_id > first.calls[1].call_id);
    let rest = page("alice", &format!("?limit=2&before={}", first.next.unwrap())).await;
    assert_eq!((rest.calls.len(), rest.next), (1, None));
    assert_eq!((rest.calls[0].direction, rest.calls[0].reason), (Direction::Outgoing, EndReason::Cancelled));
    let of_bob = page("bob", "").await;
    assert_eq!((of_bob.calls[0].direction, of_bob.calls[0].reason), (Direction::Incoming, EndReason::Missed));
    assert_eq!(of_bob.calls[0].peer.name, "alice");
    assert!(page("mallory", "").await.calls.is_empty());
}
