//! A stream whose pictures come in several rates (temporal layers): all of them, or the slowest alone.
//!
//! Pictures of a rate build on those of their own and of slower ones. So faster ones can be left out from any picture on, and come
//! back with one that says so: by VP8's own descriptor (RFC 7741 §4.2) one rate at a time, each with a picture that builds on the
//! slowest alone; by a dependency descriptor, beside which Chromium's VP8 says no more of it in its own, with one after which
//! nothing refers to what came before. A picture goes whole, or not at all.

use super::{Packet, Verdict};
use crate::descriptor::{Descriptor, Indication, Point, Structure};

/// What a packet says of the rate of its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// 0 is the slowest.
    pub(crate) temporal: u8,
    /// From its picture on this rate can be taken by who has had the one that is named second.
    pub(crate) opens: Option<(u8, u8)>,
    /// The packet is the first of its picture.
    pub(crate) first: bool,
}

impl Rate {
    /// By a dependency descriptor, of a stream of one size.
    pub(crate) fn of(descriptor: &Descriptor, structure: &Structure) -> Option<Self> {
        let temporal = descriptor.layer.temporal;
        if structure.targets.iter().any(|target| target.spatial > 0) {
            return None;
        }
        let targets = (0..).zip(&structure.targets);
        let opened = targets.filter(|(target, _)| descriptor.indications.of(*target) == Indication::Switch);
        let fastest = opened.map(|(_, Point { temporal, .. })| *temporal).max();
        Some(Self { temporal, opens: fastest.map(|fastest| (fastest, temporal)), first: descriptor.first })
    }
}

/// Beyond the fastest rate: two bits say it.
const ALL: u8 = 4;

/// What a slot takes of such a stream.
#[derive(Debug)]
pub(super) struct Rates {
    is_slow: bool,
    /// The fastest rate that flows.
    flows: u8,
    /// The newest packet, and its picture.
    newest: u64,
    rtp_time: Option<u32>,
    /// Packets before this one are of when another rate flowed.
    before: Option<(u64, u8)>,
}

impl Default for Rates {
    fn default() -> Self {
        Self { is_slow: false, flows: ALL, newest: 0, rtp_time: None, before: None }
    }
}

impl Rates {
    pub(super) fn aim(&mut self, is_slow: bool) {
        self.is_slow = is_slow;
    }

    pub(super) const fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// Of a packet that would go (`verdict`).
    pub(super) fn select(&mut self, packet: &Packet, rate: Rate, verdict: Verdict) -> Verdict {
        if verdict == Verdict::Begins {
            let (newest, rtp_time) = (packet.seq, Some(packet.rtp_time));
            *self = Self { is_slow: self.is_slow, flows: self.wanted(), newest, rtp_time, before: None };
            return verdict;
        }
        if packet.seq > self.newest {
            self.newest = packet.seq;
            if self.rtp_time.replace(packet.rtp_time) != Some(packet.rtp_time) {
                self.turn(packet, rate);
            }
        }
        let flows = match self.before {
            Some((since, before)) if packet.seq < since => before,
            _ => self.flows,
        };
        if rate.temporal <= flows { verdict } else { Verdict::LeftOut }
    }

    const fn wanted(&self) -> u8 {
        if self.is_slow { 0 } else { ALL }
    }

    /// A picture begins with this packet: from here on other rates may flow.
    fn turn(&mut self, packet: &Packet, rate: Rate) {
        let wanted = self.wanted();
        // Where the first packet is late it would be one of before, and its picture without it.
        let opens = rate.opens.filter(|(_, has)| rate.first && *has <= self.flows);
        let flows = if packet.starts_keyframe {
            wanted
        } else {
            opens.map_or(self.flows, |(fastest, _)| fastest.max(self.flows)).min(wanted)
        };
        if flows != self.flows {
            self.before = Some((packet.seq, std::mem::replace(&mut self.flows, flows)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::describe::Mode;
    use crate::forward::testing::packet;
    use std::sync::Arc;

    /// Pictures of a packet each, as dependency descriptors tell of them: which of them go.
    struct Stream {
        mode: Mode,
        structure: Option<Arc<Structure>>,
        rates: Rates,
        number: u16,
    }

    impl Stream {
        fn new(mode: Mode) -> Self {
            Self { mode, structure: None, rates: Rates::default(), number: 0 }
        }

        /// The rates of those of the next pictures that go.
        fn pictures(&mut self, count: usize) -> Vec<u8> {
            (0..count).filter_map(|_| self.next_picture()).collect()
        }

        fn next_picture(&mut self) -> Option<u8> {
            let number = self.number;
            self.number += 1;
            let frame = self.mode.picture(usize::from(number)).remove(0);
            let bytes = self.mode.descriptor(&frame, number, (true, true), frame.key, None);
            let descriptor = Descriptor::read(&bytes, self.structure.as_deref()).unwrap();
            self.structure = descriptor.attached.clone().or(self.structure.take());
            let rate = Rate::of(&descriptor, self.structure.as_deref().unwrap()).unwrap();
            let of = packet(u64::from(number) + 1, u32::from(number) * 3_000, 0, frame.key);
            let goes = self.rates.select(&of, rate, Verdict::Goes) == Verdict::Goes;
            goes.then_some(rate.temporal)
        }
    }

    #[test]
    fn c7_rates_are_told_by_dependency_descriptors_too() {
        let mut stream = Stream::new(Mode::new(1, 3, false));
        assert_eq!(stream.pictures(5), [0, 2, 1, 2, 0]);
        stream.rates.aim(true);
        assert_eq!(stream.pictures(8), [0, 0], "at once");
        stream.rates.aim(false);
        assert!(stream.pictures(3).is_empty(), "not in between");
        assert_eq!(stream.pictures(5), [0, 2, 1, 2, 0], "after one that opens them");
    }

    #[test]
    fn c7_a_stream_of_several_sizes_has_no_rates_of_its_own() {
        let mode = Mode::new(2, 3, false);
        let bytes = mode.descriptor(&mode.picture(0)[0], 0, (true, true), true, None);
        let descriptor = Descriptor::read(&bytes, None).unwrap();
        assert_eq!(Rate::of(&descriptor, descriptor.attached.as_deref().unwrap()), None);
    }
}
