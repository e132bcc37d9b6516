//! Which way up: EXIF's eight orientations, and turning pixels so that none is needed.

use super::frame::Frame;
use tertulia_media_core::Refusal;

/// Bytes of EXIF that are looked at. In a JPEG there can't be more.
const EXIF_BYTES_MAX: usize = 64 * 1024;
/// Pixels are turned in squares of this side, so that what is read and what is written both stay in the cache.
const TILE: usize = 32;

/// How the stored pixels have to be turned to be upright: EXIF's figure, 1 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orientation(u8);

impl Default for Orientation {
    fn default() -> Self {
        Self(1)
    }
}

impl Orientation {
    /// What a block of EXIF says, and upright if it says nothing or nonsense.
    pub(super) fn from_exif(block: &[u8]) -> Self {
        let block = &block[..block.len().min(EXIF_BYTES_MAX)];
        let field = |exif: &exif::Exif| {
            let field = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY)?;
            field.value.get_uint(0)
        };
        // A broken tag elsewhere in the block is no reason to show the picture sideways.
        let mut reader = exif::Reader::new();
        reader.continue_on_error(true);
        let figure = match reader.read_raw(block.to_vec()) {
            Ok(exif) => field(&exif),
            Err(exif::Error::PartialResult(partial)) => field(&partial.into_inner().0),
            Err(_) => None,
        };
        figure
            .and_then(|figure| u8::try_from(figure).ok())
            .filter(|figure| (1..=8).contains(figure))
            .map_or_else(Self::default, Self)
    }

    /// Whether upright, the width is what was the height.
    fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// Where in a picture stored as `width` × `height` the pixel comes from that is seen at (`x`, `y`).
    fn source(self, x: usize, y: usize, width: usize, height: usize) -> (usize, usize) {
        match self.0 {
            2 => (width - 1 - x, y),
            3 => (width - 1 - x, height - 1 - y),
            4 => (x, height - 1 - y),
            5 => (y, x),
            6 => (y, height - 1 - x),
            7 => (width - 1 - y, height - 1 - x),
            8 => (width - 1 - y, x),
            _ => (x, y),
        }
    }

    /// The frame turned upright.
    ///
    /// # Errors
    /// None that a frame can cause.
    pub(super) fn apply(self, frame: Frame) -> Result<Frame, Refusal> {
        if self == Self::default() {
            return Ok(frame);
        }
        let pixels = match frame.layout().channels() {
            3 => self.turn::<3>(&frame),
            _ => self.turn::<4>(&frame),
        };
        let (width, height) =
            if self.swaps_sides() { (frame.height(), frame.width()) } else { (frame.width(), frame.height()) };
        Frame::new(width, height, frame.layout(), pixels)
    }

    fn turn<const CHANNELS: usize>(self, frame: &Frame) -> Vec<u8> {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let (across, down) = if self.swaps_sides() { (height, width) } else { (width, height) };
        let (from, _) = frame.pixels().as_chunks::<CHANNELS>();
        let mut to = vec![[0; CHANNELS]; from.len()];
        for top in (0..down).step_by(TILE) {
            for left in (0..across).step_by(TILE) {
                for y in top..down.min(top + TILE) {
                    for x in left..across.min(left + TILE) {
                        let (column, row) = self.source(x, y, width, height);
                        to[y * across + x] = from[row * width + column];
                    }
                }
            }
        }
        to.into_flattened()
    }
}
