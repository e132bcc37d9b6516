//! System calls that lead outside, each made with arguments that would work without a sandbox.
#![expect(unsafe_code, reason = "attacks are raw system calls")]

use libc::{c_int, c_long};
use std::ptr::null_mut;

/// Makes the call: the error number if it was refused.
pub(crate) type Call = fn() -> Result<(), c_int>;

/// The call of a name.
pub(crate) fn by_name(name: &str) -> Option<Call> {
    let call: Call = match name {
        "open" => || path_call(libc::SYS_openat, c"/etc/passwd", libc::O_RDONLY | libc::O_CLOEXEC),
        "open for writing" => || path_call(libc::SYS_openat, c"/tmp/media-attacker", libc::O_WRONLY | libc::O_CREAT),
        "open a path only" => || path_call(libc::SYS_openat, c"/", libc::O_PATH),
        "own memory as a file" => || path_call(libc::SYS_openat, c"/proc/self/mem", libc::O_RDWR),
        "stat a path" => || raw(libc::SYS_newfstatat, [at(), address(c"/etc/passwd"), scratch(), 0, 0, 0]),
        "readlink" => || raw(libc::SYS_readlinkat, [at(), address(c"/proc/self/exe"), scratch(), 64, 0, 0]),
        "unlink" => || raw(libc::SYS_unlinkat, [at(), address(c"/tmp/media-attacker"), 0, 0, 0, 0]),
        "chdir" => || raw(libc::SYS_chdir, [address(c"/"), 0, 0, 0, 0, 0]),
        "chroot" => || raw(libc::SYS_chroot, [address(c"/"), 0, 0, 0, 0, 0]),
        "mount" => || raw(libc::SYS_mount, [address(c"none"), address(c"/"), address(c"tmpfs"), 0, 0, 0]),
        "socket" => || raw(libc::SYS_socket, [libc::AF_INET.into(), libc::SOCK_STREAM.into(), 0, 0, 0, 0]),
        "socketpair" => {
            || raw(libc::SYS_socketpair, [libc::AF_UNIX.into(), libc::SOCK_STREAM.into(), 0, scratch(), 0, 0])
        }
        "connect" => || raw(libc::SYS_connect, [0, scratch(), 16, 0, 0, 0]),
        "send elsewhere" => || raw(libc::SYS_sendto, [0, scratch(), 4, 0, scratch(), 16]),
        "send descriptors" => || raw(libc::SYS_sendmsg, [0, scratch(), 0, 0, 0, 0]),
        "fork" => || raw(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0, 0, 0]),
        "fork by clone3" => clone3,
        "clone with a new user" => || {
            let flags = libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_NEWUSER;
            raw(libc::SYS_clone, [flags.into(), 0, 0, 0, 0, 0])
        },
        "execve" => || raw(libc::SYS_execve, [address(c"/bin/true"), 0, 0, 0, 0, 0]),
        "execveat" => || raw(libc::SYS_execveat, [at(), address(c"/bin/true"), 0, 0, 0, 0]),
        "ptrace the parent" => || raw(libc::SYS_ptrace, [libc::PTRACE_SEIZE.into(), parent(), 0, 0, 0, 0]),
        "read the parent" => || raw(libc::SYS_process_vm_readv, [parent(), scratch(), 1, scratch(), 1, 0]),
        "kill the parent" => || raw(libc::SYS_kill, [parent(), 0, 0, 0, 0, 0]),
        "signal a thread of the parent" => || raw(libc::SYS_tgkill, [parent(), parent(), 0, 0, 0, 0]),
        "a handle of the parent" => || raw(libc::SYS_pidfd_open, [parent(), 0, 0, 0, 0, 0]),
        "limits of the parent" => || raw(libc::SYS_prlimit64, [parent(), 0, scratch(), 0, 0, 0]),
        "own limits" => || raw(libc::SYS_prlimit64, [0, 0, scratch(), 0, 0, 0]),
        "io_uring" => || raw(libc::SYS_io_uring_setup, [1, scratch(), 0, 0, 0, 0]),
        "make data code" => || page(|page| raw(libc::SYS_mprotect, [page, 4_096, rwx(), 0, 0, 0])),
        "map code" => || {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            raw(libc::SYS_mmap, [0, 4_096, rwx(), flags.into(), -1, 0])
        },
        "personality" => || raw(libc::SYS_personality, [0x0040_0000, 0, 0, 0, 0, 0]),
        "unshare" => || raw(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0, 0, 0]),
        "setns" => || raw(libc::SYS_setns, [0, 0, 0, 0, 0, 0]),
        "bpf" => || raw(libc::SYS_bpf, [0, scratch(), 64, 0, 0, 0]),
        "perf" => || raw(libc::SYS_perf_event_open, [scratch(), 0, -1, -1, 0, 0]),
        "keys" => || raw(libc::SYS_keyctl, [0, -3, 0, 0, 0, 0]),
        "userfaultfd" => || raw(libc::SYS_userfaultfd, [0, 0, 0, 0, 0, 0]),
        "memfd" => || raw(libc::SYS_memfd_create, [address(c"x"), 0, 0, 0, 0, 0]),
        "shared memory" => || raw(libc::SYS_shmget, [0, 4_096, 0o1666, 0, 0, 0]),
        "setuid" => || raw(libc::SYS_setuid, [0, 0, 0, 0, 0, 0]),
        "capset" => || raw(libc::SYS_capset, [scratch(), scratch(), 0, 0, 0, 0]),
        "another filter" => || raw(libc::SYS_seccomp, [1, 0, scratch(), 0, 0, 0]),
        "be dumpable" => || raw(libc::SYS_prctl, [libc::PR_SET_DUMPABLE.into(), 1, 0, 0, 0, 0]),
        "outlive the parent" => || raw(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG.into(), 0, 0, 0, 0, 0]),
        "a terminal's input" => || raw(libc::SYS_ioctl, [0, 0x5412, scratch(), 0, 0, 0]),
        "own a descriptor" => || raw(libc::SYS_fcntl, [0, libc::F_SETOWN.into(), parent(), 0, 0, 0]),
        "inherit priority" => || raw(libc::SYS_futex, [scratch(), libc::FUTEX_LOCK_PI.into(), 0, 0, 0, 0]),
        "a timer" => || raw(libc::SYS_timer_create, [0, 0, scratch(), 0, 0, 0]),
        #[cfg(target_arch = "x86_64")]
        "fork as of old" => || raw(libc::SYS_fork, [0; 6]),
        #[cfg(target_arch = "x86_64")]
        "vfork" => || raw(libc::SYS_vfork, [0; 6]),
        #[cfg(target_arch = "x86_64")]
        "a call of the other kind" => || raw(libc::SYS_getpid | 0x4000_0000, [0; 6]),
        _ => return None,
    };
    Some(call)
}

fn raw(number: c_long, args: [c_long; 6]) -> Result<(), c_int> {
    let [a, b, c, d, e, f] = args;
    // SAFETY: addresses among the arguments are of text or of memory leaked for the call; what a call that got through would
    // do to this process does not matter, since it says so and ends.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 { Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { Ok(()) }
}

fn path_call(number: c_long, path: &'static std::ffi::CStr, flags: c_int) -> Result<(), c_int> {
    raw(number, [at(), address(path), flags.into(), 0o600, 0, 0])
}

/// `clone3` as fork uses it.
fn clone3() -> Result<(), c_int> {
    let mut args = [0_u64; 11];
    args[4] = u64::from(libc::SIGCHLD.cast_unsigned());
    let args = Box::leak(Box::new(args));
    raw(libc::SYS_clone3, [args.as_ptr() as c_long, 88, 0, 0, 0, 0])
}

fn page(call: impl FnOnce(c_long) -> Result<(), c_int>) -> Result<(), c_int> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: an anonymous mapping of its own, which nothing else refers to.
    let page = unsafe { libc::mmap(null_mut(), 4_096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    call(page as c_long)
}

fn at() -> c_long {
    libc::AT_FDCWD.into()
}

fn rwx() -> c_long {
    (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC).into()
}

fn address(text: &'static std::ffi::CStr) -> c_long {
    text.as_ptr() as c_long
}

/// A kilobyte of zeros.
fn scratch() -> c_long {
    Box::leak(Box::new([0_u64; 128])).as_ptr() as c_long
}

fn parent() -> c_long {
    std::os::unix::process::parent_id().into()
}
