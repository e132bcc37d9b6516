//! Links that stand for the right to fetch one variant of one file until a moment: HMAC-SHA256 with a key of the server's.
//!
//! A link names its key. The newest key signs; older ones are good for what they have signed, until the last of that is over.
//! Invariant: who does not have a key can't make or change a link, and learns nothing from a wrong one.

use crate::library::{SignedLink, Variant};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::{MediaId, Timestamp};

/// What is signed begins with this, so that the key's signatures mean nothing elsewhere.
const DOMAIN: &[u8] = b"tertulia media link 1";
/// What a key's name is the hash of, with the key.
const NAME_DOMAIN: &[u8] = b"tertulia media link key 1";
/// Bytes of a key's name in a link: it tells keys apart, and nothing of them.
const NAME_BYTES: usize = 4;

/// Ends of links are rounded up to this, so that many who ask at the same time get one address, which caches can use.
const ROUND_S: u64 = 60;
/// Keys that are kept. Each link is tried with the one that it names.
pub const KEYS_MAX: usize = 64;

#[derive(Clone, Copy)]
struct Key {
    secret: [u8; 32],
    /// In seconds since the Unix epoch; zero where nobody knows.
    made_at_s: u64,
}

impl Key {
    fn name(&self) -> String {
        let hash = Sha256::new().chain_update(NAME_DOMAIN).chain_update(self.secret).finalize();
        hex(&hash[..NAME_BYTES])
    }
}

/// The server's keys for links. Clones are the same. No `Debug`.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "secrets")]
pub struct LinkKeys(Arc<Inner>);

struct Inner {
    /// The newest first, each with its name. Never empty.
    keys: RwLock<Vec<(String, Key)>>,
    own: Option<Own>,
}

/// A file that we make keys in.
struct Own {
    file: PathBuf,
    /// How long a key signs. None: for ever.
    signs_for: Option<Duration>,
    /// The longest that a link is good.
    ttl_max: Duration,
}

impl LinkKeys {
    /// One key from elsewhere.
    #[must_use]
    pub fn from_bytes(secret: [u8; 32]) -> Self {
        Self::of(vec![Key { secret, made_at_s: 0 }], None)
    }

    /// The keys in a file of the operator's: 64 hexadecimal digits a line, the one that signs first. Every node of a server
    /// needs the same.
    ///
    /// # Errors
    /// If the file can't be read, or holds something else.
    pub fn read(file: &Path) -> io::Result<Self> {
        Ok(Self::of(parse(&std::fs::read(file)?)?, None))
    }

    /// The keys in a file of our own, made now (for this user only) where there is none. A new one is made when the newest
    /// has signed for `signs_for`; what is no longer needed goes. To remove the file ends all links.
    ///
    /// # Errors
    /// If the file can't be read or written, or holds something else.
    pub fn open(file: &Path, signs_for: Option<Duration>, ttl_max: Duration, now: Timestamp) -> io::Result<Self> {
        let own = Own { file: file.to_owned(), signs_for, ttl_max };
        let keys = match std::fs::read(file) {
            Ok(bytes) => parse(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let first = vec![new_key(now)?];
                own.write(&first)?;
                first
            }
            Err(error) => return Err(error),
        };
        let keys = Self::of(keys, Some(own));
        keys.renew(now)?;
        Ok(keys)
    }

    fn of(keys: Vec<Key>, own: Option<Own>) -> Self {
        let keys = keys.into_iter().map(|key| (key.name(), key)).collect();
        Self(Arc::new(Inner { keys: RwLock::new(keys), own }))
    }

    /// Makes a new key if the newest has signed for long enough. Whether it did.
    ///
    /// # Errors
    /// If the file can't be written: then the old one goes on.
    pub fn renew(&self, now: Timestamp) -> io::Result<bool> {
        let Some(own) = &self.0.own else { return Ok(false) };
        let Some(signs_for) = own.signs_for else { return Ok(false) };
        let now_s = now.as_millis() / 1_000;
        let keys: Vec<Key> = self.0.keys.read().iter().map(|(_, key)| *key).collect();
        let newest = keys.first().map_or(0, |key| key.made_at_s);
        if now_s < newest.saturating_add(signs_for.as_secs()) {
            return Ok(false);
        }
        let mut renewed = vec![new_key(now)?];
        // A key signs until its successor is made; the last link that it signed ends so much later, rounded up.
        let over = now_s.saturating_sub(own.ttl_max.as_secs().saturating_add(ROUND_S));
        let mut successor = now_s;
        for key in keys {
            if successor > over && renewed.len() < KEYS_MAX {
                renewed.push(key);
            }
            successor = key.made_at_s;
        }
        own.write(&renewed)?;
        *self.0.keys.write() = renewed.into_iter().map(|key| (key.name(), key)).collect();
        Ok(true)
    }

    pub(crate) fn sign(&self, id: MediaId, variant: Variant, now: Timestamp, ttl: Duration) -> SignedLink {
        let ends_s = (now + ttl).as_millis() / 1_000;
        let expires_at_s = ends_s.div_ceil(ROUND_S).saturating_mul(ROUND_S);
        let keys = self.0.keys.read();
        let (name, key) = &keys[0];
        let tag = mac(key, id, variant, expires_at_s).finalize().into_bytes();
        SignedLink { id, variant, expires_at_s, signature: format!("{name}{}", hex(&tag)) }
    }

    /// Whether the link is ours and still good.
    pub(crate) fn is_good(&self, link: &SignedLink, now: Timestamp) -> bool {
        let Some((name, tag)) = link.signature.split_at_checked(2 * NAME_BYTES) else { return false };
        let Some(tag) = from_hex(tag.as_bytes()) else { return false };
        // Names are public: each link shows one.
        let key = self.0.keys.read().iter().find(|(known, _)| known == name).map(|(_, key)| *key);
        let Some(key) = key else { return false };
        // Constant in time: `verify_slice` is.
        let is_ours = mac(&key, link.id, link.variant, link.expires_at_s).verify_slice(&tag).is_ok();
        is_ours && now.as_millis() / 1_000 < link.expires_at_s
    }
}

impl Own {
    fn write(&self, keys: &[Key]) -> io::Result<()> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt;
        let mut text = String::new();
        for key in keys {
            writeln!(text, "{} {}", hex(&key.secret), key.made_at_s).ok(); // writing into a string does not fail
        }
        // Whole or not at all: a key cut short would have to be removed by hand.
        let half = self.file.with_extension("new");
        let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&half, &self.file)?;
        if let Some(folder) = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

fn new_key(now: Timestamp) -> io::Result<Key> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    Ok(Key { secret, made_at_s: now.as_millis() / 1_000 })
}

/// Lines of a key in hexadecimal digits, and when it was made if that is known. Or the 32 bytes that a file had before.
fn parse(bytes: &[u8]) -> io::Result<Vec<Key>> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "it does not hold keys: 64 hexadecimal digits a line");
    if let Ok(secret) = <[u8; 32]>::try_from(bytes) {
        return Ok(vec![Key { secret, made_at_s: 0 }]);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| bad())?;
    let mut keys = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (digits, made_at) = line.trim().split_once(' ').unwrap_or((line.trim(), "0"));
        let secret = from_hex(digits.as_bytes()).ok_or_else(bad)?;
        keys.push(Key { secret, made_at_s: made_at.trim().parse().map_err(|_| bad())? });
    }
    if keys.is_empty() || keys.len() > KEYS_MAX { Err(bad()) } else { Ok(keys) }
}

fn mac(key: &Key, id: MediaId, variant: Variant, expires_at_s: u64) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret).expect("any key is fine");
    mac.update(DOMAIN);
    mac.update(&id.as_u128().to_be_bytes());
    mac.update(&expires_at_s.to_be_bytes());
    mac.update(variant.name().as_bytes());
    mac
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").ok(); // writing into a string does not fail
        text
    })
}

/// 64 hexadecimal digits as 32 bytes.
fn from_hex(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
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
    const HOUR: Duration = Duration::from_secs(3_600);

    fn id() -> MediaId {
        MediaId::new(NOW, 7)
    }

    fn key() -> LinkKeys {
        LinkKeys::from_bytes([3; 32])
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
            SignedLink { signature: link.signature[2 * NAME_BYTES..].to_owned(), ..link.clone() },
            SignedLink { signature: link.signature[..70].to_owned(), ..link.clone() },
            SignedLink { signature: format!("{}é", &link.signature[..7]), ..link.clone() },
            SignedLink { signature: String::new(), ..link.clone() },
            LinkKeys::from_bytes([4; 32]).sign(id(), Variant::Main, NOW, Duration::from_secs(600)),
        ] {
            assert!(!key().is_good(&bent, NOW));
        }
        // Every byte of the signature counts, those of the key's name too.
        for at in 0..link.signature.len() {
            let mut signature = link.signature.clone().into_bytes();
            signature[at] = if signature[at] == b'0' { b'1' } else { b'0' };
            assert!(
                !key().is_good(&SignedLink { signature: String::from_utf8(signature).unwrap(), ..link.clone() }, NOW)
            );
        }
    }

    #[test]
    fn d5_keys_outlive_a_restart_and_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("link.key");
        let open = || LinkKeys::open(&file, None, HOUR, NOW);
        let link = open().unwrap().sign(id(), Variant::Main, NOW, Duration::from_secs(60));
        assert!(open().unwrap().is_good(&link, NOW));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        for wrong in [b"short".as_slice(), b"", b"\n\n", &[b'a'; 63], &[0xff; 40]] {
            std::fs::write(&file, wrong).unwrap();
            assert!(open().is_err(), "{wrong:?}");
        }
        // As the file was before keys had a time.
        std::fs::write(&file, [3; 32]).unwrap();
        assert!(open().unwrap().is_good(&key().sign(id(), Variant::Main, NOW, HOUR), NOW));
    }

    #[test]
    fn d5_an_old_key_is_good_until_its_last_link_is_over_and_signs_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("link.key");
        let (signs_for, ttl_max) = (10 * HOUR, 2 * HOUR);
        let open = |now| LinkKeys::open(&file, Some(signs_for), ttl_max, now).unwrap();
        let keys = open(NOW);
        let mut now = NOW + (signs_for - Duration::from_secs(1));
        assert!(!keys.renew(now).unwrap());
        let last = keys.sign(id(), Variant::Main, now, ttl_max);
        now = NOW + signs_for;
        assert!(keys.renew(now).unwrap());
        let next = keys.sign(id(), Variant::Main, now, ttl_max);
        assert_ne!(last.signature[..2 * NAME_BYTES], next.signature[..2 * NAME_BYTES]);
        // The run that is on, the next one, and at the last moment.
        for keys in [keys.clone(), open(now)] {
            assert!(keys.is_good(&last, now) && keys.is_good(&next, now));
            assert!(keys.is_good(&last, Timestamp(last.expires_at_s * 1_000 - 1)));
        }
        // The third key: the first one has gone, the second is still needed.
        now = now + signs_for;
        let after = open(now);
        let lines = std::fs::read_to_string(&file).unwrap();
        assert_eq!(lines.lines().count(), 2, "{lines}");
        assert!(!after.is_good(&SignedLink { expires_at_s: u64::MAX, ..last }, now));
        assert_eq!(after.0.keys.read().len(), 2);
    }

    #[test]
    fn d5_keys_of_the_operators_are_read_and_never_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shared.keys");
        let text = format!("{}\n{}\n", "0a".repeat(32), "03".repeat(32));
        std::fs::write(&file, &text).unwrap();
        let keys = LinkKeys::read(&file).unwrap();
        assert!(keys.is_good(&key().sign(id(), Variant::Main, NOW, HOUR), NOW), "the second one verifies");
        let signed = keys.sign(id(), Variant::Main, NOW, HOUR);
        assert!(LinkKeys::from_bytes([10; 32]).is_good(&signed, NOW), "the first one signs");
        assert!(!keys.renew(NOW + 1_000_000 * HOUR).unwrap());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        assert!(LinkKeys::read(&folder.path().join("none")).is_err());
    }
}
