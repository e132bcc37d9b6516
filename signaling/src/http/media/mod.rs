//! The HTTP calls of uploads: send, resume, claim, look, share, link, fetch, open once, delete.
//!
//! Invariant: no handler decides who may: the library does, and answers a stranger as if there were nothing.

pub(super) mod fetch;
mod form;
mod manage;
mod send;
mod tus;

use super::{Bearer, Refusal};
use crate::authenticate::Principal;
use crate::gateway::Shared;
use crate::uploads::notices::{Wish, recipient};
use crate::uploads::{Uploads, library_error_to_wire};
use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::routing::{delete, get, head, post, put};
use std::sync::Arc;
use tertulia_common::DeviceId;
use tertulia_media_pipeline::library::{Caller, FILE_NAME_CHARS_MAX, LibraryError};
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
        let Bearer(who) = Bearer::from_request_parts(parts, shared).await?;
        let uploads = uploads(shared)?;
        let said = parts.headers.get(DEVICE_HEADER).and_then(|value| value.to_str().ok());
        Ok(Self { caller: caller(who, said)?, uploads })
    }
}

impl Reader {
    fn endpoint(&self) -> Endpoint {
        Endpoint { user: self.caller.user.clone(), device: self.caller.device.clone() }
    }

    /// Who is to hear of a refusal beside the sender.
    fn wish(&self, tell: Option<&str>, file_name: Option<&str>) -> Result<Option<Wish>, Refusal> {
        let Some(tell) = tell else { return Ok(None) };
        let to = recipient(tell).ok_or(ErrorCode::BadRequest)?;
        let file_name = file_name.map(|name| name.chars().take(FILE_NAME_CHARS_MAX).collect());
        Ok(Some(Wish { from: self.endpoint(), to, file_name }))
    }
}

/// Who asks, on which device: the token's, else the one they say.
pub(super) fn caller(Principal { user, device, .. }: Principal, said: Option<&str>) -> Result<Caller, ErrorCode> {
    let said = || said.unwrap_or(DEVICE_DEFAULT).parse::<DeviceId>().map_err(|_| ErrorCode::BadRequest);
    Ok(Caller { user, device: device.map_or_else(said, Ok)? })
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
