//! What there is at the moment of a scrape: read then, so that no counter can drift from the truth.

use crate::gateway::Shared;
use crate::translate::phase_label;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::sync::Arc;
use tertulia_signaling_core::Phase;

pub(crate) struct Gauges(pub(crate) Arc<Shared>);

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (sessions, connected) = self.0.hub.counts();
        let queues = self.0.hub.queues();
        let load = self.0.exchange.load();
        let presence = self.0.presence.figures();
        let sockets = self.0.doors.sockets() as usize;
        for (name, help, value) in [
            ("tertulia_signaling_sessions", "sessions, with and without a socket", sessions),
            ("tertulia_signaling_sessions_connected", "sessions that have a socket", connected),
            ("tertulia_signaling_sockets", "WebSockets that are open", sockets),
            ("tertulia_signaling_queue_frames", "frames that wait for sockets", queues.frames),
            ("tertulia_signaling_queue_bytes", "their bytes", queues.bytes),
            (
                "tertulia_signaling_queue_frames_longest",
                "frames that wait for the slowest socket",
                queues.longest_frames,
            ),
            ("tertulia_presence_people", "people who are here, or watched", presence.people),
            ("tertulia_presence_online", "people who are here", presence.online),
            ("tertulia_presence_watches", "people watched, counted for each session that does", presence.watches),
            ("tertulia_presence_groups", "groups of which somebody wants to know who types", presence.groups),
            ("tertulia_call_tombstones", "finished calls kept for late requests", load.calls.tombstones),
            ("tertulia_call_rooms", "calls that have a room for media", load.rooms),
            ("tertulia_call_peers", "devices that connect media to a call", load.peers),
            (
                "tertulia_call_standard_peers",
                "programs that publish into calls or play them (WHIP, WHEP)",
                load.standard_peers,
            ),
        ] {
            let gauge = gauge(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let help = "calls that have not ended, by where they stand";
        let mut calls = encoder.encode_descriptor("tertulia_calls", help, None, gauge(0).metric_type())?;
        for phase in Phase::ALL {
            let labels = [("state", phase_label(phase))];
            gauge(load.calls.in_phase(phase)).encode(calls.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn gauge(value: usize) -> ConstGauge {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}
