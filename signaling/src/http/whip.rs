//! Standard peers: publishing by WHIP (RFC 9725) and playing by WHEP (draft-ietf-wish-whep-03).
//!
//! One POST with an offer is answered with everything that the peer needs: our candidates are all in the answer, and there will be no
//! others. What the peer then does with its resource is a PATCH (trickle ICE, a restart of ICE; RFC 8840) or a DELETE. Its own candidates
//! are not needed: as an ICE lite agent the server sends no checks, and learns where a peer is by the peer's (RFC 8445 §2.5). Invariant: who
//! may not go into a call hears what they would hear of one that is not there, and who did not make a resource finds none.

mod sdp;

use super::Refusal;
use super::extract::bearer;
use crate::authenticate::{Principal, admit, authenticate};
use crate::exchange::{Address, Newcomer, Room, Sort};
use crate::gateway::Shared;
use crate::metrics::Hit;
use crate::requests::{group_of, hidden, is_member, look_again, none_is_blocked};
use crate::{ice, media, translate};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, LINK, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use sdp::Frag;
use std::sync::Arc;
use std::time::Duration;
use tertulia_chat_core::ConversationId;
use tertulia_common::{CallId, Timestamp, UserId};
use tertulia_signaling_core::GroupKey;
use tertulia_signaling_proto::{ErrorBody, ErrorCode};

const SDP: &str = "application/sdp";
const FRAG: &str = "application/trickle-ice-sdpfrag";
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
/// When to ask again where a limit is reached that says nothing of time. Sooner: more requests for nothing; later: a place that is free
/// stays so.
const FULL_FOR: Duration = Duration::from_secs(5);

pub(super) fn routes(v1: Router<Arc<Shared>>) -> Router<Arc<Shared>> {
    v1.route("/whip/{room}", post(publish).options(options))
        .route("/whip/{room}/{resource}", delete(end_publishing).patch(patch_publishing))
        .route("/whep/{room}", post(play).options(options))
        .route("/whep/{room}/{resource}", delete(end_playing).patch(patch_playing))
}

/// Who has the token, as of before anything was done for them. An app's user who is new is written down.
pub(super) struct Bearer {
    principal: Principal,
    name: String,
    token: String,
    revocations: u64,
}

impl FromRequestParts<Arc<Shared>> for Bearer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let revocations = shared.revocations();
        let token = bearer(&parts.headers).ok_or(ErrorCode::TokenInvalid)?.to_owned();
        let (principal, user) = admit(shared, &token).await?;
        Ok(Self { principal, name: user.name, token, revocations })
    }
}

type Body = Result<Bytes, BytesRejection>;
type Answer = Result<Response, Refusal>;

async fn publish(
    State(shared): State<Arc<Shared>>,
    who: Bearer,
    Path(room): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    enter(shared, who, Sort::Whip, &room, &headers, body).await
}

async fn play(
    State(shared): State<Arc<Shared>>,
    who: Bearer,
    Path(room): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    enter(shared, who, Sort::Whep, &room, &headers, body).await
}

async fn patch_publishing(
    State(shared): State<Arc<Shared>>,
    who: Bearer,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    patch(shared, who.principal.user, address(Sort::Whip, &path)?, &headers, body).await
}

async fn patch_playing(
    State(shared): State<Arc<Shared>>,
    who: Bearer,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    patch(shared, who.principal.user, address(Sort::Whep, &path)?, &headers, body).await
}

async fn end_publishing(
    State(shared): State<Arc<Shared>>,
    who: Bearer,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    end(&shared, &who.principal.user, address(Sort::Whip, &path)?)
}

async fn end_playing(
    State(shared): State<Arc<Shared>>,
    who: Bearer,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    end(&shared, &who.principal.user, address(Sort::Whep, &path)?)
}

/// What an endpoint takes, and which STUN and TURN servers there are for whoever has a token.
async fn options(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answer {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("OPTIONS, POST"));
    response.headers_mut().insert(ACCEPT_POST, HeaderValue::from_static(SDP));
    if let Some(token) = bearer(&headers) {
        let Principal { user, .. } = authenticate(&shared, token).await?;
        link(&shared, &user, response.headers_mut());
    }
    Ok(response)
}

fn end(shared: &Shared, user: &UserId, at: Address) -> Result<StatusCode, Refusal> {
    if shared.exchange.end_standard(user, at) { Ok(StatusCode::OK) } else { Err(ErrorCode::NotFound.into()) }
}

async fn enter(shared: Arc<Shared>, who: Bearer, sort: Sort, room: &str, headers: &HeaderMap, body: Body) -> Answer {
    if shared.is_draining() {
        return Err(unavailable(ErrorCode::Draining.into()));
    }
    is_of_type(headers, SDP)?;
    if !accepts_sdp(headers) {
        return Err(refused(StatusCode::NOT_ACCEPTABLE, "The answer is application/sdp."));
    }
    let offer = read(&shared, body)?;
    let offered = sdp::offered(&offer, sort).ok_or(ErrorCode::SdpInvalid)?;
    let Bearer { principal: Principal { user, device: by, .. }, name, token, revocations } = who;
    shared.exchange.take_invite(&user, None).map_err(unavailable)?;
    let room = room_of(&shared, &user, room).await?;
    let newcomer = Newcomer { user, name, by, sort, flags: offered.flags };
    let entered = shared.exchange.enter_standard(&newcomer, room, &offered.sdp).map_err(unavailable)?;
    let (at, user) = (entered.at, newcomer.user);
    // Whoever hangs up meanwhile leaves nothing half done.
    let connecting = Arc::clone(&shared);
    let connected = tokio::spawn(async move {
        let shared = connecting;
        let start = shared.clock.now();
        let outcome = media::connect(&entered.sfu, entered.ticket, offered.sdp).await;
        shared.metrics.media_connected(shared.clock.now() - start);
        let mut answer = Err(ErrorCode::Internal.into());
        shared.exchange.end_connect(&entered.endpoint, entered.ticket, outcome, |ok| answer = ok);
        if let Some(group) = shared.exchange.group_of(at.call) {
            look_again(&shared, group);
        }
        answer
    });
    let answer = connected.await.unwrap_or_else(|_| Err(ErrorCode::Internal.into()));
    let mut outcome = answer.and_then(|ok| ok.sdp.ok_or_else(|| ErrorCode::Internal.into()));
    // Whoever lost their access meanwhile was looked for before this was there.
    if shared.revocations() != revocations
        && let Err(code) = authenticate(&shared, &token).await
    {
        outcome = Err(code.into());
    }
    let known = shared.exchange.standard(&user, at);
    let (answer, known) = match (outcome, known) {
        (Ok(answer), Some(known)) => (sdp::plain(&answer), known),
        (outcome, _) => {
            shared.exchange.end_standard(&user, at);
            return Err(unavailable(outcome.err().unwrap_or_else(|| ErrorCode::UnknownCall.into())));
        }
    };
    let path = if sort == Sort::Whip { "whip" } else { "whep" };
    let location = format!("/v1/{path}/{}/{:032x}", at.call, at.id);
    let headers = [
        (CONTENT_TYPE, SDP.to_owned()),
        (LOCATION, location),
        (ETAG, tag_of(known.tag)),
        (ACCEPT_PATCH, FRAG.to_owned()),
    ];
    let mut response = (StatusCode::CREATED, axum::response::AppendHeaders(headers), answer).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(SDP));
    link(&shared, &user, response.headers_mut());
    Ok(response)
}

/// The call that goes on, or the group, that a room names, for who may go in. Whom the owner of a link has blocked may not go into its
/// call.
async fn room_of(shared: &Shared, user: &UserId, room: &str) -> Result<Room, ErrorBody> {
    if let Ok(call) = room.parse::<CallId>() {
        let member = is_member(shared, user, call);
        if shared.exchange.peek(user, call, member).is_ok() {
            if let Some(owner) = shared.exchange.link_owner(call) {
                none_is_blocked(shared, &owner, std::slice::from_ref(user)).await.map_err(hidden)?;
            }
            return Ok(Room::Call { call, member });
        }
    }
    let group = room.parse::<ConversationId>().map(|group| GroupKey(group.0)).map_err(|_| ErrorCode::UnknownCall)?;
    let there = group_of(shared, user, group).ok_or(ErrorCode::UnknownCall)?;
    Ok(Room::Group { group, name: there.about.name })
}

async fn patch(shared: Arc<Shared>, user: UserId, at: Address, headers: &HeaderMap, body: Body) -> Answer {
    let known = shared.exchange.standard(&user, at).ok_or(ErrorCode::NotFound)?;
    is_of_type(headers, FRAG)?;
    let Some(wanted) = headers.get(IF_MATCH) else {
        return Err(refused(StatusCode::PRECONDITION_REQUIRED, "Say with If-Match which ICE session is meant."));
    };
    if !matches(wanted, &tag_of(known.tag)) {
        return Err(refused(StatusCode::PRECONDITION_FAILED, "That ICE session is not the newest."));
    }
    let text = read(&shared, body)?;
    let frag = Frag::read(&text).ok_or_else(|| refused(StatusCode::BAD_REQUEST, "That is no SDP fragment."))?;
    let Some(offer) = frag.restart_of(&known.offer) else {
        // Trickled candidates: see above.
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let restarting = Arc::clone(&shared);
    let restarted = tokio::spawn(async move {
        let shared = restarting;
        let (endpoint, ticket, sfu) = shared.exchange.begin_restart(&user, at)?;
        let outcome = media::connect(&sfu, ticket, offer.clone()).await;
        let mut answer = Err(ErrorBody::from(ErrorCode::Internal));
        shared.exchange.end_connect(&endpoint, ticket, outcome, |ok| answer = ok);
        let tag = shared.exchange.end_restart(&user, at, answer.is_ok().then_some(offer));
        let answer = answer?.sdp.ok_or(ErrorCode::Internal)?;
        Ok::<_, ErrorBody>((answer, tag.ok_or(ErrorCode::NotFound)?))
    });
    let restarted: Result<_, ErrorBody> = restarted.await.unwrap_or_else(|_| Err(ErrorCode::Internal.into()));
    let (answer, tag) = restarted.map_err(unavailable)?;
    let headers = [(CONTENT_TYPE, FRAG.to_owned()), (ETAG, tag_of(tag))];
    Ok((headers, sdp::frag_of(&answer)).into_response())
}

fn address(sort: Sort, (room, resource): &(String, String)) -> Result<Address, Refusal> {
    let call = room.parse().map_err(|_| ErrorCode::NotFound)?;
    let is_id = resource.len() == 32 && resource.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let id = u128::from_str_radix(resource, 16).ok().filter(|_| is_id).ok_or(ErrorCode::NotFound)?;
    Ok(Address { sort, call, id })
}

fn tag_of(tag: u128) -> String {
    format!("\"{tag:032x}\"")
}

/// Whether an `If-Match` (RFC 9110 §13.1.1) lets a request through.
fn matches(wanted: &HeaderValue, tag: &str) -> bool {
    let wanted = wanted.to_str().unwrap_or_default();
    wanted.split(',').map(str::trim).any(|one| one == "*" || one == tag)
}

fn is_of_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), Refusal> {
    let said = headers.get(CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim();
    if said.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, &format!("The content has to be {wanted}.")))
}

fn accepts_sdp(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(ACCEPT).iter().filter_map(|said| said.to_str().ok()).peekable();
    let takes = |one: &str| {
        let mut parts = one.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default().to_ascii_lowercase();
        // A weight of nought (RFC 9110 §12.4.2) is a refusal.
        let refuses = |part: &str| part.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
        matches!(range.as_str(), SDP | "application/*" | "*/*") && !parts.any(refuses)
    };
    said.peek().is_none() || said.flat_map(|said| said.split(',')).any(takes)
}

/// The text of a body, if it is no longer than an offer may be.
fn read(shared: &Shared, body: Body) -> Result<String, Refusal> {
    let limit = u64::from(shared.config.limits.sdp_bytes_max);
    let too_large = |actual: Option<u64>| {
        shared.metrics.hit(Hit::SdpBytes);
        Refusal::from(ErrorBody { limit: Some(limit), actual, ..ErrorCode::TooLarge.into() })
    };
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(None),
        _ => ErrorCode::BadRequest.into(),
    })?;
    if body.len() as u64 > limit {
        return Err(too_large(Some(body.len() as u64)));
    }
    String::from_utf8(body.into()).map_err(|_| ErrorCode::SdpInvalid.into())
}

/// Refuses for a reason that has a status of its own.
fn refused(status: StatusCode, message: &str) -> Refusal {
    Refusal { status, error: ErrorBody { message: message.to_owned(), ..ErrorCode::BadRequest.into() } }
}

/// What has no place now says so by 503 and when to ask again (RFC 9725 §4.1), whichever limit it is.
fn unavailable(error: ErrorBody) -> Refusal {
    let is_full =
        matches!(error.code, ErrorCode::ServerFull | ErrorCode::CallFull | ErrorCode::TooMany | ErrorCode::Draining);
    if !is_full {
        return error.into();
    }
    let retry_after_ms = error.retry_after_ms.or(Some(translate::millis(FULL_FOR)));
    Refusal { status: StatusCode::SERVICE_UNAVAILABLE, error: ErrorBody { retry_after_ms, ..error } }
}

/// The STUN and TURN servers, as links (RFC 9725 §4.6).
fn link(shared: &Shared, user: &UserId, headers: &mut HeaderMap) {
    let now: Timestamp = shared.clock.now();
    for server in ice::told(&shared.config.ice_servers, user, now).ice_servers {
        for url in &server.urls {
            let mut link = format!("<{url}>; rel=\"ice-server\"");
            if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
                let (username, credential) = (quoted(username), quoted(credential));
                link += &format!("; username={username}; credential={credential}; credential-type=\"password\"");
            }
            // What no header can carry can't be told.
            if let Ok(link) = HeaderValue::try_from(link) {
                headers.append(LINK, link);
            }
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c9_a_condition_names_the_ice_session_or_any() {
        let tag = tag_of(7);
        for (wanted, lets_through) in [
            ("*", true),
            (tag.as_str(), true),
            (format!("\"x\", {tag}").as_str(), true),
            ("\"x\"", false),
            (tag.trim_matches('"'), false),
            (format!("W/{tag}").as_str(), false),
        ] {
            assert_eq!(matches(&HeaderValue::try_from(wanted).unwrap(), &tag), lets_through, "{wanted}");
        }
    }

    #[test]
    fn c9_whoever_takes_something_else_only_is_told() {
        let accepts = |said: &str| accepts_sdp(&HeaderMap::from_iter([(ACCEPT, said.parse().unwrap())]));
        assert!(accepts_sdp(&HeaderMap::new()));
        for said in ["application/sdp", "*/*", "text/html, application/*;q=0.5", "Application/SDP"] {
            assert!(accepts(said), "{said}");
        }
        for said in ["text/html", "application/json, text/*", "application/sdp;q=0", ""] {
            assert!(!accepts(said), "{said}");
        }
    }

    #[test]
    fn c9_addresses_are_of_one_form() {
        let room = CallId::new(Timestamp(1), 2).to_string();
        let id = "0".repeat(31) + "a";
        assert!(address(Sort::Whip, &(room.clone(), id.clone())).is_ok_and(|at| at.id == 10));
        for wrong in [id.to_uppercase(), format!("+{}", &id[1..]), id[1..].to_owned(), String::new()] {
            assert!(address(Sort::Whip, &(room.clone(), wrong)).is_err());
        }
        assert!(address(Sort::Whip, &("x".to_owned(), id)).is_err());
    }
}
