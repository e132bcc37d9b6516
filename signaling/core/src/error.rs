//! Why a request is refused. A refused request has changed nothing.

use crate::{EndReason, Limit};
use std::time::Duration;

/// Why a request is refused. The same request again gets the same answer, until the call moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// A call to oneself.
    #[error("a call to oneself")]
    SelfCall,
    /// The directory does not know the callee.
    #[error("no such user")]
    UnknownUser,
    /// There is no such call, or this device has no part in it: the two look the same.
    #[error("no such call")]
    UnknownCall,
    /// The device is in another call, or in one with the same person that works.
    #[error("the device is already in a call")]
    AlreadyInCall,
    /// The call is not where this makes sense: a decline after one's own accept, a hang-up while it rings here.
    #[error("not possible where the call stands")]
    StateMismatch,
    /// The call is over for this device, and why.
    #[error("the call has ended ({0:?})")]
    Over(EndReason),
    /// Another device of the same user was quicker.
    #[error("answered on another device")]
    AnsweredElsewhere,
    /// So many devices ring that this one may connect its media only after the answer.
    #[error("too many devices ring: connect after the answer")]
    AnswerFirst,
    /// A limit is reached.
    #[error("limit reached: {limit:?} ({max})")]
    Full {
        /// Which.
        limit: Limit,
        /// How many there may be.
        max: usize,
    },
    /// This user may not do that in this call.
    #[error("not allowed in this call")]
    NotAllowed,
    /// The link by which somebody wanted to come in was revoked, or its time is over.
    #[error("the link is over")]
    LinkOver,
    /// A host has turned this user away.
    #[error("turned away for another {wait:?}")]
    TurnedAway {
        /// After which they may ask again.
        wait: Duration,
    },
    /// The server takes no new calls.
    #[error("shutting down")]
    ShuttingDown,
}
