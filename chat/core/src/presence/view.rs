//! Who may know what of whom.
//!
//! Invariant: this is the only place that decides it. Whoever may not know sees what they would see of somebody who was never
//! here: [`View::HIDDEN`].

use serde::{Deserialize, Serialize};
use tertulia_common::Timestamp;

/// To whom somebody shows something of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Audience {
    /// To all.
    Everyone,
    /// To those they have written to, as one person to another.
    #[default]
    Contacts,
    /// To nobody; and who shows it to nobody sees nobody's.
    Nobody,
}

/// What somebody shows of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Privacy {
    /// That they are here.
    pub online: Audience,
    /// When they last were.
    pub last_seen: Audience,
}

/// What is durable about somebody, and between them and whoever watches them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What they show.
    pub privacy: Privacy,
    /// When they last did something.
    pub last_seen: Option<Timestamp>,
    /// They have written to the watcher.
    pub contact: bool,
    /// They have blocked the watcher.
    pub blocks: bool,
    /// The watcher has blocked them.
    pub blocked: bool,
}

/// What a watcher sees of somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// They are here.
    pub online: bool,
    /// When they last were, in whole seconds; not while they are here.
    pub last_seen: Option<Timestamp>,
}

impl View {
    /// What is seen of somebody who shows nothing, and of nobody.
    pub const HIDDEN: Self = Self { online: false, last_seen: None };
}

/// What there is to be seen of somebody now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truth {
    pub(super) online: bool,
    /// While they are here, when they had last been before: it must not tell who may not see that they are here.
    pub(super) last_seen: Option<Timestamp>,
    pub(super) privacy: Privacy,
}

/// What there is between a watcher and whom they watch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between {
    pub(super) contact: bool,
    pub(super) blocks: bool,
    pub(super) blocked: bool,
}

/// What a watcher, who shows `own` of themselves, sees.
pub(super) fn view(truth: Truth, between: Between, own: Privacy) -> View {
    let sees = |shown: Audience, own: Audience| {
        let is_one_of_them = match shown {
            Audience::Everyone => true,
            Audience::Contacts => between.contact,
            Audience::Nobody => false,
        };
        is_one_of_them && own != Audience::Nobody && !between.blocks && !between.blocked
    };
    let online = truth.online && sees(truth.privacy.online, own.online);
    let last_seen = truth.last_seen.filter(|_| !online && sees(truth.privacy.last_seen, own.last_seen));
    View { online, last_seen: last_seen.map(whole_second) }
}

pub(super) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp(at.0 / 1_000 * 1_000)
}
