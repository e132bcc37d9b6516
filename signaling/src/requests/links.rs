//! Requests that come with a call link.
//!
//! Invariant: a link that was revoked, that is over, that never was, and one whose owner has blocked who asks are refused in the same
//! words after the same work; and every try counts, right or wrong.

use super::{conferences, defer};
use crate::bucket::Wait;
use crate::gateway::Shared;
use crate::metrics::Hit;
use crate::session::Session;
use crate::translate;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tertulia_common::UserId;
use tertulia_directory::{FoundCallLink, Media};
use tertulia_signaling_core::{CallLink, LinkKey, MediaKind};
use tertulia_signaling_proto::{CallLinkPeek, CallLook, CallRequest, ErrorBody, ErrorCode, OkFrame, Person, RequestId};

/// What is kept of a token. Looked up by it: how long that takes says nothing of how much of a token was right.
pub(crate) fn link_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// As the calls name it.
pub(crate) fn link_key(id: &str) -> Option<LinkKey> {
    u128::from_str_radix(id, 16).ok().map(LinkKey)
}

fn failed(error: &tertulia_directory::Error) -> ErrorBody {
    tracing::error!(%error, "the directory did not say what a call link is");
    ErrorCode::Internal.into()
}

fn take_try(shared: &Shared, user: &UserId) -> Result<(), ErrorBody> {
    shared.call_link_tries.lock().take(user.clone(), shared.clock.now()).map_err(|Wait(wait)| {
        shared.metrics.hit(Hit::CallLinkTries);
        translate::retry_after(ErrorCode::RateLimited, wait)
    })
}

/// The link of a token, for somebody whom its owner has not blocked.
async fn found(shared: &Shared, token: &str, me: &UserId) -> Result<(LinkKey, FoundCallLink), ErrorBody> {
    let found = shared.directory.call_link(&link_hash(token), me).await.map_err(|error| failed(&error))?;
    let found = found.filter(|found| !found.blocked).ok_or(ErrorCode::CallLinkOver)?;
    let key = link_key(&found.link.id).ok_or(ErrorCode::CallLinkOver)?;
    Ok((key, found))
}

fn media_of(link: &tertulia_directory::CallLink) -> MediaKind {
    match link.media {
        Media::Voice => MediaKind::Voice,
        Media::Video => MediaKind::Video,
    }
}

/// Who is in a call, or what one would come into by a link.
pub(super) fn look(shared: &Arc<Shared>, session: &Arc<Session>, look: CallLook) -> Result<(), ErrorBody> {
    let CallLook { id, call_id, link } = look;
    let token = match (call_id, link) {
        (Some(call), None) => return conferences::peek(shared, session, id, call),
        (None, Some(token)) => token,
        _ => return Err(ErrorCode::BadRequest.into()),
    };
    take_try(shared, &session.who.endpoint.user)?;
    let pending = defer(shared, session, id)?;
    let (shared, session) = (Arc::clone(shared), Arc::clone(session));
    tokio::spawn(async move {
        let me = &session.who.endpoint.user;
        let seen = found(&shared, &token, me).await.map(|(key, FoundCallLink { link, owner, .. })| {
            let going = shared.exchange.look_at_link(key, me);
            let active = going.is_some();
            let call = going.flatten();
            let link = CallLinkPeek {
                media: translate::media_kind(media_of(&link)),
                name: link.name,
                // Who was let in once need not ask again.
                approval: link.approval && owner.id != *me && call.is_none(),
                owner: Person { user_id: owner.id, name: owner.name, online: None, deleted: false },
                expires_at: link.expires_at,
                active,
                call,
            };
            OkFrame { link: Some(Box::new(link)), ..OkFrame::default() }
        });
        pending.answer(seen);
    });
    Ok(())
}

/// Comes in by a link: at once, or after waiting.
pub(super) fn enter(shared: &Arc<Shared>, session: &Arc<Session>, id: RequestId, token: &str) -> Result<(), ErrorBody> {
    let me = &session.who.endpoint.user;
    take_try(shared, me)?;
    shared.exchange.take_invite(me, None)?;
    let pending = defer(shared, session, id)?;
    let (shared, session, token) = (Arc::clone(shared), Arc::clone(session), token.to_owned());
    tokio::spawn(async move {
        let (key, FoundCallLink { link, owner, .. }) = match found(&shared, &token, &session.who.endpoint.user).await {
            Ok(found) => found,
            Err(error) => return pending.answer(Err(error)),
        };
        let media = media_of(&link);
        let link = CallLink { key, owner: link.owner, approval: link.approval, expires_at: link.expires_at };
        let is_new =
            shared.exchange.enter_by_link(&session, (link, owner.name), media, |answer| pending.answer(answer));
        // Whoever revoked it meanwhile found no call to close.
        if is_new && !matches!(shared.directory.call_link(&link_hash(&token), &owner.id).await, Ok(Some(_))) {
            shared.exchange.link_over(key);
        }
    });
    Ok(())
}

/// Goes into the call of a link again, or is asked in: unless its owner has blocked them meanwhile.
pub(super) fn come_back(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    request: CallRequest,
    owner: UserId,
    accept: bool,
) -> Result<(), ErrorBody> {
    let pending = defer(shared, session, request.id)?;
    let (shared, session) = (Arc::clone(shared), Arc::clone(session));
    tokio::spawn(async move {
        if let Err(error) = none_is_blocked(&shared, &owner, std::slice::from_ref(&session.who.endpoint.user)).await {
            return pending.answer(Err(hidden(error)));
        }
        shared.exchange.enter_again(&session, request.call_id, accept, |answer| pending.answer(answer));
    });
    Ok(())
}

/// To whom the owner has blocked there is no such call.
pub(crate) fn hidden(error: ErrorBody) -> ErrorBody {
    if error.code == ErrorCode::NotAddable { ErrorCode::UnknownCall.into() } else { error }
}

/// Whether the owner of a link has blocked none of these.
pub(crate) async fn none_is_blocked(shared: &Shared, owner: &UserId, users: &[UserId]) -> Result<(), ErrorBody> {
    for user in users {
        let blocked = shared.directory.has_blocked(owner, user).await.map_err(|error| failed(&error))?;
        if blocked == Some(true) {
            return Err(ErrorCode::NotAddable.into());
        }
    }
    Ok(())
}
