//! Examples of what group calls have beside calls of two.

use crate::examples::{AT, bob, call_id, device, person, request, user};
use tertulia_common::Timestamp;
use tertulia_signaling_proto::{
    CallAdd, CallGroup, CallHand, CallIncoming, CallPeek, CallPublish, CallReact, CallReaction, CallRecord, CallRemove,
    CallRoster, CallSpeakers, CallView, ClientFrame, Direction, EndReason, GroupCall, GroupCallChanged, MediaFlags,
    MediaKind, OkFrame, PublishWanted, RequestId, RosterEntry, ServerFrame, Source, ViewWant,
};

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
        ClientFrame::CallPeek(request(10)),
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
            participants: vec![entry],
            conference: true,
            ringing: vec![person("dan", "Dan", None)],
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
