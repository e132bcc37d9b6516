//! What clients can make a shard hold, each with what raising or lowering it costs.

use crate::guard::Rate;
use std::time::Duration;

/// The limits of one shard. Every one that refuses or drops something has a counter in [`Counters`](crate::Counters).
#[derive(Clone, Debug)]
pub struct Limits {
    /// Rooms. A room is some hundred bytes; the limit is there so that a flood of calls is refused, not stored.
    pub rooms_max: usize,
    /// Peers. Each is 60 KiB before media, 200 to 400 KiB with it: lower it on small machines.
    pub peers_max: usize,
    /// How busy the shard's thread may be, in per cent of its time, before new rooms are refused, and before those who would come into
    /// rooms in progress are. Who is there goes on. Above 80 packets begin to wait for each other; the second is higher, so that
    /// rooms in progress can fill. 100: nobody is refused for that.
    pub busy_rooms_max_percent: u8,
    /// See [`Self::busy_rooms_max_percent`].
    pub busy_joins_max_percent: u8,
    /// Peers of one room. Forwarding grows with its square where all publish.
    pub room_peers_max: usize,
    /// Bytes of an SDP offer. A browser's with 30 lines has 40 KiB.
    pub offer_bytes_max: usize,
    /// Lines (`m=`) of an offer: 3 that send and 28 that receive. Every line costs at each wake-up of its peer.
    pub offer_lines_max: usize,
    /// Pictures that one client may say it shows. Each is 24 bytes, and is looked up whenever someone comes or goes.
    pub view_wants_max: usize,
    /// Bytes of key frames that are kept of one track, for a few seconds each, to be shown to those who come late. One of 720p
    /// takes 30 to 100 KiB, one of a screen more. Lower leaves large ones out: they are waited for.
    pub kept_track_bytes_max: usize,
    /// Bytes of key frames that are kept of all tracks.
    pub kept_bytes_max: usize,
    /// Bits a second that one peer may publish; packets above it are dropped. Screens at 4K need 8 Mbit/s.
    pub publish_bitrate_max_bps: u64,
    /// Far ends from which one peer is heard. Each was shown by an authenticated STUN request; browsers use up to 4 by
    /// UDP, and open a TCP connection to each address that they are told.
    pub peer_addresses_max: usize,
    /// Nothing heard for this long: the peer is down. Browsers check a stable path every 2.5 s, so below 5 s one lost
    /// check would do.
    pub peer_silence_max: Duration,
    /// Nothing heard for this long: the peer is over. Must outlast the call's own grace time.
    pub peer_gone_after: Duration,
    /// A peer that has not connected within this time is over.
    pub peer_connect_max: Duration,
    /// New addresses from which one peer may come. The stack remembers each for as long as the peer lives.
    pub peer_addresses: Rate,
    /// Requests with a peer's user name that are not signed with its password: signatures computed in vain for one peer,
    /// for one remote address (of IPv6: one /64), and in all. Each costs two microseconds.
    pub unsigned_per_peer: Rate,
    /// See [`Self::unsigned_per_peer`].
    pub unsigned_per_address: Rate,
    /// See [`Self::unsigned_per_peer`].
    pub unsigned_per_shard: Rate,
    /// Packets with a peer's SSRC, from no address of its own, that are forged: decrypted in vain for one peer, for one
    /// remote address, and in all. Each costs some ten microseconds; higher lets a flood cost more, lower lets it keep a
    /// peer's media from a new address out until that address is proved.
    pub forged_per_peer: Rate,
    /// See [`Self::forged_per_peer`].
    pub forged_per_address: Rate,
    /// See [`Self::forged_per_peer`].
    pub forged_per_shard: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rooms_max: 4_000,
            peers_max: 8_000,
            busy_rooms_max_percent: 75,
            busy_joins_max_percent: 90,
            room_peers_max: 512,
            offer_bytes_max: 64 * 1024,
            offer_lines_max: 31,
            view_wants_max: 64,
            kept_track_bytes_max: 1024 * 1024,
            kept_bytes_max: 64 * 1024 * 1024,
            publish_bitrate_max_bps: 12_000_000,
            peer_addresses_max: 24,
            peer_silence_max: Duration::from_secs(6),
            peer_gone_after: Duration::from_secs(60),
            peer_connect_max: Duration::from_secs(90),
            peer_addresses: Rate { burst: 60, per_s: 1 },
            unsigned_per_peer: Rate { burst: 20, per_s: 20 },
            unsigned_per_address: Rate { burst: 50, per_s: 50 },
            unsigned_per_shard: Rate { burst: 1_000, per_s: 1_000 },
            forged_per_peer: Rate { burst: 50, per_s: 50 },
            forged_per_address: Rate { burst: 100, per_s: 100 },
            forged_per_shard: Rate { burst: 500, per_s: 500 },
        }
    }
}
