//! Who a token speaks for: a device of an account here, or a user of an app's own.
//!
//! A device token is `tdt_` and 32 random bytes in base64url; it counts while its device is in the directory. Anything else
//! is a JWT: see `auth`. Invariant: every way in, `hello` and HTTP alike, asks [`authenticate`].

use crate::auth::{AuthError, DisplayName};
use crate::gateway::Shared;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tertulia_common::{DeviceId, Timestamp, UserId};
use tertulia_directory::{STAND_IN_PREFIX, TokenHash};
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
    let failed = |error: tertulia_directory::Error| {
        tracing::error!(%error, "the directory did not say whose token it is");
        ErrorCode::Internal
    };
    if let Some(secret) = token.strip_prefix(DEVICE_TOKEN_PREFIX) {
        if secret.len() != DEVICE_TOKEN_CHARS {
            return Err(ErrorCode::TokenInvalid);
        }
        // Looked up by its hash: how long that takes says nothing of how much of a token was right.
        let owner = shared.directory.device_by_token(&device_token_hash(token)).await.map_err(failed)?;
        let owner = owner.ok_or(ErrorCode::TokenInvalid)?;
        return Ok(Principal {
            name: DisplayName::cut(&owner.user.name),
            user: owner.user.id,
            device: Some(owner.device.id),
            expires_at: None,
            is_account: true,
            is_primary: owner.device.primary,
        });
    }
    let verified = shared.config.keys.verify(token).map_err(|error| {
        tracing::debug!(%error, "a token was refused");
        match error {
            AuthError::Expired => ErrorCode::TokenExpired,
            AuthError::Invalid(_) => ErrorCode::TokenInvalid,
        }
    })?;
    if verified.user.as_str().starts_with(STAND_IN_PREFIX) {
        return Err(ErrorCode::TokenInvalid);
    }
    if let Some(departed) = shared.directory.departed_at(&verified.user).await.map_err(failed)? {
        // A token says in which second it was made: one of the second of the deletion may be of before.
        let made_after = verified.issued_at_s.is_some_and(|made| made > departed.as_millis() / 1_000);
        if !made_after {
            return Err(ErrorCode::TokenInvalid);
        }
    }
    Ok(Principal {
        user: verified.user,
        name: verified.name,
        device: None,
        expires_at: Some(verified.expires_at),
        is_account: false,
        is_primary: false,
    })
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
