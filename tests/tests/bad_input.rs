//! Bad input at the front door: each gets its typed error or its close code, is counted, and disturbs nobody.

use anyhow::{Context, ensure};
use std::net::Ipv4Addr;
use tertulia_common::{CallId, Timestamp};
use tertulia_signaling_proto::{CallRequest, ClientFrame};
use tertulia_signaling_proto::{
    Caps, CloseCode, Codec, DeclineReason, Drained, ErrorCode, MailboxAck, MediaFlags, MediaKind, RequestId,
    ServerFrame,
};
use tertulia_tests::media::{Line, Peer};
use tertulia_tests::metrics::rises;
use tertulia_tests::scene::{Call, LiveCall};
use tertulia_tests::token::{Claims, ED_KEY_ID, ED_PUBLIC, HS_KEY_ID, HS_SECRET, token};
use tertulia_tests::{Client, Incoming, Refused, Server, Socket};
use tokio_tungstenite::tungstenite::Message;

/// Tokens that nobody may get in with, and what each hears.
fn bad_tokens() -> Vec<(&'static str, String, ErrorCode)> {
    let alice = Claims::of("alice");
    let good = token("alice");
    let (head, signature) = good.rsplit_once('.').unwrap_or_default();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let unkeyed = Claims { iss: None, ..alice.clone() };
    vec![
        ("nothing", String::new(), ErrorCode::TokenInvalid),
        ("not a token", "let me in".to_owned(), ErrorCode::TokenInvalid),
        ("too long", "x.".repeat(2_500), ErrorCode::TokenInvalid),
        ("over", alice.clone().expiring_in(-60).sign_hs(HS_KEY_ID, HS_SECRET), ErrorCode::TokenExpired),
        ("never over", Claims { exp: None, ..alice.clone() }.sign_hs(HS_KEY_ID, HS_SECRET), ErrorCode::TokenInvalid),
        ("of nobody", Claims { sub: None, ..alice.clone() }.sign_hs(HS_KEY_ID, HS_SECRET), ErrorCode::TokenInvalid),
        ("of no user", Claims::of("a b").sign_hs(HS_KEY_ID, HS_SECRET), ErrorCode::TokenInvalid),
        ("alg none", alice.unsigned(), ErrorCode::TokenInvalid),
        ("another's secret", alice.sign_hs(HS_KEY_ID, "not the secret but as long as one is"), ErrorCode::TokenInvalid),
        ("no such key", alice.sign_hs("stranger", HS_SECRET), ErrorCode::TokenInvalid),
        ("no key named, another's secret", unkeyed.sign_hs("stranger", HS_SECRET), ErrorCode::TokenInvalid),
        ("the public key as a secret", alice.sign_hs(ED_KEY_ID, ED_PUBLIC), ErrorCode::TokenInvalid),
        ("a changed signature", format!("{head}.{flipped}{}", &signature[1..]), ErrorCode::TokenInvalid),
        ("no signature", format!("{head}."), ErrorCode::TokenInvalid),
    ]
}

#[tokio::test]
async fn a2_a_bad_token_opens_neither_socket_nor_history() -> anyhow::Result<()> {
    let server = Server::start().await?;
    for (name, token, code) in bad_tokens() {
        let before = server.metrics().await?.sum("tertulia_signaling_errors", &[]);
        let mut socket = Socket::open(&server, Codec::Json).await?;
        socket.hello(&token, "phone", None).await?;
        let closed = loop {
            match socket.next().await? {
                Incoming::Frame(frame) => match *frame {
                    ServerFrame::Error(error) => ensure!(error.error.code == code, "{name}: {error:?}"),
                    other => anyhow::bail!("{name}: {other:?}"),
                },
                Incoming::Closed(code) => break code,
            }
        };
        ensure!(closed == Some(CloseCode::Unauthenticated.code()), "{name}: closed with {closed:?}");
        let answer = server.get("/v1/calls", Some(&token)).await?;
        ensure!(answer.status == 401, "{name}: {answer:?}");
        let said = answer.json()?["error"]["code"].clone();
        ensure!(said == serde_json::json!(code), "{name}: {said}");
        rises(&server, "tertulia_signaling_errors", &[], before).await?;
    }
    ensure!(server.get("/v1/calls", None).await?.status == 401);
    let log = server.log();
    ensure!(!log.contains("let me in") && !log.contains(HS_SECRET), "a token or secret in the log");
    Ok(())
}

/// Frames that are none, in either codec.
fn bad_frames() -> Vec<Message> {
    let texts = [
        "",
        "{",
        "null",
        "[]",
        "42",
        "\"hello\"",
        r#"{"type":"no.such"}"#,
        r#"{"type":"call.invite"}"#,
        r#"{"type":"call.invite","id":-1,"to":{"user":"bob"},"media":"voice"}"#,
        r#"{"type":"call.invite","id":1,"to":{"user":"b b"},"media":"voice"}"#,
        r#"{"type":"call.accept","id":1,"call_id":"nonsense"}"#,
        r#"{"type":"welcome"}"#,
    ];
    let mut frames: Vec<Message> = texts.into_iter().map(Message::text).collect();
    frames.push(Message::text("[".repeat(20_000)));
    frames
}

#[tokio::test]
async fn what_is_no_frame_is_an_error_and_the_socket_stays() -> anyhow::Result<()> {
    let server = Server::builder().set("signaling.bad_frames_max", 100).start().await?;
    let mut live = LiveCall::start(&server).await?;
    let mut binary: Vec<Message> =
        [&b""[..], &[0xc1], &[0xff; 40], &[0x81, 0xa4], &[0xdf, 0xff, 0xff, 0xff, 0xff], &[0x91; 5_000]]
            .into_iter()
            .map(Message::binary)
            .collect();
    binary.push(Message::text("text where binary belongs"));
    let mut compact = binary.clone();
    compact.extend(
        [&[0x81, 0, 0x7f][..], &[0x81, 0xcc, 0xff, 0xc0], &[0x82, 0, 23]].map(|bytes| Message::binary(bytes.to_vec())),
    );
    let mut text = bad_frames();
    text.push(Message::binary(vec![0x80]));
    for (codec, frames) in [(Codec::Json, text), (Codec::Msgpack, binary), (Codec::Compact, compact)] {
        let mut socket = Socket::open(&server, codec).await?;
        socket.hello(&token("mallory"), "phone", None).await?;
        ensure!(matches!(socket.next_frame().await?, ServerFrame::Welcome(_)));
        let before = server.metrics().await?.sum("tertulia_signaling_errors", &["code=\"bad_frame\""]);
        for message in frames {
            let shown = format!("{message:?}").chars().take(80).collect::<String>();
            socket.send_raw(message).await?;
            match socket.next_frame().await? {
                ServerFrame::Error(error) => ensure!(error.error.code == ErrorCode::BadFrame, "{shown}: {error:?}"),
                other => anyhow::bail!("{shown}: {other:?}"),
            }
        }
        rises(&server, "tertulia_signaling_errors", &["code=\"bad_frame\""], before).await?;
        // It still understands a frame.
        let call_id = CallId::new(Timestamp(0), 1);
        socket.send(&ClientFrame::CallAccept(CallRequest { id: RequestId(1), call_id })).await?;
        match socket.next_frame().await? {
            ServerFrame::Error(error) => ensure!(error.error.code == ErrorCode::UnknownCall, "{error:?}"),
            other => anyhow::bail!("{other:?}"),
        }
    }
    live.undisturbed().await
}

#[tokio::test]
async fn too_many_bad_frames_close_the_socket() -> anyhow::Result<()> {
    let server = Server::builder().set("signaling.bad_frames_max", 5).start().await?;
    let mut socket = Socket::open(&server, Codec::Json).await?;
    socket.hello(&token("mallory"), "phone", None).await?;
    for _ in 0..20 {
        // It may be closed before the last of them.
        socket.send_text("{").await.ok();
    }
    ensure!(socket.closed().await? == Some(CloseCode::ProtocolViolation.code()));
    rises(&server, "tertulia_signaling_limit_hits", &["bad_frames"], 0.0).await
}

#[tokio::test]
async fn a_huge_frame_closes_the_socket_and_a_huge_body_is_refused() -> anyhow::Result<()> {
    let server = Server::start().await?;
    for bytes in [70_000, 1_000_000, 5_000_000] {
        let mut socket = Socket::open(&server, Codec::Json).await?;
        socket.hello(&token("mallory"), "phone", None).await?;
        let max = match socket.next_frame().await? {
            ServerFrame::Welcome(welcome) => welcome.limits.frame_bytes_max,
            other => anyhow::bail!("{other:?}"),
        };
        ensure!(bytes > max, "{bytes} is not above {max}");
        // The server may close before it has read it all.
        socket.send_text(&format!("{{\"type\":\"{}\"}}", "x".repeat(bytes as usize))).await.ok();
        let closed = socket.closed().await?;
        // A close frame can be lost where the server resets a connection it has not read to the end.
        ensure!(closed.is_none() || closed == Some(CloseCode::FrameTooLarge.code()), "{bytes}: {closed:?}");
    }
    rises(&server, "tertulia_signaling_limit_hits", &["frame_bytes"], 0.0).await?;
    let body = format!(r#"{{"name":"{}"}}"#, "x".repeat(200_000));
    let answer = server.post("/v1/demo/sign-in", None, &body).await?;
    ensure!(answer.status == 413 && answer.json()?["error"]["code"] == "too_large", "{answer:?}");
    Ok(())
}

/// Offers that can't be used.
fn bad_offers(good: &str) -> Vec<(&'static str, String)> {
    let without = |prefix: &str| {
        let kept = good.lines().filter(|line| !line.starts_with(prefix));
        kept.map(|line| format!("{line}\r\n")).collect::<String>()
    };
    let session: String = good.split_inclusive("\r\n").take_while(|line| !line.starts_with("m=")).collect();
    let media = good.strip_prefix(session.as_str()).unwrap_or_default();
    let sctp =
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sctp-port:5000\r\n";
    vec![
        ("empty", String::new()),
        ("not SDP", "hello".to_owned()),
        ("a version and nothing else", "v=0\r\n".to_owned()),
        ("binary", "\u{0}\u{1}\u{7f}\u{80}\u{fffd}".repeat(100)),
        ("cut off", good.chars().take(300).collect()),
        ("no fingerprint", without("a=fingerprint")),
        ("no ICE user name", without("a=ice-ufrag")),
        ("no ICE password", without("a=ice-pwd")),
        ("data channel only", format!("{session}{sctp}")),
        ("no media", session.clone()),
        (
            "a hundred times the lines",
            format!("{session}{}", media.repeat(100).chars().take(45_000).collect::<String>()),
        ),
        ("too long", format!("{good}a=x:{}\r\n", "y".repeat(50_000))),
        ("an absurd number", good.replace("m=audio 9", "m=audio 99999999999999999999")),
    ]
}

#[tokio::test]
async fn an_offer_that_cannot_be_used_is_refused_and_the_call_goes_on() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    let (_, good) = Peer::offer(Ipv4Addr::LOCALHOST.into(), Line::CALL)?;
    // In a call that has media, where they would replace what works.
    for (name, offer) in bad_offers(&good) {
        let answer = live.call.alice.try_media_connect(live.call.id, offer).await?;
        let Err(Refused(body)) = answer else { anyhow::bail!("{name}: taken") };
        ensure!(matches!(body.code, ErrorCode::SdpInvalid | ErrorCode::TooLarge), "{name}: {body:?}");
    }
    live.undisturbed().await?;
    live.call.hang_up().await?;
    // And in one that has none yet, where a good one still works afterwards.
    let call = live.call.alice.invite("bob", MediaKind::Voice).await?;
    live.call.bob.incoming().await?;
    for (name, offer) in bad_offers(&good) {
        let answer = live.call.alice.try_media_connect(call, offer).await?;
        let Err(Refused(body)) = answer else { anyhow::bail!("{name}: taken") };
        ensure!(matches!(body.code, ErrorCode::SdpInvalid | ErrorCode::TooLarge), "{name}: {body:?}");
    }
    live.call.alice.media_connect(call, good).await?;
    Ok(())
}

/// Every request that names a call, and how one was refused that ought to be.
async fn try_everything(client: &mut Client, call: CallId) -> anyhow::Result<()> {
    let (_, offer) = Peer::offer(Ipv4Addr::LOCALHOST.into(), Line::CALL)?;
    let flags = MediaFlags { mic: true, camera: true, screen: true };
    let answers = [
        ("ringing", client.ringing(call).await?),
        ("accept", client.accept(call).await?),
        ("decline", client.decline(call, DeclineReason::Declined).await?),
        ("busy", client.decline(call, DeclineReason::Busy).await?),
        ("cancel", client.cancel(call).await?),
        ("hangup", client.hangup(call).await?),
        ("media", client.media(call, flags).await?),
        ("connect", client.try_media_connect(call, offer).await?),
    ];
    for (name, answer) in answers {
        let Err(Refused(body)) = answer else { anyhow::bail!("{name} was taken from a stranger") };
        ensure!(body.code == ErrorCode::UnknownCall, "{name}: {body:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_stranger_is_refused_by_every_request_about_a_call() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    let mut mallory = Client::connect(&server, "mallory").await?;
    try_everything(&mut mallory, live.call.id).await.context("someone else's call")?;
    try_everything(&mut mallory, CallId::new(Timestamp(1), 1)).await.context("no call at all")?;
    live.undisturbed().await?;
    // While it rings, too.
    let mut carol = Client::connect(&server, "carol").await?;
    let call = carol.invite("mallory", MediaKind::Voice).await?;
    mallory.incoming().await?;
    let mut eve = Client::connect(&server, "eve").await?;
    try_everything(&mut eve, call).await.context("a call that rings elsewhere")?;
    // The callee's own other user name is no help: a device of the same name, of another user.
    ensure!(mallory.ringing(call).await?.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_flood_of_requests_is_answered_with_rate_limited_and_then_closed() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut live = LiveCall::start(&server).await?;
    let mut mallory = Client::connect(&server, "mallory").await?;
    let call_id = CallId::new(Timestamp(1), 1);
    let limits = mallory.welcome().limits;
    let first = mallory.next_request();
    mallory.send(ClientFrame::CallAccept(CallRequest { id: first, call_id }));
    for _ in 0..limits.requests_burst + 500 {
        let id = mallory.next_request();
        mallory.send(ClientFrame::CallAccept(CallRequest { id, call_id }));
    }
    let limited = |frame: &ServerFrame| match frame {
        ServerFrame::Error(e) if e.error.code == ErrorCode::RateLimited => Some(e.error.clone()),
        _ => None,
    };
    let error = mallory.expect("rate_limited", limited).await?;
    ensure!(error.retry_after_ms.is_some(), "when to ask again: {error:?}");
    ensure!(mallory.closed().await? == Some(CloseCode::RateLimited.code()));
    rises(&server, "tertulia_signaling_limit_hits", &["requests"], 0.0).await?;
    live.undisturbed().await
}

#[tokio::test]
async fn invites_are_limited_by_user_not_by_socket() -> anyhow::Result<()> {
    let server = Server::builder().set("signaling.invites_burst", 3).start().await?;
    drop(Client::connect(&server, "bob").await?);
    let mut refused = None;
    for device in ["one", "two"] {
        let mut alice = Client::connect_as(&server, "alice", device, Codec::Json).await?;
        for _ in 0..3 {
            match alice.try_invite("bob", MediaKind::Voice).await? {
                Ok(ok) => alice.cancel(ok.call_id.context("a call id")?).await??,
                Err(Refused(body)) => {
                    refused = Some(body);
                    break;
                }
            };
        }
    }
    let refused = refused.context("six invites at once were taken")?;
    ensure!(refused.code == ErrorCode::RateLimited && refused.retry_after_ms.is_some(), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn request_ids_must_rise() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let Call { mut alice, bob: _bob, id: call_id } = Call::ringing(&server, MediaKind::Voice).await?;
    for id in [RequestId(0), RequestId(1)] {
        alice.send(ClientFrame::CallAccept(CallRequest { id, call_id }));
        let Err(Refused(body)) = alice.answer(id).await? else { anyhow::bail!("{id:?} was taken") };
        ensure!(body.code == ErrorCode::RequestIdNotRising, "{body:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_subprotocol_that_is_not_spoken_is_refused() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let answer = server.get("/v1/ws", None).await?;
    ensure!((400..500).contains(&answer.status), "no upgrade: {answer:?}");
    for path in ["/v1/nowhere", "/v1/calls/../../etc/passwd", "/v1/calls?limit=0&before=nonsense"] {
        let answer = server.get(path, Some(&token("alice"))).await?;
        ensure!((400..500).contains(&answer.status), "{path}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn m3_who_acknowledges_a_mailbox_can_not_have_received_more_frames_than_there_were() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut socket = Socket::open(&server, Codec::Compact).await?;
    let caps = Caps { rings: false, call_waiting: false, messages: true };
    socket.hello_as(&token("mallory"), "phone", None, caps).await?;
    ensure!(matches!(socket.next_frame().await?, ServerFrame::Welcome(_)));
    let ServerFrame::Drained(Drained { seq }) = socket.next_frame().await? else { anyhow::bail!("not drained") };
    for (received, is_bad) in
        [(Some(1), false), (None, false), (Some(2), true), (Some(u64::MAX), true), (Some(2), false)]
    {
        socket.send(&ClientFrame::MailboxAck(MailboxAck { seq, received })).await?;
        if is_bad {
            match socket.next_frame().await? {
                ServerFrame::Error(error) => ensure!(error.error.code == ErrorCode::BadFrame, "{error:?}"),
                other => anyhow::bail!("{other:?}"),
            }
        }
    }
    Ok(())
}
