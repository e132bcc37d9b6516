//! The frames of presence in both codecs.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use proptest::prelude::*;
use serde_json::json;
use tertulia_common::{Timestamp, UserId};
use tertulia_signaling_proto::{
    Audience, ClientFrame, Codec, PersonPresence, Presence, PresenceSet, PresenceWatch, Recipient, RequestId,
    ServerFrame, Settings, Typing, TypingSend, TypingWhat,
};

fn user() -> impl Strategy<Value = UserId> {
    "[a-z]{1,8}".prop_map(|id| id.parse().unwrap())
}

fn what() -> impl Strategy<Value = TypingWhat> {
    prop_oneof![Just(TypingWhat::Text), Just(TypingWhat::Voice), Just(TypingWhat::None)]
}

fn to() -> impl Strategy<Value = Recipient> {
    prop_oneof![user().prop_map(Recipient::User), "[0-9a-f]{32}".prop_map(Recipient::Group)]
}

fn client() -> impl Strategy<Value = ClientFrame> {
    let id = || (0..1_000_u64).prop_map(RequestId);
    let groups = prop::collection::vec("[0-9a-f]{32}", 0..3);
    prop_oneof![
        (id(), any::<bool>()).prop_map(|(id, active)| ClientFrame::PresenceSet(PresenceSet { id, active })),
        (id(), prop::collection::vec(user(), 0..4), groups)
            .prop_map(|(id, users, groups)| ClientFrame::PresenceWatch(PresenceWatch { id, users, groups })),
        (id(), to(), what()).prop_map(|(id, to, what)| ClientFrame::Typing(TypingSend { id, to, what })),
    ]
}

fn server() -> impl Strategy<Value = ServerFrame> {
    let seen = prop::option::of((0..1_u64 << 53).prop_map(Timestamp));
    let one = (user(), any::<bool>(), seen);
    let person = one.prop_map(|(user, online, last_seen)| PersonPresence { user, online, last_seen });
    prop_oneof![
        prop::collection::vec(person, 0..4).prop_map(|people| ServerFrame::Presence(Presence { people })),
        (user(), to(), what()).prop_map(|(from, to, what)| ServerFrame::Typing(Typing { from, to, what })),
    ]
}

proptest! {
    #[test]
    fn m6_frames_of_presence_survive_both_codecs(asked in client(), told in server()) {
        for codec in Codec::ALL {
            prop_assert_eq!(&codec.decode_client(&codec.encode_client(&asked)).unwrap(), &asked);
            prop_assert_eq!(&codec.decode_server(&codec.encode_server(&told)).unwrap(), &told);
        }
        prop_assert!(!told.is_counted(), "they are not kept for a resume");
        prop_assert!(asked.request_id().is_some());
    }
}

#[test]
fn m6_what_is_left_out_is_nobody_and_nothing() {
    let frame: ClientFrame = serde_json::from_value(json!({"type": "presence.watch", "id": 1})).unwrap();
    let none = PresenceWatch { id: RequestId(1), users: Vec::new(), groups: Vec::new() };
    assert_eq!(frame, ClientFrame::PresenceWatch(none));
    let settings: Settings = serde_json::from_value(json!({})).unwrap();
    assert_eq!((settings.online, settings.last_seen), (Audience::Contacts, Audience::Contacts));
}
