//! One device's conversation with the server, which may outlive several sockets.
//!
//! Invariant: a request is taken on at most once, by its rising id, and its answer goes into the [`Outbox`], where it
//! outlives the socket. Of the sockets of a session only the one that came last, the current [`Link`], may read or write.

mod line;

use crate::chat::Held;
use crate::outbox::{Gap, Outbox, OutboxLimits, Pushed};
use crate::presence::Attendance;
use crate::wire::{Way, gathers};
use bytes::Bytes;
use line::Line;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use subtle::ConstantTimeEq;
use tertulia_chat::engine::Reader;
use tertulia_common::{CallId, SessionId};
use tertulia_registry::Fence;
use tertulia_signaling_core::Endpoint;
use tertulia_signaling_proto::{CallElsewhere, CloseCode, Codec, RequestId, ServerFrame};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Missed calls that were told to a session and wait for its acknowledgement. What is above it is told again next time.
pub(crate) const UNCONFIRMED_MISSED_MAX: usize = 64;

/// Frames that pass by the outbox and wait for the socket. Raising it lets a socket be further behind with what is of use only now.
const PASSING_MAX: usize = 8;
/// Frames of the outbox that may wait while others pass by: more, and the socket is behind.
const BEHIND_FRAMES: usize = 16;

/// A socket as its session sees it: woken when there is something to write, closed by a code.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) fence: Fence,
    wake: Notify,
    closing: OnceLock<Closing>,
    /// How others than the socket's task write to it: from after its welcome on.
    way: OnceLock<Way>,
    /// A thread has it on the list of those that it writes to next.
    gathered: AtomicBool,
}

/// Why a link must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// With this close code.
    Code(CloseCode),
    /// Another session has the device: say `displaced` first.
    OtherSession,
}

impl Link {
    pub(crate) fn new(fence: Fence) -> Arc<Self> {
        let (wake, closing, way) = (Notify::new(), OnceLock::new(), OnceLock::new());
        Arc::new(Self { fence, wake, closing, way, gathered: AtomicBool::new(false) })
    }

    /// Asks the socket to close. The first reason counts.
    pub(crate) fn close(&self, why: Closing) {
        // A second reason is of no interest: the socket is closing already.
        self.closing.set(why).ok();
        self.wake.notify_one();
    }

    pub(crate) fn closing(&self) -> Option<Closing> {
        self.closing.get().copied()
    }

    /// There is something to write: it is written when this thread has told all that it tells together, or the socket's task is
    /// woken for it.
    fn notify(self: &Arc<Self>) {
        if !gathers(self) {
            self.wake.notify_one();
        }
    }

    /// The welcome is put: others may write from now on.
    pub(crate) fn open(&self, way: Way) {
        // A link has one socket.
        self.way.set(way).ok();
    }

    pub(crate) fn can_write(&self) -> bool {
        self.way.get().is_some()
    }

    /// Whether it is for the caller to write to it.
    pub(crate) fn gather(&self) -> bool {
        !self.gathered.swap(true, Ordering::AcqRel)
    }

    /// Writes what the session has for it, or wakes who can wait.
    pub(crate) fn write_now(&self) {
        self.gathered.swap(false, Ordering::AcqRel);
        let written = self.closing().is_none() && self.way.get().is_some_and(|way| way.write_now(self));
        if !written {
            self.wake.notify_one();
        }
    }

    /// Waits until there is something to write, or to close.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}

/// Why a request is not taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Its id is not higher than the last one's.
    NotRising,
    /// This socket is no longer the session's.
    Stale,
}

/// What a push did to a session, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is on its way, or kept.
    Kept,
    /// The socket is being closed as a slow reader.
    SlowReader,
    /// The session can't be resumed any longer.
    ReplayOverflow,
    /// The session is over, or lost: nobody will hear it.
    Nobody,
}

/// Whether a frame that is of use only now was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// It is on its way.
    Taken,
    /// There is no socket, or it is behind.
    Refused,
}

/// What the session is, for good. No `Debug` of the secret.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) id: SessionId,
    pub(crate) endpoint: Endpoint,
    /// How others see the user, when the session was opened.
    pub(crate) name: String,
    pub(crate) rings: bool,
    /// It can have one call on hold and be in another.
    pub(crate) call_waiting: bool,
    /// It takes messages.
    pub(crate) messages: bool,
    pub(crate) codec: Codec,
    pub(crate) secret: [u8; 16],
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("id", &self.id).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    /// What passes by the outbox: this socket's, and gone with it.
    passing: VecDeque<Bytes>,
    link: Option<Arc<Link>>,
    fence: Fence,
    last_request: RequestId,
    outstanding: u32,
    expiry: Option<AbortHandle>,
    /// Missed calls in frames, by the number of the frame.
    missed_in_frames: VecDeque<(u64, CallId)>,
    /// Missed calls in the welcome, until the first pong after it.
    missed_in_welcome: Vec<CallId>,
    /// The calls on the user's other devices, as the device was last told.
    elsewhere: Vec<CallElsewhere>,
    over: bool,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) who: Identity,
    /// How others see the user now.
    name: Mutex<String>,
    state: Mutex<State>,
    /// Its hold on its device's mailbox, if it takes messages.
    mailbox: OnceLock<Held>,
    /// Its part in presence, if it has one.
    attendance: OnceLock<Attendance>,
    /// Its messages on their way to the relay: they get there in the order in which they came.
    pub(crate) messages: Line,
    /// Its lists of whom it watches.
    pub(crate) watches: Line,
}

impl Session {
    /// A new session with its first socket.
    pub(crate) fn new(who: Identity, limits: OutboxLimits, link: &Arc<Link>) -> Arc<Self> {
        let state = State {
            outbox: Outbox::new(limits),
            passing: VecDeque::new(),
            link: Some(Arc::clone(link)),
            fence: link.fence,
            last_request: RequestId::default(),
            outstanding: 0,
            expiry: None,
            missed_in_frames: VecDeque::new(),
            missed_in_welcome: Vec::new(),
            elsewhere: Vec::new(),
            over: false,
        };
        let (name, state) = (Mutex::new(who.name.clone()), Mutex::new(state));
        Arc::new(Self {
            name,
            who,
            state,
            mailbox: OnceLock::new(),
            attendance: OnceLock::new(),
            messages: Line::default(),
            watches: Line::default(),
        })
    }

    /// The session has its device's mailbox, until it is dropped.
    pub(crate) fn hold(&self, mailbox: Held) {
        // It asks once: a second hold is given back by its drop.
        drop(self.mailbox.set(mailbox));
    }

    /// The session takes part in presence, until it is dropped.
    pub(crate) fn attend(&self, attendance: impl FnOnce() -> Attendance) {
        self.attendance.get_or_init(attendance);
    }

    /// By whom its mailbox is read.
    pub(crate) fn reader(&self) -> Option<Reader> {
        self.mailbox.get().map(Held::reader)
    }

    /// How others see the user.
    pub(crate) fn name(&self) -> String {
        self.name.lock().clone()
    }

    /// The user goes by another name.
    pub(crate) fn rename(&self, name: &str) {
        name.clone_into(&mut self.name.lock());
    }

    /// Whether the secret is this session's, in constant time.
    pub(crate) fn is_secret(&self, secret: &[u8]) -> bool {
        self.who.secret.as_slice().ct_eq(secret).into()
    }

    /// The claim by which the session holds its device now.
    pub(crate) fn fence(&self) -> Fence {
        self.state.lock().fence
    }

    /// The highest request id that was taken on.
    pub(crate) fn last_request(&self) -> RequestId {
        self.state.lock().last_request
    }

    /// Whether a socket is there that takes frames.
    pub(crate) fn is_connected(&self) -> bool {
        self.state.lock().link.as_ref().is_some_and(|link| link.closing().is_none())
    }

    /// Frames and bytes that wait for the socket.
    pub(crate) fn unsent(&self) -> (usize, usize) {
        self.state.lock().outbox.unsent()
    }

    /// Puts a new socket in the place of the old one, if the session still has what the client misses. `claim` takes the
    /// device for it; it is asked only if the session can go on. With it come the missed calls that the client has seen.
    pub(crate) fn attach(
        &self,
        received: u64,
        claim: impl FnOnce() -> Option<Fence>,
    ) -> Result<(Arc<Link>, Vec<CallId>), Gap> {
        let mut state = self.state.lock();
        if state.over || !state.outbox.can_resume(received) {
            return Err(Gap);
        }
        let link = Link::new(claim().ok_or(Gap)?);
        state.outbox.resume(received)?;
        let shown = state.confirmed_missed(received);
        if let Some(expiry) = state.expiry.take() {
            expiry.abort();
        }
        state.passing = VecDeque::new();
        if let Some(old) = state.link.replace(Arc::clone(&link)) {
            old.close(Closing::Code(CloseCode::Displaced));
        }
        state.fence = link.fence;
        link.wake.notify_one();
        Ok((link, shown))
    }

    /// The socket is gone. True if it was the current one, so that the session now waits for another.
    pub(crate) fn detach(&self, fence: Fence) -> bool {
        let mut state = self.state.lock();
        let current = state.link.as_ref().is_some_and(|link| link.fence == fence);
        if current {
            state.passing = VecDeque::new();
            state.link = None;
        }
        current && !state.over
    }

    /// What ends the session when its time is over; dropped with the next socket.
    pub(crate) fn set_expiry(&self, expiry: AbortHandle) {
        let mut state = self.state.lock();
        // A new socket may have come between the detaching and this.
        if state.link.is_some() || state.over {
            expiry.abort();
        } else if let Some(earlier) = state.expiry.replace(expiry) {
            earlier.abort();
        }
    }

    /// Ends the session, unless a socket came back (`unless_attached`). True for the one call that ended it.
    pub(crate) fn end(&self, closing: Closing, unless_attached: bool) -> bool {
        let mut state = self.state.lock();
        if state.over || (unless_attached && state.link.is_some()) {
            return false;
        }
        state.over = true;
        if let Some(expiry) = state.expiry.take() {
            expiry.abort();
        }
        if let Some(link) = state.link.take() {
            link.close(closing);
        }
        true
    }

    /// Closes the socket, if there is one; the session lives on.
    pub(crate) fn close_socket(&self, code: CloseCode) {
        if let Some(link) = &self.state.lock().link {
            link.close(Closing::Code(code));
        }
    }

    /// Tells the device.
    pub(crate) fn tell(&self, frame: &ServerFrame) -> Told {
        self.tell_encoded(self.who.codec.encode_server(frame).into())
    }

    /// Tells the device what is encoded for its codec already.
    pub(crate) fn tell_encoded(&self, frame: Bytes) -> Told {
        self.state.lock().tell(frame)
    }

    /// Tells the device what is of use only now, and is not counted among the session's frames: if its socket is there and reads.
    pub(crate) fn pass(&self, frame: Bytes) -> Passed {
        let mut state = self.state.lock();
        let State { outbox, passing, link, .. } = &mut *state;
        let Some(link) = link.as_ref().filter(|link| link.closing().is_none()) else { return Passed::Refused };
        if passing.len() >= PASSING_MAX || outbox.unsent().0 > BEHIND_FRAMES {
            return Passed::Refused;
        }
        passing.push_back(frame);
        link.notify();
        Passed::Taken
    }

    /// Tells the device of a missed call, unless it has been told.
    pub(crate) fn tell_missed(&self, call: CallId, frame: &ServerFrame) -> Told {
        let frame = self.who.codec.encode_server(frame).into();
        let mut state = self.state.lock();
        if state.is_missed_told(call) {
            return Told::Kept;
        }
        let number = state.outbox.total();
        let told = state.tell(frame);
        if matches!(told, Told::Kept | Told::SlowReader) && state.missed_in_frames.len() < UNCONFIRMED_MISSED_MAX {
            state.missed_in_frames.push_back((number, call));
        }
        told
    }

    /// Of these missed calls, those to list in a welcome: not those that frames tell of. They wait for [`Self::pong`].
    pub(crate) fn list_missed(&self, calls: &[CallId]) -> Vec<CallId> {
        let mut state = self.state.lock();
        let in_frames = |call: &CallId| state.missed_in_frames.iter().any(|(_, told)| told == call);
        let listed: Vec<CallId> = calls.iter().copied().filter(|call| !in_frames(call)).collect();
        state.missed_in_welcome.clone_from(&listed);
        listed
    }

    /// The device is about to be told of these calls on the user's other devices. Whether they are news to it.
    pub(crate) fn set_elsewhere(&self, calls: Vec<CallElsewhere>) -> bool {
        let mut state = self.state.lock();
        let news = state.elsewhere != calls;
        state.elsewhere = calls;
        news
    }

    /// Takes a request on.
    pub(crate) fn begin(&self, fence: Fence, id: RequestId) -> Result<(), NotTaken> {
        let mut state = self.state.lock();
        if state.over || state.link.as_ref().is_none_or(|link| link.fence != fence) {
            return Err(NotTaken::Stale);
        }
        if id <= state.last_request {
            return Err(NotTaken::NotRising);
        }
        state.last_request = id;
        Ok(())
    }

    /// Counts a request that is answered later; the number there would be, if that is too many.
    pub(crate) fn defer(&self, outstanding_max: u32) -> Result<(), u32> {
        let mut state = self.state.lock();
        if state.outstanding >= outstanding_max {
            return Err(state.outstanding + 1);
        }
        state.outstanding += 1;
        Ok(())
    }

    /// A deferred request has been answered.
    pub(crate) fn settle(&self) {
        let mut state = self.state.lock();
        state.outstanding = state.outstanding.saturating_sub(1);
    }

    /// The client has received so many frames: which missed calls it has thereby seen. None if there were not so many.
    pub(crate) fn acknowledge(&self, received: u64) -> Option<Vec<CallId>> {
        let mut state = self.state.lock();
        state.outbox.acknowledge(received).then(|| state.confirmed_missed(received))
    }

    /// The client has answered a ping: it has read the welcome before. Which missed calls it has thereby seen.
    pub(crate) fn pong(&self, received: u64) -> Option<Vec<CallId>> {
        let mut seen = self.acknowledge(received)?;
        seen.append(&mut self.state.lock().missed_in_welcome);
        Some(seen)
    }

    /// The next frames for this socket, at most so many. None if it is no longer the session's.
    pub(crate) fn take_unsent(&self, fence: Fence, frames_max: usize) -> Option<Vec<Bytes>> {
        let mut state = self.state.lock();
        if state.link.as_ref().is_none_or(|link| link.fence != fence) {
            return None;
        }
        let State { outbox, passing, .. } = &mut *state;
        let kept = std::iter::from_fn(|| outbox.next_unsent()).take(frames_max);
        Some(kept.chain(std::mem::take(passing)).collect())
    }
}

impl State {
    fn tell(&mut self, frame: Bytes) -> Told {
        if self.over {
            return Told::Nobody;
        }
        // A link that is closing takes nothing any longer.
        let link = self.link.as_ref().filter(|link| link.closing().is_none());
        match (self.outbox.push(frame, link.is_some()), link) {
            (Pushed::QueueFull(_), Some(link)) => {
                link.close(Closing::Code(CloseCode::SlowReader));
                Told::SlowReader
            }
            (Pushed::Kept(_), Some(link)) => {
                link.notify();
                Told::Kept
            }
            (Pushed::Kept(_) | Pushed::QueueFull(_), _) => Told::Kept,
            (Pushed::Overflowed, _) => Told::ReplayOverflow,
            (Pushed::Dropped, _) => Told::Nobody,
        }
    }

    fn is_missed_told(&self, call: CallId) -> bool {
        self.missed_in_welcome.contains(&call) || self.missed_in_frames.iter().any(|(_, told)| *told == call)
    }

    fn confirmed_missed(&mut self, received: u64) -> Vec<CallId> {
        let confirmed = self.missed_in_frames.iter().take_while(|(number, _)| *number < received).count();
        self.missed_in_frames.drain(..confirmed).map(|(_, call)| call).collect()
    }
}

#[cfg(test)]
mod tests;
