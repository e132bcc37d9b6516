//! Key frames that subscribers need, asked of their publishers; and what they are shown meanwhile (see [`crate::kept`]).

use super::Shard;
use crate::event::Source;
use crate::forward::{Carried, Slot};
use crate::keyframe::KeyframeGate;
use crate::peer::Link;
use std::cmp::Reverse;
use std::time::Instant;
use str0m::media::MediaKind;
use tertulia_common::PeerId;

/// A layer of a peer's track: place, track, layer.
pub(crate) type LayerOf = (usize, usize, usize);

impl Shard {
    /// Someone needs a key frame of a layer.
    pub(super) fn want_keyframe(&mut self, now: Instant, of: LayerOf) {
        let Some(gate) = self.gate(of) else { return };
        if gate.want(now) {
            self.request_keyframe(of);
        } else if !self.keyframes_due.contains(&of) {
            self.keyframes_due.push(of);
        }
    }

    /// Forgets what is kept of a source's pictures: its publisher has turned it off, and nobody is to be shown it any more. What
    /// comes of it afterwards is kept again.
    pub fn forget_pictures(&mut self, peer: PeerId, source: Source) {
        let Some(&place) = self.by_id.get(&peer) else { return };
        if let Some(track) = self.peers[place].tracks.iter().position(|track| track.source == source) {
            self.kept.forget_track(place, track);
        }
    }

    /// Shows a peer the newest whole key frame of each picture that it waits for and has nothing newer of. It waits on.
    pub(super) fn show_kept(&mut self, now: Instant, place: usize) {
        // Before it is connected it would only get them together with what is live.
        let Some(peer) = self.peers.get(place).filter(|peer| peer.link == Link::Up) else { return };
        let waits = |(index, slot): (usize, &Slot)| match (slot.carries, slot.layers()) {
            (Some(carried), [None, Some(layer)]) if slot.kind == MediaKind::Video => Some((index, carried, layer)),
            _ => None,
        };
        let waiting: Vec<(usize, Carried, usize)> = peer.slots.iter().enumerate().filter_map(waits).collect();
        for (slot, carried, layer) in waiting {
            self.show_in(now, place, slot, carried, layer);
        }
    }

    /// Shows what is kept of the layer that a slot waits for, or else of the next smaller one.
    fn show_in(&mut self, now: Instant, place: usize, slot: usize, carried: Carried, layer: usize) {
        let Self { peers, kept, counters, .. } = self;
        let Some(track) = peers.get(carried.place).and_then(|peer| peer.tracks.get(carried.track)) else { return };
        let height = track.height(layer);
        let comes = |layer: &usize| !track.layers[*layer].is_paused(now);
        let mut layers: Vec<usize> =
            (0..track.layers.len()).filter(|other| track.height(*other) <= height && comes(other)).collect();
        layers.sort_by_key(|other| (*other != layer, Reverse(track.height(*other))));
        let fresh = |layer: usize| kept.fresh(now, (carried.place, carried.track, layer));
        let Some(picture) = layers.into_iter().find_map(fresh) else { return };
        let Some(peer) = peers.get_mut(place) else { return };
        if !picture.last().is_some_and(|packet| peer.slots[slot].lacks(packet.captured)) {
            return;
        }
        let bytes: usize = picture.iter().map(|packet| packet.payload.len()).sum();
        if !peer.take_shown(now, bytes, self.config.estimate_initial_bps) {
            counters.kept_withheld += 1;
        } else if peer.show(now, slot, picture).is_ok() {
            counters.kept_shown += 1;
            counters.packets_forwarded += picture.len() as u64;
            counters.bytes_forwarded += bytes as u64;
            self.mark_dirty(place);
        }
    }

    /// A peer's slots need the key frames that they wait for.
    pub(super) fn want_awaited_keyframes(&mut self, now: Instant, place: usize) {
        self.show_kept(now, place);
        let Some(peer) = self.peers.get(place) else { return };
        let layer = |carried: Carried, layer| (carried.place, carried.track, layer);
        let awaited = peer.slots.iter().filter_map(|slot| Some(layer(slot.carries?, slot.awaits_keyframe()?)));
        for of in awaited.collect::<Vec<_>>() {
            self.want_keyframe(now, of);
        }
    }

    fn gate(&mut self, (place, track, layer): LayerOf) -> Option<&mut KeyframeGate> {
        let layer = self.peers.get_mut(place)?.tracks.get_mut(track)?.layers.get_mut(layer)?;
        Some(&mut layer.gate)
    }

    fn request_keyframe(&mut self, (place, track, layer): LayerOf) {
        if self.peers[place].request_keyframe(track, layer) {
            self.counters.keyframes_requested += 1;
            self.mark_dirty(place);
        } else if let Some(gate) = self.gate((place, track, layer)) {
            gate.not_asked();
        }
    }

    pub(super) fn gate_timeout(&self, (place, track, layer): LayerOf) -> Option<Instant> {
        self.peers.get(place)?.tracks.get(track)?.layers.get(layer)?.gate.timeout()
    }

    pub(super) fn request_due_keyframes(&mut self, now: Instant) {
        let mut index = 0;
        while let Some(&of) = self.keyframes_due.get(index) {
            if self.gate(of).is_some_and(|gate| gate.poll(now)) {
                self.request_keyframe(of);
            }
            if self.gate_timeout(of).is_none() {
                self.keyframes_due.swap_remove(index);
            } else {
                index += 1;
            }
        }
    }
}
