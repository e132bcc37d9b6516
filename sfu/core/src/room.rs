//! A room: who is in it, and which slot carries whose source.
//!
//! Invariant: a track's list of subscribers and the slots that carry it say the same. Both are made anew, for the whole
//! room, whenever someone is admitted, leaves, or offers again; packets only read them.

use crate::event::Source;
use crate::forward::Carried;
use crate::peer::Peer;
use slab::Slab;
use tertulia_common::RoomId;

/// A room, by the places of its peers.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) id: RoomId,
    /// In the order of their coming; not all of them are admitted.
    pub(crate) members: Vec<usize>,
}

/// What a new arrangement changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arranged {
    /// Peers whose slots changed.
    pub(crate) changed: Vec<usize>,
    /// Sources that found no slot, summed over the receivers.
    pub(crate) without_slot: u64,
}

impl Room {
    pub(crate) fn new(id: RoomId) -> Self {
        Self { id, members: Vec::new() }
    }

    /// Those whose media flows.
    pub(crate) fn admitted<'a>(&'a self, peers: &'a Slab<Peer>) -> impl Iterator<Item = usize> + 'a {
        self.members.iter().copied().filter(|place| peers.get(*place).is_some_and(|peer| peer.admitted))
    }

    /// Gives every admitted peer's slots to the others' sources: what is carried stays where it is, the rest takes free
    /// slots in the order of coming, microphone before camera before screen.
    pub(crate) fn arrange(&self, peers: &mut Slab<Peer>) -> Arranged {
        let admitted: Vec<usize> = self.admitted(peers).collect();
        let mut arranged = Arranged::default();
        for &subscriber in &self.members {
            let wanted = if admitted.contains(&subscriber) { wanted(subscriber, &admitted, peers) } else { Vec::new() };
            if arrange_one(subscriber, &wanted, peers, &mut arranged.without_slot) {
                arranged.changed.push(subscriber);
            }
        }
        self.list_subscribers(peers);
        arranged
    }

    fn list_subscribers(&self, peers: &mut Slab<Peer>) {
        for &place in &self.members {
            for track in &mut peers[place].tracks {
                track.subscribers.clear();
            }
        }
        for &subscriber in &self.members {
            for slot in 0..peers[subscriber].slots.len() {
                let Some(carried) = peers[subscriber].slots[slot].carries else { continue };
                if let Some(track) = peers.get_mut(carried.place).and_then(|peer| peer.tracks.get_mut(carried.track)) {
                    track.subscribers.push((subscriber, slot));
                }
            }
        }
    }
}

/// The sources that a subscriber is to get.
fn wanted(subscriber: usize, admitted: &[usize], peers: &Slab<Peer>) -> Vec<Carried> {
    let others = admitted.iter().copied().filter(|place| *place != subscriber);
    let mut wanted: Vec<Carried> = others
        .flat_map(|place| {
            let tracks = peers[place].tracks.iter().enumerate();
            tracks.map(move |(track, of)| Carried { place, track, source: of.source })
        })
        .collect();
    // Stable: within one kind of source the order of coming stays.
    wanted.sort_by_key(|carried| match carried.source {
        Source::Mic => 0,
        Source::Camera => 1,
        Source::Screen => 2,
    });
    wanted
}

fn arrange_one(subscriber: usize, wanted: &[Carried], peers: &mut Slab<Peer>, without_slot: &mut u64) -> bool {
    let mut changed = false;
    let mut placed = Vec::with_capacity(wanted.len());
    for slot in 0..peers[subscriber].slots.len() {
        let Some(carried) = peers[subscriber].slots[slot].carries else { continue };
        if wanted.contains(&carried) {
            placed.push(carried);
        } else {
            peers[subscriber].point_slot(slot, None);
            changed = true;
        }
    }
    for carried in wanted.iter().filter(|carried| !placed.contains(carried)) {
        let kind = peers[carried.place].tracks[carried.track].kind;
        let free = peers[subscriber].slots.iter().position(|slot| slot.kind == kind && slot.carries.is_none());
        let Some(slot) = free else {
            *without_slot += 1;
            continue;
        };
        if let Some((receiver, publisher)) = peers.get2_mut(subscriber, carried.place) {
            receiver.point_slot(slot, Some((*carried, publisher)));
            changed = true;
        }
    }
    changed
}
