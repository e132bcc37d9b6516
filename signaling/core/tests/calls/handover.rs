//! A running call moves from one device of a user to another.

use crate::desk::{Desk, endpoint, seconds};
use tertulia_signaling_core::{Admission, CallError, EndReason, Ended, Limit, Limits, Measure, Notice, Phase};

fn running_on(desk: &Desk, user: &str) -> Vec<String> {
    let running = desk.board.running_for(&user.parse().unwrap()).into_iter();
    running.map(|call| format!("{} with {}", call.device.as_str(), call.peer.as_str())).collect()
}

#[test]
fn c1_a_call_moves_to_another_device_when_its_media_are_up_and_not_before() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.media.clear();
    assert_eq!(desk.join("b2", call), Ok(call));
    assert_eq!(desk.board.admit_media(desk.now, call, &endpoint("b2")), Ok(Admission::Later));
    assert!(desk.silent() && desk.media.is_empty(), "until then nobody notices");
    desk.wait(seconds(5));
    desk.up("b2", call);
    assert_eq!(desk.media, ["admit b2", "remove b1"], "made before it breaks");
    let ended = Notice::Ended(Ended { reason: EndReason::HandedOver, duration: seconds(5) });
    assert_eq!(desk.heard("b1"), [ended]);
    let roster = desk.last_roster("a1").unwrap();
    assert_eq!(
        roster.participants.into_iter().map(|entry| entry.endpoint).collect::<Vec<_>>(),
        [endpoint("a1"), endpoint("b2")]
    );
    assert_eq!(desk.phase("b2"), Some(Phase::Active));
    assert!(desk.measures.contains(&Measure::HandedOver));
    assert_eq!(desk.hangup("b1", call), Err(CallError::Over(EndReason::HandedOver)));
    desk.hangup("b2", call).unwrap();
    assert_eq!(desk.only_reason(), EndReason::Hangup);
    assert_eq!(desk.records[0].duration, seconds(5));
}

#[test]
fn c1_the_callers_side_moves_too_and_back() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.join("a2", call).unwrap();
    desk.up("a2", call);
    assert_eq!(desk.ended("a1"), [EndReason::HandedOver]);
    desk.join("a1", call).unwrap();
    desk.up("a1", call);
    assert_eq!(desk.ended("a2"), [EndReason::HandedOver]);
    desk.down("a2", call);
    assert_eq!(desk.phase("a1"), Some(Phase::Active), "who has left decides nothing");
    desk.cancel("a1", call).unwrap();
    assert_eq!(desk.ended("b1"), [EndReason::Hangup]);
}

#[test]
fn c1_a_join_that_never_comes_up_changes_nothing() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.join("b2", call).unwrap();
    desk.media.clear();
    desk.wait(seconds(15));
    assert_eq!(desk.ended("b2"), [EndReason::Failed]);
    assert_eq!(desk.media, ["remove b2"]);
    assert!(desk.silent() && desk.phase("b1") == Some(Phase::Active));
    desk.wait(seconds(3600));
    assert!(desk.records.is_empty(), "no timer is left");
}

#[test]
fn c1_who_takes_over_may_think_better_of_it_or_go() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.join("b2", call).unwrap();
    assert_eq!(desk.hangup("b2", call), Ok(call));
    assert_eq!(desk.hangup("b2", call), Ok(call), "again changes nothing");
    assert_eq!(desk.ended("b2"), [EndReason::Hangup]);
    desk.join("b2", call).unwrap();
    desk.gone("b2");
    desk.up("b2", call);
    assert!(desk.silent() && desk.phase("b1") == Some(Phase::Active));
}

#[test]
fn c1_of_two_that_want_to_take_over_the_newer_one_does() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.join("b2", call).unwrap();
    desk.join("b3", call).unwrap();
    assert_eq!(desk.ended("b2"), [EndReason::HandedOver]);
    desk.up("b2", call);
    assert_eq!(desk.phase("b1"), Some(Phase::Active));
    desk.up("b3", call);
    assert_eq!(desk.ended("b1"), [EndReason::HandedOver]);
}

#[test]
fn c1_a_device_whose_media_are_lost_is_relieved_by_another() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.down("b1", call);
    desk.join("b2", call).unwrap();
    desk.wait(seconds(2));
    desk.up("b2", call);
    assert_eq!(desk.phase("a1"), Some(Phase::Active));
    desk.wait(seconds(3600));
    assert!(desk.records.is_empty(), "the grace time of the other device is over with it");
}

#[test]
fn c1_only_the_two_take_a_call_over_and_only_while_it_runs() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    assert_eq!(desk.join("b2", call), Err(CallError::StateMismatch));
    assert_eq!(desk.join("c1", call), Err(CallError::UnknownCall));
    desk.accept("b1", call).unwrap();
    assert_eq!(desk.join("c1", call), Err(CallError::UnknownCall));
    assert_eq!(desk.join("b1", call), Ok(call), "it is in already");
    let other = desk.invite("b2", "d", &["d1"]);
    assert_eq!(desk.join("b2", call), Err(CallError::AlreadyInCall));
    desk.hangup("b2", other).unwrap();
    desk.hangup("a1", call).unwrap();
    assert_eq!(desk.join("b2", call), Err(CallError::Over(EndReason::Hangup)));
}

#[test]
fn c1_the_end_of_the_call_is_told_to_who_was_about_to_take_it_over() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.join("b2", call).unwrap();
    desk.hangup("a1", call).unwrap();
    assert_eq!(desk.ended("b2"), [EndReason::Hangup]);
}

#[test]
fn c1_a_call_held_on_one_device_goes_on_at_the_next() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.hold("b1", call, true).unwrap();
    desk.join("b2", call).unwrap();
    desk.up("b2", call);
    assert!(desk.last_roster("a1").unwrap().participants.iter().all(|entry| !entry.held));
}

#[test]
fn c1_a_device_that_takes_a_call_over_rings_for_no_other() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    let other = desk.invite("c1", "b", &["b1", "b2"]);
    desk.join("b2", call).unwrap();
    desk.up("b2", call);
    assert!(desk.ended("b2").contains(&EndReason::Busy));
    assert_eq!(desk.accept("b2", other), Err(CallError::Over(EndReason::Busy)));
}

#[test]
fn c1_running_calls_are_listed_with_their_device_and_every_move_is_told() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    assert!(desk.running.is_empty() && running_on(&desk, "a").is_empty());
    desk.accept("b1", call).unwrap();
    assert_eq!(std::mem::take(&mut desk.running), ["a", "b"]);
    assert_eq!(running_on(&desk, "a"), ["1 with b"]);
    desk.join("b2", call).unwrap();
    assert!(desk.running.is_empty());
    desk.up("b2", call);
    assert_eq!(std::mem::take(&mut desk.running), ["a", "b"]);
    assert_eq!(running_on(&desk, "b"), ["2 with a"]);
    desk.hangup("a1", call).unwrap();
    assert_eq!(desk.running, ["a", "b"]);
    assert!(running_on(&desk, "a").is_empty() && running_on(&desk, "b").is_empty());
}

#[test]
fn so_many_devices_have_had_a_call_and_no_more() {
    let mut desk = Desk::with_limits(Limits { legs_per_call: 2, ..Limits::default() });
    let call = desk.active_call();
    desk.join("b2", call).unwrap();
    let full = Err(CallError::Full { limit: Limit::LegsPerCall, max: 2 });
    assert_eq!(desk.join("b3", call), full);
    assert!(desk.measures.contains(&Measure::LimitHit(Limit::LegsPerCall)));
    desk.up("b2", call);
    assert_eq!(desk.join("b1", call), Ok(call), "one that was in it has its place");
}
