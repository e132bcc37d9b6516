//! What a shard looks at once a second: who is still there, how much there is to send, how well it flows.

use super::{Shard, TICK};
use crate::event::{Event, GoneReason};
use crate::peer::{Link, Track};
use std::time::Instant;
use str0m::media::MediaKind;

/// Ticks between two reports of quality.
const QUALITY_TICKS: u64 = 2;
/// What is tried for a receiver of video beyond what it gets: room for the publisher to grow into.
const DESIRED_MIN_BPS: u64 = 3_000_000;
/// The lowest cap that is told to a publisher: below it a picture is no use.
const CAP_MIN_BPS: u64 = 80_000;

impl Shard {
    pub(super) fn tick(&mut self, now: Instant) {
        self.ticks += 1;
        let places: Vec<usize> = self.peers.iter().map(|(place, _)| place).collect();
        for place in places {
            self.peers[place].measure_tracks(TICK);
            self.check_liveness(now, place);
        }
        self.kept.forget_old(now);
        self.share_estimates(now);
        let rooms: Vec<_> = self.rooms.keys().copied().collect();
        for room in rooms {
            self.want_less(now, room);
        }
        if self.ticks.is_multiple_of(QUALITY_TICKS) {
            self.report_quality();
        }
    }

    fn check_liveness(&mut self, now: Instant, place: usize) {
        let peer = &mut self.peers[place];
        let silence = now.saturating_duration_since(peer.last_heard);
        match peer.link {
            Link::Connecting { since } if now.saturating_duration_since(since) > self.limits.peer_connect_max => {
                self.gone(now, place, GoneReason::NeverConnected);
            }
            Link::Up if silence > self.limits.peer_silence_max => {
                peer.link = Link::Down;
                self.counters.peers_up -= 1;
                self.events.push_back(Event::Down { room: peer.room, peer: peer.id });
            }
            Link::Down if silence > self.limits.peer_gone_after => self.gone(now, place, GoneReason::Silent),
            _ => {}
        }
    }

    /// Tells each stack how much there is to send, and a publisher what its only receiver can take.
    fn share_estimates(&mut self, now: Instant) {
        (self.counters.estimate_bps, self.counters.estimates) = (0, 0);
        let places: Vec<usize> = self.peers.iter().map(|(place, _)| place).collect();
        for place in places {
            let peer = &self.peers[place];
            if let Some(estimate) = peer.estimate_bps {
                self.counters.estimate_bps += estimate;
                self.counters.estimates += 1;
            }
            if self.is_plain_pair(place) {
                self.share_of_pair(place);
                if self.peers[place].slots.iter().any(|slot| slot.paused) {
                    self.aim_slots(now, place); // it was in a larger room
                }
            } else {
                self.aim_slots(now, place);
                self.try_more(now, place);
                if self.peers[place].lift_caps(self.limits.publish_bitrate_max_bps) {
                    self.mark_dirty(place);
                }
            }
        }
    }

    /// A receiver of one other, whose pictures come in one size: then it is the publisher who sends less.
    fn share_of_pair(&mut self, place: usize) {
        let peer = &self.peers[place];
        let carried = peer.slots.iter().filter_map(|slot| slot.carries).map(|of| (of.place, of.track));
        let videos: Vec<_> = carried.filter(|(place, track)| self.video_bitrate_bps(*place, *track) > 0).collect();
        let video_bps: u64 = videos.iter().map(|(place, track)| self.video_bitrate_bps(*place, *track)).sum();
        let estimate = peer.estimate_of_pictures_bps();
        let desired = if video_bps == 0 { 0 } else { DESIRED_MIN_BPS.max(video_bps * 3 / 2) };
        self.peers[place].set_desired_bitrate(desired);
        let Some(estimate) = estimate else { return };
        let share = (estimate / videos.len().max(1) as u64).max(CAP_MIN_BPS);
        for (publisher, track) in videos {
            self.peers[publisher].cap_bitrate(track, share);
            self.mark_dirty(publisher);
        }
    }

    /// Whether it is in a call of two whose pictures come in one size each.
    pub(super) fn is_plain_pair(&self, place: usize) -> bool {
        let room = self.peers.get(place).and_then(|peer| self.rooms.get(&peer.room));
        let is_plain = |place| self.peers.get(place).is_some_and(|peer| !peer.tracks.iter().any(Track::is_layered));
        room.is_some_and(|room| room.is_pair() && room.admitted(&self.peers).all(is_plain))
    }

    /// Has the estimate tried for the next larger size that a receiver may get, and no further: what a thin link can't take
    /// would cost it sound.
    fn try_more(&mut self, now: Instant, place: usize) {
        let slots = self.peers[place].slots.iter().filter_map(|slot| slot.carries);
        let comes = slots.map(|of| self.video_bitrate_bps(of.place, of.track)).sum::<u64>() > 0;
        let peer = &mut self.peers[place];
        if let Some((start, desired)) = peer.share.begins_anew(now).filter(|_| comes) {
            return peer.begin_estimate_anew(now, start, desired);
        }
        let desired = if comes { peer.share.try_bps(now) } else { 0 };
        peer.set_desired_bitrate(desired);
    }

    fn video_bitrate_bps(&self, place: usize, track: usize) -> u64 {
        let track = self.peers.get(place).and_then(|peer| peer.tracks.get(track));
        track.filter(|track| track.kind == MediaKind::Video).map_or(0, Track::bitrate_bps)
    }

    fn report_quality(&mut self) {
        for room in self.rooms.values() {
            let peers: Vec<_> = room.admitted(&self.peers).map(|place| self.peers[place].quality()).collect();
            if peers.iter().any(|quality| quality.up.bitrate_bps + quality.down.bitrate_bps > 0) {
                self.events.push_back(Event::Quality { room: room.id, peers });
            }
        }
    }
}
