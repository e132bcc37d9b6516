//! Who is woken, and who is not.

#[expect(dead_code, reason = "the other files use the rest")]
mod support;

use std::time::Duration;
use support::{Scene, user};
use tertulia_chat_core::Limits;
use tertulia_common::UserId;

const AFTER: Duration = Duration::from_secs(10);

fn scene() -> Scene {
    let mut scene = Scene::new(Limits { wake_after: AFTER, ..Limits::default() });
    scene.connects("alice", "phone").connects("bob", "phone");
    scene
}

/// So many seconds pass, and who is woken by then.
fn woken(scene: &mut Scene, seconds: u64) -> Vec<UserId> {
    scene.now = scene.now + Duration::from_secs(seconds);
    scene.relay.wake(scene.now)
}

#[test]
fn m20_who_has_no_device_here_is_woken_at_once_and_then_not_more_often_than_every_ten_seconds() {
    let mut scene = scene();
    scene.leaves("bob", "phone");
    scene.sends("alice", "phone", "bob", 1).unwrap();
    assert_eq!(woken(&mut scene, 0), [user("bob")]);
    scene.sends("alice", "phone", "bob", 2).unwrap();
    scene.sends("alice", "phone", "bob", 3).unwrap();
    assert_eq!(woken(&mut scene, 9), []);
    assert_eq!(woken(&mut scene, 1), [user("bob")], "for what came since");
    assert_eq!(woken(&mut scene, 10), [], "nothing has come since");
    assert_eq!(scene.relay.wake_at(), None);
    scene.sends("alice", "phone", "bob", 4).unwrap();
    assert_eq!(woken(&mut scene, 0), [user("bob")]);
}

#[test]
fn m20_who_acknowledges_in_time_is_not_woken_and_who_does_not_is() {
    let mut scene = scene();
    scene.connects("bob", "laptop");
    scene.sends("alice", "phone", "bob", 1).unwrap();
    assert_eq!(woken(&mut scene, 9), []);
    scene.acknowledges("bob", "laptop").unwrap();
    assert_eq!(woken(&mut scene, 1), [], "one device is enough");
    assert_eq!(scene.relay.wake_at(), None);
    scene.sends("alice", "phone", "bob", 2).unwrap();
    assert_eq!(woken(&mut scene, 10), [user("bob")], "a socket that is open and dead");
    scene.acknowledges("bob", "laptop").unwrap();
    assert_eq!(woken(&mut scene, 10), []);
}

#[test]
fn m20_what_came_after_what_was_acknowledged_has_its_own_ten_seconds() {
    let mut scene = scene();
    scene.sends("alice", "phone", "bob", 1).unwrap();
    assert_eq!(woken(&mut scene, 8), []);
    scene.acknowledges("bob", "phone").unwrap();
    scene.sends("alice", "phone", "bob", 2).unwrap();
    assert_eq!(woken(&mut scene, 2), []);
    assert_eq!(woken(&mut scene, 7), []);
    assert_eq!(woken(&mut scene, 1), [user("bob")]);
}

#[test]
fn m20_nobody_is_woken_by_what_they_wrote_or_by_whom_they_have_blocked() {
    let mut scene = scene();
    scene.connects("alice", "laptop").leaves("alice", "laptop");
    scene.withheld = true;
    scene.sends("alice", "phone", "bob", 1).unwrap();
    scene.sends("alice", "phone", "alice", 2).unwrap();
    assert_eq!(woken(&mut scene, 60), []);
}

#[test]
fn m20_after_a_start_who_was_not_told_yet_is() {
    let mut scene = scene();
    scene.leaves("bob", "phone").connects("carol", "phone").leaves("carol", "phone");
    scene.sends("alice", "phone", "carol", 1).unwrap();
    scene.now = scene.now + Duration::from_secs(120);
    scene.sends("alice", "phone", "bob", 2).unwrap();
    scene.dies(usize::MAX);
    scene.relay.look_again(scene.now);
    assert_eq!(woken(&mut scene, 9), [], "devices have time to come back");
    assert_eq!(woken(&mut scene, 1), [user("bob")], "carol was told long ago");
    scene.dies(usize::MAX);
    scene.relay.look_again(scene.now);
    scene.connects("bob", "phone").acknowledges("bob", "phone").unwrap();
    assert_eq!(woken(&mut scene, 10), []);
}
