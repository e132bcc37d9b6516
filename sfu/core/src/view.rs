//! What a client shows, and so what its slots for pictures carry.
//!
//! Before it has said so it gets what there is, in the order of coming. Once it has, its slots carry what it wants and
//! nothing else: a picture that nobody looks at is not forwarded.

use crate::event::Source;
use tertulia_common::PeerId;

/// As large as it can be had.
pub const FULL_HEIGHT: u32 = u32::MAX;

/// A picture that a client shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Whose. Someone who is not there, or not yet, is passed over.
    pub publisher: PeerId,
    /// Their camera or their screen.
    pub source: Source,
    /// How high it is drawn, in pixels: more than that need not be sent.
    pub max_height: u32,
}

/// What one peer shows, the most important first.
#[derive(Debug)]
pub(crate) struct View(Vec<Want>);

impl View {
    /// Takes what a client says, each picture once, at most `max` of them. Gives the number of those beyond it.
    pub(crate) fn new(wants: &[Want], max: usize) -> (Self, usize) {
        let mut view: Vec<Want> = Vec::with_capacity(wants.len().min(max));
        for want in wants.iter().take(max) {
            let same = view.iter_mut().find(|w| (w.publisher, w.source) == (want.publisher, want.source));
            match same {
                Some(same) => same.max_height = same.max_height.max(want.max_height),
                None => view.push(*want),
            }
        }
        (Self(view), wants.len().saturating_sub(max))
    }

    pub(crate) fn wants(&self) -> impl Iterator<Item = &Want> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c3_a_view_keeps_its_order_and_each_picture_once_and_is_bounded() {
        let want = |publisher, source, max_height| Want { publisher: PeerId(publisher), source, max_height };
        let wants = [
            want(2, Source::Camera, 180),
            want(1, Source::Screen, 720),
            want(2, Source::Camera, 360),
            want(3, Source::Camera, 90),
        ];
        let (view, over) = View::new(&wants, 3);
        let kept: Vec<_> = view.wants().copied().collect();
        assert_eq!(kept, [want(2, Source::Camera, 360), want(1, Source::Screen, 720)]);
        assert_eq!(over, 1);
    }
}
