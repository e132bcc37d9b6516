//! What people want: not to be disturbed, and not by this person. What the caller learns of it is nothing.

use anyhow::ensure;
use serde_json::json;
use tertulia_common::CallId;
use tertulia_signaling_proto::{Codec, EndReason, MediaKind, ServerFrame};
use tertulia_tests::token::token;
use tertulia_tests::{Client, Server};

/// A server on which a call rings for a second.
async fn impatient() -> anyhow::Result<Server> {
    Server::builder().set("calls.ring_timeout_ms", 1_000).set("demo", false).start().await
}

/// What a caller hears of a call from its invite to its end, but for the ids in it.
async fn heard_by_a_caller(caller: &mut Client, callee: &str) -> anyhow::Result<Vec<String>> {
    let call = caller.invite(callee, MediaKind::Voice).await?;
    let ended = caller.ended(call, EndReason::Missed).await?;
    let mut heard: Vec<String> = caller.heard_so_far().await?.iter().map(|frame| without_id(frame, call)).collect();
    heard.push(format!("{:?} after {}", ended.reason, ended.duration_ms));
    caller.forget();
    Ok(heard)
}

fn without_id(frame: &ServerFrame, call: CallId) -> String {
    format!("{frame:?}").replace(&format!("{call:?}"), "the call").replace(&call.to_string(), "the call")
}

async fn set(server: &Server, user: &str, until: u64) -> anyhow::Result<()> {
    let body = json!({"do_not_disturb_until": until}).to_string();
    let answer = server.request("PATCH", "/v1/settings", Some(&token(user)), Some(&body)).await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(())
}

async fn block(server: &Server, method: &str, who: &str, whom: &str) -> anyhow::Result<()> {
    let answer = server.request(method, &format!("/v1/blocks/{whom}"), Some(&token(who)), None).await?;
    ensure!(answer.status == 204, "{answer:?}");
    Ok(())
}

fn is_incoming(frame: &ServerFrame) -> bool {
    matches!(frame, ServerFrame::CallIncoming(_))
}

#[tokio::test]
async fn a6_do_not_disturb_rings_nowhere_is_missed_and_the_caller_can_not_tell() -> anyhow::Result<()> {
    let server = impatient().await?;
    drop(Client::connect(&server, "nobody").await?);
    let mut alice = Client::connect(&server, "alice").await?;
    let nobody_there = heard_by_a_caller(&mut alice, "nobody").await?;
    let mut phone = Client::connect_as(&server, "bob", "phone", Codec::Json).await?;
    let mut tablet = Client::connect_as(&server, "bob", "tablet", Codec::Msgpack).await?;
    set(&server, "bob", 4_102_444_800_000).await?;
    for device in [&mut phone, &mut tablet] {
        let on = |frame: &ServerFrame| match frame {
            ServerFrame::Settings(settings) => settings.do_not_disturb_until.map(|at| at.as_millis()),
            _ => None,
        };
        ensure!(device.expect("the settings", on).await? == 4_102_444_800_000);
    }
    let heard = heard_by_a_caller(&mut alice, "bob").await?;
    ensure!(heard == nobody_there, "{heard:#?}\ninstead of {nobody_there:#?}");
    for device in [&mut phone, &mut tablet] {
        let missed =
            |frame: &ServerFrame| matches!(frame, ServerFrame::CallMissed(m) if m.from.name == "alice").then_some(());
        device.expect("call.missed", missed).await?;
        ensure!(!device.heard_so_far().await?.iter().any(is_incoming), "it rang");
    }
    // Off again: it rings.
    set(&server, "bob", 0).await?;
    let call = alice.invite("bob", MediaKind::Voice).await?;
    ensure!(phone.incoming().await?.call_id == call && tablet.incoming().await?.call_id == call);
    Ok(())
}

#[tokio::test]
async fn a6_do_not_disturb_ends_by_itself() -> anyhow::Result<()> {
    let server = impatient().await?;
    let mut bob = Client::connect(&server, "bob").await?;
    let mut alice = Client::connect(&server, "alice").await?;
    set(&server, "bob", bob.welcome().now.as_millis() + 500).await?;
    heard_by_a_caller(&mut alice, "bob").await?;
    let call = alice.invite("bob", MediaKind::Voice).await?;
    ensure!(bob.incoming().await?.call_id == call);
    Ok(())
}

#[tokio::test]
async fn a6_who_is_blocked_never_rings_leaves_no_trace_and_can_not_tell() -> anyhow::Result<()> {
    let server = impatient().await?;
    drop(Client::connect(&server, "nobody").await?);
    let mut mallory = Client::connect(&server, "mallory").await?;
    let nobody_there = heard_by_a_caller(&mut mallory, "nobody").await?;
    let mut bob = Client::connect(&server, "bob").await?;
    block(&server, "PUT", "bob", "mallory").await?;
    let heard = heard_by_a_caller(&mut mallory, "bob").await?;
    ensure!(heard == nobody_there, "{heard:#?}\ninstead of {nobody_there:#?}");
    let heard = bob.heard_so_far().await?;
    ensure!(heard.is_empty(), "Bob heard of it: {heard:?}");
    let history = server.get("/v1/calls", Some(&token("bob"))).await?;
    ensure!(!history.body.contains("mallory"), "{history:?}");
    bob.lose_socket().await;
    let again = Client::connect_as(&server, "bob", "other", Codec::Json).await?;
    ensure!(again.welcome().missed_calls.is_empty(), "{:?}", again.welcome().missed_calls);
    drop(again);
    // A call to whoever one has blocked oneself is no secret to keep: it rings there. And without the block here, too.
    let mut bob = Client::connect(&server, "bob").await?;
    bob.invite("mallory", MediaKind::Voice).await?;
    mallory.incoming().await?;
    let mut carol = Client::connect(&server, "carol").await?;
    drop(carol.heard_so_far().await?);
    block(&server, "PUT", "bob", "carol").await?;
    block(&server, "DELETE", "bob", "carol").await?;
    let mut tablet = Client::connect_as(&server, "bob", "tablet", Codec::Json).await?;
    let call = carol.invite("bob", MediaKind::Voice).await?;
    ensure!(tablet.incoming().await?.call_id == call);
    Ok(())
}
