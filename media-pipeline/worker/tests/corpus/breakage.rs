//! Files that are cut off and files with flipped bits: each ends in something that plays, or in a reason; no worker breaks over it.
//!
//! The same bits every time: what is drawn follows from the file's name.

use crate::room::{Desk, rounds};
use tertulia_media_core::{Class, Outcome, Reason};

/// Cuts there are of each file.
const CUTS: usize = 16;
/// Where headers are: hit as often as all the rest.
const HEAD: usize = 3_000;

/// Files up to this length are broken in every run, longer ones where there are many rounds: each costs a film's coding.
const SMALL: usize = 600 * 1024;

/// Cuts a file, at each sixteenth if there are so many rounds, and flips bits of it as often.
pub(crate) fn break_all(desk: &Desk<'_>, class: Class, whole: &[u8], name: &str) {
    let mut dice = Dice::new(name);
    let rounds = rounds();
    if rounds == 1 && whole.len() > SMALL {
        return;
    }
    let first = dice.below(CUTS - 1);
    for round in 0..rounds.min(CUTS - 1) {
        cut(desk, class, whole, (first + round) % (CUTS - 1) + 1, name);
    }
    for round in 0..rounds {
        flip(desk, class, whole, &mut dice, &format!("{name} {round}"));
    }
}

/// The same for what was broken on purpose before, which may be refused for any reason of the file's own. With few rounds it is
/// either cut or flipped.
pub(crate) fn break_hostile(desk: &Desk<'_>, class: Class, whole: &[u8], name: &str) {
    let mut dice = Dice::new(name);
    let rounds = rounds();
    let is_cut = dice.below(2) == 0;
    if rounds > 1 || is_cut {
        let first = dice.below(CUTS - 1);
        for round in 0..rounds.min(CUTS - 1) {
            let sixteenth = (first + round) % (CUTS - 1) + 1;
            answered(desk, class, part(whole, sixteenth), &format!("{name} cut at {sixteenth}/16"));
        }
    }
    if rounds > 1 || !is_cut {
        for round in 0..rounds {
            flip(desk, class, whole, &mut dice, &format!("{name} {round}"));
        }
    }
}

fn part(whole: &[u8], sixteenth: usize) -> &[u8] {
    &whole[..whole.len() * sixteenth / CUTS]
}

fn cut(desk: &Desk<'_>, class: Class, whole: &[u8], sixteenth: usize, name: &str) {
    if let Some(reason) = answered(desk, class, part(whole, sixteenth), name) {
        let answers = [Reason::Damaged, Reason::Empty];
        assert!(answers.contains(&reason), "{name} cut at {sixteenth}/16: {reason:?}");
    }
}

/// Sends it: something plays, or this is why not. Nobody's patience or memory is at an end.
fn answered(desk: &Desk<'_>, class: Class, bytes: &[u8], name: &str) -> Option<Reason> {
    match desk.run(class, &desk.file("broken", bytes)) {
        Ok(made) => {
            is_something(&made.outcome);
            None
        }
        Err(refusal) => {
            let never = [Reason::TimedOut, Reason::OutOfMemory, Reason::WorkerCrashed, Reason::StoreUnavailable];
            assert!(!never.contains(&refusal.reason), "{name}: {refusal:?}");
            Some(refusal.reason)
        }
    }
}

fn flip(desk: &Desk<'_>, class: Class, whole: &[u8], dice: &mut Dice, name: &str) {
    let mut bytes = whole.to_vec();
    for _ in 0..1 << dice.below(6) {
        let span = if dice.below(2) == 0 { bytes.len() } else { bytes.len().min(HEAD) };
        let at = dice.below(span);
        bytes[at] ^= 1 << dice.below(8);
    }
    // Whatever the bits have made of it.
    let _refused = answered(desk, class, &bytes, name);
}

/// What every output has.
pub(crate) fn is_something(outcome: &Outcome) {
    assert!(outcome.bytes > 0, "{outcome:?}");
    match outcome.class {
        Class::Video => assert!(outcome.width > 0 && outcome.height > 0 && outcome.duration_ms > 0, "{outcome:?}"),
        Class::Image => assert!(outcome.width > 0 && outcome.height > 0, "{outcome:?}"),
        _ => assert!(outcome.has_sound && outcome.duration_ms > 0, "{outcome:?}"),
    }
}

/// Numbers that look like chance and are the same every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(name: &str) -> Self {
        let seed = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |all, byte| (all ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(seed | 1)
    }

    /// One below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % bound as u64).unwrap()
    }
}
