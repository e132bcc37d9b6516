//! A track of layers that build on each other (VP9, AV1): each picture comes in several sizes, and not every picture is needed.
//! What goes is told from the packets' dependency descriptors alone ([`crate::descriptor`]), never from the payload.
//!
//! A slot decodes for one target of the stream and takes what that target has. It changes its target between two pictures only:
//! - to one that is within its own at once: to fewer pictures or smaller ones, where each size builds on the next smaller;
//! - to more pictures after a frame of its own that the descriptor says can be switched at;
//! - to anything else, larger pictures above all, at a key frame, which is asked for meanwhile.
//!
//! Targets that the publisher no longer serves are left for the best that it does serve, so that nobody waits for what has stopped.
//! The last packet of the largest size that a slot takes ends its picture: it gets the marker.

use super::{Packet, Step, Strategy, Verdict};
use crate::descriptor::{Descriptor, Indication, Point, Structure};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(in crate::forward) struct Svc {
    /// The most that is wanted; none: paused.
    wanted: Option<Point>,
    structure: Option<Arc<Structure>>,
    /// The targets that the publisher serves, a bit each.
    active: u32,
    /// What flows; none: a key frame is waited for.
    target: Option<u8>,
    /// What should flow.
    goal: Option<u8>,
    /// From the next picture on this can flow.
    ready: Option<u8>,
    /// The newest packet, and its picture.
    newest: u64,
    rtp_time: Option<u32>,
    /// Packets before this one are of when another target flowed.
    before: Option<(u64, u8)>,
}

impl Svc {
    fn layers_of(&self, target: u8) -> Point {
        let targets = self.structure.as_ref().map(|structure| &structure.targets);
        targets.and_then(|targets| targets.get(usize::from(target)).copied()).unwrap_or_default()
    }

    /// The best target that is wanted and served; if all that is served is more than is wanted, the least of it.
    fn best(&self) -> Option<u8> {
        let (structure, wanted) = (self.structure.as_ref()?, self.wanted?);
        let targets = || structure.targets.iter().copied().enumerate().map(|(target, layers)| (layers, target as u8));
        let served = || targets().filter(|(_, target)| self.active >> target & 1 == 1);
        let fits = |(layers, _): &(Point, u8)| layers.spatial <= wanted.spatial && layers.temporal <= wanted.temporal;
        served().filter(fits).max().or_else(|| served().min()).or_else(|| targets().min()).map(|(_, target)| target)
    }

    /// The target of exactly these layers.
    fn target_of(&self, layers: Point) -> Option<u8> {
        let at = self.structure.as_ref()?.targets.iter().position(|of| *of == layers)?;
        u8::try_from(at).ok()
    }

    fn is_within(&self, target: u8, other: u8) -> bool {
        self.structure.as_ref().is_some_and(|structure| structure.is_within(target, other))
    }

    /// A picture begins with packet `seq`: from here on another target may flow.
    fn turn(&mut self, seq: u64) {
        self.goal = self.best();
        let ready = self.ready.take();
        let (Some(from), Some(goal)) = (self.target, self.goal) else { return };
        if from == goal {
            return;
        }
        let to = ready.filter(|ready| *ready == self.near(from, goal)).or_else(|| self.down(from, goal));
        if let Some(to) = to.filter(|to| *to != from) {
            self.target = Some(to);
            self.before = Some((seq, from));
        }
    }

    /// What can be had of a goal without a key frame: the goal, or as many pictures of the size that there is.
    fn near(&self, from: u8, goal: u8) -> u8 {
        let (ours, theirs) = (self.layers_of(from), self.layers_of(goal));
        let more = Point { spatial: ours.spatial, temporal: theirs.temporal };
        if theirs.spatial > ours.spatial { self.target_of(more).unwrap_or(goal) } else { goal }
    }

    /// What can flow at once on the way to a goal: the less of both, or, where smaller pictures need a key frame first, the fewest
    /// of those that there are.
    fn down(&self, from: u8, goal: u8) -> Option<u8> {
        let (ours, theirs) = (self.layers_of(from), self.layers_of(goal));
        let temporal = ours.temporal.min(theirs.temporal);
        let less = Point { spatial: ours.spatial.min(theirs.spatial), temporal };
        let fewest =
            Point { spatial: ours.spatial, temporal: if theirs.spatial < ours.spatial { 0 } else { temporal } };
        [less, fewest].into_iter().filter_map(|point| self.target_of(point)).find(|to| self.is_within(*to, from))
    }

    /// A key frame: whatever is wanted can flow.
    fn open(&mut self, packet: &Packet, descriptor: &Descriptor) -> Verdict {
        let before = self.target;
        self.structure.clone_from(&descriptor.attached);
        self.active = descriptor.active.unwrap_or(u32::MAX);
        (self.rtp_time, self.ready) = (Some(packet.rtp_time), None);
        self.newest = if before.is_none() { packet.seq } else { self.newest.max(packet.seq) };
        (self.goal, self.target) = (self.best(), self.best());
        self.before = before.map(|before| (packet.seq, before));
        if before.is_none() { Verdict::Begins } else { Verdict::Goes }
    }
}

impl Strategy for Svc {
    fn select(&mut self, packet: &Packet, _is_video: bool) -> Verdict {
        if self.wanted.is_none() {
            return Verdict::Other;
        }
        let Some(descriptor) = &packet.descriptor else {
            // Of a structure whose key frame was lost: nobody can say what it is good for.
            if self.target.is_none() && packet.starts_keyframe {
                // It is such a stream no longer.
                (self.structure, self.target) = (None, Some(0));
                return Verdict::Begins;
            }
            return if self.target.is_some() { Verdict::Goes } else { Verdict::Awaits };
        };
        let is_newest = packet.seq > self.newest || self.target.is_none();
        // Its first packet may come after others of the same picture.
        if descriptor.opens() && (is_newest || self.rtp_time == Some(packet.rtp_time)) {
            return self.open(packet, descriptor);
        }
        let Some(flows) = self.target else { return Verdict::Awaits };
        if is_newest {
            self.newest = packet.seq;
            self.active = descriptor.active.unwrap_or(self.active);
            if self.rtp_time.replace(packet.rtp_time) != Some(packet.rtp_time) && descriptor.first {
                self.turn(packet.seq);
            }
        }
        let target = match self.before {
            Some((since, before)) if packet.seq < since => before,
            _ => self.target.unwrap_or(flows),
        };
        if !descriptor.indications.has(target) {
            return Verdict::LeftOut;
        }
        if let Some(goal) = self.goal.filter(|goal| is_newest && *goal != target) {
            let near = self.near(target, goal);
            if near != target && descriptor.indications.of(near) == Indication::Switch {
                self.ready = Some(near);
            }
        }
        Verdict::Goes
    }

    fn aim(&mut self, step: Option<Step>) {
        self.wanted = step.map(|step| if let Step::Point(point) = step { point } else { Point::default() });
        if self.wanted.is_none() {
            self.target = None;
        }
        self.goal = self.best();
    }

    fn restart(&mut self) {
        self.target = None;
    }

    fn layers(&self) -> [Option<usize>; 2] {
        match (self.wanted, self.target) {
            (None, _) => [None, None],
            (Some(_), None) => [None, Some(0)],
            (Some(_), Some(_)) => [Some(0), None],
        }
    }

    fn aimed(&self) -> Option<Step> {
        self.wanted.map(Step::Point)
    }

    fn awaits(&self) -> Option<usize> {
        let (Some(flows), Some(goal)) = (self.target, self.goal) else { return self.layers()[1] };
        let larger = self.layers_of(goal).spatial > self.layers_of(flows).spatial;
        let smaller = self.layers_of(goal).spatial < self.layers_of(flows).spatial;
        (larger || smaller && !self.is_within(goal, flows)).then_some(0)
    }

    fn ends(&self, packet: &Packet) -> bool {
        let largest = self.target.map(|target| self.layers_of(target).spatial);
        let last = |of: &Descriptor| of.last && largest == Some(of.layer.spatial);
        packet.marker || packet.descriptor.as_ref().is_some_and(last)
    }

    fn shows(&self, packet: &Packet) -> Option<bool> {
        let Some(descriptor) = &packet.descriptor else { return Some(packet.marker) };
        let largest = self.wanted?.spatial;
        let ends = descriptor.last && descriptor.layer.spatial == largest;
        (descriptor.layer.spatial <= largest).then_some(packet.marker || ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::describe::Mode;
    use crate::forward::testing::packet;
    use std::collections::BTreeSet;

    /// What a publisher of such a stream sends, and what a slot takes of it.
    struct Stream {
        mode: Mode,
        svc: Svc,
        structure: Option<Arc<Structure>>,
        picture: usize,
        frame: u16,
        seq: u64,
        /// Frames that went, by their numbers.
        went: BTreeSet<u16>,
        /// Sizes that are not sent.
        spatial: u8,
        active: Option<u32>,
        begun: usize,
    }

    impl Stream {
        fn new(mode: Mode, wanted: Option<(u8, u8)>) -> Self {
            let mut svc = Svc::default();
            svc.aim(wanted.map(|(spatial, temporal)| Step::Point(Point { spatial, temporal })));
            let went = BTreeSet::new();
            Self {
                mode,
                svc,
                structure: None,
                picture: 0,
                frame: 65_500,
                seq: 0,
                went,
                spatial: mode.spatial,
                active: None,
                begun: 0,
            }
        }

        fn aim(&mut self, spatial: u8, temporal: u8) {
            self.svc.aim(Some(Step::Point(Point { spatial, temporal })));
        }

        /// Sends so many pictures, of two packets a frame. Gives the layers of the frames that went, and checks that each can be
        /// decoded, and that each picture ends with a marker.
        fn pictures(&mut self, count: usize) -> Vec<Vec<(u8, u8)>> {
            (0..count).map(|_| self.next_picture()).collect()
        }

        fn key(&mut self) -> Vec<(u8, u8)> {
            self.picture = 0;
            self.next_picture()
        }

        fn next_picture(&mut self) -> Vec<(u8, u8)> {
            let frames = self.mode.picture(self.picture);
            let (mut went, mut marked) = (Vec::new(), false);
            for frame in &frames {
                let sent = frame.spatial < self.spatial;
                for (first, last) in [(true, false), (false, true)].into_iter().filter(|_| sent) {
                    let opens = frame.key && first && frame.spatial == 0;
                    let active = self.active.filter(|_| first && frame.spatial == 0);
                    let bytes = self.mode.descriptor(frame, self.frame, (first, last), opens, active);
                    let descriptor = Descriptor::read(&bytes, self.structure.as_deref()).unwrap();
                    self.structure = descriptor.attached.clone().or(self.structure.take());
                    let marker = last && frame.spatial + 1 == self.spatial;
                    let seq = self.seq;
                    let time = self.picture as u32 * 3_000 + 1_000_000 * self.begun as u32;
                    let of = Packet { marker, descriptor: Some(descriptor), ..packet(seq, time, 0, opens) };
                    self.seq += 1;
                    match self.svc.select(&of, true) {
                        Verdict::Goes | Verdict::Begins => {
                            assert!(!marked, "nothing comes after the end of a picture");
                            marked = self.svc.ends(&of);
                            if first {
                                let missing = frame
                                    .refers
                                    .iter()
                                    .find(|back| !self.went.contains(&self.frame.wrapping_sub(**back)));
                                assert_eq!(missing, None, "{frame:?} lacks what it refers to");
                                self.went.insert(self.frame);
                                went.push((frame.spatial, frame.temporal));
                            }
                        }
                        Verdict::LeftOut | Verdict::Awaits | Verdict::Other => {}
                    }
                }
                self.frame = self.frame.wrapping_add(1);
            }
            assert_eq!(marked, !went.is_empty(), "each picture ends: {went:?}");
            self.picture += 1;
            went
        }
    }

    const L1T3: Mode = Mode::new(1, 3, false);
    const L3T3: Mode = Mode::new(3, 3, false);
    const L3T3_KEY: Mode = Mode::new(3, 3, true);

    #[test]
    fn c7_fewer_pictures_at_once_and_more_where_it_can_be_switched() {
        let mut stream = Stream::new(L1T3, Some((0, 2)));
        assert_eq!(stream.pictures(5), [0, 2, 1, 2, 0].map(|temporal| vec![(0, temporal)]));
        stream.aim(0, 0);
        assert_eq!(stream.pictures(4), [vec![], vec![], vec![], vec![(0, 0)]], "at the next picture");
        stream.aim(0, 2);
        assert_eq!(stream.pictures(3), [vec![], vec![], vec![]], "not in between");
        assert_eq!(stream.pictures(4), [0, 2, 1, 2].map(|temporal| vec![(0, temporal)]));
        stream.aim(0, 1);
        assert_eq!(stream.pictures(4), [vec![(0, 0)], vec![], vec![(0, 1)], vec![]]);
        stream.aim(0, 2);
        assert_eq!(stream.pictures(2), [vec![(0, 0)], vec![(0, 2)]]);
        assert_eq!(stream.svc.awaits(), None, "no key frame is needed for that");
    }

    #[test]
    fn c7_smaller_pictures_at_once_and_larger_at_a_key_frame() {
        let mut stream = Stream::new(L3T3, Some((2, 2)));
        assert_eq!(stream.key(), [(0, 0), (1, 0), (2, 0)]);
        stream.aim(0, 2);
        assert_eq!(stream.next_picture(), [(0, 2)]);
        assert_eq!(stream.svc.awaits(), None);
        stream.aim(1, 2);
        assert!(stream.pictures(9).iter().all(|went| went.len() == 1));
        assert_eq!(stream.svc.awaits(), Some(0));
        assert_eq!(stream.key(), [(0, 0), (1, 0)]);
        assert_eq!(stream.svc.awaits(), None);
        stream.aim(1, 0);
        stream.pictures(4);
        assert_eq!(stream.next_picture(), []);
        stream.aim(2, 2);
        assert_eq!(stream.pictures(3), [vec![], vec![], vec![(0, 0), (1, 0)]]);
        assert_eq!(stream.next_picture(), [(0, 2), (1, 2)], "meanwhile more pictures");
        assert_eq!(stream.key(), [(0, 0), (1, 0), (2, 0)]);
        assert_eq!(stream.next_picture(), [(0, 2), (1, 2), (2, 2)]);
    }

    #[test]
    fn c7_where_sizes_are_apart_only_the_one_that_is_shown_goes() {
        let mut stream = Stream::new(L3T3_KEY, Some((2, 2)));
        assert_eq!(stream.key(), [(0, 0), (1, 0), (2, 0)], "a key frame of each builds on the smaller");
        assert_eq!(stream.pictures(2), [vec![(2, 2)], vec![(2, 1)]]);
        stream.aim(0, 2);
        assert_eq!(stream.pictures(3), [vec![], vec![(2, 0)], vec![]], "fewer of what there is, until");
        assert_eq!(stream.svc.awaits(), Some(0), "a key frame comes");
        assert_eq!(stream.key(), [(0, 0)]);
        assert_eq!(stream.next_picture(), [(0, 2)]);
        stream.aim(1, 1);
        stream.pictures(5);
        assert_eq!(stream.key(), [(0, 0), (1, 0)]);
        assert_eq!(stream.pictures(2), [vec![], vec![(1, 1)]]);
    }

    #[test]
    fn c7_when_the_largest_size_stops_the_next_goes_on_without_a_gap() {
        for told in [true, false] {
            let mut stream = Stream::new(L3T3, Some((2, 2)));
            stream.pictures(5);
            // Its publisher has not the bandwidth for it any longer, and says so, or just stops.
            (stream.spatial, stream.active) = (2, told.then_some(0b000_111_111));
            let went = stream.pictures(8);
            assert!(went.iter().all(|went| went.len() == 2), "told {told}: {went:?}");
            (stream.spatial, stream.active) = (3, told.then_some(0b111_111_111));
            if told {
                assert!(stream.pictures(4).iter().all(|went| went.len() == 2), "it begins with a key frame");
                assert_eq!(stream.svc.awaits(), Some(0));
            }
            assert_eq!(stream.key().len(), 3);
        }
    }

    #[test]
    fn c7_nothing_flows_before_a_key_frame_nor_while_it_is_paused() {
        let mut stream = Stream::new(L3T3, None);
        assert_eq!(stream.key(), []);
        stream.aim(1, 2);
        assert_eq!(stream.svc.layers(), [None, Some(0)]);
        assert_eq!(stream.pictures(5), vec![vec![]; 5]);
        assert_eq!(stream.key(), [(0, 0), (1, 0)]);
        stream.svc.aim(None);
        assert_eq!(stream.next_picture(), []);
        assert_eq!((stream.svc.layers(), stream.svc.awaits()), ([None, None], None));
        stream.aim(1, 2);
        assert_eq!(stream.next_picture(), []);
        assert_eq!(stream.key(), [(0, 0), (1, 0)]);
    }

    #[test]
    fn c7_a_late_packet_goes_by_what_flowed_in_its_time() {
        let mut stream = Stream::new(L3T3, Some((2, 2)));
        stream.pictures(2);
        let late = stream.seq;
        let frames = stream.mode.picture(2);
        let bytes = stream.mode.descriptor(&frames[2], stream.frame + 2, (false, true), false, None);
        let descriptor = Descriptor::read(&bytes, stream.structure.as_deref());
        stream.pictures(1);
        stream.aim(0, 0);
        stream.pictures(2);
        let of = Packet { descriptor, ..packet(late + 5, 6_000, 0, false) };
        assert_eq!(stream.svc.select(&of, true), Verdict::Goes);
        let now = Packet { seq: stream.seq, rtp_time: 12_000, ..of };
        assert_eq!(stream.svc.select(&now, true), Verdict::LeftOut);
    }
}
