//! Messages with files through the whole program: whoever gets the message has the file, nobody else has, and nobody can say
//! of a file what it is not.

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tertulia_common::{ClientMessageId, MediaId, Timestamp};
use tertulia_signaling_proto::{
    ClientFrame, Codec, Content, ErrorCode, MailboxAck, MediaClass, MediaContent, Message, MessageSend, MessageSent,
    Recipient, ServerFrame, SharedFile, VoiceContent,
};
use tertulia_tests::media_files::{film, long_film, noise, picture, voice};
use tertulia_tests::server::Builder;
use tertulia_tests::token::token;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Person, Server, http};

type Sending = Result<MessageSent, ErrorCode>;

fn name(number: u128) -> ClientMessageId {
    ClientMessageId::new(Timestamp(1_790_000_000_000), number)
}

/// One shard, for its port to be the same after a kill.
fn one() -> Builder {
    Server::builder().set("media.shards", 1)
}

async fn device(server: &Server, user: &str) -> anyhow::Result<Client> {
    let codec = if user < "c" { Codec::Json } else { Codec::Msgpack };
    Client::connect_for_messages(server, user, "phone", codec).await
}

fn id(media: &Value) -> anyhow::Result<MediaId> {
    Ok(media["media_id"].as_str().with_context(|| format!("no file: {media}"))?.parse()?)
}

/// As `Person` names files.
fn file(media: MediaId) -> Value {
    json!({ "media_id": media })
}

fn carries(media: &Value, caption: Option<&str>) -> anyhow::Result<Content> {
    Ok(Content::Media(MediaContent { media_id: id(media)?, caption: caption.map(str::to_owned), file: None }))
}

fn user(to: &str) -> anyhow::Result<Recipient> {
    Ok(Recipient::User(to.parse()?))
}

async fn try_send(client: &mut Client, to: Recipient, number: u128, content: Content) -> anyhow::Result<Sending> {
    let send = |request| ClientFrame::MessageSend(MessageSend { id: request, client_id: name(number), to, content });
    Ok(match client.request(send).await? {
        Ok(ok) => Ok(ok.message.context("where it stands")?),
        Err(refused) => Err(refused.0.code),
    })
}

async fn send(client: &mut Client, to: Recipient, number: u128, content: Content) -> anyhow::Result<MessageSent> {
    try_send(client, to, number, content).await?.map_err(|code| anyhow::anyhow!("{code:?}"))
}

/// The next message with a file: which, and what is said of it.
async fn carried(client: &mut Client) -> anyhow::Result<(Message, MediaId, SharedFile)> {
    let message = client
        .expect("a message with a file", |frame| match frame {
            ServerFrame::Message(message) if !matches!(message.content, Content::System(_)) => {
                Some((**message).clone())
            }
            _ => None,
        })
        .await?;
    let (media, file) = match &message.content {
        Content::Media(MediaContent { media_id, file, .. }) | Content::Voice(VoiceContent { media_id, file }) => {
            (*media_id, file.as_deref().cloned().context("nothing is said of it")?)
        }
        other => anyhow::bail!("{other:?} carries nothing"),
    };
    Ok((message, media, file))
}

/// Has them or has them not.
async fn have(media: &Value, who: &[(&Person, bool)]) -> anyhow::Result<()> {
    for (at, (person, has)) in who.iter().enumerate() {
        let wanted = if *has { 200 } else { 404 };
        for rest in ["", "/status"] {
            let status = person.get(media, rest).await?.status();
            ensure!(status == wanted, "the person at {at}, {rest:?}: {status} instead of {wanted}");
        }
    }
    Ok(())
}

fn blobs(server: &Server) -> anyhow::Result<usize> {
    fn files(folder: &std::path::Path) -> std::io::Result<usize> {
        let mut count = 0;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            count += if entry.file_type()?.is_dir() { files(&entry.path())? } else { 1 };
        }
        Ok(count)
    }
    Ok(files(&server.data_dir().join("media/blobs"))?)
}

#[tokio::test]
async fn m10_d5_whoever_gets_the_message_has_the_file_and_nobody_else_has() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = device(&server, "alice").await?;
    let mut tablet = Client::connect_for_messages(&server, "alice", "tablet", Codec::Msgpack).await?;
    let mut bob = device(&server, "bob").await?;
    drop(device(&server, "carol").await?);
    let people = ["alice", "bob", "carol"].map(|name| Person::new(&server, name));
    let [ana, ben, mallory] = &people;
    let bytes = picture("png", 320, 240)?;
    let photo = ana.upload("?file_name=beach.png", bytes).await?;
    have(&photo, &[(ana, true), (ben, false), (mallory, false)]).await?;
    let sent = send(&mut alice, user("bob")?, 1, carries(&photo, Some("The beach"))?).await?;
    for client in [&mut bob, &mut tablet] {
        let (message, media, told) = carried(client).await?;
        ensure!(media == id(&photo)? && message.conversation_seq == sent.conversation_seq, "{message:?}");
        ensure!(sent.content.as_deref() == Some(&message.content), "its sender is told another thing");
        let Content::Media(MediaContent { caption, .. }) = &message.content else { anyhow::bail!("{message:?}") };
        ensure!(caption.as_deref() == Some("The beach"), "{caption:?}");
        ensure!(told.class == MediaClass::Image && (told.width, told.height) == (Some(320), Some(240)));
        ensure!(told.preview.as_deref() == photo["preview"].as_str() && told.preview.is_some());
        ensure!(told.thumbhash.as_deref() == photo["thumbhash"].as_str() && told.thumbhash.is_some());
        ensure!(Some(told.bytes) == photo["bytes"].as_u64() && told.has_thumbnail && !told.once);
        ensure!(told.file_name.is_none(), "a picture's name is nobody's business");
    }
    have(&photo, &[(ana, true), (ben, true), (mallory, false)]).await?;
    ensure!(ben.fetch(&photo).await? == ana.fetch(&photo).await?);
    ensure!(ben.get(&photo, "/thumbnail").await?.status() == 200);
    // A voice note, a film, a document: each as what it is.
    let note = ana.upload("?as=voice", voice()?).await?;
    send(&mut alice, user("bob")?, 2, Content::Voice(VoiceContent { media_id: id(&note)?, file: None })).await?;
    let (message, media, told) = carried(&mut bob).await?;
    ensure!(matches!(message.content, Content::Voice(_)) && media == id(&note)? && told.class == MediaClass::Voice);
    ensure!(told.waveform.is_some_and(|points| points.len() == 64) && told.duration_ms > Some(500));
    let moving = ana.upload("", film()?).await?;
    send(&mut alice, user("bob")?, 3, carries(&moving, None)?).await?;
    let (_, _, told) = carried(&mut bob).await?;
    ensure!(told.class == MediaClass::Video && told.has_sound == Some(true) && told.duration_ms > Some(500));
    let paper = ana.upload("?as=document&file_name=plan.bin", noise(1, 5_000)).await?;
    send(&mut alice, user("bob")?, 4, carries(&paper, None)?).await?;
    let (_, _, told) = carried(&mut bob).await?;
    ensure!(told.class == MediaClass::Document && told.file_name.as_deref() == Some("plan.bin") && told.bytes == 5_000);
    // Taken back: the message stays, its file is gone for everybody.
    ana.delete(&photo).await?;
    have(&photo, &[(ana, false), (ben, false)]).await?;
    let again = send(&mut alice, user("bob")?, 1, carries(&photo, Some("The beach"))?).await?;
    ensure!(again.duplicate && again.conversation_seq == sent.conversation_seq && again.content.is_none(), "{again:?}");
    // So it is with the message by plain HTTP.
    let body = json!({"client_id": name(5), "to": {"user": "bob"}, "content": {"type": "media", "media_id": paper["media_id"]}});
    let (status, said) = ana.at("phone").tell(Method::POST, "/v1/messages", body).await?;
    ensure!(status == 201 && said["content"]["file"]["file_name"] == "plan.bin", "{status}: {said}");
    Ok(())
}

#[tokio::test]
async fn m10_nobody_says_of_a_file_what_it_is_not_nor_sends_what_is_not_theirs() -> anyhow::Result<()> {
    let server = Server::builder().set("uploads.cores", 1).start().await?;
    let mut alice = device(&server, "alice").await?;
    let mut mallory = device(&server, "mallory").await?;
    let mut bob = device(&server, "bob").await?;
    let people = ["alice", "bob", "mallory"].map(|name| Person::new(&server, name));
    let [ana, ben, eve] = &people;
    let photo = ana.upload("", picture("png", 64, 48)?).await?;
    let mut number = 0;
    let mut refuse = async |client: &mut Client, content: Content, code: ErrorCode| {
        number += 1;
        let said = try_send(client, user("bob")?, number, content).await?;
        ensure!(said.as_ref().err() == Some(&code), "{said:?} instead of {code:?}");
        anyhow::Ok(())
    };
    // A stranger to the file; one that is not there; the right one as something else.
    refuse(&mut mallory, carries(&photo, None)?, ErrorCode::NotFound).await?;
    refuse(&mut alice, carries(&json!({"media_id": MediaId::new(Timestamp(1), 1)}), None)?, ErrorCode::NotFound)
        .await?;
    refuse(&mut alice, Content::Voice(VoiceContent { media_id: id(&photo)?, file: None }), ErrorCode::BadRequest)
        .await?;
    let note = ana.upload("?as=voice", voice()?).await?;
    refuse(&mut alice, carries(&note, None)?, ErrorCode::BadRequest).await?;
    // The server alone says what it is.
    let lie = json!({"type": "media", "media_id": photo["media_id"], "file": {"class": "document", "mime": "a/b", "bytes": 1}});
    refuse(&mut alice, serde_json::from_value(lie)?, ErrorCode::BadRequest).await?;
    refuse(&mut alice, carries(&photo, Some("  "))?, ErrorCode::BadRequest).await?;
    refuse(&mut alice, carries(&photo, Some(&"é".repeat(1_025)))?, ErrorCode::TooLarge).await?;
    // What is being made, and what can't be.
    let (_, making) = ana.send("", long_film()?).await?;
    refuse(&mut alice, carries(&making, None)?, ErrorCode::MediaNotReady).await?;
    let mut damaged = picture("png", 640, 480)?;
    damaged.truncate(60);
    let (_, sent) = ana.send("", damaged).await?;
    if sent["media_id"].is_string() {
        let refused = ana.made(&sent).await?;
        ensure!(refused["state"] == "refused", "{refused}");
        let code: ErrorCode = serde_json::from_value(refused["error"]["code"].clone())?;
        refuse(&mut alice, carries(&sent, None)?, code).await?;
    }
    have(&photo, &[(ben, false), (eve, false)]).await?;
    // Whom the message does not reach the file does not either: somebody who is nobody, somebody who blocks.
    let said = try_send(&mut alice, user("nobody-here")?, 100, carries(&photo, None)?).await?;
    ensure!(said.err() == Some(ErrorCode::UnknownUser));
    let (status, said) = ben.tell(Method::PUT, "/v1/blocks/alice", Value::Null).await?;
    ensure!(status == 204, "{status}: {said}");
    send(&mut alice, user("bob")?, 101, carries(&photo, None)?).await?;
    let (status, said) = ben.tell(Method::DELETE, "/v1/blocks/alice", Value::Null).await?;
    ensure!(status == 204, "{status}: {said}");
    have(&photo, &[(ana, true), (ben, false)]).await?;
    // The first that Bob hears is the first that was sent and not refused.
    let (_, made) = ana.send("", picture("png", 32, 32)?).await?;
    let other = ana.made(&made).await?;
    eventually("the block is forgotten", || async {
        let (status, _) = ana.tell(Method::GET, "/v1/media?limit=1", Value::Null).await.ok()?;
        (status == 200).then_some(())
    })
    .await?;
    send(&mut alice, user("bob")?, 102, carries(&other, None)?).await?;
    ensure!(carried(&mut bob).await?.1 == id(&other)?, "a refused message came");
    Ok(())
}

#[tokio::test]
async fn d6_m7_forwarded_it_is_the_same_bytes_under_a_name_of_the_forwarder() -> anyhow::Result<()> {
    let settings = ["idle_s", "doomed_s", "collect_every_s"];
    let forgetful = settings.iter().fold(one(), |builder, name| builder.set(&format!("uploads.{name}"), 1));
    let mut server = forgetful.start().await?;
    let mut alice = device(&server, "alice").await?;
    let mut bob = device(&server, "bob").await?;
    let mut carol = device(&server, "carol").await?;
    let people = ["alice", "bob", "carol"].map(|name| Person::new(&server, name));
    let [ana, ben, cleo] = &people;
    let bytes = noise(2, 10_000);
    // A note to oneself keeps its file; what nobody sends goes.
    let note = ana.upload("?as=document", noise(3, 1_000)).await?;
    send(&mut alice, user("alice")?, 1, carries(&note, None)?).await?;
    let paper = ana.upload("?as=document&file_name=plan.bin", bytes.clone()).await?;
    send(&mut alice, user("bob")?, 2, carries(&paper, None)?).await?;
    let (_, media, _) = carried(&mut bob).await?;
    let sent = send(&mut bob, user("carol")?, 1, carries(&file(media), Some("From Ana"))?).await?;
    let (message, forwarded, told) = carried(&mut carol).await?;
    ensure!(forwarded != media && told.file_name.as_deref() == Some("plan.bin"), "{message:?}");
    ensure!(sent.content.as_deref() == Some(&message.content), "Bob is told by which name they have it");
    ensure!(cleo.fetch(&file(forwarded)).await? == bytes && blobs(&server)? == 2, "a copy was made");
    have(&file(media), &[(ben, true), (cleo, false)]).await?;
    have(&file(forwarded), &[(ana, false), (cleo, true)]).await?;
    // Again to somebody else: by the same name.
    send(&mut bob, user("bob")?, 2, carries(&file(media), None)?).await?;
    ensure!(ben.listed().await?.len() == 1, "a second name");
    let idle = ana.upload("?as=document", noise(4, 1_000)).await?;
    eventually("what nobody sent goes", || async { (ana.get(&idle, "").await.ok()?.status() == 404).then_some(()) })
        .await?;
    // What its first owner takes back is not gone for those who had it from somebody else.
    ana.delete(&paper).await?;
    have(&file(media), &[(ana, false), (ben, false)]).await?;
    ensure!(cleo.fetch(&file(forwarded)).await? == bytes && ana.fetch(&note).await? == noise(3, 1_000));
    server.kill()?;
    server.start_again().await?;
    ensure!(cleo.fetch(&file(forwarded)).await? == bytes && ana.fetch(&note).await? == noise(3, 1_000));
    // With the last who has it, it goes.
    ben.delete(&file(forwarded)).await?;
    eventually("its bytes go", || async { (blobs(&server).ok()? == 1).then_some(()) }).await
}

/// A change of a group by who may: `("PUT", "carol")`.
async fn member(server: &Server, group: &str, number: u128, method: &str, who: &str) -> anyhow::Result<()> {
    let name = name(number).to_string();
    let headers = [("tertulia-client-id", name.as_str()), ("content-type", "application/json")];
    let path = format!("/v1/groups/{group}/members/{who}");
    let body = if method == "PUT" { "{}" } else { "" };
    let answer = http::request_with(server.http(), method, &path, &token("alice"), &headers, body).await?;
    ensure!((200..300).contains(&answer.status), "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn d5_m2_a_groups_files_are_for_those_who_were_in_it_at_that_place() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = device(&server, "alice").await?;
    let mut bob = device(&server, "bob").await?;
    for late in ["carol", "mallory"] {
        drop(device(&server, late).await?);
    }
    let people = ["alice", "bob", "carol", "mallory"].map(|name| Person::new(&server, name));
    let [ana, ben, cleo, eve] = &people;
    let body = json!({"client_id": name(1), "name": "Walks", "members": ["bob"]});
    let (status, made) = ana.tell(Method::POST, "/v1/groups", body).await?;
    ensure!(status == 201, "{status}: {made}");
    let group = made["group_id"].as_str().context("a group")?.to_owned();
    let to = || Recipient::Group(group.clone());
    let mut photos = Vec::new();
    for width in [64, 65, 66] {
        photos.push(ana.upload("", picture("png", width, 48)?).await?);
    }
    send(&mut alice, to(), 1, carries(&photos[0], None)?).await?;
    ensure!(carried(&mut bob).await?.1 == id(&photos[0])?);
    // Carol comes: what was before is not hers. Bob goes: what comes is not his.
    member(&server, &group, 2, "PUT", "carol").await?;
    send(&mut alice, to(), 2, carries(&photos[1], None)?).await?;
    member(&server, &group, 3, "DELETE", "bob").await?;
    send(&mut alice, to(), 3, carries(&photos[2], None)?).await?;
    have(&photos[0], &[(ana, true), (ben, true), (cleo, false), (eve, false)]).await?;
    have(&photos[1], &[(ana, true), (ben, true), (cleo, true), (eve, false)]).await?;
    have(&photos[2], &[(ana, true), (ben, false), (cleo, true), (eve, false)]).await?;
    // Who is not in it, or not any more, sends nothing into it, and gives nothing by trying.
    let own = ben.upload("", picture("png", 67, 48)?).await?;
    let said = try_send(&mut bob, to(), 1, carries(&own, None)?).await?;
    ensure!(said.as_ref().err() == Some(&ErrorCode::Forbidden), "{said:?}");
    let mut mallory = device(&server, "mallory").await?;
    let theirs = eve.upload("", picture("png", 68, 48)?).await?;
    let said = try_send(&mut mallory, to(), 1, carries(&theirs, None)?).await?;
    ensure!(said.as_ref().err() == Some(&ErrorCode::UnknownConversation), "{said:?}");
    have(&own, &[(ben, true), (ana, false), (cleo, false)]).await?;
    have(&theirs, &[(eve, true), (ana, false), (cleo, false)]).await
}

#[tokio::test]
async fn m9_d10_what_is_sent_to_be_seen_once_is_seen_once_and_not_forwarded() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = device(&server, "alice").await?;
    let mut bob = device(&server, "bob").await?;
    drop(device(&server, "carol").await?);
    let people = ["alice", "bob", "carol"].map(|name| Person::new(&server, name));
    let [ana, ben, cleo] = &people;
    let once = ana.upload("?view_once=bob", picture("png", 64, 48)?).await?;
    send(&mut alice, user("bob")?, 1, carries(&once, None)?).await?;
    let (_, media, told) = carried(&mut bob).await?;
    ensure!(media == id(&once)? && told.once && told.class == MediaClass::Image);
    ensure!(told.preview.is_none() && told.thumbhash.is_none() && !told.has_thumbnail, "it shows beforehand");
    let said = try_send(&mut bob, user("carol")?, 1, carries(&once, None)?).await?;
    ensure!(said.as_ref().err() == Some(&ErrorCode::Forbidden), "{said:?}");
    ensure!(cleo.get(&once, "").await?.status() == 404);
    ensure!(ben.get(&once, "").await?.status() == 403, "without a lease");
    let phone = ben.at("phone");
    let (status, lease) = phone.with(&once, Method::POST, "/open", Value::Null).await?;
    ensure!(status == 200, "{status}: {lease}");
    ensure!(phone.get(&once, "").await?.status() == 200 && ben.at("tablet").get(&once, "").await?.status() != 200);
    let (status, said) = phone.with(&once, Method::POST, "/opened", Value::Null).await?;
    ensure!(status == 204, "{status}: {said}");
    ensure!([404, 409, 410].contains(&phone.get(&once, "").await?.status().as_u16()), "a second time");
    // Its sender may send the note about it, not the thing again to somebody it was not for after it went.
    let said = try_send(&mut alice, user("carol")?, 2, carries(&once, None)?).await?;
    ensure!(said.as_ref().err() == Some(&ErrorCode::NotFound), "{said:?}");
    Ok(())
}

#[tokio::test]
async fn d5_killed_between_the_grant_and_the_message_nothing_is_lost_and_nothing_comes_twice() -> anyhow::Result<()> {
    let mut server = one().start().await?;
    let (ana, ben) = (Person::new(&server, "alice"), Person::new(&server, "bob"));
    drop(device(&server, "bob").await?);
    drop(device(&server, "alice").await?);
    let mut papers = Vec::new();
    for round in 0..6 {
        let paper = ana.upload("?as=document", noise(100 + round, 2_000)).await?;
        let mut alice = device(&server, "alice").await?;
        let content = carries(&paper, None)?;
        let number = alice.next_request();
        let to = user("bob")?;
        let client_id = name(u128::from(round));
        alice.send(ClientFrame::MessageSend(MessageSend {
            id: number,
            client_id,
            to: to.clone(),
            content: content.clone(),
        }));
        match round % 3 {
            // At once: most often before anything of it.
            0 => {}
            // As soon as Bob may fetch it: the grant is there, the message perhaps not yet.
            1 => {
                eventually("a grant", || async {
                    (ben.get(&paper, "/status").await.ok()?.status() == 200).then_some(())
                })
                .await?
            }
            // As soon as it is confirmed.
            _ => drop(alice.answer(number).await?),
        }
        server.kill()?;
        server.start_again().await?;
        // Its sender has heard nothing, or has forgotten: the same again, and again.
        let mut alice = device(&server, "alice").await?;
        let first = send(&mut alice, to.clone(), u128::from(round), content.clone()).await?;
        let again = send(&mut alice, to, u128::from(round), content).await?;
        ensure!(again.duplicate && again.conversation_seq == first.conversation_seq, "{first:?}, {again:?}");
        ensure!(first.conversation_seq == round + 1, "{first:?}");
        papers.push((paper, noise(100 + round, 2_000)));
    }
    let mut bob = device(&server, "bob").await?;
    for (place, (paper, bytes)) in papers.iter().enumerate() {
        let (message, media, _) = carried(&mut bob).await?;
        ensure!(message.conversation_seq == place as u64 + 1 && media == id(paper)?, "{message:?}");
        ensure!(ben.fetch(paper).await? == *bytes, "a message without its file");
        bob.send(ClientFrame::MailboxAck(MailboxAck { seq: message.seq, received: None }));
    }
    let drained = bob.expect("the end", |frame| matches!(frame, ServerFrame::Drained(_)).then_some(())).await;
    drained.context("a message came twice")
}

/// A group's picture, asked for by somebody: its status, and its mark.
async fn icon(person: &Person, group: &str) -> anyhow::Result<(u16, Option<String>)> {
    let answer = person.ask(Method::GET, &format!("/v1/groups/{group}/icon")).send().await?;
    let etag = answer.headers().get("etag").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok((answer.status().as_u16(), etag))
}

#[tokio::test]
async fn m2_d5_a_groups_picture_is_for_those_who_are_in_it_now() -> anyhow::Result<()> {
    let server = Server::start().await?;
    for name in ["alice", "bob", "carol", "mallory"] {
        drop(device(&server, name).await?);
    }
    let [ana, ben, cleo, eve] = &["alice", "bob", "carol", "mallory"].map(|name| Person::new(&server, name));
    let (wood, lake) = (ana.upload("", picture("png", 64, 48)?).await?, ana.upload("", picture("png", 96, 48)?).await?);
    let paper = ana.upload("?as=document", noise(1, 500)).await?;
    let mut body = json!({"client_id": name(1), "name": "Walks", "members": ["bob"], "icon": paper["media_id"]});
    let (status, said) = ana.tell(Method::POST, "/v1/groups", body.clone()).await?;
    ensure!(status == 415 && said["error"]["code"] == "media_unsupported", "{status}: {said}");
    body["icon"] = wood["media_id"].clone();
    let (status, made) = ana.tell(Method::POST, "/v1/groups", body).await?;
    ensure!(status == 201 && made["icon"] == wood["media_id"], "{status}: {made}");
    let group = made["group_id"].as_str().context("a group")?.to_owned();
    // Its id alone opens nothing: being in the group does, and having been in it does not.
    have(&wood, &[(ana, true), (ben, false), (eve, false)]).await?;
    let (_, first) = icon(ana, &group).await?;
    for (person, wanted) in [(ana, 200), (ben, 200), (cleo, 404), (eve, 404)] {
        ensure!(icon(person, &group).await?.0 == wanted, "{wanted}");
    }
    member(&server, &group, 2, "PUT", "carol").await?;
    member(&server, &group, 3, "DELETE", "bob").await?;
    ensure!((icon(cleo, &group).await?.0, icon(ben, &group).await?.0) == (200, 404));
    let patch = json!({"icon": lake["media_id"]});
    let (status, said) = cleo.tell(Method::PATCH, &format!("/v1/groups/{group}"), patch.clone()).await?;
    ensure!(status == 404, "somebody shows what they can't see: {status}: {said}");
    let (status, said) = ana.tell(Method::PATCH, &format!("/v1/groups/{group}"), patch).await?;
    ensure!(status == 200 && said["icon"] == lake["media_id"], "{status}: {said}");
    let (status, second) = icon(cleo, &group).await?;
    ensure!(status == 200 && second.is_some() && second != first, "{status}: {first:?}, {second:?}");
    let again = cleo.ask(Method::GET, &format!("/v1/groups/{group}/icon"));
    let again = again.header("if-none-match", second.context("a mark")?).send().await?;
    ensure!(again.status() == 304 && again.headers()["cache-control"] == "private, no-cache", "{again:?}");
    let (status, said) = ana.tell(Method::PATCH, &format!("/v1/groups/{group}"), json!({"icon": null})).await?;
    ensure!(status == 200 && said["icon"].is_null(), "{status}: {said}");
    ensure!(icon(cleo, &group).await?.0 == 404, "it is still there");
    Ok(())
}
