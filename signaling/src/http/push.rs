//! Waking a device that is not connected: which browser it is, and how it is told.

use super::messages::device_of;
use super::wishes::present;
use super::{Bearer, JsonBody, Refusal, internal};
use crate::gateway::Shared;
use crate::translate;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use std::sync::Arc;
use tertulia_directory::{Error, PushAddress};
use tertulia_push::{Subscription, WebPush};
use tertulia_signaling_proto::{ErrorCode, PushState, PushSubscription};

pub(super) async fn state(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    headers: HeaderMap,
) -> Result<Json<PushState>, Refusal> {
    let web = web(&shared)?;
    let device = device_of(&who, &headers)?;
    let subscribed = shared.directory.has_push(&who.user, &device).await.map_err(|error| internal(&error))?;
    Ok(Json(PushState { public_key: web.vapid.public_key().to_owned(), subscribed }))
}

pub(super) async fn subscribe(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    headers: HeaderMap,
    JsonBody(PushSubscription { endpoint, keys }): JsonBody<PushSubscription>,
) -> Result<StatusCode, Refusal> {
    let web = web(&shared)?;
    let device = device_of(&who, &headers)?;
    let subscription = Subscription::parse(&endpoint, &keys.p256dh, &keys.auth, &web.hosts);
    let endpoint = subscription.map_err(|_| ErrorCode::PushRefused)?.endpoint().to_owned();
    present(&shared, &who).await?;
    let address = PushAddress { endpoint, p256dh: keys.p256dh, auth: keys.auth };
    let max = u64::from(shared.config.limits.devices_per_user_max);
    shared.directory.set_push(&who.user, &device, &address, max).await.map_err(|error| match error {
        // The account was deleted meanwhile.
        Error::UnknownUser => ErrorCode::TokenInvalid.into(),
        Error::Full { max } => translate::limit(ErrorCode::TooMany, max, max + 1).into(),
        error => internal(&error),
    })?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn unsubscribe(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let device = device_of(&who, &headers)?;
    shared.directory.forget_push(&who.user, &device, None).await.map_err(|error| internal(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// How browsers are reached; where they are not, there is no such thing here.
fn web(shared: &Shared) -> Result<&WebPush, ErrorCode> {
    shared.config.push.as_ref().and_then(|push| push.web()).ok_or(ErrorCode::NotFound)
}
