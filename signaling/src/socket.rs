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
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::SinkExt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tertulia_signaling_proto::{
    Ack, ClientFrame, CloseCode, Codec, Displaced, ErrorCode, ErrorFrame, Hello, Ping, RequestId, ServerFrame, Welcome,
};
use tokio::time::{Instant, MissedTickBehavior, Sleep, interval_at, sleep_until, timeout};
use tokio_tungstenite::tungstenite;

/// Frames written between two flushes. Raising it saves system calls for one busy client and holds more memory for it.
const BATCH_FRAMES_MAX: usize = 64;
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
/// Most of a socket's life is [`Socket::run`], and most sockets are idle: its beginning and its end are boxed, so that the
/// task does not keep room for them all the time.
pub(crate) async fn serve(shared: Arc<Shared>, ws: WebSocket, codec: Codec, place: Place) {
    shared.metrics.sockets_opened.inc();
    if let Some((mut socket, welcome)) = Box::pin(begin(shared, ws, codec)).await {
        let end = socket.run(welcome).await;
        Box::pin(socket.finish(end)).await;
    }
    drop(place);
}

/// Up to the welcome. None: there is none, and the socket is closed.
async fn begin(shared: Arc<Shared>, mut ws: WebSocket, codec: Codec) -> Option<(Box<Socket>, Box<Welcome>)> {
    let greeted = match first_frame(&shared, &mut ws, codec).await {
        Ok(hello) => hello::greet(&shared, hello, codec).await,
        Err(Some(refused)) => Err(refused),
        Err(None) => {
            shared.metrics.closed_by_peer();
            return None;
        }
    };
    match greeted {
        Ok(Greeted { session, link, welcome, expires_at }) => {
            let expiry = expires_at.map(|at| Box::pin(sleep_until(shared.clock.instant(at).into())));
            Some((Box::new(Socket::new(shared, ws, session, link, expiry)), welcome))
        }
        Err(Refused { error, close }) => {
            if let Some(error) = error {
                shared.metrics.error(error.code);
                let frame = ServerFrame::Error(ErrorFrame { id: None, error });
                // The close frame that follows says the same in short.
                timeout(LINGER, ws.send(message(codec, codec.encode_server(&frame).into()))).await.ok();
            }
            shared.metrics.closed(close);
            close_ws(ws, close).await;
            None
        }
    }
}

/// The first frame must be a `hello`. `Err(None)`: the client is gone.
async fn first_frame(shared: &Shared, ws: &mut WebSocket, codec: Codec) -> Result<Hello, Option<Refused>> {
    let refused = |code: ErrorCode| Some(Refused { error: Some(code.into()), close: CloseCode::HelloExpected });
    let received = timeout(shared.config.limits.hello_timeout(), next_data(ws)).await;
    let data = match received {
        Ok(Some(Ok(data))) => data,
        Ok(Some(Err(error))) => return Err(fault(shared, &error).map(|close| Refused { error: None, close })),
        Ok(None) => return Err(None),
        Err(_) => return Err(refused(ErrorCode::HelloExpected)),
    };
    shared.metrics.frames_received.inc();
    match payload(codec, &data).map(|bytes| codec.decode_client(bytes)) {
        Some(Ok(ClientFrame::Hello(hello))) => Ok(hello),
        Some(Ok(_)) => Err(refused(ErrorCode::HelloExpected)),
        Some(Err(_)) | None => Err(refused(ErrorCode::BadFrame)),
    }
}

/// The next message that is data.
async fn next_data(ws: &mut WebSocket) -> Option<Result<Message, axum::Error>> {
    loop {
        match ws.recv().await? {
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(Message::Close(_)) => return None,
            other => return Some(other),
        }
    }
}

struct Socket {
    shared: Arc<Shared>,
    ws: WebSocket,
    codec: Codec,
    session: Arc<Session>,
    link: Arc<Link>,
    requests: Bucket,
    rate_limited: Bucket,
    bad_frames: Bucket,
    pings_missed: u32,
    /// When the token of its `hello` stops counting.
    expiry: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    fn new(
        shared: Arc<Shared>,
        ws: WebSocket,
        session: Arc<Session>,
        link: Arc<Link>,
        expiry: Option<Pin<Box<Sleep>>>,
    ) -> Self {
        let (limits, now) = (&shared.config.limits, shared.clock.now());
        let requests = Bucket::new(limits.requests(), now);
        let rate_limited = Bucket::new(limits.rate_limited(), now);
        let bad_frames = Bucket::new(limits.bad_frames(), now);
        let codec = session.who.codec;
        Self { shared, ws, codec, session, link, requests, rate_limited, bad_frames, pings_missed: 0, expiry }
    }

    async fn run(&mut self, welcome: Box<Welcome>) -> End {
        match self.serve(welcome).await {
            ControlFlow::Break(end) => end,
            ControlFlow::Continue(()) => End::Gone,
        }
    }

    async fn serve(&mut self, welcome: Box<Welcome>) -> ControlFlow<End> {
        let tells_missed = !welcome.missed_calls.is_empty();
        self.write_frame(&ServerFrame::Welcome(welcome)).await?;
        if tells_missed {
            // Its pong says that the welcome was read: only then the calls count as shown.
            self.ping().await?;
        }
        let period = self.shared.config.limits.heartbeat();
        let mut heartbeat = interval_at(Instant::now() + period, period);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.write_pending().await?;
            tokio::select! {
                () = self.link.woken() => {}
                received = self.ws.recv() => self.receive(received)?,
                _ = heartbeat.tick() => self.beat().await?,
                () = expired(self.expiry.as_mut()) => {
                    return ControlFlow::Break(CloseCode::Unauthenticated.into());
                }
            }
        }
    }

    async fn beat(&mut self) -> ControlFlow<End> {
        if self.pings_missed >= PINGS_MISSED_MAX {
            return ControlFlow::Break(CloseCode::HeartbeatTimeout.into());
        }
        self.pings_missed += 1;
        self.ping().await
    }

    async fn ping(&mut self) -> ControlFlow<End> {
        let now = self.shared.clock.now();
        self.write_frame(&ServerFrame::Ping(Ping { now })).await
    }

    async fn write_pending(&mut self) -> ControlFlow<End> {
        loop {
            if let Some(closing) = self.link.closing() {
                return ControlFlow::Break(End::Ours(closing));
            }
            let Some(frames) = self.session.take_unsent(self.link.fence, BATCH_FRAMES_MAX) else {
                return ControlFlow::Break(CloseCode::Displaced.into());
            };
            if frames.is_empty() {
                return ControlFlow::Continue(());
            }
            self.write(frames).await?;
        }
    }

    async fn write_frame(&mut self, frame: &ServerFrame) -> ControlFlow<End> {
        let bytes = self.codec.encode_server(frame).into();
        self.write(vec![bytes]).await
    }

    /// Writes and flushes. A client that does not read in time is a slow reader, and a link that is closing waits for no one.
    async fn write(&mut self, frames: Vec<Bytes>) -> ControlFlow<End> {
        let (ws, codec, link) = (&mut self.ws, self.codec, &self.link);
        self.shared.metrics.frames_sent.inc_by(frames.len() as u64);
        let write = async {
            for frame in frames {
                ws.feed(message(codec, frame)).await?;
            }
            ws.flush().await
        };
        let closing = async {
            loop {
                if let Some(closing) = link.closing() {
                    return closing;
                }
                link.woken().await;
            }
        };
        tokio::select! {
            written = timeout(self.shared.config.limits.write_timeout(), write) => match written {
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

    fn receive(&mut self, received: Option<Result<Message, axum::Error>>) -> ControlFlow<End> {
        let message = match received {
            Some(Ok(message)) => message,
            Some(Err(error)) => return ControlFlow::Break(fault(&self.shared, &error).map_or(End::Gone, End::from)),
            None => return ControlFlow::Break(End::Gone),
        };
        self.pings_missed = 0;
        match message {
            // The library answers a ping by itself; a flood of them is a flood.
            Message::Ping(_) | Message::Pong(_) => return self.small_frame(),
            Message::Close(Some(frame)) if frame.code == DONE => return ControlFlow::Break(End::Done),
            Message::Close(_) => return ControlFlow::Break(End::Gone),
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
        if self.expiry.is_none() {
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
                // The answer to its close frame, if there was one; it may not listen any longer.
                timeout(LINGER, self.ws.close()).await.ok();
            }
            End::Ours(closing) => {
                let code = match closing {
                    Closing::Code(code) => code,
                    Closing::OtherSession => CloseCode::Displaced,
                };
                self.shared.metrics.closed(code);
                if closing == Closing::OtherSession {
                    let frame = self.codec.encode_server(&ServerFrame::Displaced(Displaced {}));
                    // The close frame that follows says the same.
                    timeout(LINGER, self.ws.send(message(self.codec, frame.into()))).await.ok();
                }
                close_ws(self.ws, code).await;
            }
        }
    }
}

/// Comes when the token has expired; never for one that does not.
async fn expired(expiry: Option<&mut Pin<Box<Sleep>>>) {
    match expiry {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

/// Says why, and gives the client a moment to read it.
async fn close_ws(mut ws: WebSocket, code: CloseCode) {
    let frame = CloseFrame { code: code.code(), reason: code.reason().into() };
    let goodbye = async {
        ws.send(Message::Close(Some(frame))).await?;
        while let Some(received) = ws.recv().await {
            if received.is_err() {
                // What can't be read may still be on its way: closing on top of it would reset the connection, and the
                // close frame might never be seen.
                tokio::time::sleep(LINGER / 4).await;
                break;
            }
        }
        Ok::<(), axum::Error>(())
    };
    // Late or broken: the socket is dropped either way.
    drop(timeout(LINGER, goodbye).await);
}

/// A message's bytes, if it is of the kind that the codec uses.
fn payload(codec: Codec, message: &Message) -> Option<&[u8]> {
    match (codec, message) {
        (Codec::Json, Message::Text(text)) => Some(text.as_bytes()),
        (Codec::Msgpack, Message::Binary(bytes)) => Some(bytes),
        _ => None,
    }
}

fn message(codec: Codec, bytes: Bytes) -> Message {
    match codec {
        // The encoder wrote it: it is UTF-8. An empty message would be a bug that the client reports as a bad frame.
        Codec::Json => Message::Text(Utf8Bytes::try_from(bytes).unwrap_or_default()),
        Codec::Msgpack => Message::Binary(bytes),
    }
}

/// Whether a broken read is the client's fault, and which.
fn fault(shared: &Shared, error: &axum::Error) -> Option<CloseCode> {
    let source = std::error::Error::source(error)?;
    match source.downcast_ref::<tungstenite::Error>()? {
        tungstenite::Error::Capacity(_) => {
            shared.metrics.hit(Hit::FrameBytes);
            Some(CloseCode::FrameTooLarge)
        }
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Utf8(_) | tungstenite::Error::Protocol(_) => Some(CloseCode::ProtocolViolation),
        _ => None,
    }
}
