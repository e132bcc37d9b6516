//! A signalling client: one device of one user. Its verbs are the protocol's; what it hears is kept until it is asked for.
//!
//! A task of its own reads the socket and answers pings, so that a client that a test does not look at stays connected.

use crate::Server;
use crate::socket::{Incoming, Socket};
use crate::token::token;
use crate::wait::{PATIENCE, in_time};
use anyhow::{bail, ensure};
use std::collections::VecDeque;
use std::time::Instant;
use tertulia_common::{CallId, UserId};
use tertulia_signaling_proto::{
    Ack, CallConnect, CallDecline, CallEnded, CallHold, CallIncoming, CallInvite, CallMedia, CallRequest, Caps,
    ClientFrame, Codec, DeclineReason, EndReason, ErrorBody, MediaFlags, MediaKind, OkFrame, Phase, RequestId, Resume,
    ServerFrame, Slot, Target, Welcome,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused: {0:?}")]
pub struct Refused(pub ErrorBody);

/// What a request came to.
pub type Answer = Result<OkFrame, Refused>;

/// One device of one user, connected.
#[derive(Debug)]
pub struct Client {
    user: String,
    device: String,
    token: String,
    caps: Caps,
    codec: Codec,
    welcome: Welcome,
    /// Frames that nobody has asked for yet, in the order they came.
    heard: VecDeque<ServerFrame>,
    /// Frames of the session that count for a resume.
    received: u64,
    last_request: u64,
    wire: Wire,
}

/// The task that owns the socket, and the ways to it.
#[derive(Debug)]
struct Wire {
    out: mpsc::UnboundedSender<ClientFrame>,
    inbox: mpsc::UnboundedReceiver<Incoming>,
    task: JoinHandle<()>,
    closed: Option<Option<u16>>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Wire {
    fn new(mut socket: Socket) -> Self {
        let (out, mut outgoing) = mpsc::unbounded_channel::<ClientFrame>();
        let (incoming, inbox) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let step = tokio::select! {
                    frame = outgoing.recv() => match frame {
                        Some(frame) => socket.send(&frame).await.map_err(Into::into),
                        None => return,
                    },
                    heard = socket.next_whenever() => match heard {
                        Ok(Incoming::Frame(frame)) if matches!(*frame, ServerFrame::Ping(_)) => {
                            socket.send(&ClientFrame::Pong(Ack { received: 0 })).await.map_err(Into::into)
                        }
                        Ok(Incoming::Frame(frame)) => {
                            incoming.send(Incoming::Frame(frame)).map_err(|_| anyhow::anyhow!("nobody listens"))
                        }
                        // The last word: a socket that is asked again would say so for ever.
                        Ok(closed @ Incoming::Closed(_)) => {
                            drop(incoming.send(closed));
                            return;
                        }
                        Err(error) => Err(error),
                    },
                };
                if step.is_err() {
                    // The test sees an inbox that has ended; it is the reader's error that matters, not the writer's.
                    return;
                }
            }
        });
        Self { out, inbox, task, closed: None }
    }
}

impl Client {
    /// Connects as a user's only device, in JSON.
    ///
    /// # Errors
    /// If the server does not welcome it.
    pub async fn connect(server: &Server, user: &str) -> anyhow::Result<Self> {
        Self::connect_as(server, user, "phone", Codec::Json).await
    }

    /// Connects as one of a user's devices.
    ///
    /// # Errors
    /// If the server does not welcome it.
    pub async fn connect_as(server: &Server, user: &str, device: &str, codec: Codec) -> anyhow::Result<Self> {
        Self::connect_with(server, &token(user), user, device, codec).await
    }

    /// Connects with a token of one's choice.
    ///
    /// # Errors
    /// If the server does not welcome it.
    pub async fn connect_with(
        server: &Server,
        token: &str,
        user: &str,
        device: &str,
        codec: Codec,
    ) -> anyhow::Result<Self> {
        Self::connect_able(
            server,
            token,
            user,
            device,
            codec,
            Caps { rings: true, call_waiting: false, messages: false },
        )
        .await
    }

    /// Connects as one of a user's devices that can have one call on hold and be in another.
    ///
    /// # Errors
    /// If the server does not welcome it.
    pub async fn connect_waiting(server: &Server, user: &str, device: &str) -> anyhow::Result<Self> {
        let caps = Caps { rings: true, call_waiting: true, messages: false };
        Self::connect_able(server, &token(user), user, device, Codec::Json, caps).await
    }

    /// Connects as one of a user's devices that takes messages.
    ///
    /// # Errors
    /// If the server does not welcome it.
    pub async fn connect_for_messages(server: &Server, user: &str, device: &str, codec: Codec) -> anyhow::Result<Self> {
        let caps = Caps { rings: true, call_waiting: false, messages: true };
        Self::connect_able(server, &token(user), user, device, codec, caps).await
    }

    /// The same, with a token of one's choice.
    ///
    /// # Errors
    /// If the server does not welcome it.
    pub async fn connect_for_messages_with(
        server: &Server,
        token: &str,
        user: &str,
        device: &str,
        codec: Codec,
    ) -> anyhow::Result<Self> {
        let caps = Caps { rings: true, call_waiting: false, messages: true };
        Self::connect_able(server, token, user, device, codec, caps).await
    }

    async fn connect_able(
        server: &Server,
        token: &str,
        user: &str,
        device: &str,
        codec: Codec,
        caps: Caps,
    ) -> anyhow::Result<Self> {
        let (socket, welcome) = open(server, token, device, codec, None, caps.clone()).await?;
        ensure!(!welcome.resumed, "a new session was asked for");
        Ok(Self {
            user: user.to_owned(),
            device: device.to_owned(),
            token: token.to_owned(),
            caps,
            codec,
            welcome,
            heard: VecDeque::new(),
            received: 0,
            last_request: 0,
            wire: Wire::new(socket),
        })
    }

    /// Loses the socket without a word, as a phone in a tunnel does. What had arrived stays heard.
    pub async fn lose_socket(&mut self) {
        self.wire.task.abort();
        // The task ends and closes the inbox; what it had read before counts as received.
        while let Some(Incoming::Frame(frame)) = self.wire.inbox.recv().await {
            self.keep(*frame);
        }
    }

    /// Goes on with the session on a new socket. Gives whether the server still had it.
    ///
    /// # Errors
    /// If the server does not welcome it.
    pub async fn resume(&mut self, server: &Server) -> anyhow::Result<bool> {
        let resume = self.resume_ticket();
        let (socket, welcome) =
            open(server, &self.token, &self.device, self.codec, Some(resume), self.caps.clone()).await?;
        if !welcome.resumed {
            self.received = 0;
            self.last_request = 0;
            self.heard.clear();
        }
        self.welcome = welcome;
        self.wire = Wire::new(socket);
        Ok(self.welcome.resumed)
    }

    /// What `hello.resume` would say now.
    #[must_use]
    pub fn resume_ticket(&self) -> Resume {
        Resume { session: self.welcome.session, secret: self.welcome.secret.clone(), received: self.received }
    }

    /// The server's welcome.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// This user.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.welcome.user_id
    }

    /// Sends a frame and does not wait for anything.
    pub fn send(&self, frame: ClientFrame) {
        // A socket that is gone shows when the test listens.
        self.wire.out.send(frame).ok();
    }

    /// The id of a new request.
    pub fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// If the socket ends or no answer comes in time. A refusal is an answer.
    pub async fn request(&mut self, frame: impl FnOnce(RequestId) -> ClientFrame) -> anyhow::Result<Answer> {
        let id = self.next_request();
        self.send(frame(id));
        self.answer(id).await
    }

    /// Waits for the answer to an earlier request.
    ///
    /// # Errors
    /// If the socket ends or no answer comes in time. A refusal is an answer.
    pub async fn answer(&mut self, id: RequestId) -> anyhow::Result<Answer> {
        self.expect(&format!("an answer to request {}", id.0), |frame| match frame {
            ServerFrame::Ok(ok) if ok.id == id => Some(Ok(ok.clone())),
            ServerFrame::Error(error) if error.id == Some(id) => Some(Err(Refused(error.error.clone()))),
            _ => None,
        })
        .await
    }

    /// Calls a user; gives the call.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn invite(&mut self, user: &str, media: MediaKind) -> anyhow::Result<CallId> {
        let ok = self.try_invite(user, media).await??;
        ok.call_id.ok_or_else(|| anyhow::anyhow!("no call id in {ok:?}"))
    }

    /// Calls a user; gives the answer, whatever it is.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn try_invite(&mut self, user: &str, media: MediaKind) -> anyhow::Result<Answer> {
        let to = Target::User(user.parse()?);
        self.request(|id| ClientFrame::CallInvite(CallInvite { id, to, media })).await
    }

    /// Says that this device rings.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn ringing(&mut self, call_id: CallId) -> anyhow::Result<Answer> {
        self.request(|id| ClientFrame::CallRinging(CallRequest { id, call_id })).await
    }

    /// Accepts.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn accept(&mut self, call_id: CallId) -> anyhow::Result<Answer> {
        self.request(|id| ClientFrame::CallAccept(CallRequest { id, call_id })).await
    }

    /// Declines.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn decline(&mut self, call_id: CallId, reason: DeclineReason) -> anyhow::Result<Answer> {
        self.request(|id| ClientFrame::CallDecline(CallDecline { id, call_id, reason })).await
    }

    /// Gives up.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn cancel(&mut self, call_id: CallId) -> anyhow::Result<Answer> {
        self.request(|id| ClientFrame::CallCancel(CallRequest { id, call_id })).await
    }

    /// Hangs up.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn hangup(&mut self, call_id: CallId) -> anyhow::Result<Answer> {
        self.request(|id| ClientFrame::CallHangup(CallRequest { id, call_id })).await
    }

    /// Connects the media; gives the answer and the slots.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn media_connect(&mut self, call_id: CallId, sdp: String) -> anyhow::Result<(String, Vec<Slot>)> {
        let ok = self.try_media_connect(call_id, sdp).await??;
        match (ok.sdp, ok.slots) {
            (Some(sdp), Some(slots)) => Ok((sdp, slots)),
            _ => bail!("an answer without sdp and slots"),
        }
    }

    /// Connects the media; gives the answer, whatever it is.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn try_media_connect(&mut self, call_id: CallId, sdp: String) -> anyhow::Result<Answer> {
        self.request(|id| ClientFrame::CallConnect(CallConnect { id, call_id, sdp })).await
    }

    /// Puts a call on hold, or goes on with it.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn hold(&mut self, call_id: CallId, on: bool) -> anyhow::Result<Answer> {
        self.request(|id| ClientFrame::CallHold(CallHold { id, call_id, on })).await
    }

    /// Takes a call over from another device of this user.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn join(&mut self, call_id: CallId) -> anyhow::Result<Answer> {
        self.request(|id| ClientFrame::CallJoin(CallRequest { id, call_id })).await
    }

    /// Says what this device sends.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn media(&mut self, call_id: CallId, media: MediaFlags) -> anyhow::Result<Answer> {
        self.request(|id| ClientFrame::CallMedia(CallMedia { id, call_id, media })).await
    }

    /// Waits for the first frame, heard before or to come, of which `pick` makes something; takes it out.
    ///
    /// # Errors
    /// If it does not come in time or the socket ends; the error lists what was heard instead.
    pub async fn expect<T>(&mut self, what: &str, pick: impl Fn(&ServerFrame) -> Option<T>) -> anyhow::Result<T> {
        let mut looked = 0;
        let end = Instant::now() + PATIENCE; // other frames may come for ever
        loop {
            while looked < self.heard.len() {
                if let Some(found) = pick(&self.heard[looked]) {
                    self.heard.remove(looked);
                    return Ok(found);
                }
                looked += 1;
            }
            ensure!(Instant::now() < end, "not within {PATIENCE:?}: {what}; {} heard {:?}", self.user, self.heard);
            let next = in_time(what, self.wire.inbox.recv()).await;
            match next.map_err(|e| e.context(format!("{} heard {:?}", self.user, self.heard)))? {
                Some(Incoming::Frame(frame)) => self.keep(*frame),
                Some(Incoming::Closed(code)) => self.wire.closed = Some(code),
                None => bail!("{what}: the socket ended ({:?}), heard {:?}", self.wire.closed, self.heard),
            }
        }
    }

    /// Waits for the ring.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn incoming(&mut self) -> anyhow::Result<CallIncoming> {
        let pick = |frame: &ServerFrame| if let ServerFrame::CallIncoming(i) = frame { Some(i.clone()) } else { None };
        self.expect("call.incoming", pick).await
    }

    /// Waits until the call is in this phase.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn phase(&mut self, call: CallId, phase: Phase) -> anyhow::Result<()> {
        let pick = |frame: &ServerFrame| match frame {
            ServerFrame::CallState(state) if state.call_id == call && state.phase == phase => Some(()),
            _ => None,
        };
        self.expect(&format!("call.state {phase:?}"), pick).await
    }

    /// Waits until the call has ended for this device.
    ///
    /// # Errors
    /// If it does not end in time, or for another reason.
    pub async fn ended(&mut self, call: CallId, reason: EndReason) -> anyhow::Result<CallEnded> {
        let pick = |frame: &ServerFrame| match frame {
            ServerFrame::CallEnded(ended) if ended.call_id == call => Some(*ended),
            _ => None,
        };
        let ended = self.expect(&format!("call.ended {reason:?}"), pick).await?;
        ensure!(ended.reason == reason, "{} heard {:?}, not {reason:?}", self.user, ended.reason);
        Ok(ended)
    }

    /// Waits until the server closes the socket; gives the close code.
    ///
    /// # Errors
    /// If it stays open.
    pub async fn closed(&mut self) -> anyhow::Result<Option<u16>> {
        loop {
            match in_time("the end of the socket", self.wire.inbox.recv()).await? {
                Some(Incoming::Frame(frame)) => self.keep(*frame),
                Some(Incoming::Closed(code)) => return Ok(code),
                None => return Ok(self.wire.closed.flatten()),
            }
        }
    }

    /// What has been heard and not asked for, after an answer has proved that everything sent before it has arrived.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn heard_so_far(&mut self) -> anyhow::Result<Vec<ServerFrame>> {
        // Any request is answered, and its answer comes after the frames before it: one that can only be refused.
        let nowhere = CallId::new(tertulia_common::Timestamp(0), 0);
        let answer = self.hangup(nowhere).await?;
        ensure!(answer.is_err(), "nobody is in call zero");
        Ok(self.heard.iter().cloned().collect())
    }

    /// What has been heard and not asked for, as it stands: for when nothing more can come.
    #[must_use]
    pub fn left_over(&self) -> &VecDeque<ServerFrame> {
        &self.heard
    }

    /// Forgets what has been heard and not asked for.
    pub fn forget(&mut self) {
        self.heard.clear();
    }

    fn keep(&mut self, frame: ServerFrame) {
        if frame.is_counted() {
            self.received += 1;
        }
        self.heard.push_back(frame);
    }
}

async fn open(
    server: &Server,
    token: &str,
    device: &str,
    codec: Codec,
    resume: Option<Resume>,
    caps: Caps,
) -> anyhow::Result<(Socket, Welcome)> {
    let mut socket = Socket::open(server, codec).await?;
    socket.hello_as(token, device, resume, caps).await?;
    match socket.next_frame().await? {
        ServerFrame::Welcome(welcome) => Ok((socket, *welcome)),
        other => bail!("no welcome but {other:?}"),
    }
}
