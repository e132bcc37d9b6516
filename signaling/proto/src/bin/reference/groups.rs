//! The reference of groups: their HTTP calls, and an example of each body and of what members hear.

use crate::markdown::Call;
use serde_json::Value;
use tertulia_common::{ClientMessageId, Timestamp, UserId};
use tertulia_signaling_proto::{
    Content, Group, GroupEvent, GroupInvite, GroupMember, GroupMemberPut, GroupNew, GroupPatch, GroupRole, Groups,
    Message, Receipt, Receipts, ReceiptsOfAll, Recipient, ServerFrame,
};

const AT: u64 = 1_790_000_700_000;
const GROUP: &str = "9ad1f04c7be24d6c8f3b5e0a61c2d7e8";

/// Their HTTP calls.
pub(crate) const CALLS: &[Call] = &[
    Call {
        what: "GET /v1/groups?after=&limit=",
        about: "This user's groups, by their ids: `limit` of them (1 to 20, 10 if absent), after `after`. Needs a token.",
        body: None,
        answer: Some("Groups"),
    },
    Call {
        what: "POST /v1/groups",
        about: "Makes a group; its maker is its owner. 201; 200: it was made before, by the same `client_id`. Members get a `message` of type \
                `system`, as of every change. `not_addable`: one of them may not be added, and nothing was made. Needs a token.",
        body: Some("GroupNew"),
        answer: Some("Group"),
    },
    Call {
        what: "GET /v1/groups/{group_id}",
        about: "A group that this user is in; for anybody else there is none. Needs a token.",
        body: None,
        answer: Some("Group"),
    },
    Call {
        what: "PATCH /v1/groups/{group_id}",
        about: "Changes what it is called (whoever may edit) and who may do what in it (admins). This and the calls below take a header \
                `tertulia-client-id`, a UUID: the same again is the same change, whatever has happened since. A group knows its latest 64. Needs a token.",
        body: Some("GroupPatch"),
        answer: Some("Group"),
    },
    Call {
        what: "GET /v1/groups/{group_id}/icon",
        about: "Its picture, as large as a thumbnail (JPEG, or WebP where the request accepts it), for who is in it: `icon` tells whether there \
                is one, and whether it is another. `not_found` where there is none. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "DELETE /v1/groups/{group_id}",
        about: "Ends it for everyone. Owners. 204. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "PUT /v1/groups/{group_id}/members/{user_id}",
        about: "Adds somebody, or makes them something else: admins, those below them, and nothing above themselves. They get nothing of what was \
                written before. An owner who makes another one the owner becomes an admin. `not_addable`: they may not be added; an \
                invitation may help. Needs a token.",
        body: Some("GroupMemberPut"),
        answer: Some("Group"),
    },
    Call {
        what: "DELETE /v1/groups/{group_id}/members/{user_id}",
        about: "Removes somebody: admins, those below them. Oneself: to leave; an owner is followed by the oldest admin, or else the oldest \
                member, and with the last one the group ends. They get the entry that says so, and nothing after it. 204. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "POST /v1/groups/{group_id}/invite",
        about: "Makes an invitation; the one before is not valid any more. Admins. 201. Needs a token.",
        body: None,
        answer: Some("GroupInvite"),
    },
    Call {
        what: "DELETE /v1/groups/{group_id}/invite",
        about: "Revokes it. Admins. 204. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "POST /v1/groups/join/{token}",
        about: "Joins by an invitation. Limited per user. Needs a token.",
        body: None,
        answer: Some("Group"),
    },
];

#[expect(clippy::expect_used, reason = "an example is an id")]
fn user(id: &str) -> UserId {
    id.parse().expect("an id")
}

fn group() -> Group {
    Group {
        group_id: GROUP.to_owned(),
        name: "Sunday walks".to_owned(),
        description: "Where we go, and when.".to_owned(),
        icon: None,
        post: GroupRole::Member,
        edit: GroupRole::Admin,
        members: vec![
            GroupMember { user_id: user("alice"), role: GroupRole::Owner },
            GroupMember { user_id: user("bob"), role: GroupRole::Member },
        ],
        has_invite: false,
        conversation_seq: 1,
    }
}

/// What the server sends.
pub(crate) fn server() -> Vec<ServerFrame> {
    vec![
        ServerFrame::Message(Box::new(Message {
            seq: 5_020,
            conversation: GROUP.to_owned(),
            conversation_seq: 2,
            from: user("alice"),
            to: Recipient::Group(GROUP.to_owned()),
            sent_at: Timestamp(AT),
            content: Content::System(GroupEvent::Added { user: user("carol"), role: GroupRole::Member }),
        })),
        ServerFrame::Receipts(Receipts {
            seq: 5_023,
            conversation: GROUP.to_owned(),
            receipts: vec![Receipt { user: user("bob"), delivered_upto: 2, read_upto: 2 }],
            all: Some(ReceiptsOfAll { delivered_upto: 2, read_upto: 1 }),
        }),
    ]
}

/// Of every body.
pub(crate) fn bodies() -> serde_json::Result<Vec<(&'static str, Value)>> {
    let new = GroupNew {
        client_id: ClientMessageId::new(Timestamp(AT), 8),
        name: "Sunday walks".to_owned(),
        description: Some("Where we go, and when.".to_owned()),
        icon: None,
        members: vec![user("bob")],
        post: None,
        edit: None,
    };
    let patch = GroupPatch { post: Some(GroupRole::Admin), ..GroupPatch::default() };
    Ok(vec![
        ("Group", serde_json::to_value(group())?),
        ("Groups", serde_json::to_value(Groups { groups: vec![group()], next: None })?),
        ("GroupNew", serde_json::to_value(new)?),
        ("GroupPatch", serde_json::to_value(patch)?),
        ("GroupMemberPut", serde_json::to_value(GroupMemberPut { role: Some(GroupRole::Admin) })?),
        ("GroupInvite", serde_json::to_value(GroupInvite { token: "pV1nGkq0Y2f8bq3uZ6mXv0cJt7wLr5aE".to_owned() })?),
    ])
}
