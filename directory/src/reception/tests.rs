//! The reception against the directory itself: what it answers is what the calls one by one answer.

use super::*;
use crate::{CallRecord, CallWrite, EndReason, Media, NewDevice, Registration};
use tertulia_common::CallId;

struct Open {
    directory: Directory,
    reception: Reception,
    work: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

async fn open() -> Open {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open(&folder.path().join("directory.db")).await.unwrap();
    let (reception, work) = directory.reception();
    Open { directory, reception, work: tokio::spawn(work), _folder: folder }
}

fn id(text: &str) -> UserId {
    text.parse().unwrap()
}

#[tokio::test]
async fn whoever_comes_is_there_and_keeps_the_name_that_was_said_last() {
    let open = open().await;
    let Open { directory, reception, .. } = &open;
    let come = async |name| reception.arrival(&id("ana"), name, None).await.unwrap().unwrap();
    let first = come(None).await;
    assert_eq!(first.name, "ana");
    assert_eq!(come(Some("Ana")).await.name, "Ana");
    let again = come(None).await;
    assert_eq!((again.name.as_str(), again.created_at), ("Ana", first.created_at));
    assert_eq!(directory.user(&id("ana")).await.unwrap(), Some(again));
    assert_eq!(come(Some("Ana María")).await.created_at, first.created_at);
    assert_eq!(directory.user(&id("ana")).await.unwrap().unwrap().name, "Ana María");
}

#[tokio::test]
async fn many_at_once_are_each_answered_with_their_own() {
    let open = open().await;
    let Open { directory, reception, .. } = &open;
    for round in 0..2 {
        let comers: Vec<_> = (0..500)
            .map(|n| {
                let reception = reception.clone();
                tokio::spawn(async move {
                    // Every third says a name, and some are the same person.
                    let (who, name) = (format!("user{}", n % 400), format!("Name {}", n % 400));
                    let name = (n % 400 % 3 == 0).then_some(name);
                    let user = reception.arrival(&id(&who), name.as_deref(), None).await.unwrap().unwrap();
                    assert_eq!((user.id.as_str(), user.name), (who.as_str(), name.unwrap_or_else(|| who.clone())));
                })
            })
            .collect();
        for comer in comers {
            comer.await.unwrap();
        }
        assert_eq!(directory.people(1_000).await.unwrap().len(), 400, "round {round}");
    }
}

#[tokio::test]
async fn d10_a_token_from_before_the_deletion_lets_nobody_in_and_brings_nothing_back() {
    let open = open().await;
    let Open { directory, reception, .. } = &open;
    reception.arrival(&id("ana"), Some("Ana"), None).await.unwrap();
    directory.delete_account(&id("ana"), &id("deleted:1")).await.unwrap();
    let departed = directory.departed_at(&id("ana")).await.unwrap().unwrap().as_millis() / 1_000;
    for made in [None, Some(0), Some(departed)] {
        assert_eq!(reception.arrival(&id("ana"), Some("Ana"), made).await.unwrap(), None, "{made:?}");
        // Nor when the deletion comes between the question and the writing.
        for (sql, name) in [(NAMED, Some("Ana")), (UNNAMED, None)] {
            let (answer, _answered) = oneshot::channel();
            let (name, hash) = (name.map(str::to_owned), accounts::hash(&id("ana")));
            let late = Arrival { id: id("ana"), hash, name, made_at_s: made, since: None };
            write(sql, vec![(late, answer)], directory.db.get_sqlite_connection_pool()).await;
            assert_eq!(directory.user(&id("ana")).await.unwrap(), None, "{made:?}");
        }
    }
    let back = reception.arrival(&id("ana"), None, Some(departed + 1)).await.unwrap();
    assert_eq!(back.map(|user| user.name).as_deref(), Some("ana"));
    assert!(directory.user(&id("ana")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_token_finds_its_device_and_no_other() {
    let open = open().await;
    let Open { directory, reception, .. } = &open;
    for n in 0..3_u8 {
        let device = NewDevice { id: "phone".parse().unwrap(), name: format!("Phone {n}"), token_hash: [n; 32] };
        let (phone, new_user) = (format!("+3491112233{n}"), id(&format!("person{n}")));
        let (name, new_name) = (None, format!("Person {n}"));
        let registration = Registration { phone, new_user, name, new_name, device, unlink_others: false };
        directory.register_primary(&registration).await.unwrap();
    }
    for n in 0..4_u8 {
        let found = reception.device_by_token(&[n; 32]).await.unwrap();
        assert_eq!(found, directory.device_by_token(&[n; 32]).await.unwrap());
        assert_eq!(found.is_some(), n < 3);
    }
    directory.revoke_device(&id("person1"), &"phone".parse().unwrap()).await.unwrap();
    assert_eq!(reception.device_by_token(&[1; 32]).await.unwrap(), None);
}

#[tokio::test]
async fn news_are_missed_calls_not_told_yet_and_a_rest_that_goes_on() {
    let open = open().await;
    let Open { directory, reception, .. } = &open;
    for user in ["ana", "ben"] {
        directory.ensure_user(&id(user), None).await.unwrap();
    }
    let news = async || reception.news(&id("ben")).await.unwrap();
    assert_eq!((news().await, reception.news(&id("nobody")).await.unwrap()), (News::default(), News::default()));
    let call = CallId::new(Timestamp(1), 1);
    let record = CallRecord {
        call,
        caller: id("ana"),
        callee: id("ben"),
        media: Media::Voice,
        started_at: Timestamp(1),
        answered_at: None,
        ended_at: Timestamp(2),
        reason: EndReason::Missed,
        missed: true,
        hidden: false,
        caller_quality: None,
        callee_quality: None,
    };
    directory
        .write_calls(
            Timestamp(2),
            &[CallWrite::Ended { record: Box::new(record), others: Vec::new(), live: None, entry: false }],
        )
        .await
        .unwrap();
    assert!(news().await.has_missed && !reception.news(&id("ana")).await.unwrap().has_missed);
    directory.mark_missed_seen(&id("ben"), &[call]).await.unwrap();
    let later = Timestamp(u64::try_from(now_ms()).unwrap() + 60_000);
    directory.set_do_not_disturb(&id("ben"), Some(later)).await.unwrap();
    assert_eq!(news().await, News { has_missed: false, do_not_disturb: Some(later), ..News::default() });
    directory.set_do_not_disturb(&id("ben"), Some(Timestamp(1))).await.unwrap();
    assert_eq!(news().await, News::default());
}

#[tokio::test]
async fn the_questions_are_answered_by_indexes() {
    let open = open().await;
    let Open { directory, .. } = &open;
    let mut connection = directory.db.get_sqlite_connection_pool().acquire().await.unwrap();
    for (sql, indexes) in [
        (ARRIVALS, &["sqlite_autoindex_departed_1", "sqlite_autoindex_user_1"][..]),
        (OWNERS, &["device_token", "sqlite_autoindex_user_1"]),
        (NEWS, &["call_missed", "sqlite_autoindex_user_1"]),
    ] {
        sqlx::query(sql).bind("[]").fetch_all(&mut *connection).await.unwrap();
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
        let plan = plan.bind("[]").fetch_all(&mut *connection).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        let plan = plan.join("; ");
        let searched = indexes.iter().all(|index| plan.contains(&format!("INDEX {index}")));
        assert!(searched && !plan.contains("SCAN u") && !plan.contains("AUTOMATIC"), "{plan}");
    }
}

#[tokio::test]
async fn who_asks_a_reception_that_is_closed_is_told_so() {
    let Open { reception, work, directory, _folder } = open().await;
    reception.arrival(&id("ana"), None, None).await.unwrap();
    work.abort();
    assert!(work.await.unwrap_err().is_cancelled());
    assert!(reception.news(&id("ana")).await.is_err_and(|error| error.is_retryable()));
    // Nothing is held any longer that the closing would wait for.
    timeout(Duration::from_secs(5), directory.close()).await.unwrap().unwrap();
}
