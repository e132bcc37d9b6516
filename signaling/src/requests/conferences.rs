//! Requests about group calls.
//!
//! Who is in a group, and what they may do there, is looked up in memory first; what people want to be rung with, in the directory.

use super::{Pending, defer, dialled, links};
use crate::exchange::Dialled;
use crate::gateway::Shared;
use crate::session::Session;
use crate::translate;
use std::sync::Arc;
use tertulia_chat_core::{ConversationId, GroupView, Role};
use tertulia_common::{CallId, UserId};
use tertulia_signaling_core::{GroupKey, Request};
use tertulia_signaling_proto::{
    CallAdd, CallReact, CallRemove, CallRequest, ErrorBody, ErrorCode, MediaKind, OkFrame, RequestId,
};

/// People in one `call.add`. Raising it makes one request ring more.
const ADD_MAX: usize = 32;
/// Bytes of a reaction: the longest emoji has 35, most have 4.
const REACTION_BYTES_MAX: usize = 40;

/// A group, as somebody who is in it knows it.
pub(crate) fn group_of(shared: &Shared, user: &UserId, group: GroupKey) -> Option<GroupView> {
    let there = shared.chat.as_ref()?.group_there(ConversationId(group.0))?;
    there.members.iter().any(|(member, _)| member == user).then_some(there)
}

/// Whether somebody is in the group of a call.
pub(crate) fn is_member(shared: &Shared, user: &UserId, call: CallId) -> bool {
    let group = shared.exchange.group_of(call);
    group.is_some_and(|group| {
        let chat = shared.chat.as_ref();
        chat.is_some_and(|chat| chat.are_in_group(ConversationId(group.0), [user]) == [true])
    })
}

/// Starts the call of a group, or goes into the one that goes on there.
pub(super) fn start(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    id: RequestId,
    group: &str,
    media: MediaKind,
) -> Result<(), ErrorBody> {
    let me = session.who.endpoint.user.clone();
    let group: ConversationId = group.parse().map_err(|_| ErrorCode::UnknownConversation)?;
    let there = group_of(shared, &me, GroupKey(group.0)).ok_or(ErrorCode::UnknownConversation)?;
    shared.exchange.take_invite(&me, None)?;
    let pending = defer(shared, session, id)?;
    let others: Vec<UserId> = there.members.into_iter().map(|(user, _)| user).filter(|user| *user != me).collect();
    // Into a call that goes on nobody is rung.
    let others = if shared.exchange.group_call(GroupKey(group.0)).is_some() { Vec::new() } else { others };
    let (shared, session) = (Arc::clone(shared), Arc::clone(session));
    let name = there.about.name;
    tokio::spawn(async move {
        let Some((people, pending)) = facts(&shared, &session, others, pending).await else { return };
        let media = translate::media_kind_from_wire(media);
        let group = GroupKey(group.0);
        shared.exchange.start_group(&session, (group, name), media, people, |answer| pending.answer(answer));
        look_again(&shared, group);
    });
    Ok(())
}

/// Has more people ring: of a group's call members only, else whoever does not block who asks.
pub(super) fn add(shared: &Arc<Shared>, session: &Arc<Session>, add: CallAdd) -> Result<(), ErrorBody> {
    let CallAdd { id, call_id, mut users } = add;
    if users.len() > ADD_MAX {
        return Err(translate::limit(ErrorCode::TooMany, ADD_MAX as u64, users.len() as u64));
    }
    let me = session.who.endpoint.user.clone();
    if let Some(group) = shared.exchange.group_of(call_id) {
        let there = group_of(shared, &me, group).ok_or(ErrorCode::UnknownCall)?;
        let is_member = |user: &UserId| there.members.iter().any(|(member, _)| member == user);
        if !users.iter().all(is_member) {
            return Err(ErrorCode::NotAddable.into());
        }
    }
    users.sort_unstable();
    users.dedup();
    shared.exchange.take_invite(&me, None)?;
    let pending = defer(shared, session, id)?;
    let (shared, session) = (Arc::clone(shared), Arc::clone(session));
    tokio::spawn(async move {
        let wanted = users.len();
        let Some((people, pending)) = facts(&shared, &session, users, pending).await else { return };
        if people.len() < wanted {
            return pending.answer(Err(ErrorCode::UnknownUser.into()));
        }
        if let Some(owner) = shared.exchange.link_owner(call_id) {
            let users: Vec<UserId> = people.iter().map(|person| person.user.clone()).collect();
            if let Err(error) = links::none_is_blocked(&shared, &owner, &users).await {
                return pending.answer(Err(error));
            }
        }
        shared.exchange.add(&session, call_id, people, |answer| pending.answer(answer));
        if let Some(group) = shared.exchange.group_of(call_id) {
            look_again(&shared, group);
        }
    });
    Ok(())
}

/// What the directory knows of these; those whom it does not know are left out. None: it could not say, and that was answered.
async fn facts(
    shared: &Shared,
    session: &Session,
    users: Vec<UserId>,
    pending: Pending,
) -> Option<(Vec<Dialled>, Pending)> {
    let mut people = Vec::with_capacity(users.len());
    for user in users {
        match shared.directory.callee(&user, &session.who.endpoint.user).await {
            Ok(known) => people.extend(known.map(dialled)),
            Err(error) => {
                tracing::error!(%error, "the directory did not say who is called");
                pending.answer(Err(ErrorCode::Internal.into()));
                return None;
            }
        }
    }
    Some((people, pending))
}

pub(super) fn join(shared: &Arc<Shared>, session: &Arc<Session>, join: CallRequest) -> Result<(), ErrorBody> {
    if let Some(owner) = shared.exchange.link_owner(join.call_id) {
        return links::come_back(shared, session, join, owner, false);
    }
    let member = is_member(shared, &session.who.endpoint.user, join.call_id);
    shared.exchange.join(session, join.id, join.call_id, member);
    if let Some(group) = shared.exchange.group_of(join.call_id) {
        look_again(shared, group);
    }
    Ok(())
}

/// Whoever was taken out of a group between the question whether they are in it and their coming into its call was not there to be taken out
/// of that: now they are.
pub(crate) fn look_again(shared: &Shared, group: GroupKey) {
    if let Some(chat) = &shared.chat {
        shared.exchange.group_changed(group, |users| chat.are_in_group(ConversationId(group.0), users));
    }
}

/// Answers a call. Of a group's one goes in, as a member, however long it has rung.
pub(super) fn accept(shared: &Arc<Shared>, session: &Arc<Session>, accept: CallRequest) -> Result<(), ErrorBody> {
    if shared.exchange.group_of(accept.call_id).is_some() {
        return join(shared, session, accept);
    }
    if let Some(owner) = shared.exchange.link_owner(accept.call_id) {
        return links::come_back(shared, session, accept, owner, true);
    }
    shared.exchange.accept(session, accept.id, accept.call_id);
    Ok(())
}

pub(super) fn peek(shared: &Shared, session: &Session, id: RequestId, call: CallId) -> Result<(), ErrorBody> {
    let user = &session.who.endpoint.user;
    let seen = shared.exchange.peek(user, call, is_member(shared, user, call))?;
    shared.hub.answer(session, id, Ok(OkFrame { peek: Some(seen), ..OkFrame::default() }));
    Ok(())
}

/// Takes somebody out: who started the call may, and who may remove them from its group.
pub(super) fn remove(shared: &Shared, session: &Session, remove: CallRemove) -> Result<(), ErrorBody> {
    let CallRemove { id, call_id, user_id: user } = remove;
    let me = &session.who.endpoint.user;
    let group = shared.exchange.group_of(call_id).and_then(|group| group_of(shared, me, group));
    let role = |of: &UserId| {
        let members = group.as_ref().map(|there| there.members.as_slice()).unwrap_or_default();
        members.iter().find(|(member, _)| member == of).map(|(_, role)| *role)
    };
    let admin = match (role(me), role(&user)) {
        (Some(Role::Owner), _) => true,
        (Some(Role::Admin), theirs) => theirs.is_none_or(|role| role == Role::Member),
        (Some(Role::Member) | None, _) => false,
    };
    shared.exchange.request(session, id, Request::Remove { call: call_id, user, admin });
    Ok(())
}

/// Shows the others how one feels: with a picture, not in words.
pub(super) fn react(shared: &Shared, session: &Session, react: CallReact) -> Result<(), ErrorBody> {
    let CallReact { id, call_id, reaction } = react;
    let is_sign =
        |char: char| !char.is_ascii() && !char.is_alphanumeric() && !char.is_control() && !char.is_whitespace();
    // The keycaps begin with a digit, and nothing else does.
    let is_keycap = reaction.ends_with('\u{20e3}');
    if reaction.is_empty() || reaction.len() > REACTION_BYTES_MAX || !(is_keycap || reaction.chars().all(is_sign)) {
        return Err(ErrorCode::BadRequest.into());
    }
    shared.exchange.request(session, id, Request::React { call: call_id, reaction });
    Ok(())
}
