//! Group calls: what is asked of them beside what calls of two know.
//!
//! Who is a member of a group is the chat's to say, from memory; it is asked before the calls' lock is taken, and whoever leaves a group
//! is taken out of its call after that. Invariant: nobody hears of a call whose group they are not in.

use super::{Book, Dialled, Exchange, Inner, Names};
use crate::clock::random;
use crate::media::CallMedia;
use crate::metrics::Hit;
use crate::quality::Tallies;
use crate::session::Session;
use crate::translate;
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::{CallId, UserId};
use tertulia_signaling_core::{CallError, Callee, Endpoint, Event, GroupCall, GroupKey, MediaKind, Reach, Request};
use tertulia_signaling_proto::{CallGroup, CallPeek, CallView, ErrorBody, ErrorCode, OkFrame, RequestId, ServerFrame};

/// Pictures in a `call.view`. Raising it makes each view cost more; no screen shows as many.
const VIEW_WANTS_MAX: usize = 64;
/// When to say again what is shown, where too many say so at once.
const VIEW_AGAIN: Duration = Duration::from_millis(200);

impl Exchange {
    /// The news of groups' calls.
    pub(crate) fn news(&self) -> Arc<super::GroupNews> {
        Arc::clone(&self.news)
    }

    /// The group whose call this is.
    pub(crate) fn group_of(&self, call: CallId) -> Option<GroupKey> {
        self.inner.lock().board.group_of(call)
    }

    /// Starts the call of a group, or goes into the one that goes on there. Who asks is a member.
    pub(crate) fn start_group(
        &self,
        session: &Session,
        (group, name): (GroupKey, String),
        media: MediaKind,
        people: Vec<Dialled>,
        answer: impl FnOnce(Result<OkFrame, ErrorBody>),
    ) {
        let mut inner = self.inner.lock();
        if !self.hub.is_live(session) {
            return answer(Err(ErrorCode::TokenInvalid.into()));
        }
        // Into one that goes on there is a way in as long as its shard bears it.
        let shard = match inner.media.place() {
            Ok(shard) => Some(shard),
            Err(error) if inner.board.group_call(group).is_none() => return answer(Err(error)),
            Err(_) => None,
        };
        let now = self.clock.now();
        let call = CallId::new(now, random());
        let (names, ring) = self.ringers(&mut inner, session, people);
        let asked = who_is_here(&ring);
        let request = Request::Start { call, group, media, ring };
        let book = Book {
            call,
            names,
            // Its notices name the group and its people.
            group: Some(CallGroup { group_id: translate::group_id(group), name }),
            media: CallMedia::default(),
            quality: Tallies::default(),
            quality_kept_at: now,
        };
        inner.books.insert(call.into(), book);
        let started = inner.board.request(now, &session.who.endpoint, request);
        if started == Ok(call) {
            let Inner { books, media: shards, .. } = &mut *inner;
            if let (Some(book), Some(shard)) = (books.get_mut(&call.into()), shard) {
                book.media = shards.claim(call, shard);
            }
            self.hub.metrics.calls_placed.inc();
            for (callee, here) in asked {
                inner.rouser.asks_in(call, callee, session.name(), media, here);
            }
        } else {
            inner.books.remove(&call.into());
            if let Ok(going) = started {
                name_of(&mut inner, going, session);
            }
        }
        let started = started.map(|call| OkFrame { call_id: Some(call), ..OkFrame::default() });
        answer(started.map_err(translate::call_error));
        self.carry_out(&mut inner);
    }

    /// Has more people ring.
    pub(crate) fn add(
        &self,
        session: &Session,
        call: CallId,
        people: Vec<Dialled>,
        answer: impl FnOnce(Result<OkFrame, ErrorBody>),
    ) {
        let mut inner = self.inner.lock();
        if !self.hub.is_live(session) {
            return answer(Err(ErrorCode::TokenInvalid.into()));
        }
        let (names, ring) = self.ringers(&mut inner, session, people);
        let asked = who_is_here(&ring);
        let added = inner.board.request(self.clock.now(), &session.who.endpoint, Request::Add { call, ring });
        if added.is_ok()
            && let Some(book) = inner.books.get_mut(&call.into())
        {
            names.each(|user, name| book.names.add(user, name.to_owned()));
            let going = inner.board.peek(call, &session.who.endpoint.user, true);
            let kind = going.map_or(MediaKind::Voice, |going| going.media);
            for (callee, here) in asked {
                inner.rouser.asks_in(call, callee, session.name(), kind, here);
            }
        }
        answer(added.map(|_| OkFrame::default()).map_err(translate::call_error));
        self.carry_out(&mut inner);
    }

    /// Goes into a call: `member`, of its group.
    pub(crate) fn join(&self, session: &Session, id: RequestId, call: CallId, member: bool) {
        self.enter(session, id, call, Request::Join { call, member });
    }

    /// Answers a call of two, or one of no group.
    pub(crate) fn accept(&self, session: &Session, id: RequestId, call: CallId) {
        self.enter(session, id, call, Request::Accept { call });
    }

    /// Goes into a call that this user was in or is asked into; the answer is given before anyone hears of it.
    pub(crate) fn enter_again(
        &self,
        session: &Session,
        call: CallId,
        accept: bool,
        answer: impl FnOnce(Result<OkFrame, ErrorBody>),
    ) {
        let request = if accept { Request::Accept { call } } else { Request::Join { call, member: false } };
        self.enter_with(session, call, request, answer);
    }

    fn enter(&self, session: &Session, id: RequestId, call: CallId, request: Request) {
        self.enter_with(session, call, request, |answer| self.hub.answer(session, id, answer));
    }

    fn enter_with(
        &self,
        session: &Session,
        call: CallId,
        request: Request,
        answer: impl FnOnce(Result<OkFrame, ErrorBody>),
    ) {
        let mut inner = self.inner.lock();
        if !self.hub.is_live(session) {
            return answer(Err(ErrorCode::TokenInvalid.into()));
        }
        let entered = inner.board.request(self.clock.now(), &session.who.endpoint, request);
        // What is told of it is told below: by then it knows them by name.
        if entered.is_ok() && inner.board.is_conference(call) {
            name_of(&mut inner, call, session);
            inner.rouser.came_in(call, &session.who.endpoint.user);
        }
        answer(entered.map(|_| OkFrame::default()).map_err(translate::call_error));
        self.carry_out(&mut inner);
    }

    /// Who is in a call, for somebody who may join it.
    pub(crate) fn peek(&self, user: &UserId, call: CallId, member: bool) -> Result<CallPeek, ErrorBody> {
        let inner = self.inner.lock();
        let seen = inner.board.peek(call, user, member).ok_or(ErrorCode::UnknownCall)?;
        let book = inner.books.get(&call.into()).ok_or(ErrorCode::UnknownCall)?;
        Ok(translate::peek(&seen, &book.names))
    }

    /// What a device shows of a call.
    pub(crate) fn view(&self, session: &Session, view: &CallView) -> Result<(), ErrorBody> {
        let mut inner = self.inner.lock();
        let Inner { books, media, .. } = &mut *inner;
        let endpoint = &session.who.endpoint;
        let book = books.get_mut(&view.call_id.into()).filter(|book| book.media.has(endpoint));
        let book = book.ok_or_else(|| translate::call_error(CallError::UnknownCall))?;
        if view.wants.len() > VIEW_WANTS_MAX {
            self.hub.metrics.hit(Hit::ViewWants);
            return Err(translate::limit(ErrorCode::TooMany, VIEW_WANTS_MAX as u64, view.wants.len() as u64));
        }
        if media.view(view.call_id, &mut book.media, endpoint, &view.wants) {
            Ok(())
        } else {
            Err(translate::retry_after(ErrorCode::RateLimited, VIEW_AGAIN))
        }
    }

    /// The members of a group have changed: whoever is none any longer leaves its call. `are_in` says who is, in their order.
    pub(crate) fn group_changed(&self, group: GroupKey, are_in: impl FnOnce(&[UserId]) -> Vec<bool>) {
        let users = {
            let inner = self.inner.lock();
            let Some(call) = inner.board.group_call(group) else { return };
            inner.board.users_of(call.call)
        };
        let there = are_in(&users);
        let mut inner = self.inner.lock();
        for (user, _) in users.into_iter().zip(there).filter(|(_, there)| !there) {
            self.event(&mut inner, Event::LeftGroup { group, user });
        }
        self.news.changed(group);
    }

    /// A group's call as the wire has it, and who is in it.
    pub(crate) fn group_call(&self, group: GroupKey) -> Option<(tertulia_signaling_proto::GroupCall, Vec<Endpoint>)> {
        let inner = self.inner.lock();
        let call: GroupCall = inner.board.group_call(group)?;
        let book = inner.books.get(&call.call.into())?;
        Some((translate::group_call(group, &call, &book.names), call.participants))
    }

    /// The group of a call goes by this name: a run that took the call over does not know it yet.
    pub(crate) fn group_is_called(&self, group: GroupKey, name: &str) {
        let mut inner = self.inner.lock();
        let Some(call) = inner.board.group_call(group) else { return };
        if let Some(book) = inner.books.get_mut(&call.call.into()) {
            book.group = Some(CallGroup { group_id: translate::group_id(group), name: name.to_owned() });
        }
    }

    /// The groups whose calls go on.
    pub(crate) fn groups_in_call(&self) -> Vec<GroupKey> {
        self.inner.lock().board.groups_in_call()
    }

    /// Who is to ring, with their names; whoever was rung by this user too often of late is left out.
    fn ringers(&self, inner: &mut Inner, session: &Session, people: Vec<Dialled>) -> (Names, Vec<Callee>) {
        let me = &session.who.endpoint.user;
        let now = self.clock.now();
        let mut names = Names::new([(me.clone(), session.name())]);
        let mut ring = Vec::new();
        for Dialled { user, name, reach } in people {
            names.add(&user, name);
            if inner.rings.take((me.clone(), user.clone()), now).is_err() {
                self.hub.metrics.hit(Hit::Rings);
                continue;
            }
            let devices = self.hub.ringing_devices(&user);
            ring.push(Callee { user, devices, reach });
        }
        (names, ring)
    }

    /// Tells devices what has become of a group's call.
    pub(super) fn tell_group(&self, to: &[Endpoint], frame: &ServerFrame) {
        self.hub.tell_each(to, frame);
    }

    /// The devices of a user that can show calls.
    pub(super) fn showing_devices(&self, user: &UserId) -> Vec<Endpoint> {
        self.hub.ringing_sessions(user).iter().map(|session| session.who.endpoint.clone()).collect()
    }
}

/// Those who may be woken, and whether a device of theirs is here.
fn who_is_here(ring: &[Callee]) -> Vec<(UserId, bool)> {
    let rings = ring.iter().filter(|callee| callee.reach == Reach::Rings);
    rings.map(|callee| (callee.user.clone(), !callee.devices.is_empty())).collect()
}

/// The call knows this device's person by name from now on.
pub(super) fn name_of(inner: &mut Inner, call: CallId, session: &Session) {
    if let Some(book) = inner.books.get_mut(&call.into()) {
        book.names.add(&session.who.endpoint.user, session.name());
    }
}
