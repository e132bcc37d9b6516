//! Sessions: a lost socket loses nothing, a session is its device's alone, and the server goes when it is told to.

use anyhow::ensure;
use std::time::{Duration, Instant};
use tertulia_signaling_proto::{
    CallInvite, CallRequest, ClientFrame, CloseCode, Codec, EndReason, ErrorCode, MediaKind, Phase, RequestId, Resume,
    ServerFrame, Target,
};
use tertulia_tests::scene::Call;
use tertulia_tests::token::{Claims, named_token, token};
use tertulia_tests::{Client, Incoming, Refused, Server, Socket};

#[tokio::test]
async fn a_lost_socket_resumes_with_what_it_missed() -> anyhow::Result<()> {
    let server = Server::start().await?;
    for codec in Codec::ALL {
        let mut bob = Client::connect_as(&server, "bob", "phone", codec).await?;
        let mut alice = Client::connect(&server, "alice").await?;
        let first = alice.invite("bob", MediaKind::Voice).await?;
        bob.incoming().await?;
        bob.lose_socket().await;
        alice.cancel(first).await??;
        alice.ended(first, EndReason::Cancelled).await?;
        let second = alice.invite("bob", MediaKind::Voice).await?;
        ensure!(bob.resume(&server).await?, "the session is still there");
        bob.ended(first, EndReason::Cancelled).await?;
        ensure!(bob.incoming().await?.call_id == second);
        bob.ringing(second).await??;
        alice.phase(second, Phase::Ringing).await?;
        alice.cancel(second).await??;
    }
    Ok(())
}

#[tokio::test]
async fn a_call_survives_the_loss_of_both_sockets() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut call = Call::accepted(&server, MediaKind::Voice).await?;
    call.alice.lose_socket().await;
    call.bob.lose_socket().await;
    ensure!(call.bob.resume(&server).await? && call.alice.resume(&server).await?);
    let there: Vec<_> = call.bob.welcome().calls.iter().map(|c| (c.call_id, c.phase, c.outgoing)).collect();
    ensure!(there == [(call.id, Phase::Connecting, false)], "{there:?}");
    call.hang_up().await
}

#[tokio::test]
async fn a_request_sent_again_after_a_resume_happens_once() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut bob = Client::connect(&server, "bob").await?;
    let mut alice = Client::connect(&server, "alice").await?;
    let call = alice.invite("bob", MediaKind::Voice).await?;
    alice.lose_socket().await;
    ensure!(alice.resume(&server).await?);
    ensure!(alice.welcome().last_request == RequestId(1), "{:?}", alice.welcome().last_request);
    // The invite once more, with its old id: it must not call again.
    let to = Target::User("bob".parse()?);
    alice.send(ClientFrame::CallInvite(CallInvite { id: RequestId(1), to, media: MediaKind::Voice }));
    let answer = alice.answer(RequestId(1)).await?;
    match answer {
        Ok(ok) => ensure!(ok.call_id == Some(call)),
        Err(Refused(body)) => ensure!(body.code == ErrorCode::RequestIdNotRising, "{body:?}"),
    }
    bob.incoming().await?;
    let heard = bob.heard_so_far().await?;
    ensure!(!heard.iter().any(|f| matches!(f, ServerFrame::CallIncoming(_))), "it rang twice: {heard:?}");
    Ok(())
}

#[tokio::test]
async fn a_session_can_be_resumed_only_with_its_secret_and_by_its_user() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = Client::connect(&server, "alice").await?;
    let good = alice.resume_ticket();
    let guesses = [
        ("alice", "spare", Resume { secret: "a guess".to_owned(), ..good.clone() }),
        ("alice", "spare", Resume { secret: String::new(), ..good.clone() }),
        ("mallory", "phone", good.clone()),
        ("mallory", "phone", Resume { received: u64::MAX, ..good.clone() }),
    ];
    for (user, device, resume) in guesses {
        let mut socket = Socket::open(&server, Codec::Json).await?;
        socket.hello(&token(user), device, Some(resume)).await?;
        match socket.next_frame().await? {
            ServerFrame::Welcome(welcome) => {
                ensure!(!welcome.resumed && welcome.session != good.session, "{user} got {welcome:?}");
                ensure!(welcome.user_id.as_str() == user);
            }
            other => ensure!(matches!(other, ServerFrame::Error(_)), "{other:?}"),
        }
    }
    let heard = alice.heard_so_far().await?;
    ensure!(heard.is_empty(), "Alice's session was touched: {heard:?}");
    Ok(())
}

#[tokio::test]
async fn a_claim_to_have_received_more_than_was_sent_resumes_nothing() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = Client::connect(&server, "alice").await?;
    let resume = Resume { received: 1_000_000, ..alice.resume_ticket() };
    alice.lose_socket().await;
    let mut socket = Socket::open(&server, Codec::Json).await?;
    socket.hello(&token("alice"), "phone", Some(resume)).await?;
    match socket.next_frame().await? {
        ServerFrame::Welcome(welcome) => ensure!(!welcome.resumed),
        other => ensure!(matches!(other, ServerFrame::Error(_)), "{other:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn a_second_socket_of_a_device_displaces_the_first() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut first = Client::connect(&server, "alice").await?;
    let mut second = Client::connect(&server, "alice").await?;
    let displaced = |f: &ServerFrame| matches!(f, ServerFrame::Displaced(_)).then_some(());
    first.expect("displaced", displaced).await?;
    ensure!(first.closed().await? == Some(CloseCode::Displaced.code()));
    ensure!(second.heard_so_far().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_first_frame_is_hello_and_only_the_first() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut socket = Socket::open(&server, Codec::Json).await?;
    let call_id = "00000000-0000-7000-8000-000000000000".parse()?;
    socket.send(&ClientFrame::CallHangup(CallRequest { id: RequestId(1), call_id })).await?;
    ensure!(socket.closed().await? == Some(CloseCode::HelloExpected.code()));

    let mut socket = Socket::open(&server, Codec::Json).await?;
    socket.hello(&token("alice"), "phone", None).await?;
    ensure!(matches!(socket.next_frame().await?, ServerFrame::Welcome(_)));
    socket.hello(&token("alice"), "phone", None).await?;
    match socket.next_frame().await? {
        ServerFrame::Error(error) => ensure!(error.error.code == ErrorCode::HelloExpected, "{error:?}"),
        other => anyhow::bail!("{other:?}"),
    }
    // It was an error, not the end.
    socket.send(&ClientFrame::CallHangup(CallRequest { id: RequestId(1), call_id })).await?;
    ensure!(matches!(socket.next_frame().await?, ServerFrame::Error(e) if e.id == Some(RequestId(1))));
    Ok(())
}

#[tokio::test]
async fn a_silent_socket_is_closed() -> anyhow::Result<()> {
    let server =
        Server::builder().set("signaling.hello_timeout_ms", 300).set("signaling.heartbeat_s", 1).start().await?;
    let mut never_says_hello = Socket::open(&server, Codec::Json).await?;
    ensure!(never_says_hello.closed().await? == Some(CloseCode::HelloExpected.code()));
    let mut never_pongs = Socket::open(&server, Codec::Json).await?;
    never_pongs.hello(&token("alice"), "phone", None).await?;
    loop {
        match tertulia_tests::wait::in_time("the end", never_pongs.next_whenever()).await?? {
            Incoming::Frame(_) => {}
            Incoming::Closed(code) => {
                ensure!(code == Some(CloseCode::HeartbeatTimeout.code()), "{code:?}");
                return Ok(());
            }
        }
    }
}

#[tokio::test]
async fn a2_tokens_of_both_algorithms_say_who_it_is() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let hs = Client::connect_with(&server, &named_token("zoe", "Zoë"), "zoe", "phone", Codec::Json).await?;
    ensure!(hs.user_id().as_str() == "zoe" && hs.welcome().name == "Zoë", "{:?}", hs.welcome().name);
    let ed = Client::connect_with(&server, &Claims::of("ed").sign_ed(), "ed", "phone", Codec::Msgpack).await?;
    ensure!(ed.user_id().as_str() == "ed");
    Ok(())
}

#[tokio::test]
async fn demo_sign_in_gives_a_token_and_the_list_of_everyone() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let signed_in = server.post("/v1/demo/sign-in", None, r#"{"name":"Ana María"}"#).await?;
    ensure!(signed_in.status == 200, "{signed_in:?}");
    let (user, token) = (signed_in.json()?["user_id"].clone(), signed_in.json()?["token"].clone());
    let (user, token) = (user.as_str().unwrap_or_default(), token.as_str().unwrap_or_default());
    let ana = Client::connect_with(&server, token, user, "phone", Codec::Json).await?;
    ensure!(ana.welcome().demo && ana.welcome().name == "Ana María");
    let again = server.post("/v1/demo/sign-in", None, r#"{"name":"Ana María"}"#).await?;
    ensure!(again.json()?["user_id"] == user, "the same name is the same person");
    ensure!(server.get("/v1/demo/people", None).await?.status == 401);
    let people = server.get("/v1/demo/people", Some(token)).await?.json()?;
    let ana = people["people"].as_array().and_then(|all| all.iter().find(|p| p["user_id"] == user).cloned());
    ensure!(ana.is_some_and(|p| p["online"] == true), "{people}");
    for bad in
        ["", "{}", r#"{"name":""}"#, r#"{"name":"x","admin":true}"#, &format!(r#"{{"name":"{}"}}"#, "x".repeat(41))]
    {
        let answer = server.post("/v1/demo/sign-in", None, bad).await?;
        ensure!(answer.status == 400 && answer.json()?["error"]["code"] == "bad_request", "{bad}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn demo_is_refused_beyond_loopback_unless_it_is_set() -> anyhow::Result<()> {
    let server = Server::builder().listen("0.0.0.0:0").set("http.trusted_proxies", r#"["192.0.2.99"]"#).start().await?;
    let answer = server.post("/v1/demo/sign-in", None, r#"{"name":"Mallory"}"#).await?;
    ensure!(answer.status == 404, "{answer:?}");
    ensure!(server.get("/v1/demo/people", Some(&token("alice"))).await?.status == 404);
    let alice = Client::connect(&server, "alice").await?;
    ensure!(!alice.welcome().demo);
    Ok(())
}

#[tokio::test]
async fn the_operator_sees_health_and_metrics_and_people_do_not() -> anyhow::Result<()> {
    let server = Server::start().await?;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = tertulia_tests::http::request(server.operator(), "GET", path, None, None).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
    }
    // Any path that is not the interface's is the web client's there: a page, and no figure.
    let public = server.get("/metrics", None).await?;
    ensure!(!public.body.contains("tertulia_"), "{public:?}");
    let metrics = server.metrics().await?;
    ensure!(metrics.names().iter().any(|name| name.starts_with("tertulia_")), "{metrics:?}");
    Ok(())
}

#[tokio::test]
async fn sigterm_ends_it_within_its_bound_and_says_so() -> anyhow::Result<()> {
    let mut server = Server::start().await?;
    let mut call = Call::accepted(&server, MediaKind::Voice).await?;
    let asked = Instant::now();
    let status = server.terminate().await?;
    ensure!(status.success(), "{status}");
    ensure!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    ensure!(call.alice.closed().await? == Some(CloseCode::Draining.code()));
    let drain = |f: &ServerFrame| matches!(f, ServerFrame::Drain(_)).then_some(());
    call.alice.expect("drain", drain).await
}
