//! How loud a sound is over its time, in few points: what is drawn beside a voice note.
//!
//! Each point is the root of the mean square of its share of the samples, all channels together, as a share of the loudest point:
//! that one is 100. A mean and not a peak, so that one click does not flatten a voice. What is never louder than
//! −60 dB of full scale is silence: all points are 0, and no noise is blown up. How long it will be is not known beforehand, so
//! slices are kept, and made twice as long whenever there are too many: memory is the same for a second and for a day.

use tertulia_media_core::WAVEFORM_POINTS;

/// Slices that are kept. A point is made of 32 or more, so where one ends shifts by 3 % of a point at most.
const SLICES_MAX: usize = 4_096;
/// Samples of a slice at first: a millisecond.
const SLICE_SAMPLES: u64 = 48;
/// What is never louder than this is silence: −60 dB of full scale.
const SILENCE: f64 = 0.001;

/// The loudness so far.
pub(super) struct Waveform {
    /// Sums of the squares, and how many values they are of.
    slices: Vec<(f64, u64)>,
    slice_samples: u64,
    /// Samples in the last slice.
    filled: u64,
}

impl Waveform {
    /// Of nothing.
    pub(super) fn new() -> Self {
        Self { slices: Vec::new(), slice_samples: SLICE_SAMPLES, filled: SLICE_SAMPLES }
    }

    /// Hears some more: for each channel as many samples, full scale is 1.
    pub(super) fn hear(&mut self, channels: &[&[f32]]) {
        let count = channels.iter().map(|samples| samples.len()).min().unwrap_or(0);
        let mut from = 0;
        while from < count {
            if self.filled == self.slice_samples {
                self.next_slice();
            }
            let room = usize::try_from(self.slice_samples - self.filled).unwrap_or(usize::MAX);
            let to = count.min(from.saturating_add(room));
            let sum: f64 = channels.iter().flat_map(|samples| &samples[from..to]).map(|sample| square(*sample)).sum();
            if let Some((squares, values)) = self.slices.last_mut() {
                *squares += sum;
                *values += ((to - from) * channels.len()) as u64;
            }
            self.filled += (to - from) as u64;
            from = to;
        }
    }

    fn next_slice(&mut self) {
        if self.slices.len() == SLICES_MAX {
            let pairs = self.slices.chunks(2);
            self.slices =
                pairs.map(|pair| pair.iter().fold((0.0, 0), |sum, slice| (sum.0 + slice.0, sum.1 + slice.1))).collect();
            self.slice_samples *= 2;
        }
        self.slices.push((0.0, 0));
        self.filled = 0;
    }

    /// The points, or none if nothing was heard.
    pub(super) fn points(&self) -> Vec<u8> {
        let count = self.slices.len();
        if count == 0 {
            return Vec::new();
        }
        let means: Vec<f64> = (0..WAVEFORM_POINTS)
            .map(|point| {
                let from = point * count / WAVEFORM_POINTS;
                let to = ((point + 1) * count / WAVEFORM_POINTS).max(from + 1);
                let (squares, values) =
                    self.slices[from..to].iter().fold((0.0, 0), |sum, slice| (sum.0 + slice.0, sum.1 + slice.1));
                (squares / values.max(1) as f64).sqrt()
            })
            .collect();
        let loudest = means.iter().copied().fold(0.0, f64::max);
        if loudest < SILENCE {
            return vec![0; WAVEFORM_POINTS];
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 100 fits")]
        means.into_iter().map(|mean| (mean / loudest * 100.0).round().clamp(0.0, 100.0) as u8).collect()
    }
}

/// A decoder may yield what is no number, or beyond all measure.
fn square(sample: f32) -> f64 {
    if sample.is_finite() { f64::from(sample.clamp(-1.0, 1.0)).powi(2) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(samples: usize, loudness: f32) -> Vec<f32> {
        (0..samples).map(|index| loudness * (index as f32 * 0.3).sin()).collect()
    }

    #[test]
    fn d8_a_sound_that_grows_louder_has_points_that_grow() {
        for seconds in [1, 7, 600] {
            let mut waveform = Waveform::new();
            for step in 0..64_u8 {
                let part = tone(48_000 * seconds / 64, f32::from(step) / 64.0);
                part.chunks(960).for_each(|samples| waveform.hear(&[samples]));
            }
            let points = waveform.points();
            assert_eq!(points.len(), WAVEFORM_POINTS);
            assert!(points.windows(2).all(|pair| pair[0] <= pair[1]), "{seconds} s: {points:?}");
            assert!(points[0] <= 1 && points[32].abs_diff(51) <= 2 && points[63] == 100, "{seconds} s: {points:?}");
        }
    }

    #[test]
    fn d8_half_silence_half_sound_shows_as_such_however_loud() {
        for loudness in [0.9, 0.02] {
            let mut waveform = Waveform::new();
            waveform.hear(&[&vec![0.0; 96_000]]);
            waveform.hear(&[&tone(96_000, loudness)]);
            let points = waveform.points();
            assert!(
                points[..31].iter().all(|point| *point == 0) && points[33..].iter().all(|point| *point > 95),
                "{points:?}"
            );
        }
    }

    #[test]
    fn d8_silence_and_noise_that_nobody_hears_are_zero() {
        let mut waveform = Waveform::new();
        waveform.hear(&[&tone(48_000, 0.0005)]);
        assert_eq!(waveform.points(), vec![0; WAVEFORM_POINTS]);
        assert!(Waveform::new().points().is_empty());
    }

    #[test]
    fn d8_a_sound_on_one_side_counts_and_what_is_no_number_does_not() {
        let mut waveform = Waveform::new();
        waveform.hear(&[&vec![0.0; 480], &tone(480, 0.5)]);
        waveform.hear(&[&[f32::NAN; 480], &[f32::INFINITY; 480]]);
        let points = waveform.points();
        assert!(points[10] > 90 && points[50] == 0, "{points:?}");
    }

    #[test]
    fn d8_a_sound_of_a_few_samples_still_has_all_points() {
        let mut waveform = Waveform::new();
        waveform.hear(&[&[0.5; 5]]);
        assert_eq!(waveform.points(), vec![100; WAVEFORM_POINTS]);
    }
}
