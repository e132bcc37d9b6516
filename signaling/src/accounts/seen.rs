//! When devices were last connected, written now and then for all of them together: after a restart everyone comes at once,
//! and a hello is not to wait for a disk.
//!
//! Invariant: at most [`WAITING_MAX`] wait, and one write is under way.

use crate::metrics::{Hit, Metrics};
use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use std::sync::Arc;
use std::time::Duration;
use tertulia_common::{DeviceId, UserId};
use tertulia_directory::Directory;
use tertulia_signaling_core::Endpoint;
use tokio::sync::Notify;

/// Devices that wait to be written. Raising it costs about 150 bytes each; what is above it is not written.
const WAITING_MAX: usize = 100_000;
/// How long they are collected. Raising it tells people later.
const COLLECT: Duration = Duration::from_secs(5);

/// The devices that wait to be written.
pub(crate) struct Seen {
    waiting: Mutex<FxHashSet<(UserId, DeviceId)>>,
    some: Notify,
    metrics: Arc<Metrics>,
}

impl Seen {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { waiting: Mutex::default(), some: Notify::new(), metrics }
    }

    /// A device of an account is connected now.
    pub(crate) fn note(&self, device: &Endpoint) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= WAITING_MAX {
            self.metrics.hit(Hit::DevicesSeen);
            return;
        }
        waiting.insert((device.user.clone(), device.device.clone()));
        self.some.notify_one();
    }

    /// Writes them. Never ends.
    pub(crate) async fn run(&self, directory: Directory) {
        loop {
            self.some.notified().await;
            tokio::time::sleep(COLLECT).await;
            let seen: Vec<_> = std::mem::take(&mut *self.waiting.lock()).into_iter().collect();
            if let Err(error) = directory.devices_seen(&seen).await {
                tracing::warn!(%error, "when devices were seen could not be written");
            }
        }
    }
}
