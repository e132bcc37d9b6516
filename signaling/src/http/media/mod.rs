//! The HTTP calls of uploads: send, resume, claim, look, share, link, fetch, open once, delete.
//!
//! Invariant: no handler decides who may: the library does, and answers a stranger as if there were nothing.

mod fetch;
mod form;
mod manage;
mod send;
mod tus;

use super::{Bearer, Refusal};
use crate::authenticate::Principal;
use crate::gateway::Shared;
use crate::uploads::{Uploads, library_error_to_wire};
use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::routing::{delete, get, head, post, put};
use std::sync::Arc;
use tertulia_common::DeviceId;
use tertulia_media_pipeline::library::{Caller, LibraryError};
use tertulia_signaling_core::Endpoint;
use tertulia_signaling_proto::ErrorCode;

/// The routes under `/v1/media`.
pub(super) fn routes(v1: Router<Arc<Shared>>) -> Router<Arc<Shared>> {
    v1.route("/media", post(send::send).get(manage::list))
        .route("/media/tus", post(tus::create).options(tus::options))
        .route(
            "/media/tus/{upload_id}",
            head(tus::offset_of).patch(tus::patch).delete(tus::terminate).post(tus::overridden).options(tus::options),
        )
        .route("/media/claims", post(manage::claim))
        .route("/media/claims/{claim_id}", put(manage::prove))
        .route("/media/{media_id}", get(fetch::file).delete(manage::delete))
        .route("/media/{media_id}/thumbnail", get(fetch::thumbnail))
        .route("/media/{media_id}/status", get(manage::status))
        .route("/media/{media_id}/share", post(manage::share))
        .route("/media/{media_id}/share/{user_id}", delete(manage::unshare))
        .route("/media/{media_id}/keep", put(manage::keep).delete(manage::let_go))
        .route("/media/{media_id}/link", post(manage::link))
        .route("/media/{media_id}/open", post(manage::open))
        .route("/media/{media_id}/opened", post(manage::opened))
}

/// Devices of those whose token does not say which one it is of (an app's back end): told apart by this header, where that
/// matters.
pub(super) const DEVICE_HEADER: &str = "tertulia-device-id";
/// Without it.
const DEVICE_DEFAULT: &str = "http";

/// Who asks, and the library.
pub(super) struct Reader {
    caller: Caller,
    uploads: Uploads,
}

impl FromRequestParts<Arc<Shared>> for Reader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let Bearer(Principal { user, device, .. }) = Bearer::from_request_parts(parts, shared).await?;
        let uploads = uploads(shared)?;
        let said = || {
            let text = parts.headers.get(DEVICE_HEADER).and_then(|value| value.to_str().ok()).unwrap_or(DEVICE_DEFAULT);
            text.parse::<DeviceId>().map_err(|_| ErrorCode::BadRequest)
        };
        let device = device.map_or_else(said, Ok)?;
        Ok(Self { caller: Caller { user, device }, uploads })
    }
}

impl Reader {
    fn endpoint(&self) -> Endpoint {
        Endpoint { user: self.caller.user.clone(), device: self.caller.device.clone() }
    }
}

/// The library, if this server takes uploads.
fn uploads(shared: &Shared) -> Result<Uploads, Refusal> {
    shared.config.uploads.clone().ok_or_else(|| ErrorCode::MediaSandboxUnavailable.into())
}

impl From<LibraryError> for Refusal {
    fn from(error: LibraryError) -> Self {
        library_error_to_wire(error).into()
    }
}
