//! Decodes strangers' media where they can do no harm: in a process of its own for each job, without files, network or
//! memory to speak of.
//!
//! `host` is the program's side: a pool of processes made ready beforehand, watched, and ended. The rest runs inside:
//! `sandbox` closes the process in, then `inside` takes one job (descriptors in and out, no paths), does it by `av` or
//! `image`, and ends.

pub mod av;
#[doc(hidden)]
pub mod fuzzing;
mod heap;
pub mod host;
pub mod image;
pub mod inside;
pub mod sandbox;
mod wire;
