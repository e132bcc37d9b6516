//! For tests: a worker that has been taken over. It closes itself in as any other does; then its job's input names an attack.
//!
//! What it tells: a [`Refusal`] of `Unsupported` with the error number as its figure where a call was refused, of `Damaged`
//! where the attack got through. Where it is killed it tells nothing.

mod calls;
mod parent;
mod tricks;

use std::fs::File;
use std::io::Read as _;
use std::process::ExitCode;
use tertulia_media_core::{Job, Outcome, Reason, Refusal};
use tertulia_media_worker::inside;

/// The program's own: what it asks of the kernel has to pass.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("parent") => parent::main(args),
        _ => inside::main_with(attack),
    }
}

fn attack(job: &Job, mut input: File, outputs: [File; 3], progress: &mut dyn FnMut(u16)) -> Result<Outcome, Refusal> {
    let mut name = String::new();
    input.read_to_string(&mut name).map_err(|_| Reason::StoreUnavailable)?;
    let Some(call) = calls::by_name(&name) else { return tricks::play(&name, job, outputs, progress) };
    match call() {
        Ok(()) => Err(Reason::Damaged.into()),
        Err(errno) => {
            Err(Refusal { reason: Reason::Unsupported, limit: None, actual: Some(errno.cast_unsigned().into()) })
        }
    }
}
