//! A room: who is in it, and which slot carries whose source.
//!
//! Microphones go out by loudness where there are more than a peer has slots (see [`crate::speakers`]); pictures as the
//! peer's view says (see [`crate::view`]), before it has said anything in the order of their coming, cameras before screens.
//! What is carried stays where it is while it is wanted.
//!
//! Invariant: the lists of subscribers of a track's layers and the slots that carry it say the same; only [`point`] and
//! [`relist`] write them. Packets
//! only read them. A change touches what it concerns: whoever comes into a room costs each of the others a look at their
//! slots, no list of everyone's sources is made.

use crate::event::Source;
use crate::forward::{Carried, Listing, Step};
use crate::peer::{Peer, Track};
use crate::speakers::{Mic, Speakers, Voice};
use crate::view::{FULL_HEIGHT, Want};
use rustc_hash::FxHashMap;
use slab::Slab;
use std::collections::BTreeSet;
use std::time::Instant;
use str0m::media::MediaKind;
use tertulia_common::{PeerId, RoomId};

/// The places of a shard's peers.
pub(crate) type Ids = FxHashMap<PeerId, usize>;

/// A room, by the places of its peers.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) id: RoomId,
    /// In the order of their coming; not all of them are admitted.
    pub(crate) members: Vec<usize>,
    /// How many of them are admitted.
    present: usize,
    pub(crate) speakers: Speakers,
    /// The most audio slots that anyone here has.
    audio_slots: usize,
    cameras: Vec<(usize, usize)>,
    screens: Vec<(usize, usize)>,
}

/// What a new arrangement changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arranged {
    /// Peers whose slots changed.
    pub(crate) changed: BTreeSet<usize>,
    /// Pictures that found no slot, summed over the receivers.
    pub(crate) without_slot: u64,
}

impl Room {
    pub(crate) fn new(id: RoomId) -> Self {
        Self {
            id,
            members: Vec::new(),
            present: 0,
            speakers: Speakers::default(),
            audio_slots: 0,
            cameras: Vec::new(),
            screens: Vec::new(),
        }
    }

    /// Those whose media flows.
    pub(crate) fn admitted<'a>(&'a self, peers: &'a Slab<Peer>) -> impl Iterator<Item = usize> + 'a {
        self.members.iter().copied().filter(|place| peers.get(*place).is_some_and(|peer| peer.admitted))
    }

    /// Two who call each other.
    pub(crate) const fn is_pair(&self) -> bool {
        self.present == 2
    }

    /// More than two, among whom it matters who speaks and who is seen.
    pub(crate) const fn is_group(&self) -> bool {
        self.present > 2
    }

    // === Coming and going ===

    /// Lets an admitted peer's sources be carried: all of them, or those that a later offer has added.
    pub(crate) fn enter(&mut self, place: usize, peers: &mut Slab<Peer>) {
        let Some(peer) = peers.get_mut(place) else { return };
        self.present += usize::from(!peer.present);
        peer.present = true;
        let audio_slots = peer.slots.iter().filter(|slot| slot.kind == MediaKind::Audio).count();
        self.audio_slots = self.audio_slots.max(audio_slots);
        for (index, track) in peer.tracks.iter_mut().enumerate() {
            if !std::mem::replace(&mut track.listed, true) {
                match track.source {
                    Source::Mic => self.speakers.add((place, index)),
                    Source::Camera => self.cameras.push((place, index)),
                    Source::Screen => self.screens.push((place, index)),
                }
            }
        }
    }

    /// Takes a peer's sources out of the others' slots, and theirs out of its own.
    pub(crate) fn leave(&mut self, place: usize, peers: &mut Slab<Peer>, arranged: &mut Arranged) {
        let Some(peer) = peers.get_mut(place) else { return };
        self.present -= usize::from(peer.present);
        peer.present = false;
        peer.unplaced = 0;
        self.speakers.remove(place);
        self.cameras.retain(|(of, _)| *of != place);
        self.screens.retain(|(of, _)| *of != place);
        peer.tracks.iter_mut().for_each(|track| track.listed = false);
        let layers = peers[place].tracks.iter_mut().flat_map(|track| &mut track.layers);
        let lists = layers.map(|layer| std::mem::take(&mut layer.subscribers));
        for (subscriber, slot) in lists.collect::<Vec<_>>().into_iter().flatten() {
            point(peers, subscriber, slot, None);
            arranged.changed.insert(subscriber);
        }
        for slot in 0..peers[place].slots.len() {
            if peers[place].slots[slot].carries.is_some() {
                point(peers, place, slot, None);
                arranged.changed.insert(place);
            }
        }
    }

    // === Who gets what ===

    /// Gives every admitted peer's slots to the others' sources.
    pub(crate) fn arrange(&self, ids: &Ids, peers: &mut Slab<Peer>, arranged: &mut Arranged) {
        for &subscriber in &self.members {
            if !peers[subscriber].present {
                continue;
            }
            let audio = self.settle_audio(subscriber, peers);
            let video = self.settle_video(subscriber, ids, peers);
            if audio || video {
                arranged.changed.insert(subscriber);
            }
            let unplaced = self.unplaced(&peers[subscriber]);
            let before = std::mem::replace(&mut peers[subscriber].unplaced, unplaced);
            arranged.without_slot += unplaced.saturating_sub(before) as u64;
        }
    }

    /// Makes one peer's slots carry what it shows.
    pub(crate) fn show(&self, subscriber: usize, ids: &Ids, peers: &mut Slab<Peer>, arranged: &mut Arranged) {
        if peers[subscriber].present && self.settle_video(subscriber, ids, peers) {
            arranged.changed.insert(subscriber);
        }
    }

    /// Puts the voices in order, and gives the audio slots anew if that changed anything.
    pub(crate) fn rank(&mut self, now: Instant, peers: &mut Slab<Peer>, arranged: &mut Arranged) {
        // One more than there are slots: whoever is among the loudest gets the next one in place of their own.
        let changed = self.speakers.rank(self.audio_slots + 1, now, |mic| voice(peers, mic));
        if !changed {
            return;
        }
        for &subscriber in &self.members {
            if peers[subscriber].present && self.settle_audio(subscriber, peers) {
                arranged.changed.insert(subscriber);
            }
        }
    }

    fn settle_audio(&self, subscriber: usize, peers: &mut Slab<Peer>) -> bool {
        let slots = peers[subscriber].slots.iter().filter(|slot| slot.kind == MediaKind::Audio).count();
        let mics = self.speakers.loudest(slots, subscriber);
        let wanted = mics.map(|(place, track)| Carried { place, track, source: Source::Mic });
        settle(peers, subscriber, MediaKind::Audio, &wanted.collect::<Vec<_>>())
    }

    fn settle_video(&self, subscriber: usize, ids: &Ids, peers: &mut Slab<Peer>) -> bool {
        if let Some(view) = &peers[subscriber].view {
            let slots = peers[subscriber].slots.iter().filter(|slot| slot.kind == MediaKind::Video).count();
            let there =
                view.wants().filter_map(|want| Some((self.wanted(want, subscriber, ids, peers)?, want.max_height)));
            let (wanted, heights): (Vec<Carried>, Vec<u32>) = there.take(slots).unzip();
            let changed = settle(peers, subscriber, MediaKind::Video, &wanted);
            for slot in &mut peers[subscriber].slots {
                let at = wanted.iter().position(|carried| slot.carries == Some(*carried));
                slot.max_height = at.map_or(FULL_HEIGHT, |at| heights[at]);
                slot.importance = at.unwrap_or_default();
            }
            return changed;
        }
        let pictures = self.pictures(subscriber);
        let mut changed = false;
        for carried in pictures {
            let slots = &peers[subscriber].slots;
            let Some(free) = slots.iter().position(|slot| slot.is_free(MediaKind::Video)) else { break };
            if !slots.iter().any(|slot| slot.carries == Some(carried)) {
                point(peers, subscriber, free, Some(carried));
                changed = true;
            }
        }
        changed
    }

    /// The picture that is wanted, if it is there.
    fn wanted(&self, want: &Want, subscriber: usize, ids: &Ids, peers: &Slab<Peer>) -> Option<Carried> {
        let place = *ids.get(&want.publisher)?;
        let publisher = peers.get(place).filter(|peer| peer.room == self.id && place != subscriber)?;
        let is_it = |track: &Track| track.listed && track.source == want.source && track.kind == MediaKind::Video;
        let track = publisher.tracks.iter().position(is_it)?;
        Some(Carried { place, track, source: want.source })
    }

    /// The pictures of the others, in the order in which they are given slots.
    fn pictures(&self, subscriber: usize) -> impl Iterator<Item = Carried> + '_ {
        let cameras = self.cameras.iter().map(|(place, track)| (*place, *track, Source::Camera));
        let screens = self.screens.iter().map(|(place, track)| (*place, *track, Source::Screen));
        let others = cameras.chain(screens).filter(move |(place, ..)| *place != subscriber);
        others.map(|(place, track, source)| Carried { place, track, source })
    }

    /// How many pictures of the others a peer has no slot for.
    fn unplaced(&self, peer: &Peer) -> usize {
        if peer.view.is_some() {
            return 0; // it has chosen
        }
        let own = peer.tracks.iter().filter(|track| track.listed && track.kind == MediaKind::Video).count();
        let carried = peer.slots.iter().filter(|slot| slot.kind == MediaKind::Video && slot.carries.is_some()).count();
        (self.cameras.len() + self.screens.len()).saturating_sub(own + carried)
    }
}

/// How loud a microphone is.
pub(crate) fn voice(peers: &Slab<Peer>, (place, track): Mic) -> Option<&Voice> {
    peers.get(place)?.tracks.get(track).map(|track| &track.voice)
}

/// Makes the slots of a kind carry what is wanted: a source keeps the slot that it has, the others take free ones in order.
fn settle(peers: &mut Slab<Peer>, subscriber: usize, kind: MediaKind, wanted: &[Carried]) -> bool {
    let mut changed = false;
    for slot in 0..peers[subscriber].slots.len() {
        let of = &peers[subscriber].slots[slot];
        if of.kind == kind && of.carries.is_some_and(|carried| !wanted.contains(&carried)) {
            point(peers, subscriber, slot, None);
            changed = true;
        }
    }
    for carried in wanted {
        let slots = &peers[subscriber].slots;
        if slots.iter().any(|slot| slot.carries == Some(*carried)) {
            continue;
        }
        let Some(free) = slots.iter().position(|slot| slot.is_free(kind)) else { break };
        point(peers, subscriber, free, Some(*carried));
        changed = true;
    }
    changed
}

/// Points a slot at a source, or at none, and writes that down at the track.
fn point(peers: &mut Slab<Peer>, subscriber: usize, slot: usize, to: Option<Carried>) {
    let listed = std::mem::take(&mut peers[subscriber].slots[slot].listed);
    listed.into_iter().flatten().for_each(|listing| unlist(peers, subscriber, slot, listing));
    let Some(carried) = to else {
        peers[subscriber].point_slot(slot, None);
        return;
    };
    let Some((receiver, publisher)) = peers.get2_mut(subscriber, carried.place) else { return };
    receiver.point_slot(slot, Some((carried, publisher)));
    relist(peers, subscriber, slot);
}

/// Puts a slot into the lists of the layers that it takes or waits for, and out of the others.
pub(crate) fn relist(peers: &mut Slab<Peer>, subscriber: usize, slot: usize) {
    let Some(of) = peers.get(subscriber).and_then(|peer| peer.slots.get(slot)) else { return };
    let (Some(carried), takes, before) = (of.carries, of.layers(), of.listed) else { return };
    let mut listed = before.map(|listing| listing.filter(|listing| takes.contains(&Some(listing.layer))));
    for listing in before.into_iter().flatten().filter(|listing| !listed.contains(&Some(*listing))) {
        unlist(peers, subscriber, slot, listing);
    }
    let Some(track) = peers.get_mut(carried.place).and_then(|peer| peer.tracks.get_mut(carried.track)) else { return };
    for layer in takes.into_iter().flatten() {
        let known = listed.iter().flatten().any(|listing| listing.layer == layer);
        let (false, Some(of)) = (known, track.layers.get_mut(layer)) else { continue };
        if let Some(free) = listed.iter_mut().find(|listing| listing.is_none()) {
            *free = Some(Listing { layer, at: of.subscribers.len() });
            of.subscribers.push((subscriber, slot));
        }
    }
    peers[subscriber].slots[slot].listed = listed;
}

/// Takes a slot out of a list. Its place there is known: the lists of a large room are long.
fn unlist(peers: &mut Slab<Peer>, subscriber: usize, slot: usize, listing: Listing) {
    let Some(carried) = peers[subscriber].slots[slot].carries else { return };
    let track = peers.get_mut(carried.place).and_then(|peer| peer.tracks.get_mut(carried.track));
    let Some(layer) = track.and_then(|track| track.layers.get_mut(listing.layer)) else { return };
    if layer.subscribers.get(listing.at) != Some(&(subscriber, slot)) {
        return;
    }
    layer.subscribers.swap_remove(listing.at);
    if let Some(&(moved, its_slot)) = layer.subscribers.get(listing.at) {
        let its = peers[moved].slots[its_slot].listed.iter_mut().flatten();
        its.filter(|its| its.layer == listing.layer).for_each(|its| its.at = listing.at);
    } else if layer.subscribers.is_empty() {
        layer.ahead.clear();
    }
}

/// Aims a slot at a step of what it carries, or at none.
pub(crate) fn aim(peers: &mut Slab<Peer>, subscriber: usize, slot: usize, step: Option<Step>) -> bool {
    let changed =
        peers.get_mut(subscriber).and_then(|peer| peer.slots.get_mut(slot)).is_some_and(|slot| slot.aim(step));
    if changed {
        relist(peers, subscriber, slot);
    }
    changed
}
