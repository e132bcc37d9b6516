//! Whose datagram is this?
//!
//! A datagram from a far end (a protocol and an address) that a peer has proved is that peer's. From any other address only a STUN binding request
//! is heard (RFC 8445 §7.3), and its user name leads to the peer: our ICE user fragment carries the peer's place in the
//! shard, so that no table of names is needed. Whether the request is authentic is for the peer to check.

use crate::path::Remote;
use rustc_hash::FxHashMap;

/// Bytes of random text in a user fragment: 48 bits, beside the 128 of the password.
const RANDOM_CHARS: usize = 8;

/// Makes the user fragment of the peer at `place` of `shard`: `sss` `pppppp` and random text, hexadecimal and base 32.
pub(crate) fn ufrag(shard: u16, place: usize, random: u64) -> String {
    format!("{shard:03x}{place:06x}{}", text(u128::from(random), RANDOM_CHARS))
}

/// The place that a STUN user name (`ours:theirs`) names, if it can be ours.
pub(crate) fn place_of(shard: u16, username: &str) -> Option<usize> {
    let ours = username.split(':').next()?;
    let (ours_shard, rest) = ours.split_at_checked(3)?;
    let (place, _) = rest.split_at_checked(6)?;
    (u16::from_str_radix(ours_shard, 16).ok()? == shard).then(|| usize::from_str_radix(place, 16).ok())?
}

/// `chars` characters of ICE's alphabet (RFC 8839 §5.4) from random bits, 5 bits each.
pub(crate) fn text(mut random: u128, chars: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::with_capacity(chars);
    for _ in 0..chars {
        text.push(char::from(ALPHABET[(random & 31) as usize]));
        random >>= 5;
    }
    text
}

/// Addresses that have been proved by an authenticated STUN request.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// The keys are not an attacker's to choose at will: each costs a request that only the peer can sign.
    places: FxHashMap<Remote, usize>,
}

impl Addresses {
    pub(crate) fn place(&self, address: &Remote) -> Option<usize> {
        self.places.get(address).copied()
    }

    /// Binds an address. One that moves from peer to peer (a NAT gave it anew) goes to the newest proof.
    pub(crate) fn bind(&mut self, address: Remote, place: usize) {
        self.places.insert(address, place);
    }

    /// Unbinds an address if it is still that peer's.
    pub(crate) fn unbind(&mut self, address: &Remote, place: usize) {
        if self.places.get(address) == Some(&place) {
            self.places.remove(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use str0m::net::Protocol;

    #[test]
    fn a_user_fragment_leads_to_its_peer() {
        let name = ufrag(2, 0x1234, u64::MAX);
        assert!(name.len() >= 4 && name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        assert_eq!(place_of(2, &format!("{name}:theirs")), Some(0x1234));
        assert_eq!(place_of(1, &format!("{name}:theirs")), None, "another shard's");
    }

    #[test]
    fn nonsense_names_nobody() {
        for name in ["", ":", "abc", "zzzzzzzzzzzzzzz:x", "002", "002é1234:x", "00200123", "\u{0}\u{0}\u{0}"] {
            assert_eq!(place_of(2, name), None, "{name:?}");
        }
    }

    #[test]
    fn an_address_is_only_unbound_by_its_owner() {
        let address = (Protocol::Udp, ([127, 0, 0, 1], 9).into());
        let mut addresses = Addresses::default();
        addresses.bind(address, 1);
        addresses.bind(address, 2);
        addresses.unbind(&address, 1);
        assert_eq!(addresses.place(&address), Some(2));
        assert_eq!(addresses.place(&(Protocol::Tcp, address.1)), None, "the same address by the other protocol");
    }
}
