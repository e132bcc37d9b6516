//! The program ends between any two steps: what was confirmed is there in the next run, what was not is cleaned up.
//!
//! A run is a runtime of its own that is torn down where it stands.

use crate::world::{World, caller, collect_all, document, picture, read, upload, user};
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tertulia_common::MediaId;
use tertulia_media_pipeline::library::{Intent, Library, LibraryError, Variant};
use tokio::runtime::Runtime;

/// Does this in a run, and ends it at once.
fn run<T>(script: impl Future<Output = T>) -> T {
    let runtime = Runtime::new().unwrap();
    let result = runtime.block_on(script);
    runtime.shutdown_timeout(Duration::ZERO);
    result
}

async fn is_whole(world: &World, library: &Library, id: MediaId) {
    world.events.ready(id).await;
    let servable = library.servable(&caller("alice"), id, Variant::Main).await.unwrap();
    assert!(read(library, &servable, None).await.unwrap().starts_with(b"made: "));
    world.spool_holds(0).await;
}

async fn a_put_hangs(world: &World) {
    crate::world::until(async || world.store.hanging.load(Ordering::SeqCst) > 0).await;
}

/// A directory's connections belong to the runtime that made them.
async fn reopen(world: &mut World) {
    world.directory = tertulia_directory::Directory::open(&world.folder.path().join("directory.db")).await.unwrap();
}

#[test]
fn d1_killed_while_a_worker_works() {
    let (mut world, id) = run(async {
        let world = World::new().await;
        let library = world.open().await;
        world.work.hold();
        let id = upload(&library, "alice", &picture("p"), Intent::default()).await.unwrap().id;
        crate::world::until(async || world.work.begun() == 1).await;
        (world, id)
    });
    run(async {
        reopen(&mut world).await;
        world.work.release();
        let library = world.open().await;
        is_whole(&world, &library, id).await;
        library.close().await;
    });
}

#[test]
fn d5_killed_while_what_was_made_is_put() {
    let (mut world, id) = run(async {
        let world = World::new().await;
        let library = world.open().await;
        world.store.hangs.store(1, Ordering::SeqCst);
        let id = upload(&library, "alice", &picture("p"), Intent::default()).await.unwrap().id;
        a_put_hangs(&world).await;
        (world, id)
    });
    run(async {
        reopen(&mut world).await;
        world.store.hangs.store(0, Ordering::SeqCst);
        let library = world.open().await;
        is_whole(&world, &library, id).await;
        assert_eq!(world.work.begun(), 2);
        library.close().await;
    });
}

#[test]
fn d5_killed_while_a_document_is_put() {
    let mut world = run(async {
        let world = World::new().await;
        let library = world.open().await;
        world.store.hangs.store(1, Ordering::SeqCst);
        let task = library.clone();
        tokio::spawn(async move { upload(&task, "alice", b"words", document()).await });
        a_put_hangs(&world).await;
        world
    });
    run(async {
        reopen(&mut world).await;
        world.store.hangs.store(0, Ordering::SeqCst);
        // It may have been put all the same.
        let key = <sha2::Sha256 as sha2::Digest>::digest(b"words").into();
        let key = tertulia_media_pipeline::store::BlobKey(key);
        world.store.blobs.lock().unwrap().insert(key, b"words".to_vec());
        let library = world.open().await;
        assert!(library.list(&user("alice"), None, 10).await.unwrap().media.is_empty(), "it was not confirmed");
        assert_eq!((world.spooled(), world.directory.media_usage(&user("alice")).await.unwrap()), (0, (0, 0)));
        world.pass(world.config.collect.on_its_way);
        collect_all(&world, &library).await;
        assert_eq!(world.store.len(), 0);
        library.close().await;
    });
}

#[test]
fn d10_killed_while_a_blob_is_deleted() {
    let mut world = run(async {
        let world = World::new().await;
        let library = world.open().await;
        let id = upload(&library, "alice", b"words", document()).await.unwrap().id;
        library.delete(&user("alice"), id).await.unwrap();
        library.collect().await.unwrap();
        world.pass(world.config.collect.doomed);
        world.store.hangs.store(1, Ordering::SeqCst);
        let task = library.clone();
        tokio::spawn(async move { task.collect().await });
        a_put_hangs(&world).await;
        world
    });
    run(async {
        reopen(&mut world).await;
        world.store.hangs.store(0, Ordering::SeqCst);
        let library = world.open().await;
        // Sent again before the collection has finished: not confirmed upon a blob that is about to go.
        let task = library.clone();
        let again = tokio::spawn(async move { upload(&task, "alice", b"words", document()).await });
        tokio::task::yield_now().await;
        library.collect().await.unwrap();
        let id = again.await.unwrap().unwrap().id;
        collect_all(&world, &library).await;
        let servable = library.servable(&caller("alice"), id, Variant::Main).await.unwrap();
        assert_eq!(read(&library, &servable, None).await.unwrap(), b"words");
        library.close().await;
    });
}

#[test]
fn d10_killed_after_a_deletion_was_confirmed() {
    let (mut world, id) = run(async {
        let world = World::new().await;
        let library = world.open().await;
        world.work.hold();
        let id = upload(&library, "alice", &picture("p"), Intent::default()).await.unwrap().id;
        crate::world::until(async || world.work.begun() == 1).await;
        library.delete(&user("alice"), id).await.unwrap();
        (world, id)
    });
    run(async {
        reopen(&mut world).await;
        world.work.release();
        let library = world.open().await;
        assert!(matches!(library.view(&user("alice"), id).await, Err(LibraryError::NotFound)));
        world.spool_holds(0).await;
        assert_eq!(world.work.begun(), 1, "nothing is made of it any more");
        library.close().await;
    });
}
