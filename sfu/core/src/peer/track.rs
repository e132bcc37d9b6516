//! A source that a peer publishes, in one layer or several of them (simulcast, RFC 8853).
//!
//! Layers are told apart by their `rid` and listed as the offer lists them, the smallest first. How high their pictures are
//! is taken from VP8 key frames; what is not known is taken to be half of the next larger one, the largest 720.

use super::scalable::Scalable;
use crate::descriptor::{Descriptor, Raw};
use crate::event::Source;
use crate::forward::{Ahead, Packet, Rate, Step, rate_of};
use crate::kept::Kept;
use crate::keyframe::KeyframeGate;
use crate::quality::StreamFigures;
use crate::shard::{LayerOf, Wanted};
use crate::speakers::Voice;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::format::Codec;
use str0m::media::{MediaKind, Mid, Rid};

/// Layers of one source. Browsers send three; each costs its bits at the publisher's uplink.
pub(crate) const LAYERS_MAX: usize = 3;
/// How high a picture is taken to be in its largest layer while nobody says so.
pub(super) const HEIGHT_ASSUMED: u32 = 720;
/// A layer of which nothing has come for so long is gone: its publisher has not the bandwidth for it. Lower falls back to a
/// smaller one sooner; below the distance of two pictures every slow camera would seem to be gone.
pub(super) const LAYER_GONE_AFTER: Duration = Duration::from_millis(600);
/// A layer's height changes no more often: each change is a look at the slots of all who get it.
const HEIGHT_HOLDS: Duration = Duration::from_secs(1);
/// Nothing has come of a picture for so long: it has paused, as a camera that is turned off. What was kept of it is not shown any
/// more. Lower forgets slow pictures too; higher shows for longer what is no longer there.
const PAUSED_AFTER: Duration = Duration::from_secs(1);
/// A slowest rate that takes more than this part of the whole is no step of its own.
const SLOW_PART: (u64, u64) = (3, 4);
/// What pictures take before they have been measured, by their height: what browsers send. Lower grants at first what has to
/// be taken back, higher holds back what would fit.
pub(super) const BITRATES_ASSUMED_BPS: [(u32, u64); 4] =
    [(200, 150_000), (400, 500_000), (800, 1_700_000), (u32::MAX, 3_500_000)];

/// A source that the peer publishes.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    pub(crate) source: Source,
    /// Its room gives it to the others.
    pub(crate) listed: bool,
    /// How loud it is, where it is a microphone.
    pub(crate) voice: Voice,
    /// How large the others want it.
    pub(crate) wanted: Wanted,
    /// One where it is not simulcast.
    pub(crate) layers: Vec<Layer>,
    /// It was told by REMB to send no more than its only receiver can take.
    pub(crate) capped: bool,
}

/// One of the sizes in which a source comes.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) rid: Option<Rid>,
    pub(crate) gate: KeyframeGate,
    /// Who gets it, or waits for a key frame of it: the subscriber's place and its slot.
    pub(crate) subscribers: Vec<(usize, usize)>,
    /// What passed by those who wait.
    pub(crate) ahead: Ahead,
    /// Its newest key frame is being kept, which has this RTP time; see [`crate::kept`].
    pub(crate) keeps: Option<u32>,
    /// When its newest packet came.
    pub(crate) came: Option<Instant>,
    /// Packets of it come.
    pub(crate) alive: bool,
    /// How high its pictures are, as its key frames say, and since when.
    height: Option<(u32, Instant)>,
    /// Payload bytes since the last tick, and those of its slowest rate among them, where it has several.
    pub(crate) bytes: u64,
    pub(crate) slow_bytes: u64,
    /// Over the last tick, bits a second.
    pub(crate) bitrate_bps: u64,
    /// Over the last few, while it came.
    usual_bps: u64,
    usual_slow_bps: u64,
    pub(crate) figures: StreamFigures,
    /// It is a stream of layers itself, as its dependency descriptors say.
    pub(super) scalable: Option<Box<Scalable>>,
}

impl Layer {
    /// A key frame says how high its picture is. Whether that is news: for everyone who gets it, so not as often as a publisher
    /// likes.
    pub(crate) fn shows(&mut self, height: u32, now: Instant) -> bool {
        let fresh = |(_, since): (u32, Instant)| now.saturating_duration_since(since) < HEIGHT_HOLDS;
        let news = self.height.is_none_or(|(known, _)| known != height) && !self.height.is_some_and(fresh);
        if news {
            self.height = Some((height, now));
        }
        news
    }

    /// Keeps a packet of a key frame, and what had come before the one that begins it.
    pub(crate) fn keep(&mut self, now: Instant, of: LayerOf, packet: &Packet, kept: &mut Kept) {
        let mut goes_on = kept.add(now, of, packet);
        if packet.opens {
            for held in self.ahead.of_picture(packet.rtp_time) {
                goes_on &= kept.add(now, of, held);
            }
        }
        self.keeps = goes_on.then_some(packet.rtp_time);
    }

    /// Reads what a packet's dependency descriptor says, given its payload's size. Whether that changes what there is to choose from.
    pub(super) fn read(&mut self, now: Instant, raw: &Raw, bytes: usize) -> (Option<Descriptor>, bool) {
        let known = self.scalable.as_ref().map(|of| of.structure());
        let Some(descriptor) = Descriptor::read(raw.bytes(), known) else { return (None, false) };
        if let (None, Some(structure)) = (&self.scalable, &descriptor.attached) {
            self.scalable = Some(Box::new(Scalable::new(Arc::clone(structure))));
        }
        let news = self.scalable.as_mut().is_some_and(|of| of.comes(now, &descriptor, bytes));
        (Some(descriptor), news)
    }

    /// What a packet says of the rate of its picture. Where a stream is more than rates its points are taken instead.
    pub(super) fn rate(&mut self, codec: Codec, descriptor: Option<&Descriptor>, payload: &[u8]) -> Option<Rate> {
        let rate = match (codec, descriptor, &self.scalable) {
            (Codec::Vp8 | Codec::H264, Some(descriptor), Some(of)) => Rate::of(descriptor, of.structure()),
            _ => rate_of(codec, payload),
        };
        if rate.is_some_and(|rate| rate.temporal == 0) {
            self.slow_bytes += payload.len() as u64;
        }
        rate
    }

    /// A packet has come. Whether that ends a pause.
    pub(crate) fn comes(&mut self, now: Instant) -> bool {
        let before = self.came.replace(now);
        before.is_some_and(|before| now.saturating_duration_since(before) >= PAUSED_AFTER)
    }

    /// Whether nothing comes of it now.
    pub(crate) fn is_paused(&self, now: Instant) -> bool {
        self.came.is_none_or(|came| now.saturating_duration_since(came) >= PAUSED_AFTER)
    }

    /// A tick is over.
    pub(crate) fn measured(&mut self, interval: Duration) {
        let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX).max(1);
        let bps = |bytes: &mut u64| std::mem::take(bytes).saturating_mul(8_000_000) / micros;
        (self.bitrate_bps, self.usual_slow_bps) =
            (bps(&mut self.bytes), usually(self.usual_slow_bps, bps(&mut self.slow_bytes)));
        self.usual_bps = usually(self.usual_bps, self.bitrate_bps);
        if let Some(scalable) = &mut self.scalable {
            scalable.measured(interval);
        }
    }

    /// What its slowest rate alone takes, bits a second; none where that is not known, or hardly less than all of it.
    fn slow_bps(&self) -> Option<u64> {
        Some(self.usual_slow_bps).filter(|slow| *slow > 0 && slow * SLOW_PART.1 <= self.usual_bps * SLOW_PART.0)
    }
}

/// What usually comes in a second, after one in which `now` came. One in which it began or ended says little.
pub(super) fn usually(before: u64, now: u64) -> u64 {
    match (before, now) {
        (before, 0) => before,
        (0, now) => now,
        (before, now) => (before * 3 + now) / 4,
    }
}

impl Track {
    pub(crate) fn new(mid: Mid, kind: MediaKind, source: Source, rids: &[Rid]) -> Self {
        let layer = |rid: Option<Rid>| Layer { rid, ..Layer::default() };
        let layers = if rids.is_empty() {
            vec![layer(None)]
        } else {
            rids.iter().take(LAYERS_MAX).map(|rid| layer(Some(*rid))).collect()
        };
        let (voice, wanted) = (Voice::default(), Wanted::default());
        Self { mid, kind, source, listed: false, voice, wanted, layers, capped: false }
    }

    /// It comes in layers to choose from.
    pub(crate) fn is_layered(&self) -> bool {
        self.layers.len() > 1 || self.scalable().is_some()
    }

    /// It is one stream of layers.
    pub(crate) fn scalable(&self) -> Option<&Scalable> {
        let [layer] = &self.layers[..] else { return None };
        layer.scalable.as_deref().filter(|of| of.has_choice())
    }

    /// What one who shows its pictures `max_height` high may get, the smallest first, and what each takes: layers, or the points of
    /// one stream of layers. Whoever takes no descriptors can't be told what is left out of a stream: they get it whole.
    /// Of layers the smallest may be had at its slowest rate too.
    pub(crate) fn steps(&self, max_height: u32, takes_descriptors: bool) -> Vec<(Step, u64)> {
        if let Some(of) = self.scalable().filter(|_| takes_descriptors) {
            return of.ladder(max_height);
        }
        let ladder = self.ladder(max_height);
        let slow = ladder.first().and_then(|layer| Some((Step::Slow(*layer), self.layers[*layer].slow_bps()?)));
        slow.into_iter().chain(ladder.iter().map(|layer| (Step::Layer(*layer), self.needs_bps(*layer)))).collect()
    }

    /// The layer of a `rid`.
    pub(crate) fn layer_of(&self, rid: Option<Rid>) -> Option<usize> {
        self.layers.iter().position(|layer| layer.rid == rid)
    }

    /// All layers together, bits a second.
    pub(crate) fn bitrate_bps(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bitrate_bps).sum()
    }

    /// Whether anything of it comes. Of layers it is known when one ends; of a track of one, what came in the last tick.
    pub(crate) fn comes(&self) -> bool {
        self.layers.iter().any(|layer| layer.alive && (layer.rid.is_some() || layer.bitrate_bps > 0))
    }

    /// How high the pictures of a layer are, as far as that is known.
    pub(crate) fn height(&self, layer: usize) -> u32 {
        let steps_up = |layer: usize| u32::try_from(self.layers.len().saturating_sub(layer + 1)).unwrap_or(0).min(8);
        if let Some((height, _)) = self.layers.get(layer).and_then(|layer| layer.height) {
            return height;
        }
        let known = self.layers.iter().enumerate().find_map(|(at, layer)| Some(layer.height?.0 << steps_up(at)));
        (known.unwrap_or(HEIGHT_ASSUMED) >> steps_up(layer)).max(1)
    }

    /// What a layer takes, bits a second: measured, or what its size usually takes.
    pub(crate) fn needs_bps(&self, layer: usize) -> u64 {
        match self.layers.get(layer).map_or(0, |layer| layer.usual_bps) {
            0 => {
                let height = self.height(layer);
                let assumed = BITRATES_ASSUMED_BPS.iter().find(|(up_to, _)| height <= *up_to);
                assumed.map_or(0, |(_, bps)| *bps)
            }
            measured => measured,
        }
    }

    /// The layers that one who shows a picture `max_height` high may get, the smallest first: up to the smallest that fills
    /// it. Of those that do not come none, unless none comes at all: then all, and the first to come is seen first.
    pub(crate) fn ladder(&self, max_height: u32) -> Vec<usize> {
        let any = self.layers.iter().any(|layer| layer.alive);
        let mut ladder: Vec<usize> = (0..self.layers.len()).filter(|at| !any || self.layers[*at].alive).collect();
        ladder.sort_by_key(|layer| self.height(*layer));
        // A quarter less is drawn larger without its being seen.
        let fills = |layer: &usize| u64::from(self.height(*layer)) * 4 >= u64::from(max_height) * 3;
        if let Some(enough) = ladder.iter().position(fills) {
            ladder.truncate(enough + 1);
        }
        ladder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::epoch;

    fn track(rids: &[&str]) -> Track {
        let rids: Vec<Rid> = rids.iter().map(|rid| Rid::from(*rid)).collect();
        let mut track = Track::new("0".into(), MediaKind::Video, Source::Camera, &rids);
        track.layers.iter_mut().for_each(|layer| layer.alive = true);
        track
    }

    #[test]
    fn c7_a_picture_gets_the_smallest_layer_that_fills_it() {
        let track = track(&["q", "h", "f"]);
        for (max_height, layer) in [(90, 0), (180, 0), (240, 0), (300, 1), (360, 1), (720, 2), (u32::MAX, 2)] {
            assert_eq!(track.ladder(max_height).last(), Some(&layer), "{max_height}");
        }
    }

    #[test]
    fn c7_heights_are_taken_from_what_is_known() {
        let mut track = track(&["q", "h", "f"]);
        assert_eq!([0, 1, 2].map(|layer| track.height(layer)), [180, 360, 720]);
        assert!(track.layers[0].shows(270, epoch()));
        assert_eq!([0, 1, 2].map(|layer| track.height(layer)), [270, 540, 1_080]);
        // The other way round, as the key frames show.
        assert!(!track.layers[0].shows(720, epoch()), "not at once again");
        let later = epoch() + HEIGHT_HOLDS;
        for (layer, height) in [(2, 180), (1, 360), (0, 720)] {
            assert!(track.layers[layer].shows(height, later));
            assert!(!track.layers[layer].shows(height, later + HEIGHT_HOLDS), "no news");
        }
        assert_eq!(track.ladder(u32::MAX), [2, 1, 0]);
        assert_eq!(track.ladder(180), [2]);
    }

    #[test]
    fn c7_a_layer_that_does_not_come_is_passed_over() {
        let mut track = track(&["q", "h", "f"]);
        track.layers[2].alive = false;
        assert_eq!(track.ladder(720), [0, 1]);
        track.layers[0].alive = false;
        assert_eq!(track.ladder(180), [1], "larger than wanted is better than nothing");
        track.layers[1].alive = false;
        assert_eq!(track.ladder(180), [0], "none comes yet");
    }

    #[test]
    fn c7_a_camera_that_is_off_is_told_from_one_that_is_on() {
        let mut simulcast = track(&["q", "h", "f"]);
        assert!(simulcast.comes());
        simulcast.layers.iter_mut().for_each(|layer| layer.alive = false);
        assert!(!simulcast.comes());
        let mut single = track(&[]);
        assert!(!single.comes(), "nothing came in the last tick");
        single.layers[0].bytes = 9;
        single.layers[0].measured(Duration::from_secs(1));
        assert!(single.comes());
    }

    #[test]
    fn c7_what_a_layer_takes_is_measured_or_assumed() {
        let mut track = track(&["q", "h", "f"]);
        assert_eq!([0, 1, 2].map(|layer| track.needs_bps(layer)), [150_000, 500_000, 1_700_000]);
        track.layers[1].bytes = 60_000;
        track.layers[1].measured(Duration::from_secs(1));
        assert_eq!(track.needs_bps(1), 480_000);
    }

    #[test]
    fn c7_the_smallest_layer_may_be_had_at_its_slowest_rate() {
        let mut track = track(&["q", "h", "f"]);
        let second = |track: &mut Track, slow_bytes| {
            (track.layers[0].bytes, track.layers[0].slow_bytes) = (15_000, slow_bytes);
            track.layers[0].measured(Duration::from_secs(1));
            track.steps(360, true)
        };
        let all = [(Step::Layer(0), 120_000), (Step::Layer(1), 500_000)];
        assert_eq!(second(&mut track, 0), all, "it has one rate");
        let with_slow = second(&mut track, 6_000);
        assert_eq!((with_slow[0], &with_slow[1..]), ((Step::Slow(0), 48_000), &all[..]));
        (0..20).for_each(|_| drop(second(&mut track, 14_000)));
        assert_eq!(second(&mut track, 14_000), all, "it would save nothing");
    }
}
