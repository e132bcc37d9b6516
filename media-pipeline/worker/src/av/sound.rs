//! Sound: to M4A, and voice notes to Ogg Opus.

use std::fs::File;
use tertulia_media_core::{Job, Outcome, Reason, Refusal};

/// Does a job of class `Audio` or `Voice`, or of a video without pictures: as [`super::run`].
pub(super) fn run(
    _job: &Job,
    _input: File,
    _outputs: [File; 3],
    _progress: &mut dyn FnMut(u16),
) -> Result<Outcome, Refusal> {
    Err(Reason::Unsupported.into())
}
