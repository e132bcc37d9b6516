//! How large a publisher's pictures are wanted: what nobody shows need not be sent to us, nor coded.
//!
//! More is told at once, less once it has been so for a while: a layout changes back and forth. Heights are told in a few
//! steps, so that a window that is drawn a little larger tells nothing. In a call of two that has said nothing of what it
//! shows everything is wanted.

use super::Shard;
use crate::event::{Event, Source};
use crate::forward::Carried;
use crate::view::FULL_HEIGHT;
use rustc_hash::FxHashMap;
use std::time::{Duration, Instant};
use str0m::media::MediaKind;
use tertulia_common::RoomId;

/// How long less has to be enough before it is told. Lower saves bandwidth sooner, higher spares pictures that come back.
const LESS_AFTER: Duration = Duration::from_secs(3);
/// The heights that are told; above them it is as large as it can be had.
const STEPS: [u32; 3] = [180, 360, 720];

/// What a publisher knows of how a picture of its own is wanted.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The height that was told; none: nobody shows it.
    told: Option<u32>,
    less_since: Option<Instant>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { told: Some(FULL_HEIGHT), less_since: None }
    }
}

impl Wanted {
    /// How it is wanted now. Whether that is to be told.
    fn update(&mut self, now: Instant, height: Option<u32>) -> bool {
        let is_less = height < self.told;
        self.less_since = is_less.then(|| self.less_since.unwrap_or(now));
        let lasts = self.less_since.is_some_and(|since| now.saturating_duration_since(since) >= LESS_AFTER);
        let tell = height > self.told || lasts;
        if tell {
            (self.told, self.less_since) = (height, None);
        }
        tell
    }
}

/// The step that a height is told as. A quarter less is drawn larger without its being seen.
fn step(height: u32) -> u32 {
    let fills = |step: &u32| u64::from(*step) * 4 >= u64::from(height) * 3;
    STEPS.into_iter().find(fills).unwrap_or(FULL_HEIGHT)
}

impl Shard {
    /// A peer's slots carry something else, or larger: tells those of whom more is wanted than they know.
    pub(super) fn want_more(&mut self, now: Instant, place: usize) {
        let slots = self.peers.get(place).map_or(&[][..], |peer| &peer.slots);
        let pictures = slots.iter().filter(|slot| slot.kind == MediaKind::Video);
        let shown: Vec<_> = pictures.filter_map(|slot| Some((slot.carries?, step(slot.max_height)))).collect();
        for (Carried { place, track, .. }, height) in shown {
            let track = self.peers.get_mut(place).and_then(|peer| peer.tracks.get_mut(track));
            if track.is_some_and(|track| Some(height) > track.wanted.told && track.wanted.update(now, Some(height))) {
                self.tell_wanted(place);
            }
        }
    }

    /// Looks at what everyone in the room shows, and tells those of whom less is wanted than they know.
    pub(super) fn want_less(&mut self, now: Instant, room: RoomId) {
        let Some(members) = self.rooms.get(&room).map(|room| room.members.clone()) else { return };
        let says = |place: &usize| self.peers.get(*place).is_some_and(|peer| peer.view.is_some());
        let chosen = self.rooms.get(&room).is_some_and(|room| room.is_group()) || members.iter().any(says);
        let mut shown = FxHashMap::default();
        let peers = members.iter().filter(|_| chosen).filter_map(|place| self.peers.get(*place));
        for slot in peers.flat_map(|peer| &peer.slots).filter(|slot| slot.kind == MediaKind::Video) {
            if let Some(carried) = slot.carries {
                let height: &mut u32 = shown.entry((carried.place, carried.track)).or_default();
                *height = (*height).max(step(slot.max_height));
            }
        }
        for place in members {
            let Some(peer) = self.peers.get_mut(place).filter(|peer| peer.present) else { continue };
            let mut news = false;
            for (index, track) in peer.tracks.iter_mut().enumerate().filter(|(_, track)| track.kind == MediaKind::Video)
            {
                let height = if chosen { shown.get(&(place, index)).copied() } else { Some(FULL_HEIGHT) };
                news |= track.wanted.update(now, height);
            }
            if news {
                self.tell_wanted(place);
            }
        }
    }

    fn tell_wanted(&mut self, place: usize) {
        let Some(peer) = self.peers.get(place) else { return };
        let pictures = peer.tracks.iter().filter(|track| track.kind == MediaKind::Video);
        let wanted: Vec<(Source, Option<u32>)> = pictures.map(|track| (track.source, track.wanted.told)).collect();
        self.events.push_back(Event::Publish { room: peer.room, peer: peer.id, wanted });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::epoch;

    #[test]
    fn c7_more_is_told_at_once_and_less_when_it_lasts() {
        let at = |ms| epoch() + Duration::from_millis(ms);
        let mut wanted = Wanted::default();
        assert!(!wanted.update(at(0), Some(FULL_HEIGHT)), "as it is taken to be");
        assert!(!wanted.update(at(0), None));
        assert!(!wanted.update(at(1_000), Some(180)), "less, though not the same");
        assert!(!wanted.update(at(2_000), Some(FULL_HEIGHT)), "and back");
        assert!(!wanted.update(at(3_000), Some(180)));
        assert!(!wanted.update(at(5_900), Some(180)));
        assert!(wanted.update(at(6_000), Some(180)));
        assert!(!wanted.update(at(60_000), Some(180)));
        assert!(wanted.update(at(60_010), Some(360)));
        assert!(!wanted.update(at(61_000), None));
        assert!(wanted.update(at(64_000), None));
        assert!(wanted.update(at(64_001), Some(180)));
    }

    #[test]
    fn c7_heights_are_told_in_steps() {
        for (height, told) in [(0, 180), (240, 180), (241, 360), (480, 360), (720, 720), (1_080, FULL_HEIGHT)] {
            assert_eq!(step(height), told, "{height}");
        }
    }
}
