//! A program that has workers: starts a pool, does the picture that is its standard input, says how it went, and stays.
//!
//! `parent <worker> <layers that the host refuses>`: `none`, `optional`, or `required`. Refused is what a hardened service or
//! a container refuses: by a filter, with EPERM.

use seccompiler::{SeccompAction, SeccompFilter, apply_filter};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;
use tertulia_media_core::{Class, Job, Limits};
use tertulia_media_worker::host::{Pool, PoolConfig, Program};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error>;

pub(crate) fn main(mut args: impl Iterator<Item = String>) -> ExitCode {
    let (Some(worker), Some(refused)) = (args.next(), args.next()) else { return ExitCode::FAILURE };
    match refuse(&refused).and_then(|()| live(&worker)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _unheard = writeln!(std::io::stderr(), "{error}").is_err();
            ExitCode::FAILURE
        }
    }
}

fn refuse(what: &str) -> Result<(), Failure> {
    let optional = [
        libc::SYS_unshare,
        libc::SYS_mount,
        libc::SYS_pivot_root,
        libc::SYS_landlock_create_ruleset,
        libc::SYS_setpriority,
        libc::SYS_close_range,
    ];
    let calls = match what {
        "none" => return Ok(()),
        "optional" => optional.to_vec(),
        _ => vec![libc::SYS_prlimit64],
    };
    let rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
    let refusal = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, std::env::consts::ARCH.try_into()?)?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    Ok(apply_filter(&program)?)
}

fn live(worker: &str) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let program = Program { path: worker.into(), args: Vec::new() };
        let pool = Pool::start(PoolConfig::new(program, 2))?;
        match pool.layers().await {
            Ok(layers) => say(&format!("layers {layers}"))?,
            Err(why) => say(&format!("unavailable {why}"))?,
        }
        let job = Job { class: Class::Image, limits: Limits::default(), threads: 1 };
        let outputs = [memory()?, memory()?, memory()?];
        let told = |_| drop(say("progress"));
        let result = pool.run(&job, input()?, outputs, CancellationToken::new(), told).await;
        match result {
            Ok(outcome) => say(&format!("done {}x{}", outcome.width, outcome.height))?,
            Err(refusal) => say(&format!("refused {}", refusal.reason.name()))?,
        }
        std::future::pending::<()>().await;
        Ok(())
    })
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn input() -> Result<OwnedFd, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let file = memory()?;
    rustix::io::write(file.as_fd(), &bytes)?;
    Ok(file)
}

fn memory() -> Result<OwnedFd, Failure> {
    Ok(rustix::fs::memfd_create("output", rustix::fs::MemfdFlags::CLOEXEC)?)
}
