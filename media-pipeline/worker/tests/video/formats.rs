//! Fields, and the same pictures as the command line's. What phones and cameras make is in `../corpus`.

use super::support::{Desk, hashes, picture_times, stream};

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
