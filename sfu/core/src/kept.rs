//! The newest whole key frame of each layer, for those who come to it late.
//!
//! A publisher codes a key frame when it is asked, a round trip later at best. Whoever begins to look at a picture is shown
//! the one that is kept, at once; their slot goes on waiting, and goes on with the next key frame. What came between is not
//! forwarded: it refers to pictures that they have not seen.
//!
//! Invariants: what is shown is whole, and a decoder that has seen nothing can start with it alone; it is no older than
//! [`FRESH`]; what is held of one track and of all is bounded. A source that pauses, goes or is replaced is forgotten
//! ([`Kept::forget`]), so that nobody is shown what its publisher no longer sends.

use crate::forward::Packet;
use crate::shard::LayerOf;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// For how long a key frame is shown as if it were live. Longer shows more who come late a picture at once; beyond a few seconds
/// what they see is not what is there.
const FRESH: Duration = Duration::from_secs(4);
/// What a packet takes beside its payload.
const PACKET_OVERHEAD: usize = size_of::<Packet>();

/// What is kept, of all layers of a shard.
#[derive(Debug)]
pub(crate) struct Kept {
    layers: BTreeMap<LayerOf, Layer>,
    /// Of all of them.
    bytes: usize,
    track_bytes_max: usize,
    bytes_max: usize,
    /// Key frames that were not kept: they were too large, or there was too much already.
    pub(crate) refused: u64,
}

#[derive(Debug, Default)]
struct Layer {
    /// The newest, while it comes.
    growing: Option<Frame>,
    whole: Option<Frame>,
}

/// The packets of a key frame, in order, none of them twice.
#[derive(Debug)]
struct Frame {
    since: Instant,
    rtp_time: u32,
    last: Option<u64>,
    packets: Vec<Packet>,
    bytes: usize,
}

impl Frame {
    fn is_whole(&self) -> bool {
        let first = self.packets.first().map(|packet| packet.seq);
        first.zip(self.last).is_some_and(|(first, last)| last.checked_sub(first) == Some(self.packets.len() as u64 - 1))
    }

    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < FRESH
    }
}

impl Layer {
    fn bytes(&self) -> usize {
        [&self.growing, &self.whole].into_iter().flatten().map(|frame| frame.bytes).sum()
    }
}

impl Kept {
    pub(crate) fn new(track_bytes_max: usize, bytes_max: usize) -> Self {
        Self { layers: BTreeMap::new(), bytes: 0, track_bytes_max, bytes_max, refused: 0 }
    }

    /// What all of them take, bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a packet of a key frame. Whether more of it has yet to come.
    pub(crate) fn add(&mut self, now: Instant, of: LayerOf, packet: &Packet) -> bool {
        let layer = self.layers.entry(of).or_default();
        if layer.growing.as_ref().is_none_or(|frame| frame.rtp_time != packet.rtp_time) {
            if !packet.opens {
                return layer.growing.is_some();
            }
            let packets = Vec::new();
            let new = Frame { since: now, rtp_time: packet.rtp_time, last: None, packets, bytes: 0 };
            self.bytes -= layer.growing.replace(new).map_or(0, |frame| frame.bytes);
        }
        let Some(frame) = &mut layer.growing else { return false };
        let Err(at) = frame.packets.binary_search_by_key(&packet.seq, |known| known.seq) else { return true };
        if at == 0 && !packet.opens {
            return true; // of what stands before the picture
        }
        let bytes = PACKET_OVERHEAD + packet.payload.len();
        frame.packets.insert(at, packet.clone());
        frame.bytes += bytes;
        frame.last = frame.last.or(packet.marker.then_some(packet.seq));
        self.bytes += bytes;
        let is_whole = frame.is_whole();
        if is_whole {
            let before = std::mem::replace(&mut layer.whole, layer.growing.take());
            self.bytes -= before.map_or(0, |frame| frame.bytes);
        }
        let (place, track, _) = of;
        let of_track: usize =
            self.layers.range((place, track, 0)..=(place, track, usize::MAX)).map(|(_, layer)| layer.bytes()).sum();
        if of_track > self.track_bytes_max || self.bytes > self.bytes_max {
            self.refused += 1;
            self.forget(of);
            return false;
        }
        !is_whole
    }

    /// What is kept of a layer, if it can be shown as live: its packets in order.
    pub(crate) fn fresh(&self, now: Instant, of: LayerOf) -> Option<&[Packet]> {
        let frame = self.layers.get(&of)?.whole.as_ref().filter(|frame| frame.is_fresh(now))?;
        Some(&frame.packets)
    }

    /// Forgets a layer: it has paused, or another picture comes in its place.
    pub(crate) fn forget(&mut self, of: LayerOf) {
        self.bytes -= self.layers.remove(&of).map_or(0, |layer| layer.bytes());
    }

    /// Forgets a track, in all of its layers.
    pub(crate) fn forget_track(&mut self, place: usize, track: usize) {
        self.forget_range((place, track, 0), (place, track, usize::MAX));
    }

    /// Forgets all that a peer has published.
    pub(crate) fn forget_peer(&mut self, place: usize) {
        self.forget_range((place, 0, 0), (place, usize::MAX, usize::MAX));
    }

    fn forget_range(&mut self, first: LayerOf, last: LayerOf) {
        let known: Vec<LayerOf> = self.layers.range(first..=last).map(|(of, _)| *of).collect();
        known.into_iter().for_each(|of| self.forget(of));
    }

    /// Forgets what is too old to be shown.
    pub(crate) fn forget_old(&mut self, now: Instant) {
        self.layers.retain(|_, layer| {
            for frame in [&mut layer.growing, &mut layer.whole] {
                self.bytes -= frame.take_if(|frame| !frame.is_fresh(now)).map_or(0, |frame| frame.bytes);
            }
            layer.growing.is_some() || layer.whole.is_some()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::testing::packet;
    use crate::shard::tests::epoch;
    use std::sync::Arc;

    const OF: LayerOf = (3, 1, 0);

    fn at(ms: u64) -> Instant {
        epoch() + Duration::from_millis(ms)
    }

    /// A packet of a picture at `rtp_time`.
    fn part(seq: u64, rtp_time: u32, opens: bool, marker: bool) -> Packet {
        Packet { opens, marker, payload: Arc::from([0; 1_000]), ..packet(seq, rtp_time, 0, opens) }
    }

    fn shown(kept: &Kept, now: Instant, of: LayerOf) -> Vec<u64> {
        kept.fresh(now, of).unwrap_or_default().iter().map(|packet| packet.seq).collect()
    }

    #[test]
    fn c7_a_key_frame_is_kept_when_it_is_whole_whatever_the_order_of_its_packets() {
        let mut kept = Kept::new(100_000, 100_000);
        assert!(kept.add(at(0), OF, &part(10, 900, true, false)));
        assert!(kept.add(at(0), OF, &part(12, 900, false, true)), "the end is there, the middle is not");
        assert_eq!(shown(&kept, at(0), OF), [0; 0]);
        assert!(kept.add(at(1), OF, &part(13, 990, false, false)), "another picture changes nothing");
        assert!(kept.add(at(1), OF, &part(9, 900, false, false)), "nor does what stands before it");
        assert!(!kept.add(at(30), OF, &part(11, 900, false, false)));
        assert_eq!(shown(&kept, at(40), OF), [10, 11, 12]);
        assert!(kept.add(at(500), OF, &part(40, 9_000, true, false)));
        assert_eq!(shown(&kept, at(500), OF), [10, 11, 12], "until the next is whole");
        assert!(!kept.add(at(510), OF, &part(41, 9_000, false, true)));
        assert_eq!(shown(&kept, at(510), OF), [40, 41]);
        assert_eq!(kept.bytes(), 2 * (1_000 + PACKET_OVERHEAD));
    }

    #[test]
    fn c7_parameter_sets_that_come_late_stand_before_their_picture() {
        let mut kept = Kept::new(100_000, 100_000);
        assert!(kept.add(at(0), OF, &part(6, 900, true, false)));
        assert!(kept.add(at(0), OF, &part(5, 900, true, false)));
        assert!(!kept.add(at(0), OF, &part(7, 900, false, true)));
        assert_eq!(shown(&kept, at(0), OF), [5, 6, 7]);
    }

    #[test]
    fn c7_what_is_old_is_neither_shown_nor_held() {
        let mut kept = Kept::new(100_000, 100_000);
        kept.add(at(0), OF, &part(1, 900, true, true));
        assert_eq!(shown(&kept, at(3_999), OF), [1]);
        assert_eq!(shown(&kept, at(4_000), OF), [0; 0]);
        kept.add(at(3_000), OF, &part(9, 90_000, true, false));
        kept.forget_old(at(4_000));
        assert_eq!(kept.bytes(), 1_000 + PACKET_OVERHEAD);
        kept.forget_old(at(7_000));
        assert_eq!((kept.bytes(), kept.layers.len()), (0, 0));
    }

    #[test]
    fn c7_what_is_kept_of_a_track_and_of_all_is_bounded() {
        let packet_bytes = 1_000 + PACKET_OVERHEAD;
        let mut kept = Kept::new(5 * packet_bytes, 12 * packet_bytes);
        for place in 0..20 {
            for layer in 0..3 {
                kept.add(at(0), (place, 0, layer), &part(1, 900, true, true));
            }
        }
        assert_eq!((kept.bytes(), kept.refused), (12 * packet_bytes, 48));
        // A picture without an end takes no more than its track may.
        let mut most = 0;
        kept.forget_peer(0);
        kept.forget_track(1, 0);
        assert_eq!(kept.bytes(), 6 * packet_bytes);
        for seq in 0..500 {
            kept.add(at(0), OF, &part(seq, 7, seq == 0, false));
            most = most.max(kept.bytes());
        }
        assert!(most <= 12 * packet_bytes, "{most}");
        assert_eq!(kept.refused, 49, "what follows of one that was refused is nothing to keep");
    }
}
