//! How calls end, and what is left of them.

use crate::desk::{Desk, START, seconds};
use tertulia_signaling_core::{CallError, EndReason, Event, Limits, MediaFlags, Notice};

#[test]
fn c1_the_caller_cancels() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.ringing("b1", call).unwrap();
    assert_eq!(desk.cancel("a1", call), Ok(call));
    for device in ["a1", "b1", "b2"] {
        assert_eq!(desk.ended(device), [EndReason::Cancelled], "{device}");
    }
    assert_eq!(desk.missed, [call], "the callee finds a missed call");
    assert_eq!(desk.only_reason(), EndReason::Cancelled);
    assert_eq!(desk.accept("b1", call), Err(CallError::Over(EndReason::Cancelled)));
    assert_eq!(desk.media, ["close"]);
}

#[test]
fn c1_only_the_caller_can_cancel_and_only_who_is_in_can_hang_up() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    assert_eq!(desk.cancel("b1", call), Err(CallError::StateMismatch));
    assert_eq!(desk.hangup("b1", call), Err(CallError::StateMismatch));
    assert!(desk.records.is_empty());
    desk.hangup("a1", call).unwrap();
    assert_eq!(desk.only_reason(), EndReason::Cancelled, "a hang-up before the answer gives up the call");
}

#[test]
fn c1_the_callers_device_goes_before_the_answer() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.gone("a1");
    assert_eq!(desk.ended("b1"), [EndReason::Cancelled]);
    assert_eq!(desk.missed, [call]);
    assert!(desk.try_invite("a1", "c", &[]).is_ok(), "it is free when it comes back");
}

#[test]
fn c1_a_session_that_ends_during_a_call_leaves_the_call_alone() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.gone("a1");
    desk.gone("b1");
    desk.wait(seconds(3600));
    assert!(desk.silent() && desk.records.is_empty());
    assert_eq!(desk.hangup("b1", call), Ok(call));
}

#[test]
fn c1_a_call_that_ended_stays_as_it_was_and_is_forgotten_in_time() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.hangup("a1", call).unwrap();
    desk.forget_heard();
    desk.wait(seconds(119));
    assert_eq!(desk.hangup("b1", call), Ok(call), "what it wanted is so");
    assert_eq!(desk.accept("b1", call), Ok(call), "it did answer");
    assert_eq!(desk.flags("b1", call, MediaFlags::default()), Err(CallError::Over(EndReason::Hangup)));
    desk.tell(Event::Fail { call });
    desk.up("a1", call);
    desk.down("b1", call);
    desk.connected("b2");
    assert!(desk.silent());
    assert_eq!(desk.only_reason(), EndReason::Hangup);
    desk.wait(seconds(1));
    assert_eq!(desk.hangup("b1", call), Err(CallError::UnknownCall));
    assert_eq!(desk.board.poll_timeout(), None);
}

#[test]
fn the_server_gives_up_one_call() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    let other = desk.invite("c1", "d", &["d1"]);
    desk.tell(Event::Fail { call });
    assert_eq!(desk.ended("a1"), [EndReason::Failed]);
    assert_eq!(desk.ended("b1"), [EndReason::Failed]);
    assert_eq!(desk.accept("d1", other), Ok(other), "nobody else is disturbed");
}

#[test]
fn a_shutdown_ends_every_call_and_takes_no_new_one() {
    let mut desk = Desk::new();
    desk.active_call();
    let ringing = desk.invite("c1", "d", &["d1"]);
    desk.tell(Event::Shutdown);
    for device in ["a1", "b1", "c1", "d1"] {
        assert_eq!(desk.ended(device), [EndReason::Failed], "{device}");
    }
    assert_eq!(desk.records.len(), 2);
    assert_eq!(desk.missed, [ringing]);
    assert_eq!(desk.try_invite("a1", "b", &["b1"]), Err(CallError::ShuttingDown));
    assert_eq!(desk.board.gauges().live(), 0);
}

#[test]
fn the_oldest_finished_calls_are_forgotten_first() {
    let mut desk = Desk::with_limits(Limits { tombstones: 2, ..Limits::default() });
    let mut calls = Vec::new();
    for _ in 0..3 {
        let call = desk.invite("a1", "b", &["b1"]);
        desk.decline("b1", call).unwrap();
        calls.push(call);
    }
    assert_eq!(desk.board.gauges().tombstones, 2);
    assert_eq!(desk.decline("b1", calls[0]), Err(CallError::UnknownCall));
    assert_eq!(desk.decline("b1", calls[1]), Ok(calls[1]));
    assert_eq!(desk.decline("b1", calls[2]), Ok(calls[2]));
    desk.wait(seconds(120));
    assert_eq!(desk.board.gauges().tombstones, 0);
}

#[test]
fn what_was_due_happens_as_of_its_moment_however_late_the_wake_up() {
    let mut desk = Desk::new();
    desk.invite("a1", "b", &["b1"]);
    desk.now = START + seconds(75);
    desk.connected("x1");
    assert_eq!(desk.records[0].ended_at, START + seconds(60));
    assert!(matches!(desk.heard("b1")[..], [Notice::Incoming { .. }, Notice::Ended(_)]));
}
