//! Groups: the bodies of their HTTP calls, and what members hear of changes.
//!
//! A change of a group is an entry of its conversation: a `message` whose content is of type `system`. It has a place there and
//! in mailboxes like any other, so that all members see who came and went, and what was written meanwhile, in one order.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use tertulia_common::{ClientMessageId, MediaId, UserId};
use ts_rs::TS;

/// What somebody is in a group; each may do what those before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum GroupRole {
    /// Writes, and leaves.
    Member,
    /// Adds and removes members, invites, says who may do what.
    Admin,
    /// One in each group. Removes admins, ends the group, makes another one the owner.
    Owner,
}

/// `POST /v1/groups`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct GroupNew {
    /// This client's own name for it, a UUID. The same again is the same group.
    pub client_id: ClientMessageId,
    /// Its name, 1 to 100 characters.
    pub name: String,
    /// What it is for, at most 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub description: Option<String>,
    /// Its picture: one's own, or one that was shared with oneself. Who is in the group fetches it by `GET
    /// /v1/groups/{group_id}/icon`, whoever set it; the file stays as long as the group shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub icon: Option<MediaId>,
    /// Who is in it beside oneself.
    #[serde(default)]
    pub members: Vec<UserId>,
    /// The least that one must be to write; `member` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub post: Option<GroupRole>,
    /// The least that one must be to change name, description and picture; `admin` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub edit: Option<GroupRole>,
}

/// `PATCH /v1/groups/{group_id}`, and in a `system` message what was changed. What is absent stays.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct GroupPatch {
    /// Its name, 1 to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
    /// What it is for, at most 1,000 characters; empty: nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub description: Option<String>,
    /// Its picture; null: none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    #[schemars(with = "Option<MediaId>")]
    #[ts(optional, type = "MediaId | null")]
    pub icon: Option<Option<MediaId>>,
    /// The least that one must be to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub post: Option<GroupRole>,
    /// The least that one must be to change name, description and picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub edit: Option<GroupRole>,
}

/// What is there and null is not absent.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<MediaId>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A group, as its members see it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Group {
    /// Which: its conversation.
    pub group_id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub icon: Option<MediaId>,
    /// The least that one must be to write.
    pub post: GroupRole,
    /// The least that one must be to change name, description and picture.
    pub edit: GroupRole,
    /// Who is in it, in the order they came.
    pub members: Vec<GroupMember>,
    /// Whoever has its invitation may join.
    pub has_invite: bool,
    /// Its last entry's place.
    #[ts(type = "number")]
    pub conversation_seq: u64,
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct GroupMember {
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: GroupRole,
}

/// `GET /v1/groups`: this user's groups, by their ids.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct Groups {
    /// One page.
    pub groups: Vec<Group>,
    /// Pass as `?after=` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub next: Option<String>,
}

/// `PUT /v1/groups/{group_id}/members/{user_id}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct GroupMemberPut {
    /// As what; absent: as what they are, or a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub role: Option<GroupRole>,
}

/// `POST /v1/groups/{group_id}/invite`.
// No `Debug` on the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct GroupInvite {
    /// Whoever has it may join, until it is revoked or another one is made. The server keeps only its hash.
    pub token: String,
}

/// What happened to a group; the message's sender did it.
// No `Debug` of what people write.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum GroupEvent {
    /// It was made.
    Created {
        /// Its name then.
        name: String,
        /// Who was in it, its maker too.
        members: Vec<UserId>,
    },
    /// It is called otherwise, or others may do things in it.
    Changed {
        /// What is otherwise.
        changes: GroupPatch,
    },
    /// Somebody was added.
    Added {
        /// Who.
        user: UserId,
        /// As what.
        role: GroupRole,
    },
    /// The sender came by the invitation.
    Joined,
    /// Somebody was removed.
    Removed {
        /// Who.
        user: UserId,
    },
    /// The sender left.
    Left,
    /// Somebody is something else now. A new owner: the earlier one is an admin.
    Role {
        /// Who.
        user: UserId,
        /// What.
        role: GroupRole,
    },
    /// It is over.
    Ended,
}
