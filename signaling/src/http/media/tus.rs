//! Resumable uploads: [tus 1.0](https://tus.io/protocols/resumable-upload), with creation, creation-with-upload, checksum,
//! expiration and termination.
//!
//! Invariant: an offset that a client is told is on the disk.

use super::send::{Incoming, text};
use super::{Reader, Refusal, uploads};
use crate::gateway::Shared;
use crate::uploads::notices::Wish;
use crate::uploads::{Transfer, refusal_to_wire, to_wire};
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, stream};
use std::pin::Pin;
use std::sync::Arc;
use tertulia_media_core::tus::{
    BODY_TYPE, CHECKSUMS, Checksum, EXTENSIONS, HeaderError, Metadata, VERSION, check_body_type, check_version,
    http_date, length, offset,
};
use tertulia_media_core::{Reason, Refusal as MediaRefusal};
use tertulia_media_pipeline::library::LibraryError;
use tertulia_media_pipeline::tus::{Status, TusError, UploadId};
use tertulia_signaling_proto::ErrorCode;

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
/// What has become of an upload, in the answer to its last byte.
const MEDIA_ID: HeaderName = HeaderName::from_static("tertulia-media-id");
const OUR_VERSION: HeaderValue = HeaderValue::from_static(VERSION);
/// For clients behind something that lets no `PATCH` or `DELETE` through.
const METHOD_OVERRIDE: &str = "x-http-method-override";

type Which = Result<Path<String>, PathRejection>;
type Moved = Option<Extension<Transfer>>;

/// A refusal of tus: any status of its, and the typed error.
pub(super) struct Refused(Response);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.0;
        response.headers_mut().insert(RESUMABLE, OUR_VERSION);
        response
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.into_response())
    }
}

impl From<HeaderError> for Refused {
    fn from(error: HeaderError) -> Self {
        TusError::from(error).into()
    }
}

impl From<TusError> for Refused {
    fn from(error: TusError) -> Self {
        let status = error.status().and_then(|status| StatusCode::from_u16(status).ok());
        let refusal: Refusal = match error {
            TusError::Header(error) => {
                let mut refusal = Refusal::from(ErrorCode::BadRequest);
                refusal.error.message = error.to_string();
                refusal
            }
            TusError::NotFound | TusError::Gone => ErrorCode::NotFound.into(),
            TusError::Offset { have } => {
                let mut refusal = Refusal::from(ErrorCode::UploadOffset);
                refusal.error.actual = Some(have);
                refusal
            }
            TusError::Locked | TusError::Displaced => ErrorCode::UploadLocked.into(),
            TusError::Checksum => ErrorCode::MediaChecksumMismatch.into(),
            TusError::Broken(refusal) | TusError::Refused(refusal) => refusal_to_wire(&refusal).into(),
            TusError::Unavailable(why) => {
                tracing::error!(why, "a resumable upload failed");
                refusal_to_wire(&Reason::StoreUnavailable.into()).into()
            }
        };
        let mut response = refusal.into_response();
        if let Some(status) = status {
            *response.status_mut() = status;
        }
        if status == Some(StatusCode::PRECONDITION_FAILED) {
            response.headers_mut().insert("tus-version", OUR_VERSION);
        }
        Self(response)
    }
}

/// What is offered.
pub(super) async fn options(State(shared): State<Arc<Shared>>) -> Result<Response, Refusal> {
    let most = uploads(&shared)?.library.limits().file_bytes_max;
    let headers = [
        ("tus-resumable", VERSION.to_owned()),
        ("tus-version", VERSION.to_owned()),
        ("tus-extension", EXTENSIONS.to_owned()),
        ("tus-checksum-algorithm", CHECKSUMS.to_owned()),
        ("tus-max-size", most.to_string()),
    ];
    Ok((StatusCode::NO_CONTENT, headers.map(|(name, value)| (HeaderName::from_static(name), value))).into_response())
}

pub(super) async fn create(reader: Reader, transfer: Moved, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let said = |name: &str| text(headers, name);
    check_version(said("tus-resumable"))?;
    let length = length(said("upload-length"), said("upload-defer-length"), said("upload-concat"))?;
    let metadata = Metadata::parse(said("upload-metadata"))?;
    let (tus, caller) = (reader.uploads.library.tus(), &reader.caller);
    let name = metadata.file_name().map(str::to_owned);
    let wish = reader.wish(metadata.text("tell"), name.as_deref())?;
    let created = tus.create(&caller.user, &caller.device, length, metadata).await;
    let mut status = created.inspect_err(|error| tell_others(&reader, name, wish.clone(), error))?;
    if let Some(wish) = wish {
        reader.uploads.events.notices.keep(status.id.to_string(), wish);
    }
    let location = format!("/v1/media/tus/{}", status.id);
    if said(CONTENT_TYPE.as_str()) == Some(BODY_TYPE) {
        let checksum = Checksum::parse(said("upload-checksum"))?;
        // What of the bytes that come along is kept, the offset says: the upload is there in any case.
        match append(&reader, status.id, 0, checksum, body, transfer).await {
            Ok(after) => status = after,
            Err(TusError::Broken(_) | TusError::Displaced | TusError::Locked) => {
                status = tus.status(&caller.user, status.id).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut response = said_of(&status, StatusCode::CREATED);
    insert(response.headers_mut(), LOCATION, location);
    Ok(response)
}

pub(super) async fn offset_of(reader: Reader, which: Which, headers: HeaderMap) -> Result<Response, Refused> {
    check_version(text(&headers, "tus-resumable"))?;
    let status = reader.uploads.library.tus().status(&reader.caller.user, id(which)?).await?;
    let mut response = said_of(&status, StatusCode::OK);
    insert(response.headers_mut(), UPLOAD_LENGTH, status.length.to_string());
    if let Some(metadata) = status.metadata.header() {
        insert(response.headers_mut(), UPLOAD_METADATA, metadata);
    }
    Ok(response)
}

pub(super) async fn patch(
    reader: Reader,
    which: Which,
    transfer: Moved,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let said = |name: &str| text(&parts.headers, name);
    check_version(said("tus-resumable"))?;
    check_body_type(said(CONTENT_TYPE.as_str()))?;
    let (offset, checksum) = (offset(said("upload-offset"))?, Checksum::parse(said("upload-checksum"))?);
    let status = append(&reader, id(which)?, offset, checksum, body, transfer).await?;
    Ok(said_of(&status, StatusCode::NO_CONTENT))
}

pub(super) async fn terminate(reader: Reader, which: Which, headers: HeaderMap) -> Result<Response, Refused> {
    check_version(text(&headers, "tus-resumable"))?;
    reader.uploads.library.tus().terminate(&reader.caller.user, id(which)?).await?;
    Ok((StatusCode::NO_CONTENT, [(RESUMABLE, OUR_VERSION)]).into_response())
}

/// `POST` that stands for another method.
pub(super) async fn overridden(
    reader: Reader,
    which: Which,
    transfer: Moved,
    request: Request,
) -> Result<Response, Refused> {
    let method = text(request.headers(), METHOD_OVERRIDE).unwrap_or_default().to_ascii_uppercase();
    match method.as_str() {
        "PATCH" => patch(reader, which, transfer, request).await,
        "DELETE" => terminate(reader, which, request.headers().clone()).await,
        _ => Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, error: ErrorCode::BadRequest.into() }.into()),
    }
}

async fn append(
    reader: &Reader,
    id: UploadId,
    offset: u64,
    checksum: Option<Checksum>,
    body: Body,
    transfer: Moved,
) -> Result<Status, TusError> {
    let incoming = Incoming::new(body, transfer, reader.uploads.stall_s);
    let tus = reader.uploads.library.tus();
    let appended = tus.append(&reader.caller.user, id, offset, checksum, pieces(incoming)).await;
    let notices = &reader.uploads.events.notices;
    let wish = notices.get(&id.to_string()).filter(|wish| wish.from.user == reader.caller.user);
    let status = appended.inspect_err(|error| tell_others(reader, None, wish.clone(), error))?;
    if let Some(media) = status.media
        && let Ok(view) = reader.uploads.library.view(&reader.caller.user, media).await
    {
        drop(notices.take(&id.to_string()));
        reader.uploads.wish_on(&view, wish).await;
        reader.uploads.tell_others_taken(&reader.endpoint(), &to_wire(view));
    }
    Ok(status)
}

/// A refusal for good is told to the user's other devices too, and to whom they wish.
fn tell_others(reader: &Reader, name: Option<String>, wish: Option<Wish>, error: &TusError) {
    if let TusError::Refused(refusal) = error {
        reader.uploads.tell_others(&reader.endpoint(), name, refusal);
        reader.uploads.events.tell_wished(wish, refusal);
    }
}

fn pieces(incoming: Incoming) -> Pin<Box<dyn Stream<Item = Result<Bytes, MediaRefusal>> + Send>> {
    Box::pin(stream::try_unfold(incoming, async |mut incoming: Incoming| match incoming.next().await {
        Ok(next) => Ok(next.map(|bytes| (bytes, incoming))),
        Err(LibraryError::Refused(refusal)) => Err(refusal),
        Err(_) => Err(Reason::LengthMismatch.into()),
    }))
}

fn id(which: Which) -> Result<UploadId, Refusal> {
    let Path(text) = which.map_err(|_| ErrorCode::NotFound)?;
    text.parse().map_err(|_| ErrorCode::NotFound.into())
}

fn said_of(status: &Status, code: StatusCode) -> Response {
    let mut response = code.into_response();
    let headers = response.headers_mut();
    headers.insert(RESUMABLE, OUR_VERSION);
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(status.offset));
    match status.media {
        Some(media) => insert(headers, MEDIA_ID, media.to_string()),
        None => insert(headers, UPLOAD_EXPIRES, http_date(status.expires_at.as_millis() / 1_000)),
    }
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}
