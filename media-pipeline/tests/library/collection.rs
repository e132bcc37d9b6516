//! The collection: what is referred to stays, what is not goes after a while, nothing is lost in between.

use crate::world::{DAY, World, caller, collect_all, document, picture, read, upload, user};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tertulia_media_core::tus::Metadata;
use tertulia_media_pipeline::collect::Collected;
use tertulia_media_pipeline::library::{Intent, Library, LibraryError, Variant};
use tertulia_media_pipeline::store::{BlobKey, BlobStore, Folder};

const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn d10_what_is_neither_kept_nor_shared_goes_after_a_day_and_the_rest_stays() {
    let world = World::new().await;
    let library = world.open().await;
    let keep = Intent { keep: true, ..document() };
    let kept = upload(&library, "alice", b"kept", keep).await.unwrap();
    let shared = upload(&library, "alice", b"shared", document()).await.unwrap();
    library.share(&caller("alice"), shared.id, &[user("bob")]).await.unwrap();
    let idle = upload(&library, "alice", b"idle", document()).await.unwrap();
    assert_eq!(kept.kept_until, None);
    assert!(idle.kept_until.is_some());

    world.pass(DAY - MS);
    assert_eq!(library.collect().await.unwrap(), Collected::default());
    world.pass(MS);
    assert_eq!(library.collect().await.unwrap(), Collected { files: 1, contents: 1, blobs: 0 });
    assert_eq!(world.store.len(), 3, "a grace is left");
    world.pass(world.config.collect.doomed);
    assert_eq!(library.collect().await.unwrap(), Collected { files: 0, contents: 0, blobs: 1 });
    assert_eq!(world.store.len(), 2);

    library.unshare(&user("alice"), shared.id, &[user("bob")]).await.unwrap();
    library.keep(&user("alice"), kept.id, false).await.unwrap();
    world.pass(DAY);
    collect_all(&world, &library).await;
    assert_eq!(world.store.len(), 0);
    assert!(matches!(library.view(&user("alice"), kept.id).await, Err(LibraryError::NotFound)));
    library.close().await;
}

#[tokio::test]
async fn d10_with_an_account_go_its_files_and_what_it_had_under_way() {
    let world = World::new().await;
    let library = world.open().await;
    let keep = Intent { keep: true, ..document() };
    upload(&library, "alice", b"alone", keep.clone()).await.unwrap();
    let both = upload(&library, "alice", b"both", keep.clone()).await.unwrap();
    let bobs = upload(&library, "bob", b"both", keep).await.unwrap();
    library.share(&caller("bob"), bobs.id, &[user("alice")]).await.unwrap();
    let mut under_way = library.begin(&caller("alice"), document()).await.unwrap();
    under_way.write(b"under way").await.unwrap();
    let mut for_a_job = library.begin(&caller("alice"), Intent::default()).await.unwrap();
    for_a_job.write(&picture("under way")).await.unwrap();

    let leaving = library.forget_user(&user("alice")).await.unwrap();
    assert!(matches!(library.begin(&caller("alice"), document()).await, Err(LibraryError::Slower { .. })));
    let tus = library.tus().create(&user("alice"), &"phone".parse().unwrap(), 10, Metadata::default()).await;
    assert!(tus.is_err());
    world.directory.delete_account(&user("alice"), &user("deleted:1")).await.unwrap();
    drop(leaving);
    assert!(under_way.finish().await.is_err());
    assert!(for_a_job.finish().await.is_err());
    collect_all(&world, &library).await;
    assert_eq!(world.store.len(), 1);
    assert!(matches!(library.view(&user("bob"), both.id).await, Err(LibraryError::NotFound)));
    let servable = library.servable(&caller("bob"), bobs.id, Variant::Main).await.unwrap();
    assert_eq!(read(&library, &servable, None).await.unwrap(), b"both");
    assert_eq!(world.spooled(), 0);
    library.close().await;
}

#[tokio::test]
async fn d10_a_file_whose_only_viewer_has_gone_stays_as_long_as_any_that_nobody_has() {
    let mut world = World::new().await;
    world.config.collect.idle = Duration::from_secs(3_600);
    let library = world.open().await;
    let id = upload(&library, "alice", b"for bob", document()).await.unwrap().id;
    library.share(&caller("alice"), id, &[user("bob")]).await.unwrap();
    world.pass(DAY);
    library.collect().await.unwrap();
    drop(library.forget_user(&user("bob")).await.unwrap());
    world.directory.delete_account(&user("bob"), &user("deleted:1")).await.unwrap();
    world.pass(Duration::from_secs(3_599));
    library.collect().await.unwrap();
    library.view(&user("alice"), id).await.unwrap();
    world.pass(Duration::from_secs(1));
    assert!(matches!(library.view(&user("alice"), id).await, Err(LibraryError::NotFound)));
    assert_eq!(library.collect().await.unwrap().files, 1);
    library.close().await;
}

#[tokio::test]
async fn d10_a_store_that_does_not_delete_is_asked_again() {
    let world = World::new().await;
    let library = world.open().await;
    let id = upload(&library, "alice", b"words", document()).await.unwrap().id;
    library.delete(&user("alice"), id).await.unwrap();
    library.collect().await.unwrap();
    world.pass(world.config.collect.doomed);
    world.store.failures.store(1, Ordering::SeqCst);
    assert_eq!(library.collect().await.unwrap().blobs, 0);
    assert_eq!(world.store.len(), 1);
    assert_eq!(library.collect().await.unwrap().blobs, 1);
    assert_eq!(world.store.len(), 0);
    library.close().await;
}

#[tokio::test]
async fn d10_blobs_that_nothing_knows_of_are_found_and_collected() {
    let world = World::new().await;
    let library = world.open().await;
    upload(&library, "alice", b"known", Intent { keep: true, ..document() }).await.unwrap();
    world.store.blobs.lock().unwrap().insert(BlobKey([9; 32]), b"of a crash".to_vec());
    assert_eq!(world.directory.blob_state(&[9; 32]).await.unwrap(), None);
    assert_eq!(library.compare().await.unwrap(), 1);
    assert_eq!(library.compare().await.unwrap(), 0, "known from now on");
    collect_all(&world, &library).await;
    assert_eq!(world.store.len(), 1);
    library.close().await;
}

/// Uploads the same few contents and lets them go again, and reads what was confirmed.
async fn come_and_go(library: Library, name: &'static str, rounds: usize) {
    for round in 0..rounds {
        let bytes = format!("content {}", round % 3).into_bytes();
        let view = upload(&library, name, &bytes, Intent { keep: true, ..document() }).await.unwrap();
        tokio::task::yield_now().await;
        let servable = library.servable(&caller(name), view.id, Variant::Main).await.unwrap();
        assert_eq!(read(&library, &servable, None).await.unwrap(), bytes);
        library.delete(&user(name), view.id).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d10_what_is_confirmed_is_there_while_the_same_bytes_are_collected() {
    let mut world = World::new().await;
    // Without graces everything meets everything.
    world.config.collect.doomed = Duration::ZERO;
    world.config.collect.on_its_way = Duration::ZERO;
    world.config.quota.uploads_per_hour_max = 1_000_000;
    let folder = Folder::open(&world.folder.path().join("blobs")).unwrap();
    let library = world.open_with(Arc::new(folder.clone())).await;
    let people = ["alice", "bob", "carol"].map(|name| tokio::spawn(come_and_go(library.clone(), name, 20)));
    let done = Arc::new(AtomicBool::new(false));
    let collector = {
        let (library, done) = (library.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                library.collect().await.unwrap();
            }
        })
    };
    for person in people {
        person.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    collector.await.unwrap();
    collect_all(&world, &library).await;
    assert!(folder.list(None, 10).await.unwrap().is_empty(), "in the end nobody has anything");
    assert_eq!(world.directory.blobs().await.unwrap(), (0, 0));
    library.close().await;
}
