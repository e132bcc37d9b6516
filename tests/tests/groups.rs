//! Groups through the whole program: HTTP, sockets of both codecs, kills, a group of as many as one may have.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tertulia_common::{ClientMessageId, Timestamp};
use tertulia_signaling_proto::{
    ClientFrame, Codec, Content, ErrorCode, GroupEvent, GroupRole, MailboxAck, Message, MessageRead, MessageSend,
    MessageSent, ReceiptsOfAll, Recipient, ServerFrame,
};
use tertulia_tests::accounts::{Account, Carrier};
use tertulia_tests::http::{self, Answer};
use tertulia_tests::token::token;
use tertulia_tests::{Client, Server};

fn id(number: u128) -> ClientMessageId {
    ClientMessageId::new(Timestamp(1_790_000_000_000), number)
}

async fn device(server: &Server, user: &str, codec: Codec) -> anyhow::Result<Client> {
    Client::connect_for_messages(server, user, "phone", codec).await
}

/// Asks as a user; `number` is the client's own name for a change.
async fn ask(server: &Server, by: &str, number: u128, call: &str, body: Value) -> anyhow::Result<Answer> {
    ask_as(server, &token(by), number, call, body).await
}

async fn ask_as(server: &Server, token: &str, number: u128, call: &str, body: Value) -> anyhow::Result<Answer> {
    let (method, path) = call.split_once(' ').context("a method and a path")?;
    let name = id(number).to_string();
    let headers = [("tertulia-client-id", name.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    http::request_with(server.http(), method, &format!("/v1/groups{path}"), token, &headers, &body).await
}

/// Makes a group; gives its id.
async fn create(server: &Server, by: &str, number: u128, members: &[&str]) -> anyhow::Result<String> {
    let made = try_create(server, by, number, members).await?;
    ensure!(made.status == 201, "{made:?}");
    group_id(&made)
}

async fn try_create(server: &Server, by: &str, number: u128, members: &[&str]) -> anyhow::Result<Answer> {
    let body = json!({"client_id": id(number), "name": "Sunday walks", "members": members});
    ask(server, by, number, "POST ", body).await
}

fn group_id(answer: &Answer) -> anyhow::Result<String> {
    answer.json()?["group_id"].as_str().map(str::to_owned).context("a group")
}

fn refused(answer: &Answer, status: u16, code: &str) -> anyhow::Result<()> {
    ensure!(answer.status == status && answer.json()?["error"]["code"] == code, "{status} {code}: {answer:?}");
    Ok(())
}

type Sending = Result<MessageSent, ErrorCode>;

async fn say(client: &mut Client, to: Recipient, number: u128, text: &str) -> anyhow::Result<Sending> {
    let content = Content::Text { text: text.to_owned() };
    let send = |request| ClientFrame::MessageSend(MessageSend { id: request, client_id: id(number), to, content });
    match client.request(send).await? {
        Ok(ok) => Ok(Ok(ok.message.context("where it stands")?)),
        Err(refused) => Ok(Err(refused.0.code)),
    }
}

async fn say_in(client: &mut Client, group: &str, number: u128, text: &str) -> anyhow::Result<Sending> {
    say(client, Recipient::Group(group.to_owned()), number, text).await
}

async fn message(client: &mut Client) -> anyhow::Result<Message> {
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::Message(message) => Some((**message).clone()),
        _ => None,
    };
    client.expect("a message", pick).await
}

/// The next message is this text in this group.
async fn hears(client: &mut Client, group: &str, text: &str) -> anyhow::Result<Message> {
    let heard = message(client).await?;
    ensure!(heard.to == Recipient::Group(group.to_owned()) && heard.conversation == group, "{heard:?}");
    ensure!(heard.content == Content::Text { text: text.to_owned() }, "{:?} instead of {text:?}", heard.content);
    Ok(heard)
}

/// The next message says this of the group.
async fn happens(client: &mut Client, group: &str, by: &str, event: GroupEvent) -> anyhow::Result<Message> {
    let heard = message(client).await?;
    ensure!(heard.conversation == group && heard.from.as_str() == by, "{heard:?} instead of something by {by}");
    ensure!(heard.content == Content::System(event), "another change");
    Ok(heard)
}

fn created(members: &[&str]) -> anyhow::Result<GroupEvent> {
    let members = members.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    Ok(GroupEvent::Created { name: "Sunday walks".to_owned(), members })
}

fn acknowledge(client: &Client, message: &Message) {
    client.send(ClientFrame::MailboxAck(MailboxAck { seq: message.seq, received: None }));
}

/// Waits until all others in the group have come as far as this. Keeps what it hears: who does not is told no more.
async fn all_have(client: &mut Client, delivered: u64, read: u64) -> anyhow::Result<()> {
    let wanted = ReceiptsOfAll { delivered_upto: delivered, read_upto: read };
    while next_of_all(client).await.with_context(|| format!("{wanted:?}"))? != wanted {}
    Ok(())
}

async fn next_of_all(client: &mut Client) -> anyhow::Result<ReceiptsOfAll> {
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::Receipts(receipts) => receipts.all.map(|all| (receipts.seq, all)),
        _ => None,
    };
    let (seq, all) = client.expect("receipts of a group", pick).await?;
    client.send(ClientFrame::MailboxAck(MailboxAck { seq, received: None }));
    Ok(all)
}

#[tokio::test]
async fn m2_members_see_messages_and_changes_in_one_order_and_others_see_nothing() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = device(&server, "alice", Codec::Json).await?;
    let mut bob = device(&server, "bob", Codec::Msgpack).await?;
    let mut carol = device(&server, "carol", Codec::Json).await?;
    let group = create(&server, "alice", 1, &["bob"]).await?;
    let again = try_create(&server, "alice", 1, &["bob"]).await?;
    ensure!(again.status == 200 && group_id(&again)? == group, "{again:?}");
    for client in [&mut alice, &mut bob] {
        let made = happens(client, &group, "alice", created(&["alice", "bob"])?).await?;
        ensure!(made.conversation_seq == 1);
    }
    let sent = say_in(&mut bob, &group, 1, "Where to?").await?.map_err(|code| anyhow::anyhow!("{code:?}"))?;
    ensure!(sent.conversation == group && sent.conversation_seq == 2);
    hears(&mut alice, &group, "Where to?").await?;

    let member = format!("/{group}/members/carol");
    let added = ask(&server, "alice", 2, &format!("PUT {member}"), json!({"role": "admin"})).await?;
    ensure!(added.status == 200 && added.json()?["members"].as_array().is_some_and(|all| all.len() == 3), "{added:?}");
    let event = || GroupEvent::Added { user: carol_id(), role: GroupRole::Admin };
    let came = happens(&mut carol, &group, "alice", event()).await?;
    ensure!(came.conversation_seq == 3, "she hears of nothing before");
    for client in [&mut alice, &mut bob] {
        happens(client, &group, "alice", event()).await?;
    }
    let renamed =
        ask(&server, "carol", 3, &format!("PATCH /{group}"), json!({"name": "Hikes", "post": "admin"})).await?;
    ensure!(renamed.status == 200 && renamed.json()?["name"] == "Hikes", "{renamed:?}");
    ensure!(say_in(&mut bob, &group, 2, "May I?").await? == Err(ErrorCode::Forbidden), "only admins write now");
    ensure!(say_in(&mut carol, &group, 1, "To the sea").await?.is_ok());
    for client in [&mut alice, &mut bob] {
        let changed = message(client).await?;
        ensure!(matches!(&changed.content, Content::System(GroupEvent::Changed { changes }) if changes.name.is_some()));
        hears(client, &group, "To the sea").await?;
    }

    // Bob is removed: he hears that, and nothing after.
    ensure!(ask(&server, "carol", 4, &format!("DELETE /{group}/members/bob"), Value::Null).await?.status == 204);
    ensure!(say_in(&mut carol, &group, 2, "Without Bob").await?.is_ok());
    happens(&mut bob, &group, "carol", GroupEvent::Removed { user: "bob".parse()? }).await?;
    refused(&ask(&server, "bob", 5, &format!("GET /{group}"), Value::Null).await?, 404, "unknown_conversation")?;
    ensure!(say_in(&mut bob, &group, 3, "Still here").await? == Err(ErrorCode::Forbidden));
    ensure!(say(&mut carol, Recipient::User("bob".parse()?), 3, "Sorry").await?.is_ok());
    let next = message(&mut bob).await?;
    ensure!(next.content == Content::Text { text: "Sorry".to_owned() }, "{next:?}");
    // The owner leaves: Carol follows; then she ends it.
    ensure!(ask(&server, "alice", 6, &format!("DELETE /{group}/members/alice"), Value::Null).await?.status == 204);
    let mine = ask(&server, "carol", 7, "GET ?limit=20", Value::Null).await?.json()?;
    ensure!(mine["groups"][0]["members"] == json!([{"user_id": "carol", "role": "owner"}]), "{mine}");
    ensure!(ask(&server, "carol", 8, &format!("DELETE /{group}"), Value::Null).await?.status == 204);
    ensure!(ask(&server, "carol", 8, &format!("DELETE /{group}"), Value::Null).await?.status == 204, "the same again");
    let none = ask(&server, "carol", 9, "GET ", Value::Null).await?.json()?;
    ensure!(none["groups"] == json!([]), "{none}");
    ensure!(server.metrics().await?.sum("tertulia_group_changes", &[]) > 5.5);
    Ok(())
}

#[expect(clippy::expect_used, reason = "an id of the test")]
fn carol_id() -> tertulia_common::UserId {
    "carol".parse().expect("an id")
}

#[tokio::test]
async fn m2_m4_groups_survive_kills_and_what_is_asked_again_is_done_once() -> anyhow::Result<()> {
    let mut server = Server::builder().set("media.shards", 1).start().await?;
    for name in ["bob", "carol"] {
        drop(device(&server, name, Codec::Json).await?);
    }
    let mut alice = device(&server, "alice", Codec::Json).await?;
    let group = create(&server, "alice", 1, &["bob", "carol"]).await?;
    ensure!(say_in(&mut alice, &group, 1, "one").await?.is_ok());
    let gone = format!("DELETE /{group}/members/bob");
    ensure!(ask(&server, "alice", 2, &gone, Value::Null).await?.status == 204);
    ensure!(say_in(&mut alice, &group, 2, "two").await?.is_ok());
    let invite = ask(&server, "alice", 3, &format!("POST /{group}/invite"), Value::Null).await?;
    ensure!(invite.status == 201, "{invite:?}");
    server.kill()?;
    server.start_again().await?;
    // The answers were lost: all is asked again.
    let again = try_create(&server, "alice", 1, &["bob", "carol"]).await?;
    ensure!(again.status == 200 && group_id(&again)? == group, "{again:?}");
    ensure!(ask(&server, "alice", 2, &gone, Value::Null).await?.status == 204);
    let same = ask(&server, "alice", 3, &format!("POST /{group}/invite"), Value::Null).await?;
    ensure!(same.body == invite.body, "the same invitation");
    let mut bob = device(&server, "bob", Codec::Json).await?;
    happens(&mut bob, &group, "alice", created(&["alice", "bob", "carol"])?).await?;
    hears(&mut bob, &group, "one").await?;
    happens(&mut bob, &group, "alice", GroupEvent::Removed { user: "bob".parse()? }).await?;
    let mut carol = device(&server, "carol", Codec::Compact).await?;
    happens(&mut carol, &group, "alice", created(&["alice", "bob", "carol"])?).await?;
    hears(&mut carol, &group, "one").await?;
    happens(&mut carol, &group, "alice", GroupEvent::Removed { user: "bob".parse()? }).await?;
    let last = hears(&mut carol, &group, "two").await?;
    ensure!(last.conversation_seq == 4, "nothing was done twice");
    acknowledge(&carol, &last);
    let mut alice = device(&server, "alice", Codec::Json).await?;
    all_have(&mut alice, 4, 0).await?;
    // Nothing more has come to Bob: the first thing that does is Carol's.
    ensure!(say(&mut carol, Recipient::User("bob".parse()?), 1, "Hello").await?.is_ok());
    let next = message(&mut bob).await?;
    ensure!(next.from.as_str() == "carol", "{next:?}");
    Ok(())
}

#[tokio::test]
async fn m2_an_invitation_opens_one_group_until_it_is_revoked_and_tells_nothing_to_others() -> anyhow::Result<()> {
    let server = Server::builder().set("chat.group_joins_per_minute", 5).start().await?;
    let mut alice = device(&server, "alice", Codec::Json).await?;
    let group = create(&server, "alice", 1, &[]).await?;
    happens(&mut alice, &group, "alice", created(&["alice"])?).await?;
    let invite = ask(&server, "alice", 2, &format!("POST /{group}/invite"), Value::Null).await?.json()?;
    let secret = invite["token"].as_str().context("a token")?.to_owned();
    ensure!(secret.len() >= 22, "128 bits at least");
    let join = |token: &str| format!("POST /join/{token}");
    // Somebody who has never connected may come as well.
    let joined = ask(&server, "bob", 1, &join(&secret), Value::Null).await?;
    ensure!(joined.status == 200 && group_id(&joined)? == group, "{joined:?}");
    happens(&mut alice, &group, "bob", GroupEvent::Joined).await?;
    let wrong = ask(&server, "eve", 1, &join(&"A".repeat(32)), Value::Null).await?;
    refused(&wrong, 404, "invite_over")?;
    for call in [format!("POST /{group}/invite"), format!("DELETE /{group}/invite")] {
        refused(&ask(&server, "bob", 2, &call, Value::Null).await?, 403, "forbidden")?;
        refused(&ask(&server, "eve", 2, &call, Value::Null).await?, 404, "unknown_conversation")?;
    }
    // Another one takes its place, and that one is revoked.
    let other = ask(&server, "alice", 3, &format!("POST /{group}/invite"), Value::Null).await?.json()?;
    let other = other["token"].as_str().context("a token")?.to_owned();
    ensure!(other != secret);
    let late = ask(&server, "eve", 3, &join(&secret), Value::Null).await?;
    ensure!((late.status, &late.body) == (wrong.status, &wrong.body), "as if there had never been one: {late:?}");
    ensure!(ask(&server, "alice", 4, &format!("DELETE /{group}/invite"), Value::Null).await?.status == 204);
    refused(&ask(&server, "eve", 4, &join(&other), Value::Null).await?, 404, "invite_over")?;
    // Trying has an end.
    let mut tries = 0;
    while ask(&server, "eve", 10 + tries, &join("guess"), Value::Null).await?.status == 404 {
        tries += 1;
        ensure!(tries < 50, "one may guess for ever");
    }
    let hits = server.metrics().await?.sum("tertulia_signaling_limit_hits", &["group_joins"]);
    ensure!(hits > 0.5, "a limit that is hit is counted");
    for token in [&secret, &other] {
        ensure!(!server.log().contains(token.as_str()));
        ensure!(!server.keeps(token.as_bytes())?, "the token is on the disk");
    }
    Ok(())
}

#[tokio::test]
async fn m2_m13_who_has_blocked_somebody_is_not_added_by_them() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = device(&server, "alice", Codec::Json).await?;
    let mut bob = device(&server, "bob", Codec::Json).await?;
    let blocked = server.request("PUT", "/v1/blocks/alice", Some(&token("bob")), None).await?;
    ensure!(blocked.status == 204, "{blocked:?}");
    refused(&try_create(&server, "alice", 1, &["bob"]).await?, 403, "not_addable")?;
    let group = create(&server, "alice", 2, &[]).await?;
    happens(&mut alice, &group, "alice", created(&["alice"])?).await?;
    let member = format!("PUT /{group}/members/bob");
    refused(&ask(&server, "alice", 3, &member, Value::Null).await?, 403, "not_addable")?;
    refused(
        &ask(&server, "alice", 4, &format!("PUT /{group}/members/nobody"), Value::Null).await?,
        404,
        "unknown_user",
    )?;
    // Carol may, and in the group they hear each other.
    drop(device(&server, "carol", Codec::Json).await?);
    ensure!(
        ask(&server, "alice", 5, &format!("PUT /{group}/members/carol"), json!({"role": "admin"})).await?.status == 200
    );
    ensure!(ask(&server, "carol", 1, &member, Value::Null).await?.status == 200);
    ensure!(say_in(&mut alice, &group, 1, "Welcome").await?.is_ok());
    let came = GroupEvent::Added { user: "bob".parse()?, role: GroupRole::Member };
    happens(&mut bob, &group, "carol", came).await?;
    hears(&mut bob, &group, "Welcome").await?;
    Ok(())
}

#[tokio::test]
async fn m2_nonsense_and_what_only_the_server_says_are_refused() -> anyhow::Result<()> {
    let server = Server::builder().set("chat.group_members_max", 3).start().await?;
    let mut alice = device(&server, "alice", Codec::Json).await?;
    for name in ["bob", "carol", "dave"] {
        drop(device(&server, name, Codec::Json).await?);
    }
    refused(&try_create(&server, "alice", 1, &["bob", "carol", "dave"]).await?, 409, "too_many")?;
    for name in ["", "  ", &"x".repeat(101), "two\nlines"] {
        let body = json!({"client_id": id(2), "name": name});
        refused(&ask(&server, "alice", 2, "POST ", body).await?, 400, "bad_request")?;
    }
    let icon = json!({"client_id": id(2), "name": "x", "icon": "01a0c458-0d20-7180-b398-874989484820"});
    refused(&ask(&server, "alice", 2, "POST ", icon).await?, 404, "not_found")?;
    let group = create(&server, "alice", 3, &["bob"]).await?;
    let full = ask(&server, "alice", 4, &format!("PUT /{group}/members/carol"), Value::Null).await?;
    ensure!(full.status == 200, "{full:?}");
    refused(&ask(&server, "alice", 5, &format!("PUT /{group}/members/dave"), Value::Null).await?, 409, "too_many")?;
    refused(
        &ask(&server, "alice", 3, &format!("PUT /{group}/members/dave"), Value::Null).await?,
        409,
        "client_id_reused",
    )?;
    refused(&ask(&server, "alice", 6, "GET ?limit=21", Value::Null).await?, 400, "bad_request")?;
    // A member can't speak in the server's name, nor write into a conversation of two as into a group.
    let ended = Content::System(GroupEvent::Ended);
    let to = Recipient::Group(group.clone());
    let send = |request| ClientFrame::MessageSend(MessageSend { id: request, client_id: id(1), to, content: ended });
    ensure!(alice.request(send).await?.is_err_and(|refused| refused.0.code == ErrorCode::BadRequest));
    let direct = say(&mut alice, Recipient::User("bob".parse()?), 2, "hello").await?;
    let direct = direct.map_err(|code| anyhow::anyhow!("{code:?}"))?.conversation;
    ensure!(say_in(&mut alice, &direct, 3, "hello").await? == Err(ErrorCode::UnknownConversation));
    refused(&ask(&server, "alice", 7, &format!("GET /{direct}"), Value::Null).await?, 404, "unknown_conversation")?;
    Ok(())
}

#[tokio::test]
async fn m2_a4_a_deleted_account_leaves_its_groups_and_an_unlinked_device_hears_nothing() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = carrier.server().start().await?;
    let (ana, bob) = (Account::new(&server, &carrier, "Ana").await?, Account::new(&server, &carrier, "Bob").await?);
    let tablet = bob.link(&server).await?;
    let connect = |of: &Account| {
        let (token, user, device) = (of.token.clone(), of.user.clone(), of.device.clone());
        let server = &server;
        async move { Client::connect_for_messages_with(server, &token, &user, &device, Codec::Json).await }
    };
    let (mut hers, mut his, mut other) = (connect(&ana).await?, connect(&bob).await?, connect(&tablet).await?);
    let body = json!({"client_id": id(1), "name": "Sunday walks", "members": [bob.user]});
    let group = group_id(&ask_as(&server, &ana.token, 1, "POST ", body).await?)?;
    for client in [&mut hers, &mut his, &mut other] {
        happens(client, &group, &ana.user, created(&[&ana.user, &bob.user])?).await?;
    }
    ensure!(bob.unlink(&server, &tablet.device).await?.status == 204);
    ensure!(say_in(&mut hers, &group, 1, "Only for the phone").await?.is_ok());
    hears(&mut his, &group, "Only for the phone").await?;
    other.closed().await?;
    ensure!(!other.left_over().iter().any(|frame| matches!(frame, ServerFrame::Message(_))), "it was unlinked");
    ensure!(ana.delete(&server).await?.status == 204);
    let follows = GroupEvent::Role { user: bob.user.parse()?, role: GroupRole::Owner };
    happens(&mut his, &group, &ana.user, follows).await?;
    happens(&mut his, &group, &ana.user, GroupEvent::Left).await?;
    let now = ask_as(&server, &bob.token, 2, &format!("GET /{group}"), Value::Null).await?.json()?;
    ensure!(now["members"] == json!([{"user_id": bob.user, "role": "owner"}]), "{now}");
    Ok(())
}

#[tokio::test]
async fn m2_m5_as_many_as_a_group_may_have_get_all_of_it_and_the_tick_waits_for_the_last() -> anyhow::Result<()> {
    const MEMBERS: usize = 256;
    let server = Server::builder()
        .set("media.shards", 1)
        .set("signaling.sockets_per_address_max", 1_000)
        .set("signaling.socket_opens_per_minute", 10_000)
        .start()
        .await?;
    let mut owner = device(&server, "owner", Codec::Json).await?;
    let mut members = Vec::new();
    for number in 1..MEMBERS {
        let codec = Codec::ALL[number % Codec::ALL.len()];
        members.push(device(&server, &format!("member{number}"), codec).await?);
    }
    let names: Vec<String> = members.iter().map(|of| of.user_id().as_str().to_owned()).collect();
    let named: Vec<&str> = names.iter().map(String::as_str).collect();
    let group = create(&server, "owner", 1, &named).await?;
    for number in 1..=3 {
        ensure!(say_in(&mut owner, &group, number, &number.to_string()).await?.is_ok());
    }
    let (last, rest) = members.split_last_mut().context("members")?;
    for member in rest.iter_mut() {
        let heard = hears_all(member, &group).await?;
        acknowledge(member, &heard);
    }
    let heard = hears_all(last, &group).await?;
    // One has not kept it yet.
    ensure!(next_of_all(&mut owner).await?.delivered_upto == 0, "the tick waits");
    acknowledge(last, &heard);
    all_have(&mut owner, 4, 0).await?;
    for member in &mut members {
        let conversation = group.clone();
        let read = |id| ClientFrame::MessageRead(MessageRead { id, conversation, read_upto: 4 });
        member.request(read).await??;
    }
    all_have(&mut owner, 4, 4).await?;
    let waits = || async {
        let waits = server.metrics().await.ok()?.sum("tertulia_mailbox_entries", &[]);
        (waits < 0.5).then_some(())
    };
    tertulia_tests::wait::eventually("nobody waits for anything", waits).await
}

async fn hears_all(member: &mut Client, group: &str) -> anyhow::Result<Message> {
    let made = message(member).await?;
    ensure!(matches!(made.content, Content::System(GroupEvent::Created { .. })), "{made:?}");
    hears(member, group, "1").await?;
    hears(member, group, "2").await?;
    hears(member, group, "3").await
}
