//! Sounds that lie, break off or are none.

use super::make::{BEEP, is_near, made};
use super::{job, run};
use tertulia_media_core::{Class, Reason, Refusal};

fn reason(class: Class, bytes: &[u8]) -> Reason {
    let refusal: Refusal = run(&job(class), bytes).map(|made| made.outcome).unwrap_err();
    refusal.reason
}

#[test]
fn d8_nothing_and_what_is_no_sound_are_told_apart() {
    assert_eq!(reason(Class::Voice, b""), Reason::Empty);
    assert_eq!(reason(Class::Voice, &[0x5a; 4_000]), Reason::Unsupported);
    assert_eq!(reason(Class::Audio, b"#EXTM3U\nhttp://127.0.0.1:9/a.mp3\n"), Reason::Unsupported);
    let silent = made("testsrc2=s=64x48:d=1", "-c:v mpeg4", "mp4");
    assert_eq!(reason(Class::Voice, &silent), Reason::Empty);
    // A header of sound, and no sound.
    assert_eq!(reason(Class::Audio, &made("anullsrc=d=0.1", "-c:a pcm_s16le", "wav")[..44]), Reason::Damaged);
}

#[test]
fn d8_a_header_that_lies_about_the_length_changes_nothing() {
    let mut stored = made(BEEP, "-c:a pcm_s16le", "wav");
    let data = stored.windows(4).position(|window| window == b"data").unwrap();
    for said in [0_u32, 0x7fff_fff0, u32::MAX] {
        stored[data + 4..data + 8].copy_from_slice(&said.to_le_bytes());
        stored[4..8].copy_from_slice(&said.to_le_bytes());
        match run(&job(Class::Voice), &stored) {
            Ok(made) => assert!(is_near(made.outcome.duration_ms, 2_000), "{said:#x}: {} ms", made.outcome.duration_ms),
            Err(refusal) => assert_eq!((refusal.reason, said), (Reason::Empty, 0)),
        }
    }
}

#[test]
fn d8_a_sound_cut_anywhere_is_kept_as_far_as_it_came_or_refused() {
    for (options, ending) in [
        ("-c:a libopus -page_duration 100000", "ogg"),
        ("-c:a libmp3lame", "mp3"),
        ("-c:a aac -movflags faststart", "m4a"),
        ("-c:a libopus", "webm"),
        ("-c:a flac", "flac"),
    ] {
        let whole = made(BEEP, options, ending);
        let mut kept = 0;
        for sixteenth in 1..16 {
            match run(&job(Class::Voice), &whole[..whole.len() * sixteenth / 16]) {
                Ok(made) => {
                    assert!(made.outcome.duration_ms <= 2_040, "{ending} {sixteenth}/16: {}", made.outcome.duration_ms);
                    kept += 1;
                }
                Err(refusal) => {
                    let answers = [Reason::Damaged, Reason::Empty, Reason::Unsupported, Reason::TooComplex];
                    assert!(answers.contains(&refusal.reason), "{ending} {sixteenth}/16: {refusal:?}");
                }
            }
        }
        assert!(kept >= 8, "{ending}: {kept} of 15 kept");
    }
}

#[test]
fn d8_flipped_bits_never_end_the_process() {
    let mut state = 0x9e37_79b9_u32;
    for (options, ending) in [
        ("-c:a libopus", "ogg"),
        ("-c:a libvorbis", "ogg"),
        ("-c:a aac", "m4a"),
        ("-c:a libmp3lame", "mp3"),
        ("-c:a flac", "flac"),
    ] {
        let whole = made("sine=f=500:d=0.3:r=48000", options, ending);
        for round in 0..40 {
            let mut broken = whole.clone();
            for _ in 0..=round % 3 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let at = state as usize % broken.len();
                broken[at] ^= 1 << (round % 8);
            }
            if let Ok(made) = run(&job(if round % 2 == 0 { Class::Voice } else { Class::Audio }), &broken) {
                assert!(made.outcome.bytes > 0);
            }
        }
    }
}
