//! What attackers send: each entry is refused for the right reason or repaired, by the worker itself, as is what is left of it when
//! it is cut off or bits of it are flipped, and the next job is done.

mod avis;
mod boxes;
mod ebml;
mod lists;
mod matroskas;
mod movs;
mod pictures;
mod polyglots;
mod sounds;

use crate::breakage::{break_hostile, is_something};
use crate::look::{Look, assert_playable};
use crate::room::{Desk, table_of};
use std::fs::{self, File};
use tertulia_media_core::{Class, Reason};

/// What must come of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// One of these reasons.
    Refused(&'static [Reason]),
    /// Something that plays.
    Made,
    /// Something that plays, or one of these reasons: what is in it is broken, not forbidden.
    Either(&'static [Reason]),
}

use Answer::{Either, Made, Refused};

/// One file.
pub(super) struct Hostile {
    name: String,
    class: Class,
    bytes: Vec<u8>,
    /// How long the file is made, by zeros that take no room.
    length: u64,
    answer: Answer,
}

/// A file that is said to be a film.
pub(super) fn film(name: impl Into<String>, bytes: Vec<u8>, answer: Answer) -> Hostile {
    Hostile { name: name.into(), class: Class::Video, bytes, length: 0, answer }
}

/// The same, said to be something else.
pub(super) fn as_class(class: Class, name: impl Into<String>, bytes: Vec<u8>, answer: Answer) -> Hostile {
    Hostile { class, ..film(name, bytes, answer) }
}

/// What breaks at the end of a decoder's patience.
pub(super) const BROKEN: &[Reason] = &[Reason::Damaged, Reason::Empty];

/// A film of a second, small, that is made in no time.
pub(super) fn base(desk: &Desk<'_>, name: &str, coded: &str) -> Vec<u8> {
    let source = "-f lavfi -i testsrc2=s=64x48:r=10:d=1 -f lavfi -i sine=d=1:r=48000 -ac 2";
    fs::read(desk.make(name, &format!("{source} {coded}"))).unwrap()
}

/// A JPEG of a size.
pub(super) fn jpeg(width: usize, height: usize) -> Vec<u8> {
    let pixels: Vec<u8> = (0..width * height * 3).map(|at| (at * 7 % 251) as u8).collect();
    let image = turbojpeg::Image {
        pixels: pixels.as_slice(),
        width,
        height,
        pitch: width * 3,
        format: turbojpeg::PixelFormat::RGB,
    };
    turbojpeg::compress(image, 80, turbojpeg::Subsamp::Sub2x2).unwrap().to_vec()
}

/// Sends them all.
pub(super) fn prove(make: impl FnOnce(&Desk<'_>) -> Vec<Hostile>) {
    let honest = jpeg(16, 16);
    table_of(
        make,
        |case| case.name.clone(),
        |desk, case| {
            case.send(desk);
            break_hostile(desk, case.class, &case.bytes, &case.name);
            let made = desk.run(Class::Image, &desk.file("honest.jpg", &honest));
            assert!(made.is_ok(), "the next job: {:?}", made.err());
        },
    );
}

impl Hostile {
    fn send(&self, desk: &Desk<'_>) {
        let input = desk.file("hostile", &self.bytes);
        if self.length > 0 {
            File::options().write(true).open(&input).unwrap().set_len(self.length).unwrap();
        }
        let answered = desk.run(self.class, &input);
        match (&answered, self.answer) {
            (Ok(made), Made) => {
                let look = Look::at(desk, &made.main);
                if made.outcome.class == Class::Video {
                    assert_playable(&look, made);
                }
            }
            // What was copied may be broken inside: copying does not decode.
            (Ok(made), Either(_)) => is_something(&made.outcome),
            (Err(refusal), Refused(reasons) | Either(reasons)) if reasons.contains(&refusal.reason) => {}
            _ => {
                let answered = answered.map(|made| (made.outcome.class, made.outcome.duration_ms));
                panic!("{}: {answered:?} and not {:?}", self.name, self.answer)
            }
        }
    }
}
