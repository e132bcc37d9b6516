//! Uploads: confirmed when they would survive, one content for the same bytes, refused with figures.

use crate::world::{World, caller, document, picture, read, upload, user};
use std::sync::atomic::Ordering;
use tertulia_media_core::tus::Metadata;
use tertulia_media_core::{Class, Reason, Refusal, Treatment};
use tertulia_media_pipeline::library::{Intent, LibraryError, MediaState, Variant};

#[tokio::test]
async fn d1_a_document_is_there_as_it_came_when_its_upload_is_done() {
    let world = World::new().await;
    let library = world.open().await;
    let intent = Intent { file_name: Some("notes.txt".to_owned()), ..document() };
    let view = upload(&library, "alice", b"some words", intent).await.unwrap();
    assert_eq!((view.class, view.file_name.as_deref(), view.is_mine), (Class::Document, Some("notes.txt"), true));
    let MediaState::Ready(made) = &view.state else { panic!("{view:?}") };
    assert_eq!((made.bytes, made.has_thumbnail), (10, false));

    let servable = library.servable(&caller("alice"), view.id, Variant::Main).await.unwrap();
    assert_eq!((servable.bytes, servable.is_cacheable, servable.etag().len()), (10, true, 32));
    assert_eq!(read(&library, &servable, None).await.unwrap(), b"some words");
    assert_eq!(read(&library, &servable, Some(5..10)).await.unwrap(), b"words");
    assert!(matches!(
        library.servable(&caller("alice"), view.id, Variant::ThumbJpeg).await,
        Err(LibraryError::NotFound)
    ));
    assert_eq!(library.list(&user("alice"), None, 10).await.unwrap().media, [view]);
    assert_eq!(world.spooled(), 0);
    library.close().await;
}

#[tokio::test]
async fn d1_a_dropped_upload_leaves_nothing() {
    let world = World::new().await;
    let library = world.open().await;
    let mut upload = library.begin(&caller("alice"), document()).await.unwrap();
    upload.write(b"half of it").await.unwrap();
    drop(upload);
    world.spool_holds(0).await;
    assert!(library.list(&user("alice"), None, 10).await.unwrap().media.is_empty());
    library.close().await;
}

#[tokio::test]
async fn d6_the_same_bytes_sent_by_many_at_once_are_one_job_and_one_blob() {
    let world = World::new().await;
    let library = world.open().await;
    world.work.hold();
    let bytes = picture("the same");
    let uploads = ["alice", "bob", "carol", "alice"].map(|name| {
        let (library, bytes) = (library.clone(), bytes.clone());
        tokio::spawn(async move { upload(&library, name, &bytes, Intent::default()).await.unwrap() })
    });
    let mut ids = Vec::new();
    for task in uploads {
        let view = task.await.unwrap();
        assert!(matches!(view.state, MediaState::Processing(_)));
        ids.push(view.id);
    }
    world.spool_holds(4).await; // one input, and the three outputs of its job
    world.work.release();
    for id in &ids {
        world.events.ready(*id).await;
    }
    assert_eq!((world.work.begun(), world.store.puts.load(Ordering::SeqCst)), (1, 3));
    for (name, id) in [("bob", ids[1]), ("carol", ids[2])] {
        let servable = library.servable(&caller(name), id, Variant::Main).await.unwrap();
        assert_eq!(read(&library, &servable, None).await.unwrap(), [b"made: ".as_slice(), &bytes].concat());
    }
    // And once more, when it is there: ready at once.
    let again = upload(&library, "bob", &bytes, Intent::default()).await.unwrap();
    assert!(matches!(again.state, MediaState::Ready(_)));
    assert_eq!((world.work.begun(), world.store.puts.load(Ordering::SeqCst)), (1, 3));
    world.spool_holds(0).await;

    // The same document, by all at once: one blob as well.
    let documents = ["alice", "bob", "carol"].map(|name| {
        let library = library.clone();
        tokio::spawn(async move { upload(&library, name, b"words", document()).await.unwrap() })
    });
    for task in documents {
        task.await.unwrap();
    }
    assert_eq!(world.store.len(), 4);
    library.close().await;
}

#[tokio::test]
async fn d2_quotas_are_refused_with_their_figures_and_deleting_makes_room() {
    let mut world = World::new().await;
    world.config.quota.bytes_max = 25;
    world.config.quota.files_max = 2;
    let library = world.open().await;
    let over = |actual| Refusal::over(Reason::Quota, 25, actual);
    let first = upload(&library, "alice", &[1; 15], document()).await.unwrap();
    let refused = library.begin(&caller("alice"), Intent { length: Some(11), ..document() }).await;
    assert!(matches!(refused, Err(LibraryError::Refused(refusal)) if refusal == over(26)));
    let refused = upload(&library, "alice", &[2; 11], document()).await;
    assert!(matches!(refused, Err(LibraryError::Refused(refusal)) if refusal == over(26)));
    upload(&library, "alice", &[3; 10], document()).await.unwrap();
    let refused = upload(&library, "alice", &[4; 1], document()).await;
    assert!(matches!(refused, Err(LibraryError::Refused(Refusal { reason: Reason::Quota, .. }))));
    upload(&library, "bob", &[2; 11], document()).await.unwrap();
    library.delete(&user("alice"), first.id).await.unwrap();
    upload(&library, "alice", &[2; 11], document()).await.unwrap();
    assert_eq!(world.spooled(), 0);
    library.close().await;
}

#[tokio::test]
async fn d2_what_is_refused_by_the_worker_is_told_with_its_figures_and_its_bytes_go() {
    let world = World::new().await;
    let library = world.open().await;
    let refusal = Refusal::over(Reason::TooManyPixels, 40_000_000, 900_000_000);
    *world.work.refuses.lock().unwrap() = Some(refusal);
    let view = upload(&library, "alice", &picture("bomb"), Intent { keep: true, ..Intent::default() }).await.unwrap();
    let told = world.events.wait(|told| matches!(told, crate::world::Told::Rejected(..))).await;
    let device = Some("phone".parse().unwrap());
    assert_eq!(told, crate::world::Told::Rejected(user("alice"), device, view.id, refusal));
    assert_eq!(library.view(&user("alice"), view.id).await.unwrap().state, MediaState::Refused(refusal));
    let servable = library.servable(&caller("alice"), view.id, Variant::Main).await;
    assert!(matches!(servable, Err(LibraryError::NotReady)));
    world.spool_holds(0).await;
    assert_eq!(world.store.len(), 0);
    world.pass(world.config.collect.idle);
    assert!(matches!(library.view(&user("alice"), view.id).await, Err(LibraryError::NotFound)));
    library.close().await;
}

#[tokio::test]
async fn d1_a_resumable_upload_becomes_a_file_once_and_ends_with_its_account() {
    let world = World::new().await;
    let library = world.open().await;
    let (alice, phone) = (user("alice"), "phone".parse().unwrap());
    // filename "a.txt", as "document", keep "1".
    let metadata = Metadata::parse(Some("filename YS50eHQ=,as ZG9jdW1lbnQ=,keep MQ==")).unwrap();
    let body = |bytes: &'static [u8]| futures_util::stream::iter([Ok(bytes::Bytes::from_static(bytes))]);
    let created = library.tus().create(&alice, &phone, 10, metadata.clone()).await.unwrap();
    let half = library.tus().append(&alice, created.id, 0, None, body(b"some ")).await.unwrap();
    assert_eq!((half.offset, half.media), (5, None));
    library.close().await;

    // The next run goes on with it.
    let library = world.open().await;
    let whole = library.tus().append(&alice, created.id, 5, None, body(b"words")).await.unwrap();
    let id = whole.media.unwrap();
    let view = library.view(&alice, id).await.unwrap();
    assert_eq!((view.treatment, view.file_name.as_deref(), view.keep), (Treatment::Document, Some("a.txt"), true));
    let servable = library.servable(&caller("alice"), id, Variant::Main).await.unwrap();
    assert_eq!(read(&library, &servable, None).await.unwrap(), b"some words");
    assert_eq!(library.tus().status(&alice, created.id).await.unwrap().media, Some(id));
    world.spool_holds(0).await;

    let second = library.tus().create(&alice, &phone, 10, metadata).await.unwrap();
    library.tus().append(&alice, second.id, 0, None, body(b"half")).await.unwrap();
    assert_eq!(world.spooled(), 1);
    library.forget_user(&alice).await.unwrap();
    assert_eq!(world.spooled(), 0);
    assert!(library.tus().status(&alice, second.id).await.is_err());
    assert!(matches!(library.view(&alice, id).await, Err(LibraryError::NotFound)));
    library.close().await;
}
