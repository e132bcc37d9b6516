//! Serves a router on a listener, so that no client can hold more than its share.
//!
//! `axum::serve` has no timeouts, so connections are driven here, on hyper. A connection that has not become a WebSocket
//! has a bounded life: its headers, each request and the whole have their times, and there are at most so many, in all
//! and of one address. A slow reader or writer is cut off by that, whatever it does. A WebSocket leaves this count when
//! it is upgraded; from there the gateway's own limits hold.

mod limits;

pub(crate) use limits::{Figures, Limits};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
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
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Bytes of all headers of a request together. hyper takes no less than 8 KiB; browsers send about 1 KiB.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Headers of a request; browsers send about 20.
const HEADERS_MAX: usize = 64;
/// After a failed accept (out of file descriptors, as a rule): time for others to close theirs.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until `stop`, then lets requests under way finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    figures: Arc<Figures>,
    stop: CancellationToken,
) {
    let places = Places::new(limits, Arc::clone(&figures));
    let connections = tokio_util::task::TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                figures.accept_errors.inc();
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Refused by closing: whoever floods the door gets no work out of us.
        let Some(place) = places.take(remote.ip()) else { continue };
        let (router, figures, stop) = (router.clone(), Arc::clone(&figures), stop.clone());
        connections.spawn(async move {
            connection(stream, remote, router, limits, &figures, stop).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(
    stream: TcpStream,
    remote: SocketAddr,
    router: Router,
    limits: Limits,
    figures: &Figures,
    stop: CancellationToken,
) {
    // Frames and answers are small and wanted now.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(remote));
        let answer = service.call(request);
        async move {
            let response = timeout(limits.request, answer).await.unwrap_or_else(|_| Ok(too_slow()));
            if let Ok(response) = &response {
                figures.answered(response.status());
            }
            Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
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
        () = sleep(limits.connection) => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(result) = timeout(limits.request, connection).await {
        ended(result);
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
