//! The sessions of this process, and how to reach a device.
//!
//! Invariant: whoever the registry says holds a device has its session in `live`. Sessions are opened and ended under the
//! exchange's lock only (see `exchange`), so that the calls hear of devices in the order in which they come and go.

use crate::metrics::{Hit, Metrics};
use crate::outbox::OutboxLimits;
use crate::session::{Closing, Identity, Link, Session, Told};
use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use tertulia_common::{CallId, DeviceId, SessionId, UserId};
use tertulia_registry::{Fence, Sessions};
use tertulia_signaling_core::{Endpoint, Ringer};
use tertulia_signaling_proto::{CloseCode, Codec, ErrorBody, ErrorFrame, OkFrame, RequestId, ServerFrame};

/// The sessions of this process.
#[derive(Debug)]
pub(crate) struct Hub {
    registry: Sessions,
    live: Mutex<FxHashMap<SessionId, Arc<Session>>>,
    sessions_max: usize,
    outbox: OutboxLimits,
    pub(crate) metrics: Arc<Metrics>,
}

/// A session that has been opened.
pub(crate) struct Opened {
    pub(crate) session: Arc<Session>,
    pub(crate) link: Arc<Link>,
    /// The session that had the device before. It is over.
    pub(crate) displaced: Option<Arc<Session>>,
}

/// Why no session is opened.
pub(crate) enum NotOpened {
    /// The user has too many devices; the one that has been without a socket for longest may be ended instead.
    DevicesFull { max: usize, idle: Option<Arc<Session>> },
    /// There are too many sessions.
    SessionsFull { max: usize },
}

/// How much waits for the sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Queues {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
    pub(crate) longest_frames: usize,
}

impl Hub {
    pub(crate) fn new(
        devices_per_user_max: usize,
        sessions_max: usize,
        outbox: OutboxLimits,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { registry: Sessions::new(devices_per_user_max), live: Mutex::default(), sessions_max, outbox, metrics }
    }

    /// Opens a session for a device, in the place of the one that has it.
    pub(crate) fn open(&self, who: &Identity) -> Result<Opened, NotOpened> {
        let mut live = self.live.lock();
        let Endpoint { user, device } = &who.endpoint;
        if live.len() >= self.sessions_max && self.registry.holder(user, device).is_none() {
            return Err(NotOpened::SessionsFull { max: self.sessions_max });
        }
        let claim = self.registry.claim(user, device, who.id).map_err(|full| NotOpened::DevicesFull {
            max: full.max,
            idle: full.idle.and_then(|holder| live.get(&holder.session).cloned()),
        })?;
        let link = Link::new(claim.fence);
        let session = Session::new(who.clone(), self.outbox, &link);
        let displaced = claim.displaced.and_then(|holder| live.remove(&holder.session));
        if let Some(old) = &displaced {
            old.end(Closing::OtherSession, false);
        }
        live.insert(session.who.id, Arc::clone(&session));
        Ok(Opened { session, link, displaced })
    }

    /// The session of this number.
    pub(crate) fn session(&self, id: SessionId) -> Option<Arc<Session>> {
        self.live.lock().get(&id).cloned()
    }

    /// Gives a session that is known a new socket; with it come the missed calls that the client has seen. None if it can't
    /// go on.
    pub(crate) fn attach(&self, session: &Session, received: u64) -> Option<(Arc<Link>, Vec<CallId>)> {
        let live = self.live.lock();
        let Endpoint { user, device } = &session.who.endpoint;
        if !live.contains_key(&session.who.id) {
            return None;
        }
        let claim = || self.registry.claim(user, device, session.who.id).ok().map(|claim| claim.fence);
        session.attach(received, claim).ok()
    }

    /// The socket is gone. True if the session now waits for another.
    pub(crate) fn detach(&self, session: &Session, fence: Fence) -> bool {
        let Endpoint { user, device } = &session.who.endpoint;
        self.registry.disconnected(user, device, fence);
        session.detach(fence)
    }

    /// Ends a session. True if its device is gone with it (and not taken by another session).
    pub(crate) fn end(&self, session: &Session, closing: Closing, unless_attached: bool) -> bool {
        let mut live = self.live.lock();
        if !session.end(closing, unless_attached) {
            return false;
        }
        live.remove(&session.who.id);
        let Endpoint { user, device } = &session.who.endpoint;
        self.registry.release(user, device, session.fence())
    }

    /// Whether a session is not over.
    pub(crate) fn is_live(&self, session: &Session) -> bool {
        self.live.lock().contains_key(&session.who.id)
    }

    /// The session that has this device.
    pub(crate) fn session_of(&self, device: &Endpoint) -> Option<Arc<Session>> {
        self.holder(device)
    }

    fn holder(&self, to: &Endpoint) -> Option<Arc<Session>> {
        let holder = self.registry.holder(&to.user, &to.device)?;
        self.session(holder.session)
    }

    /// Tells a device, if it has a session.
    pub(crate) fn tell(&self, to: &Endpoint, frame: &ServerFrame) {
        if let Some(session) = self.holder(to) {
            self.count(session.tell(frame));
        }
    }

    /// Tells a device what is of no use later: only if it has a socket.
    pub(crate) fn tell_now(&self, to: &Endpoint, frame: &ServerFrame) {
        if let Some(session) = self.holder(to).filter(|session| session.is_connected()) {
            self.count(session.tell(frame));
        }
    }

    /// Tells a session.
    pub(crate) fn tell_session(&self, session: &Session, frame: &ServerFrame) {
        self.count(session.tell(frame));
    }

    /// Tells a session what is encoded for its codec.
    pub(crate) fn tell_encoded(&self, session: &Session, frame: Bytes) {
        self.count(session.tell_encoded(frame));
    }

    /// Answers a request.
    pub(crate) fn answer(&self, session: &Session, id: RequestId, answer: Result<OkFrame, ErrorBody>) {
        let frame = match answer {
            Ok(ok) => ServerFrame::Ok(OkFrame { id, ..ok }),
            Err(error) => {
                self.metrics.error(error.code);
                ServerFrame::Error(ErrorFrame { id: Some(id), error })
            }
        };
        self.tell_session(session, &frame);
    }

    /// Refuses what is not a request, or can't be read so far.
    pub(crate) fn refuse(&self, session: &Session, id: Option<RequestId>, error: ErrorBody) {
        self.metrics.error(error.code);
        self.tell_session(session, &ServerFrame::Error(ErrorFrame { id, error }));
    }

    /// Tells every device of a user.
    pub(crate) fn tell_user(&self, user: &UserId, frame: &ServerFrame) {
        self.sessions_of(user).iter().for_each(|session| self.count(session.tell(frame)));
    }

    /// Tells every device of a user what is of no use later: those that have a socket.
    pub(crate) fn tell_user_now(&self, user: &UserId, frame: &ServerFrame) {
        let sessions = self.sessions_of(user).into_iter().filter(|session| session.is_connected());
        sessions.for_each(|session| self.count(session.tell(frame)));
    }

    /// The user goes by another name from now on, in calls that are placed later.
    pub(crate) fn rename(&self, user: &UserId, name: &str) {
        self.sessions_of(user).iter().for_each(|session| session.rename(name));
    }

    /// The user's devices that have a session, with and without a socket.
    pub(crate) fn devices(&self, user: &UserId) -> Vec<(DeviceId, bool)> {
        self.registry.devices(user).into_iter().map(|(device, holder)| (device, holder.connected)).collect()
    }

    /// Tells every device of a user of a missed call.
    pub(crate) fn tell_missed(&self, user: &UserId, call: CallId, frame: &ServerFrame) {
        for session in self.sessions_of(user) {
            self.count(session.tell_missed(call, frame));
        }
    }

    /// Tells several devices the same, encoding once a codec.
    pub(crate) fn tell_each(&self, to: &[Endpoint], frame: &ServerFrame) {
        let sessions = to.iter().filter_map(|device| self.holder(device)).collect();
        self.tell_sessions(sessions, frame);
    }

    /// The same of what is of no use later: only those who have a socket.
    pub(crate) fn tell_each_now(&self, to: &[Endpoint], frame: &ServerFrame) {
        let holders = to.iter().filter_map(|device| self.holder(device));
        self.tell_sessions(holders.filter(|session| session.is_connected()).collect(), frame);
    }

    /// Tells everyone, encoding once a codec.
    pub(crate) fn tell_all(&self, frame: &ServerFrame) {
        self.tell_sessions(self.all(), frame);
    }

    fn tell_sessions(&self, sessions: Vec<Arc<Session>>, frame: &ServerFrame) {
        let mut encoded: [Option<Bytes>; Codec::ALL.len()] = Default::default();
        for session in sessions {
            let codec = session.who.codec;
            let bytes = encoded[codec.index()].get_or_insert_with(|| codec.encode_server(frame).into());
            self.count(session.tell_encoded(bytes.clone()));
        }
    }

    /// Closes every socket.
    pub(crate) fn close_all(&self, code: CloseCode) {
        self.all().iter().for_each(|session| session.close_socket(code));
    }

    fn count(&self, told: Told) {
        match told {
            Told::SlowReader => self.metrics.hit(Hit::Queue),
            Told::ReplayOverflow => self.metrics.hit(Hit::Replay),
            Told::Kept | Told::Nobody => {}
        }
    }

    fn all(&self) -> Vec<Arc<Session>> {
        self.live.lock().values().cloned().collect()
    }

    fn sessions_of(&self, user: &UserId) -> Vec<Arc<Session>> {
        let devices = self.registry.devices(user);
        let live = self.live.lock();
        devices.iter().filter_map(|(_, holder)| live.get(&holder.session).cloned()).collect()
    }

    /// The sessions of the user's devices that ring.
    pub(crate) fn ringing_sessions(&self, user: &UserId) -> Vec<Arc<Session>> {
        self.sessions_of(user).into_iter().filter(|session| session.who.rings).collect()
    }

    /// The user's devices that ring.
    pub(crate) fn ringing_devices(&self, user: &UserId) -> Vec<Ringer> {
        let ringer = |session: Arc<Session>| Ringer {
            device: session.who.endpoint.device.clone(),
            call_waiting: session.who.call_waiting,
        };
        self.ringing_sessions(user).into_iter().map(ringer).collect()
    }

    /// Whether a device of the user has a socket.
    pub(crate) fn is_online(&self, user: &UserId) -> bool {
        self.registry.is_connected(user)
    }

    /// Users who have a socket and their names, at most so many.
    pub(crate) fn online(&self, max: usize) -> FxHashMap<UserId, String> {
        let mut online = FxHashMap::default();
        for session in self.all() {
            let user = &session.who.endpoint.user;
            if online.len() >= max {
                break;
            }
            if self.is_online(user) {
                online.insert(user.clone(), session.name());
            }
        }
        online
    }

    /// How many sessions there are, and how many of them have a socket.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let sessions = self.live.lock().len();
        (sessions, self.registry.connected())
    }

    /// How much waits for the sockets.
    pub(crate) fn queues(&self) -> Queues {
        self.all().iter().fold(Queues::default(), |sum, session| {
            let (frames, bytes) = session.unsent();
            Queues {
                frames: sum.frames + frames,
                bytes: sum.bytes + bytes,
                longest_frames: sum.longest_frames.max(frames),
            }
        })
    }
}
