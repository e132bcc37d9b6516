//! The history of calls, page by page or one by one. Who neither called, nor was called, nor was asked in sees nothing of a call.

use super::{Bearer, Refusal, internal};
use crate::authenticate::Principal;
use crate::gateway::Shared;
use crate::{history, translate};
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use std::sync::Arc;
use tertulia_chat_core::ConversationId;
use tertulia_common::{CallId, UserId};
use tertulia_directory::HistoryCall;
use tertulia_signaling_proto::{CallHistory, CallRecord, ErrorCode};

/// Calls on one page of the history, if the client does not say.
const PAGE_DEFAULT: u64 = 30;
/// The most it can ask for. Raising it makes one answer larger.
const PAGE_MAX: u64 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    before: Option<CallId>,
    limit: Option<u64>,
}

pub(super) async fn calls(
    State(shared): State<Arc<Shared>>,
    Bearer(Principal { user, .. }): Bearer,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<CallHistory>, Refusal> {
    let Query(Page { before, limit }) = page.map_err(|_| ErrorCode::BadRequest)?;
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(translate::limit(ErrorCode::BadRequest, PAGE_MAX, limit).into());
    }
    let mut found = shared.directory.calls_of(&user, before, limit + 1).await.map_err(|error| internal(&error))?;
    let more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| more).map(|last| last.record.id());
    Ok(Json(CallHistory { calls: found.into_iter().map(|call| to_wire(&shared, &user, call)).collect(), next }))
}

pub(super) async fn call(
    State(shared): State<Arc<Shared>>,
    Bearer(Principal { user, .. }): Bearer,
    call: Result<Path<CallId>, PathRejection>,
) -> Result<Json<CallRecord>, Refusal> {
    let Path(call) = call.map_err(|_| ErrorCode::UnknownCall)?;
    let found = shared.directory.call_of(&user, call).await.map_err(|error| internal(&error))?;
    Ok(Json(to_wire(&shared, &user, found.ok_or(ErrorCode::UnknownCall)?)))
}

/// A group goes by the name that it has now, for who is in it.
fn to_wire(shared: &Shared, user: &UserId, call: HistoryCall) -> CallRecord {
    history::call_to_wire(user, call, |group| {
        let there = shared.chat.as_ref()?.group_there(group.parse::<ConversationId>().ok()?)?;
        there.members.iter().any(|(member, _)| member == user).then_some(there.about.name)
    })
}
