//! The worker's process alone: takes one job from the socket that is its standard input, and ends.

/// The program's own, so that what is tested and measured here is what runs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tertulia_media_worker::inside::main()
}
