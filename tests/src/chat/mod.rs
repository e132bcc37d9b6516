//! The promise of messages, and how it is proved: clients write down what they did and saw ([`history`]), and a judge that
//! knows nothing of the server says where the promise was broken ([`faults`], [`missing`]). [`workload`] makes such histories
//! with the real program.
//!
//! **The promise.** A message *exists* once its sender was told so or anybody has heard it. It is *due* to a device if the
//! device's user is of the conversation, the device is not the sender, and its mailbox was open before the message was sent
//! (others' messages: or it is its user's first device). It is not due to who has blocked the sender, nor to a device that was
//! unlinked. The entries of a group are messages too: due to who was in it before or is after. A device *has* a message once it has acknowledged, in the session in
//! which it heard the message, the message's place or one above it. An acknowledgement *counts* once a message that was sent
//! after it on the same socket is answered as new: it is written with that message at the latest, and not before it has to be. Then:
//!
//! 1. Whatever exists and is due to a device comes to have been had by it ([`Rule::Lost`], [`Rule::Buried`]).
//! 2. A session hears a message at most once; after an acknowledgement that counts no session does. Between the two it may come
//!    again, and must if the device had it not ([`Rule::Twice`], [`Rule::AfterAcknowledgement`]).
//! 3. Within a session everything comes by rising position, and by rising place within a conversation; nothing that is due and
//!    that the device has not is passed over ([`Rule::OutOfOrder`], [`Rule::Skipped`], [`Rule::DrainedEarly`]).
//! 4. Places in a conversation are 1, 2, 3, …, one message each, the same for everybody; what was sent after the answer to
//!    another, or after it on one socket, stands after it ([`Rule::PlaceTaken`], [`Rule::Hole`], [`Rule::Overtaken`]).
//! 5. A device's own name for a message is answered the same however often, and says new once ([`Rule::ChangedAnswer`]).
//! 6. Nobody hears what nobody sent or asked for, something else than was sent, or what is not due to them ([`Rule::FromNowhere`],
//!    [`Rule::Altered`], [`Rule::NotAddressed`], [`Rule::BeforeComing`], [`Rule::AfterRemoval`], [`Rule::Withheld`]). A device
//!    that was unlinked hears and does nothing more ([`Rule::AfterUnlinking`]).
//! 7. Receipts only grow, are true when told, and in the end are all told ([`Rule::Shrunk`], [`Rule::Untrue`],
//!    [`Rule::Untold`], [`Rule::ForgottenRead`]).
//! 8. Something is given up by age or quota only ([`Rule::PrematureGap`]).
//! 9. What stands in a group was done by those who might ([`Rule::NotAllowed`]); who is refused, or let, is so with a reason, and
//!    by its name ([`Rule::Unfounded`]).
//!
//! Where two things overlapped, so that nobody outside can know which came first, both outcomes are right.

mod devices;
mod facts;
pub mod history;
#[cfg(test)]
mod mutations;
mod places;
mod receipts;
mod rights;
mod standing;
pub mod workload;

use facts::Facts;
use history::{Device, History};
use std::fmt;
use std::time::Duration;

/// What may be given up, and when: the server's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a message waits for a device.
    pub keep: Duration,
    /// How many wait for one device.
    pub entries_max: u64,
}

impl Default for Policy {
    /// The program's.
    fn default() -> Self {
        Self { keep: Duration::from_secs(30 * 24 * 3600), entries_max: 20_000 }
    }
}

/// Which part of the promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A message that exists never came to a device.
    Lost,
    /// A device's acknowledgement covered a message that it had never heard.
    Buried,
    /// A message came twice in one session.
    Twice,
    /// A message came after an acknowledgement of it that counts.
    AfterAcknowledgement,
    /// A position, or a place, did not rise.
    OutOfOrder,
    /// Something later came while something earlier was due.
    Skipped,
    /// `drained` came while something that had waited was due.
    DrainedEarly,
    /// Two messages in one place, or one in two conversations.
    PlaceTaken,
    /// A place in a conversation that no message has.
    Hole,
    /// A message stands before one that was there before it was sent.
    Overtaken,
    /// The same name was answered in two ways.
    ChangedAnswer,
    /// What was heard differs from what was sent, or from what another device heard.
    Altered,
    /// Nobody sent what was heard.
    FromNowhere,
    /// What was heard was for others.
    NotAddressed,
    /// What was heard stands in a group before its hearer came into it.
    BeforeComing,
    /// What was heard was sent after its hearer had been taken out of the group.
    AfterRemoval,
    /// What was heard was sent by somebody whom its hearer had blocked.
    Withheld,
    /// A device heard or did something after it had been unlinked.
    AfterUnlinking,
    /// A receipt says less than one before.
    Shrunk,
    /// A receipt says more than there was.
    Untrue,
    /// What was delivered was never told.
    Untold,
    /// What was read, as was confirmed, was never told.
    ForgottenRead,
    /// Something was given up without cause.
    PrematureGap,
    /// Somebody did what they might not.
    NotAllowed,
    /// A refusal that has no reason, or another one.
    Unfounded,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which rule.
    pub rule: Rule,
    /// To which device it happened, if to one.
    pub device: Option<Device>,
    /// With which message, if with one: its sender and body.
    pub message: Option<String>,
    /// Where in the history it shows.
    pub at: Option<usize>,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.rule)?;
        if let Some(device) = &self.device {
            write!(f, ", {device}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ", {message}")?;
        }
        write!(f, ": {}", self.seen)?;
        self.at.map_or(Ok(()), |at| write!(f, " (event {at})"))
    }
}

/// What has gone wrong so far, whatever comes later.
#[must_use]
pub fn faults(history: &History, policy: &Policy) -> Vec<Fault> {
    let mut faults = Vec::new();
    let facts = Facts::gather(history, &mut faults);
    places::judge(&facts, &mut faults);
    devices::judge(history, &facts, policy, &mut faults);
    receipts::judge(history, &facts, &mut faults);
    rights::judge(&facts, &mut faults);
    faults
}

/// Answers that had no reason, once everything has come, as far as it was kept: what nobody knows may be a reason.
#[must_use]
pub fn unfounded(history: &History, policy: &Policy) -> Vec<Fault> {
    let mut unfounded = Vec::new();
    let facts = Facts::gather(history, &mut Vec::new());
    if facts.messages.len() as u64 <= policy.entries_max {
        rights::answers(history, &facts, &mut unfounded);
    }
    unfounded
}

/// What has not come yet, and must once everyone is connected and has acknowledged everything.
#[must_use]
pub fn missing(history: &History) -> Vec<Fault> {
    missing_under(history, &Policy::default())
}

/// The same, where less may wait than usual.
#[must_use]
pub fn missing_under(history: &History, policy: &Policy) -> Vec<Fault> {
    let mut missing = Vec::new();
    let facts = Facts::gather(history, &mut Vec::new());
    // What a device was handed can be given up before its acknowledgement arrives: then nobody is told that it had it, nor, of a
    // group's entry, that it was. And with what is given up go the figures below it.
    let all_is_kept = facts.messages.len() as u64 <= policy.entries_max;
    places::holes(&facts, all_is_kept, &mut missing);
    devices::lost(history, &facts, &mut missing);
    if all_is_kept {
        receipts::untold(history, &facts, &mut missing);
    }
    missing
}
