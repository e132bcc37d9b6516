//! Wall time and CPU of things that are done again and again.

use crate::process;
use std::time::{Duration, Instant};

/// What one thing has taken, each time.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    walls: Vec<Duration>,
    cpu: Duration,
}

impl Ledger {
    pub(super) fn count(&mut self, wall: Duration, cpu: Duration) {
        self.walls.push(wall);
        self.cpu += cpu;
    }

    /// The middle one.
    pub(super) fn wall_ms(&self) -> f64 {
        let mut sorted = self.walls.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).map_or(f64::NAN, |wall| wall.as_secs_f64() * 1e3)
    }

    /// The mean: the kernel counts in hundredths of a second, so a single one says nothing of what is short.
    pub(super) fn cpu_ms(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / self.walls.len() as f64
    }
}

/// A stretch of time, and the CPU that this process and the children that have ended meanwhile have used.
pub(super) struct Stretch {
    start: Instant,
    cpu: Duration,
}

impl Stretch {
    pub(super) fn begin() -> anyhow::Result<Self> {
        Ok(Self { cpu: process::cpu_of_family(std::process::id())?, start: Instant::now() })
    }

    pub(super) fn end(self, ledger: &mut Ledger) -> anyhow::Result<()> {
        let wall = self.start.elapsed();
        ledger.count(wall, process::cpu_of_family(std::process::id())?.saturating_sub(self.cpu));
        Ok(())
    }
}
