//! Says to push services who sends: VAPID (RFC 8292), a token signed with the server's own key.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Serialize;
use std::fmt;

/// How long a token counts, in seconds. RFC 8292 allows a day.
const TOKEN_S: u64 = 12 * 3600;

/// Not a private key of P-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a private key of P-256")]
pub struct BadKey;

/// The server's key towards push services. Browsers bind their subscriptions to its public half: another key, and nobody is
/// reached until their page has subscribed again.
pub struct Vapid {
    key: EcdsaKeyPair,
    public: String,
    contact: String,
}

impl fmt::Debug for Vapid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vapid").field("public", &self.public).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: u64,
    sub: &'a str,
}

impl Vapid {
    /// From the 32 bytes of a private key. `contact`: a `mailto:` or `https:` address for those who run push services.
    ///
    /// # Errors
    /// [`BadKey`] if they are none (one in four thousand millions of random ones is not).
    pub fn new(secret: &[u8], contact: &str) -> Result<Self, BadKey> {
        let private = PrivateKey::from_private_key(&ECDH_P256, secret).map_err(|_| BadKey)?;
        let public = private.compute_public_key().map_err(|_| BadKey)?;
        let (algorithm, point) = (&ECDSA_P256_SHA256_FIXED_SIGNING, public.as_ref());
        let key = EcdsaKeyPair::from_private_key_and_public_key(algorithm, secret, point).map_err(|_| BadKey)?;
        Ok(Self { key, public: BASE64.encode(point), contact: contact.to_owned() })
    }

    /// The public key as browsers want it (`applicationServerKey`): the point, uncompressed, in base64url.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// The header `Authorization` for a push service. `origin`: its scheme, host and port. `now_s`: since the Unix epoch.
    pub(crate) fn authorization(&self, origin: &str, now_s: u64) -> Option<String> {
        let claims = Claims { aud: origin, exp: now_s + TOKEN_S, sub: &self.contact };
        let claims = serde_json::to_vec(&claims).ok()?;
        let said = format!("{}.{}", BASE64.encode(br#"{"typ":"JWT","alg":"ES256"}"#), BASE64.encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), said.as_bytes()).ok()?;
        Some(format!("vapid t={said}.{}, k={}", BASE64.encode(signature), self.public))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    #[test]
    fn m20_a_push_service_can_check_who_sends() {
        let vapid = Vapid::new(&[7; 32], "mailto:operator@example.org").unwrap();
        let header = vapid.authorization("https://push.example.net", 1_700_000_000).unwrap();
        let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(key, vapid.public_key());
        let (said, signature) = token.rsplit_once('.').unwrap();
        let point = BASE64.decode(key).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
        public.verify(said.as_bytes(), &BASE64.decode(signature).unwrap()).unwrap();
        let claims = BASE64.decode(said.split_once('.').unwrap().1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["aud"], "https://push.example.net");
        assert_eq!(claims["sub"], "mailto:operator@example.org");
        assert_eq!(claims["exp"], 1_700_000_000_u64 + TOKEN_S);
    }

    #[test]
    fn what_is_no_key_is_refused_and_a_key_is_not_shown() {
        assert_eq!(Vapid::new(&[0xff; 32], "mailto:a@example.org").unwrap_err(), BadKey);
        assert_eq!(Vapid::new(&[], "mailto:a@example.org").unwrap_err(), BadKey);
        let shown = format!("{:?}", Vapid::new(&[7; 32], "mailto:a@example.org").unwrap());
        assert!(!shown.contains("[7") && !shown.contains("0707"), "{shown}");
    }
}
