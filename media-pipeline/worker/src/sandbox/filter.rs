//! Which system calls a worker may make: what computing on open descriptors with threads takes, and no other.
//!
//! Three filters, of which the kernel takes the sternest answer. What is on no list kills the process. On the list of the
//! refused is what honest libraries try and do without: glibc's allocator reads an overcommit setting when it first gives an
//! arena back, thread libraries set priorities, `isatty` asks a terminal. To kill for these would make decoding fail by chance;
//! refused, they give nothing away.

use libc::{c_int, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Allowed whatever the arguments: memory, threads, time, and what is done to descriptors that are open.
const ALLOWED: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// Answered with EPERM: libraries try these, and do without.
const REFUSED: &[c_long] = &[
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_get_mempolicy,
    libc::SYS_getcwd,
    libc::SYS_ioctl,
    libc::SYS_mbind,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_readlinkat,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setscheduler,
    libc::SYS_set_mempolicy,
    libc::SYS_setpriority,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
];

/// Bits of a futex operation that say which: the others are flags.
const FUTEX_COMMAND: u64 = 0x7f;
/// Futexes without priority inheritance, whose half of the kernel's code has had most of its holes.
const FUTEX_COMMANDS: [c_int; 7] = [
    libc::FUTEX_WAIT,
    libc::FUTEX_WAKE,
    libc::FUTEX_REQUEUE,
    libc::FUTEX_CMP_REQUEUE,
    libc::FUTEX_WAKE_OP,
    libc::FUTEX_WAIT_BITSET,
    libc::FUTEX_WAKE_BITSET,
];
/// What may be done to a descriptor beside reading and writing. Owners, leases, seals and locks may not be set.
const FCNTL_COMMANDS: [c_int; 4] = [libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL];
/// The flags with which a library would read a file. Any others, such as for writing, kill.
const OPEN_FLAGS_ALLOWED: c_int = libc::O_CLOEXEC | libc::O_LARGEFILE | libc::O_NOCTTY | libc::O_NONBLOCK;

/// Why the filters are not in force.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    #[error("this processor's system calls are not known")]
    Processor,
    #[error("the filter does not compile: {0}")]
    Compile(#[from] BackendError),
    #[error("the kernel refuses the filter: {0}")]
    Apply(#[from] seccompiler::Error),
}

/// Applies the filters to every thread, for good.
pub(super) fn apply() -> Result<(), FilterError> {
    let programs = programs(std::process::id())?;
    // The allow-list comes last: it does not know the call that applies filters.
    for program in programs {
        apply_filter_all_threads(&program)?;
    }
    Ok(())
}

fn programs(own_id: u32) -> Result<[BpfProgram; 3], FilterError> {
    let unknown: Rules = [(libc::SYS_clone3, Vec::new())].into();
    let refused = refused()?;
    let mut allowed = allowed(own_id)?;
    // The first two lists answer these; the third must let them through to that answer.
    for call in unknown.keys() {
        allowed.insert(*call, Vec::new());
    }
    for (call, rules) in &refused {
        // Conditions of the same call add up: allowed where either list says so.
        let entry = allowed.entry(*call).or_default();
        if rules.is_empty() { entry.clear() } else { entry.extend(rules.iter().cloned()) }
    }
    // Arguments of clone3 lie in memory, where a filter can't see them: a C library that is told ENOSYS uses clone.
    Ok([
        compile(unknown, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.cast_unsigned()))?,
        compile(refused, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM.cast_unsigned()))?,
        compile(allowed, SeccompAction::KillProcess, SeccompAction::Allow)?,
    ])
}

fn compile(rules: Rules, otherwise: SeccompAction, then: SeccompAction) -> Result<BpfProgram, FilterError> {
    let processor = std::env::consts::ARCH.try_into().map_err(|_| FilterError::Processor)?;
    Ok(SeccompFilter::new(rules, otherwise, then, processor)?.try_into()?)
}

fn refused() -> Result<Rules, BackendError> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let reads = |index| masked(index, !flags(OPEN_FLAGS_ALLOWED) & u64::from(u32::MAX), 0);
    rules.insert(libc::SYS_openat, vec![rule([reads(2)?])?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![rule([reads(1)?])?]);
    // A name; and what seccompiler sets again before each filter, which takes nothing back.
    rules.insert(
        libc::SYS_prctl,
        vec![rule([is_not(0, flags(libc::PR_SET_NAME))?, is_not(0, flags(libc::PR_SET_NO_NEW_PRIVS))?])?],
    );
    // Of a descriptor they may ask, of a path they get no answer.
    rules.insert(libc::SYS_newfstatat, vec![rule([masked(3, flags(libc::AT_EMPTY_PATH), 0)?])?]);
    rules.insert(libc::SYS_statx, vec![rule([masked(2, flags(libc::AT_EMPTY_PATH), 0)?])?]);
    // To read one's own limits is fine; to set them, or those of others, is refused.
    rules.insert(libc::SYS_prlimit64, vec![rule([wide(2, SeccompCmpOp::Ne, 0)?])?, rule([is_not(0, 0)?])?]);
    Ok(rules)
}

fn allowed(own_id: u32) -> Result<Rules, BackendError> {
    let mut rules: Rules = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    // Threads, never processes: those share everything, and live under the same filter.
    let thread = flags(libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND);
    let namespaces = flags(
        libc::CLONE_NEWNS
            | libc::CLONE_NEWCGROUP
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUSER
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET,
    );
    rules.insert(libc::SYS_clone, vec![rule([masked(0, thread | namespaces, thread)?])?]);
    // Memory is data or code, and there will be no more code.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![rule([masked(2, flags(libc::PROT_EXEC), 0)?])?]);
    }
    // Signals to itself, for abort. `kill` is on no list.
    rules.insert(libc::SYS_tgkill, vec![rule([is(0, u64::from(own_id))?])?]);
    rules.insert(libc::SYS_prctl, vec![rule([is(0, flags(libc::PR_SET_NAME))?])?]);
    rules.insert(
        libc::SYS_newfstatat,
        vec![rule([masked(3, flags(libc::AT_EMPTY_PATH), flags(libc::AT_EMPTY_PATH))?])?],
    );
    rules.insert(libc::SYS_statx, vec![rule([masked(2, flags(libc::AT_EMPTY_PATH), flags(libc::AT_EMPTY_PATH))?])?]);
    rules.insert(libc::SYS_prlimit64, vec![rule([is(0, 0)?, wide(2, SeccompCmpOp::Eq, 0)?])?]);
    // On the socket only as it is connected, and without descriptors: `sendmsg` is on no list.
    rules.insert(libc::SYS_sendto, vec![rule([wide(4, SeccompCmpOp::Eq, 0)?])?]);
    let each = |index: u8, mask: u64, commands: &[c_int]| {
        commands.iter().map(|command| rule([masked(index, mask, flags(*command))?])).collect::<Result<Vec<_>, _>>()
    };
    rules.insert(libc::SYS_futex, each(1, FUTEX_COMMAND, &FUTEX_COMMANDS)?);
    rules.insert(libc::SYS_fcntl, each(1, u64::from(u32::MAX), &FCNTL_COMMANDS)?);
    Ok(rules)
}

/// A constant's bits, as an argument carries them.
fn flags(constant: c_int) -> u64 {
    u64::from(constant.cast_unsigned())
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}

fn is(index: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn is_not(index: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

fn masked(index: u8, mask: u64, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
}

/// All 64 bits: for addresses.
fn wide(index: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Qword, operator, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_and_no_list_contradicts_another() {
        assert!(programs(1).is_ok_and(|programs| programs.iter().all(|program| !program.is_empty())));
        for call in REFUSED {
            assert!(!ALLOWED.contains(call), "{call} is both allowed and refused");
        }
    }

    #[test]
    fn nothing_that_leads_outside_is_on_a_list() {
        let reachable = [ALLOWED, REFUSED].concat();
        for call in [
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_kill,
            libc::SYS_io_uring_setup,
            libc::SYS_sendmsg,
            libc::SYS_bpf,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_memfd_create,
            libc::SYS_process_vm_readv,
            libc::SYS_pidfd_getfd,
            libc::SYS_userfaultfd,
        ] {
            assert!(!reachable.contains(&call), "{call}");
        }
    }
}
