//! What unit tests make packets with.

use super::Packet;
use crate::shard::tests::epoch;
use std::sync::Arc;
use std::time::Duration;

/// A packet of VP8, captured so long after the epoch.
pub(crate) fn packet(seq: u64, rtp_time: u32, at_ms: u64, starts_keyframe: bool) -> Packet {
    Packet {
        pt: 96.into(),
        seq,
        rtp_time,
        clock_hz: 90_000,
        captured: epoch() + Duration::from_millis(at_ms),
        marker: false,
        starts_keyframe,
        opens: starts_keyframe,
        layer: 0,
        audio_level: None,
        voice_activity: None,
        orientation: None,
        vp8: None,
        rate: None,
        descriptor: None,
        described: None,
        payload: Arc::from(vec![0x10, if starts_keyframe { 0 } else { 1 }]),
    }
}
