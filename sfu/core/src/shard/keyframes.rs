//! Key frames that subscribers need, asked of their publishers.

use super::Shard;
use std::time::Instant;

impl Shard {
    pub(super) fn want_keyframe(&mut self, now: Instant, place: usize, track: usize) {
        let Some(gate) =
            self.peers.get_mut(place).and_then(|peer| peer.tracks.get_mut(track)).map(|track| &mut track.gate)
        else {
            return;
        };
        if gate.want(now) {
            self.request_keyframe(place, track);
        } else if !self.keyframes_due.contains(&(place, track)) {
            self.keyframes_due.push((place, track));
        }
    }

    fn request_keyframe(&mut self, place: usize, track: usize) {
        if self.peers[place].request_keyframe(track) {
            self.counters.keyframes_requested += 1;
            self.mark_dirty(place);
        }
    }

    pub(super) fn track_gate_timeout(&self, (place, track): (usize, usize)) -> Option<Instant> {
        self.peers.get(place)?.tracks.get(track)?.gate.timeout()
    }

    pub(super) fn request_due_keyframes(&mut self, now: Instant) {
        let mut index = 0;
        while let Some(&(place, track)) = self.keyframes_due.get(index) {
            let gate =
                self.peers.get_mut(place).and_then(|peer| peer.tracks.get_mut(track)).map(|track| &mut track.gate);
            if gate.is_some_and(|gate| gate.poll(now)) {
                self.request_keyframe(place, track);
            }
            if self.track_gate_timeout((place, track)).is_none() {
                self.keyframes_due.swap_remove(index);
            } else {
                index += 1;
            }
        }
    }
}
