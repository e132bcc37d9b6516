//! Who a worker is: nobody, bound to its parent's life, closed to debuggers.
#![expect(unsafe_code, reason = "changing a process' identity is a matter of raw system calls")]

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Signal, geteuid, set_dumpable_behavior, set_parent_process_death_signal};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};

/// Whom a worker becomes where the program runs as root: nobody. The group of that number has nothing either.
const NOBODY: libc::uid_t = 65_534;

/// Has the kernel kill the worker when the thread that started it ends.
pub(super) fn end_with_the_parent() -> Result<(), Errno> {
    set_parent_process_death_signal(Some(Signal::KILL))
}

/// Nobody but root may look into it, trace it, or get a core of it.
pub(super) fn undumpable() -> Result<(), Errno> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

/// Nothing it executes can raise its privileges.
pub(super) fn no_new_privileges() -> Result<(), Errno> {
    set_no_new_privs(true)
}

/// How many threads there are.
pub(super) fn threads() -> Result<usize, String> {
    std::fs::read_dir("/proc/self/task").map(Iterator::count).map_err(|error| error.to_string())
}

/// Gives up being root, and every capability. Whether none is left.
pub(super) fn drop_all() -> bool {
    let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    // Without KILL the program, if its root is as bare as this, could no longer end what is nobody's.
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL;
    if geteuid().is_root() && held.contains(needed) {
        become_nobody();
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    // What is left is what `capset` has refused to take, where a host forbids even that.
    let _refused = set_capabilities(None, none).is_err();
    capabilities(None).is_ok_and(|sets| sets.effective.is_empty() && sets.permitted.is_empty())
}

/// Best effort: seccomp holds root as well, and a user namespace may know no other user.
fn become_nobody() {
    // SAFETY: these take numbers and a null list, and touch no memory. The process has one thread, so that the raw calls,
    // which change the calling thread only, change the process.
    unsafe {
        libc::syscall(libc::SYS_setgroups, 0_usize, std::ptr::null::<libc::gid_t>());
        libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY);
        libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY);
    }
}
