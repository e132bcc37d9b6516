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

/// The lines for the report.
pub(crate) async fn run(server: &Server, messages: u64) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for codec in Codec::ALL {
        let each = with(server, codec, messages).await?;
        lines.push(format!(
            "bytes on the wire for a message of {} bytes, each acknowledged by itself, receipts included ({codec:?}): {each:.1}, \
             {:.1} above its text sent and heard",
            TEXT.len(),
            each - 2.0 * TEXT.len() as f64,
        ));
    }
    Ok(lines.join("\n"))
}

/// Bytes a message.
async fn with(server: &Server, codec: Codec, messages: u64) -> anyhow::Result<f64> {
    let counted = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (to, through) = (server.http(), listener.local_addr()?);
    let relay = tokio::spawn(relays(listener, to, Arc::clone(&counted)));
    let (alice, bob) = (format!("alice{}", codec.index()), format!("bob{}", codec.index()));
    let mut ends = Ends { alice: comes(through, codec, &alice).await?, bob: comes(through, codec, &bob).await? };
    // The first message begins the conversation.
    ends.exchange(&bob, 1).await?;
    ends.settle().await?;
    let before = counted.load(Relaxed);
    for number in 2..2 + messages {
        ends.exchange(&bob, number).await?;
    }
    ends.settle().await?;
    relay.abort();
    Ok((counted.load(Relaxed) - before) as f64 / messages as f64)
}

async fn comes(through: SocketAddr, codec: Codec, user: &str) -> anyhow::Result<Socket> {
    let mut socket = Socket::open_at(through, codec, None).await?;
    let caps = Caps { rings: false, call_waiting: false, messages: true };
    socket.hello_as(&token(user), "phone", None, caps).await?;
    match socket.next_frame().await? {
        ServerFrame::Welcome(_) => Ok(socket),
        other => bail!("no welcome but {other:?}"),
    }
}

struct Ends {
    alice: Socket,
    bob: Socket,
}

impl Ends {
    /// One message: confirmed, heard, acknowledged.
    async fn exchange(&mut self, bob: &str, number: u64) -> anyhow::Result<()> {
        let client_id = ClientMessageId::new(Timestamp(1_790_000_000_000 + number), u128::from(number) << 64);
        let (id, content) = (RequestId(number), Content::Text { text: TEXT.to_owned() });
        let to = Recipient::User(bob.parse()?);
        self.alice.send(&ClientFrame::MessageSend(MessageSend { id, client_id, to, content })).await?;
        while !matches!(next(&mut self.alice).await?, ServerFrame::Ok(_)) {}
        loop {
            if let ServerFrame::Message(message) = next(&mut self.bob).await? {
                let ack = MailboxAck { seq: message.seq, received: None };
                return Ok(self.bob.send(&ClientFrame::MailboxAck(ack)).await?);
            }
        }
    }

    async fn settle(&mut self) -> anyhow::Result<()> {
        let quiet = async {
            loop {
                tokio::select! { frame = next(&mut self.alice) => frame?, frame = next(&mut self.bob) => frame? };
            }
        };
        match tokio::time::timeout(SETTLE, quiet).await {
            Ok(failed) => failed,
            Err(_) => Ok(()),
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
