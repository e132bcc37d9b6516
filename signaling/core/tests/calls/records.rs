//! c3: what is left of calls of many when they are over: who was in them, who missed them, who must not hear of them.

use crate::conferences::{came, party, user};
use crate::desk::{Desk, callee, seconds};
use tertulia_signaling_core::{Callee, EndReason, Limit, Measure, PARTIES_MAX, Party, PartyState, Reach};

fn with_reach(name: &str, reach: Reach) -> Callee {
    Callee { reach, ..callee(name, &[&format!("{name}1")]) }
}

fn people(desk: &Desk) -> &[Party] {
    let [record] = &desk.group_records[..] else { panic!("{:?}", desk.group_records) };
    &record.people
}

#[test]
fn c3_the_record_of_a_group_call_says_who_came_who_declined_and_who_missed_it() {
    let mut desk = Desk::new();
    let ring = ["b", "c", "d", "e"].map(|name| callee(name, &[&format!("{name}1")])).to_vec();
    let call = desk.start("a1", ring).unwrap();
    desk.accept("b1", call).unwrap();
    desk.decline("c1", call).unwrap();
    desk.decline_busy("d1", call).unwrap();
    desk.enter("f1", call).unwrap();
    desk.wait(seconds(5));
    for device in ["a1", "b1", "f1"] {
        desk.leave(device, call).unwrap();
    }
    let missed = |name| party(name, PartyState::Missed);
    // Who was busy did not come, and never said that they did not want to.
    let wanted = [came("a"), came("b"), party("c", PartyState::Declined), missed("d"), missed("e"), came("f")];
    assert_eq!(people(&desk), wanted);
}

#[test]
fn c3_who_declined_and_was_asked_again_has_missed_it_and_who_came_later_has_not() {
    let mut desk = Desk::new();
    let call = desk.start("a1", vec![callee("b", &["b1"]), callee("c", &["c1"])]).unwrap();
    desk.up("a1", call);
    desk.decline("b1", call).unwrap();
    desk.decline("c1", call).unwrap();
    desk.add("a1", call, vec![callee("b", &["b1"])]).unwrap();
    desk.wait(seconds(61));
    desk.enter("c1", call).unwrap();
    desk.leave("a1", call).unwrap();
    desk.leave("c1", call).unwrap();
    assert_eq!(people(&desk), [came("a"), party("b", PartyState::Missed), came("c")]);
}

#[test]
fn c3_who_has_blocked_the_starter_must_not_hear_of_it_unless_somebody_else_asks_or_they_come() {
    let mut desk = Desk::new();
    let ring = ["b", "c", "d"].map(|name| with_reach(name, Reach::Nobody)).into_iter();
    let call = desk.start("a1", ring.chain([with_reach("e", Reach::Silent)]).collect()).unwrap();
    desk.enter("c1", call).unwrap();
    desk.up("a1", call);
    desk.up("c1", call);
    desk.wait(seconds(61));
    desk.add("c1", call, vec![callee("d", &["d1"])]).unwrap();
    assert!(desk.rang("d1"));
    desk.leave("a1", call).unwrap();
    desk.leave("c1", call).unwrap();
    let hidden = Party { hidden: true, ..party("b", PartyState::Missed) };
    let missed = |name| party(name, PartyState::Missed);
    assert_eq!(people(&desk), [came("a"), hidden, came("c"), missed("d"), missed("e")]);
}

#[test]
fn c3_a_call_of_two_that_grew_has_one_record_with_those_who_were_added() {
    let mut desk = Desk::new();
    let call = desk.active_call();
    desk.add("b1", call, vec![callee("c", &["c1"]), callee("d", &["d1"])]).unwrap();
    desk.accept("c1", call).unwrap();
    for device in ["a1", "b1", "c1"] {
        desk.hangup(device, call).ok();
    }
    assert_eq!(desk.only_reason(), EndReason::Hangup);
    let [record] = &desk.records[..] else { panic!("one") };
    assert_eq!((&record.caller, &record.callee), (&user("a"), &user("b")));
    assert_eq!(record.others, [came("c"), party("d", PartyState::Missed)]);
    // And one that did not has none.
    let call = desk.active_call();
    desk.hangup("a1", call).unwrap();
    assert!(desk.records[1].others.is_empty());
}

#[test]
fn c6_who_came_who_declined_and_whom_it_may_not_reach_outlive_a_restart() {
    let mut desk = Desk::new();
    let ring = vec![callee("b", &["b1"]), callee("c", &["c1"]), with_reach("d", Reach::Nobody)];
    let call = desk.start("a1", ring.into_iter().chain([with_reach("e", Reach::Silent)]).collect()).unwrap();
    desk.accept("b1", call).unwrap();
    desk.up("a1", call);
    desk.leave("b1", call).unwrap();
    desk.decline("c1", call).unwrap();
    desk.restart_after(seconds(2));
    for device in ["a1", "d1", "e1"] {
        desk.connected(device);
    }
    assert!(!desk.rang("d1"), "a block is a block after a restart too");
    assert!(!desk.rang("e1"), "and who does not want to be disturbed is not");
    desk.leave("a1", call).unwrap();
    let hidden = Party { hidden: true, ..party("d", PartyState::Missed) };
    let missed = party("e", PartyState::Missed);
    assert_eq!(people(&desk), [came("a"), came("b"), party("c", PartyState::Declined), hidden, missed]);
}

#[test]
fn c3_so_many_are_asked_in_and_no_more() {
    let mut desk = Desk::new();
    let ring = (0..PARTIES_MAX + 8).map(|number| callee(&format!("u{number}"), &[])).collect();
    let call = desk.start("a1", ring).unwrap();
    desk.leave("a1", call).unwrap();
    assert_eq!(people(&desk).len(), PARTIES_MAX);
    assert!(desk.measures.contains(&Measure::LimitHit(Limit::Parties)));
}
