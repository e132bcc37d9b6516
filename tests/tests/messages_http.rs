//! Messages by plain HTTP: the same message as by the socket, with the same answers.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tertulia_signaling_proto::{ClientFrame, Codec, Content, ErrorCode, MailboxAck, MessageRead, ServerFrame};
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Person, Server};

const NAME: &str = "019f5c7a-2e5d-7000-8000-00000000000a";
const OTHER: &str = "019f5c7a-2e5d-7000-8000-00000000000b";

fn text(name: &str, to: &str, text: &str) -> Value {
    json!({"client_id": name, "to": {"user": to}, "content": {"type": "text", "text": text}})
}

async fn post(from: &Person, body: Value) -> anyhow::Result<(u16, Value)> {
    from.tell(reqwest::Method::POST, "/v1/messages", body).await
}

async fn hears(client: &mut Client, text: &str) -> anyhow::Result<()> {
    let heard = client
        .expect("a message", |frame| match frame {
            ServerFrame::Message(message) => Some(message.content.clone()),
            _ => None,
        })
        .await?;
    ensure!(heard == Content::Text { text: text.to_owned() }, "{heard:?} instead of {text:?}");
    Ok(())
}

#[tokio::test]
async fn s11_a_message_by_http_is_the_message_of_that_device_and_is_sent_once() -> anyhow::Result<()> {
    let mut server = Server::builder().set("media.shards", 1).start().await?;
    // The back end's device was connected once, and is away.
    drop(Client::connect_for_messages(&server, "shop", "bot", Codec::Json).await?);
    let mut desk = Client::connect_for_messages(&server, "shop", "desk", Codec::Json).await?;
    let mut bob = Client::connect_for_messages(&server, "bob", "phone", Codec::Msgpack).await?;
    let bot = Person::new(&server, "shop").at("bot");
    let (status, first) = post(&bot, text(NAME, "bob", "your parcel is here")).await?;
    ensure!(status == 201 && first["conversation_seq"] == 1, "{status}: {first}");
    hears(&mut bob, "your parcel is here").await?;
    hears(&mut desk, "your parcel is here").await?;
    // Again: by itself, and after a kill.
    for _ in 0..2 {
        let (status, again) = post(&bot, text(NAME, "bob", "your parcel is here")).await?;
        let same = ["conversation", "conversation_seq", "sent_at"].iter().all(|field| again[field] == first[field]);
        ensure!(status == 200 && same && again["duplicate"] == true, "{status}: {again}");
        server.kill()?;
        server.start_again().await?;
    }
    let (status, second) = post(&bot, text(OTHER, "bob", "it is still here")).await?;
    ensure!(status == 201 && second["conversation_seq"] == 2, "{status}: {second}");
    // Bob had acknowledged nothing: the first comes again, once.
    let mut bob = Client::connect_for_messages(&server, "bob", "phone", Codec::Msgpack).await?;
    hears(&mut bob, "your parcel is here").await?;
    hears(&mut bob, "it is still here").await
}

#[tokio::test]
async fn s11_what_the_socket_refuses_http_refuses() -> anyhow::Result<()> {
    let server = Server::start().await?;
    drop(Client::connect_for_messages(&server, "shop", "bot", Codec::Json).await?);
    drop(Client::connect_for_messages(&server, "bob", "phone", Codec::Json).await?);
    let bot = Person::new(&server, "shop").at("bot");
    let is = |(status, body): (u16, Value), wanted: u16, code: ErrorCode| {
        let told = body["error"]["code"].clone();
        ensure!(status == wanted && told == serde_json::to_value(code)?, "{status}: {body}");
        Ok(())
    };
    is(post(&bot, text(NAME, "nobody", "hello")).await?, 404, ErrorCode::UnknownUser)?;
    is(post(&bot, text(NAME, "bob", " ")).await?, 400, ErrorCode::BadRequest)?;
    is(post(&bot, text("7", "bob", "hello")).await?, 400, ErrorCode::BadRequest)?;
    is(post(&bot, text(NAME, "bob", &"x".repeat(40_000))).await?, 413, ErrorCode::TooLarge)?;
    is(post(&bot.at("nowhere"), text(NAME, "bob", "hello")).await?, 409, ErrorCode::NoMailbox)?;
    is(post(&Person::new(&server, "shop"), text(NAME, "bob", "hello")).await?, 409, ErrorCode::NoMailbox)?;
    let stranger =
        json!({"client_id": NAME, "to": {"group": "0".repeat(32)}, "content": {"type": "text", "text": "x"}});
    is(post(&bot, stranger).await?, 404, ErrorCode::UnknownConversation)?;
    let (status, sent) = post(&bot, text(NAME, "bob", "hello")).await?;
    ensure!(status == 201, "{status}: {sent}");
    is(post(&bot, text(NAME, "bob", "another")).await?, 409, ErrorCode::ClientIdReused)
}

async fn get(from: &Person, query: &str) -> anyhow::Result<(u16, Value)> {
    from.tell(reqwest::Method::GET, &format!("/v1/messages{query}"), Value::Null).await
}

/// Each message of a page: its place, its state, what it says.
fn page(body: &Value) -> Vec<(u64, String, Option<String>)> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let of = |message: &Value| {
        let seq = message["conversation_seq"].as_u64().unwrap_or_default();
        (seq, word(&message["state"]).unwrap_or_default(), word(&message["content"]["text"]))
    };
    messages.iter().map(of).collect()
}

/// Asks until the answer is this.
async fn shows(from: &Person, query: &str, wanted: &[(u64, &str, Option<&str>)]) -> anyhow::Result<Value> {
    let wanted: Vec<_> =
        wanted.iter().map(|(seq, state, text)| (*seq, (*state).to_owned(), text.map(str::to_owned))).collect();
    let looks = || async {
        let (status, body) = get(from, query).await.ok()?;
        (status == 200 && page(&body) == wanted).then_some(body)
    };
    eventually(&format!("{query} shows {wanted:?}"), looks).await
}

#[tokio::test]
async fn s11_what_waits_and_how_far_what_was_sent_has_come_can_be_looked_at_without_taking_it() -> anyhow::Result<()> {
    let mut server = Server::builder().set("media.shards", 1).start().await?;
    for (user, device) in [("bob", "phone"), ("shop", "bot")] {
        drop(Client::connect_for_messages(&server, user, device, Codec::Json).await?);
    }
    let (bot, bobs) = (Person::new(&server, "shop").at("bot"), Person::new(&server, "bob").at("phone"));
    let (_, sent) = post(&bot, text(NAME, "bob", "your parcel is here")).await?;
    let conversation = sent["conversation"].as_str().context("a conversation")?.to_owned();
    post(&bobs, text(OTHER, "shop", "I come at six")).await?;
    let both = [(1, "pending", None), (2, "pending", Some("I come at six"))];
    for _ in 0..2 {
        let body = shows(&bot, "", &both).await?;
        let (own, theirs) = (&body["messages"][0], &body["messages"][1]);
        ensure!(own["client_id"] == NAME && own["from"] == "shop" && own["to"]["user"] == "bob", "{body}");
        ensure!(
            theirs["from"] == "bob" && theirs["to"]["user"] == "shop" && theirs.get("client_id").is_none(),
            "{body}"
        );
        ensure!(own["message_id"] == format!("{conversation}.1") && own["sent_at"] == sent["sent_at"], "{body}");
        // A kill changes nothing of it.
        server.kill()?;
        server.start_again().await?;
    }
    let mut bob = Client::connect_for_messages(&server, "bob", "phone", Codec::Json).await?;
    hears(&mut bob, "your parcel is here").await?;
    shows(&bobs, "?state=pending", &[(1, "pending", Some("your parcel is here")), (2, "pending", None)]).await?;
    let upto = bob.expect("drained", |frame| match frame {
        ServerFrame::Drained(drained) => Some(drained.seq),
        _ => None,
    });
    let seq = upto.await?;
    bob.send(ClientFrame::MailboxAck(MailboxAck { seq, received: None }));
    shows(&bot, "?state=delivered", &[(1, "delivered", None)]).await?;
    shows(&bobs, "", &[(2, "pending", None)]).await?;
    let read = MessageRead { id: bob.next_request(), conversation: conversation.clone(), read_upto: 1 };
    bob.send(ClientFrame::MessageRead(read));
    shows(&bot, "?state=delivered,read", &[(1, "read", None)]).await?;
    shows(&bot, &format!("?message_id={conversation}.2"), &both[1..]).await?;
    shows(&bot, &format!("?conversation={conversation}&limit=1"), &[(1, "read", None)]).await?;
    let (_, first) = get(&bot, "?limit=1").await?;
    let next = first["next"].as_str().context("there is more")?;
    let rest = shows(&bot, &format!("?cursor={next}"), &both[1..]).await?;
    ensure!(rest.get("next").is_none(), "{rest}");
    // A device of the shop's that does not take messages has nothing that waits; the shop has sent what it has.
    shows(&Person::new(&server, "shop").at("till"), "", &[(1, "read", None)]).await?;
    Ok(())
}

#[tokio::test]
async fn m2_who_is_met_in_a_group_has_a_name_and_who_is_not_or_blocks_has_none() -> anyhow::Result<()> {
    let server = Server::start().await?;
    for name in ["alice", "bob", "carol", "eve"] {
        drop(Client::connect_for_messages(&server, name, "phone", Codec::Json).await?);
    }
    let of = |asker: &str| Person::new(&server, asker);
    let name = async |asker: &str, of_whom: &str| -> anyhow::Result<(u16, Value)> {
        of(asker).tell(reqwest::Method::GET, &format!("/v1/users/{of_whom}"), Value::Null).await
    };
    let nobody = name("bob", "nobody").await?;
    ensure!(nobody.0 == 404 && nobody.1["error"]["code"] == "unknown_user", "{nobody:?}");
    ensure!(name("bob", "carol").await? == nobody, "strangers");
    let group = json!({"client_id": NAME, "name": "Sunday rice", "members": ["bob", "carol"]});
    let (status, made) = of("alice").tell(reqwest::Method::POST, "/v1/groups", group).await?;
    ensure!(status == 201, "{status}: {made}");
    let (status, carol) = name("bob", "carol").await?;
    ensure!(status == 200 && carol["user_id"] == "carol" && carol["name"] == "carol", "{status}: {carol}");
    ensure!(name("eve", "carol").await? == nobody, "not in the group");
    // Who blocks is as nobody for the one who is blocked, and only for them.
    let (status, _) = of("carol").tell(reqwest::Method::PUT, "/v1/blocks/bob", Value::Null).await?;
    ensure!(status == 204, "{status}");
    ensure!(name("bob", "carol").await? == nobody && name("alice", "carol").await?.0 == 200);
    let path = format!("/v1/groups/{}/members/carol", made["group_id"].as_str().context("a group")?);
    of("alice").tell(reqwest::Method::DELETE, &path, Value::Null).await?;
    ensure!(name("alice", "carol").await? == nobody, "who has left is met no longer");
    Ok(())
}

#[tokio::test]
async fn s11_strangers_and_nonsense_are_told_nothing() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let _bob = Client::connect_for_messages(&server, "bob", "phone", Codec::Json).await?;
    drop(Client::connect_for_messages(&server, "shop", "bot", Codec::Json).await?);
    let _eve = Client::connect_for_messages(&server, "eve", "phone", Codec::Json).await?;
    let bot = Person::new(&server, "shop").at("bot");
    let (_, sent) = post(&bot, text(NAME, "bob", "hello")).await?;
    let conversation = sent["conversation"].as_str().context("a conversation")?;
    let eve = Person::new(&server, "eve").at("phone");
    for of in [conversation, &"0".repeat(32), "nonsense"] {
        for query in [format!("?conversation={of}"), format!("?message_id={of}.1")] {
            let (status, body) = get(&eve, &query).await?;
            ensure!(status == 404 && body["error"]["code"] == "unknown_conversation", "{query}: {status} {body}");
        }
    }
    let (_, all) = get(&eve, "").await?;
    ensure!(all == json!({"messages": []}), "{all}");
    let other = format!("?conversation={}&message_id={conversation}.1", "0".repeat(32));
    let wrong = ["?state=lost", "?state=", "?cursor=x", "?limit=0", "?limit=101", "?message_id=1", "?user=bob", &other];
    for query in wrong {
        let (status, body) = get(&bot, query).await?;
        ensure!(status == 400 && body["error"]["code"] == "bad_request", "{query}: {status} {body}");
    }
    Ok(())
}
