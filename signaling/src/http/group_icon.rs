//! A group's picture: putting it there, and fetching it.
//!
//! Invariant: who is in the group at the moment may fetch its picture, and nobody by having been in it. The file stays as long as
//! the group shows it.

use super::groups::{Which, chat, group};
use super::media::{caller, fetch};
use super::{Bearer, Refusal};
use crate::authenticate::Principal;
use crate::gateway::Shared;
use crate::uploads::Transfer;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Response};
use std::sync::Arc;
use tertulia_chat_core::ConversationId;
use tertulia_common::MediaId;
use tertulia_media_pipeline::library::{Caller, Library};
use tertulia_signaling_proto::ErrorCode;

/// Another picture may be there the next time: it is asked each time whether it is the same.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");

/// `GET /v1/groups/{group_id}/icon`.
pub(super) async fn fetch(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    which: Which,
    transfer: Option<Extension<Transfer>>,
    request: Request,
) -> Result<Response<Body>, Refusal> {
    let view = chat(&shared)?.group(&who.user, group(which)?).await?;
    let icon = view.about.icon.ok_or(ErrorCode::NotFound)?;
    let mut response = fetch::shown(&shared, icon, request, transfer).await?;
    response.headers_mut().insert(CACHE_CONTROL, ASK_AGAIN);
    Ok(response)
}

/// A picture that somebody puts before a group.
pub(super) struct Showing {
    library: Library,
    caller: Caller,
    /// Their own handle on it.
    pub(super) icon: MediaId,
}

impl Showing {
    /// The picture that is named, if one is, as this person may show it.
    pub(super) async fn of(shared: &Shared, who: &Principal, icon: Option<MediaId>) -> Result<Option<Self>, Refusal> {
        let Some(icon) = icon else { return Ok(None) };
        let uploads = shared.config.uploads.clone().ok_or(ErrorCode::NotFound)?;
        let caller = caller(who.clone(), None)?;
        let icon = uploads.library.to_show(&caller, icon).await?;
        Ok(Some(Self { library: uploads.library, caller, icon }))
    }

    /// The group shows it, or is about to.
    pub(super) async fn keep(&self, group: ConversationId) -> Result<(), Refusal> {
        Ok(self.library.shown(&self.caller.user, self.icon, &group.to_string()).await?)
    }
}

/// Of these pictures the group shows only one now, if any: what nobody needs any more goes.
pub(super) async fn let_go(shared: &Shared, group: ConversationId, were: [Option<MediaId>; 2], is: Option<MediaId>) {
    let Some(uploads) = &shared.config.uploads else { return };
    for icon in were.into_iter().flatten().filter(|icon| Some(*icon) != is) {
        if let Err(error) = uploads.library.not_shown(icon, &group.to_string()).await {
            tracing::error!(%error, "a picture that a group no longer shows is still kept");
        }
    }
}
