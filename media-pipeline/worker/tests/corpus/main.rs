//! The corpus: what phones and cameras make, real and generated, and what attackers make of it, through real workers in their
//! sandbox. Outputs are decoded by another FFmpeg than the worker's and looked at: pictures, sounds, and the two together.
//!
//! `./x test` fetches the real files. `CORPUS_ROUNDS=16` cuts each file at each sixteenth and breaks it as often; `./x bench` does.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod breakage;
mod cases;
mod hostile;
mod look;
mod pattern;
mod phones;
mod room;
mod samples;
mod shapes;
