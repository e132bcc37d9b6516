//! A WebSocket to the server with nothing in between: whatever a test wants to send goes out, well-formed or not.

use crate::Server;
use crate::http;
use crate::wait::in_time;
use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use std::net::{IpAddr, SocketAddr};
use tertulia_signaling_proto::{Ack, Caps, ClientFrame, Codec, Hello, Resume, ServerFrame};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue as Header;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};

/// What comes next on a socket.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A frame.
    Frame(Box<ServerFrame>),
    /// The end: the close code, if the server gave one.
    Closed(Option<u16>),
}

/// One WebSocket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    codec: Codec,
}

impl Socket {
    /// Opens one with the subprotocol of the codec.
    ///
    /// # Errors
    /// If the server does not take it.
    pub async fn open(server: &Server, codec: Codec) -> anyhow::Result<Self> {
        Self::open_from(server, codec, None).await
    }

    /// Opens one from an address of one's choice.
    ///
    /// # Errors
    /// If the server does not take it.
    pub async fn open_from(server: &Server, codec: Codec, from: Option<IpAddr>) -> anyhow::Result<Self> {
        Self::open_at(server.http(), codec, from).await
    }

    /// Opens one to an address where a server is, or will be again.
    ///
    /// # Errors
    /// If nobody there takes it.
    pub async fn open_at(to: SocketAddr, codec: Codec, from: Option<IpAddr>) -> anyhow::Result<Self> {
        let mut request = format!("ws://{to}/v1/ws").into_client_request()?;
        let subprotocol = Header::from_static(codec.subprotocol());
        request.headers_mut().insert("sec-websocket-protocol", subprotocol);
        let tcp = http::connect(to, from).await?;
        tcp.set_nodelay(true)?;
        let shake = tokio_tungstenite::client_async(request, tcp);
        let (stream, _) = in_time("the WebSocket handshake", shake).await??;
        Ok(Self { stream, codec })
    }

    /// How its frames are written.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Sends a message as it is.
    ///
    /// # Errors
    /// If the socket is gone.
    pub async fn send_raw(&mut self, message: Message) -> Result<(), tungstenite::Error> {
        self.stream.send(message).await
    }

    /// Sends text as it is.
    ///
    /// # Errors
    /// If the socket is gone.
    pub async fn send_text(&mut self, text: &str) -> Result<(), tungstenite::Error> {
        self.send_raw(Message::text(text)).await
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// If the socket is gone.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), tungstenite::Error> {
        let message = encode(self.codec, frame);
        self.send_raw(message).await
    }

    /// Says hello.
    ///
    /// # Errors
    /// If the socket is gone.
    pub async fn hello(&mut self, token: &str, device: &str, resume: Option<Resume>) -> anyhow::Result<()> {
        self.hello_as(token, device, resume, Caps { rings: true, call_waiting: false, messages: false }).await
    }

    /// Says hello, and what it can do.
    ///
    /// # Errors
    /// If the socket is gone.
    pub async fn hello_as(
        &mut self,
        token: &str,
        device: &str,
        resume: Option<Resume>,
        caps: Caps,
    ) -> anyhow::Result<()> {
        let hello = Hello { token: token.to_owned(), device_id: Some(device.parse()?), resume, caps };
        Ok(self.send(&ClientFrame::Hello(hello)).await?)
    }

    /// Says that it is done: the session ends too.
    ///
    /// # Errors
    /// If the socket is gone.
    pub async fn leave(&mut self) -> Result<(), tungstenite::Error> {
        let done = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        self.send_raw(Message::Close(Some(done))).await
    }

    /// Waits for what comes next; pings are answered.
    ///
    /// # Errors
    /// If nothing comes in time, or something that is no frame.
    pub async fn next(&mut self) -> anyhow::Result<Incoming> {
        loop {
            let incoming = in_time("something on the socket", self.next_whenever()).await??;
            if matches!(&incoming, Incoming::Frame(frame) if matches!(**frame, ServerFrame::Ping(_))) {
                self.send(&ClientFrame::Pong(Ack { received: 0 })).await?;
                continue;
            }
            return Ok(incoming);
        }
    }

    /// Waits for what comes next, pings too, for as long as it takes.
    ///
    /// # Errors
    /// If something comes that is no frame.
    pub async fn next_whenever(&mut self) -> anyhow::Result<Incoming> {
        loop {
            return Ok(match self.stream.next().await {
                Some(Ok(Message::Text(text))) => self.frame(text.as_bytes())?,
                Some(Ok(Message::Binary(bytes))) => self.frame(&bytes)?,
                Some(Ok(Message::Close(close))) => Incoming::Closed(close.map(|c| c.code.into())),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(_)) | None => Incoming::Closed(None),
            });
        }
    }

    fn frame(&self, bytes: &[u8]) -> anyhow::Result<Incoming> {
        let frame = self.codec.decode_server(bytes).with_context(|| format!("{} bytes", bytes.len()))?;
        Ok(Incoming::Frame(Box::new(frame)))
    }

    /// Waits for a frame.
    ///
    /// # Errors
    /// If the socket ends instead.
    pub async fn next_frame(&mut self) -> anyhow::Result<ServerFrame> {
        match self.next().await? {
            Incoming::Frame(frame) => Ok(*frame),
            Incoming::Closed(code) => bail!("the socket was closed: {code:?}"),
        }
    }

    /// Waits for the end, whatever frames come before it, and gives the close code.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn closed(&mut self) -> anyhow::Result<Option<u16>> {
        loop {
            if let Incoming::Closed(code) = self.next().await? {
                return Ok(code);
            }
        }
    }
}

/// Hears one frame, whenever it comes, and answers a ping.
///
/// # Errors
/// If the socket has ended.
pub async fn stay(socket: &mut Socket) -> anyhow::Result<()> {
    match socket.next_whenever().await? {
        Incoming::Frame(frame) if matches!(*frame, ServerFrame::Ping(_)) => {
            Ok(socket.send(&ClientFrame::Pong(Ack { received: 0 })).await?)
        }
        Incoming::Frame(_) => Ok(()),
        Incoming::Closed(code) => bail!("closed: {code:?}"),
    }
}

/// A frame as a WebSocket message.
pub(crate) fn encode(codec: Codec, frame: &ClientFrame) -> Message {
    let bytes = codec.encode_client(frame);
    match codec {
        Codec::Json => Message::text(String::from_utf8_lossy(&bytes).into_owned()),
        Codec::Msgpack | Codec::Compact => Message::binary(bytes),
    }
}
