//! Pictures: sizes that lie, frames without end, what swells when it is unpacked.

use super::Answer::{Made, Refused};
use super::{Hostile, as_class, prove};
use std::io::Write as _;
use tertulia_media_core::Class;
use tertulia_media_core::Reason::{self, Damaged, Empty, TooComplex, TooLong, TooManyPixels, Unsupported};

fn picture(name: &str, bytes: Vec<u8>, answer: super::Answer) -> Hostile {
    as_class(Class::Image, name, bytes, answer)
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let sum = crc(&[&kind[..], body].concat());
    [&(body.len() as u32).to_be_bytes()[..], kind, body, &sum.to_be_bytes()].concat()
}

fn crc(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

/// A PNG of this header and these packed pixels.
pub(super) fn png(header: &[u8], data: &[u8]) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")].concat()
}

fn header(width: u32, height: u32, depth: u8, colours: u8) -> Vec<u8> {
    [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colours, 0, 0, 0]].concat()
}

/// What unpacks to so many zeros.
fn zeros(count: u64) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let part = vec![0; 1 << 16];
    let mut left = count;
    while left > 0 {
        let more = left.min(part.len() as u64);
        packer.write_all(&part[..more as usize]).unwrap();
        left -= more;
    }
    packer.finish().unwrap()
}

#[test]
fn d7_sizes_that_lie_are_refused_by_the_header() {
    prove(|_| {
        let of = |width, height, depth, colours, bytes| png(&header(width, height, depth, colours), &zeros(bytes));
        vec![
            picture(
                "30000 × 30000 in a hundred kilobytes",
                of(30_000, 30_000, 1, 0, 112_530_000),
                Refused(&[TooManyPixels]),
            ),
            picture("65535 × 65535", of(65_535, 65_535, 8, 6, 64), Refused(&[TooManyPixels])),
            picture("2^31 × 2^31", of(1 << 31, 1 << 31, 8, 6, 64), Refused(&[TooManyPixels, Damaged])),
            picture("nothing across", of(0, 9, 8, 2, 64), Refused(&[Damaged])),
            picture("65535 across, one down", of(65_535, 1, 8, 2, 65_535 * 3 + 1), Made),
            picture("one across, 65535 down", of(1, 65_535, 8, 2, 65_535 * 4), Made),
            picture("one pixel", of(1, 1, 8, 6, 5), Made),
            picture("a depth that there is not", of(64, 64, 7, 2, 9_999), Refused(&[Damaged, Unsupported])),
        ]
    });
}

/// A GIF of so many frames, each of one pixel, on a canvas of a size.
fn gif(side: u16, frames: usize, delay: u16) -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend(side.to_le_bytes());
    bytes.extend(side.to_le_bytes());
    bytes.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    for _ in 0..frames {
        bytes.extend([0x21, 0xf9, 4, 0]);
        bytes.extend(delay.to_le_bytes());
        bytes.extend([0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0]);
    }
    bytes.push(0x3b);
    bytes
}

/// An APNG that says it has so many frames, and has.
fn apng(frames: u32) -> Vec<u8> {
    let frame = |number: u32| {
        let control = [number, 8, 8, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
        chunk(b"fcTL", &[&control[..], &[0, 1, 0, 10, 0, 0]].concat())
    };
    let data = zeros(8 * 25);
    let mut bytes = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header(8, 8, 8, 2))].concat();
    bytes.extend(chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat()));
    bytes.extend([frame(0), chunk(b"IDAT", &data)].concat());
    for number in 1..frames {
        bytes.extend(frame(number * 2 - 1));
        bytes.extend(chunk(b"fdAT", &[&(number * 2).to_be_bytes()[..], &data].concat()));
    }
    bytes.extend(chunk(b"IEND", b""));
    bytes
}

#[test]
fn d7_frames_without_end_are_counted_and_refused() {
    prove(|_| {
        vec![
            picture("ten frames", gif(16, 10, 10), Made),
            picture("forty thousand frames", gif(16, 40_000, 1), Refused(&[TooComplex])),
            picture("five hundred frames of eleven minutes", gif(16, 500, u16::MAX), Refused(&[TooLong])),
            picture("a canvas of 65535 × 65535", gif(65_535, 1, 10), Refused(&[TooManyPixels])),
            picture("six hundred frames on a large canvas", gif(3_000, 600, 1), Refused(&[TooComplex, TooManyPixels])),
            picture("ten frames of a PNG", apng(10), Made),
            picture("nine thousand frames of a PNG", apng(9_000), Refused(&[TooComplex])),
        ]
    });
}

#[test]
fn d7_what_begins_as_a_picture_and_goes_on_as_something_else() {
    const ODD: &[Reason] = &[Damaged, Empty, Unsupported, TooManyPixels, TooComplex];
    prove(|_| {
        let boxed = |brand: &[u8; 4], rest: &[u8]| {
            [super::boxes::block(b"ftyp", &[&brand[..], &[0; 4], brand].concat()), rest.to_vec()].concat()
        };
        let items = |count: u32| {
            let body = [&[1_u8, 0, 0, 0][..], &count.to_be_bytes(), &[0; 64]].concat();
            super::boxes::block(b"meta", &[&[0; 4][..], &super::boxes::block(b"iinf", &body)].concat())
        };
        let mut deep = Vec::new();
        for _ in 0..2_000 {
            deep = super::boxes::block(b"iprp", &deep);
        }
        vec![
            picture("a HEIC of endless items", boxed(b"heic", &items(u32::MAX)), Refused(ODD)),
            picture("an AVIF of nothing", boxed(b"avif", b""), Refused(ODD)),
            picture(
                "a HEIC of boxes within boxes",
                boxed(b"heic", &super::boxes::block(b"meta", &[&[0; 4][..], &deep].concat())),
                Refused(ODD),
            ),
            picture(
                "a WebP of nothing",
                b"RIFF\xff\xff\xff\xffWEBPVP8X\x0a\0\0\0\x12\0\0\0\xff\xff\xff\xff\xff\xff".to_vec(),
                Refused(ODD),
            ),
            picture(
                "a JPEG of marks",
                [&b"\xff\xd8"[..], &b"\xff\xfe\0\x02".repeat(200_000), b"\xff\xd9"].concat(),
                Refused(ODD),
            ),
            picture(
                "a GIF of extensions",
                [&b"GIF89a\x01\0\x01\0\0\0\0"[..], &b"!\xfe\x01x\0".repeat(200_000), b";"].concat(),
                Refused(ODD),
            ),
            picture("a film", boxed(b"isom", &super::boxes::block(b"moov", b"")), Refused(ODD)),
        ]
    });
}
