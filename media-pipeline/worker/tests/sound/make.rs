//! Inputs and the oracle: the command line tool, always with files of its own.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Two seconds with a tone from 0.4 to 0.6 s, and nothing else.
pub(crate) const BEEP: &str = "aevalsrc='if(between(t,0.4,0.6),0.5*sin(2*PI*440*t),0)':d=2:s=48000";
/// Where it begins and ends, in milliseconds.
pub(crate) const BEEP_MS: (u64, u64) = (400, 600);

/// What the tool makes of a source with these options, in a file of this ending. Each is made once.
pub(crate) fn made(source: &str, options: &str, ending: &str) -> Vec<u8> {
    static MADE: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut all = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(format!("{source} {options} {ending}")).or_insert_with(|| make(source, options, ending)).clone()
}

fn make(source: &str, options: &str, ending: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("sound.{ending}"));
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", source])
        .args(options.split_whitespace())
        .arg(&path)
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "{options}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(&path).unwrap()
}

/// What a player hears, all channels by turns.
pub(crate) struct Played {
    pub(crate) channels: usize,
    /// Samples a second, as stored.
    pub(crate) rate: usize,
    pub(crate) samples: Vec<f32>,
}

impl Played {
    pub(crate) fn ms(&self) -> u64 {
        (self.samples.len() / self.channels * 1_000 / self.rate) as u64
    }

    /// The first and last millisecond in which something is heard, all channels together.
    pub(crate) fn heard_ms(&self) -> (u64, u64) {
        let millisecond = self.channels * self.rate / 1_000;
        let parts = self.samples.chunks(millisecond).enumerate();
        let loud: Vec<usize> =
            parts.filter(|(_, part)| part.iter().any(|sample| sample.abs() > 0.1)).map(|(at, _)| at).collect();
        (*loud.first().expect("something is heard") as u64, *loud.last().unwrap() as u64)
    }

    /// The largest sample of a channel.
    pub(crate) fn peak(&self, channel: usize) -> f32 {
        self.samples.chunks(self.channels).map(|frame| frame[channel].abs()).fold(0.0, f32::max)
    }
}

/// Plays a file.
pub(crate) fn play(bytes: &[u8]) -> Played {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(file.path())
        .args(["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "-"])
        .stderr(Stdio::inherit())
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success());
    let wav = output.stdout;
    let format = wav.windows(4).position(|window| window == b"fmt ").unwrap() + 8;
    let data = wav.windows(4).position(|window| window == b"data").unwrap() + 8;
    let channels = usize::from(u16::from_le_bytes([wav[format + 2], wav[format + 3]]));
    let rate = u32::from_le_bytes(wav[format + 4..format + 8].try_into().unwrap()) as usize;
    let samples = wav[data..].chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    Played { channels, rate, samples }
}

/// Whether a figure of milliseconds is as expected, within what an ear takes for the same moment.
pub(crate) fn is_near(actual: u64, expected: u64) -> bool {
    actual.abs_diff(expected) <= 40
}
