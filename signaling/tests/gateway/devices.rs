//! Several calls on one device, one call on several devices, and people who do not want to be called.

use crate::support::{Client, Server, config, device, token, user};
use std::time::Duration;
use tertulia_common::{CallId, Timestamp};
use tertulia_signaling::Config;
use tertulia_signaling_core::Timeouts;
use tertulia_signaling_proto::{
    CallElsewhere, CallHistory, CallHold, CallRoster, ClientFrame, EndReason, ErrorCode, ServerFrame,
};

async fn answer(server: &Server, caller: &str, callee: &mut Client, whom: &str) -> (Client, CallId) {
    let mut caller = server.client(caller, "phone").await;
    let call = caller.invite(whom).await.unwrap();
    assert_eq!(callee.incoming().await, call);
    callee.about(call, ClientFrame::CallAccept).await.unwrap();
    (caller, call)
}

fn held(frame: &ServerFrame, of: &str) -> Option<bool> {
    let ServerFrame::CallRoster(CallRoster { participants, .. }) = frame else { return None };
    participants.iter().find(|entry| entry.participant.user_id.as_str() == of).map(|entry| entry.held)
}

async fn elsewhere(client: &mut Client, news: impl Fn(&[CallElsewhere]) -> bool) -> Vec<CallElsewhere> {
    let calls = |frame: &ServerFrame| match frame {
        ServerFrame::CallsElsewhere(elsewhere) if news(&elsewhere.calls) => Some(elsewhere.calls.clone()),
        _ => None,
    };
    client.expect("calls.elsewhere", calls).await
}

#[tokio::test]
async fn c1_a_second_call_is_taken_and_the_first_waits_and_comes_back() {
    let server = Server::start().await;
    let mut bob = server.client_with_call_waiting("bob", "phone").await;
    let (mut alice, first) = answer(&server, "alice", &mut bob, "bob").await;
    let (mut carol, second) = answer(&server, "carol", &mut bob, "bob").await;
    alice.expect("a roster where bob holds", |frame| held(frame, "bob").filter(|held| *held)).await;
    let hold = |call_id, on| move |id| ClientFrame::CallHold(CallHold { id, call_id, on });
    bob.ask(hold(first, false)).await.unwrap();
    carol.expect("a roster where bob holds", |frame| held(frame, "bob").filter(|held| *held)).await;
    alice.expect("a roster where bob does not", |frame| held(frame, "bob").filter(|held| !*held)).await;
    let again = server.client_with_call_waiting("bob", "phone").await;
    let calls: Vec<_> = again.welcome.unwrap().calls.iter().map(|call| (call.call_id, call.held)).collect();
    assert_eq!(calls, [(first, false), (second, true)]);
    let mut dave = server.client("dave", "phone").await;
    dave.invite("bob").await.unwrap();
    assert_eq!(dave.ended().await, EndReason::Busy);
    let mut mallory = server.client("mallory", "phone").await;
    assert_eq!(mallory.ask(hold(first, true)).await.unwrap_err().code, ErrorCode::UnknownCall);
}

#[tokio::test]
async fn c1_a_running_call_shows_on_the_other_devices_and_can_be_asked_for_there() {
    let server = Server::start().await;
    let (mut phone, mut laptop) = (server.client("bob", "phone").await, server.client("bob", "laptop").await);
    let (mut alice, call) = answer(&server, "alice", &mut phone, "bob").await;
    let calls = elsewhere(&mut laptop, |calls| !calls.is_empty()).await;
    assert_eq!((calls[0].call_id, &calls[0].device_id, calls[0].peer.name.as_str()), (call, &device("phone"), "alice"));
    let tablet = server.client("bob", "tablet").await;
    assert_eq!(tablet.welcome.as_ref().unwrap().calls_elsewhere.len(), 1, "whoever comes later sees it too");
    laptop.about(call, ClientFrame::CallJoin).await.unwrap();
    let mut mallory = server.client("mallory", "phone").await;
    assert_eq!(mallory.about(call, ClientFrame::CallJoin).await, Err(ErrorCode::UnknownCall));
    alice.about(call, ClientFrame::CallHangup).await.unwrap();
    assert!(elsewhere(&mut laptop, <[_]>::is_empty).await.is_empty());
    assert!(!phone.unasked().iter().any(|frame| matches!(frame, ServerFrame::CallsElsewhere(_))), "not of its own");
    assert_eq!(laptop.about(call, ClientFrame::CallJoin).await, Err(ErrorCode::CallOver));
}

async fn history_of(server: &Server, who: &str) -> CallHistory {
    let head = format!("GET /v1/calls\nauthorization: Bearer {}", token(who));
    let (_, text) = server.http(&head, "").await;
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn short_ring() -> Config {
    Config { timeouts: Timeouts { ring: Duration::from_millis(150), ..Timeouts::default() }, ..config() }
}

#[tokio::test]
async fn c1_a_blocked_caller_never_rings_and_can_not_tell() {
    let server = Server::with(short_ring()).await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    server.directory.block(&user("bob"), &user("alice"), 10).await.unwrap();
    alice.invite("bob").await.unwrap();
    assert_eq!(alice.ended().await, EndReason::Missed);
    server.wait_for_metric("tertulia_calls_ended_total{reason=\"missed\"}", 1.0).await;
    assert_eq!(bob.invite("nobody").await, Err(ErrorCode::UnknownUser), "whatever there was has come before this");
    assert!(bob.unasked().is_empty(), "{:?}", bob.unasked());
    let calls = async { while history_of(&server, "alice").await.calls.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(5), calls).await.expect("the caller's history has it");
    assert_eq!(history_of(&server, "alice").await.calls[0].reason, EndReason::Missed);
    assert!(history_of(&server, "bob").await.calls.is_empty());
    assert!(server.client("bob", "tablet").await.welcome.unwrap().missed_calls.is_empty());
}

#[tokio::test]
async fn c1_who_is_not_to_be_disturbed_hears_of_a_call_when_it_is_over() {
    let server = Server::with(short_ring()).await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    server.directory.set_do_not_disturb(&user("bob"), Some(Timestamp(u64::MAX / 2))).await.unwrap();
    let call = alice.invite("bob").await.unwrap();
    let missed =
        |frame: &ServerFrame| matches!(frame, ServerFrame::CallMissed(missed) if missed.call_id == call).then_some(());
    bob.expect("call.missed", missed).await;
    assert!(!bob.unasked().iter().any(|frame| matches!(frame, ServerFrame::CallIncoming(_))));
    assert_eq!(alice.ended().await, EndReason::Missed);
}
