//! Serves a router on a listener, so that no client can hold more than its share.
//!
//! `axum::serve` has no timeouts, so connections are driven here, on hyper. A connection that has not become a WebSocket
//! has a bounded life: its headers, each request and the whole have their times, and there are at most so many, in all
//! and of one address. A slow reader or writer is cut off by that, whatever it does. A WebSocket leaves this count when
//! it is upgraded; from there the gateway's own limits hold. TLS ([`tls`]) is done within the same bounds, and what each
//! request passes before its route is in [`front`].

mod certificate;
mod client;
mod cors;
mod front;
mod host;
mod limits;
mod rate;
mod tls;

pub(crate) use certificate::{Files, Keeper, check as check_certificate};
pub(crate) use front::{Front, IsSecure};
pub(crate) use host::is_host;
pub(crate) use limits::{Figures, Limits};
pub(crate) use tls::{Figures as TlsFigures, Tls};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use client::{Arrival, Wire};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use limits::Places;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tertulia_signaling::Transfer;
use tls::Accepted;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Bytes of all headers of a request together. hyper takes no less than 8 KiB; browsers send about 1 KiB.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Headers of a request; browsers send about 20.
const HEADERS_MAX: usize = 64;
/// After a failed accept (out of file descriptors, as a rule): time for others to close theirs.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What is behind a listener.
pub(crate) struct Door {
    pub(crate) front: Front,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) figures: Arc<Figures>,
    /// Absent: plain HTTP.
    pub(crate) tls: Option<Tls>,
}

/// Serves until `stop`, then lets requests under way finish.
pub(crate) async fn serve(listener: TcpListener, door: Door, stop: CancellationToken) {
    let door = Arc::new(door);
    let places = Places::new(door.limits, Arc::clone(&door.figures));
    let connections = tokio_util::task::TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                door.figures.accept_errors.inc();
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Refused by closing: whoever floods the door gets no work out of us.
        let Some(place) = places.take(remote.ip(), door.front.is_proxy(remote.ip())) else { continue };
        let (door, stop) = (Arc::clone(&door), stop.clone());
        connections.spawn(async move {
            connection(stream, remote, &door, stop).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, remote: SocketAddr, door: &Arc<Door>, stop: CancellationToken) {
    // Frames and answers are small and wanted now.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(tls) = &door.tls else {
        return exchange(stream, Arrival { remote, wire: Wire::Plain }, door, stop).await;
    };
    match stop.run_until_cancelled(tls.accept(stream, remote.ip())).await.flatten() {
        Some(Accepted::Tls(stream)) => exchange(*stream, Arrival { remote, wire: Wire::Tls }, door, stop).await,
        Some(Accepted::Plain(stream)) => {
            exchange(stream, Arrival { remote, wire: Wire::PlainAtTls }, door, stop).await;
        }
        None => {}
    }
}

async fn exchange<S>(stream: S, arrival: Arrival, door: &Arc<Door>, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = door.limits;
    let transfer = Transfer::default();
    let moved = transfer.clone();
    let service = TowerToHyperService::new(door.router.clone());
    let service = service_fn(|mut request: Request<Incoming>| {
        let (door, service, transfer) = (Arc::clone(door), service.clone(), moved.clone());
        async move {
            let response = match door.front.admit(&mut request, arrival) {
                Ok(seen) => {
                    request.extensions_mut().insert(transfer.clone());
                    let answer = tokio::select! {
                        answer = service.call(request) => answer,
                        () = unless_earned(limits.request, &transfer) => Ok(too_slow()),
                    };
                    let mut response = answer.unwrap_or_else(|never| match never {});
                    door.front.dress(&mut response, seen);
                    response
                }
                Err(response) => *response,
            };
            door.figures.answered(response.status());
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        // Ends when the client is done, when it broke a rule, or when it has become a WebSocket.
        result = connection.as_mut() => return ended(result),
        () = stop.cancelled() => {}
        () = unless_earned(limits.connection, &transfer) => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(result) = timeout(limits.request, connection).await {
        ended(result);
    }
}

/// Ends after so long, and as much longer as a transfer has earned meanwhile.
async fn unless_earned(fixed: Duration, transfer: &Transfer) {
    let (start, before) = (Instant::now(), transfer.earned());
    loop {
        let end = start + fixed + transfer.earned().saturating_sub(before);
        if end <= Instant::now() {
            return;
        }
        sleep_until(end).await;
    }
}

fn ended(result: Result<(), hyper::Error>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a connection broke");
    }
}

fn too_slow() -> Response<Body> {
    let mut response = Response::new(Body::from("The request took too long.\n"));
    *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    response
}
