//! Calls over the real signalling and the real program: how soon it rings, how soon one hears the other.

use crate::figures::quantile;
use crate::process;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tertulia_signaling_proto::{EndReason, MediaKind, Phase};
use tertulia_tests::media::{Fleet, Line, Sending};
use tertulia_tests::scene::connect_media;
use tertulia_tests::server::Builder;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Server};

/// Between two calls of one caller; the server allows a burst, then thirty a minute, unless told otherwise.
const INVITES_PER_MINUTE: u32 = 100_000;

/// A server on which one user may place as many calls as they like.
pub(crate) fn without_limits(builder: Builder) -> Builder {
    builder
        .set("signaling.invites_per_minute", INVITES_PER_MINUTE)
        .set("signaling.invites_burst", INVITES_PER_MINUTE)
        .set("signaling.rings_per_minute", INVITES_PER_MINUTE)
        .set("signaling.rings_burst", INVITES_PER_MINUTE)
        .set("signaling.requests_per_s", INVITES_PER_MINUTE)
        .set("signaling.requests_burst", INVITES_PER_MINUTE)
}

/// The line for the report.
pub(crate) async fn run(count: usize) -> anyhow::Result<String> {
    let server = without_limits(Server::builder()).set("demo", false).start().await?;
    let cpu = process::cpu(server.pid())?;
    let (ringing, audio) = some(&server, count).await?;
    let cpu = process::cpu(server.pid())? - cpu;
    let ms = |samples: &[u32], part| quantile(samples, part) / 1e3;
    Ok(format!(
        "invite → ringing: p50 {:.2} ms, p99 {:.2} ms; accept → first audio: p50 {:.2} ms, p99 {:.2} ms; {:.2} ms CPU a join, \
         with its share of the signalling ({count} calls)",
        ms(&ringing, 0.5),
        ms(&ringing, 0.99),
        ms(&audio, 0.5),
        ms(&audio, 0.99),
        cpu.as_secs_f64() * 1e3 / count as f64 / 2.0,
    ))
}

/// So many calls, one after another: how soon each rang and was heard, microseconds, sorted.
pub(crate) async fn some(server: &Server, count: usize) -> anyhow::Result<(Vec<u32>, Vec<u32>)> {
    let mut bob = Client::connect(server, "bob").await?;
    let mut alice = Client::connect(server, "alice").await?;
    let (mut ringing, mut audio) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (rang, heard) = one(&mut alice, &mut bob).await?;
        ringing.push(micros(rang));
        audio.push(heard);
    }
    ringing.sort_unstable();
    audio.sort_unstable();
    Ok((ringing, audio))
}

/// One call: from Alice's invite until she hears that it rings, and from Bob's accept until he hears her.
async fn one(alice: &mut Client, bob: &mut Client) -> anyhow::Result<(Duration, u32)> {
    let fleet = Fleet::start()?;
    let invited = Instant::now();
    let call = alice.invite("bob", MediaKind::Voice).await?;
    bob.incoming().await?;
    bob.ringing(call).await??;
    alice.phase(call, Phase::Ringing).await?;
    let rang = invited.elapsed();

    let hers = connect_media(&fleet, alice, call, Line::VOICE).await?;
    let his = connect_media(&fleet, bob, call, Line::VOICE).await?;
    for member in [&hers, &his] {
        let connected = || async { member.tally.connected.load(Relaxed).then_some(()) };
        eventually("ICE and DTLS while it rings", connected).await?;
    }
    let mic = fleet.with(&hers, |peer| peer.mid(Line::Mic)).await??;
    let accepted = fleet.clock_us();
    // Alice opens her microphone when she hears that he has accepted, and not before.
    let (answer, speaks) = tokio::join!(bob.accept(call), async {
        alice.phase(call, Phase::Active).await?; // the media was up before
        fleet.send(&hers, mic, Sending::AUDIO, Duration::ZERO).await
    });
    answer??;
    speaks?;
    let heard = || async { Some(his.tally.first_received_us.load(Relaxed)).filter(|us| *us > 0) };
    let heard = eventually("Bob hears Alice", heard).await? - accepted;
    alice.hangup(call).await??;
    alice.ended(call, EndReason::Hangup).await?;
    bob.ended(call, EndReason::Hangup).await?;
    Ok((rang, u32::try_from(heard)?))
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
