//! The program `tertulia`: reads its command line, and runs what it says. What it runs is in [`run`].

mod cli;
mod config;
mod http;
mod logs;
mod operator;
mod process;
mod run;
mod site;

use std::process::ExitCode;

/// Many small allocations on several threads, from packets to frames: what this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stderr, reason = "the last word of a command, whether or not logging has begun")]
fn main() -> ExitCode {
    match cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tertulia: {error:#}");
            ExitCode::FAILURE
        }
    }
}
