//! An upload in one request: the body is the file, or a form with the file in it.
//!
//! Invariant: bytes pass on as they come; the first one over a limit ends it, and what is left of the body is not waited for.

use super::{Reader, Refusal};
use crate::uploads::notices::Wish;
use crate::uploads::{Transfer, Uploads, sha256_from_hex, to_wire, treatment_from_wire};
use axum::body::{Body, BodyDataStream};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::StreamExt;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::UserId;
use tertulia_media_core::{Reason, Refusal as MediaRefusal};
use tertulia_media_pipeline::library::{Intent, LibraryError, MediaState, MediaView};
use tertulia_signaling_core::Endpoint;
use tertulia_signaling_proto::{ErrorCode, MediaTreatment};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// The upload's own word on its bytes.
const SHA256_HEADER: &str = "x-content-sha256";
/// How long a refused body is still taken in, so that a client that is sending hears why, and how much of it.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// What the query says.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    #[serde(rename = "as")]
    treatment: MediaTreatment,
    file_name: Option<String>,
    keep: bool,
    view_once: Option<String>,
    tell: Option<String>,
}

pub(super) async fn send(
    reader: Reader,
    asked: Result<Query<Asked>, QueryRejection>,
    transfer: Option<Extension<Transfer>>,
    request: Request,
) -> Result<Response, Refusal> {
    let Query(asked) = asked.map_err(|_| ErrorCode::BadRequest)?;
    let (parts, body) = request.into_parts();
    let incoming = Arc::new(Mutex::new(Incoming::new(body, transfer, reader.uploads.stall_s)));
    let boundary = text(&parts.headers, CONTENT_TYPE.as_str()).and_then(|kind| multer::parse_boundary(kind).ok());
    let tell = reader.wish(asked.tell.as_deref(), asked.file_name.as_deref())?;
    let intent = intent(asked, &parts.headers, boundary.is_some())?;
    let (uploads, endpoint, name) = (reader.uploads.clone(), reader.endpoint(), intent.file_name.clone());
    let taken = match boundary {
        None => take(&reader, intent, &mut *incoming.lock().await).await,
        Some(boundary) => super::form::take(&reader, intent, boundary, &incoming).await,
    };
    let view = match taken {
        Ok(view) => view,
        Err(error) => {
            linger(incoming);
            return Err(refuse(&uploads, &endpoint, (name, tell), error));
        }
    };
    uploads.wish_on(&view, tell).await;
    let is_made = !matches!(view.state, MediaState::Processing(_));
    let status = if is_made { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    let media = to_wire(view);
    uploads.tell_others_taken(&endpoint, &media);
    Ok((status, Json(media)).into_response())
}

/// The user's other devices hear of it too, and whom they wish to.
fn refuse(
    uploads: &Uploads,
    from: &Endpoint,
    (name, tell): (Option<String>, Option<Wish>),
    error: LibraryError,
) -> Refusal {
    if let LibraryError::Refused(refusal) = &error {
        uploads.tell_others(from, name, refusal);
        uploads.events.tell_wished(tell, refusal);
    }
    error.into()
}

async fn take(reader: &Reader, intent: Intent, incoming: &mut Incoming) -> Result<MediaView, LibraryError> {
    let mut upload = reader.uploads.library.begin(&reader.caller, intent).await?;
    while let Some(bytes) = incoming.next().await? {
        upload.write(&bytes).await?;
    }
    upload.finish().await
}

pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn intent(asked: Asked, headers: &HeaderMap, is_form: bool) -> Result<Intent, Refusal> {
    let sha256 =
        text(headers, SHA256_HEADER).map(|hex| sha256_from_hex(hex).ok_or(ErrorCode::BadRequest)).transpose()?;
    // The type and length of a form are not the file's.
    let file = |name: &str| text(headers, name).filter(|_| !is_form);
    Ok(Intent {
        treatment: treatment_from_wire(asked.treatment),
        file_name: asked.file_name,
        declared_mime: file(CONTENT_TYPE.as_str()).map(str::to_owned),
        length: file(CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok()),
        sha256,
        keep: asked.keep,
        view_once: asked.view_once.as_deref().map(recipients).transpose()?,
    })
}

/// Names separated by commas.
pub(super) fn recipients(text: &str) -> Result<Vec<UserId>, Refusal> {
    let users = text.split(',').map(|user| user.trim().parse::<UserId>());
    users.collect::<Result<_, _>>().map_err(|_| ErrorCode::BadRequest.into())
}

/// The body as it comes.
pub(super) struct Incoming {
    body: BodyDataStream,
    transfer: Transfer,
    stall: Duration,
    is_over: bool,
}

impl Incoming {
    pub(super) fn new(body: Body, transfer: Option<Extension<Transfer>>, stall_s: u32) -> Self {
        let transfer = transfer.map(|Extension(transfer)| transfer).unwrap_or_default();
        Self { body: body.into_data_stream(), transfer, stall: Duration::from_secs(stall_s.into()), is_over: false }
    }

    /// The next bytes, or `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<bytes::Bytes>, LibraryError> {
        match timeout(self.stall, self.body.next()).await {
            Ok(Some(Ok(bytes))) => {
                self.transfer.moved(bytes.len());
                Ok(Some(bytes))
            }
            Ok(None) => {
                self.is_over = true;
                Ok(None)
            }
            // It broke off: whoever sent it is gone, as a rule.
            Ok(Some(Err(_))) => {
                self.is_over = true;
                Err(MediaRefusal::from(Reason::LengthMismatch).into())
            }
            Err(_) => {
                self.is_over = true;
                Err(MediaRefusal::from(Reason::Stalled).into())
            }
        }
    }
}

/// Closing at once would take the answer away from a client that is still sending: a little more is taken, and dropped.
fn linger(incoming: Arc<Mutex<Incoming>>) {
    tokio::spawn(timeout(LINGER, async move {
        let mut incoming = incoming.lock().await;
        let mut left = LINGER_BYTES;
        while !incoming.is_over
            && let Some(Ok(bytes)) = incoming.body.next().await
        {
            match left.checked_sub(bytes.len()) {
                Some(less) => left = less,
                None => break,
            }
        }
    }));
}
