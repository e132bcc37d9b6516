//! Figures: what a shard counts, and how well each stream flows.

use crate::event::TrackQuality;
use std::time::{Duration, Instant};
use str0m::stats::{MediaEgressStats, MediaIngressStats};

/// What a shard has counted since it began, and what it holds now. The driver publishes a copy now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rooms now.
    pub rooms: u64,
    /// Peers now.
    pub peers: u64,
    /// Peers whose media path is up now.
    pub peers_up: u64,
    /// Sum of the peers' estimates now, bits a second.
    pub estimate_bps: u64,
    /// Peers that have an estimate now.
    pub estimates: u64,
    /// Peers that came up: ICE and DTLS done.
    pub joins: u64,
    /// Time from offer to up, summed, microseconds.
    pub join_micros: u64,
    /// Offers refused.
    pub offers_refused: u64,
    /// Of these, those that would have made a room or joined one, while the shard was too busy.
    pub offers_overloaded: u64,
    /// Datagrams received, of any kind.
    pub datagrams_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// RTP packets received from publishers, retransmitted ones counted once.
    pub packets_received: u64,
    /// RTP packets handed to subscribers.
    pub packets_forwarded: u64,
    /// Their payload bytes.
    pub bytes_forwarded: u64,
    /// RTP packets sent: those forwarded, those sent again, and those that probe for bandwidth.
    pub packets_sent: u64,
    /// Datagrams sent, of any kind.
    pub datagrams_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Packets not forwarded: the subscriber lacks the codec.
    pub skipped_codec: u64,
    /// Packets not forwarded: a key frame has to come first.
    pub skipped_keyframe: u64,
    /// Packets not forwarded: of before a switch.
    pub skipped_old: u64,
    /// Packets not forwarded: silence of a microphone that is muted.
    pub skipped_mute: u64,
    /// Datagrams dropped: from an address that nobody has proved.
    pub dropped_unknown_address: u64,
    /// Datagrams dropped: STUN for nobody, or not authentic.
    pub dropped_stun: u64,
    /// Of these, those that named a peer and were not signed with its password.
    pub stun_unsigned: u64,
    /// Of these, those whose signature was not looked at: too many others were wrong.
    pub stun_limited: u64,
    /// Of these, those that had come before, from elsewhere.
    pub stun_replayed: u64,
    /// Of these, those that were dropped since the peer came from too many addresses.
    pub addresses_limited: u64,
    /// Packets from addresses that nobody has proved, taken since they were authentic.
    pub trials_passed: u64,
    /// Packets from such addresses with the SSRC of a peer that were forged, or had come before.
    pub trials_failed: u64,
    /// Packets from such addresses that were not tried: too many others were forged.
    pub trials_limited: u64,
    /// Packets sent only so that a client hears something.
    pub heartbeats: u64,
    /// Datagrams dropped: of no protocol that is spoken here, or refused by the peer's stack.
    pub dropped_malformed: u64,
    /// Packets dropped: the peer published more than it may.
    pub dropped_over_bitrate: u64,
    /// Packets dropped: no receiver's network would carry them whole.
    pub dropped_too_large: u64,
    /// Key frame requests from subscribers.
    pub keyframes_wanted: u64,
    /// Key frame requests sent to publishers.
    pub keyframes_requested: u64,
    /// Bytes of key frames that are kept now.
    pub kept_bytes: u64,
    /// Key frames that were not kept: too large, or too much was kept already.
    pub kept_refused: u64,
    /// Kept key frames that were shown to those who came late.
    pub kept_shown: u64,
    /// Kept key frames that were not shown: the receiver had not the bandwidth for so much at once.
    pub kept_withheld: u64,
    /// NACKs from subscribers.
    pub nacks_received: u64,
    /// NACKs sent to publishers.
    pub nacks_sent: u64,
    /// Packets that subscribers reported lost.
    pub packets_lost: u64,
    /// Pictures that found no free slot, summed over the receivers.
    pub sources_without_slot: u64,
    /// Times that a picture was paused, since its receiver had not the bandwidth.
    pub pictures_paused: u64,
    /// Pictures that a client wanted beyond what it may.
    pub wants_over_limit: u64,
    /// Peers that came from a new address.
    pub addresses_changed: u64,
    /// Restarts of ICE that clients made by themselves, with credentials that they were given before.
    pub restarts_unasked: u64,
    /// Peers ended by a panic of their stack.
    pub panics: u64,
}

/// Over how long a stream's figures are, at least.
const FIGURES_EVERY: Duration = Duration::from_millis(1_900);

/// Figures of one RTP stream, from str0m's totals.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamFigures {
    bytes: u64,
    nacks: u64,
    lost: u64,
    packets: u64,
    at: Option<Instant>,
    pub(crate) quality: TrackQuality,
}

/// What has been added to a stream's totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) nacks: u64,
    pub(crate) lost: u64,
    pub(crate) packets: u64,
}

impl StreamFigures {
    /// Whether it is time to take a stream's totals again.
    pub(crate) fn is_due(&self, at: Instant) -> bool {
        self.at.is_none_or(|before| at.saturating_duration_since(before) >= FIGURES_EVERY)
    }

    pub(crate) fn on_ingress(&mut self, stats: &MediaIngressStats, clock_hz: u32) -> Added {
        self.bitrate(stats.bytes, stats.timestamp);
        self.quality.loss = stats.loss.unwrap_or(0.0);
        #[expect(clippy::cast_precision_loss, reason = "jitter is a small number of ticks")]
        let jitter_ms = stats.jitter as f32 * 1_000.0 / clock_hz.max(1) as f32;
        self.quality.jitter_ms = jitter_ms;
        self.added(stats.nacks, 0, stats.packets)
    }

    pub(crate) fn on_egress(&mut self, stats: &MediaEgressStats, clock_hz: u32) -> Added {
        self.bitrate(stats.bytes, stats.timestamp);
        self.quality.loss = stats.loss.unwrap_or(0.0);
        let remote = stats.remote.as_ref();
        #[expect(clippy::cast_precision_loss, reason = "jitter is a small number of ticks")]
        let jitter_ms = remote.map_or(0.0, |remote| remote.jitter as f32 * 1_000.0 / clock_hz.max(1) as f32);
        self.quality.jitter_ms = jitter_ms;
        self.added(stats.nacks, remote.map_or(0, |remote| remote.packets_lost), stats.packets)
    }

    fn bitrate(&mut self, bytes: u64, at: Instant) {
        let interval = self.at.map(|before| at.saturating_duration_since(before).as_micros());
        if let Some(micros) = interval.filter(|micros| *micros > 0) {
            let bits = u128::from(bytes.saturating_sub(self.bytes)) * 8 * 1_000_000 / micros;
            self.quality.bitrate_bps = u64::try_from(bits).unwrap_or(u64::MAX);
        }
        (self.bytes, self.at) = (bytes, Some(at));
    }

    fn added(&mut self, nacks: u64, lost: u64, packets: u64) -> Added {
        let added = Added {
            nacks: nacks.saturating_sub(self.nacks),
            lost: lost.saturating_sub(self.lost),
            packets: packets.saturating_sub(self.packets),
        };
        (self.nacks, self.lost, self.packets) = (nacks, lost, packets);
        added
    }
}

/// Sums the streams of one direction: bitrates add up, the worst loss and the audio's jitter count.
pub(crate) fn sum<'a>(streams: impl Iterator<Item = (&'a StreamFigures, bool)>) -> TrackQuality {
    streams.fold(TrackQuality::default(), |sum, (figures, is_audio)| TrackQuality {
        bitrate_bps: sum.bitrate_bps + figures.quality.bitrate_bps,
        loss: sum.loss.max(figures.quality.loss),
        jitter_ms: if is_audio { sum.jitter_ms.max(figures.quality.jitter_ms) } else { sum.jitter_ms },
    })
}
