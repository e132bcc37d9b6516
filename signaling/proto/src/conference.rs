//! Group calls: what clients ask for and hear beside what calls of two have.
//!
//! A group call is joined and left while it goes on. `call.invite {to: {group}}` starts the call of a group, or joins the one that goes on
//! there; members ring (`call.incoming` with `conference`) and `call.accept` or `call.join` takes them in. A call of two becomes one by
//! `call.add`: same id, same media. The roster says who is in; everybody follows its newest version.

use crate::types::{MediaKind, Participant, Person, RequestId, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tertulia_common::{CallId, DeviceId, Timestamp, UserId};
use ts_rs::TS;

/// The group that a call is of.
// No `Debug` on the name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallGroup {
    /// The group.
    pub group_id: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Debug for CallGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallGroup").field("group_id", &self.group_id).finish_non_exhaustive()
    }
}

/// A group's call that goes on, as its members see it before they join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct GroupCall {
    /// The group.
    pub group_id: String,
    /// The call: `call.join` goes in.
    pub call_id: CallId,
    /// What it was started as.
    pub media: MediaKind,
    /// Who started it.
    pub started_by: Person,
    /// When.
    pub started_at: Timestamp,
    /// How many devices are in it.
    pub participants: u32,
}

/// The call of a group has begun, has another number of participants, or is over. To members who are not in it, some times a second at
/// most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct GroupCallChanged {
    /// The group.
    pub group_id: String,
    /// The call that goes on; absent: none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call: Option<GroupCall>,
}

/// Who is in a call, before one joins it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallPeek {
    /// Which call.
    pub call_id: CallId,
    /// What it was started as.
    pub media: MediaKind,
    /// When it was started.
    pub started_at: Timestamp,
    /// Who is in it, in the order of their coming.
    pub participants: Vec<Person>,
}

/// Have more people ring. A call of two becomes a group call by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallAdd {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    pub call_id: CallId,
    /// Whom: at most 32 at once. Of the call of a group, members only.
    pub users: Vec<UserId>,
}

/// Take somebody out of a group call, or stop their ringing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallRemove {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    pub call_id: CallId,
    /// Whom. They come back only when somebody adds them.
    pub user_id: UserId,
}

/// Raise one's hand, or take it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallHand {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    pub call_id: CallId,
    /// Up, or not.
    pub raised: bool,
}

/// Show the others how one feels. Kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallReact {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    pub call_id: CallId,
    /// One emoji: at most 32 bytes, no letters and digits alone.
    pub reaction: String,
}

/// What this device shows of a call, most important first. What nobody shows is not sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallView {
    /// The request's number.
    pub id: RequestId,
    /// Which call.
    pub call_id: CallId,
    /// Pictures, at most as many as the device has video slots count.
    pub wants: Vec<ViewWant>,
}

/// A picture that is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct ViewWant {
    /// Whose.
    pub user_id: UserId,
    /// On which device of theirs.
    pub device_id: DeviceId,
    /// `camera` or `screen`.
    pub source: Source,
    /// How high it is shown, in pixels of the screen.
    pub max_height: u32,
}

/// Who speaks, loudest first; the first is the dominant speaker until another one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallSpeakers {
    /// Which call.
    pub call_id: CallId,
    /// Those who are heard now.
    pub speakers: Vec<Participant>,
}

/// What the others show of what this device sends. What nobody shows can be paused at its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallPublish {
    /// Which call.
    pub call_id: CallId,
    /// Each source that is sent, once.
    pub wanted: Vec<PublishWanted>,
}

/// What the others show of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct PublishWanted {
    /// `camera` or `screen`.
    pub source: Source,
    /// The highest picture that is shown, in pixels; absent: nobody shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub max_height: Option<u32>,
}

/// Somebody shows how they feel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CallReaction {
    /// Which call.
    pub call_id: CallId,
    /// Who.
    pub from: Participant,
    /// One emoji.
    pub reaction: String,
}
