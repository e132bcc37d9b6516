//! What is asked for again and again is answered without the database, and never after it has been taken away.

use crate::world::{DAY, World, caller, document, on, picture, read, upload, user};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tertulia_common::MediaId;
use tertulia_media_pipeline::library::{Intent, Library, LibraryError, Servable, Variant};

async fn thumbnail(library: &Library, name: &str, id: MediaId) -> Result<Servable, LibraryError> {
    library.servable(&caller(name), id, Variant::ThumbWebp).await
}

/// A picture of Alice's that Bob and Carol have, ready.
async fn shared_picture(world: &World, library: &Library, text: &str) -> MediaId {
    let id = upload(library, "alice", &picture(text), Intent::default()).await.unwrap().id;
    world.events.ready(id).await;
    library.share(&caller("alice"), id, &[user("bob"), user("carol")]).await.unwrap();
    id
}

#[tokio::test]
async fn d12_a_hot_thumbnail_is_served_by_link_and_to_people_without_the_database() {
    let world = World::new().await;
    let library = world.open().await;
    let (hot, cold) = (shared_picture(&world, &library, "hot").await, shared_picture(&world, &library, "cold").await);
    let link = library.sign_link(&user("alice"), hot, Variant::ThumbJpeg, DAY).await.unwrap();
    let cold_link = library.sign_link(&user("alice"), cold, Variant::ThumbJpeg, DAY).await.unwrap();
    for name in ["alice", "bob"] {
        let servable = thumbnail(&library, name, hot).await.unwrap();
        assert_eq!(read(&library, &servable, None).await.unwrap(), b"webp");
    }
    let servable = library.by_link(&link).await.unwrap();
    assert_eq!(read(&library, &servable, None).await.unwrap(), b"jpeg");

    world.directory.clone().close().await.unwrap();
    for name in ["alice", "bob"] {
        let servable = thumbnail(&library, name, hot).await.unwrap();
        assert_eq!(read(&library, &servable, None).await.unwrap(), b"webp");
    }
    let servable = library.by_link(&link).await.unwrap();
    assert_eq!(read(&library, &servable, None).await.unwrap(), b"jpeg");
    // What was never asked for is not known.
    assert!(matches!(thumbnail(&library, "carol", hot).await, Err(LibraryError::Directory(_))));
    assert!(matches!(library.by_link(&cold_link).await, Err(LibraryError::Directory(_))));
}

#[tokio::test]
async fn d12_what_is_taken_away_is_refused_at_once_however_hot_it_was() {
    let world = World::new().await;
    let library = world.open().await;
    let (alice, bob) = (user("alice"), user("bob"));
    let id = shared_picture(&world, &library, "a").await;
    let link = library.sign_link(&alice, id, Variant::ThumbWebp, DAY).await.unwrap();
    let sees = async |name: &str| match thumbnail(&library, name, id).await {
        Ok(_) => true,
        Err(LibraryError::NotFound) => false,
        Err(other) => panic!("{other}"),
    };
    for name in ["alice", "bob", "carol"] {
        assert!(sees(name).await && sees(name).await);
    }
    library.by_link(&link).await.unwrap();

    library.unshare(&alice, id, std::slice::from_ref(&bob)).await.unwrap();
    assert!(!sees("bob").await && sees("carol").await);
    // Shared again, it is there again.
    library.share(&caller("alice"), id, std::slice::from_ref(&bob)).await.unwrap();
    assert!(sees("bob").await);
    world.directory.block(&bob, &alice, 9).await.unwrap();
    assert!(!sees("bob").await && sees("carol").await);
    world.directory.unblock(&bob, &alice).await.unwrap();
    assert!(sees("bob").await);
    drop(library.forget_user(&user("carol")).await.unwrap());
    assert!(!sees("carol").await && sees("bob").await);

    library.delete(&alice, id).await.unwrap();
    assert!(!sees("alice").await && !sees("bob").await);
    assert!(matches!(library.by_link(&link).await, Err(LibraryError::NotFound)));
    library.close().await;
}

#[tokio::test]
async fn d12_a_file_ends_at_its_end_also_where_it_is_remembered_and_later_if_it_was_put_off() {
    let world = World::new().await;
    let library = world.open().await;
    let alice = user("alice");
    let id = upload(&library, "alice", b"words", document()).await.unwrap().id;
    let link = library.sign_link(&alice, id, Variant::Main, 5 * DAY).await.unwrap();
    library.by_link(&link).await.unwrap();
    library.keep(&alice, id, true).await.unwrap();
    world.pass(2 * DAY);
    library.by_link(&link).await.unwrap();
    // Let go, it goes after a day: nothing is collected here, only the time passes.
    library.keep(&alice, id, false).await.unwrap();
    library.by_link(&link).await.unwrap();
    world.pass(DAY + Duration::from_secs(1));
    assert!(matches!(library.by_link(&link).await, Err(LibraryError::NotFound)));
    assert!(matches!(library.servable(&caller("alice"), id, Variant::Main).await, Err(LibraryError::NotFound)));
    library.close().await;
}

#[tokio::test]
async fn d12_what_is_seen_once_is_asked_of_the_database_each_time() {
    let world = World::new().await;
    let library = world.open().await;
    let intent = Intent { view_once: Some(vec![user("bob"), user("carol")]), ..document() };
    let id = upload(&library, "alice", b"once", intent).await.unwrap().id;
    let phone = on("bob", "phone");
    library.open_once(&phone, id).await.unwrap();
    for _ in 0..3 {
        library.servable(&phone, id, Variant::Main).await.unwrap();
    }
    library.opened(&phone, id).await.unwrap();
    assert!(matches!(library.servable(&phone, id, Variant::Main).await, Err(LibraryError::Opened)));
    library.open_once(&caller("carol"), id).await.unwrap();
    library.servable(&caller("carol"), id, Variant::Main).await.unwrap();
    // Her minute is over; and the sender may not look at all.
    world.pass(Duration::from_secs(61));
    assert!(library.servable(&caller("carol"), id, Variant::Main).await.is_err());
    let nobody_kept_it = world.directory.clone();
    nobody_kept_it.close().await.unwrap();
    assert!(matches!(library.servable(&phone, id, Variant::Main).await, Err(LibraryError::Directory(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_no_look_that_begins_after_a_deletion_finds_the_file_though_many_look() {
    let world = World::new().await;
    let library = world.open().await;
    for round in 0..20 {
        let id = shared_picture(&world, &library, &format!("{round}")).await;
        let link = library.sign_link(&user("alice"), id, Variant::ThumbWebp, DAY).await.unwrap();
        let gone = Arc::new(AtomicBool::new(false));
        let mut looking = tokio::task::JoinSet::new();
        for name in ["alice", "bob", "carol"] {
            let (library, link, gone) = (library.clone(), link.clone(), Arc::clone(&gone));
            looking.spawn(async move {
                loop {
                    let was_gone = gone.load(Ordering::SeqCst);
                    let found = thumbnail(&library, name, id).await.is_ok();
                    let linked = library.by_link(&link).await.is_ok();
                    assert!(!was_gone || (!found && !linked), "{name} still has it");
                    if was_gone {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        tokio::task::yield_now().await;
        // Whoever deletes does not wait for the answer; the deletion is seen to its end.
        let mut deleting = Box::pin(async {
            library.delete(&user("alice"), id).await.ok();
        });
        if round % 2 == 0 {
            deleting.await;
        } else {
            assert!(futures_util::poll!(&mut deleting).is_pending());
            drop(deleting);
            crate::world::until(async || {
                world.directory.media(id, tertulia_common::Timestamp(1)).await.unwrap().is_none()
            })
            .await;
            // That it is gone from the database was seen from outside: who is told of it is told a moment later.
            crate::world::until(async || library.by_link(&link).await.is_err()).await;
        }
        gone.store(true, Ordering::SeqCst);
        while let Some(looked) = looking.join_next().await {
            looked.unwrap();
        }
    }
    library.close().await;
}
