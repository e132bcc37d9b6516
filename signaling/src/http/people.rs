//! People one has met: in a conversation, or in a group.
//!
//! Invariant: of others, and of whoever has blocked the asker, one hears what one would hear of nobody.

use super::{Bearer, Refusal, internal};
use crate::gateway::Shared;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use std::sync::Arc;
use tertulia_common::UserId;
use tertulia_signaling_proto::{ErrorCode, Person};

pub(super) async fn person(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    whom: Result<Path<UserId>, PathRejection>,
) -> Result<Json<Person>, Refusal> {
    let Path(whom) = whom.map_err(|_| ErrorCode::UnknownUser)?;
    let met = shared.chat.as_ref().is_some_and(|chat| chat.have_met(&who.user, &whom));
    if whom != who.user && !met {
        return Err(ErrorCode::UnknownUser.into());
    }
    let facts = shared.directory.callee(&whom, &who.user).await.map_err(|error| internal(&error))?;
    let facts = facts.filter(|facts| !facts.blocked).ok_or(ErrorCode::UnknownUser)?;
    Ok(Json(Person { user_id: whom, name: facts.user.name, online: None, deleted: false }))
}
