//! A track that comes as one stream of layers that build on each other: what it is built of, what comes of it, what that takes.
//!
//! Its steps are points (so many sizes, at such a rate). Everything is learned from dependency descriptors.

use super::track::{BITRATES_ASSUMED_BPS, HEIGHT_ASSUMED, LAYER_GONE_AFTER, usually};
use crate::descriptor::{Descriptor, Point, SPATIAL_MAX, Structure, TARGETS_MAX};
use crate::forward::Step;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is known of such a stream.
#[derive(Debug)]
pub(crate) struct Scalable {
    structure: Arc<Structure>,
    /// The targets that its publisher serves, a bit each.
    active: u32,
    /// When a frame of each size came last, and whether it still comes.
    came: [Option<Instant>; SPATIAL_MAX],
    alive: [bool; SPATIAL_MAX],
    /// Payload bytes of each target since the last tick, and what they usually are in a second, in bits.
    bytes: [u64; TARGETS_MAX],
    usual_bps: [u64; TARGETS_MAX],
    /// Something has changed that was not told yet, and when something was told last.
    news: bool,
    told: Option<Instant>,
}

/// What there is to choose from is told no more often: each time is a look at the slots of all who get it.
const NEWS_INTERVAL: Duration = Duration::from_millis(250);

impl Scalable {
    pub(crate) fn new(structure: Arc<Structure>) -> Self {
        Self {
            structure,
            active: u32::MAX,
            came: [None; SPATIAL_MAX],
            alive: [false; SPATIAL_MAX],
            bytes: [0; TARGETS_MAX],
            usual_bps: [0; TARGETS_MAX],
            news: true,
            told: None,
        }
    }

    pub(crate) fn structure(&self) -> &Structure {
        &self.structure
    }

    /// There is more than one way to decode it.
    pub(crate) fn has_choice(&self) -> bool {
        self.structure.targets.len() > 1
    }

    /// Takes what a packet says, and its size. Whether what there is to choose from has become another, told not too often.
    pub(crate) fn comes(&mut self, now: Instant, descriptor: &Descriptor, bytes: usize) -> bool {
        let layer = descriptor.layer;
        let mut news = self.news;
        if let Some(structure) = &descriptor.attached {
            if *self.structure != **structure {
                // Its targets are others now.
                (self.bytes, self.usual_bps) = ([0; TARGETS_MAX], [0; TARGETS_MAX]);
                news = true;
            }
            self.structure = Arc::clone(structure);
        }
        for (target, of) in (0..).zip(self.bytes.iter_mut().take(self.structure.targets.len())) {
            *of += if descriptor.indications.has(target) { bytes as u64 } else { 0 };
        }
        if !descriptor.first {
            return false;
        }
        if let Some(active) = descriptor.active {
            news |= std::mem::replace(&mut self.active, active) != active;
        }
        for (spatial, came) in self.came.iter_mut().enumerate() {
            if spatial == usize::from(layer.spatial) {
                *came = Some(now);
            }
            let alive = came.is_some_and(|came| now.saturating_duration_since(came) < LAYER_GONE_AFTER);
            news |= self.alive.get_mut(spatial).is_some_and(|was| std::mem::replace(was, alive) != alive);
        }
        let tell = news && self.told.is_none_or(|told| now.saturating_duration_since(told) >= NEWS_INTERVAL);
        self.news = news && !tell;
        self.told = if tell { Some(now) } else { self.told };
        tell
    }

    /// A tick is over.
    pub(crate) fn measured(&mut self, interval: Duration) {
        let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX).max(1);
        for (bytes, usual) in self.bytes.iter_mut().zip(&mut self.usual_bps) {
            let bps = std::mem::take(bytes).saturating_mul(8_000_000) / micros;
            *usual = usually(*usual, bps);
        }
    }

    /// How high the pictures of a size are.
    fn height(&self, spatial: u8) -> u32 {
        let said = self.structure.resolutions.get(usize::from(spatial)).map(|(_, height)| *height);
        let largest = self.structure.targets.iter().map(|layers| layers.spatial).max().unwrap_or(0);
        said.unwrap_or(HEIGHT_ASSUMED >> largest.saturating_sub(spatial)).max(1)
    }

    /// What a step takes, bits a second: measured, or what its size usually takes.
    fn needs_bps(&self, point: Point) -> u64 {
        let target = self.structure.targets.iter().position(|layers| *layers == point);
        let measured = target.and_then(|target| self.usual_bps.get(target)).copied().unwrap_or(0);
        if measured > 0 {
            return measured;
        }
        let height = self.height(point.spatial);
        let assumed = BITRATES_ASSUMED_BPS.iter().find(|(up_to, _)| height <= *up_to).map_or(0, |(_, bps)| *bps);
        let rates = self.structure.targets.iter().map(|layers| u64::from(layers.temporal) + 1).max().unwrap_or(1);
        assumed * (rates + u64::from(point.temporal) + 1) / (2 * rates)
    }

    /// The steps that one who shows it `max_height` high may get, the smallest first, and what each takes: of the smallest size every
    /// rate, of the larger ones the two highest. What its publisher does not send is not among them.
    pub(crate) fn ladder(&self, max_height: u32) -> Vec<(Step, u64)> {
        let served = |(target, _): &(usize, &Point)| self.active >> target & 1 == 1;
        let comes = |point: &Point| self.alive.get(usize::from(point.spatial)).copied().unwrap_or(false);
        let targets = || self.structure.targets.iter().enumerate();
        let mut points: Vec<Point> = targets().filter(served).map(|(_, point)| *point).filter(comes).collect();
        if points.is_empty() {
            points = self.structure.targets.clone();
        }
        let highest = points.iter().map(|point| point.temporal).max().unwrap_or(0);
        points.retain(|point| point.spatial == 0 || point.temporal + 1 >= highest);
        points.sort();
        points.dedup();
        // A quarter less is drawn larger without its being seen.
        let fills = |point: &&Point| u64::from(self.height(point.spatial)) * 4 >= u64::from(max_height) * 3;
        if let Some(enough) = points.iter().find(fills).map(|point| point.spatial) {
            points.retain(|point| point.spatial <= enough);
        }
        let mut ladder: Vec<(Step, u64)> = Vec::with_capacity(points.len());
        for point in points {
            let bps = self.needs_bps(point);
            // A step that takes no more than the one before it is better than that.
            if ladder.last().is_some_and(|(_, before)| *before >= bps) {
                ladder.pop();
            }
            ladder.push((Step::Point(point), bps));
        }
        ladder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::describe::Mode;
    use crate::shard::tests::epoch;

    const SECOND: Duration = Duration::from_secs(1);

    fn stream(mode: Mode) -> Scalable {
        let bytes = mode.descriptor(&mode.picture(0)[0], 0, (true, true), true, None);
        Scalable::new(Descriptor::read(&bytes, None).unwrap().attached.unwrap())
    }

    /// A second of it: frames of size 0 have 1,000 bytes, each larger one twice as many. Whether there was news.
    fn second(of: &mut Scalable, mode: Mode, at: Instant, spatial: u8, active: Option<u32>) -> bool {
        let mut news = false;
        for index in 0..24 {
            let now = at + Duration::from_millis(index as u64 * 40);
            for frame in mode.picture(index).iter().filter(|frame| frame.spatial < spatial) {
                let said = mode.descriptor(frame, 0, (true, true), false, active.filter(|_| index == 0));
                let descriptor = Descriptor::read(&said, Some(of.structure())).unwrap();
                news |= of.comes(now, &descriptor, 1_000 << frame.spatial);
            }
        }
        of.measured(SECOND);
        news
    }

    fn points(ladder: &[(Step, u64)]) -> Vec<(u8, u8)> {
        let point = |(step, _): &(Step, u64)| match step {
            Step::Point(point) => (point.spatial, point.temporal),
            other => unreachable!("{other:?} of a stream of layers"),
        };
        ladder.iter().map(point).collect()
    }

    #[test]
    fn c7_a_ladder_has_the_steps_that_come_and_what_each_takes() {
        let mode = Mode::new(3, 3, false);
        let mut of = stream(mode);
        assert_eq!(of.ladder(720).len(), 7, "before anything has come");
        second(&mut of, mode, epoch(), 3, None);
        let ladder = of.ladder(720);
        assert_eq!(points(&ladder), [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]);
        let bps: Vec<u64> = ladder.iter().map(|(_, bps)| *bps).collect();
        // Of 24 pictures 6 are of the first rate, 12 of the second or less.
        assert_eq!(bps, [48_000, 96_000, 192_000, 288_000, 576_000, 672_000, 1_344_000]);
        assert_eq!(points(&of.ladder(360)).last(), Some(&(1, 2)));
        assert_eq!(points(&of.ladder(90)).last(), Some(&(0, 2)));
    }

    #[test]
    fn c7_sizes_that_stop_or_are_not_served_are_no_step() {
        let mode = Mode::new(3, 1, false);
        let mut of = stream(mode);
        assert!(second(&mut of, mode, epoch(), 3, None));
        assert_eq!(points(&of.ladder(720)), [(0, 0), (1, 0), (2, 0)]);
        assert!(!second(&mut of, mode, epoch() + SECOND, 3, None), "no news");
        assert!(second(&mut of, mode, epoch() + 2 * SECOND, 2, None), "it has stopped");
        assert_eq!(points(&of.ladder(720)), [(0, 0), (1, 0)]);
        assert!(second(&mut of, mode, epoch() + 3 * SECOND, 3, Some(0b001)), "so it says");
        assert_eq!(points(&of.ladder(720)), [(0, 0)]);
    }

    #[test]
    fn c7_where_sizes_are_apart_each_takes_its_own() {
        let mode = Mode::new(3, 1, true);
        let mut of = stream(mode);
        second(&mut of, mode, epoch(), 3, None);
        let bps: Vec<u64> = of.ladder(720).iter().map(|(_, bps)| *bps).collect();
        // Of 24 pictures one is a key frame, in which each builds on the smaller.
        assert_eq!(bps, [192_000, 392_000, 792_000]);
    }

    #[test]
    fn c7_a_step_that_takes_no_more_is_taken_for_the_one_before() {
        let mode = Mode::new(1, 3, false);
        let mut of = stream(mode);
        let base = mode.descriptor(&mode.picture(1)[0], 0, (true, true), false, None);
        let base = Descriptor::read(&base, Some(of.structure())).unwrap();
        assert_eq!(base.layer.temporal, 2);
        of.comes(epoch(), &base, 0);
        let first = mode.descriptor(&mode.picture(4)[0], 0, (true, true), false, None);
        of.comes(epoch(), &Descriptor::read(&first, Some(of.structure())).unwrap(), 1_000);
        of.measured(SECOND);
        assert_eq!(points(&of.ladder(720)), [(0, 2)], "nothing comes of the other two");
    }
}
