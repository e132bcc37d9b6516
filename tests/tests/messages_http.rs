//! Messages by plain HTTP: the same message as by the socket, with the same answers.

use anyhow::ensure;
use serde_json::{Value, json};
use tertulia_signaling_proto::{Codec, Content, ErrorCode, ServerFrame};
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
