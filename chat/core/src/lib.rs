//! The chat relay's decisions, sans-IO: who writes where, in which order, who gets it, who has it.
//!
//! [`Relay`] is the whole state of one owner: conversations, mailboxes, receipts. It is driven by calls that carry the time,
//! and tells what must become durable as [`Record`]s. The contract with whoever drives it:
//!
//! 1. Every record that a call returns is written, in order, before anything that the call decided is told to anybody.
//! 2. [`Relay::settle`] says up to which position everything is durable: readers see nothing above it.
//! 3. After a crash [`Restoring`] takes the records that were durable, in order. What comes out decides everything later as the
//!    one before the crash would have.
//!
//! **Positions.** Whatever shows in a mailbox has a position, rising over all conversations of an owner. A device has a cursor:
//! the position up to which it has acknowledged. Its mailbox is what lies above, in the conversations it is in: one stored body
//! and one count an entry, however many devices wait for it. Research: a row a member costs three times as much.
//!
//! **Forgetting.** An entry knows how many devices still owe an acknowledgement. At the last one its body is [`Dead`], and the
//! store may forget it.

mod carry;
mod change;
mod conversation;
mod dedup;
mod forget;
mod group;
mod handout;
mod id;
mod limits;
mod look;
mod mailbox;
mod note;
pub mod presence;
mod receipts;
mod record;
mod refusal;
mod relay;
mod replica;
mod restore;
mod wake;

pub use conversation::{Kind, Role};
pub use group::{About, Ask, Change, Changed, Edit, Event, GroupView, InviteHash, KnownChange, Made};
pub use handout::{Depths, Handout, Page};
pub use id::{BodyRef, ClientId, ConversationId, DeviceRef, MessageId, Position, Seq};
pub use limits::Limits;
pub use look::{Found, Look, Looked, Standing};
pub use mailbox::{Entry, GapReason, Item, Least, Receipt};
pub use note::Note;
pub use record::{GroupMember, KnownNote, MemberRecord, Record, SentRecord};
pub use refusal::Refusal;
pub use relay::{Dead, Relay, Sent, Submit, To};
pub use replica::{Diverged, Replica};
pub use restore::{Incomplete, Restoring};
