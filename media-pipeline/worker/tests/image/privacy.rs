//! What a picture says besides itself is gone afterwards.

use super::make::{self, PLACE};
use super::{job, run};
use png::{BitDepth, ColorType};

/// Every way in which an output could still say it.
fn assert_says_nothing(outputs: &[&[u8]], what: &str) {
    let marks: [&[u8]; 7] =
        [PLACE.as_bytes(), b"Exif", b"EXIF", b"ICC_PROFILE", b"ns.adobe.com", b"GPS", &0x5ec2_e75e_u32.to_le_bytes()];
    for output in outputs {
        assert!(!output.is_empty());
        for mark in marks {
            assert!(
                !output.windows(mark.len()).any(|window| window == mark),
                "{what}: {}",
                String::from_utf8_lossy(mark)
            );
        }
    }
}

#[test]
fn d7_the_place_is_gone_from_everything_made_of_a_jpeg() {
    let stored = make::jpeg(640, 480, &make::quarters(640, 480), false);
    let stored = make::with_exif(&stored, 6);
    let xmp = [b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>", PLACE.as_bytes(), b"</x:xmpmeta>"].concat();
    let stored = make::with_segment(&stored, 0xe1, &xmp);
    let stored = make::with_segment(&stored, 0xed, &[b"Photoshop 3.0\0", PLACE.as_bytes()].concat());
    let stored = make::with_segment(&stored, 0xfe, PLACE.as_bytes());
    let stored = [stored.as_slice(), PLACE.as_bytes()].concat();
    let made = run(&job(), &stored).unwrap();
    let preview = made.outcome.preview.split_once(',').unwrap().1;
    let preview = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, preview).unwrap();
    assert_says_nothing(&[&made.main, &made.thumb_jpeg, &made.thumb_webp, &preview], "JPEG");
}

#[test]
fn d7_the_place_is_gone_from_everything_made_of_a_png() {
    for opacity in [255, 100] {
        let pixels = [200, 30, 40, opacity].repeat(64 * 64);
        let stored = make::png(64, 64, ColorType::Rgba, BitDepth::Eight, &pixels);
        let stored = make::with_chunk(&stored, b"tEXt", &[b"Comment\0", PLACE.as_bytes()].concat());
        let stored = make::with_chunk(&stored, b"eXIf", &make::exif(1));
        let made = run(&job(), &stored).unwrap();
        assert_says_nothing(&[&made.main, &made.thumb_jpeg, &made.thumb_webp], "PNG");
    }
}

#[test]
fn d7_the_place_is_gone_from_everything_made_of_a_webp() {
    for (opacity, flags) in [(255, 0x0c), (100, 0x1c)] {
        let stored = make::webp(64, 64, &[200, 30, 40, opacity].repeat(64 * 64), false);
        let chunks: [(&[u8; 4], &[u8]); 2] = [(b"EXIF", &make::exif(1)), (b"XMP ", PLACE.as_bytes())];
        let made = run(&job(), &make::with_webp_chunks(&stored, 64, 64, flags, &chunks)).unwrap();
        assert_says_nothing(&[&made.main, &made.thumb_jpeg, &made.thumb_webp], "WebP");
    }
}
