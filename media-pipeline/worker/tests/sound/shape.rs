//! The waveform, and how long a sound is.

use super::make::{is_near, made, play};
use super::{job, run};
use tertulia_media_core::{Class, Limits, Reason, Refusal, WAVEFORM_POINTS};

#[test]
fn d8_the_waveform_follows_the_sound() {
    let stored = made("aevalsrc='0.9*sin(2*PI*440*t)*t/2':d=2:s=48000", "-c:a libopus", "ogg");
    let waveform = run(&job(Class::Voice), &stored).unwrap().outcome.waveform;
    assert!(waveform.windows(2).all(|pair| pair[1] + 3 >= pair[0]), "{waveform:?}");
    assert!(waveform[2] < 10 && waveform[31].abs_diff(50) < 6 && waveform[63] > 95, "{waveform:?}");
}

#[test]
fn d8_silence_is_a_voice_note_with_a_flat_waveform() {
    let stored = made("anullsrc=r=8000:cl=mono:d=1.5", "-c:a pcm_s16le", "wav");
    let made = run(&job(Class::Voice), &stored).unwrap();
    assert_eq!(made.outcome.waveform, vec![0; WAVEFORM_POINTS]);
    assert!(is_near(made.outcome.duration_ms, 1_500));
    assert!(is_near(play(&made.main).ms(), 1_500));
}

#[test]
fn d8_loudness_is_left_as_it_is() {
    for loudness in ["0.05", "0.8"] {
        let source = format!("aevalsrc={loudness}*sin(2*PI*440*t):d=1:s=48000");
        let made = run(&job(Class::Voice), &made(&source, "-c:a pcm_s16le", "wav")).unwrap();
        let (peak, expected) = (play(&made.main).peak(0), loudness.parse::<f32>().unwrap());
        assert!((peak / expected - 1.0).abs() < 0.25, "{peak} for {expected}");
    }
}

#[test]
fn d8_a_length_is_measured_and_not_rounded_to_packets() {
    for seconds in ["0.013", "1.111"] {
        let expected = (seconds.parse::<f64>().unwrap() * 1_000.0) as u64;
        for (options, ending) in
            [("-c:a pcm_s16le", "wav"), ("-c:a libopus", "ogg"), ("-c:a aac", "m4a"), ("-c:a libmp3lame", "mp3")]
        {
            let stored = made(&format!("sine=f=300:d={seconds}:r=48000"), options, ending);
            for class in [Class::Voice, Class::Audio] {
                let made = run(&job(class), &stored).unwrap();
                let said = made.outcome.duration_ms;
                assert!(said.abs_diff(expected) <= 40, "{ending} {class:?}: {said} for {expected} ms");
                let played = play(&made.main).ms();
                assert!(played.abs_diff(said) <= 30, "{ending} {class:?}: plays {played}, said {said} ms");
            }
        }
    }
}

#[test]
fn d8_a_pause_between_packets_stays_a_pause() {
    // Half a second, one and a half without a packet, half a second.
    let stored = made("sine=f=440:d=2.5:r=48000", "-af aselect='lt(t,0.5)+gte(t,2)' -c:a pcm_s16le", "mka");
    let made = run(&job(Class::Voice), &stored).unwrap();
    assert!(is_near(made.outcome.duration_ms, 2_500), "{} ms", made.outcome.duration_ms);
    let waveform = made.outcome.waveform;
    assert!(waveform[5] > 80 && waveform[32] == 0 && waveform[58] > 80, "{waveform:?}");
}

#[test]
fn d8_a_sound_longer_than_the_limit_is_refused_by_what_was_heard() {
    let stored = made("sine=f=440:d=3:r=8000", "-c:a libopus -f webm -live 1", "webm");
    for class in [Class::Voice, Class::Audio] {
        let mut job = job(class);
        job.limits = Limits { audio_seconds_max: 2, ..Limits::default() };
        let Refusal { reason, limit, actual } = run(&job, &stored).map(|_| ()).unwrap_err();
        assert_eq!((reason, limit), (Reason::TooLong, Some(2_000)));
        assert!((2_001..=3_100).contains(&actual.unwrap()), "{actual:?}");
        job.limits.audio_seconds_max = 4;
        assert!(run(&job, &stored).is_ok());
    }
}

#[test]
fn d8_an_output_beyond_the_largest_file_is_refused_with_the_figures() {
    let stored = made("anoisesrc=d=4:r=48000:a=0.5", "-c:a libmp3lame", "mp3");
    for class in [Class::Voice, Class::Audio] {
        let mut job = job(class);
        job.limits = Limits { file_bytes_max: 6_000, ..Limits::default() };
        let Refusal { reason, limit, actual } = run(&job, &stored).map(|_| ()).unwrap_err();
        assert_eq!((reason, limit), (Reason::TooLarge, Some(6_000)));
        assert!((6_001..8_000).contains(&actual.unwrap()), "{actual:?}");
    }
}
