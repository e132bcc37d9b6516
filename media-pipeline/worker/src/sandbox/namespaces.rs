//! Namespaces of a worker's own: no network, no shared memory of others, an empty root.
#![expect(unsafe_code, reason = "`unshare` is unsafe for its one flag that we do not use")]

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount};
use rustix::process::{chdir, geteuid, pivot_root};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Which were had.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent namespaces, each had or not")]
pub(super) struct Namespaces {
    pub(super) user: bool,
    pub(super) net: bool,
    pub(super) ipc: bool,
    pub(super) mount: bool,
}

/// Takes what the host allows. Hardened ones and containers refuse some or all.
pub(super) fn enter() -> Namespaces {
    Namespaces {
        // Root needs no user namespace for the others, and can then become nobody, whom a new user namespace would not know.
        user: !geteuid().is_root() && unshare(UnshareFlags::NEWUSER).is_ok(),
        net: unshare(UnshareFlags::NEWNET).is_ok(),
        ipc: unshare(UnshareFlags::NEWIPC).is_ok(),
        mount: unshare(UnshareFlags::NEWNS).is_ok() && empty_root().is_ok(),
    }
}

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: none of the flags above is FILES, which alone could take descriptors from another thread's sight.
    unsafe { unshare_unsafe(flags) }
}

/// Makes an empty, read-only file system the root, and lets go of the old one. A failure half-way leaves either.
fn empty_root() -> Result<(), Errno> {
    const NOTHING: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    // Any folder will do to mount on; this one is there wherever a worker can be watched.
    mount("none", "/proc", "tmpfs", NOTHING, c"size=4k,nr_inodes=2,mode=555")?;
    chdir("/proc")?;
    mount_remount("/proc", NOTHING | MountFlags::RDONLY, "")?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")
}
