//! Coming and going, and what it changes in the others' slots.

use super::Shard;
use crate::event::{Event, GoneReason, SlotState};
use crate::peer::Link;
use crate::room::Arranged;
use crate::view::{View, Want};
use std::time::Instant;
use tertulia_common::{PeerId, RoomId};

impl Shard {
    /// Gives a peer that is admitted to the others of its room, and them to it.
    pub(super) fn entered(&mut self, now: Instant, place: usize) {
        let id = self.peers[place].room;
        if let Some(room) = self.rooms.get_mut(&id) {
            room.enter(place, &mut self.peers);
            self.arrange(now, id, Arranged::default());
        }
    }

    /// Takes a peer from the others, and them from it.
    pub(super) fn left(&mut self, now: Instant, place: usize) {
        let id = self.peers[place].room;
        if let Some(room) = self.rooms.get_mut(&id) {
            let mut arranged = Arranged::default();
            room.leave(place, &mut self.peers, &mut arranged);
            self.kept.forget_peer(place);
            self.arrange(now, id, arranged);
        }
    }

    /// Says what a peer shows, the most important first: from here on its slots for pictures carry that and nothing else. Who
    /// is not there is passed over, and shown when they come. More than [`view_wants_max`](crate::Limits::view_wants_max) are
    /// left out.
    pub fn view(&mut self, now: Instant, room: RoomId, peer: PeerId, wants: &[Want]) {
        let Some(&place) = self.by_id.get(&peer) else { return };
        if self.peers[place].room != room {
            return;
        }
        let (view, over) = View::new(wants, self.limits.view_wants_max);
        self.counters.wants_over_limit += over as u64;
        self.peers[place].view = Some(view);
        let mut arranged = Arranged::default();
        if let Some(room) = self.rooms.get(&room) {
            room.show(place, &self.by_id, &mut self.peers, &mut arranged);
        }
        self.after_arranging(now, arranged);
        // What it shows may be drawn at another size, where it was.
        self.aim_slots(now, place);
    }

    /// Gives the room's slots anew, and tells whom it concerns.
    fn arrange(&mut self, now: Instant, room: RoomId, mut arranged: Arranged) {
        if let Some(room) = self.rooms.get(&room) {
            room.arrange(&self.by_id, &mut self.peers, &mut arranged);
        }
        self.after_arranging(now, arranged);
    }

    /// Tells whose slots have changed, and asks for the key frames that are needed now.
    pub(super) fn after_arranging(&mut self, now: Instant, arranged: Arranged) {
        self.counters.sources_without_slot += arranged.without_slot;
        for place in arranged.changed {
            let Some(peer) = self.peers.get(place) else { continue };
            let (room, peer, slots) = (peer.room, peer.id, self.slot_states(place));
            self.events.push_back(Event::Slots { room, peer, slots });
            self.aim_slots(now, place);
        }
    }

    pub(super) fn slot_states(&self, place: usize) -> Vec<SlotState> {
        self.peers[place].slot_states(|other| self.peers.get(other).map(|peer| peer.id))
    }

    pub(super) fn gone(&mut self, now: Instant, place: usize, reason: GoneReason) {
        let Some(peer) = self.peers.get(place) else { return };
        if reason == GoneReason::Panicked {
            self.counters.panics += 1;
        }
        self.events.push_back(Event::Gone { room: peer.room, peer: peer.id, made: peer.made, reason });
        self.forget(now, place);
    }

    pub(super) fn forget(&mut self, now: Instant, place: usize) {
        let Some(peer) = self.peers.get(place) else { return };
        let id = peer.room;
        // While it is still there: its place is free for another one afterwards.
        let mut arranged = Arranged::default();
        if let Some(room) = self.rooms.get_mut(&id) {
            room.leave(place, &mut self.peers, &mut arranged);
            arranged.changed.remove(&place);
            room.members.retain(|member| *member != place);
        }
        let Some(peer) = self.peers.try_remove(place) else { return };
        self.kept.forget_peer(place);
        if peer.link == Link::Up {
            self.counters.peers_up -= 1;
        }
        for far_end in &peer.remotes.proved {
            self.addresses.unbind(far_end, place);
        }
        for ssrc in peer.ssrcs() {
            self.owners.remove(ssrc, place);
        }
        self.by_id.remove(&peer.id);
        self.wake_ups.clear(place);
        self.dirty.retain(|dirty| *dirty != place);
        self.keyframes_due.retain(|(due, ..)| *due != place);
        if self.rooms.get(&id).is_some_and(|room| room.members.is_empty()) {
            self.rooms.remove(&id);
        }
        self.arrange(now, id, arranged);
    }
}
