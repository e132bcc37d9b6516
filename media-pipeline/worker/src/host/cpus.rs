//! Which processors a job runs on: as many as it has threads, those that fewest other jobs are on.
//!
//! Invariant: jobs share a processor only where there are fewer than the cores that they may use together.

use rustix::thread::{CpuSet, sched_getaffinity};
use std::sync::{Mutex, PoisonError};

/// The processors that this process may use, and how many jobs are on each.
#[derive(Debug)]
pub(super) struct Cpus(Mutex<Vec<(usize, u32)>>);

impl Cpus {
    /// Those of this process.
    pub(super) fn own() -> Self {
        let all = sched_getaffinity(None).ok();
        let is_ours = |at: &usize| all.as_ref().is_some_and(|all| all.is_set(*at));
        Self::new((0..CpuSet::MAX_CPU).filter(is_ours))
    }

    fn new(all: impl IntoIterator<Item = usize>) -> Self {
        Self(Mutex::new(all.into_iter().map(|cpu| (cpu, 0)).collect()))
    }

    /// So many for a job; fewer where there are fewer.
    pub(super) fn take(&self, count: u32) -> Vec<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Stable: of those that are as free the first.
        all.sort_by_key(|(cpu, jobs)| (*jobs, *cpu));
        all.iter_mut()
            .take(count as usize)
            .map(|(cpu, jobs)| {
                *jobs += 1;
                *cpu
            })
            .collect()
    }

    /// The job is over.
    pub(super) fn give_back(&self, taken: &[usize]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, jobs) in all.iter_mut().filter(|(cpu, _)| taken.contains(cpu)) {
            *jobs -= 1;
        }
    }
}

/// As the kernel wants them. `None`: it did not say which there are.
pub(super) fn set(taken: &[usize]) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    taken.iter().for_each(|cpu| set.set(*cpu));
    (!taken.is_empty()).then_some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d7_jobs_get_processors_of_their_own_while_there_are_any() {
        let cpus = Cpus::new([0, 2, 5, 7]);
        let (first, second) = (cpus.take(2), cpus.take(2));
        assert_eq!((&first[..], &second[..]), (&[0, 2][..], &[5, 7][..]));
        let third = cpus.take(1);
        assert_eq!(third, [0], "shared where there are none left");
        cpus.give_back(&second);
        assert_eq!(cpus.take(2), [5, 7], "those that are free again come first");
        cpus.give_back(&first);
        assert_eq!(cpus.take(9), [2, 0, 5, 7], "no more than there are");
    }

    #[test]
    fn d7_the_kernel_says_which_processors_there_are() {
        let cpus = Cpus::own();
        assert_eq!(cpus.take(u32::MAX).len(), std::thread::available_parallelism().expect("known").get());
        assert!(set(&[]).is_none());
        assert_eq!(set(&[1]).map(|set| set.count()), Some(1));
    }
}
