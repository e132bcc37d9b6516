//! What is filmed: four coloured quarters, each picture's number in black and white, and a light that goes on when a beep begins.
//!
//! Drawn in cells, so that it can be of any size and is read again from a picture scaled to one pixel a cell.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Cells across and down.
pub(crate) const CELLS: (usize, usize) = (22, 18);
/// When the light goes on and the beep begins, and for how long both last, in seconds.
pub(crate) const ONSETS: [f64; 2] = [0.6, 1.2];
const LASTS: f64 = 0.2;
/// How long it all is, in seconds.
pub(crate) const SECONDS: f64 = 1.6;
/// What is neither black nor white.
pub(crate) const GREY: u8 = 96;
/// The same, where it was meant for a screen of high dynamic range: FFmpeg's own filters say so, by PQ and by HLG.
pub(crate) const GREY_OF_HIGH_RANGE: u8 = 71;
const BITS: usize = 8;
const MIDDLE: std::ops::Range<usize> = 7..15;

/// Size and pictures a second of what is filmed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rate: u32,
}

/// As the oldest telephones filmed, and just right for the cells.
pub(crate) const SMALL: Shape = Shape { width: 176, height: 144, rate: 25 };

impl Shape {
    /// How many pictures there are.
    pub(crate) fn pictures(self) -> usize {
        (SECONDS * f64::from(self.rate)).round() as usize
    }

    /// Draws it and writes it down, once for a folder, and answers what FFmpeg is told to read it.
    pub(crate) fn write(self, folder: &Path) -> String {
        let Self { width, height, rate } = self;
        let pictures = written(&folder.join(format!("{width}x{height}-{rate}.rgb")), || self.draw());
        let sounds = written(&folder.join("beeps.pcm"), beeps);
        format!(
            "-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {rate} -i {pictures} -f s16le -ar 48000 -ac 2 -i {sounds}"
        )
    }

    fn draw(self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.pictures() * self.width * self.height * 3);
        for number in 0..self.pictures() {
            let is_lit = is_on(number as f64 / f64::from(self.rate) + 1e-6);
            for y in 0..self.height {
                for x in 0..self.width {
                    all.extend(cell(x * CELLS.0 / self.width, y * CELLS.1 / self.height, number, is_lit));
                }
            }
        }
        all
    }
}

/// Writes a file unless it is there: whole or not at all, whoever else does the same at this moment.
fn written(path: &Path, bytes: impl Fn() -> Vec<u8>) -> String {
    static WRITING: Mutex<()> = Mutex::new(());
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    if !path.exists() {
        std::fs::write(path, bytes()).unwrap();
    }
    path.display().to_string()
}

fn is_on(time: f64) -> bool {
    ONSETS.iter().any(|onset| (*onset..onset + LASTS).contains(&time))
}

fn cell(x: usize, y: usize, number: usize, is_lit: bool) -> [u8; 3] {
    let grey = |is_light: bool| if is_light { [235; 3] } else { [16; 3] };
    if MIDDLE.contains(&x) {
        return match y {
            1..=3 => grey(number >> (x - MIDDLE.start) & 1 == 1),
            6..=12 => grey(is_lit),
            _ => [GREY; 3],
        };
    }
    match (x < MIDDLE.start, y < CELLS.1 / 2) {
        (true, true) => [230, 20, 20],
        (false, true) => [20, 220, 20],
        (true, false) => [20, 20, 230],
        (false, false) => [240, 240, 240],
    }
}

fn beeps() -> Vec<u8> {
    let sample = |at: usize| {
        let time = at as f64 / 48_000.0;
        let level = if is_on(time) { (time * 880.0 * std::f64::consts::TAU).sin() } else { 0.0 };
        ((level * 16_000.0) as i16).to_le_bytes()
    };
    (0..(SECONDS * 48_000.0) as usize).flat_map(|at| [sample(at), sample(at)].concat()).collect()
}

/// A picture that came out, one colour a cell.
pub(crate) struct Picture<'a>(pub(crate) &'a [u8]);

impl Picture<'_> {
    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let from = (y * CELLS.0 + x) * 3;
        [self.0[from], self.0[from + 1], self.0[from + 2]]
    }

    fn light(&self, x: usize, y: usize) -> u8 {
        let [red, green, blue] = self.at(x, y).map(u32::from);
        ((red * 299 + green * 587 + blue * 114) / 1_000) as u8
    }

    /// The names of the four quarters: left and right above, left and right below.
    pub(crate) fn quarters(&self) -> String {
        let name = |[red, green, blue]: [u8; 3]| match (red.max(green).max(blue), red.min(green).min(blue)) {
            (high, low) if low > 130 && high - low < 70 => 'w',
            (high, low) if high < 70 || high - low < 40 => '?',
            (high, _) if high == red => 'r',
            (high, _) if high == green => 'g',
            _ => 'b',
        };
        [(2, 2), (CELLS.0 - 3, 2), (2, CELLS.1 - 3), (CELLS.0 - 3, CELLS.1 - 3)]
            .map(|(x, y)| name(self.at(x, y)))
            .iter()
            .collect()
    }

    /// Its number, as far as it can be written in eight bits.
    pub(crate) fn number(&self) -> usize {
        let is_light = |bit: usize| self.light(MIDDLE.start + bit, 2) > 96;
        (0..BITS).filter(|bit| is_light(*bit)).map(|bit| 1 << bit).sum()
    }

    /// How light the grey is below the light: [`GREY`], if nothing has changed what numbers mean.
    pub(crate) fn grey(&self) -> u8 {
        self.light(CELLS.0 / 2, CELLS.1 - 3)
    }

    /// Whether the light is on.
    pub(crate) fn is_lit(&self) -> bool {
        self.light(CELLS.0 / 2, CELLS.1 / 2) > 96
    }
}
