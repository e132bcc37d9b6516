//! The media of a call: flags, connecting before the answer, loss and return.

use crate::desk::{Desk, START, endpoint, seconds};
use tertulia_signaling_core::{
    Admission, CallError, EndReason, Ended, Limit, Measure, MediaFlags, MediaKind, Notice, Phase, Request, Roster,
};

const VOICE: MediaFlags = MediaFlags { mic: true, camera: false, screen: false };
const VIDEO: MediaFlags = MediaFlags { mic: true, camera: true, screen: false };

fn versions(roster: &Roster) -> (u32, MediaFlags, MediaFlags) {
    (roster.version, roster.participants[0].media, roster.participants[1].media)
}

#[test]
fn c2_voice_becomes_video_and_back_and_both_see_it() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.accept("b1", call).unwrap();
    let nothing = MediaFlags::default();
    assert_eq!(versions(&desk.last_roster("b1").unwrap()), (1, nothing, nothing));
    desk.flags("a1", call, VOICE).unwrap();
    desk.flags("b1", call, VIDEO).unwrap();
    assert_eq!(versions(&desk.last_roster("a1").unwrap()), (3, VOICE, VIDEO));
    desk.flags("b1", call, VOICE).unwrap();
    let roster = desk.last_roster("a1").unwrap();
    assert_eq!(versions(&roster), (4, VOICE, VOICE));
    assert_eq!(
        roster.participants.into_iter().map(|p| p.endpoint).collect::<Vec<_>>(),
        [endpoint("a1"), endpoint("b1")]
    );
    assert_eq!(desk.last_roster("b1").map(|r| r.version), Some(4));
}

#[test]
fn c2_the_same_flags_again_are_no_news() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.flags("a1", call, VIDEO).unwrap();
    desk.forget_heard();
    assert_eq!(desk.flags("a1", call, VIDEO), Ok(call));
    assert!(desk.silent());
}

#[test]
fn c2_what_was_said_before_the_answer_is_in_the_first_roster() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.flags("a1", call, VIDEO).unwrap();
    desk.flags("b2", call, VOICE).unwrap();
    assert!(desk.last_roster("a1").is_none());
    desk.accept("b2", call).unwrap();
    assert_eq!(versions(&desk.last_roster("a1").unwrap()), (1, VIDEO, VOICE));
}

#[test]
fn c1_media_that_connected_while_it_rang_makes_the_call_active_at_once() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.up("a1", call);
    desk.up("b1", call);
    assert_eq!(desk.phase("a1"), Some(Phase::Offered), "media decide nothing before the answer");
    desk.wait(seconds(4));
    desk.forget_heard();
    desk.accept("b1", call).unwrap();
    let active = Notice::State { phase: Phase::Active, answered_at: Some(START + seconds(4)) };
    assert_eq!(desk.heard("b1").first(), Some(&active));
    assert!(desk.measures.contains(&Measure::Joined(seconds(0))));
    desk.wait(seconds(3600));
    assert!(desk.records.is_empty(), "no timer is left");
}

#[test]
fn c1_media_that_never_comes_up_fails_the_call() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.up("a1", call);
    desk.accept("b1", call).unwrap();
    desk.wait(seconds(14));
    assert_eq!(desk.phase("a1"), Some(Phase::Connecting));
    desk.wait(seconds(1));
    assert_eq!(desk.ended("a1"), [EndReason::Failed]);
    assert_eq!(desk.ended("b1"), [EndReason::Failed]);
}

#[test]
fn c1_media_that_broke_before_the_answer_is_not_up() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    desk.up("a1", call);
    desk.up("b1", call);
    desk.down("a1", call);
    desk.accept("b1", call).unwrap();
    assert_eq!(desk.phase("a1"), Some(Phase::Connecting));
    desk.wait(seconds(3));
    desk.up("a1", call);
    assert_eq!(desk.phase("a1"), Some(Phase::Active));
    assert!(desk.measures.contains(&Measure::Joined(seconds(3))));
}

#[test]
fn c1_a_lost_side_that_comes_back_in_time_keeps_the_call() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.down("b1", call);
    desk.down("b1", call);
    let state = |phase| Notice::State { phase, answered_at: Some(START) };
    assert_eq!(desk.heard("a1"), [state(Phase::Reconnecting)]);
    desk.wait(seconds(29));
    desk.up("b1", call);
    assert_eq!(desk.heard("a1"), [state(Phase::Active)]);
    assert!(desk.measures.contains(&Measure::Reconnected(seconds(29))));
    desk.wait(seconds(3600));
    assert!(desk.records.is_empty(), "no timer is left");
}

#[test]
fn c1_a_side_that_stays_away_is_lost() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.wait(seconds(10));
    desk.down("b1", call);
    desk.wait(seconds(30));
    assert_eq!(desk.ended("a1"), [EndReason::Lost]);
    let ended = Notice::Ended(Ended { reason: EndReason::Lost, duration: seconds(40) });
    assert_eq!(desk.heard("b1").last(), Some(&ended));
    assert_eq!(desk.hangup("b1", call), Ok(call));
}

#[test]
fn c1_the_same_loss_told_again_does_not_prolong_the_grace_time() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.down("b1", call);
    desk.wait(seconds(20));
    desk.down("b1", call);
    desk.wait(seconds(10));
    assert_eq!(desk.ended("a1"), [EndReason::Lost]);
}

#[test]
fn c1_each_side_has_its_own_grace_time() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.down("a1", call);
    desk.wait(seconds(25));
    desk.down("b1", call);
    desk.wait(seconds(4));
    desk.up("a1", call);
    assert_eq!(desk.phase("a1"), Some(Phase::Reconnecting), "the other is still away");
    desk.wait(seconds(25));
    assert_eq!(desk.phase("a1"), Some(Phase::Reconnecting), "and has its full time");
    desk.wait(seconds(1));
    assert_eq!(desk.ended("a1"), [EndReason::Lost]);
}

#[test]
fn c1_a_second_loss_has_the_full_grace_time_again() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.down("a1", call);
    desk.wait(seconds(29));
    desk.up("a1", call);
    desk.down("a1", call);
    desk.wait(seconds(29));
    assert_eq!(desk.phase("a1"), Some(Phase::Reconnecting));
}

#[test]
fn c1_the_media_of_a_device_that_lost_the_race_count_for_nothing() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    desk.up("a1", call);
    desk.up("b2", call);
    desk.accept("b1", call).unwrap();
    desk.up("b2", call);
    assert_eq!(desk.phase("a1"), Some(Phase::Connecting));
    desk.up("b1", call);
    desk.down("b2", call);
    assert_eq!(desk.phase("a1"), Some(Phase::Active));
}

#[test]
fn c1_media_connect_before_the_answer_and_flow_after_it() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1", "b2"]);
    let admission = |desk: &mut Desk, device| desk.board.admit_media(desk.now, call, &endpoint(device));
    for device in ["a1", "b1", "b2"] {
        assert_eq!(admission(&mut desk, device), Ok(Admission::Later), "{device}");
    }
    desk.accept("b1", call).unwrap();
    assert_eq!(admission(&mut desk, "a1"), Ok(Admission::Now));
    assert_eq!(admission(&mut desk, "b1"), Ok(Admission::Now));
    assert_eq!(admission(&mut desk, "b2"), Err(CallError::AnsweredElsewhere));
    desk.hangup("a1", call).unwrap();
    assert_eq!(admission(&mut desk, "a1"), Err(CallError::Over(EndReason::Hangup)));
    assert_eq!(admission(&mut desk, "b1"), Err(CallError::Over(EndReason::Hangup)));
}

#[test]
fn c1_only_so_many_ringing_devices_connect_before_the_answer() {
    let mut desk = Desk::new();
    let names: Vec<String> = (0..10).map(|n| format!("b{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let call = desk.invite("a1", "b", &names);
    let admission = |desk: &mut Desk, device: &str| desk.board.admit_media(desk.now, call, &endpoint(device));
    for device in &names[..8] {
        assert_eq!(admission(&mut desk, device), Ok(Admission::Later));
    }
    assert_eq!(admission(&mut desk, "b8"), Err(CallError::AnswerFirst));
    assert_eq!(admission(&mut desk, "b0"), Ok(Admission::Later), "again for an ICE restart");
    desk.decline_busy("b0", call).unwrap();
    assert!(desk.measures.contains(&Measure::LimitHit(Limit::EarlyMediaLegs)));
    assert_eq!(admission(&mut desk, "b8"), Ok(Admission::Later), "a place is free");
    desk.accept("b9", call).unwrap();
    assert_eq!(admission(&mut desk, "b9"), Ok(Admission::Now), "after the answer, always");
}

#[test]
fn c1_a_device_that_connects_sees_the_calls_it_is_in_or_could_answer() {
    let mut desk = Desk::new();
    let call = desk.new_id();
    let callee = Some(crate::desk::callee("b", &["b1", "b2"]));
    desk.ask("a1", Request::Invite { call, callee, media: MediaKind::Video }).unwrap();
    let of = |desk: &Desk, device| desk.board.snapshots_for(&endpoint(device));
    let ringing = of(&desk, "b1").pop().unwrap();
    assert_eq!((ringing.call, ringing.peer.as_str(), ringing.outgoing), (call, "a", false));
    assert_eq!((ringing.media, ringing.phase), (MediaKind::Video, Phase::Offered));
    assert_eq!((ringing.answered_at, ringing.expires_at), (None, Some(START + seconds(60))));
    assert_eq!(ringing.roster, None);
    let outgoing = of(&desk, "a1").pop().unwrap();
    assert_eq!((outgoing.peer.as_str(), outgoing.outgoing), ("b", true));

    desk.wait(seconds(5));
    desk.accept("b1", call).unwrap();
    let answered = of(&desk, "b1").pop().unwrap();
    assert_eq!((answered.phase, answered.expires_at), (Phase::Connecting, None));
    assert_eq!(answered.answered_at, Some(START + seconds(5)));
    assert_eq!(answered.roster.map(|roster| roster.version), Some(1));
    assert_eq!(of(&desk, "b2"), [], "it was answered elsewhere");
    desk.hangup("a1", call).unwrap();
    assert_eq!(of(&desk, "a1"), []);
    assert_eq!(of(&desk, "b1"), []);
}
