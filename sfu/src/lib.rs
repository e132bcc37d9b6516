//! The I/O shell of the forwarding unit: a thread a shard, each with a UDP port of its own, and the TCP port of the same
//! number for clients whose network lets no UDP through.
//!
//! The shards themselves ([`tertulia_sfu_core::Shard`]) decide everything; here are the sockets, the clock, the queues
//! and the figures. A thread receives what is there (recvmmsg, GRO), hands it in, lets every peer concerned speak once,
//! and sends each peer's datagrams as one (GSO). It never sleeps to fill a batch.

mod framing;
mod handle;
mod load;
mod metrics;
mod ports;
mod socket;
mod tcp;
mod worker;

#[doc(hidden)]
pub mod fuzzing {
    //! What the fuzz targets reach of this crate. Nothing else uses it.

    pub use crate::framing::fuzz as frames;
}

pub use handle::{Config, Sfu, StartError, shard_count, start};
pub use load::Overloaded;
pub use ports::{Advertised, AdvertisedError};
pub use tcp::TcpLimits;
pub use tertulia_sfu_core::{
    ConnectError, Connected, Event, FULL_HEIGHT, GoneReason, Limits, PeerQuality, SlotState, Source, TrackQuality, Want,
};
