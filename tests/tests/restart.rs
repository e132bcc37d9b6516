//! The program ends, as told or by kill -9, and is started again: calls go on where they were, whole, with an independent
//! implementation of WebRTC at both ends.

use anyhow::{Context, ensure};
use std::time::{Duration, Instant};
use tertulia_common::CallId;
use tertulia_signaling_proto::{CallSnapshot, EndReason, MediaKind, Phase, ServerFrame};
use tertulia_tests::media::tone;
use tertulia_tests::media::webrtc_peer::WebrtcPeer;
use tertulia_tests::scene::{Call, LiveCall};
use tertulia_tests::server::Builder;
use tertulia_tests::token::token;
use tertulia_tests::wait::{PATIENCE, eventually};
use tertulia_tests::{Client, Server};

/// Packets of a voice that prove that it is heard.
const HEARD: usize = 25;

fn builder() -> Builder {
    Server::builder().set("media.shards", 1)
}

#[derive(Clone, Copy, Debug)]
enum Ended {
    Told,
    Killed,
}

async fn restart(server: &mut Server, how: Ended) -> anyhow::Result<()> {
    match how {
        Ended::Told => drop(server.terminate().await?),
        Ended::Killed => server.kill()?,
    }
    server.start_again().await
}

/// Comes back after a restart, and gives what the welcome says of the call.
async fn back(client: &mut Client, server: &Server, call: CallId) -> anyhow::Result<Option<CallSnapshot>> {
    client.lose_socket().await;
    client.resume(server).await?;
    Ok(client.welcome().calls.iter().find(|one| one.call_id == call).cloned())
}

fn is_answered(phase: Phase) -> bool {
    match phase {
        Phase::Offered | Phase::Ringing | Phase::Waiting => false,
        Phase::Connecting | Phase::Active | Phase::Reconnecting => true,
    }
}

/// Both connect their media anew, and each hears the other.
async fn hear_each_other(call: &mut Call) -> anyhow::Result<()> {
    let (alice, offer) = WebrtcPeer::offer().await?;
    alice.connect(call.alice.media_connect(call.id, offer).await?.0).await?;
    let (bob, offer) = WebrtcPeer::offer().await?;
    bob.connect(call.bob.media_connect(call.id, offer).await?.0).await?;
    let heard = async {
        let both =
            || async { (alice.received(false).len() > HEARD && bob.received(false).len() > HEARD).then_some(()) };
        eventually("both hear each other", both).await
    };
    tokio::select! {
        result = heard => result?,
        result = speak(&alice, 440.0) => result?,
        result = speak(&bob, 660.0) => result?,
    }
    alice.close().await?;
    bob.close().await
}

/// Speaks for as long as it is polled.
async fn speak(peer: &WebrtcPeer, hertz: f64) -> anyhow::Result<()> {
    let mut source = tone::Source::new(hertz)?;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    loop {
        tick.tick().await;
        peer.send_audio(source.packet()?).await?;
    }
}

#[tokio::test]
async fn c6_an_answered_call_goes_on_after_a_restart() -> anyhow::Result<()> {
    for how in [Ended::Told, Ended::Killed] {
        let mut server = builder().start().await?;
        let LiveCall { mut call, .. } = LiveCall::start(&server).await?;
        let before = call.alice.welcome().instance.clone();
        restart(&mut server, how).await?;
        for client in [&mut call.alice, &mut call.bob] {
            let there = back(client, &server, call.id).await?.with_context(|| format!("{how:?}: the call is gone"))?;
            ensure!(is_answered(there.phase) && there.answered_at.is_some(), "{how:?}: {there:?}");
            ensure!(client.welcome().instance != before, "{how:?}: nothing says that the media is gone");
        }
        hear_each_other(&mut call).await.with_context(|| format!("{how:?}"))?;
        let rang = |frame: &ServerFrame| matches!(frame, ServerFrame::CallIncoming(_));
        ensure!(!call.bob.heard_so_far().await?.iter().any(rang), "{how:?}: it rang again");
        call.hang_up().await?;
        eventually("one record", || recorded_once(&server, "hangup")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn c6_a_call_that_rings_goes_on_ringing_after_a_restart_and_can_be_answered() -> anyhow::Result<()> {
    for how in [Ended::Told, Ended::Killed] {
        let mut server = builder().start().await?;
        let mut call = Call::ringing(&server, MediaKind::Voice).await?;
        eventually("the call is on the disk", || on_disk(&server, call.id)).await?;
        restart(&mut server, how).await?;
        for client in [&mut call.bob, &mut call.alice] {
            let there = back(client, &server, call.id).await?.with_context(|| format!("{how:?}: the call is gone"))?;
            ensure!(!is_answered(there.phase), "{how:?}: {there:?}");
        }
        call.bob.accept(call.id).await??;
        hear_each_other(&mut call).await.with_context(|| format!("{how:?}"))?;
        call.hang_up().await?;
    }
    Ok(())
}

#[tokio::test]
async fn c6_a_kill_in_the_middle_of_accept_leaves_a_call_that_both_agree_on() -> anyhow::Result<()> {
    let mut server = builder().start().await?;
    for delay_us in [0, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000] {
        let mut call = Call::ringing(&server, MediaKind::Voice).await?;
        eventually("the call is on the disk", || on_disk(&server, call.id)).await?;
        let id = call.bob.next_request();
        let accept = tertulia_signaling_proto::CallRequest { id, call_id: call.id };
        call.bob.send(tertulia_signaling_proto::ClientFrame::CallAccept(accept));
        tokio::time::sleep(Duration::from_micros(delay_us)).await; // where in the accept it hits is what varies
        server.kill()?;
        call.bob.lose_socket().await;
        server.start_again().await?;
        let hers = back(&mut call.alice, &server, call.id).await?.context("Alice's call is gone")?;
        let his = back(&mut call.bob, &server, call.id).await?.context("Bob's call is gone")?;
        ensure!(
            is_answered(hers.phase) == is_answered(his.phase),
            "after {delay_us} µs: Alice is in {hers:?}, Bob in {his:?}"
        );
        if is_answered(his.phase) {
            ensure!(hers.answered_at == his.answered_at, "{hers:?} {his:?}");
        } else {
            // An accept is answered before it is written (signaling/src/history.rs): one that was lost rings again.
            call.bob.accept(call.id).await??;
        }
        hear_each_other(&mut call).await.with_context(|| format!("after {delay_us} µs"))?;
        call.hang_up().await?;
    }
    Ok(())
}

#[tokio::test]
async fn c6_who_does_not_come_back_after_a_restart_is_gone_and_the_end_is_recorded_once() -> anyhow::Result<()> {
    let mut server = builder().set("calls.grace_ms", 1_500).set("signaling.resume_window_s", 1).start().await?;
    let LiveCall { mut call, .. } = LiveCall::start(&server).await?;
    restart(&mut server, Ended::Killed).await?;
    let restarted = Instant::now();
    back(&mut call.alice, &server, call.id).await?.context("the call is gone")?;
    call.alice.ended(call.id, EndReason::Lost).await?;
    ensure!(restarted.elapsed() < PATIENCE);
    let mut bob = Client::connect(&server, "bob").await?;
    ensure!(bob.welcome().calls.is_empty(), "{:?}", bob.welcome().calls);
    let rang = |frame: &ServerFrame| matches!(frame, ServerFrame::CallIncoming(_));
    ensure!(!bob.heard_so_far().await?.iter().any(rang), "it rang again");
    eventually("one record", || recorded_once(&server, "lost")).await?;
    // It stays so after another restart.
    restart(&mut server, Ended::Killed).await?;
    let again = back(&mut call.alice, &server, call.id).await?;
    ensure!(again.is_none(), "{again:?}");
    eventually("still one record", || recorded_once(&server, "lost")).await
}

/// Whether Bob's history has one call, which ended so.
async fn recorded_once(server: &Server, reason: &str) -> Option<()> {
    let history = server.get("/v1/calls", Some(&token("bob"))).await.ok()?.json().ok()?;
    let calls = history["calls"].as_array()?;
    (calls.len() == 1 && calls[0]["reason"] == reason).then_some(())
}

/// Whether the call has been written: its id is in a file of the data folder. What happens in a call is told before that.
async fn on_disk(server: &Server, call: CallId) -> Option<()> {
    let id = call.to_string();
    let files = std::fs::read_dir(server.data_dir()).ok()?;
    let has_it = |path: std::path::PathBuf| {
        std::fs::read(path).is_ok_and(|bytes| bytes.windows(id.len()).any(|window| window == id.as_bytes()))
    };
    files.filter_map(Result::ok).any(|file| has_it(file.path())).then_some(())
}
