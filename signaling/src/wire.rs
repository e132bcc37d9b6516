//! A socket as two hold it: its task, which reads and does whatever has to wait, and whoever has something to tell.
//!
//! To wake a task only so that it writes costs more than the writing. So what tells many at once, or is awake anyway, does so
//! [`together`]: what it told is written when it is done, by the thread that told it, once a socket. Invariant: frames are taken from
//! the session and written under the socket's one lock, so that they go out in the session's order whoever writes. Only the
//! task ever waits for a client or for that lock: what can't be written at once is left to it.

use crate::session::{Link, Session};
use crate::websocket::{Broken, Message, WebSocket};
use parking_lot::{Mutex, MutexGuard};
use prometheus_client::metrics::counter::Counter;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};

/// Frames written between two flushes. Raising it saves system calls for one busy client and holds more memory for it.
const BATCH_FRAMES_MAX: usize = 64;

thread_local! {
    /// The links to which this thread has something to tell since it began to tell [`together`].
    static GATHERED: RefCell<Option<Vec<Arc<Link>>>> = const { RefCell::new(None) };
}

/// Tells, and then writes what was told. What is told to one socket goes out at once.
pub fn together(tell: &mut dyn FnMut()) {
    let outer = GATHERED.replace(Some(Vec::new()));
    tell();
    for link in GATHERED.replace(outer).unwrap_or_default() {
        link.write_now();
    }
}

/// Whether a link is written to when this thread has told all that it tells together.
pub(crate) fn gathers(link: &Arc<Link>) -> bool {
    GATHERED.with_borrow_mut(|gathered| {
        let Some(gathered) = gathered.as_mut().filter(|_| link.can_write()) else { return false };
        // Another thread that has it on its list has not begun to write.
        if link.gather() {
            gathered.push(Arc::clone(link));
        }
        true
    })
}

/// A socket's WebSocket.
pub(crate) struct Wire {
    ws: Mutex<WebSocket>,
    /// Wakes the socket's task.
    task: OnceLock<Waker>,
    is_text: bool,
    frames_sent: Counter,
}

/// What became of the frames that a session had for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// They are written.
    All,
    /// The client does not take them at once: the rest is put, and waits.
    Slow,
    /// The socket is the session's no longer.
    Stale,
    /// The connection is gone.
    Gone,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("is_text", &self.is_text).finish_non_exhaustive()
    }
}

impl Wire {
    pub(crate) fn new(ws: WebSocket, is_text: bool, frames_sent: Counter) -> Arc<Self> {
        Arc::new(Self { ws: Mutex::new(ws), task: OnceLock::new(), is_text, frames_sent })
    }

    fn ws(&self) -> MutexGuard<'_, WebSocket> {
        self.ws.lock()
    }

    /// Called by the task before anybody else writes: the task goes on with what could not be written at once.
    pub(crate) async fn begins(&self) {
        poll_fn(|cx| {
            self.task.get_or_init(|| cx.waker().clone());
            Poll::Ready(())
        })
        .await;
    }

    /// The next message.
    pub(crate) async fn recv(&self) -> Result<Message, Broken> {
        poll_fn(|cx| self.ws().poll_recv(cx)).await
    }

    /// Writes all that was put.
    pub(crate) async fn flush(&self) -> io::Result<()> {
        poll_fn(|cx| self.ws().poll_flush(cx)).await
    }

    /// Puts a frame.
    pub(crate) fn feed(&self, frame: &[u8]) {
        self.frames_sent.inc();
        self.ws().feed(self.is_text, frame);
    }

    /// Puts the answer to a ping.
    pub(crate) fn feed_pong(&self, payload: &[u8]) {
        self.ws().feed_pong(payload);
    }

    /// Puts a close frame.
    pub(crate) fn feed_close(&self, code: u16, reason: &str) {
        self.ws().feed_close(code, reason);
    }

    /// Reads and forgets until the client is gone.
    pub(crate) async fn discard(&self) {
        poll_fn(|cx| self.ws().poll_discard(cx)).await;
    }

    /// Writes what was put, and what the session has for this link. For the task.
    pub(crate) fn write(&self, cx: &mut Context<'_>, session: &Session, link: &Link) -> Written {
        self.write_all(&mut self.ws(), cx, session, link)
    }

    /// The same, by anybody. False: the task has to do it, or to go on with it.
    fn write_now(&self, session: &Session, link: &Link) -> bool {
        let (Some(mut ws), Some(task)) = (self.ws.try_lock(), self.task.get()) else { return false };
        // The task waits for the client already.
        !ws.is_writing() && self.write_all(&mut ws, &mut Context::from_waker(task), session, link) == Written::All
    }

    fn write_all(&self, ws: &mut WebSocket, cx: &mut Context<'_>, session: &Session, link: &Link) -> Written {
        loop {
            let Some(frames) = session.take_unsent(link.fence, BATCH_FRAMES_MAX) else { return Written::Stale };
            let is_last = frames.is_empty();
            self.frames_sent.inc_by(frames.len() as u64);
            frames.iter().for_each(|frame| ws.feed(self.is_text, frame));
            match ws.poll_flush(cx) {
                Poll::Ready(Ok(())) if is_last => return Written::All,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Written::Gone,
                Poll::Pending => return Written::Slow,
            }
        }
    }
}

/// How whoever tells a session writes to its socket.
#[derive(Debug)]
pub(crate) struct Way {
    session: Weak<Session>,
    wire: Arc<Wire>,
}

impl Way {
    pub(crate) fn new(session: &Arc<Session>, wire: &Arc<Wire>) -> Self {
        Self { session: Arc::downgrade(session), wire: Arc::clone(wire) }
    }

    /// False: the task has to be woken.
    pub(crate) fn write_now(&self, link: &Link) -> bool {
        let session = self.session.upgrade();
        session.is_some_and(|session| self.wire.write_now(&session, link))
    }
}
