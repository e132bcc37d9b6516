//! Jobs of workers, and the command lines that do the same with the same threads.

use super::films::{Film, Films};
use super::ledger::{Ledger, Stretch};
use crate::process;
use anyhow::{Context, anyhow, ensure};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tertulia_media_core::{Class, Job, Limits, Outcome};
use tertulia_media_worker::host::{Pool, PoolConfig, Program};
use tertulia_tests::wait::{PATIENCE, eventually};
use tokio_util::sync::CancellationToken;

/// Threads of a job, and of a command line.
const THREADS: u32 = 2;
/// How often a worker's memory is looked at: its peak is the kernel's own word.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One comparison.
struct Case {
    name: &'static str,
    /// What the command line is, for the report.
    beside: &'static str,
    must: f64,
    job: Job,
    film: Film,
    /// Run by a shell: `{in}` is the input, `{out}` what names of outputs begin with.
    shell: String,
    /// Whether both make the same frames, and by which command with one thread.
    same_frames: Option<String>,
}

/// What the transcoder tells FFmpeg, as the command line has it.
fn coding(threads: u32, size: &str, clock: &str) -> String {
    format!(
        "-filter_threads {threads} -vf scale={size}:flags=bicubic:out_range=tv,format=yuv420p,setsar=1 -c:v libx264 \
         -preset veryfast -crf 26 -profile:v high -level 4.1 -maxrate 6000000 -bufsize 6000000 \
         -x264-params sync-lookahead=0 -threads {threads} -fps_mode passthrough -enc_time_base {clock}"
    )
}

fn transcode(name: &'static str, film: Film, clock: &str) -> Case {
    let line = |threads: u32| {
        format!(
            "ffmpeg -nostdin -v error -y -threads {threads} -i {{in}} -map 0:v:0 -map 0:a:0 {} -c:a aac -b:a 128k -ar 48000 \
             -ac 2 -map_metadata -1 -movflags +faststart {{out}}.mp4",
            coding(threads, "1280:720", clock)
        )
    };
    Case {
        name,
        beside: "ffmpeg, the same settings",
        must: 1.10,
        job: job(Class::Video),
        film,
        shell: line(THREADS),
        same_frames: Some(line(1)),
    }
}

fn remux(name: &'static str, film: Film) -> Case {
    let line = "ffmpeg -nostdin -v error -y -i {in} -map 0:v:0 -map 0:a:0 -c copy -map_metadata -1 -movflags +faststart \
                {out}.mp4";
    Case {
        name,
        beside: "ffmpeg -c copy +faststart",
        must: 0.6,
        job: job(Class::Video),
        film,
        shell: line.to_owned(),
        same_frames: Some(line.to_owned()),
    }
}

fn job(class: Class) -> Job {
    Job { class, limits: Limits::default(), threads: THREADS }
}

fn cases() -> Vec<Case> {
    let poster = "ffmpeg -nostdin -v error -y -skip_frame nokey -i {in} -frames:v 1 -vf scale=640:-2 {out}.jpg";
    let small = Limits { image_side_max: 320, ..Limits::default() };
    let thumbnail = "vipsthumbnail {in} -s 320 -o {out}.jpg[Q=82]";
    let picture = "vipsthumbnail {in} -s 2560 -o {out}.jpg[Q=82,interlace] && vipsthumbnail {in} -s 320 -o {out}.t.jpg[Q=82] \
                   && vipsthumbnail {in} -s 320 -o {out}.webp[Q=82]";
    vec![
        transcode("transcode, a phone's HEVC, 1080p, 6 s", Film::Phone, "1:15360"),
        transcode("transcode, MPEG-4 in AVI, 720p, 10 s", Film::Camera, "1:90000"),
        remux("remux, 8 s, its poster included", Film::Short),
        remux("remux, 60 s, its poster included", Film::Long),
        Case {
            name: "poster of 60 s, the remux included",
            beside: "ffmpeg -skip_frame nokey, the poster alone",
            must: 0.5,
            job: job(Class::Video),
            film: Film::Long,
            shell: poster.to_owned(),
            same_frames: None,
        },
        Case {
            name: "12 MP JPEG to 320 px, JPEG and WebP",
            beside: "vipsthumbnail, JPEG alone",
            must: 1.5,
            job: Job { limits: small, ..job(Class::Image) },
            film: Film::Photograph,
            shell: thumbnail.to_owned(),
            same_frames: None,
        },
        Case {
            name: "12 MP JPEG to 2,560 px and 320 px, JPEG and WebP",
            beside: "vipsthumbnail, three times",
            must: 1.5,
            job: job(Class::Image),
            film: Film::Photograph,
            shell: picture.to_owned(),
            same_frames: None,
        },
    ]
}

/// A table of all whose name contains `only`.
pub(super) async fn run(rounds: usize, only: &str, program: Option<PathBuf>) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let films = Films::new(folder.path());
    let bench = Bench { folder: folder.path(), pool: Pool::start(config(program)?)? };
    bench.pool.layers().await.map_err(|why| anyhow!("no workers: {why}"))?;
    let mut table = String::from(
        "| what | ours, wall ms | beside it | wall ms | of it | must | CPU ms | beside it | of it | memory MiB | beside it \
         | same frames |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for case in cases().iter().filter(|case| case.name.contains(only)) {
        let input = films.get(case.film)?;
        table += &bench.row(case, &input, rounds).await.with_context(|| case.name)?;
    }
    bench.pool.shutdown().await;
    Ok(table)
}

fn config(program: Option<PathBuf>) -> anyhow::Result<PoolConfig> {
    let own = std::env::current_exe()?;
    let path = program.unwrap_or_else(|| own.with_file_name("tertulia"));
    ensure!(path.is_file(), "no {}: build it, or name it (--program)", path.display());
    let args = if path.ends_with("tertulia") { vec!["media-worker".into()] } else { Vec::new() };
    // Command lines yield to nobody either.
    Ok(PoolConfig { nice: 0, ..PoolConfig::new(Program { path, args }, THREADS) })
}

struct Bench<'a> {
    folder: &'a Path,
    pool: Pool,
}

impl Bench<'_> {
    async fn row(&self, case: &Case, input: &Path, rounds: usize) -> anyhow::Result<String> {
        // Caches are warm for both.
        self.job(&case.job, input).await?;
        self.shell(&case.shell, input)?;
        let (mut ours, mut theirs) = (Ledger::default(), Ledger::default());
        for _ in 0..rounds {
            self.ready().await?;
            let stretch = Stretch::begin()?;
            self.job(&case.job, input).await?;
            stretch.end(&mut ours)?;
            // The next worker is not to be made ready at the command line's expense.
            self.ready().await?;
            let stretch = Stretch::begin()?;
            self.shell(&case.shell, input)?;
            stretch.end(&mut theirs)?;
        }
        let (memory, beside) = (self.memory(case, input).await?, self.shell_memory(case, input)?);
        let same = self.same_frames(case, input).await?;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        Ok(format!(
            "| {} | {:.0} | {} | {:.0} | **{:.2}** | {:.2} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {same} |\n",
            case.name,
            ours.wall_ms(),
            case.beside,
            theirs.wall_ms(),
            ours.wall_ms() / theirs.wall_ms(),
            case.must,
            ours.cpu_ms(),
            theirs.cpu_ms(),
            ours.cpu_ms() / theirs.cpu_ms(),
            mib(memory),
            mib(beside),
        ))
    }

    /// Waits until the pool has as many workers waiting as it wants.
    async fn ready(&self) -> anyhow::Result<()> {
        let all = || async { (self.pool.counters().ready() == 2).then_some(()) };
        eventually("workers are ready", all).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    async fn job(&self, job: &Job, input: &Path) -> anyhow::Result<Outcome> {
        let open = |name: &str| {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(self.path(name));
            file.map(OwnedFd::from)
        };
        let outputs = [open("ours.main")?, open("ours.jpg")?, open("ours.webp")?];
        let input = OwnedFd::from(File::open(input)?);
        let done = self.pool.run(job, input, outputs, CancellationToken::new(), |_| {}).await;
        done.map_err(|refusal| anyhow!("refused: {refusal:?}"))
    }

    fn shell(&self, line: &str, input: &Path) -> anyhow::Result<()> {
        let status = self.command(line, input).status()?;
        ensure!(status.success(), "{line}");
        Ok(())
    }

    fn command(&self, line: &str, input: &Path) -> Command {
        let line = line.replace("{in}", &input.to_string_lossy());
        let mut command = Command::new("sh");
        // Without a shell between us and it: `exec` where it is one command.
        let exec = if line.contains("&&") { "" } else { "exec " };
        command.arg("-c").arg(format!("{exec}{}", line.replace("{out}", &self.path("theirs").to_string_lossy())));
        command.stdin(Stdio::null());
        command
    }

    /// The most memory that any process of ours has had during a job.
    async fn memory(&self, case: &Case, input: &Path) -> anyhow::Result<u64> {
        self.ready().await?;
        let watching = Watching::begin();
        self.job(&case.job, input).await?;
        watching.end()
    }

    fn shell_memory(&self, case: &Case, input: &Path) -> anyhow::Result<u64> {
        // The workers that wait are children too, and small.
        let watching = Watching::begin();
        self.shell(&case.shell, input)?;
        watching.end()
    }

    /// Whether what is decoded from both outputs is the same, frame by frame, made with one thread.
    async fn same_frames(&self, case: &Case, input: &Path) -> anyhow::Result<&'static str> {
        let Some(line) = &case.same_frames else { return Ok("–") };
        self.job(&Job { threads: 1, ..case.job.clone() }, input).await?;
        self.shell(line, input)?;
        let (ours, theirs) = (self.frames("ours.main")?, self.frames("theirs.mp4")?);
        ensure!(!ours.is_empty(), "no frames");
        Ok(if ours == theirs { "yes" } else { "**no**" })
    }

    fn frames(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let output = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-i"])
            .arg(self.path(name))
            .args(["-map", "0:v:0", "-f", "framemd5", "-"])
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let hash = |line: &str| line.rsplit(',').next().map(str::to_owned);
        Ok(text.lines().filter(|line| !line.starts_with('#')).filter_map(hash).collect())
    }
}

/// Looks at the memory of all children.
struct Watching {
    is_over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<u64>,
}

impl Watching {
    fn begin() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let (mut peak, start) = (0, std::time::Instant::now());
            while !over.load(Relaxed) && start.elapsed() < PATIENCE {
                let children = process::children(std::process::id()).unwrap_or_default();
                let most = children.into_iter().filter_map(|child| process::resident_peak(child).ok()).max();
                peak = peak.max(most.unwrap_or(0));
                std::thread::sleep(LOOK_EVERY);
            }
            peak
        });
        Self { is_over, thread }
    }

    fn end(self) -> anyhow::Result<u64> {
        self.is_over.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that watches"))
    }
}
