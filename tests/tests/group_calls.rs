//! c3, c4: group calls through the whole program: who may come in, who hears whom, what goes on when one leaves.

use anyhow::{Context, ensure};
use serde_json::json;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tertulia_common::{CallId, ClientMessageId, Timestamp, UserId};
use tertulia_signaling_proto::{
    CallAdd, CallHand, CallInvite, CallLook, CallPeek, CallReact, CallRemove, CallRequest, CallRoster, CallView,
    ClientFrame, Codec, EndReason, ErrorCode, GroupCallChanged, MediaKind, Phase, ServerFrame, Source, Target,
    ViewWant,
};
use tertulia_tests::client::Answer;
use tertulia_tests::http;
use tertulia_tests::media::{Fleet, Line, Member};
use tertulia_tests::scene::{LiveCall, connect_media, send_all};
use tertulia_tests::token::token;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Server};

/// What a client in a group call offers: it sends voice and picture, and has room for three voices and four pictures.
const LINES: &[Line] =
    &[Line::Mic, Line::Camera, Line::Ear, Line::Ear, Line::Ear, Line::Eye, Line::Eye, Line::Eye, Line::Eye];
/// Packets that prove a flow.
const FLOWING: u64 = 20;

async fn device(server: &Server, user: &str) -> anyhow::Result<Client> {
    Client::connect_for_messages(server, user, "phone", Codec::Json).await
}

async fn http(server: &Server, by: &str, call: &str, body: &str) -> anyhow::Result<http::Answer> {
    let (method, path) = call.split_once(' ').context("a method and a path")?;
    let headers = [("content-type", "application/json")];
    http::request_with(server.http(), method, &format!("/v1/groups{path}"), &token(by), &headers, body).await
}

async fn group(server: &Server, by: &str, members: &[&str]) -> anyhow::Result<String> {
    let client_id = ClientMessageId::new(Timestamp(1_790_000_000_000), 1);
    let body = json!({"client_id": client_id, "name": "Sunday walks", "members": members}).to_string();
    let made = http(server, by, "POST ", &body).await?;
    ensure!(made.status == 201, "{made:?}");
    made.json()?["group_id"].as_str().map(str::to_owned).context("a group")
}

async fn start(client: &mut Client, group: &str) -> anyhow::Result<Answer> {
    let to = Target::Group(group.to_owned());
    client.request(|id| ClientFrame::CallInvite(CallInvite { id, to, media: MediaKind::Video })).await
}

async fn started(client: &mut Client, group: &str) -> anyhow::Result<CallId> {
    start(client, group).await??.call_id.context("a call")
}

async fn leave(client: &mut Client, call_id: CallId) -> anyhow::Result<Answer> {
    client.request(|id| ClientFrame::CallLeave(CallRequest { id, call_id })).await
}

async fn add(client: &mut Client, call_id: CallId, users: &[&str]) -> anyhow::Result<Answer> {
    let users = users.iter().map(|user| user.parse()).collect::<Result<Vec<UserId>, _>>()?;
    client.request(|id| ClientFrame::CallAdd(CallAdd { id, call_id, users })).await
}

async fn remove(client: &mut Client, call_id: CallId, user: &str) -> anyhow::Result<Answer> {
    let user_id = user.parse()?;
    client.request(|id| ClientFrame::CallRemove(CallRemove { id, call_id, user_id })).await
}

async fn peek(client: &mut Client, call_id: CallId) -> anyhow::Result<Result<CallPeek, ErrorCode>> {
    match client.request(|id| ClientFrame::CallPeek(CallLook { id, call_id: Some(call_id), link: None })).await? {
        Ok(ok) => Ok(Ok(ok.peek.context("who is in it")?)),
        Err(refused) => Ok(Err(refused.0.code)),
    }
}

fn refused(answer: Answer, code: ErrorCode) -> anyhow::Result<()> {
    ensure!(answer.as_ref().err().map(|refused| refused.0.code) == Some(code), "{code:?} was expected: {answer:?}");
    Ok(())
}

/// Waits until the roster has these in it, in the order of their coming.
async fn sees(client: &mut Client, call: CallId, users: &[&str]) -> anyhow::Result<CallRoster> {
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::CallRoster(roster) if roster.call_id == call => {
            let there = roster.participants.iter().map(|entry| entry.participant.user_id.as_str());
            there.eq(users.iter().copied()).then(|| roster.clone())
        }
        _ => None,
    };
    client.expect(&format!("a roster of {users:?}"), pick).await
}

/// Waits for news of a group's call with so many in it; zero: it is over.
async fn hears(client: &mut Client, group: &str, participants: u32) -> anyhow::Result<GroupCallChanged> {
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::CallGroup(changed) if changed.group_id == group => {
            (changed.call.as_ref().map_or(0, |call| call.participants) == participants).then(|| (**changed).clone())
        }
        _ => None,
    };
    client.expect(&format!("a group's call of {participants}"), pick).await
}

/// Connects the media, and sends voice and picture.
async fn connect(fleet: &Fleet, client: &mut Client, call: CallId) -> anyhow::Result<Member> {
    let member = connect_media(fleet, client, call, LINES).await?;
    client.phase(call, Phase::Active).await?;
    send_all(fleet, &member).await?;
    Ok(member)
}

/// Three of a group who are in its call, which Alice has started.
struct Three {
    alice: Client,
    bob: Client,
    carol: Client,
    group: String,
    call: CallId,
    /// In their order.
    media: [Member; 3],
    fleet: Fleet,
}

impl Three {
    async fn start(server: &Server) -> anyhow::Result<Self> {
        let mut alice = device(server, "alice").await?;
        let [mut bob, mut carol] = [device(server, "bob").await?, device(server, "carol").await?];
        let group = group(server, "alice", &["bob", "carol"]).await?;
        let fleet = Fleet::start()?;
        let call = started(&mut alice, &group).await?;
        let at_alice = connect(&fleet, &mut alice, call).await?;
        for client in [&mut bob, &mut carol] {
            client.incoming().await?;
            client.accept(call).await??;
        }
        let (at_bob, at_carol) = (connect(&fleet, &mut bob, call).await?, connect(&fleet, &mut carol, call).await?);
        Ok(Self { alice, bob, carol, group, call, media: [at_alice, at_bob, at_carol], fleet })
    }
}

/// What this client's slots carry: whose microphone and camera, in order.
async fn carries(client: &mut Client, call: CallId, users: &[&str]) -> anyhow::Result<()> {
    let mut wanted: Vec<(String, &str)> =
        users.iter().flat_map(|user| [((*user).to_owned(), "mic"), ((*user).to_owned(), "camera")]).collect();
    wanted.sort();
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::CallSlots(slots) if slots.call_id == call => {
            let carried = slots.slots.iter().filter_map(|slot| {
                let source = match slot.source? {
                    Source::Mic => "mic",
                    Source::Camera => "camera",
                    Source::Screen => "screen",
                };
                Some((slot.participant.as_ref()?.user_id.as_str().to_owned(), source))
            });
            let mut carried: Vec<_> = carried.collect();
            carried.sort();
            (carried == wanted).then_some(())
        }
        _ => None,
    };
    client.expect(&format!("slots that carry {users:?}"), pick).await
}

async fn flows(members: &[(&str, &Member)]) -> anyhow::Result<()> {
    for (name, member) in members {
        let before = member.tally.received.load(Relaxed);
        let more = || async { (member.tally.received.load(Relaxed) >= before + FLOWING).then_some(()) };
        eventually(&format!("media flows to {name}"), more).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_members_ring_come_in_and_hear_one_another_and_whoever_leaves_may_come_back() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let [mut alice, mut bob, mut carol, mut dan] = [
        device(&server, "alice").await?,
        device(&server, "bob").await?,
        device(&server, "carol").await?,
        device(&server, "dan").await?,
    ];
    let group = group(&server, "alice", &["bob", "carol", "dan"]).await?;
    let fleet = Fleet::start()?;
    let call = started(&mut alice, &group).await?;
    let at_alice = connect(&fleet, &mut alice, call).await?;
    for client in [&mut bob, &mut carol, &mut dan] {
        let incoming = client.incoming().await?;
        ensure!(incoming.call_id == call && incoming.conference, "{incoming:?}");
        ensure!(
            incoming.group.as_ref().is_some_and(|of| of.group_id == group && of.name == "Sunday walks"),
            "{incoming:?}"
        );
        client.ringing(call).await??;
    }
    bob.accept(call).await??;
    let at_bob = connect(&fleet, &mut bob, call).await?;
    carol.accept(call).await??;
    let at_carol = connect(&fleet, &mut carol, call).await?;
    let roster = sees(&mut alice, call, &["alice", "bob", "carol"]).await?;
    ensure!(roster.conference && roster.ringing.iter().any(|person| person.user_id.as_str() == "dan"), "{roster:?}");
    carries(&mut alice, call, &["bob", "carol"]).await?;
    carries(&mut bob, call, &["alice", "carol"]).await?;
    flows(&[("Alice", &at_alice), ("Bob", &at_bob), ("Carol", &at_carol)]).await?;

    // Dan does not answer; he looks who is there, and comes late.
    dan.decline(call, tertulia_signaling_proto::DeclineReason::Declined).await??;
    hears(&mut dan, &group, 3).await?;
    let seen = peek(&mut dan, call).await?.map_err(|code| anyhow::anyhow!("{code:?}"))?;
    ensure!(seen.participants.iter().map(|person| person.user_id.as_str()).eq(["alice", "bob", "carol"]), "{seen:?}");
    dan.join(call).await??;
    let at_dan = connect(&fleet, &mut dan, call).await?;
    carries(&mut dan, call, &["alice", "bob", "carol"]).await?;
    flows(&[("Dan", &at_dan), ("Alice", &at_alice)]).await?;

    // Who started it leaves; the others go on, and she comes back.
    leave(&mut alice, call).await??;
    alice.ended(call, EndReason::Hangup).await?;
    sees(&mut bob, call, &["bob", "carol", "dan"]).await?;
    hears(&mut alice, &group, 3).await?;
    flows(&[("Bob", &at_bob), ("Carol", &at_carol), ("Dan", &at_dan)]).await?;
    ensure!(started(&mut alice, &group).await? == call, "the call that goes on");
    let again = connect(&fleet, &mut alice, call).await?;
    carries(&mut alice, call, &["bob", "carol", "dan"]).await?;
    flows(&[("Alice, again", &again), ("Bob", &at_bob)]).await?;

    // It is over when nobody is left.
    for client in [&mut alice, &mut bob, &mut carol, &mut dan] {
        leave(client, call).await??;
    }
    hears(&mut bob, &group, 0).await?;
    refused(bob.join(call).await?, ErrorCode::CallOver)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_who_is_not_in_the_group_hears_and_joins_nothing() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let [mut alice, mut bob, mut eve] =
        [device(&server, "alice").await?, device(&server, "bob").await?, device(&server, "eve").await?];
    let group = group(&server, "alice", &["bob"]).await?;
    refused(start(&mut eve, &group).await?, ErrorCode::UnknownConversation)?;
    refused(start(&mut eve, "no group at all").await?, ErrorCode::UnknownConversation)?;
    let call = started(&mut alice, &group).await?;
    bob.incoming().await?;
    refused(start(&mut eve, &group).await?, ErrorCode::UnknownConversation)?;
    for answer in [
        eve.join(call).await?,
        eve.accept(call).await?,
        leave(&mut eve, call).await?,
        add(&mut eve, call, &["eve"]).await?,
        remove(&mut eve, call, "alice").await?,
        eve.request(|id| ClientFrame::CallHand(CallHand { id, call_id: call, raised: true })).await?,
        eve.request(|id| ClientFrame::CallReact(CallReact { id, call_id: call, reaction: "👏".to_owned() })).await?,
        eve.request(|id| ClientFrame::CallView(CallView { id, call_id: call, wants: Vec::new() })).await?,
    ] {
        refused(answer, ErrorCode::UnknownCall)?;
    }
    ensure!(peek(&mut eve, call).await? == Err(ErrorCode::UnknownCall));
    // Of a group's call only members are added.
    refused(add(&mut alice, call, &["eve"]).await?, ErrorCode::NotAddable)?;
    let heard = eve.heard_so_far().await?;
    ensure!(heard.iter().all(|frame| !format!("{frame:?}").contains("Call")), "{heard:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_a_call_of_two_grows_while_its_media_flows() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut carol = Client::connect(&server, "carol").await?;
    let mut live = LiveCall::start(&server).await?;
    let call = live.call.id;
    refused(add(&mut live.call.alice, call, &["nobody"]).await?, ErrorCode::UnknownUser)?;
    for member in [&live.alice, &live.bob] {
        member.tally.longest_gap_us.store(0, Relaxed);
    }
    add(&mut live.call.alice, call, &["carol"]).await??;
    let roster = sees(&mut live.call.bob, call, &["alice", "bob"]).await?;
    ensure!(roster.version > 0);
    let incoming = carol.incoming().await?;
    ensure!(incoming.call_id == call && incoming.conference && incoming.group.is_none(), "{incoming:?}");
    carol.accept(call).await??;
    let at_carol = connect(&live.fleet, &mut carol, call).await?;
    carries(&mut carol, call, &["alice", "bob"]).await?;
    flows(&[("Carol", &at_carol)]).await?;
    live.flows().await?;
    for member in [&live.alice, &live.bob] {
        let gap = Duration::from_micros(member.tally.longest_gap_us.load(Relaxed));
        ensure!(gap < Duration::from_secs(1), "a gap of {gap:?} while it grew");
    }
    // One of the two goes; the other two go on.
    live.call.alice.hangup(call).await??;
    live.call.alice.ended(call, EndReason::Hangup).await?;
    sees(&mut carol, call, &["bob", "carol"]).await?;
    flows(&[("Carol", &at_carol), ("Bob", &live.bob)]).await?;
    leave(&mut carol, call).await??;
    live.call.bob.ended(call, EndReason::Hangup).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_who_is_removed_from_the_call_or_the_group_is_out_and_stays_out() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let Three { mut alice, mut bob, mut carol, group, call, media: [at_alice, at_bob, at_carol], fleet: _fleet } =
        Three::start(&server).await?;
    refused(remove(&mut bob, call, "carol").await?, ErrorCode::Forbidden)?;
    remove(&mut alice, call, "bob").await??;
    bob.ended(call, EndReason::Removed).await?;
    refused(bob.join(call).await?, ErrorCode::Forbidden)?;
    refused(start(&mut bob, &group).await?, ErrorCode::Forbidden)?;
    let closed = || async { at_bob.tally.closed.load(Relaxed).then_some(()) };
    let quiet = || async {
        let before = at_bob.tally.received.load(Relaxed);
        tokio::time::sleep(Duration::from_millis(300)).await;
        (at_bob.tally.received.load(Relaxed) == before).then_some(())
    };
    tokio::select! { done = eventually("his media ends", closed) => done?, done = eventually("he hears nothing", quiet) => done? }
    flows(&[("Alice", &at_alice), ("Carol", &at_carol)]).await?;

    let gone = http(&server, "alice", &format!("DELETE /{group}/members/carol"), "").await?;
    ensure!(gone.status == 204, "{gone:?}");
    carol.ended(call, EndReason::Removed).await?;
    refused(carol.join(call).await?, ErrorCode::Forbidden)?;
    refused(carol.accept(call).await?, ErrorCode::Forbidden)?;
    refused(start(&mut carol, &group).await?, ErrorCode::UnknownConversation)?;
    ensure!(peek(&mut carol, call).await? == Err(ErrorCode::UnknownCall));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_hands_reactions_and_views_through_the_whole_program() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let Three { mut alice, mut bob, mut carol, call, media: [at_alice, ..], fleet: _fleet, .. } =
        Three::start(&server).await?;
    bob.request(|id| ClientFrame::CallHand(CallHand { id, call_id: call, raised: true })).await??;
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::CallRoster(roster) => {
            let hand = roster.participants.iter().find(|entry| entry.participant.user_id.as_str() == "bob")?.hand_at;
            hand.map(|_| ())
        }
        _ => None,
    };
    alice.expect("Bob's hand", pick).await?;
    let react =
        |id, reaction: &str| ClientFrame::CallReact(CallReact { id, call_id: call, reaction: reaction.to_owned() });
    bob.request(|id| react(id, "👏")).await??;
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::CallReaction(one) if one.from.user_id.as_str() == "bob" => Some(one.reaction.clone()),
        _ => None,
    };
    ensure!(carol.expect("applause", pick).await? == "👏");
    for words in ["", "hello", "<b>", "👏 you", &"👏".repeat(20)] {
        refused(bob.request(|id| react(id, words)).await?, ErrorCode::BadRequest)?;
    }

    // Alice shows Carol alone: Bob's picture is not sent to her any more, his voice is.
    carries(&mut alice, call, &["bob", "carol"]).await?;
    let wants = vec![ViewWant {
        user_id: "carol".parse()?,
        device_id: carol.welcome().device_id.clone(),
        source: Source::Camera,
        max_height: 720,
    }];
    alice.request(|id| ClientFrame::CallView(CallView { id, call_id: call, wants })).await??;
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::CallSlots(slots) => {
            let carried = slots.slots.iter().filter_map(|slot| Some((slot.participant.as_ref()?, slot.source?)));
            let mut carried: Vec<_> =
                carried.map(|(who, source)| format!("{} {source:?}", who.user_id.as_str())).collect();
            carried.sort();
            (carried == ["bob Mic", "carol Camera", "carol Mic"]).then_some(())
        }
        _ => None,
    };
    alice.expect("Carol's picture alone", pick).await?;
    flows(&[("Alice", &at_alice)]).await?;
    let many =
        vec![ViewWant { user_id: "bob".parse()?, device_id: "x".parse()?, source: Source::Camera, max_height: 1 }; 65];
    let view = |id| ClientFrame::CallView(CallView { id, call_id: call, wants: many });
    refused(alice.request(view).await?, ErrorCode::TooMany)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_whoever_was_named_in_a_view_before_their_media_came_is_shown_and_again_when_they_come_back()
-> anyhow::Result<()> {
    let server = Server::start().await?;
    let Three { mut alice, mut carol, call, fleet, media: [_at_alice, _at_bob, at_carol], .. } =
        Three::start(&server).await?;
    leave(&mut carol, call).await??;
    carol.ended(call, EndReason::Hangup).await?;
    drop(at_carol);
    sees(&mut alice, call, &["alice", "bob"]).await?;
    carol.join(call).await??;
    // She is in the roster, and her media is not there: Alice's page shows her tile.
    sees(&mut alice, call, &["alice", "bob", "carol"]).await?;
    let (user_id, device_id) = ("carol".parse()?, carol.welcome().device_id.clone());
    let wants = vec![ViewWant { user_id, device_id, source: Source::Camera, max_height: 720 }];
    alice.request(|id| ClientFrame::CallView(CallView { id, call_id: call, wants })).await??;
    let shows_carol = |frame: &ServerFrame| match frame {
        ServerFrame::CallSlots(slots) => {
            let mut cameras = slots.slots.iter().filter(|slot| slot.source == Some(Source::Camera));
            let carried = cameras.next()?.participant.as_ref()?;
            (carried.user_id.as_str() == "carol" && cameras.next().is_none()).then_some(())
        }
        _ => None,
    };
    let again = connect(&fleet, &mut carol, call).await?;
    alice.expect("Carol's picture alone", shows_carol).await?;
    // What Alice shows stays said.
    leave(&mut carol, call).await??;
    carol.ended(call, EndReason::Hangup).await?;
    drop(again);
    let gone = |frame: &ServerFrame| match frame {
        ServerFrame::CallSlots(slots) => {
            slots.slots.iter().all(|slot| slot.source != Some(Source::Camera)).then_some(())
        }
        _ => None,
    };
    alice.expect("no picture", gone).await?;
    carol.join(call).await??;
    let _third = connect(&fleet, &mut carol, call).await?;
    alice.expect("Carol's picture, who came back", shows_carol).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_who_connects_while_a_group_call_goes_on_sees_it_and_c6_it_outlives_a_kill() -> anyhow::Result<()> {
    // One port for media, so that it is the same after the kill.
    let mut server = Server::builder().set("media.shards", 1).start().await?;
    let [mut alice, mut bob] = [device(&server, "alice").await?, device(&server, "bob").await?];
    drop(device(&server, "carol").await?);
    let group = group(&server, "alice", &["bob", "carol"]).await?;
    let fleet = Fleet::start()?;
    let call = started(&mut alice, &group).await?;
    connect(&fleet, &mut alice, call).await?;
    bob.incoming().await?;
    bob.accept(call).await??;
    connect(&fleet, &mut bob, call).await?;
    sees(&mut alice, call, &["alice", "bob"]).await?;

    let mut carol = device(&server, "carol").await?;
    let going = carol.welcome().group_calls.clone();
    ensure!(going.len() == 1 && going[0].call_id == call && going[0].participants == 2, "{going:?}");
    ensure!(carol.incoming().await?.call_id == call, "it still rings");

    server.kill()?;
    server.start_again().await?;
    for client in [&mut alice, &mut bob] {
        client.lose_socket().await;
        client.resume(&server).await?;
        let snapshot = client.welcome().calls.iter().find(|seen| seen.call_id == call).context("the call")?;
        ensure!(snapshot.conference && snapshot.phase == Phase::Reconnecting, "{snapshot:?}");
    }
    let at_alice = connect(&fleet, &mut alice, call).await?;
    let at_bob = connect(&fleet, &mut bob, call).await?;
    flows(&[("Alice", &at_alice), ("Bob", &at_bob)]).await?;
    let mut carol = device(&server, "carol").await?;
    let incoming = carol.incoming().await?;
    ensure!(incoming.call_id == call && incoming.from.name == "alice", "{incoming:?}");
    carol.join(call).await??;
    let at_carol = connect(&fleet, &mut carol, call).await?;
    flows(&[("Carol", &at_carol)]).await?;
    Ok(())
}
