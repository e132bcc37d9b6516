//! Why an offer is refused: the peer's fault, or a limit of ours.

/// A refused offer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The offer can't be used: not SDP, no usable line, a change that is not allowed. For logs; not to be sent out whole.
    #[error("the offer can't be used: {0}")]
    OfferInvalid(String),
    /// The offer is larger than a limit.
    #[error("the offer has {actual} {unit}, more than {limit}")]
    OfferTooLarge {
        /// What is counted: bytes or lines.
        unit: &'static str,
        /// The limit.
        limit: usize,
        /// What was offered.
        actual: usize,
    },
    /// The shard or the room has no place.
    #[error("no place for another {what}: the limit is {limit}")]
    Full {
        /// What is counted: rooms, peers, peers of a room.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The shard has not the time for another room, or for another peer of one in progress. It may have in a while.
    #[error("the shard is busy for {busy_percent} % of its time, the limit is {limit_percent} %")]
    Overloaded {
        /// How busy it is.
        busy_percent: u8,
        /// See [`Limits::busy_rooms_max_percent`](crate::Limits::busy_rooms_max_percent).
        limit_percent: u8,
    },
    /// The peer's WebRTC stack panicked on the offer. The peer is gone.
    #[error("the offer made the peer's stack panic")]
    Panicked,
    /// The peer is in another room.
    #[error("the peer is in another room")]
    OtherRoom,
    /// The unit is stopping, or its shard does not take commands now.
    #[error("the forwarding unit is not taking offers")]
    Stopping,
}
