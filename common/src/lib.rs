//! Ids, time and the guard for personal data: what every crate speaks.
//!
//! No I/O and no dependency on the other crates. Ids are parsed at the door and carried as types from there on.

mod id;
mod pii;
mod time;

pub use id::{
    CallId, ClientMessageId, DeviceId, ID_BYTES_MAX, IdError, MediaId, PeerId, RoomId, SessionId, ShardId, UserId,
};
pub use pii::Pii;
pub use time::Timestamp;
