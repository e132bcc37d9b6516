//! FFmpeg: the one module that speaks to it. Video to MP4, sounds to M4A and Ogg Opus, posters.

use std::fs::File;
use tertulia_media_core::{Job, Outcome, Reason, Refusal};

/// Does a job of class `Video`, `Audio` or `Voice`: reads the input, writes the outputs in the order of
/// [`Output::ALL`](tertulia_media_core::Output::ALL), and tells its progress in thousandths.
///
/// # Errors
/// If the input can't be made playable, or is more than its limits.
pub fn run(_job: &Job, _input: File, _outputs: [File; 3], _progress: &mut dyn FnMut(u16)) -> Result<Outcome, Refusal> {
    Err(Reason::Unsupported.into())
}
