//! Durable facts about people and their calls, in one SQLite file through sea-orm.
//!
//! Every write is on disk when its future is done (WAL, `synchronous=FULL`), and every write can be repeated: the same
//! user or call recorded twice is there once. A person exists who has ever signed in or connected.
//!
//! Types here are the domain's own; the wire's live in `signaling/proto`, and the gateway translates.

mod accounts;
mod call_entries;
mod call_history;
mod call_links;
mod calls;
mod devices;
mod entity;
mod error;
mod group_calls;
mod live;
mod media;
mod migration;
mod open;
mod presence;
mod push;
mod reach;
mod reception;
mod users;
mod watch;

pub use accounts::{DELETED_NAME, Profile, RegisteredPrimary, Registration, STAND_IN_PREFIX};
pub use call_entries::DueEntry;
pub use call_history::{HistoryCall, PastCall};
pub use call_links::{CallLink, FoundCallLink};
pub use calls::{CallRecord, EndReason, Media, MissedCall};
pub use devices::{Device, DeviceOwner, NewDevice, TokenHash};
pub use error::{Error, Result};
pub use group_calls::{CallParty, GroupCallRecord, Part};
pub use live::{CallWrite, LiveCall, LiveCalls};
pub use media::{
    BlobPut, BlobState, ContentId, ContentState, MediaAdded, MediaBlob, MediaContent, MediaFile, MediaJob, MediaMade,
    MediaOrigin, MediaQuota, MediaRefusal, MediaUpload, NewMedia, Opening, Reach, Settled, Sha256, Shared,
    UnknownContent,
};
pub use open::Directory;
pub use presence::{Audience, PresenceFacts, Privacy};
pub use push::PushAddress;
pub use reach::CalleeFacts;
pub use reception::{News, Reception};
pub use users::{NAME_CHARS_MAX, User};
pub use watch::{AccessChange, AccessWatch};
