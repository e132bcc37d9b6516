//! Who answers: the first accept, decline, busy.

use crate::desk::{Desk, START, seconds};
use tertulia_signaling_core::{CallError, EndReason, Ended, Measure, Notice, Phase};

#[test]
fn c1_first_accept_wins() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2", "b3"]);
    desk.ringing("b1", call).unwrap();
    desk.ringing("b2", call).unwrap();
    desk.forget_heard();
    desk.wait(seconds(5));
    assert_eq!(desk.accept("b2", call), Ok(call));
    assert_eq!(desk.accept("b1", call), Err(CallError::AnsweredElsewhere));
    assert_eq!(desk.accept("b3", call), Err(CallError::AnsweredElsewhere));
    assert_eq!(desk.ended("b1"), [EndReason::AnsweredElsewhere]);
    assert_eq!(desk.ended("b3"), [EndReason::AnsweredElsewhere]);
    let connecting = Notice::State { phase: Phase::Connecting, answered_at: Some(START + seconds(5)) };
    let to_caller = desk.heard("a1");
    assert!(matches!(&to_caller[..], [state, Notice::Roster(_)] if *state == connecting), "{to_caller:?}");
    assert_eq!(desk.heard("b2"), to_caller);
    assert_eq!(desk.media, ["admit a1", "admit b2", "remove b1", "remove b3"]);
    assert_eq!(desk.measures, [Measure::Rang(seconds(0)), Measure::Answered(seconds(5))]);
}

#[test]
fn c1_an_accept_without_ringing_first_counts() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    assert_eq!(desk.accept("b1", call), Ok(call));
    assert_eq!(desk.phase("a1"), Some(Phase::Connecting));
    assert_eq!(desk.ringing("b1", call), Ok(call), "a ringing that was overtaken is no error");
    assert_eq!(desk.phase("a1"), Some(Phase::Connecting));
}

#[test]
fn c1_an_accept_after_the_ring_time_is_too_late() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.now = START + seconds(60);
    assert_eq!(desk.accept("b1", call), Err(CallError::Over(EndReason::Missed)));
    assert_eq!(desk.only_reason(), EndReason::Missed);
}

#[test]
fn c1_a_decline_ends_the_call_for_every_device() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    assert_eq!(desk.decline("b1", call), Ok(call));
    assert_eq!(desk.ended("a1"), [EndReason::Declined]);
    assert_eq!(desk.ended("b1"), [EndReason::Declined]);
    assert_eq!(desk.ended("b2"), [EndReason::DeclinedElsewhere]);
    assert_eq!(desk.only_reason(), EndReason::Declined);
    assert!(desk.missed.is_empty(), "who declines has seen the call");
    assert_eq!(desk.accept("b2", call), Err(CallError::Over(EndReason::DeclinedElsewhere)));
}

#[test]
fn c1_who_has_answered_cannot_decline() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    assert_eq!(desk.decline("b1", call), Err(CallError::StateMismatch));
    assert_eq!(desk.phase("a1"), Some(Phase::Active));
}

#[test]
fn c1_the_caller_can_neither_ring_nor_answer() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    assert_eq!(desk.ringing("a1", call), Err(CallError::StateMismatch));
    assert_eq!(desk.accept("a1", call), Err(CallError::StateMismatch));
    assert_eq!(desk.decline("a1", call), Err(CallError::StateMismatch));
    assert_eq!(desk.phase("a1"), Some(Phase::Offered));
}

#[test]
fn c1_a_device_in_a_call_never_rings_and_the_others_do() {
    let mut desk = Desk::new();
    desk.active_call();
    let call = desk.invite("c1", "b", &["b1", "b2"]);
    assert!(!desk.rang("b1"));
    assert!(desk.rang("b2"));
    assert_eq!(desk.accept("b1", call), Err(CallError::Over(EndReason::Busy)));
    assert_eq!(desk.accept("b2", call), Ok(call), "the same person may talk on two devices");
}

#[test]
fn c1_the_call_is_busy_when_every_device_is() {
    let mut desk = Desk::new();
    desk.active_call();
    let to_callee = desk.invite("c1", "b", &["b1"]);
    assert_eq!(desk.ended("c1"), [EndReason::Busy]);
    assert_eq!(desk.only_reason(), EndReason::Busy);
    assert_eq!(desk.missed, [to_callee], "they would want to know who called");
    desk.invite("d1", "a", &["a1"]);
    assert_eq!(desk.ended("d1"), [EndReason::Busy], "the caller of an answered call is as busy");
    assert!(!desk.rang("b1") && !desk.rang("a1"));
}

#[test]
fn c1_a_busy_device_that_opens_a_new_session_stays_silent_and_makes_the_call_busy() {
    let mut desk = Desk::new();
    desk.active_call();
    desk.invite("c1", "b", &[]);
    desk.connected("b1");
    assert!(!desk.rang("b1"));
    assert_eq!(desk.ended("c1"), [EndReason::Busy]);
}

#[test]
fn c1_a_device_that_says_busy_leaves_the_others_ringing() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.decline_busy("b1", call).unwrap();
    assert_eq!(desk.ended("b1"), [EndReason::Busy]);
    assert!(desk.ended("a1").is_empty());
    assert_eq!(desk.accept("b1", call), Err(CallError::Over(EndReason::Busy)));
    desk.decline_busy("b2", call).unwrap();
    assert_eq!(desk.ended("a1"), [EndReason::Busy]);
    assert_eq!(desk.ended("b2"), [EndReason::Busy]);
}

#[test]
fn c1_the_last_device_that_was_not_busy_goes() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.decline_busy("b1", call).unwrap();
    desk.gone("b2");
    assert_eq!(desk.ended("a1"), [EndReason::Busy]);
}

#[test]
fn c1_answering_one_call_makes_the_device_busy_for_the_others_that_ring() {
    let mut desk = Desk::new();
    let first = desk.invite("a1", "b", &["b1", "b2"]);
    let second = desk.invite("c1", "b", &["b1", "b2"]);
    let third = desk.invite("d1", "b", &["b1"]);
    desk.accept("b1", first).unwrap();
    assert_eq!(desk.ended("b1"), [EndReason::Busy, EndReason::Busy], "nothing goes on ringing there");
    assert_eq!(desk.ended("d1"), [EndReason::Busy], "it rang nowhere else");
    assert_eq!(desk.ended("c1"), [], "it rings on the other device");
    assert_eq!(desk.accept("b2", second), Ok(second));
    assert_eq!(desk.accept("b1", third), Err(CallError::Over(EndReason::Busy)));
}

#[test]
fn c1_a_device_that_dials_rings_for_others_until_its_call_is_answered() {
    let mut desk = Desk::new();
    let own = desk.invite("a1", "b", &["b1"]);
    let other = desk.invite("c1", "a", &["a1"]);
    assert!(desk.rang("a1"));
    assert_eq!(desk.accept("a1", other), Err(CallError::AlreadyInCall));
    desk.accept("b1", own).unwrap();
    assert_eq!(desk.ended("a1"), [EndReason::Busy]);
    assert_eq!(desk.ended("c1"), [EndReason::Busy]);
}

#[test]
fn c1_a_device_that_dials_can_give_up_its_call_to_answer_another() {
    let mut desk = Desk::new();
    let own = desk.invite("a1", "b", &["b1"]);
    let other = desk.invite("c1", "a", &["a1"]);
    desk.cancel("a1", own).unwrap();
    assert_eq!(desk.accept("a1", other), Ok(other));
}

#[test]
fn c1_the_duration_runs_from_answer_to_end() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.wait(seconds(10));
    desk.accept("b1", call).unwrap();
    desk.up("a1", call);
    desk.up("b1", call);
    desk.wait(seconds(95));
    desk.forget_heard();
    desk.hangup("a1", call).unwrap();
    let ended = [Notice::Ended(Ended { reason: EndReason::Hangup, duration: seconds(95) })];
    assert_eq!(desk.heard("a1"), ended);
    assert_eq!(desk.heard("b1"), ended);
    assert_eq!(desk.records[0].duration, seconds(95));
    assert_eq!(desk.records[0].answered_at, Some(START + seconds(10)));
}
