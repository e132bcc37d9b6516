//! A session and its sockets, without a network.

use super::*;
use tertulia_common::Timestamp;
use tertulia_signaling_proto::Ping;

const LIMITS: OutboxLimits =
    OutboxLimits { queue_frames: 4, queue_bytes: 4_000, replay_frames: 8, replay_bytes: 8_000 };

fn identity() -> Identity {
    Identity {
        id: SessionId::new(Timestamp(1), 1),
        endpoint: Endpoint { user: "alice".parse().unwrap(), device: "phone".parse().unwrap() },
        name: "Alice".to_owned(),
        rings: true,
        call_waiting: false,
        messages: false,
        codec: Codec::Json,
        secret: [7; 16],
    }
}

fn opened() -> (Arc<Session>, Arc<Link>) {
    let link = Link::new(Fence(1));
    (Session::new(identity(), LIMITS, &link), link)
}

fn frame(number: u64) -> ServerFrame {
    ServerFrame::Ping(Ping { now: Timestamp(number) })
}

fn told(session: &Session, fence: Fence) -> Vec<u64> {
    let frames = session.take_unsent(fence, 100).unwrap();
    let now = |bytes: Bytes| match Codec::Json.decode_server(&bytes).unwrap() {
        ServerFrame::Ping(ping) => ping.now.0,
        other => panic!("{other:?}"),
    };
    frames.into_iter().map(now).collect()
}

fn call(number: u64) -> CallId {
    CallId::new(Timestamp(number), 0)
}

#[test]
fn only_the_right_secret_is_the_secret() {
    let (session, _link) = opened();
    assert!(session.is_secret(&[7; 16]));
    assert!(!session.is_secret(&[8; 16]));
    assert!(!session.is_secret(&[7; 15]));
    assert!(!session.is_secret(&[]));
}

#[test]
fn a_resumed_session_gets_what_it_missed_and_nothing_twice() {
    let (session, link) = opened();
    (0..2).for_each(|number| assert_eq!(session.tell(&frame(number)), Told::Kept));
    assert_eq!(told(&session, link.fence), [0, 1]);
    assert!(session.detach(link.fence));
    (2..4).for_each(|number| assert_eq!(session.tell(&frame(number)), Told::Kept));

    let (second, _) = session.attach(1, || Some(Fence(2))).unwrap();
    assert_eq!(told(&session, second.fence), [1, 2, 3]);
    assert!(session.take_unsent(link.fence, 100).is_none(), "the old socket gets nothing any longer");
}

#[test]
fn a_request_is_taken_on_once_even_across_a_resume() {
    let (session, link) = opened();
    assert_eq!(session.begin(link.fence, RequestId(1)), Ok(()));
    assert_eq!(session.begin(link.fence, RequestId(5)), Ok(()));
    assert_eq!(session.begin(link.fence, RequestId(5)), Err(NotTaken::NotRising));
    let (second, _) = session.attach(0, || Some(Fence(2))).unwrap();
    assert_eq!(session.last_request(), RequestId(5));
    assert_eq!(session.begin(second.fence, RequestId(3)), Err(NotTaken::NotRising));
    assert_eq!(session.begin(link.fence, RequestId(6)), Err(NotTaken::Stale), "the old socket speaks for nobody");
    assert_eq!(session.begin(second.fence, RequestId(6)), Ok(()));
}

#[test]
fn a_new_socket_displaces_the_old_one_and_its_late_end_changes_nothing() {
    let (session, link) = opened();
    let (second, _) = session.attach(0, || Some(Fence(2))).unwrap();
    assert_eq!(link.closing(), Some(Closing::Code(CloseCode::Displaced)));
    assert!(!session.detach(link.fence));
    assert_eq!(session.tell(&frame(1)), Told::Kept);
    assert_eq!(told(&session, second.fence), [1]);
}

#[test]
fn a_slow_reader_loses_its_socket_and_not_its_frames() {
    let (session, link) = opened();
    (0..4).for_each(|number| assert_eq!(session.tell(&frame(number)), Told::Kept));
    assert_eq!(session.tell(&frame(4)), Told::SlowReader);
    assert_eq!(link.closing(), Some(Closing::Code(CloseCode::SlowReader)));
    assert_eq!(session.tell(&frame(5)), Told::Kept, "kept for the resume");
    session.detach(link.fence);
    let (second, _) = session.attach(0, || Some(Fence(2))).unwrap();
    assert_eq!(told(&session, second.fence), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_session_that_missed_too_much_is_not_resumed() {
    let (session, link) = opened();
    session.detach(link.fence);
    let outcomes: Vec<Told> = (0..10).map(|number| session.tell(&frame(number))).collect();
    assert_eq!(outcomes.iter().filter(|told| **told == Told::ReplayOverflow).count(), 1);
    assert_eq!(outcomes.last(), Some(&Told::Nobody));
    assert_eq!(session.attach(0, || panic!("no claim")).unwrap_err(), Gap);
}

#[test]
fn a_session_ends_once_and_not_while_a_socket_is_back() {
    let (session, link) = opened();
    assert!(!session.end(Closing::Code(CloseCode::Displaced), true), "a socket is there");
    session.detach(link.fence);
    assert!(session.end(Closing::Code(CloseCode::Displaced), true));
    assert!(!session.end(Closing::Code(CloseCode::Displaced), false));
    assert_eq!(session.tell(&frame(1)), Told::Nobody);
    assert_eq!(session.attach(0, || panic!("no claim")).unwrap_err(), Gap);
}

#[test]
fn requests_without_an_answer_are_bounded() {
    let (session, _link) = opened();
    assert_eq!(session.defer(2), Ok(()));
    assert_eq!(session.defer(2), Ok(()));
    assert_eq!(session.defer(2), Err(3));
    session.settle();
    assert_eq!(session.defer(2), Ok(()));
}

#[test]
fn a_missed_call_is_seen_when_its_frame_is_acknowledged_and_not_before() {
    let (session, link) = opened();
    session.tell(&frame(0));
    assert_eq!(session.tell_missed(call(1), &frame(1)), Told::Kept);
    assert_eq!(session.tell_missed(call(1), &frame(1)), Told::Kept);
    assert_eq!(told(&session, link.fence), [0, 1], "told once");
    assert_eq!(session.acknowledge(1), Some(vec![]));
    assert_eq!(session.acknowledge(2), Some(vec![call(1)]));
    assert_eq!(session.acknowledge(2), Some(vec![]));
    assert_eq!(session.acknowledge(9), None);
}

#[test]
fn a_resume_confirms_the_missed_calls_it_counts() {
    let (session, _link) = opened();
    session.tell_missed(call(1), &frame(1));
    session.tell_missed(call(2), &frame(2));
    let (_, shown) = session.attach(1, || Some(Fence(2))).unwrap();
    assert_eq!(shown, [call(1)]);
    assert_eq!(session.acknowledge(2), Some(vec![call(2)]));
}

#[test]
fn missed_calls_of_a_welcome_are_seen_with_the_first_pong() {
    let (session, link) = opened();
    session.tell_missed(call(1), &frame(1));
    assert_eq!(session.list_missed(&[call(1), call(2)]), [call(2)], "a frame tells of the first");
    assert_eq!(session.acknowledge(0), Some(vec![]));
    assert_eq!(session.tell_missed(call(2), &frame(2)), Told::Kept);
    assert_eq!(told(&session, link.fence), [1], "the welcome tells of the second");
    assert_eq!(session.pong(0), Some(vec![call(2)]));
    assert_eq!(session.pong(1), Some(vec![call(1)]));
}

#[test]
fn m6_what_is_of_use_only_now_passes_by_the_outbox_and_waits_for_nobody() {
    let link = Link::new(Fence(1));
    let roomy = OutboxLimits { queue_frames: 64, replay_frames: 64, ..LIMITS };
    let session = Session::new(identity(), roomy, &link);
    let frames = |session: &Session, link: &Link| session.take_unsent(link.fence, 100).unwrap().len();
    let passing = || Bytes::from_static(b"now");
    for _ in 0..PASSING_MAX {
        assert_eq!(session.pass(passing()), Passed::Taken);
    }
    assert_eq!(session.pass(passing()), Passed::Refused, "the socket has not read what came before");
    assert_eq!(session.unsent(), (0, 0), "it is not among the frames of the session");
    assert_eq!(frames(&session, &link), PASSING_MAX);
    assert_eq!(session.pass(passing()), Passed::Taken);
    assert!(session.detach(link.fence));
    assert_eq!(session.pass(passing()), Passed::Refused, "nobody is there");
    let (again, _) = session.attach(0, || Some(Fence(2))).unwrap();
    assert_eq!(frames(&session, &again), 0, "and what was on its way is gone with its socket");
    for _ in 0..=BEHIND_FRAMES {
        session.tell_encoded(passing());
    }
    assert_eq!(session.pass(passing()), Passed::Refused, "it is behind with what has to come");
}
