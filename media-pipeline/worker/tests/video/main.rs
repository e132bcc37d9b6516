//! Videos as phones, cameras and attackers make them, against the worker's video job: made by FFmpeg's command line, checked by
//! decoding what comes out with it.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod fits;
mod formats;
mod hostile;
mod looks;
mod support;
