//! Every container and codec that phones and cameras of the last fifteen years have made.

use super::support::{Desk, hashes, picture_times, stream};

/// Makes one, runs the job, and looks at the number of pictures, the length and the sound.
fn becomes_playable(name: &str, size: &str, coded: &str) {
    let desk = Desk::new();
    let has_sound = !coded.contains("-an");
    let sine = if has_sound { "-f lavfi -i sine=d=1:r=44100" } else { "" };
    let input = desk.make(name, &format!("-f lavfi -i testsrc2=s={size}:r=25:d=1 {sine} -strict -2 {coded}"));
    let made = desk.run(&input);
    assert!(!made.outcome.is_salvaged, "{name} {coded}");
    assert_eq!(made.outcome.has_sound, has_sound, "{name} {coded}");
    assert_eq!(picture_times(&made.main).len(), 25, "{name} {coded}");
    assert!(made.outcome.duration_ms.abs_diff(1_000) <= 130, "{name} {coded}: {} ms", made.outcome.duration_ms);
    if has_sound && !made.outcome.is_remuxed {
        assert_eq!(stream(&made.main, "a", "sample_rate,channels"), "48000,2", "{name} {coded}");
    }
}

#[test]
fn d3_mp4_and_3gp() {
    for coded in [
        "-c:v mpeg4 -c:a aac",
        "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le -c:a mp3",
        "-c:v libx264 -preset ultrafast -pix_fmt yuv444p -c:a ac3",
        "-c:v libx265 -preset ultrafast -x265-params log-level=none -c:a alac",
        "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le -c:a libopus -ar 48000",
        "-c:v mjpeg -c:a aac",
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a flac",
        "-c:v libaom-av1 -cpu-used 8 -usage realtime -an",
    ] {
        becomes_playable("in.mp4", "160x120", coded);
    }
    becomes_playable("in.3gp", "176x144", "-c:v h263 -c:a aac -ac 1 -ar 22050");
    becomes_playable("in.3gp", "176x144", "-c:v mpeg4 -an");
}

#[test]
fn d3_mov() {
    for coded in [
        "-c:v prores_ks -c:a pcm_s16le",
        "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le -c:a pcm_s24le",
        "-c:v mjpeg -pix_fmt yuvj422p -c:a pcm_u8",
        "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a pcm_s16be",
        "-c:v qtrle -c:a adpcm_ima_qt -ac 1",
        "-c:v rawvideo -pix_fmt uyvy422 -c:a pcm_alaw",
        "-c:v png -an",
    ] {
        becomes_playable("in.mov", "160x120", coded);
    }
}

#[test]
fn d3_matroska_and_webm() {
    for coded in [
        "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libvorbis",
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus -ar 48000",
        "-c:v libtheora -c:a flac",
        "-c:v mpeg2video -c:a mp2",
        "-c:v libx265 -preset ultrafast -x265-params log-level=none -c:a ac3",
        "-c:v ffv1 -c:a pcm_s16le",
        "-c:v mjpeg -c:a eac3",
    ] {
        becomes_playable("in.mkv", "160x120", coded);
    }
    becomes_playable("in.webm", "160x120", "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus -ar 48000");
}

#[test]
fn d3_avi() {
    for coded in [
        "-c:v mpeg4 -bf 2 -vtag XVID -c:a libmp3lame",
        "-c:v mjpeg -c:a pcm_u8",
        "-c:v msmpeg4 -c:a adpcm_ms",
        "-c:v msmpeg4v2 -c:a pcm_s16le",
        "-c:v huffyuv -c:a adpcm_ima_wav",
        "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -c:a ac3",
        "-c:v wmv2 -c:a wmav2",
    ] {
        becomes_playable("in.avi", "160x120", coded);
    }
}

#[test]
fn d3_what_telephones_recorded_in_their_own_sound() {
    let desk = Desk::new();
    let sound = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sound/beep.amr");
    let picture = "-f lavfi -i testsrc2=s=176x144:r=15:d=1";
    let input = desk.make("in.3gp", &format!("{picture} -i {sound} -c:v h263 -c:a copy -shortest"));
    assert_eq!(stream(&input, "a", "codec_name"), "amr_nb");
    let made = desk.run(&input);
    assert_eq!(stream(&made.main, "a", "sample_rate,channels"), "48000,2");
    assert_eq!(picture_times(&made.main).len(), 15);
}

#[test]
fn d3_fields_become_whole_pictures_at_their_own_pace() {
    let desk = Desk::new();
    let more = "-f lavfi -i testsrc2=s=160x128:r=50:d=1 -vf tinterlace=interleave_top,fieldorder=tff";
    let input = desk.make("in.mkv", &format!("{more} -c:v mpeg2video -q 4 -flags +ildct+ilme -top 1"));
    // Top field first. Newer versions call it by the order in which they are coded and shown.
    assert!(["tt", "tb"].contains(&stream(&input, "v", "field_order").as_str()));
    let made = desk.run(&input);
    assert_eq!(stream(&made.main, "v", "field_order"), "progressive");
    let times = picture_times(&made.main);
    assert!((24..=26).contains(&times.len()) && times.windows(2).all(|two| (two[1] - two[0] - 0.04).abs() < 0.002));
}

#[test]
fn d3_coded_pictures_are_those_of_the_command_line_with_the_same_settings() {
    let desk = Desk::new();
    let input = desk.make("in.mp4", "-f lavfi -i testsrc2=s=322x242:r=25:d=2 -c:v libx265 -x265-params log-level=none");
    let made = desk.run_alone(&input);
    let settings = "-vf scale=322:242:flags=bicubic:out_range=tv,format=yuv420p,setsar=1 -c:v libx264 -preset veryfast -crf 26 \
        -profile:v high -level 4.1 -maxrate 6000000 -bufsize 6000000 -x264-params sync-lookahead=0 -threads 1 -fps_mode passthrough -enc_time_base 1:12800";
    let expected = desk.make("cli.mp4", &format!("-i {} {settings}", input.display()));
    assert_eq!(hashes(&made.main, "v"), hashes(&expected, "v"));
}
