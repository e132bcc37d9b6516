//! The program `tertulia`. All of it is in the library beside it.

/// Many small allocations on several threads, from packets to frames: what this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tertulia::main()
}
