//! Every kind of file that phones and browsers make becomes a voice note or a sound, on time.

use super::make::{BEEP, BEEP_MS, is_near, made, play};
use super::{job, run};
use tertulia_media_core::{Class, WAVEFORM_POINTS};

/// The beep, as: what it is called, the tool's options, the file's ending.
const KINDS: [(&str, &str, &str); 20] = [
    ("Opus in Ogg", "-c:a libopus -b:a 32k", "ogg"),
    ("Opus in WebM without a duration", "-c:a libopus -f webm -live 1", "webm"),
    ("Opus in Matroska", "-c:a libopus", "mka"),
    ("Opus in MP4", "-c:a libopus", "mp4"),
    ("Vorbis in Ogg", "-c:a libvorbis", "ogg"),
    ("MP3", "-c:a libmp3lame -b:a 64k", "mp3"),
    ("MP3 at 22050 Hz", "-c:a libmp3lame -ar 22050 -id3v2_version 0", "mp3"),
    ("AAC in M4A", "-c:a aac -b:a 64k", "m4a"),
    ("AAC at 44100 Hz in QuickTime", "-c:a aac -ar 44100", "mov"),
    ("AAC in fragments", "-c:a aac -movflags frag_keyframe+empty_moov -frag_duration 200000 -f mp4", "m4a"),
    ("AAC bare", "-c:a aac -f adts", "aac"),
    ("AAC in 3GP", "-c:a aac -ar 44100", "3gp"),
    ("WAV", "-c:a pcm_s16le", "wav"),
    ("WAV at 8 kHz by μ-law", "-c:a pcm_mulaw -ar 8000", "wav"),
    ("WAV of 24 bits at 96 kHz", "-c:a pcm_s24le -ar 96000", "wav"),
    ("FLAC", "-c:a flac", "flac"),
    ("FLAC in 5.1", "-c:a flac -ac 6", "flac"),
    ("ALAC", "-c:a alac", "m4a"),
    ("AIFF at 11025 Hz", "-c:a pcm_s16be -ar 11025", "aiff"),
    ("AC-3 in Matroska, 5.1", "-c:a ac3 -ac 6", "mka"),
];

#[test]
fn d8_every_kind_becomes_a_voice_note_that_is_on_time() {
    for (name, options, ending) in KINDS {
        let made = run(&job(Class::Voice), &made(BEEP, options, ending))
            .unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert_voice(&made, name);
    }
}

#[test]
fn d8_what_old_phones_recorded_becomes_a_voice_note() {
    // Made by a build of FFmpeg with OpenCORE's encoders, which Debian's has not: the same beep.
    let files: [(&str, &[u8]); 2] = [("AMR", include_bytes!("beep.amr")), ("AMR in 3GP", include_bytes!("beep.3gp"))];
    for (name, bytes) in files {
        let made = run(&job(Class::Voice), bytes).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert_voice(&made, name);
    }
}

#[test]
fn d8_wide_amr_is_decoded_too() {
    // A hundred frames of 20 ms at the lowest rate, with any bits in them: some sound for two seconds.
    let frame =
        |seed: u8| [&[0x04][..], &(0..17).map(|byte: u8| byte.wrapping_mul(37) ^ seed).collect::<Vec<_>>()].concat();
    let stored = [b"#!AMR-WB\n".to_vec(), (0..100).flat_map(frame).collect()].concat();
    let made = run(&job(Class::Voice), &stored).unwrap();
    assert!(is_near(made.outcome.duration_ms, 2_000), "{} ms", made.outcome.duration_ms);
}

fn assert_voice(made: &super::Made, name: &str) {
    let outcome = &made.outcome;
    assert_eq!((outcome.class, outcome.mime.as_str()), (Class::Voice, "audio/ogg"), "{name}");
    assert!(outcome.has_sound && !outcome.is_salvaged && !outcome.is_remuxed, "{name}");
    assert!(is_near(outcome.duration_ms, 2_000), "{name}: {} ms", outcome.duration_ms);
    let played = play(&made.main);
    assert_eq!((played.channels, played.rate), (1, 48_000), "{name}");
    assert!(made.main.starts_with(b"OggS") && &made.main[28..36] == b"OpusHead", "{name}");
    assert!(
        played.ms().abs_diff(outcome.duration_ms) <= 1,
        "{name}: plays {} ms, said {}",
        played.ms(),
        outcome.duration_ms
    );
    let (from, to) = played.heard_ms();
    assert!(is_near(from, BEEP_MS.0) && is_near(to, BEEP_MS.1), "{name}: heard from {from} to {to} ms");
    assert!(made.main.len() < 16_000, "{name}: {} bytes", made.main.len());
    assert_eq!(outcome.waveform.len(), WAVEFORM_POINTS);
    let loudest = outcome.waveform.iter().position(|point| *point == 100).unwrap();
    assert!((11..=20).contains(&loudest), "{name}: {:?}", outcome.waveform);
    assert!(outcome.waveform[30..].iter().all(|point| *point < 10), "{name}: {:?}", outcome.waveform);
}

#[test]
fn d8_every_kind_becomes_a_sound_that_is_on_time() {
    for (name, options, ending) in KINDS {
        let made = run(&job(Class::Audio), &made(BEEP, options, ending))
            .unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        let outcome = &made.outcome;
        assert_eq!((outcome.class, outcome.mime.as_str()), (Class::Audio, "audio/mp4"), "{name}");
        assert!(is_near(outcome.duration_ms, 2_000), "{name}: {} ms", outcome.duration_ms);
        let played = play(&made.main);
        assert!(made.main.windows(4).any(|window| window == b"mp4a"), "{name}");
        assert!(is_near(played.ms(), 2_000), "{name}: plays {} ms", played.ms());
        let (from, to) = played.heard_ms();
        assert!(is_near(from, BEEP_MS.0) && is_near(to, BEEP_MS.1), "{name}: heard from {from} to {to} ms");
        if !outcome.is_remuxed {
            assert_eq!((played.channels, played.rate), (2, 48_000), "{name}");
        }
        assert_eq!(outcome.waveform.len(), WAVEFORM_POINTS);
        let header = made.main.windows(4).position(|window| window == b"moov").unwrap();
        let data = made.main.windows(4).position(|window| window == b"mdat").unwrap();
        assert!(header < data, "{name}: the header comes first");
    }
}

#[test]
fn d8_what_is_such_a_sound_already_is_copied_bit_by_bit_without_its_titles() {
    let stored =
        made(BEEP, "-c:a aac -b:a 96k -ac 2 -metadata title=Glasshouse -metadata location=+52.5+013.4/", "m4a");
    let made = run(&job(Class::Audio), &stored).unwrap();
    assert!(made.outcome.is_remuxed && !made.outcome.is_salvaged);
    let (before, after) = (play(&stored), play(&made.main));
    assert!(before.samples == after.samples, "{} and {} samples", before.samples.len(), after.samples.len());
    for mark in [&b"Glasshouse"[..], b"+52.5", b"Lavf"] {
        assert!(!made.main.windows(mark.len()).any(|window| window == mark), "{}", String::from_utf8_lossy(mark));
    }
}

#[test]
fn d8_titles_and_places_are_gone_from_voice_notes() {
    let stored = made(BEEP, "-c:a libvorbis -metadata title=Glasshouse -metadata location=+52.5+013.4/", "ogg");
    assert!(stored.windows(10).any(|window| window == b"Glasshouse"));
    let made = run(&job(Class::Voice), &stored).unwrap();
    for mark in [&b"Glasshouse"[..], b"+52.5"] {
        assert!(!made.main.windows(mark.len()).any(|window| window == mark));
    }
}

#[test]
fn d8_a_video_sent_as_a_voice_note_is_its_sound() {
    let stored =
        made(&format!("{BEEP}[out0];testsrc2=s=64x48:d=2[out1]"), "-c:a aac -c:v mpeg4 -map 0:a -map 0:v", "mp4");
    assert_voice(&run(&job(Class::Voice), &stored).unwrap(), "video");
}

#[test]
fn d8_sound_on_one_side_is_heard_in_the_middle_of_a_voice_note_and_stays_aside_in_a_sound() {
    let right = "aevalsrc=0|0.5*sin(2*PI*440*t):d=1:s=48000";
    let stored = made(right, "-c:a pcm_s16le", "wav");
    assert!(play(&run(&job(Class::Voice), &stored).unwrap().main).peak(0) > 0.15);
    let made = run(&job(Class::Audio), &stored).unwrap();
    let played = play(&made.main);
    assert!(played.peak(0) < 0.05 && played.peak(1) > 0.4, "{} {}", played.peak(0), played.peak(1));
    assert!(made.outcome.waveform.iter().all(|point| *point > 80), "{:?}", made.outcome.waveform);
}
