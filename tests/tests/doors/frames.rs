//! Every frame of docs/schema/client-frame.json.

use crate::{DOCS, strangers};
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tertulia_common::{CallId, Timestamp};
use tertulia_signaling_proto::{ClientFrame, CloseCode, Codec, ErrorCode, MediaKind, ServerFrame};
use tertulia_tests::accounts::{Account, Carrier};
use tertulia_tests::scene::Call;
use tertulia_tests::token::{Claims, HS_KEY_ID, HS_SECRET, token};
use tertulia_tests::{Client, Incoming, Server, Socket};

/// The frames that are about one call, without it: refused to everyone who has no part in it.
const ABOUT_A_CALL: &[(&str, &str)] = &[
    ("call.ringing", "{}"),
    ("call.accept", "{}"),
    ("call.decline", r#"{"reason":"declined"}"#),
    ("call.cancel", "{}"),
    ("call.hangup", "{}"),
    ("call.connect", r#"{"sdp":"v=0"}"#),
    ("call.media", r#"{"mic":true,"camera":false,"screen":false}"#),
    ("call.hold", r#"{"on":true}"#),
    ("call.join", "{}"),
    ("call.leave", "{}"),
    ("call.peek", "{}"),
    ("call.add", r#"{"users":["carol"]}"#),
    ("call.admit", r#"{"user_id":"bob","admit":true}"#),
    ("call.remove", r#"{"user_id":"bob"}"#),
    ("call.hand", r#"{"raised":true}"#),
    ("call.react", r#"{"reaction":"👏"}"#),
    ("call.view", r#"{"wants":[]}"#),
];
/// The others.
const OF_ONES_OWN: &[(&str, &str)] = &[
    ("hello", r#"{"token":"x"}"#),
    ("pong", r#"{"received":0}"#),
    ("ack", r#"{"received":0}"#),
    ("call.invite", r#"{"to":{"user":"alice"},"media":"voice"}"#),
    ("probe", "{}"),
    (
        "message.send",
        r#"{"client_id":"019f5c7a-2e5d-7000-8000-00000000000a","to":{"user":"alice"},"content":{"type":"text","text":"x"}}"#,
    ),
    ("message.read", r#"{"conversation":"4f1c8e6b0a5d42c7b9d3e1f2a6c80794","read_upto":1}"#),
    ("mailbox.ack", r#"{"seq":1}"#),
    ("presence.set", r#"{"active":true}"#),
    ("presence.watch", r#"{"users":["alice"]}"#),
    ("typing", r#"{"to":{"user":"alice"},"what":"text"}"#),
];

fn every_frame() -> impl Iterator<Item = (&'static str, &'static str)> {
    ABOUT_A_CALL.iter().chain(OF_ONES_OWN).copied()
}

/// The frame as text, with this number and call; fields that it does not know are ignored.
fn frame(kind: &str, rest: &str, id: u64, call: CallId) -> anyhow::Result<ClientFrame> {
    let mut fields: Value = serde_json::from_str(rest)?;
    fields["type"] = json!(kind);
    fields["id"] = json!(id);
    fields["call_id"] = json!(call);
    serde_json::from_value(fields).with_context(|| kind.to_owned())
}

fn no_call() -> CallId {
    CallId::new(Timestamp(1), 1)
}

/// The error that comes next on a socket, and how it was closed after that.
async fn refused(socket: &mut Socket) -> anyhow::Result<(Option<ErrorCode>, Option<u16>)> {
    let mut said = None;
    loop {
        match socket.next().await? {
            Incoming::Frame(frame) => match *frame {
                ServerFrame::Error(error) => said = Some(error.error.code),
                other => bail!("{other:?}"),
            },
            Incoming::Closed(code) => return Ok((said, code)),
        }
    }
}

#[tokio::test]
async fn a3_every_frame_of_the_schema_is_tried_here() -> anyhow::Result<()> {
    let schema: Value = serde_json::from_slice(&std::fs::read(format!("{DOCS}/schema/client-frame.json"))?)?;
    let kinds = schema["oneOf"].as_array().context("a choice of frames")?.iter();
    let mut there: Vec<&str> = kinds.filter_map(|one| one["properties"]["type"]["const"].as_str()).collect();
    let mut here: Vec<&str> = every_frame().map(|(kind, _)| kind).collect();
    there.sort_unstable();
    here.sort_unstable();
    ensure!(there == here, "in the schema: {there:?}\nhere: {here:?}");
    Ok(())
}

#[tokio::test]
async fn a3_no_frame_but_hello_is_heard_first_and_hello_needs_a_token_that_counts() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = carrier.server().start().await?;
    for (kind, rest) in every_frame().filter(|(kind, _)| *kind != "hello") {
        let mut socket = Socket::open(&server, Codec::Json).await?;
        socket.send(&frame(kind, rest, 1, no_call())?).await?;
        let (said, closed) = refused(&mut socket).await.context(kind)?;
        ensure!(closed == Some(CloseCode::HelloExpected.code()), "{kind}: {closed:?}");
        ensure!(said.is_none_or(|code| code == ErrorCode::HelloExpected), "{kind}: {said:?}");
    }
    for stranger in strangers(&server, &carrier).await? {
        for codec in Codec::ALL {
            let mut socket = Socket::open(&server, codec).await?;
            socket.hello(stranger.token.as_deref().unwrap_or_default(), "phone", None).await?;
            let heard = refused(&mut socket).await.context(stranger.name)?;
            let wanted = (Some(stranger.code), Some(CloseCode::Unauthenticated.code()));
            ensure!(heard == wanted, "{}: {heard:?}", stranger.name);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a3_no_frame_about_a_call_is_taken_from_who_has_no_part_in_it() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut running = Call::accepted(&server, MediaKind::Voice).await?;
    let mut carol = Client::connect(&server, "carol").await?;
    let ringing = carol.invite("dave", MediaKind::Voice).await;
    ensure!(ringing.is_err(), "Dave is not there yet");
    let mut dave = Client::connect(&server, "dave").await?;
    let ringing = carol.invite("dave", MediaKind::Voice).await?;
    dave.incoming().await?;
    let mut mallory = Client::connect(&server, "mallory").await?;
    for call in [running.id, ringing, no_call()] {
        for (kind, rest) in ABOUT_A_CALL {
            let id = mallory.next_request();
            mallory.send(frame(kind, rest, id.0, call)?);
            let answer = mallory.answer(id).await?;
            let code = answer.err().with_context(|| format!("{kind} was taken"))?.0.code;
            ensure!(code == ErrorCode::UnknownCall, "{kind}: {code:?}");
        }
    }
    let heard = mallory.heard_so_far().await?;
    // In a demo everybody is told who is there.
    let of_calls = |frame: &&ServerFrame| !matches!(frame, ServerFrame::DemoPeople(_));
    ensure!(!heard.iter().any(|frame| of_calls(&frame)), "{heard:?}");
    // Nobody has noticed.
    for client in [&mut running.alice, &mut running.bob, &mut carol, &mut dave] {
        let heard = client.heard_so_far().await?;
        let over = |frame: &ServerFrame| matches!(frame, ServerFrame::CallEnded(_));
        ensure!(!heard.iter().any(over), "{heard:?}");
    }
    running.hang_up().await
}

#[tokio::test]
async fn a3_a_device_token_speaks_for_its_own_device_only() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = carrier.server().start().await?;
    let owner = Account::new(&server, &carrier, "Ana").await?;
    let tablet = owner.link(&server).await?;
    let mut socket = Socket::open(&server, Codec::Json).await?;
    socket.hello(&tablet.token, &owner.device, None).await?;
    let (said, closed) = refused(&mut socket).await?;
    ensure!(said == Some(ErrorCode::Forbidden) && closed.is_some(), "{said:?} {closed:?}");
    // As itself it comes in.
    let client = tablet.connect(&server).await?;
    ensure!(client.user_id().as_str() == owner.user && client.welcome().device_id.as_str() == tablet.device);
    Ok(())
}

#[tokio::test]
async fn a3_an_unlinked_device_is_cut_off_at_once_and_none_of_its_frames_is_taken() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = carrier.server().start().await?;
    let bob = Account::new(&server, &carrier, "Bob").await?;
    let _bob = bob.connect(&server).await?;
    for (kind, rest) in every_frame().filter(|(kind, _)| *kind != "hello") {
        let owner = Account::new(&server, &carrier, "Ana").await?; // the codes that one user may try are few
        let tablet = owner.link(&server).await?;
        let mut client = tablet.connect(&server).await?;
        ensure!(owner.unlink(&server, &tablet.device).await?.status == 204);
        let rest = rest.replace("alice", &bob.user);
        client.send(frame(kind, &rest, 1, no_call())?);
        let closed = client.closed().await?;
        ensure!(closed == Some(CloseCode::Revoked.code()), "{kind}: {closed:?}");
        let taken = client.left_over().iter().any(|frame| matches!(frame, ServerFrame::Ok(_)));
        ensure!(!taken, "{kind} was taken: {:?}", client.left_over());
    }
    Ok(())
}

#[tokio::test]
async fn a3_a_session_ends_with_its_token() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let short = Claims::of("alice").expiring_in(2).sign_hs(HS_KEY_ID, HS_SECRET);
    let mut alice = Client::connect_with(&server, &short, "alice", "phone", Codec::Json).await?;
    ensure!(alice.closed().await? == Some(CloseCode::Unauthenticated.code()));
    // With a new token the session goes on.
    let ticket = alice.resume_ticket();
    let mut socket = Socket::open(&server, Codec::Json).await?;
    socket.hello(&token("alice"), "phone", Some(ticket)).await?;
    match socket.next_frame().await? {
        ServerFrame::Welcome(welcome) => ensure!(welcome.resumed, "{welcome:?}"),
        other => bail!("{other:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn a4_a_deleted_account_is_out_of_its_call_and_its_devices_are_cut_off() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = carrier.server().start().await?;
    let ana = Account::new(&server, &carrier, "Ana").await?;
    let bob = Account::new(&server, &carrier, "Bob").await?;
    let (mut hers, mut his) = (ana.connect(&server).await?, bob.connect(&server).await?);
    let call = hers.invite(&bob.user, MediaKind::Voice).await?;
    his.incoming().await?;
    his.ringing(call).await??;
    his.accept(call).await??;
    ensure!(ana.delete(&server).await?.status == 204);
    ensure!(hers.closed().await? == Some(CloseCode::Revoked.code()));
    let over = |frame: &ServerFrame| matches!(frame, ServerFrame::CallEnded(e) if e.call_id == call).then_some(());
    his.expect("the end of the call", over).await?;
    let history = || async {
        let answer = server.get("/v1/calls", Some(&bob.token)).await.ok()?.json().ok()?;
        let peer = answer["calls"][0]["peer"].clone();
        (peer["deleted"] == true && peer["name"] == "Deleted account").then_some(answer)
    };
    let history = tertulia_tests::wait::eventually("Bob's history says that the account is gone", history).await?;
    ensure!(!history.to_string().contains("Ana"), "{history}");
    ensure!(!history.to_string().contains(&ana.user), "{history}");
    let answer = his.try_invite(&ana.user, MediaKind::Voice).await?;
    ensure!(answer.is_err_and(|refused| refused.0.code == ErrorCode::UnknownUser));
    Ok(())
}
