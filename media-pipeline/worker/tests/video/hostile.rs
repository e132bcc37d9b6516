//! Files that lie, are cut off, or want something: refused with the right reason, or repaired; never a crash, never a hang.

use super::support::{Desk, assert_playable, job, pixels, probe};
use std::fs;
use tertulia_media_core::{Class, Job, Limits, Reason};

const INPUT: &str = "-f lavfi -i testsrc2=s=160x120:r=25:d=4 -f lavfi -i sine=d=4:r=48000";

fn limited(seconds: u32) -> Job {
    Job { limits: Limits { video_seconds_max: seconds, ..Limits::default() }, ..job() }
}

/// Where a box's contents begin, by its name's first place.
fn inside(bytes: &[u8], kind: &[u8; 4]) -> usize {
    bytes.windows(4).position(|four| four == kind).unwrap() + 4
}

#[test]
fn d3_lists_of_other_files_are_refused_whatever_their_name() {
    let desk = Desk::new();
    let victim = desk.make("victim.mp4", &format!("{INPUT} -c:v mpeg4"));
    let victim = victim.display();
    for text in [
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{victim}\n#EXT-X-ENDLIST\n"),
        format!("ffconcat version 1.0\nfile {victim}\n"),
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n".into(),
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>".into(),
        "<smil><body><video src=\"http://127.0.0.1/\"/></body></smil>".into(),
        "%PDF-1.7 not a video".into(),
    ] {
        assert_eq!(desk.refused(&desk.file("list.mp4", text.as_bytes())), Reason::Unsupported, "{text}");
    }
    assert_eq!(desk.refused(&desk.file("empty.mp4", b"")), Reason::Empty);
    let nothing = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov\0\0\0\x08mdat";
    assert!(matches!(desk.refused(&desk.file("nothing.mp4", nothing)), Reason::Empty | Reason::Damaged));
    assert!(matches!(desk.refused(&desk.file("none.avi", b"RIFF\x04\0\0\0AVI ")), Reason::Empty | Reason::Damaged));
}

#[test]
fn d3_pictures_in_another_file_are_refused() {
    let desk = Desk::new();
    let input = desk.make("in.mov", "-f lavfi -i testsrc2=s=160x120:r=25:d=1 -c:v mjpeg -movflags +faststart");
    let mut bytes = fs::read(&input).unwrap();
    // The one entry says that its data are here (flag 1) and has no name; now it names another file.
    let at = inside(&bytes, b"dref") + 8;
    assert_eq!(bytes[at + 11], 1, "self-contained");
    let name = b"file:///etc/hostname\0";
    let grown = (12 + name.len()) as u32;
    bytes[at..at + 4].copy_from_slice(&grown.to_be_bytes());
    bytes[at + 4..at + 8].copy_from_slice(b"url ");
    bytes[at + 11] = 0;
    bytes.splice(at + 12..at + 12, name.iter().copied());
    for kind in [b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"] {
        // The last `dinf` and `dref` before this place are those that grew.
        let size = bytes[..at + 4].windows(4).rposition(|four| four == kind).unwrap() - 4;
        let longer = u32::from_be_bytes(bytes[size..size + 4].try_into().unwrap()) + name.len() as u32;
        bytes[size..size + 4].copy_from_slice(&longer.to_be_bytes());
    }
    assert_eq!(desk.refused(&desk.file("elsewhere.mov", &bytes)), Reason::External);
}

#[test]
fn d3_encrypted_videos_are_refused() {
    let desk = Desk::new();
    let key = "-encryption_scheme cenc-aes-ctr -encryption_key 00112233445566778899aabbccddeeff \
        -encryption_kid 112233445566778899aabbccddeeff00";
    let input = desk.make("in.mp4", &format!("{INPUT} -c:v libx264 -pix_fmt yuv420p -c:a aac {key}"));
    assert_eq!(desk.refused(&input), Reason::Encrypted);
}

#[test]
fn d2_length_is_what_the_packets_say_not_the_header() {
    let desk = Desk::new();
    for (name, coded) in
        [("in.mp4", "-c:v mpeg4 -movflags +faststart"), ("in.mkv", "-c:v mpeg4"), ("in.avi", "-c:v mpeg4")]
    {
        let input = desk.make(name, &format!("{INPUT} {coded}"));
        let refusal = desk.try_run(&limited(2), &input).err().unwrap();
        assert_eq!((refusal.reason, refusal.limit), (Reason::TooLong, Some(2_000)), "{name}");
        assert!((2_001..=4_100).contains(&refusal.actual.unwrap()), "{name}: {refusal:?}");
        assert!(desk.try_run(&limited(4), &input).is_ok(), "{name}");
    }
    let input = desk.make("h.mp4", &format!("{INPUT} -c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart"));
    let mut bytes = fs::read(&input).unwrap();
    let at = inside(&bytes, b"mvhd") + 16;
    bytes[at..at + 4].copy_from_slice(&(1_000_u32).to_be_bytes());
    let short = desk.file("says-1s.mp4", &bytes);
    assert_eq!(desk.try_run(&limited(2), &short).err().unwrap().reason, Reason::TooLong, "4 s that say they are 1");
    bytes[at..at + 4].copy_from_slice(&(3 * 3_600_000_u32).to_be_bytes());
    let made = desk.run(&desk.file("says-3h.mp4", &bytes));
    assert!(made.outcome.duration_ms.abs_diff(4_000) < 100, "{}", made.outcome.duration_ms);
}

#[test]
fn d3_sound_alone_is_no_video() {
    let desk = Desk::new();
    let input = desk.make("in.mp4", "-f lavfi -i sine=d=1:r=48000 -c:a aac");
    let made = desk.try_run(&job(), &input).unwrap();
    assert_eq!(made.outcome.class, Class::Audio);
    let cover = desk.make("cover.jpg", "-f lavfi -i testsrc2=s=160x120:d=1 -frames:v 1");
    let more = format!(
        "-f lavfi -i sine=d=1:r=48000 -i {} -map 0 -map 1 -c:v mjpeg -disposition:v attached_pic",
        cover.display()
    );
    let made = desk.try_run(&job(), &desk.make("in.m4a", &format!("{more} -c:a aac -f mp4"))).unwrap();
    assert_eq!(made.outcome.class, Class::Audio);
}

#[test]
fn d3_one_picture_stream_and_one_sound_stream_are_kept_of_many() {
    let desk = Desk::new();
    let maps = "-map 0:v ".repeat(4) + &"-map 1:a ".repeat(6);
    let input = desk.make("in.mkv", &format!("{INPUT} {maps} -c:v mpeg4 -c:a aac"));
    assert_eq!(probe(&desk.run(&input).main, "-show_entries stream=codec_type"), "video\naudio");
    let maps = "-map 1:a ".repeat(70);
    let input = desk.make("many.mkv", &format!("{INPUT} {maps} -c:a pcm_u8 -ar 8000 -t 0.2"));
    assert_eq!(desk.refused(&input), Reason::TooComplex);
}

#[test]
fn d3_too_many_pictures_or_pixels_are_refused() {
    let desk = Desk::new();
    let input = desk.make("fast.mkv", "-f lavfi -i color=s=32x32:r=1000:d=1 -c:v mpeg4 -g 600 -vsync passthrough");
    let refusal = desk.try_run(&limited(2), &input).err().unwrap();
    assert_eq!((refusal.reason, refusal.limit), (Reason::TooComplex, Some(240)));
    let large = desk.make("large.mov", "-f lavfi -i color=s=8000x4000:r=1:d=1 -c:v png");
    let refusal = desk.try_run(&job(), &large).err().unwrap();
    assert_eq!((refusal.reason, refusal.actual), (Reason::TooManyPixels, Some(32_000_000)));
}

#[test]
fn d2_what_comes_out_is_never_above_the_limit() {
    let desk = Desk::new();
    let noise = "-f lavfi -i nullsrc=s=320x240:r=30:d=3,geq=random(1)*255:128:128 -f lavfi -i anoisesrc=d=3:r=48000";
    let input = desk.make("noise.mkv", &format!("{noise} -c:v mpeg4 -q 1 -c:a pcm_s16le"));
    for bytes in [60_000, 200_000, 1_000_000] {
        let job = Job { limits: Limits { video_bytes_max: bytes, ..Limits::default() }, ..job() };
        let made = desk.try_run(&job, &input).unwrap();
        assert_playable(&made);
        assert!(made.outcome.bytes <= bytes, "{} of {bytes}", made.outcome.bytes);
    }
    // What fits but for its length is coded after all.
    let fits = desk.make("fits.mp4", &format!("{noise} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"));
    let all = fs::metadata(&fits).unwrap().len();
    let job = Job { limits: Limits { video_bytes_max: all / 3, ..Limits::default() }, ..job() };
    let made = desk.try_run(&job, &fits).unwrap();
    assert_playable(&made);
    assert!(made.outcome.bytes <= all / 3 && !made.outcome.is_remuxed, "{} of {all}", made.outcome.bytes);
}

#[test]
fn d3_cut_off_files_are_salvaged_or_refused() {
    let desk = Desk::new();
    for (name, coded) in [
        ("a.mp4", "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac -movflags +faststart"),
        ("b.mkv", "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac"),
        ("c.avi", "-c:v mpeg4 -c:a libmp3lame"),
        ("d.mp4", "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -movflags +frag_keyframe+empty_moov -c:a aac"),
        ("e.mov", "-c:v mjpeg -c:a pcm_s16le"),
    ] {
        let whole = fs::read(desk.make(name, &format!("{INPUT} -t 2.5 {coded}"))).unwrap();
        let mut kept = 0_u32;
        for sixteenth in 1..16_usize {
            let cut = desk.file("cut", &whole[..whole.len() * sixteenth / 16]);
            match desk.try_run(&job(), &cut) {
                Ok(made) => {
                    assert!(made.outcome.is_salvaged, "{name} {sixteenth}/16: {:?}", made.outcome.duration_ms);
                    // Nobody knows how long something in fragments was to be.
                    let least = if name == "d.mp4" { 0 } else { 1_000 };
                    assert!((least..2_600).contains(&made.outcome.duration_ms), "{name} {:?}", made.outcome);
                    if kept.is_multiple_of(4) {
                        assert_playable(&made);
                    }
                    kept += 1;
                }
                Err(refusal) => assert_eq!(refusal.reason, Reason::Damaged, "{name} {sixteenth}/16"),
            }
        }
        // A header at the end is lost with it.
        assert_eq!(kept > 4, name != "e.mov", "{name}: {kept}");
    }
}

#[test]
fn d3_flipped_bits_end_in_a_video_or_a_reason() {
    let desk = Desk::new();
    for (name, coded) in [
        ("a.mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac -movflags +faststart"),
        ("b.mkv", "-c:v mpeg4 -c:a libmp3lame"),
        ("c.avi", "-c:v mjpeg -c:a pcm_s16le"),
    ] {
        let whole = fs::read(desk.make(name, &format!("{INPUT} -t 1.5 {coded}"))).unwrap();
        let mut seed = 0x9e37_79b9_u32;
        for round in 0..12 {
            let mut bytes = whole.clone();
            for _ in 0..(1 << (round % 6)) {
                seed ^= seed << 13;
                seed ^= seed >> 17;
                seed ^= seed << 5;
                // Headers are hit as often as all the rest.
                let span = if seed & 1 == 0 { bytes.len() } else { bytes.len().min(3_000) };
                let at = (seed >> 4) as usize % span;
                bytes[at] ^= 1 << (seed >> 1 & 7);
            }
            let input = desk.file("flipped", &bytes);
            if let Ok(made) = desk.try_run(&job(), &input) {
                let is_video = made.outcome.class == Class::Video;
                assert!(made.outcome.bytes > 0 && (made.outcome.width > 0) == is_video, "{name} {round}");
            }
        }
    }
}

#[test]
fn d4_the_poster_is_not_the_black_at_the_beginning() {
    let desk = Desk::new();
    let dark = "-f lavfi -i color=black:s=160x120:r=25:d=1[a];testsrc2=s=160x120:r=25:d=1[b];[a][b]concat";
    for (name, coded) in [("k.mp4", "-g 10"), ("one.mp4", "-g 300")] {
        let input = desk.make(name, &format!("{dark} -c:v libx264 -sc_threshold 0 -pix_fmt yuv420p {coded}"));
        let made = desk.run(&input);
        let light: u32 = pixels(&made.jpeg, 0.0, 4, 4).iter().flatten().map(|value| u32::from(*value)).sum();
        assert!(light > 48 * 40, "{name}: {light}");
    }
    let black = desk.make("black.mp4", "-f lavfi -i color=black:s=160x120:r=25:d=1 -c:v libx264 -pix_fmt yuv420p");
    assert!(desk.run(&black).outcome.thumbhash.len() > 4, "black throughout: black it is");
}
