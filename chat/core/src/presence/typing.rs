//! Who hears that somebody types: whoever has said that they want to know of that person, or of that group, and is not away.
//!
//! Invariant: nothing of it is kept here.

use super::{Gaze, Presence};
use crate::ConversationId;
use tertulia_common::{SessionId, UserId};

impl Presence {
    /// Sessions of one person that hear that another types to them. None where one of them has blocked the other.
    #[must_use]
    pub fn hears(&self, to: &UserId, from: &UserId) -> Vec<SessionId> {
        let (Some(to), Some(from)) = (self.by_user.get(to), self.by_user.get(from)) else { return Vec::new() };
        let hears = |session: &&SessionId| {
            let of = self.sessions.get(session).filter(|of| of.gaze != Gaze::Away);
            let edge = of.and_then(|of| of.watches.get(from));
            edge.is_some_and(|edge| !edge.between.blocks && !edge.between.blocked)
        };
        self.people[to.0].sessions.iter().filter(hears).copied().collect()
    }

    /// Sessions that want to know who types in a group, and whose they are, but for this person's. Whether they are in the group
    /// is for the caller to find out.
    #[must_use]
    pub fn hears_group(&self, group: ConversationId, from: &UserId) -> Vec<(SessionId, UserId)> {
        let Some(watchers) = self.groups.get(&group) else { return Vec::new() };
        let hears = |session: &SessionId| {
            let of = self.sessions.get(session).filter(|of| of.gaze != Gaze::Away)?;
            let user = &self.people[of.person.0].id;
            (user != from).then(|| (*session, user.clone()))
        };
        watchers.iter().filter_map(hears).collect()
    }
}
