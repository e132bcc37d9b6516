//! The door of the WebSocket: which pages, how many sockets, which codec.

use super::Refusal;
use crate::bucket::Wait;
use crate::doors::{Full, network};
use crate::gateway::Shared;
use crate::metrics::Hit;
use crate::{origin, socket, translate};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use tertulia_signaling_proto::{Codec, ErrorBody, ErrorCode};

/// What a socket reads at once. Larger makes every idle connection cost as much more; relays were measured with 512 to 1024.
const READ_BUFFER_BYTES: usize = 1024;
/// What a socket collects before it writes. It is not allocated before it is needed.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;

pub(super) async fn open_socket(
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
