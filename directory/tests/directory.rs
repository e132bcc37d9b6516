//! The directory from the outside, on a real file: what was written is there after a reopen, once, and only for those it
//! concerns.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::path::PathBuf;
use tempfile::TempDir;
use tertulia_common::{CallId, Timestamp, UserId};
use tertulia_directory::{CallRecord, Directory, EndReason, Error, HistoryCall, Media, NAME_CHARS_MAX, PastCall};

struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("data/directory.db")
    }

    async fn open(&self) -> Directory {
        Directory::open(&self.file()).await.unwrap()
    }
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn call(number: u64, caller: &str, callee: &str) -> CallRecord {
    CallRecord {
        call: CallId::new(Timestamp(1_000 + number), u128::from(number)),
        caller: user(caller),
        callee: user(callee),
        media: Media::Video,
        started_at: Timestamp(1_000 + number),
        answered_at: Some(Timestamp(2_000 + number)),
        ended_at: Timestamp(3_000 + number),
        reason: EndReason::Hangup,
        missed: false,
        hidden: false,
        caller_quality: None,
        callee_quality: None,
    }
}

fn pair(call: &HistoryCall) -> &CallRecord {
    let PastCall::Pair(record) = &call.record else { panic!("a group's call") };
    record
}

fn missed(number: u64, caller: &str, callee: &str) -> CallRecord {
    CallRecord { answered_at: None, reason: EndReason::Missed, missed: true, ..call(number, caller, callee) }
}

async fn with_people(fixture: &Fixture, people: &[&str]) -> Directory {
    let directory = fixture.open().await;
    for id in people {
        directory.ensure_user(&user(id), None).await.unwrap();
    }
    directory
}

#[tokio::test]
async fn what_was_written_is_there_after_a_reopen() {
    let fixture = Fixture::new();
    let directory = with_people(&fixture, &["bob"]).await;
    let alice = directory.ensure_user(&user("alice"), Some("Alice")).await.unwrap();
    directory.record_call(&call(1, "alice", "bob")).await.unwrap();
    directory.close().await.unwrap();

    let directory = fixture.open().await;
    assert_eq!(directory.user(&user("alice")).await.unwrap(), Some(alice.clone()));
    let history = directory.calls_of(&user("bob"), None, 10).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(pair(&history[0]), &call(1, "alice", "bob"));
    assert_eq!(history[0].peer, alice);
}

#[tokio::test]
async fn what_was_confirmed_survives_without_a_clean_close() {
    let fixture = Fixture::new();
    let directory = with_people(&fixture, &["alice", "bob"]).await;
    directory.record_call(&call(1, "alice", "bob")).await.unwrap();
    // As after a kill: the file and its log, copied while the first handle still holds them open.
    let copy = fixture.folder.path().join("copy.db");
    for suffix in ["", "-wal"] {
        std::fs::copy(format!("{}{suffix}", fixture.file().display()), format!("{}{suffix}", copy.display())).unwrap();
    }
    let reopened = Directory::open(&copy).await.unwrap();
    assert_eq!(reopened.calls_of(&user("alice"), None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn migrations_run_once_and_two_handles_agree() {
    let fixture = Fixture::new();
    let first = with_people(&fixture, &["alice"]).await;
    let second = fixture.open().await;
    second.ensure_user(&user("bob"), None).await.unwrap();
    assert_eq!(first.people(10).await.unwrap(), second.people(10).await.unwrap());
    assert_eq!(first.people(10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn only_this_user_can_enter_the_data_folder() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let _directory = fixture.open().await;
    let mode = std::fs::metadata(fixture.folder.path().join("data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_name_is_kept_until_a_new_one_comes() {
    let fixture = Fixture::new();
    let directory = with_people(&fixture, &["alice"]).await;
    let alice = user("alice");
    assert_eq!(directory.user(&alice).await.unwrap().unwrap().name, "alice");
    let named = directory.ensure_user(&alice, Some("  Alice ")).await.unwrap();
    assert_eq!(named.name, "Alice");
    assert_eq!(directory.ensure_user(&alice, None).await.unwrap(), named);
    assert_eq!(directory.ensure_user(&alice, Some(" ")).await.unwrap(), named);
    let long = directory.ensure_user(&alice, Some(&"é".repeat(NAME_CHARS_MAX + 1))).await.unwrap();
    assert_eq!(long.name.chars().count(), NAME_CHARS_MAX);
    assert_eq!(long.created_at, named.created_at);
}

#[tokio::test]
async fn people_come_by_name_and_bounded() {
    let fixture = Fixture::new();
    let directory = with_people(&fixture, &["carol", "bob"]).await;
    directory.ensure_user(&user("x"), Some("Alice")).await.unwrap();
    let names: Vec<_> = directory.people(2).await.unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["Alice", "bob"]);
    assert_eq!(directory.user(&user("nobody")).await.unwrap(), None);
}

#[tokio::test]
async fn a_call_is_recorded_once_and_the_first_record_counts() {
    let fixture = Fixture::new();
    let directory = with_people(&fixture, &["alice", "bob"]).await;
    let first = call(1, "alice", "bob");
    directory.record_call(&first).await.unwrap();
    directory.record_call(&first).await.unwrap();
    directory.record_call(&CallRecord { reason: EndReason::Lost, ..first.clone() }).await.unwrap();
    let history = directory.calls_of(&user("alice"), None, 10).await.unwrap();
    assert_eq!(history.iter().map(|entry| pair(entry).clone()).collect::<Vec<_>>(), [first]);
}

#[tokio::test]
async fn a_call_of_someone_unknown_is_refused() {
    let fixture = Fixture::new();
    let directory = with_people(&fixture, &["alice"]).await;
    let error = directory.record_call(&call(1, "alice", "nobody")).await.unwrap_err();
    assert!(matches!(error, Error::UnknownUser), "{error:?}");
    assert!(!error.is_retryable());
    assert!(!format!("{error} {error:?}").contains("nobody"));
}

#[tokio::test]
async fn every_reason_and_media_survives_the_database() {
    let fixture = Fixture::new();
    let directory = with_people(&fixture, &["alice", "bob"]).await;
    let reasons = [
        EndReason::Hangup,
        EndReason::Declined,
        EndReason::Busy,
        EndReason::Cancelled,
        EndReason::Missed,
        EndReason::Failed,
        EndReason::Lost,
    ];
    let mut records = Vec::new();
    for (number, reason) in (1..).zip(reasons) {
        for (media, offset) in [(Media::Voice, 0), (Media::Video, 100)] {
            records.push(CallRecord { reason, media, ..call(number + offset, "alice", "bob") });
        }
    }
    for record in &records {
        directory.record_call(record).await.unwrap();
    }
    records.sort_by_key(|record| std::cmp::Reverse(record.call));
    let history = directory.calls_of(&user("bob"), None, 100).await.unwrap();
    assert_eq!(history.iter().map(|entry| pair(entry).clone()).collect::<Vec<_>>(), records);
}

#[tokio::test]
async fn history_pages_from_new_to_old_over_both_directions() {
    let fixture = Fixture::new();
    let directory = with_people(&fixture, &["alice", "bob", "carol"]).await;
    for number in 0..7 {
        let (caller, callee) = if number % 3 == 0 { ("bob", "alice") } else { ("alice", "carol") };
        directory.record_call(&call(number, caller, callee)).await.unwrap();
    }
    directory.record_call(&call(50, "bob", "carol")).await.unwrap();

    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = directory.calls_of(&user("alice"), before, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        before = Some(last.record.id());
        for entry in page {
            let record = pair(&entry);
            let other = if record.caller == user("alice") { &record.callee } else { &record.caller };
            assert_eq!(&entry.peer.id, other);
            seen.push(record.started_at.as_millis() - 1_000);
        }
    }
    assert_eq!(seen, [6, 5, 4, 3, 2, 1, 0]);
}

#[tokio::test]
async fn c1_missed_calls_wait_for_the_callee_until_they_are_seen() {
    let fixture = Fixture::new();
    let directory = with_people(&fixture, &["alice", "bob", "carol"]).await;
    let bob = user("bob");
    for number in 0..4 {
        directory.record_call(&missed(number, "alice", "bob")).await.unwrap();
    }
    directory.record_call(&call(10, "alice", "bob")).await.unwrap();
    directory.record_call(&missed(11, "bob", "carol")).await.unwrap();

    let unseen = directory.missed_unseen(&bob, 3).await.unwrap();
    assert_eq!(unseen.iter().map(|entry| entry.at.as_millis()).collect::<Vec<_>>(), [1_000, 1_001, 1_002]);
    assert_eq!(unseen[0].caller.id, user("alice"));

    let told: Vec<_> = unseen.iter().map(|entry| entry.call).collect();
    // Someone else can't see them away, nor does seeing none.
    directory.mark_missed_seen(&user("alice"), &told).await.unwrap();
    directory.mark_missed_seen(&bob, &[]).await.unwrap();
    assert_eq!(directory.missed_unseen(&bob, 10).await.unwrap().len(), 4);

    directory.mark_missed_seen(&bob, &told).await.unwrap();
    directory.mark_missed_seen(&bob, &told).await.unwrap();
    let left = directory.missed_unseen(&bob, 10).await.unwrap();
    assert_eq!(left.iter().map(|entry| entry.at.as_millis()).collect::<Vec<_>>(), [1_003]);
    // Recording a seen call again does not make it unseen.
    directory.record_call(&missed(0, "alice", "bob")).await.unwrap();
    assert_eq!(directory.missed_unseen(&bob, 10).await.unwrap().len(), 1);
    assert_eq!(directory.missed_unseen(&user("carol"), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn many_writers_at_once_all_succeed() {
    let fixture = Fixture::new();
    let directory = with_people(&fixture, &["alice", "bob"]).await;
    let writers: Vec<_> = (0..32)
        .map(|number| {
            let directory = directory.clone();
            tokio::spawn(async move { directory.record_call(&call(number, "alice", "bob")).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(directory.calls_of(&user("alice"), None, 100).await.unwrap().len(), 32);
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_named_as_the_trouble() {
    let fixture = Fixture::new();
    std::fs::write(fixture.folder.path().join("data"), "in the way").unwrap();
    assert!(matches!(Directory::open(&fixture.file()).await, Err(Error::Folder(_))));
}

#[tokio::test]
async fn a_closed_directory_does_not_answer_a_ping() {
    let fixture = Fixture::new();
    let directory = fixture.open().await;
    directory.ping().await.unwrap();
    directory.clone().close().await.unwrap();
    directory.ping().await.unwrap_err();
}

#[test]
fn no_name_shows_in_debug_output() {
    let alice =
        tertulia_directory::User { id: user("alice"), name: "Alice".into(), created_at: Timestamp(0), deleted: false };
    let shown = format!("{alice:?}");
    assert!(!shown.to_lowercase().contains("alice"), "{shown}");
}
