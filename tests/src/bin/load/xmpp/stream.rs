//! An XMPP stream, over TCP or WebSocket (RFC 7395), as far as a load client needs it: what is said is text, what is heard is cut
//! into top-level elements.
//!
//! Invariant: [`Stream::element`] can be dropped while it waits: what was read stays.

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The server's name.
pub(super) const DOMAIN: &str = "localhost";
/// The longest that a server may say without ending an element.
const UNREAD_MAX: usize = 1 << 20;

pub(super) struct Stream {
    tcp: TcpStream,
    /// Over a WebSocket: what has come and is not a whole frame.
    frames: Option<Vec<u8>>,
    /// What is not cut yet, where to look on, where the element began, and how deep that is.
    text: Vec<u8>,
    at: usize,
    began: usize,
    depth: usize,
}

impl Stream {
    /// Connects and opens a stream; the server has said what it can.
    pub(super) async fn open(to: SocketAddr, websocket: bool) -> anyhow::Result<Self> {
        let mut tcp = TcpStream::connect(to).await?;
        tcp.set_nodelay(true)?;
        if websocket {
            let ask = format!(
                "GET /ws HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n"
            );
            tcp.write_all(ask.as_bytes()).await?;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(tcp.read_u8().await?);
            }
            ensure!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        }
        let frames = websocket.then(Vec::new);
        let mut stream = Self { tcp, frames, text: Vec::new(), at: 0, began: 0, depth: 0 };
        stream.begins().await?;
        Ok(stream)
    }

    /// Connects and logs in.
    pub(super) async fn log_in(to: SocketAddr, websocket: bool, user: usize) -> anyhow::Result<Self> {
        let mut stream = Self::open(to, websocket).await?;
        let secret = STANDARD.encode(format!("\0u{user}\0pw{user}"));
        stream
            .says(&format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"))
            .await?;
        stream.expects("<success").await?;
        stream.begins().await?;
        let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind>";
        stream.says(&format!("<iq xmlns='jabber:client' type='set' id='b'>{bind}</iq>")).await?;
        stream.expects("<iq").await?;
        Ok(stream)
    }

    async fn begins(&mut self) -> anyhow::Result<()> {
        let opening = if self.frames.is_some() {
            format!("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{DOMAIN}' version='1.0'/>")
        } else {
            format!(
                "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='{DOMAIN}' \
                 version='1.0'>"
            )
        };
        self.says(&opening).await?;
        self.expects("<stream:features").await.map(drop)
    }

    pub(super) async fn says(&mut self, xml: &str) -> std::io::Result<()> {
        if self.frames.is_none() {
            return self.tcp.write_all(xml.as_bytes()).await;
        }
        // A mask of zeros leaves it as it is.
        let mut frame = vec![0x81];
        match u16::try_from(xml.len()) {
            Ok(length @ 0..126) => frame.push(0x80 | length as u8),
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => return Err(std::io::ErrorKind::InvalidInput.into()),
        }
        frame.extend([0; 4]);
        frame.extend(xml.as_bytes());
        self.tcp.write_all(&frame).await
    }

    /// The next element that begins so.
    pub(super) async fn expects(&mut self, beginning: &str) -> anyhow::Result<String> {
        loop {
            let element = self.element().await?;
            if element.starts_with(beginning) {
                return Ok(element);
            }
            ensure!(!element.starts_with("<failure") && !element.starts_with("<stream:error"), "{element}");
        }
    }

    /// The next top-level element.
    pub(super) async fn element(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(element) = self.cut() {
                return Ok(element);
            }
            ensure!(self.text.len() < UNREAD_MAX, "an element without an end");
            let into = self.frames.as_mut().unwrap_or(&mut self.text);
            if self.tcp.read_buf(into).await? == 0 {
                bail!("the server has closed the stream");
            }
            self.unframe()?;
        }
    }

    /// Whole frames become text.
    fn unframe(&mut self) -> anyhow::Result<()> {
        let Some(frames) = &mut self.frames else { return Ok(()) };
        let mut done = 0;
        while let [first, short, rest @ ..] = &frames[done..] {
            let (head, length) = match (short & 127, rest) {
                (126, [high, low, ..]) => (4, usize::from(u16::from_be_bytes([*high, *low]))),
                (126 | 127, _) => break,
                (length, _) => (2, usize::from(length)),
            };
            let Some(payload) = frames.get(done + head..done + head + length) else { break };
            match first & 15 {
                0..=2 => self.text.extend_from_slice(payload),
                8 => bail!("the server has closed the WebSocket"),
                _ => {}
            }
            done += head + length;
        }
        frames.drain(..done);
        Ok(())
    }

    fn cut(&mut self) -> Option<String> {
        loop {
            let find = |byte, from: usize| Some(from + self.text.get(from..)?.iter().position(|at| *at == byte)?);
            let open = find(b'<', self.at)?;
            let close = find(b'>', open)?;
            if self.depth == 0 {
                self.began = open;
            }
            self.at = close + 1;
            let tag = &self.text[open..=close];
            let whole = match tag {
                [_, b'?', ..] => continue,
                _ if tag.starts_with(b"<stream:stream") || tag.starts_with(b"</stream:stream") => true,
                [_, b'/', ..] => {
                    self.depth = self.depth.saturating_sub(1);
                    self.depth == 0
                }
                [.., b'/', _] => self.depth == 0,
                _ => {
                    self.depth += 1;
                    false
                }
            };
            if whole {
                let element = String::from_utf8_lossy(&self.text[self.began..self.at]).into_owned();
                self.text.drain(..self.at);
                self.at = 0;
                return Some(element);
            }
        }
    }
}

/// What a body says.
pub(super) fn body(element: &str) -> Option<&str> {
    element.split_once("<body>")?.1.split_once("</body>").map(|(body, _)| body)
}

/// An attribute's value, in either kind of quotes.
pub(super) fn attribute<'a>(element: &'a str, name: &str) -> anyhow::Result<&'a str> {
    let rest = element.split_once(&format!(" {name}=")).with_context(|| format!("no {name}"))?.1;
    let quote = rest.chars().next().context("quotes")?;
    Ok(rest[1..].split_once(quote).context("quotes")?.0)
}
