//! What a shard looks at once a second: who is still there, how much there is to send, how well it flows.

use super::{Shard, TICK};
use crate::event::{Event, GoneReason};
use crate::peer::{Link, Peer};
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
        self.share_estimates();
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
    fn share_estimates(&mut self) {
        (self.counters.estimate_bps, self.counters.estimates) = (0, 0);
        let places: Vec<usize> = self.peers.iter().map(|(place, _)| place).collect();
        for place in places {
            let peer = &self.peers[place];
            if let Some(estimate) = peer.estimate_bps {
                self.counters.estimate_bps += estimate;
                self.counters.estimates += 1;
            }
            let carried: Vec<_> = peer.slots.iter().filter_map(|slot| slot.carries).collect();
            let video_bps: u64 =
                carried.iter().map(|carried| self.video_bitrate_bps(carried.place, carried.track)).sum();
            let desired = if video_bps == 0 { 0 } else { DESIRED_MIN_BPS.max(video_bps * 3 / 2) };
            let (estimate, room) = (peer.estimate_bps, peer.room);
            self.peers[place].set_desired_bitrate(desired);
            let is_pair = self.rooms.get(&room).is_some_and(crate::room::Room::is_pair);
            if let (true, Some(estimate), true) = (is_pair, estimate, video_bps > 0) {
                let videos = carried.iter().filter(|carried| self.video_bitrate_bps(carried.place, carried.track) > 0);
                let videos: Vec<(usize, usize)> = videos.map(|carried| (carried.place, carried.track)).collect();
                let share = (estimate / videos.len().max(1) as u64).max(CAP_MIN_BPS);
                for (publisher, track) in videos {
                    self.peers[publisher].cap_bitrate(track, share);
                    self.mark_dirty(publisher);
                }
            }
        }
    }

    fn video_bitrate_bps(&self, place: usize, track: usize) -> u64 {
        let is_video = |peer: &&Peer| peer.tracks.get(track).is_some_and(|track| track.kind == MediaKind::Video);
        self.peers.get(place).filter(is_video).map_or(0, |peer| peer.tracks[track].bitrate_bps)
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
