//! The judge, judged: a history that is right, altered on purpose. Each alteration must be found, by its own rule.

mod groups;
mod rights;

use super::history::{Answer, Device, Event, History, Item, Step, Tick, To, What, Why};
use super::{Policy, Rule, faults, missing, unfounded};
use std::time::Duration;
use tertulia_common::Timestamp;

const START: Timestamp = Timestamp(1_790_000_000_000);

/// Writes a history as a server that keeps its promise would have it.
#[derive(Default)]
struct Script {
    history: History,
    requests: u64,
}

fn phone() -> Device {
    Device::new("alice", "phone")
}
fn laptop() -> Device {
    Device::new("alice", "laptop")
}
fn bob() -> Device {
    Device::new("bob", "phone")
}
fn tablet() -> Device {
    Device::new("bob", "tablet")
}
fn user(user: &str) -> To {
    To::User(user.to_owned())
}
fn group() -> To {
    To::Group("walkers".to_owned())
}

/// Conversation, place, position, sender, to, body: the messages of the script.
type Note = (&'static str, u64, u64, &'static str, fn() -> To, &'static str);
const ONE: Note = ("a-b", 1, 1, "alice", || user("bob"), "one");
const TWO: Note = ("a-b", 2, 3, "alice", || user("bob"), "two");
const THREE: Note = ("a-b", 3, 4, "bob", || user("alice"), "three");
const SELF: Note = ("a-a", 1, 6, "alice", || user("alice"), "a note");
const HELLO: Note = ("walkers", 1, 7, "alice", group, "hello all");
const LATER: Note = ("walkers", 2, 8, "alice", group, "without bob");

impl Script {
    fn step(&mut self, device: &Device, what: What) -> &mut Self {
        let at = START + Duration::from_secs(self.history.events.len() as u64);
        self.history.push(at, Step::Device(device.clone(), what));
        self
    }

    fn connects(&mut self, device: &Device) -> &mut Self {
        self.step(device, What::Connects).step(device, What::Welcomed)
    }

    fn sends(&mut self, from: &Device, note: Note) -> u64 {
        self.requests += 1;
        let request = self.requests;
        let (.., position, _, to, body) = note;
        self.step(from, What::Sends { request, name: u128::from(position), to: to(), body: body.to_owned() });
        request
    }

    fn answered(&mut self, from: &Device, request: u64, note: Note, duplicate: bool) -> &mut Self {
        let (conversation, seq, position, ..) = note;
        let answer = Answer::Sent { conversation: conversation.to_owned(), seq, sent_at: START, duplicate };
        self.step(from, What::Answered { request, name: u128::from(position), answer })
    }

    fn sent(&mut self, from: &Device, note: Note) -> &mut Self {
        let request = self.sends(from, note);
        self.answered(from, request, note, false)
    }

    fn hear(&mut self, devices: &[Device], note: Note) -> &mut Self {
        for device in devices {
            self.step(device, What::Heard(message(note)));
        }
        self
    }

    fn told(&mut self, devices: &[Device], position: u64, ticks: &[(&str, u64, u64)]) -> &mut Self {
        let tick = |(user, delivered, read): &(&str, u64, u64)| Tick {
            user: (*user).to_owned(),
            delivered: *delivered,
            read: *read,
        };
        for device in devices {
            let ticks = ticks.iter().map(tick).collect();
            self.step(
                device,
                What::Heard(Item::Receipts { position, conversation: "a-b".to_owned(), ticks, all: None }),
            );
        }
        self
    }

    fn acknowledge(&mut self, devices: &[Device], upto: u64) -> &mut Self {
        for device in devices {
            self.step(device, What::Acknowledges { upto });
        }
        self
    }

    fn changes(&mut self, who: &str, is_in: bool) -> &mut Self {
        let (group, user) = ("walkers".to_owned(), who.to_owned());
        self.step(&phone(), What::Changes { group: group.clone(), user: user.clone(), is_in });
        self.step(&phone(), What::Changed { group, user, is_in })
    }
}

fn message((conversation, seq, position, from, to, body): Note) -> Item {
    Item::Message {
        position,
        conversation: conversation.to_owned(),
        seq,
        from: from.to_owned(),
        to: to(),
        sent_at: START,
        body: body.to_owned(),
    }
}

/// Two people with two devices each: a talk, a kill with an answer that is lost, a read, a note to oneself, a group.
fn right() -> History {
    let all = [phone(), laptop(), bob(), tablet()];
    let mut script = Script::default();
    for device in &all {
        script.connects(device).step(device, What::Drained);
    }
    script.sent(&phone(), ONE).hear(&[laptop(), bob(), tablet()], ONE).acknowledge(&[bob()], 1);
    script.told(&all, 2, &[("bob", 1, 0)]);
    script.sends(&phone(), TWO);
    script.history.push(START, Step::Killed);
    script.history.push(START, Step::Started);
    script.connects(&phone());
    let again = script.sends(&phone(), TWO);
    script.answered(&phone(), again, TWO, true);
    script.connects(&bob()).hear(&[bob()], TWO).step(&bob(), What::Drained);
    for device in [laptop(), tablet()] {
        // Neither had acknowledged anything: it comes again.
        script.connects(&device).hear(std::slice::from_ref(&device), ONE);
        script.told(std::slice::from_ref(&device), 2, &[("bob", 1, 0)]);
        script.hear(std::slice::from_ref(&device), TWO).step(&device, What::Drained);
    }
    script.acknowledge(&[bob(), laptop(), tablet()], 3);
    script.sent(&bob(), THREE).hear(&[phone(), laptop(), tablet()], THREE);
    script.acknowledge(&[phone(), laptop(), tablet()], 4);
    let (conversation, request) = ("a-b".to_owned(), 99);
    script.step(&phone(), What::Reads { request, conversation: conversation.clone(), upto: 3 });
    script.step(&phone(), What::ReadTaken { request, conversation, upto: 3 });
    script.told(&all, 5, &[("bob", 3, 0), ("alice", 3, 3)]);
    script.sent(&phone(), SELF).hear(&[laptop()], SELF);
    script.changes("alice", true).changes("bob", true);
    script.sent(&phone(), HELLO).hear(&[laptop(), bob(), tablet()], HELLO);
    script.changes("bob", false);
    script.sent(&phone(), LATER).hear(&[laptop()], LATER);
    script.history
}

fn judged(history: &History, policy: &Policy) -> Vec<Rule> {
    let all = faults(history, policy).into_iter().chain(missing(history)).chain(unfounded(history, policy));
    all.map(|fault| fault.rule).collect()
}

/// Alters the right history and sees that the rule is among what is found.
fn caught(rule: Rule, alter: impl FnOnce(&mut Vec<Event>)) {
    caught_in(right(), rule, alter);
}

fn caught_in(mut history: History, rule: Rule, alter: impl FnOnce(&mut Vec<Event>)) {
    let before = history.clone();
    alter(&mut history.events);
    assert_ne!(before, history, "nothing was altered");
    let found = judged(&history, &Policy::default());
    assert!(found.contains(&rule), "{rule:?} is not among {found:?}");
}

fn find(events: &[Event], device: &Device, pick: impl Fn(&What) -> bool) -> usize {
    let is = |event: &Event| matches!(&event.step, Step::Device(who, what) if who == device && pick(what));
    events.iter().position(is).expect("it is in the script")
}

fn hearing(events: &[Event], device: &Device, note: Note) -> usize {
    events
        .iter()
        .rposition(|event| event.step == Step::Device(device.clone(), What::Heard(message(note))))
        .expect("it is in the script")
}

fn heard_mut(event: &mut Event) -> &mut Item {
    let Step::Device(_, What::Heard(item)) = &mut event.step else { panic!("a hearing") };
    item
}

fn hears(device: &Device, note: Note) -> Event {
    Event { at: START, step: Step::Device(device.clone(), What::Heard(message(note))) }
}

#[test]
fn a_history_that_is_right_is_found_right() {
    let history = right();
    assert_eq!((faults(&history, &Policy::default()), missing(&history)), (Vec::new(), Vec::new()));
    // Also any beginning of it: a run can be judged while it goes on.
    for end in 0..history.events.len() {
        let beginning = History { events: history.events[..end].to_vec() };
        assert_eq!(faults(&beginning, &Policy::default()), Vec::new(), "the first {end} events");
    }
}

#[test]
fn m1_a_message_that_never_comes_is_lost_and_if_what_is_above_was_acknowledged_it_is_buried() {
    caught(Rule::Lost, |events| {
        events.remove(hearing(events, &laptop(), SELF));
        let note = hearing(events, &laptop(), HELLO);
        events.remove(note);
        events.remove(hearing(events, &laptop(), LATER));
    });
    caught(Rule::Buried, |events| {
        events.remove(hearing(events, &phone(), THREE));
    });
    caught(Rule::Skipped, |events| {
        events.remove(hearing(events, &laptop(), HELLO));
    });
    caught(Rule::DrainedEarly, |events| {
        let late = hearing(events, &tablet(), TWO);
        let drained = events.remove(late + 1);
        events.insert(late, drained);
    });
}

#[test]
fn m4_what_comes_twice_in_a_session_or_after_an_acknowledgement_that_counts_is_found() {
    for (index, event) in right().events.iter().enumerate() {
        if matches!(event.step, Step::Device(_, What::Heard(Item::Message { .. }))) {
            caught(Rule::Twice, |events| events.insert(index + 1, event.clone()));
        }
    }
    // That what Bob sent is new says that his acknowledgement before it has arrived.
    let again = |events: &mut Vec<Event>, device: &Device, note| {
        let events_of_it = [What::Connects, What::Welcomed];
        events.extend(events_of_it.map(|what| Event { at: START, step: Step::Device(device.clone(), what) }));
        events.push(hears(device, note));
    };
    caught(Rule::AfterAcknowledgement, |events| again(events, &bob(), TWO));
    // His tablet has asked for nothing after it acknowledged: nobody knows whether that has arrived.
    let mut history = right();
    again(&mut history.events, &tablet(), TWO);
    let found = judged(&history, &Policy::default());
    assert!(!found.contains(&Rule::AfterAcknowledgement), "{found:?}");
}

#[test]
fn what_was_said_on_a_socket_that_was_lost_need_not_have_arrived() {
    let mut history = right();
    let asked = find(&history.events, &bob(), |what| matches!(what, What::Sends { .. }));
    history.events.insert(asked, Event { at: START, step: Step::Device(bob(), What::Resumed) });
    history
        .events
        .extend([What::Connects, What::Welcomed].map(|what| Event { at: START, step: Step::Device(bob(), what) }));
    history.events.extend([hears(&bob(), TWO), hears(&bob(), HELLO)]);
    assert_eq!(faults(&history, &Policy::default()), Vec::new());
}

#[test]
fn m3_any_two_hearings_of_a_session_in_the_other_order_are_found() {
    let events = right().events;
    let mut swapped = 0;
    for first in 0..events.len() {
        let Step::Device(device, What::Heard(_)) = &events[first].step else { continue };
        let of_it = |event: &&Event| matches!(&event.step, Step::Device(who, _) if who == device);
        let Some(next) = events[first + 1..].iter().find(of_it) else { continue };
        if !matches!(next.step, Step::Device(_, What::Heard(_))) {
            continue;
        }
        let second = events.iter().position(|event| event == next).expect("it was found");
        caught(Rule::OutOfOrder, |events| events.swap(first, second));
        swapped += 1;
    }
    assert!(swapped >= 8, "{swapped}");
}

#[test]
fn m3_places_are_dense_one_message_each_and_in_the_order_of_sending() {
    let shift = |events: &mut Vec<Event>, of: &str, seq: u64| {
        for event in events {
            match &mut event.step {
                Step::Device(_, What::Heard(Item::Message { body, seq: at, .. })) if *body == of => *at = seq,
                Step::Device(_, What::Answered { name: 4, answer: Answer::Sent { seq: at, .. }, .. })
                    if of == "three" =>
                {
                    *at = seq;
                }
                _ => {}
            }
        }
    };
    caught(Rule::Hole, |events| shift(events, "three", 4));
    caught(Rule::PlaceTaken, |events| shift(events, "three", 2));
    caught(Rule::Overtaken, |events| {
        // The third stands where the second stood, and the second where it stood.
        for event in events.iter_mut() {
            let seq = match &mut event.step {
                Step::Device(_, What::Heard(Item::Message { conversation, seq, .. })) if conversation == "a-b" => seq,
                Step::Device(_, What::Answered { answer: Answer::Sent { conversation, seq, .. }, .. })
                    if conversation == "a-b" =>
                {
                    seq
                }
                _ => continue,
            };
            *seq = [0, 1, 3, 2][usize::try_from(*seq).expect("small")];
        }
    });
}

#[test]
fn what_overtakes_on_one_socket_is_found_before_either_is_answered() {
    const FIRST: Note = ("c", 2, 2, "bob", || user("alice"), "first");
    const SECOND: Note = ("c", 1, 1, "bob", || user("alice"), "second");
    let mut script = Script::default();
    script.connects(&bob());
    let requests = (script.sends(&bob(), FIRST), script.sends(&bob(), SECOND));
    script.answered(&bob(), requests.1, SECOND, false).answered(&bob(), requests.0, FIRST, false);
    assert_eq!(judged(&script.history, &Policy::default()), [Rule::Overtaken]);
    // On two sockets the first may have been lost with the earlier one.
    let between = find(&script.history.events, &bob(), |what| matches!(what, What::Sends { .. })) + 1;
    script.history.events.insert(between, Event { at: START, step: Step::Device(bob(), What::Resumed) });
    assert_eq!(judged(&script.history, &Policy::default()), []);
}

#[test]
fn m4_one_name_has_one_answer_and_is_new_once() {
    let answer = |change: fn(&mut u64, &mut Timestamp, &mut bool)| {
        caught(Rule::ChangedAnswer, |events| {
            let at = find(events, &phone(), |what| matches!(what, What::Answered { name: 3, .. }));
            let mut again = events[at].clone();
            let Step::Device(_, What::Answered { answer: Answer::Sent { seq, sent_at, duplicate, .. }, .. }) =
                &mut again.step
            else {
                panic!("an answer")
            };
            change(seq, sent_at, duplicate);
            events.insert(at + 1, again);
        });
    };
    answer(|seq, _, _| *seq = 9);
    answer(|_, sent_at, _| *sent_at = START + Duration::from_secs(1));
    caught(Rule::ChangedAnswer, |events| {
        let at = find(events, &phone(), |what| matches!(what, What::Answered { name: 1, .. }));
        let again = events[at].clone();
        events.insert(at + 1, again);
    });
    caught(Rule::ChangedAnswer, |events| {
        let at = find(events, &phone(), |what| matches!(what, What::Answered { name: 1, .. }));
        let Step::Device(_, What::Answered { answer: Answer::Sent { duplicate, .. }, .. }) = &mut events[at].step
        else {
            panic!("an answer")
        };
        *duplicate = true;
    });
}

#[test]
fn m1_what_nobody_sent_or_otherwise_or_to_others_is_found() {
    caught(Rule::FromNowhere, |events| {
        events.push(hears(&bob(), ("a-b", 4, 9, "alice", || user("bob"), "never said")));
    });
    caught(Rule::NotAddressed, |events| events.push(hears(&bob(), SELF)));
    caught(Rule::NotAddressed, |events| events.push(hears(&phone(), ONE)));
    caught(Rule::AfterRemoval, |events| events.push(hears(&tablet(), LATER)));
    let altered = |change: fn(&mut Item)| {
        caught(Rule::Altered, |events| {
            let at = hearing(events, &tablet(), TWO);
            change(heard_mut(&mut events[at]));
        });
    };
    altered(|item| {
        let Item::Message { from, .. } = item else { panic!("a message") };
        "eve".clone_into(from);
    });
    altered(|item| {
        let Item::Message { seq, .. } = item else { panic!("a message") };
        *seq = 7;
    });
    altered(|item| {
        let Item::Message { sent_at, .. } = item else { panic!("a message") };
        *sent_at = Timestamp(7);
    });
    // A device that came after the second had been answered is not its receiver, nor lacks it.
    caught(Rule::NotAddressed, |events| {
        let late = Device::new("bob", "watch");
        let step = |what| Event { at: START, step: Step::Device(late.clone(), what) };
        events.extend([step(What::Connects), step(What::Welcomed), step(What::Drained), hears(&late, TWO)]);
    });
}

#[test]
fn m3_what_waited_for_a_person_is_their_first_devices() {
    const WELCOME: Note = ("a-c", 1, 1, "alice", || user("carol"), "welcome");
    let mut script = Script::default();
    let carol = Device::new("carol", "phone");
    script.connects(&phone()).sent(&phone(), WELCOME).connects(&carol);
    assert_eq!(judged(&script.history, &Policy::default()), [Rule::Lost]);
    script.hear(std::slice::from_ref(&carol), WELCOME);
    assert_eq!(judged(&script.history, &Policy::default()), []);
}

#[test]
fn m5_receipts_that_shrink_or_lie_or_are_never_told_are_found() {
    let last = |events: &[Event], device: &Device| {
        let is = |event: &Event| matches!(&event.step, Step::Device(who, What::Heard(Item::Receipts { position: 5, .. })) if who == device);
        events.iter().position(is).expect("it is in the script")
    };
    let change = |rule, change: fn(&mut Vec<Tick>)| {
        caught(rule, |events| {
            let at = last(events, &laptop());
            let Item::Receipts { ticks, .. } = heard_mut(&mut events[at]) else { panic!("receipts") };
            change(ticks);
        });
    };
    change(Rule::Shrunk, |ticks| ticks[0].delivered = 0);
    change(Rule::Untrue, |ticks| ticks[0].delivered = 4);
    change(Rule::Untrue, |ticks| ticks[0].read = 1);
    change(Rule::Untold, |ticks| ticks[0].delivered = 2);
    change(Rule::ForgottenRead, |ticks| ticks[1].read = 2);
    caught(Rule::Untold, |events| {
        events.remove(last(events, &phone()));
    });
}

#[test]
fn a_gap_has_a_cause_and_what_it_gave_up_is_not_missed() {
    let gap = |why| Event { at: START, step: Step::Device(tablet(), What::Heard(Item::Gap { upto: 7, why })) };
    caught(Rule::PrematureGap, |events| events.push(gap(Why::Age)));
    caught(Rule::PrematureGap, |events| events.push(gap(Why::Quota)));
    let mut history = right();
    history.events.remove(hearing(&history.events, &tablet(), HELLO));
    assert_eq!(judged(&history, &Policy::default()), [Rule::Lost]);
    history.events.push(gap(Why::Quota));
    let small = Policy { entries_max: 0, ..Policy::default() };
    assert_eq!(judged(&history, &small), []);
    history.events.pop();
    history.events.push(Event { at: START + Duration::from_secs(3600), ..gap(Why::Age) });
    let short = Policy { keep: Duration::from_secs(60), ..Policy::default() };
    assert_eq!(judged(&history, &short), []);
}
