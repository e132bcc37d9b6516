//! How many calls there are, and how many there may be.

use crate::desk::{Desk, seconds};
use tertulia_signaling_core::{CallError, EndReason, Gauges, Limit, Limits, Measure, Phase};

#[test]
fn the_server_takes_so_many_calls_and_no_more() {
    let mut desk = Desk::with_limits(Limits { calls: 2, ..Limits::default() });
    let first = desk.invite("a1", "b", &["b1"]);
    desk.invite("c1", "d", &["d1"]);
    let full = Err(CallError::Full { limit: Limit::Calls, max: 2 });
    assert_eq!(desk.try_invite("e1", "f", &["f1"]), full);
    assert_eq!(desk.measures, [Measure::LimitHit(Limit::Calls)]);
    assert!(!desk.rang("f1"));
    assert_eq!(desk.try_invite("b1", "a", &["a1"]), Ok(first), "a call that crosses another needs no room");
    desk.hangup("a1", first).unwrap();
    assert!(desk.try_invite("e1", "f", &["f1"]).is_ok(), "a finished call makes room");
}

#[test]
fn calling_again_needs_no_more_room_than_the_call_it_replaces() {
    let mut desk = Desk::with_limits(Limits { calls: 1, ..Limits::default() });
    let old = desk.active_call();
    desk.down("a1", old);
    let new = desk.invite("a1", "b", &["b1"]);
    assert_eq!(desk.only_reason(), EndReason::Lost);
    assert_eq!(desk.accept("b1", new), Ok(new));
}

#[test]
fn one_person_is_rung_by_so_many_calls_and_no_more() {
    let mut desk = Desk::with_limits(Limits { calls_per_callee: 2, ..Limits::default() });
    desk.invite("a1", "b", &["b1"]);
    let second = desk.invite("c1", "b", &["b1"]);
    let full = Err(CallError::Full { limit: Limit::CallsPerCallee, max: 2 });
    assert_eq!(desk.try_invite("d1", "b", &["b1"]), full);
    assert!(desk.try_invite("e1", "f", &["f1"]).is_ok(), "others are not disturbed");
    desk.decline("b1", second).unwrap();
    assert!(desk.try_invite("d1", "b", &["b1"]).is_ok());
}

#[test]
fn so_many_devices_ring_and_no_more() {
    let mut desk = Desk::with_limits(Limits { legs_per_call: 2, ..Limits::default() });
    let call = desk.invite("a1", "b", &["b1", "b2", "b3"]);
    desk.connected("b4");
    assert!(desk.rang("b1") && desk.rang("b2") && !desk.rang("b3") && !desk.rang("b4"));
    assert_eq!(desk.accept("b3", call), Err(CallError::UnknownCall));
    assert_eq!(desk.measures, [Measure::LimitHit(Limit::LegsPerCall); 2]);
    desk.gone("b1");
    desk.connected("b4");
    assert!(desk.rang("b4"), "a device that goes makes room");
}

#[test]
fn calls_are_counted_by_phase() {
    let mut desk = Desk::new();
    let mut seen = Vec::new();
    let mut see = |gauges: Gauges| {
        assert!(gauges.live() <= 1);
        seen.extend(Phase::ALL.into_iter().find(|phase| gauges.in_phase(*phase) == 1));
        gauges.tombstones
    };
    let call = desk.invite("a1", "b", &["b1"]);
    see(desk.board.gauges());
    desk.ringing("b1", call).unwrap();
    see(desk.board.gauges());
    desk.accept("b1", call).unwrap();
    see(desk.board.gauges());
    desk.up("a1", call);
    desk.up("b1", call);
    see(desk.board.gauges());
    desk.down("a1", call);
    see(desk.board.gauges());
    desk.hangup("b1", call).unwrap();
    assert_eq!(see(desk.board.gauges()), 1);
    assert_eq!(seen, Phase::ALL);
    desk.wait(seconds(120));
    assert_eq!(desk.board.gauges(), Gauges::default());
}
