//! Whose media an SSRC is: for media from an address that nobody has proved.
//!
//! Only SSRCs of packets that were authentic are in here, so that a forged packet finds no stream that the stack would
//! have to make for it first. Peers draw their SSRCs themselves: two may have the same, and then it is nobody's.

use std::collections::BTreeSet;

/// SSRCs and the places of the peers that send with them. Bounded by what each peer may have.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// Ordered, not hashed: SSRCs are the clients' to choose.
    known: BTreeSet<(u32, usize)>,
}

impl Owners {
    pub(crate) fn insert(&mut self, ssrc: u32, place: usize) {
        self.known.insert((ssrc, place));
    }

    pub(crate) fn remove(&mut self, ssrc: u32, place: usize) {
        self.known.remove(&(ssrc, place));
    }

    /// The only one that sends with this SSRC.
    pub(crate) fn sole(&self, ssrc: u32) -> Option<usize> {
        let mut owners = self.known.range((ssrc, 0)..=(ssrc, usize::MAX));
        match (owners.next(), owners.next()) {
            (Some((_, place)), None) => Some(*place),
            _ => None,
        }
    }
}

/// Media as its header says, before anything is decrypted (RFC 3550 §5.1, §6.1; RFC 5761 §4 tells the two apart).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Rtp { ssrc: u32 },
    Rtcp { ssrc: u32 },
}

impl Media {
    pub(crate) fn of(datagram: &[u8]) -> Option<Self> {
        let kind = *datagram.get(1)?;
        let ssrc_at = |at: usize| Some(u32::from_be_bytes(datagram.get(at..at + 4)?.try_into().ok()?));
        match datagram.first()? {
            128..=191 if (192..=223).contains(&kind) => Some(Self::Rtcp { ssrc: ssrc_at(4)? }),
            128..=191 => Some(Self::Rtp { ssrc: ssrc_at(8)? }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ssrc_of_two_is_nobodys() {
        let mut owners = Owners::default();
        owners.insert(7, 1);
        owners.insert(u32::MAX, usize::MAX);
        assert_eq!((owners.sole(7), owners.sole(8), owners.sole(u32::MAX)), (Some(1), None, Some(usize::MAX)));
        owners.insert(7, 2);
        assert_eq!(owners.sole(7), None);
        owners.remove(7, 1);
        assert_eq!(owners.sole(7), Some(2));
    }

    #[test]
    fn media_says_whose_it_is() {
        let rtp = [0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(Media::of(&rtp), Some(Media::Rtp { ssrc: 0x0102 }));
        assert_eq!(Media::of(&[0x80, 200, 0, 1, 0, 0, 1, 2]), Some(Media::Rtcp { ssrc: 0x0102 }));
        for other in [&[][..], &[0x80], &rtp[..11], &[0x80, 200, 0, 1, 0], &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Media::of(other), None, "{other:?}");
        }
    }
}
