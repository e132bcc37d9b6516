//! Pictures that move: counted before they are decoded, and decoded one at a time.

use super::frame::{Frame, Layout};
use image::Frames;
use tertulia_media_core::{Reason, Refusal};

/// What a file's structure tells of its pictures.
pub(super) struct Count {
    /// Pictures in it whose data are there.
    pub(super) frames: u32,
    /// Pixels of each.
    pub(super) pixels: u64,
    /// Whether its end is there.
    pub(super) is_whole: bool,
}

/// Pictures one after the other, each with the milliseconds that it is to be seen.
pub(super) struct Animation<'a>(Frames<'a>);

impl<'a> Animation<'a> {
    /// What a decoder yields.
    pub(super) fn new(frames: Frames<'a>) -> Self {
        Self(frames)
    }
}

/// What is to be seen more shortly than this is seen for [`SHORT_SHOWN_MS`], as in every browser: old programs wrote "as fast as you can".
const SHORT_MS: u32 = 20;
const SHORT_SHOWN_MS: u32 = 100;

impl Iterator for Animation<'_> {
    type Item = Result<(Frame, u32), Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        let frame = self.0.next()?;
        Some(frame.map_err(|_| Refusal::from(Reason::Damaged)).and_then(|frame| {
            let (milliseconds, parts) = frame.delay().numer_denom_ms();
            let picture = frame.into_buffer();
            let (width, height) = picture.dimensions();
            let shown_ms = milliseconds / parts.max(1);
            let shown_ms = if shown_ms < SHORT_MS { SHORT_SHOWN_MS } else { shown_ms };
            // What can be seen through has white behind it: a video has nothing behind it.
            Ok((Frame::new(width, height, Layout::Rgba, picture.into_raw())?.on_white(), shown_ms))
        }))
    }
}
