//! The devices of an account: which there are, linking another, taking one's access.

use super::extract::bearer;
use super::{Bearer, JsonBody, Refusal, internal};
use crate::accounts::{self, NotFound, Polled, shown_code};
use crate::authenticate::{Principal, device_token, device_token_hash};
use crate::bucket::Wait;
use crate::devices;
use crate::doors::network;
use crate::gateway::Shared;
use crate::metrics::Hit;
use crate::translate;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::{DeviceId, UserId};
use tertulia_directory::{Error, NewDevice};
use tertulia_signaling_proto::{
    DeviceAccess, Devices, ErrorBody, ErrorCode, LinkBegin, LinkBegun, LinkCode, LinkFound, LinkState,
};
use tokio::time::{Instant, timeout_at};

/// How long a device that waits for its approval is held. Longer than the server's time for a request (15 s by default), and
/// it would hear of a failure instead.
const POLL_MAX: Duration = Duration::from_secs(10);

fn account(who: Principal) -> Result<UserId, ErrorCode> {
    if who.is_account { Ok(who.user) } else { Err(ErrorCode::AccountOnly) }
}

pub(super) async fn list(State(shared): State<Arc<Shared>>, Bearer(who): Bearer) -> Result<Json<Devices>, Refusal> {
    let user = account(who)?;
    Ok(Json(devices::list(&shared, &user).await.map_err(|error| internal(&error))?))
}

pub(super) async fn unlink(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    device: Result<Path<DeviceId>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let (primary, own) = (who.is_primary, who.device.clone());
    let user = account(who)?;
    let Path(device) = device.map_err(|_| ErrorCode::NotFound)?;
    // Everyone may let go of the device in their hand.
    if !primary && own.as_ref() != Some(&device) {
        return Err(ErrorCode::PrimaryOnly.into());
    }
    let gone = shared.directory.revoke_device(&user, &device).await.map_err(|error| internal(&error))?;
    gone.ok_or(ErrorCode::NotFound)?;
    shared.expel(&user, [device]);
    devices::changed(&shared, &user).await;
    tracing::info!(?user, "a device was unlinked");
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn begin_link(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    JsonBody(LinkBegin { device_name }): JsonBody<LinkBegin>,
) -> Result<(StatusCode, Json<LinkBegun>), Refusal> {
    if shared.accounts.phone.is_none() {
        return Err(ErrorCode::NotFound.into());
    }
    let device_name = devices::name(&device_name)?;
    let (address, now) = (remote.ip().to_canonical(), shared.clock.now());
    let begun = shared.accounts.links.begin(device_name, address, network(address), now).map_err(|Wait(wait)| {
        shared.metrics.hit(Hit::Links);
        translate::retry_after(ErrorCode::RateLimited, wait)
    })?;
    let begun = LinkBegun {
        link_id: format!("{:032x}", begun.link),
        code: shown_code(&begun.code),
        secret: URL_SAFE_NO_PAD.encode(begun.secret),
        expires_in_s: shared.accounts.limits.link_ttl_s,
    };
    Ok((StatusCode::CREATED, Json(begun)))
}

pub(super) async fn poll_link(
    State(shared): State<Arc<Shared>>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<LinkState>), Refusal> {
    let secret = bearer(&headers).and_then(|secret| URL_SAFE_NO_PAD.decode(secret).ok());
    let secret = secret.ok_or(ErrorCode::TokenInvalid)?;
    let link = u128::from_str_radix(&link, 16).map_err(|_| ErrorCode::LinkOver)?;
    let end = Instant::now() + POLL_MAX;
    let poll = || shared.accounts.links.poll(link, &secret, shared.clock.now()).map_err(|_| ErrorCode::LinkOver);
    loop {
        let changed = match poll()? {
            Polled::News(state) => return Ok(news(state)),
            Polled::Wait(changed) => changed,
        };
        let mut woken = pin!(changed.notified());
        woken.as_mut().enable();
        // What has changed before we listened.
        if let Polled::News(state) = poll()? {
            return Ok(news(state));
        }
        if timeout_at(end, woken).await.is_err() {
            return Ok(news(shared.accounts.links.state(link)));
        }
    }
}

fn news(state: LinkState) -> (StatusCode, Json<LinkState>) {
    let status = match &state {
        LinkState::Approved(_) => StatusCode::CREATED,
        LinkState::Waiting | LinkState::Seen => StatusCode::OK,
    };
    (status, Json(state))
}

/// A user tries a code: bounded, so that none can be guessed.
fn try_code(shared: &Shared, user: &UserId) -> Result<(), ErrorBody> {
    shared.accounts.link_tries.lock().take(user.clone(), shared.clock.now()).map_err(|Wait(wait)| {
        shared.metrics.hit(Hit::LinkTries);
        translate::retry_after(ErrorCode::RateLimited, wait)
    })
}

fn not_found(shared: &Shared, error: NotFound) -> ErrorBody {
    match error {
        NotFound::Over => ErrorCode::LinkOver.into(),
        NotFound::NotSeen => {
            let message = "Look at the new device's name first, then approve it.".to_owned();
            ErrorBody { message, ..ErrorCode::BadRequest.into() }
        }
        NotFound::Wait(wait) => {
            shared.metrics.hit(Hit::TriesPerAddress);
            translate::retry_after(ErrorCode::RateLimited, wait)
        }
    }
}

pub(super) async fn inspect_link(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    Bearer(who): Bearer,
    JsonBody(LinkCode { code }): JsonBody<LinkCode>,
) -> Result<Json<LinkFound>, Refusal> {
    let user = account(who)?;
    try_code(&shared, &user)?;
    let found = shared.accounts.links.inspect(&code, &user, network(remote.ip()), shared.clock.now());
    let found = found.map_err(|error| not_found(&shared, error))?;
    let address = found.address.to_string();
    Ok(Json(LinkFound { device_name: found.device_name, address, asked_at: found.asked_at }))
}

pub(super) async fn approve_link(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    Bearer(who): Bearer,
    JsonBody(LinkCode { code }): JsonBody<LinkCode>,
) -> Result<Json<Devices>, Refusal> {
    let user = account(who)?;
    try_code(&shared, &user)?;
    let links = &shared.accounts.links;
    let taken = links.take(&code, &user, network(remote.ip()), shared.clock.now());
    let (link, found) = taken.map_err(|error| not_found(&shared, error))?;

    let token = device_token(accounts::random_bytes());
    let device =
        NewDevice { id: accounts::new_device(), name: found.device_name, token_hash: device_token_hash(&token) };
    let max = shared.accounts.limits.linked_devices_max;
    let linked = shared.directory.link_device(&user, &device, max.into()).await;
    let access = DeviceAccess { user_id: user.clone(), device_id: device.id, token };
    links.approved(link, linked.is_ok().then_some(access));
    linked.map_err(|error| match error {
        Error::Full { max } => {
            shared.metrics.hit(Hit::LinkedDevices);
            Refusal::from(translate::limit(ErrorCode::TooMany, max, max + 1))
        }
        // Deleted a moment ago.
        Error::UnknownUser => ErrorCode::TokenInvalid.into(),
        error => internal(&error),
    })?;
    devices::changed(&shared, &user).await;
    tracing::info!(?user, "a device was linked");
    Ok(Json(devices::list(&shared, &user).await.map_err(|error| internal(&error))?))
}
