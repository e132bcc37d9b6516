//! The HTTP calls, and the door of the WebSocket.
//!
//! Invariant: every answer under `/v1` that is not a success carries a typed error, those for unknown paths, wrong methods
//! and unreadable bodies too.

use crate::auth::{AuthError, DisplayName, Principal};
use crate::bucket::Wait;
use crate::doors::{Full, network};
use crate::gateway::Shared;
use crate::history;
use crate::metrics::Hit;
use crate::{origin, socket, translate};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::{CallId, ID_BYTES_MAX, UserId};
use tertulia_signaling_proto::{
    CallHistory, Codec, DemoPeople, DemoSignIn, DemoSignedIn, ErrorBody, ErrorCode, WireError,
};

/// Calls on one page of the history, if the client does not say.
const PAGE_DEFAULT: u64 = 30;
/// The most it can ask for. Raising it makes one answer larger.
const PAGE_MAX: u64 = 100;
/// How long a demo's token is good for: a day's playing around.
const DEMO_TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);
/// What a socket reads at once. Larger makes every idle connection cost as much more; relays were measured with 512 to 1024.
const READ_BUFFER_BYTES: usize = 1024;
/// What a socket collects before it writes. It is not allocated before it is needed.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;

/// The routes under `/v1`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let mut v1 = Router::new().route("/ws", get(open_socket)).route("/calls", get(calls));
    if shared.config.demo_key.is_some() {
        v1 = v1.route("/demo/sign-in", post(sign_in)).route("/demo/people", get(people));
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

/// An answer that is not a success.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: ErrorBody,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        ErrorBody::from(code).into()
    }
}

impl From<ErrorBody> for Refusal {
    fn from(error: ErrorBody) -> Self {
        let status = match error.code {
            ErrorCode::TokenInvalid | ErrorCode::TokenExpired => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden | ErrorCode::PrimaryOnly | ErrorCode::AccountOnly | ErrorCode::TlsRequired => {
                StatusCode::FORBIDDEN
            }
            ErrorCode::NotFound | ErrorCode::UnknownUser | ErrorCode::UnknownCall => StatusCode::NOT_FOUND,
            ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::RateLimited | ErrorCode::TooManyConnections | ErrorCode::TooManyOutstanding => {
                StatusCode::TOO_MANY_REQUESTS
            }
            ErrorCode::ServerFull | ErrorCode::Draining | ErrorCode::PinNotSent => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::AlreadyInCall
            | ErrorCode::CallStateMismatch
            | ErrorCode::CallOver
            | ErrorCode::CallAnsweredElsewhere => StatusCode::CONFLICT,
            ErrorCode::BadFrame
            | ErrorCode::HelloExpected
            | ErrorCode::RequestIdNotRising
            | ErrorCode::BadRequest
            | ErrorCode::CallSelf
            | ErrorCode::PhoneInvalid
            | ErrorCode::PinWrong
            | ErrorCode::RegistrationOver
            | ErrorCode::LinkOver
            | ErrorCode::SdpInvalid => StatusCode::BAD_REQUEST,
        };
        Self { status, error }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, error } = self;
        let (code, retry_after) = (error.code, error.retry_after_ms);
        let mut response = (status, Json(WireError { error })).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(ms) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        response.extensions_mut().insert(code);
        response
    }
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

async fn open_socket(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    if !origin::is_allowed(&headers, &shared.config.allowed_origins, shared.config.demo_key.is_some()) {
        return Err(ErrorCode::Forbidden.into());
    }
    if shared.is_closing() {
        return Err(ErrorCode::Draining.into());
    }
    let upgrade = upgrade.map_err(|rejection| Refusal {
        status: rejection.into_response().status(),
        error: ErrorCode::BadRequest.into(),
    })?;
    let upgrade = upgrade.protocols(Codec::ALL.map(Codec::subprotocol));
    let codec = upgrade.selected_protocol().and_then(|name| Codec::of_subprotocol(name.to_str().ok()?));
    let Some(codec) = codec else {
        let offered = Codec::ALL.map(Codec::subprotocol).join(" or ");
        let message = format!("Offer the subprotocol {offered} ({SEC_WEBSOCKET_PROTOCOL}).");
        return Err(ErrorBody { message, ..ErrorCode::BadRequest.into() }.into());
    };
    let place = shared.doors.enter(remote.ip()).map_err(|full| match full {
        Full::Server(max) => {
            shared.metrics.hit(Hit::Sockets);
            translate::too_many(ErrorCode::ServerFull, max as usize)
        }
        Full::Address(max) => {
            shared.metrics.hit(Hit::SocketsPerAddress);
            translate::too_many(ErrorCode::TooManyConnections, max as usize)
        }
    })?;
    let limits = &shared.config.limits;
    let frame_bytes_max = limits.frame_bytes_max as usize;
    Ok(upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        // A whole batch may wait for a slow socket: never more than the session's queue, and a welcome.
        .max_write_buffer_size(limits.queue_bytes_max as usize + frame_bytes_max + WRITE_BUFFER_BYTES)
        .max_message_size(frame_bytes_max)
        .max_frame_size(frame_bytes_max)
        .on_upgrade(move |ws| socket::serve(shared, ws, codec, place)))
}

fn principal(shared: &Shared, headers: &HeaderMap) -> Result<Principal, Refusal> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let token = token.ok_or(ErrorCode::TokenInvalid)?;
    shared.config.keys.verify(token).map_err(|error| match error {
        AuthError::Expired => ErrorCode::TokenExpired.into(),
        AuthError::Invalid(_) => ErrorCode::TokenInvalid.into(),
    })
}

fn internal(error: &tertulia_directory::Error) -> Refusal {
    tracing::error!(%error, "the directory did not answer");
    ErrorCode::Internal.into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    before: Option<CallId>,
    limit: Option<u64>,
}

async fn calls(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<CallHistory>, Refusal> {
    let Principal { user, .. } = principal(&shared, &headers)?;
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

async fn sign_in(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    body: Result<Json<DemoSignIn>, JsonRejection>,
) -> Result<Json<DemoSignedIn>, Refusal> {
    let now = shared.clock.now();
    shared.sign_ins.lock().take(network(remote.ip()), now).map_err(|Wait(wait)| {
        shared.metrics.hit(Hit::SignIns);
        translate::retry_after(ErrorCode::RateLimited, wait)
    })?;
    let Json(DemoSignIn { name }) = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge,
        _ => ErrorCode::BadRequest,
    })?;
    let name = DisplayName::parse(&name).ok_or(ErrorCode::BadRequest)?;
    let user_id = demo_user(&name);
    let key = shared.config.demo_key.as_deref().ok_or(ErrorCode::NotFound)?;
    let token = shared.config.keys.mint(key, &user_id, Some(&name), DEMO_TOKEN_TTL).map_err(|error| {
        tracing::error!(%error, "the demo's key makes no tokens");
        ErrorCode::Internal
    })?;
    shared.directory.ensure_user(&user_id, Some(name.as_str())).await.map_err(|error| internal(&error))?;
    shared.people_changed();
    Ok(Json(DemoSignedIn { user_id, token }))
}

async fn people(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Json<DemoPeople>, Refusal> {
    principal(&shared, &headers)?;
    let people = shared.people.as_ref().ok_or(ErrorCode::NotFound)?;
    Ok(Json(people.list().await.map_err(|error| internal(&error))?))
}

/// The id of whoever signs in by this name: the name in small letters where that is an id, else a hash of it.
fn demo_user(name: &DisplayName) -> UserId {
    let lower = name.as_str().to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let plain = words.join("-");
    if plain.len() <= ID_BYTES_MAX
        && let Ok(user) = plain.parse()
    {
        return user;
    }
    let digest = Sha256::digest(plain.as_bytes());
    let number = digest.iter().take(8).fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    #[expect(clippy::expect_used, reason = "a letter, a hyphen and hexadecimal digits are a user id")]
    format!("demo-{number:016x}").parse().expect("it is a user id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_the_same_person_and_every_name_is_someone() {
        let id = |name: &str| demo_user(&DisplayName::parse(name).unwrap());
        assert_eq!(id("Ana María").as_str(), "ana-maría");
        assert_eq!(id("  ana   maría "), id("Ana María"));
        assert_ne!(id("🙂"), id("🙃"));
        assert_eq!(id("🙂"), id("🙂"));
        assert!(id(&"ß".repeat(40)).as_str().len() <= ID_BYTES_MAX);
        assert_ne!(id("O'Brien"), id("OBrien"));
    }

    #[test]
    fn every_error_has_a_status_that_is_an_error() {
        for code in ErrorCode::ALL {
            let status = Refusal::from(*code).status;
            assert!(status.is_client_error() || status.is_server_error(), "{code:?}");
        }
    }
}
