//! Fetching: the file and its thumbnail, by token or by link, whole or in part, as a browser, a player and a CDN want it.
//!
//! Invariant: what is served is what we made, or an attachment: nothing of a stranger's is ever run as a page of ours.

use super::{Reader, Refusal, uploads};
use crate::gateway::Shared;
use crate::uploads::{Transfer, Uploads};
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::header::{
    ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use futures_util::StreamExt;
use serde::Deserialize;
use std::sync::Arc;
use tertulia_common::MediaId;
use tertulia_media_core::range::{Part, content_range, has_it, is_same, part};
use tertulia_media_core::{Class, content_disposition};
use tertulia_media_pipeline::library::{Servable, SignedLink, Variant};
use tertulia_signaling_proto::ErrorCode;

/// A page of ours must not run what somebody has uploaded, whatever a browser makes of it.
const NOTHING_RUNS: HeaderValue =
    HeaderValue::from_static("default-src 'none'; media-src 'self'; img-src 'self'; sandbox");
/// Players and pages of other origins may show it, if they have a link or a token: that is what guards it.
const CROSS_ORIGIN: HeaderValue = HeaderValue::from_static("cross-origin");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Bytes never change under an id: by a token for this browser only.
const OWN_CACHE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    format: Option<Format>,
    exp: Option<u64>,
    sig: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Jpeg,
    Webp,
}

type AskedQuery = Result<Query<Asked>, QueryRejection>;
type Which = Result<Path<MediaId>, PathRejection>;

/// What may be sent, and until when by a link.
struct Granted {
    uploads: Uploads,
    servable: Servable,
    link_ends_s: Option<u64>,
}

pub(super) async fn file(
    State(shared): State<Arc<Shared>>,
    which: Which,
    asked: AskedQuery,
    transfer: Option<Extension<Transfer>>,
    request: Request,
) -> Result<Response<Body>, Refusal> {
    let (Path(id), Query(asked)) = (which.map_err(|_| ErrorCode::NotFound)?, asked.map_err(|_| ErrorCode::BadRequest)?);
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let granted = grant(&shared, request, id, Variant::Main, asked).await?;
    answer(granted, &method, &headers, transfer, &shared).await
}

pub(super) async fn thumbnail(
    State(shared): State<Arc<Shared>>,
    which: Which,
    asked: AskedQuery,
    transfer: Option<Extension<Transfer>>,
    request: Request,
) -> Result<Response<Body>, Refusal> {
    let (Path(id), Query(asked)) = (which.map_err(|_| ErrorCode::NotFound)?, asked.map_err(|_| ErrorCode::BadRequest)?);
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let variant = match asked.format {
        Some(Format::Jpeg) => Variant::ThumbJpeg,
        Some(Format::Webp) => Variant::ThumbWebp,
        None => liked(&headers),
    };
    let depends = asked.format.is_none();
    let granted = grant(&shared, request, id, variant, asked).await?;
    let mut response = answer(granted, &method, &headers, transfer, &shared).await?;
    if depends {
        response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    }
    Ok(response)
}

/// The kind of thumbnail that a browser wants.
fn liked(headers: &HeaderMap) -> Variant {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if accept.is_some_and(|kinds| kinds.contains("image/webp")) { Variant::ThumbWebp } else { Variant::ThumbJpeg }
}

/// The thumbnail of a picture that who asks may see for another reason than its own grants.
pub(in crate::http) async fn shown(
    shared: &Shared,
    id: MediaId,
    request: Request,
    transfer: Option<Extension<Transfer>>,
) -> Result<Response<Body>, Refusal> {
    let uploads = uploads(shared)?;
    let servable = uploads.library.servable_shown(id, liked(request.headers())).await?;
    let granted = Granted { uploads, servable, link_ends_s: None };
    let mut response = answer(granted, request.method(), request.headers(), transfer, shared).await?;
    response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// By link, else by token.
async fn grant(
    shared: &Arc<Shared>,
    request: Request,
    id: MediaId,
    variant: Variant,
    asked: Asked,
) -> Result<Granted, Refusal> {
    match (asked.exp, asked.sig) {
        (Some(expires_at_s), Some(signature)) => {
            let uploads = uploads(shared)?;
            let servable = uploads.library.by_link(&SignedLink { id, variant, expires_at_s, signature }).await?;
            Ok(Granted { uploads, servable, link_ends_s: Some(expires_at_s) })
        }
        (None, None) => {
            let (mut parts, _) = request.into_parts();
            let Reader { caller, uploads } = Reader::from_request_parts(&mut parts, shared).await?;
            let servable = uploads.library.servable(&caller, id, variant).await?;
            Ok(Granted { uploads, servable, link_ends_s: None })
        }
        _ => Err(ErrorCode::BadRequest.into()),
    }
}

async fn answer(
    granted: Granted,
    method: &Method,
    headers: &HeaderMap,
    transfer: Option<Extension<Transfer>>,
    shared: &Shared,
) -> Result<Response<Body>, Refusal> {
    let Granted { uploads, servable, link_ends_s } = granted;
    let etag = format!("\"{}\"", servable.etag());
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let mut response = Response::new(Body::empty());
    dress(response.headers_mut(), &servable, &etag, link_ends_s, shared);
    if has_it(text(&IF_NONE_MATCH), &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    // `If-Range` by date never matches: dates are too coarse to promise the same bytes.
    let is_same = is_same(text(&IF_RANGE), &etag);
    let range = match part(text(&RANGE).filter(|_| is_same && *method == Method::GET), servable.bytes) {
        Part::Whole => None,
        Part::Bytes(range) => Some(range),
        Part::Nowhere => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            let headers = response.headers_mut();
            headers.remove(CONTENT_DISPOSITION);
            headers.insert(CACHE_CONTROL, NO_STORE);
            insert(headers, CONTENT_RANGE, content_range(None, servable.bytes));
            return Ok(response);
        }
    };
    let bytes = range.as_ref().map_or(servable.bytes, |range| range.end - range.start);
    if let Some(range) = &range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        insert(response.headers_mut(), CONTENT_RANGE, content_range(Some(range), servable.bytes));
    }
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    if *method == Method::GET {
        let body = uploads.library.read(&servable, range).await?.body;
        let transfer = transfer.map(|Extension(transfer)| transfer).unwrap_or_default();
        *response.body_mut() = Body::from_stream(body.inspect(move |piece| match piece {
            Ok(bytes) => transfer.moved(bytes.len()),
            Err(error) => tracing::warn!(%error, "a file could not be read to its end"),
        }));
    }
    Ok(response)
}

fn dress(headers: &mut HeaderMap, servable: &Servable, etag: &str, link_ends_s: Option<u64>, shared: &Shared) {
    insert(headers, CONTENT_TYPE, servable.mime.clone());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(headers, ETAG, etag.to_owned());
    headers.insert(CONTENT_SECURITY_POLICY, NOTHING_RUNS);
    headers.insert(RESOURCE_POLICY, CROSS_ORIGIN);
    let is_shown = !matches!(servable.class, Class::Document | Class::Sealed);
    let name = servable.file_name.as_deref().map(|name| name_of(name, &servable.mime));
    insert(headers, CONTENT_DISPOSITION, content_disposition(is_shown, name.as_deref()));
    match link_ends_s {
        _ if !servable.is_cacheable => headers.insert(CACHE_CONTROL, NO_STORE),
        None => headers.insert(CACHE_CONTROL, OWN_CACHE),
        // A cache that many share may have it as long as the link lasts.
        Some(end) => {
            let left = end.saturating_sub(shared.clock.now().as_millis() / 1_000);
            insert(headers, CACHE_CONTROL, format!("public, max-age={left}, immutable"));
            None
        }
    };
}

/// What was made is not called as what was sent: `holiday.mkv` has become an MP4.
fn name_of(name: &str, mime: &str) -> String {
    let extension = match mime {
        "video/mp4" => "mp4",
        "audio/mp4" => "m4a",
        "audio/ogg" => "ogg",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/png" => "png",
        _ => return name.to_owned(),
    };
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{stem}.{extension}")
}

fn insert(headers: &mut HeaderMap, name: HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}
