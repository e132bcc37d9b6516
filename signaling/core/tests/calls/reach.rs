//! People who do not want to be rung, at all or by someone.

use crate::desk::{Desk, seconds};
use tertulia_signaling_core::{CallError, EndReason, Limit, Limits, Phase, Reach};

#[test]
fn c1_who_does_not_want_to_be_disturbed_is_not_rung_and_hears_of_it_at_the_end() {
    let mut desk = Desk::new();
    let call = desk.invite_unheard("a1", "b", &["b1"], Reach::Silent);
    desk.connected("b2");
    assert!(!desk.rang("b1") && !desk.rang("b2"));
    assert_eq!(desk.phase("a1"), Some(Phase::Offered));
    assert!(desk.heard("a1").is_empty(), "the caller hears nothing unusual");
    desk.wait(seconds(60));
    assert_eq!(desk.ended("a1"), [EndReason::Missed]);
    assert_eq!(desk.missed, [call]);
    assert!(!desk.records[0].hidden);
}

#[test]
fn c1_who_is_not_to_be_disturbed_may_call_back_into_the_same_call() {
    let mut desk = Desk::new();
    let call = desk.invite_unheard("a1", "b", &["b1"], Reach::Silent);
    assert_eq!(desk.try_invite("b1", "a", &["a1"]), Ok(call));
    assert_eq!(desk.phase("a1"), Some(Phase::Connecting));
}

#[test]
fn c1_a_blocked_caller_finds_nobody_there_and_leaves_no_trace() {
    for gives_up in [false, true] {
        let mut desk = Desk::new();
        let call = desk.invite_unheard("a1", "b", &["b1"], Reach::Nobody);
        desk.connected("b2");
        assert!(!desk.rang("b1") && !desk.rang("b2"));
        for device in ["b1", "b2"] {
            assert_eq!(desk.accept(device, call), Err(CallError::UnknownCall));
            assert_eq!(desk.join(device, call), Err(CallError::UnknownCall));
        }
        if gives_up {
            desk.cancel("a1", call).unwrap();
        }
        desk.wait(seconds(60));
        assert_eq!(desk.only_reason(), if gives_up { EndReason::Cancelled } else { EndReason::Missed });
        assert!(desk.records[0].hidden && desk.missed.is_empty());
    }
}

#[test]
fn c1_a_call_to_a_blocked_caller_is_a_call_of_its_own() {
    let mut desk = Desk::new();
    let blocked = desk.invite_unheard("a1", "b", &["b1"], Reach::Nobody);
    let call = desk.invite("b1", "a", &["a1"]);
    assert_ne!(call, blocked, "to merge would tell that they called");
    assert!(desk.rang("a1"));
}

#[test]
fn c1_blocked_callers_do_not_keep_others_out() {
    let mut desk = Desk::with_limits(Limits { calls_per_callee: 1, ..Limits::default() });
    desk.invite_unheard("a1", "b", &["b1"], Reach::Nobody);
    desk.invite("c1", "b", &["b1"]);
    assert!(desk.rang("b1"));
    let full = Err(CallError::Full { limit: Limit::CallsPerCallee, max: 1 });
    assert_eq!(desk.try_invite("d1", "b", &["b1"]), full);
}

#[test]
fn c6_a_restart_forgets_neither_a_block_nor_the_wish_for_quiet() {
    let mut desk = Desk::new();
    desk.invite_unheard("a1", "b", &["b1"], Reach::Nobody);
    desk.invite_unheard("c1", "b", &["b1"], Reach::Silent);
    desk.restart_after(seconds(2));
    desk.connected("b1");
    assert!(!desk.rang("b1"));
    desk.wait(seconds(60));
    assert_eq!((desk.records.len(), desk.missed.len()), (2, 1));
}
