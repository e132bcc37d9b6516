//! Files in the directory: one content for all who send it, seen by those who may, gone when nobody has it; and blobs that
//! are never given up while somebody is about to refer to them.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tertulia_common::{DeviceId, MediaId, Timestamp, UserId};
use tertulia_directory::{
    BlobPut, BlobState, ContentState, Directory, Error, MediaAdded, MediaBlob, MediaFile, MediaMade, MediaOrigin,
    MediaQuota, MediaRefusal, NewMedia, Opening, Reach, Settled, Shared, UnknownContent,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);
const QUOTA: MediaQuota = MediaQuota { bytes_max: 1_000, files_max: 10 };

async fn open() -> (Directory, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open(&folder.path().join("directory.db")).await.unwrap();
    for name in ["alice", "bob", "carol"] {
        directory.ensure_user(&user(name), None).await.unwrap();
    }
    (directory, folder)
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn device(name: &str) -> DeviceId {
    name.parse().unwrap()
}

fn id(number: u128) -> MediaId {
    MediaId::new(NOW, number)
}

fn new(number: u128, owner: &str) -> NewMedia {
    NewMedia {
        id: id(number),
        owner: user(owner),
        device: Some(device("d1")),
        file_name: None,
        view_once: None,
        kept: false,
        now: NOW,
        ends_at: Some(NOW + DAY),
        quota: QUOTA,
    }
}

fn blob(byte: u8) -> MediaBlob {
    MediaBlob { key: [byte; 32], bytes: 100 }
}

fn made(main: u8) -> MediaMade {
    MediaMade {
        class: "document".to_owned(),
        mime: "application/octet-stream".to_owned(),
        main: blob(main),
        thumb_jpeg: None,
        thumb_webp: None,
        width: 0,
        height: 0,
        duration_ms: 0,
        has_sound: false,
        is_salvaged: false,
        thumbhash: vec![1, 2],
        preview: String::new(),
        waveform: Vec::new(),
    }
}

fn upload(original: u8, unknown: UnknownContent) -> MediaOrigin {
    MediaOrigin::Upload {
        sha256: [original; 32],
        treatment: "auto".to_owned(),
        h2: [original ^ 0xff; 32],
        class: "video".to_owned(),
        original_bytes: 300,
        unknown,
    }
}

fn job(original: u8) -> MediaOrigin {
    let unknown = UnknownContent::Job {
        input: format!("input{original}"),
        queue_max: 3,
        queue_of_user_max: 2,
        final_reasons: &["media_worker_crashed"],
    };
    upload(original, unknown)
}

async fn touch(directory: &Directory, byte: u8) -> BlobPut {
    let generation = directory.blob_touch(blob(byte), NOW, rand()).await.unwrap().unwrap();
    BlobPut { blob: blob(byte), generation }
}

/// Not random, but never the same.
fn rand() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

async fn document(directory: &Directory, new: &NewMedia, original: u8, main: u8) -> MediaFile {
    let put = touch(directory, main).await;
    let origin = upload(original, UnknownContent::Ready(Box::new(made(main)), vec![put]));
    added(directory.media_add(new, &origin).await.unwrap()).0
}

fn added(outcome: MediaAdded) -> (MediaFile, bool) {
    match outcome {
        MediaAdded::Added { media, is_new_job } => (*media, is_new_job),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn d6_the_same_bytes_are_one_content_one_job_and_as_many_files_as_people() {
    let (directory, _folder) = open().await;
    let first = added(directory.media_add(&new(1, "alice"), &job(7)).await.unwrap());
    let second = added(directory.media_add(&new(2, "bob"), &job(7)).await.unwrap());
    assert_eq!((first.1, second.1), (true, false));
    assert_eq!(first.0.content.id, second.0.content.id);
    assert_eq!(directory.media_jobs().await.unwrap().len(), 1);

    let put = touch(&directory, 1).await;
    let Settled::Done(told) = directory.media_made(first.0.content.id, &made(1), &[put], NOW).await.unwrap() else {
        panic!("not settled");
    };
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|media| matches!(media.content.state, ContentState::Ready(_))));
    assert!(directory.media_jobs().await.unwrap().is_empty());
    assert_eq!(directory.media_usage(&user("alice")).await.unwrap(), (1, 100), "as kept, no longer as sent");
    // Once more: nothing to make.
    assert!(!added(directory.media_add(&new(3, "carol"), &job(7)).await.unwrap()).1);
    assert!(matches!(directory.media_made(first.0.content.id, &made(1), &[], NOW).await.unwrap(), Settled::Gone));
}

#[tokio::test]
async fn d6_uploads_of_the_same_bytes_at_the_same_moment_make_one_job() {
    let (directory, _folder) = open().await;
    let tasks = (0..12_u128).map(|number| {
        let directory = directory.clone();
        let quota = MediaQuota { bytes_max: u64::MAX, files_max: 10 };
        let new = NewMedia { quota, ..new(number, "alice") };
        tokio::spawn(async move { directory.media_add(&new, &job(1)).await.unwrap() })
    });
    let mut jobs = 0;
    let mut full = 0;
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            MediaAdded::Added { is_new_job, .. } => jobs += usize::from(is_new_job),
            MediaAdded::OverFiles { actual: 11 } => full += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((jobs, full), (1, 2));
}

#[tokio::test]
async fn d6_quotas_and_the_queue_are_bounded() {
    let (directory, _folder) = open().await;
    for original in 1..=2 {
        added(directory.media_add(&new(original.into(), "alice"), &job(original)).await.unwrap());
    }
    let third = directory.media_add(&new(3, "alice"), &job(3)).await.unwrap();
    assert!(matches!(third, MediaAdded::QueueFull { max: 2 }), "{third:?}");
    added(directory.media_add(&new(4, "bob"), &job(4)).await.unwrap());
    let fourth = directory.media_add(&new(5, "bob"), &job(5)).await.unwrap();
    assert!(matches!(fourth, MediaAdded::QueueFull { max: 3 }), "{fourth:?}");
    // Known bytes cost no job, and count.
    added(directory.media_add(&new(6, "alice"), &job(4)).await.unwrap());
    let over = directory.media_add(&new(7, "alice"), &job(4)).await.unwrap();
    assert!(matches!(over, MediaAdded::OverBytes { actual: 1_200 }), "{over:?}");
    assert_eq!(directory.media_usage(&user("alice")).await.unwrap(), (3, 900));
    // What was refused left nothing.
    assert_eq!(directory.media_jobs().await.unwrap().len(), 3);
}

#[tokio::test]
async fn d6_only_what_somebody_has_for_good_can_be_claimed() {
    let (directory, _folder) = open().await;
    let claimable = || directory.media_claimable(&[9; 32], "auto", 300);
    assert!(claimable().await.unwrap().is_none());
    let once = NewMedia { view_once: Some(vec![user("bob")]), ..new(1, "alice") };
    let media = document(&directory, &once, 9, 1).await;
    assert!(claimable().await.unwrap().is_none(), "to be seen once");
    let claim = MediaOrigin::Claim(media.content.id);
    assert!(matches!(directory.media_add(&new(2, "carol"), &claim).await.unwrap(), MediaAdded::Unknown));

    let known = upload(9, UnknownContent::Ask);
    added(directory.media_add(&new(3, "bob"), &known).await.unwrap());
    let (content, h2) = claimable().await.unwrap().unwrap();
    assert_eq!((content, h2), (media.content.id, [9 ^ 0xff; 32]));
    assert!(directory.media_claimable(&[9; 32], "auto", 301).await.unwrap().is_none());
    assert!(directory.media_claimable(&[9; 32], "document", 300).await.unwrap().is_none());
    added(directory.media_add(&new(4, "carol"), &claim).await.unwrap());
}

#[tokio::test]
async fn d5_a_file_is_there_for_its_owner_and_those_it_was_shared_with_who_have_not_blocked_them() {
    let (directory, _folder) = open().await;
    let media = document(&directory, &new(1, "alice"), 1, 1).await;
    let reach = async |name: &str| directory.media_for(&user(name), id(1), NOW).await.unwrap().map(|(_, reach)| reach);
    assert_eq!((reach("alice").await, reach("bob").await), (Some(Reach::Owner), None));

    let share = |owner: &str, to: &str| {
        let (owner, to) = (user(owner), [user(to)]);
        let directory = directory.clone();
        async move { directory.media_share(&owner, id(1), &to, "", 5, NOW).await }
    };
    assert_eq!(share("bob", "carol").await.unwrap(), Shared::NotFound);
    assert!(matches!(share("alice", "nobody").await, Err(Error::UnknownUser)));
    assert_eq!(share("alice", "bob").await.unwrap(), Shared::Done);
    assert_eq!((reach("bob").await, reach("carol").await), (Some(Reach::Granted), None));
    assert_eq!(directory.media(id(1), NOW).await.unwrap().unwrap().ends_at, None, "shared is referred to");

    directory.block(&user("bob"), &user("alice"), 10).await.unwrap();
    assert_eq!(reach("bob").await, None);
    directory.unblock(&user("bob"), &user("alice")).await.unwrap();
    assert_eq!(reach("bob").await, Some(Reach::Granted));

    let end = NOW + DAY;
    directory.media_unshare(&user("alice"), id(1), &[user("bob")], "", NOW, end).await.unwrap();
    assert_eq!(reach("bob").await, None);
    assert_eq!(directory.media(id(1), NOW).await.unwrap().unwrap().ends_at, Some(end));
    assert!(directory.media(id(1), end).await.unwrap().is_none(), "over, whether it was collected or not");

    directory.media_keep(&user("alice"), id(1), true, NOW, end).await.unwrap();
    assert_eq!(directory.media(id(1), NOW).await.unwrap().unwrap().ends_at, None);
    assert_eq!(directory.media_own(&user("alice"), media.content.id, NOW).await.unwrap(), Some(id(1)));
    assert_eq!(directory.media_of(&user("alice"), None, NOW, 10).await.unwrap().len(), 1);
    assert_eq!(directory.media_of(&user("alice"), Some(id(1)), NOW, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn d10_what_is_seen_once_is_seen_by_one_device_of_each_and_goes_when_all_have() {
    let (directory, _folder) = open().await;
    let once = NewMedia { view_once: Some(vec![user("bob"), user("carol")]), ..new(1, "alice") };
    document(&directory, &once, 1, 1).await;
    let opens = async |name: &str, on: &str, at| {
        directory.media_open(&user(name), &device(on), id(1), at, MINUTE).await.unwrap()
    };
    assert_eq!(opens("alice", "d1", NOW).await, Opening::Forbidden);
    assert_eq!(opens("bob", "phone", NOW).await, Opening::Lease(NOW + MINUTE));
    assert_eq!(opens("bob", "laptop", NOW).await, Opening::Opened);
    let later = NOW + Duration::from_secs(30);
    assert_eq!(opens("bob", "phone", later).await, Opening::Lease(NOW + MINUTE), "the same, not a longer one");
    let lease = async |on: &str, at| directory.media_lease(&user("bob"), &device(on), id(1), at).await.unwrap();
    assert_eq!((lease("phone", later).await, lease("laptop", later).await), (Some(NOW + MINUTE), None));
    assert_eq!(lease("phone", NOW + MINUTE).await, None);
    assert_eq!(opens("bob", "phone", NOW + MINUTE).await, Opening::Opened);

    assert!(!directory.media_opened(&user("bob"), &device("laptop"), id(1), later).await.unwrap());
    assert!(directory.media_opened(&user("bob"), &device("phone"), id(1), later).await.unwrap());
    assert_eq!((lease("phone", later).await, opens("bob", "phone", later).await), (None, Opening::Opened));
    assert_eq!(directory.media(id(1), later).await.unwrap().unwrap().ends_at, Some(NOW + DAY), "carol has not");

    assert_eq!(opens("carol", "phone", later).await, Opening::Lease(later + MINUTE));
    assert_eq!(directory.media_expire(later, 10).await.unwrap().0, 0, "while she looks");
    assert!(directory.media_opened(&user("carol"), &device("phone"), id(1), later).await.unwrap());
    assert_eq!(directory.media_expire(later, 10).await.unwrap().0, 1);
    assert_eq!(opens("carol", "phone", later).await, Opening::NotFound);
    assert_eq!(
        directory.media_share(&user("alice"), id(1), &[user("bob")], "", 9, NOW).await.unwrap(),
        Shared::NotFound
    );
}

#[tokio::test]
async fn d10_two_devices_that_open_at_once_get_one_lease() {
    let (directory, _folder) = open().await;
    let once = NewMedia { view_once: Some(vec![user("bob")]), ..new(1, "alice") };
    document(&directory, &once, 1, 1).await;
    let tasks = (0..8).map(|number| {
        let directory = directory.clone();
        tokio::spawn(async move {
            let on = device(&format!("d{number}"));
            directory.media_open(&user("bob"), &on, id(1), NOW, MINUTE).await.unwrap()
        })
    });
    let mut leases = 0;
    for task in tasks.collect::<Vec<_>>() {
        leases += usize::from(matches!(task.await.unwrap(), Opening::Lease(_)));
    }
    assert_eq!(leases, 1);
}

#[tokio::test]
async fn d10_a_blob_goes_in_steps_and_a_touch_brings_it_back_until_the_last() {
    let (directory, _folder) = open().await;
    document(&directory, &new(1, "alice"), 1, 1).await;
    let state = async || directory.blob_state(&[1; 32]).await.unwrap();
    let to_delete = async |at| directory.blobs_to_delete(at, MINUTE, MINUTE, 10).await.unwrap();
    assert_eq!(state().await, Some(BlobState::Kept));
    assert!(to_delete(NOW + DAY).await.is_empty());

    assert_eq!(directory.media_delete(&user("bob"), id(1), NOW).await.unwrap(), None);
    assert_eq!(directory.media_delete(&user("alice"), id(1), NOW).await.unwrap(), Some(vec![]));
    assert_eq!(directory.media_sweep(NOW, 10).await.unwrap(), 1);
    assert_eq!(state().await, Some(BlobState::Doomed));
    assert!(to_delete(NOW).await.is_empty(), "after a grace");
    // Somebody uploads it again.
    document(&directory, &new(2, "bob"), 1, 1).await;
    assert_eq!(state().await, Some(BlobState::Kept));
    assert!(to_delete(NOW + DAY).await.is_empty());

    directory.media_delete(&user("bob"), id(2), NOW).await.unwrap();
    directory.media_sweep(NOW, 10).await.unwrap();
    let put = touch(&directory, 1).await;
    assert_eq!(state().await, Some(BlobState::Loose));
    // That one never came back: it is doomed, and in the end deleted.
    assert!(to_delete(NOW + MINUTE).await.is_empty());
    assert_eq!(to_delete(NOW + MINUTE + MINUTE).await, vec![[1; 32]]);
    assert_eq!(directory.blob_touch(blob(1), NOW, rand()).await.unwrap(), None, "not while it is being deleted");
    // The one who was about to refer to it is told so, before and after.
    let late = upload(1, UnknownContent::Ready(Box::new(made(1)), vec![put]));
    assert!(matches!(directory.media_add(&new(3, "bob"), &late).await.unwrap(), MediaAdded::Stale));
    assert_eq!(to_delete(NOW).await, vec![[1; 32]], "again after a crash");
    directory.blob_deleted(&[1; 32]).await.unwrap();
    assert_eq!(state().await, None);
    touch(&directory, 1).await;
    assert!(matches!(directory.media_add(&new(3, "bob"), &late).await.unwrap(), MediaAdded::Stale), "another's put");
}

#[tokio::test]
async fn d10_a_blob_of_two_contents_stays_with_the_second() {
    let (directory, _folder) = open().await;
    document(&directory, &new(1, "alice"), 1, 1).await;
    document(&directory, &new(2, "alice"), 2, 1).await;
    directory.media_delete(&user("alice"), id(1), NOW).await.unwrap();
    assert_eq!(directory.media_sweep(NOW, 10).await.unwrap(), 1);
    assert_eq!(directory.blob_state(&[1; 32]).await.unwrap(), Some(BlobState::Kept));
}

#[tokio::test]
async fn d1_a_job_that_nobody_waits_for_is_cancelled_and_one_that_another_needs_goes_on() {
    let (directory, _folder) = open().await;
    let first = added(directory.media_add(&new(1, "alice"), &job(1)).await.unwrap()).0;
    added(directory.media_add(&new(2, "bob"), &job(1)).await.unwrap());
    assert_eq!(directory.media_delete(&user("alice"), id(1), NOW).await.unwrap(), Some(vec![]));
    assert_eq!(directory.media_delete(&user("bob"), id(2), NOW).await.unwrap(), Some(vec![first.content.id]));
    assert!(directory.media_jobs().await.unwrap().is_empty());
    assert!(!directory.media_job_begun(first.content.id).await.unwrap());
    // Uploaded again it has another number: what the cancelled job still says is nobody's.
    let again = added(directory.media_add(&new(3, "bob"), &job(1)).await.unwrap()).0;
    assert_ne!(again.content.id, first.content.id);
}

#[tokio::test]
async fn d2_a_refusal_is_told_to_all_and_what_crashed_a_worker_is_not_tried_again() {
    let (directory, _folder) = open().await;
    let refuse = async |number: u8, reason: &str| {
        let media = added(directory.media_add(&new(number.into(), "alice"), &job(number)).await.unwrap()).0;
        let refusal = MediaRefusal { reason: reason.to_owned(), limit: Some(180_000), actual: Some(240_000) };
        let settled = directory.media_refused(media.content.id, &refusal, NOW, DAY).await.unwrap();
        assert!(
            matches!(settled, Settled::Done(told) if told[0].content.state == ContentState::Refused(refusal.clone()))
        );
        media
    };
    refuse(1, "media_too_long").await;
    assert_eq!(directory.media_usage(&user("alice")).await.unwrap(), (1, 0));
    assert!(added(directory.media_add(&new(11, "bob"), &job(1)).await.unwrap()).1, "limits may be others now");
    refuse(2, "media_worker_crashed").await;
    let again = directory.media_add(&new(12, "bob"), &job(2)).await.unwrap();
    assert!(matches!(again, MediaAdded::Refused(refusal) if refusal.reason == "media_worker_crashed"));
    assert_eq!(directory.media_expire(NOW + DAY, 100).await.unwrap().0, 3);
    assert!(added(directory.media_add(&new(13, "bob"), &job(2)).await.unwrap()).1, "forgotten");
}

#[tokio::test]
async fn d10_with_an_account_goes_all_that_was_its_own_or_shared_with_it() {
    let (directory, _folder) = open().await;
    document(&directory, &new(1, "alice"), 1, 1).await;
    let working = added(directory.media_add(&new(2, "alice"), &job(2)).await.unwrap()).0;
    added(directory.media_add(&new(3, "alice"), &job(3)).await.unwrap());
    added(directory.media_add(&new(4, "bob"), &job(3)).await.unwrap());
    document(&directory, &new(5, "bob"), 5, 5).await;
    directory.media_share(&user("bob"), id(5), &[user("alice")], "", 9, NOW).await.unwrap();
    let once = NewMedia { view_once: Some(vec![user("alice")]), ..new(6, "bob") };
    document(&directory, &once, 6, 6).await;

    assert_eq!(directory.media_forget(&user("alice"), NOW, DAY).await.unwrap(), vec![working.content.id]);
    directory.delete_account(&user("alice"), &user("deleted:1")).await.unwrap();
    assert!(directory.media(id(1), NOW).await.unwrap().is_none());
    assert!(directory.media(id(3), NOW).await.unwrap().is_none());
    let jobs = directory.media_jobs().await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.user.clone()).collect::<Vec<_>>(), [None], "bob's, and nobody's turn");
    assert_eq!(directory.media(id(5), NOW).await.unwrap().unwrap().ends_at, Some(NOW + DAY));
    assert!(directory.media(id(6), NOW).await.unwrap().is_none(), "nobody is left to see it");
    assert_eq!(directory.media_sweep(NOW, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn d10_files_deleted_and_uploaded_at_once_never_lose_a_blob_that_is_referred_to() {
    let (directory, _folder) = open().await;
    // The store, as the pipeline drives it: what is deleted is not there until it is put again.
    let store = Arc::new(Mutex::new(HashSet::new()));
    for round in 0..15 {
        let uploads = (0..4).map(|task| {
            let (directory, store) = (directory.clone(), Arc::clone(&store));
            tokio::spawn(async move { come_and_go(&directory, &store, id(round * 10 + task)).await })
        });
        let uploads: Vec<_> = uploads.collect();
        for _ in 0..4 {
            collect(&directory, &store).await;
        }
        for upload in uploads {
            upload.await.unwrap();
        }
    }
    // Twice: doomed, deleted.
    collect(&directory, &store).await;
    collect(&directory, &store).await;
    assert_eq!((directory.blob_state(&[1; 32]).await.unwrap(), store.lock().unwrap().len()), (None, 0));
}

/// An upload, and its end.
async fn come_and_go(directory: &Directory, store: &Mutex<HashSet<[u8; 32]>>, id: MediaId) {
    let new = NewMedia { id, quota: MediaQuota { bytes_max: u64::MAX, files_max: 99 }, ..new(0, "alice") };
    loop {
        let Some(generation) = directory.blob_touch(blob(1), NOW, rand()).await.unwrap() else { continue };
        store.lock().unwrap().insert([1; 32]);
        tokio::task::yield_now().await;
        let puts = vec![BlobPut { blob: blob(1), generation }];
        let origin = upload(1, UnknownContent::Ready(Box::new(made(1)), puts));
        match directory.media_add(&new, &origin).await.unwrap() {
            MediaAdded::Added { .. } => break,
            MediaAdded::Stale => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(store.lock().unwrap().contains(&[1; 32]), "confirmed and not there");
    directory.media_delete(&user("alice"), id, NOW).await.unwrap();
}

async fn collect(directory: &Directory, store: &Mutex<HashSet<[u8; 32]>>) {
    directory.media_sweep(NOW, 10).await.unwrap();
    for key in directory.blobs_to_delete(NOW, Duration::ZERO, Duration::ZERO, 10).await.unwrap() {
        store.lock().unwrap().remove(&key);
        tokio::task::yield_now().await;
        directory.blob_deleted(&key).await.unwrap();
    }
}

#[tokio::test]
async fn d5_d10_what_messages_carry_stays_for_those_they_are_for_and_saying_it_again_changes_nothing() {
    let (directory, _folder) = open().await;
    document(&directory, &new(1, "alice"), 1, 1).await;
    let (all, both) = (["alice", "bob", "carol"].map(user), ["alice", "bob"].map(user));
    let refer = async |people: &[UserId], to: &str, max| {
        directory.media_refer(&user("alice"), id(1), people, to, max, NOW).await.unwrap()
    };
    let ends = async || directory.media(id(1), NOW).await.unwrap().unwrap().ends_at;
    let has = async |name: &str| directory.media_for(&user(name), id(1), NOW).await.unwrap().is_some();
    assert_eq!(directory.media_refer(&user("bob"), id(1), &both, "m", 9, NOW).await.unwrap(), Shared::NotFound);
    assert_eq!(refer(&all, "first", 2).await, Shared::Full, "more than it may be shared with");
    assert!(!has("bob").await && ends().await == Some(NOW + DAY), "nothing of what was refused");
    for _ in 0..2 {
        // Somebody who is nobody by now is passed over.
        assert_eq!(refer(&[both.as_slice(), &[user("gone")]].concat(), "first", 2).await, Shared::Done);
    }
    assert!(has("bob").await && !has("carol").await && ends().await.is_none());
    assert_eq!(refer(&all, "second", 9).await, Shared::Done);
    let let_go = async |people: &[UserId], to: &str| {
        directory.media_let_go(id(1), people, to, NOW, NOW + DAY).await.unwrap();
    };
    // Of two messages one is taken back: the other still carries it. Its sender alone keeps it from going.
    let_go(&all, "second").await;
    assert!(has("bob").await && !has("carol").await);
    let_go(&[user("bob")], "first").await;
    assert!(!has("bob").await && ends().await.is_none(), "it is in a message of hers");
    let_go(&[user("alice")], "first").await;
    assert_eq!(ends().await, Some(NOW + DAY));
}

#[tokio::test]
async fn m9_a_message_gives_what_is_seen_once_to_those_it_is_for_and_not_to_its_sender() {
    let (directory, _folder) = open().await;
    document(&directory, &NewMedia { view_once: Some(vec![user("bob")]), ..new(1, "alice") }, 1, 1).await;
    let people = ["alice", "bob", "carol"].map(user);
    for _ in 0..2 {
        let referred = directory.media_refer(&user("alice"), id(1), &people, "m", 9, NOW).await.unwrap();
        assert_eq!(referred, Shared::Done);
    }
    let opens =
        async |name: &str| directory.media_open(&user(name), &device("phone"), id(1), NOW, MINUTE).await.unwrap();
    assert_eq!(opens("alice").await, Opening::Forbidden);
    assert_eq!(opens("bob").await, Opening::Lease(NOW + MINUTE));
    let ends = async || directory.media(id(1), NOW).await.unwrap().unwrap().ends_at;
    assert_eq!(ends().await, Some(NOW + DAY), "Carol has not");
    assert_eq!(opens("carol").await, Opening::Lease(NOW + MINUTE));
    assert_eq!(ends().await, Some(NOW + MINUTE), "all have: its sender is nobody it waits for");
}
