//! Tokens of apps: who is calling. (Those of accounts' devices are random: see `authenticate`.)
//!
//! A token is a JWT (RFC 7519) signed with an API key: `kid` and `iss` name the key (one of the two is enough, both must
//! agree), `sub` is the user, `exp` is required, `name` may say how others see them. Invariant: a key is used with the one
//! algorithm it was configured with, whatever the token's header says.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tertulia_common::{Timestamp, UserId};

/// How far an app's clock may be behind ours. Raising it lets expired tokens live longer.
const LEEWAY_S: u64 = 5;
/// The shortest HS256 secret (RFC 7518 §3.2: at least as long as the hash).
pub const SECRET_BYTES_MIN: usize = 32;
/// The longest token that is looked at. Raising it makes a bad token cost more.
const TOKEN_BYTES_MAX: usize = 4_096;
/// The longest display name that a person may choose at the demo's sign-in, in characters.
pub const NAME_CHARS_MAX: usize = 40;

#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    sub: String,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Issuer {
    iss: Option<String>,
}

/// What a token says that is signed and has not expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The user.
    pub user: UserId,
    /// How others see them, if the token says so.
    pub name: Option<DisplayName>,
    /// When the token stops counting, leeway included.
    pub expires_at: Timestamp,
    /// When it was made, in seconds since the Unix epoch, if it says so.
    pub issued_at_s: Option<u64>,
}

/// How others see someone: not empty, bounded, without control characters. Personal data: its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// A name that a person chose: 1 to [`NAME_CHARS_MAX`] characters beside control characters and outer blanks.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::cut(text).filter(|name| name.0.chars().count() <= NAME_CHARS_MAX)
    }

    /// A name that an app gives: there is nobody to tell that it is too long, so it is cut.
    #[must_use]
    pub fn cut(text: &str) -> Option<Self> {
        let printable = text.chars().filter(|c| !c.is_control());
        let name: String =
            printable.skip_while(|c| c.is_whitespace()).take(tertulia_directory::NAME_CHARS_MAX).collect();
        let name = name.trim_end();
        (!name.is_empty()).then(|| Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&tertulia_common::Pii(&self.0), f)
    }
}

/// Why a token is refused. The text is for the log; the client hears only whether to get a new token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Not a token of ours, and why.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
}

/// Why a key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// HS256 with a short secret can be guessed.
    #[error("the secret of API key {0:?} has {1} bytes, it needs {SECRET_BYTES_MIN}")]
    SecretTooShort(String, usize),
    /// Not an Ed25519 public key in PEM.
    #[error("the public key of API key {0:?} is not Ed25519 in PEM")]
    NotEd25519(String, #[source] jsonwebtoken::errors::Error),
    /// Two keys of one id.
    #[error("API key {0:?} is there twice")]
    Duplicate(String),
    /// An empty id names nothing.
    #[error("an API key needs an id")]
    NoId,
}

/// Why no token could be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// There is no such key.
    #[error("there is no API key {0:?}")]
    UnknownKey(String),
    /// Of an EdDSA key the server has the public half only.
    #[error("API key {0:?} can only check tokens: its private half is with the app")]
    VerifiesOnly(String),
    /// The library refused.
    #[error("the token could not be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

struct Key {
    algorithm: Algorithm,
    verify: DecodingKey,
    sign: Option<EncodingKey>,
}

/// The API keys of this server, by id.
#[derive(Default)]
pub struct Keys {
    by_id: HashMap<String, Key>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_id.keys()).finish()
    }
}

impl Keys {
    /// Adds an HS256 key: whoever has the secret makes and checks tokens.
    ///
    /// # Errors
    /// If the id is taken or empty, or the secret too short.
    pub fn insert_hs256(&mut self, id: &str, secret: &[u8]) -> Result<(), KeyError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyError::SecretTooShort(id.to_owned(), secret.len()));
        }
        let verify = DecodingKey::from_secret(secret);
        self.insert(id, Key { algorithm: Algorithm::HS256, verify, sign: Some(EncodingKey::from_secret(secret)) })
    }

    /// Adds an EdDSA key by its public half (PEM, RFC 8410): tokens are made by the app.
    ///
    /// # Errors
    /// If the id is taken or empty, or the PEM is not an Ed25519 public key.
    pub fn insert_eddsa(&mut self, id: &str, public_pem: &[u8]) -> Result<(), KeyError> {
        let verify =
            DecodingKey::from_ed_pem(public_pem).map_err(|error| KeyError::NotEd25519(id.to_owned(), error))?;
        self.insert(id, Key { algorithm: Algorithm::EdDSA, verify, sign: None })
    }

    fn insert(&mut self, id: &str, key: Key) -> Result<(), KeyError> {
        if id.is_empty() {
            return Err(KeyError::NoId);
        }
        if self.by_id.contains_key(id) {
            return Err(KeyError::Duplicate(id.to_owned()));
        }
        self.by_id.insert(id.to_owned(), key);
        Ok(())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Who the token speaks for.
    ///
    /// # Errors
    /// If it is not signed with a key of ours, has expired, never expires, or names no valid user.
    pub fn verify(&self, token: &str) -> Result<Verified, AuthError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::Invalid("too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::Invalid("header"))?;
        let id = match header.kid {
            Some(kid) => kid,
            // Only to find the key: nothing of it is believed before the signature is checked.
            None => jsonwebtoken::dangerous::insecure_decode::<Issuer>(token)
                .ok()
                .and_then(|data| data.claims.iss)
                .ok_or(AuthError::Invalid("neither kid nor iss"))?,
        };
        let key = self.by_id.get(&id).ok_or(AuthError::Invalid("unknown key"))?;
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "sub"]);
        validation.set_issuer(&[&id]);
        // Which service a token is for is said by its key; `aud` is the app's own business.
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.verify, &validation).map_err(|e| refusal(&e))?.claims;
        let user = claims.sub.parse().map_err(|_| AuthError::Invalid("sub is not a user id"))?;
        let expires_at = Timestamp(claims.exp.saturating_add(LEEWAY_S).saturating_mul(1_000));
        let name = claims.name.as_deref().and_then(DisplayName::cut);
        Ok(Verified { user, name, expires_at, issued_at_s: claims.iat })
    }

    /// A token for this user, signed with this key.
    ///
    /// # Errors
    /// If there is no such key, or it can't sign.
    pub fn mint(
        &self,
        key_id: &str,
        user: &UserId,
        name: Option<&DisplayName>,
        ttl: Duration,
    ) -> Result<String, MintError> {
        self.mint_from(key_id, user, name, ttl, 0)
    }

    /// The same, made no earlier than this second since the Unix epoch.
    pub(crate) fn mint_from(
        &self,
        key_id: &str,
        user: &UserId,
        name: Option<&DisplayName>,
        ttl: Duration,
        from_s: u64,
    ) -> Result<String, MintError> {
        let key = self.by_id.get(key_id).ok_or_else(|| MintError::UnknownKey(key_id.to_owned()))?;
        let sign = key.sign.as_ref().ok_or_else(|| MintError::VerifiesOnly(key_id.to_owned()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = Claims {
            iss: Some(key_id.to_owned()),
            sub: user.as_str().to_owned(),
            exp: now.saturating_add(ttl).as_secs(),
            iat: Some(now.as_secs().max(from_s)),
            name: name.map(|name| name.as_str().to_owned()),
        };
        let header = Header { kid: Some(key_id.to_owned()), ..Header::new(key.algorithm) };
        Ok(jsonwebtoken::encode(&header, &claims, sign)?)
    }
}

fn refusal(error: &jsonwebtoken::errors::Error) -> AuthError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => AuthError::Expired,
        ErrorKind::InvalidSignature => AuthError::Invalid("signature"),
        ErrorKind::InvalidAlgorithm => AuthError::Invalid("algorithm"),
        ErrorKind::InvalidIssuer => AuthError::Invalid("kid and iss differ"),
        ErrorKind::MissingRequiredClaim(_) => AuthError::Invalid("a claim is missing"),
        ErrorKind::ImmatureSignature => AuthError::Invalid("not valid yet"),
        _ => AuthError::Invalid("form"),
    }
}

#[cfg(test)]
mod tests;
