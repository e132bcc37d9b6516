//! What a worker may use, as far as the kernel counts it for a process.
#![expect(unsafe_code, reason = "reading a limit that may be refused has no safe interface")]

use super::Setup;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, nice, setrlimit};

/// Descriptors: the socket, standard output and error, a job's four, and copies of them.
const DESCRIPTORS_MAX: u64 = 16;
/// Address space beyond the memory that may be asked for: libraries, and what allocators reserve without using it.
const ADDRESS_SPACE_EXTRA: u64 = 8 << 30;

/// Applies the limits.
pub(super) fn apply(setup: &Setup) -> Result<(), Errno> {
    // Where memory is short the kernel ends a worker before it ends the program. Best effort: /proc may be read-only.
    let _refused = std::fs::write("/proc/self/oom_score_adj", "1000").is_err();
    let _refused = nice(i32::from(setup.nice)).is_err();
    set(Resource::Core, 0)?;
    set(Resource::Fsize, setup.file_bytes_max)?;
    set(Resource::Nofile, DESCRIPTORS_MAX)?;
    set(Resource::Memlock, 0)?;
    set(Resource::Msgqueue, 0)?;
    set(Resource::Data, setup.data_bytes_max)?;
    set(Resource::As, setup.data_bytes_max.saturating_add(ADDRESS_SPACE_EXTRA))?;
    // At the first the kernel says so by a signal whose name tells why, at the second it kills.
    let cpu = setup.cpu_seconds_max.max(1);
    within(Resource::Cpu, cpu, cpu.saturating_add(1))
}

fn set(resource: Resource, most: u64) -> Result<(), Errno> {
    within(resource, most, most)
}

/// Sets a limit, or leaves what is lower already: to raise that takes a privilege.
fn within(resource: Resource, soft: u64, hard: u64) -> Result<(), Errno> {
    let set = |soft, hard| setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) });
    match set(soft, hard) {
        Err(Errno::PERM) => {
            // Lowering to what is there is always allowed. Where it is refused nevertheless, so is the call itself.
            let lower = lower_hard(resource, hard).ok_or(Errno::PERM)?;
            set(soft.min(lower), lower)
        }
        other => other,
    }
}

/// The hard limit, if it is lower.
fn lower_hard(resource: Resource, hard: u64) -> Option<u64> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours. Rustix has the same call, and panics where a filter refuses it.
    let status = unsafe { libc::getrlimit(resource as _, &raw mut now) };
    (status == 0 && now.rlim_max < hard).then_some(now.rlim_max)
}
