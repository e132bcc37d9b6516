//! By which names and passwords a peer's ICE is known: those in use, and those that it may go on to by itself.
//!
//! A client whose way dies under it often can't tell us: signalling went the same way. So an answer brings, beside the
//! credentials that it begins with, some for later. Each is good for one restart of ICE (RFC 8445 §9) that the client makes
//! as if we had answered it. The first authentic request by one of them puts it in use, and what came before it is void.
//!
//! The client's half of the user name proves nothing, the password does: a restart may change that half freely.

use crate::demux;
use crate::shard::Randomness;
use std::collections::VecDeque;
use str0m::IceCreds;
use str0m::config::CryptoProvider;

/// Restarts that a client may make without asking. Each costs a peer 150 bytes; a restart that was asked for brings new ones.
const RESTARTS: u8 = 3;
/// RFC 8839 §5.4: a longer half of a user name is nobody's.
const UFRAG_MAX: usize = 256;

/// Of one peer. Never empty.
pub(crate) struct Credentials {
    /// Those in use, then those for later, in their order.
    ours: VecDeque<IceCreds>,
    /// The client's half of the user name.
    theirs: String,
}

/// Which of a peer's credentials a request is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    index: usize,
    /// Not those in use, or with another half of the client's: it has restarted ICE.
    pub(crate) goes_on: bool,
}

impl Named {
    /// Not by those in use.
    pub(crate) const fn is_later(self) -> bool {
        self.index > 0
    }
}

impl Credentials {
    /// For the peer at `place`, from random bits; `offer` is the client's.
    pub(crate) fn new(crypto: &CryptoProvider, shard: u16, place: usize, random: Randomness, offer: &str) -> Self {
        let first = made(shard, place, random);
        let later = (1..=RESTARTS).map(|n| {
            // Whoever knows the first ones is who may know the later ones. One hash is four bytes short.
            let hash = |part| crypto.sha1_hmac_provider.sha1_hmac(&random, &[b"restart", &[n, part]]);
            let mut bits = [0; 24];
            bits[..20].copy_from_slice(&hash(0));
            bits[20..].copy_from_slice(&hash(1)[..4]);
            made(shard, place, bits)
        });
        let theirs = offer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap_or_default();
        Self { ours: std::iter::once(first).chain(later).collect(), theirs: theirs.trim().to_owned() }
    }

    /// Those in use.
    pub(crate) fn first(&self) -> &IceCreds {
        &self.ours[0]
    }

    /// Those for later.
    pub(crate) fn later(&self) -> impl Iterator<Item = &IceCreds> {
        self.ours.iter().skip(1)
    }

    /// Whether a STUN user name (`ours:theirs`) is of this peer: not its place alone, the random part too.
    pub(crate) fn named(&self, username: &str) -> Option<Named> {
        let (ours, theirs) = username.split_once(':').unwrap_or((username, ""));
        let index = self.ours.iter().position(|credentials| credentials.ufrag == ours)?;
        (theirs.len() <= UFRAG_MAX).then_some(Named { index, goes_on: index > 0 || theirs != self.theirs })
    }

    pub(crate) fn password(&self, named: Named) -> &str {
        self.ours.get(named.index).map_or("", |credentials| &credentials.pass)
    }

    /// Puts those of an authentic request in use. Gives them, with the client's half.
    pub(crate) fn go_on(&mut self, named: Named, username: &str) -> (&IceCreds, &str) {
        self.ours.drain(..named.index.min(self.ours.len() - 1));
        username.split_once(':').map_or("", |(_, theirs)| theirs).clone_into(&mut self.theirs);
        (&self.ours[0], &self.theirs)
    }
}

fn made(shard: u16, place: usize, random: Randomness) -> IceCreds {
    let (mut name, mut password) = ([0; 8], [0; 16]);
    name.copy_from_slice(&random[..8]);
    password.copy_from_slice(&random[8..]);
    IceCreds {
        ufrag: demux::ufrag(shard, place, u64::from_be_bytes(name)),
        pass: demux::text(u128::from_be_bytes(password), 26),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\na=ice-ufrag:mine\r\na=ice-pwd:x\r\n";

    fn credentials() -> Credentials {
        Credentials::new(&str0m::crypto::from_feature_flags(), 1, 2, [7; 24], OFFER)
    }

    #[test]
    fn all_lead_to_the_peer_and_none_is_like_another() {
        let credentials = credentials();
        let all = &credentials.ours;
        assert_eq!(all.len(), 1 + usize::from(RESTARTS));
        for (i, one) in all.iter().enumerate() {
            assert_eq!(demux::place_of(1, &format!("{}:mine", one.ufrag)), Some(2));
            assert_eq!(one.pass.len(), 26);
            assert!(all.iter().skip(i + 1).all(|other| other.ufrag != one.ufrag && other.pass != one.pass));
        }
        let others = Credentials::new(&str0m::crypto::from_feature_flags(), 1, 2, [8; 24], OFFER);
        assert!(others.ours.iter().all(|other| all.iter().all(|one| one.pass != other.pass)));
    }

    #[test]
    fn those_before_the_ones_in_use_are_void() {
        let mut credentials = credentials();
        let names: Vec<String> = credentials.ours.iter().map(|one| one.ufrag.clone()).collect();
        let name = |n: usize, theirs: &str| format!("{}:{theirs}", names[n]);
        assert_eq!(credentials.named(&name(0, "mine")), Some(Named { index: 0, goes_on: false }));
        assert!(credentials.named(&name(0, "other")).unwrap().goes_on);
        let named = credentials.named(&name(2, "other")).unwrap();
        assert!(named.goes_on);
        let (ours, theirs) = credentials.go_on(named, &name(2, "other"));
        assert_eq!((ours.ufrag.as_str(), theirs), (names[2].as_str(), "other"));
        assert_eq!(credentials.named(&name(2, "other")), Some(Named { index: 0, goes_on: false }));
        for void in 0..2 {
            assert_eq!(credentials.named(&name(void, "other")), None);
        }
        assert!(credentials.named(&name(3, "other")).is_some());
        assert_eq!(credentials.named(&name(3, &"x".repeat(257))), None);
        assert_eq!(credentials.named(""), None);
    }
}
