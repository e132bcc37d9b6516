//! What of a group call outlives the process. Who rings is written without their devices: those ring again as they come back.

use super::parties::Asked;
use super::ring::Ring;
use super::seats::Seat;
use super::{Change, Conference, Grown};
use crate::{CallLink, Endpoint, GroupKey, MediaFlags, MediaKind, Timeouts};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tertulia_common::{CallId, Timestamp, UserId};

/// A group call as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ConferenceImage {
    pub(crate) conference: CallId,
    group: Option<GroupKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grown: Option<(UserId, UserId, Timestamp, Timestamp)>,
    media: MediaKind,
    started_by: UserId,
    started_at: Timestamp,
    version: u32,
    seats: Vec<SeatImage>,
    rings: Vec<(UserId, UserId, Timestamp)>,
    #[serde(default)]
    barred: BTreeSet<UserId>,
    #[serde(default)]
    met: BTreeSet<UserId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    asked: BTreeMap<UserId, Asked>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<CallLink>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    closed: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    turned_away: BTreeMap<UserId, Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct SeatImage {
    endpoint: Endpoint,
    flags: MediaFlags,
    held: bool,
    joined_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hand: Option<Timestamp>,
}

impl ConferenceImage {
    /// Everybody in it.
    pub(crate) fn users(&self) -> impl Iterator<Item = &UserId> {
        let seats = self.seats.iter().map(|seat| &seat.endpoint.user);
        let rings = self.rings.iter().flat_map(|(user, by, _)| [user, by]);
        let owner = self.link.as_ref().map(|link| &link.owner);
        seats.chain(rings).chain(&self.met).chain([&self.started_by]).chain(owner)
    }
}

impl Conference {
    /// What of it outlives the process.
    pub(crate) fn image(&self) -> ConferenceImage {
        let seat = |seat: &Seat| SeatImage {
            endpoint: seat.endpoint.clone(),
            flags: seat.flags,
            held: seat.held,
            joined_at: seat.joined_at,
            hand: seat.hand,
        };
        let grown = |grown: &Grown| {
            let Grown { caller, callee, started_at, answered_at } = grown.clone();
            (caller, callee, started_at, answered_at)
        };
        ConferenceImage {
            conference: self.id,
            group: self.group,
            grown: self.grown.as_ref().map(grown),
            media: self.media,
            started_by: self.started_by.clone(),
            started_at: self.started_at,
            version: self.version,
            seats: self.seats.iter().map(seat).collect(),
            rings: self.rings.iter().map(|ring| (ring.user.clone(), ring.by.clone(), ring.until)).collect(),
            barred: self.barred.clone(),
            met: self.met.clone(),
            asked: self.asked.clone(),
            link: self.link.clone(),
            closed: self.closed,
            turned_away: self.turned_away.clone(),
        }
    }

    /// The call after a restart: everybody's media is down, and has the grace time to come back.
    pub(crate) fn restore(now: Timestamp, timeouts: &Timeouts, image: ConferenceImage) -> Self {
        let ConferenceImage { conference, group, grown, media, started_by, started_at, version, .. } = image;
        let mut call = Self::new(conference, started_at, started_by, media);
        call.grown =
            grown.map(|(caller, callee, started_at, answered_at)| Grown { caller, callee, started_at, answered_at });
        (call.group, call.version, call.barred) = (group, version, image.barred);
        (call.met, call.asked) = (image.met, image.asked);
        (call.link, call.closed, call.turned_away) = (image.link, image.closed, image.turned_away);
        for SeatImage { endpoint, flags, held, joined_at, hand } in image.seats {
            call.changes.push(Change::Sat(endpoint.clone()));
            let deadline = Some(now + timeouts.grace);
            call.seats.push(Seat { endpoint, flags, held, media_up: false, was_up: true, hand, joined_at, deadline });
        }
        for (user, by, until) in image.rings {
            call.changes.push(Change::Rings(user.clone()));
            let reach = call.reach_of(&user);
            call.rings.push(Ring::restored(user, by, until, reach));
        }
        call
    }
}
