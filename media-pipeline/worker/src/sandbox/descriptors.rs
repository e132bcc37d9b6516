//! Which descriptors a worker has: its socket, nothing, and standard error.
#![expect(unsafe_code, reason = "closing descriptors that nobody owns has no safe interface")]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::os::fd::AsFd;

/// The first descriptor that is not the worker's.
const FIRST_STRANGE: libc::c_uint = 3;

/// Why standard input is not what a worker needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// Somebody has started it by hand.
    #[error("standard input is not the program's socket: a media worker is started by the server, never by hand")]
    NotASocket,
    /// The program has gone meanwhile.
    #[error("the program is gone")]
    Closed,
    /// What is open can't be closed.
    #[error("descriptors can't be closed: {0}")]
    Close(Errno),
}

/// Checks that standard input is the program's socket, and closes everything above standard error.
pub(crate) fn socket() -> Result<(), SocketError> {
    let socket = std::io::stdin();
    let is_socket = fstat(&socket).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket)
        && sockopt::socket_domain(&socket) == Ok(AddressFamily::UNIX)
        && sockopt::socket_type(&socket) == Ok(SocketType::SEQPACKET);
    if !is_socket {
        return Err(SocketError::NotASocket);
    }
    close_above_stderr().map_err(SocketError::Close)?;
    if is_hung_up(&socket) { Err(SocketError::Closed) } else { Ok(()) }
}

/// Whether the program has closed its end, or is gone: the parent's id alone may be a subreaper's or a namespace's.
pub(crate) fn is_hung_up(socket: impl AsFd) -> bool {
    let mut fds = [PollFd::new(&socket, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

fn close_above_stderr() -> Result<(), Errno> {
    // SAFETY: the process has just begun. Nothing in it owns a descriptor above standard error, or refers to one.
    let status = unsafe { libc::syscall(libc::SYS_close_range, FIRST_STRANGE, libc::c_uint::MAX, 0) };
    if status == 0 { Ok(()) } else { close_one_by_one() }
}

/// For kernels before 5.9, and filters that do not know `close_range`.
fn close_one_by_one() -> Result<(), Errno> {
    let names = std::fs::read_dir("/proc/self/fd").map_err(|_| Errno::NOSYS)?;
    let numbers: Vec<i32> = names.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| number.cast_unsigned() >= FIRST_STRANGE) {
        // SAFETY: as above. The directory's own descriptor is among them and closed already: closing it twice is harmless
        // where no other thread opens any.
        unsafe { libc::close(number) };
    }
    Ok(())
}
