//! Two and more real WebRTC stacks against a shard, in virtual time.

use std::time::Instant;

/// The start of virtual time. The one clock reading of the core's tests: an `Instant` can't be made otherwise.
#[expect(clippy::disallowed_methods, reason = "an epoch for virtual time; only distances from it count")]
pub(crate) fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}
