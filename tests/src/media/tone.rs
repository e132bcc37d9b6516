//! A tone made, coded and found again, with the `opus` crate: what goes in at one end must come out at the other.

use opus::{Application, Channels, Decoder, Encoder};

/// Samples a second.
pub const RATE: u32 = 48_000;
/// Samples of a 20 ms packet.
pub const FRAME: usize = 960;

/// Makes Opus packets of a sine.
#[derive(Debug)]
pub struct Source {
    encoder: Encoder,
    hertz: f64,
    samples: u64,
}

impl Source {
    /// A tone of so many hertz.
    ///
    /// # Errors
    /// If the encoder can't be made.
    pub fn new(hertz: f64) -> Result<Self, opus::Error> {
        Ok(Self { encoder: Encoder::new(RATE, Channels::Mono, Application::Audio)?, hertz, samples: 0 })
    }

    /// The next 20 ms.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn packet(&mut self) -> Result<Vec<u8>, opus::Error> {
        let mut frame = [0.0f32; FRAME];
        for sample in &mut frame {
            #[expect(clippy::cast_possible_truncation, reason = "samples are single precision")]
            {
                *sample = (0.5 * phase(self.hertz, self.samples).sin()) as f32;
            }
            self.samples += 1;
        }
        self.encoder.encode_vec_float(&frame, 1200)
    }
}

fn phase(hertz: f64, sample: u64) -> f64 {
    std::f64::consts::TAU * hertz * sample as f64 / f64::from(RATE)
}

/// Decodes Opus packets and listens for a tone.
#[derive(Debug)]
pub struct Listener {
    decoder: Decoder,
    pcm: Vec<f32>,
}

impl Listener {
    /// One that has heard nothing.
    ///
    /// # Errors
    /// If the decoder can't be made.
    pub fn new() -> Result<Self, opus::Error> {
        Ok(Self { decoder: Decoder::new(RATE, Channels::Mono)?, pcm: Vec::new() })
    }

    /// Hears a packet.
    ///
    /// # Errors
    /// If it is not Opus.
    pub fn hear(&mut self, packet: &[u8]) -> Result<(), opus::Error> {
        let mut frame = [0.0f32; FRAME * 6];
        let samples = self.decoder.decode_float(packet, &mut frame, false)?;
        self.pcm.extend_from_slice(&frame[..samples]);
        Ok(())
    }

    /// How much of the last second's power is at this frequency: 1 for the pure tone, 0 for silence or another.
    ///
    /// A Goertzel filter over whole periods (all frequencies that divide [`RATE`] into the window do).
    #[must_use]
    pub fn purity(&self, hertz: f64) -> f64 {
        let window = &self.pcm[self.pcm.len().saturating_sub(RATE as usize)..];
        let power: f64 = window.iter().map(|s| f64::from(*s).powi(2)).sum();
        // Below a thousandth of full scale it is silence.
        if power <= window.len() as f64 * 1e-6 {
            return 0.0;
        }
        let (mut re, mut im) = (0.0, 0.0);
        for (index, sample) in window.iter().enumerate() {
            let phase = phase(hertz, index as u64);
            re += f64::from(*sample) * phase.cos();
            im += f64::from(*sample) * phase.sin();
        }
        (re * re + im * im) * 2.0 / (window.len() as f64 * power)
    }

    /// Seconds heard.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.pcm.len() as f64 / f64::from(RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_knows_its_tone_from_another_and_from_silence() {
        let (mut source, mut listener) = (Source::new(440.0).unwrap(), Listener::new().unwrap());
        for _ in 0..60 {
            listener.hear(&source.packet().unwrap()).unwrap();
        }
        assert!(listener.purity(440.0) > 0.95, "{}", listener.purity(440.0));
        assert!(listener.purity(880.0) < 0.05);
        assert!(Listener::new().unwrap().purity(440.0) < 0.05);
    }
}
