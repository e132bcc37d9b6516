//! One-to-one calls over the wire (c1, c2): who rings, who wins, how it ends, and what everyone hears of it.

use anyhow::ensure;
use tertulia_signaling_proto::{
    CallMissed, Codec, DeclineReason, EndReason, ErrorCode, MediaFlags, MediaKind, Phase, ServerFrame,
};
use tertulia_tests::scene::Call;
use tertulia_tests::token::token;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Refused, Server};

fn code(answer: Result<impl std::fmt::Debug, Refused>) -> Option<ErrorCode> {
    answer.err().map(|Refused(body)| body.code)
}

#[tokio::test]
async fn c1_a_call_is_placed_rung_accepted_and_hung_up() -> anyhow::Result<()> {
    let server = Server::start().await?;
    for codec in Codec::ALL {
        let mut bob = Client::connect_as(&server, "bob", "phone", codec).await?;
        let mut alice = Client::connect_as(&server, "alice", "phone", codec).await?;
        let call = alice.invite("bob", MediaKind::Voice).await?;
        ensure!(bob.incoming().await?.media == MediaKind::Voice);
        bob.ringing(call).await??;
        alice.phase(call, Phase::Ringing).await?;
        bob.accept(call).await??;
        alice.phase(call, Phase::Connecting).await?;
        bob.phase(call, Phase::Connecting).await?;
        bob.hangup(call).await??;
        alice.ended(call, EndReason::Hangup).await?;
        bob.ended(call, EndReason::Hangup).await?;
    }
    Ok(())
}

#[tokio::test]
async fn c1_every_device_rings_and_the_first_accept_wins() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut phone = Client::connect_as(&server, "bob", "phone", Codec::Json).await?;
    let mut laptop = Client::connect_as(&server, "bob", "laptop", Codec::Msgpack).await?;
    let mut tablet = Client::connect_as(&server, "bob", "tablet", Codec::Json).await?;
    let mut alice = Client::connect(&server, "alice").await?;
    let call = alice.invite("bob", MediaKind::Video).await?;
    for device in [&mut phone, &mut laptop, &mut tablet] {
        ensure!(device.incoming().await?.call_id == call);
        device.ringing(call).await??;
    }
    // Two press the button at the same moment.
    let (first, second) = tokio::join!(phone.accept(call), laptop.accept(call));
    let (first, second) = (first?, second?);
    let (mut winner, mut loser) = if first.is_ok() { (phone, laptop) } else { (laptop, phone) };
    ensure!(first.is_ok() != second.is_ok(), "exactly one wins: {first:?} {second:?}");
    ensure!(code(first).or(code(second)) == Some(ErrorCode::CallAnsweredElsewhere));
    loser.ended(call, EndReason::AnsweredElsewhere).await?;
    tablet.ended(call, EndReason::AnsweredElsewhere).await?;
    winner.phase(call, Phase::Connecting).await?;
    // The losers have no part in it any longer, the winner has.
    ensure!(loser.hangup(call).await?.is_err());
    ensure!(winner.accept(call).await?.is_ok(), "a repeated accept is answered as the first");
    alice.hangup(call).await??;
    winner.ended(call, EndReason::Hangup).await?;
    Ok(())
}

#[tokio::test]
async fn c1_a_decline_stops_every_device_of_the_callee() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut laptop = Client::connect_as(&server, "bob", "laptop", Codec::Json).await?;
    let Call { mut alice, mut bob, id } = Call::ringing(&server, MediaKind::Voice).await?;
    laptop.incoming().await?;
    bob.decline(id, DeclineReason::Declined).await??;
    alice.ended(id, EndReason::Declined).await?;
    laptop.ended(id, EndReason::DeclinedElsewhere).await?;
    ensure!(code(laptop.accept(id).await?).is_some(), "a declined call can't be accepted");
    Ok(())
}

#[tokio::test]
async fn c1_a_busy_device_leaves_the_others_ringing_and_the_last_one_ends_it() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut laptop = Client::connect_as(&server, "bob", "laptop", Codec::Json).await?;
    let Call { mut alice, mut bob, id } = Call::ringing(&server, MediaKind::Voice).await?;
    laptop.incoming().await?;
    laptop.ringing(id).await??;
    bob.decline(id, DeclineReason::Busy).await??;
    let heard = alice.heard_so_far().await?;
    ensure!(!heard.iter().any(|f| matches!(f, ServerFrame::CallEnded(_))), "the laptop still rings: {heard:?}");
    laptop.decline(id, DeclineReason::Busy).await??;
    alice.ended(id, EndReason::Busy).await?;
    Ok(())
}

#[tokio::test]
async fn c1_a_callee_in_another_call_is_busy() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut call = Call::accepted(&server, MediaKind::Voice).await?;
    let mut carol = Client::connect(&server, "carol").await?;
    let second = carol.invite("bob", MediaKind::Voice).await?;
    carol.ended(second, EndReason::Busy).await?;
    call.hang_up().await
}

#[tokio::test]
async fn c3_no_call_begins_where_there_is_no_time_for_it_and_nobody_rings() -> anyhow::Result<()> {
    let server = Server::builder().set("media.busy_rooms_max_percent", 0).start().await?;
    let mut alice = Client::connect(&server, "alice").await?;
    let mut bob = Client::connect(&server, "bob").await?;
    let Err(Refused(error)) = alice.try_invite("bob", MediaKind::Video).await? else { anyhow::bail!("it began") };
    ensure!((error.code, error.limit) == (ErrorCode::ServerFull, Some(0)), "{error:?}");
    ensure!(error.retry_after_ms.is_some_and(|wait| wait > 0), "{error:?}");
    let heard = bob.heard_so_far().await?;
    ensure!(!heard.iter().any(|frame| matches!(frame, ServerFrame::CallIncoming(_))), "{heard:?}");
    Ok(())
}

#[tokio::test]
async fn c1_a_cancelled_call_stops_ringing_and_is_missed() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let Call { mut alice, mut bob, id } = Call::ringing(&server, MediaKind::Voice).await?;
    alice.cancel(id).await??;
    bob.ended(id, EndReason::Cancelled).await?;
    alice.ended(id, EndReason::Cancelled).await?;
    ensure!(code(bob.accept(id).await?) == Some(ErrorCode::CallOver), "too late");
    let missed = bob.expect("call.missed", missed).await?;
    ensure!(missed.call_id == id && missed.from.user_id == *alice.user_id());
    Ok(())
}

fn missed(frame: &ServerFrame) -> Option<CallMissed> {
    if let ServerFrame::CallMissed(missed) = frame { Some(missed.clone()) } else { None }
}

#[tokio::test]
async fn c1_an_unanswered_call_is_kept_as_missed_and_shown_once_when_the_callee_connects() -> anyhow::Result<()> {
    let server = Server::builder().set("calls.ring_timeout_ms", 1000).start().await?;
    // Bob has been here once; now he is gone.
    drop(Client::connect(&server, "bob").await?);
    let mut alice = Client::connect(&server, "alice").await?;
    let call = alice.invite("bob", MediaKind::Video).await?;
    alice.ended(call, EndReason::Missed).await?;
    // Alice is told at once; the line in the history follows.
    let bobs = token("bob");
    let written = || async {
        let history = server.get("/v1/calls", Some(&bobs)).await.ok()?;
        history.body.contains(&call.to_string()).then_some(())
    };
    eventually("the call is in Bob's history", written).await?;
    let mut bob = Client::connect(&server, "bob").await?;
    let shown: Vec<_> = bob.welcome().missed_calls.iter().map(|m| (m.call_id, m.media)).collect();
    ensure!(shown == [(call, MediaKind::Video)], "{shown:?}");
    // The invite is late by now: it must not ring.
    let heard = bob.heard_so_far().await?;
    ensure!(!heard.iter().any(|f| matches!(f, ServerFrame::CallIncoming(_))), "{heard:?}");
    ensure!(bob.welcome().calls.is_empty());
    drop(bob);
    let bob = Client::connect(&server, "bob").await?;
    ensure!(bob.welcome().missed_calls.is_empty(), "shown twice: {:?}", bob.welcome().missed_calls);
    Ok(())
}

#[tokio::test]
async fn c1_a_device_that_connects_while_it_rings_rings_too() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let Call { alice: _alice, bob: _bob, id } = Call::ringing(&server, MediaKind::Voice).await?;
    let mut laptop = Client::connect_as(&server, "bob", "laptop", Codec::Json).await?;
    ensure!(laptop.incoming().await?.call_id == id);
    laptop.ringing(id).await??;
    laptop.accept(id).await??;
    Ok(())
}

#[tokio::test]
async fn c1_a_callee_without_a_device_can_be_rung_until_one_connects() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let bob = Client::connect(&server, "bob").await?;
    drop(bob);
    let mut alice = Client::connect(&server, "alice").await?;
    let call = alice.invite("bob", MediaKind::Voice).await?;
    let mut bob = Client::connect(&server, "bob").await?;
    ensure!(bob.incoming().await?.call_id == call);
    bob.ringing(call).await??;
    alice.phase(call, Phase::Ringing).await?;
    Ok(())
}

#[tokio::test]
async fn c1_calls_that_cross_become_one_answered_call() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut bob = Client::connect(&server, "bob").await?;
    let mut alice = Client::connect(&server, "alice").await?;
    let (hers, his) = tokio::join!(alice.invite("bob", MediaKind::Voice), bob.invite("alice", MediaKind::Voice));
    let (hers, his) = (hers?, his?);
    ensure!(hers == his, "one call of the two: {hers} {his}");
    alice.phase(hers, Phase::Connecting).await?;
    bob.phase(hers, Phase::Connecting).await?;
    alice.hangup(hers).await??;
    bob.ended(hers, EndReason::Hangup).await?;
    Ok(())
}

#[tokio::test]
async fn c1_calling_oneself_or_nobody_is_refused() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = Client::connect(&server, "alice").await?;
    ensure!(code(alice.try_invite("alice", MediaKind::Voice).await?) == Some(ErrorCode::CallSelf));
    ensure!(code(alice.try_invite("nobody", MediaKind::Voice).await?) == Some(ErrorCode::UnknownUser));
    Ok(())
}

#[tokio::test]
async fn c1_late_and_repeated_requests_change_nothing() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let Call { mut alice, mut bob, id } = Call::ringing(&server, MediaKind::Voice).await?;
    ensure!(bob.ringing(id).await?.is_ok(), "ringing twice");
    bob.accept(id).await??;
    ensure!(bob.accept(id).await?.is_ok(), "accepting twice");
    ensure!(code(bob.decline(id, DeclineReason::Declined).await?) == Some(ErrorCode::CallStateMismatch));
    alice.hangup(id).await??;
    let ended = bob.ended(id, EndReason::Hangup).await?;
    for answer in [bob.accept(id).await?, bob.ringing(id).await?, alice.cancel(id).await?, bob.hangup(id).await?] {
        ensure!(answer.is_ok() || code(answer.clone()) == Some(ErrorCode::CallOver), "{answer:?}");
    }
    let heard = bob.heard_so_far().await?;
    ensure!(!heard.iter().any(|f| matches!(f, ServerFrame::CallEnded(_))), "{ended:?} was said twice: {heard:?}");
    Ok(())
}

#[tokio::test]
async fn c2_the_other_side_sees_microphone_and_camera_go_on_and_off() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut call = Call::accepted(&server, MediaKind::Voice).await?;
    let bob_id = call.bob.user_id().clone();
    for camera in [true, false] {
        let flags = MediaFlags { mic: true, camera, screen: false };
        call.bob.media(call.id, flags).await??;
        let shown = |frame: &ServerFrame| match frame {
            ServerFrame::CallRoster(roster) => roster
                .participants
                .iter()
                .any(|entry| entry.participant.user_id == bob_id && entry.media == flags)
                .then_some(()),
            _ => None,
        };
        call.alice.expect("a roster with Bob's camera", shown).await?;
    }
    call.hang_up().await
}

#[tokio::test]
async fn c1_a_finished_call_is_in_both_histories_and_in_no_other() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut call = Call::accepted(&server, MediaKind::Voice).await?;
    call.hang_up().await?;
    for (user, direction) in [("alice", "outgoing"), ("bob", "incoming")] {
        let id = call.id.to_string();
        let kept = || async {
            let answer = server.get("/v1/calls", Some(&token(user))).await.ok()?;
            let history = answer.json().ok()?;
            let record = history["calls"].as_array()?.iter().find(|record| record["call_id"] == id)?.clone();
            Some(record)
        };
        let record = eventually("the call in the history", kept).await?;
        ensure!(record["direction"] == direction && record["reason"] == "hangup", "{record}");
    }
    let stranger = server.get("/v1/calls", Some(&token("mallory"))).await?;
    ensure!(stranger.json()?["calls"].as_array().is_some_and(Vec::is_empty), "{stranger:?}");
    Ok(())
}

#[tokio::test]
async fn c1_media_that_never_comes_up_ends_the_call_as_failed() -> anyhow::Result<()> {
    let server = Server::builder().set("calls.connect_timeout_ms", 700).start().await?;
    let Call { mut alice, mut bob, id } = Call::accepted(&server, MediaKind::Voice).await?;
    alice.ended(id, EndReason::Failed).await?;
    bob.ended(id, EndReason::Failed).await?;
    Ok(())
}
