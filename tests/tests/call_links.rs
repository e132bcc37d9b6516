//! c3: call links through the whole program: who comes in by one, who waits, who lets them in, and when a link is over.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tertulia_common::CallId;
use tertulia_signaling_proto::{
    CallAdd, CallAdmit, CallInvite, CallLinkPeek, CallLook, CallRequest, ClientFrame, Codec, EndReason, ErrorCode,
    MediaKind, Phase, ServerFrame, Target,
};
use tertulia_tests::attendance::Attendance;
use tertulia_tests::client::Answer;
use tertulia_tests::http;
use tertulia_tests::media::{Fleet, Line, Member, Peer};
use tertulia_tests::scene::{connect_media, send_all};
use tertulia_tests::token::token;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Server};

const LINES: &[Line] = &[Line::Mic, Line::Camera, Line::Ear, Line::Ear, Line::Eye, Line::Eye];
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Packets that prove a flow.
const FLOWING: u64 = 20;

async fn http(server: &Server, by: &str, call: &str, body: &str) -> anyhow::Result<http::Answer> {
    let (method, path) = call.split_once(' ').context("a method and a path")?;
    let headers = [("content-type", "application/json")];
    http::request_with(server.http(), method, &format!("/v1/call-links{path}"), &token(by), &headers, body).await
}

/// A link's id and token.
async fn link(server: &Server, by: &str, more: Value) -> anyhow::Result<(String, String)> {
    let mut body = json!({"name": "Book club", "media": "video"});
    for (key, value) in more.as_object().context("fields")? {
        body[key] = value.clone();
    }
    let made = http(server, by, "POST ", &body.to_string()).await?;
    ensure!(made.status == 201, "{made:?}");
    let made = made.json()?;
    let field = |name: &str| made[name].as_str().map(str::to_owned).context("a link");
    Ok((field("call_link_id")?, field("token")?))
}

async fn come(client: &mut Client, token: &str) -> anyhow::Result<Answer> {
    let to = Target::Link(token.to_owned());
    client.request(|id| ClientFrame::CallInvite(CallInvite { id, to, media: MediaKind::Video })).await
}

async fn comes_in(client: &mut Client, token: &str) -> anyhow::Result<CallId> {
    let ok = come(client, token).await??;
    ensure!(!ok.waiting, "they wait");
    ok.call_id.context("a call")
}

async fn waits(client: &mut Client, token: &str) -> anyhow::Result<CallId> {
    let ok = come(client, token).await??;
    ensure!(ok.waiting, "they do not wait");
    let call = ok.call_id.context("a call")?;
    client.phase(call, Phase::Waiting).await?;
    Ok(call)
}

async fn look(client: &mut Client, token: &str) -> anyhow::Result<Result<CallLinkPeek, ErrorCode>> {
    let link = Some(token.to_owned());
    match client.request(|id| ClientFrame::CallPeek(CallLook { id, call_id: None, link })).await? {
        Ok(ok) => Ok(Ok(*ok.link.context("a link")?)),
        Err(refused) => Ok(Err(refused.0.code)),
    }
}

async fn admit(client: &mut Client, call_id: CallId, whom: &str, admit: bool) -> anyhow::Result<Answer> {
    let user_id = whom.parse()?;
    client.request(|id| ClientFrame::CallAdmit(CallAdmit { id, call_id, user_id, admit })).await
}

async fn leave(client: &mut Client, call_id: CallId) -> anyhow::Result<Answer> {
    client.request(|id| ClientFrame::CallLeave(CallRequest { id, call_id })).await
}

/// Waits until a host hears that these wait.
async fn door(client: &mut Client, call: CallId, names: &[&str]) -> anyhow::Result<()> {
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::CallWaiting(waiting) if waiting.call_id == call => {
            waiting.people.iter().map(|person| person.name.as_str()).eq(names.iter().copied()).then_some(())
        }
        _ => None,
    };
    client.expect(&format!("{names:?} before the door"), pick).await
}

fn refused(answer: Answer, code: ErrorCode) -> anyhow::Result<()> {
    ensure!(answer.as_ref().err().map(|refused| refused.0.code) == Some(code), "{code:?} was expected: {answer:?}");
    Ok(())
}

async fn connect(fleet: &Fleet, client: &mut Client, call: CallId) -> anyhow::Result<Member> {
    let member = connect_media(fleet, client, call, LINES).await?;
    client.phase(call, Phase::Active).await?;
    send_all(fleet, &member).await?;
    Ok(member)
}

#[tokio::test]
async fn c3_a_link_without_approval_takes_everybody_in_who_has_it() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (_, token) = link(&server, "alice", json!({})).await?;
    let [mut bob, mut carol] = [Client::connect(&server, "bob").await?, Client::connect(&server, "carol").await?];
    let seen = look(&mut bob, &token).await?.map_err(|code| anyhow::anyhow!("{code:?}"))?;
    ensure!(seen.name.as_deref() == Some("Book club") && seen.owner.user_id.as_str() == "alice", "{seen:?}");
    ensure!(!seen.approval && !seen.active && seen.call.is_none(), "{seen:?}");
    let call = comes_in(&mut bob, &token).await?;
    let seen = look(&mut carol, &token).await?.map_err(|code| anyhow::anyhow!("{code:?}"))?;
    let there = seen.call.as_ref().context("a call")?;
    ensure!(seen.active && there.call_id == call && there.participants[0].name == "bob", "{seen:?}");
    ensure!(comes_in(&mut carol, &token).await? == call);
    ensure!(token.len() >= 22, "128 bits and more");
    // The last one leaves, and the next call is another.
    leave(&mut bob, call).await??;
    leave(&mut carol, call).await??;
    ensure!(comes_in(&mut bob, &token).await? != call);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_who_waits_hears_nothing_until_a_host_lets_them_in_and_then_everything() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (_, token) = link(&server, "alice", json!({"approval": true})).await?;
    let [mut alice, mut bob] = [Client::connect(&server, "alice").await?, Client::connect(&server, "bob").await?];
    let fleet = Fleet::start()?;
    let call = comes_in(&mut alice, &token).await?;
    let at_alice = connect(&fleet, &mut alice, call).await?;
    ensure!(waits(&mut bob, &token).await? == call);
    door(&mut alice, call, &["bob"]).await?;
    let seen = look(&mut bob, &token).await?.map_err(|code| anyhow::anyhow!("{code:?}"))?;
    ensure!(seen.approval && seen.active && seen.call.is_none(), "who is in is not told to who waits: {seen:?}");
    refused(bob.try_media_connect(call, "v=0".to_owned()).await?, ErrorCode::UnknownCall)?;
    refused(bob.join(call).await?, ErrorCode::UnknownCall)?;
    refused(admit(&mut bob, call, "bob", true).await?, ErrorCode::UnknownCall)?;
    let heard = bob.heard_so_far().await?;
    let of_call = |frame: &&ServerFrame| !matches!(frame, ServerFrame::DemoPeople(_) | ServerFrame::Ping(_));
    ensure!(!heard.iter().any(|frame| of_call(&frame)), "{heard:?}");

    admit(&mut alice, call, "bob", true).await??;
    bob.phase(call, Phase::Connecting).await?;
    let at_bob = connect(&fleet, &mut bob, call).await?;
    for (who, member) in [("Alice", &at_alice), ("Bob", &at_bob)] {
        let flows = || async { (member.tally.received.load(Relaxed) >= FLOWING).then_some(()) };
        eventually(&format!("media flows to {who}"), flows).await?;
    }
    // Who was let in comes back without asking; guests let nobody in, nor ring them.
    leave(&mut bob, call).await??;
    ensure!(comes_in(&mut bob, &token).await? == call);
    let mut carol = Client::connect(&server, "carol").await?;
    waits(&mut carol, &token).await?;
    door(&mut alice, call, &["carol"]).await?;
    refused(admit(&mut bob, call, "carol", true).await?, ErrorCode::Forbidden)?;
    let users = vec!["carol".parse()?];
    let add = bob.request(|id| ClientFrame::CallAdd(CallAdd { id, call_id: call, users })).await?;
    refused(add, ErrorCode::Forbidden)?;
    Ok(())
}

#[tokio::test]
async fn c3_who_is_turned_away_hears_it_and_can_t_ask_again_at_once() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (_, token) = link(&server, "alice", json!({"approval": true})).await?;
    let [mut alice, mut bob] = [Client::connect(&server, "alice").await?, Client::connect(&server, "bob").await?];
    // Bob comes first, and waits for Alice.
    let call = waits(&mut bob, &token).await?;
    ensure!(comes_in(&mut alice, &token).await? == call);
    door(&mut alice, call, &["bob"]).await?;
    admit(&mut alice, call, "bob", false).await??;
    bob.ended(call, EndReason::TurnedAway).await?;
    door(&mut alice, call, &[]).await?;
    let again = come(&mut bob, &token).await?.err().context("they came again")?.0;
    ensure!(again.code == ErrorCode::TurnedAway && again.retry_after_ms.is_some_and(|ms| ms > 200_000), "{again:?}");
    // Who gives up is gone from the door, and so is who loses their session.
    let mut carol = Client::connect(&server, "carol").await?;
    waits(&mut carol, &token).await?;
    door(&mut alice, call, &["carol"]).await?;
    carol.cancel(call).await??;
    carol.ended(call, EndReason::Cancelled).await?;
    door(&mut alice, call, &[]).await?;
    waits(&mut carol, &token).await?;
    door(&mut alice, call, &["carol"]).await?;
    let _second = Client::connect(&server, "carol").await?;
    door(&mut alice, call, &[]).await?;
    // The end of the call is the end of the wait.
    let mut dave = Client::connect(&server, "dave").await?;
    waits(&mut dave, &token).await?;
    leave(&mut alice, call).await??;
    dave.ended(call, EndReason::Hangup).await?;
    Ok(())
}

#[tokio::test]
async fn c3_after_a_link_is_revoked_or_over_nobody_new_comes_in_and_those_who_are_in_stay() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (id, token) = link(&server, "alice", json!({"approval": true})).await?;
    let [mut alice, mut bob] = [Client::connect(&server, "alice").await?, Client::connect(&server, "bob").await?];
    let call = comes_in(&mut alice, &token).await?;
    waits(&mut bob, &token).await?;
    ensure!(http(&server, "bob", &format!("DELETE /{id}"), "").await?.status == 404, "it is not his");
    ensure!(http(&server, "alice", &format!("DELETE /{id}"), "").await?.status == 204);
    bob.ended(call, EndReason::LinkOver).await?;
    ensure!(http(&server, "alice", &format!("DELETE /{id}"), "").await?.status == 204, "again");
    refused(come(&mut bob, &token).await?, ErrorCode::CallLinkOver)?;
    ensure!(look(&mut bob, &token).await? == Err(ErrorCode::CallLinkOver));
    let heard = alice.heard_so_far().await?;
    ensure!(!heard.iter().any(|frame| matches!(frame, ServerFrame::CallEnded(_))), "{heard:?}");
    alice.media(call, Default::default()).await??;

    let (_, short) = link(&server, "bob", json!({"expires_in_s": 1})).await?;
    let bob = tokio::sync::Mutex::new(bob);
    let over = || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let seen = look(&mut *bob.lock().await, &short).await.ok()?;
        (seen == Err(ErrorCode::CallLinkOver)).then_some(())
    };
    eventually("the link's time is over", over).await?;
    Ok(())
}

#[tokio::test]
async fn c3_wrong_links_and_those_of_who_has_blocked_one_are_refused_alike_and_tries_are_counted() -> anyhow::Result<()>
{
    let server = Server::builder().set("signaling.call_link_tries_per_minute", 4).start().await?;
    let (_, token) = link(&server, "alice", json!({})).await?;
    let [mut bob, mut carol] = [Client::connect(&server, "bob").await?, Client::connect(&server, "carol").await?];
    let blocked = server.request("PUT", "/v1/blocks/bob", Some(&tertulia_tests::token::token("alice")), None).await?;
    ensure!(blocked.status == 204, "{blocked:?}");
    refused(come(&mut bob, &token).await?, ErrorCode::CallLinkOver)?;
    ensure!(look(&mut bob, &token).await? == Err(ErrorCode::CallLinkOver));
    let call = comes_in(&mut carol, &token).await?;
    // Nor do others bring him in.
    let users = vec!["bob".parse()?];
    let add = carol.request(|id| ClientFrame::CallAdd(CallAdd { id, call_id: call, users })).await?;
    refused(add, ErrorCode::NotAddable)?;
    for wrong in ["", "Zk3vT0mYq8b2Rj1xWnL7cVd5sHfGpA4e"] {
        refused(come(&mut bob, wrong).await?, ErrorCode::CallLinkOver)?;
    }
    refused(come(&mut bob, &token).await?, ErrorCode::RateLimited)?;
    ensure!(
        server.metrics().await?.sum("tertulia_signaling_limit_hits_total", &["limit=\"call_link_tries\""]) == 1.0,
        "it is counted"
    );
    Ok(())
}

/// What a program of somebody's hears who wants to play a call.
async fn plays(server: &Server, by: &str, call: CallId) -> anyhow::Result<u16> {
    let (_peer, offer) = Peer::offer(LOOPBACK, &[Line::Ear, Line::Eye])?;
    let headers = [("content-type", "application/sdp")];
    let answer =
        http::request_with(server.http(), "POST", &format!("/v1/whep/{call}"), &token(by), &headers, &offer).await?;
    Ok(answer.status)
}

#[tokio::test]
async fn c3_c9_programs_come_into_a_links_call_where_their_user_may() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (_, token) = link(&server, "alice", json!({"approval": true})).await?;
    let [mut alice, mut bob] = [Client::connect(&server, "alice").await?, Client::connect(&server, "bob").await?];
    let call = comes_in(&mut alice, &token).await?;
    ensure!(waits(&mut bob, &token).await? == call);
    for who in ["bob", "carol"] {
        ensure!(plays(&server, who, call).await? == 404, "{who}'s program came in without being let in");
    }
    admit(&mut alice, call, "bob", true).await??;
    bob.phase(call, Phase::Connecting).await?;
    ensure!(plays(&server, "bob", call).await? == 201);
    let blocked = server.request("PUT", "/v1/blocks/bob", Some(&tertulia_tests::token::token("alice")), None).await?;
    ensure!(blocked.status == 204, "{blocked:?}");
    ensure!(plays(&server, "bob", call).await? == 404, "whom the owner has blocked does not come in again");
    Ok(())
}

#[tokio::test]
async fn c3_one_has_so_many_links_and_sees_ones_own_until_they_are_over() -> anyhow::Result<()> {
    let server = Server::builder().set("signaling.call_links_per_user_max", 2).start().await?;
    let (first, token) = link(&server, "alice", json!({})).await?;
    link(&server, "alice", json!({"approval": true, "media": "voice"})).await?;
    let full = http(&server, "alice", "POST ", r#"{"media": "video"}"#).await?;
    ensure!(full.status == 409 && full.json()?["error"]["code"] == "too_many", "{full:?}");
    let listed = http(&server, "alice", "GET ", "").await?.json()?;
    ensure!(listed["links"].as_array().is_some_and(|links| links.len() == 2), "{listed}");
    ensure!(listed["links"].to_string().contains(&token), "its owner can be shown it again");
    let others = http(&server, "bob", "GET ", "").await?.json()?;
    ensure!(others["links"] == json!([]), "{others}");
    ensure!(!server.keeps(token.as_bytes())?, "the token itself is kept nowhere");
    http(&server, "alice", &format!("DELETE /{first}"), "").await?;
    let listed = http(&server, "alice", "GET ", "").await?.json()?;
    ensure!(listed["links"].as_array().is_some_and(|links| links.len() == 1), "{listed}");
    link(&server, "alice", json!({})).await?;
    let bad = [r#"{"media": "video", "expires_in_s": 0}"#, r#"{"media": "video", "expires_in_s": 31536001}"#];
    for body in bad.into_iter().chain([r#"{"media": "video", "name": " "}"#, r#"{"media": "video", "x": 1}"#]) {
        let answer = http(&server, "bob", "POST ", body).await?;
        ensure!(answer.status == 400, "{body}: {answer:?}");
    }
    Ok(())
}

/// Whether what is written of a call has this user in it: that is told before.
async fn has_written(server: &Server, call: CallId, user: &str) -> Option<()> {
    const IMAGE_BYTES: usize = 2_000;
    let (id, user) = (call.to_string(), format!("\"{user}\""));
    let has = |bytes: &[u8], what: &str| bytes.windows(what.len()).any(|window| window == what.as_bytes());
    let in_image = |bytes: Vec<u8>| {
        let mut images = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(id.as_bytes()));
        images.any(|at| has(&bytes[at..bytes.len().min(at + IMAGE_BYTES)], &user))
    };
    let files = std::fs::read_dir(server.data_dir()).ok()?.filter_map(Result::ok);
    files.filter_map(|file| std::fs::read(file.path()).ok()).any(in_image).then_some(())
}

#[tokio::test]
async fn c3_a_links_call_survives_a_kill_with_who_was_let_in_and_who_waited_asks_again() -> anyhow::Result<()> {
    let mut server = Server::builder().set("media.shards", 1).start().await?;
    let (id, token) = link(&server, "alice", json!({"approval": true})).await?;
    let [mut alice, mut bob] = [Client::connect(&server, "alice").await?, Client::connect(&server, "bob").await?];
    let mut carol = Client::connect(&server, "carol").await?;
    let fleet = Fleet::start()?;
    let call = comes_in(&mut alice, &token).await?;
    connect(&fleet, &mut alice, call).await?;
    eventually("Alice's coming is on the disk", || has_written(&server, call, "alice")).await?;
    waits(&mut bob, &token).await?;
    ensure!(has_written(&server, call, "bob").await.is_none(), "who waits is not written down");
    admit(&mut alice, call, "bob", true).await??;
    bob.phase(call, Phase::Connecting).await?;
    connect(&fleet, &mut bob, call).await?;
    waits(&mut carol, &token).await?;
    let bobs = |frame: &ServerFrame| match frame {
        ServerFrame::CallRoster(roster) if roster.participants.len() == 2 => Some(()),
        _ => None,
    };
    alice.expect("Bob in the roster", bobs).await?;
    eventually("Bob's coming is on the disk", || has_written(&server, call, "bob")).await?;
    server.kill()?;
    server.start_again().await?;
    for client in [&mut alice, &mut bob, &mut carol] {
        client.lose_socket().await;
        client.resume(&server).await?;
    }
    ensure!(alice.welcome().calls.iter().any(|seen| seen.call_id == call && seen.conference));
    ensure!(carol.welcome().calls.is_empty());
    connect(&fleet, &mut alice, call).await?;
    ensure!(comes_in(&mut bob, &token).await? == call, "an approval stands");
    ensure!(waits(&mut carol, &token).await? == call, "who waited asks again");
    door(&mut alice, call, &["carol"]).await?;
    // And a host who connects anew hears who waits.
    ensure!(http(&server, "alice", &format!("DELETE /{id}"), "").await?.status == 204);
    carol.ended(call, EndReason::LinkOver).await?;
    Ok(())
}

#[tokio::test]
async fn a4_the_links_of_a_deleted_account_are_over() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (_, token) = link(&server, "alice", json!({"approval": true})).await?;
    let mut bob = Client::connect_as(&server, "bob", "phone", Codec::Json).await?;
    let call = waits(&mut bob, &token).await?;
    let gone = server.request("DELETE", "/v1/account", Some(&tertulia_tests::token::token("alice")), None).await?;
    ensure!(gone.status == 204, "{gone:?}");
    bob.ended(call, EndReason::LinkOver).await?;
    refused(come(&mut bob, &token).await?, ErrorCode::CallLinkOver)?;
    Ok(())
}

/// Those who only listen.
const CROWD: usize = 40;

#[tokio::test]
async fn c4_a_crowd_that_comes_by_a_link_hears_the_few_who_speak_and_who_comes_and_goes() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (_, token) = link(&server, "alice", json!({"media": "voice"})).await?;
    let fleet = Fleet::start()?;
    let mut alice = Client::connect(&server, "alice").await?;
    let call = comes_in(&mut alice, &token).await?;
    let media = connect_media(&fleet, &mut alice, call, Line::VOICE).await?;
    alice.phase(call, Phase::Active).await?;
    send_all(&fleet, &media).await?;
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let mut one = Client::connect(&server, &format!("ear-{number}")).await?;
        ensure!(comes_in(&mut one, &token).await? == call, "one call");
        let media = connect_media(&fleet, &mut one, call, &[Line::Ear, Line::Ear, Line::Ear]).await?;
        crowd.push((one, media, Attendance::default()));
    }
    for (_, media, _) in &crowd {
        let hears = || async { (media.tally.received.load(Relaxed) >= FLOWING).then_some(()) };
        eventually("each hears Alice", hears).await?;
    }
    // Alice has seen them come one by one, the last of them has heard it all at once.
    let mut known = Attendance::default();
    known.until(&mut alice, call, "all of them", |there| there.len() == CROWD + 1).await?;
    ensure!(known.told.1 > 0, "changes: {:?}", known.told);
    let last = CROWD - 1;
    for place in [0, last] {
        let (client, _, seen) = &mut crowd[place];
        seen.until(client, call, "all of them", |there| there.len() == CROWD + 1).await?;
        ensure!(seen.there() == known.there(), "in the order of their coming: {:?}", seen.there());
    }
    let (mut leaver, ..) = crowd.swap_remove(7);
    leave(&mut leaver, call).await??;
    known.until(&mut alice, call, "one less", |there| there.len() == CROWD).await?;
    ensure!(!known.there().iter().any(|one| one.user_id.as_str() == "ear-7"), "the one who left");
    // Figures are one's own in a call of so many.
    let (one, ..) = &mut crowd[0];
    let figures = |frame: &ServerFrame| match frame {
        ServerFrame::CallQuality(quality) => {
            Some(quality.participants.iter().map(|of| of.user_id.as_str().to_owned()).collect::<Vec<_>>())
        }
        _ => None,
    };
    one.forget();
    let whose = one.expect("figures", figures).await?;
    ensure!(whose == ["ear-0"], "{whose:?}");
    Ok(())
}
