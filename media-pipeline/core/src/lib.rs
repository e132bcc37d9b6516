//! What media are: classes, limits, refusals, and the jobs that a worker does. Reads bytes it is given; no I/O, no clock.
//!
//! Everything that comes from a file is hostile: a number read from one is an opinion, never a size to allocate.

pub mod boxes;
mod class;
mod job;
mod limits;
mod refusal;
pub mod sniff;

pub use class::{Class, Treatment};
pub use job::{Event, IMAGE_THUMB_SIDE, Job, Outcome, Output, POSTER_SIDE, PREVIEW_BYTES_MAX, WAVEFORM_POINTS};
pub use limits::{Limits, LimitsError};
pub use refusal::{Reason, Refusal};
