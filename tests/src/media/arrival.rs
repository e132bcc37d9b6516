//! When a datagram came, as the kernel saw it: what this process does meanwhile is then no part of a latency.

use mio::net::UdpSocket;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use std::io::{Error, ErrorKind, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime};

/// From now on the kernel says when datagrams came (`SO_TIMESTAMPNS`, socket(7)).
pub(super) fn stamp(socket: &UdpSocket) -> std::io::Result<()> {
    Ok(setsockopt(socket, sockopt::ReceiveTimestampns, &true)?)
}

/// A datagram of a socket that stamps: its length, whence, and when it came.
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> std::io::Result<(usize, SocketAddr, Instant)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
    let source = message.address.and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|of| SocketAddr::V4(SocketAddrV4::from(*of)));
        v4.or_else(|| address.as_sockaddr_in6().map(|of| SocketAddr::V6(SocketAddrV6::from(*of))))
    });
    let source = source.ok_or_else(|| Error::from(ErrorKind::InvalidData))?;
    let came = message.cmsgs()?.find_map(|of| match of {
        ControlMessageOwned::ScmTimestampns(at) => Some(SystemTime::UNIX_EPOCH + Duration::from(at)),
        _ => None,
    });
    let now = Instant::now();
    let passed = came.and_then(|came| SystemTime::now().duration_since(came).ok()).unwrap_or_default();
    Ok((message.bytes, source, now.checked_sub(passed).unwrap_or(now)))
}
