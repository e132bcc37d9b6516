//! Each container with what phones and cameras of the last fifteen years have put into it.

use crate::cases::Fate::{Absent, Coded, Copied};
use crate::cases::{case, prove_all};

#[test]
fn d3_3gp_as_telephones_recorded_it() {
    prove_all(&[
        case("a.3gp", "-c:v h263 -c:a libopencore_amrnb -ar 8000 -ac 1 -b:a 12.2k").newer().size(192, 144),
        case("b.3gp", "-c:v mpeg4 -c:a libopencore_amrnb -ar 8000 -ac 1 -b:a 4.75k").newer(),
        case("c.3gp", "-i {wide} -map 0:v -map 2:a -c:v h263 -c:a copy").size(192, 144),
        case("d.3gp", "-c:v mpeg4 -g 12 -c:a aac -ac 1 -ar 16000"),
        case("e.3gp", "-c:v libx264 -profile:v baseline -pix_fmt yuv420p -c:a aac").copied(),
        case("f.3gp", "-c:v libx264 -profile:v baseline -pix_fmt yuv420p -c:a libopencore_amrnb -ar 8000 -ac 1")
            .newer()
            .fates(Copied, Coded),
        case("g.3g2", "-c:v mpeg4 -c:a aac -ar 22050"),
        case("h.3gp", "-c:v h263 -an").size(192, 144).fates(Coded, Absent),
    ]);
}

#[test]
fn d3_avi_as_cameras_and_downloads_have_it() {
    prove_all(&[
        case("a.avi", "-c:v mjpeg -pix_fmt yuvj422p -c:a pcm_u8 -ar 11025 -ac 1"),
        case("b.avi", "-c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le -ar 44100"),
        case("c.avi", "-c:v mpeg4 -vtag XVID -bf 2 -c:a libmp3lame"),
        case("d.avi", "-c:v mpeg4 -vtag DX50 -bf 0 -c:a ac3"),
        case("e.avi", "-c:v libx264 -bf 0 -pix_fmt yuv420p -c:a libmp3lame -ar 44100").fates(Coded, Coded),
        case("f.avi", "-c:v libx264 -bf 2 -pix_fmt yuv420p -c:a aac").fates(Coded, Copied),
        case("g.avi", "-c:v msmpeg4 -c:a libmp3lame -ar 22050"),
        case("h.avi", "-c:v wmv2 -c:a wmav2"),
        case("i.avi", "-c:v ffvhuff -c:a adpcm_ms"),
        case("j.avi", "-c:v dvvideo -s 720x576 -pix_fmt yuv420p -c:a pcm_s16le").size(768, 576),
    ]);
}

#[test]
fn d3_mov_as_cameras_and_apples_telephones_have_it() {
    prove_all(&[
        case("a.mov", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac").copied(),
        case("b.mov", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a pcm_s16be").fates(Copied, Coded),
        case("c.mov", "-c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1 -c:a aac")
            .fates(Coded, Copied),
        case("d.mov", "-c:v prores_ks -profile:v 3 -c:a pcm_s24le"),
        case("e.mov", "-c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le -ar 16000 -ac 1"),
        case("f.mov", "-c:v svq1 -c:a adpcm_ima_qt -ar 44100"),
        case("g.mov", "-c:v mpeg4 -c:a alac"),
        case("h.mov", "-c:v libx264 -profile:v high422 -pix_fmt yuv422p10le -c:a pcm_s16le"),
        case("i.mov", "-c:v mpeg2video -q 4 -c:a pcm_s16be"),
        case("j.mov", "-c:v dnxhd -s 1280x720 -pix_fmt yuv422p -b:v 75M -r 25 -c:a pcm_s16le").size(1_280, 720),
        case("k.mov", "-c:v qtrle -c:a pcm_mulaw -ar 8000 -ac 1"),
    ]);
}

#[test]
fn d3_matroska_and_webm_as_programs_and_browsers_make_it() {
    prove_all(&[
        case("a.mkv", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac").copied(),
        case("b.mkv", "-c:v libx264 -preset veryfast -bf 3 -pix_fmt yuv420p -c:a libopus").fates(Copied, Coded),
        case("c.mkv", "-c:v libx265 -preset ultrafast -x265-params log-level=none -c:a libvorbis"),
        case("d.webm", "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libvorbis"),
        case("e.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
        case("f.mkv", "-c:v libaom-av1 -cpu-used 8 -usage realtime -c:a flac"),
        case("g.mkv", "-c:v libsvtav1 -preset 10 -crf 20 -c:a libopus").newer().count(40),
        case("h.webm", "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus -live 1"),
        case("i.mkv", "-c:v mpeg4 -bf 2 -c:a ac3 -ac 6"),
        case("j.mkv", "-c:v libtheora -q:v 8 -c:a pcm_s24le"),
        case("k.mkv", "-c:v mpeg2video -q 4 -bf 2 -c:a dca -ac 2"),
    ]);
}

#[test]
fn d3_mp4_with_what_else_is_put_into_it() {
    prove_all(&[
        case("a.mp4", "-c:v mpeg4 -c:a aac").fates(Coded, Copied),
        case("b.mp4", "-c:v mpeg4 -bf 2 -c:a libmp3lame"),
        case("c.mp4", "-c:v mpeg2video -q 4 -c:a mp2"),
        case("d.mp4", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
        case("e.mp4", "-c:v libaom-av1 -cpu-used 8 -usage realtime -c:a eac3"),
        case("f.mp4", "-c:v mjpeg -pix_fmt yuvj420p -c:a flac"),
        case("g.mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv444p -c:a ac3"),
        case("h.mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le -c:a aac -ar 32000"),
        case("i.mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none -c:a aac").fates(Coded, Copied),
        case("j.mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuvj420p -c:a aac").fates(Coded, Copied),
        case("k.mp4", "-c:v png -c:a aac -ar 96000"),
    ]);
}
