//! Seals a push for the browser that it is for: RFC 8291 over the content coding `aes128gcm` of RFC 8188, in one record.
//!
//! Invariant: every push is as long as every other, so that its length tells nothing; each has a key pair and a salt of its own.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

/// Bytes of a P-256 point, uncompressed.
pub(crate) const POINT_BYTES: usize = 65;
/// Bytes of a subscription's secret.
pub(crate) const AUTH_BYTES: usize = 16;
/// Bytes of the salt.
const SALT_BYTES: usize = 16;
/// What is sealed is filled up to so much: below the 4,096 that push services take, above the longest name.
const PADDED_BYTES: usize = 1_024;
/// The record size that is said: one record holds everything.
const RECORD_BYTES: u32 = 4_096;
/// Ends the last record's text; zeros follow.
const LAST: u8 = 2;

/// It could not be sealed: the browser's key is no point of the curve, or the text is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("can't be sealed for this subscription")]
pub(crate) struct CannotSeal;

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

/// Seals for the browser with this public key and secret.
pub(crate) fn seal(text: &[u8], to: &[u8; POINT_BYTES], auth: &[u8; AUTH_BYTES]) -> Result<Vec<u8>, CannotSeal> {
    let ours = PrivateKey::generate(&ECDH_P256).map_err(|_| CannotSeal)?;
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| CannotSeal)?;
    seal_with(text, to, auth, &ours, salt, PADDED_BYTES)
}

fn seal_with(
    text: &[u8],
    to: &[u8; POINT_BYTES],
    auth: &[u8; AUTH_BYTES],
    ours: &PrivateKey,
    salt: [u8; SALT_BYTES],
    padded: usize,
) -> Result<Vec<u8>, CannotSeal> {
    if text.len() >= padded {
        return Err(CannotSeal);
    }
    let public = ours.compute_public_key().map_err(|_| CannotSeal)?;
    let peer = UnparsedPublicKey::new(&ECDH_P256, to);
    let (key, nonce) = agree(ours, peer, CannotSeal, |shared| {
        let mut seed = [0; 32];
        derive(auth, shared, &[b"WebPush: info\0", to, public.as_ref()], &mut seed)?;
        let (mut key, mut nonce) = ([0; 16], [0; 12]);
        derive(&salt, &seed, &[b"Content-Encoding: aes128gcm\0"], &mut key)?;
        derive(&salt, &seed, &[b"Content-Encoding: nonce\0"], &mut nonce)?;
        Ok((key, nonce))
    })?;
    let mut record = Vec::with_capacity(padded + AES_128_GCM.tag_len());
    record.extend_from_slice(text);
    record.push(LAST);
    record.resize(padded, 0);
    let key = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| CannotSeal)?;
    let nonce = Nonce::assume_unique_for_key(nonce);
    LessSafeKey::new(key).seal_in_place_append_tag(nonce, Aad::empty(), &mut record).map_err(|_| CannotSeal)?;

    let mut body = Vec::with_capacity(SALT_BYTES + 5 + POINT_BYTES + record.len());
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    body.push(POINT_BYTES as u8);
    body.extend_from_slice(public.as_ref());
    body.append(&mut record);
    Ok(body)
}

/// HKDF-SHA-256.
fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), CannotSeal> {
    let length = Bytes(out.len());
    let pseudo = Salt::new(HKDF_SHA256, salt).extract(secret);
    pseudo.expand(info, length).and_then(|key| key.fill(out)).map_err(|_| CannotSeal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        BASE64.decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn m20_the_example_of_rfc_8291_comes_out_as_printed_there() {
        let to = bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let auth = bytes("BTBZMqHH6r4Tts7J_aSIgg");
        let ours: [u8; 32] = bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let ours = PrivateKey::from_private_key(&ECDH_P256, &ours).unwrap();
        let text = b"When I grow up, I want to be a watermelon";
        let sealed = seal_with(text, &to, &auth, &ours, bytes("DGv6ra1nlYgDCS1FRnbzlw"), text.len() + 1).unwrap();
        let printed = concat!(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT",
            "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
        );
        assert_eq!(BASE64.encode(sealed), printed);
    }

    #[test]
    fn m20_the_length_of_a_push_tells_nothing_and_no_two_are_alike() {
        let browser = PrivateKey::generate(&ECDH_P256).unwrap();
        let to = browser.compute_public_key().unwrap().as_ref().try_into().unwrap();
        let short = seal(b"", &to, &[7; AUTH_BYTES]).unwrap();
        let long = seal(&[b'x'; PADDED_BYTES - 1], &to, &[7; AUTH_BYTES]).unwrap();
        assert_eq!(short.len(), long.len());
        assert_ne!(seal(b"", &to, &[7; AUTH_BYTES]).unwrap()[..SALT_BYTES], short[..SALT_BYTES]);
        assert_eq!(seal(&[b'x'; PADDED_BYTES], &to, &[7; AUTH_BYTES]), Err(CannotSeal));
        assert_eq!(seal(b"", &[4; POINT_BYTES], &[7; AUTH_BYTES]), Err(CannotSeal), "no point of the curve");
    }
}
