//! The unit's figures for operators. Shards count in plain integers and publish a copy; a scrape reads the copies.

use crate::load::Promised;
use crate::socket::SocketFigures;
use crate::tcp::TcpFigures;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tertulia_sfu_core::Counters;

/// Upper bounds of the turn histogram, in seconds. A turn beyond a millisecond adds that to every packet behind it.
const TURN_BOUNDS_S: [f64; 8] = [50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 5e-3, 20e-3, f64::INFINITY];

#[derive(Clone, Copy, Debug)]
struct Snapshot {
    counters: Counters,
    socket: SocketFigures,
    tcp: TcpFigures,
    /// Looked up at a scrape.
    kernel: KernelFigures,
    turns: [u64; TURN_BOUNDS_S.len()],
    turn_time: Duration,
    views_refused: u64,
    rooms_refused: u64,
}

/// What a shard publishes.
#[derive(Debug)]
pub(crate) struct Published {
    /// Taken by its shard's thread for a few additions a turn, and by a scrape: no one waits for I/O under it.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    snapshot: Snapshot,
    busy_percent: f64,
    promised: Promised,
}

impl Default for Published {
    fn default() -> Self {
        let snapshot = Snapshot {
            counters: Counters::default(),
            socket: SocketFigures::default(),
            tcp: TcpFigures::default(),
            kernel: KernelFigures::default(),
            turns: [0; TURN_BOUNDS_S.len()],
            turn_time: Duration::ZERO,
            views_refused: 0,
            rooms_refused: 0,
        };
        Self { state: Mutex::new(State { snapshot, busy_percent: 0.0, promised: Promised::new(Instant::now()) }) }
    }
}

impl Published {
    pub(crate) fn add_turn(&self, took: Duration) {
        let mut state = self.state.lock();
        let bucket = TURN_BOUNDS_S.iter().position(|bound| took.as_secs_f64() <= *bound);
        state.snapshot.turns[bucket.unwrap_or(TURN_BOUNDS_S.len() - 1)] += 1;
        state.snapshot.turn_time += took;
    }

    pub(crate) fn publish(&self, counters: Counters, socket: SocketFigures, tcp: TcpFigures, busy_percent: f64) {
        let mut state = self.state.lock();
        (state.snapshot.counters, state.snapshot.socket, state.snapshot.tcp) = (counters, socket, tcp);
        state.busy_percent = busy_percent;
    }

    pub(crate) fn refuse_view(&self) {
        self.state.lock().snapshot.views_refused += 1;
    }

    /// How busy the shard is, in per cent of its time, with the rooms that it was given and that do not show yet.
    pub(crate) fn busy_percent(&self, now: Instant) -> f64 {
        let mut state = self.state.lock();
        state.busy_percent + state.promised.percent(now)
    }

    /// A new room goes to the shard.
    pub(crate) fn promise_room(&self, now: Instant) {
        self.state.lock().promised.add(now);
    }

    /// A new room found no shard with time for it: counted at the first.
    pub(crate) fn refuse_room(&self) {
        self.state.lock().snapshot.rooms_refused += 1;
    }

    /// The time of all its turns.
    pub(crate) fn turn_time(&self) -> Duration {
        self.state.lock().snapshot.turn_time
    }
}

/// What the kernel knows of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct KernelFigures {
    queue_bytes: u64,
    dropped: u64,
}

impl KernelFigures {
    /// Of the UDP socket at `port`, from the tables of `/proc/net`; zero where there are none.
    fn of(port: u16, tables: &str) -> Self {
        let figures = |line: &str| {
            // sl local_address rem_address st tx_queue:rx_queue …: the last column counts drops.
            let mut columns = line.split_ascii_whitespace();
            let (_, local_port) = columns.nth(1)?.rsplit_once(':')?;
            if u16::from_str_radix(local_port, 16).ok()? != port {
                return None;
            }
            let (_, queue) = columns.nth(2)?.split_once(':')?;
            let dropped = columns.next_back()?.parse().ok()?;
            Some(Self { queue_bytes: u64::from_str_radix(queue, 16).ok()?, dropped })
        };
        tables.lines().find_map(figures).unwrap_or_default()
    }
}

/// Reads what the shards have published.
#[derive(Debug)]
pub(crate) struct SfuCollector {
    /// With the port of each.
    shards: Vec<(u16, Arc<Published>)>,
}

/// A figure's name, what it means, whether it only grows, and where it stands.
type Figure = (&'static str, &'static str, MetricType, fn(&Snapshot) -> u64);

const C: MetricType = MetricType::Counter;
const G: MetricType = MetricType::Gauge;

const FIGURES: &[Figure] = &[
    ("tertulia_sfu_rooms", "Rooms now", G, |s| s.counters.rooms),
    ("tertulia_sfu_peers", "Peers now", G, |s| s.counters.peers),
    ("tertulia_sfu_peers_up", "Peers whose media path is up now", G, |s| s.counters.peers_up),
    ("tertulia_sfu_estimate_bits_per_second", "Sum of the receivers' estimates now", G, |s| s.counters.estimate_bps),
    ("tertulia_sfu_estimates", "Receivers that have an estimate now", G, |s| s.counters.estimates),
    ("tertulia_sfu_joins", "Peers that came up: ICE and DTLS done", C, |s| s.counters.joins),
    ("tertulia_sfu_join_microseconds", "Time from offer to up, summed", C, |s| s.counters.join_micros),
    ("tertulia_sfu_offers_refused", "Offers refused", C, |s| s.counters.offers_refused),
    ("tertulia_sfu_offers_overloaded", "Of these, of newcomers while the shard was too busy", C, |s| {
        s.counters.offers_overloaded
    }),
    ("tertulia_sfu_rooms_refused", "New rooms refused: every shard was too busy", C, |s| s.rooms_refused),
    ("tertulia_sfu_datagrams_received", "Datagrams received", C, |s| s.counters.datagrams_received),
    ("tertulia_sfu_bytes_received", "Bytes of datagrams received", C, |s| s.counters.bytes_received),
    ("tertulia_sfu_datagrams_sent", "Datagrams sent", C, |s| s.counters.datagrams_sent),
    ("tertulia_sfu_bytes_sent", "Bytes of datagrams sent", C, |s| s.counters.bytes_sent),
    ("tertulia_sfu_packets_received", "RTP packets from publishers", C, |s| s.counters.packets_received),
    ("tertulia_sfu_packets_forwarded", "RTP packets handed to subscribers", C, |s| s.counters.packets_forwarded),
    ("tertulia_sfu_bytes_forwarded", "RTP payload bytes handed to subscribers", C, |s| s.counters.bytes_forwarded),
    ("tertulia_sfu_packets_sent", "RTP packets sent, again and as probes included", C, |s| s.counters.packets_sent),
    ("tertulia_sfu_packets_lost", "Packets that subscribers reported lost", C, |s| s.counters.packets_lost),
    ("tertulia_sfu_skipped_codec", "Packets not forwarded: codec unknown to the subscriber", C, |s| {
        s.counters.skipped_codec
    }),
    ("tertulia_sfu_skipped_keyframe", "Packets not forwarded: before a key frame", C, |s| s.counters.skipped_keyframe),
    ("tertulia_sfu_skipped_old", "Packets not forwarded: of before a switch", C, |s| s.counters.skipped_old),
    ("tertulia_sfu_skipped_mute", "Packets not forwarded: silence of muted microphones", C, |s| {
        s.counters.skipped_mute
    }),
    ("tertulia_sfu_dropped_unknown_address", "Datagrams from unproved addresses", C, |s| {
        s.counters.dropped_unknown_address
    }),
    ("tertulia_sfu_dropped_stun", "STUN for nobody, or not authentic", C, |s| s.counters.dropped_stun),
    ("tertulia_sfu_stun_unsigned", "Of these, with a peer's name and not its password", C, |s| {
        s.counters.stun_unsigned
    }),
    ("tertulia_sfu_stun_limited", "Of these, not looked at: too many were wrong", C, |s| s.counters.stun_limited),
    ("tertulia_sfu_stun_replayed", "Of these, that had come before from elsewhere", C, |s| s.counters.stun_replayed),
    ("tertulia_sfu_addresses_limited", "Of these, of a peer with too many addresses", C, |s| {
        s.counters.addresses_limited
    }),
    ("tertulia_sfu_trials_passed", "Media from unproved addresses that was authentic", C, |s| s.counters.trials_passed),
    ("tertulia_sfu_trials_failed", "Media from unproved addresses that was not", C, |s| s.counters.trials_failed),
    ("tertulia_sfu_trials_limited", "Media from unproved addresses that was not tried", C, |s| {
        s.counters.trials_limited
    }),
    ("tertulia_sfu_heartbeats", "Packets sent only to be heard", C, |s| s.counters.heartbeats),
    ("tertulia_sfu_dropped_malformed", "Datagrams of no protocol, or refused", C, |s| s.counters.dropped_malformed),
    ("tertulia_sfu_dropped_over_bitrate", "Packets above what a peer may publish", C, |s| {
        s.counters.dropped_over_bitrate
    }),
    ("tertulia_sfu_dropped_too_large", "Packets larger than networks carry whole", C, |s| s.counters.dropped_too_large),
    ("tertulia_sfu_keyframes_wanted", "Key frame requests from subscribers", C, |s| s.counters.keyframes_wanted),
    ("tertulia_sfu_keyframes_requested", "Key frame requests to publishers", C, |s| s.counters.keyframes_requested),
    ("tertulia_sfu_kept_bytes", "Bytes of key frames kept for those who come late, now", G, |s| s.counters.kept_bytes),
    ("tertulia_sfu_kept_refused", "Key frames not kept: too large, or too many", C, |s| s.counters.kept_refused),
    ("tertulia_sfu_kept_shown", "Kept key frames shown to those who came late", C, |s| s.counters.kept_shown),
    ("tertulia_sfu_kept_withheld", "Kept key frames not shown: too much at once for the receiver", C, |s| {
        s.counters.kept_withheld
    }),
    ("tertulia_sfu_nacks_received", "NACKs from subscribers", C, |s| s.counters.nacks_received),
    ("tertulia_sfu_nacks_sent", "NACKs to publishers", C, |s| s.counters.nacks_sent),
    ("tertulia_sfu_sources_without_slot", "Pictures that found no free slot", C, |s| s.counters.sources_without_slot),
    ("tertulia_sfu_pictures_paused", "Times a picture was paused for want of bandwidth", C, |s| {
        s.counters.pictures_paused
    }),
    ("tertulia_sfu_wants_over_limit", "Pictures wanted beyond what a client may", C, |s| s.counters.wants_over_limit),
    ("tertulia_sfu_views_refused", "Views that found too many others waiting", C, |s| s.views_refused),
    ("tertulia_sfu_addresses_changed", "Peers that came from a new address", C, |s| s.counters.addresses_changed),
    ("tertulia_sfu_restarts_unasked", "Restarts of ICE that clients made by themselves", C, |s| {
        s.counters.restarts_unasked
    }),
    ("tertulia_sfu_panics", "Peers ended by a contained panic", C, |s| s.counters.panics),
    ("tertulia_sfu_socket_send_dropped", "Datagrams that the kernel did not take", C, |s| s.socket.send_dropped),
    ("tertulia_sfu_socket_receive_dropped", "Datagrams that found the receive buffer full", C, |s| s.kernel.dropped),
    ("tertulia_sfu_socket_receive_queue_bytes", "Bytes in the receive buffer now", G, |s| s.kernel.queue_bytes),
    ("tertulia_sfu_socket_send_calls", "Send calls", C, |s| s.socket.send_calls),
    ("tertulia_sfu_socket_receive_calls", "Receive calls that brought something", C, |s| s.socket.receive_calls),
    ("tertulia_sfu_tcp_connections", "TCP connections now", G, |s| s.tcp.connections),
    ("tertulia_sfu_tcp_unproved", "TCP connections now of nobody yet", G, |s| s.tcp.unproved),
    ("tertulia_sfu_tcp_accepted", "TCP connections taken", C, |s| s.tcp.accepted),
    ("tertulia_sfu_tcp_refused", "TCP connections not taken: too many", C, |s| s.tcp.refused),
    ("tertulia_sfu_tcp_closed_unproved", "TCP connections closed: of nobody", C, |s| s.tcp.closed_unproved),
    ("tertulia_sfu_tcp_closed_malformed", "TCP connections closed: a frame too long", C, |s| s.tcp.closed_malformed),
    ("tertulia_sfu_tcp_closed_idle", "TCP connections closed: silent, or its peer gone", C, |s| s.tcp.closed_idle),
    ("tertulia_sfu_tcp_accept_failed", "TCP connections that could not be taken", C, |s| s.tcp.accept_failed),
    ("tertulia_sfu_tcp_frames_received", "Frames received by TCP", C, |s| s.tcp.frames_received),
    ("tertulia_sfu_tcp_frames_sent", "Frames sent by TCP", C, |s| s.tcp.frames_sent),
    ("tertulia_sfu_tcp_send_dropped", "Frames for a slow or lost TCP connection", C, |s| s.tcp.send_dropped),
];

impl SfuCollector {
    pub(crate) fn new(shards: Vec<(u16, Arc<Published>)>) -> Self {
        Self { shards }
    }
}

impl Collector for SfuCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let tables = ["udp", "udp6"].map(|table| std::fs::read_to_string(format!("/proc/self/net/{table}")));
        let tables: String = tables.into_iter().flatten().collect();
        let busy: Vec<f64> = self.shards.iter().map(|(_, shard)| shard.state.lock().busy_percent / 100.0).collect();
        let shards: Vec<(String, Snapshot)> = self
            .shards
            .iter()
            .enumerate()
            .map(|(index, (port, shard))| {
                let snapshot = shard.state.lock().snapshot;
                (index.to_string(), Snapshot { kernel: KernelFigures::of(*port, &tables), ..snapshot })
            })
            .collect();
        for (name, help, kind, value) in FIGURES {
            let mut metric = encoder.encode_descriptor(name, help, None, *kind)?;
            for (shard, snapshot) in &shards {
                let labels = [("shard", shard.as_str())];
                let family = metric.encode_family(&labels)?;
                match kind {
                    MetricType::Gauge => {
                        ConstGauge::new(i64::try_from(value(snapshot)).unwrap_or(i64::MAX)).encode(family)?;
                    }
                    _ => ConstCounter::new(value(snapshot)).encode(family)?,
                }
            }
        }
        let help = "Part of its time that a shard's thread computes, over some seconds";
        let mut metric = encoder.encode_descriptor("tertulia_sfu_busy_ratio", help, None, G)?;
        for ((shard, _), busy) in shards.iter().zip(busy) {
            let labels = [("shard", shard.as_str())];
            ConstGauge::new(busy).encode(metric.encode_family(&labels)?)?;
        }
        let help = "Time of one wake-up of a shard's thread";
        let mut metric = encoder.encode_descriptor("tertulia_sfu_turn_seconds", help, None, MetricType::Histogram)?;
        for (shard, snapshot) in &shards {
            let buckets: Vec<(f64, u64)> = TURN_BOUNDS_S.into_iter().zip(snapshot.turns).collect();
            let labels = [("shard", shard.as_str())];
            let count = snapshot.turns.iter().sum();
            metric.encode_family(&labels)?.encode_histogram::<[(&str, &str); 1]>(
                snapshot.turn_time.as_secs_f64(),
                count,
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_figures_of_a_socket_are_found_by_its_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            1: 0100007F:1388 00000000:0000 07 00000000:00000A00 00:00000000 00000000     0        0 4242 2 0000 17\n\
            2: 0100007F:1389 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4243 2 0000 0\n";
        assert_eq!(KernelFigures::of(5_000, table), KernelFigures { queue_bytes: 2_560, dropped: 17 });
        assert_eq!(KernelFigures::of(5_001, table), KernelFigures::default());
        assert_eq!(KernelFigures::of(5_002, "nonsense: : :\n\n"), KernelFigures::default());
    }
}
