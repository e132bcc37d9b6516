//! The history of calls, page by page.

use super::{Bearer, Refusal, internal};
use crate::authenticate::Principal;
use crate::gateway::Shared;
use crate::{history, translate};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use std::sync::Arc;
use tertulia_common::CallId;
use tertulia_signaling_proto::{CallHistory, ErrorCode};

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
    let next = found.last().filter(|_| more).map(|last| last.record.call);
    Ok(Json(CallHistory { calls: found.into_iter().map(|call| history::call_to_wire(&user, call)).collect(), next }))
}
