//! The call state machine, sans-IO: one [`Switchboard`] owns every call of the process (c1, c2).
//!
//! **The contract.** A device's wish goes in by [`Switchboard::request`] and is answered at once: the id of the call it was
//! about, or a [`CallError`]. What the world does (a device comes or goes, media comes up or breaks) goes in by
//! [`Switchboard::handle`]. After each of the two, and after [`Switchboard::handle_timeout`], send the answer, then take
//! [`Switchboard::poll_output`] until it is empty, in order; then sleep until [`Switchboard::poll_timeout`]. `now` never
//! runs backwards. Ids are arguments. Nothing here reads a clock, draws a random number or touches a socket, so that a
//! whole evening of calls runs in a test in a millisecond.
//!
//! **A call** goes Offered → Ringing → Connecting → Active ⇄ Reconnecting → Ended (research: RingRTC's states, with the
//! server as the only judge). Every ring-capable device of the callee has a leg; the first to accept wins, and every other
//! device is told why it stops. A call that has ended is kept for a while as a tombstone, so that late and repeated
//! requests get the answer they would have got, and change nothing. Who has no part in a call hears
//! [`CallError::UnknownCall`], whether or not it exists.
//!
//! **Names.** The *caller* is one device: the other devices of that user hear nothing. The *callee* is a user: all their
//! devices ring. A device is *in* a call that it placed, accepted or took over. It is in one at a time, or in two of which
//! at most one is not on hold.
//!
//! **Conferences.** Calls of groups, and calls of two to which somebody was added, have no sides: people come and go. Every device that
//! is in one hears the newest [`Roster`]. The same requests serve both sorts, where they make sense. By a [`CallLink`] people come in
//! whom nobody has asked; where its owner wants to let them in one by one, they wait, and hear nothing of the call meanwhile.
//!
//! **Restarts.** What has to outlive the process comes out as [`Image`]s, by [`Output::Save`] and with each
//! [`Output::Record`], and goes in by [`Switchboard::restore`].

mod call;
mod conference;
mod domain;
mod error;
mod event;
mod image;
mod index;
mod limits;
mod switchboard;
mod timer;

pub use domain::{
    Admission, CallKind, CallLink, DeclineReason, EndReason, Ended, Endpoint, Gauges, GroupCall, GroupKey, GroupRecord,
    LinkKey, MediaFlags, MediaKind, Party, PartyState, Phase, Reach, Record, Roster, RosterChanges, RosterEntry,
    Running, STANDARD_PEER_PREFIXES, Snapshot, is_standard_peer,
};
pub use error::CallError;
pub use event::{Callee, Event, Measure, Notice, Output, Request, Ringer};
pub use image::Image;
pub use limits::{
    CALLS_MAX, CALLS_PER_CALLEE_MAX, EARLY_MEDIA_LEGS_MAX, LEGS_PER_CALL_MAX, Limit, Limits, PARTICIPANTS_MAX,
    PARTIES_MAX, ROSTER_WHOLE_MAX, TOMBSTONES_MAX, TURNED_AWAY_FOR, Timeouts, WAIT_MAX, WAITING_MAX,
};
pub use switchboard::{Restored, Switchboard};
