//! c3, c4: calls that people come into and leave: of groups, and of two to whom somebody was added.

use crate::desk::{Desk, callee, endpoint, seconds};
use tertulia_common::{CallId, UserId};
use tertulia_signaling_core::{
    Admission, CallError, CallKind, Callee, DeclineReason, EndReason, Event, GroupKey, Limit, Limits, MediaFlags,
    MediaKind, Notice, Party, PartyState, Phase, Request, Roster,
};

const GROUP: GroupKey = GroupKey(7);
const VIDEO: MediaFlags = MediaFlags { mic: true, camera: true, screen: false };

pub(crate) fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

impl Desk {
    pub(crate) fn start(&mut self, from: &str, ring: Vec<Callee>) -> Result<CallId, CallError> {
        let call = self.new_id();
        self.ask(from, Request::Start { call, group: GROUP, media: MediaKind::Video, ring })
    }

    pub(crate) fn enter(&mut self, from: &str, call: CallId) -> Result<CallId, CallError> {
        self.ask(from, Request::Join { call, member: true })
    }

    pub(crate) fn leave(&mut self, from: &str, call: CallId) -> Result<CallId, CallError> {
        self.ask(from, Request::Leave { call })
    }

    pub(crate) fn add(&mut self, from: &str, call: CallId, ring: Vec<Callee>) -> Result<CallId, CallError> {
        self.ask(from, Request::Add { call, ring })
    }

    fn remove(&mut self, from: &str, call: CallId, whom: &str, admin: bool) -> Result<CallId, CallError> {
        self.ask(from, Request::Remove { call, user: user(whom), admin })
    }

    /// a1, b1 and c1 are in the call of their group.
    fn three(&mut self) -> CallId {
        let call = self.start("a1", vec![callee("b", &["b1"]), callee("c", &["c1"])]).unwrap();
        self.accept("b1", call).unwrap();
        self.accept("c1", call).unwrap();
        for device in ["a1", "b1", "c1"] {
            self.up(device, call);
        }
        self.wait(seconds(1));
        self.forget_heard();
        self.media.clear();
        call
    }
}

/// Who is in, by the newest roster that a device has heard.
fn seen(desk: &mut Desk, device: &str) -> Vec<String> {
    desk.wait(seconds(1));
    names(&desk.last_roster(device).unwrap())
}

pub(crate) fn party(id: &str, state: PartyState) -> Party {
    Party { user: user(id), state, hidden: false }
}

pub(crate) fn came(id: &str) -> Party {
    party(id, PartyState::Came)
}

fn names(roster: &Roster) -> Vec<String> {
    let name =
        |device: &tertulia_signaling_core::Endpoint| format!("{}{}", device.user.as_str(), device.device.as_str());
    roster.participants.iter().map(|entry| name(&entry.endpoint)).collect()
}

#[test]
fn c3_members_ring_and_come_in_and_everybody_sees_who_is_there() {
    let mut desk = Desk::new();
    let call = desk.start("a1", vec![callee("b", &["b1", "b2"]), callee("c", &["c1"])]).unwrap();
    assert_eq!(desk.phase("a1"), Some(Phase::Connecting));
    let kind = CallKind::Conference { group: Some(GROUP) };
    for device in ["b1", "b2", "c1"] {
        let heard = desk.heard(device);
        assert!(matches!(&heard[..], [Notice::Incoming { kind: of, .. }] if *of == kind), "{heard:?}");
    }
    let roster = desk.last_roster("a1").unwrap();
    assert_eq!((names(&roster), &roster.ringing[..]), (vec!["a1".to_owned()], &[user("b"), user("c")][..]));
    desk.accept("b1", call).unwrap();
    assert_eq!(desk.ended("b2"), [EndReason::AnsweredElsewhere]);
    assert_eq!(seen(&mut desk, "a1"), ["a1", "b1"]);
    desk.accept("c1", call).unwrap();
    assert_eq!(seen(&mut desk, "b1"), ["a1", "b1", "c1"]);
    assert_eq!(desk.media, ["admit a1", "admit b1", "remove b2", "admit c1"], "who is in is heard at once");
    for device in ["a1", "b1", "c1"] {
        desk.up(device, call);
        assert_eq!(desk.phase(device), Some(Phase::Active));
    }
}

#[test]
fn c3_the_roster_that_a_newcomer_hears_first_has_them_in_it_and_versions_only_rise() {
    let mut desk = Desk::new();
    let call = desk.three();
    desk.enter("d1", call).unwrap();
    let rosters: Vec<Roster> = desk
        .heard("d1")
        .into_iter()
        .filter_map(|notice| if let Notice::Roster(roster) = notice { Some(roster) } else { None })
        .collect();
    assert_eq!(names(&rosters[0]), ["a1", "b1", "c1", "d1"]);
    assert!(rosters.is_sorted_by(|a, b| a.version <= b.version));
}

#[test]
fn c3_people_join_late_leave_and_come_back_and_the_call_goes_on() {
    let mut desk = Desk::new();
    let call = desk.three();
    desk.leave("b1", call).unwrap();
    assert_eq!(desk.ended("b1"), [EndReason::Hangup]);
    assert_eq!(desk.media, ["remove b1"]);
    assert_eq!(seen(&mut desk, "a1"), ["a1", "c1"]);
    assert_eq!(desk.leave("b1", call), Ok(call), "again");
    desk.enter("b1", call).unwrap();
    assert_eq!(seen(&mut desk, "a1"), ["a1", "c1", "b1"]);
    assert_eq!(desk.enter("b1", call), Ok(call), "again");
    desk.enter("d1", call).unwrap();
    assert_eq!(seen(&mut desk, "c1"), ["a1", "c1", "b1", "d1"]);
    // Whoever started it may go, too.
    desk.leave("a1", call).unwrap();
    assert_eq!(desk.phase("c1"), Some(Phase::Active));
    for device in ["b1", "c1", "d1"] {
        assert_eq!(desk.board.group_call(GROUP).map(|going| going.call), Some(call));
        desk.leave(device, call).unwrap();
    }
    assert_eq!(desk.board.group_call(GROUP), None);
    let [record] = &desk.group_records[..] else { panic!("{:?}", desk.group_records) };
    assert_eq!((record.group, record.reason), (GROUP, EndReason::Hangup));
    assert_eq!(record.people, ["a", "b", "c", "d"].map(came));
    assert_eq!(desk.enter("b1", call), Err(CallError::Over(EndReason::Hangup)));
    assert!(desk.kept.is_empty(), "{:?}", desk.kept);
}

#[test]
fn c3_who_starts_a_call_that_goes_on_comes_into_it() {
    let mut desk = Desk::new();
    let call = desk.three();
    assert_eq!(desk.start("d1", vec![callee("b", &["b2"])]), Ok(call));
    assert!(!desk.rang("b2"), "nobody rings again");
    assert_eq!(desk.phase("d1"), Some(Phase::Connecting));
}

#[test]
fn c3_strangers_hear_of_nothing_and_come_into_nothing() {
    let mut desk = Desk::new();
    let call = desk.three();
    for wish in [
        Request::Join { call, member: false },
        Request::Accept { call },
        Request::Leave { call },
        Request::Hand { call, up: true },
        Request::React { call, reaction: "👏".to_owned() },
        Request::Remove { call, user: user("a"), admin: false },
        Request::Remove { call, user: user("a"), admin: true },
        Request::Add { call, ring: vec![callee("e", &["e1"])] },
        Request::Media { call, flags: VIDEO },
        Request::Hold { call, on: true },
    ] {
        assert_eq!(desk.ask("e1", wish.clone()), Err(CallError::UnknownCall), "{wish:?}");
    }
    assert_eq!(desk.board.admit_media(desk.now, call, &endpoint("e1")), Err(CallError::UnknownCall));
    assert_eq!(desk.board.peek(call, &user("e"), false), None);
    assert_eq!(desk.board.peek(call, &user("e"), true).map(|seen| seen.participants.len()), Some(3));
    assert!(desk.silent());
}

#[test]
fn c3_only_who_is_in_adds_and_only_who_may_removes() {
    let mut desk = Desk::new();
    let call = desk.three();
    assert_eq!(desk.remove("b1", call, "c", false), Err(CallError::NotAllowed));
    desk.remove("b1", call, "c", true).unwrap();
    assert_eq!(desk.ended("c1"), [EndReason::Removed]);
    assert_eq!(desk.media, ["remove c1"]);
    assert_eq!(desk.enter("c1", call), Err(CallError::NotAllowed), "until somebody asks them in again");
    assert_eq!(desk.add("c1", call, vec![callee("c", &["c1"])]), Err(CallError::StateMismatch));
    desk.add("b1", call, vec![callee("c", &["c1"])]).unwrap();
    assert!(desk.rang("c1"));
    desk.accept("c1", call).unwrap();
    // Who started it may as well, but nobody takes themselves out.
    assert_eq!(desk.remove("a1", call, "a", false), Err(CallError::NotAllowed));
    desk.remove("a1", call, "b", false).unwrap();
    assert_eq!(desk.ended("b1"), [EndReason::Removed]);
}

#[test]
fn c3_who_leaves_the_group_leaves_its_call_and_rings_no_more() {
    let mut desk = Desk::new();
    let call = desk.three();
    desk.tell(Event::LeftGroup { group: GROUP, user: user("b") });
    assert_eq!(desk.ended("b1"), [EndReason::Removed]);
    assert_eq!(desk.ask("b1", Request::Join { call, member: false }), Err(CallError::NotAllowed));
    assert_eq!(desk.accept("b1", call), Err(CallError::NotAllowed), "nor by answering what rings no longer");
    desk.add("a1", call, vec![callee("d", &["d1"])]).unwrap();
    desk.forget_heard();
    desk.tell(Event::LeftGroup { group: GROUP, user: user("d") });
    assert_eq!(desk.ended("d1"), [EndReason::Removed]);
}

#[test]
fn c3_a_call_of_two_grows_without_a_gap_and_keeps_its_id() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.flags("a1", call, VIDEO).unwrap();
    let before = desk.last_roster("b1").unwrap().version;
    desk.media.clear();
    desk.add("b1", call, vec![callee("c", &["c1"])]).unwrap();
    assert!(desk.media.is_empty(), "nobody's media is touched: {:?}", desk.media);
    assert!(desk.ended("a1").is_empty());
    let roster = desk.last_roster("b1").unwrap();
    assert!(roster.version > before);
    assert_eq!((names(&roster), roster.kind), (vec!["a1".into(), "b1".into()], CallKind::Conference { group: None }));
    assert_eq!(roster.participants[0].media, VIDEO);
    assert!(desk.rang("c1"));
    desk.accept("c1", call).unwrap();
    desk.up("c1", call);
    assert_eq!(seen(&mut desk, "c1"), ["a1", "b1", "c1"]);
    desk.hangup("a1", call).unwrap();
    assert_eq!(desk.phase("b1"), Some(Phase::Active), "it goes on for the others");
    desk.hangup("c1", call).unwrap();
    assert_eq!(desk.ended("b1"), [EndReason::Hangup], "one alone whom nobody can join");
    assert_eq!(desk.only_reason(), EndReason::Hangup, "and it is in the history of the two");
    assert!(desk.group_records.is_empty());
    desk.invite("a1", "b", &["b1"]);
    assert!(desk.rang("b1"), "both are free again");
}

#[test]
fn c3_a_call_that_rings_or_is_over_does_not_grow() {
    let mut desk = Desk::new();
    let call = desk.invite("a1", "b", &["b1"]);
    assert_eq!(desk.add("a1", call, vec![callee("c", &["c1"])]), Err(CallError::StateMismatch));
    desk.accept("b1", call).unwrap();
    desk.hangup("b1", call).unwrap();
    assert!(matches!(desk.add("a1", call, vec![callee("c", &["c1"])]), Err(CallError::Over(_))));
    assert!(!desk.rang("c1"));
}

#[test]
fn c3_declining_stops_ones_own_devices_and_nobody_elses() {
    let mut desk = Desk::new();
    let call = desk.start("a1", vec![callee("b", &["b1", "b2"]), callee("c", &["c1"])]).unwrap();
    desk.forget_heard();
    desk.decline("b1", call).unwrap();
    assert_eq!(desk.ended("b1"), [EndReason::Declined]);
    assert_eq!(desk.ended("b2"), [EndReason::DeclinedElsewhere]);
    assert!(desk.ended("c1").is_empty());
    assert_eq!(desk.last_roster("a1").unwrap().ringing, [user("c")]);
    desk.ask("c1", Request::Decline { call, reason: DeclineReason::Busy }).unwrap();
    assert_eq!(desk.ended("c1"), [EndReason::Busy]);
    // They may think better of it.
    desk.enter("b2", call).unwrap();
    assert_eq!(seen(&mut desk, "a1"), ["a1", "b2"]);
}

#[test]
fn c3_it_rings_for_a_minute_and_devices_that_come_meanwhile_ring_too() {
    let mut desk = Desk::new();
    let call = desk.start("a1", vec![callee("b", &["b1"])]).unwrap();
    desk.up("a1", call);
    desk.wait(seconds(30));
    desk.connected("b2");
    assert!(desk.rang("b2"));
    desk.wait(seconds(31));
    assert_eq!(desk.ended("b1"), [EndReason::Missed]);
    assert_eq!(desk.ended("b2"), [EndReason::Missed]);
    desk.connected("b3");
    assert!(!desk.rang("b3"));
    assert_eq!(desk.phase("a1"), Some(Phase::Active), "one waits for the others as long as one likes");
    desk.enter("b1", call).unwrap();
}

#[test]
fn c3_a_device_in_another_call_rings_when_it_can() {
    let mut desk = Desk::new();
    let other = desk.active_call();
    let call = desk.start("c1", vec![callee("b", &["b1"])]).unwrap();
    assert!(!desk.rang("b1"), "busy");
    desk.hangup("b1", other).unwrap();
    assert!(desk.rang("b1"), "free");
    desk.accept("b1", call).unwrap();
    desk.invite("d1", "b", &["b1"]);
    assert!(!desk.rang("b1"), "a conference keeps it busy like any other call");
    assert_eq!(desk.ended("d1"), [EndReason::Busy]);
    desk.leave("b1", call).unwrap();
    desk.invite("d1", "b", &["b1"]);
    assert!(desk.rang("b1"));
}

#[test]
fn c3_to_go_into_a_group_call_puts_the_other_call_on_hold() {
    let mut desk = Desk::new();
    let call = desk.three();
    let other = desk.invite("d7", "e", &["e1"]);
    desk.accept("e1", other).unwrap();
    desk.up("d7", other);
    desk.up("e1", other);
    desk.media.clear();
    desk.enter("d7", call).unwrap();
    assert_eq!(desk.media, ["hold d7", "admit d7"]);
    desk.media.clear();
    desk.hold("d7", other, false).unwrap();
    assert_eq!(desk.media, ["hold d7", "admit d7"], "and back again");
    assert!(desk.board.snapshots_for(&endpoint("d7")).iter().any(|seen| seen.call == call && seen.held));
}

#[test]
fn c3_whose_media_never_comes_or_stays_away_is_out_and_the_others_stay() {
    let mut desk = Desk::new();
    let call = desk.three();
    desk.enter("d1", call).unwrap();
    desk.wait(seconds(16));
    assert_eq!(desk.ended("d1"), [EndReason::Failed]);
    desk.down("b1", call);
    assert_eq!(desk.phase("b1"), Some(Phase::Reconnecting));
    desk.wait(seconds(20));
    desk.up("b1", call);
    assert_eq!(desk.phase("b1"), Some(Phase::Active));
    desk.down("b1", call);
    desk.wait(seconds(31));
    assert_eq!(desk.ended("b1"), [EndReason::Lost]);
    assert_eq!(desk.phase("a1"), Some(Phase::Active));
    desk.enter("b1", call).unwrap();
}

#[test]
fn c3_another_device_of_ones_own_takes_over_once_it_can_be_heard() {
    let mut desk = Desk::new();
    let call = desk.three();
    desk.enter("b2", call).unwrap();
    assert!(desk.ended("b1").is_empty(), "not before its media is up");
    desk.up("b2", call);
    assert_eq!(desk.ended("b1"), [EndReason::HandedOver]);
    assert_eq!(seen(&mut desk, "a1"), ["a1", "c1", "b2"]);
}

#[test]
fn c3_hands_go_up_and_down_and_reactions_reach_the_others() {
    let mut desk = Desk::new();
    let call = desk.three();
    desk.ask("b1", Request::Hand { call, up: true }).unwrap();
    let since = desk.now;
    desk.wait(seconds(1));
    desk.ask("b1", Request::Hand { call, up: true }).unwrap();
    let hand = |roster: &Roster| roster.participants.iter().map(|entry| entry.hand).collect::<Vec<_>>();
    assert_eq!(hand(&desk.last_roster("a1").unwrap()), [None, Some(since), None]);
    desk.ask("b1", Request::Hand { call, up: false }).unwrap();
    desk.wait(seconds(1));
    assert_eq!(hand(&desk.last_roster("a1").unwrap()), [None, None, None]);
    desk.forget_heard();
    desk.ask("b1", Request::React { call, reaction: "👏".to_owned() }).unwrap();
    for device in ["a1", "c1"] {
        let heard = desk.heard(device);
        assert!(matches!(&heard[..], [Notice::Reaction { from, .. }] if *from == endpoint("b1")), "{heard:?}");
    }
    assert!(desk.silent(), "who sends one knows");
}

#[test]
fn c3_a_full_call_says_so_and_a_second_device_of_somebody_inside_may_still_take_over() {
    let mut desk = Desk::with_limits(Limits { participants: 3, ..Limits::default() });
    let call = desk.three();
    assert_eq!(desk.enter("d1", call), Err(CallError::Full { limit: Limit::Participants, max: 3 }));
    desk.enter("b2", call).unwrap();
    desk.up("b2", call);
    assert_eq!(seen(&mut desk, "a1"), ["a1", "c1", "b2"]);
}

#[test]
fn c4_a_large_call_does_not_tell_itself_about_itself_all_the_time() {
    let mut desk = Desk::new();
    let call = desk.start("a1", Vec::new()).unwrap();
    desk.up("a1", call);
    let names: Vec<String> = ('b'..='z').flat_map(|user| (1..=4).map(move |at| format!("{user}{at}"))).collect();
    desk.forget_heard();
    for name in &names {
        // Four people for each letter would be devices of one: their ids differ by the last digit only.
        desk.enter(name, call).unwrap();
        desk.up(name, call);
    }
    let at_once = desk.heard("a1").len();
    assert!(at_once < names.len() / 2, "{at_once} rosters for {} who came at once", names.len());
    desk.wait(seconds(2));
    assert!(desk.last_roster("a1").is_some(), "and the last one comes");
}

#[test]
fn c4_in_a_large_call_those_who_are_in_hear_what_has_changed_and_who_comes_hears_all() {
    let mut desk = Desk::with_limits(Limits { roster_whole: 2, ..Limits::default() });
    let call = desk.three();
    desk.wait(seconds(1));
    let changes = |desk: &mut Desk, device: &str| {
        let mut heard = desk.heard(device).into_iter();
        heard.find_map(|notice| if let Notice::RosterChanges(changes) = notice { Some(changes) } else { None })
    };
    desk.forget_heard();
    desk.enter("d1", call).unwrap();
    desk.wait(seconds(1));
    assert_eq!(seen(&mut desk, "d1"), ["a1", "b1", "c1", "d1"]);
    let come = changes(&mut desk, "a1").expect("changes");
    let names: Vec<_> = come.changed.iter().map(|entry| entry.endpoint.clone()).collect();
    assert_eq!((names, come.gone, come.version > come.since), (vec![endpoint("d1")], vec![], true));
    desk.forget_heard();
    desk.leave("b1", call).unwrap();
    desk.wait(seconds(1));
    let gone = changes(&mut desk, "d1").expect("changes");
    assert_eq!((gone.changed, gone.gone), (vec![], vec![endpoint("b1")]));
    assert_eq!(gone.since, come.version, "nothing is between them");
    desk.leave("c1", call).unwrap();
    desk.wait(seconds(1));
    assert_eq!(seen(&mut desk, "a1"), ["a1", "d1"], "few are told everything again");
}

#[test]
fn c3_few_connect_early_where_many_ring() {
    let mut desk = Desk::with_limits(Limits { early_media_legs: 2, ..Limits::default() });
    let ring = ["b", "c", "d"].map(|user| callee(user, &[&format!("{user}1")])).into();
    let call = desk.start("a1", ring).unwrap();
    for (device, admission) in
        [("b1", Ok(Admission::Later)), ("c1", Ok(Admission::Later)), ("d1", Err(CallError::AnswerFirst))]
    {
        assert_eq!(desk.board.admit_media(desk.now, call, &endpoint(device)), admission, "{device}");
    }
    desk.accept("d1", call).unwrap();
    assert_eq!(desk.board.admit_media(desk.now, call, &endpoint("d1")), Ok(Admission::Now));
}

#[test]
fn c3_who_connected_while_it_rang_is_heard_from_the_answer_on() {
    let mut desk = Desk::new();
    let call = desk.start("a1", vec![callee("b", &["b1"]), callee("c", &["c1"])]).unwrap();
    for device in ["b1", "c1"] {
        assert_eq!(desk.board.admit_media(desk.now, call, &endpoint(device)), Ok(Admission::Later));
        desk.up(device, call);
    }
    desk.up("a1", call);
    desk.down("c1", call);
    desk.accept("b1", call).unwrap();
    desk.accept("c1", call).unwrap();
    assert_eq!((desk.phase("b1"), desk.phase("c1")), (Some(Phase::Active), Some(Phase::Connecting)));
    desk.wait(seconds(16));
    assert_eq!(desk.phase("b1"), Some(Phase::Active), "nobody waits for what is there");
    assert_eq!(desk.ended("c1"), [EndReason::Failed]);
}

#[test]
fn c6_a_group_call_goes_on_after_a_restart() {
    let mut desk = Desk::new();
    let call = desk.three();
    desk.flags("b1", call, VIDEO).unwrap();
    desk.add("a1", call, vec![callee("d", &["d1"])]).unwrap();
    desk.remove("a1", call, "c", false).unwrap();
    let restored = desk.restart_after(seconds(3));
    assert_eq!((restored.calls, restored.refused.len()), (1, 0));
    desk.forget_heard();
    for device in ["a1", "b1", "d1"] {
        desk.connected(device);
    }
    assert_eq!(desk.phase("b1"), Some(Phase::Reconnecting));
    assert!(desk.rang("d1"), "it still rings for who has not answered");
    desk.up("a1", call);
    desk.up("b1", call);
    desk.accept("d1", call).unwrap();
    let roster = desk.last_roster("a1").unwrap();
    assert_eq!(names(&roster), ["a1", "b1", "d1"]);
    assert_eq!(roster.participants[1].media, VIDEO);
    assert_eq!(desk.enter("c1", call), Err(CallError::NotAllowed), "who was taken out stays out");
    assert_eq!(desk.start("e1", Vec::new()), Ok(call), "it is still the group's call");
}

#[test]
fn c3_when_the_server_goes_everybody_hears_it() {
    let mut desk = Desk::new();
    desk.three();
    desk.tell(Event::Shutdown);
    for device in ["a1", "b1", "c1"] {
        assert_eq!(desk.ended(device), [EndReason::Failed]);
    }
    assert_eq!(desk.start("a1", Vec::new()), Err(CallError::ShuttingDown));
}
