//! Tokens that must be refused, and the few that must not.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";
const OTHER_SECRET: &[u8] = b"another secret, thirty-two bytes";
/// The example key of RFC 8410 §10, known to everyone.
const ED_PRIVATE: &[u8] = b"-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const ED_PUBLIC: &[u8] = b"-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.insert_hs256("app", SECRET).unwrap();
    keys.insert_eddsa("ed", ED_PUBLIC).unwrap();
    keys
}

fn in_s(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}

fn sign(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    jsonwebtoken::encode(header, claims, key).unwrap()
}

fn hs(kid: Option<&str>, claims: &Value, secret: &[u8]) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::HS256) };
    sign(&header, claims, &EncodingKey::from_secret(secret))
}

fn good() -> Value {
    json!({"iss": "app", "sub": "alice", "exp": in_s(60)})
}

#[test]
fn a2_a_minted_token_says_who_it_is_for() {
    let user = "alice".parse().unwrap();
    let name = DisplayName::parse("Alice A.").unwrap();
    let token = keys().mint("app", &user, Some(&name), Duration::from_secs(60)).unwrap();
    let verified = keys().verify(&token).unwrap();
    assert_eq!((verified.user, verified.name), (user, Some(name)));
    let now = u64::try_from(in_s(0)).unwrap();
    assert!(verified.issued_at_s.is_some_and(|at| at.abs_diff(now) <= 1));
    assert!(verified.expires_at.as_millis().abs_diff((now + 60 + LEEWAY_S) * 1_000) <= 1_000);
}

#[test]
fn a2_either_kid_or_iss_finds_the_key_and_both_must_agree() {
    let no_iss = json!({"sub": "alice", "exp": in_s(60)});
    let wrong_iss = json!({"iss": "ed", "sub": "alice", "exp": in_s(60)});
    assert!(keys().verify(&hs(None, &good(), SECRET)).is_ok());
    assert!(keys().verify(&hs(Some("app"), &no_iss, SECRET)).is_ok());
    assert!(matches!(keys().verify(&hs(None, &no_iss, SECRET)), Err(AuthError::Invalid(_))));
    assert!(matches!(keys().verify(&hs(Some("app"), &wrong_iss, SECRET)), Err(AuthError::Invalid(_))));
}

#[test]
fn a2_an_eddsa_token_is_checked_with_the_public_half() {
    let header = Header { kid: Some("ed".into()), ..Header::new(Algorithm::EdDSA) };
    let claims = json!({"iss": "ed", "sub": "bob", "exp": in_s(60)});
    let token = sign(&header, &claims, &EncodingKey::from_ed_pem(ED_PRIVATE).unwrap());
    assert_eq!(keys().verify(&token).unwrap().user.as_str(), "bob");
    let mint = keys().mint("ed", &"bob".parse().unwrap(), None, Duration::from_secs(1));
    assert!(matches!(mint, Err(MintError::VerifiesOnly(_))));
}

#[test]
fn a_token_signed_with_another_key_is_refused() {
    let verdict = keys().verify(&hs(Some("app"), &good(), OTHER_SECRET));
    assert_eq!(verdict, Err(AuthError::Invalid("signature")));
    let verdict = keys().verify(&hs(Some("nobody"), &good(), SECRET));
    assert_eq!(verdict, Err(AuthError::Invalid("unknown key")));
}

#[test]
fn a_public_key_used_as_an_hs256_secret_is_refused() {
    // The old trick: sign with HS256 and the public key's bytes, and hope that the server takes the header's algorithm.
    let claims = json!({"iss": "ed", "sub": "mallory", "exp": in_s(60)});
    assert_eq!(keys().verify(&hs(Some("ed"), &claims, ED_PUBLIC)), Err(AuthError::Invalid("algorithm")));
}

#[test]
fn another_hash_than_the_configured_one_is_refused() {
    let header = Header { kid: Some("app".into()), ..Header::new(Algorithm::HS512) };
    let token = sign(&header, &good(), &EncodingKey::from_secret(SECRET));
    assert_eq!(keys().verify(&token), Err(AuthError::Invalid("algorithm")));
}

#[test]
fn an_unsigned_token_is_refused() {
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["none", "None", "NONE", ""] {
        let header = encode(json!({"alg": alg, "typ": "JWT", "kid": "app"}));
        for signature in ["", "AAAA"] {
            let token = format!("{header}.{}.{signature}", encode(good()));
            assert!(matches!(keys().verify(&token), Err(AuthError::Invalid(_))), "{alg} {signature}");
        }
    }
}

#[test]
fn a_tampered_token_is_refused() {
    let token = hs(Some("app"), &good(), SECRET);
    let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let other = URL_SAFE_NO_PAD.encode(json!({"iss": "app", "sub": "mallory", "exp": in_s(60)}).to_string());
    assert_eq!(keys().verify(&format!("{header}.{other}.{signature}")), Err(AuthError::Invalid("signature")));
}

#[test]
fn an_expired_token_is_told_apart_and_the_leeway_is_small() {
    let claims = |seconds| json!({"iss": "app", "sub": "alice", "exp": in_s(seconds)});
    assert_eq!(keys().verify(&hs(Some("app"), &claims(-20), SECRET)), Err(AuthError::Expired));
    assert!(keys().verify(&hs(Some("app"), &claims(-1), SECRET)).is_ok());
}

#[test]
fn a_token_that_never_expires_or_names_nobody_is_refused() {
    for claims in [
        json!({"iss": "app", "sub": "alice"}),
        json!({"iss": "app", "exp": in_s(60)}),
        json!({"iss": "app", "sub": "", "exp": in_s(60)}),
        json!({"iss": "app", "sub": "a b", "exp": in_s(60)}),
        json!({"iss": "app", "sub": "x".repeat(65), "exp": in_s(60)}),
        json!({"iss": "app", "sub": "alice", "exp": in_s(60), "nbf": in_s(600)}),
        json!([]),
    ] {
        assert!(matches!(keys().verify(&hs(Some("app"), &claims, SECRET)), Err(AuthError::Invalid(_))), "{claims}");
    }
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", ".", "..", "a.b.c", "eyJhbGciOiJIUzI1NiJ9", &"x".repeat(100_000)] {
        assert!(matches!(keys().verify(text), Err(AuthError::Invalid(_))));
    }
}

#[test]
fn keys_that_are_weak_or_ambiguous_are_refused_at_start() {
    let mut keys = keys();
    assert!(matches!(keys.insert_hs256("short", b"too short"), Err(KeyError::SecretTooShort(..))));
    assert!(matches!(keys.insert_hs256("app", SECRET), Err(KeyError::Duplicate(_))));
    assert!(matches!(keys.insert_hs256("", SECRET), Err(KeyError::NoId)));
    assert!(matches!(keys.insert_eddsa("x", b"nonsense"), Err(KeyError::NotEd25519(..))));
}

#[test]
fn display_names_are_bounded_and_carry_no_control_characters() {
    assert_eq!(DisplayName::parse("  Zoë\u{7}\n ").unwrap().as_str(), "Zoë");
    assert_eq!(DisplayName::parse(" \t"), None);
    assert!(DisplayName::parse(&"ö".repeat(40)).is_some());
    assert_eq!(DisplayName::parse(&"ö".repeat(41)), None);
    assert_eq!(DisplayName::cut(&"ö".repeat(1_000)).unwrap().as_str(), "ö".repeat(100));
    assert!(!format!("{:?}", DisplayName::parse("Alice").unwrap()).contains("Alice"));
}
