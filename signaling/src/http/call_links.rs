//! Call links: made, listed, revoked.
//!
//! Invariant: the token of a link follows from its id under a key of the server's own: nobody else can work it out, its owner can always
//! be shown it, and only its hash is kept.

use super::{Bearer, JsonBody, Refusal, internal};
use crate::clock::random;
use crate::gateway::Shared;
use crate::metrics::Hit;
use crate::requests::{link_hash, link_key};
use crate::translate;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;
use tertulia_directory::{CallLink as Kept, Error, Media};
use tertulia_signaling_proto::{CallLink, CallLinkNew, CallLinks, ErrorBody, ErrorCode, MediaKind};

/// Bytes of a token: more than anybody can guess.
const TOKEN_BYTES: usize = 24;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 100;
const DAY_S: u64 = 24 * 3_600;

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn token(shared: &Shared, id: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&shared.config.call_link_key).expect("any length");
    mac.update(b"tertulia call link");
    mac.update(id.as_bytes());
    URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..TOKEN_BYTES])
}

fn to_wire(shared: &Shared, link: Kept) -> CallLink {
    CallLink {
        token: token(shared, &link.id),
        call_link_id: link.id,
        name: link.name,
        media: match link.media {
            Media::Voice => MediaKind::Voice,
            Media::Video => MediaKind::Video,
        },
        approval: link.approval,
        made_at: link.made_at,
        expires_at: link.expires_at,
    }
}

fn name(text: &str) -> Result<String, ErrorBody> {
    let text = text.trim();
    let fits = (1..=NAME_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| ErrorBody {
        message: format!("A call's name has 1 to {NAME_CHARS_MAX} characters, on one line."),
        ..ErrorCode::BadRequest.into()
    })
}

pub(super) async fn make(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    JsonBody(new): JsonBody<CallLinkNew>,
) -> Result<(StatusCode, Json<CallLink>), Refusal> {
    let limits = &shared.config.limits;
    let longest = u64::from(limits.call_link_days_max) * DAY_S;
    let good_for = new.expires_in_s.unwrap_or(longest);
    if !(1..=longest).contains(&good_for) {
        return Err(translate::limit(ErrorCode::BadRequest, longest, good_for).into());
    }
    let name = new.name.as_deref().map(name).transpose()?;
    super::wishes::present(&shared, &who).await?;
    let now = shared.clock.now();
    let link = Kept {
        id: format!("{:032x}", random()),
        owner: who.user,
        name,
        media: match new.media {
            MediaKind::Voice => Media::Voice,
            MediaKind::Video => Media::Video,
        },
        approval: new.approval,
        made_at: now,
        expires_at: now + Duration::from_secs(good_for),
    };
    let hash = link_hash(&token(&shared, &link.id));
    let max = limits.call_links_per_user_max.into();
    shared.directory.add_call_link(&link, &hash, max).await.map_err(|error| match error {
        Error::Full { max } => {
            shared.metrics.hit(Hit::CallLinks);
            Refusal::from(translate::limit(ErrorCode::TooMany, max, max + 1))
        }
        error => internal(&error),
    })?;
    Ok((StatusCode::CREATED, Json(to_wire(&shared, link))))
}

pub(super) async fn list(State(shared): State<Arc<Shared>>, Bearer(who): Bearer) -> Result<Json<CallLinks>, Refusal> {
    let links = shared.directory.call_links_of(&who.user).await.map_err(|error| internal(&error))?;
    Ok(Json(CallLinks { links: links.into_iter().map(|link| to_wire(&shared, link)).collect() }))
}

pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    which: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let Path(id) = which.map_err(|_| ErrorCode::NotFound)?;
    let is_theirs = shared.directory.revoke_call_link(&who.user, &id).await.map_err(|error| internal(&error))?;
    let key = link_key(&id).filter(|_| is_theirs).ok_or(ErrorCode::NotFound)?;
    shared.exchange.link_over(key);
    Ok(StatusCode::NO_CONTENT)
}
