//! Examples of what group calls have beside calls of two.

use crate::examples::{AT, bob, call_id, device, person, request, user};
use crate::markdown::Call;
use serde_json::Value;
use tertulia_common::Timestamp;
use tertulia_signaling_proto::{
    CallAdd, CallAdmit, CallGroup, CallHand, CallIncoming, CallInvite, CallLink, CallLinkNew, CallLinkPeek, CallLinks,
    CallLook, CallPeek, CallPublish, CallReact, CallReaction, CallRecord, CallRemove, CallRoster, CallRosterChanges,
    CallSpeakers, CallView, CallWaiting, ClientFrame, Direction, EndReason, GroupCall, GroupCallChanged, MediaFlags,
    MediaKind, OkFrame, PublishWanted, RequestId, RosterEntry, ServerFrame, Source, Target, ViewWant,
};

/// Of a call link.
const TOKEN: &str = "Zk3vT0mYq8b2Rj1xWnL7cVd5sHfGpA4e";
const GROUP: &str = "5e0f3c9a7b2d4186a1c4e7f09b3d6258";

pub(crate) fn going() -> GroupCall {
    GroupCall {
        group_id: GROUP.to_owned(),
        call_id: call_id(),
        media: MediaKind::Video,
        started_by: person("carol", "Carol", None),
        started_at: Timestamp(AT - 90_000),
        participants: 3,
    }
}

pub(crate) fn client() -> Vec<ClientFrame> {
    let (id, call_id) = (RequestId(10), call_id());
    let view =
        ViewWant { user_id: user("bob"), device_id: device("bob-phone"), source: Source::Camera, max_height: 360 };
    vec![
        ClientFrame::CallLeave(request(10)),
        ClientFrame::CallPeek(CallLook { id, call_id: Some(call_id), link: None }),
        ClientFrame::CallPeek(CallLook { id, call_id: None, link: Some(TOKEN.to_owned()) }),
        ClientFrame::CallInvite(CallInvite { id, to: Target::Link(TOKEN.to_owned()), media: MediaKind::Video }),
        ClientFrame::CallAdmit(CallAdmit { id, call_id, user_id: user("dan"), admit: true }),
        ClientFrame::CallAdd(CallAdd { id, call_id, users: vec![user("carol"), user("dan")] }),
        ClientFrame::CallRemove(CallRemove { id, call_id, user_id: user("dan") }),
        ClientFrame::CallHand(CallHand { id, call_id, raised: true }),
        ClientFrame::CallReact(CallReact { id, call_id, reaction: "👏".to_owned() }),
        ClientFrame::CallView(CallView { id, call_id, wants: vec![view] }),
    ]
}

pub(crate) fn server() -> Vec<ServerFrame> {
    let call_id = call_id();
    let peek = CallPeek {
        call_id,
        media: MediaKind::Video,
        started_at: Timestamp(AT - 90_000),
        participants: vec![person("carol", "Carol", None), person("bob", "Bob", None)],
    };
    let looked = CallLinkPeek {
        name: Some("Book club".to_owned()),
        media: MediaKind::Video,
        owner: person("carol", "Carol", None),
        approval: true,
        expires_at: Timestamp(AT + 7 * 86_400_000),
        active: true,
        call: None,
    };
    let entry = RosterEntry {
        participant: bob(),
        name: "Bob".to_owned(),
        media: MediaFlags { mic: true, camera: true, screen: false },
        held: false,
        hand_at: Some(Timestamp(AT)),
    };
    let wanted = vec![
        PublishWanted { source: Source::Camera, max_height: Some(360) },
        PublishWanted { source: Source::Screen, max_height: None },
    ];
    let of_group = CallGroup { group_id: GROUP.to_owned(), name: "Sunday rice".to_owned() };
    vec![
        ServerFrame::Ok(OkFrame { id: RequestId(10), peek: Some(peek), ..OkFrame::default() }),
        ServerFrame::Ok(OkFrame { id: RequestId(10), link: Some(Box::new(looked)), ..OkFrame::default() }),
        ServerFrame::Ok(OkFrame { id: RequestId(11), call_id: Some(call_id), waiting: true, ..OkFrame::default() }),
        ServerFrame::CallWaiting(CallWaiting { call_id, people: vec![person("dan", "Dan", None)] }),
        ServerFrame::CallIncoming(CallIncoming {
            call_id,
            from: person("carol", "Carol", None),
            media: MediaKind::Video,
            expires_at: Timestamp(AT + 60_000),
            conference: true,
            group: Some(of_group),
        }),
        ServerFrame::CallRoster(CallRoster {
            call_id,
            version: 7,
            participants: vec![entry.clone()],
            conference: true,
            ringing: vec![person("dan", "Dan", None)],
            hosts: vec![user("carol")],
            approval: false,
        }),
        ServerFrame::CallRosterChanges(CallRosterChanges {
            call_id,
            since: 7,
            version: 9,
            changed: vec![entry],
            gone: vec![bob()],
            ringing: vec![],
            hosts: vec![user("carol")],
        }),
        ServerFrame::CallSpeakers(CallSpeakers { call_id, speakers: vec![bob()] }),
        ServerFrame::CallPublish(CallPublish { call_id, wanted }),
        ServerFrame::CallReaction(CallReaction { call_id, from: bob(), reaction: "👏".to_owned() }),
        ServerFrame::CallGroup(Box::new(GroupCallChanged { group_id: GROUP.to_owned(), call: Some(going()) })),
    ]
}

/// A group's call in somebody's history who has missed it.
pub(crate) fn past_call() -> CallRecord {
    let carol = person("carol", "Carol", None);
    CallRecord {
        call_id: call_id(),
        direction: Direction::Incoming,
        peer: carol.clone(),
        media: MediaKind::Video,
        started_at: Timestamp(AT - 90_000),
        ended_at: Timestamp(AT),
        reason: EndReason::Missed,
        duration_ms: 0,
        quality: None,
        peer_quality: None,
        group: Some(CallGroup { group_id: GROUP.to_owned(), name: "Sunday walks".to_owned() }),
        people: vec![carol, person("dan", "Dan", None)],
        people_count: Some(2),
    }
}

/// The HTTP calls of call links.
pub(crate) const CALLS: &[Call] = &[
    Call {
        what: "POST /v1/call-links",
        about: "Makes a call link. 201. `too_many` where this user has as many as they may. Needs a token.",
        body: Some("CallLinkNew"),
        answer: Some("CallLink"),
    },
    Call {
        what: "GET /v1/call-links",
        about: "This user's links that are good. Needs a token.",
        body: None,
        answer: Some("CallLinks"),
    },
    Call {
        what: "DELETE /v1/call-links/{call_link_id}",
        about: "Revokes it: nobody new comes in, who waits hears that it is over, and those who are in stay. 204. Needs a token.",
        body: None,
        answer: None,
    },
];

/// Of every body.
pub(crate) fn bodies() -> serde_json::Result<Vec<(&'static str, Value)>> {
    let new = CallLinkNew {
        name: Some("Book club".to_owned()),
        media: MediaKind::Video,
        approval: true,
        expires_in_s: Some(7 * 86_400),
    };
    let link = CallLink {
        call_link_id: "7a1d3c5e9b2f48608c4e6a0d1f3b5972".to_owned(),
        token: TOKEN.to_owned(),
        name: new.name.clone(),
        media: new.media,
        approval: true,
        made_at: Timestamp(AT),
        expires_at: Timestamp(AT + 7 * 86_400_000),
    };
    Ok(vec![
        ("CallLinkNew", serde_json::to_value(new)?),
        ("CallLink", serde_json::to_value(link.clone())?),
        ("CallLinks", serde_json::to_value(CallLinks { links: vec![link] })?),
    ])
}
