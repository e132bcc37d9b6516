//! Calls that cross, calling again, both at once, late and repeated requests, and strangers.

use crate::desk::{Desk, endpoint, seconds};
use tertulia_signaling_core::{CallError, EndReason, Measure, MediaFlags, Notice, Phase};

#[test]
fn c1_two_calls_that_cross_become_one_answered_call() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.forget_heard();
    assert_eq!(desk.try_invite("b1", "a", &["a1", "a2"]), Ok(call), "the first call is the one");
    assert_eq!(desk.phase("a1"), Some(Phase::Connecting));
    assert_eq!(desk.phase("b1"), Some(Phase::Connecting));
    assert_eq!(desk.ended("b2"), [EndReason::AnsweredElsewhere]);
    assert!(!desk.rang("a1") && !desk.rang("a2"));
    assert!(desk.measures.contains(&Measure::Merged));
    desk.hangup("b1", call).unwrap();
    assert_eq!(desk.records.len(), 1);
}

#[test]
fn c1_crossing_from_a_device_that_did_not_ring_is_an_accept_too() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    assert_eq!(desk.try_invite("b9", "a", &["a1"]), Ok(call));
    assert_eq!(desk.ended("b1"), [EndReason::AnsweredElsewhere]);
    assert_eq!(desk.hangup("b9", call), Ok(call));
}

#[test]
fn c1_a_device_that_said_busy_can_call_back_into_the_same_call() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.decline_busy("b1", call).unwrap();
    assert_eq!(desk.try_invite("b1", "a", &["a1"]), Ok(call));
    assert_eq!(desk.phase("b1"), Some(Phase::Connecting));
}

#[test]
fn c1_media_that_were_removed_are_not_up_when_the_device_calls_back() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.up("a1", call);
    desk.up("b1", call);
    desk.decline_busy("b1", call).unwrap();
    assert_eq!(desk.media, ["remove b1"]);
    assert_eq!(desk.try_invite("b1", "a", &["a1"]), Ok(call));
    assert_eq!(desk.phase("b1"), Some(Phase::Connecting));
    desk.up("b1", call);
    assert_eq!(desk.phase("b1"), Some(Phase::Active));
}

#[test]
fn c1_the_invite_that_merged_gets_the_same_answer_again() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    let crossing = desk.new_id();
    for at in ["connecting", "active", "ended"] {
        assert_eq!(desk.invite_as(crossing, "b1", "a", &["a1"]), Ok(call), "{at}");
        desk.up("a1", call);
        desk.up("b1", call);
        if at == "active" {
            desk.hangup("a1", call).unwrap();
        }
    }
    assert_eq!(desk.invite_as(crossing, "c1", "a", &["a1"]), Err(CallError::UnknownCall));
    assert_eq!(desk.records.len(), 1);
}

#[test]
fn c1_calls_of_two_devices_to_the_same_person_do_not_merge() {
    let mut desk = Desk::new();
    let first = desk.invite("a1", "b", &["b1"]);
    let second = desk.invite("a2", "b", &["b1"]);
    assert_ne!(first, second);
    assert_eq!(desk.try_invite("b1", "a", &["a1", "a2"]), Ok(first), "the older of the two");
    assert_eq!(desk.ended("a2"), [EndReason::Busy]);
}

#[test]
fn c1_the_same_invite_again_is_the_same_call() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.forget_heard();
    assert_eq!(desk.invite_as(call, "a1", "b", &["b1"]), Ok(call), "a repeated request");
    assert_eq!(desk.try_invite("a1", "b", &["b1"]), Ok(call), "an impatient finger");
    assert!(desk.silent());
    desk.decline("b1", call).unwrap();
    assert_eq!(desk.invite_as(call, "a1", "b", &["b1"]), Ok(call), "even when it is over");
    assert_eq!(desk.records.len(), 1);
    assert_eq!(desk.invite_as(call, "c1", "b", &["b1"]), Err(CallError::UnknownCall), "someone else's id");
}

#[test]
fn c1_calling_again_after_losing_the_call_replaces_it() {
    let mut desk = Desk::new();
    let old = desk.active_call();
    assert_eq!(desk.try_invite("b1", "a", &["a1"]), Err(CallError::AlreadyInCall), "it works");
    desk.down("b1", old);
    assert_eq!(desk.try_invite("a1", "b", &["b1"]), Err(CallError::AlreadyInCall), "it works on this side");
    assert_eq!(desk.try_invite("b1", "c", &["c1"]), Err(CallError::AlreadyInCall), "someone else");
    desk.forget_heard();
    let new = desk.invite("b1", "a", &["a1"]);
    assert_ne!(old, new);
    assert_eq!(desk.only_reason(), EndReason::Lost);
    let heard = desk.heard("a1");
    assert!(matches!(heard[..], [Notice::Ended(_), Notice::Incoming { .. }]), "{heard:?}");
    assert_eq!(desk.accept("a1", new), Ok(new), "it is not busy");
}

#[test]
fn c1_both_call_again_at_once() {
    let mut desk = Desk::new();
    let old = desk.active_call();
    desk.down("a1", old);
    desk.down("b1", old);
    let new = desk.invite("a1", "b", &["b1"]);
    assert_eq!(desk.try_invite("b1", "a", &["a1"]), Ok(new));
    assert_eq!(desk.phase("b1"), Some(Phase::Connecting));
    assert_eq!(desk.records.len(), 1);
}

#[test]
fn c1_both_hang_up_at_once() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    assert_eq!(desk.hangup("a1", call), Ok(call));
    assert_eq!(desk.hangup("b1", call), Ok(call));
    assert_eq!(desk.ended("a1"), [EndReason::Hangup]);
    assert_eq!(desk.ended("b1"), [EndReason::Hangup]);
    assert_eq!(desk.records.len(), 1);
}

#[test]
fn c1_a_cancel_that_crosses_the_answer_hangs_up() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.accept("b1", call).unwrap();
    assert_eq!(desk.cancel("a1", call), Ok(call));
    assert_eq!(desk.ended("b1"), [EndReason::Hangup]);
    assert!(desk.missed.is_empty());
}

#[test]
fn c1_an_accept_that_crosses_the_cancel_is_told_so() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.cancel("a1", call).unwrap();
    assert_eq!(desk.accept("b1", call), Err(CallError::Over(EndReason::Cancelled)));
    assert_eq!(desk.decline("b1", call), Err(CallError::Over(EndReason::Cancelled)));
    assert_eq!(desk.cancel("a1", call), Ok(call));
    assert_eq!(desk.only_reason(), EndReason::Cancelled);
}

#[test]
fn c1_two_devices_answer_differently_and_the_first_counts() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.accept("b1", call).unwrap();
    assert_eq!(desk.decline("b2", call), Err(CallError::AnsweredElsewhere));
    assert_eq!(desk.hangup("b2", call), Err(CallError::AnsweredElsewhere));
    assert_eq!(desk.phase("a1"), Some(Phase::Connecting));
}

#[test]
fn c1_repeated_requests_get_the_same_answer_and_change_nothing() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.ringing("b1", call).unwrap();
    desk.decline_busy("b2", call).unwrap();
    desk.forget_heard();
    assert_eq!(desk.ringing("b1", call), Ok(call));
    assert_eq!(desk.decline_busy("b2", call), Ok(call));
    assert!(desk.silent());
    desk.accept("b1", call).unwrap();
    desk.forget_heard();
    assert_eq!(desk.accept("b1", call), Ok(call));
    assert_eq!(desk.ringing("b1", call), Ok(call));
    assert!(desk.silent());
    desk.hangup("a1", call).unwrap();
    desk.forget_heard();
    assert_eq!(desk.hangup("a1", call), Ok(call));
    assert_eq!(desk.accept("b1", call), Ok(call));
    assert_eq!(desk.decline_busy("b2", call), Ok(call));
    assert!(desk.silent());
    assert_eq!(desk.records.len(), 1);
}

#[test]
fn c1_a_ringing_that_comes_when_all_is_over_is_answered_in_kind() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.ringing("b1", call).unwrap();
    desk.cancel("a1", call).unwrap();
    assert_eq!(desk.ringing("b1", call), Ok(call), "a repetition");
    assert_eq!(desk.ringing("b2", call), Err(CallError::Over(EndReason::Cancelled)), "too late");
}

#[test]
fn c1_a_stranger_learns_nothing() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    let never = desk.new_id();
    for id in [call, never] {
        // Another person; another device of the caller; a device of the callee that was never offered the call.
        for stranger in ["x1", "a2", "b9"] {
            let unknown = Err(CallError::UnknownCall);
            assert_eq!(desk.ringing(stranger, id), unknown);
            assert_eq!(desk.accept(stranger, id), unknown);
            assert_eq!(desk.decline(stranger, id), unknown);
            assert_eq!(desk.cancel(stranger, id), unknown);
            assert_eq!(desk.hangup(stranger, id), unknown);
            assert_eq!(desk.flags(stranger, id, MediaFlags { mic: true, ..MediaFlags::default() }), unknown);
            let admission = desk.board.admit_media(desk.now, id, &endpoint(stranger));
            assert_eq!(admission, Err(CallError::UnknownCall));
            desk.up(stranger, id);
            desk.down(stranger, id);
            desk.gone(stranger);
            assert_eq!(desk.board.snapshots_for(&endpoint(stranger)), []);
        }
    }
    desk.wait(seconds(60));
    assert!(desk.silent());
    assert_eq!(desk.phase("a1"), Some(Phase::Active));
}
