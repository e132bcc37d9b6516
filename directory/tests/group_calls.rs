//! Calls of groups, and calls of two that grew, after their end: who finds them in their history, and what is owed of them.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use tempfile::TempDir;
use tertulia_common::{CallId, Timestamp, UserId};
use tertulia_directory::{
    CallParty, CallRecord, CallWrite, Directory, DueEntry, EndReason, Error, GroupCallRecord, HistoryCall, LiveCall,
    Media, Part, PastCall,
};

const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "dave", "eve", "mallory"];

async fn open(folder: &TempDir) -> Directory {
    let directory = Directory::open(&folder.path().join("directory.db")).await.unwrap();
    for id in PEOPLE {
        directory.ensure_user(&user(id), None).await.unwrap();
    }
    directory
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn id(number: u64) -> CallId {
    CallId::new(Timestamp(1_000 + number), u128::from(number))
}

fn party(name: &str, part: Part) -> CallParty {
    CallParty { user: user(name), part, hidden: false }
}

/// Alice and Bob talked, Carol missed it, Dave declined, and Eve has blocked Alice.
fn parties() -> Vec<CallParty> {
    let came = ["alice", "bob"].map(|name| party(name, Part::Came));
    let others = [
        party("carol", Part::Missed),
        party("dave", Part::Declined),
        CallParty { hidden: true, ..party("eve", Part::Missed) },
    ];
    came.into_iter().chain(others).collect()
}

fn of_group(number: u64) -> GroupCallRecord {
    GroupCallRecord {
        call: id(number),
        group: "walkers".to_owned(),
        group_name: "Sunday walks".to_owned(),
        started_by: user("alice"),
        media: Media::Video,
        started_at: Timestamp(1_000 + number),
        ended_at: Timestamp(2_000 + number),
        reason: EndReason::Hangup,
    }
}

fn ended(number: u64) -> CallWrite {
    CallWrite::GroupEnded { record: Box::new(of_group(number)), parties: parties(), entry: true }
}

fn of_two(number: u64, others: Vec<CallParty>) -> CallWrite {
    let record = Box::new(CallRecord {
        call: id(number),
        caller: user("alice"),
        callee: user("bob"),
        media: Media::Voice,
        started_at: Timestamp(1_000 + number),
        answered_at: Some(Timestamp(1_500 + number)),
        ended_at: Timestamp(2_000 + number),
        reason: EndReason::Hangup,
        missed: false,
        hidden: false,
        caller_quality: None,
        callee_quality: None,
    });
    CallWrite::Ended { record, others, live: None, entry: true }
}

async fn history(directory: &Directory, of: &str) -> Vec<HistoryCall> {
    directory.calls_of(&user(of), None, 100).await.unwrap()
}

fn names(call: &HistoryCall) -> Vec<&str> {
    call.people.iter().map(|user| user.id.as_str()).collect()
}

#[tokio::test]
async fn c3_a_group_call_is_in_the_history_of_whom_it_concerned_and_of_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    directory.write_calls(Timestamp(1), &[ended(1)]).await.unwrap();
    directory.close().await.unwrap();
    let directory = open(&folder).await;
    for (who, part) in [("alice", Part::Came), ("bob", Part::Came), ("carol", Part::Missed), ("dave", Part::Declined)] {
        let [call] = &history(&directory, who).await[..] else { panic!("{who} has one") };
        assert_eq!(call.record, PastCall::Group(of_group(1)));
        assert_eq!((call.part, call.peer.id.as_str()), (Some(part), "alice"), "{who}");
        assert_eq!((names(call), call.people_count), (vec!["alice", "bob"], 2));
        assert_eq!(directory.call_of(&user(who), id(1)).await.unwrap().as_ref(), Some(call));
    }
    for stranger in ["eve", "mallory"] {
        assert!(history(&directory, stranger).await.is_empty());
        assert_eq!(directory.call_of(&user(stranger), id(1)).await.unwrap(), None);
    }
    assert_eq!(directory.call_of(&user("alice"), id(2)).await.unwrap(), None);
}

#[tokio::test]
async fn c3_a_call_of_two_that_grew_is_what_it_was_with_all_who_were_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    let others = vec![party("carol", Part::Came), party("dave", Part::Missed)];
    directory.write_calls(Timestamp(1), &[of_two(1, others), of_two(2, Vec::new())]).await.unwrap();
    for (who, peer) in [("alice", "bob"), ("bob", "alice")] {
        let [alone, grown] = &history(&directory, who).await[..] else { panic!("two") };
        assert_eq!((alone.people.len(), alone.people_count), (0, 0));
        assert!(matches!(&grown.record, PastCall::Pair(record) if record.call == id(1)));
        assert_eq!((grown.part, grown.peer.id.as_str()), (None, peer));
        assert_eq!((names(grown), grown.people_count), (vec!["alice", "bob", "carol"], 3));
    }
    for (who, part) in [("carol", Part::Came), ("dave", Part::Missed)] {
        let [grown] = &history(&directory, who).await[..] else { panic!("one") };
        assert_eq!((grown.part, grown.peer.id.as_str()), (Some(part), "alice"));
    }
    assert_eq!(directory.call_of(&user("mallory"), id(1)).await.unwrap(), None);
}

#[tokio::test]
async fn c3_pages_hold_calls_of_both_sorts_by_their_time_and_name_some_of_many() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    let crowd: Vec<String> = (0..30).map(|number| format!("member{number:02}")).collect();
    for name in &crowd {
        directory.ensure_user(&user(name), None).await.unwrap();
    }
    let parties: Vec<CallParty> = crowd.iter().map(|name| party(name, Part::Came)).chain(parties()).collect();
    let many = CallWrite::GroupEnded { record: Box::new(of_group(2)), parties, entry: true };
    let writes = [of_two(1, Vec::new()), many, of_two(3, Vec::new()), ended(4), ended(5)];
    directory.write_calls(Timestamp(1), &writes).await.unwrap();
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = directory.calls_of(&user("alice"), before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.record.id());
        seen.extend(page);
    }
    let ids: Vec<CallId> = seen.iter().map(|call| call.record.id()).collect();
    assert_eq!(ids, [5, 4, 3, 2, 1].map(id));
    assert_eq!((seen[3].people.len(), seen[3].people_count), (8, 32));
    let one = directory.call_of(&user("member07"), id(2)).await.unwrap().unwrap();
    assert_eq!((one.people.len(), one.people_count), (32, 32));
}

#[tokio::test]
async fn c3_a_group_call_owes_its_entry_until_that_is_made_in_one_order_with_those_of_two() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    let live = LiveCall { call: id(1), image: "goes on".to_owned(), forget_at: None };
    let without = CallWrite::GroupEnded { record: Box::new(of_group(4)), parties: parties(), entry: false };
    let writes = [CallWrite::Changed(live), ended(3), of_two(2, Vec::new()), ended(1), without];
    directory.write_calls(Timestamp(1), &writes).await.unwrap();
    assert!(directory.live_calls().await.unwrap().calls.is_empty(), "over in the same moment");
    let due = directory.call_entries_due(10).await.unwrap();
    assert_eq!(due.iter().map(DueEntry::call).collect::<Vec<_>>(), [id(1), id(2), id(3)]);
    assert_eq!(due[0], DueEntry::Group(of_group(1), parties()));
    assert_eq!(directory.call_entries_due(2).await.unwrap(), due[..2], "no more than was asked for");
    directory.call_entries_made(&[id(1), id(2)]).await.unwrap();
    directory.write_calls(Timestamp(2), &writes[3..]).await.unwrap();
    assert_eq!(directory.call_entries_due(10).await.unwrap(), due[2..], "the same end again is nothing new");
}

#[tokio::test]
async fn c3_a_group_call_that_can_not_be_written_whole_is_not_written_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    let parties = vec![party("alice", Part::Came), party("nobody", Part::Missed)];
    let write = CallWrite::GroupEnded { record: Box::new(of_group(1)), parties, entry: true };
    assert!(matches!(directory.write_calls(Timestamp(1), &[write]).await, Err(Error::UnknownUser)));
    assert!(history(&directory, "alice").await.is_empty());
    assert!(directory.call_entries_due(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a4_whoever_deletes_their_account_is_nobody_in_the_group_calls_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    let others = || vec![party("carol", Part::Came)];
    directory.write_calls(Timestamp(1), &[ended(1), of_two(2, others())]).await.unwrap();
    for (number, name) in ["alice", "bob"].into_iter().enumerate() {
        directory.delete_account(&user(name), &user(&format!("deleted:{number}"))).await.unwrap();
    }
    let due = directory.call_entries_due(10).await.unwrap();
    assert!(due.is_empty(), "what somebody started who is gone is told to nobody: {due:?}");
    let carols = history(&directory, "carol").await;
    assert_eq!(carols.len(), 2, "Carol was in the one, and asked into the other");
    assert!(carols.iter().all(|call| call.peer.deleted));
    assert_eq!(carols.iter().map(|call| call.people.iter().filter(|user| user.deleted).count()).sum::<usize>(), 4);
    // A call that was ending meanwhile.
    directory.write_calls(Timestamp(2), &[ended(3), of_two(4, others())]).await.unwrap();
    assert_eq!(history(&directory, "carol").await.len(), 4);
    assert!(directory.call_entries_due(10).await.unwrap().is_empty());
    for (number, name) in ["carol", "dave", "eve"].into_iter().enumerate() {
        assert!(directory.call_of(&user(name), id(2)).await.unwrap().is_some() == (name == "carol"));
        directory.delete_account(&user(name), &user(&format!("deleted:{}", number + 5))).await.unwrap();
    }
    directory.close().await.unwrap();
    for table in ["call", "group_call", "call_party", "group_call_entry"] {
        let rows = rows(&folder, table);
        assert_eq!(rows, 0, "calls of nobody are gone: {table}");
    }
}

/// How many rows a table has.
fn rows(folder: &TempDir, table: &str) -> u64 {
    const PROGRAM: &str =
        "import sqlite3, sys\nfor row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(row[0])";
    let file = folder.path().join("directory.db");
    let mut python = std::process::Command::new("python3");
    let counted = python.args(["-c", PROGRAM]).arg(file).arg(format!("SELECT count(*) FROM {table}")).output().unwrap();
    String::from_utf8(counted.stdout).unwrap().trim().parse().unwrap()
}
