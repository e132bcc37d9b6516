//! The workers' queue: durable, bounded, fair between users.
//!
//! Invariant: a job's row is there until what came of it is in the directory, so that a restart loses none.

use futures_util::future::BoxFuture;
use std::os::fd::OwnedFd;
use tertulia_media_core::{Job, Outcome, Refusal};
use tokio_util::sync::CancellationToken;

/// Who does jobs: the pool of sandboxed processes, or a test's stand-in.
pub trait Work: Send + Sync + 'static {
    /// Does one job, telling thousandths. The outputs are written to when it is done. Cancelled, it ends soon with
    /// `Cancelled`.
    fn run<'a>(
        &'a self,
        job: &'a Job,
        input: OwnedFd,
        outputs: [OwnedFd; 3],
        cancel: &'a CancellationToken,
        progress: &'a (dyn Fn(u16) + Send + Sync),
    ) -> BoxFuture<'a, Result<Outcome, Refusal>>;
}
