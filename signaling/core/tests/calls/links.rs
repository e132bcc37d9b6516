//! c3: calls that people come into by a link: at once, or when a host lets them in.

use crate::conferences::user;
use crate::desk::{Desk, callee, endpoint, seconds};
use tertulia_common::{CallId, Timestamp};
use tertulia_signaling_core::{
    CallError, CallLink, EndReason, Event, Limit, Limits, LinkKey, Measure, MediaKind, Notice, Phase, Request, Roster,
    TURNED_AWAY_FOR, WAIT_MAX,
};

const KEY: LinkKey = LinkKey(9);
/// Long after everything here.
const LATE: Timestamp = Timestamp(1_800_000_000_000);

/// Of a, who lets people in one by one, or not.
fn link(approval: bool) -> CallLink {
    CallLink { key: KEY, owner: user("a"), approval, expires_at: LATE }
}

impl Desk {
    fn by(&mut self, from: &str, link: CallLink) -> Result<CallId, CallError> {
        let call = self.new_id();
        self.ask(from, Request::Link { call, link, media: MediaKind::Video })
    }

    fn admit(&mut self, from: &str, call: CallId, whom: &str, admit: bool) -> Result<CallId, CallError> {
        self.ask(from, Request::Admit { call, user: user(whom), admit })
    }

    fn is_in(&self, device: &str) -> bool {
        self.board.snapshots_for(&endpoint(device)).iter().any(|call| call.roster.is_some())
    }

    fn waits(&self, device: &str, call: CallId) -> bool {
        self.board.waits(call, &endpoint(device))
    }

    /// Who waits, as a host's device has heard last.
    fn door(&mut self, device: &str) -> Option<Vec<String>> {
        let waiting = |notice| if let Notice::Waiting(users) = notice { Some(users) } else { None };
        let last = self.heard(device).into_iter().filter_map(waiting).next_back()?;
        Some(last.iter().map(|user| user.as_str().to_owned()).collect())
    }

    /// a1 is in the call of the link, b1 waits.
    fn knocked(&mut self) -> CallId {
        let call = self.by("a1", link(true)).unwrap();
        self.up("a1", call);
        self.forget_heard();
        self.media.clear();
        assert_eq!(self.by("b1", link(true)), Ok(call));
        call
    }
}

#[test]
fn c3_a_link_without_approval_takes_everybody_in_and_its_owner_and_its_starter_are_hosts() {
    let mut desk = Desk::new();
    let call = desk.by("b1", link(false)).unwrap();
    assert_eq!(desk.phase("b1"), Some(Phase::Connecting));
    assert_eq!(desk.by("c1", link(false)), Ok(call));
    assert_eq!(desk.by("a1", link(false)), Ok(call));
    desk.wait(seconds(1));
    let roster = desk.last_roster("a1").unwrap();
    assert_eq!((roster.hosts, roster.approval), (vec![user("a"), user("b")], false));
    let out = |user: &str| Request::Remove { call, user: user.parse().unwrap(), admin: false };
    assert_eq!(desk.ask("b1", out("a")), Err(CallError::NotAllowed), "nobody takes the link's owner out");
    assert_eq!(desk.ask("a1", out("b")), Ok(call));
    assert_eq!(desk.by("b1", link(false)), Err(CallError::NotAllowed), "who was taken out stays out");
}

#[test]
fn c3_one_alone_in_a_links_call_waits_for_others_and_the_next_one_gets_a_new_call() {
    let mut desk = Desk::new();
    let call = desk.by("a1", link(false)).unwrap();
    desk.up("a1", call);
    desk.wait(seconds(3_600));
    assert!(desk.is_in("a1"));
    desk.leave("a1", call).unwrap();
    assert!(!desk.board.is_conference(call));
    assert_eq!(desk.link_records, [(call, EndReason::Hangup)]);
    let next = desk.by("b1", link(false)).unwrap();
    assert_ne!(next, call);
}

#[test]
fn c3_who_waits_is_told_nothing_and_a_host_lets_them_in() {
    let mut desk = Desk::new();
    let call = desk.knocked();
    assert_eq!(desk.heard("b1"), [Notice::Wait], "no roster, and nothing else");
    assert!(desk.media.is_empty(), "no media: {:?}", desk.media);
    assert!(desk.board.snapshots_for(&endpoint("b1")).is_empty());
    assert_eq!(desk.board.admit_media(desk.now, call, &endpoint("b1")), Err(CallError::UnknownCall));
    assert_eq!(desk.board.peek(call, &user("b"), false), None);
    assert_eq!(desk.board.link_call(desk.now, KEY, &user("b")), Some(None));
    assert_eq!(desk.door("a1"), Some(vec!["b".to_owned()]));
    desk.add("a1", call, vec![callee("c", &["c1"])]).unwrap();
    desk.accept("c1", call).unwrap();
    desk.up("c1", call);
    desk.wait(seconds(5));
    assert!(desk.heard("b1").is_empty(), "what goes on inside is not heard before the door");
    assert_eq!(desk.door("c1"), None, "and who waits not by guests");

    assert_eq!(desk.admit("a1", call, "b", true), Ok(call));
    let heard = desk.heard("b1");
    assert!(
        matches!(
            heard[..],
            [Notice::State { phase: Phase::Connecting, .. }, Notice::Roster(Roster { approval: true, .. }), ..]
        ),
        "{heard:?}"
    );
    assert!(desk.media.contains(&"admit b1".to_owned()));
    assert_eq!(desk.door("a1"), Some(Vec::new()));
    assert_eq!(desk.admit("a1", call, "b", true), Ok(call), "again");
    // Who was let in once is let in.
    desk.up("b1", call);
    desk.leave("b1", call).unwrap();
    assert_eq!(desk.by("b1", link(true)), Ok(call));
    assert!(desk.is_in("b1"));
}

#[test]
fn c3_only_hosts_who_are_in_answer_the_door() {
    let mut desk = Desk::new();
    let call = desk.knocked();
    desk.add("a1", call, vec![callee("c", &["c1"])]).unwrap();
    desk.accept("c1", call).unwrap();
    assert_eq!(desk.admit("c1", call, "b", true), Err(CallError::NotAllowed));
    assert_eq!(desk.admit("b1", call, "b", true), Err(CallError::UnknownCall), "nobody lets themselves in");
    assert_eq!(desk.admit("d1", call, "b", true), Err(CallError::UnknownCall));
    assert_eq!(desk.admit("a2", call, "b", true), Err(CallError::NotAllowed), "a host's device outside");
    assert_eq!(desk.admit("a1", call, "d", true), Err(CallError::StateMismatch), "nobody waits");
    assert_eq!(desk.add("c1", call, vec![callee("b", &["b1"])]), Err(CallError::NotAllowed), "nor by ringing");
    assert!(desk.waits("b1", call) && !desk.is_in("b1"));
}

#[test]
fn c3_who_is_turned_away_can_t_ask_again_for_a_while_and_the_call_goes_on() {
    let mut desk = Desk::new();
    let call = desk.knocked();
    desk.heard("b1");
    assert_eq!(desk.admit("a1", call, "b", false), Ok(call));
    assert_eq!(desk.ended("b1"), [EndReason::TurnedAway]);
    assert_eq!(desk.forgotten, [user("b")]);
    assert_eq!(desk.door("a1"), Some(Vec::new()));
    assert_eq!(desk.admit("a1", call, "b", false), Ok(call), "again");
    assert_eq!(desk.by("b1", link(true)), Err(CallError::TurnedAway { wait: TURNED_AWAY_FOR }));
    assert_eq!(desk.by("b2", link(true)), Err(CallError::TurnedAway { wait: TURNED_AWAY_FOR }), "another device");
    desk.wait(TURNED_AWAY_FOR);
    assert_eq!(desk.by("b1", link(true)), Ok(call));
    assert!(desk.waits("b1", call) && desk.is_in("a1"));
}

#[test]
fn c3_who_waits_may_give_up_and_their_hosts_hear_it() {
    for wish in [|call| Request::Leave { call }, |call| Request::Cancel { call }, |call| Request::Hangup { call }] {
        let mut desk = Desk::new();
        let call = desk.knocked();
        desk.heard("b1");
        assert_eq!(desk.ask("b1", wish(call)), Ok(call));
        assert_eq!(desk.ended("b1"), [EndReason::Cancelled]);
        assert_eq!(desk.door("a1"), Some(Vec::new()));
        assert!(desk.is_in("a1"));
    }
}

#[test]
fn c3_a_wait_ends_with_the_session_of_the_device_and_with_the_one_that_takes_its_place() {
    let over: [fn(&str) -> Event; 2] = [
        |device| Event::DeviceGone { device: endpoint(device) },
        |device| Event::DeviceReplaced { device: endpoint(device) },
    ];
    for over in over {
        let mut desk = Desk::new();
        let call = desk.knocked();
        desk.heard("b1");
        desk.tell(over("b1"));
        assert!(!desk.waits("b1", call));
        assert!(desk.heard("b1").is_empty(), "nobody is there to be told");
        assert_eq!(desk.door("a1"), Some(Vec::new()));
        assert_eq!(desk.by("b1", link(true)), Ok(call), "they ask again");
        assert!(desk.waits("b1", call));
    }
}

#[test]
fn c3_a_wait_ends_with_the_call_and_after_its_time() {
    let mut desk = Desk::new();
    let call = desk.knocked();
    desk.leave("a1", call).unwrap();
    assert_eq!(desk.ended("b1"), [EndReason::Hangup]);
    assert!(!desk.board.is_conference(call));

    let mut desk = Desk::new();
    let call = desk.knocked();
    desk.wait(WAIT_MAX);
    assert_eq!(desk.ended("b1"), [EndReason::Missed]);
    assert!(desk.is_in("a1") && !desk.waits("b1", call));
}

#[test]
fn c3_who_comes_before_the_host_waits_for_them() {
    let mut desk = Desk::new();
    let call = desk.by("b1", link(true)).unwrap();
    assert_eq!(desk.by("c1", link(true)), Ok(call));
    assert!(desk.waits("b1", call) && desk.waits("c1", call));
    assert_eq!(desk.board.link_call(desk.now, KEY, &user("a")).unwrap().unwrap().participants, []);
    desk.wait(seconds(60));
    assert!(desk.kept.is_empty(), "nothing of it has to outlive the process");
    assert_eq!(desk.by("a1", link(true)), Ok(call));
    assert_eq!(desk.door("a1"), Some(vec!["b".to_owned(), "c".to_owned()]), "the host hears who waits as they come in");
    desk.admit("a1", call, "c", true).unwrap();
    assert!(desk.is_in("c1") && desk.waits("b1", call));
    assert_eq!(desk.board.snapshots_for(&endpoint("a1"))[0].waiting, [user("b")]);
    assert!(desk.board.snapshots_for(&endpoint("c1"))[0].waiting.is_empty());

    // Where the host never comes, nothing is left of it.
    let mut desk = Desk::new();
    let call = desk.by("b1", link(true)).unwrap();
    desk.gone("b1");
    assert!(!desk.board.is_conference(call));
    assert_eq!(desk.link_records, [(call, EndReason::Cancelled)]);
    assert_eq!(desk.board.gauges().live(), 0);
}

#[test]
fn c3_after_a_link_is_revoked_nobody_new_comes_in_and_those_who_are_in_stay() {
    let mut desk = Desk::new();
    let call = desk.knocked();
    desk.by("c1", link(true)).unwrap();
    desk.admit("a1", call, "c", true).unwrap();
    desk.up("c1", call);
    desk.heard("b1");
    desk.tell(Event::LinkOver { link: KEY });
    assert_eq!(desk.ended("b1"), [EndReason::LinkOver]);
    assert_eq!(desk.door("a1"), Some(Vec::new()));
    assert!(desk.is_in("a1") && desk.is_in("c1"));
    assert_eq!(desk.by("d1", link(true)), Err(CallError::LinkOver));
    assert_eq!(desk.by("b1", link(true)), Err(CallError::LinkOver));
    // A restart does not open it again.
    desk.restart_after(seconds(1));
    assert_eq!(desk.by("d1", link(true)), Err(CallError::LinkOver));
    desk.up("a1", call);
    desk.up("c1", call);
    desk.leave("c1", call).unwrap();
    assert_eq!(desk.by("c1", link(true)), Ok(call), "who was in is not new");
}

#[test]
fn c3_at_a_links_last_moment_those_who_wait_hear_that_it_is_over() {
    let mut desk = Desk::new();
    let soon = CallLink { expires_at: desk.now + seconds(60), ..link(true) };
    let call = desk.by("a1", soon.clone()).unwrap();
    desk.up("a1", call);
    desk.by("b1", soon.clone()).unwrap();
    desk.heard("b1");
    desk.wait(seconds(59));
    assert!(desk.waits("b1", call));
    desk.wait(seconds(1));
    assert_eq!(desk.ended("b1"), [EndReason::LinkOver]);
    assert!(desk.is_in("a1"));
    assert_eq!(desk.by("c1", soon), Err(CallError::LinkOver));
}

#[test]
fn c3_so_many_wait_at_one_door_and_no_more() {
    let mut desk = Desk::with_limits(Limits { waiting: 2, ..Limits::default() });
    let call = desk.knocked();
    desk.by("c1", link(true)).unwrap();
    let full = CallError::Full { limit: Limit::Waiting, max: 2 };
    assert_eq!(desk.by("d1", link(true)), Err(full));
    assert!(desk.measures.contains(&Measure::LimitHit(Limit::Waiting)));
    assert_eq!(desk.by("c2", link(true)), Ok(call), "somebody's other device takes their place");
    assert!(desk.waits("c2", call) && !desk.waits("c1", call));
    assert!(desk.ended("c1").contains(&EndReason::AnsweredElsewhere));
    desk.ask("b1", Request::Cancel { call }).unwrap();
    assert_eq!(desk.by("d1", link(true)), Ok(call));
}

#[test]
fn c3_a_full_call_lets_nobody_in_and_they_go_on_waiting() {
    let mut desk = Desk::with_limits(Limits { participants: 1, ..Limits::default() });
    let call = desk.knocked();
    let full = CallError::Full { limit: Limit::Participants, max: 1 };
    assert_eq!(desk.admit("a1", call, "b", true), Err(full));
    assert!(desk.waits("b1", call));
}

#[test]
fn c3_a_device_waits_at_one_door_and_what_it_is_in_is_put_on_hold_when_it_is_let_in() {
    let mut desk = Desk::new();
    let call = desk.knocked();
    let other = CallLink { key: LinkKey(10), owner: user("d"), ..link(true) };
    assert_eq!(desk.by("b1", other), Err(CallError::AlreadyInCall));
    let pair = desk.invite("c1", "b", &["b1"]);
    desk.accept("b1", pair).unwrap();
    desk.up("c1", pair);
    desk.up("b1", pair);
    desk.admit("a1", call, "b", true).unwrap();
    let held: Vec<bool> = desk.board.snapshots_for(&endpoint("b1")).iter().map(|call| call.held).collect();
    assert_eq!(held.iter().filter(|held| **held).count(), 1);
    assert_eq!(held.len(), 2);
}

#[test]
fn c3_who_is_asked_in_while_they_wait_waits_no_more() {
    let mut desk = Desk::new();
    let call = desk.knocked();
    desk.add("a1", call, vec![callee("b", &["b1", "b2"])]).unwrap();
    desk.accept("b2", call).unwrap();
    assert!(desk.is_in("b2") && !desk.waits("b1", call));
    assert!(desk.ended("b1").contains(&EndReason::AnsweredElsewhere));
    assert_eq!(desk.door("a1"), Some(Vec::new()));
}

#[test]
fn c6_a_links_call_goes_on_after_a_restart_with_who_was_let_in_and_who_was_turned_away() {
    let mut desk = Desk::new();
    let call = desk.knocked();
    desk.admit("a1", call, "b", true).unwrap();
    desk.up("b1", call);
    desk.by("c1", link(true)).unwrap();
    desk.admit("a1", call, "c", false).unwrap();
    desk.by("d1", link(true)).unwrap();
    desk.leave("b1", call).unwrap();
    let restored = desk.restart_after(seconds(3));
    assert_eq!((restored.calls, restored.refused), (1, vec![]));
    desk.forget_heard();
    assert_eq!(desk.by("a1", link(true)), Ok(call));
    desk.up("a1", call);
    assert_eq!(desk.by("b1", link(true)), Ok(call));
    assert!(desk.is_in("b1"), "an approval stands");
    let away = desk.by("c1", link(true));
    assert_eq!(away, Err(CallError::TurnedAway { wait: TURNED_AWAY_FOR - seconds(3) }));
    assert!(!desk.waits("d1", call), "who waited asks again");
    assert_eq!(desk.by("d1", link(true)), Ok(call));
    assert!(desk.waits("d1", call));
    assert_eq!(desk.door("a1"), Some(vec!["d".to_owned()]));
}
