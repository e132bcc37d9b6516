//! The way of a datagram: whose it is, and what is believed of it.
//!
//! Three kinds of proof, in the order of what they allow:
//! - A far end that a peer has proved: its datagrams are that peer's, and its stack decides. Authentic media from there
//!   takes the peer's own media along, once none comes from where that goes.
//! - A STUN request that names a peer and is signed with its password proves a far end, and may move the peer's media
//!   there. The signature is computed only if the whole user fragment is right, 48 random bits included, and only while
//!   not too many others were wrong. Nothing unsigned is ever answered: a flood gets no byte back. By credentials that the
//!   peer was given for later it says too that it has restarted ICE.
//! - Media from a far end that nobody has proved, as after a NAT has given a peer a new one: it is tried at the one peer
//!   that owns its SSRC. str0m takes media from anywhere, and lets SRTP decide: what is not authentic changes nothing of
//!   the stream that there has to be already, what is a replay neither. If it is authentic the others hear it at once;
//!   where the peer's media goes stays as it is until STUN has proved that far end. RTCP is taken from where authentic
//!   RTP came last only: str0m does not tell whether it was authentic, nor does it know a replay of it.

use super::{Shard, contain};
use crate::demux;
use crate::event::Event;
use crate::owners::Media;
use crate::path::{self, Path};
use crate::peer::{Link, is_stun};
use std::time::Instant;
use str0m::Input;
use str0m::ice::StunMessage;
use str0m::net::{Protocol, Receive};

impl Shard {
    /// Takes a datagram, or a frame of a TCP connection.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        self.counters.datagrams_received += 1;
        self.counters.bytes_received += datagram.len() as u64;
        let Ok(contents) = datagram.try_into() else {
            self.counters.dropped_malformed += 1;
            return;
        };
        let known = self.addresses.place(&path.far_end());
        let (place, on_trial) = match known {
            _ if is_stun(datagram) => (self.place_of_stun(now, path, datagram, known), false),
            Some(place) => (Some(place), false),
            None => (self.place_of_media(now, path, datagram), true),
        };
        let Some(place) = place else { return };
        if !on_trial {
            self.heard(now, place);
        }
        let destination = path::known_as(&self.config.candidates, path.local);
        let receive = Receive { proto: path.protocol, source: path.remote, destination, contents };
        let mut drained = std::mem::take(&mut self.drained);
        let peer = &mut self.peers[place];
        let before = peer.authentic;
        let taken = contain(|| peer.receive(now, Input::Receive(now, receive), &mut drained));
        let authentic = taken.is_some() && peer.authentic != before;
        if on_trial {
            self.after_trial(now, place, path, datagram, authentic);
        } else if authentic {
            self.counters.addresses_changed += u64::from(peer.remotes.follow(now, path));
        } else if taken == Some(false) {
            self.counters.dropped_malformed += 1;
        }
        self.after_drain(now, place, drained, taken.is_none());
    }

    /// Forgets a TCP connection that has ended: whoever comes from the same address later has to prove it again.
    pub fn disconnected(&mut self, path: Path) {
        let far_end = path.far_end();
        let Some(place) = self.addresses.place(&far_end) else { return };
        self.addresses.unbind(&far_end, place);
        if let Some(peer) = self.peers.get_mut(place) {
            peer.remotes.forget(&far_end);
        }
    }

    /// Whether a peer has proved that it is at the far end of this TCP connection.
    #[must_use]
    pub fn is_proved(&self, path: Path) -> bool {
        path.protocol == Protocol::Tcp && self.addresses.place(&path.far_end()).is_some()
    }

    /// Whose STUN message this is: authentic, or nobody's.
    fn place_of_stun(&mut self, now: Instant, path: Path, datagram: &[u8], known: Option<usize>) -> Option<usize> {
        let place = self.signer(now, path, datagram, known);
        if place.is_none() {
            self.counters.dropped_stun += 1;
        }
        place
    }

    fn signer(&mut self, now: Instant, path: Path, datagram: &[u8], known: Option<usize>) -> Option<usize> {
        let message = StunMessage::parse(datagram).ok()?;
        let username = message.username()?;
        let place = demux::place_of(self.id.0, username)?;
        let peer = self.peers.get_mut(place)?;
        let named = peer.named(username)?;
        let nominated = message.use_candidate();
        let max = self.limits.peer_addresses_max;
        let is_new = known != Some(place) || named.goes_on || nominated && peer.remotes.is_elsewhere(&path);
        let far_end = path.far_end();
        // Not where nothing new is said: a flood in a peer's own name must not keep its own requests out.
        if is_new && !self.unsigned.allows(&mut peer.remotes.unsigned, &far_end, now) {
            self.counters.stun_limited += 1;
            return None;
        }
        if !peer.has_signed(&message, named) {
            self.unsigned.failed(&mut peer.remotes.unsigned, &far_end);
            self.counters.stun_unsigned += 1;
            return None;
        }
        let is_fresh = peer.remotes.is_fresh(datagram);
        if !is_new {
            peer.remotes.learn(now, path, nominated, max);
            return Some(place);
        }
        if !is_fresh {
            self.counters.stun_replayed += 1;
            return None;
        }
        if known != Some(place) && !peer.remotes.fresh.take(now) {
            self.counters.addresses_limited += 1;
            return None;
        }
        if named.goes_on {
            self.counters.restarts_unasked += u64::from(peer.go_on(named, username));
        }
        if nominated && peer.remotes.is_elsewhere(&path) {
            self.counters.addresses_changed += 1;
        }
        if let Some(forgotten) = peer.remotes.learn(now, path, nominated, max) {
            self.addresses.unbind(&forgotten, place);
        }
        self.addresses.bind(far_end, place);
        Some(place)
    }

    /// At whom media from a far end that nobody has proved is tried.
    fn place_of_media(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Option<usize> {
        let far_end = path.far_end();
        let owner = Media::of(datagram).and_then(|media| {
            let (Media::Rtp { ssrc } | Media::Rtcp { ssrc }) = media;
            let place = self.owners.sole(ssrc)?;
            let peer = self.peers.get(place).filter(|peer| !matches!(peer.link, Link::Connecting { .. }))?;
            // A new TCP connection begins with a request: on it nothing has to be taken on trust.
            let may_come = path.protocol == Protocol::Udp
                && (matches!(media, Media::Rtp { .. }) || peer.remotes.heard_from == Some(far_end));
            may_come.then_some(place)
        });
        let Some(place) = owner else {
            self.counters.dropped_unknown_address += 1;
            return None;
        };
        let peer = &mut self.peers[place];
        if !self.forged.allows(&mut peer.remotes.forged, &far_end, now) {
            self.counters.trials_limited += 1;
            return None;
        }
        Some(place)
    }

    fn after_trial(&mut self, now: Instant, place: usize, path: Path, datagram: &[u8], authentic: bool) {
        if authentic {
            self.counters.trials_passed += 1;
            self.peers[place].remotes.heard_from = Some(path.far_end());
            self.heard(now, place);
            return;
        }
        // Nobody can tell of RTCP: it pays as if it were forged, which a dozen reports a second can bear.
        self.forged.failed(&mut self.peers[place].remotes.forged, &path.far_end());
        if matches!(Media::of(datagram), Some(Media::Rtp { .. })) {
            self.counters.trials_failed += 1;
        }
    }

    fn heard(&mut self, now: Instant, place: usize) {
        let peer = &mut self.peers[place];
        peer.last_heard = now;
        if peer.link == Link::Down {
            peer.link = Link::Up;
            self.counters.peers_up += 1;
            self.events.push_back(Event::Up { room: peer.room, peer: peer.id });
        }
    }
}
