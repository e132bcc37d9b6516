//! Pictures that move become videos: each picture at its time, in its colours. The command line tool `ffmpeg` plays them.

use super::make::{self, BLUE, GREEN, RED, WHITE};
use super::{Made, is_near, job, job_of, run, see_jpeg};
use std::io::Write as _;
use std::process::Command;
use tertulia_media_core::{Class, Limits, Reason, Refusal};

/// What a player shows: the times in milliseconds, and the colour in the middle of each picture.
fn play(made: &Made) -> Vec<(u64, [u8; 3])> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&made.main).unwrap();
    let tool = |name: &str, options: &[&str], more: &[&str]| {
        let output =
            Command::new(name).args(options).arg(file.path()).args(more).output().expect("ffmpeg is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let times = tool("ffprobe", &["-v", "error", "-show_entries", "frame=pts_time", "-of", "csv=p=0"], &[]);
    let times = String::from_utf8(times).unwrap();
    let pixels = tool(
        "ffmpeg",
        &["-v", "error", "-nostdin", "-i"],
        &["-f", "rawvideo", "-vsync", "0", "-pix_fmt", "rgb24", "-"],
    );
    let (width, height) = (made.outcome.width as usize, made.outcome.height as usize);
    let middle = (height / 2 * width + width / 2) * 3;
    let colours =
        pixels.chunks_exact(width * height * 3).map(|frame| [frame[middle], frame[middle + 1], frame[middle + 2]]);
    let milliseconds =
        |time: &str| (time.trim().trim_end_matches(',').parse::<f64>().unwrap() * 1_000.0).round() as u64;
    times.split_whitespace().map(milliseconds).zip(colours).collect()
}

fn plain(colour: [u8; 3], opacity: u8) -> Vec<u8> {
    [colour[0], colour[1], colour[2], opacity].repeat(64 * 48)
}

#[test]
fn d7_what_moves_becomes_a_video_with_each_picture_at_its_time() {
    let pictures = [(plain(RED, 255), 200), (plain(GREEN, 255), 50), (plain(BLUE, 255), 500), (plain(WHITE, 255), 120)];
    let expected = [(0, RED), (200, GREEN), (250, BLUE), (750, WHITE)];
    let kinds = [
        ("GIF", make::gif(64, 48, &pictures)),
        ("APNG", make::apng(64, 48, &pictures)),
        ("WebP", make::moving_webp(64, 48, &pictures)),
    ];
    for (name, stored) in kinds {
        let made = run(&job(), &stored).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        let outcome = &made.outcome;
        assert_eq!((outcome.class, outcome.mime.as_str()), (Class::Video, "video/mp4"), "{name}");
        assert_eq!((outcome.width, outcome.height), (64, 48), "{name}");
        assert!(!outcome.has_sound && !outcome.is_salvaged && !outcome.is_remuxed, "{name}");
        let played = play(&made);
        assert_eq!(played.len(), 4, "{name}");
        for ((time, colour), (due, expected)) in played.into_iter().zip(expected) {
            assert_eq!(time, due, "{name}");
            assert!(is_near(colour, expected, 10), "{name} at {time} ms: {colour:?} where {expected:?} should be");
        }
        // As this test makes a WebP, its last picture has no length of its own: it is given the mean of the others.
        assert_eq!(outcome.duration_ms, if name == "WebP" { 1_000 } else { 870 }, "{name}");
        assert!(is_near(see_jpeg(&made.thumb_jpeg).at(30, 20), RED, 12), "{name}: the first picture stands for it");
    }
}

#[test]
fn d7_behind_what_can_be_seen_through_is_white() {
    let pictures = [(plain(RED, 0), 100), (plain(GREEN, 255), 100), (plain(RED, 0), 100)];
    for stored in [make::gif(64, 48, &pictures), make::apng(64, 48, &pictures)] {
        let colours: Vec<_> = play(&run(&job(), &stored).unwrap()).into_iter().map(|(_, colour)| colour).collect();
        for (colour, expected) in colours.into_iter().zip([[255; 3], GREEN, [255; 3]]) {
            assert!(is_near(colour, expected, 10), "{colour:?}");
        }
    }
}

#[test]
fn d7_as_fast_as_you_can_is_ten_a_second() {
    let pictures = [(plain(RED, 255), 0), (plain(GREEN, 255), 10), (plain(BLUE, 255), 20)];
    let made = run(&job(), &make::gif(64, 48, &pictures)).unwrap();
    assert_eq!(made.outcome.duration_ms, 220);
    assert_eq!(play(&made).into_iter().map(|(time, _)| time).collect::<Vec<_>>(), [0, 100, 200]);
}

#[test]
fn d7_what_moves_and_breaks_off_is_kept_as_far_as_it_came() {
    let noisy = |seed: usize| {
        let pixels: Vec<u8> = make::noise(64 * 48 * 3 + seed)[seed..].to_vec();
        (make::opaque(&pixels), 100)
    };
    let pictures: Vec<_> = (0..8).map(noisy).collect();
    for (name, whole) in [("GIF", make::gif(64, 48, &pictures)), ("APNG", make::apng(64, 48, &pictures))] {
        let made = run(&job(), &whole[..whole.len() * 11 / 16]).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert!(made.outcome.is_salvaged, "{name}");
        assert!((400..=600).contains(&made.outcome.duration_ms), "{name}: {} ms", made.outcome.duration_ms);
    }
}

#[test]
fn d7_what_moves_for_longer_than_a_video_may_is_refused() {
    let limits = Limits { video_seconds_max: 3, ..Limits::default() };
    let pictures = [(plain(RED, 255), 2_000), (plain(GREEN, 255), 2_000)];
    let refused = run(&job_of(limits), &make::gif(64, 48, &pictures)).map(|_| ()).unwrap_err();
    assert_eq!(refused, Refusal::over(Reason::TooLong, 3_000, 4_000));
}

#[test]
fn d7_tiny_and_odd_sizes_move_too() {
    let tiny = |colour: [u8; 3], count: usize| ([colour[0], colour[1], colour[2], 255].repeat(count), 100);
    let made = run(&job(), &make::gif(1, 1, &[tiny(RED, 1), tiny(BLUE, 1)])).unwrap();
    assert!(made.outcome.width >= 2 && made.outcome.width.is_multiple_of(2));
    let made = run(&job(), &make::apng(33, 17, &[tiny(RED, 33 * 17), tiny(BLUE, 33 * 17)])).unwrap();
    let colours: Vec<_> = play(&made).into_iter().map(|(_, colour)| colour).collect();
    assert!(is_near(colours[0], RED, 10) && is_near(colours[1], BLUE, 10), "{colours:?}");
}

#[test]
fn d7_what_moves_on_a_huge_canvas_is_refused_before_it_is_decoded() {
    let mut stored = make::gif(64, 48, &[(plain(RED, 255), 100), (plain(GREEN, 255), 100)]);
    // 5000 × 5000: fine for a picture that stands still.
    stored[6..10].copy_from_slice(&[0x88, 0x13, 0x88, 0x13]);
    let refused = run(&job(), &stored).map(|_| ()).unwrap_err();
    assert_eq!(refused, Refusal::over(Reason::TooManyPixels, 4_096 * 2_304, 25_000_000));
    // A frame of that size on a small canvas is decoded whole all the same.
    let mut stored = make::gif(64, 48, &[(plain(RED, 255), 100), (plain(GREEN, 255), 100)]);
    let frame = stored.windows(9).rposition(|window| window == [0x2c, 0, 0, 0, 0, 64, 0, 48, 0]).unwrap();
    stored[frame + 5..frame + 9].copy_from_slice(&[0x88, 0x13, 0x88, 0x13]);
    let refused = run(&job(), &stored).map(|_| ()).unwrap_err();
    assert_eq!(refused, Refusal::over(Reason::TooManyPixels, 4_096 * 2_304, 25_000_000));
}
