//! One's own files: the list, what became of them, who else has them, claims, links, view-once, the end.

use super::super::JsonBody;
use super::{Reader, Refusal};
use crate::uploads::{to_wire, treatment_from_wire};
use crate::{translate, uploads};
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::time::Duration;
use tertulia_common::{MediaId, Timestamp, UserId};
use tertulia_media_pipeline::library::{Intent, MediaState, PAGE_MAX, SignedLink, Variant};
use tertulia_signaling_proto::{
    ErrorCode, Media, MediaChallenge, MediaClaim, MediaLease, MediaLink, MediaLinkRequest, MediaPage, MediaProof,
    MediaShare, MediaShared,
};

/// Files on one page, if the client does not say.
const PAGE_DEFAULT: u64 = 30;

type Which = Result<Path<MediaId>, PathRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageAsked {
    before: Option<MediaId>,
    limit: Option<u64>,
}

fn id(which: Which) -> Result<MediaId, Refusal> {
    Ok(which.map_err(|_| ErrorCode::NotFound)?.0)
}

pub(super) async fn list(
    reader: Reader,
    page: Result<Query<PageAsked>, QueryRejection>,
) -> Result<Json<MediaPage>, Refusal> {
    let Query(PageAsked { before, limit }) = page.map_err(|_| ErrorCode::BadRequest)?;
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(translate::limit(ErrorCode::BadRequest, PAGE_MAX, limit).into());
    }
    let page = reader.uploads.library.list(&reader.caller.user, before, limit).await?;
    let next = page.media.last().filter(|_| page.has_more).map(|last| last.id);
    Ok(Json(MediaPage { media: page.media.into_iter().map(to_wire).collect(), next }))
}

pub(super) async fn status(reader: Reader, which: Which) -> Result<Json<Media>, Refusal> {
    Ok(Json(to_wire(reader.uploads.library.view(&reader.caller.user, id(which)?).await?)))
}

pub(super) async fn share(
    reader: Reader,
    which: Which,
    JsonBody(with): JsonBody<MediaShare>,
) -> Result<Json<MediaShared>, Refusal> {
    let media_id = reader.uploads.library.share(&reader.caller, id(which)?, &with.to).await?;
    Ok(Json(MediaShared { media_id }))
}

pub(super) async fn unshare(
    reader: Reader,
    which: Result<Path<(MediaId, UserId)>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let Path((id, user)) = which.map_err(|_| ErrorCode::NotFound)?;
    reader.uploads.library.unshare(&reader.caller.user, id, &[user]).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn keep(reader: Reader, which: Which) -> Result<StatusCode, Refusal> {
    reader.uploads.library.keep(&reader.caller.user, id(which)?, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn let_go(reader: Reader, which: Which) -> Result<StatusCode, Refusal> {
    reader.uploads.library.keep(&reader.caller.user, id(which)?, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete(reader: Reader, which: Which) -> Result<StatusCode, Refusal> {
    reader.uploads.library.delete(&reader.caller.user, id(which)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn link(
    reader: Reader,
    which: Which,
    JsonBody(asked): JsonBody<MediaLinkRequest>,
) -> Result<(StatusCode, Json<MediaLink>), Refusal> {
    let (id, library, user) = (id(which)?, &reader.uploads.library, &reader.caller.user);
    let ttl = Duration::from_secs(asked.expires_in_s.unwrap_or(reader.uploads.link_ttl_s).into());
    let has_thumbnail = matches!(library.view(user, id).await?.state, MediaState::Ready(made) if made.has_thumbnail);
    let file = library.sign_link(user, id, Variant::Main, ttl).await?;
    let thumbnail_path = match has_thumbnail {
        true => Some(path(&library.sign_link(user, id, Variant::ThumbJpeg, ttl).await?)),
        false => None,
    };
    let expires_at = Timestamp(file.expires_at_s.saturating_mul(1_000));
    Ok((StatusCode::CREATED, Json(MediaLink { path: path(&file), thumbnail_path, expires_at })))
}

fn path(link: &SignedLink) -> String {
    let SignedLink { id, variant, expires_at_s, signature } = link;
    let what = match variant {
        Variant::Main => "?",
        Variant::ThumbJpeg => "/thumbnail?format=jpeg&",
        Variant::ThumbWebp => "/thumbnail?format=webp&",
    };
    format!("/v1/media/{id}{what}exp={expires_at_s}&sig={signature}")
}

pub(super) async fn claim(
    reader: Reader,
    JsonBody(claim): JsonBody<MediaClaim>,
) -> Result<(StatusCode, Json<MediaChallenge>), Refusal> {
    let sha256 = uploads::sha256_from_hex(&claim.sha256).ok_or(ErrorCode::BadRequest)?;
    let treatment = treatment_from_wire(claim.treatment);
    let (library, user) = (&reader.uploads.library, &reader.caller.user);
    let challenge = library.claim_begin(user, sha256, claim.size, treatment).await?;
    let expires_in_s = u32::try_from(challenge.valid_for.as_secs()).unwrap_or(u32::MAX);
    let claim_id = format!("{:032x}", challenge.claim);
    Ok((
        StatusCode::CREATED,
        Json(MediaChallenge { claim_id, nonce: URL_SAFE_NO_PAD.encode(challenge.nonce), expires_in_s }),
    ))
}

pub(super) async fn prove(
    reader: Reader,
    claim: Result<Path<String>, PathRejection>,
    JsonBody(proof): JsonBody<MediaProof>,
) -> Result<(StatusCode, Json<Media>), Refusal> {
    let Path(claim) = claim.map_err(|_| ErrorCode::ClaimOver)?;
    let claim = u128::from_str_radix(&claim, 16).map_err(|_| ErrorCode::ClaimOver)?;
    let bytes = URL_SAFE_NO_PAD.decode(proof.proof.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    let bytes: [u8; 32] = bytes.ok_or(ErrorCode::BadRequest)?;
    let intent = Intent { file_name: proof.file_name, keep: proof.keep, ..Intent::default() };
    let media = to_wire(reader.uploads.library.claim_finish(&reader.caller, claim, bytes, intent).await?);
    reader.uploads.tell_others_taken(&reader.endpoint(), &media);
    Ok((StatusCode::CREATED, Json(media)))
}

pub(super) async fn open(reader: Reader, which: Which) -> Result<Json<MediaLease>, Refusal> {
    let lease = reader.uploads.library.open_once(&reader.caller, id(which)?).await?;
    Ok(Json(MediaLease { expires_at: lease.until }))
}

pub(super) async fn opened(reader: Reader, which: Which) -> Result<StatusCode, Refusal> {
    reader.uploads.library.opened(&reader.caller, id(which)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
