//! Links that stand for the right to fetch one variant of one file until a moment: HMAC-SHA256 with the server's key.
//!
//! Invariant: who does not have the key can't make or change a link, and learns nothing from a wrong one.

use crate::library::{SignedLink, Variant};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;
use tertulia_common::{MediaId, Timestamp};

/// What is signed begins with this, so that the key's signatures mean nothing elsewhere.
const DOMAIN: &[u8] = b"tertulia media link 1";

/// Ends of links are rounded up to this, so that many who ask at the same time get one address, which caches can use.
const ROUND_S: u64 = 60;

/// The server's key for links. No `Debug`.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a secret")]
pub struct LinkKey([u8; 32]);

impl LinkKey {
    /// A key from elsewhere: every node of a server needs the same.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key in this file, made now (for this user only) where there is none. To remove the file ends all links.
    ///
    /// # Errors
    /// If the file can't be read or written, or holds something else.
    pub fn open(file: &Path) -> io::Result<Self> {
        match std::fs::read(file) {
            Ok(bytes) => bytes.try_into().map(Self).map_err(|_| io::Error::from(io::ErrorKind::InvalidData)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(file),
            Err(error) => Err(error),
        }
    }

    fn make(file: &Path) -> io::Result<Self> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt;
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        // Whole or not at all: a key cut short would have to be removed by hand.
        let half = file.with_extension("new");
        let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        out.write_all(&bytes)?;
        out.sync_all()?;
        std::fs::rename(&half, file)?;
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(Self(bytes))
    }

    pub(crate) fn sign(&self, id: MediaId, variant: Variant, now: Timestamp, ttl: Duration) -> SignedLink {
        let ends_s = (now + ttl).as_millis() / 1_000;
        let expires_at_s = ends_s.div_ceil(ROUND_S).saturating_mul(ROUND_S);
        let tag = self.mac(id, variant, expires_at_s).finalize().into_bytes();
        let signature = tag.iter().fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").ok(); // writing into a string does not fail
            text
        });
        SignedLink { id, variant, expires_at_s, signature }
    }

    /// Whether the link is ours and still good.
    pub(crate) fn is_good(&self, link: &SignedLink, now: Timestamp) -> bool {
        let Some(tag) = from_hex(&link.signature) else { return false };
        // Constant in time: `verify_slice` is.
        let is_ours = self.mac(link.id, link.variant, link.expires_at_s).verify_slice(&tag).is_ok();
        is_ours && now.as_millis() / 1_000 < link.expires_at_s
    }

    fn mac(&self, id: MediaId, variant: Variant, expires_at_s: u64) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any key is fine");
        mac.update(DOMAIN);
        mac.update(&id.as_u128().to_be_bytes());
        mac.update(&expires_at_s.to_be_bytes());
        mac.update(variant.name().as_bytes());
        mac
    }
}

/// 64 hexadecimal digits as 32 bytes.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(nibble(pair[0])? * 16 + nibble(pair[1])?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn id() -> MediaId {
        MediaId::new(NOW, 7)
    }

    fn key() -> LinkKey {
        LinkKey::from_bytes([3; 32])
    }

    #[test]
    fn d5_a_link_is_good_for_its_file_variant_and_time_alone() {
        let link = key().sign(id(), Variant::Main, NOW, Duration::from_secs(600));
        assert!(key().is_good(&link, NOW));
        assert!(link.expires_at_s * 1_000 >= NOW.0 + 600_000 && link.expires_at_s * 1_000 <= NOW.0 + 660_000);
        assert!(!key().is_good(&link, Timestamp(link.expires_at_s * 1_000)));
        assert!(key().is_good(&link, Timestamp(link.expires_at_s * 1_000 - 1)));

        let other = MediaId::new(NOW, 8);
        for bent in [
            SignedLink { id: other, ..link.clone() },
            SignedLink { variant: Variant::ThumbJpeg, ..link.clone() },
            SignedLink { expires_at_s: link.expires_at_s + 1, ..link.clone() },
            SignedLink { signature: link.signature.replacen(&link.signature[..1], "g", 1), ..link.clone() },
            SignedLink { signature: link.signature[..62].to_owned(), ..link.clone() },
            SignedLink { signature: String::new(), ..link.clone() },
            LinkKey::from_bytes([4; 32]).sign(id(), Variant::Main, NOW, Duration::from_secs(600)),
        ] {
            assert!(!key().is_good(&bent, NOW));
        }
        // Every byte of the signature counts.
        for at in 0..64 {
            let mut signature = link.signature.clone().into_bytes();
            signature[at] = if signature[at] == b'0' { b'1' } else { b'0' };
            assert!(
                !key().is_good(&SignedLink { signature: String::from_utf8(signature).unwrap(), ..link.clone() }, NOW)
            );
        }
    }

    #[test]
    fn d5_the_key_outlives_a_restart_and_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("link.key");
        let link = LinkKey::open(&file).unwrap().sign(id(), Variant::Main, NOW, Duration::from_secs(60));
        assert!(LinkKey::open(&file).unwrap().is_good(&link, NOW));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, b"short").unwrap();
        assert!(LinkKey::open(&file).is_err());
    }
}
