//! Sessions that outlive their sockets: nothing is lost, nothing happens twice.

use crate::support::{Client, Server, device};
use tertulia_signaling_proto::{
    Ack, CallRequest, ClientFrame, CloseCode, Codec, EndReason, ErrorCode, Phase, RequestId, Resume, ServerFrame,
};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as WsCode;

async fn back(server: &Server, user: &str, resume: Resume) -> (Client, tertulia_signaling_proto::Welcome) {
    let mut client = Client::connect(server.address, Codec::Json).await.unwrap();
    let welcome = client.hello(user, "phone", Some(resume)).await;
    (client, welcome)
}

#[tokio::test]
async fn a_resumed_session_gets_what_it_missed_in_order_and_once() {
    let server = Server::start().await;
    let mut alice = server.client("alice", "phone").await;
    let bob = server.client("bob", "phone").await;
    let resume = bob.cut();
    server.wait_for_metric("tertulia_signaling_sockets", 1.0).await;

    let call = alice.invite("bob").await.unwrap();
    alice.about(call, ClientFrame::CallCancel).await.unwrap();
    server.wait_for_metric("tertulia_signaling_queue_frames", 3.0).await;
    let (mut bob, welcome) = back(&server, "bob", resume).await;
    assert!(welcome.resumed);
    let first = bob.next().await.unwrap();
    assert!(matches!(&first, ServerFrame::CallIncoming(incoming) if incoming.call_id == call), "{first:?}");
    assert_eq!(bob.ended().await, EndReason::Cancelled);
    let missed =
        |frame: &ServerFrame| matches!(frame, ServerFrame::CallMissed(missed) if missed.call_id == call).then_some(());
    bob.expect("call.missed", missed).await;

    let received = bob.received;
    let (mut bob, welcome) = back(&server, "bob", bob.cut()).await;
    assert!(welcome.resumed && received == bob.received);
    assert_eq!(bob.invite("nobody").await, Err(ErrorCode::UnknownUser), "the next frame is the answer to this");
    assert!(bob.unasked().is_empty(), "{:?}", bob.unasked());
}

#[tokio::test]
async fn an_answer_that_was_lost_with_the_socket_comes_again_and_the_request_is_not_run_twice() {
    let server = Server::start().await;
    let mut alice = server.client("alice", "phone").await;
    let mut bob = server.client("bob", "phone").await;
    let before = alice.resume();
    let call = alice.invite("bob").await.unwrap();
    drop(alice);

    // As if the answer had never arrived: the client resumes with the count from before it.
    let (mut alice, welcome) = back(&server, "alice", before).await;
    assert!(welcome.resumed);
    assert_eq!(welcome.last_request, RequestId(1));
    let answer = alice.answer(RequestId(1)).await.unwrap();
    assert_eq!(answer.call_id, Some(call));
    // A client that asks again all the same is told so, and no second call rings.
    let again = CallRequest { id: RequestId(1), call_id: call };
    alice.send(&ClientFrame::CallCancel(again)).await;
    assert_eq!(alice.answer(RequestId(1)).await.unwrap_err().code, ErrorCode::RequestIdNotRising);
    assert_eq!(bob.incoming().await, call);
    assert_eq!(bob.invite("nobody").await, Err(ErrorCode::UnknownUser));
    assert!(bob.unasked().is_empty(), "{:?}", bob.unasked());
    assert!((server.metric("tertulia_calls_placed_total") - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_wrong_secret_or_another_user_starts_anew() {
    let server = Server::start().await;
    let good = server.client("alice", "phone").await.cut();
    let wrong = Resume { secret: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(), ..good.clone() };
    for secret in [wrong.secret.as_str(), "", "not base64!"] {
        let (_client, welcome) = back(&server, "alice", Resume { secret: secret.to_owned(), ..good.clone() }).await;
        assert!(!welcome.resumed && welcome.session != good.session);
    }
    let other = server.client("alice", "tablet").await.cut();
    let mut mallory = Client::connect(server.address, Codec::Json).await.unwrap();
    let welcome = mallory.hello("mallory", "tablet", Some(other.clone())).await;
    assert!(!welcome.resumed && welcome.user_id.as_str() == "mallory");
    let mut msgpack = Client::connect(server.address, Codec::Msgpack).await.unwrap();
    assert!(!msgpack.hello("alice", "laptop", Some(other)).await.resumed, "another codec, another device");
}

#[tokio::test]
async fn a_session_that_is_not_resumed_in_time_is_over_and_its_calls_with_it() {
    let server = Server::with_limits(|limits| limits.resume_window_s = 1).await;
    let mut alice = server.client("alice", "phone").await;
    let mut bob = server.client("bob", "phone").await;
    alice.invite("bob").await.unwrap();
    bob.incoming().await;
    let resume = alice.cut();
    assert_eq!(bob.ended().await, EndReason::Cancelled, "whoever placed it is gone");
    let (_alice, welcome) = back(&server, "alice", resume).await;
    assert!(!welcome.resumed);
}

#[tokio::test]
async fn a_client_that_says_goodbye_is_gone_at_once() {
    let server = Server::start().await;
    let mut alice = server.client("alice", "phone").await;
    let resume = alice.resume();
    alice.ws.close(Some(CloseFrame { code: WsCode::Normal, reason: "".into() })).await.unwrap();
    assert_eq!(alice.close_code().await, Some(1000));
    server.wait_for_metric("tertulia_signaling_sessions", 0.0).await;
    assert!(!back(&server, "alice", resume).await.1.resumed);
}

#[tokio::test]
async fn a_new_session_of_a_device_displaces_the_old_one_and_takes_its_calls() {
    let server = Server::start().await;
    let mut alice = server.client("alice", "phone").await;
    let mut old = server.client("bob", "phone").await;
    let call = alice.invite("bob").await.unwrap();
    assert_eq!(old.incoming().await, call);
    let mut new = Client::connect(server.address, Codec::Json).await.unwrap();
    let welcome = new.hello("bob", "phone", None).await;
    assert!(welcome.calls.iter().any(|snapshot| snapshot.call_id == call && !snapshot.outgoing));
    assert!(matches!(old.next().await, Ok(ServerFrame::Displaced(_))));
    assert_eq!(old.close_code().await, Some(CloseCode::Displaced.code()));
    new.about(call, ClientFrame::CallAccept).await.unwrap();
    let roster = alice.expect("call.roster", |frame| match frame {
        ServerFrame::CallRoster(roster) => Some(roster.clone()),
        _ => None,
    });
    let devices: Vec<_> = roster.await.participants.into_iter().map(|entry| entry.participant.device_id).collect();
    assert_eq!(devices, [device("phone"), device("phone")]);
    assert!((server.metric("tertulia_signaling_sessions") - 2.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_page_that_reloads_during_a_call_finds_it_and_can_end_it() {
    let server = Server::start().await;
    let mut alice = server.client("alice", "phone").await;
    let mut bob = server.client("bob", "phone").await;
    let call = alice.invite("bob").await.unwrap();
    bob.incoming().await;
    bob.about(call, ClientFrame::CallAccept).await.unwrap();
    drop(bob);
    let mut bob = server.client("bob", "phone").await;
    let calls = &bob.welcome.as_ref().unwrap().calls;
    assert_eq!(calls.iter().map(|call| (call.call_id, call.phase)).collect::<Vec<_>>(), [(call, Phase::Connecting)]);
    assert_eq!(calls[0].peer.name, "alice");
    let roster = |frame: &ServerFrame| match frame {
        ServerFrame::CallRoster(roster) => Some(roster.participants.len()),
        _ => None,
    };
    assert_eq!(bob.expect("call.roster", roster).await, 2);
    bob.about(call, ClientFrame::CallHangup).await.unwrap();
    assert_eq!(alice.ended().await, EndReason::Hangup);
}

#[tokio::test]
async fn acknowledged_frames_are_not_replayed_and_an_impossible_acknowledgement_is_an_error() {
    let server = Server::start().await;
    let mut alice = server.client("alice", "phone").await;
    assert_eq!(alice.invite("nobody").await, Err(ErrorCode::UnknownUser));
    alice.send(&ClientFrame::Ack(Ack { received: 1 })).await;
    alice.send(&ClientFrame::Ack(Ack { received: 99 })).await;
    assert!(matches!(alice.next().await, Ok(ServerFrame::Error(refusal)) if refusal.error.code == ErrorCode::BadFrame));
    let stale = Resume { received: 0, ..alice.cut() };
    assert!(!back(&server, "alice", stale).await.1.resumed, "what was acknowledged is gone");
}
