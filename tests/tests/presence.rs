//! Presence through the whole program: sockets of both codecs, HTTP, a resume, a kill.

use anyhow::{Context, ensure};
use serde_json::json;
use std::collections::HashMap;
use tertulia_common::{ClientMessageId, Timestamp, UserId};
use tertulia_signaling_proto::{
    ClientFrame, Codec, Content, ErrorCode, MessageSend, PersonPresence, Presence, PresenceSet, PresenceWatch,
    Recipient, RequestId, ServerFrame, Settings, Typing, TypingSend, TypingWhat,
};
use tertulia_tests::token::token;
use tertulia_tests::{Client, Server, http, metrics};

/// A device, and what it knows of others.
struct Device {
    client: Client,
    known: HashMap<UserId, PersonPresence>,
    frames: u64,
}

async fn connected(server: &Server, user: &str, device: &str, codec: Codec) -> anyhow::Result<Device> {
    let client = Client::connect_for_messages(server, user, device, codec).await?;
    Ok(Device { client, known: HashMap::new(), frames: 0 })
}

async fn phone(server: &Server, user: &str) -> anyhow::Result<Device> {
    connected(server, user, "phone", Codec::Json).await
}

impl Device {
    fn keep(&mut self, news: Presence) {
        self.frames += 1;
        self.known.extend(news.people.into_iter().map(|person| (person.user.clone(), person)));
    }

    fn knows(&self, of: &str) -> Option<&PersonPresence> {
        self.known.iter().find(|(user, _)| user.as_str() == of).map(|(_, person)| person)
    }

    /// Waits until it knows this of somebody.
    async fn sees(&mut self, of: &str, what: impl Fn(&PersonPresence) -> bool) -> anyhow::Result<PersonPresence> {
        loop {
            if let Some(person) = self.knows(of).filter(|person| what(person)) {
                return Ok(person.clone());
            }
            let pick = |frame: &ServerFrame| match frame {
                ServerFrame::Presence(news) => Some(news.clone()),
                _ => None,
            };
            let news = self.client.expect(&format!("news of {of}"), pick).await?;
            self.keep(news);
        }
    }

    /// Waits until it hears that somebody types so.
    async fn hears(&mut self, from: &str, what: TypingWhat) -> anyhow::Result<Typing> {
        let from: UserId = from.parse()?;
        let pick = |frame: &ServerFrame| match frame {
            ServerFrame::Typing(typing) if typing.from == from && typing.what == what => Some(typing.clone()),
            _ => None,
        };
        self.client.expect("typing", pick).await
    }

    /// What it has heard of typing and was not asked for, once everything sent before has come.
    async fn typing_left(&mut self) -> anyhow::Result<usize> {
        let frames = self.client.heard_so_far().await?;
        Ok(frames.iter().filter(|frame| matches!(frame, ServerFrame::Typing(_))).count())
    }

    /// After news of somebody else that was made now: what was under way before has come, or does not come.
    async fn settled(&mut self, marker: &mut Self) -> anyhow::Result<()> {
        let name = marker.client.user_id().as_str().to_owned();
        set(marker, true).await?;
        self.sees(&name, is_online).await?;
        Ok(())
    }
}

async fn done(device: &mut Device, frame: impl FnOnce(RequestId) -> ClientFrame) -> anyhow::Result<()> {
    device.client.request(frame).await?.map_err(|refused| anyhow::anyhow!("{refused:?}"))?;
    Ok(())
}

async fn set(client: &mut Device, active: bool) -> anyhow::Result<()> {
    done(client, |id| ClientFrame::PresenceSet(PresenceSet { id, active })).await
}

async fn watch(client: &mut Device, users: &[&str], groups: &[&str]) -> anyhow::Result<()> {
    let users = users.iter().map(|user| user.parse()).collect::<Result<_, _>>()?;
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    done(client, |id| ClientFrame::PresenceWatch(PresenceWatch { id, users, groups })).await
}

async fn types(client: &mut Device, to: Recipient, what: TypingWhat) -> anyhow::Result<Option<ErrorCode>> {
    let answer = client.client.request(|id| ClientFrame::Typing(TypingSend { id, to, what })).await?;
    Ok(answer.err().map(|refused| refused.0.code))
}

async fn write(client: &mut Device, to: &str, number: u128) -> anyhow::Result<()> {
    let (client_id, to) = (ClientMessageId::new(Timestamp(1), number), Recipient::User(to.parse()?));
    let content = Content::Text { text: "hello".to_owned() };
    done(client, |id| ClientFrame::MessageSend(MessageSend { id, client_id, to, content })).await
}

fn is_online(person: &PersonPresence) -> bool {
    person.online
}

fn is_gone(person: &PersonPresence) -> bool {
    !person.online && person.last_seen.is_some()
}

fn is_hidden(person: &PersonPresence) -> bool {
    !person.online && person.last_seen.is_none()
}

async fn show(server: &Server, user: &str, settings: serde_json::Value) -> anyhow::Result<serde_json::Value> {
    let answer = server.request("PATCH", "/v1/settings", Some(&token(user)), Some(&settings.to_string())).await?;
    ensure!(answer.status == 200, "{answer:?}");
    answer.json()
}

async fn everyone_may_see(server: &Server, users: &[&str]) -> anyhow::Result<()> {
    for user in users {
        show(server, user, json!({"online": "everyone", "last_seen": "everyone"})).await?;
    }
    Ok(())
}

async fn block(server: &Server, by: &str, whom: &str, blocked: bool) -> anyhow::Result<()> {
    let method = if blocked { "PUT" } else { "DELETE" };
    let answer = server.request(method, &format!("/v1/blocks/{whom}"), Some(&token(by)), None).await?;
    ensure!(answer.status == 204, "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn m6_online_and_last_seen_are_told_to_who_watches() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = phone(&server, "alice").await?;
    let mut bob = connected(&server, "bob", "phone", Codec::Msgpack).await?;
    everyone_may_see(&server, &["alice", "bob"]).await?;
    set(&mut alice, true).await?;
    watch(&mut bob, &["alice"], &[]).await?;
    bob.sees("alice", is_online).await?;
    set(&mut alice, false).await?;
    let gone = bob.sees("alice", is_gone).await?;
    let last_seen = gone.last_seen.context("when")?;
    ensure!(last_seen.as_millis().is_multiple_of(1_000), "whole seconds: {last_seen:?}");
    // Connected, and nobody looks: not here.
    let mut carol = phone(&server, "carol").await?;
    everyone_may_see(&server, &["carol"]).await?;
    watch(&mut carol, &["alice", "bob"], &[]).await?;
    ensure!(carol.sees("alice", |_| true).await? == gone);
    Ok(())
}

#[tokio::test]
async fn m6_contacts_see_by_default_and_strangers_do_not() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (mut alice, mut bob) = (phone(&server, "alice").await?, phone(&server, "bob").await?);
    let mut marker = phone(&server, "marker").await?;
    everyone_may_see(&server, &["marker"]).await?;
    set(&mut alice, true).await?;
    watch(&mut bob, &["alice", "marker"], &[]).await?;
    write(&mut bob, "alice", 1).await?;
    bob.settled(&mut marker).await?;
    ensure!(bob.knows("alice").is_none(), "to write to somebody shows nothing of them");
    write(&mut alice, "bob", 1).await?;
    bob.sees("alice", is_online).await?;
    let settings: Settings = serde_json::from_value(show(&server, "alice", json!({})).await?)?;
    ensure!(settings == Settings::default());
    Ok(())
}

#[tokio::test]
async fn m6_a_setting_and_a_block_count_for_those_who_watch_now() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (mut alice, mut bob) = (phone(&server, "alice").await?, phone(&server, "bob").await?);
    everyone_may_see(&server, &["alice", "bob"]).await?;
    for (client, other) in [(&mut alice, "bob"), (&mut bob, "alice")] {
        set(client, true).await?;
        watch(client, &[other], &[]).await?;
    }
    bob.sees("alice", is_online).await?;
    alice.sees("bob", is_online).await?;
    block(&server, "alice", "bob", true).await?;
    bob.sees("alice", is_hidden).await?;
    alice.sees("bob", is_hidden).await?;
    block(&server, "alice", "bob", false).await?;
    bob.sees("alice", is_online).await?;
    alice.sees("bob", is_online).await?;
    show(&server, "alice", json!({"online": "nobody", "last_seen": "nobody"})).await?;
    let of_setting = bob.sees("alice", is_hidden).await?;
    alice.sees("bob", is_hidden).await.context("who hides from all sees nobody")?;
    ensure!(of_setting == PersonPresence { user: "alice".parse()?, online: false, last_seen: None });
    show(&server, "alice", json!({"online": "everyone"})).await?;
    bob.sees("alice", is_online).await?;
    let deleted = server.request("DELETE", "/v1/account", Some(&token("alice")), None).await?;
    ensure!(deleted.status == 204, "{deleted:?}");
    bob.sees("alice", is_hidden).await?;
    Ok(())
}

#[tokio::test]
async fn m6_a_lost_socket_is_not_gone_and_a_resume_tells_how_things_are() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (mut alice, mut bob) = (phone(&server, "alice").await?, phone(&server, "bob").await?);
    let mut marker = phone(&server, "marker").await?;
    everyone_may_see(&server, &["alice", "bob", "marker"]).await?;
    set(&mut alice, true).await?;
    watch(&mut bob, &["alice", "marker"], &[]).await?;
    bob.sees("alice", is_online).await?;
    alice.client.lose_socket().await;
    bob.settled(&mut marker).await?;
    ensure!(bob.knows("alice").is_some_and(is_online), "her session has its time to come back");
    ensure!(alice.client.resume(&server).await?);
    bob.client.lose_socket().await;
    set(&mut alice, false).await?;
    set(&mut marker, false).await?;
    ensure!(bob.client.resume(&server).await?, "frames of presence are not counted");
    bob.sees("alice", is_gone).await?;
    bob.sees("marker", is_gone).await?;
    Ok(())
}

#[tokio::test]
async fn m6_a_background_reconnect_does_not_move_last_seen_and_a_message_does() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (mut alice, mut bob) = (phone(&server, "alice").await?, phone(&server, "bob").await?);
    everyone_may_see(&server, &["alice", "bob"]).await?;
    set(&mut alice, true).await?;
    set(&mut alice, false).await?;
    watch(&mut bob, &["alice"], &[]).await?;
    let first = bob.sees("alice", is_gone).await?.last_seen.context("when")?;
    // Long enough that another second would show.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    drop(alice);
    let mut alice = phone(&server, "alice").await?;
    set(&mut alice, false).await?;
    watch(&mut bob, &[], &[]).await?;
    watch(&mut bob, &["alice"], &[]).await?;
    ensure!(bob.sees("alice", is_gone).await?.last_seen == Some(first));
    write(&mut alice, "bob", 1).await?;
    bob.sees("alice", |person| person.last_seen > Some(first)).await?;
    Ok(())
}

#[tokio::test]
async fn m6_after_a_restart_nobody_is_here_and_last_seen_is_kept() -> anyhow::Result<()> {
    let mut server = Server::builder().set("media.shards", 1).start().await?;
    let mut alice = phone(&server, "alice").await?;
    everyone_may_see(&server, &["alice", "bob"]).await?;
    write(&mut alice, "bob", 1).await?;
    set(&mut alice, true).await?;
    let status = server.terminate().await?;
    ensure!(status.success(), "{status}");
    server.start_again().await?;
    let mut bob = phone(&server, "bob").await?;
    show(&server, "alice", json!({"online": "contacts", "last_seen": "contacts"})).await?;
    watch(&mut bob, &["alice"], &[]).await?;
    // As a contact of hers: that is kept, too.
    bob.sees("alice", is_gone).await?;
    Ok(())
}

#[tokio::test]
async fn m6_a_kill_loses_seconds_of_last_seen_and_nothing_older() -> anyhow::Result<()> {
    let mut server = Server::builder().set("media.shards", 1).start().await?;
    let (mut alice, mut bob) = (phone(&server, "alice").await?, phone(&server, "bob").await?);
    everyone_may_see(&server, &["alice", "bob"]).await?;
    set(&mut alice, true).await?;
    set(&mut alice, false).await?;
    watch(&mut bob, &["alice"], &[]).await?;
    let seen = bob.sees("alice", is_gone).await?;
    metrics::rises(&server, "tertulia_presence_noted_total", &[], 0.0).await?;
    server.kill()?;
    server.start_again().await?;
    let mut bob = phone(&server, "bob").await?;
    watch(&mut bob, &["alice"], &[]).await?;
    ensure!(bob.sees("alice", is_gone).await? == seen);
    Ok(())
}

#[tokio::test]
async fn m6_typing_and_recording_are_heard_by_who_watches_and_is_not_away() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (mut alice, mut bob) = (phone(&server, "alice").await?, phone(&server, "bob").await?);
    let mut away = connected(&server, "bob", "tablet", Codec::Json).await?;
    let mut idle = connected(&server, "bob", "laptop", Codec::Json).await?;
    for client in [&mut bob, &mut away] {
        watch(client, &["alice"], &[]).await?;
    }
    set(&mut away, false).await?;
    let to = || Ok::<_, anyhow::Error>(Recipient::User("bob".parse()?));
    for what in [TypingWhat::Text, TypingWhat::Voice, TypingWhat::None] {
        ensure!(types(&mut alice, to()?, what).await?.is_none());
        ensure!(bob.hears("alice", what).await?.to == to()?);
    }
    ensure!(away.typing_left().await? == 0, "it would wake a device that sleeps");
    ensure!(idle.typing_left().await? == 0, "it has not asked");
    // Not kept for whoever comes back.
    bob.client.lose_socket().await;
    ensure!(types(&mut alice, to()?, TypingWhat::Text).await?.is_none());
    ensure!(bob.client.resume(&server).await?);
    ensure!(types(&mut alice, to()?, TypingWhat::Voice).await?.is_none());
    bob.hears("alice", TypingWhat::Voice).await?;
    ensure!(bob.typing_left().await? == 0);
    Ok(())
}

#[tokio::test]
async fn m6_typing_to_who_has_blocked_one_is_silently_nothing() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (mut alice, mut bob) = (phone(&server, "alice").await?, phone(&server, "bob").await?);
    watch(&mut bob, &["alice"], &[]).await?;
    for (by, whom) in [("bob", "alice"), ("alice", "bob")] {
        block(&server, by, whom, true).await?;
        ensure!(types(&mut alice, Recipient::User("bob".parse()?), TypingWhat::Text).await?.is_none());
        block(&server, by, whom, false).await?;
        // The next one comes, and alone.
        ensure!(types(&mut alice, Recipient::User("bob".parse()?), TypingWhat::Voice).await?.is_none());
        bob.hears("alice", TypingWhat::Voice).await?;
        ensure!(bob.typing_left().await? == 0, "{by} has blocked {whom}");
    }
    ensure!(types(&mut alice, Recipient::User("nobody".parse()?), TypingWhat::Text).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn m6_typing_in_a_group_is_for_its_members_who_have_it_open() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (mut alice, mut bob) = (phone(&server, "alice").await?, phone(&server, "bob").await?);
    let (mut carol, mut mallory) = (phone(&server, "carol").await?, phone(&server, "mallory").await?);
    let body =
        json!({"client_id": ClientMessageId::new(Timestamp(1), 1), "name": "Walks", "members": ["bob", "carol"]});
    let made = server.post("/v1/groups", Some(&token("alice")), &body.to_string()).await?;
    ensure!(made.status == 201, "{made:?}");
    let group = made.json()?["group_id"].as_str().context("a group")?.to_owned();
    let to = || Recipient::Group(group.clone());
    for client in [&mut bob, &mut carol, &mut mallory] {
        watch(client, &[], &[&group]).await?;
    }
    ensure!(types(&mut alice, to(), TypingWhat::Text).await?.is_none());
    for client in [&mut bob, &mut carol] {
        ensure!(client.hears("alice", TypingWhat::Text).await?.to == to());
    }
    ensure!(mallory.typing_left().await? == 0, "she is not in it");
    let refused = types(&mut mallory, to(), TypingWhat::Text).await?;
    ensure!(refused == Some(ErrorCode::UnknownConversation), "{refused:?}");
    let unknown = types(&mut mallory, Recipient::Group("0".repeat(32)), TypingWhat::Text).await?;
    ensure!(unknown == refused, "a stranger can't tell it from one that is not there");
    // Who was in it.
    let name = ClientMessageId::new(Timestamp(1), 2).to_string();
    let headers = [("tertulia-client-id", name.as_str())];
    let path = format!("/v1/groups/{group}/members/carol");
    let left = http::request_with(server.http(), "DELETE", &path, &token("carol"), &headers, "").await?;
    ensure!(left.status < 300, "{left:?}");
    ensure!(types(&mut alice, to(), TypingWhat::Voice).await?.is_none());
    bob.hears("alice", TypingWhat::Voice).await?;
    ensure!(carol.typing_left().await? == 0);
    ensure!(types(&mut carol, to(), TypingWhat::Text).await? == Some(ErrorCode::UnknownConversation));
    Ok(())
}

#[tokio::test]
async fn m6_what_one_session_may_watch_and_say_is_bounded_and_typed() -> anyhow::Result<()> {
    let server = Server::builder().set("signaling.watched_users_max", 2).start().await?;
    let mut bob = phone(&server, "bob").await?;
    ensure!(bob.client.welcome().limits.watched_users_max == 2);
    let users: Vec<UserId> = ["a", "b", "c"].iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
    let asked = |id| ClientFrame::PresenceWatch(PresenceWatch { id, users, groups: Vec::new() });
    let refused = bob.client.request(asked).await?.err().context("too many")?.0;
    ensure!((refused.code, refused.limit, refused.actual) == (ErrorCode::TooMany, Some(2), Some(3)), "{refused:?}");
    let asked = |id| ClientFrame::PresenceWatch(PresenceWatch { id, users: Vec::new(), groups: vec!["x".to_owned()] });
    ensure!(bob.client.request(asked).await?.err().context("no group")?.0.code == ErrorCode::UnknownConversation);
    let mut said = None;
    for _ in 0..40 {
        said = said.or(types(&mut bob, Recipient::User("a".parse()?), TypingWhat::Text).await?);
    }
    ensure!(said == Some(ErrorCode::RateLimited), "{said:?}");
    let metrics = server.metrics().await?;
    for limit in ["watches_per_session", "typing"] {
        let hits = metrics.sum("tertulia_signaling_limit_hits_total", &[&format!("limit=\"{limit}\"")]);
        ensure!(hits > 0.0, "{limit}");
    }
    Ok(())
}

#[tokio::test]
async fn m6_who_comes_and_goes_costs_a_watcher_a_frame_a_second() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (mut alice, mut bob) = (phone(&server, "alice").await?, phone(&server, "bob").await?);
    everyone_may_see(&server, &["alice", "bob"]).await?;
    watch(&mut bob, &["alice"], &[]).await?;
    let begun = std::time::Instant::now();
    for number in 0..30 {
        write(&mut alice, "bob", number).await?;
        show(&server, "alice", json!({"last_seen": if number % 2 == 0 { "nobody" } else { "everyone" }})).await?;
    }
    bob.sees("alice", is_gone).await?;
    let frames = bob.frames;
    // By the time that has passed, however slow this machine is.
    ensure!(frames <= begun.elapsed().as_secs() + 2, "{frames} in {:?}", begun.elapsed());
    Ok(())
}
