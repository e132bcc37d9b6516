//! Messages by plain HTTP: for back ends, and for devices that do not stay connected.
//!
//! Invariant: a message goes the way that `message.send` goes, and its device is known by its name as there.

use super::media::DEVICE_HEADER;
use super::{Bearer, JsonBody, Refusal};
use crate::authenticate::Principal;
use crate::gateway::Shared;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use std::sync::Arc;
use tertulia_common::DeviceId;
use tertulia_signaling_proto::{ErrorCode, MessagePost, MessageSent};

pub(super) async fn send(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    headers: HeaderMap,
    JsonBody(post): JsonBody<MessagePost>,
) -> Result<(StatusCode, Json<MessageSent>), Refusal> {
    let chat = shared.chat.as_ref().ok_or(ErrorCode::NoMailbox)?;
    let device = device_of(&who, &headers)?;
    let to = post.to.clone();
    let sent = chat.post(&shared.directory, shared.clock, (&who.user, &device), post).await?;
    shared.presence.sent(&who.user, &to);
    let status = if sent.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(sent)))
}

/// An account's device; or the one that an app's back end says it is.
pub(super) fn device_of(who: &Principal, headers: &HeaderMap) -> Result<DeviceId, ErrorCode> {
    if let Some(device) = &who.device {
        return Ok(device.clone());
    }
    let said = headers.get(DEVICE_HEADER).ok_or(ErrorCode::NoMailbox)?;
    said.to_str().ok().and_then(|text| text.parse().ok()).ok_or(ErrorCode::BadRequest)
}
