//! For the fuzz targets: a slot under arbitrary packets from changing sources.
//!
//! Invariant checked: no number is given out twice, a source's packets keep their distance, and what follows a switch
//! comes after all that went before.

use super::{Carried, Packet, Slot, height_of_keyframe, opens, rate_of, starts_keyframe};
use crate::event::Source;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::format::{Codec, CodecConfig};
use str0m::media::{MediaKind, Pt};
use str0m::rtp::Vp8Descriptor;

const CODECS: [Codec; 5] = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::Opus];

/// Where a source stands.
struct Publisher {
    seq: u64,
    rtp_time: u32,
    captured: Instant,
}

/// Reads `data` as a slot's life: which source it carries, and what that source sends. `now` is any moment.
pub fn forward(now: Instant, data: &[u8]) {
    let Some((&head, mut rest)) = data.split_first() else { return };
    let codec = CODECS[usize::from(head) % CODECS.len()];
    let kind = if codec.is_audio() { MediaKind::Audio } else { MediaKind::Video };
    // The subscriber takes RED or does not, the publishers send it.
    let (ours, theirs) = (config(codec, head & 0x80 != 0), config(codec, true));
    let pts: Vec<Pt> = theirs.params().iter().flat_map(|params| [Some(params.pt()), params.red()]).flatten().collect();
    let mut slot = Slot::new("0".into(), kind, 1.into());
    let mut given = Given::default();
    let mut publisher = Publisher { seq: u64::from(head) << 9, rtp_time: 0, captured: now };
    while let [op, a, b, len, after @ ..] = rest {
        let (payload, next) = after.split_at(usize::from(*len).min(after.len()));
        rest = next;
        if op & 7 == 7 {
            let carried = Carried { place: usize::from(*a), track: 0, source: Source::Camera };
            slot.point_at(Some((carried, &theirs, 1)), &ours, &pts);
            publisher.seq = u64::from(u16::from_be_bytes([*a, *b]));
            publisher.rtp_time = u32::from(*b) << 24;
            given.switch();
            continue;
        }
        publisher.seq = publisher.seq.saturating_add_signed(i64::from(a.cast_signed()));
        publisher.rtp_time = publisher.rtp_time.wrapping_add(u32::from(*b) * 300);
        publisher.captured += Duration::from_millis(u64::from(*b));
        let pt = pts.get(usize::from(op >> 3) % pts.len().max(1)).copied().unwrap_or(96.into());
        let packet = packet(&publisher, pt, codec, payload);
        assert!(height_of_keyframe(codec, payload).is_none_or(|height| (1..1 << 14).contains(&height)));
        if slot.forward(&packet).is_ok() {
            // Asked again it says the same: what it gave out.
            let (seq, _) = slot.rewriter.rewrite(&packet).unwrap_or_default();
            given.check(packet.seq, seq);
        }
    }
}

/// Which of the source's numbers became which of the slot's.
#[derive(Default)]
struct Given {
    by_slot: HashMap<u64, u64>,
    highest: u64,
    /// What was the highest when the source began.
    before: u64,
    first: Option<(u64, u64)>,
}

impl Given {
    fn switch(&mut self) {
        self.before = self.highest;
        self.first = None;
        self.by_slot.clear();
    }

    fn check(&mut self, theirs: u64, ours: u64) {
        assert!(ours > self.before, "{ours} was given out before the switch, which was at {}", self.before);
        let known = *self.by_slot.entry(ours).or_insert(theirs);
        assert_eq!(known, theirs, "two packets of a source became one");
        let first = *self.first.get_or_insert((theirs, ours));
        assert_eq!(theirs.wrapping_sub(first.0), ours.wrapping_sub(first.1), "the distance changed");
        self.highest = self.highest.max(ours);
    }
}

fn packet(publisher: &Publisher, pt: Pt, codec: Codec, payload: &[u8]) -> Packet {
    Packet {
        pt,
        seq: publisher.seq,
        rtp_time: publisher.rtp_time,
        clock_hz: if codec.is_audio() { 48_000 } else { 90_000 },
        captured: publisher.captured,
        marker: false,
        starts_keyframe: starts_keyframe(codec, payload),
        opens: opens(codec, payload),
        layer: 0,
        audio_level: None,
        voice_activity: None,
        orientation: None,
        vp8: (codec == Codec::Vp8).then(|| Vp8Descriptor::parse(payload).ok()).flatten(),
        rate: rate_of(codec, payload),
        descriptor: None,
        described: None,
        payload: Arc::from(payload),
    }
}

fn config(codec: Codec, with_red: bool) -> CodecConfig {
    let mut config = CodecConfig::empty();
    match codec {
        Codec::Vp8 => config.enable_vp8(true),
        Codec::Vp9 => config.enable_vp9(true),
        Codec::H264 => config.enable_h264(true),
        Codec::Av1 => config.enable_av1(true),
        _ => config.enable_opus(true, with_red),
    };
    config
}
