//! The server goes without a word and another takes over what was kept.

use crate::desk::{Desk, endpoint, seconds};
use tertulia_signaling_core::{
    Admission, CallError, EndReason, Image, Limits, MediaFlags, Phase, Switchboard, Timeouts,
};

#[test]
fn c6_an_answered_call_comes_back_reconnecting_with_its_whole_state() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    let video = MediaFlags { mic: true, camera: true, screen: false };
    desk.flags("a1", call, video).unwrap();
    desk.hold("b1", call, true).unwrap();
    let before = desk.board.snapshots_for(&endpoint("b1"));
    desk.forget_heard();
    let restored = desk.restart_after(seconds(3));
    assert_eq!((restored.calls, restored.refused), (1, vec![]));
    assert_eq!(restored.devices, [endpoint("a1"), endpoint("b1")]);
    assert!(desk.silent(), "nobody is there to be told");

    let mut after = desk.board.snapshots_for(&endpoint("b1"));
    assert_eq!(after[0].phase, Phase::Reconnecting);
    after[0].phase = Phase::Active;
    assert_eq!(after, before);
    assert_eq!(desk.board.admit_media(desk.now, call, &endpoint("a1")), Ok(Admission::Now));
    desk.up("a1", call);
    desk.up("b1", call);
    assert_eq!(desk.phase("a1"), Some(Phase::Active));
    desk.wait(seconds(3600));
    assert!(desk.records.is_empty(), "no timer is left");
}

#[test]
fn c6_an_answered_call_that_nobody_comes_back_to_is_lost_once() {
    let mut desk = Desk::new();
    desk.active_call();
    desk.restart_after(seconds(3));
    desk.wait(seconds(29));
    assert!(desk.records.is_empty());
    desk.wait(seconds(1));
    assert_eq!(desk.only_reason(), EndReason::Lost);
    desk.restart_after(seconds(3));
    assert_eq!(desk.records.len(), 1, "one record, however many restarts");
}

#[test]
fn c6_a_ringing_call_goes_on_ringing_for_the_time_that_remains() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.ringing("b1", call).unwrap();
    desk.wait(seconds(20));
    desk.restart_after(seconds(10));
    assert_eq!(desk.phase("a1"), Some(Phase::Ringing));
    assert_eq!(desk.ringing("b1", call), Ok(call));
    desk.wait(seconds(29));
    assert!(desk.records.is_empty());
    desk.wait(seconds(1));
    assert_eq!(desk.only_reason(), EndReason::Missed);
    assert_eq!(desk.missed, [call]);
    assert_eq!(desk.records[0].ended_at.since(desk.records[0].started_at), seconds(60));
}

#[test]
fn c6_a_call_whose_time_was_over_meanwhile_ends_as_of_then() {
    let mut desk = Desk::new();
    desk.invite("a1", "b", &["b1"]);
    let restored = desk.restart_after(seconds(600));
    assert_eq!((restored.calls, restored.devices.len()), (0, 0));
    assert_eq!(desk.only_reason(), EndReason::Missed);
    assert_eq!(desk.records[0].ended_at.since(desk.records[0].started_at), seconds(60));
}

#[test]
fn c6_after_too_long_an_outage_an_answered_call_ends_as_of_its_beginning() {
    let mut desk = Desk::new();
    desk.active_call();
    desk.wait(seconds(40));
    desk.restart_after(seconds(121));
    assert_eq!(desk.only_reason(), EndReason::Lost);
    assert_eq!(desk.records[0].duration, seconds(40), "nobody has talked since");
}

#[test]
fn c6_requests_that_are_repeated_after_a_restart_get_the_same_answers() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.accept("b1", call).unwrap();
    desk.restart_after(seconds(2));
    assert_eq!(desk.accept("b1", call), Ok(call));
    assert_eq!(desk.accept("b2", call), Err(CallError::AnsweredElsewhere));
    desk.hangup("a1", call).unwrap();
    desk.restart_after(seconds(2));
    assert_eq!(desk.hangup("a1", call), Ok(call));
    assert_eq!(desk.hangup("b1", call), Ok(call));
    assert_eq!(desk.accept("b2", call), Err(CallError::AnsweredElsewhere));
    assert_eq!(desk.ringing("b1", call), Ok(call));

    let call = desk.invite("c1", "d", &["d1"]);
    desk.cancel("c1", call).unwrap();
    desk.restart_after(seconds(2));
    assert_eq!(desk.cancel("c1", call), Ok(call));
    assert_eq!(desk.accept("d1", call), Err(CallError::Over(EndReason::Cancelled)));
}

#[test]
fn c6_an_invite_that_is_repeated_after_a_restart_finds_its_call_and_not_a_second_one() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.accept("b1", call).unwrap();
    desk.restart_after(seconds(2));
    assert_eq!(desk.try_invite("a1", "b", &["b1"]), Ok(call), "whatever its number");
    desk.up("a1", call);
    desk.up("b1", call);
    desk.down("a1", call);
    let anew = desk.try_invite("a1", "b", &["b1"]).unwrap();
    assert_ne!(anew, call, "later it is a new wish");
}

#[test]
fn c6_calls_that_crossed_stay_one() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    let crossing = desk.new_id();
    assert_eq!(desk.invite_as(crossing, "b1", "a", &["a1"]), Ok(call));
    desk.restart_after(seconds(2));
    assert_eq!(desk.invite_as(crossing, "b1", "a", &["a1"]), Ok(call));
    assert_eq!(desk.invite_as(crossing, "b2", "a", &["a1"]), Err(CallError::UnknownCall));
}

#[test]
fn c6_the_device_whose_session_does_not_come_back_is_gone() {
    let mut desk = Desk::new();
    desk.invite("a1", "b", &["b1"]);
    let restored = desk.restart_after(seconds(2));
    assert!(restored.devices.contains(&endpoint("a1")));
    desk.gone("a1");
    assert_eq!(desk.only_reason(), EndReason::Cancelled);
}

#[test]
fn c6_a_hand_over_under_way_goes_on() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.join("b2", call).unwrap();
    desk.restart_after(seconds(2));
    desk.up("b2", call);
    assert_eq!(desk.ended("b1"), [EndReason::HandedOver]);
    assert_eq!(desk.phase("b2"), Some(Phase::Reconnecting), "the other side is still away");
}

#[test]
fn c6_an_image_that_contradicts_itself_is_refused_whole() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    let kept = desk.kept[&call].clone();
    let (format, seats) = ("\"format\":1", "\"seats\":[0,1]");
    assert!(kept.contains(format) && kept.contains(seats), "{kept}");
    let broken = [
        kept.replace(format, "\"format\":2"),
        kept.replace(seats, "\"seats\":[0,7]"),
        kept.replace(seats, "\"seats\":[1,0]"),
        kept.replace("\"callee\":\"b\"", "\"callee\":\"a\""),
    ];
    for broken in broken {
        let image: Image = serde_json::from_str(&broken).unwrap();
        let mut board = Switchboard::new(Timeouts::default(), Limits::default());
        let restored = board.restore(desk.now, desk.now, vec![image]);
        assert_eq!((restored.calls, restored.refused), (0, vec![call]), "{broken}");
        assert_eq!(board.poll_output(), None);
    }
}
