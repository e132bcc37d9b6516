//! How long a request may take whose bytes are many: as long as they come at a rate that anybody can reach.
//!
//! Invariant: a connection lives for its fixed time and one second more for each [`BYTES_PER_S_MIN`] that it has moved. Who
//! sends a byte every now and then gains nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The slowest transfer that is let live, in bytes a second. Lowering it lets slow clients hold places longer: a file of 100 MB
/// takes 14 hours at this rate.
const BYTES_PER_S_MIN: u64 = 2_048;

/// How many bytes a connection has moved, of uploads and downloads: an extension of its requests.
#[derive(Clone, Debug, Default)]
pub struct Transfer(Arc<AtomicU64>);

impl Transfer {
    /// So many more.
    pub fn moved(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How much longer than its fixed time the connection may live for what it has moved.
    #[must_use]
    pub fn earned(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed).saturating_mul(1_000) / BYTES_PER_S_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_time_is_earned_by_bytes() {
        let transfer = Transfer::default();
        assert_eq!(transfer.earned(), Duration::ZERO);
        transfer.clone().moved(4_096);
        assert_eq!(transfer.earned(), Duration::from_secs(2));
    }
}
