//! What a process has used, from `/proc` (proc(5)).

use anyhow::Context;
use std::time::Duration;

/// Linux shows times in ticks of a hundredth of a second (`USER_HZ`) on every architecture that we run on.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of all threads so far.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    times(pid, &[11, 12])
}

/// The same, and that of the children that have ended and were waited for.
pub(crate) fn cpu_of_family(pid: u32) -> anyhow::Result<Duration> {
    times(pid, &[11, 12, 13, 14])
}

fn times(pid: u32, fields: &[usize]) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    // The command's name, in parentheses, may hold blanks: count from behind it.
    let all = stat.rsplit_once(") ").context("/proc/PID/stat")?.1;
    let ticks = |n: &usize| all.split(' ').nth(*n).and_then(|t| t.parse::<u32>().ok()).context("times");
    Ok(TICK * fields.iter().map(ticks).sum::<anyhow::Result<u32>>()?)
}

/// Resident memory, bytes.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    memory(pid, "VmRSS:")
}

/// The most that it has been, bytes.
pub(crate) fn resident_peak(pid: u32) -> anyhow::Result<u64> {
    memory(pid, "VmHWM:")
}

/// Processes that this one has started and that still live.
pub(crate) fn children(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut all = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let of_thread = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        all.extend(of_thread.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Ok(all)
}

fn memory(pid: u32, name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(name)).context("memory")?;
    let kib: u64 = line.split_whitespace().nth(1).context("memory")?.parse()?;
    Ok(kib * 1024)
}
