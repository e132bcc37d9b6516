//! Looking at what waits and what was sent: who sees what, states, and pages that stay whole.

#[expect(dead_code, reason = "the scripts use the rest")]
mod support;

use support::{Scene, about, device, user};
use tertulia_chat_core::{
    Ask, Change, ClientId, ConversationId, Found, Limits, Look, Looked, Refusal, Seq, Standing, To,
};

const ALL: [Standing; 3] = [Standing::Pending, Standing::Delivered, Standing::Read];

fn ask(name: &str, on: &str) -> Look {
    Look {
        user: user(name),
        device: Some(device(on)),
        conversation: None,
        seq: None,
        standings: ALL.to_vec(),
        after: None,
        max: 100,
        bytes_max: 1_000_000,
    }
}

fn look(scene: &Scene, name: &str) -> Vec<(u64, Standing, bool)> {
    let found = scene.relay.look(&ask(name, "phone")).expect("theirs").found;
    found.iter().map(|of| (of.id.seq.0, of.standing, of.waits.is_some())).collect()
}

fn scene(people: &[&str]) -> Scene {
    let mut scene = Scene::new(Limits::default());
    for name in people {
        scene.connects(name, "phone");
    }
    scene
}

fn direct(one: &str, other: &str) -> ConversationId {
    ConversationId::direct(&user(one), &user(other))
}

#[test]
fn s11_what_waits_is_pending_with_its_body_and_what_was_sent_goes_from_state_to_state() {
    let mut scene = scene(&["alice", "bob"]);
    scene.sends("alice", "phone", "bob", 1).unwrap();
    scene.sends("bob", "phone", "alice", 2).unwrap();
    use Standing::{Delivered, Pending, Read};
    assert_eq!(look(&scene, "alice"), [(1, Pending, false), (2, Pending, true)]);
    assert_eq!(look(&scene, "bob"), [(1, Pending, true), (2, Pending, false)]);
    // To look is not to take.
    assert_eq!(look(&scene, "bob"), [(1, Pending, true), (2, Pending, false)]);
    scene.acknowledges("bob", "phone").unwrap();
    scene.tells_receipts();
    assert_eq!(look(&scene, "alice"), [(1, Delivered, false), (2, Pending, true)]);
    assert_eq!(look(&scene, "bob"), [(2, Pending, false)], "what was acknowledged is not known any longer");
    scene.reads("bob", "phone", "alice", 1).unwrap();
    scene.tells_receipts();
    scene.dies(usize::MAX);
    scene.connects("alice", "phone").connects("bob", "phone");
    assert_eq!(look(&scene, "alice"), [(1, Read, false), (2, Pending, true)]);
    let found = scene.relay.look(&ask("alice", "phone")).unwrap().found;
    assert_eq!(found[0].client_id, Some(ClientId(1)));
    assert_eq!((found[0].sender.as_str(), found[0].to.clone()), ("alice", Some(user("bob"))));
    assert_eq!((found[1].sender.as_str(), found[1].to.clone()), ("bob", Some(user("alice"))));
    let read = Look { standings: vec![Read], ..ask("alice", "phone") };
    assert_eq!(scene.relay.look(&read).unwrap().found, found[..1]);
    let one = Look { conversation: Some(direct("alice", "bob")), seq: Some(Seq(2)), ..ask("alice", "phone") };
    assert_eq!(scene.relay.look(&one).unwrap().found, found[1..]);
    let nothing = Look { seq: Some(Seq(3)), ..one };
    assert_eq!(scene.relay.look(&nothing).unwrap(), Looked::default());
}

#[test]
fn s11_a_conversation_of_others_is_as_one_that_is_not_there() {
    let mut scene = scene(&["alice", "bob", "eve"]);
    scene.sends("alice", "phone", "bob", 1).unwrap();
    for conversation in [direct("alice", "bob"), direct("alice", "nobody")] {
        for name in ["eve", "nobody"] {
            let look = Look { conversation: Some(conversation), ..ask(name, "phone") };
            assert_eq!(scene.relay.look(&look), Err(Refusal::NoConversation));
        }
    }
    assert!(look(&scene, "eve").is_empty());
    // Without a device of one's own only what was sent is there.
    scene.sends("bob", "phone", "alice", 2).unwrap();
    let away = Look { device: None, ..ask("alice", "phone") };
    assert_eq!(scene.relay.look(&away).unwrap().found.len(), 1);
}

#[test]
fn s11_a_walk_through_pages_finds_each_once_while_more_is_sent() {
    let people = ["alice", "bob", "carol", "dave"];
    let mut scene = scene(&people);
    for number in 1..=60 {
        let from = people[number as usize % 3 + 1];
        scene.sends(from, "phone", "alice", number).unwrap();
    }
    let before: Vec<_> = scene.relay.look(&ask("alice", "phone")).unwrap().found.into_iter().map(|of| of.id).collect();
    assert_eq!(before.len(), 60);
    let mut seen = Vec::new();
    let mut after = None;
    for round in 0.. {
        let page = scene.relay.look(&Look { after, max: 7, ..ask("alice", "phone") }).unwrap();
        assert!(page.found.len() <= 7);
        seen.extend(page.found.into_iter().map(|of| of.id));
        scene.sends(people[round % 3 + 1], "phone", "alice", 1_000 + u32::try_from(round).unwrap()).unwrap();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut once = seen.clone();
    once.dedup();
    assert_eq!(once, seen, "in order, each once");
    assert!(before.iter().all(|id| seen.contains(id)));
    // Bodies bound a page as well, and one is always there.
    let page = scene.relay.look(&Look { bytes_max: 25, ..ask("alice", "phone") }).unwrap();
    assert_eq!((page.found.len(), page.next.is_some()), (2, true));
    let page = scene.relay.look(&Look { bytes_max: 1, ..ask("alice", "phone") }).unwrap();
    assert_eq!(page.found.len(), 1);
}

#[test]
fn s11_who_was_removed_from_a_group_sees_their_time_and_no_states() {
    let mut scene = scene(&["alice", "bob", "carol"]);
    let members = ["bob", "carol"].map(user).into();
    let change = Change::Create { about: about(), members };
    let made = scene.changes(&Ask { by: user("alice"), client_id: ClientId(1), group: None, change }).unwrap();
    let group = made.group;
    scene.submits("bob", "phone", To::Group(group), 2, 2).unwrap();
    scene.acknowledges("alice", "phone").unwrap();
    scene.tells_receipts();
    let of = |scene: &Scene, name: &str| -> Vec<Found> {
        scene.relay.look(&Look { conversation: Some(group), ..ask(name, "phone") }).unwrap().found
    };
    assert_eq!(of(&scene, "bob").last().unwrap().standing, Standing::Pending, "Carol has it not yet");
    scene.acknowledges("carol", "phone").unwrap();
    scene.tells_receipts();
    assert_eq!(of(&scene, "bob").last().unwrap().standing, Standing::Delivered);
    let remove = Change::Remove { user: user("bob") };
    scene.changes(&Ask { by: user("alice"), client_id: ClientId(3), group: Some(group), change: remove }).unwrap();
    scene.submits("carol", "phone", To::Group(group), 4, 4).unwrap();
    let seen: Vec<_> = of(&scene, "bob").iter().map(|of| (of.id.seq.0, of.waits.is_some())).collect();
    assert_eq!(seen, [(1, true), (3, true)], "that it was made, and that he was removed");
}

#[test]
fn s11_what_one_device_has_acknowledged_waits_for_the_other_alone() {
    let mut scene = scene(&["alice", "bob"]);
    scene.connects("bob", "laptop");
    scene.sends("alice", "phone", "bob", 1).unwrap();
    scene.acknowledges("bob", "phone").unwrap();
    assert!(look(&scene, "bob").is_empty());
    let laptop = scene.relay.look(&ask("bob", "laptop")).unwrap().found;
    assert_eq!((laptop.len(), laptop[0].waits.is_some()), (1, true));
}
