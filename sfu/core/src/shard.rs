//! One shard: rooms, their peers, and the way of a datagram through them.
//!
//! Nothing here waits or locks. A peer is named by its place in a slab; places are re-used, so whoever holds one outside
//! these files holds it for one call only, and `Room::arrange` clears those in slots and tracks when a peer goes.

use crate::demux::Addresses;
use crate::error::ConnectError;
use crate::event::{Connected, Event, GoneReason};
use crate::forward::{Packet, Skip};
use crate::guard::Guard;
use crate::kept::Kept;
use crate::limits::Limits;
use crate::offer::{self, Offer};
use crate::owners::Owners;
use crate::peer::{Credentials, Drained, Link, NewPeer, Peer, PeerConfig, Signal};
use crate::quality::Counters;
use crate::room::{self, Room};
use crate::timer::WakeUps;
use rustc_hash::FxHashMap;
use slab::Slab;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use str0m::media::MediaKind;
use str0m::net::Transmit;
use tertulia_common::{PeerId, RoomId, ShardId};

mod aim;
mod arrive;
mod keyframes;
mod listen;
mod membership;
mod publish;
mod tick;

pub(crate) use keyframes::LayerOf;
pub(crate) use publish::Wanted;

/// Random bits for the ICE credentials of one offer, from a cryptographic source.
pub type Randomness = [u8; 24];

/// How often liveness, estimates and rates are looked at.
const TICK: Duration = Duration::from_secs(1);

/// Rooms and peers of one thread. See the crate's documentation for the contract.
pub struct Shard {
    id: ShardId,
    limits: Limits,
    config: PeerConfig,
    peers: Slab<Peer>,
    by_id: FxHashMap<PeerId, usize>,
    rooms: FxHashMap<RoomId, Room>,
    addresses: Addresses,
    owners: Owners,
    /// Of signatures.
    unsigned: Guard,
    /// Of media from addresses that nobody has proved.
    forged: Guard,
    wake_ups: WakeUps,
    /// Peers that were written to or woken since the last flush.
    dirty: Vec<usize>,
    /// Layers whose next key frame request waits for its time.
    keyframes_due: Vec<LayerOf>,
    /// The newest key frames, for those who come late.
    kept: Kept,
    /// Rooms in which someone speaks, and when they are looked at next.
    watched: Vec<RoomId>,
    next_look: Instant,
    drained: Drained,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    next_tick: Instant,
    ticks: u64,
    /// Connections that were ever made.
    made: u64,
    busy_percent: u8,
    counters: Counters,
}

impl Shard {
    /// An empty shard.
    #[must_use]
    pub fn new(id: ShardId, config: PeerConfig, limits: Limits, now: Instant) -> Self {
        Self {
            unsigned: Guard::new(limits.unsigned_per_shard, limits.unsigned_per_address, now),
            forged: Guard::new(limits.forged_per_shard, limits.forged_per_address, now),
            kept: Kept::new(limits.kept_track_bytes_max, limits.kept_bytes_max),
            id,
            limits,
            config,
            peers: Slab::new(),
            by_id: FxHashMap::default(),
            rooms: FxHashMap::default(),
            addresses: Addresses::default(),
            owners: Owners::default(),
            wake_ups: WakeUps::default(),
            dirty: Vec::new(),
            keyframes_due: Vec::new(),
            watched: Vec::new(),
            next_look: now,
            drained: Drained::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            next_tick: now + TICK,
            ticks: 0,
            made: 0,
            busy_percent: 0,
            counters: Counters::default(),
        }
    }

    // === Getters ===

    /// What has been counted, and what is held now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            rooms: self.rooms.len() as u64,
            peers: self.peers.len() as u64,
            kept_bytes: self.kept.bytes() as u64,
            kept_refused: self.kept.refused,
            ..self.counters
        }
    }

    // === Commands ===

    /// Takes an offer: makes the peer, or goes on with the one of this id. Nothing is forwarded before [`Self::admit`].
    ///
    /// # Errors
    /// If the offer can't be used, or a limit is reached. A peer that was there stays as it was.
    pub fn connect(
        &mut self,
        now: Instant,
        room: RoomId,
        id: PeerId,
        offer: &str,
        random: Randomness,
    ) -> Result<Connected, ConnectError> {
        let connected =
            offer::prepare(offer, &self.limits).and_then(|offer| self.accept(now, room, id, &offer, random));
        if let Err(error) = &connected {
            self.counters.offers_refused += 1;
            self.counters.offers_overloaded += u64::from(matches!(error, ConnectError::Overloaded { .. }));
        }
        connected
    }

    /// Says how busy the thread is that drives this shard, in per cent of its time: whoever is new is refused where that is too much
    /// (see [`Limits::busy_rooms_max_percent`]).
    pub const fn set_busy(&mut self, percent: u8) {
        self.busy_percent = percent;
    }

    /// Lets the peer's media flow, to and from the others that are admitted.
    pub fn admit(&mut self, now: Instant, id: PeerId) {
        let Some(&place) = self.by_id.get(&id) else { return };
        let peer = &mut self.peers[place];
        if !peer.admitted {
            peer.admitted = true;
            peer.heartbeat.begin();
            self.mark_dirty(place);
            self.entered(now, place);
        }
    }

    /// Stops the peer's media, to and from the others, until it is admitted again. Its connection stays up.
    pub fn hold(&mut self, now: Instant, id: PeerId) {
        let Some(&place) = self.by_id.get(&id) else { return };
        let peer = &mut self.peers[place];
        if peer.admitted {
            peer.admitted = false;
            self.left(now, place);
        }
    }

    /// Forgets the peer.
    pub fn remove(&mut self, now: Instant, id: PeerId) {
        if let Some(&place) = self.by_id.get(&id) {
            self.forget(now, place);
        }
    }

    /// Forgets the room and everyone in it.
    pub fn close_room(&mut self, now: Instant, room: RoomId) {
        // The room first: nobody's slots are worth arranging any longer.
        let members = self.rooms.remove(&room).map(|room| room.members).unwrap_or_default();
        for place in members {
            self.forget(now, place);
        }
    }

    // === Inputs ===

    /// Does what is due at `now`. Call it when [`Self::poll_timeout`] says so; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(place) = self.wake_ups.pop_due(now) {
            let Some(peer) = self.peers.get(place) else { continue };
            if peer.wake_at <= now {
                self.mark_dirty(place);
            } else {
                self.wake_ups.set(place, peer.wake_at);
            }
        }
        self.request_due_keyframes(now);
        if now >= self.next_look && !self.watched.is_empty() {
            self.look(now);
        }
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            self.tick(now);
        }
    }

    /// Lets every peer that was written to or woken say what it has to say.
    pub fn flush(&mut self, now: Instant) {
        // A drain may make others dirty: a key frame request goes to its publisher.
        while let Some(place) = self.dirty.pop() {
            let Some(peer) = self.peers.get_mut(place) else { continue };
            peer.dirty = false;
            let mut drained = std::mem::take(&mut self.drained);
            let peer = &mut self.peers[place];
            let done = contain(|| peer.advance(now, &mut drained));
            self.after_drain(now, place, drained, done.is_none());
        }
    }

    // === Polls ===

    /// The next datagram to send. Those of one peer come in a row.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.transmits.pop_front()?;
        self.counters.datagrams_sent += 1;
        self.counters.bytes_sent += transmit.contents.len() as u64;
        Some(transmit)
    }

    /// The next thing that the driver should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        let keyframe = self.keyframes_due.iter().filter_map(|due| self.gate_timeout(*due)).min();
        let look = (!self.watched.is_empty()).then_some(self.next_look);
        [self.wake_ups.next(), keyframe, look].into_iter().flatten().fold(self.next_tick, Instant::min)
    }

    // === The way of an offer ===

    fn accept(
        &mut self,
        now: Instant,
        room: RoomId,
        id: PeerId,
        offer: &Offer,
        random: Randomness,
    ) -> Result<Connected, ConnectError> {
        let mut admitted = false;
        if let Some(&place) = self.by_id.get(&id) {
            if self.peers[place].room != room {
                return Err(ConnectError::OtherRoom);
            }
            if self.peers[place].continues(offer) {
                return self.renegotiate(now, place, offer, random);
            }
            // The client has made a new connection, as after a reload: the new one takes the old one's place.
            admitted = self.peers[place].admitted;
        }
        let replaced = self.by_id.get(&id).copied();
        self.check_places(room, replaced.is_some())?;
        let place = self.peers.vacant_key();
        let credentials = Credentials::new(&self.config.crypto, self.id.0, place, random, &offer.sdp);
        let new = NewPeer { id, room, config: &self.config, limits: &self.limits, credentials };
        let (mut peer, answer) = contain(|| Peer::new(now, new, offer)).ok_or(ConnectError::Panicked)??;
        self.made += 1;
        let made = self.made;
        (peer.admitted, peer.made) = (admitted, made);
        if admitted {
            peer.heartbeat.begin();
        }
        // First the new one, at the place that its credentials name; then the old one frees its own.
        let place = self.peers.insert(peer);
        if let Some(replaced) = replaced {
            self.forget(now, replaced);
        }
        self.by_id.insert(id, place);
        self.rooms.entry(room).or_insert_with(|| Room::new(room)).members.push(place);
        self.mark_dirty(place);
        if admitted {
            self.entered(now, place);
        }
        Ok(Connected { answer, slots: self.slot_states(place), made })
    }

    fn renegotiate(
        &mut self,
        now: Instant,
        place: usize,
        offer: &Offer,
        random: Randomness,
    ) -> Result<Connected, ConnectError> {
        let credentials = Credentials::new(&self.config.crypto, self.id.0, place, random, &offer.sdp);
        let peer = &mut self.peers[place];
        let Some(answer) = contain(|| peer.renegotiate(offer, credentials)) else {
            self.gone(now, place, GoneReason::Panicked);
            return Err(ConnectError::Panicked);
        };
        let answer = answer?;
        self.mark_dirty(place);
        if self.peers[place].admitted {
            self.entered(now, place);
        }
        Ok(Connected { answer, slots: self.slot_states(place), made: self.peers[place].made })
    }

    fn check_places(&self, room: RoomId, replaces: bool) -> Result<(), ConnectError> {
        let full = |what, limit| Err(ConnectError::Full { what, limit });
        if replaces {
            return Ok(());
        }
        let known = self.rooms.get(&room);
        let limits = &self.limits;
        let limit = if known.is_some() { limits.busy_joins_max_percent } else { limits.busy_rooms_max_percent };
        if limit < 100 && self.busy_percent >= limit {
            return Err(ConnectError::Overloaded { busy_percent: self.busy_percent, limit_percent: limit });
        }
        match known {
            Some(room) if room.members.len() >= self.limits.room_peers_max => {
                full("peers of a room", self.limits.room_peers_max)
            }
            None if self.rooms.len() >= self.limits.rooms_max => full("rooms", self.limits.rooms_max),
            _ if self.peers.len() >= self.limits.peers_max => full("peers", self.limits.peers_max),
            _ => Ok(()),
        }
    }

    // === The way of a datagram ===

    /// Takes over what a drain of `place` brought up. `drained` is given back for the next one.
    fn after_drain(&mut self, now: Instant, place: usize, mut drained: Drained, panicked: bool) {
        if panicked {
            drained = Drained::default();
            self.gone(now, place, GoneReason::Panicked);
        } else {
            self.transmits.extend(drained.transmits.drain(..));
            self.counters.dropped_over_bitrate += std::mem::take(&mut drained.over_bitrate);
            self.counters.dropped_too_large += std::mem::take(&mut drained.too_large);
            self.counters.heartbeats += std::mem::take(&mut drained.heartbeats);
            let signals = std::mem::take(&mut drained.signals);
            // Before the packets: a layer that comes begins with a key frame, which is not to be missed.
            for signal in &signals {
                match *signal {
                    Signal::Layers { track } => self.layers_changed(now, place, track),
                    Signal::Broken { track, layer } => self.kept.forget((place, track, layer)),
                    _ => {}
                }
            }
            for (track, packet) in drained.packets.drain(..) {
                self.route(now, place, track, &packet);
            }
            for signal in &signals {
                self.on_signal(now, place, *signal);
            }
            drained.signals = signals;
            drained.signals.clear();
            self.after_signals(now, place);
        }
        self.drained = drained;
    }

    fn after_signals(&mut self, now: Instant, place: usize) {
        let Some(peer) = self.peers.get(place) else { return };
        if peer.is_over() {
            self.gone(now, place, GoneReason::Failed);
        } else {
            self.wake_ups.set(place, peer.wake_at);
        }
    }

    /// Hands a publisher's packet to everyone who gets it.
    fn route(&mut self, now: Instant, place: usize, track: usize, packet: &Packet) {
        self.counters.packets_received += 1;
        if self.peers[place].tracks[track].kind == MediaKind::Audio && !self.hear(now, place, track, packet) {
            return;
        }
        // Taken out and put back: no list is copied, and no peer is borrowed twice.
        let layer = &mut self.peers[place].tracks[track].layers[packet.layer];
        let subscribers = std::mem::take(&mut layer.subscribers);
        if packet.starts_keyframe {
            layer.gate.came();
        }
        if packet.opens || layer.keeps == Some(packet.rtp_time) {
            layer.keep(now, (place, track, packet.layer), packet, &mut self.kept);
        }
        let (mut keyframe_wanted, mut begun) = (false, Vec::new());
        for &(subscriber, slot) in &subscribers {
            match self.peers[subscriber].forward(slot, packet) {
                Ok(begins) => {
                    self.counters.packets_forwarded += 1;
                    self.counters.bytes_forwarded += packet.payload.len() as u64;
                    self.mark_dirty(subscriber);
                    if begins {
                        begun.push((subscriber, slot));
                    }
                }
                Err(Skip::Codec) => self.counters.skipped_codec += 1,
                Err(Skip::Old) => self.counters.skipped_old += 1,
                Err(Skip::Layer) => {}
                Err(Skip::Keyframe) => {
                    self.counters.skipped_keyframe += 1;
                    keyframe_wanted = true;
                }
            }
        }
        self.peers[place].tracks[track].layers[packet.layer].subscribers = subscribers;
        if keyframe_wanted {
            self.peers[place].tracks[track].layers[packet.layer].ahead.hold(packet);
            self.want_keyframe(now, (place, track, packet.layer));
        } else if !begun.is_empty() {
            self.after_beginning(place, track, packet, &begun);
        }
    }

    /// Slots have begun with a packet: what had come before it follows, and they need no other layer any longer.
    fn after_beginning(&mut self, place: usize, track: usize, first: &Packet, begun: &[(usize, usize)]) {
        let ahead = &mut self.peers[place].tracks[track].layers[first.layer].ahead;
        let after = ahead.after(first);
        ahead.clear();
        for &(subscriber, slot) in begun {
            for packet in &after {
                if self.peers[subscriber].forward(slot, packet).is_ok() {
                    self.counters.packets_forwarded += 1;
                    self.counters.bytes_forwarded += packet.payload.len() as u64;
                }
            }
            room::relist(&mut self.peers, subscriber, slot);
        }
    }

    fn on_signal(&mut self, now: Instant, place: usize, signal: Signal) {
        let Some(peer) = self.peers.get_mut(place) else { return };
        match signal {
            Signal::Up => {
                if let Link::Connecting { since } = peer.link {
                    peer.link = Link::Up;
                    self.counters.peers_up += 1;
                    self.counters.joins += 1;
                    self.counters.join_micros += u64::try_from((now - since).as_micros()).unwrap_or(u64::MAX);
                    self.events.push_back(Event::Up { room: peer.room, peer: peer.id });
                    self.mark_dirty(place);
                    self.show_kept(now, place);
                }
            }
            Signal::Sends { ssrc, not } => {
                self.owners.insert(ssrc, place);
                if let Some(not) = not {
                    self.owners.remove(not, place);
                }
            }
            Signal::Layers { .. } | Signal::Broken { .. } => {} // seen to before
            Signal::Short => self.aim_slots(now, place),
            Signal::Closed => self.gone(now, place, GoneReason::Closed),
            Signal::KeyframeWanted { slot } => {
                self.counters.keyframes_wanted += 1;
                let Some(slot) = peer.slots.get(slot) else { return };
                let [flows, awaited] = slot.layers();
                if let (Some(carried), Some(layer)) = (slot.carries, flows.or(awaited)) {
                    self.want_keyframe(now, (carried.place, carried.track, layer));
                }
            }
            Signal::Figures(added, true) => self.counters.nacks_sent += added.nacks,
            Signal::Figures(added, false) => {
                self.counters.nacks_received += added.nacks;
                self.counters.packets_lost += added.lost;
                self.counters.packets_sent += added.packets;
            }
        }
    }

    fn mark_dirty(&mut self, place: usize) {
        if let Some(peer) = self.peers.get_mut(place).filter(|peer| !peer.dirty) {
            peer.dirty = true;
            self.dirty.push(place);
        }
    }
}

/// Runs a piece of one peer's stack. A panic in it is that peer's end: nothing of the peer is used afterwards.
fn contain<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

#[cfg(test)]
pub(crate) mod tests;
