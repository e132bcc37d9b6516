//! What the switchboard keeps inside.

use super::*;

fn endpoint(user: &str) -> Endpoint {
    Endpoint { user: user.parse().unwrap(), device: "1".parse().unwrap() }
}

fn invite(call: CallId, callee: &Endpoint) -> Request {
    let callee = Some(Callee {
        user: callee.user.clone(),
        devices: vec![Ringer { device: callee.device.clone(), call_waiting: false }],
        reach: Reach::Rings,
    });
    Request::Invite { call, callee, media: MediaKind::Voice }
}

#[test]
fn nothing_is_kept_of_a_call_that_is_forgotten() {
    let mut board = Switchboard::new(Timeouts::default(), Limits::default());
    let (alice, bob) = (endpoint("alice"), endpoint("bob"));
    let now = Timestamp(1_000);
    let (call, crossing) = (CallId::new(now, 1), CallId::new(now, 2));
    board.request(now, &alice, invite(call, &bob)).unwrap();
    board.request(now, &bob, invite(crossing, &alice)).unwrap();
    board.request(now, &bob, Request::Hangup { call }).unwrap();
    assert_eq!((board.calls.len(), board.merged.len()), (1, 1));
    board.handle_timeout(now + Timeouts::default().tombstone);
    assert!(board.calls.is_empty() && board.merged.is_empty() && board.index.is_empty());
}
