//! A session's requests: each is carried out once, and answered once.
//!
//! Requests about a call are answered within the call's lock. Those that wait for something else (an invite for the
//! directory, an offer for the forwarding unit) run on beside the socket: their answers go to the session, which may have
//! another socket by then. They are counted, and a [`Pending`] that is dropped without an answer answers for itself.

mod conferences;
mod links;

pub(crate) use links::{hidden, link_hash, link_key, none_is_blocked};

pub(crate) use conferences::{group_of, is_member, look_again};

use crate::exchange::Dialled;
use crate::gateway::Shared;
use crate::hub::Hub;
use crate::media;
use crate::metrics::Hit;
use crate::session::Session;
use crate::translate;
use std::sync::Arc;
use tertulia_directory::CalleeFacts;
use tertulia_signaling_core::{Reach, Request};
use tertulia_signaling_proto::{
    CallConnect, CallInvite, ClientFrame, ErrorBody, ErrorCode, MessageRead, MessageSend, OkFrame, PresenceWatch,
    RequestId, Target,
};

/// A request without an answer yet.
struct Pending {
    hub: Arc<Hub>,
    session: Arc<Session>,
    id: RequestId,
    answered: bool,
}

impl Pending {
    fn answer(mut self, answer: Result<OkFrame, ErrorBody>) {
        self.give(answer);
    }

    fn give(&mut self, answer: Result<OkFrame, ErrorBody>) {
        self.answered = true;
        // First the count: whoever has the answer may ask again.
        self.session.settle();
        self.hub.answer(&self.session, self.id, answer);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            self.give(Err(ErrorCode::Internal.into()));
        }
    }
}

/// Carries out a request that was taken on. Frames that are not requests are none of ours.
pub(crate) fn run(shared: &Arc<Shared>, session: &Arc<Session>, frame: ClientFrame) {
    let ask = |id, request| shared.exchange.request(session, id, request);
    if is_act(&frame) {
        shared.presence.acted(&session.who.endpoint.user);
    }
    match frame {
        ClientFrame::Hello(_) | ClientFrame::Pong(_) | ClientFrame::Ack(_) | ClientFrame::MailboxAck(_) => {}
        ClientFrame::MessageSend(send) => refused(shared, session, send.id, run_send(shared, session, send)),
        ClientFrame::MessageRead(read) => refused(shared, session, read.id, run_read(shared, session, &read)),
        ClientFrame::CallInvite(invite) => refused(shared, session, invite.id, run_invite(shared, session, invite)),
        ClientFrame::CallConnect(connect) => {
            refused(shared, session, connect.id, run_connect(shared, session, connect))
        }
        ClientFrame::PresenceSet(set) => {
            shared.presence.set(session, set);
            shared.hub.answer(session, set.id, Ok(OkFrame::default()));
        }
        ClientFrame::PresenceWatch(watch) => refused(shared, session, watch.id, run_watch(shared, session, watch)),
        ClientFrame::Typing(typing) => {
            let id = typing.id;
            let done = shared.presence.typing(&shared.hub, shared.chat.as_ref(), session, typing);
            shared.hub.answer(session, id, done.map(|()| OkFrame::default()));
        }
        ClientFrame::CallRinging(r) => ask(r.id, Request::Ringing { call: r.call_id }),
        ClientFrame::CallAccept(r) => refused(shared, session, r.id, conferences::accept(shared, session, r)),
        ClientFrame::CallDecline(r) => {
            ask(r.id, Request::Decline { call: r.call_id, reason: translate::decline_reason(r.reason) });
        }
        ClientFrame::CallCancel(r) => ask(r.id, Request::Cancel { call: r.call_id }),
        ClientFrame::CallHangup(r) => ask(r.id, Request::Hangup { call: r.call_id }),
        ClientFrame::Probe(r) => shared.hub.answer(session, r.id, Ok(OkFrame::default())),
        ClientFrame::CallHold(r) => ask(r.id, Request::Hold { call: r.call_id, on: r.on }),
        ClientFrame::CallJoin(r) => refused(shared, session, r.id, conferences::join(shared, session, r)),
        ClientFrame::CallLeave(r) => ask(r.id, Request::Leave { call: r.call_id }),
        ClientFrame::CallPeek(look) => refused(shared, session, look.id, links::look(shared, session, look)),
        ClientFrame::CallAdmit(r) => {
            ask(r.id, Request::Admit { call: r.call_id, user: r.user_id, admit: r.admit });
        }
        ClientFrame::CallAdd(add) => refused(shared, session, add.id, conferences::add(shared, session, add)),
        ClientFrame::CallRemove(remove) => {
            refused(shared, session, remove.id, conferences::remove(shared, session, remove))
        }
        ClientFrame::CallHand(r) => ask(r.id, Request::Hand { call: r.call_id, up: r.raised }),
        ClientFrame::CallReact(react) => refused(shared, session, react.id, conferences::react(shared, session, react)),
        ClientFrame::CallView(view) => {
            let seen = shared.exchange.view(session, &view).map(|()| OkFrame::default());
            shared.hub.answer(session, view.id, seen);
        }
        ClientFrame::CallMedia(r) => {
            ask(r.id, Request::Media { call: r.call_id, flags: translate::flags_from_wire(r.media) });
        }
    }
}

/// Whether a person does this themselves, so that it moves when they were last seen. What they send does when it is stored, and what they
/// type when it may be told.
fn is_act(frame: &ClientFrame) -> bool {
    matches!(
        frame,
        ClientFrame::MessageRead(_)
            | ClientFrame::CallInvite(_)
            | ClientFrame::CallAccept(_)
            | ClientFrame::CallDecline(_)
            | ClientFrame::CallHangup(_)
            | ClientFrame::CallJoin(_)
            | ClientFrame::CallLeave(_)
            | ClientFrame::CallAdd(_)
            | ClientFrame::CallAdmit(_)
            | ClientFrame::CallHand(_)
            | ClientFrame::CallReact(_)
    )
}

fn refused(shared: &Shared, session: &Session, id: RequestId, outcome: Result<(), ErrorBody>) {
    if let Err(error) = outcome {
        shared.hub.answer(session, id, Err(error));
    }
}

fn defer(shared: &Shared, session: &Arc<Session>, id: RequestId) -> Result<Pending, ErrorBody> {
    let max = shared.config.limits.outstanding_max;
    session.defer(max).map_err(|actual| {
        shared.metrics.hit(Hit::Outstanding);
        translate::limit(ErrorCode::TooManyOutstanding, max.into(), actual.into())
    })?;
    Ok(Pending { hub: Arc::clone(&shared.hub), session: Arc::clone(session), id, answered: false })
}

fn run_invite(shared: &Arc<Shared>, session: &Arc<Session>, invite: CallInvite) -> Result<(), ErrorBody> {
    let callee = match invite.to {
        Target::User(callee) => callee,
        Target::Group(group) => return conferences::start(shared, session, invite.id, &group, invite.media),
        Target::Link(token) => return links::enter(shared, session, invite.id, &token),
    };
    shared.exchange.take_invite(&session.who.endpoint.user, Some(&callee))?;
    let pending = defer(shared, session, invite.id)?;
    let (shared, session) = (Arc::clone(shared), Arc::clone(session));
    tokio::spawn(async move {
        match shared.directory.callee(&callee, &session.who.endpoint.user).await {
            Ok(known) => {
                let callee = known.map(dialled);
                let media = translate::media_kind_from_wire(invite.media);
                shared.exchange.invite(&session, callee, media, |answer| pending.answer(answer));
            }
            Err(error) => {
                tracing::error!(%error, "the directory did not say who is called");
                pending.answer(Err(ErrorCode::Internal.into()));
            }
        }
    });
    Ok(())
}

fn run_send(shared: &Arc<Shared>, session: &Arc<Session>, send: MessageSend) -> Result<(), ErrorBody> {
    let chat = shared.chat.as_ref().ok_or(ErrorCode::NoMailbox)?;
    let pending = defer(shared, session, send.id)?;
    let (from, to) = (session.who.endpoint.user.clone(), send.to.clone());
    let presence = Arc::clone(&shared.presence);
    let answer = move |answer: Result<OkFrame, ErrorBody>| {
        if answer.is_ok() {
            presence.sent(&from, &to);
        }
        pending.answer(answer);
    };
    // Mostly nobody has to be asked: then it is on its way at once.
    let known = session.messages.is_free().then(|| chat.way_known(shared.clock.now(), session, &send)).flatten();
    if let Some(way) = known {
        chat.send_text(session, way, send, answer);
        return Ok(());
    }
    // What somebody writes stands in the order they wrote it, however long it takes to find out whom it may go to.
    let mut turn = session.messages.join();
    let (shared, session) = (Arc::clone(shared), Arc::clone(session));
    tokio::spawn(async move {
        turn.comes().await;
        let Some(chat) = &shared.chat else { return answer(Err(ErrorCode::NoMailbox.into())) };
        chat.send(&shared.directory, shared.clock, &session, send, answer).await;
    });
    Ok(())
}

fn run_watch(shared: &Arc<Shared>, session: &Arc<Session>, watch: PresenceWatch) -> Result<(), ErrorBody> {
    let pending = defer(shared, session, watch.id)?;
    // The last list counts: one after the other.
    let mut turn = session.watches.join();
    let (shared, session) = (Arc::clone(shared), Arc::clone(session));
    tokio::spawn(async move {
        turn.comes().await;
        pending.answer(shared.presence.watch(&session, watch).await.map(|()| OkFrame::default()));
    });
    Ok(())
}

fn run_read(shared: &Arc<Shared>, session: &Arc<Session>, read: &MessageRead) -> Result<(), ErrorBody> {
    let chat = shared.chat.as_ref().ok_or(ErrorCode::NoMailbox)?;
    let pending = defer(shared, session, read.id)?;
    chat.read(session, read, |answer| pending.answer(answer));
    Ok(())
}

fn dialled(callee: CalleeFacts) -> Dialled {
    let CalleeFacts { user, blocked, do_not_disturb } = callee;
    let reach = match (blocked, do_not_disturb) {
        (true, _) => Reach::Nobody,
        (false, true) => Reach::Silent,
        (false, false) => Reach::Rings,
    };
    Dialled { user: user.id, name: user.name, reach }
}

fn run_connect(shared: &Arc<Shared>, session: &Arc<Session>, connect: CallConnect) -> Result<(), ErrorBody> {
    let CallConnect { id, call_id, sdp } = connect;
    let (limit, actual) = (shared.config.limits.sdp_bytes_max as usize, sdp.len());
    if actual > limit {
        shared.metrics.hit(Hit::SdpBytes);
        return Err(translate::limit(ErrorCode::TooLarge, limit as u64, actual as u64));
    }
    let pending = defer(shared, session, id)?;
    let (ticket, sfu) = match shared.exchange.begin_connect(session, call_id) {
        Ok(begun) => begun,
        Err(error) => {
            pending.answer(Err(error));
            return Ok(());
        }
    };
    let (shared, endpoint) = (Arc::clone(shared), session.who.endpoint.clone());
    tokio::spawn(async move {
        let start = shared.clock.now();
        let outcome = media::connect(&sfu, ticket, sdp).await;
        shared.metrics.media_connected(shared.clock.now() - start);
        shared.exchange.end_connect(&endpoint, ticket, outcome, |answer| pending.answer(answer));
    });
    Ok(())
}
