//! The HTTP calls, and the door of the WebSocket.
//!
//! Invariant: every answer under `/v1` that is not a success carries a typed error, those for unknown paths, wrong methods
//! and unreadable bodies too.

mod calls;
mod demo;
mod extract;
mod refusal;
mod socket_door;

use extract::{Bearer, JsonBody};
use refusal::{Refusal, internal};

use crate::gateway::Shared;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use std::sync::Arc;
use tertulia_signaling_proto::ErrorCode;

/// The routes under `/v1`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let mut v1 = Router::new().route("/ws", get(socket_door::open_socket)).route("/calls", get(calls::calls));
    if shared.config.demo_key.is_some() {
        v1 = v1.route("/demo/sign-in", post(demo::sign_in)).route("/demo/people", get(demo::people));
    }
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
