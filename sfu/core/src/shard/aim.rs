//! Which layer each slot takes: what its picture is drawn at, of what comes.

use super::Shard;
use crate::room;
use std::time::Instant;
use str0m::media::MediaKind;

impl Shard {
    /// Aims a peer's slots for pictures, and asks for the key frames that they then wait for.
    pub(super) fn aim_slots(&mut self, now: Instant, place: usize) {
        for slot in 0..self.peers.get(place).map_or(0, |peer| peer.slots.len()) {
            let of = &self.peers[place].slots[slot];
            let (MediaKind::Video, Some(carried), max_height) = (of.kind, of.carries, of.max_height) else { continue };
            let track = self.peers.get(carried.place).and_then(|peer| peer.tracks.get(carried.track));
            let layer = track.and_then(|track| track.ladder(max_height).last().copied());
            room::aim(&mut self.peers, place, slot, layer);
        }
        self.want_awaited_keyframes(now, place);
    }

    /// A layer of a track has come or gone: whoever gets the track may get another one.
    pub(super) fn layers_changed(&mut self, now: Instant, place: usize, track: usize) {
        let Some(room) = self.peers.get(place).and_then(|peer| self.rooms.get(&peer.room)) else { return };
        let carries = |member: &usize| {
            let slots = self.peers.get(*member).map_or(&[][..], |peer| &peer.slots);
            slots.iter().any(|slot| slot.carries.is_some_and(|of| (of.place, of.track) == (place, track)))
        };
        let subscribers: Vec<usize> = room.members.iter().copied().filter(carries).collect();
        for subscriber in subscribers {
            self.aim_slots(now, subscriber);
        }
    }
}
