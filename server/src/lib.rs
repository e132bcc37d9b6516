//! The program `tertulia`: reads its command line, and runs what it says. What it runs is in [`run`].
//!
//! A library so that the fuzz targets reach its parsers; `main.rs` is the program, and only calls it.

mod announce;
mod chat;
mod cli;
mod config;
mod doctor;
mod figures;
mod http;
mod lan;
mod listeners;
mod logs;
mod media;
mod operator;
mod process;
mod run;
mod site;

#[doc(hidden)]
pub mod fuzzing {
    //! What the fuzz targets reach of this crate. Nothing else uses it.

    pub use crate::config::fuzz as config;
}

use std::process::ExitCode;

/// Does what the command line says, and tells on the standard error stream what went wrong.
#[expect(clippy::print_stderr, reason = "the last word of a command, whether or not logging has begun")]
pub fn main() -> ExitCode {
    // A worker has no environment, no files and no arguments: it is not of the command line that people see.
    if std::env::args_os().nth(1).is_some_and(|command| command == config::WORKER_COMMAND) {
        return tertulia_media_worker::inside::main();
    }
    match cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tertulia: {error:#}");
            ExitCode::FAILURE
        }
    }
}
