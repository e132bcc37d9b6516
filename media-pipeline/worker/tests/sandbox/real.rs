//! Real media, decoded and coded by the real worker inside of the real sandbox: nothing that an honest library does is taken
//! for an attack. Inputs are made by FFmpeg's command line.

use crate::support::Files;
use std::path::Path;
use std::process::Command;
use tertulia_media_core::{Class, Job, Limits, Outcome, Refusal};
use tertulia_media_worker::host::{Cause, Pool, PoolConfig, Program};
use tokio_util::sync::CancellationToken;

const PICTURE: &str = "-f lavfi -i testsrc2=s=320x240:r=1:d=1 -frames:v 1";
const MOVES: &str = "-f lavfi -i testsrc2=s=320x240:r=25:d=1";
const FILM: &str = "-f lavfi -i testsrc2=s=320x240:r=25:d=1 -f lavfi -i sine=d=1:r=44100 -strict -2";
const SOUND: &str = "-f lavfi -i sine=d=1:r=44100";

/// What is sent, as which class, and how it is made. Each codec brings its own threads, tables and habits.
const SENT: &[(&str, Class, &str, &str)] = &[
    ("photo.jpg", Class::Image, PICTURE, ""),
    ("drawing.png", Class::Image, PICTURE, ""),
    ("picture.webp", Class::Image, PICTURE, ""),
    ("moves.gif", Class::Image, MOVES, ""),
    ("moves.apng", Class::Image, MOVES, "-plays 0"),
    ("moves.webp", Class::Image, MOVES, "-c:v libwebp_anim"),
    ("fits.mp4", Class::Video, FILM, "-c:v libx264 -pix_fmt yuv420p -c:a aac"),
    ("old.3gp", Class::Video, FILM, "-c:v h263 -s 352x288 -c:a aac"),
    ("old.avi", Class::Video, FILM, "-c:v mpeg4 -c:a mp3"),
    ("photo.avi", Class::Video, FILM, "-c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le"),
    (
        "phone.mov",
        Class::Video,
        FILM,
        "-c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1 -c:a aac",
    ),
    ("film.mov", Class::Video, FILM, "-c:v prores_ks -c:a pcm_s16le"),
    ("web.mkv", Class::Video, FILM, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
    ("older.mkv", Class::Video, FILM, "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libvorbis"),
    ("new.mkv", Class::Video, MOVES, "-c:v libaom-av1 -cpu-used 8 -usage realtime"),
    ("song.mp3", Class::Audio, SOUND, ""),
    ("song.flac", Class::Audio, SOUND, ""),
    ("note.ogg", Class::Voice, SOUND, "-c:a libopus"),
    ("note.m4a", Class::Voice, SOUND, "-c:a aac"),
];

/// Pictures that FFmpeg's command line does not make.
const KEPT: &[(&str, &[u8])] = &[
    ("photo.heic", include_bytes!("../image/turned.heic")),
    ("photo.avif", include_bytes!("../image/quarters.avif")),
    ("deep.avif", include_bytes!("../image/deep.avif")),
];

fn make(folder: &Path, name: &str, source: &str, coded: &str) -> Vec<u8> {
    let path = folder.join(name);
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(source.split_whitespace().chain(coded.split_whitespace()))
        .arg(&path)
        .status()
        .expect("ffmpeg is installed");
    assert!(made.success(), "{name}");
    std::fs::read(path).expect("readable")
}

async fn send(pool: &Pool, class: Class, bytes: &[u8]) -> Result<Outcome, Refusal> {
    let files = Files::new(bytes);
    let (input, outputs) = files.handles();
    let job = Job { class, limits: Limits::default(), threads: 2 };
    pool.run(&job, input, outputs, CancellationToken::new(), |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_real_media_of_every_kind_pass_through_the_sandbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program { path: env!("CARGO_BIN_EXE_tertulia-media-worker").into(), args: Vec::new() };
    let pool = Pool::start(PoolConfig::new(program, 2)).expect("started");
    pool.layers().await.expect("available");
    let made =
        SENT.iter().map(|(name, class, source, coded)| (*name, *class, make(folder.path(), name, source, coded)));
    let kept = KEPT.iter().map(|(name, bytes)| (*name, Class::Image, bytes.to_vec()));
    for (name, class, bytes) in made.chain(kept) {
        let result = send(&pool, class, &bytes).await;
        let causes: Vec<_> = Cause::ALL.into_iter().filter(|cause| pool.counters().failures(*cause) > 0).collect();
        assert_eq!(causes, [], "{name}");
        let outcome = result.unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert!(outcome.bytes > 0, "{name}");
    }
    pool.shutdown().await;
}
