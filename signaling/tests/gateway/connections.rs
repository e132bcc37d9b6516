//! Who gets in, and how a socket ends.

use crate::support::{Client, SECRET, Server, config, keys, token};
use std::time::Duration;
use tertulia_signaling::DrainCalls;
use tertulia_signaling_proto::{Ack, Caps, ClientFrame, CloseCode, Codec, ErrorCode, Hello, ServerFrame};
use tokio_tungstenite::tungstenite::Error;

fn hello(token: String) -> Hello {
    Hello { token, device_id: None, resume: None, caps: Caps { rings: true, ..Caps::default() } }
}

fn code(close: CloseCode) -> Option<u16> {
    Some(close.code())
}

#[tokio::test]
async fn a_good_token_is_welcomed_in_both_codecs() {
    let server = Server::start().await;
    for codec in Codec::ALL {
        let mut client = Client::connect(server.address, codec).await.unwrap();
        let welcome = client.hello("alice", "phone", None).await;
        assert_eq!((welcome.user_id.as_str(), welcome.device_id.as_str()), ("alice", "phone"));
        assert!(!welcome.resumed && !welcome.demo && welcome.calls.is_empty());
        assert_eq!(welcome.limits.frame_bytes_max, 64 * 1024);
        assert_eq!(client.invite("nobody").await, Err(ErrorCode::UnknownUser));
    }
}

#[tokio::test]
async fn a_device_without_a_name_gets_one() {
    let server = Server::start().await;
    let mut first = Client::connect(server.address, Codec::Json).await.unwrap();
    let mut second = Client::connect(server.address, Codec::Json).await.unwrap();
    let first = first.hello_frame(hello(token("alice"))).await.unwrap();
    let second = second.hello_frame(hello(token("alice"))).await.unwrap();
    assert_ne!(first.device_id, second.device_id);
}

#[tokio::test]
async fn bad_tokens_are_told_apart_and_closed_for_good() {
    let server = Server::start().await;
    let alice = "alice".parse().unwrap();
    let mut stranger = tertulia_signaling::auth::Keys::default();
    stranger.insert_hs256("tests", b"not the secret, but as long as it has to be").unwrap();
    let forged = stranger.mint("tests", &alice, None, Duration::from_secs(60)).unwrap();
    let unsigned = "eyJhbGciOiJub25lIiwia2lkIjoidGVzdHMifQ.eyJzdWIiOiJhbGljZSIsImV4cCI6NDAwMDAwMDAwMH0.".to_owned();
    for bad in [forged, unsigned, "nonsense".to_owned(), String::new()] {
        let mut client = Client::connect(server.address, Codec::Json).await.unwrap();
        let refusal = client.hello_frame(hello(bad)).await.unwrap_err();
        assert_eq!(refusal, (Some(ErrorCode::TokenInvalid), code(CloseCode::Unauthenticated)));
    }
    assert!(keys().verify(&token("alice")).is_ok() && !SECRET.is_empty());
    let mut client = Client::connect(server.address, Codec::Json).await.unwrap();
    // Beyond the leeway of five seconds: minted with a time-to-live of nothing, it is over at once but still counts.
    let refusal = client.hello_frame(hello(expired())).await.unwrap_err();
    assert_eq!(refusal, (Some(ErrorCode::TokenExpired), code(CloseCode::Unauthenticated)));
}

fn expired() -> String {
    #[derive(serde::Serialize)]
    struct Claims {
        sub: &'static str,
        exp: u64,
    }
    let header = jsonwebtoken::Header { kid: Some("tests".to_owned()), ..jsonwebtoken::Header::default() };
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&header, &Claims { sub: "alice", exp: 1_000_000_000 }, &key).unwrap()
}

#[tokio::test]
async fn the_first_frame_must_be_a_hello_and_come_in_time() {
    let server = Server::with_limits(|limits| limits.hello_timeout_ms = 300).await;
    let mut silent = Client::connect(server.address, Codec::Json).await.unwrap();
    let mut hasty = Client::connect(server.address, Codec::Json).await.unwrap();
    hasty.send(&ClientFrame::Pong(Ack { received: 0 })).await;
    assert_eq!(hasty.close_code().await, code(CloseCode::HelloExpected));
    assert_eq!(silent.close_code().await, code(CloseCode::HelloExpected));
    server.wait_for_metric("tertulia_signaling_sockets", 0.0).await;
}

#[tokio::test]
async fn a_bad_frame_is_an_error_with_its_id_and_too_many_close_the_socket() {
    let server = Server::with_limits(|limits| limits.bad_frames_max = 5).await;
    let mut alice = server.client("alice", "phone").await;
    let texts =
        ["", "{}", "[1,2", r#"{"type":"call.fly","id":7}"#, r#"{"type":"call.accept","id":8,"call_id":"x"}"#, "null"];
    for (text, id) in texts.into_iter().zip([None, None, None, Some(7), Some(8), None]) {
        alice.send_text(text).await;
        match alice.next().await {
            Ok(ServerFrame::Error(refusal)) => {
                assert_eq!((refusal.error.code, refusal.id.map(|id| id.0)), (ErrorCode::BadFrame, id), "{text}");
            }
            // The sixth is one too many: its error may no longer be sent.
            other => {
                assert_eq!(other.map_err(|closed| (text, closed)), Err(("null", code(CloseCode::ProtocolViolation))))
            }
        }
    }
}

#[tokio::test]
async fn a_frame_that_is_too_large_closes_the_socket() {
    let server = Server::start().await;
    let mut alice = server.client("alice", "phone").await;
    alice.send_text(&format!("{:?}", "x".repeat(64 * 1024))).await;
    assert_eq!(alice.close_code().await, code(CloseCode::FrameTooLarge));
    server.wait_for_metric("tertulia_signaling_limit_hits_total{limit=\"frame_bytes\"}", 1.0).await;
}

#[tokio::test]
async fn who_does_not_answer_pings_is_closed_and_who_does_stays() {
    let server = Server::with_limits(|limits| limits.heartbeat_s = 1).await;
    let mut deaf = server.client("deaf", "phone").await;
    let mut alive = server.client("alive", "phone").await;
    let answering = async {
        for _ in 0..4 {
            assert!(matches!(alive.any().await, Ok(ServerFrame::Ping(_))));
            alive.confirm().await;
        }
    };
    let unanswered = async {
        let mut pings = 0;
        loop {
            match deaf.any().await {
                Ok(ServerFrame::Ping(_)) => pings += 1,
                Ok(other) => panic!("{other:?}"),
                Err(closed) => break (pings, closed),
            }
        }
    };
    let (unanswered, ()) = tokio::join!(unanswered, answering);
    assert_eq!(unanswered, (2, code(CloseCode::HeartbeatTimeout)));
    assert_eq!(alive.invite("nobody").await, Err(ErrorCode::UnknownUser));
}

#[tokio::test]
async fn another_sites_page_does_not_get_into_a_demo() {
    let demo = tertulia_signaling::Config { demo_key: Some("tests".to_owned()), ..config() };
    let server = Server::with(demo).await;
    let refused = Client::connect_with(server.address, Codec::Json, &[("origin", "https://evil.example")]).await;
    let Err(Error::Http(response)) = refused else { panic!("it must be refused") };
    assert_eq!(response.status(), 403);
    let own = format!("http://{}", server.address);
    assert!(Client::connect_with(server.address, Codec::Json, &[("origin", &own)]).await.is_ok());
}

#[tokio::test]
async fn a_socket_without_a_subprotocol_is_refused_in_words() {
    let server = Server::start().await;
    let head = "GET /v1/ws\nupgrade: websocket\nsec-websocket-version: 13\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==";
    let (status, _) = server.http(head, "").await;
    assert_eq!(status, 400, "`connection: close` is no upgrade");
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let refused = tokio_tungstenite::client_async(format!("ws://{}/v1/ws", server.address), stream).await;
    let Err(Error::Http(response)) = refused else { panic!("it must be refused") };
    let body = String::from_utf8(response.body().clone().unwrap()).unwrap();
    assert!(body.contains("bad_request") && body.contains("tertulia.v1.json"), "{body}");
}

#[tokio::test]
async fn a_drain_tells_everyone_refuses_what_is_new_and_closes() {
    let server = Server::start().await;
    let mut alice = server.client("alice", "phone").await;
    let mut bob = server.client("bob", "phone").await;
    let call = alice.invite("bob").await.unwrap();
    bob.incoming().await;
    let drained = server.gateway.drain(DrainCalls::EndAfter(Duration::from_millis(1_500)));
    let scene = async {
        let drain = |frame: &ServerFrame| {
            matches!(frame, ServerFrame::Drain(drain) if drain.deadline_ms == 1_500).then_some(())
        };
        alice.expect("drain", drain).await;
        bob.expect("drain", drain).await;
        assert_eq!(bob.invite("alice").await, Err(ErrorCode::Draining));
        let mut new = Client::connect(server.address, Codec::Json).await.unwrap();
        let refusal = new.hello_frame(hello(token("carol"))).await.unwrap_err();
        assert_eq!(refusal, (Some(ErrorCode::Draining), code(CloseCode::Draining)));
        let resume = bob.cut();
        let mut bob = Client::connect(server.address, Codec::Json).await.unwrap();
        assert!(bob.hello("bob", "phone", Some(resume)).await.resumed, "a call goes on: its device may come back");
        bob.about(call, ClientFrame::CallRinging).await.unwrap();
        assert_eq!(alice.ended().await, tertulia_signaling_proto::EndReason::Failed, "what goes on is ended");
        assert_eq!(alice.close_code().await, code(CloseCode::Draining));
        assert_eq!(bob.close_code().await, code(CloseCode::Draining));
    };
    tokio::join!(drained, scene);
    assert!(!server.gateway.is_ready());
    let refused = Client::connect(server.address, Codec::Json).await;
    let Err(Error::Http(response)) = refused else { panic!("it must be refused") };
    assert_eq!(response.status(), 503);
}
