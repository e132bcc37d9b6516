//! Films whose container, clock or picture is of an unusual shape.

use crate::cases::Fate::{Absent, Coded, Copied};
use crate::cases::{case, prove_all};
use crate::room::table;
use tertulia_media_core::Class;

const H264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";

#[test]
fn d3_turned_and_mirrored_films_come_out_upright() {
    prove_all(&[
        case("a.mov", H264).then("-display_rotation:v:0 0 -i {first} -c copy").copied(),
        case("b.mov", H264)
            .then("-display_rotation:v:0 90 -i {first} -c copy")
            .size(144, 176)
            .quarters("gwrb")
            .fates(Coded, Copied),
        case("c.mp4", H264).then("-display_rotation:v:0 180 -i {first} -c copy").quarters("wbgr").fates(Coded, Copied),
        case("d.mp4", H264)
            .then("-display_rotation:v:0 270 -i {first} -c copy")
            .size(144, 176)
            .quarters("brwg")
            .fates(Coded, Copied),
        case("e.mp4", H264).then("-display_hflip:v:0 -i {first} -c copy").quarters("grwb").fates(Coded, Copied),
        case("f.mkv", H264)
            .then("-display_rotation:v:0 90 -i {first} -c copy")
            .size(144, 176)
            .quarters("gwrb")
            .fates(Coded, Copied),
    ]);
}

#[test]
fn d3_containers_of_unusual_shapes() {
    prove_all(&[
        case("a.mp4", "-c:v libx264 -bf 0 -pix_fmt yuv420p -c:a aac -movflags +frag_keyframe+empty_moov").copied(),
        case("b.mp4", "-c:v libx264 -bf 0 -g 10 -pix_fmt yuv420p -c:a aac -movflags +dash+frag_keyframe+separate_moof").copied(),
        case("c.mp4", "-c:v libx264 -bf 3 -pix_fmt yuv420p -c:a aac -movflags +negative_cts_offsets").copied(),
        case("d.mp4", "-c:v libx264 -bf 3 -pix_fmt yuv420p -c:a aac -use_editlist 0").copied().apart(-0.059),
        case("e.mp4", "-c:v libx264 -pix_fmt yuv420p -an").fates(Copied, Absent),
        case("f.mp4", "-c:v libx264 -bf 2 -pix_fmt yuv420p -c:a aac -movflags +faststart -video_track_timescale 90000").copied(),
        case("g.mp4", "-map 0:v -map 1:a -map 0:v -map 1:a -c:v libx264 -s:v:1 88x72 -pix_fmt yuv420p -c:a aac").copied(),
        case("h.mkv", "-map 0:v -map 0:v -map 1:a -c:v:0 mpeg4 -c:v:1 libx264 -pix_fmt yuv420p -s:v:0 88x72 -disposition:v:1 default -disposition:v:0 0 -c:a aac").copied(),
        case("i.mp4", "-c:v libx264 -bf 2 -pix_fmt yuv420p -c:a aac -movflags +hybrid_fragmented")
            .newer()
            .copied()
            .apart(-0.059),
        case("j.mp4", "-c:v libx264 -bf 2 -pix_fmt yuv420p -an -movflags +frag_every_frame+delay_moov").fates(Copied, Absent),
    ]);
}

#[test]
fn d3_sizes_rates_and_fields_of_unusual_shapes() {
    prove_all(&[
        case("a.mkv", "-c:v libx264 -pix_fmt yuv444p -c:a aac").shape(175, 143, 25).size(176, 144).fates(Coded, Copied),
        case("b.mp4", "-vf setsar=2/1 -c:v libx264 -pix_fmt yuv420p -c:a aac").size(352, 144).fates(Coded, Copied),
        case("c.mp4", "-vf setsar=1/2 -c:v mpeg4 -c:a aac").size(176, 288).fates(Coded, Copied),
        case("d.mp4", "-c:v libx264 -pix_fmt yuv420p -c:a aac").shape(176, 144, 120).count(96).fates(Coded, Copied),
        case("e.mkv", "-vf setfield=tff -flags +ildct+ilme -c:v mpeg2video -q 4 -c:a aac").fates(Coded, Copied),
        case("f.mp4", "-flags +ildct+ilme -x264opts tff=1 -c:v libx264 -pix_fmt yuv420p -c:a aac").fates(Coded, Copied),
        case("g.mp4", "-c:v libx264 -pix_fmt yuv420p -c:a aac -ac 6").fates(Copied, Coded),
        case("h.mp4", "-c:v libx264 -pix_fmt yuv420p -c:a aac -ar 8000 -ac 1").fates(Copied, Coded),
        case("i.mp4", "-c:v libx264 -pix_fmt yuv420p -c:a aac -ar 96000").fates(Copied, Coded),
        case("j.mkv", "-c:v libx264 -pix_fmt yuv420p -c:a pcm_s16le -ar 11025 -ac 1").fates(Copied, Coded),
        case("k.mp4", "-c:v libx264 -pix_fmt yuv420p -c:a aac").shape(32, 240, 25).count(40).copied(),
        case("l.mkv", "-c:v libx264 -pix_fmt yuv420p -c:a aac -ac 1 -ar 44100").shape(176, 144, 50).copied(),
        case("m.mp4", "-vf select='not(mod(n,7))+not(mod(n,5))' -fps_mode passthrough -c:v libx264 -bf 0 -pix_fmt yuv420p -c:a aac")
            .count(12)
            .copied(),
        case("n.mkv", "-vf select='not(mod(n,7))+not(mod(n,5))' -fps_mode passthrough -c:v mpeg4 -c:a pcm_s16le").count(12),
    ]);
}

#[test]
fn d3_high_dynamic_range_and_wide_colours_become_what_every_screen_shows() {
    prove_all(&[
        case("a.mov", "-pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -tag:v hvc1 -c:a aac -x265-params log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc").fates(Coded, Copied),
        case("b.mov", "-pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -tag:v hvc1 -c:a aac -x265-params log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc").fates(Coded, Copied),
        case("c.mkv", "-pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -c:a libopus -x265-params log-level=none:colorprim=bt2020:transfer=bt2020-10:colormatrix=bt2020nc"),
        case("d.mp4", "-pix_fmt yuv420p10le -c:v libx264 -preset ultrafast -c:a aac").fates(Coded, Copied),
    ]);
}

/// By workers of one thread each. x264 reads memory that it has not written: in a process that has done other jobs before, what it
/// makes would depend on them.
#[test]
fn d3_one_input_makes_the_same_bytes_every_time() {
    let input = "-f lavfi -i testsrc2=s=320x240:r=25:d=2 -f lavfi -i sine=d=2:r=48000 -ac 2";
    let ways = ["-c:v libx264 -pix_fmt yuv420p -c:a aac in.mp4", "-c:v mpeg4 -c:a libmp3lame in.mkv"];
    table(
        &ways,
        |way| (*way).to_owned(),
        |desk, way| {
            let (coded, name) = way.rsplit_once(' ').unwrap();
            let input = desk.make(name, &format!("{input} {coded}"));
            let made = || std::fs::read(desk.run(Class::Video, &input).unwrap().main).unwrap();
            let first = made();
            for _ in 0..3 {
                assert!(first == made(), "{way}");
            }
        },
    );
}
