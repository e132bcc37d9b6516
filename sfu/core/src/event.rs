//! What a shard tells its driver, and the values in it.

use tertulia_common::{PeerId, RoomId};

/// Which of a publisher's sources a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The first sending audio line of its offer.
    Mic,
    /// The first sending video line.
    Camera,
    /// The second sending video line.
    Screen,
}

/// A receive slot of a peer, and what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotState {
    /// The line's `a=mid`.
    pub mid: String,
    /// Whose source it carries now.
    pub carries: Option<(PeerId, Source)>,
}

/// An accepted offer.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The SDP answer.
    pub answer: String,
    /// The receive slots of the offer.
    pub slots: Vec<SlotState>,
    /// Which connection of the shard's this is: rises with every one that is made anew, stays where an offer goes on with one.
    pub made: u64,
}

/// Why a peer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GoneReason {
    /// It closed its DTLS association.
    Closed,
    /// It never connected.
    NeverConnected,
    /// It was silent for too long.
    Silent,
    /// Its WebRTC stack gave an error that it can't recover from.
    Failed,
    /// Its WebRTC stack panicked; the panic was contained.
    Panicked,
}

/// Figures of one direction over the last interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrackQuality {
    /// Bits a second of RTP payload.
    pub bitrate_bps: u64,
    /// Packets lost before retransmission, 0 to 1.
    pub loss: f32,
    /// Interarrival jitter of the audio (RFC 3550 §6.4.1), milliseconds.
    pub jitter_ms: f32,
}

/// Figures of a peer over the last interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeerQuality {
    /// Whose.
    pub peer: PeerId,
    /// Round trip from its receiver reports, milliseconds.
    pub rtt_ms: Option<f32>,
    /// What it can receive, as transport-wide feedback or REMB say, bits a second.
    pub estimate_bps: Option<u64>,
    /// From the peer to us.
    pub up: TrackQuality,
    /// From us to the peer.
    pub down: TrackQuality,
}

/// What a shard tells its driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// ICE and DTLS are up: for the first time, or again after [`Event::Down`].
    Up {
        /// Where.
        room: RoomId,
        /// Who.
        peer: PeerId,
    },
    /// Nothing was heard from the peer for some seconds. It may come back.
    Down {
        /// Where.
        room: RoomId,
        /// Who.
        peer: PeerId,
    },
    /// The peer is over and forgotten.
    Gone {
        /// Where.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// Which of its connections ([`Connected::made`]): another one may have been made under the same name since.
        made: u64,
        /// Why.
        reason: GoneReason,
    },
    /// What the peer's slots carry has changed.
    Slots {
        /// Where.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// Every slot of the peer.
        slots: Vec<SlotState>,
    },
    /// Who speaks in a room of more than two has changed; several times a second at most.
    Speakers {
        /// Where.
        room: RoomId,
        /// Those who speak, the dominant speaker first, eight at most. Empty when all have fallen silent.
        speakers: Vec<PeerId>,
    },
    /// How large a peer's pictures are wanted by the others has changed. Until it is told otherwise a peer takes it that all of
    /// them are wanted, as large as they can be had.
    Publish {
        /// Where.
        room: RoomId,
        /// Whose pictures.
        peer: PeerId,
        /// Each of its sources of pictures, and the most pixels high that anyone shows it: 180, 360, 720, or
        /// [`FULL_HEIGHT`](crate::FULL_HEIGHT). `None`: nobody does, it need not be sent.
        wanted: Vec<(Source, Option<u32>)>,
    },
    /// How well the media of a room flows; about every two seconds.
    Quality {
        /// Where.
        room: RoomId,
        /// Everyone who is admitted.
        peers: Vec<PeerQuality>,
    },
}
