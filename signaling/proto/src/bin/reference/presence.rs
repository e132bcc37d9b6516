//! The reference of presence: an example of each frame.

use tertulia_common::{Timestamp, UserId};
use tertulia_signaling_proto::{
    ClientFrame, PersonPresence, Presence, PresenceSet, PresenceWatch, Recipient, RequestId, ServerFrame, Typing,
    TypingSend, TypingWhat,
};

const AT: u64 = 1_790_000_600_000;
const GROUP: &str = "9b2f6f0c51f64c3a8f0d7be2c4a1e5d3";

#[expect(clippy::expect_used, reason = "an example is an id")]
fn user(id: &str) -> UserId {
    id.parse().expect("an id")
}

/// What clients send.
pub(crate) fn client() -> Vec<ClientFrame> {
    vec![
        ClientFrame::PresenceSet(PresenceSet { id: RequestId(12), active: true }),
        ClientFrame::PresenceWatch(PresenceWatch {
            id: RequestId(13),
            users: vec![user("bob"), user("carol")],
            groups: vec![GROUP.to_owned()],
        }),
        ClientFrame::Typing(TypingSend { id: RequestId(14), to: Recipient::User(user("bob")), what: TypingWhat::Text }),
    ]
}

/// What the server sends.
pub(crate) fn server() -> Vec<ServerFrame> {
    let bob = PersonPresence { user: user("bob"), online: true, last_seen: None };
    let carol = PersonPresence { user: user("carol"), online: false, last_seen: Some(Timestamp(AT)) };
    vec![
        ServerFrame::Presence(Presence { people: vec![bob, carol] }),
        ServerFrame::Typing(Typing {
            from: user("carol"),
            to: Recipient::Group(GROUP.to_owned()),
            what: TypingWhat::Voice,
        }),
    ]
}
