//! Messages through the whole program: real sockets, real kills, both codecs.

use anyhow::ensure;
use tertulia_common::{ClientMessageId, Timestamp};
use tertulia_signaling_proto::{
    ClientFrame, Codec, Content, ErrorCode, MailboxAck, Message, MessageRead, MessageSend, MessageSent, Receipts,
    Recipient, ServerFrame,
};
use tertulia_tests::token::token;
use tertulia_tests::{Client, Server};

/// A device that takes messages.
async fn device(server: &Server, user: &str, device: &str, codec: Codec) -> anyhow::Result<Client> {
    Client::connect_for_messages(server, user, device, codec).await
}

/// kill -9, and up again.
async fn restart(server: &mut Server) -> anyhow::Result<()> {
    server.kill()?;
    server.start_again().await
}

fn id(number: u128) -> ClientMessageId {
    ClientMessageId::new(Timestamp(1_790_000_000_000), number)
}

/// Sends a text; gives where it stands.
async fn send(client: &mut Client, to: &str, number: u128, text: &str) -> anyhow::Result<MessageSent> {
    let ok = try_send(client, to, number, text).await??;
    ok.message.ok_or_else(|| anyhow::anyhow!("an answer that does not say where the message stands"))
}

async fn try_send(
    client: &mut Client,
    to: &str,
    number: u128,
    text: &str,
) -> anyhow::Result<Result<tertulia_signaling_proto::OkFrame, tertulia_tests::Refused>> {
    let (to, content) = (Recipient::User(to.parse()?), Content::Text { text: text.to_owned() });
    client
        .request(|request| ClientFrame::MessageSend(MessageSend { id: request, client_id: id(number), to, content }))
        .await
}

/// The next message.
async fn message(client: &mut Client) -> anyhow::Result<Message> {
    client
        .expect("a message", |frame| match frame {
            ServerFrame::Message(message) => Some((**message).clone()),
            _ => None,
        })
        .await
}

async fn hears(client: &mut Client, text: &str) -> anyhow::Result<Message> {
    let heard = message(client).await?;
    ensure!(heard.content == Content::Text { text: text.to_owned() }, "{:?} instead of {text:?}", heard.content);
    Ok(heard)
}

fn acknowledge(client: &Client, message: &Message) {
    client.send(ClientFrame::MailboxAck(MailboxAck { seq: message.seq, received: None }));
}

/// Waits until receipts say this of a user.
async fn ticks(client: &mut Client, of: &str, delivered: u64, read: u64) -> anyhow::Result<()> {
    let says = |receipts: &Receipts| {
        let mut of_them = receipts.receipts.iter().filter(|receipt| receipt.user.as_str() == of);
        of_them.any(|receipt| (receipt.delivered_upto, receipt.read_upto) == (delivered, read))
    };
    let pick = |frame: &ServerFrame| matches!(frame, ServerFrame::Receipts(receipts) if says(receipts)).then_some(());
    client.expect(&format!("{of} has {delivered}, read {read}"), pick).await
}

async fn drained(client: &mut Client) -> anyhow::Result<()> {
    client.expect("drained", |frame| matches!(frame, ServerFrame::Drained(_)).then_some(())).await
}

#[tokio::test]
async fn m1_m5_m15_a_text_reaches_every_device_of_both_and_its_ticks_come_back() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut phone = device(&server, "alice", "phone", Codec::Json).await?;
    let mut laptop = device(&server, "alice", "laptop", Codec::Compact).await?;
    let mut bob = device(&server, "bob", "phone", Codec::Msgpack).await?;
    for client in [&mut phone, &mut laptop, &mut bob] {
        drained(client).await?;
    }
    let sent = send(&mut phone, "bob", 1, "Good morning ☀").await?;
    ensure!(sent.conversation_seq == 1 && !sent.duplicate);
    let heard = hears(&mut bob, "Good morning ☀").await?;
    ensure!(heard.from.as_str() == "alice" && heard.conversation == sent.conversation && heard.sent_at == sent.sent_at);
    let copy = hears(&mut laptop, "Good morning ☀").await?;
    ensure!(copy.to == Recipient::User("bob".parse()?), "her other device knows to whom it went");
    acknowledge(&bob, &heard);
    ticks(&mut phone, "bob", 1, 0).await?;
    let conversation = heard.conversation.clone();
    bob.request(|id| ClientFrame::MessageRead(MessageRead { id, conversation, read_upto: 1 })).await??;
    ticks(&mut phone, "bob", 1, 1).await?;
    ticks(&mut laptop, "bob", 1, 1).await
}

#[tokio::test]
async fn m3_m4_what_was_confirmed_survives_kills_in_order_and_comes_once() -> anyhow::Result<()> {
    let mut server = Server::builder().set("media.shards", 1).start().await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    // Bob has an account of the demo and no device yet.
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    drained(&mut bob).await?;
    drop(bob);
    let mut confirmed = Vec::new();
    for round in 0..4_u128 {
        for number in 0..10 {
            let number = round * 10 + number;
            confirmed.push(send(&mut alice, "bob", number, &number.to_string()).await?.conversation_seq);
        }
        restart(&mut server).await?;
        alice = device(&server, "alice", "phone", Codec::Json).await?;
        // What she is not sure of she sends again.
        let again = send(&mut alice, "bob", round * 10 + 9, &(round * 10 + 9).to_string()).await?;
        ensure!(again.duplicate && Some(&again.conversation_seq) == confirmed.last(), "{again:?}");
    }
    ensure!(confirmed == (1..=40).collect::<Vec<u64>>(), "{confirmed:?}");
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    for number in 0..40 {
        let heard = hears(&mut bob, &number.to_string()).await?;
        ensure!(heard.conversation_seq == number + 1);
        acknowledge(&bob, &heard);
    }
    drained(&mut bob).await?;
    ticks(&mut alice, "bob", 40, 0).await?;
    restart(&mut server).await?;
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    ensure!(server.metrics().await?.sum("tertulia_mailbox_entries", &[]) < 0.5, "nothing waits");
    // The receipts are there again; no message is.
    let next = bob
        .expect("drained, or a message", |frame| match frame {
            ServerFrame::Drained(_) => Some(None),
            ServerFrame::Message(message) => Some(Some(message.conversation_seq)),
            _ => None,
        })
        .await?;
    ensure!(next.is_none(), "{next:?} came again");
    Ok(())
}

#[tokio::test]
async fn a_socket_that_was_lost_goes_on_where_it_was() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    send(&mut alice, "bob", 1, "one").await?;
    hears(&mut bob, "one").await?;
    bob.lose_socket().await;
    send(&mut alice, "bob", 2, "two").await?;
    ensure!(bob.resume(&server).await?);
    let heard = hears(&mut bob, "two").await?;
    acknowledge(&bob, &heard);
    ticks(&mut alice, "bob", 2, 0).await
}

#[tokio::test]
async fn m13_who_is_blocked_hears_nothing_of_it_and_is_not_heard() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let mut eve = device(&server, "eve", "phone", Codec::Json).await?;
    send(&mut eve, "alice", 1, "let me in").await?;
    hears(&mut alice, "let me in").await?;
    let blocked = server.request("PUT", "/v1/blocks/eve", Some(&token("alice")), None).await?;
    ensure!(blocked.status == 204, "{}", blocked.status);
    let sent = send(&mut eve, "alice", 2, "I said let me in").await?;
    ensure!(sent.conversation_seq == 2, "it looks sent");
    send(&mut alice, "eve", 1, "no").await?;
    hears(&mut eve, "no").await?;
    // What comes to Alice next is not Eve's.
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    send(&mut bob, "alice", 1, "hello").await?;
    hears(&mut alice, "hello").await?;
    Ok(())
}

#[tokio::test]
async fn a3_a_conversation_is_its_members_alone() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    let mut eve = device(&server, "eve", "phone", Codec::Json).await?;
    let conversation = send(&mut alice, "bob", 1, "between us").await?.conversation;
    hears(&mut bob, "between us").await?;
    let read =
        |conversation: String| move |id| ClientFrame::MessageRead(MessageRead { id, conversation, read_upto: 1 });
    let answer = eve.request(read(conversation.clone())).await?;
    ensure!(answer.is_err_and(|refused| refused.0.code == ErrorCode::UnknownConversation));
    bob.request(read(conversation)).await??;
    ticks(&mut alice, "bob", 1, 1).await?;
    // Nothing of it has come to Eve: the first thing that does is her own.
    drained(&mut eve).await?;
    send(&mut bob, "eve", 9, "hello").await?;
    hears(&mut eve, "hello").await?;
    Ok(())
}

#[tokio::test]
async fn nonsense_is_refused_with_its_reason() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let mut silent = Client::connect_as(&server, "carol", "phone", Codec::Json).await?;
    let refused = |answer: Result<_, tertulia_tests::Refused>| answer.err().map(|refused| refused.0.code);
    ensure!(refused(try_send(&mut alice, "nobody", 1, "hello").await?) == Some(ErrorCode::UnknownUser));
    ensure!(refused(try_send(&mut alice, "carol", 2, " \n ").await?) == Some(ErrorCode::BadRequest));
    ensure!(refused(try_send(&mut alice, "carol", 3, &"x".repeat(40_000)).await?) == Some(ErrorCode::TooLarge));
    ensure!(refused(try_send(&mut silent, "alice", 1, "hello").await?) == Some(ErrorCode::NoMailbox));
    send(&mut alice, "carol", 4, "hello").await?;
    ensure!(refused(try_send(&mut alice, "carol", 4, "other").await?) == Some(ErrorCode::ClientIdReused));
    for conversation in ["", "0", &"f".repeat(32)] {
        let conversation = conversation.to_owned();
        let read = MessageRead { id: alice.next_request(), conversation, read_upto: 1 };
        let request = read.id;
        alice.send(ClientFrame::MessageRead(read));
        ensure!(refused(alice.answer(request).await?) == Some(ErrorCode::UnknownConversation));
    }
    Ok(())
}

#[tokio::test]
async fn no_text_is_clear_on_the_disk_or_in_the_log() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    let secret = "the key lies under the third stone";
    send(&mut alice, "bob", 1, secret).await?;
    hears(&mut bob, secret).await?;
    ensure!(!server.log().contains(secret));
    ensure!(!server.keeps(secret.as_bytes())?, "the text is on the disk");
    Ok(())
}

#[tokio::test]
async fn m3_a_long_mailbox_of_long_messages_comes_through_one_socket() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut alice = device(&server, "alice", "phone", Codec::Json).await?;
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    drained(&mut bob).await?;
    drop(bob);
    // Each byte becomes six in JSON: together far more than a socket's queue holds.
    let text = "\u{1}".repeat(8_000);
    for number in 0..60 {
        send(&mut alice, "bob", number, &format!("{number} {text}")).await?;
    }
    let mut bob = device(&server, "bob", "phone", Codec::Json).await?;
    for number in 0..60 {
        let heard = hears(&mut bob, &format!("{number} {text}")).await?;
        acknowledge(&bob, &heard);
    }
    drained(&mut bob).await
}
