//! Who else hears that an upload was refused (d2): the chat it was to go to, where its sender asks for that, and nobody else.

use anyhow::ensure;
use serde_json::{Value, json};
use tertulia_signaling_proto::{Codec, ErrorCode, MediaRejected, Recipient, ServerFrame};
use tertulia_tests::media_files::{film, phone_film};
use tertulia_tests::{Client, Person, Server};

const LIMITS: &str = "[uploads.limits]\nvideo_bytes_max = 200000\nvideo_seconds_max = 2";

/// Too large: refused while it comes in.
fn large() -> anyhow::Result<Vec<u8>> {
    let mut film = film()?;
    film.resize(250_000, 0);
    Ok(film)
}

async fn chats(server: &Server, user: &str) -> anyhow::Result<Client> {
    Client::connect_for_messages(server, user, "phone", Codec::Json).await
}

/// What comes next of what others could not send.
async fn told(client: &mut Client) -> anyhow::Result<MediaRejected> {
    let others = |frame: &ServerFrame| match frame {
        ServerFrame::MediaRejected(told) if told.from.is_some() => Some(told.clone()),
        _ => None,
    };
    client.expect("media.rejected of somebody else's", others).await
}

async fn writes(from: &Person, to: Value, number: u64) -> anyhow::Result<()> {
    let name = format!("019f5c7a-2e5d-7000-8000-{number:012x}");
    let said = json!({"client_id": name, "to": to, "content": {"type": "text", "text": "hello"}});
    let (status, said) = from.tell(reqwest::Method::POST, "/v1/messages", said).await?;
    ensure!(status == 201, "{status}: {said}");
    Ok(())
}

async fn is_refused(from: &Person, query: &str) -> anyhow::Result<()> {
    let (status, refused) = from.send(query, large()?).await?;
    ensure!(status == 413 && refused["error"]["code"] == "media_too_large", "{status}: {refused}");
    Ok(())
}

#[tokio::test]
async fn d2_who_a_film_was_for_hears_that_it_was_refused_if_its_sender_asks_for_that() -> anyhow::Result<()> {
    let server = Server::builder().more(LIMITS).start().await?;
    let _phone = chats(&server, "alice").await?;
    let (mut bob, mut eve) = (chats(&server, "bob").await?, chats(&server, "eve").await?);
    let person = |name: &str| Person::new(&server, name).at("phone");
    let (alice, with_eve) = (person("alice"), person("bob"));
    writes(&alice, json!({"user": "bob"}), 1).await?;
    writes(&with_eve, json!({"user": "eve"}), 1).await?;
    // Not asked for; to a stranger, who does not exist, or nobody.
    is_refused(&alice, "").await?;
    is_refused(&alice, "?tell=user:eve").await?;
    is_refused(&alice, "?tell=user:nobody").await?;
    ensure!(alice.send("?tell=bob", large()?).await?.0 == 400, "a name alone is no address");
    is_refused(&alice, "?tell=user:bob&file_name=beach.avi").await?;
    let heard = told(&mut bob).await?;
    ensure!(heard.file_name.as_deref() == Some("beach.avi") && heard.media_id.is_none(), "{heard:?}");
    ensure!(heard.from == Some("alice".parse()?) && heard.to == Some(Recipient::User("bob".parse()?)), "{heard:?}");
    ensure!(heard.error.code == ErrorCode::MediaTooLarge && heard.error.limit == Some(200_000), "{heard:?}");
    // What only the work on it shows is told as well.
    let (status, sent) = alice.send("?tell=user:bob&file_name=long.mp4", phone_film()?).await?;
    ensure!(status == 202, "{status}: {sent}");
    let heard = told(&mut bob).await?;
    ensure!(heard.error.code == ErrorCode::MediaTooLong && heard.error.limit == Some(2_000), "{heard:?}");
    ensure!(heard.file_name.as_deref() == Some("long.mp4"), "{heard:?}");
    // Who has blocked the sender hears nothing: what comes next is somebody else's.
    let blocked = server.request("PUT", "/v1/blocks/alice", Some(&tertulia_tests::token::token("bob")), None).await?;
    ensure!(blocked.status == 204, "{}", blocked.body);
    is_refused(&alice, "?tell=user:bob").await?;
    writes(&person("eve"), json!({"user": "bob"}), 1).await?;
    is_refused(&person("eve"), "?tell=user:bob").await?;
    ensure!(told(&mut bob).await?.from == Some("eve".parse()?), "a blocked person was heard");
    is_refused(&with_eve, "?tell=user:eve").await?;
    ensure!(told(&mut eve).await?.from == Some("bob".parse()?), "a stranger was heard");
    Ok(())
}

#[tokio::test]
async fn d2_a_group_hears_it_too_and_who_is_not_in_it_tells_it_nothing() -> anyhow::Result<()> {
    let server = Server::builder().more(LIMITS).start().await?;
    let _phone = chats(&server, "alice").await?;
    let (mut bob, mut carol, _eve) =
        (chats(&server, "bob").await?, chats(&server, "carol").await?, chats(&server, "eve").await?);
    let person = |name: &str| Person::new(&server, name).at("phone");
    let alice = person("alice");
    let group =
        json!({"client_id": "019f5c7a-2e5d-7000-8000-00000000000b", "name": "all", "members": ["bob", "carol"]});
    let (status, made) = alice.tell(reqwest::Method::POST, "/v1/groups", group).await?;
    ensure!(status == 201, "{status}: {made}");
    let group = made["group_id"].as_str().unwrap_or_default().to_owned();
    is_refused(&person("eve"), &format!("?tell=group:{group}")).await?;
    // In pieces: asked for when it is begun.
    let tus = |method, path: &str| alice.ask(method, path).header("tus-resumable", "1.0.0");
    let metadata = format!("filename YmVhY2guYXZp,tell {}", base64(&format!("group:{group}")));
    let begun = tus(reqwest::Method::POST, "/v1/media/tus").header("upload-length", 250_000);
    let begun = begun.header("upload-metadata", metadata).send().await?;
    ensure!(begun.status() == 201, "{begun:?}");
    let place = begun.headers()["location"].to_str()?.to_owned();
    let body = tus(reqwest::Method::PATCH, &place).header("upload-offset", 0).body(large()?);
    let refused = body.header("content-type", "application/offset+octet-stream").send().await?;
    ensure!(refused.status() == 413, "{refused:?}");
    for client in [&mut bob, &mut carol] {
        let heard = told(client).await?;
        ensure!(heard.from == Some("alice".parse()?) && heard.to == Some(Recipient::Group(group.clone())), "{heard:?}");
    }
    // Who was removed tells it nothing.
    let gone = alice.ask(reqwest::Method::DELETE, &format!("/v1/groups/{group}/members/carol"));
    let gone = gone.header("tertulia-client-id", "019f5c7a-2e5d-7000-8000-00000000000c").send().await?;
    ensure!(gone.status() == 204, "{gone:?}");
    is_refused(&person("carol"), &format!("?tell=group:{group}&file_name=carol")).await?;
    is_refused(&alice, &format!("?tell=group:{group}&file_name=alice")).await?;
    let heard = told(&mut bob).await?;
    ensure!(heard.file_name.as_deref() == Some("alice"), "{heard:?}");
    Ok(())
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
