//! What a receiver's way takes, as far as that is known: of which sound goes first, and pictures have what it leaves.

use super::{Drained, Peer, Signal};
use std::time::{Duration, Instant};
use str0m::bwe::{Bitrate, BweKind};
use str0m::media::MediaKind;
use str0m::rtp::Extension;
use str0m::stats::PeerStats;

/// Of how long the stack's estimate is the mean.
const MEAN_OF: Duration = Duration::from_secs(3);
/// Looks at the stack's latest estimate in which a dip is over: a second. Fewer believe in what comes and goes, more pause what fits.
const LOOKS: usize = 4;
/// More than any way of a peer takes, bits a second.
const ESTIMATE_MAX_BPS: u64 = 10_000_000_000;
/// The part of an estimate that is for media: headers and what is sent again take the rest.
const FOR_MEDIA: (u64, u64) = (19, 20);

/// Of the sound that a peer is sent.
#[derive(Debug, Default)]
pub(super) struct Sound {
    /// The receiver's feedback is of sound and pictures together. Else it is of pictures alone, and so of what sound leaves them.
    pub(super) in_feedback: bool,
    bytes: u64,
    bps: u64,
}

impl Sound {
    pub(super) fn sent(&mut self, payload_bytes: usize) {
        self.bytes += payload_bytes as u64;
    }

    /// Ends an interval of measuring. Who pauses for breath goes on: it falls by a quarter at a time.
    pub(super) fn measured(&mut self, interval: Duration) {
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
        self.bps = (std::mem::take(&mut self.bytes) * 8_000 / millis).max(self.bps * 3 / 4);
    }
}

/// The stack's own estimate at the last looks at it. Its mean is of changes, not of time: a dip of a moment counts in it for three seconds.
#[derive(Debug, Default)]
pub(super) struct Looks {
    latest_bps: [u64; LOOKS],
    next: usize,
}

impl Looks {
    fn look(&mut self, bps: u64) {
        self.latest_bps[self.next] = bps;
        self.next = (self.next + 1) % LOOKS;
    }

    /// What the estimate has not been below for a second.
    fn lowest_bps(&self) -> u64 {
        self.latest_bps.into_iter().min().unwrap_or(0)
    }
}

/// By what a receiver's estimate is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Known {
    #[default]
    Unknown,
    /// The stack makes it of transport-wide feedback. It is of payloads.
    Feedback,
    /// The receiver makes it, and says it by REMB. It is of all that arrives.
    Remb,
}

impl Peer {
    /// Whether its feedback is of sound too, as its offer has it.
    pub(super) fn look_at_feedback(&mut self) {
        let has = |mid| {
            let media = self.rtc.media(mid);
            media.is_some_and(|media| {
                media.remote_extmap().iter().any(|(_, ext)| *ext == Extension::TransportSequenceNumber)
            })
        };
        self.sound.in_feedback = self.slots.iter().any(|slot| slot.kind == MediaKind::Audio && has(slot.mid));
    }

    /// What its way takes in pictures, bits a second.
    pub(crate) fn estimate_of_pictures_bps(&self) -> Option<u64> {
        Some((self.estimate_bps? * FOR_MEDIA.0 / FOR_MEDIA.1).saturating_sub(self.sound_of_estimate_bps()))
    }

    /// What sound takes of what is estimated, bits a second.
    fn sound_of_estimate_bps(&self) -> u64 {
        match self.known {
            Known::Feedback if !self.sound.in_feedback => 0,
            Known::Unknown | Known::Feedback => self.sound.bps,
            Known::Remb => self.sound.bps * 2, // a packet of sound is half headers
        }
    }

    /// Says how much there is to send in pictures, so that the estimate is tried that far; zero stops its padding.
    pub(crate) fn set_desired_bitrate(&mut self, pictures_bps: u64) {
        let both_bps = (pictures_bps + self.sound_of_estimate_bps()) * FOR_MEDIA.1 / FOR_MEDIA.0;
        self.desired_bps = if pictures_bps == 0 { 0 } else { both_bps };
        // The stack probes up to twice of what it is told, and believes what a probe finds also where more was known.
        let is_known = self.estimate_bps.is_some_and(|estimate| estimate >= 2 * self.desired_bps);
        let told_bps = if is_known { 0 } else { self.desired_bps };
        // Small moves are not worth a wake-up.
        if told_bps.abs_diff(self.told_bps) * 10 > self.told_bps {
            self.told_bps = told_bps;
            self.waiting.unsettle();
            self.rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::from(told_bps));
        }
    }

    /// Forgets what was learned of its link: the estimate begins with `start_bps` for pictures, and is tried up to `desired_bps`.
    pub(crate) fn begin_estimate_anew(&mut self, now: Instant, start_bps: u64, desired_bps: u64) {
        let start_bps = (start_bps + self.sound_of_estimate_bps()) * FOR_MEDIA.1 / FOR_MEDIA.0;
        (self.anew, self.estimate_bps, self.looks) = (Some(now), Some(start_bps), Looks::default());
        self.set_desired_bitrate(desired_bps);
        self.waiting.unsettle();
        self.rtc.bwe().reset(Bitrate::from(start_bps));
    }

    /// The stack tells of an estimate: its own as the mean of some seconds.
    pub(super) fn on_estimate(&mut self, now: Instant, kind: &BweKind, drained: &mut Drained) {
        match kind {
            BweKind::Twcc { estimate, can_probe } if *can_probe => {
                self.known = Known::Feedback;
                self.mean_bps = estimate.as_u64();
                if !self.trusts_latest(now) {
                    self.estimated(now, self.mean_or_more_bps(), drained);
                }
            }
            // Only where there is no transport-wide feedback: the slot's is then all that is known.
            BweKind::Remb { estimate, .. } => {
                self.known = Known::Remb;
                self.estimated(now, estimate.as_u64(), drained);
            }
            _ => {}
        }
    }

    /// What the stack knows of its link now.
    pub(super) fn on_stats(&mut self, now: Instant, stats: &PeerStats, drained: &mut Drained) {
        if self.known != Known::Feedback {
            return;
        }
        self.share.lost(now, stats.egress_loss_fraction.unwrap_or(0.0));
        let latest_bps = stats.bwe_tx.map_or(self.mean_bps, |latest| latest.as_u64());
        self.share.latest(now, latest_bps);
        self.looks.look(latest_bps);
        let bps = if self.trusts_latest(now) { latest_bps } else { self.mean_or_more_bps() };
        self.estimated(now, bps, drained);
        if let Some(start_bps) = self.share.drowns(now) {
            self.begin_estimate_anew(now, start_bps, self.share.granted_bps);
            drained.signals.push(Signal::Short);
        }
    }

    /// Whether its latest estimate counts, and not their mean. Delays alone are no proof that a way is full, since waves of them
    /// pass; with loss they are. And the mean has what was before the estimate began anew.
    fn trusts_latest(&self, now: Instant) -> bool {
        self.share.loses_much() || self.anew.is_some_and(|anew| now.saturating_duration_since(anew) < MEAN_OF)
    }

    /// The mean. What is sent, and a tenth more, is not doubted for a dip that is over.
    fn mean_or_more_bps(&self) -> u64 {
        let is_sent_bps = (self.share.granted_bps + self.sound_of_estimate_bps()) * FOR_MEDIA.1 / FOR_MEDIA.0;
        self.mean_bps.max(self.looks.lowest_bps().min(is_sent_bps * 11 / 10))
    }

    fn estimated(&mut self, now: Instant, bps: u64, drained: &mut Drained) {
        let bps = bounded(bps);
        let before = self.estimate_bps.replace(bps);
        self.share.estimated(now, before, bps);
        if bps < self.share.granted_bps.min(before.unwrap_or(u64::MAX)) {
            drained.signals.push(Signal::Short);
        }
    }
}

/// A receiver may say anything by REMB, up to more than is counted with.
fn bounded(bps: u64) -> u64 {
    bps.min(ESTIMATE_MAX_BPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7_what_a_receiver_says_is_bounded_so_that_it_can_be_counted_with() {
        assert_eq!(bounded(300_000), 300_000);
        assert!(
            bounded(u64::MAX).checked_mul(FOR_MEDIA.0 * 1_000_000).is_some(),
            "a million of them, and shares of that"
        );
    }

    #[test]
    fn c7_what_the_estimate_was_not_below_for_a_second_counts_from_then_on() {
        let mut looks = Looks::default();
        let mut lowest = |bps| {
            looks.look(bps);
            looks.lowest_bps()
        };
        assert_eq!([90, 100, 100, 100].map(&mut lowest), [0, 0, 0, 90]);
        assert_eq!([60, 90, 95, 90, 90].map(&mut lowest), [60, 60, 60, 60, 90], "a dip, and a second later");
    }

    #[test]
    fn c7_what_sound_takes_is_measured_and_falls_slowly() {
        let mut sound = Sound::default();
        let mut second = |packets: usize| {
            (0..packets).for_each(|_| sound.sent(80));
            sound.measured(Duration::from_secs(1));
            sound.bps
        };
        assert_eq!([second(50), second(100), second(0), second(50)], [32_000, 64_000, 48_000, 36_000]);
    }
}
