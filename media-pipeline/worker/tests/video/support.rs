//! Makes inputs, runs jobs, and looks at what came out.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tertulia_media_core::{Class, Job, Limits, Outcome, Reason, Refusal};

/// Inputs and outputs of one test, gone with it.
pub(crate) struct Desk {
    dir: TempDir,
}

/// What a job has made.
pub(crate) struct Made {
    pub(crate) outcome: Outcome,
    pub(crate) main: PathBuf,
    pub(crate) jpeg: PathBuf,
    pub(crate) webp: PathBuf,
    /// What it told of its progress.
    pub(crate) progress: Vec<u16>,
}

/// A job as most tests want it.
pub(crate) fn job() -> Job {
    Job { class: Class::Video, limits: Limits::default(), threads: 2 }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file of these bytes.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// What FFmpeg makes of these arguments, which stand for themselves between blanks.
    pub(crate) fn make(&self, name: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(arguments.split_whitespace())
            .arg(&path)
            .status()
            .unwrap();
        assert!(status.success(), "ffmpeg {arguments} {name}");
        path
    }

    /// Runs a job.
    pub(crate) fn try_run(&self, job: &Job, input: &Path) -> Result<Made, Refusal> {
        let names = ["out.mp4", "out.jpg", "out.webp"].map(|name| self.path(name));
        let open =
            |path: &PathBuf| File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap();
        let outputs = [open(&names[0]), open(&names[1]), open(&names[2])];
        let mut told = Vec::new();
        let mut progress = |thousandths| told.push(thousandths);
        let outcome = tertulia_media_worker::av::run(job, File::open(input).unwrap(), outputs, &mut progress)?;
        let [main, jpeg, webp] = names;
        assert_eq!(outcome.bytes, fs::metadata(&main).unwrap().len(), "it says how long the output is");
        Ok(Made { outcome, main, jpeg, webp, progress: told })
    }

    /// Runs a job that must come to something playable.
    pub(crate) fn run(&self, input: &Path) -> Made {
        let made = self.try_run(&job(), input).unwrap_or_else(|refusal| panic!("{}: {refusal:?}", input.display()));
        assert_playable(&made);
        made
    }

    /// Runs a job in one thread. With more, x264 keeps to a bitrate by what the threads beside one have written so far, which
    /// depends on the machine's load: the pictures differ by a little, the command line's too.
    pub(crate) fn run_alone(&self, input: &Path) -> Made {
        let job = Job { threads: 1, ..job() };
        let made = self.try_run(&job, input).unwrap_or_else(|refusal| panic!("{}: {refusal:?}", input.display()));
        assert_playable(&made);
        made
    }

    /// Runs a job that must be refused.
    pub(crate) fn refused(&self, input: &Path) -> Reason {
        match self.try_run(&job(), input) {
            Ok(made) => panic!("{}: {:?}", input.display(), made.outcome),
            Err(refusal) => refusal.reason,
        }
    }
}

/// What FFprobe answers to these arguments.
pub(crate) fn probe(path: &Path, arguments: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv=p=0"])
        .args(arguments.split_whitespace())
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Fields of the first stream of a kind, `v` or `a`, comma between them.
pub(crate) fn stream(path: &Path, kind: &str, fields: &str) -> String {
    probe(path, &format!("-select_streams {kind}:0 -show_entries stream={fields}")).trim_end_matches(',').to_owned()
}

/// Hashes of the decoded frames of the first stream of a kind.
pub(crate) fn hashes(path: &Path, kind: &str) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(path)
        .args(["-map", &format!("0:{kind}:0"), "-f", "framemd5", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit(',').next().unwrap().to_owned()).collect()
}

/// Numbers of a column that FFprobe answers with, line by line.
pub(crate) fn numbers(path: &Path, arguments: &str) -> Vec<f64> {
    probe(path, arguments).lines().filter_map(|line| line.trim_matches(',').parse().ok()).collect()
}

/// Times of the pictures as they are shown, in seconds.
pub(crate) fn picture_times(path: &Path) -> Vec<f64> {
    numbers(path, "-select_streams v:0 -show_entries frame=best_effort_timestamp_time")
}

/// The pixels of a picture at a time, as red, green, blue, scaled to so many across and down.
pub(crate) fn pixels(path: &Path, at: f64, width: usize, height: usize) -> Vec<[u8; 3]> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(path)
        .args(["-ss", &at.to_string(), "-frames:v", "1"])
        .args(["-vf", &format!("scale={width}:{height}:flags=area"), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .unwrap();
    assert_eq!(output.stdout.len(), width * height * 3, "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
}

/// The kinds of the boxes at the top of an MP4.
pub(crate) fn boxes(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap();
    let (mut at, mut kinds) = (0, Vec::new());
    while at + 8 <= bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        kinds.push(String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned());
        assert!(size >= 8, "{kinds:?}");
        at += size;
    }
    assert_eq!(at, bytes.len(), "the boxes fill the file: {kinds:?}");
    kinds
}

/// What every output must be: see FEATURES d3.
pub(crate) fn assert_playable(made: &Made) {
    let kinds = boxes(&made.main);
    let place = |kind: &str| kinds.iter().position(|other| other == kind).unwrap();
    assert!(place("moov") < place("mdat"), "the header comes first: {kinds:?}");
    let fields = "stream=codec_name,profile,width,height,sample_aspect_ratio,pix_fmt,level,sample_rate:format=duration";
    let told = probe(&made.main, &format!("-show_entries {fields}"));
    let (streams, length) = told.rsplit_once('\n').unwrap();
    let mut all = streams.lines();
    let video = all.next().unwrap();
    let parts: Vec<&str> = video.split(',').collect();
    let number = |at: usize| parts[at].parse::<u32>().unwrap();
    assert_eq!(parts[0], "h264", "{video}");
    assert!(matches!(parts[1], "High" | "Main" | "Constrained Baseline" | "Baseline"), "{video}");
    assert!(number(2) % 2 == 0 && number(3) % 2 == 0, "{video}");
    assert_eq!((number(2), number(3)), (made.outcome.width, made.outcome.height), "{video}");
    assert!(matches!(parts[4], "1:1" | "N/A"), "{video}");
    assert_eq!(parts[5], "yuv420p", "{video}");
    assert!(number(6) <= 41, "{video}");
    let sound = all.next().unwrap_or_default();
    assert_eq!(!sound.is_empty(), made.outcome.has_sound, "{told}");
    if made.outcome.has_sound {
        assert!(sound.starts_with("aac,LC,4"), "{sound}");
    }
    let decoded = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-xerror", "-i"])
        .arg(&made.main)
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    assert!(decoded.status.success() && decoded.stderr.is_empty(), "{}", String::from_utf8_lossy(&decoded.stderr));
    let length: f64 = length.parse().unwrap();
    let told = made.outcome.duration_ms as f64 / 1e3;
    assert!((length - told).abs() < 0.05, "it says how long it is: {length} and {told}");
    assert_eq!(made.progress.last(), Some(&1_000));
    assert!(made.progress.is_sorted());
    let jpeg = turbojpeg::read_header(&fs::read(&made.jpeg).unwrap()).unwrap();
    let webp = image::load_from_memory(&fs::read(&made.webp).unwrap()).unwrap();
    for (width, height) in [(jpeg.width, jpeg.height), (webp.width() as usize, webp.height() as usize)] {
        let shape = f64::from(made.outcome.width) / f64::from(made.outcome.height);
        assert!(width.max(height) <= 640, "{width}x{height}");
        let error = (width as f64 - height as f64 * shape).abs();
        assert!(error <= 2.0 + shape * 2.0, "{width}x{height} for {}x{}", made.outcome.width, made.outcome.height);
    }
    assert!(!made.outcome.thumbhash.is_empty());
    assert!(made.outcome.preview.starts_with("data:image/") && made.outcome.preview.len() < 2_048);
}
