//! STUN as a client's ICE agent sends it.
#![expect(clippy::unwrap_used, reason = "the harness of tests: what can't be is a failed test")]

/// A STUN binding request (RFC 8489) as a controlling agent sends it.
pub(crate) fn binding_request(username: &str, password: &str, nominate: bool) -> Vec<u8> {
    let crypto = str0m::crypto::from_feature_flags();
    let message =
        str0m::ice::StunMessage::binding_request(username, str0m::ice::TransId::new(), true, 7, 1_000, nominate);
    let mut bytes = vec![0; 300];
    let hmac = |key: &[u8], parts: &[&[u8]]| crypto.sha1_hmac_provider.sha1_hmac(key, parts);
    let len = message.to_bytes(Some(password.as_bytes()), &mut bytes, hmac).unwrap();
    bytes.truncate(len);
    bytes
}
