//! Whom a call rings, for how long, and who may call whom.

use crate::desk::{Desk, START, callee, seconds};
use tertulia_signaling_core::{CallError, CallKind, EndReason, Measure, MediaKind, Notice, Phase, Request};

#[test]
fn c1_every_device_of_the_callee_rings() {
    let mut desk = Desk::new();
    let call = desk.new_id();
    let callee = Some(callee("b", &["b1", "b2"]));
    assert_eq!(desk.ask("a1", Request::Invite { call, callee, media: MediaKind::Video }), Ok(call));
    assert_eq!(desk.phase("a1"), Some(Phase::Offered));
    let incoming = Notice::Incoming {
        from: "a".parse().unwrap(),
        media: MediaKind::Video,
        expires_at: START + seconds(60),
        kind: CallKind::Pair,
    };
    let rung = [incoming];
    assert_eq!(desk.heard("b1"), rung);
    assert_eq!(desk.heard("b2"), rung);
    assert_eq!(desk.heard("a1"), [], "the caller has the answer to its invite");
}

#[test]
fn c1_the_caller_hears_once_that_it_rings() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.wait(seconds(2));
    desk.ringing("b2", call).unwrap();
    desk.ringing("b1", call).unwrap();
    desk.ringing("b2", call).unwrap();
    assert_eq!(desk.heard("a1"), [Notice::State { phase: Phase::Ringing, answered_at: None }]);
    assert_eq!(desk.measures, [Measure::Rang(seconds(2))]);
}

#[test]
fn c1_a_device_that_connects_while_it_rings_gets_the_time_that_remains() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.wait(seconds(59));
    desk.connected("b2");
    assert!(
        matches!(desk.heard("b2")[..], [Notice::Incoming { expires_at, .. }] if expires_at == START + seconds(60)),
        "the moment is the same for every device"
    );
    assert_eq!(desk.accept("b2", call), Ok(call));
    assert_eq!(desk.ended("b1"), [EndReason::AnsweredElsewhere]);
}

#[test]
fn c1_a_device_with_a_new_session_is_rung_again_unless_it_has_declined() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.ringing("b1", call).unwrap();
    desk.decline_busy("b2", call).unwrap();
    desk.forget_heard();
    desk.connected("b1");
    desk.connected("b2");
    assert!(desk.rang("b1"));
    assert!(!desk.rang("b2"));
    assert_eq!(desk.phase("a1"), Some(Phase::Ringing));
}

#[test]
fn c1_a_late_invite_never_rings() {
    let mut desk = Desk::new();
    desk.invite("a1", "b", &[]);
    // No timer has run: the moment alone decides.
    desk.now = desk.now + seconds(60);
    desk.connected("b1");
    assert!(!desk.rang("b1"));
    assert_eq!(desk.ended("a1"), [EndReason::Missed]);
}

#[test]
fn c1_a_callee_without_a_device_is_rung_until_the_time_is_over() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &[]);
    desk.wait(seconds(59));
    assert_eq!(desk.phase("a1"), Some(Phase::Offered));
    desk.wait(seconds(1));
    assert_eq!(desk.ended("a1"), [EndReason::Missed]);
    assert_eq!(desk.missed, [call]);
}

#[test]
fn c1_nobody_answers_in_time() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.ringing("b1", call).unwrap();
    desk.wait(seconds(60));
    assert_eq!(desk.ended("a1"), [EndReason::Missed]);
    assert_eq!(desk.ended("b1"), [EndReason::Missed]);
    assert_eq!(desk.ended("b2"), [EndReason::Missed], "it rang or not, it is told");
    assert_eq!(desk.missed, [call]);
    let record = desk.records.pop().unwrap();
    assert_eq!((record.started_at, record.ended_at), (START, START + seconds(60)));
    assert_eq!((record.reason, record.answered_at, record.duration), (EndReason::Missed, None, seconds(0)));
}

#[test]
fn c1_a_ringing_device_that_goes_has_no_part_in_the_call_any_longer() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.ringing("b1", call).unwrap();
    desk.gone("b1");
    assert_eq!(desk.media, ["remove b1"]);
    assert_eq!(desk.accept("b1", call), Err(CallError::UnknownCall));
    assert_eq!(desk.accept("b2", call), Ok(call), "the others ring on");
    assert_eq!(desk.ended("b1"), []);
}

#[test]
fn c1_the_last_ringing_device_goes_and_another_comes() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.gone("b1");
    assert!(desk.ended("a1").is_empty(), "it rings until the time is over");
    desk.connected("b2");
    assert_eq!(desk.accept("b2", call), Ok(call));
}

#[test]
fn c1_a_device_named_twice_rings_once() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2", "b1"]);
    assert_eq!(desk.heard("b1").len(), 1);
    desk.cancel("a1", call).unwrap();
    assert_eq!(desk.ended("b1"), [EndReason::Cancelled]);
}

#[test]
fn c1_a_call_to_oneself_is_refused() {
    let mut desk = Desk::new();
    assert_eq!(desk.try_invite("a1", "a", &["a2"]), Err(CallError::SelfCall));
    assert!(desk.silent());
    assert_eq!(desk.board.gauges().live(), 0);
}

#[test]
fn c1_a_call_to_someone_unknown_is_refused() {
    let mut desk = Desk::new();
    let call = desk.new_id();
    let request = Request::Invite { call, callee: None, media: MediaKind::Voice };
    assert_eq!(desk.ask("a1", request), Err(CallError::UnknownUser));
    assert!(desk.silent() && desk.records.is_empty());
}

#[test]
fn c1_a_device_in_a_call_cannot_place_another() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    assert_eq!(desk.try_invite("a1", "c", &["c1"]), Err(CallError::AlreadyInCall), "while it dials");
    desk.accept("b1", call).unwrap();
    assert_eq!(desk.try_invite("a1", "c", &["c1"]), Err(CallError::AlreadyInCall));
    assert_eq!(desk.try_invite("b1", "c", &["c1"]), Err(CallError::AlreadyInCall));
    assert!(!desk.rang("c1"));
    assert!(desk.try_invite("a2", "c", &["c1"]).is_ok(), "another device of the same person can");
    desk.hangup("b1", call).unwrap();
    assert!(desk.try_invite("a1", "d", &["d1"]).is_ok());
    assert!(desk.try_invite("b1", "e", &["e1"]).is_ok());
}
