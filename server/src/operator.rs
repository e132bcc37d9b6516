//! The operator's listener: `/metrics`, `/healthz` (the process runs) and `/readyz` (it can take calls).

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tertulia_directory::Directory;
use tertulia_media_pipeline::store::{StoreTrouble, StoreWatch};
use tertulia_sfu::Sfu;
use tokio::time::timeout;

/// How long the directory may take to answer before the program counts as not ready.
const DIRECTORY_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// What readiness depends on.
pub(crate) struct Health {
    pub(crate) directory: Directory,
    pub(crate) sfu: Sfu,
    /// Where uploads are kept, if they are taken.
    pub(crate) store: Option<Arc<StoreWatch>>,
    pub(crate) draining: AtomicBool,
}

impl Health {
    /// What is in the way, if something is.
    async fn trouble(&self) -> Option<&'static str> {
        if self.draining.load(Ordering::Relaxed) {
            return Some("draining");
        }
        if !self.sfu.is_alive() {
            return Some("a media thread has ended");
        }
        match timeout(DIRECTORY_ANSWERS_WITHIN, self.directory.ping()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready");
                return Some("the directory fails");
            }
            Err(_) => return Some("the directory does not answer"),
        }
        let trouble = self.store.as_ref()?.trouble().await?;
        Some(match trouble {
            StoreTrouble::NoAnswer => "store_no_answer: where uploads are kept does not answer",
            StoreTrouble::Unavailable => "store_unavailable: where uploads are kept is not available",
            StoreTrouble::Full => "store_full: where uploads are kept has no room left",
            StoreTrouble::Failed => "store_failed: where uploads are kept refuses (`tertulia doctor` says why)",
        })
    }
}

/// The routes.
pub(crate) fn router(health: Arc<Health>, mut registry: Registry) -> Router {
    let ready_figure = Gauge::default();
    registry.register("tertulia_ready", "1 if it can take calls, as /readyz says, else 0", ready_figure.clone());
    let figures = Figures { registry, health: Arc::clone(&health), ready: ready_figure };
    let metrics = Router::new().route("/metrics", get(metrics)).with_state(Arc::new(figures));
    let ready = Router::new().route("/readyz", get(ready)).with_state(health);
    metrics.merge(ready).route("/healthz", get(async || "ok\n"))
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    match health.trouble().await {
        None => "ready\n".into_response(),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {trouble}\n")).into_response(),
    }
}

/// What a scrape reads.
struct Figures {
    registry: Registry,
    health: Arc<Health>,
    /// Looked up at each scrape.
    ready: Gauge,
}

async fn metrics(State(figures): State<Arc<Figures>>) -> Response {
    figures.ready.set(figures.health.trouble().await.is_none().into());
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &figures.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
