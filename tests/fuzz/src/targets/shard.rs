//! A shard in virtual time, for the targets that speak to one.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use str0m::config::CryptoProvider;
use tertulia_common::{PeerId, RoomId, ShardId};
use tertulia_sfu_core::{ConnectError, Connected, Limits, Path, PeerConfig, Shard, Transmit};

/// Where the shard listens.
pub(super) const SERVER: ([u8; 4], u16) = ([127, 0, 0, 1], 5_000);
/// The one room.
const ROOM: RoomId = RoomId(1);
/// Turns of a shard that is left alone for a while: time-outs, retransmissions.
const IDLE_TURNS: usize = 8;

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Making a certificate costs more than all the rest.
static PEERS: LazyLock<PeerConfig> = LazyLock::new(|| {
    let crypto = Arc::new(str0m::crypto::from_feature_flags());
    let certificate = crypto.dtls_provider.generate_certificate();
    let Some(certificate) = certificate else { panic!("no certificate could be made") };
    PeerConfig {
        certificate,
        candidates: vec![SocketAddr::from(SERVER).into()],
        tcp: true,
        crypto,
        estimate_initial_bps: 1_000_000,
    }
});

/// The beginning of virtual time.
pub(super) fn epoch() -> Instant {
    *EPOCH
}

/// A shard and its clock.
pub(super) struct Desk {
    pub(super) shard: Shard,
    pub(super) now: Instant,
    /// What the shard has sent since it was last looked at.
    pub(super) sent: Vec<Transmit>,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self::with_crypto(Arc::clone(&PEERS.crypto))
    }

    pub(super) fn with_crypto(crypto: Arc<CryptoProvider>) -> Self {
        let now = epoch();
        let config = PeerConfig { crypto, ..PEERS.clone() };
        Self { shard: Shard::new(ShardId(0), config, Limits::default(), now), now, sent: Vec::new() }
    }

    /// Hands in an offer, with credentials that depend on `peer` alone.
    pub(super) fn connect(&mut self, peer: u8, offer: &str) -> Result<Connected, ConnectError> {
        let id = PeerId(u64::from(peer));
        let connected = self.shard.connect(self.now, ROOM, id, offer, [peer; 24]);
        self.shard.admit(self.now, id);
        self.settle();
        connected
    }

    /// Hands in a datagram, or a frame of a TCP connection.
    pub(super) fn receive(&mut self, path: Path, datagram: &[u8]) {
        self.shard.handle_datagram(self.now, path, datagram);
        self.settle();
    }

    /// Lets time pass.
    pub(super) fn idle(&mut self) {
        for _ in 0..IDLE_TURNS {
            self.now = self.shard.poll_timeout().clamp(self.now, self.now + Duration::from_secs(1));
            self.shard.handle_timeout(self.now);
            self.settle();
            self.sent.clear();
        }
    }

    pub(super) fn settle(&mut self) {
        self.shard.flush(self.now);
        self.sent.extend(std::iter::from_fn(|| self.shard.poll_transmit()));
        while self.shard.poll_event().is_some() {}
        // Contained, it costs one peer only; but nothing that a peer sends should bring one about.
        assert_eq!(self.shard.counters().panics, 0, "a peer's stack has panicked");
    }
}
