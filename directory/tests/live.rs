//! Calls that go on, over a restart: what was written in one go is there whole, and in its order.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use tempfile::TempDir;
use tertulia_common::{CallId, Timestamp};
use tertulia_directory::{CallRecord, CallWrite, Directory, DueEntry, EndReason, Error, LiveCall, Media, PastCall};

async fn open(folder: &TempDir) -> Directory {
    let directory = Directory::open(&folder.path().join("directory.db")).await.unwrap();
    for id in ["alice", "bob"] {
        directory.ensure_user(&id.parse().unwrap(), None).await.unwrap();
    }
    directory
}

fn id(number: u64) -> CallId {
    CallId::new(Timestamp(1_000 + number), u128::from(number))
}

fn live(number: u64, image: &str, forget_at: Option<u64>) -> LiveCall {
    LiveCall { call: id(number), image: image.to_owned(), forget_at: forget_at.map(Timestamp) }
}

fn record(number: u64, callee: &str) -> Box<CallRecord> {
    Box::new(CallRecord {
        call: id(number),
        caller: "alice".parse().unwrap(),
        callee: callee.parse().unwrap(),
        media: Media::Voice,
        started_at: Timestamp(1_000 + number),
        answered_at: None,
        ended_at: Timestamp(2_000),
        reason: EndReason::Missed,
        missed: true,
        hidden: false,
        caller_quality: None,
        callee_quality: None,
    })
}

fn ended_as(record: Box<CallRecord>, live: Option<LiveCall>) -> CallWrite {
    CallWrite::Ended { record, others: Vec::new(), live, entry: true }
}

#[tokio::test]
async fn c6_what_was_written_last_of_a_call_is_there_after_a_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    assert_eq!(directory.live_calls().await.unwrap().alive_at, None);
    let writes = [live(1, "rings", None), live(2, "rings", None), live(1, "answered", None)].map(CallWrite::Changed);
    directory.write_calls(Timestamp(7), &writes).await.unwrap();
    directory.close().await.unwrap();
    let left = open(&folder).await.live_calls().await.unwrap();
    assert_eq!(left.alive_at, Some(Timestamp(7)));
    assert_eq!(left.calls, [live(1, "answered", None), live(2, "rings", None)]);
}

#[tokio::test]
async fn c6_a_call_that_ends_is_in_the_history_and_kept_for_late_questions_until_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    directory.write_calls(Timestamp(1), &[CallWrite::Changed(live(1, "rings", None))]).await.unwrap();
    let ended = ended_as(record(1, "bob"), Some(live(1, "over", Some(500))));
    directory.write_calls(Timestamp(2), &[ended.clone(), ended]).await.unwrap();
    assert_eq!(directory.calls_of(&"bob".parse().unwrap(), None, 10).await.unwrap().len(), 1);
    assert_eq!(directory.live_calls().await.unwrap().calls, [live(1, "over", Some(500))]);
    directory.tick(Timestamp(499)).await.unwrap();
    assert_eq!(directory.live_calls().await.unwrap().calls.len(), 1);
    directory.tick(Timestamp(500)).await.unwrap();
    let left = directory.live_calls().await.unwrap();
    assert_eq!((left.calls.len(), left.alive_at), (0, Some(Timestamp(500))));
}

#[tokio::test]
async fn c6_a_call_that_nobody_asks_for_any_more_is_gone_with_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    let writes = [CallWrite::Changed(live(1, "rings", None)), ended_as(record(1, "bob"), None)];
    directory.write_calls(Timestamp(1), &writes).await.unwrap();
    assert!(directory.live_calls().await.unwrap().calls.is_empty());
}

#[tokio::test]
async fn c6_what_can_not_be_written_whole_is_not_written_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    let writes = [CallWrite::Changed(live(1, "rings", None)), ended_as(record(2, "nobody"), None)];
    assert!(matches!(directory.write_calls(Timestamp(1), &writes).await, Err(Error::UnknownUser)));
    let left = directory.live_calls().await.unwrap();
    assert_eq!((left.calls.len(), left.alive_at), (0, None));
}

#[tokio::test]
async fn c1_a_hidden_call_is_in_the_callers_history_only() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    let hidden = CallRecord { hidden: true, missed: false, ..*record(1, "bob") };
    directory.record_call(&hidden).await.unwrap();
    assert_eq!(directory.calls_of(&"alice".parse().unwrap(), None, 10).await.unwrap().len(), 1);
    assert!(directory.calls_of(&"bob".parse().unwrap(), None, 10).await.unwrap().is_empty());
    assert!(directory.missed_unseen(&"bob".parse().unwrap(), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn c10_how_a_call_was_is_kept_for_each_side() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    let figures = CallRecord { caller_quality: Some("good".to_owned()), callee_quality: None, ..*record(1, "bob") };
    directory.record_call(&figures).await.unwrap();
    assert_eq!(directory.calls_of(&"bob".parse().unwrap(), None, 1).await.unwrap()[0].record, PastCall::Pair(figures));
}

async fn due(directory: &Directory) -> Vec<CallId> {
    directory.call_entries_due(10).await.unwrap().iter().map(DueEntry::call).collect()
}

#[tokio::test]
async fn c1_a_call_that_has_ended_owes_its_entry_until_that_is_made_and_never_again() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    let at = |number: u64, ended: u64| Box::new(CallRecord { ended_at: Timestamp(ended), ..*record(number, "bob") });
    let writes = [
        ended_as(at(1, 5_000), None),
        ended_as(at(2, 4_000), None),
        CallWrite::Ended { record: at(3, 3_000), others: Vec::new(), live: None, entry: false },
    ];
    directory.write_calls(Timestamp(1), &writes).await.unwrap();
    assert_eq!(due(&directory).await, [id(2), id(1)], "in the order in which they ended, but not the one without");
    directory.close().await.unwrap();
    let directory = open(&folder).await;
    assert_eq!(directory.call_entries_due(1).await.unwrap().len(), 1);
    directory.call_entries_made(&[id(2)]).await.unwrap();
    assert_eq!(due(&directory).await, [id(1)]);
    // The same end again is nothing new.
    directory.write_calls(Timestamp(2), &writes).await.unwrap();
    assert_eq!(due(&directory).await, [id(1)]);
}

#[tokio::test]
async fn c1_a_call_with_somebody_who_is_gone_owes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(&folder).await;
    directory.write_calls(Timestamp(1), &[ended_as(record(1, "bob"), None)]).await.unwrap();
    directory.delete_account(&"bob".parse().unwrap(), &"deleted:1".parse().unwrap()).await.unwrap();
    assert!(due(&directory).await.is_empty());
    directory.write_calls(Timestamp(1), &[ended_as(record(2, "bob"), None)]).await.unwrap();
    assert!(due(&directory).await.is_empty());
    assert_eq!(directory.calls_of(&"alice".parse().unwrap(), None, 10).await.unwrap().len(), 2);
}
