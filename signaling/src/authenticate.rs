//! Who a token speaks for: a device of an account here, or a user of an app's own.
//!
//! A device token is `tdt_` and 32 random bytes in base64url; it counts while its device is in the directory. Anything else
//! is a JWT: see `auth`. Invariant: every way in asks [`authenticate`], or [`admit`], which does the same for the many who
//! connect at once.

use crate::auth::{AuthError, DisplayName, Verified};
use crate::gateway::Shared;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tertulia_common::{DeviceId, Timestamp, UserId};
use tertulia_directory::{DeviceOwner, STAND_IN_PREFIX, TokenHash, User};
use tertulia_signaling_proto::ErrorCode;

/// What device tokens begin with.
const DEVICE_TOKEN_PREFIX: &str = "tdt_";
/// Their random bytes in base64url.
const DEVICE_TOKEN_CHARS: usize = 43;

/// Who a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The user.
    pub(crate) user: UserId,
    /// How others see them, if the token or the account says so.
    pub(crate) name: Option<DisplayName>,
    /// The device that the token is of. None: the token leaves it open.
    pub(crate) device: Option<DeviceId>,
    /// When the token stops counting. None: when its device is removed.
    pub(crate) expires_at: Option<Timestamp>,
    /// An account of this server, not a user of an app's own.
    pub(crate) is_account: bool,
    /// The token is of the account's primary device.
    pub(crate) is_primary: bool,
}

/// Who the token speaks for, or what to tell instead: that it is not valid or no longer, or that the directory failed.
pub(crate) async fn authenticate(shared: &Shared, token: &str) -> Result<Principal, ErrorCode> {
    if let Some(hash) = hash_of_device_token(token)? {
        let owner = shared.directory.device_by_token(&hash).await.map_err(failed)?;
        return Ok(of_account(owner.ok_or(ErrorCode::TokenInvalid)?).0);
    }
    let verified = verified(shared, token)?;
    if let Some(departed) = shared.directory.departed_at(&verified.user).await.map_err(failed)? {
        // A token says in which second it was made: one of the second of the deletion may be of before.
        let made_after = verified.issued_at_s.is_some_and(|made| made > departed.as_millis() / 1_000);
        if !made_after {
            return Err(ErrorCode::TokenInvalid);
        }
    }
    Ok(of_app(verified))
}

/// The same, and the user as the directory knows them from now on: an app's user who is new is written first.
pub(crate) async fn admit(shared: &Shared, token: &str) -> Result<(Principal, User), ErrorCode> {
    if let Some(hash) = hash_of_device_token(token)? {
        let owner = shared.reception.device_by_token(&hash).await.map_err(failed)?;
        return Ok(of_account(owner.ok_or(ErrorCode::TokenInvalid)?));
    }
    let verified = verified(shared, token)?;
    let name = verified.name.as_ref().map(DisplayName::as_str);
    let user = shared.reception.arrival(&verified.user, name, verified.issued_at_s).await.map_err(failed)?;
    Ok((of_app(verified), user.ok_or(ErrorCode::TokenInvalid)?))
}

fn failed(error: tertulia_directory::Error) -> ErrorCode {
    tracing::error!(%error, "the directory did not say whose token it is");
    ErrorCode::Internal
}

/// None: it is no device token.
fn hash_of_device_token(token: &str) -> Result<Option<TokenHash>, ErrorCode> {
    match token.strip_prefix(DEVICE_TOKEN_PREFIX) {
        None => Ok(None),
        // Looked up by its hash: how long that takes says nothing of how much of a token was right.
        Some(secret) if secret.len() == DEVICE_TOKEN_CHARS => Ok(Some(device_token_hash(token))),
        Some(_) => Err(ErrorCode::TokenInvalid),
    }
}

fn verified(shared: &Shared, token: &str) -> Result<Verified, ErrorCode> {
    let verified = shared.config.keys.verify(token).map_err(|error| {
        tracing::debug!(%error, "a token was refused");
        match error {
            AuthError::Expired => ErrorCode::TokenExpired,
            AuthError::Invalid(_) => ErrorCode::TokenInvalid,
        }
    })?;
    match verified.user.as_str().starts_with(STAND_IN_PREFIX) {
        true => Err(ErrorCode::TokenInvalid),
        false => Ok(verified),
    }
}

fn of_account(DeviceOwner { user, device }: DeviceOwner) -> (Principal, User) {
    let principal = Principal {
        name: DisplayName::cut(&user.name),
        user: user.id.clone(),
        device: Some(device.id),
        expires_at: None,
        is_account: true,
        is_primary: device.primary,
    };
    (principal, user)
}

fn of_app(verified: Verified) -> Principal {
    Principal {
        user: verified.user,
        name: verified.name,
        device: None,
        expires_at: Some(verified.expires_at),
        is_account: false,
        is_primary: false,
    }
}

/// A device token from 32 random bytes.
pub(crate) fn device_token(random: [u8; 32]) -> String {
    format!("{DEVICE_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// What the directory knows a device token by.
pub(crate) fn device_token_hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_token_has_the_form_that_is_looked_for() {
        let token = device_token([7; 32]);
        assert_eq!(token.strip_prefix(DEVICE_TOKEN_PREFIX).unwrap().len(), DEVICE_TOKEN_CHARS);
        assert_ne!(device_token_hash(&token), device_token_hash(&device_token([8; 32])));
    }
}
