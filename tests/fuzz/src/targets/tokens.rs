//! Tokens. Invariant: a text that nobody signed with a key of ours speaks for nobody; what was signed speaks for its
//! subject and no one else, whatever else is in it.
//!
//! A generator signs nothing, so for most inputs the target does: the first byte says what of a token the rest is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use std::sync::LazyLock;
use tertulia_signaling::auth::Keys;

const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";
/// An Ed25519 public key (RFC 8410's example): confusing its kind must not help.
const PUBLIC_PEM: &[u8] =
    b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut keys = Keys::default();
    let made = keys.insert_hs256("app", SECRET).and_then(|()| keys.insert_eddsa("ed", PUBLIC_PEM));
    assert!(made.is_ok(), "{made:?}");
    keys
});

#[derive(Deserialize)]
struct Subject {
    sub: String,
}

/// Reads `data` as a token, or as a part of one.
pub fn target(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    let header = br#"{"alg":"HS256","kid":"app"}"#;
    match kind % 5 {
        0 => nobody(&String::from_utf8_lossy(data)),
        // Claims, signed.
        1 => {
            let Ok(who) = KEYS.verify(&signed(header, data, SECRET)) else { return };
            let subject = serde_json::from_slice::<Subject>(data).map(|subject| subject.sub);
            assert!(subject.is_ok_and(|subject| subject == who.user.as_str()), "it speaks for somebody else");
        }
        // Claims, signed with the public key as if it were a secret, or with nothing.
        2 => nobody(&signed(header, data, PUBLIC_PEM)),
        3 => nobody(&format!("{}.{}.", BASE64.encode(header), BASE64.encode(data))),
        // A header, over good claims, signed with the public key: `alg` is not the token's to choose.
        _ => nobody(&signed(data, br#"{"sub":"ana","exp":32503680000,"iss":"ed"}"#, PUBLIC_PEM)),
    }
}

fn nobody(token: &str) {
    assert!(KEYS.verify(token).is_err(), "an unsigned token speaks for somebody: {token}");
}

fn signed(header: &[u8], claims: &[u8], secret: &[u8]) -> String {
    let text = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let Ok(mut signature) = Hmac::<Sha256>::new_from_slice(secret) else { return text };
    signature.update(text.as_bytes());
    format!("{text}.{}", BASE64.encode(signature.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a2_what_the_target_signs_is_taken() {
        let token = signed(br#"{"alg":"HS256","kid":"app"}"#, br#"{"sub":"ana","exp":32503680000}"#, SECRET);
        assert_eq!(KEYS.verify(&token).unwrap().user.as_str(), "ana");
    }
}
