//! A shard's thread: receive, hand in, flush, send, sleep.

use crate::load::{self, Meter};
use crate::metrics::Published;
use crate::socket::BatchSocket;
use crate::tcp::TcpSide;
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tertulia_common::{PeerId, RoomId};
use tertulia_sfu_core::{ConnectError, Connected, Event, Path, Protocol, Shard, Source, Want};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

const SOCKET: Token = Token(0);
const COMMANDS: Token = Token(1);

/// Receive calls of one wake-up: bounds how long the senders wait for what has come in.
const RECEIVES_MAX: usize = 8;
/// Rounds of receiving and sending in one wake-up: a flood that fills the socket faster than it is emptied must not keep
/// the commands, the figures and the poller waiting.
const ROUNDS_MAX: usize = 8;
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
    View {
        room: RoomId,
        peer: PeerId,
        wants: Vec<Want>,
        /// Its place in the queue, free again when this is dropped; none where the server says it by itself.
        place: Option<OwnedSemaphorePermit>,
    },
    ForgetPictures {
        peer: PeerId,
        source: Source,
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
    tcp: Option<TcpSide>,
    /// Where the socket is bound.
    bound: SocketAddr,
    poll: Poll,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Event>,
    /// Events that found no place in the queue.
    waiting: VecDeque<Event>,
    published: Arc<Published>,
    publish_at: Instant,
    /// Begun with the thread.
    meter: Option<Meter>,
    /// The last turn ended with more to receive.
    unread: bool,
}

impl Worker {
    pub(crate) fn new(
        shard: Shard,
        mut socket: BatchSocket,
        mut tcp: Option<TcpSide>,
        commands: mpsc::UnboundedReceiver<Command>,
        events: mpsc::Sender<Event>,
        published: Arc<Published>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        poll.registry().register(socket.source(), SOCKET, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), COMMANDS)?;
        if let Some(tcp) = &mut tcp {
            tcp.register(poll.registry())?;
        }
        let bound = socket.local_addr()?;
        let (waiting, publish_at) = (VecDeque::new(), Instant::now());
        Ok((
            Self {
                shard,
                socket,
                tcp,
                bound,
                poll,
                commands,
                events,
                waiting,
                published,
                publish_at,
                meter: None,
                unread: false,
            },
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
            if let Some(tcp) = &mut self.tcp {
                ready.iter().for_each(|event| tcp.on_event(event));
            }
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
        // More may be there than one round takes: the socket is read until it is empty, with sends in between.
        for _ in 0..ROUNDS_MAX {
            let mut more = self.receive(now);
            if let Some(tcp) = &mut self.tcp {
                more |= tcp.receive(now, &mut self.shard, self.poll.registry());
            }
            self.shard.handle_timeout(now);
            self.shard.flush(now);
            self.transmit();
            self.hand_out_events();
            self.unread = more;
            if !more {
                break;
            }
            now = Instant::now();
        }
        if now >= self.publish_at {
            self.publish_at = now + PUBLISH_INTERVAL;
            let tcp = self.tcp.as_ref().map(TcpSide::figures).unwrap_or_default();
            let busy_percent = self.measure(now);
            self.shard.set_busy(load::whole(busy_percent));
            self.published.publish(self.shard.counters(), self.socket.figures, tcp, busy_percent);
        }
        go_on
    }

    /// How busy this thread is. Where the kernel does not tell what it has computed, its turns are taken for that.
    fn measure(&mut self, now: Instant) -> f64 {
        let computed = load::thread_time().unwrap_or_else(|| self.published.turn_time());
        self.meter.get_or_insert_with(|| Meter::new(now, computed)).measure(now, computed)
    }

    fn timeout(&self, now: Instant) -> Duration {
        let retry = if self.waiting.is_empty() { self.publish_at } else { now + EVENT_RETRY };
        // Commands may be left over from a turn that had enough of them.
        let left = if self.commands.is_empty() && !self.unread { retry } else { now };
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
                Ok(Command::View { room, peer, wants, place }) => {
                    drop(place);
                    self.shard.view(now, room, peer, &wants);
                }
                Ok(Command::ForgetPictures { peer, source }) => self.shard.forget_pictures(peer, source),
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
        let Self { shard, socket, bound, .. } = self;
        for _ in 0..RECEIVES_MAX {
            let received = socket.receive(|source, local_ip, datagram| {
                let local = local_ip.map_or(*bound, |ip| SocketAddr::new(ip, bound.port()));
                shard.handle_datagram(now, Path::udp(source, local), datagram);
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
            if transmit.proto == Protocol::Udp {
                let local = Some(transmit.source.ip()).filter(|ip| !ip.is_unspecified());
                self.socket.send(local, transmit.destination, &transmit.contents);
            } else if let Some(tcp) = &mut self.tcp {
                tcp.send(transmit.destination, &transmit.contents);
            }
        }
        self.socket.flush();
        if let Some(tcp) = &mut self.tcp {
            tcp.flush(&mut self.shard);
        }
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
