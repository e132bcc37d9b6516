//! Bytes on the wire for a short message: what its sender and its reader send and get, WebSocket headers and receipts included, TCP's
//! not. A relay of bytes between clients and server counts them.

use anyhow::{Context, bail};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tertulia_common::{ClientMessageId, Timestamp};
use tertulia_signaling_proto::{
    Ack, Caps, ClientFrame, Codec, Content, MailboxAck, MessageSend, Recipient, RequestId, ServerFrame,
};
use tertulia_tests::token::token;
use tertulia_tests::{Server, Socket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A short message.
const TEXT: &str = "See you at six?";
/// After the last message, until its receipts have come.
const SETTLE: Duration = Duration::from_millis(500);

/// The line for the report.
pub(crate) async fn run(server: &Server, messages: u64) -> anyhow::Result<String> {
    let counted = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (to, through) = (server.http(), listener.local_addr()?);
    let relay = tokio::spawn(relays(listener, to, Arc::clone(&counted)));
    let mut alice = comes(through, "alice").await?;
    let mut bob = comes(through, "bob").await?;
    // The first message begins the conversation.
    exchange(&mut alice, &mut bob, 1).await?;
    settles(&mut alice, &mut bob).await?;
    let before = counted.load(Relaxed);
    for number in 2..2 + messages {
        exchange(&mut alice, &mut bob, number).await?;
    }
    settles(&mut alice, &mut bob).await?;
    relay.abort();
    let each = (counted.load(Relaxed) - before) as f64 / messages as f64;
    Ok(format!(
        "bytes on the wire for a message of {} bytes, each acknowledged by itself, receipts included (MessagePack): {each:.1}, \
         {:.1} above its text sent and heard",
        TEXT.len(),
        each - 2.0 * TEXT.len() as f64,
    ))
}

async fn comes(through: SocketAddr, user: &str) -> anyhow::Result<Socket> {
    let mut socket = Socket::open_at(through, Codec::Msgpack, None).await?;
    let caps = Caps { rings: false, call_waiting: false, messages: true };
    socket.hello_as(&token(user), "phone", None, caps).await?;
    match socket.next_frame().await? {
        ServerFrame::Welcome(_) => Ok(socket),
        other => bail!("no welcome but {other:?}"),
    }
}

/// One message: confirmed, heard, acknowledged.
async fn exchange(alice: &mut Socket, bob: &mut Socket, number: u64) -> anyhow::Result<()> {
    let client_id = ClientMessageId::new(Timestamp(1_790_000_000_000 + number), u128::from(number) << 64);
    let (id, content) = (RequestId(number), Content::Text { text: TEXT.to_owned() });
    let to = Recipient::User("bob".parse()?);
    alice.send(&ClientFrame::MessageSend(MessageSend { id, client_id, to, content })).await?;
    while !matches!(next(alice).await?, ServerFrame::Ok(_)) {}
    loop {
        if let ServerFrame::Message(message) = next(bob).await? {
            return Ok(bob.send(&ClientFrame::MailboxAck(MailboxAck { seq: message.seq })).await?);
        }
    }
}

async fn next(socket: &mut Socket) -> anyhow::Result<ServerFrame> {
    let frame = socket.next_frame().await?;
    if let ServerFrame::Ping(_) = frame {
        socket.send(&ClientFrame::Pong(Ack { received: 0 })).await?;
    }
    Ok(frame)
}

async fn settles(alice: &mut Socket, bob: &mut Socket) -> anyhow::Result<()> {
    let quiet = async {
        loop {
            tokio::select! { frame = next(alice) => frame?, frame = next(bob) => frame? };
        }
    };
    match tokio::time::timeout(SETTLE, quiet).await {
        Ok(failed) => failed,
        Err(_) => Ok(()),
    }
}

async fn relays(listener: TcpListener, to: SocketAddr, counted: Arc<AtomicU64>) -> anyhow::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let server = TcpStream::connect(to).await.context("the server")?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::spawn(copies(from_client, to_server, Arc::clone(&counted)));
        tokio::spawn(copies(from_server, to_client, Arc::clone(&counted)));
    }
}

async fn copies(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, counted: Arc<AtomicU64>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        counted.fetch_add(read as u64, Relaxed);
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
