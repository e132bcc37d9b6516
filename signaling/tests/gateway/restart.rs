//! A gateway goes and another comes up on the same folder: the calls go on.

use crate::support::{Client, Server, config, token};
use std::time::Duration;
use tertulia_common::CallId;
use tertulia_signaling::{Config, Limits};
use tertulia_signaling_core::Timeouts;
use tertulia_signaling_proto::{CallHistory, ClientFrame, CloseCode, EndReason, ErrorCode, Phase, ServerFrame};

/// alice's phone has called bob's, who has answered.
async fn answered(server: &Server) -> (Client, Client, CallId) {
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    let call = alice.invite("bob").await.unwrap();
    bob.incoming().await;
    bob.about(call, ClientFrame::CallRinging).await.unwrap();
    bob.about(call, ClientFrame::CallAccept).await.unwrap();
    (alice, bob, call)
}

fn calls_of(client: &Client) -> Vec<(CallId, Phase)> {
    client.welcome.as_ref().unwrap().calls.iter().map(|call| (call.call_id, call.phase)).collect()
}

async fn history_of(server: &Server, who: &str) -> CallHistory {
    let head = format!("GET /v1/calls\nauthorization: Bearer {}", token(who));
    let (status, text) = server.http(&head, "").await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn c6_an_answered_call_is_there_after_a_restart_and_nobody_rings() {
    let server = Server::start().await;
    let (mut alice, bob, call) = answered(&server).await;
    let instance = bob.welcome.as_ref().unwrap().instance.clone();
    let folder = server.stop().await;
    alice.expect("drain", |frame| matches!(frame, ServerFrame::Drain(_)).then_some(())).await;
    assert_eq!(alice.close_code().await, Some(CloseCode::Draining.code()));

    let server = Server::on(folder, config()).await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    assert_ne!(bob.welcome.as_ref().unwrap().instance, instance, "its media is gone, and it knows");
    for client in [&alice, &bob] {
        assert_eq!(calls_of(client), [(call, Phase::Reconnecting)]);
    }
    assert_eq!(bob.welcome.as_ref().unwrap().calls[0].peer.name, "alice");
    bob.about(call, ClientFrame::CallAccept).await.expect("its answer may have been lost");
    alice.about(call, ClientFrame::CallHangup).await.unwrap();
    assert_eq!(bob.ended().await, EndReason::Hangup);
    assert!(!bob.unasked().iter().any(|frame| matches!(frame, ServerFrame::CallIncoming(_))));
    server.wait_for_metric("tertulia_calls_restored_total", 1.0).await;
}

#[tokio::test]
async fn c6_what_was_asked_before_a_restart_is_answered_the_same_after_it() {
    let server = Server::start().await;
    let (mut alice, _bob, call) = answered(&server).await;
    alice.about(call, ClientFrame::CallHangup).await.unwrap();
    let server = Server::on(server.stop().await, config()).await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    assert!(calls_of(&alice).is_empty());
    for client in [&mut alice, &mut bob] {
        client.about(call, ClientFrame::CallHangup).await.unwrap();
    }
    let mut mallory = server.client("mallory", "phone").await;
    assert_eq!(mallory.about(call, ClientFrame::CallHangup).await, Err(ErrorCode::UnknownCall));
    assert_eq!(history_of(&server, "alice").await.calls.len(), 1, "one record");
}

#[tokio::test]
async fn c6_a_call_that_rang_goes_on_ringing_and_can_be_answered() {
    let server = Server::start().await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    let call = alice.invite("bob").await.unwrap();
    bob.incoming().await;
    bob.about(call, ClientFrame::CallRinging).await.unwrap();
    let server = Server::on(server.stop().await, config()).await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    assert_eq!(calls_of(&alice), [(call, Phase::Ringing)]);
    assert_eq!(calls_of(&bob), [(call, Phase::Ringing)]);
    bob.about(call, ClientFrame::CallAccept).await.unwrap();
    let answered = |frame: &ServerFrame| match frame {
        ServerFrame::CallState(state) => (state.phase == Phase::Connecting).then_some(()),
        _ => None,
    };
    alice.expect("connecting", answered).await;
}

#[tokio::test]
async fn c6_a_device_that_does_not_come_back_in_time_is_gone() {
    let server = Server::start().await;
    let (mut alice, mut bob) = (server.client("alice", "phone").await, server.client("bob", "phone").await);
    alice.invite("bob").await.unwrap();
    bob.incoming().await;
    let limits = Limits { resume_window_s: 1, ..Limits::default() };
    let server = Server::on(server.stop().await, Config { limits, ..config() }).await;
    let mut bob = server.client("bob", "phone").await;
    assert_eq!(bob.ended().await, EndReason::Cancelled, "whoever placed it is gone");
}

#[tokio::test]
async fn c6_a_call_whose_time_is_over_at_the_start_is_recorded_once() {
    let server = Server::start().await;
    let timeouts = Timeouts { grace: Duration::from_millis(100), ..Timeouts::default() };
    answered(&server).await;
    let server = Server::on(server.stop().await, Config { timeouts, ..config() }).await;
    server.wait_for_metric("tertulia_calls_ended_total{reason=\"lost\"}", 1.0).await;
    let server = Server::on(server.stop().await, config()).await;
    let calls = history_of(&server, "bob").await.calls;
    assert_eq!(calls.iter().map(|call| call.reason).collect::<Vec<_>>(), [EndReason::Lost]);
    assert!(server.client("bob", "phone").await.welcome.unwrap().calls.is_empty());
}

/// The other server is never told to stop: what it has written is all there is.
#[tokio::test]
async fn c6_a_server_that_is_killed_has_written_what_matters_within_a_moment() {
    let server = Server::start().await;
    let (_alice, _bob, call) = answered(&server).await;
    let written = async {
        loop {
            let calls = server.directory.live_calls().await.unwrap().calls;
            if calls.iter().any(|live| live.call == call && live.image.contains("answered")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), written).await.expect("it is written without a flush");
    let copy = server.copy_folder();
    let after = Server::on(copy, config()).await;
    let bob = after.client("bob", "phone").await;
    assert_eq!(calls_of(&bob), [(call, Phase::Reconnecting)]);
}

#[tokio::test]
async fn c6_what_can_not_be_read_is_left_behind() {
    let server = Server::start().await;
    answered(&server).await;
    let left = {
        let mut calls = server.directory.live_calls().await.unwrap().calls;
        while calls.is_empty() {
            calls = server.directory.live_calls().await.unwrap().calls;
        }
        calls.remove(0)
    };
    let broken = tertulia_directory::LiveCall { image: "{}".to_owned(), ..left };
    let directory = server.directory.clone();
    server.gateway.drain(tertulia_signaling::DrainCalls::Keep).await;
    directory
        .write_calls(tertulia_common::Timestamp(1), &[tertulia_directory::CallWrite::Changed(broken)])
        .await
        .unwrap();
    let server = Server::on(server.stop().await, config()).await;
    assert!(server.client("bob", "phone").await.welcome.unwrap().calls.is_empty());
    assert!(server.directory.live_calls().await.unwrap().calls.is_empty(), "it is not read again and again");
}
