//! Matroska: numbers at their ends, what is packed or locked, what is carried along.

use super::Answer::{Either, Made, Refused};
use super::ebml::{Film, element, mute_track, number};
use super::{Hostile, film, jpeg, prove};
use std::io::Write as _;
use tertulia_media_core::Reason::{self, Damaged, Empty, Encrypted, TooComplex, TooLong};

const LIES: &[Reason] = &[Damaged, Empty, TooComplex, TooLong];

/// An honest film but for one thing.
fn but(name: impl Into<String>, answer: super::Answer, change: impl FnOnce(&mut Film)) -> Hostile {
    let mut made = Film::honest();
    change(&mut made);
    film(name, made.bytes(), answer)
}

#[test]
fn d3_numbers_at_their_ends_are_measured_or_refused() {
    prove(|_| {
        let mut all = vec![but("honest", Made, |_| {})];
        for length in [f64::NAN, -1.0, f64::INFINITY, 1e300] {
            let said = element(&[0x44, 0x89], &length.to_be_bytes());
            // Something that says it is much longer than it is has lost its end.
            all.push(but(format!("{length} long"), Either(&[Damaged]), |made| made.info = said));
        }
        for scale in [0, 1, u64::from(u32::MAX), u64::MAX] {
            all.push(but(format!("ticks of {scale} ns"), Either(LIES), |made| made.scale = scale));
        }
        for time in [1_u64 << 53, (1 << 63) - 1, u64::MAX] {
            all.push(but(format!("pictures from {time} on"), Either(LIES), |made| made.time = time));
        }
        for lasts in [0, 1, u64::MAX] {
            let said = number(&[0x23, 0xe3, 0x83], lasts);
            all.push(but(format!("pictures that last {lasts} ns"), Either(LIES), |made| made.entry = said));
        }
        let delay = number(&[0x56, 0xaa], u64::MAX);
        all.push(but("an endless delay", Either(LIES), |made| made.entry = delay));
        all.push(but("pictures before the beginning", Either(LIES), |made| {
            made.pictures.iter_mut().for_each(|(time, _)| *time -= 5_000);
        }));
        all.push(but("pictures that go back", Either(LIES), |made| {
            made.pictures.iter_mut().for_each(|(time, _)| *time = -*time);
        }));
        all.push(but("pictures all at once", Either(LIES), |made| {
            made.pictures.iter_mut().for_each(|(time, _)| *time = 7);
        }));
        for size in [(0, 0), (1, 1 << 31), (u64::MAX, u64::MAX), (65_535, 65_535)] {
            all.push(but(
                format!("pictures said to be of {size:?}"),
                Either(&[Damaged, Empty, Reason::TooManyPixels]),
                |made| {
                    made.size = size;
                },
            ));
        }
        all
    });
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// That a track's blocks are packed by zlib, or locked with a key.
fn coded(is_locked: bool) -> Vec<u8> {
    let key = element(&[0x47, 0xe2], b"a key's name");
    let how = if is_locked {
        element(&[0x50, 0x35], &[number(&[0x47, 0xe1], 5), key].concat())
    } else {
        element(&[0x50, 0x34], &number(&[0x42, 0x54], 0))
    };
    let one =
        [number(&[0x50, 0x31], 0), number(&[0x50, 0x32], 1), number(&[0x50, 0x33], u64::from(is_locked)), how].concat();
    element(&[0x6d, 0x80], &element(&[0x62, 0x40], &one))
}

#[test]
fn d3_what_is_packed_locked_or_carried_along_in_matroska() {
    prove(|_| {
        let bomb = deflated(&vec![0; 9_000_000]);
        let font = element(
            &[0x61, 0xa7],
            &[
                element(&[0x46, 0x6e], b"../../evil.ttf"),
                element(&[0x46, 0x60], b"application/x-truetype-font"),
                element(&[0x46, 0x5c], &vec![0x5a; 3_000_000]),
                number(&[0x46, 0xae], 7),
            ]
            .concat(),
        );
        let fonts = element(&[0x19, 0x41, 0xa4, 0x69], &font);
        let mut deep = element(&[0x45, 0xa3], b"x");
        for _ in 0..200 {
            deep = element(&[0x67, 0xc8], &deep);
        }
        let tags = element(&[0x12, 0x54, 0xc3, 0x67], &element(&[0x73, 0x73], &deep));
        vec![
            but("packed pictures", Made, |made| {
                made.entry = coded(false);
                made.pictures.iter_mut().for_each(|(_, bytes)| *bytes = deflated(bytes));
            }),
            but("packed pictures that swell", Refused(&[TooComplex, Damaged]), |made| {
                made.entry = coded(false);
                made.pictures = (0..200).map(|at| (at * 10, bomb.clone())).collect();
            }),
            but("locked", Refused(&[Encrypted]), |made| made.entry = coded(true)),
            but("locked by nobody knows what", Refused(&[Encrypted, Damaged]), |made| {
                let entry = coded(true);
                let at = entry.windows(2).position(|two| two == [0x47, 0xe2]).unwrap();
                // Another element's name in place of the key's: nobody knows it.
                made.entry = [&entry[..at], &[0x47, 0xe7], &entry[at + 2..]].concat();
                made.pictures.iter_mut().for_each(|(_, bytes)| bytes.iter_mut().for_each(|byte| *byte ^= 0x5a));
            }),
            but("fonts", Made, |made| made.before = fonts),
            but("tags within tags", Either(LIES), |made| made.before = tags),
            but("eight more tracks", Made, |made| made.tracks = (2..10).flat_map(mute_track).collect()),
            but("eighty more tracks", Refused(&[TooComplex, Damaged]), |made| {
                made.tracks = (2..82).flat_map(mute_track).collect();
            }),
            but("ten tracks of one number", Either(LIES), |made| made.tracks = mute_track(1).repeat(10)),
            but("another size with each picture", Either(&[TooComplex]), |made| {
                made.pictures = (0..60).map(|at| (at * 20, jpeg(32 + at as usize * 8, 48))).collect();
            }),
            but("empty pictures", Either(LIES), |made| made.pictures = (0..500).map(|at| (at, Vec::new())).collect()),
            but("a hundred thousand pictures of a byte", Refused(&[TooComplex, Damaged]), |made| {
                made.pictures = (0..100_000).map(|at| ((at % 30_000) as i16, vec![0xff])).collect();
            }),
            but("no pictures", Refused(&[Damaged, Empty]), |made| made.pictures.clear()),
        ]
    });
}

#[test]
fn d3_matroska_that_breaks_off_or_never_ends() {
    prove(|_| {
        let whole = Film::honest().bytes();
        let mut endless = whole.clone();
        let at = whole.windows(4).position(|four| four == [0x18, 0x53, 0x80, 0x67]).unwrap() + 4;
        endless[at..at + 8].copy_from_slice(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        let mut huge = whole.clone();
        huge[at..at + 8].copy_from_slice(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);
        let mut wide = whole.clone();
        let cluster = whole.windows(4).position(|four| four == [0x1f, 0x43, 0xb6, 0x75]).unwrap() + 4;
        wide[cluster..cluster + 8].copy_from_slice(&[0x01, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        let mut no_size = whole.clone();
        no_size[at] = 0;
        let nothing = element(&[0xec], &[]).repeat(200_000);
        let mut crowd = Film::honest();
        crowd.before = nothing;
        vec![
            film("no end is said", endless, Made),
            film("an end beyond everything", huge, Either(LIES)),
            film("a cluster beyond everything", wide, Either(LIES)),
            film("a size of nine bytes", no_size, Either(&[Damaged, Empty])),
            film("two hundred thousand voids", crowd.bytes(), Either(LIES)),
            film("a head alone", whole[..at + 8].to_vec(), Refused(&[Damaged, Empty])),
            film("four bytes", whole[..4].to_vec(), Refused(&[Damaged, Empty])),
        ]
    });
}
