//! Jobs: durable, bounded, cancelled when nobody needs them, patient with a store that fails.

use crate::world::{Told, World, caller, picture, until, upload, user};
use std::sync::atomic::Ordering;
use tertulia_media_core::{Reason, Refusal};
use tertulia_media_pipeline::library::{Intent, LibraryError, MediaState, Variant};

#[tokio::test]
async fn d1_jobs_go_on_in_the_next_run() {
    let world = World::new().await;
    let library = world.open().await;
    world.work.hold();
    let mut ids = Vec::new();
    for name in ["alice", "bob"] {
        ids.push(upload(&library, name, &picture(name), Intent::default()).await.unwrap().id);
    }
    until(async || world.work.begun() == 1).await;
    library.close().await;
    world.spool_holds(2).await; // their inputs
    std::fs::write(world.folder.path().join("incoming/0123456789abcdef0123456789abcdef"), b"left").unwrap();

    let library = world.open().await;
    world.work.release();
    for id in &ids {
        world.events.ready(*id).await;
    }
    for (name, id) in [("alice", ids[0]), ("bob", ids[1])] {
        library.servable(&caller(name), id, Variant::ThumbWebp).await.unwrap();
    }
    world.spool_holds(0).await;
    library.close().await;
}

#[tokio::test]
async fn d1_progress_is_told_while_it_runs_and_no_more_run_at_once_than_configured() {
    let mut world = World::new().await;
    world.config.jobs.workers = 2;
    let library = world.open().await;
    world.work.hold();
    let mut ids = Vec::new();
    for number in 0..5 {
        let bytes = picture(&number.to_string());
        ids.push(upload(&library, "alice", &bytes, Intent::default()).await.unwrap().id);
    }
    let told = world.events.wait(|told| matches!(told, Told::Progress(_, id, _) if *id == ids[0])).await;
    assert_eq!(told, Told::Progress(user("alice"), ids[0], 500));
    assert_eq!(library.view(&user("alice"), ids[0]).await.unwrap().state, MediaState::Processing(500));
    until(async || world.work.begun() == 2).await;
    world.work.release();
    for id in &ids {
        world.events.ready(*id).await;
    }
    assert_eq!(world.work.most_at_once.load(Ordering::SeqCst), 2);
    library.close().await;
}

#[tokio::test]
async fn d1_deleting_a_file_cancels_its_job_whether_it_waits_or_runs() {
    let world = World::new().await;
    let library = world.open().await;
    world.work.hold();
    let running = upload(&library, "alice", &picture("runs"), Intent::default()).await.unwrap().id;
    until(async || world.work.begun() == 1).await;
    let waiting = upload(&library, "alice", &picture("waits"), Intent::default()).await.unwrap().id;
    // Somebody else needs this one too.
    let shared = upload(&library, "alice", &picture("shared"), Intent::default()).await.unwrap().id;
    let bobs = upload(&library, "bob", &picture("shared"), Intent::default()).await.unwrap().id;
    // What runs last: its place would go to the one that waits.
    for id in [waiting, shared, running] {
        library.delete(&user("alice"), id).await.unwrap();
    }
    until(async || world.work.cancelled.load(Ordering::SeqCst) == 1).await;
    world.work.release();
    world.events.ready(bobs).await;
    world.spool_holds(0).await;
    assert_eq!(world.work.begun(), 2);
    assert!(matches!(library.view(&user("alice"), shared).await, Err(LibraryError::NotFound)));
    // And the cancelled bytes can be sent again.
    let again = upload(&library, "alice", &picture("runs"), Intent::default()).await.unwrap().id;
    world.events.ready(again).await;
    library.close().await;
}

#[tokio::test]
async fn d5_a_store_that_fails_is_tried_again_and_loses_nothing() {
    let world = World::new().await;
    let library = world.open().await;
    world.store.failures.store(4, Ordering::SeqCst);
    let view = upload(&library, "alice", &picture("p"), Intent::default()).await.unwrap();
    world.events.ready(view.id).await;
    assert_eq!((world.work.begun(), world.store.failures.load(Ordering::SeqCst)), (1, 0), "worked on once");
    library.servable(&caller("alice"), view.id, Variant::Main).await.unwrap();
    library.close().await;
}

#[tokio::test]
async fn d5_a_document_that_the_store_does_not_take_is_not_confirmed_and_leaves_nothing() {
    let world = World::new().await;
    let library = world.open().await;
    world.store.failures.store(1, Ordering::SeqCst);
    let refused = upload(&library, "alice", b"words", crate::world::document()).await;
    assert!(matches!(refused, Err(LibraryError::Store(_))));
    assert!(library.list(&user("alice"), None, 10).await.unwrap().media.is_empty());
    assert_eq!(world.spooled(), 0);
    upload(&library, "alice", b"words", crate::world::document()).await.unwrap();
    library.close().await;
}

#[tokio::test]
async fn d1_a_full_queue_says_so_and_keeps_nothing() {
    let mut world = World::new().await;
    world.config.jobs.queue_of_user_max = 2;
    let library = world.open().await;
    world.work.hold();
    for number in 0..2 {
        upload(&library, "alice", &picture(&number.to_string()), Intent::default()).await.unwrap();
    }
    let refused = upload(&library, "alice", &picture("third"), Intent::default()).await;
    let Err(LibraryError::Slower { refusal, retry_after }) = refused else { panic!() };
    assert_eq!((refusal, retry_after.is_zero()), (Refusal::over(Reason::Busy, 2, 3), false));
    until(async || world.work.begun() == 1).await;
    world.spool_holds(2 + 3).await; // two inputs, and the outputs of the one that runs
    upload(&library, "bob", &picture("his"), Intent::default()).await.unwrap();
    world.work.release();
    library.close().await;
}

#[tokio::test]
async fn d1_bytes_that_broke_a_worker_are_not_tried_again_by_the_next_who_sends_them() {
    let world = World::new().await;
    let library = world.open().await;
    *world.work.refuses.lock().unwrap() = Some(Reason::WorkerCrashed.into());
    upload(&library, "alice", &picture("evil"), Intent::default()).await.unwrap();
    world.events.wait(|told| matches!(told, Told::Rejected(..))).await;
    let refused = upload(&library, "bob", &picture("evil"), Intent::default()).await;
    assert!(matches!(refused, Err(LibraryError::Refused(Refusal { reason: Reason::WorkerCrashed, .. }))));
    assert_eq!(world.work.begun(), 1);
    // What the machine lacked is another matter.
    *world.work.refuses.lock().unwrap() = Some(Reason::SandboxUnavailable.into());
    let unlucky = upload(&library, "bob", &picture("good"), Intent::default()).await.unwrap();
    world.events.wait(|told| matches!(told, Told::Rejected(_, _, id, _) if *id == unlucky.id)).await;
    *world.work.refuses.lock().unwrap() = None;
    let lucky = upload(&library, "bob", &picture("good"), Intent::default()).await.unwrap();
    world.events.ready(lucky.id).await;
    world.spool_holds(0).await;
    library.close().await;
}

#[tokio::test]
async fn d1_an_input_that_is_lost_is_a_refusal_not_a_hang() {
    let world = World::new().await;
    let library = world.open().await;
    world.work.hold();
    upload(&library, "alice", &picture("first"), Intent::default()).await.unwrap();
    let lost = upload(&library, "alice", &picture("lost"), Intent::default()).await.unwrap();
    until(async || world.work.begun() == 1).await;
    library.close().await;
    for file in std::fs::read_dir(world.folder.path().join("incoming")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let library = world.open().await;
    world.work.release();
    let told = world.events.wait(|told| matches!(told, Told::Rejected(_, _, id, _) if *id == lost.id)).await;
    let Told::Rejected(_, _, _, refusal) = told else { panic!() };
    assert_eq!(refusal.reason, Reason::StoreUnavailable);
    library.close().await;
}
