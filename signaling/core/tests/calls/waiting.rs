//! Call waiting and hold. Devices 7 and above can have a second call.

use crate::desk::Desk;
use tertulia_common::CallId;
use tertulia_signaling_core::{CallError, EndReason, Phase, Roster};

/// a1 and b7 are in a call, and c1 calls b.
fn second_call(desk: &mut Desk) -> (CallId, CallId) {
    let first = desk.invite("a1", "b", &["b7"]);
    desk.accept("b7", first).unwrap();
    desk.up("a1", first);
    desk.up("b7", first);
    desk.forget_heard();
    desk.media.clear();
    (first, desk.invite("c1", "b", &["b7"]))
}

fn held(roster: Option<Roster>) -> Option<[bool; 2]> {
    roster.and_then(|roster| roster.participants.iter().map(|entry| entry.held).collect::<Vec<_>>().try_into().ok())
}

fn is_held(desk: &Desk, device: &str, call: CallId) -> bool {
    let snapshots = desk.board.snapshots_for(&crate::desk::endpoint(device));
    snapshots.iter().any(|snapshot| snapshot.call == call && snapshot.held)
}

#[test]
fn c1_a_device_with_call_waiting_rings_during_a_call_and_one_without_is_busy() {
    let mut desk = Desk::new();
    let (_, second) = second_call(&mut desk);
    assert!(desk.rang("b7"));
    desk.decline("b7", second).unwrap();
    assert_eq!(desk.ended("c1"), [EndReason::Declined]);

    let mut desk = Desk::new();
    desk.active_call();
    desk.invite("c1", "b", &["b1"]);
    assert_eq!(desk.ended("c1"), [EndReason::Busy]);
}

#[test]
fn c1_taking_the_second_call_puts_the_first_on_hold_at_once() {
    let mut desk = Desk::new();
    let (first, second) = second_call(&mut desk);
    desk.accept("b7", second).unwrap();
    assert_eq!(desk.media, ["hold b7", "admit c1", "admit b7"]);
    assert_eq!(held(desk.last_roster("a1")), Some([false, true]));
    assert!(is_held(&desk, "b7", first) && !is_held(&desk, "b7", second));
    assert_eq!(desk.accept("b7", second), Ok(second), "again changes nothing");
    assert_eq!(desk.media.len(), 3);
}

#[test]
fn c1_going_on_with_one_call_puts_the_other_on_hold() {
    let mut desk = Desk::new();
    let (first, second) = second_call(&mut desk);
    desk.accept("b7", second).unwrap();
    desk.media.clear();
    desk.hold("b7", first, false).unwrap();
    assert_eq!(desk.media, ["hold b7", "admit b7"]);
    assert!(is_held(&desk, "b7", second) && !is_held(&desk, "b7", first));
    assert_eq!(desk.hold("b7", first, false), Ok(first));
    assert_eq!(desk.media.len(), 2, "it is so already");
    desk.hold("b7", first, true).unwrap();
    assert!(is_held(&desk, "b7", second) && is_held(&desk, "b7", first), "both may wait");
}

#[test]
fn c1_each_side_holds_for_itself_and_the_other_sees_it() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.hold("a1", call, true).unwrap();
    assert_eq!(held(desk.last_roster("b1")), Some([true, false]));
    desk.hold("b1", call, true).unwrap();
    assert_eq!(held(desk.last_roster("a1")), Some([true, true]));
    desk.hold("a1", call, false).unwrap();
    assert_eq!(held(desk.last_roster("b1")), Some([false, true]));
    assert_eq!(desk.phase("a1"), Some(Phase::Active), "a hold is no loss");
}

#[test]
fn c1_only_an_answered_call_can_be_held_and_only_by_who_is_in() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    assert_eq!(desk.hold("a1", call, true), Err(CallError::StateMismatch));
    assert_eq!(desk.hold("b1", call, true), Err(CallError::StateMismatch));
    desk.accept("b1", call).unwrap();
    assert_eq!(desk.hold("b2", call, true), Err(CallError::AnsweredElsewhere));
    assert_eq!(desk.hold("c1", call, true), Err(CallError::UnknownCall));
    desk.hangup("a1", call).unwrap();
    assert_eq!(desk.hold("b1", call, true), Err(CallError::Over(EndReason::Hangup)));
}

#[test]
fn c1_media_that_connect_on_hold_flow_later() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.hold("b1", call, true).unwrap();
    let admission = desk.board.admit_media(desk.now, call, &crate::desk::endpoint("b1"));
    assert_eq!(admission, Ok(tertulia_signaling_core::Admission::Later));
}

#[test]
fn c1_the_end_of_the_active_call_leaves_the_held_one_held() {
    let mut desk = Desk::new();
    let (first, second) = second_call(&mut desk);
    desk.accept("b7", second).unwrap();
    desk.hangup("c1", second).unwrap();
    assert!(is_held(&desk, "b7", first));
    desk.hold("b7", first, false).unwrap();
    assert!(!is_held(&desk, "b7", first));
}

#[test]
fn c1_a_third_caller_finds_the_device_busy() {
    let mut desk = Desk::new();
    let (_, second) = second_call(&mut desk);
    let third = desk.invite("d1", "b", &["b7"]);
    assert!(desk.rang("b7"));
    desk.accept("b7", second).unwrap();
    assert_eq!(desk.ended("b7"), [EndReason::Busy], "the one that still rang stops");
    assert_eq!(desk.accept("b7", third), Err(CallError::Over(EndReason::Busy)));
    desk.forget_heard();
    desk.invite("e1", "b", &["b7"]);
    assert_eq!(desk.ended("e1"), [EndReason::Busy]);
}

#[test]
fn c1_a_device_that_dials_does_not_take_another_call() {
    let mut desk = Desk::new();
    desk.invite("b7", "d", &["d1"]);
    let call = desk.invite("a1", "b", &["b7"]);
    assert_eq!(desk.accept("b7", call), Err(CallError::AlreadyInCall));
}

#[test]
fn c1_a_device_that_was_busy_when_a_call_came_rings_once_it_is_free() {
    let mut desk = Desk::new();
    let first = desk.active_call();
    let second = desk.invite("c1", "b", &["b1", "b2"]);
    assert!(!desk.rang("b1") && desk.rang("b2"));
    desk.hangup("a1", first).unwrap();
    assert!(desk.rang("b1"));
    assert_eq!(desk.accept("b1", second), Ok(second));
    assert_eq!(desk.ended("b2"), [EndReason::AnsweredElsewhere]);
}

#[test]
fn c1_a_device_that_was_told_that_it_is_busy_hears_no_more_of_that_call() {
    let mut desk = Desk::new();
    let first = desk.invite("a1", "b", &["b1", "b2"]);
    let second = desk.invite("c1", "b", &["b1", "b2"]);
    desk.accept("b1", first).unwrap();
    assert!(desk.ended("b1").contains(&EndReason::Busy));
    desk.hangup("a1", first).unwrap();
    assert!(!desk.rang("b1"));
    assert_eq!(desk.accept("b1", second), Err(CallError::Over(EndReason::Busy)));
}

#[test]
fn c1_a_busy_device_that_went_does_not_ring_and_one_that_came_back_does() {
    let mut desk = Desk::new();
    let first = desk.active_call();
    desk.invite("c1", "b", &["b1", "b2"]);
    desk.gone("b1");
    desk.hangup("a1", first).unwrap();
    assert!(!desk.rang("b1"));
    desk.connected("b1");
    assert!(desk.rang("b1"));
}
