//! The relay driven by hand: sending, reading, acknowledging, coming back.

#[expect(dead_code, reason = "the other files use the rest")]
mod support;

use std::time::Duration;
use support::{Scene, body};
use tertulia_chat_core::{BodyRef, GapReason, Limits, Position, Refusal};

#[test]
fn m1_a_message_reaches_the_other_and_ones_own_other_devices_but_not_its_sender() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("alice", "laptop").connects("bob", "phone");
    let sent = scene.sends("alice", "phone", "bob", 1).unwrap();
    assert_eq!((sent.id.seq.0, sent.position), (1, Some(Position(1))));
    assert!(scene.got("alice", "phone").is_empty());
    assert_eq!(scene.got("alice", "laptop"), [body(1)]);
    assert_eq!(scene.got("bob", "phone"), [body(1)]);
}

#[test]
fn m4_the_same_client_id_is_the_same_message_and_another_body_under_it_is_refused() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone");
    let first = scene.sends("alice", "phone", "bob", 1).unwrap();
    let again = scene.sends("alice", "phone", "bob", 1).unwrap();
    assert_eq!((again.id, again.sent_at, again.position), (first.id, first.sent_at, None));
    assert_eq!(scene.got("bob", "phone"), [body(1)]);
    assert_eq!(scene.sends_as("alice", "phone", "bob", 1, 99), Err(Refusal::ClientIdReused));
    assert_eq!(scene.sends("alice", "phone", "carol", 1), Err(Refusal::ClientIdReused));
    // Another device has names of its own.
    scene.connects("alice", "laptop");
    assert_eq!(scene.sends("alice", "laptop", "bob", 1).unwrap().id.seq.0, 2);
}

#[test]
fn m3_what_nobody_was_there_for_waits_also_for_a_first_device() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone");
    for number in 1..=3 {
        scene.sends("alice", "phone", "bob", number).unwrap();
    }
    scene.connects("bob", "phone");
    assert_eq!(scene.got("bob", "phone"), [body(1), body(2), body(3)]);
    // The next device starts with what comes next.
    scene.connects("bob", "laptop");
    scene.sends("alice", "phone", "bob", 4).unwrap();
    assert_eq!(scene.got("bob", "laptop"), [body(4)]);
}

#[test]
fn m3_a_body_is_dead_when_the_last_device_has_acknowledged_and_not_before() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone").connects("bob", "laptop");
    scene.sends("alice", "phone", "bob", 1).unwrap();
    scene.acknowledges("bob", "phone").unwrap();
    assert_eq!(scene.dead(), 0);
    scene.acknowledges("bob", "laptop").unwrap();
    assert_eq!(scene.dead(), 1);
}

#[test]
fn an_acknowledgement_above_what_was_handed_out_is_refused() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone");
    scene.sends("alice", "phone", "bob", 1).unwrap();
    assert_eq!(scene.acknowledges_upto("bob", "phone", 9), Err(Refusal::NotHandedOut));
    assert_eq!(scene.acknowledges_upto("bob", "phone", 1), Ok(()));
    assert_eq!(scene.acknowledges_upto("bob", "phone", 1), Ok(()), "again is nothing new");
}

#[test]
fn a_slow_reader_is_handed_no_more_than_it_may_owe_and_loses_nothing() {
    let limits = Limits { unacknowledged_max: 4, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.connects("alice", "phone").connects("bob", "phone");
    for number in 1..=10 {
        scene.sends("alice", "phone", "bob", number).unwrap();
    }
    assert_eq!(scene.got("bob", "phone").len(), 4);
    scene.acknowledges("bob", "phone").unwrap();
    scene.reads_on("bob", "phone");
    scene.acknowledges("bob", "phone").unwrap();
    scene.reads_on("bob", "phone");
    assert_eq!(scene.got("bob", "phone"), (1..=10).map(body).collect::<Vec<_>>());
}

#[test]
fn m5_receipts_tell_the_sender_what_was_delivered_and_read_also_when_it_comes_back_later() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone");
    scene.sends("alice", "phone", "bob", 1).unwrap();
    scene.sends("alice", "phone", "bob", 2).unwrap();
    scene.acknowledges("bob", "phone").unwrap();
    scene.tells_receipts();
    assert_eq!(scene.ticks("alice", "phone", "bob"), (2, 0));
    scene.leaves("alice", "phone");
    scene.reads("bob", "phone", "alice", 2).unwrap();
    scene.tells_receipts();
    assert_eq!(scene.ticks("alice", "phone", "bob"), (2, 0));
    scene.connects("alice", "phone");
    assert_eq!(scene.ticks("alice", "phone", "bob"), (2, 2));
    // Its own other device knows what was read here.
    scene.connects("bob", "laptop");
    scene.reads("bob", "phone", "alice", 2).unwrap();
    scene.sends("alice", "phone", "bob", 3).unwrap();
    scene.reads("bob", "phone", "alice", 3).unwrap();
    scene.tells_receipts();
    assert_eq!(scene.ticks("bob", "laptop", "bob").1, 3);
}

#[test]
fn a_stranger_to_a_conversation_can_neither_write_nor_read_there() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone").connects("eve", "phone");
    let sent = scene.sends("alice", "phone", "bob", 1).unwrap();
    assert_eq!(scene.sends_into("eve", "phone", sent.id.conversation, 1), Err(Refusal::NoConversation));
    assert_eq!(scene.reads_conversation("eve", "phone", sent.id.conversation, 1), Err(Refusal::NoConversation));
    assert!(scene.got("eve", "phone").is_empty());
}

#[test]
fn a_full_mailbox_gives_up_its_oldest_and_says_so() {
    let limits = Limits { mailbox_entries_max: 16, unacknowledged_max: 64, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.connects("alice", "phone").connects("bob", "phone").leaves("bob", "phone");
    for number in 1..=17 {
        scene.sends("alice", "phone", "bob", number).unwrap();
    }
    scene.connects("bob", "phone");
    assert_eq!(scene.gaps("bob", "phone"), [(3, GapReason::Quota)]);
    assert_eq!(scene.got("bob", "phone"), (4..=17).map(body).collect::<Vec<_>>());
    // Until it has acknowledged something after it, it hears of it again.
    scene.leaves("bob", "phone").connects("bob", "phone");
    assert_eq!(scene.gaps("bob", "phone").len(), 2);
    scene.acknowledges("bob", "phone").unwrap();
    scene.leaves("bob", "phone").connects("bob", "phone");
    assert_eq!(scene.gaps("bob", "phone").len(), 2);
}

#[test]
fn after_a_crash_nobody_hears_of_a_gap_again_whose_later_messages_they_have_acknowledged() {
    let mut scene = Scene::new(Limits { mailbox_entries_max: 3, ..Limits::default() });
    scene.connects("alice", "phone").connects("bob", "phone").leaves("bob", "phone");
    for number in 1..=4 {
        scene.sends("alice", "phone", "bob", number).unwrap();
    }
    scene.connects("bob", "phone");
    assert_eq!(scene.gaps("bob", "phone").len(), 1);
    scene.dies(usize::MAX);
    scene.connects("bob", "phone");
    assert_eq!(scene.gaps("bob", "phone").len(), 2, "nobody knows whether it was heard of");
    scene.acknowledges("bob", "phone").unwrap();
    scene.dies(usize::MAX);
    scene.connects("bob", "phone");
    assert_eq!(scene.gaps("bob", "phone").len(), 2);
}

#[test]
fn what_has_waited_for_thirty_days_is_given_up_with_a_gap_and_not_earlier() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone").leaves("bob", "phone");
    scene.sends("alice", "phone", "bob", 1).unwrap();
    scene.after_hours(24 * 29).sends("alice", "phone", "bob", 2).unwrap();
    scene.expires();
    assert_eq!(scene.dead(), 0);
    scene.after_hours(26).expires();
    assert_eq!(scene.dead(), 1);
    scene.connects("bob", "phone");
    assert_eq!(scene.gaps("bob", "phone"), [(1, GapReason::Expired)]);
    assert_eq!(scene.got("bob", "phone"), [body(2)]);
}

#[test]
fn a_closed_device_gets_nothing_and_the_last_ones_mail_waits_for_the_next() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone").connects("bob", "laptop");
    scene.leaves("bob", "phone").leaves("bob", "laptop");
    scene.sends("alice", "phone", "bob", 1).unwrap();
    scene.closes("bob", "laptop");
    assert_eq!(scene.dead(), 0);
    scene.closes("bob", "phone");
    assert_eq!(scene.dead(), 0, "it was the last: what waits, waits on");
    scene.sends("alice", "phone", "bob", 2).unwrap();
    scene.connects("bob", "new");
    assert_eq!(scene.got("bob", "new"), [body(1), body(2)]);
    scene.acknowledges("bob", "new").unwrap();
    assert_eq!(scene.dead(), 2);
}

#[test]
fn one_reader_at_a_time_owns_a_mailbox() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone");
    let earlier = scene.reader("bob", "phone");
    scene.connects("bob", "phone");
    scene.sends("alice", "phone", "bob", 1).unwrap();
    assert_eq!(scene.got("bob", "phone"), [body(1)]);
    assert_eq!(scene.acknowledges_as("bob", "phone", earlier, 1), Err(Refusal::DeviceGone));
}

#[test]
fn m13_what_is_withheld_goes_to_the_senders_own_devices_and_looks_sent() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("alice", "laptop").connects("bob", "phone");
    scene.withheld = true;
    let sent = scene.sends("alice", "phone", "bob", 1).unwrap();
    assert_eq!(sent.id.seq.0, 1);
    assert_eq!(scene.got("alice", "laptop"), [body(1)]);
    scene.leaves("bob", "phone").connects("bob", "phone");
    assert!(scene.got("bob", "phone").is_empty());
    scene.dies(usize::MAX);
    scene.connects("bob", "phone");
    assert!(scene.got("bob", "phone").is_empty());
}

#[test]
fn what_has_waited_for_thirty_days_is_given_up_also_when_nobody_has_written_since() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone").leaves("bob", "phone");
    scene.sends("alice", "phone", "bob", 1).unwrap();
    scene.after_hours(24 * 31).expires();
    assert_eq!(scene.dead(), 1);
    scene.connects("bob", "phone");
    assert_eq!(scene.gaps("bob", "phone"), [(1, GapReason::Expired)]);
}

#[test]
fn a_device_that_lost_nothing_hears_of_no_gap() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone").connects("carol", "phone");
    scene.leaves("bob", "phone").leaves("carol", "phone");
    scene.sends("alice", "phone", "bob", 1).unwrap();
    scene.after_hours(24 * 31).sends("alice", "phone", "carol", 2).unwrap();
    scene.expires();
    scene.connects("carol", "phone");
    assert_eq!((scene.gaps("carol", "phone"), scene.got("carol", "phone")), (vec![], vec![body(2)]));
    scene.connects("bob", "phone");
    assert_eq!(scene.gaps("bob", "phone").len(), 1);
}

#[test]
fn what_is_given_up_in_a_readers_hands_is_a_gap_only_if_it_goes_without_acknowledging() {
    let limits = Limits { mailbox_entries_max: 16, unacknowledged_max: 64, ..Limits::default() };
    for acknowledges in [true, false] {
        let mut scene = Scene::new(limits.clone());
        scene.connects("alice", "phone").connects("bob", "phone");
        for number in 1..=17 {
            scene.sends("alice", "phone", "bob", number).unwrap();
        }
        assert_eq!(scene.got("bob", "phone"), (1..=17).map(body).collect::<Vec<_>>());
        if acknowledges {
            scene.acknowledges("bob", "phone").unwrap();
        }
        scene.leaves("bob", "phone").connects("bob", "phone");
        assert_eq!(scene.gaps("bob", "phone").is_empty(), acknowledges);
    }
}

#[test]
fn closing_the_last_device_keeps_what_others_sent_and_only_that() {
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone").connects("bob", "laptop");
    scene.leaves("bob", "laptop");
    // In turn from both sides: paying for one's own moves the other's.
    for number in [1, 3, 5] {
        scene.sends("bob", "phone", "alice", number).unwrap();
        scene.sends("alice", "phone", "bob", number + 1).unwrap();
    }
    scene.acknowledges("alice", "phone").unwrap();
    scene.closes("bob", "phone");
    scene.closes("bob", "laptop");
    scene.connects("bob", "new");
    assert_eq!(scene.got("bob", "new"), [body(2), body(4), body(6)]);
    scene.acknowledges("bob", "new").unwrap();
    assert_eq!(scene.relay.depths().entries, 0);
    assert_eq!(scene.relay.live().count(), 0);
}

#[test]
fn a_reader_owes_no_more_bytes_than_it_may_and_still_gets_a_message_that_is_longer() {
    // Each body of the scene has ten bytes.
    let limits = Limits { unacknowledged_bytes_max: 25, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.connects("alice", "phone").connects("bob", "phone");
    for number in 1..=3 {
        scene.sends("alice", "phone", "bob", number).unwrap();
    }
    assert_eq!(scene.got("bob", "phone"), [body(1), body(2)]);
    scene.leaves("bob", "phone").connects("bob", "phone");
    assert_eq!(scene.got("bob", "phone"), [body(1), body(2)]);
    scene.acknowledges("bob", "phone").unwrap();
    scene.reads_on("bob", "phone");
    assert_eq!(scene.got("bob", "phone"), [body(1), body(2), body(3)]);

    let mut scene = Scene::new(Limits { unacknowledged_bytes_max: 5, ..Limits::default() });
    scene.connects("alice", "phone").connects("bob", "phone");
    for number in 1..=2 {
        scene.sends("alice", "phone", "bob", number).unwrap();
    }
    assert_eq!(scene.got("bob", "phone"), [body(1)]);
    scene.acknowledges("bob", "phone").unwrap();
    scene.reads_on("bob", "phone");
    assert_eq!(scene.got("bob", "phone"), [body(1), body(2)]);
}

#[test]
fn m5_that_a_talk_was_delivered_is_told_with_pauses_and_that_it_was_read_at_once() {
    const PAUSE: Duration = Duration::from_millis(500);
    let mut scene = Scene::new(Limits::default());
    scene.connects("alice", "phone").connects("bob", "phone");
    let hears = |scene: &mut Scene, number: u32| {
        scene.sends("alice", "phone", "bob", number).unwrap();
        scene.acknowledges("bob", "phone").unwrap();
        scene.tells_due_receipts(PAUSE);
        scene.ticks("alice", "phone", "bob")
    };
    assert_eq!(hears(&mut scene, 1), (1, 0), "the first at once");
    let told_at = scene.now;
    scene.now = told_at + Duration::from_millis(100);
    assert_eq!(hears(&mut scene, 2), (1, 0), "the next waits");
    assert!(!scene.relay.has_reads());
    assert_eq!(scene.relay.receipts_due_at(), Some(told_at + PAUSE));
    scene.now = told_at + Duration::from_millis(200);
    assert_eq!(hears(&mut scene, 3), (1, 0));
    scene.now = told_at + PAUSE;
    scene.tells_due_receipts(PAUSE);
    assert_eq!(scene.ticks("alice", "phone", "bob"), (3, 0), "and is told with those after it");
    assert_eq!((scene.relay.has_receipts(), scene.relay.receipts_due_at()), (false, None));
    // What was read does not wait, and brings what does.
    scene.now = told_at + PAUSE + Duration::from_millis(100);
    assert_eq!(hears(&mut scene, 4), (3, 0));
    scene.reads("bob", "phone", "alice", 2).unwrap();
    assert!(scene.relay.has_reads());
    scene.tells_due_receipts(PAUSE);
    assert_eq!(scene.ticks("alice", "phone", "bob"), (4, 2));
    assert!(!scene.relay.has_receipts());
}

#[test]
fn m5_receipts_of_many_conversations_come_no_faster_than_they_are_acknowledged() {
    let mut scene = Scene::new(Limits { unacknowledged_max: 4, ..Limits::default() });
    scene.connects("alice", "phone");
    let others: Vec<String> = (0..10).map(|number| format!("friend-{number}")).collect();
    for (number, other) in (1..).zip(&others) {
        scene.connects(other, "phone");
        scene.sends("alice", "phone", other, number).unwrap();
        scene.acknowledges(other, "phone").unwrap();
    }
    scene.leaves("alice", "phone");
    scene.tells_receipts();
    scene.connects("alice", "phone");
    let delivered =
        |scene: &mut Scene| others.iter().filter(|other| scene.ticks("alice", "phone", other).0 == 1).count();
    assert_eq!(delivered(&mut scene), 4);
    for told in [8, 10] {
        scene.acknowledges("alice", "phone").unwrap();
        scene.reads_on("alice", "phone");
        assert_eq!(delivered(&mut scene), told);
    }
}

#[test]
fn a_relay_that_begins_anew_gives_places_above_those_of_before_and_one_that_goes_on_does_not() {
    let mut scene = Scene::new(Limits::default());
    let mut out = Vec::new();
    scene.relay.begin_above(Position(1 << 30), &mut out);
    scene.commit(out, BodyRef::default());
    scene.connects("alice", "phone").connects("bob", "phone");
    let sent = scene.sends("alice", "phone", "bob", 1).unwrap();
    assert_eq!((sent.id.seq.0, sent.position), (1, Some(Position((1 << 30) + 1))));
    scene.dies(usize::MAX);
    let mut out = Vec::new();
    scene.relay.begin_above(Position(1 << 40), &mut out);
    assert!(out.is_empty());
    scene.connects("alice", "phone").connects("bob", "phone");
    assert_eq!(scene.sends("alice", "phone", "bob", 2).unwrap().position, Some(Position((1 << 30) + 2)));
}
