//! A WebSocket on an HTTP connection that was upgraded, our side of it (RFC 6455, no extensions).
//!
//! Our own, for what it does not keep: libraries hold a buffer for reading and the largest one that they have ever written
//! from, for as long as the socket lives. Here what comes goes through one buffer of the thread, and what goes out is
//! forgotten when it is written. Invariant: between messages a socket holds no bytes of them.
//!
//! [`recv`](WebSocket::recv) and [`flush`](WebSocket::flush) may be dropped at any await: nothing is lost by it.

mod handshake;
mod reader;

pub(crate) use handshake::{Handshake, Upgrading};
#[doc(hidden)]
pub use reader::fuzz;
pub(crate) use reader::{Fault, Message};

use hyper::rt::{Read as _, ReadBuf, Write as _};
use hyper::upgrade::Upgraded;
use reader::{BINARY, CLOSE, CONTROL_BYTES_MAX, LAST, PONG, Reader, TEXT};
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What is read at once, by all sockets of a thread in turn.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    static INCOMING: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// Why nothing more can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The connection is gone.
    Gone,
    /// The client broke a rule.
    Fault(Fault),
}

/// One WebSocket.
pub(crate) struct WebSocket {
    io: Upgraded,
    reader: Reader,
    /// What waits to be written; what is before `written` is.
    out: Vec<u8>,
    written: usize,
}

impl WebSocket {
    fn new(io: Upgraded, message_max: usize) -> Self {
        Self { io, reader: Reader::new(message_max), out: Vec::new(), written: 0 }
    }

    /// The next message.
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Broken>> {
        loop {
            match self.reader.next() {
                Ok(Some(message)) => return Poll::Ready(Ok(message)),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Err(Broken::Fault(fault))),
            }
            let Self { io, reader, .. } = self;
            if ready!(poll_read(io, cx, |bytes| reader.take(bytes))) == 0 {
                return Poll::Ready(Err(Broken::Gone));
            }
        }
    }

    /// Reads and forgets until the client is gone.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while ready!(poll_read(&mut self.io, cx, |_| ())) > 0 {}
        Poll::Ready(())
    }

    /// Puts a whole message, which [`Self::flush`] writes: text, or bytes.
    pub(crate) fn feed(&mut self, is_text: bool, payload: &[u8]) {
        self.put(if is_text { TEXT } else { BINARY }, payload);
    }

    /// Puts the answer to a ping.
    pub(crate) fn feed_pong(&mut self, payload: &[u8]) {
        self.put(PONG, payload);
    }

    /// Puts a close frame: nothing may come after it. A reason that is too long is left out.
    pub(crate) fn feed_close(&mut self, code: u16, reason: &str) {
        let mut payload = code.to_be_bytes().to_vec();
        if payload.len() + reason.len() <= CONTROL_BYTES_MAX {
            payload.extend_from_slice(reason.as_bytes());
        }
        self.put(CLOSE, &payload);
    }

    fn put(&mut self, opcode: u8, payload: &[u8]) {
        let (short, long) = match payload.len() {
            len @ ..126 => (len as u8, &[][..]),
            len @ ..0x1_0000 => (126, &(len as u16).to_be_bytes()[..]),
            len => (127, &(len as u64).to_be_bytes()[..]),
        };
        self.out.reserve_exact(2 + long.len() + payload.len());
        self.out.extend_from_slice(&[LAST | opcode, short]);
        self.out.extend_from_slice(long);
        self.out.extend_from_slice(payload);
    }

    /// Whether something that was put is still to be written.
    pub(crate) fn is_writing(&self) -> bool {
        !self.out.is_empty()
    }

    /// Writes what can be written now. Ready: that was all.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut io = Pin::new(&mut self.io);
        while self.written < self.out.len() {
            match ready!(io.as_mut().poll_write(cx, &self.out[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        ready!(io.poll_flush(cx))?;
        (self.out, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }
}

/// Reads once, and hands over what came. How much that was: nothing when the connection is gone.
fn poll_read(io: &mut Upgraded, cx: &mut Context<'_>, take: impl FnOnce(&[u8])) -> Poll<usize> {
    INCOMING.with_borrow_mut(|incoming| {
        let mut incoming = ReadBuf::new(incoming);
        // A connection that breaks is as gone as one that ends.
        let read = ready!(Pin::new(io).poll_read(cx, incoming.unfilled()));
        let filled = if read.is_ok() { incoming.filled() } else { &[] };
        take(filled);
        Poll::Ready(filled.len())
    })
}
