//! Several devices and several calls of one person: call waiting, hold and swap, and taking a call over on another device.

use anyhow::{Context, ensure};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tertulia_common::CallId;
use tertulia_signaling_proto::{CallRoster, Codec, EndReason, ErrorCode, MediaKind, Phase, ServerFrame};
use tertulia_tests::media::{Fleet, Line, Member, Sending};
use tertulia_tests::scene::connect_media;
use tertulia_tests::wait::{eventually, in_time};
use tertulia_tests::{Client, Server};

/// Packets that prove a flow.
const FLOWING: u64 = 20;
/// Nothing for this long is silence: a voice has fifty packets a second.
const SILENT: Duration = Duration::from_millis(400);

/// One device's media in one call: it speaks all the time.
async fn speaks(fleet: &Fleet, client: &mut Client, call: CallId) -> anyhow::Result<Member> {
    let member = connect_media(fleet, client, call, Line::VOICE).await?;
    let mic = fleet.with(&member, |peer| peer.mid(Line::Mic)).await??;
    fleet.send(&member, mic, Sending::AUDIO, Duration::ZERO).await?;
    Ok(member)
}

async fn hears(name: &str, member: &Member) -> anyhow::Result<()> {
    let before = member.tally.received.load(Relaxed);
    let more = || async { (member.tally.received.load(Relaxed) >= before + FLOWING).then_some(()) };
    eventually(&format!("{name} hears something"), more).await
}

async fn hears_nothing(name: &str, member: &Member) -> anyhow::Result<()> {
    let silence = || async {
        let before = member.tally.received.load(Relaxed);
        tokio::time::sleep(SILENT).await;
        (member.tally.received.load(Relaxed) == before).then_some(())
    };
    eventually(&format!("{name} hears nothing"), silence).await
}

/// A call between two, answered, with voices both ways.
async fn call(fleet: &Fleet, from: &mut Client, to: &mut Client) -> anyhow::Result<(CallId, Member, Member)> {
    let user = to.user_id().as_str().to_owned();
    let id = from.invite(&user, MediaKind::Voice).await?;
    to.incoming().await?;
    to.ringing(id).await??;
    let theirs = speaks(fleet, from, id).await?;
    let ours = speaks(fleet, to, id).await?;
    to.accept(id).await??;
    from.phase(id, Phase::Active).await?;
    hears("the caller", &theirs).await?;
    hears("the callee", &ours).await?;
    Ok((id, theirs, ours))
}

/// Waits until a roster of the call says this of who holds it.
async fn told_of_hold(client: &mut Client, call: CallId, user: &str, held: bool) -> anyhow::Result<()> {
    let says = |roster: &CallRoster| {
        let them = |entry: &&tertulia_signaling_proto::RosterEntry| entry.participant.user_id.as_str() == user;
        roster.call_id == call && roster.participants.iter().find(them).is_some_and(|entry| entry.held == held)
    };
    let pick = |frame: &ServerFrame| matches!(frame, ServerFrame::CallRoster(roster) if says(roster)).then_some(());
    client
        .expect(&format!("a roster in which {user} {} the call", if held { "holds" } else { "is back in" }), pick)
        .await
}

#[tokio::test]
async fn c5_a_second_call_rings_is_taken_with_the_first_on_hold_and_swapped() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let fleet = Fleet::start()?;
    let mut bob = Client::connect_waiting(&server, "bob", "phone").await?;
    let (mut alice, mut carol) = (Client::connect(&server, "alice").await?, Client::connect(&server, "carol").await?);
    let (first, alices, bobs) = call(&fleet, &mut alice, &mut bob).await?;

    let second = carol.invite("bob", MediaKind::Voice).await?;
    ensure!(bob.incoming().await?.call_id == second);
    bob.ringing(second).await??;
    carol.phase(second, Phase::Ringing).await?;
    hears("Alice, while it rings", &alices).await?;
    let carols = speaks(&fleet, &mut carol, second).await?;
    let bobs_second = speaks(&fleet, &mut bob, second).await?;
    bob.accept(second).await??;
    told_of_hold(&mut alice, first, "bob", true).await?;
    carol.phase(second, Phase::Active).await?;
    hears("Carol", &carols).await?;
    hears("Bob, in the second call", &bobs_second).await?;
    hears_nothing("Alice, on hold", &alices).await?;
    hears_nothing("Bob, in the call on hold", &bobs).await?;

    // A third finds him busy.
    let mut dave = Client::connect(&server, "dave").await?;
    let third = dave.invite("bob", MediaKind::Voice).await?;
    dave.ended(third, EndReason::Busy).await?;

    // Swapped: the other one is on hold.
    bob.hold(first, false).await??;
    told_of_hold(&mut alice, first, "bob", false).await?;
    told_of_hold(&mut carol, second, "bob", true).await?;
    hears("Alice, again", &alices).await?;
    hears("Bob, in the first call again", &bobs).await?;
    hears_nothing("Carol, on hold", &carols).await?;

    // The active one ends; the other stays on hold until he goes back.
    alice.hangup(first).await??;
    bob.ended(first, EndReason::Hangup).await?;
    hears_nothing("Carol, still on hold", &carols).await?;
    bob.hold(second, false).await??;
    hears("Carol, again", &carols).await?;
    carol.hangup(second).await??;
    bob.ended(second, EndReason::Hangup).await?;
    Ok(())
}

#[tokio::test]
async fn c5_a_second_call_can_be_declined_and_the_first_does_not_notice() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let fleet = Fleet::start()?;
    let mut bob = Client::connect_waiting(&server, "bob", "phone").await?;
    let (mut alice, mut carol) = (Client::connect(&server, "alice").await?, Client::connect(&server, "carol").await?);
    let (first, alices, bobs) = call(&fleet, &mut alice, &mut bob).await?;
    let second = carol.invite("bob", MediaKind::Voice).await?;
    bob.incoming().await?;
    let declined = tertulia_signaling_proto::DeclineReason::Declined;
    bob.decline(second, declined).await??;
    carol.ended(second, EndReason::Declined).await?;
    hears("Alice", &alices).await?;
    hears("Bob", &bobs).await?;
    let held = alice.heard_so_far().await?.iter().any(|frame| match frame {
        ServerFrame::CallRoster(roster) => roster.participants.iter().any(|entry| entry.held),
        _ => false,
    });
    ensure!(!held, "the first call was on hold");
    alice.hangup(first).await??;
    bob.ended(first, EndReason::Hangup).await?;
    Ok(())
}

#[tokio::test]
async fn c5_hold_is_silence_both_ways_and_both_may_hold() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let fleet = Fleet::start()?;
    let (mut alice, mut bob) = (Client::connect(&server, "alice").await?, Client::connect(&server, "bob").await?);
    let (id, alices, bobs) = call(&fleet, &mut alice, &mut bob).await?;
    alice.hold(id, true).await??;
    told_of_hold(&mut bob, id, "alice", true).await?;
    hears_nothing("Bob", &bobs).await?;
    hears_nothing("Alice", &alices).await?;
    bob.hold(id, true).await??;
    told_of_hold(&mut alice, id, "bob", true).await?;
    alice.hold(id, false).await??;
    hears_nothing("Alice, whom Bob holds", &alices).await?;
    bob.hold(id, false).await??;
    hears("Alice", &alices).await?;
    hears("Bob", &bobs).await?;
    // A call that is on hold is not lost for its silence.
    bob.hold(id, true).await??;
    bob.hold(id, false).await??;
    hears("Alice", &alices).await?;
    alice.hangup(id).await??;
    bob.ended(id, EndReason::Hangup).await?;
    Ok(())
}

#[tokio::test]
async fn c6_a_call_is_taken_over_on_another_device_without_a_gap() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let fleet = Fleet::start()?;
    let mut alice = Client::connect_as(&server, "alice", "tablet", Codec::Json).await?;
    let mut phone = Client::connect_as(&server, "bob", "phone", Codec::Json).await?;
    let mut laptop = Client::connect_as(&server, "bob", "laptop", Codec::Msgpack).await?;
    let (id, alices, on_phone) = call(&fleet, &mut alice, &mut phone).await?;
    laptop.ended(id, EndReason::AnsweredElsewhere).await?;
    let elsewhere = |frame: &ServerFrame| match frame {
        ServerFrame::CallsElsewhere(elsewhere) => elsewhere.calls.first().cloned(),
        _ => None,
    };
    let told = laptop.expect("calls.elsewhere", elsewhere).await?;
    ensure!(
        told.call_id == id && told.device_id.as_str() == "phone" && told.peer.user_id.as_str() == "alice",
        "{told:?}"
    );

    laptop.join(id).await??;
    hears("Bob's phone, until the laptop is there", &on_phone).await?;
    alices.tally.longest_gap_us.store(0, Relaxed);
    let on_laptop = speaks(&fleet, &mut laptop, id).await?;
    phone.ended(id, EndReason::HandedOver).await?;
    hears("Bob's laptop", &on_laptop).await?;
    hears("Alice", &alices).await?;
    let gap = Duration::from_micros(alices.tally.longest_gap_us.load(Relaxed));
    ensure!(gap < Duration::from_secs(1), "Alice heard nothing for {gap:?}");
    hears_nothing("Bob's phone", &on_phone).await?;
    let roster = |frame: &ServerFrame| match frame {
        ServerFrame::CallRoster(roster) => {
            let devices: Vec<_> = roster.participants.iter().map(|p| p.participant.device_id.as_str()).collect();
            (devices.contains(&"laptop") && !devices.contains(&"phone")).then_some(())
        }
        _ => None,
    };
    alice.expect("a roster with the laptop", roster).await?;
    // And back again.
    let told = phone.expect("calls.elsewhere", elsewhere).await?;
    ensure!(told.device_id.as_str() == "laptop", "{told:?}");
    phone.join(id).await??;
    let on_phone = speaks(&fleet, &mut phone, id).await?;
    laptop.ended(id, EndReason::HandedOver).await?;
    hears("Bob's phone, again", &on_phone).await?;
    alice.hangup(id).await??;
    phone.ended(id, EndReason::Hangup).await?;
    Ok(())
}

#[tokio::test]
async fn c6_a_take_over_that_never_comes_up_changes_nothing() -> anyhow::Result<()> {
    let server = Server::builder().set("calls.connect_timeout_ms", 1_000).start().await?;
    let fleet = Fleet::start()?;
    let mut alice = Client::connect(&server, "alice").await?;
    let mut phone = Client::connect_as(&server, "bob", "phone", Codec::Json).await?;
    let mut laptop = Client::connect_as(&server, "bob", "laptop", Codec::Json).await?;
    let (id, alices, on_phone) = call(&fleet, &mut alice, &mut phone).await?;
    laptop.join(id).await??;
    let over = |frame: &ServerFrame| {
        matches!(frame, ServerFrame::CallEnded(e) if e.call_id == id && e.reason != EndReason::AnsweredElsewhere)
            .then_some(())
    };
    in_time("the take-over is given up", laptop.expect("the end of the attempt", over)).await??;
    hears("Alice", &alices).await?;
    hears("Bob's phone", &on_phone).await?;
    // Whoever is not Bob has nothing to take over.
    let mut mallory = Client::connect(&server, "mallory").await?;
    let refused = mallory.join(id).await?.err().context("Mallory took it over")?;
    ensure!(refused.0.code == ErrorCode::UnknownCall, "{refused:?}");
    phone.hangup(id).await??;
    alice.ended(id, EndReason::Hangup).await?;
    Ok(())
}
