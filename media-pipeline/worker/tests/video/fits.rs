//! What plays everywhere already is copied, not coded: the same pictures and sounds, and nothing besides.

use super::support::{Desk, boxes, hashes, picture_times, probe, stream};

const INPUT: &str = "-f lavfi -i testsrc2=s=320x240:r=30:d=2 -f lavfi -i sine=d=2:r=48000";
const CODED: &str = "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -c:a aac -ac 2";

#[test]
fn d3_what_fits_is_copied_bit_by_bit_with_the_header_in_front() {
    let desk = Desk::new();
    let input = desk.make("in.mp4", &format!("{INPUT} {CODED}"));
    assert!(boxes(&input).iter().position(|kind| kind == "moov") > Some(2), "the input has its header at the end");
    let made = desk.run(&input);
    assert!(made.outcome.is_remuxed && !made.outcome.is_salvaged && made.outcome.has_sound);
    assert_eq!((made.outcome.width, made.outcome.height), (320, 240));
    for kind in ["v", "a"] {
        assert_eq!(hashes(&input, kind), hashes(&made.main, kind), "{kind}");
    }
    assert_eq!(picture_times(&input), picture_times(&made.main));
}

#[test]
fn d3_fragmented_and_matroska_with_fitting_codecs_are_copied_too() {
    let desk = Desk::new();
    for (name, more) in [("f.mp4", "-movflags +frag_keyframe+empty_moov"), ("m.mkv", ""), ("q.mov", ""), ("t.3gp", "")]
    {
        let input = desk.make(name, &format!("{INPUT} {CODED} {more}"));
        let made = desk.run(&input);
        assert!(made.outcome.is_remuxed, "{name}");
        assert_eq!(hashes(&input, "v"), hashes(&made.main, "v"), "{name}");
    }
}

#[test]
fn d3_places_names_and_other_streams_stay_behind() {
    let desk = Desk::new();
    let text = desk.file("s.srt", b"1\n00:00:00,000 --> 00:00:01,000\nsubtitle-secret\n");
    let more = format!(
        "{INPUT} -i {} {CODED} -c:s mov_text -metadata title=title-secret -metadata location=+48.2-secret/ -metadata:s:v handler_name=h-secret",
        text.display()
    );
    let input = desk.make("in.mp4", &more);
    assert!(String::from_utf8_lossy(&std::fs::read(&input).unwrap()).contains("secret"));
    let made = desk.run(&input);
    assert!(made.outcome.is_remuxed);
    assert!(!String::from_utf8_lossy(&std::fs::read(&made.main).unwrap()).contains("secret"));
    assert_eq!(probe(&made.main, "-show_entries stream=codec_type"), "video\naudio");
}

#[test]
fn d3_sound_that_does_not_fit_is_coded_and_the_pictures_still_copied() {
    let desk = Desk::new();
    let input = desk.make("in.mkv", &format!("{INPUT} {CODED} -c:a libopus"));
    let made = desk.run(&input);
    assert!(!made.outcome.is_remuxed);
    assert_eq!(hashes(&input, "v"), hashes(&made.main, "v"));
    assert_eq!(stream(&made.main, "a", "codec_name,sample_rate,channels"), "aac,48000,2");
}

#[test]
fn d4_the_poster_that_is_made_beside_a_copy_is_the_same_as_alone() {
    let desk = Desk::new();
    let input = desk.make("in.mp4", &format!("{INPUT} {CODED}"));
    let all = |made: super::support::Made| {
        let read = |path: &std::path::Path| std::fs::read(path).unwrap();
        ([read(&made.main), read(&made.jpeg), read(&made.webp)], made.outcome)
    };
    let (files, outcome) = all(desk.run_alone(&input));
    assert!(files.iter().all(|file| !file.is_empty()));
    for _ in 0..3 {
        let (beside, told) = all(desk.run(&input));
        assert!(beside == files && told == outcome);
    }
}
