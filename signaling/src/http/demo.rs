//! Demo only: a name is enough to sign in, and everyone sees who is here.

use super::accounts::display_name;
use super::{Bearer, JsonBody, Refusal, internal};
use crate::auth::DisplayName;
use crate::bucket::Wait;
use crate::doors::network;
use crate::gateway::Shared;
use crate::metrics::Hit;
use crate::translate;
use axum::Json;
use axum::extract::{ConnectInfo, State};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::{ID_BYTES_MAX, UserId};
use tertulia_directory::STAND_IN_PREFIX;
use tertulia_signaling_proto::{DemoPeople, DemoSignIn, DemoSignedIn, ErrorCode};

/// How long a demo's token is good for: a day's playing around.
const DEMO_TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);

pub(super) async fn sign_in(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    body: Result<JsonBody<DemoSignIn>, Refusal>,
) -> Result<Json<DemoSignedIn>, Refusal> {
    let now = shared.clock.now();
    shared.sign_ins.lock().take(network(remote.ip()), now).map_err(|Wait(wait)| {
        shared.metrics.hit(Hit::SignIns);
        translate::retry_after(ErrorCode::RateLimited, wait)
    })?;
    let JsonBody(DemoSignIn { name }) = body?;
    let name = display_name(&name)?;
    let user_id = demo_user(&name);
    let key = shared.config.demo_key.as_deref().ok_or(ErrorCode::NotFound)?;
    // Whoever has just deleted their account may come again at once: the new token is of later than the deletion.
    let departed = shared.directory.departed_at(&user_id).await.map_err(|error| internal(&error))?;
    let from = departed.map_or(0, |at| at.as_millis() / 1_000 + 1);
    let token = shared.config.keys.mint_from(key, &user_id, Some(&name), DEMO_TOKEN_TTL, from).map_err(|error| {
        tracing::error!(%error, "the demo's key makes no tokens");
        ErrorCode::Internal
    })?;
    shared.directory.ensure_user(&user_id, Some(name.as_str())).await.map_err(|error| internal(&error))?;
    shared.people_changed();
    Ok(Json(DemoSignedIn { user_id, token }))
}

pub(super) async fn people(State(shared): State<Arc<Shared>>, _: Bearer) -> Result<Json<DemoPeople>, Refusal> {
    let people = shared.people.as_ref().ok_or(ErrorCode::NotFound)?;
    Ok(Json(people.list().await.map_err(|error| internal(&error))?))
}

/// The id of whoever signs in by this name: the name in small letters where that is an id, else a hash of it.
fn demo_user(name: &DisplayName) -> UserId {
    let lower = name.as_str().to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let plain = words.join("-");
    if plain.len() <= ID_BYTES_MAX
        && !plain.starts_with(STAND_IN_PREFIX)
        && let Ok(user) = plain.parse()
    {
        return user;
    }
    let digest = Sha256::digest(plain.as_bytes());
    let number = digest.iter().take(8).fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    #[expect(clippy::expect_used, reason = "a letter, a hyphen and hexadecimal digits are a user id")]
    format!("demo-{number:016x}").parse().expect("it is a user id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_the_same_person_and_every_name_is_someone() {
        let id = |name: &str| demo_user(&DisplayName::parse(name).unwrap());
        assert_eq!(id("Ana María").as_str(), "ana-maría");
        assert_eq!(id("  ana   maría "), id("Ana María"));
        assert_ne!(id("🙂"), id("🙃"));
        assert_eq!(id("🙂"), id("🙂"));
        assert!(id(&"ß".repeat(40)).as_str().len() <= ID_BYTES_MAX);
        assert_ne!(id("O'Brien"), id("OBrien"));
        assert!(!id("deleted:0").as_str().starts_with(STAND_IN_PREFIX), "nobody comes as a stand-in");
    }
}
