//! FFmpeg: the one module that speaks to it. Video to MP4, sounds to M4A and Ogg Opus, posters.
//!
//! Everything happens on descriptors that are open: no path, no device, no environment is needed at run time. Outputs are
//! read as well as written (an MP4's header is moved to the front), by `pread` and `pwrite`.

mod boxes;
mod coder;
mod compat;
mod ff;
mod front;
mod graph;
mod io;
mod limits;
pub(crate) mod loops;
mod mux;
mod open;
mod pictures;
mod plan;
mod poster;
mod reel;
mod sound;
mod tones;
mod turn;
mod video;

use std::fs::File;
use tertulia_media_core::{Class, Job, Outcome, Reason, Refusal};

/// Does a job of class `Video`, `Audio` or `Voice`: reads the input, writes the outputs in the order of
/// [`Output::ALL`](tertulia_media_core::Output::ALL), and tells its progress in thousandths.
///
/// # Errors
/// If the input can't be made playable, or is more than its limits.
pub fn run(job: &Job, input: File, outputs: [File; 3], progress: &mut dyn FnMut(u16)) -> Result<Outcome, Refusal> {
    limits::set();
    match job.class {
        Class::Video => video::run(job, input, outputs, progress),
        Class::Audio | Class::Voice => sound::run(job, input, outputs, progress),
        Class::Image | Class::Document | Class::Sealed => Err(Reason::Unsupported.into()),
    }
}

/// Loads what is loaded at first use, and makes FFmpeg silent: what it writes may quote a stranger's file.
///
/// To be called before the process is closed in. Libraries are mapped by then; tables are computed in memory.
pub fn warm_up() {
    limits::set();
}
