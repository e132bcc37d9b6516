//! Waiting for a condition, never for a time. The bounds are generous: the tests also run on busy machines.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often [`eventually`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Asks again until there is an answer; fails with `what` when [`PATIENCE`] ends.
///
/// # Errors
/// If there was no answer in time.
pub async fn eventually<T, F, Fut>(what: &str, mut ask: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        anyhow::ensure!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits for a future; fails with `what` when [`PATIENCE`] ends.
///
/// # Errors
/// If it was not ready in time.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::time::timeout(PATIENCE, future).await.map_err(|_| anyhow::anyhow!("not within {PATIENCE:?}: {what}"))
}
