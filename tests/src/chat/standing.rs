//! Who is in what, and who hears whom: what those who changed it know, and what the entries of a group say.
//!
//! Invariant: an answer is given only where every order that the events allow gives the same; else it is open.

use super::history::Device;
use std::collections::{BTreeMap, BTreeSet};

/// What somebody asked to be otherwise.
#[derive(Clone, Debug)]
struct Change {
    by: Device,
    asked: usize,
    done: Option<usize>,
    is_in: bool,
    /// It was so from the beginning.
    begins: bool,
}

/// How it stood when something was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody has ever asked for it.
    Never,
    /// It was so.
    In,
    /// It was so no longer.
    Out,
    /// Two things overlapped.
    Open,
}

/// All that was asked about one person and one thing, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes(Vec<Change>);

impl Changes {
    pub(super) fn asked(&mut self, by: &Device, at: usize, is_in: bool) {
        self.0.push(Change { by: by.clone(), asked: at, done: None, is_in, begins: false });
    }

    /// Before all that was asked later: who is in a group from its beginning.
    pub(super) fn begins(&mut self, by: &Device, at: usize) {
        if !self.0.iter().any(|change| change.begins) {
            self.0.insert(0, Change { by: by.clone(), asked: at, done: None, is_in: true, begins: true });
        }
    }

    /// A device has an answer to what it asked last.
    pub(super) fn done(&mut self, by: &Device, at: usize, is_in: bool) {
        if let Some(change) = self.open(by, is_in) {
            self.0[change].done = Some(at);
        }
    }

    /// It was refused, and has changed nothing.
    pub(super) fn refused(&mut self, by: &Device, is_in: bool) {
        if let Some(change) = self.open(by, is_in) {
            self.0.remove(change);
        }
    }

    fn open(&self, by: &Device, is_in: bool) -> Option<usize> {
        self.0.iter().rposition(|change| change.by == *by && change.is_in == is_in && change.done.is_none())
    }

    /// When the devices of a user asked for this, in order.
    pub(super) fn asked_by<'a>(&'a self, user: &'a str, is_in: bool) -> impl Iterator<Item = usize> + 'a {
        let is_it = move |change: &&Change| change.by.user == user && change.is_in == is_in && !change.begins;
        self.0.iter().filter(is_it).map(|change| change.asked)
    }

    /// How it stood for something that was decided after `sent`, and before `known` if it is known.
    pub(super) fn at(&self, sent: usize, known: Option<usize>) -> Standing {
        let before: Vec<&Change> =
            self.0.iter().filter(|change| known.is_none_or(|known| change.asked < known)).collect();
        let settled = |change: &&&Change| change.done.is_some_and(|done| done < sent);
        // Of what was settled, that which nothing settled has certainly followed.
        let last = before.iter().filter(settled).filter(|change| {
            !before.iter().filter(settled).any(|later| change.done.is_some_and(|done| done < later.asked))
        });
        let mut may_be: BTreeSet<bool> = last.map(|change| change.is_in).collect();
        let never = may_be.is_empty();
        if never {
            may_be.insert(false);
        }
        may_be.extend(before.iter().filter(|change| !settled(change)).map(|change| change.is_in));
        match (may_be.len(), may_be.contains(&true)) {
            (1, true) => Standing::In,
            (1, false) if never => Standing::Never,
            (1, false) => Standing::Out,
            _ => Standing::Open,
        }
    }
}

/// What somebody is in a group; each may do what those before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Is in it.
    Member,
    /// Changes it.
    Admin,
    /// The one whose it is.
    Owner,
}

/// What an entry says of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was made: its name, and who was in it. Whose it is says the entry's sender.
    Created(String, Vec<String>),
    /// Somebody was added, as what.
    Added(String, Role),
    /// The sender came by an invitation.
    Joined(String),
    /// Somebody was removed.
    Removed(String),
    /// The sender left.
    Left(String),
    /// Somebody is something else. A new owner: the earlier one is an admin.
    Becomes(String, Role),
    /// It is called otherwise, or others may do so.
    Edited {
        /// What one must be now to write, if that is otherwise.
        post: Option<Role>,
        /// What one must be to call it otherwise, if that is.
        edit: Option<Role>,
        /// All that is otherwise.
        told: String,
    },
    /// It is over.
    Ended,
}

impl Happened {
    /// To whom something happened, and whether they are in it now.
    pub(super) fn moves(&self) -> Option<(&str, bool)> {
        match self {
            Self::Added(user, _) | Self::Joined(user) => Some((user, true)),
            Self::Removed(user) | Self::Left(user) => Some((user, false)),
            Self::Created(..) | Self::Becomes(..) | Self::Edited { .. } | Self::Ended => None,
        }
    }
}

/// Who was in a group after each of its places, as its entries say: as far as all of them are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster(Vec<BTreeSet<String>>);

impl Roster {
    /// From what stands in the group: None where it is a message.
    pub(super) fn read<'a>(places: impl Iterator<Item = (u64, Option<&'a Happened>)>) -> Self {
        let mut after: Vec<BTreeSet<String>> = vec![BTreeSet::new()];
        for (seq, happened) in places {
            if seq != after.len() as u64 {
                break;
            }
            let mut members = after.last().cloned().unwrap_or_default();
            match (happened, happened.and_then(Happened::moves)) {
                (Some(Happened::Created(_, all)), _) => members.extend(all.iter().cloned()),
                (Some(Happened::Ended), _) => members.clear(),
                (_, Some((user, true))) => drop(members.insert(user.to_owned())),
                (_, Some((user, false))) => drop(members.remove(user)),
                _ => {}
            }
            after.push(members);
        }
        Self(after)
    }

    /// Whether somebody gets what stands at this place. None: it is not known.
    pub(super) fn hears(&self, user: &str, seq: u64, is_entry: bool) -> Option<bool> {
        let after = |seq: u64| self.0.get(usize::try_from(seq).ok()?).map(|members| members.contains(user));
        let before = after(seq.checked_sub(1)?)?;
        // Who comes hears of that, who goes too.
        if is_entry { Some(before || after(seq)?) } else { Some(before) }
    }

    /// The last place that is known, with all before it.
    pub(super) fn last(&self) -> u64 {
        self.0.len() as u64 - 1
    }

    /// Who is in it after this place.
    pub(super) fn after(&self, seq: u64) -> Option<&BTreeSet<String>> {
        self.0.get(usize::try_from(seq).ok()?)
    }

    /// The place before the one at which somebody came, the last time up to this place: nobody waits for them to have that.
    pub(super) fn came(&self, user: &str, upto: u64) -> u64 {
        let is_in = |seq: &u64| self.after(*seq).is_some_and(|members| members.contains(user));
        (0..=upto).rev().take_while(is_in).last().map_or(upto, |first| first.saturating_sub(1))
    }

    /// Whether somebody was ever in it before this place.
    pub(super) fn was_in(&self, user: &str, seq: u64) -> bool {
        self.0.iter().take(usize::try_from(seq).unwrap_or(usize::MAX)).any(|members| members.contains(user))
    }
}

/// Rosters by group.
pub(super) type Rosters = BTreeMap<String, Roster>;
