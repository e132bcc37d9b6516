//! Looks at a file: its streams and packets by FFprobe, its pictures and sound by a decoder that is not the worker's.

use crate::pattern::{CELLS, ONSETS, Picture};
use crate::room::{Desk, Made, sample};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use tertulia_media_core::Class;

/// What an eye and an ear take for the same moment, in seconds.
const SAME: f64 = 0.04;
/// Samples a second of the sound that is looked at.
const RATE: usize = 48_000;
/// Louder than this is a beep.
const LOUD: u16 = 2_500;
/// So long without a loud sample, in samples, and the next one begins another beep.
const QUIET: usize = RATE / 20;

/// What is in a file.
pub(crate) struct Look {
    told: Value,
    pictures: Vec<u8>,
    sound: Vec<i16>,
}

impl Look {
    /// Decodes it, which must go without a word.
    pub(crate) fn at(desk: &Desk<'_>, path: &Path) -> Self {
        let told = probe(path);
        let (pictures, sound) = (desk.path("look.rgb"), desk.path("look.pcm"));
        let scaled = format!("scale={}:{}:flags=area,format=rgb24", CELLS.0, CELLS.1);
        let mut command = Command::new(sample("ffmpeg"));
        command.args(["-nostdin", "-v", "error", "-xerror", "-y", "-i"]).arg(path);
        let has = |kind: &str| streams(&told).any(|stream| stream["codec_type"] == kind);
        if has("video") {
            command
                .args(["-map", "0:v:0", "-vf", &scaled, "-fps_mode", "passthrough", "-f", "rawvideo"])
                .arg(&pictures);
        }
        if has("audio") {
            let filled = "aresample=48000:async=1:first_pts=0";
            command.args(["-map", "0:a:0", "-af", filled, "-ac", "1", "-f", "s16le"]).arg(&sound);
        }
        let decoded = command.output().unwrap();
        let words = String::from_utf8_lossy(&decoded.stderr);
        assert!(decoded.status.success() && words.is_empty(), "{}: {words}", path.display());
        let bytes = |is_there: bool, path| if is_there { fs::read(path).unwrap() } else { Vec::new() };
        let sound = bytes(has("audio"), sound);
        let sound = sound.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
        let pictures = bytes(has("video"), pictures);
        Self { told, pictures, sound }
    }

    /// A field of the stream of a kind, as text.
    pub(crate) fn field(&self, kind: &str, name: &str) -> String {
        let Some(stream) = streams(&self.told).find(|stream| stream["codec_type"] == kind) else {
            return String::new();
        };
        text(&stream[name])
    }

    /// Whether the packets of a kind are those of another file.
    pub(crate) fn has_packets_of(&self, told: &Value, kind: &str) -> bool {
        hashes(&self.told, kind) == hashes(told, kind)
    }

    /// The pictures, in the order in which they are shown.
    pub(crate) fn pictures(&self) -> Vec<Picture<'_>> {
        self.pictures.chunks_exact(CELLS.0 * CELLS.1 * 3).map(Picture).collect()
    }

    /// When each picture is shown, in seconds.
    pub(crate) fn times(&self) -> Vec<f64> {
        let mut times = times(&self.told, "video");
        times.sort_by(f64::total_cmp);
        times
    }

    /// When the light goes on.
    pub(crate) fn flashes(&self) -> Vec<f64> {
        let lit: Vec<bool> = self.pictures().iter().map(Picture::is_lit).collect();
        let times = self.times();
        assert_eq!(lit.len(), times.len(), "as many pictures as packets");
        (0..lit.len()).filter(|at| lit[*at] && (*at == 0 || !lit[at - 1])).map(|at| times[at]).collect()
    }

    /// When a beep begins.
    pub(crate) fn beeps(&self) -> Vec<f64> {
        let loud = (0..self.sound.len()).filter(|at| self.sound[*at].unsigned_abs() > LOUD);
        let mut last = None;
        let mut all = Vec::new();
        for at in loud {
            if last.is_none_or(|last| at - last > QUIET) {
                all.push(at as f64 / RATE as f64);
            }
            last = Some(at);
        }
        all
    }

    /// Seconds of sound.
    pub(crate) fn heard(&self) -> f64 {
        self.sound.len() as f64 / RATE as f64
    }

    /// That light and beep come together, so much apart, each time; answers when the light goes on.
    pub(crate) fn in_sync(&self, apart: f64) -> Vec<f64> {
        let (flashes, beeps) = (self.flashes(), self.beeps());
        assert_eq!((flashes.len(), beeps.len()), (ONSETS.len(), ONSETS.len()), "{flashes:?} {beeps:?}");
        for (flash, beep) in flashes.iter().zip(&beeps) {
            assert!((beep - flash - apart).abs() <= SAME, "light {flashes:?}, beeps {beeps:?}");
        }
        flashes
    }
}

/// What is as in FEATURES d3 of every video that came out, whatever went in.
pub(crate) fn assert_playable(look: &Look, made: &Made) {
    let outcome = &made.outcome;
    assert_eq!(outcome.class, Class::Video);
    assert_eq!(outcome.bytes, fs::metadata(&made.main).unwrap().len());
    let kinds = boxes(&fs::read(&made.main).unwrap());
    let place = |kind: &str| kinds.iter().position(|other| other == kind).unwrap();
    assert!(place("moov") < place("mdat"), "the header comes first: {kinds:?}");
    let all: Vec<String> = streams(&look.told).map(|stream| text(&stream["codec_name"])).collect();
    assert_eq!(all, if outcome.has_sound { vec!["h264", "aac"] } else { vec!["h264"] });
    let video = |name: &str| look.field("video", name);
    assert!(
        ["High", "Main", "Constrained Baseline", "Baseline"].contains(&video("profile").as_str()),
        "{}",
        video("profile")
    );
    assert!(video("level").parse::<u32>().unwrap() <= 41, "{}", video("level"));
    assert_eq!(video("pix_fmt"), "yuv420p");
    assert!(["", "1:1"].contains(&video("sample_aspect_ratio").as_str()), "{}", video("sample_aspect_ratio"));
    assert!(["", "progressive", "unknown"].contains(&video("field_order").as_str()), "{}", video("field_order"));
    assert!(["", "tv", "unknown"].contains(&video("color_range").as_str()), "{}", video("color_range"));
    assert!(!["smpte2084", "arib-std-b67"].contains(&video("color_transfer").as_str()), "{}", video("color_transfer"));
    assert_ne!(video("color_primaries"), "bt2020");
    assert!(!look.told.to_string().contains("rotation"), "it is upright without being turned");
    let size: Vec<u32> = ["width", "height"].iter().map(|side| video(side).parse().unwrap()).collect();
    assert_eq!(size, [outcome.width, outcome.height]);
    assert!(size.iter().all(|side| side % 2 == 0), "{size:?}");
    if outcome.has_sound {
        assert_eq!(look.field("audio", "profile"), "LC");
        let channels = look.field("audio", "channels");
        assert!(["1", "2"].contains(&channels.as_str()), "{channels}");
    }
    let times = look.times();
    assert!(times[0] >= 0.0 && times.windows(2).all(|two| two[1] > two[0]), "{times:?}");
    let length: f64 = text(&look.told["format"]["duration"]).parse().unwrap();
    assert!((length - outcome.duration_ms as f64 / 1e3).abs() < 0.05, "{length} and {} ms", outcome.duration_ms);
    assert!(fs::read(&made.jpeg).unwrap().starts_with(&[0xff, 0xd8, 0xff]), "a poster");
    assert!(fs::read(&made.webp).unwrap()[8..].starts_with(b"WEBP"), "a poster");
    assert!(!outcome.thumbhash.is_empty() && (1..2_048).contains(&outcome.preview.len()));
}

/// The hashes of the packets of the chosen stream of a kind, in their order, less those at the end that are not to be shown.
fn hashes(told: &Value, kind: &str) -> Vec<String> {
    let of_kind = || streams(told).filter(|stream| stream["codec_type"] == kind);
    let chosen = of_kind().find(|stream| stream["disposition"]["default"] == 1).or_else(|| of_kind().next());
    let index = chosen.map(|stream| stream["index"].clone());
    let all = told["packets"].as_array().unwrap().iter();
    let mut all: Vec<_> = all.filter(|packet| Some(&packet["stream_index"]) == index.as_ref()).collect();
    while all.pop_if(|packet| text(&packet["flags"]).contains('D')).is_some() {}
    all.into_iter().map(|packet| text(&packet["data_hash"])).collect()
}

/// What FFprobe tells of a file: streams and packets.
pub(crate) fn probe(path: &Path) -> Value {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-of",
            "json",
            "-show_streams",
            "-show_format",
            "-show_packets",
            "-show_data_hash",
            "MD5",
        ])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn streams(told: &Value) -> impl Iterator<Item = &Value> {
    told["streams"].as_array().into_iter().flatten()
}

fn times(told: &Value, kind: &str) -> Vec<f64> {
    let all = told["packets"].as_array().into_iter().flatten();
    let all = all.filter(|packet| packet["codec_type"] == kind);
    all.filter_map(|packet| text(&packet["pts_time"]).parse().ok()).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The kinds of the boxes at the top of an MP4, which they fill.
pub(crate) fn boxes(bytes: &[u8]) -> Vec<String> {
    let (mut at, mut kinds) = (0, Vec::new());
    while at + 8 <= bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        kinds.push(String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned());
        assert!(size >= 8, "{kinds:?}");
        at += size;
    }
    assert_eq!(at, bytes.len(), "{kinds:?}");
    kinds
}
