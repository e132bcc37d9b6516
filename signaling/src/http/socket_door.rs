//! The door of the WebSocket: which pages, how many sockets, which codec.

use super::Refusal;
use crate::bucket::Wait;
use crate::doors::{Full, network};
use crate::gateway::Shared;
use crate::metrics::Hit;
use crate::websocket::Handshake;
use crate::{origin, socket, translate};
use axum::extract::{ConnectInfo, State};
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use std::net::SocketAddr;
use std::sync::Arc;
use tertulia_signaling_proto::{Codec, ErrorBody, ErrorCode};

pub(super) async fn open_socket(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    handshake: Result<Handshake, StatusCode>,
) -> Result<Response, Refusal> {
    if !origin::is_allowed(&headers, &shared.config.allowed_origins, shared.config.demo_key.is_some()) {
        return Err(ErrorCode::Forbidden.into());
    }
    if shared.is_closing() {
        return Err(ErrorCode::Draining.into());
    }
    let handshake = handshake.map_err(|status| Refusal { status, error: ErrorCode::BadRequest.into() })?;
    let codec = Codec::ALL.into_iter().find(|codec| handshake.offers(codec.subprotocol()));
    let Some(codec) = codec else {
        let offered = Codec::ALL.map(Codec::subprotocol).join(" or ");
        let message = format!("Offer the subprotocol {offered} ({SEC_WEBSOCKET_PROTOCOL}).");
        return Err(ErrorBody { message, ..ErrorCode::BadRequest.into() }.into());
    };
    let opened = shared.opens_by_address.lock().take(network(remote.ip()), shared.clock.now());
    opened.map_err(|Wait(wait)| {
        shared.metrics.hit(Hit::SocketOpens);
        translate::retry_after(ErrorCode::RateLimited, wait)
    })?;
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
    let (response, upgrading) = handshake.accept(codec.subprotocol());
    tokio::spawn(socket::serve(shared, upgrading, codec, place));
    Ok(response)
}
