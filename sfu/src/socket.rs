//! A UDP socket that receives and sends in batches.
//!
//! Receiving: up to [`BATCH_SIZE`] messages a call, each of which GRO may have made of several datagrams of one sender.
//! A socket bound to `::` serves IPv4 too (RFC 3493 §3.7); outside of here an IPv4 address has its own form always.
//! Sending: datagrams of one destination and one size are put together (GSO); one that is shorter may close a batch.

use crate::tcp::canonical;
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

/// Bytes asked of the kernel for each direction. Lower drops packets in bursts of key frames, higher costs kernel memory
/// under load only. The kernel may give less (`net.core.rmem_max`).
const SOCKET_BUFFER_BYTES: usize = 8 << 20;
/// Bytes of one received message: the most that GRO makes of a sender's burst.
const RECEIVE_BYTES: usize = 64 * 1024;
/// Bytes of one sent batch: the most that the kernel takes at once.
const SEND_BYTES_MAX: usize = 60_000;

/// Figures of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SocketFigures {
    /// Datagrams that the kernel did not take: its send buffer was full, or there is no way.
    pub(crate) send_dropped: u64,
    /// Send calls; datagrams sent divided by these is the batch size.
    pub(crate) send_calls: u64,
    /// Receive calls that brought something.
    pub(crate) receive_calls: u64,
}

pub(crate) struct BatchSocket {
    socket: mio::net::UdpSocket,
    is_ipv6: bool,
    state: UdpSocketState,
    /// [`BATCH_SIZE`] pieces of [`RECEIVE_BYTES`].
    buffers: Vec<u8>,
    batch: Batch,
    pub(crate) figures: SocketFigures,
}

/// Datagrams on their way into one send call.
#[derive(Debug)]
struct Batch {
    bytes: Vec<u8>,
    destination: SocketAddr,
    source: Option<IpAddr>,
    segment: usize,
    segments: usize,
    /// A shorter datagram has closed it.
    closed: bool,
}

impl BatchSocket {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        let is_ipv6 = address.is_ipv6();
        let socket = mio::net::UdpSocket::from_std(socket.into());
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // A smaller buffer than asked for is not an error: it shows as drops in the metrics.
        drop(state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER_BYTES));
        drop(state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER_BYTES));
        let batch = Batch {
            bytes: Vec::with_capacity(SEND_BYTES_MAX + 2_048),
            destination: address,
            source: None,
            segment: 0,
            segments: 0,
            closed: false,
        };
        let buffers = vec![0; RECEIVE_BYTES * BATCH_SIZE];
        Ok(Self { socket, is_ipv6, state, buffers, batch, figures: SocketFigures::default() })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(crate) fn source(&mut self) -> &mut mio::net::UdpSocket {
        &mut self.socket
    }

    /// Receives one batch and gives each datagram, with the sender and our address, to `take`. False if the socket was
    /// emptied: a batch that is not full means so, and what comes later wakes the poller anew.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(SocketAddr, Option<IpAddr>, &[u8])) -> io::Result<bool> {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut pieces = self.buffers.chunks_mut(RECEIVE_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(pieces.next().unwrap_or_default()));
        let count = match self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut metas) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        self.figures.receive_calls += 1;
        for (meta, buffer) in metas.iter().zip(self.buffers.chunks(RECEIVE_BYTES)).take(count) {
            let message = &buffer[..meta.len.min(buffer.len())];
            for datagram in message.chunks(meta.stride.max(1)) {
                take(canonical(meta.addr), meta.dst_ip.map(|ip| ip.to_canonical()), datagram);
            }
        }
        Ok(count == BATCH_SIZE)
    }

    /// Adds a datagram to the batch, sending what does not go with it first.
    pub(crate) fn send(&mut self, source: Option<IpAddr>, destination: SocketAddr, datagram: &[u8]) {
        let batch = &self.batch;
        let joins = batch.segments > 0
            && !batch.closed
            && batch.destination == destination
            && batch.source == source
            && datagram.len() <= batch.segment
            && batch.segments < self.state.max_gso_segments()
            && batch.bytes.len() + datagram.len() <= SEND_BYTES_MAX;
        if !joins {
            self.flush();
            (self.batch.destination, self.batch.source, self.batch.segment) = (destination, source, datagram.len());
        }
        self.batch.bytes.extend_from_slice(datagram);
        self.batch.segments += 1;
        self.batch.closed = datagram.len() < self.batch.segment;
    }

    /// Sends the batch.
    pub(crate) fn flush(&mut self) {
        if self.batch.segments == 0 {
            return;
        }
        let transmit = Transmit {
            destination: SocketAddr::new(self.in_family(self.batch.destination.ip()), self.batch.destination.port()),
            ecn: None,
            contents: &self.batch.bytes,
            segment_size: (self.batch.segments > 1).then_some(self.batch.segment),
            src_ip: self.batch.source.map(|ip| self.in_family(ip)),
        };
        self.figures.send_calls += 1;
        // Media that can't be sent now is of no use later: NACK or a key frame mends it.
        if self.state.try_send(UdpSockRef::from(&self.socket), &transmit).is_err() {
            self.figures.send_dropped += self.batch.segments as u64;
        }
        self.batch.bytes.clear();
        (self.batch.segments, self.batch.closed) = (0, false);
    }

    /// As the kernel wants it of this socket.
    fn in_family(&self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(ip) if self.is_ipv6 => ip.to_ipv6_mapped().into(),
            ip => ip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &mut BatchSocket) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        socket.receive(|_, _, datagram| all.push(datagram.to_vec())).unwrap();
        all
    }

    #[test]
    fn datagrams_of_one_destination_go_as_one_and_arrive_as_they_were() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let (mut from, mut to) = (BatchSocket::bind(loopback).unwrap(), BatchSocket::bind(loopback).unwrap());
        let destination = to.local_addr().unwrap();
        let datagrams: Vec<Vec<u8>> =
            [900, 900, 900, 300, 900, 20].iter().zip(1..).map(|(len, n)| vec![n; *len]).collect();
        for datagram in &datagrams {
            from.send(None, destination, datagram);
        }
        from.flush();
        assert_eq!(from.figures.send_dropped, 0);
        assert_eq!(from.figures.send_calls, 2, "three and a shorter one, then one and a shorter one");
        assert_eq!(received(&mut to), datagrams);
    }
}
