//! The stills of a video, begun at its first key frame, while what comes after it is still being read.
//!
//! Invariants: what is painted ahead is what [`poster::find`] would have found, or it is not taken; no thread outlives its easel.

use super::ff::Packet;
use super::open::Track;
use super::poster;
use super::reel::Reel;
use crate::image::{self, Stills};
use std::fs::File;
use std::thread::JoinHandle;
use tertulia_media_core::{POSTER_SIDE, Reason, Refusal};

/// Where stills are made, and where they go.
pub(crate) struct Easel {
    threads: u32,
    state: State,
}

/// JPEG and WebP.
type Outputs = [File; 2];
/// What was painted ahead, unless the first key frame was not good enough: then nothing is written.
type Ahead = (Outputs, Result<Option<Stills>, Refusal>);

enum State {
    Empty(Outputs),
    Ahead(JoinHandle<Ahead>),
    Done,
}

impl Easel {
    /// One for a job with so many threads: with one, nothing is painted ahead.
    pub(crate) fn new(outputs: Outputs, threads: u32) -> Self {
        Self { threads, state: State::Empty(outputs) }
    }

    /// The first key frame has been read: it is painted ahead.
    pub(crate) fn see(&mut self, track: &Track, packet: &Packet) {
        let threads = self.threads;
        if threads < 2 {
            return;
        }
        // Where there is no memory for it now it is painted later, or what then fails is told.
        let (Ok(track), Ok(packet)) = (track.duplicate(), packet.duplicate()) else { return };
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Empty(mut outputs) => State::Ahead(std::thread::spawn(move || {
                let made = poster::of(&track, &packet).map(|frame| paint(&frame, threads, &mut outputs)).transpose();
                (outputs, made)
            })),
            other => other,
        };
    }

    /// The stills, of all that was read.
    ///
    /// # Errors
    /// `Damaged` where not one picture can be decoded; if an output can't be written.
    pub(crate) fn finish(mut self, reel: &Reel) -> Result<Stills, Refusal> {
        let (mut outputs, made) = match std::mem::replace(&mut self.state, State::Done) {
            State::Empty(outputs) => (outputs, Ok(None)),
            State::Ahead(ahead) => ahead.join().map_err(|_| Refusal::from(Reason::Damaged))?,
            State::Done => return Err(Reason::Damaged.into()),
        };
        match made? {
            Some(stills) => Ok(stills),
            None => paint(&poster::find(reel)?, self.threads, &mut outputs),
        }
    }
}

fn paint(frame: &image::Frame, threads: u32, [jpeg, webp]: &mut Outputs) -> Result<Stills, Refusal> {
    image::stills(frame, POSTER_SIDE, threads, [jpeg, webp])
}

impl Drop for Easel {
    fn drop(&mut self) {
        if let State::Ahead(ahead) = std::mem::replace(&mut self.state, State::Done) {
            // The job is refused: nobody looks at what it painted.
            let _panicked = ahead.join().is_err();
        }
    }
}
