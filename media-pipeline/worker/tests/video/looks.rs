//! How outputs look and sound: upright, square, even, in standard range, at the right moment.

use super::support::{Desk, numbers, picture_times, pixels, stream};
use std::path::Path;
use std::process::Command;

/// A picture of four quarters: red and green above, blue and white below.
const QUARTERS: &str = "-f lavfi -i color=red:s=80x60:r=25:d=1 -f lavfi -i color=lime:s=80x60:r=25:d=1 \
    -f lavfi -i color=blue:s=80x60:r=25:d=1 -f lavfi -i color=white:s=80x60:r=25:d=1 \
    -filter_complex [0][1]hstack[a];[2][3]hstack[b];[a][b]vstack";

/// The names of the four quarters of a picture: left and right above, left and right below.
fn quarters(path: &Path) -> String {
    let name = |pixel: [u8; 3]| match pixel.map(|value| value > 128) {
        [true, false, false] => 'r',
        [false, true, false] => 'g',
        [false, false, true] => 'b',
        [true, true, true] => 'w',
        _ => '?',
    };
    let all = pixels(path, 0.0, 8, 8);
    [(2, 2), (5, 2), (2, 5), (5, 5)].map(|(x, y)| name(all[y * 8 + x])).iter().collect()
}

/// Writes another matrix into the first track header of an MP4 whose header is in front.
fn set_matrix(path: &Path, [a, b, c, d]: [i32; 4]) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(4).position(|kind| kind == b"tkhd").unwrap() + 4 + 40;
    for (place, value) in [(0, a), (1, b), (3, c), (4, d)] {
        bytes[at + place * 4..at + place * 4 + 4].copy_from_slice(&(value << 16).to_be_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn d3_pictures_come_out_upright_whatever_way_the_phone_was_held() {
    for (matrix, expected, is_sideways) in [
        ([1, 0, 0, 1], "rgbw", false),
        ([0, 1, -1, 0], "brwg", true),
        ([-1, 0, 0, -1], "wbgr", false),
        ([0, -1, 1, 0], "gwrb", true),
        ([-1, 0, 0, 1], "grwb", false),
        ([1, 0, 0, -1], "bwrg", false),
        ([0, 1, 1, 0], "rbgw", true),
    ] {
        let desk = Desk::new();
        let input = desk.make("in.mp4", &format!("{QUARTERS} -c:v libx264 -preset ultrafast -pix_fmt yuv420p"));
        set_matrix(&input, matrix);
        let made = desk.run(&input);
        assert_eq!(quarters(&made.main), expected, "{matrix:?}");
        assert_eq!(quarters(&made.jpeg), expected, "poster of {matrix:?}");
        let size = (made.outcome.width, made.outcome.height);
        assert_eq!(size, if is_sideways { (120, 160) } else { (160, 120) }, "{matrix:?}");
        assert_eq!(made.outcome.is_remuxed, matrix == [1, 0, 0, 1]);
    }
}

#[test]
fn d3_odd_sizes_become_even_and_pixels_square() {
    let desk = Desk::new();
    let odd =
        desk.make("odd.mkv", "-f lavfi -i testsrc2=s=161x121:r=25:d=1 -c:v libx264 -pix_fmt yuv444p -preset ultrafast");
    let made = desk.run(&odd);
    assert!((160..=162).contains(&made.outcome.width) && (120..=122).contains(&made.outcome.height));
    let wide =
        desk.make("wide.mp4", "-f lavfi -i testsrc2=s=160x120:r=25:d=1 -vf setsar=2/1 -c:v libx264 -pix_fmt yuv420p");
    let made = desk.run(&wide);
    assert!(!made.outcome.is_remuxed);
    assert_eq!((made.outcome.width, made.outcome.height), (320, 120));
    let high = desk.make("high.mkv", "-f lavfi -i testsrc2=s=160x120:r=25:d=1 -vf setsar=1/2 -c:v mpeg4");
    assert_eq!(desk.run(&high).outcome.height, 240);
    let large = desk.make("large.mp4", "-f lavfi -i testsrc2=s=1920x1080:r=5:d=1 -c:v mpeg4 -q 10");
    let made = desk.run(&large);
    assert_eq!((made.outcome.width, made.outcome.height), (1_280, 720));
}

#[test]
fn d3_full_range_high_range_and_rgb_become_standard() {
    let desk = Desk::new();
    let full = desk.make("full.avi", "-f lavfi -i color=white:s=160x120:r=25:d=1 -c:v mjpeg -pix_fmt yuvj420p -q 2");
    let made = desk.run(&full);
    assert!(pixels(&made.main, 0.0, 1, 1)[0].iter().all(|value| *value >= 250));
    assert_eq!(stream(&made.main, "v", "color_range"), "tv");
    for (name, transfer) in [("pq", "smpte2084"), ("hlg", "arib-std-b67")] {
        let more = format!(
            "-f lavfi -i testsrc2=s=160x120:r=25:d=1 -vf format=yuv420p10le -c:v libx265 -preset ultrafast \
             -x265-params log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
        );
        let made = desk.run(&desk.make(&format!("{name}.mp4"), &more));
        assert_eq!(
            stream(&made.main, "v", "color_transfer,color_primaries,color_space"),
            "bt709,bt709,bt709",
            "{name}"
        );
        let mean: u32 =
            pixels(&made.main, 0.5, 16, 16).iter().flatten().map(|value| u32::from(*value)).sum::<u32>() / 768;
        assert!((40..=200).contains(&mean), "neither black nor white: {name} {mean}");
    }
    let rgb = desk.make("rgb.mov", "-f lavfi -i color=0xc04020:s=160x120:r=25:d=1 -c:v qtrle");
    let made = desk.run(&rgb);
    let pixel = pixels(&made.main, 0.0, 1, 1)[0];
    for (value, expected) in pixel.into_iter().zip([0xc0_u8, 0x40, 0x20]) {
        assert!(value.abs_diff(expected) <= 6, "{pixel:?}");
    }
}

#[test]
fn d3_variable_rates_stay_variable_and_slow_motion_is_thinned_out() {
    let desk = Desk::new();
    let more = "-f lavfi -i testsrc2=s=160x120:r=30:d=3 -vf select='not(mod(n,7))+not(mod(n,5))' -vsync passthrough";
    let input = desk.make("vfr.mp4", &format!("{more} -video_track_timescale 90000 -c:v mpeg4"));
    let made = desk.run(&input);
    let (before, after) = (picture_times(&input), picture_times(&made.main));
    assert_eq!(before.len(), after.len());
    assert!(before.iter().zip(&after).all(|(before, after)| (before - after).abs() < 0.001), "{before:?} {after:?}");
    let fast = desk.make("fast.mp4", "-f lavfi -i testsrc2=s=160x120:r=240:d=1 -c:v mpeg4");
    let made = desk.run(&fast);
    assert_eq!(picture_times(&made.main).len(), 60);
    assert!(made.outcome.duration_ms.abs_diff(1_000) < 20, "{}", made.outcome.duration_ms);
}

/// When the picture turns white, and when the sound begins, in seconds, as a player has it.
fn flash_and_beep(path: &Path) -> (f64, f64) {
    let lights = frame_values(path, "-map 0:v:0 -vf signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-");
    let flash = lights.iter().find(|(_, value)| *value > 128.0).unwrap().0;
    let loudness = "-map 0:a:0 -af aformat=channel_layouts=mono:sample_rates=48000,asetnsamples=240,\
        astats=metadata=1:reset=1,ametadata=print:key=lavfi.astats.Overall.RMS_level:file=-";
    let levels = frame_values(path, loudness);
    let beep = levels.iter().find(|(_, value)| *value > -40.0).unwrap().0;
    (flash, beep)
}

/// Times and values that a filter prints.
fn frame_values(path: &Path, arguments: &str) -> Vec<(f64, f64)> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-copyts", "-i"])
        .arg(path)
        .args(arguments.split_whitespace())
        .args(["-vsync", "passthrough", "-f", "null", "/dev/null"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut time, mut all) = (0.0, Vec::new());
    for line in text.lines() {
        if let Some((_, at)) = line.split_once("pts_time:") {
            time = at.trim().parse().unwrap();
        } else if let Some((_, value)) = line.split_once('=') {
            all.push((time, value.parse().unwrap_or(-200.0)));
        }
    }
    all
}

/// Pictures that turn white, and a beep that begins, both after a second.
const FLASH: &str = "-f lavfi -i color=black:s=160x120:r=25:d=1[a];color=white:s=160x120:r=25:d=1[b];[a][b]concat \
    -f lavfi -i aevalsrc='if(gte(t,1),sin(2*PI*880*t),0)':d=2:s=44100";

#[test]
fn d3_sound_stays_with_the_pictures() {
    let desk = Desk::new();
    let copied = desk.make("a.mp4", &format!("{FLASH} -c:v libx264 -bf 2 -pix_fmt yuv420p -c:a aac"));
    let coded = desk.make("b.mkv", &format!("{FLASH} -c:v mpeg4 -bf 2 -c:a libmp3lame"));
    let late = format!("{FLASH} -c:v mpeg4 -c:a pcm_s16le");
    let whole = desk.make("c.mov", &late);
    let cut = "-ss 0.5 -i";
    let edited = desk.make("d.mp4", &format!("{cut} {} -c copy", copied.display()));
    let delayed =
        desk.make("e.mkv", &format!("-i {0} -itsoffset 0.4 -i {0} -map 0:v -map 1:a -c copy", whole.display()));
    let early = desk.make("f.mkv", &format!("-i {0} -itsoffset 0.4 -i {0} -map 1:v -map 0:a -c copy", whole.display()));
    let far = desk.make("g.mkv", &format!("-i {} -c copy -output_ts_offset 5", whole.display()));
    for (input, apart) in
        [(copied, 0.0), (coded, 0.0), (whole, 0.0), (edited, 0.0), (delayed, 0.4), (early, -0.4), (far, 0.0)]
    {
        let made = desk.run(&input);
        let (flash, beep) = flash_and_beep(&made.main);
        assert!((beep - flash - apart).abs() <= 0.04, "{}: {flash} {beep}", input.display());
        assert!(flash < 1.5, "{}: {flash}", input.display());
    }
}

#[test]
fn d3_broken_pictures_leave_the_others_where_they_are() {
    let desk = Desk::new();
    for coded in ["-c:v mpeg4 -bf 0 -g 5", "-c:v mpeg4 -bf 2 -g 6", "-c:v mjpeg"] {
        let input = desk.make("in.avi", &format!("{FLASH} {coded} -c:a pcm_s16le"));
        let mut bytes = std::fs::read(&input).unwrap();
        let chunks: Vec<usize> = (0..bytes.len() - 8).filter(|at| bytes[*at..].starts_with(b"00dc")).collect();
        for at in &chunks[8..18] {
            let size = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
            bytes[at + 8..at + 8 + size].fill(0);
        }
        let made = desk.run(&desk.file("broken.avi", &bytes));
        assert!(made.outcome.is_salvaged, "{coded}");
        let (flash, beep) = flash_and_beep(&made.main);
        assert!((beep - flash).abs() <= 0.041, "{coded}: {flash} {beep}");
    }
}

#[test]
fn d3_no_sound_and_odd_sounds() {
    let desk = Desk::new();
    let picture = "-f lavfi -i testsrc2=s=160x120:r=25:d=1";
    let six = desk.make("six.mkv", &format!("{picture} -f lavfi -i anoisesrc=d=1:r=48000 -ac 6 -c:v mpeg4 -c:a ac3"));
    assert_eq!(stream(&desk.run(&six).main, "a", "sample_rate,channels"), "48000,2");
    let slow = desk.make("slow.mov", &format!("{picture} -f lavfi -i sine=d=1:r=8000 -c:v mpeg4 -c:a pcm_s16le -ac 1"));
    let made = desk.run(&slow);
    assert_eq!(stream(&made.main, "a", "sample_rate,channels"), "48000,2");
    let silent = desk.make("none.mkv", &format!("{picture} -c:v mpeg4"));
    assert!(!desk.run(&silent).outcome.has_sound);
    assert!(numbers(&made.main, "-show_entries format=duration")[0] < 1.1);
}
