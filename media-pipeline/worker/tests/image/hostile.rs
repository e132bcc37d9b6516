//! Pictures that lie, break off or swell: each ends in a typed answer, at once, and never in a crash.

use super::make::{self, chunk, noise, quarters};
use super::{job, job_of, run};
use png::{BitDepth, ColorType};
use tertulia_media_core::{Limits, Reason, Refusal};

/// The first bytes of a PNG that says it has this size.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header)].concat()
}

fn refusal(bytes: &[u8]) -> Refusal {
    match run(&job(), bytes) {
        Ok(made) => panic!("accepted as {}×{}", made.outcome.width, made.outcome.height),
        Err(refusal) => refusal,
    }
}

#[test]
fn d7_a_header_that_promises_too_many_pixels_is_refused_with_the_figures() {
    for side in [30_000_u32, 65_535, 0x7fff_ffff] {
        let expected = Refusal::over(Reason::TooManyPixels, 40_000_000, u64::from(side) * u64::from(side));
        assert_eq!(refusal(&[png_header(side, side), chunk(b"IDAT", &[0; 64])].concat()), expected);
    }
    let mut jpeg = make::jpeg(64, 64, &quarters(64, 64), false);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    assert_eq!(refusal(&jpeg), Refusal::over(Reason::TooManyPixels, 40_000_000, 65_535 * 65_535));
}

#[test]
fn d7_the_limit_of_pixels_is_the_one_that_is_set() {
    let limits = Limits { image_pixels_max: 64 * 64, ..Limits::default() };
    let stored = |width, height| make::jpeg(width, height, &quarters(width, height), false);
    assert!(run(&job_of(limits), &stored(64, 64)).is_ok());
    let refused = run(&job_of(limits), &stored(65, 64)).map(|_| ()).unwrap_err();
    assert_eq!(refused, Refusal::over(Reason::TooManyPixels, 64 * 64, 65 * 64));
}

#[test]
fn d7_a_picture_without_pixels_is_damaged() {
    for (width, height) in [(0, 10), (10, 0), (0, 0)] {
        assert_eq!(refusal(&[png_header(width, height), chunk(b"IDAT", &[0; 64])].concat()).reason, Reason::Damaged);
    }
    let mut jpeg = make::jpeg(64, 64, &quarters(64, 64), false);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 7..frame + 9].copy_from_slice(&[0; 2]);
    assert_eq!(refusal(&jpeg).reason, Reason::Damaged);
}

#[test]
fn d7_nothing_and_what_is_no_picture_are_told_apart() {
    assert_eq!(refusal(b"").reason, Reason::Empty);
    assert_eq!(refusal(b"<svg xmlns='http://www.w3.org/2000/svg'/>").reason, Reason::Unsupported);
    assert_eq!(refusal(&noise(5_000)).reason, Reason::Unsupported);
    assert_eq!(refusal(b"\xff\xd8\xff\xe0").reason, Reason::Damaged);
    assert_eq!(refusal(b"\x89PNG\r\n\x1a\n").reason, Reason::Damaged);
}

#[test]
fn d7_more_bytes_than_the_limit_are_refused_with_the_limit() {
    let stored = make::jpeg(64, 64, &noise(64 * 64 * 3), false);
    let limit = stored.len() as u64 - 1;
    let limits = Limits { image_bytes_max: limit, ..Limits::default() };
    assert_eq!(
        run(&job_of(limits), &stored).map(|_| ()).unwrap_err(),
        Refusal::over(Reason::TooLarge, limit, limit + 1)
    );
}

#[test]
fn d7_a_picture_that_breaks_off_is_kept_as_far_as_it_came_or_refused() {
    let pixels = noise(320 * 240 * 3);
    let stored = [
        make::jpeg(320, 240, &pixels, false),
        make::jpeg(320, 240, &pixels, true),
        make::png(320, 240, ColorType::Rgb, BitDepth::Eight, &pixels),
    ];
    for whole in stored {
        let kind = whole[1];
        assert!(!run(&job(), &whole).unwrap().outcome.is_salvaged);
        let mut salvaged = 0;
        for sixteenth in 1..16 {
            match run(&job(), &whole[..whole.len() * sixteenth / 16]) {
                Ok(made) => {
                    assert!(made.outcome.is_salvaged, "{kind:#x} cut at {sixteenth}/16 and does not say so");
                    assert_eq!((made.outcome.width, made.outcome.height), (320, 240));
                    salvaged += 1;
                }
                Err(refusal) => assert_eq!(refusal.reason, Reason::Damaged),
            }
        }
        assert!(salvaged >= 12, "{kind:#x}: {salvaged} of 15 kept");
    }
}

#[test]
fn d7_flipped_bits_never_end_the_process() {
    let pixels = quarters(96, 64);
    let stored = [
        make::with_exif(&make::jpeg(96, 64, &pixels, false), 6),
        make::with_exif(&make::jpeg(96, 64, &pixels, true), 3),
        make::with_chunk(&make::png(96, 64, ColorType::Rgb, BitDepth::Eight, &pixels), b"eXIf", &make::exif(8)),
        make::gif(96, 64, &[(make::opaque(&pixels), 100)]),
        make::webp(96, 64, &pixels, false),
        make::webp(96, 64, &make::opaque(&pixels), true),
    ];
    let limits = Limits { image_pixels_max: 1_000_000, ..Limits::default() };
    let mut answered = 0;
    for whole in stored {
        for (round, random) in noise(2 * 150).chunks_exact(2).enumerate() {
            let mut broken = whole.clone();
            let at = (usize::from(random[0]) * 256 + usize::from(random[1]) + round * 7) % broken.len();
            broken[at] ^= 1 << (round % 8);
            answered += usize::from(run(&job_of(limits), &broken).is_ok_and(|made| made.outcome.bytes > 0));
        }
    }
    assert!(answered > 0);
}

#[test]
fn d7_a_png_with_a_wrong_checksum_is_damaged() {
    let mut stored = make::png(32, 32, ColorType::Rgb, BitDepth::Eight, &quarters(32, 32));
    let data = stored.windows(4).position(|window| window == b"IDAT").unwrap();
    stored[data + 20] ^= 0x10;
    assert_eq!(refusal(&stored).reason, Reason::Damaged);
}

#[test]
fn d7_chunks_that_swell_when_unpacked_are_not_unpacked() {
    // 1 GiB of zeros in a megabyte, as a colour profile and as a text.
    let bomb = deflated_zeros(1 << 30);
    let stored = make::png(32, 32, ColorType::Rgb, BitDepth::Eight, &quarters(32, 32));
    for (kind, head) in [(b"iCCP", &b"p\0\0"[..]), (b"zTXt", b"t\0\0")] {
        let swollen = make::with_chunk(&stored, kind, &[head, &bomb].concat());
        match run(&job(), &swollen) {
            Ok(made) => assert_eq!(made.outcome.width, 32),
            Err(refusal) => assert_eq!(refusal.reason, Reason::TooComplex),
        }
    }
}

#[test]
fn d7_pixels_that_never_end_are_not_all_unpacked() {
    // 32 × 32 pixels are promised, a gibibyte comes.
    let header = [&32_u32.to_be_bytes()[..], &32_u32.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let stored = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &deflated_zeros(1 << 30)),
        chunk(b"IEND", b""),
    ];
    match run(&job(), &stored.concat()) {
        Ok(made) => assert_eq!(made.outcome.width, 32),
        Err(refusal) => assert_eq!(refusal.reason, Reason::Damaged),
    }
}

/// What unpacks to so many zeros.
fn deflated_zeros(count: usize) -> Vec<u8> {
    // Flushed in full, a mebibyte's code stands for itself and can be repeated: quick to make, even unoptimised.
    let mut packer = flate2::Compress::new(flate2::Compression::best(), false);
    let mut mebibyte = Vec::with_capacity(1 << 16);
    packer.compress_vec(&vec![0; 1 << 20], &mut mebibyte, flate2::FlushCompress::Full).unwrap();
    [&[0x78, 0x9c][..], &mebibyte.repeat(count >> 20)].concat()
}

#[test]
fn d7_a_progressive_picture_of_a_thousand_passes_is_refused() {
    let stored = make::jpeg(64, 64, &quarters(64, 64), true);
    let scan = stored.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    let end = stored.len() - 2;
    let mut many = stored[..end].to_vec();
    for _ in 0..1_000 {
        many.extend(&stored[scan..end]);
    }
    many.extend([0xff, 0xd9]);
    assert_eq!(refusal(&many).reason, Reason::Damaged);
}

#[test]
fn d7_a_colour_profile_that_makes_no_sense_changes_nothing() {
    let stored = make::jpeg(64, 64, &quarters(64, 64), false);
    let honest = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let plain = run(&job(), &stored).unwrap().main;
    for round in 0..64 {
        // Counts and offsets of the table of tags, set to the largest there are, one after the other.
        let mut profile = honest.clone();
        let at = 128 + round * 4 % (profile.len() - 132);
        profile[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0xf0]);
        let body = [b"ICC_PROFILE\0\x01\x01", profile.as_slice()].concat();
        assert!(run(&job(), &make::with_segment(&stored, 0xe2, &body)).is_ok(), "round {round}");
    }
    let body = [b"ICC_PROFILE\0\x01\x01", noise(60_000).as_slice()].concat();
    assert_eq!(run(&job(), &make::with_segment(&stored, 0xe2, &body)).unwrap().main, plain);
}

#[test]
fn d7_a_small_canvas_does_not_hide_a_huge_picture() {
    let mut stored = make::with_webp_chunks(&make::webp(64, 64, &quarters(64, 64), false), 64, 64, 0, &[]);
    let mark = stored.windows(3).position(|window| window == [0x9d, 0x01, 0x2a]).unwrap();
    stored[mark + 3..mark + 7].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    assert_eq!(refusal(&stored), Refusal::over(Reason::TooManyPixels, 40_000_000, 16_383 * 16_383));
    // The canvas says 64 × 64, the frame within it 65535².
    let mut stored = make::gif(64, 64, &[(make::opaque(&quarters(64, 64)), 100)]);
    let frame = stored.windows(9).position(|window| window == [0x2c, 0, 0, 0, 0, 64, 0, 64, 0]).unwrap();
    stored[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    assert_eq!(refusal(&stored), Refusal::over(Reason::TooManyPixels, 40_000_000, 65_535 * 65_535));
    stored[6..10].copy_from_slice(&[0xff; 4]);
    assert_eq!(refusal(&stored), Refusal::over(Reason::TooManyPixels, 40_000_000, 65_535 * 65_535));
}

#[test]
fn d7_more_frames_than_the_limit_are_counted_and_refused() {
    let limits = Limits { image_frames_max: 5, ..Limits::default() };
    let pictures = vec![(make::opaque(&quarters(16, 16)), 50); 6];
    let refused = run(&job_of(limits), &make::gif(16, 16, &pictures)).map(|_| ()).unwrap_err();
    assert_eq!(refused, Refusal::over(Reason::TooComplex, 5, 6));
}
