//! Durable facts about people and their calls, in one SQLite file through sea-orm.
//!
//! Every write is on disk when its future is done (WAL, `synchronous=FULL`), and every write can be repeated: the same
//! user or call recorded twice is there once. A person exists who has ever signed in or connected.
//!
//! Types here are the domain's own; the wire's live in `signaling/proto`, and the gateway translates.

mod calls;
mod entity;
mod error;
mod migration;
mod open;
mod users;

pub use calls::{CallRecord, EndReason, HistoryCall, Media, MissedCall};
pub use error::{Error, Result};
pub use open::Directory;
pub use users::{NAME_CHARS_MAX, User};
