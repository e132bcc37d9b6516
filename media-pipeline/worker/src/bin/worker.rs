//! The worker's process alone: takes one job from the socket that is its standard input, and ends.

fn main() -> std::process::ExitCode {
    tertulia_media_worker::inside::main()
}
