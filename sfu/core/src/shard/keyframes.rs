//! Key frames that subscribers need, asked of their publishers.

use super::Shard;
use crate::forward::Carried;
use crate::keyframe::KeyframeGate;
use std::time::Instant;

/// A layer of a peer's track: place, track, layer.
pub(super) type LayerOf = (usize, usize, usize);

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

    /// A peer's slots need the key frames that they wait for.
    pub(super) fn want_awaited_keyframes(&mut self, now: Instant, place: usize) {
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
