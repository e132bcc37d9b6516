//! What a picture looks like afterwards: which way up, how large, in which colours, and what stands for it.

use super::make::{self, BLUE, GREEN, RED, WHITE};
use super::{Seen, is_near, job, job_of, run, see_jpeg, see_webp};
use png::{BitDepth, ColorType};
use tertulia_media_core::{Class, IMAGE_THUMB_SIDE, Limits, PREVIEW_BYTES_MAX};
use turbojpeg::PixelFormat;

/// The colours in the middle of the four quarters, row by row.
fn corners(seen: &Seen) -> [[u8; 3]; 4] {
    let (x, y) = (seen.width / 4, seen.height / 4);
    [(x, y), (x * 3, y), (x, y * 3), (x * 3, y * 3)].map(|(x, y)| seen.at(x, y))
}

fn assert_corners(seen: &Seen, expected: [[u8; 3]; 4], what: &str) {
    for (seen, expected) in corners(seen).into_iter().zip(expected) {
        assert!(is_near(seen, expected, 12), "{what}: {seen:?} where {expected:?} should be");
    }
}

#[test]
fn d7_each_of_the_eight_orientations_comes_out_upright() {
    // As EXIF defines them: where the first row and the first column of what is stored are seen.
    let expected = [
        [RED, GREEN, BLUE, WHITE],
        [GREEN, RED, WHITE, BLUE],
        [WHITE, BLUE, GREEN, RED],
        [BLUE, WHITE, RED, GREEN],
        [RED, BLUE, GREEN, WHITE],
        [BLUE, RED, WHITE, GREEN],
        [WHITE, GREEN, BLUE, RED],
        [GREEN, WHITE, RED, BLUE],
    ];
    let stored = make::jpeg(160, 96, &make::quarters(160, 96), false);
    for (orientation, expected) in (1..).zip(expected) {
        let made = run(&job(), &make::with_exif(&stored, orientation)).unwrap();
        let size = if orientation >= 5 { (96, 160) } else { (160, 96) };
        let what = format!("orientation {orientation}");
        assert_eq!((made.outcome.width, made.outcome.height), size, "{what}");
        let main = see_jpeg(&made.main);
        assert_eq!((main.width, main.height), (size.0 as usize, size.1 as usize), "{what}");
        assert_corners(&main, expected, &what);
        assert_corners(&see_jpeg(&made.thumb_jpeg), expected, &what);
    }
}

#[test]
fn d7_a_png_says_which_way_up_too() {
    let stored = make::png(64, 32, ColorType::Rgb, BitDepth::Eight, &make::quarters(64, 32));
    let made = run(&job(), &make::with_chunk(&stored, b"eXIf", &make::exif(6))).unwrap();
    assert_eq!((made.outcome.width, made.outcome.height), (32, 64));
    assert_corners(&see_jpeg(&made.main), [BLUE, RED, WHITE, GREEN], "turned");
}

#[test]
fn d7_an_orientation_that_makes_no_sense_is_upright() {
    let stored = make::jpeg(64, 32, &make::quarters(64, 32), false);
    for orientation in [0, 9, 0xffff] {
        let made = run(&job(), &make::with_exif(&stored, orientation)).unwrap();
        assert_corners(&see_jpeg(&made.main), [RED, GREEN, BLUE, WHITE], "as stored");
    }
}

#[test]
fn d7_a_large_picture_is_scaled_to_the_limit_and_a_small_one_is_left() {
    let limits = Limits { image_side_max: 400, ..Limits::default() };
    let sizes = [
        ((1_000, 500), (400, 200)),
        ((500, 1_000), (200, 400)),
        ((3_300, 1_100), (400, 133)),
        ((401, 7), (400, 7)),
        ((399, 7), (399, 7)),
    ];
    for ((width, height), expected) in sizes {
        let stored = make::jpeg(width, height, &make::quarters(width, height), width == 1_000);
        let made = run(&job_of(limits), &stored).unwrap();
        assert_eq!((made.outcome.width, made.outcome.height), expected);
        let seen = see_jpeg(&made.main);
        assert_eq!((seen.width, seen.height), (expected.0 as usize, expected.1 as usize));
        if height > 100 {
            assert_corners(&seen, [RED, GREEN, BLUE, WHITE], "scaled");
        }
    }
}

#[test]
fn d7_one_pixel_is_a_picture() {
    let made = run(&job(), &make::png(1, 1, ColorType::Rgb, BitDepth::Eight, &RED)).unwrap();
    assert_eq!((made.outcome.width, made.outcome.height), (1, 1));
    assert!(is_near(see_jpeg(&made.main).at(0, 0), RED, 6));
    let made = run(&job(), &make::jpeg(1, 1, &RED, true)).unwrap();
    assert!(is_near(see_jpeg(&made.main).at(0, 0), RED, 6));
}

#[test]
fn d7_a_photograph_becomes_a_progressive_jpeg_at_half_the_colours() {
    let made = run(&job(), &make::jpeg(320, 240, &make::quarters(320, 240), false)).unwrap();
    assert_eq!((made.outcome.class, made.outcome.mime.as_str()), (Class::Image, "image/jpeg"));
    let header = turbojpeg::read_header(&made.main).unwrap();
    assert!(header.is_progressive);
    assert_eq!(header.subsamp, turbojpeg::Subsamp::Sub2x2);
    assert!(!made.outcome.is_salvaged && !made.outcome.has_sound && made.outcome.duration_ms == 0);
}

#[test]
fn d7_a_drawing_keeps_its_colours_at_full_resolution() {
    // Red and blue by turns, pixel by pixel: with half the colours it would be one violet.
    let pixels: Vec<u8> = (0..64 * 64).flat_map(|index| if index % 2 == 0 { RED } else { BLUE }).collect();
    let made = run(&job(), &make::png(64, 64, ColorType::Rgb, BitDepth::Eight, &pixels)).unwrap();
    let seen = see_jpeg(&made.main);
    assert!(
        is_near(seen.at(20, 20), RED, 40) && is_near(seen.at(21, 20), BLUE, 40),
        "{:?} {:?}",
        seen.at(20, 20),
        seen.at(21, 20)
    );
}

#[test]
fn d7_what_can_be_seen_through_stays_so() {
    let pixels: Vec<u8> = (0..80 * 80).flat_map(|index| [20, 200, 30, if index % 80 < 40 { 0 } else { 255 }]).collect();
    let made = run(&job(), &make::png(80, 80, ColorType::Rgba, BitDepth::Eight, &pixels)).unwrap();
    assert_eq!(made.outcome.mime, "image/webp");
    for webp in [&made.main, &made.thumb_webp] {
        let seen = see_webp(webp);
        assert_eq!(seen.get_pixel(10, 40)[3], 0);
        let [red, green, blue, opacity] = seen.get_pixel(60, 40).0;
        assert!(is_near([red, green, blue], GREEN, 12) && opacity == 255);
    }
    let flat = see_jpeg(&made.thumb_jpeg);
    assert!(is_near(flat.at(10, 40), [255, 255, 255], 8), "white shows through: {:?}", flat.at(10, 40));
    assert!(is_near(flat.at(70, 40), GREEN, 12));
    assert!(made.outcome.preview.starts_with("data:image/webp;base64,"));
    assert!(thumbhash::thumb_hash_to_average_rgba(&made.outcome.thumbhash).unwrap().3 < 0.7);
}

#[test]
fn d7_an_opacity_that_hides_nothing_does_not_make_it_a_webp() {
    let pixels: Vec<u8> =
        make::quarters(40, 40).chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
    let made = run(&job(), &make::png(40, 40, ColorType::Rgba, BitDepth::Eight, &pixels)).unwrap();
    assert_eq!(made.outcome.mime, "image/jpeg");
    assert_corners(&see_jpeg(&made.main), [RED, GREEN, BLUE, WHITE], "opaque");
}

#[test]
fn d7_pngs_of_every_depth_and_kind_are_read() {
    let colours = make::quarters(32, 32);
    let wide: Vec<u8> = colours.iter().flat_map(|sample| [*sample, 0x55]).collect();
    let seen = |png: &[u8]| see_jpeg(&run(&job(), png).unwrap().main);
    assert_corners(
        &seen(&make::png(32, 32, ColorType::Rgb, BitDepth::Sixteen, &wide)),
        [RED, GREEN, BLUE, WHITE],
        "16 bits",
    );
    // Two bits a pixel: index 0 and 1 above, 2 and 3 below.
    let row = |left: u8, right: u8| [[left * 0x55; 4], [right * 0x55; 4]].concat();
    let indices = [row(0, 1).repeat(16), row(2, 3).repeat(16)].concat();
    assert_corners(
        &seen(&make::png(32, 32, ColorType::Indexed, BitDepth::Two, &indices)),
        [RED, GREEN, BLUE, WHITE],
        "palette",
    );
    // One bit: black left, white right.
    let bits = [0, 0, 0xff, 0xff].repeat(32);
    let (black, white) = ([0; 3], [255; 3]);
    assert_corners(
        &seen(&make::png(32, 32, ColorType::Grayscale, BitDepth::One, &bits)),
        [black, white, black, white],
        "1 bit",
    );
    let greys = [40, 200].repeat(32 * 16);
    let made =
        run(&job(), &make::png(32, 16, ColorType::GrayscaleAlpha, BitDepth::Eight, &greys[..32 * 16 * 2])).unwrap();
    assert_eq!(made.outcome.mime, "image/webp", "grey with opacity");
}

#[test]
fn d7_grey_and_printers_colours_come_out_as_they_look() {
    let grey = make::jpeg_in(PixelFormat::GRAY, 32, 32, &[90; 32 * 32], false);
    assert!(is_near(see_jpeg(&run(&job(), &grey).unwrap().main).at(16, 16), [90; 3], 4));
    // Printers' programs store how much ink is missing: here no cyan, full magenta and yellow, no black: red.
    let ink = [255, 0, 0, 255].repeat(32 * 32);
    let cmyk = make::jpeg_in(PixelFormat::CMYK, 32, 32, &ink, false);
    let seen = see_jpeg(&run(&job(), &cmyk).unwrap().main).at(16, 16);
    assert!(is_near(seen, [255, 0, 0], 8), "{seen:?}");
}

#[test]
fn d7_colours_of_a_wide_profile_are_converted_not_just_relabelled() {
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let stored = make::jpeg(32, 32, &[180, 90, 60].repeat(32 * 32), false);
    let body = [b"ICC_PROFILE\0\x01\x01", profile.as_slice()].concat();
    let plain = see_jpeg(&run(&job(), &stored).unwrap().main).at(16, 16);
    let converted = see_jpeg(&run(&job(), &make::with_segment(&stored, 0xe2, &body)).unwrap().main).at(16, 16);
    assert!(is_near(plain, [180, 90, 60], 4), "{plain:?}");
    // Display P3's 180, 90, 60 in sRGB, by the two standards' matrices.
    assert!(is_near(converted, [193, 83, 51], 4), "{converted:?}");
}

#[test]
fn d4_the_thumbnails_have_the_longer_side_of_the_constant_in_both_formats() {
    let made = run(&job(), &make::jpeg(1_200, 800, &make::quarters(1_200, 800), false)).unwrap();
    let jpeg = see_jpeg(&made.thumb_jpeg);
    let webp = see_webp(&made.thumb_webp);
    assert_eq!((jpeg.width, jpeg.height), (IMAGE_THUMB_SIDE as usize, 213));
    assert_eq!(webp.dimensions(), (IMAGE_THUMB_SIDE, 213));
    assert_corners(&jpeg, [RED, GREEN, BLUE, WHITE], "thumbnail");
    assert!(made.thumb_jpeg.len() < 20_000 && made.thumb_webp.len() < 20_000);
}

#[test]
fn d4_a_small_picture_is_its_own_thumbnail() {
    let made = run(&job(), &make::jpeg(60, 40, &make::quarters(60, 40), false)).unwrap();
    assert_eq!(see_webp(&made.thumb_webp).dimensions(), (60, 40));
}

#[test]
fn d4_the_preview_fits_into_a_message_even_when_nothing_can_be_left_out() {
    for pixels in [make::quarters(640, 480), make::noise(640 * 480 * 3)] {
        let made = run(&job(), &make::jpeg(640, 480, &pixels, false)).unwrap();
        let preview = made.outcome.preview;
        assert!((100..=PREVIEW_BYTES_MAX).contains(&preview.len()), "{}", preview.len());
        let base64 = preview.strip_prefix("data:image/jpeg;base64,").unwrap();
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64).unwrap();
        let seen = see_jpeg(&bytes);
        assert!(seen.width >= 8 && seen.width * 3 == seen.height * 4, "{}×{}", seen.width, seen.height);
    }
}

#[test]
fn d4_the_thumbhash_looks_like_the_picture() {
    let made = run(&job(), &make::jpeg(200, 100, &make::quarters(200, 100), false)).unwrap();
    assert!((5..=25).contains(&made.outcome.thumbhash.len()));
    let (width, height, pixels) = thumbhash::thumb_hash_to_rgba(&made.outcome.thumbhash).unwrap();
    assert!(width > height);
    let seen = Seen {
        width,
        height,
        pixels: pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
    };
    let [red, green, blue, white] = corners(&seen);
    assert!(red[0] > red[1] && red[0] > red[2], "{red:?}");
    assert!(green[1] > green[0] && green[1] > green[2], "{green:?}");
    assert!(blue[2] > blue[0] && blue[2] > blue[1], "{blue:?}");
    assert!(white.iter().all(|channel| *channel > 150), "{white:?}");
}

#[test]
fn d7_webps_are_read_with_and_without_loss_and_opacity() {
    let colours = make::quarters(64, 48);
    for is_lossless in [false, true] {
        let made = run(&job(), &make::webp(64, 48, &colours, is_lossless)).unwrap();
        assert_eq!(made.outcome.mime, "image/jpeg");
        assert_corners(&see_jpeg(&made.main), [RED, GREEN, BLUE, WHITE], "WebP");
        let clear: Vec<u8> =
            make::opaque(&colours).chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 90]).collect();
        let made = run(&job(), &make::webp(64, 48, &clear, is_lossless)).unwrap();
        assert_eq!(made.outcome.mime, "image/webp");
        assert!(see_webp(&made.main).get_pixel(10, 10)[3].abs_diff(90) < 4);
    }
}

#[test]
fn d7_a_webp_says_which_way_up_and_what_its_colours_mean() {
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let stored = make::webp(64, 32, &[180, 90, 60].repeat(64 * 32), true);
    let exif = [b"Exif\0\0", make::exif(6).as_slice()].concat();
    let chunks: [(&[u8; 4], &[u8]); 2] = [(b"ICCP", &profile), (b"EXIF", &exif)];
    let made = run(&job(), &make::with_webp_chunks(&stored, 64, 32, 0x28, &chunks)).unwrap();
    assert_eq!((made.outcome.width, made.outcome.height), (32, 64));
    let seen = see_jpeg(&made.main).at(16, 16);
    assert!(is_near(seen, [193, 83, 51], 5), "{seen:?}");
}

#[test]
fn d7_a_gif_that_stands_still_is_a_picture() {
    let made = run(&job(), &make::gif(48, 48, &[(make::opaque(&make::quarters(48, 48)), 100)])).unwrap();
    assert_eq!((made.outcome.class, made.outcome.mime.as_str()), (Class::Image, "image/jpeg"));
    assert_corners(&see_jpeg(&made.main), [RED, GREEN, BLUE, WHITE], "GIF");
}
