//! Files that people send: made by the `ffmpeg` command once, kept beside the test programs, and by hand where no honest
//! program would write them.

use anyhow::{Context, ensure};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `ffmpeg` makes of these arguments, under a name whose ending says the container.
///
/// # Errors
/// If it makes nothing; if there is no `ffmpeg`.
pub fn ffmpeg(name: &str, args: &[&str]) -> anyhow::Result<Vec<u8>> {
    let mut hasher = DefaultHasher::new();
    args.hash(&mut hasher);
    // A test runs from target/<profile>/deps, a tool of ours from target/<profile>.
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).context("a target folder")?;
    let kept = target.join("media-files").join(format!("{:016x}-{name}", hasher.finish()));
    if let Ok(bytes) = std::fs::read(&kept) {
        return Ok(bytes);
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join(name);
    let made = Command::new("ffmpeg").args(["-nostdin", "-v", "error"]).args(args).arg(&file).output();
    let made = made.context("ffmpeg makes the tests' media")?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let bytes = std::fs::read(file)?;
    keep(&kept, &bytes)?;
    Ok(bytes)
}

/// Whole or not at all: another test may make the same at the same time.
fn keep(at: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = at.parent().context("a folder")?;
    std::fs::create_dir_all(folder)?;
    let half = tempfile::NamedTempFile::new_in(folder)?;
    std::fs::write(half.path(), bytes)?;
    half.persist(at)?;
    Ok(())
}

/// Pictures that move, and a tone.
fn moving(name: &str, picture: &str, seconds: &str, codecs: &[&str]) -> anyhow::Result<Vec<u8>> {
    let (picture, tone) = (format!("testsrc2={picture}:duration={seconds}"), format!("sine=440:duration={seconds}"));
    let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &tone];
    ffmpeg(name, &[&inputs[..], codecs].concat())
}

/// A second of pictures and sound, as an old camera writes them: 320 × 240.
///
/// # Errors
/// As [`ffmpeg`].
pub fn film() -> anyhow::Result<Vec<u8>> {
    moving("film.avi", "size=320x240:rate=25", "1", &["-c:v", "mpeg4", "-c:a", "mp3", "-shortest"])
}

/// Ten seconds, which take a worker long enough to be told of.
///
/// # Errors
/// As [`ffmpeg`].
pub fn long_film() -> anyhow::Result<Vec<u8>> {
    let codecs = ["-c:v", "mpeg4", "-q:v", "6", "-c:a", "mp3", "-shortest"];
    moving("long.avi", "size=640x360:rate=25", "10", &codecs)
}

/// Four seconds of what plays everywhere already, where it was taken included; no edit list.
///
/// # Errors
/// As [`ffmpeg`].
pub fn phone_film() -> anyhow::Result<Vec<u8>> {
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-c:a", "aac"];
    let tags = ["-metadata", "location=+40.4168-003.7038/", "-metadata", "comment=Calle de Alcala 40.4168"];
    let muxer = ["-use_editlist", "0", "-movflags", "use_metadata_tags"];
    moving("phone.mp4", "size=160x120:rate=10", "4", &[&codecs[..], &tags, &muxer].concat())
}

/// Four seconds in Matroska.
///
/// # Errors
/// As [`ffmpeg`].
pub fn matroska() -> anyhow::Result<Vec<u8>> {
    moving("film.mkv", "size=160x120:rate=10", "4", &["-c:v", "mpeg4", "-c:a", "mp3"])
}

/// A picture of this size, in the format of this ending.
///
/// # Errors
/// As [`ffmpeg`].
pub fn picture(ending: &str, width: u32, height: u32) -> anyhow::Result<Vec<u8>> {
    let source = format!("testsrc2=size={width}x{height}:rate=1:duration=1");
    ffmpeg(&format!("picture.{ending}"), &["-f", "lavfi", "-i", &source, "-frames:v", "1"])
}

/// A second of a tone and a second of nothing.
///
/// # Errors
/// As [`ffmpeg`].
pub fn voice() -> anyhow::Result<Vec<u8>> {
    let tone = "sine=440:duration=2,volume=8:enable='lt(t,1)',volume=0:enable='gte(t,1)'";
    ffmpeg("voice.m4a", &["-f", "lavfi", "-i", tone, "-c:a", "aac"])
}

/// Codecs and sizes, as FFmpeg sees them.
///
/// # Errors
/// If it sees nothing.
pub fn codecs(bytes: &[u8]) -> anyhow::Result<String> {
    probed(bytes, "stream=codec_name,width,height")
}

/// These entries, as FFmpeg sees them.
///
/// # Errors
/// If it sees nothing.
pub fn probed(bytes: &[u8], entries: &str) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let file: PathBuf = folder.path().join("made");
    std::fs::write(&file, bytes)?;
    let probe = ["-v", "error", "-show_entries", entries, "-of", "csv=p=0"];
    let seen = Command::new("ffprobe").args(probe).arg(&file).output()?;
    ensure!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
    Ok(String::from_utf8(seen.stdout)?)
}

/// So many bytes that repeat nowhere, the same for the same seed. They begin as nothing that is known.
#[must_use]
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut noise = vec![0xF1, 0x02];
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// The MP4 with every duration in its header changed to so many seconds: `mvhd`, `tkhd`, `mdhd`, all of version 0.
///
/// # Errors
/// If there is no such header.
pub fn with_mp4_header_of(mut mp4: Vec<u8>, seconds: u32) -> anyhow::Result<Vec<u8>> {
    // A track's header counts in the film's units.
    let film = places(&mp4, b"mvhd").first().copied().context("mvhd")?;
    let unit = |mp4: &[u8], at: usize| {
        mp4.get(at + 12..at + 16).map(|four| four.iter().fold(0, |n, b| n << 8 | u32::from(*b)))
    };
    let film_unit = unit(&mp4, film + 4).context("a time scale")?;
    let mut changed = 0;
    for (kind, duration_at) in [(b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)] {
        for at in places(&mp4, kind) {
            let body = at + 4;
            ensure!(mp4[body] == 0, "another version");
            let scale = if kind == b"mdhd" { unit(&mp4, body).context("a time scale")? } else { film_unit };
            let duration = seconds.saturating_mul(scale).to_be_bytes();
            mp4.get_mut(body + duration_at..body + duration_at + 4).context("a duration")?.copy_from_slice(&duration);
            changed += 1;
        }
    }
    ensure!(changed >= 3, "no header");
    Ok(mp4)
}

/// The Matroska file with another duration in its header.
///
/// # Errors
/// If there is none.
pub fn with_matroska_header_of(mut mkv: Vec<u8>, seconds: f64) -> anyhow::Result<Vec<u8>> {
    // Duration: id 4489, eight bytes, in milliseconds.
    let at = places(&mkv, &[0x44, 0x89, 0x88]).first().copied().context("a duration")? + 3;
    mkv.get_mut(at..at + 8).context("a duration")?.copy_from_slice(&(seconds * 1_000.0).to_be_bytes());
    Ok(mkv)
}

fn places(bytes: &[u8], of: &[u8]) -> Vec<usize> {
    bytes.windows(of.len()).enumerate().filter(|(_, window)| *window == of).map(|(at, _)| at).collect()
}

/// The JPEG with what a phone adds to it: on its side (orientation 6), and where it was taken.
///
/// # Errors
/// If it is no JPEG.
pub fn with_place(jpeg: &[u8]) -> anyhow::Result<Vec<u8>> {
    ensure!(jpeg.starts_with(&[0xFF, 0xD8]), "no JPEG");
    // TIFF, big-endian: an index with orientation and the place's index; that with latitude and longitude.
    let mut tiff = b"MM\0\x2a\0\0\0\x08".to_vec();
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value.to_be_bytes()].concat()
    };
    tiff.extend_from_slice(&2_u16.to_be_bytes());
    tiff.extend(entry(0x0112, 3, 1, 6 << 16));
    tiff.extend(entry(0x8825, 4, 1, 38));
    tiff.extend_from_slice(&0_u32.to_be_bytes());
    tiff.extend_from_slice(&4_u16.to_be_bytes());
    let after = 38 + 2 + 4 * 12 + 4;
    tiff.extend(entry(1, 2, 2, u32::from(b'N') << 24));
    tiff.extend(entry(2, 5, 3, after));
    tiff.extend(entry(3, 2, 2, u32::from(b'W') << 24));
    tiff.extend(entry(4, 5, 3, after + 24));
    tiff.extend_from_slice(&0_u32.to_be_bytes());
    for (whole, parts) in [(40, 1), (25, 1), (PLACE_SECONDS, 100), (3, 1), (42, 1), (1_337, 100)] {
        tiff.extend_from_slice(&u32::to_be_bytes(whole));
        tiff.extend_from_slice(&u32::to_be_bytes(parts));
    }
    let mut app1 = b"Exif\0\0".to_vec();
    app1.extend(tiff);
    let length = u16::try_from(app1.len() + 2)?.to_be_bytes();
    Ok([&jpeg[..2], &[0xFF, 0xE1], &length, &app1, &jpeg[2..]].concat())
}

/// A number in the place of [`with_place`] by which it is found again.
pub const PLACE_SECONDS: u32 = 0x00C0_FFEE;

/// A PNG whose header says this size, with next to nothing behind it.
#[must_use]
pub fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    // Zlib: a stored block of one byte.
    let data = [0x78, 0x01, 0x01, 0x01, 0, 0xFE, 0xFF, 0, 0, 1, 0, 1];
    for (kind, body) in
        [(b"IHDR", [&size[..], &[8, 6, 0, 0, 0]].concat()), (b"IDAT", data.to_vec()), (b"IEND", Vec::new())]
    {
        png.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        let checked = [&kind[..], &body].concat();
        png.extend_from_slice(&checked);
        png.extend_from_slice(&crc32(&checked).to_be_bytes());
    }
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}
