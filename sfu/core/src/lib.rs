//! The selective forwarding unit, sans-IO.
//!
//! A [`Shard`] owns rooms and the peers in them; one thread drives one shard. Every input carries `now`; ids and random
//! bits are arguments. The contract, for the driver:
//!
//! 1. Hand in what happened: [`Shard::handle_datagram`], the commands ([`Shard::connect`], [`Shard::admit`], …) and, when
//!    [`Shard::poll_timeout`] is due, [`Shard::handle_timeout`]. As many inputs as one wake-up brings.
//! 2. Call [`Shard::flush`] once: every peer that has something to say says it, all datagrams of one peer in a row, so
//!    that the driver can hand them to the kernel as one.
//! 3. Take the events from [`Shard::poll_event`], sleep until [`Shard::poll_timeout`].
//!
//! Whose a datagram is: see [`Path`] for what the driver says of it. One from a far end that a peer has proved is that
//! peer's; a STUN request leads to the peer that its user name names, and has to be signed; media from anywhere else is
//! tried at the one peer that owns its SSRC, and moves nothing. What strangers may cost is bounded and counted.
//!
//! Forwarding (RFC 7667 §3.7): a publisher's track is mapped onto a slot of each subscriber. A slot keeps its SSRC for
//! life; sequence numbers, timestamps, VP8 picture ids and numbers of frames continue when it changes its source. Payloads are
//! shared. Whoever begins to look at a picture is shown the newest key frame, which is kept for some seconds. Of a source that
//! comes in several layers, or as one stream of them, a slot takes what its picture is drawn at and its receiver can take.
//!
//! Whoever is new is refused while the driver says that its thread is too busy ([`Shard::set_busy`]); who is there goes on.
//!
//! A peer's fault, a panic inside its WebRTC stack included, ends that peer and nothing else.

mod bitrate;
mod demux;
mod descriptor;
mod error;
mod event;
mod forward;
mod guard;
mod kept;
mod keyframe;
mod limits;
mod offer;
mod owners;
mod path;
mod peer;
mod quality;
mod room;
mod shard;
mod share;
mod speakers;
mod sync;
mod timer;
mod view;

#[doc(hidden)]
pub mod fuzzing {
    //! What the fuzz targets reach of this crate. Nothing else uses it.

    pub use crate::descriptor::fuzz as descriptor;
    pub use crate::forward::fuzzing::forward;
}

pub use error::ConnectError;
pub use event::{Connected, Event, GoneReason, PeerQuality, SlotState, Source, TrackQuality};
pub use guard::Rate;
pub use limits::Limits;
pub use path::{Path, Told};
pub use peer::PeerConfig;
pub use quality::Counters;
pub use shard::{Randomness, Shard};
pub use view::{FULL_HEIGHT, Want};

/// What a datagram travels by.
pub use str0m::net::Protocol;
/// A datagram to send, as str0m makes it; `source` is the address of ours at which its peer was heard.
pub use str0m::net::Transmit;
