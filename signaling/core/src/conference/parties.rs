//! Whom a group call concerns: who was in it, and who was asked in. Its record says so of each.
//!
//! Invariant: nobody is forgotten while the call goes on, and there are at most [`PARTIES_MAX`] of them: who would be one more is not rung,
//! and comes in unrecorded.

use super::{Conference, Grown};
use crate::call::Context;
use crate::{Limit, Measure, Output, PARTIES_MAX, Party, PartyState, Reach};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tertulia_common::UserId;

/// Somebody who was asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The last time.
    pub(super) reach: Reach,
    /// At least once they could hear of it.
    hears: bool,
    /// They said that they do not want to, the last time.
    declined: bool,
}

impl Conference {
    /// Whether somebody can be remembered.
    fn has_room(&self, cx: &mut Context<'_>, user: &UserId) -> bool {
        // Who is in both counts twice: it need not be exact.
        let known = self.met.contains(user) || self.asked.contains_key(user);
        let has_room = known || self.met.len() + self.asked.len() < PARTIES_MAX;
        if !has_room {
            cx.out.push_back(Output::Measured(Measure::LimitHit(Limit::Parties)));
        }
        has_room
    }

    /// Remembers that somebody came in.
    pub(super) fn meets(&mut self, cx: &mut Context<'_>, user: &UserId) {
        if self.has_room(cx, user) {
            self.met.insert(user.clone());
        }
    }

    /// Remembers that somebody is asked in. False: there are too many already.
    pub(super) fn asks(&mut self, cx: &mut Context<'_>, user: &UserId, reach: Reach) -> bool {
        if !self.has_room(cx, user) {
            return false;
        }
        let known = self.asked.get(user);
        let hears = reach != Reach::Nobody || known.is_some_and(|known| known.hears);
        self.asked.insert(user.clone(), Asked { reach, hears, declined: false });
        true
    }

    /// Somebody was asked in and does not want to.
    pub(super) fn declines(&mut self, user: &UserId) {
        if let Some(asked) = self.asked.get_mut(user) {
            asked.declined = true;
        }
    }

    /// How far the ring reaches that somebody hears, or would.
    pub(super) fn reach_of(&self, user: &UserId) -> Reach {
        self.asked.get(user).map_or(Reach::Rings, |asked| asked.reach)
    }

    /// Everybody whom it concerns, each once; of one that grew, all but its two.
    pub(super) fn parties(&self) -> Vec<Party> {
        let is_side = |user: &UserId| {
            let of = |Grown { caller, callee, .. }: &Grown| user == caller || user == callee;
            self.grown.as_ref().is_some_and(of)
        };
        let all: BTreeSet<&UserId> = self.met.iter().chain(self.asked.keys()).collect();
        let party = |user: &UserId| {
            let asked = self.asked.get(user);
            let state = match asked {
                _ if self.met.contains(user) => PartyState::Came,
                Some(Asked { declined: true, .. }) => PartyState::Declined,
                _ => PartyState::Missed,
            };
            let hidden = state != PartyState::Came && asked.is_some_and(|asked| !asked.hears);
            Party { user: user.clone(), state, hidden }
        };
        all.into_iter().filter(|user| !is_side(user)).map(party).collect()
    }
}
