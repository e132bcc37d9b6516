//! Accounts on a real file: made once, displaced, linked, blocked, and gone without a trace.

use super::*;
use crate::{CallRecord, CallWrite, CalleeFacts, EndReason, LiveCall, Media};
use sea_orm::{DbBackend, Statement};
use tertulia_common::CallId;

const PHONE: &str = "+34612345678";

async fn open() -> (Directory, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Directory::open(&folder.path().join("directory.db")).await.unwrap(), folder)
}

fn id(name: &str) -> UserId {
    name.parse().unwrap()
}

fn device(number: u8) -> NewDevice {
    NewDevice { id: format!("d{number}").parse().unwrap(), name: format!("device {number}"), token_hash: [number; 32] }
}

fn registration(new_user: &str, number: u8) -> Registration {
    Registration {
        phone: PHONE.to_owned(),
        new_user: id(new_user),
        name: None,
        new_name: "…5678".to_owned(),
        device: device(number),
        unlink_others: false,
    }
}

fn call(number: u64, caller: &str, callee: &str) -> CallRecord {
    CallRecord {
        call: CallId::new(Timestamp(1_000 + number), u128::from(number)),
        caller: id(caller),
        callee: id(callee),
        media: Media::Voice,
        started_at: Timestamp(1_000 + number),
        answered_at: None,
        ended_at: Timestamp(2_000 + number),
        reason: EndReason::Missed,
        missed: true,
        hidden: false,
        caller_quality: None,
        callee_quality: None,
    }
}

async fn names(directory: &Directory, user: &str) -> Vec<String> {
    directory.devices_of(&id(user)).await.unwrap().into_iter().map(|device| device.name).collect()
}

/// Everything that the file holds, as text.
async fn everything(directory: &Directory) -> String {
    let select = |sql: String| directory.db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql));
    let mut text = String::new();
    for table in select("SELECT name FROM sqlite_master WHERE type = 'table'".to_owned()).await.unwrap() {
        let table: String = table.try_get("", "name").unwrap();
        let columns: Vec<String> = select(format!("PRAGMA table_info(\"{table}\")"))
            .await
            .unwrap()
            .iter()
            .map(|column| format!("quote(\"{}\")", column.try_get::<String>("", "name").unwrap()))
            .collect();
        for row in select(format!("SELECT {} AS row FROM \"{table}\"", columns.join(" || ' ' || "))).await.unwrap() {
            text += &format!("{table}: {}\n", row.try_get::<String>("", "row").unwrap());
        }
    }
    text
}

#[tokio::test]
async fn a1_a_number_has_one_account_whoever_registers_it() {
    let (directory, _folder) = open().await;
    let first = directory.register_primary(&registration("u1", 1)).await.unwrap();
    assert_eq!((first.user.id, &*first.user.name, first.ended.len()), (id("u1"), "…5678", 0));
    directory.link_device(&id("u1"), &device(2), 10).await.unwrap();

    let named = Registration { name: Some(" Alice ".to_owned()), ..registration("u2", 3) };
    let second = directory.register_primary(&named).await.unwrap();
    assert_eq!((second.user.id, &*second.user.name), (id("u1"), "Alice"));
    assert_eq!(second.ended, [device(1).id]);
    assert_eq!(names(&directory, "u1").await, ["device 3", "device 2"], "the linked one stays");
    assert_eq!(directory.device_by_token(&[1; 32]).await.unwrap(), None);
    assert_eq!(directory.device_by_token(&[2; 32]).await.unwrap().unwrap().user.id, id("u1"));

    let alone = Registration { unlink_others: true, ..registration("u3", 4) };
    let third = directory.register_primary(&alone).await.unwrap();
    assert_eq!((third.ended.len(), &*third.user.name), (2, "Alice"));
    assert_eq!(names(&directory, "u1").await, ["device 4"]);
}

#[tokio::test]
async fn a1_registrations_at_once_make_one_account_with_one_primary_device() {
    let (directory, _folder) = open().await;
    let tasks: Vec<_> = (1..=8)
        .map(|number| {
            let (directory, registration) = (directory.clone(), registration(&format!("u{number}"), number));
            tokio::spawn(async move { directory.register_primary(&registration).await.unwrap() })
        })
        .collect();
    let mut users = Vec::new();
    for task in tasks {
        users.push(task.await.unwrap().user.id);
    }
    users.dedup();
    assert_eq!(users.len(), 1);
    assert_eq!(directory.devices_of(&users[0]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a3_linked_devices_are_bounded_and_revoked_one_by_one() {
    let (directory, _folder) = open().await;
    directory.register_primary(&registration("u1", 1)).await.unwrap();
    directory.link_device(&id("u1"), &device(2), 2).await.unwrap();
    directory.link_device(&id("u1"), &device(3), 2).await.unwrap();
    let full = directory.link_device(&id("u1"), &device(4), 2).await;
    assert!(matches!(full, Err(Error::Full { max: 2 })), "{full:?}");
    assert!(matches!(directory.link_device(&id("nobody"), &device(4), 2).await, Err(Error::UnknownUser)));
    assert!(directory.revoke_device(&id("u2"), &device(2).id).await.unwrap().is_none(), "not another user's");
    let gone = directory.revoke_device(&id("u1"), &device(2).id).await.unwrap().unwrap();
    assert!(!gone.primary && gone.seen_at.is_none());
    assert!(directory.revoke_device(&id("u1"), &device(2).id).await.unwrap().is_none());
    assert_eq!(directory.device_by_token(&[2; 32]).await.unwrap(), None);
}

#[tokio::test]
async fn a_device_is_seen_to_the_minute() {
    let (directory, _folder) = open().await;
    directory.register_primary(&registration("u1", 1)).await.unwrap();
    let seen = async || directory.devices_of(&id("u1")).await.unwrap()[0].seen_at;
    assert_eq!(seen().await, None);
    let ours = [(id("u1"), device(1).id), (id("nobody"), device(1).id)];
    directory.devices_seen(&ours).await.unwrap();
    let first = seen().await.unwrap();
    directory.devices_seen(&ours).await.unwrap();
    assert_eq!(seen().await, Some(first));
    let back = Expr::value(millis(first) - 60_000);
    device::Entity::update_many().col_expr(device::Column::SeenAt, back).exec(&directory.db).await.unwrap();
    directory.devices_seen(&ours).await.unwrap();
    assert!(seen().await.unwrap() >= first);
}

#[tokio::test]
async fn a4_nothing_of_a_deleted_account_is_left() {
    let (directory, _folder) = open().await;
    let alice = Registration { name: Some("Alicia".to_owned()), ..registration("alice-of-the-tests", 1) };
    let user = directory.register_primary(&alice).await.unwrap().user.id;
    directory.ensure_user(&id("bob"), None).await.unwrap();
    directory.link_device(&user, &device(2), 10).await.unwrap();
    directory.block(&user, &id("bob"), 10).await.unwrap();
    directory.block(&id("bob"), &user, 10).await.unwrap();
    directory.set_do_not_disturb(&user, Some(Timestamp(4_000_000_000_000))).await.unwrap();
    directory.record_call(&call(1, user.as_str(), "bob")).await.unwrap();
    directory.record_call(&call(2, "bob", user.as_str())).await.unwrap();
    let traces = [user.as_str(), PHONE, "Alicia", "device 1", "device 2", &hex(&[1; 32]), &hex(&[2; 32])];
    let before = everything(&directory).await;
    assert!(traces.iter().all(|trace| before.contains(trace)), "{before}");

    directory.delete_account(&user, &id("deleted:1")).await.unwrap();
    let after = everything(&directory).await;
    let left: Vec<_> = traces.iter().filter(|trace| after.contains(**trace)).collect();
    assert!(left.is_empty(), "{left:?} in {after}");
    assert!(directory.profile(&user).await.unwrap().is_none());
    assert!(directory.departed_at(&user).await.unwrap().is_some());
    assert_eq!(directory.departed_at(&id("bob")).await.unwrap(), None);
    assert_eq!(directory.user_by_phone(PHONE).await.unwrap(), None);

    let history = directory.calls_of(&id("bob"), None, 10).await.unwrap();
    assert_eq!(history.len(), 2);
    assert!(history.iter().all(|entry| entry.peer.deleted && entry.peer.name == DELETED_NAME));
    assert_eq!(directory.people(10).await.unwrap().len(), 1, "stand-ins are nobody");
}

#[tokio::test]
async fn a4_a_user_who_comes_back_starts_from_nothing() {
    let (directory, _folder) = open().await;
    for name in ["alice", "bob"] {
        directory.ensure_user(&id(name), None).await.unwrap();
    }
    directory.record_call(&call(1, "alice", "bob")).await.unwrap();
    directory.delete_account(&id("alice"), &id("deleted:1")).await.unwrap();
    // A call that was ending meanwhile is written after that.
    directory.record_call(&call(2, "bob", "alice")).await.unwrap();
    directory.ensure_user(&id("alice"), Some("Alice")).await.unwrap();
    assert!(directory.calls_of(&id("alice"), None, 10).await.unwrap().is_empty());
    directory.record_call(&call(3, "alice", "bob")).await.unwrap();
    assert_eq!(directory.calls_of(&id("alice"), None, 10).await.unwrap().len(), 1);
    let peers = directory.calls_of(&id("bob"), None, 10).await.unwrap();
    assert_eq!(peers.iter().map(|entry| entry.peer.deleted).collect::<Vec<_>>(), [false, true, true]);

    directory.delete_account(&id("alice"), &id("deleted:2")).await.unwrap();
    directory.delete_account(&id("bob"), &id("deleted:3")).await.unwrap();
    assert!(!everything(&directory).await.contains("call:"), "calls between nobody and nobody are gone");
    assert!(matches!(directory.record_call(&call(4, "alice", "nobody")).await, Err(Error::UnknownUser)));
}

#[tokio::test]
async fn whom_a_caller_reaches_depends_on_what_the_callee_wants() {
    let (directory, _folder) = open().await;
    for name in ["alice", "bob"] {
        directory.ensure_user(&id(name), None).await.unwrap();
    }
    let facts = async |caller: &str| {
        let CalleeFacts { user, blocked, do_not_disturb } =
            directory.callee(&id("alice"), &id(caller)).await.unwrap().unwrap();
        assert_eq!(user.id, id("alice"));
        assert_eq!(directory.has_blocked(&id("alice"), &id(caller)).await.unwrap(), Some(blocked));
        (blocked, do_not_disturb)
    };
    assert_eq!(facts("bob").await, (false, false));
    directory.block(&id("alice"), &id("bob"), 1).await.unwrap();
    directory.block(&id("alice"), &id("bob"), 1).await.unwrap();
    assert_eq!((facts("bob").await, facts("carol").await), ((true, false), (false, false)));
    assert!(matches!(directory.block(&id("alice"), &id("alice"), 1).await, Err(Error::Full { max: 1 })));
    assert!(matches!(directory.block(&id("bob"), &id("nobody"), 1).await, Err(Error::UnknownUser)));
    directory.unblock(&id("alice"), &id("bob")).await.unwrap();
    directory.set_do_not_disturb(&id("alice"), Some(Timestamp(4_000_000_000_000))).await.unwrap();
    assert_eq!(facts("bob").await, (false, true));
    directory.set_do_not_disturb(&id("alice"), Some(Timestamp(1))).await.unwrap();
    assert_eq!(facts("bob").await, (false, false), "the past does not count");
    assert_eq!(directory.do_not_disturb(&id("alice")).await.unwrap(), None);
    assert_eq!(directory.callee(&id("nobody"), &id("bob")).await.unwrap(), None);
    assert_eq!(directory.has_blocked(&id("nobody"), &id("bob")).await.unwrap(), None);
    directory.delete_account(&id("alice"), &id("deleted:1")).await.unwrap();
    for gone in ["alice", "deleted:1"] {
        assert_eq!(directory.callee(&id(gone), &id("bob")).await.unwrap(), None);
        assert_eq!(directory.has_blocked(&id(gone), &id("bob")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a4_calls_that_have_just_ended_are_forgotten_with_their_user() {
    let (directory, _folder) = open().await;
    let live = |number: u64, users: [&str; 2], forget_at: Option<Timestamp>| {
        let call = CallId::new(Timestamp(number), number.into());
        CallWrite::Changed(LiveCall {
            call,
            image: format!(r#"{{"users":["{}","{}"]}}"#, users[0], users[1]),
            forget_at,
        })
    };
    let soon = Some(Timestamp(9));
    let writes =
        [live(1, ["alice", "bob"], soon), live(2, ["alice-2", "bob"], soon), live(3, ["carol", "alice"], None)];
    directory.write_calls(Timestamp(1), &writes).await.unwrap();
    directory.forget_ended_calls(&id("alice")).await.unwrap();
    let left: Vec<_> =
        directory.live_calls().await.unwrap().calls.into_iter().map(|call| call.call.as_u128()).collect();
    assert_eq!(left.len(), 2, "somebody else's, and one that goes on");
}
