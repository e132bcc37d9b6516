//! How the rest of the program speaks to the shards.

use crate::load::{self, Overloaded};
use crate::metrics::{Published, SfuCollector};
use crate::ports::{self, Advertised};
use crate::tcp::TcpLimits;
use crate::worker::{Command, Worker};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use tertulia_common::{PeerId, RoomId, ShardId};
use tertulia_sfu_core::{ConnectError, Connected, Event, Limits, PeerConfig, Source, Want};
use tokio::sync::{mpsc, oneshot};

/// How the unit listens, and what it may hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads, each with its own port; 0: one a core.
    pub shards: usize,
    /// The address to bind.
    pub bind: IpAddr,
    /// The first shard's port, the others take those after it; 0: any that are free.
    pub port: u16,
    /// The addresses that clients are told. Empty: the bound one.
    pub advertise: Vec<Advertised>,
    /// Clients may connect by TCP, to the same port numbers, where their network lets no UDP through; within these
    /// limits of each shard.
    pub tcp: Option<TcpLimits>,
    /// What a receiver is taken to bear before its feedback says more, bits a second.
    pub estimate_initial_bps: u64,
    /// Of each shard.
    pub limits: Limits,
}

impl Default for Config {
    /// Loopback, any port, a shard a core.
    fn default() -> Self {
        Self {
            shards: 0,
            bind: IpAddr::from([127, 0, 0, 1]),
            port: 0,
            advertise: Vec::new(),
            tcp: Some(TcpLimits::default()),
            estimate_initial_bps: 2_500_000,
            limits: Limits::default(),
        }
    }
}

/// Why the unit could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port could not be bound.
    #[error(
        "media port {address} ({protocol}) can't be bound: {source}. `media.port` chooses another; without \
         `media.tcp` only UDP is bound"
    )]
    Bind {
        /// What was to be bound.
        address: SocketAddr,
        /// For what.
        protocol: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// No address to tell clients: bound to all of them, and none was configured.
    #[error("bound to every address ({0}): say in `media.advertise` which of them clients are told")]
    NoAddress(IpAddr),
    /// The crypto library made no certificate.
    #[error("no DTLS certificate could be made")]
    Certificate,
    /// A thread or its poller could not be made.
    #[error("media thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Events that wait for the rest of the program. Beyond it the shards hold back: what they hold is bounded by their peers.
const EVENTS_MAX: usize = 4_096;
/// Offers that wait for a shard. An offer takes half a millisecond: this is a second's work.
const OFFERS_WAITING_MAX: usize = 1_024;
/// Views that wait for a shard, each of a kilobyte or two. A view takes some microseconds: this is a moment's work, and
/// more would only be older.
const VIEWS_WAITING_MAX: usize = 1_024;

struct Shard {
    commands: mpsc::UnboundedSender<Command>,
    /// Places in the queue of offers. They and views are the only commands that clients can make at will.
    offers: Arc<tokio::sync::Semaphore>,
    /// Places in the queue of views.
    views: Arc<tokio::sync::Semaphore>,
    waker: mio::Waker,
    published: Arc<Published>,
    address: SocketAddr,
}

impl Shard {
    fn send(&self, command: Command) -> bool {
        let sent = self.commands.send(command).is_ok();
        sent && self.waker.wake().is_ok()
    }
}

struct Inner {
    shards: Vec<Shard>,
    wants_max: usize,
    busy_rooms_max_percent: u8,
    threads: parking_lot::Mutex<Vec<JoinHandle<()>>>,
}

/// The running unit. Clones speak to the same one.
#[derive(Clone)]
pub struct Sfu {
    inner: Arc<Inner>,
}

/// How many shards there are where so many are configured (0: one a core).
#[must_use]
pub fn shard_count(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        shards => shards,
    }
}

/// Binds the ports and starts the threads.
///
/// # Errors
/// If a port is taken, or nothing is there to tell clients.
pub fn start(config: Config) -> Result<(Sfu, mpsc::Receiver<Event>), StartError> {
    let count = shard_count(config.shards);
    if config.advertise.is_empty() && config.bind.is_unspecified() {
        return Err(StartError::NoAddress(config.bind));
    }
    let crypto = Arc::new(str0m::crypto::from_feature_flags());
    let certificate = crypto.dtls_provider.generate_certificate().ok_or(StartError::Certificate)?;
    let (events, receiver) = mpsc::channel(EVENTS_MAX);
    let (mut shards, mut threads) = (Vec::new(), Vec::new());
    for index in 0..u16::try_from(count).unwrap_or(u16::MAX) {
        let port = if config.port == 0 { 0 } else { config.port.saturating_add(index) };
        let address = SocketAddr::new(config.bind, port);
        let (socket, tcp, bound) = ports::bind(address, config.tcp.as_ref(), Instant::now())?;
        let told = if config.advertise.is_empty() { vec![config.bind.into()] } else { config.advertise.clone() };
        let peers = PeerConfig {
            certificate: certificate.clone(),
            candidates: told.iter().map(|told| told.at(bound.port())).collect(),
            tcp: tcp.is_some(),
            crypto: Arc::clone(&crypto),
            estimate_initial_bps: config.estimate_initial_bps,
        };
        let core = tertulia_sfu_core::Shard::new(ShardId(index), peers, config.limits.clone(), Instant::now());
        let (commands, queue) = mpsc::unbounded_channel();
        let published = Arc::new(Published::default());
        let (worker, waker) = Worker::new(core, socket, tcp, queue, events.clone(), Arc::clone(&published))?;
        threads.push(std::thread::Builder::new().name(format!("sfu-{index}")).spawn(move || worker.run())?);
        let offers = Arc::new(tokio::sync::Semaphore::new(OFFERS_WAITING_MAX));
        let views = Arc::new(tokio::sync::Semaphore::new(VIEWS_WAITING_MAX));
        shards.push(Shard { commands, offers, views, waker, published, address: bound });
    }
    let (wants_max, busy_rooms_max_percent) = (config.limits.view_wants_max, config.limits.busy_rooms_max_percent);
    let threads = parking_lot::Mutex::new(threads);
    Ok((Sfu { inner: Arc::new(Inner { shards, wants_max, busy_rooms_max_percent, threads }) }, receiver))
}

impl Sfu {
    /// Where the shards listen, in their order.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.inner.shards.iter().map(|shard| shard.address).collect()
    }

    /// Whether every shard's thread runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let threads = self.inner.threads.lock();
        threads.len() == self.inner.shards.len() && threads.iter().all(|thread| !thread.is_finished())
    }

    /// The shard for a new room, which counts as its from here on. Rooms are packed: a shard that is awake works cheaper than one
    /// that is woken, so the first shard with time to spare takes it; where none has, the least busy one.
    ///
    /// # Errors
    /// If every shard is too busy for another room. Rooms in progress go on; it may be asked again in some seconds.
    pub fn place(&self) -> Result<ShardId, Overloaded> {
        let now = Instant::now();
        let shards = &self.inner.shards;
        let busy: Vec<f64> = shards.iter().map(|shard| shard.published.busy_percent(now)).collect();
        let chosen = load::choose(&busy, self.inner.busy_rooms_max_percent);
        match chosen {
            Ok(index) => shards.get(index).iter().for_each(|shard| shard.published.promise_room(now)),
            Err(_) => shards.first().iter().for_each(|shard| shard.published.refuse_room()),
        }
        chosen.map(|index| ShardId(u16::try_from(index).unwrap_or(0)))
    }

    /// The shard for a new room, however busy: for rooms that must not be refused, as those of calls that a restart has kept.
    #[must_use]
    pub fn least_loaded(&self) -> ShardId {
        let now = Instant::now();
        let busy: Vec<f64> = self.inner.shards.iter().map(|shard| shard.published.busy_percent(now)).collect();
        let index = load::least(&busy);
        if let Some(shard) = self.inner.shards.get(index) {
            shard.published.promise_room(now);
        }
        ShardId(u16::try_from(index).unwrap_or(0))
    }

    /// Accepts an offer: makes the peer (not forwarded before [`Self::admit`]), or, for one that is there, restarts ICE
    /// or adds lines.
    ///
    /// # Errors
    /// If the offer can't be used, a limit is reached, its shard is too busy for anyone new, or the unit is stopping.
    pub async fn connect(
        &self,
        shard: ShardId,
        room: RoomId,
        peer: PeerId,
        offer: String,
    ) -> Result<Connected, ConnectError> {
        let shard = self.shard(shard).ok_or(ConnectError::Stopping)?;
        let place = Arc::clone(&shard.offers).try_acquire_owned();
        let place = place.map_err(|_| ConnectError::Full { what: "offers waiting", limit: OFFERS_WAITING_MAX })?;
        let (reply, answer) = oneshot::channel();
        if !shard.send(Command::Connect { room, peer, offer, reply, place }) {
            return Err(ConnectError::Stopping);
        }
        answer.await.unwrap_or(Err(ConnectError::Stopping))
    }

    /// Lets the peer's media flow, to and from the others that are admitted.
    pub fn admit(&self, shard: ShardId, _room: RoomId, peer: PeerId) {
        self.send(shard, Command::Admit { peer });
    }

    /// Stops the peer's media, to and from the others, until it is admitted again. Its connection stays up.
    pub fn hold(&self, shard: ShardId, _room: RoomId, peer: PeerId) {
        self.send(shard, Command::Hold { peer });
    }

    /// Says what the peer shows, the most important first: from here on its slots for pictures carry that and nothing else.
    /// Publishers who are not there are passed over, and shown when they come. A new connection of the peer's begins without
    /// a view. False if too many views wait for the shard (they are counted): then nothing has changed, and it can be said
    /// again.
    #[must_use]
    pub fn view(&self, shard: ShardId, room: RoomId, peer: PeerId, mut wants: Vec<Want>) -> bool {
        let Some(shard) = self.shard(shard) else { return false };
        let Ok(place) = Arc::clone(&shard.views).try_acquire_owned() else {
            shard.published.refuse_view();
            return false;
        };
        // One more than the shard takes, so that it counts them.
        wants.truncate(self.inner.wants_max.saturating_add(1));
        wants.shrink_to_fit();
        shard.send(Command::View { room, peer, wants, place: Some(place) })
    }

    /// What a peer shows, as it has said before, with those who have come since: never refused.
    pub fn view_again(&self, shard: ShardId, room: RoomId, peer: PeerId, wants: Vec<Want>) {
        self.send(shard, Command::View { room, peer, wants, place: None });
    }

    /// Forgets what is kept of a source's pictures for those who come late: its publisher has turned it off. What comes of it
    /// afterwards is kept again. Without this word it is forgotten a second after the last packet.
    pub fn forget_pictures(&self, shard: ShardId, _room: RoomId, peer: PeerId, source: Source) {
        self.send(shard, Command::ForgetPictures { peer, source });
    }

    /// Forgets the peer.
    pub fn remove(&self, shard: ShardId, _room: RoomId, peer: PeerId) {
        self.send(shard, Command::Remove { peer });
    }

    /// Forgets the room and everyone in it.
    pub fn close_room(&self, shard: ShardId, room: RoomId) {
        self.send(shard, Command::CloseRoom { room });
    }

    /// Adds the unit's figures to the metrics.
    pub fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        let shard = |shard: &Shard| (shard.address.port(), Arc::clone(&shard.published));
        let shards = self.inner.shards.iter().map(shard).collect();
        registry.register_collector(Box::new(SfuCollector::new(shards)));
    }

    /// Ends the threads. What they still had to send is sent.
    pub async fn stop(self) {
        for shard in &self.inner.shards {
            shard.send(Command::Stop);
        }
        let threads = std::mem::take(&mut *self.inner.threads.lock());
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
        drop(joined.await);
    }

    fn shard(&self, shard: ShardId) -> Option<&Shard> {
        self.inner.shards.get(usize::from(shard.0))
    }

    fn send(&self, shard: ShardId, command: Command) {
        if let Some(shard) = self.shard(shard) {
            shard.send(command);
        }
    }
}
