//! A peer's far ends: from where it is heard, and where its media goes.
//!
//! Media follows the newest nomination, over whichever protocol: a browser behind a NAT that gave it a new address
//! nominates again, and so does one whose UDP is dropped and who goes on by TCP. str0m would keep to the pair of higher
//! priority until that dies.
//!
//! It also follows the peer's own media to another far end, if STUN has proved that one before and nothing comes from the
//! present one any more: browsers change their way at once where theirs is dead, and may nominate seconds later. Media
//! from where nobody has proved to be moves nothing.
//!
//! A signature does not cover the sender's address, so a request that was overheard could be sent again from another, to
//! have the media sent there. Each has a transaction id of its own: one that came already moves nothing.

use crate::guard::Bucket;
use crate::limits::Limits;
use crate::path::{Path, Remote};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::net::Transmit;

/// Requests that are remembered. Browsers send one every few seconds on each way: some minutes of one way.
const REQUESTS_MAX: usize = 64;
/// Media from elsewhere is followed when none has come for so long from where it goes. Raising it delays recovery; below
/// the difference of two ways' delays, what is still under way on the slower one would take the media back to it.
const HUSH: Duration = Duration::from_millis(200);
/// RFC 8489 §5: where a message has its transaction id; these 64 of its 96 random bits will do.
const TRANSACTION: std::ops::Range<usize> = 8..16;

#[derive(Debug)]
pub(crate) struct Remotes {
    /// Proved far ends, oldest first.
    pub(crate) proved: Vec<Remote>,
    /// Where media goes: the newest one that the peer nominated, and the address of ours at which it did.
    to: Option<Path>,
    /// When media last came from there, or it was nominated.
    to_heard: Instant,
    /// At which address of ours the request arrived that is answered now.
    asked_at: Option<SocketAddr>,
    /// The newest authentic requests, oldest first.
    requests: VecDeque<[u8; 8]>,
    /// Not proved, but its newest media came from there.
    pub(crate) heard_from: Option<Remote>,
    /// Requests that named this peer and were not signed with its password.
    pub(crate) unsigned: Bucket,
    /// Media that named this peer, from no address of its own, and was not authentic.
    pub(crate) forged: Bucket,
    /// Addresses that it may still come from anew.
    pub(crate) fresh: Bucket,
}

impl Remotes {
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            proved: Vec::new(),
            to: None,
            to_heard: now,
            asked_at: None,
            requests: VecDeque::new(),
            heard_from: None,
            unsigned: Bucket::new(limits.unsigned_per_peer, now),
            forged: Bucket::new(limits.forged_per_peer, now),
            fresh: Bucket::new(limits.peer_addresses, now),
        }
    }

    /// Remembers that the peer is heard from there; gives an older far end that is forgotten for it.
    pub(crate) fn learn(&mut self, now: Instant, path: Path, nominated: bool, max: usize) -> Option<Remote> {
        if nominated {
            (self.to, self.to_heard) = (Some(path), now);
        }
        self.asked_at = Some(path.local);
        let far_end = path.far_end();
        if self.heard_from == Some(far_end) {
            self.heard_from = None;
        }
        if self.proved.contains(&far_end) {
            return None;
        }
        self.proved.push(far_end);
        if self.proved.len() <= max {
            return None;
        }
        // Never the one that media goes to: old and in use is better than new and idle.
        let oldest = self.proved.iter().position(|far_end| !self.is_to(far_end)).unwrap_or(0);
        Some(self.proved.remove(oldest))
    }

    /// Authentic media has come by `path`, whose far end is proved. Whether media goes there from now on, and did not before.
    pub(crate) fn follow(&mut self, now: Instant, path: Path) -> bool {
        let moves = self.is_elsewhere(&path);
        if moves && now.saturating_duration_since(self.to_heard) < HUSH {
            return false;
        }
        self.to_heard = now;
        if moves {
            self.to = Some(path);
        }
        moves
    }

    /// Notes an authentic request; false if it came before.
    pub(crate) fn is_fresh(&mut self, request: &[u8]) -> bool {
        let Some(id) = request.get(TRANSACTION).and_then(|id| <[u8; 8]>::try_from(id).ok()) else { return false };
        if self.requests.contains(&id) {
            return false;
        }
        if self.requests.len() == REQUESTS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(id);
        true
    }

    /// A TCP connection has ended.
    pub(crate) fn forget(&mut self, far_end: &Remote) {
        self.proved.retain(|proved| proved != far_end);
    }

    /// Whether media goes elsewhere than back on `path`.
    pub(crate) fn is_elsewhere(&self, path: &Path) -> bool {
        self.to.is_some_and(|to| to != *path)
    }

    fn is_to(&self, far_end: &Remote) -> bool {
        self.to.is_some_and(|to| to.far_end() == *far_end)
    }

    /// Puts what the stack sends on its way. Answers to STUN go where they were asked.
    pub(crate) fn redirect(&self, mut transmit: Transmit) -> Transmit {
        if is_stun(&transmit.contents) {
            transmit.source = self.asked_at.unwrap_or(transmit.source);
        } else if let Some(to) = self.to {
            (transmit.proto, transmit.source, transmit.destination) = (to.protocol, to.local, to.remote);
        }
        transmit
    }
}

/// RFC 7983 §7, for what is known to be one of the protocols.
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|byte| *byte < 2)
}
