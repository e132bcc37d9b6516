//! What a worker may not do, and how that is made so: before it takes a job.
//!
//! Invariant: after [`enter`] the process has one thread, no descriptor but its socket and standard error, no privilege, no
//! file system, and can get none of them back. Layers that exist everywhere are required; Landlock and namespaces are taken
//! where the kernel and the host let us, and reported.
//!
//! There is no PID namespace: `unshare` would give one to children only, and a worker has none.

mod descriptors;
mod files;
mod filter;
mod limits;
mod namespaces;
mod privileges;

use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) use descriptors::{SocketError, socket};

/// How a worker closes itself in: what of it is a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Bytes it may write to one file.
    pub(crate) file_bytes_max: u64,
    /// Bytes of memory it may ask for; what it uses is watched from outside, and is less.
    pub(crate) data_bytes_max: u64,
    /// Seconds of processor time, over all its threads.
    pub(crate) cpu_seconds_max: u64,
    /// How much it yields to the rest of the program, 0 to 19.
    pub(crate) nice: u8,
}

/// Which layers hold a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent layers, each present or not")]
pub struct Layers {
    /// No exec can raise its privileges. Required.
    pub no_new_privs: bool,
    /// Limits on processor time, file sizes, memory asked for, descriptors, core dumps. Required.
    pub rlimits: bool,
    /// System calls by allow-list. Required.
    pub seccomp: bool,
    /// No capability is left.
    pub no_capabilities: bool,
    /// The version of Landlock that denies it every file, or zero.
    pub landlock: u8,
    /// A user namespace of its own.
    pub user_namespace: bool,
    /// A network namespace without a network.
    pub net_namespace: bool,
    /// An IPC namespace of its own.
    pub ipc_namespace: bool,
    /// A mount namespace with an empty, read-only root.
    pub mount_namespace: bool,
}

impl Layers {
    /// Each layer's name and whether it holds: for metrics.
    #[must_use]
    pub fn each(&self) -> [(&'static str, bool); 9] {
        [
            ("no_new_privs", self.no_new_privs),
            ("rlimits", self.rlimits),
            ("seccomp", self.seccomp),
            ("no_capabilities", self.no_capabilities),
            ("landlock", self.landlock > 0),
            ("user_namespace", self.user_namespace),
            ("net_namespace", self.net_namespace),
            ("ipc_namespace", self.ipc_namespace),
            ("mount_namespace", self.mount_namespace),
        ]
    }

    /// Whether all that must hold does.
    #[must_use]
    pub fn is_sufficient(&self) -> bool {
        self.no_new_privs && self.rlimits && self.seccomp
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, holds)) in self.each().into_iter().enumerate() {
            write!(f, "{}{}{name}", if index == 0 { "" } else { " " }, if holds { '+' } else { '-' })?;
        }
        Ok(())
    }
}

/// A layer that must hold and can't be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Missing {
    /// Which.
    pub(crate) layer: String,
    /// What the kernel said.
    pub(crate) why: String,
}

impl Missing {
    fn of(layer: &str, why: impl fmt::Display) -> Self {
        Self { layer: layer.into(), why: why.to_string() }
    }
}

/// Closes the process in, for good. `warm_up` runs when it can still open files, and has seen nothing of a stranger's.
///
/// # Errors
/// If a required layer can't be had. The process must end then.
pub(crate) fn enter(setup: &Setup, warm_up: impl FnOnce()) -> Result<Layers, Missing> {
    let mut layers = Layers::default();
    privileges::end_with_the_parent().map_err(|errno| Missing::of("parent-death signal", errno))?;
    privileges::undumpable().map_err(|errno| Missing::of("undumpable", errno))?;
    privileges::no_new_privileges().map_err(|errno| Missing::of("no_new_privs", errno))?;
    layers.no_new_privs = true;
    limits::apply(setup).map_err(|errno| Missing::of("rlimits", errno))?;
    layers.rlimits = true;

    warm_up();
    let threads = privileges::threads().map_err(|why| Missing::of("thread count", why))?;
    if threads != 1 {
        // Landlock and namespaces bind the calling thread: another one would stay outside.
        return Err(Missing::of("thread count", format_args!("{threads} threads after the warm-up")));
    }

    let namespaces = namespaces::enter();
    layers.user_namespace = namespaces.user;
    layers.net_namespace = namespaces.net;
    layers.ipc_namespace = namespaces.ipc;
    layers.mount_namespace = namespaces.mount;
    layers.no_capabilities = privileges::drop_all();
    layers.landlock = files::deny_all();
    // A change of identity takes both back.
    privileges::end_with_the_parent().map_err(|errno| Missing::of("parent-death signal", errno))?;
    privileges::undumpable().map_err(|errno| Missing::of("undumpable", errno))?;

    filter::apply().map_err(|why| Missing::of("seccomp", why))?;
    layers.seccomp = true;
    Ok(layers)
}
