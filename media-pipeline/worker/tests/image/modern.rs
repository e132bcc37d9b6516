//! HEIC and AVIF: what iPhones and newer Androids write. The files were made by libheif's and FFmpeg's tools: the four quarters of
//! `make::quarters`, 160 × 96.

use super::make::{BLUE, GREEN, PLACE, RED, WHITE};
use super::{Seen, is_near, job, job_of, run, see_jpeg, see_webp};
use tertulia_media_core::{Class, Limits, Reason, Refusal};

const HEIC: &[u8] = include_bytes!("quarters.heic");
const AVIF: &[u8] = include_bytes!("quarters.avif");
/// Ten bits a sample.
const DEEP: [&[u8]; 2] = [include_bytes!("deep.heic"), include_bytes!("deep.avif")];
/// To be turned by a quarter to the right, by HEIF's word, and by EXIF's, which must not turn it again; and it names a place.
const TURNED: &[u8] = include_bytes!("turned.heic");
/// The upper fifth can be seen through.
const CLEAR: &[u8] = include_bytes!("clear.avif");

fn assert_corners(seen: &Seen, expected: [[u8; 3]; 4], what: &str) {
    let (x, y) = (seen.width / 4, seen.height / 4);
    let places = [(x, y), (x * 3, y), (x, y * 3), (x * 3, y * 3)];
    for ((x, y), expected) in places.into_iter().zip(expected) {
        assert!(is_near(seen.at(x, y), expected, 14), "{what}: {:?} where {expected:?} should be", seen.at(x, y));
    }
}

#[test]
fn d7_heic_and_avif_become_jpegs_at_eight_and_ten_bits() {
    for (what, stored) in [("HEIC", HEIC), ("AVIF", AVIF), ("deep HEIC", DEEP[0]), ("deep AVIF", DEEP[1])] {
        let made = run(&job(), stored).unwrap_or_else(|refusal| panic!("{what}: {refusal:?}"));
        assert_eq!((made.outcome.class, made.outcome.mime.as_str()), (Class::Image, "image/jpeg"), "{what}");
        assert_eq!((made.outcome.width, made.outcome.height), (160, 96), "{what}");
        assert_corners(&see_jpeg(&made.main), [RED, GREEN, BLUE, WHITE], what);
    }
}

#[test]
fn d7_a_heic_is_turned_once_and_its_place_is_gone() {
    assert!(TURNED.windows(PLACE.len()).any(|window| window == PLACE.as_bytes()));
    let made = run(&job(), TURNED).unwrap();
    assert_eq!((made.outcome.width, made.outcome.height), (96, 160));
    assert_corners(&see_jpeg(&made.main), [BLUE, RED, WHITE, GREEN], "turned");
    for output in [&made.main, &made.thumb_jpeg, &made.thumb_webp] {
        assert!(!output.windows(PLACE.len()).any(|window| window == PLACE.as_bytes()));
    }
}

#[test]
fn d7_an_avif_that_can_be_seen_through_stays_so() {
    let made = run(&job(), CLEAR).unwrap();
    assert_eq!(made.outcome.mime, "image/webp");
    let seen = see_webp(&made.main);
    assert!(seen.get_pixel(80, 5)[3] < 30 && seen.get_pixel(80, 60)[3] > 225);
}

#[test]
fn d7_the_pixels_of_a_heic_are_bounded_too() {
    let limits = Limits { image_pixels_max: 15_000, ..Limits::default() };
    for stored in [HEIC, AVIF] {
        let refused = run(&job_of(limits), stored).map(|_| ()).unwrap_err();
        assert_eq!(refused, Refusal::over(Reason::TooManyPixels, 15_000, 160 * 96));
        // A header that promises 65535 × 65535.
        let mut lying = stored.to_vec();
        let size = lying.windows(4).position(|window| window == b"ispe").unwrap() + 8;
        lying[size..size + 8].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let refused = run(&job(), &lying).map(|_| ()).unwrap_err();
        assert_eq!(refused, Refusal::over(Reason::TooManyPixels, 40_000_000, 65_535 * 65_535));
    }
}

#[test]
fn d7_a_heic_cut_or_flipped_is_answered() {
    let mut kept = 0;
    for stored in [HEIC, AVIF, TURNED, DEEP[1]] {
        for sixteenth in 1..16 {
            let _any_answer = run(&job(), &stored[..stored.len() * sixteenth / 16]).map_err(|refusal| {
                let answers = [Reason::Damaged, Reason::Unsupported, Reason::TooComplex];
                assert!(answers.contains(&refusal.reason), "{sixteenth}/16: {refusal:?}");
            });
        }
        for at in (0..stored.len()).step_by(19) {
            let mut broken = stored.to_vec();
            broken[at] ^= 1 << (at % 8);
            kept += usize::from(run(&job(), &broken).is_ok());
        }
    }
    assert!(kept > 0);
}
