//! ICE-TCP (RFC 6544): connections that clients open to the shard's port where a network lets no UDP through.
//!
//! A connection is a way like another for the shard: it gets its frames as datagrams and says where to send. What is
//! here is the cost of a connection, which UDP does not have, and its bounds. Until a peer has proved by a signed STUN
//! request that it is at the other end, a connection lives for seconds, may send nothing but STUN, and is the first to
//! go when there are too many; what it holds is less than one frame. Nothing ever waits for a slow reader: what does not
//! fit into its queue is dropped, large packets first, so that voice outlives pictures.

use crate::framing::{self, Deframer};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;
use slab::Slab;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};
use tertulia_sfu_core::{Path, Shard};

/// What the TCP connections of one shard may cost. Every limit has a figure in [`TcpFigures`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpLimits {
    /// Connections in all: each is a file descriptor and, at worst, a full queue.
    pub connections_max: usize,
    /// Of these, those whose other end is not proved. A flood has the oldest closed: at 500 a second each has a second.
    pub unproved_max: usize,
    /// From one remote address (of IPv6: of one /64). Too low shuts out offices behind one NAT.
    pub per_address_max: usize,
    /// How long a connection may take to prove its peer. Browsers do it within a round trip or two.
    pub proof_max: Duration,
    /// Nothing heard for this long: it is closed. Browsers check a path every few seconds.
    pub idle_max: Duration,
    /// Bytes that wait for a slow reader. Higher delays what comes behind, lower drops more of a picture.
    pub queue_bytes_max: usize,
}

impl Default for TcpLimits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            unproved_max: 512,
            per_address_max: 256,
            proof_max: Duration::from_secs(5),
            idle_max: Duration::from_secs(30),
            queue_bytes_max: 128 * 1024,
        }
    }
}

/// Figures of the TCP connections of a shard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TcpFigures {
    pub(crate) connections: u64,
    pub(crate) unproved: u64,
    pub(crate) accepted: u64,
    /// Not taken: too many in all, or of one address.
    pub(crate) refused: u64,
    /// Closed unproved: too slow, crowded out by newer ones, or no STUN.
    pub(crate) closed_unproved: u64,
    /// Closed: a frame that is too long.
    pub(crate) closed_malformed: u64,
    /// Closed: nothing heard, or its peer is gone.
    pub(crate) closed_idle: u64,
    /// Accepting failed, as where no file descriptor is left.
    pub(crate) accept_failed: u64,
    pub(crate) frames_received: u64,
    pub(crate) frames_sent: u64,
    /// Frames that found the queue full, or no connection.
    pub(crate) send_dropped: u64,
}

/// Tokens below are the worker's own.
const FIRST_CONNECTION: usize = 16;
pub(crate) const LISTENER: Token = Token(FIRST_CONNECTION - 1);
/// Connections taken in one turn, so that a flood of them does not starve the media.
const ACCEPTS_MAX: usize = 32;
/// Bytes read of one connection before the next has its turn.
const READ_BYTES: usize = 16 * 1024;
/// What the kernel may hold that is not on its way: more would be delay that nobody sees.
const UNSENT_BYTES: u32 = 16 * 1024;
/// Packets up to this size (voice, reports, checks) may use the last quarter of a queue.
const SMALL_BYTES: usize = 400;
/// Connections that wait to be accepted by us.
const BACKLOG: i32 = 512;
/// How often idle connections are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

struct Connection {
    stream: TcpStream,
    path: Path,
    deframer: Deframer,
    /// Frames to send; those before `sent` have been.
    queue: Vec<u8>,
    sent: usize,
    opened: Instant,
    heard: Instant,
    proved: bool,
    /// It is on the list of those.
    readable: bool,
    dirty: bool,
}

pub(crate) struct TcpSide {
    listener: TcpListener,
    limits: TcpLimits,
    connections: Slab<Connection>,
    by_remote: FxHashMap<SocketAddr, usize>,
    per_address: FxHashMap<IpAddr, usize>,
    /// Unproved ones, oldest first, by their remote address; some are proved or gone by now.
    unproved: VecDeque<SocketAddr>,
    /// More may be there to accept.
    acceptable: bool,
    /// More may be there to read.
    readable: Vec<usize>,
    /// Something waits to be written.
    dirty: Vec<usize>,
    buffer: Vec<u8>,
    sweep_at: Instant,
    pub(crate) figures: TcpFigures,
}

impl TcpSide {
    pub(crate) fn bind(address: SocketAddr, limits: TcpLimits, now: Instant) -> io::Result<Self> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        // Connections of before a restart, that the kernel still remembers, must not keep the port.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        // Both are taken over by the connections. Without them it works, later.
        drop(socket.set_tcp_nodelay(true));
        #[cfg(target_os = "linux")]
        drop(socket.set_tcp_notsent_lowat(UNSENT_BYTES));
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self {
            listener: TcpListener::from_std(socket.into()),
            limits,
            connections: Slab::new(),
            by_remote: FxHashMap::default(),
            per_address: FxHashMap::default(),
            unproved: VecDeque::new(),
            acceptable: false,
            readable: Vec::new(),
            dirty: Vec::new(),
            buffer: vec![0; READ_BYTES],
            sweep_at: now,
            figures: TcpFigures::default(),
        })
    }

    pub(crate) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.listener, LISTENER, Interest::READABLE)
    }

    /// Notes what the poller has said.
    pub(crate) fn on_event(&mut self, event: &mio::event::Event) {
        if event.token() == LISTENER {
            self.acceptable = true;
            return;
        }
        let Some(index) = event.token().0.checked_sub(FIRST_CONNECTION) else { return };
        let Some(connection) = self.connections.get_mut(index) else { return };
        // An end or an error shows at the next read.
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            mark(&mut connection.readable, &mut self.readable, index);
        }
        if event.is_writable() && !connection.queue.is_empty() {
            mark(&mut connection.dirty, &mut self.dirty, index);
        }
    }

    /// Takes new connections and reads a piece of each that has something; true if more may be there.
    pub(crate) fn receive(&mut self, now: Instant, shard: &mut Shard, registry: &Registry) -> bool {
        let more = self.accept(now, shard, registry);
        for index in std::mem::take(&mut self.readable) {
            self.read(now, shard, index);
        }
        if now >= self.sweep_at {
            self.sweep_at = now + SWEEP_INTERVAL;
            self.sweep(now, shard);
        }
        more || !self.readable.is_empty()
    }

    fn accept(&mut self, now: Instant, shard: &mut Shard, registry: &Registry) -> bool {
        for _ in 0..ACCEPTS_MAX {
            if !self.acceptable {
                return false;
            }
            match self.listener.accept() {
                Ok((stream, remote)) => self.take(now, shard, registry, stream, canonical(remote)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.acceptable = false,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // No file descriptor is left. The next wake-up tries again.
                Err(_) => {
                    self.figures.accept_failed += 1;
                    return false;
                }
            }
        }
        self.acceptable
    }

    fn take(
        &mut self,
        now: Instant,
        shard: &mut Shard,
        registry: &Registry,
        mut stream: TcpStream,
        remote: SocketAddr,
    ) {
        let of_address = self.per_address.get(&prefix(remote.ip())).copied().unwrap_or(0);
        if self.connections.len() >= self.limits.connections_max || of_address >= self.limits.per_address_max {
            self.figures.refused += 1;
            return;
        }
        // Whoever comes from the same port again has given up the connection that it had.
        if let Some(earlier) = self.by_remote.get(&remote).copied() {
            self.close(shard, earlier);
        }
        while self.figures.unproved >= self.limits.unproved_max as u64 {
            let Some(oldest) = self.unproved.pop_front() else { break };
            if let Some(index) = self.by_remote.get(&oldest).copied().filter(|index| !self.connections[*index].proved) {
                self.figures.closed_unproved += 1;
                self.close(shard, index);
            }
        }
        let Ok(local) = stream.local_addr() else { return };
        let entry = self.connections.vacant_entry();
        let token = Token(FIRST_CONNECTION + entry.key());
        if registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_err() {
            self.figures.accept_failed += 1;
            return;
        }
        self.by_remote.insert(remote, entry.key());
        entry.insert(Connection {
            stream,
            path: Path::tcp(remote, canonical(local)),
            deframer: Deframer::default(),
            queue: Vec::new(),
            sent: 0,
            opened: now,
            heard: now,
            proved: false,
            readable: false,
            dirty: false,
        });
        *self.per_address.entry(prefix(remote.ip())).or_default() += 1;
        self.unproved.push_back(remote);
        self.figures.accepted += 1;
        self.figures.unproved += 1;
    }

    fn read(&mut self, now: Instant, shard: &mut Shard, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.readable = false;
        let read = match connection.stream.read(&mut self.buffer) {
            Ok(0) => return self.close(shard, index),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(_) => return self.close(shard, index),
        };
        let Connection { path, proved, heard, deframer, readable, .. } = connection;
        let (was_proved, mut is_strange) = (*proved, false);
        let figures = &mut self.figures;
        let taken = deframer.take(&self.buffer[..read], |frame| {
            *heard = now;
            figures.frames_received += 1;
            is_strange |= !*proved && frame[0] > 1;
            if !is_strange {
                shard.handle_datagram(now, *path, frame);
                *proved = *proved || shard.is_proved(*path);
            }
        });
        if *proved && !was_proved {
            figures.unproved -= 1;
        }
        if taken.is_err() {
            figures.closed_malformed += 1;
            self.close(shard, index);
        } else if is_strange {
            figures.closed_unproved += 1;
            self.close(shard, index);
        } else if read == self.buffer.len() || read == 0 {
            mark(readable, &mut self.readable, index); // less than was asked for is all that was there
        }
    }

    fn sweep(&mut self, now: Instant, shard: &mut Shard) {
        let Self { connections, limits, figures, .. } = self;
        let mut over = Vec::new();
        for (index, connection) in connections.iter() {
            if !connection.proved {
                if now.saturating_duration_since(connection.opened) >= limits.proof_max {
                    figures.closed_unproved += 1;
                    over.push(index);
                }
            } else if !shard.is_proved(connection.path)
                || now.saturating_duration_since(connection.heard) >= limits.idle_max
            {
                figures.closed_idle += 1;
                over.push(index);
            }
        }
        for index in over {
            self.close(shard, index);
        }
        let (connections, by_remote) = (&self.connections, &self.by_remote);
        self.unproved.retain(|remote| by_remote.get(remote).is_some_and(|index| !connections[*index].proved));
    }

    /// Queues a datagram for the connection to `remote`. One that finds no place is of no use later.
    pub(crate) fn send(&mut self, remote: SocketAddr, datagram: &[u8]) {
        let max = self.limits.queue_bytes_max;
        let max = if datagram.len() <= SMALL_BYTES { max } else { max / 4 * 3 };
        let connection =
            self.by_remote.get(&remote).and_then(|index| Some((*index, self.connections.get_mut(*index)?)));
        let queued = connection.is_some_and(|(index, connection)| {
            let waiting = connection.queue.len() - connection.sent;
            if waiting + framing::HEAD_BYTES + datagram.len() > max || !framing::put(datagram, &mut connection.queue) {
                return false;
            }
            if waiting == 0 {
                mark(&mut connection.dirty, &mut self.dirty, index);
            }
            true
        });
        if queued {
            self.figures.frames_sent += 1;
        } else {
            self.figures.send_dropped += 1;
        }
    }

    /// Writes what the kernel takes now; the rest waits for its word.
    pub(crate) fn flush(&mut self, shard: &mut Shard) {
        for index in std::mem::take(&mut self.dirty) {
            let Some(connection) = self.connections.get_mut(index) else { continue };
            connection.dirty = false;
            if connection.write().is_err() {
                self.close(shard, index);
            }
        }
    }

    pub(crate) fn figures(&self) -> TcpFigures {
        TcpFigures { connections: self.connections.len() as u64, ..self.figures }
    }

    fn close(&mut self, shard: &mut Shard, index: usize) {
        let Some(connection) = self.connections.try_remove(index) else { return };
        shard.disconnected(connection.path);
        let remote = connection.path.remote;
        if !connection.proved {
            self.figures.unproved -= 1;
        }
        if self.by_remote.get(&remote) == Some(&index) {
            self.by_remote.remove(&remote);
        }
        if let Some(count) = self.per_address.get_mut(&prefix(remote.ip())) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&prefix(remote.ip()));
            }
        }
    }
}

/// Puts a connection on a list, once. One that is closed meanwhile stays on it: a later one of its index is looked at in
/// vain.
fn mark(is_on: &mut bool, list: &mut Vec<usize>, index: usize) {
    if !std::mem::replace(is_on, true) {
        list.push(index);
    }
}

impl Connection {
    fn write(&mut self) -> io::Result<()> {
        while self.sent < self.queue.len() {
            match self.stream.write(&self.queue[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.queue.drain(..self.sent);
        self.sent = 0;
        Ok(())
    }
}

/// An address as clients know it: one IPv4 address has one form, whichever socket it came by.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// What counts as one remote address.
fn prefix(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        ip @ IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_host_counts_as_one_address_and_ipv4_has_one_form() {
        let of = |text: &str| prefix(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(canonical("[::ffff:192.0.2.1]:5".parse().unwrap()), "192.0.2.1:5".parse().unwrap());
    }
}
