//! What a process has used, from `/proc` (proc(5)).

use anyhow::Context;
use std::time::Duration;

/// Linux shows times in ticks of a hundredth of a second (`USER_HZ`) on every architecture that we run on.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of all threads so far.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    // The command's name, in parentheses, may hold blanks: count from behind it.
    let fields = stat.rsplit_once(") ").context("/proc/PID/stat")?.1;
    let ticks = |n: usize| fields.split(' ').nth(n).and_then(|t| t.parse::<u32>().ok()).context("utime, stime");
    Ok(TICK * (ticks(11)? + ticks(12)?))
}

/// Resident memory, bytes.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
    Ok(kib * 1024)
}
