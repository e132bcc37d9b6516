//! Tokens, good and bad. An app mints them with its API key; the bad ones are what a stranger would try.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// The id of the HS256 key that [`Server`](crate::Server) configures.
pub const HS_KEY_ID: &str = "tests";
/// Its secret.
pub const HS_SECRET: &str = "a secret of the tests, long enough for HS256 to take it";
/// The id of the EdDSA key that [`Server`](crate::Server) configures.
pub const ED_KEY_ID: &str = "tests-ed";
/// The private half: the example of RFC 8410 §10.3, known to everyone.
const ED_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";
/// The public half: the example of RFC 8410 §10.1.
pub const ED_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PUBLIC KEY-----\n";

/// What a token says. Absent fields are left out.
#[derive(Clone, Debug, Serialize)]
pub struct Claims {
    /// The API key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The user's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Until when, seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// The display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

impl Claims {
    /// A good token's claims: this user, for an hour.
    #[must_use]
    pub fn of(user: &str) -> Self {
        Self {
            iss: Some(HS_KEY_ID.to_owned()),
            sub: Some(user.to_owned()),
            exp: Some(now() + 3600),
            iat: Some(now()),
            name: None,
        }
    }

    /// With another lifetime; negative for one that is over.
    #[must_use]
    pub fn expiring_in(mut self, seconds: i64) -> Self {
        self.exp = Some(now() + seconds);
        self
    }

    /// Signed with a secret of one's choice.
    #[must_use]
    pub fn sign_hs(&self, key_id: &str, secret: &str) -> String {
        let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::HS256) };
        let claims = Self { iss: self.iss.as_ref().map(|_| key_id.to_owned()), ..self.clone() };
        encoded(&header, &claims, &EncodingKey::from_secret(secret.as_bytes()))
    }

    /// Signed with the Ed25519 key of the tests.
    #[must_use]
    pub fn sign_ed(&self) -> String {
        let header = Header { kid: Some(ED_KEY_ID.to_owned()), ..Header::new(Algorithm::EdDSA) };
        let claims = Self { iss: Some(ED_KEY_ID.to_owned()), ..self.clone() };
        let key = EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap_or_else(|e| panic!("RFC 8410's key: {e}"));
        encoded(&header, &claims, &key)
    }

    /// `alg: none`, with nothing where the signature should be.
    #[must_use]
    pub fn unsigned(&self) -> String {
        let header = serde_json::json!({"alg": "none", "typ": "JWT", "kid": HS_KEY_ID}).to_string();
        let claims = serde_json::json!(self).to_string();
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }
}

fn encoded(header: &Header, claims: &Claims, key: &EncodingKey) -> String {
    jsonwebtoken::encode(header, claims, key).unwrap_or_else(|e| panic!("claims are JSON and the key is good: {e}"))
}

/// A good token for this user.
#[must_use]
pub fn token(user: &str) -> String {
    Claims::of(user).sign_hs(HS_KEY_ID, HS_SECRET)
}

/// A good token for this user that says their display name.
#[must_use]
pub fn named_token(user: &str, name: &str) -> String {
    Claims { name: Some(name.to_owned()), ..Claims::of(user) }.sign_hs(HS_KEY_ID, HS_SECRET)
}
