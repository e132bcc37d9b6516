//! Who speaks: each packet of sound tells how loud its microphone is, and rooms in which someone speaks are looked at.

use super::Shard;
use crate::event::Event;
use crate::forward::Packet;
use crate::room::{Arranged, voice};
use crate::speakers::{Heard, LOOK_INTERVAL};
use std::time::Instant;

impl Shard {
    /// Notes how loud a packet of sound is. Whether it goes on: what a muted microphone sends does not, in a room of more
    /// than two, where hundreds would get it for nothing.
    pub(super) fn hear(&mut self, now: Instant, place: usize, track: usize, packet: &Packet) -> bool {
        let peer = &mut self.peers[place];
        let room = peer.room;
        let of = &mut peer.tracks[track];
        match of.voice.hear(packet.audio_level, packet.payload.len(), now) {
            Heard::Mute => {
                of.voice.hushed = of.voice.hushed || self.rooms.get(&room).is_some_and(|room| room.is_group());
                let hushed = of.voice.hushed;
                self.counters.skipped_mute += u64::from(hushed);
                return !hushed;
            }
            Heard::Speech => {
                let room = self.rooms.get_mut(&room).filter(|room| room.is_group() && !room.speakers.watched);
                if let Some(room) = room {
                    room.speakers.watched = true;
                    if self.watched.is_empty() {
                        self.next_look = now + LOOK_INTERVAL;
                    }
                    self.watched.push(room.id);
                }
            }
            Heard::Sound => {}
        }
        if std::mem::take(&mut self.peers[place].tracks[track].voice.hushed) {
            for index in 0..self.peers[place].tracks[track].layers[packet.layer].subscribers.len() {
                let (subscriber, slot) = self.peers[place].tracks[track].layers[packet.layer].subscribers[index];
                self.peers[subscriber].slots[slot].resume();
            }
        }
        true
    }

    /// Looks at the rooms in which someone speaks: the loudest get the slots, and who speaks is told.
    pub(super) fn look(&mut self, now: Instant) {
        self.next_look = now + LOOK_INTERVAL;
        let mut arranged = Arranged::default();
        let Self { watched, rooms, peers, events, .. } = self;
        watched.retain(|id| {
            let Some(room) = rooms.get_mut(id) else { return false };
            if room.is_group() {
                room.rank(now, peers, &mut arranged);
            }
            let id_of = |place: usize| peers.get(place).map(|peer| peer.id);
            if let Some(speakers) = room.speakers.news(now, |mic| voice(peers, mic), id_of) {
                events.push_back(Event::Speakers { room: *id, speakers });
            }
            let goes_on = room.speakers.told_someone() || room.speakers.anyone(now, |mic| voice(peers, mic));
            room.speakers.watched = goes_on && room.is_group();
            room.speakers.watched
        });
        self.after_arranging(now, arranged);
    }
}
