//! The vault's cryptography: keys of messages from a bucket's secret, bodies sealed under them, bucket files sealed under a key-encryption
//! key.
//!
//! Invariant: a message's key seals one body, with a nonce that no other opening of the vault uses; so a number that is given out again
//! after a crash gives nothing away. Keys are wiped when they are dropped.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hmac,
};
use zeroize::Zeroizing;

use super::{Kek, VaultError};

pub(super) const KEY: usize = 32;
pub(super) const NONCE: usize = 12;
const TAG: usize = 16;
const MAGIC: [u8; 8] = *b"TTVAULT\x01";
/// What a bucket's file begins with, in clear: magic, bucket, kind, the key-encryption key's name.
const HEAD: usize = 32;
/// A secret, then the keys of single messages.
const KIND_OPEN: u64 = 0;
/// Keys of single messages alone.
const KIND_CLOSED: u64 = 1;
/// A message's number and key.
const ENTRY: usize = 8 + KEY;

pub(super) type MessageKey = Zeroizing<[u8; KEY]>;

/// What opens a bucket's messages.
pub(super) struct Keys {
    /// What the keys of those that are not in `live` follow from: of all messages at first, of those sealed since it was reopened later.
    pub(super) secret: Option<Box<hmac::Key>>,
    /// The keys of those that lived when the bucket was closed, by number, sorted.
    pub(super) live: Vec<(u64, MessageKey)>,
}

impl Keys {
    /// A message's key, unless it was forgotten.
    pub(super) fn of(&self, number: u64) -> Option<MessageKey> {
        if let Ok(at) = self.live.binary_search_by_key(&number, |(number, _)| *number) {
            return Some(self.live[at].1.clone());
        }
        let mut key = Zeroizing::new([0; KEY]);
        let mut input = *b"tertulia body  \0\0\0\0\0\0\0\0";
        input[15..].copy_from_slice(&number.to_le_bytes());
        hmac::sign_to_buffer(self.secret.as_ref()?, &input, key.as_mut_slice()).ok()?;
        Some(key)
    }
}

/// Seals `body` in place: ciphertext, tag, nonce.
pub(super) fn seal(key: &MessageKey, nonce: [u8; NONCE], aad: &[u8], body: &mut Vec<u8>) -> Result<(), VaultError> {
    body.reserve_exact(TAG + NONCE); // in one piece: no copy of the clear is left behind by growing twice
    let sealer = sealer(key)?;
    let done = sealer.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), body);
    done.map_err(|_| VaultError::Crypto)?;
    body.extend_from_slice(&nonce);
    Ok(())
}

/// Opens what [`seal`] made, in place. False: it is not that, or the key is another's.
pub(super) fn open(key: &MessageKey, aad: &[u8], body: &mut Vec<u8>) -> bool {
    let Some((_, nonce)) = body.split_last_chunk::<NONCE>() else { return false };
    let (nonce, sealed) = (*nonce, body.len() - NONCE);
    let Ok(opener) = sealer(key) else { return false };
    let opened = opener.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body[..sealed]);
    let Ok(len) = opened.map(|clear| clear.len()) else { return false };
    body.truncate(len);
    true
}

fn sealer(key: &[u8; KEY]) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| VaultError::Crypto)
}

pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, VaultError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| VaultError::Crypto)?;
    Ok(bytes)
}

/// The name of a key-encryption key, which gives nothing of it away.
pub(super) fn name_of(key: &[u8; KEY]) -> [u8; 8] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"tertulia key-encryption key");
    let mut name = [0; 8];
    name.copy_from_slice(&tag.as_ref()[..8]);
    name
}

/// What a bucket's file holds, in clear.
pub(super) struct Content {
    pub(super) secret: Option<Zeroizing<[u8; KEY]>>,
    pub(super) live: Vec<(u64, MessageKey)>,
}

impl Content {
    /// The messages of `live`, and a new secret for more.
    pub(super) fn with_secret(live: Vec<(u64, MessageKey)>) -> Result<Self, VaultError> {
        Ok(Self { secret: Some(random()?), live })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.secret.is_none() && self.live.is_empty()
    }

    pub(super) fn keys(self) -> Keys {
        let secret = self.secret.map(|secret| Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice())));
        Keys { secret, live: self.live }
    }

    fn encode(&self) -> (u64, Zeroizing<Vec<u8>>) {
        // All its room at once, the tag's too: no copy of the clear is left behind by growing.
        let mut clear = Zeroizing::new(Vec::with_capacity(KEY + self.live.len() * ENTRY + TAG));
        if let Some(secret) = &self.secret {
            clear.extend_from_slice(secret.as_slice());
        }
        for (number, key) in &self.live {
            clear.extend_from_slice(&number.to_le_bytes());
            clear.extend_from_slice(key.as_slice());
        }
        (if self.secret.is_some() { KIND_OPEN } else { KIND_CLOSED }, clear)
    }

    fn decode(kind: u64, clear: &[u8]) -> Option<Self> {
        let (secret, rest) = match kind {
            KIND_OPEN => {
                let (secret, rest) = clear.split_first_chunk::<KEY>()?;
                (Some(Zeroizing::new(*secret)), rest)
            }
            KIND_CLOSED => (None, clear),
            _ => return None,
        };
        let entry = |entry: &[u8]| {
            let (number, key) = entry.split_first_chunk::<8>()?;
            Some((u64::from_le_bytes(*number), Zeroizing::new(key.try_into().ok()?)))
        };
        if !rest.len().is_multiple_of(ENTRY) {
            return None;
        }
        let live = rest.chunks_exact(ENTRY).map(entry).collect::<Option<Vec<_>>>()?;
        Some(Self { secret, live })
    }
}

/// The bytes of a bucket's file.
pub(super) fn wrap(kek: &Kek, bucket: u64, content: &Content) -> Result<Vec<u8>, VaultError> {
    let (kind, mut clear) = content.encode();
    let nonce: [u8; NONCE] = *random()?;
    let mut file = Vec::with_capacity(HEAD + NONCE + clear.len() + TAG);
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&bucket.to_le_bytes());
    file.extend_from_slice(&kind.to_le_bytes());
    file.extend_from_slice(&kek.name);
    let aad = Aad::from(file.clone());
    let done = sealer(&kek.key)?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut *clear);
    done.map_err(|_| VaultError::Crypto)?;
    file.extend_from_slice(&nonce);
    file.extend_from_slice(&clear);
    Ok(file)
}

/// What is in a bucket's file, and which of `keks` it was wrapped by.
pub(super) fn unwrap(keks: &[Kek], bucket: u64, file: &[u8]) -> Result<(Content, usize), VaultError> {
    let damaged = || VaultError::Damaged { bucket };
    let (head, rest) = file.split_first_chunk::<HEAD>().ok_or_else(damaged)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or_else(damaged)?;
    if head[..8] != MAGIC || head[8..16] != bucket.to_le_bytes() {
        return Err(damaged());
    }
    let index = keks.iter().position(|kek| kek.name == head[24..32]).ok_or(VaultError::UnknownKey { bucket })?;
    let mut clear = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = sealer(&keks[index].key)?.open_in_place(nonce, Aad::from(head), clear.as_mut_slice());
    let opened = opened.map_err(|_| damaged())?;
    let kind = u64::from(head[16]);
    Ok((Content::decode(kind, opened).ok_or_else(damaged)?, index))
}
