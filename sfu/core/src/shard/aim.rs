//! Which layer each slot takes: what its picture is drawn at, of what comes, as far as the receiver's bandwidth goes.

use super::Shard;
use crate::event::Source;
use crate::forward::{Carried, Slot, Step};
use crate::room;
use crate::share::Ask;
use std::time::Instant;
use str0m::media::MediaKind;

/// A slot for pictures, and the steps that it may take, the smallest first.
struct Candidate {
    slot: usize,
    ladder: Vec<Step>,
    ask: Ask,
}

impl Shard {
    /// Aims a peer's slots for pictures, and asks for the key frames that they then wait for.
    pub(super) fn aim_slots(&mut self, now: Instant, place: usize) {
        let candidates = self.candidates(place);
        let budget = self.budget(place);
        let Some(peer) = self.peers.get_mut(place) else { return };
        let asks: Vec<Ask> = candidates.iter().map(|candidate| candidate.ask.clone()).collect();
        let granted = peer.share.grant(now, budget, &asks);
        for (candidate, granted) in candidates.into_iter().zip(granted) {
            let paused = granted.is_none() && !candidate.ladder.is_empty();
            if std::mem::replace(&mut self.peers[place].slots[candidate.slot].paused, paused) != paused {
                self.counters.pictures_paused += u64::from(paused);
            }
            let step = granted.and_then(|size| candidate.ladder.get(size).copied());
            room::aim(&mut self.peers, place, candidate.slot, step);
        }
        self.want_awaited_keyframes(now, place);
        self.want_more(now, place);
    }

    /// A peer's pictures, the most important first: screens, then as its view says.
    fn candidates(&self, place: usize) -> Vec<Candidate> {
        let slots = self.peers.get(place).map_or(&[][..], |peer| &peer.slots);
        let pictures = slots.iter().enumerate().filter(|(_, slot)| slot.kind == MediaKind::Video);
        let mut pictures: Vec<_> = pictures.filter_map(|(index, slot)| Some((index, slot, slot.carries?))).collect();
        pictures.sort_by_key(|(index, slot, carried)| (carried.source != Source::Screen, slot.importance, *index));
        let candidate = |(index, slot, carried): (usize, &Slot, Carried)| {
            let track = self.peers.get(carried.place)?.tracks.get(carried.track)?;
            let (ladder, needs_bps): (Vec<Step>, Vec<u64>) =
                track.steps(slot.max_height, slot.takes_descriptors).into_iter().unzip();
            let had = slot.aimed();
            // One that is no longer among them was too large or has gone: what it had is then the nearest there is.
            let before = had.map(|had| ladder.iter().position(|step| *step == had).unwrap_or(ladder.len()));
            let slow = matches!(ladder.first(), Some(Step::Slow(_)));
            // A camera that is off takes nothing from the others.
            let sizes_bps = if track.comes() { needs_bps } else { vec![0; ladder.len()] };
            Some(Candidate { slot: index, ladder, ask: Ask { sizes_bps, slow, before, paused: slot.paused } })
        };
        pictures.into_iter().filter_map(candidate).collect()
    }

    /// What a peer can take in pictures, if that is known and matters: in a call of two with one size each it is the publisher
    /// who adapts.
    fn budget(&self, place: usize) -> Option<u64> {
        let peer = self.peers.get(place).filter(|_| !self.is_plain_pair(place))?;
        peer.estimate_of_pictures_bps()
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
