//! The HTTP calls, and the door of the WebSocket.
//!
//! Invariant: every answer under `/v1` that is not a success carries a typed error, those for unknown paths, wrong methods
//! and unreadable bodies too.

mod accounts;
mod call_links;
mod calls;
mod demo;
mod devices;
mod extract;
mod group_icon;
mod groups;
mod ice;
mod media;
mod messages;
mod people;
mod push;
mod refusal;
mod socket_door;
mod whip;
mod wishes;

use extract::{Bearer, JsonBody};
use refusal::{Refusal, internal};

use crate::bucket::Wait;
use crate::doors::network;
use crate::gateway::Shared;
use crate::metrics::Hit;
use crate::translate;
use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use std::net::SocketAddr;
use std::sync::Arc;
use tertulia_signaling_proto::ErrorCode;

/// The routes under `/v1`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let mut v1 = Router::new()
        .route("/calls", get(calls::calls))
        .route("/calls/{call_id}", get(calls::call))
        .route("/call-links", get(call_links::list).post(call_links::make))
        .route("/call-links/{call_link_id}", delete(call_links::revoke))
        .route("/server", get(accounts::server))
        .route("/ice-servers", get(ice::ice_servers))
        .route("/register", post(accounts::register))
        .route("/register/verify", post(accounts::verify))
        .route("/account", delete(accounts::delete))
        .route("/profile", get(accounts::profile).patch(accounts::patch_profile))
        .route("/contacts/lookup", post(accounts::lookup))
        .route("/devices", get(devices::list))
        .route("/devices/link", post(devices::begin_link))
        .route("/devices/link/inspect", post(devices::inspect_link))
        .route("/devices/link/approve", post(devices::approve_link))
        .route("/devices/link/{link_id}", get(devices::poll_link))
        .route("/devices/{device_id}", delete(devices::unlink))
        .route("/settings", get(wishes::settings).patch(wishes::patch_settings))
        .route("/blocks", get(wishes::blocks))
        .route("/blocks/{user_id}", put(wishes::block).delete(wishes::unblock));
    v1 = v1
        .route("/users/{user_id}", get(people::person))
        .route("/messages", get(messages::look).post(messages::send))
        .route("/push", get(push::state).put(push::subscribe).delete(push::unsubscribe))
        .route("/groups", get(groups::list).post(groups::create))
        .route("/groups/join/{token}", post(groups::join))
        .route("/groups/{group_id}", get(groups::view).patch(groups::patch).delete(groups::end))
        .route("/groups/{group_id}/icon", get(group_icon::fetch))
        .route("/groups/{group_id}/members/{user_id}", put(groups::put_member).delete(groups::remove_member))
        .route("/groups/{group_id}/invite", post(groups::invite).delete(groups::revoke));
    v1 = whip::routes(media::routes(v1));
    if shared.config.demo_key.is_some() {
        v1 = v1.route("/demo/sign-in", post(demo::sign_in)).route("/demo/people", get(demo::people));
    }
    // The door of the WebSocket counts for itself.
    let v1 = v1.layer(axum::middleware::from_fn_with_state(Arc::clone(&shared), bound_requests));
    let v1 = v1.route("/ws", get(socket_door::open_socket));
    let v1 = v1
        .fallback(async || Refusal::from(ErrorCode::NotFound))
        .method_not_allowed_fallback(async || Refusal {
            status: StatusCode::METHOD_NOT_ALLOWED,
            error: ErrorCode::BadRequest.into(),
        })
        .layer(DefaultBodyLimit::max(shared.config.limits.frame_bytes_max as usize))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&shared), count_errors));
    Router::new().nest("/v1", v1).with_state(shared)
}

async fn count_errors(
    State(shared): State<Arc<Shared>>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let response = next.run(request).await;
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        shared.metrics.error(*code);
    }
    response
}

/// So many requests an address.
async fn bound_requests(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let taken = shared.requests_by_address.lock().take(network(remote.ip()), shared.clock.now());
    if let Err(Wait(wait)) = taken {
        shared.metrics.hit(Hit::RequestsPerAddress);
        return Refusal::from(translate::retry_after(ErrorCode::RateLimited, wait)).into_response();
    }
    next.run(request).await
}
