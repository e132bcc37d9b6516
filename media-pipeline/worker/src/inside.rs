//! The process's side: closes itself in, takes one job, does it, ends.

use std::process::ExitCode;

/// The worker's whole life. Standard input is the socket to the program; there is nothing else.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::FAILURE
}
