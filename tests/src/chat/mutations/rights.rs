//! The judge, judged, on who may do what in a group, and what those are told who may not.

use super::super::history::{Deed, Done, Happened, Role};
use super::*;

const GROUP: &str = "walkers";
const OPENING: Note = (GROUP, 2, 2, "alice", group, "whose it is");
const BY_MEMBER: Note = (GROUP, 4, 4, "bob", group, "while all may write");
const BY_ADMIN: Note = (GROUP, 6, 6, "carol", group, "while admins may");
const NEW_OWNERS: Note = (GROUP, 9, 9, "carol", group, "whose it is now");
const TOKEN: &str = "let me in";

fn carol() -> Device {
    Device::new("carol", "phone")
}

fn dave() -> Device {
    Device::new("dave", "phone")
}

fn entry(seq: u64, from: &str, what: Happened) -> Item {
    Item::Entry { position: seq, group: GROUP.to_owned(), seq, from: from.to_owned(), sent_at: START, what }
}

fn edited(post: Option<Role>) -> Happened {
    Happened::Edited { post, edit: None, told: format!("{post:?}") }
}

fn name(user: &str) -> String {
    user.to_owned()
}

impl Script {
    fn deed(&mut self, by: &Device, deed: Deed, done: Done) -> &mut Self {
        self.requests += 1;
        let (request, group) = (self.requests, Some(GROUP.to_owned()));
        self.step(by, What::Asks { request, group, deed }).step(by, What::Told { request, done })
    }

    /// An entry that somebody's request made, and everybody who hears of it.
    fn becomes(&mut self, by: &Device, deed: Deed, seq: u64, what: Happened, hear: &[Device]) -> &mut Self {
        self.requests += 1;
        let (request, group) = (self.requests, Some(GROUP.to_owned()));
        self.step(by, What::Asks { request, group, deed: deed.clone() });
        let moves = match &deed {
            Deed::Put(user, _) => Some((user.clone(), true)),
            Deed::Remove(user) => Some((user.clone(), false)),
            Deed::Join(_) => Some((by.user.clone(), true)),
            _ => None,
        };
        let change = |is_in, user| What::Changes { group: GROUP.to_owned(), user, is_in };
        if let Some((user, is_in)) = moves.clone() {
            self.step(by, change(is_in, user));
        }
        for device in hear {
            self.step(device, What::Heard(entry(seq, &by.user, what.clone())));
        }
        self.step(by, What::Told { request, done: Done::Yes(None) });
        if let Some((user, is_in)) = moves {
            self.step(by, What::Changed { group: GROUP.to_owned(), user, is_in });
        }
        self
    }
}

/// Alice makes a group with Bob; Carol comes as an admin, who lets admins alone write, is made the owner, and removes Alice. Dave
/// comes by an invitation. Who may not is told so.
fn right_by_right() -> History {
    let mut script = Script::default();
    for device in [phone(), bob(), carol(), dave()] {
        script.connects(&device).step(&device, What::Drained);
    }
    let (title, members) = (name("Walks"), vec![name("alice"), name("bob")]);
    let request = 77;
    script.step(&phone(), What::Creates { title: title.clone(), members: members.clone() });
    script.step(&phone(), What::Asks { request, group: None, deed: Deed::Create(vec![name("bob")]) });
    for device in [phone(), bob()] {
        script.step(&device, What::Heard(entry(1, "alice", Happened::Created(title.clone(), members.clone()))));
    }
    script.step(&phone(), What::Told { request, done: Done::Yes(None) });
    script.step(&phone(), What::Created { title, group: GROUP.to_owned() });
    script.sent(&phone(), OPENING).hear(&[bob()], OPENING);
    let all = [phone(), bob(), carol()];
    let admin = Happened::Added(name("carol"), Role::Admin);
    script.becomes(&phone(), Deed::Put(name("carol"), Role::Admin), 3, admin, &all);
    script.deed(&bob(), Deed::Put(name("dave"), Role::Member), Done::Refused(name("forbidden")));
    script.deed(&carol(), Deed::Remove(name("dave")), Done::Refused(name("unknown_user")));
    script.deed(&dave(), Deed::Edit { post: None, edit: None }, Done::Refused(name("unknown_conversation")));
    script.sent(&bob(), BY_MEMBER).hear(&[phone(), carol()], BY_MEMBER);
    let admins = Deed::Edit { post: Some(Role::Admin), edit: None };
    script.becomes(&carol(), admins, 5, edited(Some(Role::Admin)), &all);
    let request = script.sends(&bob(), ("", 0, 99, "bob", group, "not any longer"));
    let answer = Answer::Refused { is_final: true, why: name("forbidden") };
    script.step(&bob(), What::Answered { request, name: 99, answer });
    script.sent(&carol(), BY_ADMIN).hear(&[phone(), bob()], BY_ADMIN);
    let owner = Happened::Becomes(name("carol"), Role::Owner);
    script.becomes(&phone(), Deed::Put(name("carol"), Role::Owner), 7, owner, &all);
    script.deed(&phone(), Deed::End, Done::Refused(name("forbidden")));
    script.becomes(&carol(), Deed::Remove(name("alice")), 8, Happened::Removed(name("alice")), &all);
    script.sent(&carol(), NEW_OWNERS).hear(&[bob()], NEW_OWNERS);
    script.deed(&carol(), Deed::Invite, Done::Yes(Some(name(TOKEN))));
    script.becomes(&dave(), Deed::Join(name(TOKEN)), 10, Happened::Joined(name("dave")), &[bob(), carol(), dave()]);
    script.deed(&carol(), Deed::Revoke, Done::Yes(None));
    script.deed(&phone(), Deed::Join(name(TOKEN)), Done::Refused(name("invite_over")));
    for who in [name("bob"), name("alice")] {
        script.step(&dave(), What::Blocks { user: who.clone(), is_blocked: true });
        script.step(&dave(), What::Blocked { user: who, is_blocked: true });
    }
    script.step(&phone(), What::Asks { request: 78, group: None, deed: Deed::Create(vec![name("dave")]) });
    script.step(&phone(), What::Told { request: 78, done: Done::Refused(name("not_addable")) });
    script.history
}

fn caught_there(rule: Rule, alter: impl FnOnce(&mut Vec<Event>)) {
    caught_in(right_by_right(), rule, alter);
}

/// All who heard an entry heard another one there, by somebody.
fn instead(events: &mut [Event], seq: u64, by: &str, what: &Happened) {
    for event in events {
        if let Step::Device(_, What::Heard(item @ Item::Entry { .. })) = &mut event.step
            && matches!(item, Item::Entry { seq: at, .. } if *at == seq)
        {
            *item = entry(seq, by, what.clone());
        }
    }
}

/// What was answered to a deed is another answer.
fn answered_otherwise(events: &mut [Event], deed: &Deed, by: &Device, done: &Done) {
    let asked = find(events, by, |what| matches!(what, What::Asks { deed: of, .. } if of == deed));
    let Step::Device(_, What::Asks { request, .. }) = &events[asked].step else { panic!("a deed") };
    let request = *request;
    let at = find(events, by, |what| matches!(what, What::Told { request: of, .. } if *of == request));
    events[at].step = Step::Device(by.clone(), What::Told { request, done: done.clone() });
}

#[test]
fn a_history_of_who_may_what_that_is_right_is_found_right() {
    let history = right_by_right();
    assert_eq!((faults(&history, &Policy::default()), unfounded(&history, &Policy::default())), (vec![], vec![]));
    for end in 0..history.events.len() {
        let beginning = History { events: history.events[..end].to_vec() };
        assert_eq!(faults(&beginning, &Policy::default()), Vec::new(), "the first {end} events");
    }
}

#[test]
fn m2_what_somebody_did_who_might_not_is_found() {
    let not_allowed = |seq, by: &'static str, what: Happened| {
        caught_there(Rule::NotAllowed, |events| instead(events, seq, by, &what));
    };
    // A member adds, edits what admins may, removes, ends.
    not_allowed(3, "bob", Happened::Added(name("carol"), Role::Member));
    not_allowed(5, "bob", edited(Some(Role::Admin)));
    not_allowed(5, "bob", edited(None));
    not_allowed(8, "bob", Happened::Removed(name("alice")));
    not_allowed(7, "bob", Happened::Ended);
    // An admin makes an owner, removes one, ends.
    not_allowed(7, "carol", Happened::Becomes(name("carol"), Role::Owner));
    not_allowed(7, "carol", Happened::Removed(name("alice")));
    not_allowed(7, "carol", Happened::Ended);
    // A group has one owner: nobody comes as one, nobody who is it leaves it to nobody.
    not_allowed(3, "alice", Happened::Added(name("carol"), Role::Owner));
    not_allowed(7, "alice", Happened::Left(name("alice")));
    // Who is in it is not added, who is not does not become anything.
    not_allowed(7, "alice", Happened::Added(name("carol"), Role::Admin));
    not_allowed(7, "alice", Happened::Becomes(name("dave"), Role::Admin));
    not_allowed(10, "bob", Happened::Joined(name("bob")));
}

#[test]
fn m2_a_message_of_somebody_who_might_not_write_is_found() {
    // Bob writes when admins alone may.
    caught_there(Rule::NotAllowed, |events| {
        let at = find(events, &bob(), |what| matches!(what, What::Answered { name: 99, .. }));
        let answer = Answer::Sent { conversation: GROUP.to_owned(), seq: 11, sent_at: START, duplicate: false };
        events[at].step = Step::Device(bob(), What::Answered { request: 99, name: 99, answer });
    });
    caught_there(Rule::NotAllowed, |events| instead(events, 3, "alice", &edited(Some(Role::Owner))));
}

#[test]
fn m2_a_refusal_without_a_reason_or_by_another_name_is_found() {
    let refused = |code: &str| Done::Refused(name(code));
    let otherwise = |rule, deed: Deed, by: Device, done: Done| {
        caught_there(rule, |events| answered_otherwise(events, &deed, &by, &done));
    };
    let (adds, removes) = (Deed::Put(name("dave"), Role::Member), Deed::Remove(name("dave")));
    otherwise(Rule::Unfounded, adds.clone(), bob(), refused("unknown_conversation"));
    otherwise(Rule::Unfounded, adds.clone(), bob(), refused("not_addable"));
    otherwise(Rule::NotAllowed, adds, bob(), Done::Yes(None));
    otherwise(Rule::Unfounded, removes.clone(), carol(), refused("forbidden"));
    otherwise(Rule::NotAllowed, removes, carol(), Done::Yes(None));
    otherwise(Rule::Unfounded, Deed::Edit { post: None, edit: None }, dave(), refused("forbidden"));
    otherwise(Rule::NotAllowed, Deed::End, phone(), Done::Yes(None));
    otherwise(Rule::Unfounded, Deed::Invite, carol(), refused("forbidden"));
    otherwise(Rule::Unfounded, Deed::Create(vec![name("bob")]), phone(), refused("not_addable"));
    otherwise(Rule::NotAllowed, Deed::Create(vec![name("dave")]), phone(), Done::Yes(None));
    otherwise(Rule::Unfounded, Deed::Join(name(TOKEN)), dave(), refused("invite_over"));
    otherwise(Rule::NotAllowed, Deed::Join(name(TOKEN)), phone(), Done::Yes(None));
    // Before admins alone might write.
    caught_there(Rule::Unfounded, |events| {
        let at = find(events, &bob(), |what| matches!(what, What::Answered { name: 4, .. }));
        let Step::Device(_, What::Answered { answer, .. }) = &mut events[at].step else { panic!("an answer") };
        *answer = Answer::Refused { is_final: true, why: name("forbidden") };
    });
    caught_there(Rule::Unfounded, |events| {
        let at = find(events, &bob(), |what| matches!(what, What::Answered { name: 99, .. }));
        let Step::Device(_, What::Answered { answer, .. }) = &mut events[at].step else { panic!("an answer") };
        *answer = Answer::Refused { is_final: true, why: name("unknown_conversation") };
    });
    // Who is there may be written to.
    caught_there(Rule::Unfounded, |events| {
        let (request, name, body) = (199, 199, "to nobody".to_owned());
        let answer = Answer::Refused { is_final: true, why: "unknown_user".to_owned() };
        let sends = What::Sends { request, name, to: user("alice"), body };
        let both = [sends, What::Answered { request, name, answer }];
        events.extend(both.map(|what| Event { at: START, step: Step::Device(bob(), what) }));
    });
}

#[test]
fn m3_what_overtakes_in_a_group_is_found_unless_it_may_have_been_refused_before() {
    const FIRST: Note = (GROUP, 12, 13, "carol", group, "sent first");
    const SECOND: Note = (GROUP, 11, 12, "carol", group, "sent second");
    let mut script = Script { history: right_by_right(), requests: 500 };
    let requests = (script.sends(&carol(), FIRST), script.sends(&carol(), SECOND));
    script.answered(&carol(), requests.1, SECOND, false).answered(&carol(), requests.0, FIRST, false);
    let found: Vec<Rule> = faults(&script.history, &Policy::default()).into_iter().map(|fault| fault.rule).collect();
    assert_eq!(found, [Rule::Overtaken]);
    // She came while the first was on its way: it may have been too early.
    let mut history = right_by_right();
    let owner = find(&history.events, &phone(), |what| matches!(what, What::Asks { deed: Deed::Put(..), .. }));
    history.events.truncate(owner);
    let mut script = Script { history, requests: 500 };
    let first: Note = (GROUP, 5, 5, "carol", group, "before she is in it");
    let second: Note = (GROUP, 4, 4, "carol", group, "when she is");
    let admin = Happened::Added(name("carol"), Role::Admin);
    let requests = (script.sends(&carol(), first), script.sends(&carol(), second));
    script.becomes(&phone(), Deed::Put(name("carol"), Role::Admin), 3, admin, &[phone(), bob(), carol()]);
    script.answered(&carol(), requests.1, second, false).answered(&carol(), requests.0, first, false);
    assert_eq!(faults(&script.history, &Policy::default()), []);
}

#[test]
fn where_a_group_changed_meanwhile_both_answers_have_a_reason() {
    let mut history = right_by_right();
    // Bob asks to add Dave before he is heard to be an admin, and is answered after it: nobody knows which was first.
    let asked = find(&history.events, &bob(), |what| matches!(what, What::Asks { .. }));
    let asks = history.events.remove(asked);
    let told = history.events.remove(asked);
    let before = find(&history.events, &phone(), |what| matches!(what, What::Asks { deed: Deed::Put(..), .. }));
    history.events.insert(before, asks);
    history.events.push(told);
    assert_eq!(unfounded(&history, &Policy::default()), []);
}
