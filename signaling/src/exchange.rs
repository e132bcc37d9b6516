//! The calls: drives the call state machine and carries out what it says.
//!
//! One mutex owns the [`Switchboard`], and it is never held across an await. That, rather than a task with a queue, because
//! every step is microseconds of work in memory: a lock needs no queue that would have to be bounded, no second hop for
//! each request, and the frames of a step leave in the order of the steps. Whatever waits (the directory, an offer in the
//! forwarding unit) is done before or after, and what has changed meanwhile is looked at again.
//!
//! Invariant: sessions are opened and ended under this lock, so that the calls see devices come and go in the order in
//! which the registry does. Lock order: exchange, hub, session, registry.

mod conferences;
mod expel;
mod group_news;
mod links;
mod media_events;
mod names;
mod push;
mod restore;
mod standard_peers;

pub(crate) use group_news::GroupNews;
pub(crate) use names::Names;
pub(crate) use standard_peers::{Address, Newcomer, Room, Sort};

use crate::bucket::{Buckets, Wait};
use crate::clock::{Clock, random};
use crate::config::Limits;
use crate::history::{Ended, GroupEnded, History, Kept};
use crate::hub::{Hub, NotOpened, Opened};
use crate::media::{CallMedia, Media, Ticket};
use crate::metrics::Hit;
use crate::quality::Tallies;
use crate::session::{Closing, Identity, Link, Session};
use crate::translate;
use parking_lot::Mutex;
use push::Rouser;
use rustc_hash::FxHashMap;
use standard_peers::StandardPeers;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tertulia_common::{CallId, Pii, RoomId, Timestamp, UserId};
use tertulia_push::Pusher;
use tertulia_sfu::{Connected, Sfu};
use tertulia_signaling_core::{
    Admission, Callee, Endpoint, Event, Gauges, Limits as CallLimits, MediaKind, Notice, Output, Reach, Request,
    Switchboard, Timeouts,
};
use tertulia_signaling_proto::{
    CallElsewhere, CallGroup, CallSnapshot, CallsElsewhere, ErrorBody, ErrorCode, OkFrame, RequestId, ServerFrame,
};
use tokio::sync::Notify;

/// Users whose rate of invites is remembered. Raising it costs about 100 bytes each; when it is reached, users who have not
/// called lately must wait until someone else's burst is forgiven.
const INVITING_USERS_MAX: usize = 50_000;

/// Pairs of caller and callee whose rate of calls is remembered. Raising it costs about 160 bytes each; when it is reached,
/// pairs who have not called lately must wait.
const RINGING_PAIRS_MAX: usize = 100_000;

/// Whom a call is for, as the directory knows them.
pub(crate) struct Dialled {
    pub(crate) user: UserId,
    pub(crate) name: String,
    pub(crate) reach: Reach,
}

/// What this side knows of a call besides its state.
#[derive(Debug)]
struct Book {
    call: CallId,
    names: Names,
    /// The group that it is of.
    group: Option<CallGroup>,
    media: CallMedia,
    quality: Tallies,
    /// When the figures were last written.
    quality_kept_at: Timestamp,
}

struct Inner {
    board: Switchboard,
    books: FxHashMap<RoomId, Book>,
    media: Media,
    standard: StandardPeers,
    rouser: Rouser,
    invites: Buckets<UserId>,
    /// Who has rung whom.
    rings: Buckets<(UserId, UserId)>,
    /// What the timer sleeps until.
    armed: Option<Timestamp>,
}

impl Inner {
    /// When there is something to do, if nothing happens before.
    fn next(&self) -> Option<Timestamp> {
        [self.board.poll_timeout(), self.rouser.next()].into_iter().flatten().min()
    }
}

/// The calls of this process.
pub(crate) struct Exchange {
    inner: Mutex<Inner>,
    hub: Arc<Hub>,
    history: History,
    clock: Clock,
    refusing: AtomicBool,
    rearm: Notify,
    news: Arc<GroupNews>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) calls: Gauges,
    pub(crate) rooms: usize,
    pub(crate) peers: usize,
    pub(crate) standard_peers: usize,
}

/// A device's calls, for its welcome, and the frames that follow it.
#[derive(Debug, Default)]
pub(crate) struct Going {
    pub(crate) calls: Vec<CallSnapshot>,
    pub(crate) rosters: Vec<ServerFrame>,
    /// The calls of this user on their other devices.
    pub(crate) elsewhere: Vec<CallElsewhere>,
}

impl Exchange {
    pub(crate) fn new(
        hub: Arc<Hub>,
        sfu: Sfu,
        history: History,
        clock: Clock,
        timeouts: Timeouts,
        limits: &Limits,
        pusher: Option<Pusher>,
    ) -> Arc<Self> {
        // A finished call is remembered for longer than a session without a socket.
        let tombstone = timeouts.tombstone.max(limits.resume_window() * 2);
        let legs_per_call = CallLimits::default().legs_per_call.max(limits.devices_per_user_max as usize);
        let participants = limits.call_participants_max as usize;
        let inner = Inner {
            board: Switchboard::new(
                Timeouts { tombstone, ..timeouts },
                CallLimits { legs_per_call, participants, ..CallLimits::default() },
            ),
            books: FxHashMap::default(),
            media: Media::new(sfu),
            standard: StandardPeers::new(limits),
            rouser: Rouser::new(pusher, clock, timeouts.ring),
            invites: Buckets::new(limits.invites(), INVITING_USERS_MAX),
            rings: Buckets::new(limits.rings(), RINGING_PAIRS_MAX),
            armed: None,
        };
        let (inner, refusing, rearm) = (Mutex::new(inner), AtomicBool::new(false), Notify::new());
        Arc::new(Self { inner, hub, history, clock, refusing, rearm, news: Arc::default() })
    }

    /// Opens a session. The device rings from now on, if it can.
    pub(crate) fn open(&self, who: Identity) -> Result<Opened, NotOpened> {
        let mut inner = self.inner.lock();
        let opened = match self.hub.open(&who) {
            Err(NotOpened::DevicesFull { idle: Some(idle), .. }) => {
                self.end_locked(&mut inner, &idle, Closing::OtherSession, true);
                self.hub.open(&who)?
            }
            other => other?,
        };
        let (device, call_waiting) = (who.endpoint, who.call_waiting);
        if opened.displaced.is_some() {
            self.event(&mut inner, Event::DeviceReplaced { device: device.clone() });
        }
        if who.rings {
            self.event(&mut inner, Event::DeviceConnected { device, call_waiting });
        } else if opened.displaced.as_ref().is_some_and(|old| old.who.rings) {
            self.event(&mut inner, Event::DeviceGone { device });
        }
        Ok(opened)
    }

    /// Gives a session a new socket: see [`Hub::attach`].
    pub(crate) fn attach(&self, session: &Session, received: u64) -> Option<(Arc<Link>, Vec<CallId>)> {
        let _order = self.inner.lock();
        self.hub.attach(session, received)
    }

    /// Ends a session. True if this ended it.
    pub(crate) fn end(&self, session: &Session, closing: Closing, unless_attached: bool) -> bool {
        self.end_locked(&mut self.inner.lock(), session, closing, unless_attached)
    }

    fn end_locked(&self, inner: &mut Inner, session: &Session, closing: Closing, unless_attached: bool) -> bool {
        let gone = self.hub.end(session, closing, unless_attached);
        if gone {
            self.event(inner, Event::DeviceGone { device: session.who.endpoint.clone() });
        }
        gone
    }

    /// The calls that go on for a device and its user.
    pub(crate) fn going(&self, session: &Session) -> Going {
        let (inner, endpoint) = (self.inner.lock(), &session.who.endpoint);
        let mut going = Going { elsewhere: elsewhere(&inner, endpoint), ..Going::default() };
        session.set_elsewhere(going.elsewhere.clone());
        for call in inner.board.snapshots_for(endpoint) {
            let Some(book) = inner.books.get(&call.call.into()) else { continue };
            let (snapshot, frames) = translate::snapshot(call, &book.names, book.group.as_ref());
            going.calls.push(snapshot);
            going.rosters.extend(frames);
        }
        going
    }

    /// Does what a device asks for, and answers it.
    pub(crate) fn request(&self, session: &Session, id: RequestId, request: Request) {
        let mut inner = self.inner.lock();
        if !self.hub.is_live(session) {
            return;
        }
        let heard = match &request {
            Request::Ringing { call } | Request::Decline { call, .. } => Some(*call),
            _ => None,
        };
        let dark = match &request {
            Request::Media { call, flags } => Some((*call, *flags)),
            _ => None,
        };
        let answer = inner.board.request(self.clock.now(), &session.who.endpoint, request);
        if let Some((call, flags)) = dark.filter(|_| answer.is_ok()) {
            let Inner { books, media, .. } = &mut *inner;
            if let Some(book) = books.get(&call.into()) {
                media.went_dark(call, &book.media, &session.who.endpoint, flags);
            }
        }
        if let Some(call) = heard.filter(|_| answer.is_ok()) {
            inner.rouser.heard(call, &session.who.endpoint.user);
        }
        self.hub.answer(session, id, answer.map(|_| OkFrame::default()).map_err(translate::call_error));
        self.carry_out(&mut inner);
    }

    /// Takes one of a user's invites, for this callee. None: into a call of many, each of whom counts when they are rung.
    pub(crate) fn take_invite(&self, user: &UserId, callee: Option<&UserId>) -> Result<(), ErrorBody> {
        if self.refusing.load(Ordering::Relaxed) {
            return Err(ErrorCode::Draining.into());
        }
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let taken = inner.invites.take(user.clone(), now).map_err(|wait| (Hit::Invites, wait));
        let taken = taken.and_then(|()| {
            let Some(callee) = callee else { return Ok(()) };
            let pair = (user.clone(), callee.clone());
            inner.rings.take(pair, now).map_err(|wait| (Hit::Rings, wait))
        });
        taken.map_err(|(hit, Wait(wait))| {
            self.hub.metrics.hit(hit);
            translate::retry_after(ErrorCode::RateLimited, wait)
        })
    }

    /// Places a call. `callee`: who it is for, if the directory knows them. The answer is given before
    /// anyone hears of the call.
    pub(crate) fn invite(
        &self,
        session: &Session,
        callee: Option<Dialled>,
        media: MediaKind,
        answer: impl FnOnce(Result<OkFrame, ErrorBody>),
    ) {
        let mut inner = self.inner.lock();
        // The directory was asked meanwhile: whoever was expelled calls nobody.
        if !self.hub.is_live(session) {
            return answer(Err(ErrorCode::TokenInvalid.into()));
        }
        let shard = match inner.media.place() {
            Ok(shard) => shard,
            Err(error) => return answer(Err(error)),
        };
        let now = self.clock.now();
        let call = CallId::new(now, random());
        let names = callee.as_ref().map(|Dialled { user, name, .. }| {
            let caller = (session.who.endpoint.user.clone(), session.name());
            Names::new([caller, (user.clone(), name.clone())])
        });
        let callee = callee.map(|Dialled { user, reach, .. }| {
            let devices = self.hub.ringing_devices(&user);
            Callee { user, devices, reach }
        });
        let rings = callee.as_ref().filter(|callee| callee.reach == Reach::Rings);
        let rings = rings.map(|callee| (callee.user.clone(), !callee.devices.is_empty()));
        let request = Request::Invite { call, callee, media };
        let placed = inner.board.request(now, &session.who.endpoint, request);
        if placed == Ok(call) {
            self.hub.metrics.calls_placed.inc();
            if let Some((callee, here)) = rings {
                inner.rouser.placed(call, callee, session.name(), media, here);
            }
            let media = inner.media.claim(call, shard);
            let (names, quality) = (names.unwrap_or_default(), Tallies::default());
            let book = Book { call, names, group: None, media, quality, quality_kept_at: now };
            inner.books.insert(call.into(), book);
        }
        let placed = placed.map(|call| OkFrame { call_id: Some(call), ..OkFrame::default() });
        answer(placed.map_err(translate::call_error));
        self.carry_out(&mut inner);
    }

    /// Before an offer: may the device connect its media now, and as which peer.
    pub(crate) fn begin_connect(&self, session: &Session, call: CallId) -> Result<(Ticket, Sfu), ErrorBody> {
        let mut inner = self.inner.lock();
        if !self.hub.is_live(session) {
            return Err(ErrorCode::TokenInvalid.into());
        }
        let admission = inner.board.admit_media(self.clock.now(), call, &session.who.endpoint);
        self.carry_out(&mut inner);
        admission.map_err(translate::call_error)?;
        let Inner { books, media, .. } = &mut *inner;
        let book = books.get_mut(&call.into()).ok_or(ErrorCode::UnknownCall)?;
        Ok((media.ticket(call, &mut book.media, &session.who.endpoint), media.sfu()))
    }

    /// After an offer: much may have happened meanwhile.
    pub(crate) fn end_connect(
        &self,
        endpoint: &Endpoint,
        ticket: Ticket,
        outcome: Result<Connected, ErrorBody>,
        answer: impl FnOnce(Result<OkFrame, ErrorBody>),
    ) {
        let mut inner = self.inner.lock();
        answer(self.connected(&mut inner, endpoint, ticket, outcome));
        self.carry_out(&mut inner);
    }

    fn connected(
        &self,
        inner: &mut Inner,
        endpoint: &Endpoint,
        ticket: Ticket,
        outcome: Result<Connected, ErrorBody>,
    ) -> Result<OkFrame, ErrorBody> {
        let admission = inner.board.admit_media(self.clock.now(), ticket.call, endpoint);
        let Inner { books, media, .. } = inner;
        let mine = books.get_mut(&ticket.room).filter(|book| book.media.endpoint_of(ticket.peer) == Some(endpoint));
        let Some(book) = mine else {
            // The call has ended, or this device has left it, while the offer was under way: undo what it made.
            media.abandon(ticket, !books.contains_key(&ticket.room));
            return Err(admission.err().map_or_else(|| ErrorCode::CallOver.into(), translate::call_error));
        };
        let connected = outcome.inspect_err(|_| book.media.refused(ticket.peer))?;
        book.media.answered(ticket.peer, connected.made);
        if admission == Ok(Admission::Now) {
            media.admit(ticket.call, &book.media, endpoint);
        }
        let slots = Some(book.media.slots(connected.slots));
        Ok(OkFrame { sdp: Some(connected.answer), slots, ..OkFrame::default() })
    }

    /// Takes no new calls from now on.
    pub(crate) fn refuse_invites(&self) {
        self.refusing.store(true, Ordering::Relaxed);
    }

    /// Ends every call.
    pub(crate) fn shut_down(&self) {
        self.refuse_invites();
        self.event(&mut self.inner.lock(), Event::Shutdown);
    }

    /// How much there is.
    pub(crate) fn load(&self) -> Load {
        let inner = self.inner.lock();
        let peers = inner.books.values().map(|book| book.media.len()).sum();
        Load { calls: inner.board.gauges(), rooms: inner.media.rooms(), peers, standard_peers: inner.standard.len() }
    }

    /// Keeps the calls' time. Never ends.
    pub(crate) async fn keep_time(&self) {
        loop {
            let due = {
                let mut inner = self.inner.lock();
                inner.board.handle_timeout(self.clock.now());
                self.carry_out(&mut inner);
                inner.rouser.keep_time();
                inner.armed = inner.next();
                inner.armed
            };
            match due {
                Some(at) => {
                    let sleep = tokio::time::sleep_until(self.clock.instant(at).into());
                    tokio::select! { () = sleep => {}, () = self.rearm.notified() => {} }
                }
                None => self.rearm.notified().await,
            }
        }
    }

    fn event(&self, inner: &mut Inner, event: Event) {
        inner.board.handle(self.clock.now(), event);
        self.carry_out(inner);
    }

    fn carry_out(&self, inner: &mut Inner) {
        while let Some(output) = inner.board.poll_output() {
            self.carry_out_one(inner, output);
        }
        let next = inner.next();
        if next.is_some_and(|next| inner.armed.is_none_or(|armed| next < armed)) {
            self.rearm.notify_one();
        }
    }

    fn carry_out_one(&self, inner: &mut Inner, output: Output) {
        let Inner { board, books, media, rouser, standard, .. } = inner;
        match output {
            Output::Notify { to, call, notice } => {
                if let Notice::State { phase, .. } = &notice {
                    rouser.moved(call, *phase);
                }
                self.hub.tell(&to, &said(books, call, notice));
            }
            Output::Announce { to, call, notice } => self.hub.tell_each(&to, &said(books, call, notice)),
            Output::GroupCall { group } => self.news.changed(group),
            Output::GroupRecord(record) => {
                let group = books.remove(&record.call.into()).and_then(|book| book.group);
                self.hub.metrics.call_ended(record.reason);
                rouser.conference_over(record.call);
                let name = Pii(group.map(|group| group.name).unwrap_or_default());
                self.history.group_ended(GroupEnded { record, name });
            }
            Output::LinkRecord { call, reason } => {
                books.remove(&call.into());
                self.hub.metrics.call_ended(reason);
                rouser.conference_over(call);
                self.history.gone(call);
            }
            Output::Forget { call, user } => {
                if let Some(book) = books.get_mut(&call.into()) {
                    book.names.remove(&user);
                }
            }
            // The record that follows says so too: a missed call is told when it is in the history.
            Output::Missed { .. } => {}
            Output::Record(record) => {
                let (image, book) = (board.image(record.call), books.remove(&record.call.into()));
                let (names, quality) = book.map(|book| (book.names, book.quality)).unwrap_or_default();
                self.hub.metrics.call_ended(record.reason);
                rouser.over(record.call, record.is_missed());
                rouser.conference_over(record.call);
                let caller = names.person(&record.caller);
                self.history.ended(Ended { record, caller, quality, image });
            }
            Output::Save { call } => self.keep(inner, call),
            Output::Running { user } => self.tell_elsewhere(inner, &user),
            Output::Hold { call, device } => {
                if let Some(book) = books.get(&call.into()) {
                    media.hold(call, &book.media, &device);
                }
            }
            Output::Admit { call, device } => {
                if let Some(book) = books.get(&call.into()) {
                    media.admit(call, &book.media, &device);
                }
            }
            Output::RemovePeer { call, device } => {
                standard.gone(call, &device);
                if let Some(book) = books.get_mut(&call.into()) {
                    media.remove(call, &mut book.media, &device);
                }
            }
            Output::CloseRoom { call } => {
                standard.over(call);
                if let Some(book) = books.get_mut(&call.into()) {
                    media.close(call, &mut book.media);
                }
            }
            Output::Measured(measure) => self.hub.metrics.measured(measure),
        }
    }

    /// Has the call written, for the next run.
    fn keep(&self, inner: &Inner, call: CallId) {
        if let (Some(image), Some(book)) = (inner.board.image(call), inner.books.get(&call.into())) {
            self.history.changed(Kept { image, quality: book.quality });
        }
    }

    /// Tells a user's devices of the calls on the other ones, where there is news.
    fn tell_elsewhere(&self, inner: &Inner, user: &UserId) {
        for session in self.hub.ringing_sessions(user) {
            let calls = elsewhere(inner, &session.who.endpoint);
            if session.set_elsewhere(calls.clone()) {
                self.hub.tell_session(&session, &ServerFrame::CallsElsewhere(CallsElsewhere { calls }));
            }
        }
    }
}

/// A notice as a frame.
fn said(books: &FxHashMap<RoomId, Book>, call: CallId, notice: Notice) -> ServerFrame {
    match books.get(&call.into()) {
        Some(book) => translate::notice(call, notice, &book.names, book.group.as_ref()),
        None => translate::notice(call, notice, &Names::default(), None),
    }
}

/// The running calls of a device's user on their other devices.
fn elsewhere(inner: &Inner, device: &Endpoint) -> Vec<CallElsewhere> {
    let running = inner.board.running_for(&device.user).into_iter().filter(|call| call.device != device.device);
    let named = running.filter_map(|call| {
        let book = inner.books.get(&call.call.into())?;
        Some(translate::elsewhere(call, &book.names, book.group.as_ref()))
    });
    named.collect()
}

#[cfg(test)]
mod tests;
