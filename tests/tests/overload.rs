//! c3, c4: a server that has time for so much and no more. Who is in a call keeps it as it was, whoever would begin another hears that there
//! is no time for it, nobody's phone rings for that, and when some have gone there is time again.

use anyhow::{Context, bail, ensure};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tertulia_common::CallId;
use tertulia_signaling_proto::{ErrorBody, ErrorCode, MediaKind, Phase, ServerFrame};
use tertulia_tests::client::Refused;
use tertulia_tests::media::{Fleet, Line, Member};
use tertulia_tests::scene::{connect_media, send_all};
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Server};
use tokio::time::sleep;

/// Of a shard's time, in per cent: so little that some calls of a debug build's take it.
const BUSY_MAX: u8 = 12;
/// More calls than any machine bears within that.
const CALLS_MAX: usize = 150;
/// Between two calls, so that what one costs is seen before the next is placed.
const SETTLE: Duration = Duration::from_millis(400);
/// Over which it is looked whether those in progress are good.
const WATCH: Duration = Duration::from_secs(4);
/// Packets that prove a flow.
const FLOWING: u64 = 20;

struct Pair {
    clients: [Client; 2],
    members: [Member; 2],
    call: CallId,
}

impl Pair {
    /// Two people in a call with voice and video both ways, unless the server has no time for it.
    async fn begins(server: &Server, fleet: &Fleet, n: usize) -> anyhow::Result<Result<Self, ErrorBody>> {
        let caller = format!("caller{n}");
        let callee = format!("callee{n}");
        let [mut one, mut other] = [Client::connect(server, &caller).await?, Client::connect(server, &callee).await?];
        let call = match one.try_invite(&callee, MediaKind::Video).await? {
            Ok(ok) => ok.call_id.context("a call")?,
            Err(Refused(error)) => {
                let heard = other.heard_so_far().await?;
                let rang = heard.iter().any(|frame| matches!(frame, ServerFrame::CallIncoming(_)));
                ensure!(!rang, "a phone rang for nothing: {heard:?}");
                return Ok(Err(error));
            }
        };
        other.incoming().await?;
        let members = [
            connect_media(fleet, &mut one, call, Line::CALL).await?,
            connect_media(fleet, &mut other, call, Line::CALL).await?,
        ];
        other.accept(call).await??;
        one.phase(call, Phase::Active).await?;
        for member in &members {
            send_all(fleet, member).await?;
        }
        for member in &members {
            let flows = || async { (member.tally.received.load(Relaxed) >= FLOWING).then_some(()) };
            eventually(&format!("media flows in call {n}"), flows).await?;
        }
        Ok(Ok(Self { clients: [one, other], members, call }))
    }

    fn sent_and_received(&self) -> [(u64, u64); 2] {
        let [one, other] = &self.members;
        [(one, other), (other, one)].map(|(from, to)| (from.tally.sent.load(Relaxed), to.tally.received.load(Relaxed)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_c4_twice_the_calls_that_are_borne_are_refused_and_those_in_progress_stay_as_they_were() -> anyhow::Result<()>
{
    let server = Server::builder()
        .set("media.shards", 1)
        .set("media.busy_rooms_max_percent", BUSY_MAX)
        .set("media.busy_joins_max_percent", 100)
        .start()
        .await?;
    let fleet = Fleet::start()?;
    let mut pairs = Vec::new();
    let first = loop {
        match Pair::begins(&server, &fleet, pairs.len()).await? {
            Ok(pair) => pairs.push(pair),
            Err(error) => break error,
        }
        ensure!(pairs.len() < CALLS_MAX, "there is no end to what is let in");
        sleep(SETTLE).await;
    };
    ensure!((first.code, first.limit) == (ErrorCode::ServerFull, Some(u64::from(BUSY_MAX))), "{first:?}");
    ensure!(first.retry_after_ms.is_some_and(|wait| wait > 0), "{first:?}");
    ensure!(pairs.len() > 1, "one call is too much already");

    // As many again as are in, while those go on.
    let before: Vec<_> = pairs.iter().map(Pair::sent_and_received).collect();
    let start = tokio::time::Instant::now();
    for n in pairs.len()..2 * pairs.len() {
        if let Ok(pair) = Pair::begins(&server, &fleet, n).await? {
            bail!("call {} was let in beside {} that take what there is", pair.call, pairs.len());
        }
    }
    tokio::time::sleep_until(start + WATCH).await;
    for (pair, flows) in pairs.iter().zip(before) {
        for ((sent, received), (sent_before, received_before)) in pair.sent_and_received().into_iter().zip(flows) {
            let (sent, received) = (sent - sent_before, received - received_before);
            ensure!(sent > 100 && received * 100 >= sent * 95, "of {sent} packets {received} came");
        }
        ensure!(!pair.members.iter().any(|member| member.tally.closed.load(Relaxed)), "a peer was closed");
    }
    for pair in &mut pairs {
        for client in &mut pair.clients {
            let heard = client.heard_so_far().await?;
            ensure!(!heard.iter().any(|frame| matches!(frame, ServerFrame::CallEnded(_))), "it ended: {heard:?}");
        }
    }

    // All but one go: there is time again.
    let stays = pairs.split_off(pairs.len() - 1);
    for mut pair in pairs {
        pair.clients[0].hangup(pair.call).await??;
    }
    let mut carol = Client::connect(&server, "carol").await?;
    let _dan = Client::connect(&server, "dan").await?;
    let mut tries = 0;
    while carol.try_invite("dan", MediaKind::Voice).await?.is_err() {
        tries += 1;
        ensure!(tries < 40, "there is no time for a call long after the others have gone");
        sleep(SETTLE).await;
    }
    drop(stays);
    Ok(())
}
