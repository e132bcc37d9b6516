//! Real files: films, photographs and sounds as cameras and telephones have stored them.

use crate::breakage;
use crate::look::{Look, assert_playable, probe};
use crate::room::{Desk, sample, table};
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;
use tertulia_media_core::{Class, Reason};

/// A film: pictures, milliseconds, size as it comes out, whether pictures and sound are copied.
#[derive(Clone)]
struct Film(&'static str, usize, u64, (u32, u32), [bool; 2]);

#[test]
fn d3_films_of_real_cameras_become_playable() {
    let films = [
        // 1080p from a telephone, with a varying rate.
        Film("VID_20191220_170832.mp4", 41, 1_600, (1_920, 1_080), [true, true]),
        Film("movie-hello.mp4", 249, 8_320, (1_280, 720), [true, true]),
        Film("movie-hello.avi", 208, 8_360, (1_024, 576), [false, true]),
        Film("bikes.mp4", 250, 10_000, (640, 272), [true, true]),
        Film("carphone_pristine.mp4", 120, 4_004, (194, 144), [false, true]),
        // Six channels become two.
        Film("bigbuckbunny.mp4", 132, 5_312, (1_280, 720), [true, false]),
    ];
    table(
        &films,
        |film| film.0.to_owned(),
        |desk, Film(name, count, length, size, is_copied)| {
            let input = sample(name);
            let made = desk.run(Class::Video, &input).unwrap_or_else(|refusal| panic!("{refusal:?}"));
            let look = Look::at(desk, &made.main);
            assert_playable(&look, &made);
            assert_eq!(look.pictures().len(), *count);
            assert!(made.outcome.duration_ms.abs_diff(*length) < 60, "{} ms", made.outcome.duration_ms);
            assert_eq!((made.outcome.width, made.outcome.height), *size);
            let told = probe(&input);
            for (kind, is_copied) in ["video", "audio"].into_iter().zip(is_copied) {
                assert_eq!(look.has_packets_of(&told, kind), *is_copied, "{kind}");
            }
            breakage::break_all(desk, Class::Video, &fs::read(&input).unwrap(), name);
        },
    );
}

#[test]
fn d3_films_in_containers_that_are_not_taken_are_refused() {
    let refused = |desk: &Desk<'_>, name: &&str| {
        let reason = desk.run(Class::Video, &sample(name)).err().unwrap().reason;
        assert_eq!(reason, Reason::Unsupported);
    };
    table(&["movie-hello.mpeg", "movie-hello.ogg"], ToString::to_string, refused);
}

/// A photograph: size as it comes out, and whether it says where it was taken.
#[derive(Clone)]
struct Photograph(&'static str, (u32, u32), bool);

#[test]
fn d7_photographs_of_real_cameras_come_out_upright_without_their_places() {
    let photographs = [
        // From a messenger.
        Photograph("IMG-20191006-WA0002.jpg", (1_024, 768), false),
        Photograph("IMG_1054.JPG", (1_280, 960), false),
        Photograph("IMG_20200608_111614.jpg", (2_560, 1_920), true),
    ];
    table(
        &photographs,
        |photograph| photograph.0.to_owned(),
        |desk, Photograph(name, size, has_place)| {
            let input = sample(name);
            let whole = fs::read(&input).unwrap();
            let told = exif::Reader::new().read_from_container(&mut Cursor::new(&whole)).ok();
            let says = |tag| told.as_ref().is_some_and(|told| told.get_field(tag, exif::In::PRIMARY).is_some());
            assert_eq!(says(exif::Tag::GPSLatitude), *has_place);
            let made = desk.run(Class::Image, &input).unwrap_or_else(|refusal| panic!("{refusal:?}"));
            assert_eq!((made.outcome.class, made.outcome.is_salvaged), (Class::Image, false));
            assert_eq!((made.outcome.width, made.outcome.height), *size);
            for output in [&made.main, &made.jpeg, &made.webp] {
                let bytes = fs::read(output).unwrap();
                assert!(exif::Reader::new().read_from_container(&mut Cursor::new(&bytes)).is_err(), "{output:?}");
                let differ = apart(&small(&input), &small(output));
                assert!(differ < 4.0, "the same picture, the same way up: {differ} levels apart");
            }
            breakage::break_all(desk, Class::Image, &whole, name);
        },
    );
}

/// A picture as another program decodes it, which turns it upright, in few pixels.
fn small(path: &Path) -> Vec<u8> {
    let output = Command::new(sample("ffmpeg"))
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(path)
        .args(["-vf", "scale=16:12:flags=area", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .unwrap();
    assert_eq!(output.stdout.len(), 16 * 12 * 3, "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// How far two pictures are apart, on the whole.
fn apart(left: &[u8], right: &[u8]) -> f64 {
    let sum: u32 = left.iter().zip(right).map(|(left, right)| u32::from(left.abs_diff(*right))).sum();
    f64::from(sum) / left.len() as f64
}

#[test]
fn d8_sounds_of_every_make_become_playable() {
    let sounds = ["debian.mp3", "debian.ogg", "debian.wav", "deleted.mp3", "deleted.ogg", "deleted.wav"];
    table(&sounds, ToString::to_string, |desk, name| {
        let whole = fs::read(sample(name)).unwrap();
        let length = Look::at(desk, &sample(name)).heard();
        for (class, codec, channels) in [(Class::Audio, "aac", "2"), (Class::Voice, "opus", "1")] {
            let made = desk.run(class, &sample(name)).unwrap_or_else(|refusal| panic!("{refusal:?}"));
            let look = Look::at(desk, &made.main);
            let told = ["codec_name", "sample_rate", "channels"].map(|field| look.field("audio", field));
            assert_eq!(told, [codec, "48000", channels]);
            let told = made.outcome.duration_ms as f64 / 1e3;
            assert!((look.heard() - length).abs() < 0.1 && (told - length).abs() < 0.1, "{length} {told}");
            assert_eq!(made.outcome.waveform.len(), 64);
        }
        breakage::break_all(desk, Class::Voice, &whole, name);
    });
}
