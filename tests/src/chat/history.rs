//! What clients did and saw of their messages, written down in one order: what [`faults`](super::faults) judges.
//!
//! Invariant, kept by whoever writes a history: what a device asks is written down before it goes out, what it gets after it
//! has come in. So if one event stands before another and the one is the end of something and the other the beginning of
//! something, the first was over before the second began.

pub use super::standing::{Happened, Role};
use std::fmt;
use tertulia_common::Timestamp;

/// One device of one user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// Whose.
    pub user: String,
    /// Which.
    pub name: String,
}

impl Device {
    /// The device of that name.
    #[must_use]
    pub fn new(user: &str, name: &str) -> Self {
        Self { user: user.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}'s {}", self.user, self.name)
    }
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// To one person, or to oneself.
    User(String),
    /// To a group.
    Group(String),
}

/// What came back for a message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It stands there.
    Sent {
        /// Its conversation.
        conversation: String,
        /// Its place there.
        seq: u64,
        /// When, by the server.
        sent_at: Timestamp,
        /// It stood there before.
        duplicate: bool,
    },
    /// It was refused.
    Refused {
        /// It would be refused again: it is not sent any more.
        is_final: bool,
        /// How.
        why: String,
    },
}

/// How far a member has come, as somebody was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Who.
    pub user: String,
    /// Has everything up to here.
    pub delivered: u64,
    /// Has read up to here.
    pub read: u64,
}

/// Why a mailbox gave something up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It had waited too long.
    Age,
    /// Too much waited.
    Quota,
}

/// Something that came out of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A message.
    Message {
        /// Its place in mailboxes.
        position: u64,
        /// Its conversation.
        conversation: String,
        /// Its place there.
        seq: u64,
        /// Who sent it.
        from: String,
        /// To whom.
        to: To,
        /// When, by the server.
        sent_at: Timestamp,
        /// What it says. No two messages of a history say the same.
        body: String,
    },
    /// A group was changed.
    Entry {
        /// Its place in mailboxes.
        position: u64,
        /// Which group.
        group: String,
        /// Its place there.
        seq: u64,
        /// Who changed it.
        from: String,
        /// When, by the server.
        sent_at: Timestamp,
        /// How.
        what: Happened,
    },
    /// How far members have come.
    Receipts {
        /// Its place in mailboxes.
        position: u64,
        /// Which conversation.
        conversation: String,
        /// Those who have moved.
        ticks: Vec<Tick>,
        /// In a group: what all others have, and have read.
        all: Option<(u64, u64)>,
    },
    /// Something was given up.
    Gap {
        /// Up to where.
        upto: u64,
        /// Why.
        why: Why,
    },
}

/// What somebody wants of a group, or with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// That there is one, with these beside its maker. Everybody may write in it then, and admins may change what it is called.
    Create(Vec<String>),
    /// That somebody is in it, or is something else in it.
    Put(String, Role),
    /// That somebody is in it no longer; oneself: to leave.
    Remove(String),
    /// That it is called otherwise; and that so much is needed to write in it, and to call it otherwise.
    Edit {
        /// To write.
        post: Option<Role>,
        /// To call it otherwise.
        edit: Option<Role>,
    },
    /// That whoever has what comes back may join, and nobody else.
    Invite,
    /// That nobody may.
    Revoke,
    /// To be in it, by an invitation.
    Join(String),
    /// That nobody is in it.
    End,
}

/// What came of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is so. Of an invitation: what lets one in.
    Yes(Option<String>),
    /// It was refused, under this name.
    Refused(String),
}

/// What a device did or saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It asks for a session, new or earlier: its mailbox may be opened from now on.
    Connects,
    /// A new session: the mailbox is handed out from what was acknowledged on. The session before is over.
    Welcomed,
    /// The earlier session goes on, on another socket: what the device said last on the old one may not have arrived.
    Resumed,
    /// What had waited was handed out, it is told.
    Drained,
    /// It sends a message, or sends it again.
    Sends {
        /// The request's number, rising.
        request: u64,
        /// The device's own name for it.
        name: u128,
        /// Where to.
        to: To,
        /// What it says.
        body: String,
    },
    /// The answer to one time of sending it.
    Answered {
        /// The request's number.
        request: u64,
        /// The device's own name for it.
        name: u128,
        /// What it was.
        answer: Answer,
    },
    /// Something came out of the mailbox. The device keeps it when it acknowledges it, and not before.
    Heard(Item),
    /// It has kept everything up to there.
    Acknowledges {
        /// Up to where.
        upto: u64,
    },
    /// Its user has read up to there.
    Reads {
        /// The request's number, rising.
        request: u64,
        /// Which conversation.
        conversation: String,
        /// Up to where.
        upto: u64,
    },
    /// The server has taken note.
    ReadTaken {
        /// The request's number.
        request: u64,
        /// Which conversation.
        conversation: String,
        /// Up to where.
        upto: u64,
    },
    /// It makes a group.
    Creates {
        /// Its name: no two groups of a history have the same.
        title: String,
        /// Who is to be in it, its maker too.
        members: Vec<String>,
    },
    /// That is done.
    Created {
        /// Its name.
        title: String,
        /// Which it is.
        group: String,
    },
    /// It asks that somebody comes into a group or goes.
    Changes {
        /// Which.
        group: String,
        /// Who.
        user: String,
        /// Whether they are in it afterwards.
        is_in: bool,
    },
    /// That is done.
    Changed {
        /// Which.
        group: String,
        /// Who.
        user: String,
        /// Whether they are in it now.
        is_in: bool,
    },
    /// That was refused, and nothing has changed. (Without either it may have been done, or may be yet.)
    Unchanged {
        /// Which.
        group: String,
        /// Who.
        user: String,
        /// Whether they were to be in it.
        is_in: bool,
    },
    /// It asks something of a group. Who comes and who goes is noted by itself, too, as [`What::Creates`] and [`What::Changes`].
    Asks {
        /// The request's number.
        request: u64,
        /// Which group. Of one that is to be made nobody knows.
        group: Option<String>,
        /// What.
        deed: Deed,
    },
    /// The answer to that.
    Told {
        /// The request's number.
        request: u64,
        /// What it was.
        done: Done,
    },
    /// Its user wants to hear no more of somebody, or wants to again.
    Blocks {
        /// Of whom.
        user: String,
        /// No more.
        is_blocked: bool,
    },
    /// That is done.
    Blocked {
        /// Who.
        user: String,
        /// They are not heard.
        is_blocked: bool,
    },
    /// It takes the access of another device of its user, for good.
    Unlinks {
        /// Which.
        device: String,
    },
    /// That is done.
    Unlinked {
        /// Which.
        device: String,
    },
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The program was killed.
    Killed,
    /// It runs again.
    Started,
    /// A device did or saw something.
    Device(Device, What),
}

impl Step {
    /// The device that it is about.
    #[must_use]
    pub fn device(&self) -> Option<&Device> {
        match self {
            Self::Device(device, _) => Some(device),
            Self::Killed | Self::Started => None,
        }
    }
}

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// By the clock of who wrote it down.
    pub at: Timestamp,
    /// What.
    pub step: Step,
}

/// Everything that happened, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// In order.
    pub events: Vec<Event>,
}

impl History {
    /// Adds what happened now.
    pub fn push(&mut self, at: Timestamp, step: Step) {
        self.events.push(Event { at, step });
    }

    /// What happened to one device, with its place in the whole.
    pub fn of<'a>(&'a self, device: &'a Device) -> impl Iterator<Item = (usize, Timestamp, &'a What)> {
        self.events.iter().enumerate().filter_map(move |(index, event)| match &event.step {
            Step::Device(who, what) if who == device => Some((index, event.at, what)),
            Step::Device(..) | Step::Killed | Step::Started => None,
        })
    }
}
