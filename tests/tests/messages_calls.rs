//! Calls as entries of the conversation of their two: how they ended, for whom, once, and after kills.

use anyhow::{Context, ensure};
use serde_json::json;
use std::process::Command;
use tertulia_common::{CallId, ClientMessageId, Timestamp};
use tertulia_signaling_proto::{
    CallEntry, CallOutcome, ClientFrame, Codec, Content, DeclineReason, EndReason, ErrorCode, MailboxAck, MediaKind,
    Message, MessageSend, Recipient, ServerFrame,
};
use tertulia_tests::server::Builder;
use tertulia_tests::token::token;
use tertulia_tests::wait::eventually;
use tertulia_tests::{Client, Person, Server};

fn builder() -> Builder {
    Server::builder().set("media.shards", 1).set("calls.ring_timeout_ms", 1000)
}

async fn device(server: &Server, user: &str, device: &str, codec: Codec) -> anyhow::Result<Client> {
    Client::connect_for_messages(server, user, device, codec).await
}

async fn message(client: &mut Client) -> anyhow::Result<Message> {
    let pick = |frame: &ServerFrame| match frame {
        ServerFrame::Message(message) => Some((**message).clone()),
        _ => None,
    };
    client.expect("a message", pick).await
}

/// The next message, which must be the entry of this call.
async fn entry(client: &mut Client, call: CallId) -> anyhow::Result<(Message, CallEntry)> {
    let heard = message(client).await?;
    let Content::Call(entry) = heard.content.clone() else { anyhow::bail!("{heard:?} is no call's") };
    ensure!(entry.call_id == call, "{entry:?} is of another call than {call}");
    Ok((heard, entry))
}

async fn says(client: &mut Client, to: &str, number: u128, text: &str) -> anyhow::Result<()> {
    let (to, content) = (Recipient::User(to.parse()?), Content::Text { text: text.to_owned() });
    let client_id = ClientMessageId::new(Timestamp(1_790_000_000_000), number);
    client.request(|id| ClientFrame::MessageSend(MessageSend { id, client_id, to, content })).await??;
    Ok(())
}

/// A call that is answered and hung up.
async fn talk(from: &mut Client, to: &mut Client, media: MediaKind) -> anyhow::Result<CallId> {
    let name = to.user_id().as_str().to_owned();
    let call = from.invite(&name, media).await?;
    to.incoming().await?;
    to.accept(call).await??;
    from.hangup(call).await??;
    to.ended(call, EndReason::Hangup).await?;
    Ok(call)
}

#[tokio::test]
async fn c1_an_ended_call_stands_in_the_conversation_in_its_place_on_every_device_of_both() -> anyhow::Result<()> {
    let server = builder().start().await?;
    let mut laptop = device(&server, "alice", "laptop", Codec::Json).await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let mut bob = device(&server, "bob", "phone", Codec::Msgpack).await?;
    says(&mut bob, "alice", 1, "call me").await?;
    let answered = talk(&mut alice, &mut bob, MediaKind::Video).await?;
    for client in [&mut laptop, &mut alice] {
        ensure!(message(client).await?.content == Content::Text { text: "call me".to_owned() });
    }
    for client in [&mut laptop, &mut alice, &mut bob] {
        let (heard, entry) = entry(client, answered).await?;
        ensure!((heard.from.as_str(), heard.conversation_seq) == ("alice", 2), "{heard:?}");
        ensure!(heard.to == Recipient::User("bob".parse()?), "{heard:?}");
        ensure!((entry.media, entry.outcome) == (MediaKind::Video, CallOutcome::Hangup), "{entry:?}");
        ensure!(entry.duration_ms.is_some(), "{entry:?}");
    }
    let cancelled = alice.invite("bob", MediaKind::Voice).await?;
    bob.incoming().await?;
    alice.cancel(cancelled).await??;
    let (_, missed) = entry(&mut bob, cancelled).await?;
    let wanted = CallEntry {
        call_id: cancelled,
        media: MediaKind::Voice,
        outcome: CallOutcome::Cancelled,
        duration_ms: None,
        group: None,
    };
    ensure!(missed == wanted, "{missed:?}");
    ensure!(entry(&mut alice, cancelled).await?.1 == wanted, "the caller's own devices too");
    // The other way round it is Bob's.
    let declined = bob.invite("alice", MediaKind::Voice).await?;
    alice.incoming().await?;
    alice.decline(declined, DeclineReason::Declined).await??;
    let (heard, entry) = entry(&mut alice, declined).await?;
    ensure!((heard.from.as_str(), heard.conversation_seq) == ("bob", 4), "{heard:?}");
    ensure!((entry.outcome, entry.duration_ms) == (CallOutcome::Declined, None), "{entry:?}");
    says(&mut alice, "bob", 2, "sorry").await?;
    let _ = message(&mut bob).await?;
    ensure!(message(&mut bob).await?.conversation_seq == 5, "one order of messages and calls");
    Ok(())
}

#[tokio::test]
async fn c1_a_missed_call_waits_for_whom_has_no_device_and_is_told_as_before() -> anyhow::Result<()> {
    let server = builder().start().await?;
    // Bob has been here, and has never taken messages.
    drop(Client::connect(&server, "bob").await?);
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let call = alice.invite("bob", MediaKind::Voice).await?;
    alice.ended(call, EndReason::Missed).await?;
    let (_, hers) = entry(&mut alice, call).await?;
    ensure!((hers.outcome, hers.duration_ms) == (CallOutcome::Missed, None), "{hers:?}");
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    ensure!(bob.welcome().missed_calls.iter().any(|missed| missed.call_id == call), "as before");
    ensure!(entry(&mut bob, call).await?.1 == hers);
    Ok(())
}

#[tokio::test]
async fn c1_m13_a_blocked_callers_call_is_in_their_own_conversation_only() -> anyhow::Result<()> {
    let server = builder().start().await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let mut eve = device(&server, "eve", "phone", Codec::Json).await?;
    let blocked = server.request("PUT", "/v1/blocks/eve", Some(&token("alice")), None).await?;
    ensure!(blocked.status == 204, "{}", blocked.status);
    let call = eve.invite("alice", MediaKind::Video).await?;
    eve.ended(call, EndReason::Missed).await?;
    ensure!(entry(&mut eve, call).await?.1.outcome == CallOutcome::Missed, "as if nobody had answered");
    // What comes to Alice next is not Eve's.
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    let other = talk(&mut bob, &mut alice, MediaKind::Voice).await?;
    entry(&mut alice, other).await?;
    Ok(())
}

#[tokio::test]
async fn c1_people_who_take_no_messages_call_as_before_and_nothing_is_kept_for_them() -> anyhow::Result<()> {
    let server = builder().start().await?;
    let mut alice = Client::connect(&server, "alice").await?;
    let mut bob = Client::connect(&server, "bob").await?;
    let call = talk(&mut alice, &mut bob, MediaKind::Voice).await?;
    // A later one of others is there: this one had its turn.
    let mut carol = device(&server, "carol", "phone", Codec::Json).await?;
    let mut dave = Client::connect(&server, "dave").await?;
    let other = talk(&mut dave, &mut carol, MediaKind::Voice).await?;
    entry(&mut carol, other).await?;
    // She is handed it before it is counted.
    let counted = || async {
        let metrics = server.metrics().await.ok()?;
        (metrics.sum("tertulia_signaling_call_entries_total", &[]) > 0.0).then_some(metrics)
    };
    let metrics = eventually("the entry is counted", counted).await?;
    ensure!(metrics.sum("tertulia_signaling_call_entries_total", &[]) == 1.0);
    ensure!(metrics.sum("tertulia_mailbox_entries", &[]) == 1.0, "Carol's, and none for Dave, who called");
    let history = server.get("/v1/calls", Some(&token("bob"))).await?;
    ensure!(history.body.contains(&call.to_string()), "{history:?}");
    Ok(())
}

#[tokio::test]
async fn c1_nobody_but_the_server_says_that_there_was_a_call() -> anyhow::Result<()> {
    let server = builder().start().await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let _bob = device(&server, "bob", "phone", Codec::Json).await?;
    let call = CallEntry {
        call_id: CallId::new(Timestamp(1), 1),
        media: MediaKind::Voice,
        outcome: CallOutcome::Missed,
        duration_ms: None,
        group: None,
    };
    let client_id = ClientMessageId::new(Timestamp(1_790_000_000_000), 1);
    let (to, content) = (Recipient::User("bob".parse()?), Content::Call(call.clone()));
    let sent = alice.request(|id| ClientFrame::MessageSend(MessageSend { id, client_id, to, content })).await?;
    ensure!(sent.is_err_and(|refused| refused.0.code == ErrorCode::BadRequest));
    let post = json!({"client_id": client_id, "to": {"user": "bob"}, "content": Content::Call(call)});
    let alice = Person::new(&server, "alice").at("phone");
    let (status, body) = alice.tell(reqwest::Method::POST, "/v1/messages", post).await?;
    ensure!(status == 400 && body["error"]["code"] == "bad_request", "{status}: {body}");
    Ok(())
}

fn as_call(message: &Message) -> Option<(String, u64, CallId)> {
    let Content::Call(entry) = &message.content else { return None };
    Some((message.conversation.clone(), message.conversation_seq, entry.call_id))
}

/// Reads and acknowledges until everything is there; the calls among it.
async fn calls_of(client: &mut Client) -> anyhow::Result<Vec<(String, u64, CallId)>> {
    let mut calls = Vec::new();
    loop {
        let pick = |frame: &ServerFrame| match frame {
            ServerFrame::Message(message) => Some(Some((**message).clone())),
            ServerFrame::Drained(_) => Some(None),
            _ => None,
        };
        let Some(message) = client.expect("a message, or drained", pick).await? else { return Ok(calls) };
        client.send(ClientFrame::MailboxAck(MailboxAck { seq: message.seq, received: None }));
        calls.extend(as_call(&message));
    }
}

/// Changes the server's own database, while the server is down.
fn ask(server: &Server, statement: &str) -> anyhow::Result<()> {
    const PROGRAM: &str = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as db: db.execute(sys.argv[2])";
    let file = server.data_dir().join("directory.db");
    let done = Command::new("python3").args(["-c", PROGRAM]).arg(file).arg(statement).status()?;
    ensure!(done.success(), "{statement}: {done}");
    Ok(())
}

async fn history(server: &Server, of: &str) -> anyhow::Result<Vec<String>> {
    let calls = server.get("/v1/calls?limit=100", Some(&token(of))).await?.json()?;
    let calls = calls["calls"].as_array().context("a page")?;
    Ok(calls.iter().filter_map(|call| call["call_id"].as_str().map(str::to_owned)).collect())
}

#[tokio::test]
async fn c1_however_the_server_is_killed_each_call_of_the_history_has_one_entry() -> anyhow::Result<()> {
    let mut server = builder().start().await?;
    drop(device(&server, "bob", "phone", Codec::Json).await?);
    for round in 0..8_u32 {
        // Calls whose end was not written go on, and their devices are busy with them: each round has people of its own.
        let mut alice = device(&server, &format!("alice{round}"), "phone", Codec::Json).await?;
        let mut carol = Client::connect(&server, &format!("carol{round}")).await?;
        // Some are written, some noted, some struck out when the end comes.
        for _ in 0..=round % 4 {
            let call = alice.invite("bob", MediaKind::Voice).await?;
            alice.cancel(call).await??;
            talk(&mut alice, &mut carol, MediaKind::Voice).await?;
        }
        server.kill()?;
        server.start_again().await?;
    }
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    let mut calls = calls_of(&mut bob).await?;
    // A call is in the history before it is an entry; those whose end was not written end by themselves.
    loop {
        let mut told: Vec<String> = calls.iter().map(|(.., call)| call.to_string()).collect();
        let mut wanted = history(&server, "bob").await?;
        told.sort_unstable();
        wanted.sort_unstable();
        if told == wanted {
            break;
        }
        ensure!(told.len() < wanted.len(), "{told:?} instead of {wanted:?}");
        calls.extend(as_call(&message(&mut bob).await?));
    }
    ensure!(!calls.is_empty(), "nothing was written at all");
    for (conversation, ..) in &calls {
        let seqs = calls.iter().filter(|(of, ..)| of == conversation).map(|(_, seq, _)| *seq);
        ensure!(
            seqs.eq(1..=calls.iter().filter(|(of, ..)| of == conversation).count() as u64),
            "not in order: {calls:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn c1_a_kill_between_the_two_commits_makes_no_second_entry_and_one_before_them_loses_none() -> anyhow::Result<()>
{
    let mut server = builder().start().await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    let call = talk(&mut alice, &mut bob, MediaKind::Voice).await?;
    entry(&mut alice, call).await?;
    server.kill()?;
    // As it is when the relay has the entry, and the directory does not know yet that it has.
    ask(&server, "INSERT OR IGNORE INTO call_entry SELECT id FROM call")?;
    server.start_again().await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    let next = talk(&mut bob, &mut alice, MediaKind::Video).await?;
    let seqs: Vec<u64> =
        vec![entry(&mut bob, call).await?.0.conversation_seq, entry(&mut bob, next).await?.0.conversation_seq];
    ensure!(seqs == [1, 2], "{seqs:?}");
    server.kill()?;
    // As it is when a call's end is written, and nothing else of it.
    let late = CallId::new(Timestamp(1_790_000_000_000), 7);
    let row = format!("SELECT '{late}', caller, callee, media, started_at, answered_at, ended_at, reason, missed");
    let columns = "id, caller, callee, media, started_at, answered_at, ended_at, reason, missed, missed_seen, hidden";
    ask(&server, &format!("INSERT INTO call ({columns}) {row}, missed_seen, hidden FROM call WHERE id = '{next}'"))?;
    ask(&server, &format!("INSERT INTO call_entry (id) VALUES ('{late}')"))?;
    server.start_again().await?;
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    for (call, seq) in [(call, 1), (next, 2), (late, 3)] {
        ensure!(entry(&mut bob, call).await?.0.conversation_seq == seq);
    }
    Ok(())
}
