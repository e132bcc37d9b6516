//! The judge, judged, on what people do beside writing: groups, blocks, devices that are unlinked, quotas.

use super::super::history::{Happened, Role};
use super::*;

const GROUP: &str = "walkers";
const DIRECT: &str = "a-b";

fn carol() -> Device {
    Device::new("carol", "phone")
}

const FIRST: Note = (GROUP, 2, 2, "alice", group, "before Carol");
const MEANWHILE: Note = (GROUP, 3, 3, "alice", group, "while Carol is added");
const WITH_ALL: Note = (GROUP, 5, 5, "alice", group, "with Carol");
const WITHOUT: Note = (GROUP, 7, 7, "alice", group, "without Bob");
const WITHHELD: Note = (DIRECT, 1, 8, "alice", || user("bob"), "to one who has blocked her");
const HEARD: Note = (DIRECT, 2, 9, "alice", || user("bob"), "and no longer");
const LAST: Note = ("a-a", 1, 10, "alice", || user("alice"), "a note");

fn entry(seq: u64, from: &str, what: Happened) -> Item {
    Item::Entry { position: seq, group: GROUP.to_owned(), seq, from: from.to_owned(), sent_at: START, what }
}

fn came() -> Item {
    entry(4, "alice", Happened::Added("carol".to_owned(), Role::Member))
}

fn went() -> Item {
    entry(6, "alice", Happened::Removed("bob".to_owned()))
}

fn change(user: &str, is_in: bool, done: bool) -> What {
    let (group, user) = (GROUP.to_owned(), user.to_owned());
    if done { What::Changed { group, user, is_in } } else { What::Changes { group, user, is_in } }
}

impl Script {
    fn enters(&mut self, devices: &[Device], item: &Item) -> &mut Self {
        for device in devices {
            self.step(device, What::Heard(item.clone()));
        }
        self
    }
}

/// Alice makes a group with Bob, adds Carol while she writes, removes Bob; Bob blocks Alice for a while; she unlinks her laptop.
fn right_too() -> History {
    let mut script = Script::default();
    for device in [phone(), laptop(), bob(), carol()] {
        script.connects(&device).step(&device, What::Drained);
    }
    let (title, members) = ("Walks".to_owned(), vec!["alice".to_owned(), "bob".to_owned()]);
    script.step(&phone(), What::Creates { title: title.clone(), members: members.clone() });
    script.enters(&[bob()], &entry(1, "alice", Happened::Created(title.clone(), members.clone())));
    script.step(&phone(), What::Created { title: title.clone(), group: GROUP.to_owned() });
    script.enters(&[phone(), laptop()], &entry(1, "alice", Happened::Created(title, members)));
    script.sent(&phone(), FIRST).hear(&[laptop(), bob()], FIRST);
    script.step(&laptop(), change("carol", true, false));
    script.sent(&phone(), MEANWHILE).hear(&[laptop(), bob()], MEANWHILE);
    script.enters(&[phone(), laptop(), bob(), carol()], &came());
    script.step(&laptop(), change("carol", true, true));
    script.sent(&phone(), WITH_ALL).hear(&[laptop(), bob(), carol()], WITH_ALL);
    script.step(&phone(), change("bob", false, false)).enters(&[phone(), laptop(), bob(), carol()], &went());
    script.step(&phone(), change("bob", false, true));
    script.sent(&phone(), WITHOUT).hear(&[laptop(), carol()], WITHOUT);
    let who = || "alice".to_owned();
    script.step(&bob(), What::Blocks { user: who(), is_blocked: true });
    script.step(&bob(), What::Blocked { user: who(), is_blocked: true });
    script.sent(&phone(), WITHHELD).hear(&[laptop()], WITHHELD);
    script.step(&bob(), What::Blocks { user: who(), is_blocked: false });
    script.step(&bob(), What::Blocked { user: who(), is_blocked: false });
    script.sent(&phone(), HEARD).hear(&[laptop(), bob()], HEARD);
    script.step(&phone(), What::Unlinks { device: "laptop".to_owned() });
    script.step(&phone(), What::Unlinked { device: "laptop".to_owned() });
    script.sent(&phone(), LAST);
    script.acknowledge(&[carol()], 7);
    let (conversation, request) = (GROUP.to_owned(), 98);
    script.step(&carol(), What::Reads { request, conversation: conversation.clone(), upto: 6 });
    script.step(&carol(), What::ReadTaken { request, conversation, upto: 6 });
    script.step(&phone(), What::Heard(figures(11, (7, 6), (7, 6))));
    script.history
}

/// What Carol has, and what all have who are in the group with Alice.
fn figures(position: u64, carol: (u64, u64), all: (u64, u64)) -> Item {
    let ticks = vec![Tick { user: "carol".to_owned(), delivered: carol.0, read: carol.1 }];
    Item::Receipts { position, conversation: GROUP.to_owned(), ticks, all: Some(all) }
}

fn caught_too(rule: Rule, alter: impl FnOnce(&mut Vec<Event>)) {
    caught_in(right_too(), rule, alter);
}

fn told(device: &Device, item: Item) -> Event {
    Event { at: START, step: Step::Device(device.clone(), What::Heard(item)) }
}

fn forgets(events: &mut Vec<Event>, device: &Device, item: &Item) {
    let at = find(events, device, |what| *what == What::Heard(item.clone()));
    events.remove(at);
}

/// Hears it before the next thing that it does.
fn hears_before(events: &mut Vec<Event>, device: &Device, before: &Item, note: Note) {
    let at = find(events, device, |what| *what == What::Heard(before.clone()));
    events.insert(at, hears(device, note));
}

#[test]
fn a_history_with_groups_that_is_right_is_found_right() {
    let history = right_too();
    assert_eq!((faults(&history, &Policy::default()), missing(&history)), (Vec::new(), Vec::new()));
    for end in 0..history.events.len() {
        let beginning = History { events: history.events[..end].to_vec() };
        assert_eq!(faults(&beginning, &Policy::default()), Vec::new(), "the first {end} events");
    }
}

#[test]
fn m2_who_comes_hears_nothing_before_and_who_goes_nothing_after_even_where_requests_overlap() {
    caught_too(Rule::BeforeComing, |events| hears_before(events, &carol(), &came(), FIRST));
    // It was sent while she was being added: only the entries say that it stands before.
    caught_too(Rule::BeforeComing, |events| hears_before(events, &carol(), &came(), MEANWHILE));
    caught_too(Rule::AfterRemoval, |events| events.push(hears(&bob(), WITHOUT)));
    caught_too(Rule::NotAddressed, |events| {
        let dave = Device::new("dave", "phone");
        let comes = [What::Connects, What::Welcomed];
        events.splice(0..0, comes.map(|what| Event { at: START, step: Step::Device(dave.clone(), what) }));
        events.push(hears(&dave, WITH_ALL));
    });
    // The answer to his removal has come, and the entry stands later than what was sent then.
    caught_too(Rule::AfterRemoval, |events| {
        let done = find(events, &phone(), |what| *what == change("bob", false, true));
        let answered = events.remove(done);
        let sent = find(events, &phone(), |what| matches!(what, What::Sends { body, .. } if body == WITH_ALL.5));
        let asked = find(events, &phone(), |what| *what == change("bob", false, false));
        let asked = events.remove(asked);
        events.insert(sent, answered);
        events.insert(sent, asked);
    });
}

#[test]
fn m2_who_comes_and_who_goes_hear_of_that() {
    caught_too(Rule::Skipped, |events| forgets(events, &carol(), &came()));
    caught_too(Rule::Skipped, |events| forgets(events, &bob(), &went()));
    caught_too(Rule::Lost, |events| {
        forgets(events, &bob(), &went());
        forgets(events, &bob(), &message(HEARD));
    });
    caught_too(Rule::Buried, |events| forgets(events, &carol(), &message(WITHOUT)));
}

#[test]
fn m2_an_entry_is_what_somebody_asked_for_and_the_same_for_everybody() {
    let instead = |events: &mut Vec<Event>, device: &Device, item: Item| {
        let at = find(events, device, |what| *what == What::Heard(came()));
        events[at] = told(device, item);
    };
    caught_too(Rule::Altered, |events| {
        instead(events, &bob(), entry(4, "alice", Happened::Added("dave".to_owned(), Role::Member)));
    });
    caught_too(Rule::FromNowhere, |events| {
        for device in [phone(), laptop(), bob(), carol()] {
            instead(events, &device, entry(4, "bob", Happened::Added("carol".to_owned(), Role::Member)));
        }
    });
    // Twice in the group, and asked for once.
    caught_too(Rule::FromNowhere, |events| {
        events.push(told(&carol(), entry(8, "alice", Happened::Removed("bob".to_owned()))));
    });
    caught_too(Rule::PlaceTaken, |events| {
        events.push(told(
            &carol(),
            entry(7, "alice", Happened::Edited { post: None, edit: None, told: "renamed".to_owned() }),
        ));
    });
}

#[test]
fn what_was_refused_has_changed_nothing() {
    let mut history = right_too();
    let request = [
        change("carol", false, false),
        What::Unchanged { group: GROUP.to_owned(), user: "carol".to_owned(), is_in: false },
    ];
    let at = find(&history.events, &phone(), |what| *what == change("bob", false, false));
    for what in request.into_iter().rev() {
        history.events.insert(at, Event { at: START, step: Step::Device(phone(), what) });
    }
    assert_eq!(judged(&history, &Policy::default()), []);
    // Had it been done, Carol would have heard too much.
    history.events[at + 1].step = Step::Device(phone(), change("carol", false, true));
    assert!(judged(&history, &Policy::default()).contains(&Rule::AfterRemoval));
}

#[test]
fn m16_what_is_withheld_comes_to_the_senders_own_devices_alone() {
    caught_too(Rule::Withheld, |events| hears_before(events, &bob(), &message(HEARD), WITHHELD));
    caught_too(Rule::Skipped, |events| forgets(events, &laptop(), &message(WITHHELD)));
    // He hears her again: what comes then is his.
    caught_too(Rule::Lost, |events| forgets(events, &bob(), &message(HEARD)));
}

#[test]
fn m15_a_device_that_was_unlinked_hears_and_does_nothing_more() {
    caught_too(Rule::AfterUnlinking, |events| events.push(hears(&laptop(), LAST)));
    let by_it = |what| Event { at: START, step: Step::Device(laptop(), what) };
    caught_too(Rule::AfterUnlinking, |events| events.extend([What::Connects, What::Welcomed].map(by_it)));
    caught_too(Rule::AfterUnlinking, |events| {
        let (name, request, conversation) = (99, 99, "a-a".to_owned());
        let answer = Answer::Sent { conversation, seq: 2, sent_at: START, duplicate: false };
        let sends = What::Sends { request, name, to: user("alice"), body: "still here".to_owned() };
        events.extend([sends, What::Answered { request, name, answer }].map(by_it));
    });
}

#[test]
fn m4_what_was_sent_is_not_refused_when_it_is_sent_again() {
    let again = |is_final| {
        let answer = Answer::Refused { is_final, why: "Forbidden".to_owned() };
        Event { at: START, step: Step::Device(phone(), What::Answered { request: 99, name: 7, answer }) }
    };
    caught_too(Rule::ChangedAnswer, |events| events.push(again(true)));
    let mut history = right_too();
    history.events.push(again(false));
    assert_eq!(judged(&history, &Policy::default()), []);
}

#[test]
fn m5_what_all_in_a_group_have_is_told_true_and_does_not_shrink() {
    let instead = |rule, carol, all| {
        caught_too(rule, |events| {
            let at = find(events, &phone(), |what| *what == What::Heard(figures(11, (7, 6), (7, 6))));
            events[at] = told(&phone(), figures(11, carol, all));
        });
    };
    instead(Rule::Untrue, (7, 6), (8, 6));
    instead(Rule::Untrue, (7, 6), (7, 7));
    instead(Rule::Untold, (7, 6), (6, 6));
    instead(Rule::Untold, (6, 6), (7, 6));
    instead(Rule::ForgottenRead, (7, 6), (7, 4));
    instead(Rule::ForgottenRead, (7, 4), (7, 6));
    caught_too(Rule::Untold, |events| forgets(events, &phone(), &figures(11, (7, 6), (7, 6))));
    caught_too(Rule::Shrunk, |events| events.push(told(&phone(), figures(12, (7, 6), (6, 6)))));
    caught_too(Rule::Shrunk, |events| events.push(told(&phone(), figures(12, (7, 6), (7, 5)))));
    // While Bob was in it, who has nothing, all had nothing.
    caught_too(Rule::Untrue, |events| {
        let at = find(events, &phone(), |what| *what == change("bob", false, false));
        events.insert(at, told(&phone(), figures(6, (0, 0), (1, 0))));
    });
}

#[test]
fn m5_who_was_out_of_a_group_has_not_heard_who_came_back_meanwhile() {
    let begins_anew = |before: Option<Item>| {
        let mut history = right_too();
        history.events.extend(before.map(|item| told(&phone(), item)));
        history.events.push(told(&phone(), figures(13, (7, 0), (7, 6))));
        judged(&history, &Policy::default()).contains(&Rule::Shrunk)
    };
    assert!(begins_anew(None));
    assert!(
        begins_anew(Some(entry(12, "alice", Happened::Joined("bob".to_owned())))),
        "Bob's coming says nothing of Carol"
    );
    assert!(!begins_anew(Some(entry(12, "alice", Happened::Joined("alice".to_owned())))));
    assert!(!begins_anew(Some(entry(12, "carol", Happened::Joined("carol".to_owned())))));
}

#[test]
fn a_gap_that_was_acknowledged_does_not_come_again() {
    let gap = |upto| What::Heard(Item::Gap { upto, why: Why::Quota });
    let mut script = Script::default();
    script.connects(&phone()).connects(&bob());
    script.sent(&phone(), ONE).sent(&phone(), TWO);
    script.connects(&bob()).step(&bob(), gap(1)).hear(&[bob()], TWO);
    script.acknowledge(&[bob()], 3).sent(&bob(), THREE).hear(&[phone()], THREE);
    let small = Policy { entries_max: 1, ..Policy::default() };
    assert_eq!(faults(&script.history, &small), []);
    script.connects(&bob()).step(&bob(), gap(1));
    let found: Vec<Rule> = faults(&script.history, &small).into_iter().map(|fault| fault.rule).collect();
    assert_eq!(found, [Rule::PrematureGap]);
}
