//! Accounts: registration by phone number and PIN, profile, who has a number, and the end of an account.

use super::{Bearer, JsonBody, Refusal, internal};
use crate::accounts::{self, Message, NotBegun, NotVerified, PIN_DIGITS, PhoneNumber, Registrations};
use crate::auth::{DisplayName, NAME_CHARS_MAX};
use crate::authenticate::{Principal, device_token, device_token_hash};
use crate::bucket::Wait;
use crate::clock::random;
use crate::devices;
use crate::doors::network;
use crate::gateway::Shared;
use crate::metrics::Hit;
use crate::translate;
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tertulia_directory::{NewDevice, Registration};
use tertulia_signaling_proto::{
    DeviceAccess, ErrorBody, ErrorCode, Lookup, Person, Profile, ProfilePatch, Register, Registered, ServerInfo,
    SignInWay, Verify,
};
use tokio::time::timeout;

/// How long the answer to a registration waits for the carrier: one that refuses at once is told at once. Raising it makes
/// people wait for a slow carrier.
const SENT_WITHIN: Duration = Duration::from_secs(2);

pub(super) async fn server(State(shared): State<Arc<Shared>>) -> Json<ServerInfo> {
    let phone = shared.accounts.phone.as_ref();
    let mut sign_in = Vec::new();
    sign_in.extend(phone.map(|_| SignInWay::Phone));
    sign_in.extend(shared.config.demo_key.as_ref().map(|_| SignInWay::Demo));
    if shared.config.keys.len() > usize::from(shared.config.demo_key.is_some()) {
        sign_in.push(SignInWay::Token);
    }
    let phone_region = phone.and_then(|phone| phone.region).map(|region| region.to_string());
    Json(ServerInfo { sign_in, phone_region, pin_digits: PIN_DIGITS })
}

fn phone(shared: &Shared) -> Result<&Registrations, ErrorCode> {
    shared.accounts.phone.as_ref().ok_or(ErrorCode::NotFound)
}

/// A name that a person chose.
pub(super) fn display_name(text: &str) -> Result<DisplayName, ErrorBody> {
    DisplayName::parse(text).ok_or_else(|| ErrorBody {
        message: format!("A name has 1 to {NAME_CHARS_MAX} characters."),
        ..ErrorCode::BadRequest.into()
    })
}

pub(super) async fn register(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    JsonBody(asked): JsonBody<Register>,
) -> Result<(StatusCode, Json<Registered>), Refusal> {
    let registrations = phone(&shared)?;
    let number = PhoneNumber::parse(&asked.phone, registrations.region).ok_or(ErrorCode::PhoneInvalid)?;
    let now = shared.clock.now();
    let begun = registrations.pins.begin(&number, network(remote.ip()), now).map_err(|NotBegun(hit, wait)| {
        shared.metrics.hit(hit);
        translate::retry_after(ErrorCode::RateLimited, wait)
    })?;
    let registration = begun.registration;
    let expires_in_s = shared.accounts.limits.pin_ttl_s;
    let registered = Registered {
        registration_id: format!("{registration:032x}"),
        phone: number.as_str().to_owned(),
        expires_in_s,
        again_in_s: u32::try_from(begun.again_in.as_secs()).unwrap_or(u32::MAX),
    };
    let message =
        Message { phone: number, pin: begun.pin, expires_in_s, registration: registered.registration_id.clone() };
    let (pins, clock) = (Arc::clone(&registrations.pins), shared.clock);
    let sent = registrations.sender.send(message, move || pins.undo(registration, clock.now()));
    match timeout(SENT_WITHIN, sent).await {
        Ok(Ok(false) | Err(_)) => Err(ErrorCode::PinNotSent.into()),
        // Not heard of yet: it is tried again meanwhile.
        Ok(Ok(true)) | Err(_) => Ok((StatusCode::ACCEPTED, Json(registered))),
    }
}

pub(super) async fn verify(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    JsonBody(said): JsonBody<Verify>,
) -> Result<(StatusCode, Json<DeviceAccess>), Refusal> {
    let registrations = phone(&shared)?;
    // First what is wrong whatever the PIN: it costs no try.
    let device_name = devices::name(&said.device_name)?;
    let name = match &said.name {
        Some(name) => Some(display_name(name)?),
        None => None,
    };
    let registration = u128::from_str_radix(&said.registration_id, 16).map_err(|_| ErrorCode::RegistrationOver)?;
    let pin: String = said.pin.chars().filter(|c| !c.is_whitespace() && *c != '-').take(16).collect();
    let now = shared.clock.now();
    let verified = registrations.pins.verify(registration, &pin, network(remote.ip()), now).map_err(|no| match no {
        NotVerified::Wrong => ErrorCode::PinWrong.into(),
        NotVerified::Over => ErrorCode::RegistrationOver.into(),
        NotVerified::Wait(wait) => {
            shared.metrics.hit(Hit::TriesPerAddress);
            translate::retry_after(ErrorCode::RateLimited, wait)
        }
    })?;
    let token = device_token(accounts::random_bytes());
    let device = NewDevice { id: accounts::new_device(), name: device_name, token_hash: device_token_hash(&token) };
    let registration = Registration {
        phone: verified.phone().as_str().to_owned(),
        new_user: accounts::new_user(),
        name: name.as_ref().map(|name| name.as_str().to_owned()),
        new_name: verified.phone().last_digits(),
        device,
        unlink_others: said.unlink_others,
    };
    let registered = match shared.directory.register_primary(&registration).await {
        Ok(registered) => registered,
        Err(error) => {
            registrations.pins.keep(verified);
            return Err(internal(&error));
        }
    };
    let user = registered.user;
    shared.expel(&user.id, registered.ended);
    shared.hub.rename(&user.id, &user.name);
    devices::changed(&shared, &user.id).await;
    tracing::info!(user = ?user.id, "a device was registered");
    let access = DeviceAccess { user_id: user.id, device_id: registration.device.id, token };
    Ok((StatusCode::CREATED, Json(access)))
}

pub(super) async fn delete(State(shared): State<Arc<Shared>>, Bearer(who): Bearer) -> Result<StatusCode, Refusal> {
    if who.is_account && !who.is_primary {
        return Err(ErrorCode::PrimaryOnly.into());
    }
    let user = who.user;
    let known = shared.directory.devices_of(&user).await.map_err(|error| internal(&error))?;
    #[expect(clippy::expect_used, reason = "the prefix and hexadecimal digits are a user id")]
    let stand_in =
        format!("{}{:032x}", tertulia_directory::STAND_IN_PREFIX, random()).parse().expect("it is a user id");
    // Before the account's rows go: they say what of it is under way. Nothing begins until they have gone.
    let _leaving = match &shared.config.uploads {
        Some(uploads) => Some(uploads.library.forget_user(&user).await?),
        None => None,
    };
    shared.directory.delete_account(&user, &stand_in).await.map_err(|error| internal(&error))?;
    let connected = shared.exchange.devices_of(&user);
    shared.expel(&user, known.into_iter().map(|device| device.id).chain(connected));
    shared.exchange.links_gone(&user);
    shared.presence.removed(&user);
    if let Some(chat) = &shared.chat {
        chat.remove(&user);
    }
    // What the calls that have just ended leave behind is of nobody's by then.
    shared.history.flush().await;
    shared.directory.forget_ended_calls(&user).await.map_err(|error| internal(&error))?;
    tracing::info!(?user, "an account was deleted");
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn profile(State(shared): State<Arc<Shared>>, Bearer(who): Bearer) -> Result<Json<Profile>, Refusal> {
    let found = shared.directory.profile(&who.user).await.map_err(|error| internal(&error))?;
    Ok(Json(match found {
        Some(profile) => Profile { user_id: profile.user.id, name: profile.user.name, phone: profile.phone },
        // An app's user who has never connected: what their token says.
        None => {
            let name = who.name.map_or_else(|| who.user.as_str().to_owned(), |name| name.as_str().to_owned());
            Profile { name, user_id: who.user, phone: None }
        }
    }))
}

pub(super) async fn patch_profile(
    State(shared): State<Arc<Shared>>,
    Bearer(who): Bearer,
    JsonBody(patch): JsonBody<ProfilePatch>,
) -> Result<Json<Profile>, Refusal> {
    // Of an app's users the token says the name, at every hello.
    if !who.is_account {
        return Err(ErrorCode::AccountOnly.into());
    }
    if let Some(name) = &patch.name {
        let name = display_name(name)?;
        shared.directory.ensure_user(&who.user, Some(name.as_str())).await.map_err(|error| internal(&error))?;
        shared.hub.rename(&who.user, name.as_str());
        shared.people_changed();
    }
    profile(State(shared), Bearer(who)).await
}

pub(super) async fn lookup(
    State(shared): State<Arc<Shared>>,
    Bearer(Principal { user, is_account, .. }): Bearer,
    JsonBody(asked): JsonBody<Lookup>,
) -> Result<Json<Person>, Refusal> {
    if !is_account {
        return Err(ErrorCode::AccountOnly.into());
    }
    let region = shared.accounts.phone.as_ref().and_then(|phone| phone.region);
    let number = PhoneNumber::parse(&asked.phone, region).ok_or(ErrorCode::PhoneInvalid)?;
    shared.accounts.lookups.lock().take(user, shared.clock.now()).map_err(|Wait(wait)| {
        shared.metrics.hit(Hit::Lookups);
        translate::retry_after(ErrorCode::RateLimited, wait)
    })?;
    let found = shared.directory.user_by_phone(number.as_str()).await.map_err(|error| internal(&error))?;
    let user = found.ok_or(ErrorCode::UnknownUser)?;
    Ok(Json(Person { user_id: user.id, name: user.name, online: None, deleted: false }))
}
