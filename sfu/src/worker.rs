//! A shard's thread: receive, hand in, flush, send, sleep.

use crate::metrics::Published;
use crate::socket::BatchSocket;
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tertulia_common::{PeerId, RoomId};
use tertulia_sfu_core::{ConnectError, Connected, Event, Path, Shard};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

const SOCKET: Token = Token(0);
const COMMANDS: Token = Token(1);

/// Receive calls of one wake-up: bounds how long the senders wait for what has come in.
const RECEIVES_MAX: usize = 8;
/// Commands of one wake-up, so that a storm of joins does not starve the media.
const COMMANDS_MAX: usize = 16;
/// How often figures are published.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(500);
/// How soon events that found no place are tried again.
const EVENT_RETRY: Duration = Duration::from_millis(5);

/// What the rest of the program asks of a shard.
pub(crate) enum Command {
    Connect {
        room: RoomId,
        peer: PeerId,
        offer: String,
        reply: oneshot::Sender<Result<Connected, ConnectError>>,
        /// Its place in the queue, free again when this is dropped.
        place: OwnedSemaphorePermit,
    },
    Admit {
        peer: PeerId,
    },
    Hold {
        peer: PeerId,
    },
    Remove {
        peer: PeerId,
    },
    CloseRoom {
        room: RoomId,
    },
    Stop,
}

pub(crate) struct Worker {
    shard: Shard,
    socket: BatchSocket,
    /// Addresses that clients are told, and our port.
    advertised: Vec<IpAddr>,
    port: u16,
    poll: Poll,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Event>,
    /// Events that found no place in the queue.
    waiting: VecDeque<Event>,
    published: Arc<Published>,
    publish_at: Instant,
    /// For each address of ours that a client reached, under which it knows us, if that is another.
    local_ips: Vec<(IpAddr, IpAddr)>,
}

impl Worker {
    pub(crate) fn new(
        shard: Shard,
        mut socket: BatchSocket,
        advertised: Vec<IpAddr>,
        commands: mpsc::UnboundedReceiver<Command>,
        events: mpsc::Sender<Event>,
        published: Arc<Published>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        poll.registry().register(socket.source(), SOCKET, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), COMMANDS)?;
        let port = socket.local_addr()?.port();
        let (waiting, local_ips) = (VecDeque::new(), Vec::new());
        let publish_at = Instant::now();
        Ok((
            Self { shard, socket, advertised, port, poll, commands, events, waiting, published, publish_at, local_ips },
            waker,
        ))
    }

    pub(crate) fn run(mut self) {
        let mut ready = Events::with_capacity(16);
        loop {
            let timeout = self.timeout(Instant::now());
            match self.poll.poll(&mut ready, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "a media thread can't wait for its socket: it ends");
                    return;
                }
            }
            let began = Instant::now();
            let go_on = self.turn(began);
            self.published.add_turn(began.elapsed());
            if !go_on {
                return;
            }
        }
    }

    /// One wake-up. False when it was told to stop.
    fn turn(&mut self, began: Instant) -> bool {
        let go_on = self.take_commands(began);
        let mut now = began;
        // More may be there than one turn takes: the socket is read until it is empty, with sends in between.
        loop {
            let more = self.receive(now);
            self.shard.handle_timeout(now);
            self.shard.flush(now);
            self.transmit();
            self.hand_out_events();
            if !more {
                break;
            }
            now = Instant::now();
        }
        if now >= self.publish_at {
            self.publish_at = now + PUBLISH_INTERVAL;
            self.published.publish(self.shard.counters(), self.socket.figures);
        }
        go_on
    }

    fn timeout(&self, now: Instant) -> Duration {
        let retry = if self.waiting.is_empty() { self.publish_at } else { now + EVENT_RETRY };
        // Commands may be left over from a turn that had enough of them.
        let left = if self.commands.is_empty() { retry } else { now };
        self.shard.poll_timeout().min(left).saturating_duration_since(now)
    }

    fn take_commands(&mut self, now: Instant) -> bool {
        for _ in 0..COMMANDS_MAX {
            match self.commands.try_recv() {
                Ok(Command::Connect { room, peer, offer, reply, place }) => {
                    let mut random = [0; 24];
                    let connected = match getrandom::fill(&mut random) {
                        Ok(()) => self.shard.connect(now, room, peer, &offer, random),
                        Err(_) => Err(ConnectError::Stopping),
                    };
                    drop(place);
                    // Whoever asked may have gone: the peer then ends with its call.
                    drop(reply.send(connected));
                }
                Ok(Command::Admit { peer }) => self.shard.admit(now, peer),
                Ok(Command::Hold { peer }) => self.shard.hold(now, peer),
                Ok(Command::Remove { peer }) => self.shard.remove(now, peer),
                Ok(Command::CloseRoom { room }) => self.shard.close_room(now, room),
                Ok(Command::Stop) | Err(mpsc::error::TryRecvError::Disconnected) => return false,
                Err(mpsc::error::TryRecvError::Empty) => return true,
            }
        }
        true
    }

    /// Hands in what has arrived; true if more may be there.
    fn receive(&mut self, now: Instant) -> bool {
        let Self { shard, socket, advertised, port, local_ips, .. } = self;
        for _ in 0..RECEIVES_MAX {
            let received = socket.receive(|source, local_ip, datagram| {
                let destination = SocketAddr::new(candidate_ip(local_ip, advertised, local_ips), *port);
                shard.handle_datagram(now, Path::udp(source, destination), datagram);
            });
            match received {
                Ok(true) => {}
                Ok(false) => return false,
                // ICMP errors of other people's ports come up here; the next call goes on.
                Err(error) => tracing::debug!(%error, "receive"),
            }
        }
        true
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.shard.poll_transmit() {
            let candidate = transmit.source.ip();
            let local = self.local_ips.iter().find(|(_, known_as)| *known_as == candidate).map(|(local, _)| *local);
            self.socket.send(local, transmit.destination, &transmit.contents);
        }
        self.socket.flush();
    }

    fn hand_out_events(&mut self) {
        while let Some(event) = self.shard.poll_event() {
            // Figures are worth nothing later; everything else is, and there is a bounded number of it for each peer.
            if self.waiting.is_empty() || !matches!(event, Event::Quality { .. }) {
                self.waiting.push_back(event);
            }
        }
        while let Some(event) = self.waiting.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    return;
                }
                Err(TrySendError::Closed(_)) => self.waiting.clear(),
            }
        }
    }
}

/// Which of our candidates a datagram came to: behind a NAT the address on the wire is not the one that clients know.
fn candidate_ip(local: Option<IpAddr>, advertised: &[IpAddr], local_ips: &mut Vec<(IpAddr, IpAddr)>) -> IpAddr {
    let first = advertised.first().copied().unwrap_or(IpAddr::from([127, 0, 0, 1]));
    let Some(local) = local.map(|ip| ip.to_canonical()) else { return first };
    if let Some((_, known_as)) = local_ips.iter().find(|(ip, _)| *ip == local) {
        return *known_as;
    }
    let same_family = || advertised.iter().find(|ip| ip.is_ipv4() == local.is_ipv4());
    let known_as = advertised.iter().find(|ip| **ip == local).or_else(same_family).copied().unwrap_or(first);
    local_ips.push((local, known_as));
    known_as
}
