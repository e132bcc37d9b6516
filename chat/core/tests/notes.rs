//! Notes driven by hand: once, in order, to whom, and what a crash leaves of them.

#[expect(dead_code, reason = "the scripts use the rest")]
mod support;

use support::{EVENTS, Scene, about, user};
use tertulia_chat_core::{
    Ask, BodyRef, Change, ClientId, ConversationId, Limits, Note, Record, Refusal, Restoring, Role, Sent, Seq, To,
};

fn notes(scene: &mut Scene, by: &str, to: &str, number: u32) -> Result<Sent, Refusal> {
    notes_in(scene, by, To::User(user(to)), number)
}

fn notes_in(scene: &mut Scene, by: &str, to: To, number: u32) -> Result<Sent, Refusal> {
    let (by, withheld) = (user(by), scene.withheld);
    let mut out = Vec::new();
    let sent = scene.relay.note(scene.now, &Note { by, to, client_id: ClientId(number.into()), withheld }, &mut out)?;
    let body = BodyRef { file: 1, offset: number, len: 10 };
    if let Some(position) = sent.position {
        scene.relay.placed(sent.id, position, body);
    }
    scene.commit(out, body);
    Ok(sent)
}

#[test]
fn c1_a_note_has_its_place_among_messages_and_reaches_every_device_of_both() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("alice", "laptop").connects("bob", "phone").connects("eve", "phone");
    scene.sends("bob", "phone", "alice", 1).unwrap();
    assert_eq!(notes(&mut scene, "alice", "bob", 2).unwrap().id.seq, Seq(2));
    scene.sends("bob", "phone", "alice", 3).unwrap();
    assert_eq!(scene.got("alice", "phone"), [1, 2, 3]);
    assert_eq!(scene.got("alice", "laptop"), [1, 2, 3]);
    assert_eq!(scene.got("bob", "phone"), [2]);
    assert!(scene.got("eve", "phone").is_empty());
    // Both say that they have it: it is forgotten.
    for (name, on) in [("alice", "phone"), ("alice", "laptop"), ("bob", "phone")] {
        assert!(!scene.dead.contains(&2));
        scene.acknowledges(name, on).unwrap();
    }
    assert!(scene.dead.contains(&2));
    scene.tells_receipts();
    assert_eq!(scene.ticks("alice", "phone", "bob"), (2, 0));
}

#[test]
fn c1_a_note_is_made_once_however_often_it_is_asked_for_and_whatever_was_moved() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone");
    let first = notes(&mut scene, "alice", "bob", 1).unwrap();
    let again = |scene: &mut Scene| {
        let again = notes(scene, "alice", "bob", 1).unwrap();
        assert_eq!((again.id, again.sent_at, again.position), (first.id, first.sent_at, None));
    };
    again(&mut scene);
    scene.dies(usize::MAX);
    again(&mut scene);
    scene.connects("alice", "phone").connects("bob", "phone");
    assert_eq!(scene.got("bob", "phone"), [1]);
    scene.acknowledges("alice", "phone").unwrap();
    scene.acknowledges("bob", "phone").unwrap();
    // The store drops the file: what stands for its records is what is left, in any order.
    let mut left = Vec::new();
    scene.records.iter().for_each(|(record, _)| scene.relay.snapshot(record, &mut left));
    scene.relay.marks(&mut left);
    assert!(!left.iter().any(|record| matches!(record, Record::Note { .. })));
    for turned in [false, true] {
        let mut restoring = Restoring::new(Limits::default());
        let records: Vec<Record> = if turned { left.iter().rev().cloned().collect() } else { left.clone() };
        records.into_iter().for_each(|record| restoring.restore(record, BodyRef::default()));
        scene.is_restored(restoring);
        again(&mut scene);
        assert_eq!(notes(&mut scene, "alice", "bob", 2 + u32::from(turned)).unwrap().id.seq, Seq(2));
    }
}

#[test]
fn c1_the_latest_notes_are_known_also_after_older_ones_were_written_again_behind_them() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone");
    for number in 1..=200 {
        notes(&mut scene, "alice", "bob", number).unwrap();
    }
    // A copy of each of the first is behind all.
    let copies: Vec<_> = scene.records[..100].to_vec();
    scene.records.extend(copies);
    scene.dies(usize::MAX);
    for number in 150..=200 {
        assert_eq!(notes(&mut scene, "alice", "bob", number).unwrap().position, None, "{number}");
    }
}

#[test]
fn c1_a_note_waits_for_whom_has_no_device_and_names_nobody_who_takes_no_messages() {
    let mut scene = Scene::new(Limits::default());
    assert_eq!(notes(&mut scene, "alice", "bob", 1), Err(Refusal::DeviceGone));
    assert_eq!(scene.relay.depths().mailboxes, 0);
    scene.connects("alice", "phone");
    notes(&mut scene, "alice", "bob", 2).unwrap();
    notes(&mut scene, "carol", "alice", 3).unwrap();
    assert_eq!(
        scene.relay.depths().mailboxes,
        2,
        "Alice's, and what waits for Bob: nothing waits for Carol, who called"
    );
    scene.dies(usize::MAX);
    scene.connects("bob", "phone").connects("carol", "phone").connects("alice", "phone");
    assert_eq!(scene.got("bob", "phone"), [2]);
    assert!(scene.got("carol", "phone").is_empty());
    assert_eq!(scene.got("alice", "phone"), [2, 3]);
}

#[test]
fn c1_a_withheld_note_is_its_authors_alone_before_and_after_a_crash() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("eve", "phone").connects("alice", "phone");
    scene.withheld = true;
    notes(&mut scene, "eve", "alice", 1).unwrap();
    assert_eq!(scene.got("eve", "phone"), [1]);
    scene.dies(usize::MAX);
    scene.connects("eve", "phone").connects("alice", "phone");
    assert!(scene.got("alice", "phone").is_empty());
    scene.acknowledges("eve", "phone").unwrap();
    assert_eq!(scene.relay.depths().entries, 0, "nobody else waits for it");
}

#[test]
fn c1_what_waits_in_a_last_device_that_is_closed_waits_for_the_next() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone").leaves("alice", "phone");
    notes(&mut scene, "alice", "bob", 1).unwrap();
    notes(&mut scene, "bob", "alice", 2).unwrap();
    scene.closes("alice", "phone");
    scene.dies(usize::MAX);
    scene.connects("alice", "tablet");
    assert_eq!(scene.got("alice", "tablet"), [1, 2]);
}

fn group(scene: &mut Scene, by: &str, post: Role, members: &[&str]) -> ConversationId {
    let members = members.iter().map(|name| user(name)).collect();
    let change = Change::Create { about: tertulia_chat_core::About { post, ..about() }, members };
    scene.changes(&Ask { by: user(by), client_id: ClientId(900), group: None, change }).expect("a new group").group
}

fn changes(scene: &mut Scene, by: &str, group: ConversationId, number: u128, change: Change) {
    scene.changes(&Ask { by: user(by), client_id: ClientId(number), group: Some(group), change }).expect("a change");
}

/// What of a device's entries are notes and messages.
fn noted(scene: &mut Scene, name: &str) -> Vec<u32> {
    scene.got(name, "phone").into_iter().filter(|body| *body < EVENTS).collect()
}

#[test]
fn c3_a_note_to_a_group_reaches_every_member_once_also_after_a_crash() {
    let mut scene = Scene::new(Limits::default());
    for name in ["alice", "bob", "carol", "eve"] {
        scene.connects(name, "phone");
    }
    let group = group(&mut scene, "alice", Role::Member, &["bob", "carol", "away"]);
    let first = notes_in(&mut scene, "bob", To::Group(group), 1).unwrap();
    assert_eq!(first.id.conversation, group);
    for name in ["alice", "bob", "carol"] {
        assert_eq!(noted(&mut scene, name), [1], "{name}");
    }
    assert!(noted(&mut scene, "eve").is_empty(), "a stranger");
    scene.acknowledges("alice", "phone").unwrap();
    scene.dies(usize::MAX);
    assert_eq!(notes_in(&mut scene, "bob", To::Group(group), 1).unwrap().position, None, "it is known");
    for name in ["alice", "bob", "carol", "eve", "away"] {
        scene.connects(name, "phone");
    }
    assert_eq!(noted(&mut scene, "alice"), [1], "she has it, and it does not come again");
    for name in ["bob", "carol", "away"] {
        assert_eq!(noted(&mut scene, name), [1], "{name}");
    }
}

#[test]
fn c3_a_group_hears_of_a_call_whose_starter_has_left_or_may_not_write_and_an_ended_group_hears_nothing() {
    let mut scene = Scene::new(Limits::default());
    for name in ["alice", "bob", "carol"] {
        scene.connects(name, "phone");
    }
    let group = group(&mut scene, "alice", Role::Admin, &["bob", "carol"]);
    notes_in(&mut scene, "bob", To::Group(group), 1).unwrap();
    changes(&mut scene, "bob", group, 901, Change::Remove { user: user("bob") });
    notes_in(&mut scene, "bob", To::Group(group), 2).unwrap();
    assert_eq!(noted(&mut scene, "carol"), [1, 2]);
    assert_eq!(noted(&mut scene, "bob"), [1], "what is said after he left is not his");
    scene.dies(usize::MAX);
    for name in ["alice", "bob", "carol"] {
        scene.connects(name, "phone");
    }
    assert_eq!((noted(&mut scene, "carol"), noted(&mut scene, "bob")), (vec![1, 2], vec![1]));
    changes(&mut scene, "alice", group, 902, Change::End);
    assert_eq!(notes_in(&mut scene, "carol", To::Group(group), 3), Err(Refusal::NoConversation));
    // Nor is a conversation of two one.
    let direct = ConversationId::direct(&user("alice"), &user("bob"));
    scene.sends("alice", "phone", "bob", 4).unwrap();
    assert_eq!(notes_in(&mut scene, "alice", To::Group(direct), 5), Err(Refusal::NoConversation));
}
