//! How good a call is, in one number, and how it was from its answer to its end.
//!
//! The number is the mean opinion score of ITU-T G.107 (the E-model), simplified: what delay and loss take from the best that
//! a call can be. Loss counts as for a codec that conceals it (G.113, Bpl 25.1); the delay is what a participant's own path
//! adds to both ways of a conversation, with the buffers of sound cards and of jitter.

use crate::translate::millis;
use serde::{Deserialize, Serialize};
use tertulia_common::Timestamp;
use tertulia_sfu::PeerQuality;
use tertulia_signaling_proto::QualitySummary;

/// The rating of a call without delay and loss.
const R_BEST: f32 = 93.2;
/// How well loss is concealed: the loss, in percent, that takes half of what loss can take.
const LOSS_ROBUSTNESS: f32 = 25.1;
/// What a sound card, a packet and the smallest jitter buffer take, in milliseconds.
const DELAY_FIXED_MS: f32 = 40.0;
/// A jitter buffer is about so many times the jitter.
const BUFFER_PER_JITTER: f32 = 2.0;

/// The rating (R) of a call with this delay from mouth to ear, and this loss as a fraction.
fn rating(delay_ms: f32, loss: f32) -> f32 {
    let of_delay = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    let of_loss = 95.0 * percent / (percent + LOSS_ROBUSTNESS);
    R_BEST - of_delay - of_loss
}

/// The mean opinion score of a rating, 1 to 4.5.
fn mean_opinion(rating: f32) -> f32 {
    let r = rating.clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

/// The score of one participant; none while their round trip is not known.
pub(crate) fn score(figures: &PeerQuality) -> Option<f32> {
    Some(mean_opinion(rating(delay_ms(figures)?, loss(figures))))
}

fn delay_ms(figures: &PeerQuality) -> Option<f32> {
    Some(figures.rtt_ms.filter(|rtt| rtt.is_finite())? + BUFFER_PER_JITTER * jitter_ms(figures) + DELAY_FIXED_MS)
}

/// Of both directions: what is lost on one of them is lost.
fn loss(figures: &PeerQuality) -> f32 {
    let arrives = |loss: f32| if loss.is_finite() { 1.0 - loss.clamp(0.0, 1.0) } else { 1.0 };
    1.0 - arrives(figures.up.loss) * arrives(figures.down.loss)
}

/// The worse of both directions.
fn jitter_ms(figures: &PeerQuality) -> f32 {
    let jitter = figures.up.jitter_ms.max(figures.down.jitter_ms);
    if jitter.is_finite() { jitter.max(0.0) } else { 0.0 }
}

/// What has been measured of one side of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    measured: u32,
    score: f64,
    score_min: f32,
    rtt_ms: f64,
    loss: f64,
    jitter_ms: f64,
    interruptions: u32,
    interrupted_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    down_since: Option<Timestamp>,
}

impl Tally {
    /// Figures of one interval.
    pub(crate) fn add(&mut self, figures: &PeerQuality) {
        let (Some(score), Some(rtt_ms)) = (score(figures), figures.rtt_ms) else { return };
        self.score_min = if self.measured == 0 { score } else { self.score_min.min(score) };
        self.measured = self.measured.saturating_add(1);
        self.score += f64::from(score);
        self.rtt_ms += f64::from(rtt_ms);
        self.loss += f64::from(loss(figures));
        self.jitter_ms += f64::from(jitter_ms(figures));
    }

    /// The side's media is gone.
    pub(crate) fn interrupted(&mut self, now: Timestamp) {
        if self.down_since.is_none() {
            self.down_since = Some(now);
            self.interruptions = self.interruptions.saturating_add(1);
        }
    }

    /// It is back.
    pub(crate) fn resumed(&mut self, now: Timestamp) {
        if let Some(since) = self.down_since.take() {
            self.interrupted_ms = self.interrupted_ms.saturating_add(millis(now.since(since)));
        }
    }

    /// How it was, until the end of the call; none if nothing was measured.
    pub(crate) fn summary(mut self, ended_at: Timestamp) -> Option<QualitySummary> {
        self.resumed(ended_at);
        #[expect(clippy::cast_possible_truncation, reason = "a mean of such figures is one")]
        let mean = |sum: f64| (sum / f64::from(self.measured)) as f32;
        (self.measured > 0).then(|| QualitySummary {
            score: mean(self.score),
            score_min: self.score_min,
            rtt_ms: mean(self.rtt_ms),
            loss: mean(self.loss),
            jitter_ms: mean(self.jitter_ms),
            interruptions: self.interruptions,
            interrupted_ms: self.interrupted_ms,
        })
    }
}

/// What has been measured of both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tallies {
    pub(crate) caller: Tally,
    pub(crate) callee: Tally,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tertulia_common::PeerId;
    use tertulia_sfu::TrackQuality;

    fn figures(rtt_ms: Option<f32>, loss: f32, jitter_ms: f32) -> PeerQuality {
        let down = TrackQuality { bitrate_bps: 1, loss, jitter_ms };
        PeerQuality { peer: PeerId(1), rtt_ms, estimate_bps: None, up: TrackQuality::default(), down }
    }

    fn near(a: f32, b: f32, by: f32) -> bool {
        (a - b).abs() <= by
    }

    /// ITU-T G.107, annex B.
    #[test]
    fn c10_a_rating_means_the_opinion_of_the_standard() {
        for (r, mos) in [(93.2, 4.41), (90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58), (0.0, 1.0)]
        {
            assert!(near(mean_opinion(r), mos, 0.01), "R {r}: {} is not {mos}", mean_opinion(r));
        }
        assert!(near(mean_opinion(-20.0), 1.0, 0.0) && near(mean_opinion(120.0), 4.5, 0.0));
    }

    /// Cole and Rosenbluth's fit of G.107 for delay; G.113 for loss of a codec with Ie 0 and Bpl 25.1.
    #[test]
    fn c10_delay_and_loss_take_what_the_standard_says() {
        let table = [
            (0.0, 0.0, 93.2),
            (100.0, 0.0, 90.8),
            (177.3, 0.0, 88.9),
            (300.0, 0.0, 72.5),
            (400.0, 0.0, 59.1),
            (0.0, 0.01, 89.6),
            (0.0, 0.05, 77.4),
            (0.0, 0.251, 45.7),
            (150.0, 0.05, 73.8),
        ];
        for (delay, loss, r) in table {
            assert!(near(rating(delay, loss), r, 0.1), "{delay} ms, {loss}: {} is not {r}", rating(delay, loss));
        }
    }

    #[test]
    fn c10_a_good_line_is_good_and_each_trouble_makes_it_worse() {
        let good = score(&figures(Some(30.0), 0.0, 2.0)).unwrap();
        assert!(good > 4.3, "{good}");
        for worse in [figures(Some(500.0), 0.0, 2.0), figures(Some(30.0), 0.1, 2.0), figures(Some(30.0), 0.0, 200.0)] {
            let score = score(&worse).unwrap();
            assert!(score < good - 0.4 && score >= 1.0, "{worse:?}: {score}");
        }
        let both =
            PeerQuality { up: TrackQuality { loss: 0.1, ..TrackQuality::default() }, ..figures(Some(30.0), 0.1, 2.0) };
        assert!(score(&both) < score(&figures(Some(30.0), 0.1, 2.0)), "both directions count");
    }

    #[test]
    fn c10_without_a_round_trip_nothing_was_measured() {
        assert_eq!(score(&figures(None, 0.5, 0.0)), None);
        let mut tally = Tally::default();
        tally.add(&figures(None, 0.5, 0.0));
        tally.interrupted(Timestamp(1));
        assert_eq!(tally.summary(Timestamp(2)), None);
    }

    #[test]
    fn c10_a_summary_has_means_the_worst_and_the_interruptions() {
        let mut tally = Tally::default();
        let (good, bad) = (figures(Some(20.0), 0.0, 1.0), figures(Some(420.0), 0.1, 3.0));
        tally.add(&good);
        tally.add(&bad);
        tally.interrupted(Timestamp(1_000));
        tally.interrupted(Timestamp(1_500));
        tally.resumed(Timestamp(2_000));
        tally.resumed(Timestamp(3_000));
        tally.interrupted(Timestamp(9_000));
        let kept: Tally = serde_json::from_str(&serde_json::to_string(&tally).unwrap()).unwrap();
        let summary = kept.summary(Timestamp(10_000)).unwrap();
        assert_eq!((summary.interruptions, summary.interrupted_ms), (2, 2_000));
        assert!(
            near(summary.rtt_ms, 220.0, 0.01) && near(summary.loss, 0.05, 1e-6) && near(summary.jitter_ms, 2.0, 1e-6)
        );
        assert!(near(summary.score_min, score(&bad).unwrap(), 1e-6));
        assert!(near(summary.score, f32::midpoint(score(&good).unwrap(), score(&bad).unwrap()), 1e-5));
    }

    #[test]
    fn c10_figures_that_are_no_numbers_harm_nobody() {
        let odd = figures(Some(f32::NAN), f32::NAN, f32::INFINITY);
        assert_eq!(score(&odd), None);
        let odd = score(&figures(Some(10.0), f32::NAN, f32::INFINITY)).unwrap();
        assert!(odd.is_finite());
    }
}
