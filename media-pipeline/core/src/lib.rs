//! What media are: classes, limits, refusals, and the jobs that a worker does. Reads bytes it is given; no I/O, no clock.
//!
//! Everything that comes from a file is hostile: a number read from one is an opinion, never a size to allocate.

pub mod boxes;
mod class;
mod disposition;
mod job;
mod limits;
pub mod range;
mod refusal;
pub mod sniff;
pub mod tus;

pub use class::{Class, Treatment};
pub use disposition::{NAME_BYTES_MAX, clean_name, content_disposition};
pub use job::{Event, IMAGE_THUMB_SIDE, Job, Outcome, Output, POSTER_SIDE, PREVIEW_BYTES_MAX, WAVEFORM_POINTS};
pub use limits::{Limits, LimitsError};
pub use refusal::{Reason, Refusal};
