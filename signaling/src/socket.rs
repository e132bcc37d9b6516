//! One WebSocket: its frames in, its session's frames out, its heartbeat, its end.
//!
//! One task reads and writes. While a write waits for a slow client nothing is read, so a client can't make the server
//! work faster than it takes the answers; what others tell the session meanwhile waits in its bounded queue. Invariant: a
//! socket ends with a close frame that says why, within [`LINGER`], whatever the client does.

use crate::bucket::{Bucket, Wait};
use crate::doors::Place;
use crate::gateway::Shared;
use crate::hello::{self, Greeted, Refused};
use crate::metrics::Hit;
use crate::requests;
use crate::session::{Closing, Link, NotTaken, Session};
use crate::translate;
use crate::websocket::{Broken, Fault, Message, Upgrading};
use crate::wire::{Way, Wire, Written};
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tertulia_signaling_proto::{
    Ack, ClientFrame, CloseCode, Codec, Displaced, ErrorCode, ErrorFrame, Hello, Ping, RequestId, ServerFrame, Welcome,
};
use tokio::time::{Instant, sleep_until, timeout};

/// How long a socket that is being closed may take. Lowering it cuts slow clients off before they read why.
const LINGER: Duration = Duration::from_secs(2);
/// Pings without anything heard in between before the client counts as gone.
const PINGS_MISSED_MAX: u32 = 2;
/// The client's own words: it is done with the session (RFC 6455 §7.4.1, normal closure).
const DONE: u16 = 1000;

/// How a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// We close it.
    Ours(Closing),
    /// The client is gone; it may come back.
    Gone,
    /// The client is done with the session.
    Done,
}

impl From<CloseCode> for End {
    fn from(code: CloseCode) -> Self {
        Self::Ours(Closing::Code(code))
    }
}

/// Serves a socket until it ends. Its place is given back last.
///
/// Most of a socket's life is [`Socket::run`], and most sockets are idle: all else is boxed, so that the task does not keep
/// room for it all the time.
pub(crate) async fn serve(shared: Arc<Shared>, upgrading: Upgrading, codec: Codec, place: Place) {
    if let Some((mut socket, welcome)) = Box::pin(begin(shared, upgrading, codec)).await {
        let end = socket.run(welcome).await;
        Box::pin(socket.finish(end)).await;
    }
    drop(place);
}

/// Up to the welcome. None: there is none, and the socket is closed.
async fn begin(shared: Arc<Shared>, upgrading: Upgrading, codec: Codec) -> Option<(Box<Socket>, Box<Welcome>)> {
    let ws = upgrading.done(shared.config.limits.frame_bytes_max as usize).await?;
    let wire = Wire::new(ws, codec.is_text(), shared.metrics.frames_sent.clone());
    shared.metrics.sockets_opened.inc();
    let greeted = match first_frame(&shared, &wire, codec).await {
        Ok(hello) => hello::greet(&shared, hello, codec).await,
        Err(Some(refused)) => Err(refused),
        Err(None) => {
            shared.metrics.closed_by_peer();
            return None;
        }
    };
    match greeted {
        Ok(Greeted { session, link, welcome, expires_at }) => {
            let expires_at = expires_at.map(|at| shared.clock.instant(at).into());
            Some((Box::new(Socket::new(shared, wire, session, link, expires_at)), welcome))
        }
        Err(Refused { error, close }) => {
            if let Some(error) = error {
                shared.metrics.error(error.code);
                wire.feed(&codec.encode_server(&ServerFrame::Error(ErrorFrame { id: None, error })));
            }
            shared.metrics.closed(close);
            close_ws(&wire, close).await;
            None
        }
    }
}

/// The first frame must be a `hello`. `Err(None)`: the client is gone.
async fn first_frame(shared: &Shared, wire: &Wire, codec: Codec) -> Result<Hello, Option<Refused>> {
    let refused = |code: ErrorCode| Some(Refused { error: Some(code.into()), close: CloseCode::HelloExpected });
    let received = timeout(shared.config.limits.hello_timeout(), next_data(wire)).await;
    let data = match received {
        Ok(Ok(Some(data))) => data,
        Ok(Ok(None) | Err(Broken::Gone)) => return Err(None),
        Ok(Err(Broken::Fault(fault))) => return Err(Some(Refused { error: None, close: close_code(shared, fault) })),
        Err(_) => return Err(refused(ErrorCode::HelloExpected)),
    };
    shared.metrics.frames_received.inc();
    match payload(codec, &data).map(|bytes| codec.decode_client(bytes)) {
        Some(Ok(ClientFrame::Hello(hello))) => Ok(hello),
        Some(Ok(_)) => Err(refused(ErrorCode::HelloExpected)),
        Some(Err(_)) | None => Err(refused(ErrorCode::BadFrame)),
    }
}

/// The next message that is data. None: the client says goodbye instead.
async fn next_data(wire: &Wire) -> Result<Option<Message>, Broken> {
    loop {
        match wire.recv().await? {
            Message::Pong => {}
            Message::Ping(payload) => {
                wire.feed_pong(&payload);
                wire.flush().await.map_err(|_| Broken::Gone)?;
            }
            Message::Close(_) => return Ok(None),
            data @ (Message::Text(_) | Message::Binary(_)) => return Ok(Some(data)),
        }
    }
}

struct Socket {
    shared: Arc<Shared>,
    wire: Arc<Wire>,
    codec: Codec,
    session: Arc<Session>,
    link: Arc<Link>,
    requests: Bucket,
    rate_limited: Bucket,
    bad_frames: Bucket,
    pings_missed: u32,
    next_ping: Instant,
    /// When the token of its `hello` stops counting.
    expires_at: Option<Instant>,
}

impl Socket {
    fn new(
        shared: Arc<Shared>,
        wire: Arc<Wire>,
        session: Arc<Session>,
        link: Arc<Link>,
        expires_at: Option<Instant>,
    ) -> Self {
        let (limits, now) = (&shared.config.limits, shared.clock.now());
        let requests = Bucket::new(limits.requests(), now);
        let rate_limited = Bucket::new(limits.rate_limited(), now);
        let bad_frames = Bucket::new(limits.bad_frames(), now);
        let codec = session.who.codec;
        let next_ping = Instant::now() + limits.heartbeat();
        Self {
            shared,
            wire,
            codec,
            session,
            link,
            requests,
            rate_limited,
            bad_frames,
            pings_missed: 0,
            next_ping,
            expires_at,
        }
    }

    async fn run(&mut self, welcome: Box<Welcome>) -> End {
        match self.serve(welcome).await {
            ControlFlow::Break(end) => end,
            ControlFlow::Continue(()) => End::Gone,
        }
    }

    async fn serve(&mut self, welcome: Box<Welcome>) -> ControlFlow<End> {
        self.put_welcome(welcome);
        self.wire.begins().await;
        self.link.open(Way::new(&self.session, &self.wire));
        let mut due = pin!(sleep_until(self.next_due()));
        loop {
            self.write_pending().await?;
            tokio::select! {
                () = self.link.woken() => {}
                received = self.wire.recv() => self.receive(received)?,
                () = due.as_mut() => {
                    self.due()?;
                    due.as_mut().reset(self.next_due());
                }
            }
        }
    }

    fn put_welcome(&mut self, welcome: Box<Welcome>) {
        let tells_missed = !welcome.missed_calls.is_empty();
        self.put(&ServerFrame::Welcome(welcome));
        if tells_missed {
            // Its pong says that the welcome was read: only then the calls count as shown.
            self.put_ping();
        }
    }

    fn next_due(&self) -> Instant {
        self.expires_at.map_or(self.next_ping, |at| at.min(self.next_ping))
    }

    fn due(&mut self) -> ControlFlow<End> {
        let now = Instant::now();
        if self.expires_at.is_some_and(|at| at <= now) {
            return ControlFlow::Break(CloseCode::Unauthenticated.into());
        }
        if self.next_ping <= now {
            self.next_ping = now + self.shared.config.limits.heartbeat();
            return self.beat();
        }
        ControlFlow::Continue(())
    }

    fn beat(&mut self) -> ControlFlow<End> {
        if self.pings_missed >= PINGS_MISSED_MAX {
            return ControlFlow::Break(CloseCode::HeartbeatTimeout.into());
        }
        self.pings_missed += 1;
        self.put_ping();
        ControlFlow::Continue(())
    }

    fn put_ping(&mut self) {
        let now = self.shared.clock.now();
        self.put(&ServerFrame::Ping(Ping { now }));
    }

    /// Puts a frame that is the socket's, not the session's.
    fn put(&mut self, frame: &ServerFrame) {
        self.wire.feed(&self.codec.encode_server(frame));
    }

    /// Writes what was put and what the session has to say.
    async fn write_pending(&mut self) -> ControlFlow<End> {
        loop {
            if let Some(closing) = self.link.closing() {
                return ControlFlow::Break(End::Ours(closing));
            }
            match poll_fn(|cx| Poll::Ready(self.wire.write(cx, &self.session, &self.link))).await {
                Written::All => return ControlFlow::Continue(()),
                Written::Slow => Box::pin(self.write_slowly()).await?,
                Written::Stale => {
                    // Whoever took the session away said why before: it may have been since we looked.
                    let why = self.link.closing().unwrap_or(Closing::Code(CloseCode::Displaced));
                    return ControlFlow::Break(End::Ours(why));
                }
                Written::Gone => return ControlFlow::Break(End::Gone),
            }
        }
    }

    /// Waits for a client that does not read at once. One that does not read in time is a slow reader, and a link that is
    /// closing waits for no one.
    async fn write_slowly(&mut self) -> ControlFlow<End> {
        let (wire, link) = (&self.wire, &self.link);
        let closing = async {
            loop {
                if let Some(closing) = link.closing() {
                    return closing;
                }
                link.woken().await;
            }
        };
        tokio::select! {
            written = timeout(self.shared.config.limits.write_timeout(), wire.flush()) => match written {
                Ok(Ok(())) => ControlFlow::Continue(()),
                Ok(Err(_)) => ControlFlow::Break(End::Gone),
                Err(_) => {
                    self.shared.metrics.hit(Hit::Write);
                    ControlFlow::Break(CloseCode::SlowReader.into())
                }
            },
            closing = closing => ControlFlow::Break(End::Ours(closing)),
        }
    }

    fn receive(&mut self, received: Result<Message, Broken>) -> ControlFlow<End> {
        let message = match received {
            Ok(message) => message,
            Err(Broken::Fault(fault)) => return ControlFlow::Break(close_code(&self.shared, fault).into()),
            Err(Broken::Gone) => return ControlFlow::Break(End::Gone),
        };
        self.pings_missed = 0;
        match &message {
            Message::Ping(payload) => {
                self.wire.feed_pong(payload);
                return self.small_frame();
            }
            Message::Pong => return self.small_frame(),
            Message::Close(code) => return ControlFlow::Break(if *code == Some(DONE) { End::Done } else { End::Gone }),
            Message::Text(_) | Message::Binary(_) => {}
        }
        self.shared.metrics.frames_received.inc();
        let Some(bytes) = payload(self.codec, &message) else {
            return self.bad_frame(None, ErrorCode::BadFrame);
        };
        match self.codec.decode_client(bytes) {
            Ok(ClientFrame::Hello(_)) => self.bad_frame(None, ErrorCode::HelloExpected),
            Ok(ClientFrame::Pong(ack)) => self.confirmed(ack, Session::pong),
            Ok(ClientFrame::Ack(ack)) => self.confirmed(ack, Session::acknowledge),
            Ok(ClientFrame::MailboxAck(ack)) => {
                match ack.received {
                    Some(received) => self.confirmed(Ack { received }, Session::acknowledge)?,
                    None => self.small_frame()?,
                }
                if let Some(chat) = &self.shared.chat {
                    chat.acknowledge(&self.session, ack);
                }
                ControlFlow::Continue(())
            }
            Ok(request) => match request.request_id() {
                Some(id) => self.request(id, request),
                None => ControlFlow::Continue(()),
            },
            Err(error) => {
                tracing::debug!(session = %self.session.who.id, %error, "a bad frame");
                self.bad_frame(self.codec.request_id_of(bytes), ErrorCode::BadFrame)
            }
        }
    }

    fn confirmed(
        &mut self,
        ack: Ack,
        confirm: fn(&Session, u64) -> Option<Vec<tertulia_common::CallId>>,
    ) -> ControlFlow<End> {
        self.small_frame()?;
        match confirm(&self.session, ack.received) {
            Some(shown) => {
                self.shared.history.shown(&self.session.who.endpoint.user, shown);
                ControlFlow::Continue(())
            }
            None => self.bad_frame(None, ErrorCode::BadFrame),
        }
    }

    fn request(&mut self, id: RequestId, request: ClientFrame) -> ControlFlow<End> {
        let taken = self.session.begin(self.link.fence, id);
        if taken == Err(NotTaken::Stale) {
            // Another socket speaks for the session now; the loop closes this one.
            return ControlFlow::Continue(());
        }
        if let Err(Wait(wait)) = self.requests.take(self.shared.clock.now()) {
            let error = translate::retry_after(ErrorCode::RateLimited, wait);
            self.shared.hub.refuse(&self.session, Some(id), error);
            return self.rate_limited();
        }
        if taken == Err(NotTaken::NotRising) {
            self.shared.hub.refuse(&self.session, Some(id), ErrorCode::RequestIdNotRising.into());
            return ControlFlow::Continue(());
        }
        self.shared.metrics.requests.inc();
        requests::run(&self.shared, &self.session, request);
        ControlFlow::Continue(())
    }

    /// A frame that costs little and has no answer.
    fn small_frame(&mut self) -> ControlFlow<End> {
        match self.requests.take_tenth(self.shared.clock.now()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(Wait(_)) => self.rate_limited(),
        }
    }

    fn rate_limited(&mut self) -> ControlFlow<End> {
        self.shared.metrics.hit(Hit::Requests);
        if self.rate_limited.take(self.shared.clock.now()).is_err() {
            self.shared.metrics.hit(Hit::RateLimited);
            return ControlFlow::Break(CloseCode::RateLimited.into());
        }
        ControlFlow::Continue(())
    }

    fn bad_frame(&mut self, id: Option<RequestId>, code: ErrorCode) -> ControlFlow<End> {
        self.shared.hub.refuse(&self.session, id, code.into());
        if self.bad_frames.take(self.shared.clock.now()).is_err() {
            self.shared.metrics.hit(Hit::BadFrames);
            return ControlFlow::Break(CloseCode::ProtocolViolation.into());
        }
        ControlFlow::Continue(())
    }

    async fn finish(mut self: Box<Self>, end: End) {
        let session = Arc::clone(&self.session);
        // Tokens that do not expire are of accounts' devices.
        if self.expires_at.is_none() {
            self.shared.accounts.seen.note(&session.who.endpoint);
        }
        match end {
            // Before the goodbye: who is done or gone takes no more frames, and a new socket need not wait for this one.
            End::Done => self.shared.end_session(&session),
            End::Gone | End::Ours(_) => self.shared.wait_for_another_socket(&session, self.link.fence),
        }
        match end {
            End::Done | End::Gone => {
                self.shared.metrics.closed_by_peer();
                self.wire.feed_close(DONE, "");
                // The answer to its close frame, if there was one; it may not listen any longer.
                timeout(LINGER, self.wire.flush()).await.ok();
            }
            End::Ours(closing) => {
                let code = match closing {
                    Closing::Code(code) => code,
                    Closing::OtherSession => CloseCode::Displaced,
                };
                self.shared.metrics.closed(code);
                if closing == Closing::OtherSession {
                    // The close frame that follows says the same in short.
                    self.put(&ServerFrame::Displaced(Displaced {}));
                }
                close_ws(&self.wire, code).await;
            }
        }
    }
}

/// Says why, and gives the client a moment to read it.
async fn close_ws(wire: &Wire, code: CloseCode) {
    wire.feed_close(code.code(), code.reason());
    let goodbye = async {
        wire.flush().await.map_err(|_| Broken::Gone)?;
        while !matches!(wire.recv().await?, Message::Close(_)) {}
        Ok(())
    };
    if let Ok(Err(Broken::Fault(_))) = timeout(LINGER, goodbye).await {
        // What can't be read may still be on its way: closing on top of it would reset the connection, and the close frame
        // might never be seen.
        timeout(LINGER / 4, wire.discard()).await.ok();
    }
}

/// A message's bytes, if it is of the kind that the codec uses.
fn payload(codec: Codec, message: &Message) -> Option<&[u8]> {
    match (codec, message) {
        (Codec::Json, Message::Text(text)) => Some(text.as_bytes()),
        (Codec::Msgpack | Codec::Compact, Message::Binary(bytes)) => Some(bytes),
        _ => None,
    }
}

/// How a socket is closed whose client has sent what can't be read.
fn close_code(shared: &Shared, fault: Fault) -> CloseCode {
    match fault {
        Fault::TooLarge => {
            shared.metrics.hit(Hit::FrameBytes);
            CloseCode::FrameTooLarge
        }
        Fault::Protocol => CloseCode::ProtocolViolation,
    }
}
