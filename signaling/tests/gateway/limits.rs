//! What one client may take: beyond it comes a typed error, or a close with a reason.

use crate::support::{Client, Server, token};
use futures_util::SinkExt;
use tertulia_signaling_proto::{
    CallInvite, CallRequest, Caps, ClientFrame, CloseCode, Codec, ErrorCode, Hello, MediaKind, RequestId, ServerFrame,
    Target,
};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::{Error, Message};

fn ringing(id: u64) -> ClientFrame {
    let call_id = tertulia_common::CallId::new(tertulia_common::Timestamp(1), 1);
    ClientFrame::CallRinging(CallRequest { id: RequestId(id), call_id })
}

#[tokio::test]
async fn too_many_requests_are_refused_with_a_time_to_wait_and_then_closed() {
    let server = Server::with_limits(|limits| {
        (limits.requests_per_s, limits.requests_burst, limits.rate_limited_max) = (1, 5, 10);
    })
    .await;
    let mut alice = server.client("alice", "phone").await;
    for id in 1..=40 {
        let text = String::from_utf8(Codec::Json.encode_client(&ringing(id))).unwrap();
        // The server may have closed the socket before the last are sent.
        alice.ws.send(Message::text(text)).await.ok();
    }
    let (mut unknown, mut limited) = (0, 0);
    let closed = loop {
        match alice.next().await {
            Ok(ServerFrame::Error(refusal)) if refusal.error.code == ErrorCode::RateLimited => {
                assert!(refusal.error.retry_after_ms.is_some_and(|ms| (1..=1_000).contains(&ms)));
                limited += 1;
            }
            Ok(ServerFrame::Error(refusal)) if refusal.error.code == ErrorCode::UnknownCall => unknown += 1,
            Ok(other) => panic!("{other:?}"),
            Err(code) => break code,
        }
    };
    assert_eq!(closed, Some(CloseCode::RateLimited.code()));
    assert!((5..=7).contains(&unknown), "{unknown} were let through");
    assert!(limited <= 12, "{limited} were refused in words");
}

#[tokio::test]
async fn a_person_who_calls_and_calls_is_slowed_down_on_all_devices() {
    let server = Server::with_limits(|limits| (limits.invites_per_minute, limits.invites_burst) = (1, 2)).await;
    let (mut phone, mut tablet) = (server.client("alice", "phone").await, server.client("alice", "tablet").await);
    let outcomes =
        [phone.invite("x").await, tablet.invite("x").await, phone.invite("x").await, tablet.invite("x").await];
    let [unknown, limited] = [ErrorCode::UnknownUser, ErrorCode::RateLimited];
    assert_eq!(outcomes, [Err(unknown), Err(unknown), Err(limited), Err(limited)]);
    assert_eq!(server.client("bob", "phone").await.invite("x").await, Err(unknown), "another person is not");
}

#[tokio::test]
async fn a_person_who_rings_the_same_one_again_and_again_is_slowed_down_for_that_one() {
    let server = Server::with_limits(|limits| (limits.rings_per_minute, limits.rings_burst) = (1, 2)).await;
    let mut alice = server.client("alice", "phone").await;
    let [unknown, limited] = [ErrorCode::UnknownUser, ErrorCode::RateLimited];
    let outcomes = [alice.invite("x").await, alice.invite("x").await, alice.invite("x").await, alice.invite("y").await];
    assert_eq!(outcomes, [Err(unknown), Err(unknown), Err(limited), Err(unknown)]);
    assert_eq!(server.client("bob", "phone").await.invite("x").await, Err(unknown), "another person is not");
    assert!(
        (server.metric("tertulia_signaling_limit_hits_total{limit=\"rings_per_pair\"}") - 1.0).abs() < f64::EPSILON
    );
}

#[tokio::test]
async fn an_answered_request_is_no_longer_outstanding() {
    let server = Server::with_limits(|limits| limits.outstanding_max = 1).await;
    let mut alice = server.client("alice", "phone").await;
    for _ in 0..3 {
        assert_eq!(alice.invite("nobody").await, Err(ErrorCode::UnknownUser));
    }
    let to = || Target::User("nobody".parse().unwrap());
    let ids = [alice.next_id(), alice.next_id(), alice.next_id()];
    for id in ids {
        let text =
            Codec::Json.encode_client(&ClientFrame::CallInvite(CallInvite { id, to: to(), media: MediaKind::Voice }));
        alice.ws.feed(Message::text(String::from_utf8(text).unwrap())).await.unwrap();
    }
    alice.ws.flush().await.unwrap();
    let mut answers = Vec::new();
    for id in ids {
        answers.push(alice.answer(id).await.unwrap_err().code);
    }
    // Together they reach the server in one piece, and the directory is not that quick.
    assert_eq!(answers[0], ErrorCode::UnknownUser);
    assert!(answers.contains(&ErrorCode::TooManyOutstanding), "{answers:?}");
}

#[tokio::test]
async fn a_slow_reader_is_closed_with_a_reason_and_may_resume() {
    let server = Server::with_limits(|limits| {
        (limits.requests_per_s, limits.requests_burst) = (1_000_000, 1_000_000);
        limits.write_timeout_ms = 300;
    })
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let mut alice = Client::over(stream, server.address, Codec::Json, &[]).await.unwrap();
    alice.hello("alice", "phone", None).await;
    // It asks and asks, and reads no answer. The server stops reading before it holds more than its limits.
    let flood = async {
        for id in 1.. {
            let text = String::from_utf8(Codec::Json.encode_client(&ringing(id))).unwrap();
            // Once the server has closed, nothing can be sent any longer.
            alice.ws.send(Message::text(text)).await.ok();
        }
    };
    let closed = server.wait_for_metric("tertulia_signaling_sockets_closed_total{reason=\"slow_reader\"}", 1.0);
    tokio::select! { () = flood => panic!("it has no end"), () = closed => {} }
    assert_eq!(alice.close_code().await, Some(CloseCode::SlowReader.code()), "it reads at last, and finds out why");
    let resume = alice.cut();
    let mut alice = Client::connect(server.address, Codec::Json).await.unwrap();
    assert!(alice.hello("alice", "phone", Some(resume)).await.resumed);
}

#[tokio::test]
async fn sockets_of_one_address_are_bounded_and_their_places_come_back() {
    let server = Server::with_limits(|limits| limits.sockets_per_address_max = 2).await;
    let first = Client::connect(server.address, Codec::Json).await.unwrap();
    let _second = Client::connect(server.address, Codec::Json).await.unwrap();
    let Err(Error::Http(response)) = Client::connect(server.address, Codec::Json).await else {
        panic!("a third got in")
    };
    assert_eq!(response.status(), 429);
    drop(first);
    server.wait_for_metric("tertulia_signaling_sockets", 1.0).await;
    assert!(Client::connect(server.address, Codec::Json).await.is_ok());
}

#[tokio::test]
async fn devices_of_one_user_are_bounded_and_the_longest_idle_one_makes_room() {
    let server = Server::with_limits(|limits| limits.devices_per_user_max = 2).await;
    let first = server.client("alice", "1").await;
    let _second = server.client("alice", "2").await;
    let third = async || {
        let mut client = Client::connect(server.address, Codec::Json).await.unwrap();
        let caps = Caps { rings: true, ..Caps::default() };
        client.hello_frame(Hello { token: token("alice"), device_id: None, resume: None, caps }).await
    };
    assert_eq!(third().await, Err((Some(ErrorCode::TooManyConnections), Some(CloseCode::Busy.code()))));
    drop(first);
    server.wait_for_metric("tertulia_signaling_sessions_connected", 1.0).await;
    assert!(third().await.is_ok());
    assert!((server.metric("tertulia_signaling_sessions") - 2.0).abs() < f64::EPSILON);
}
