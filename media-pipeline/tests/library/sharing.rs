//! Who may see what: owners, those they share with, links, and once.

use crate::world::{DAY, World, caller, collect_all, document, on, picture, read, upload, user};
use std::time::Duration;
use tertulia_common::MediaId;
use tertulia_media_pipeline::library::{Intent, Library, LibraryError, MediaState, SHARE_MAX, SignedLink, Variant};

async fn sees(library: &Library, name: &str, id: MediaId) -> bool {
    match library.servable(&caller(name), id, Variant::Main).await {
        Ok(_) => true,
        Err(LibraryError::NotFound) => false,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn d5_a_stranger_learns_the_same_of_anothers_file_as_of_none() {
    let world = World::new().await;
    let library = world.open().await;
    let there = upload(&library, "alice", b"words", document()).await.unwrap().id;
    let absent = MediaId::new(tertulia_common::Timestamp(1), 1);
    let (bob, phone) = (user("bob"), caller("bob"));
    for id in [there, absent] {
        let answers = [
            library.view(&bob, id).await.err(),
            library.servable(&phone, id, Variant::Main).await.err(),
            library.servable(&phone, id, Variant::ThumbWebp).await.err(),
            library.sign_link(&bob, id, Variant::Main, DAY).await.err(),
            library.share(&phone, id, &[user("carol")]).await.err(),
            library.unshare(&bob, id, &[user("carol")]).await.err(),
            library.keep(&bob, id, true).await.err(),
            library.delete(&bob, id).await.err(),
            library.open_once(&phone, id).await.err(),
            library.opened(&phone, id).await.err(),
        ];
        assert!(answers.iter().all(|answer| matches!(answer, Some(LibraryError::NotFound))), "{answers:?}");
    }
    assert!(sees(&library, "alice", there).await);
    library.close().await;
}

#[tokio::test]
async fn d5_a_share_ends_with_unshare_a_block_or_the_file() {
    let world = World::new().await;
    let library = world.open().await;
    let id = upload(&library, "alice", b"words", document()).await.unwrap().id;
    let alice = caller("alice");
    for (to, expected) in [(vec![], "none"), (vec![user("alice")], "only oneself")] {
        let refused = library.share(&alice, id, &to).await;
        assert!(matches!(refused, Err(LibraryError::Recipients { .. })), "{expected}");
    }
    let crowd: Vec<_> = (0..=SHARE_MAX).map(|number| user(&format!("u{number}"))).collect();
    assert!(matches!(library.share(&alice, id, &crowd).await, Err(LibraryError::Recipients { .. })));
    assert!(matches!(library.share(&alice, id, &[user("nobody")]).await, Err(LibraryError::UnknownUser)));

    assert_eq!(library.share(&alice, id, &[user("bob"), user("bob")]).await.unwrap(), id);
    assert!(sees(&library, "bob", id).await && !sees(&library, "carol", id).await);
    assert!(!library.view(&user("bob"), id).await.unwrap().is_mine);
    assert!(library.list(&user("bob"), None, 10).await.unwrap().media.is_empty());
    world.directory.block(&user("bob"), &user("alice"), 9).await.unwrap();
    assert!(!sees(&library, "bob", id).await);
    world.directory.unblock(&user("bob"), &user("alice")).await.unwrap();
    library.unshare(&user("alice"), id, &[user("bob")]).await.unwrap();
    assert!(!sees(&library, "bob", id).await);
    library.close().await;
}

#[tokio::test]
async fn d6_a_forward_copies_nothing_and_outlives_the_original() {
    let world = World::new().await;
    let library = world.open().await;
    let original = upload(&library, "alice", b"words", document()).await.unwrap().id;
    library.share(&caller("alice"), original, &[user("bob")]).await.unwrap();
    let forwarded = library.share(&caller("bob"), original, &[user("carol")]).await.unwrap();
    assert_ne!(forwarded, original);
    assert!(sees(&library, "carol", forwarded).await && !sees(&library, "carol", original).await);
    // Again: the same file of Bob's.
    assert_eq!(library.share(&caller("bob"), original, &[user("alice")]).await.unwrap(), forwarded);
    assert_eq!(world.store.len(), 1);
    library.delete(&user("alice"), original).await.unwrap();
    collect_all(&world, &library).await;
    assert!(!sees(&library, "bob", original).await && sees(&library, "carol", forwarded).await);
    assert_eq!(world.store.len(), 1);
    library.delete(&user("bob"), forwarded).await.unwrap();
    collect_all(&world, &library).await;
    assert_eq!(world.store.len(), 0);
    library.close().await;
}

#[tokio::test]
async fn d5_a_signed_link_opens_for_anybody_until_it_ends_or_the_file_goes() {
    let world = World::new().await;
    let library = world.open().await;
    let view = upload(&library, "alice", &picture("p"), Intent { keep: true, ..Intent::default() }).await.unwrap();
    world.events.ready(view.id).await;
    let minute = Duration::from_secs(60);
    let link = library.sign_link(&user("alice"), view.id, Variant::ThumbJpeg, minute).await.unwrap();
    let servable = library.by_link(&link).await.unwrap();
    assert_eq!((servable.mime.as_str(), servable.is_cacheable), ("image/jpeg", true));
    assert_eq!(read(&library, &servable, None).await.unwrap(), b"jpeg");
    let bent = SignedLink { variant: Variant::Main, ..link.clone() };
    assert!(matches!(library.by_link(&bent).await, Err(LibraryError::BadLink)));
    world.pass(2 * minute);
    assert!(matches!(library.by_link(&link).await, Err(LibraryError::BadLink)));

    let long = library.sign_link(&user("alice"), view.id, Variant::Main, 1_000 * DAY).await.unwrap();
    world.pass(world.config.link_ttl_max + minute);
    assert!(matches!(library.by_link(&long).await, Err(LibraryError::BadLink)), "cut to the limit");
    let last = library.sign_link(&user("alice"), view.id, Variant::Main, DAY).await.unwrap();
    library.delete(&user("alice"), view.id).await.unwrap();
    assert!(matches!(library.by_link(&last).await, Err(LibraryError::NotFound)));
    library.close().await;
}

#[tokio::test]
async fn d10_a_view_once_file_is_seen_by_one_device_of_each_and_then_gone() {
    let world = World::new().await;
    let library = world.open().await;
    let once = Intent { view_once: Some(vec![user("bob"), user("carol")]), keep: true, ..Intent::default() };
    world.work.hold();
    let view = upload(&library, "alice", &picture("once"), once).await.unwrap();
    assert!(matches!(library.open_once(&caller("bob"), view.id).await, Err(LibraryError::NotReady)));
    world.work.release();
    world.events.ready(view.id).await;
    let id = view.id;
    let main = async |name: &str, device: &str| library.servable(&on(name, device), id, Variant::Main).await;
    let open = async |name: &str, device: &str| library.open_once(&on(name, device), id).await;

    // Nobody sees anything beforehand, its sender never.
    let MediaState::Ready(made) = library.view(&user("carol"), id).await.unwrap().state else { panic!() };
    assert!(made.preview.is_empty() && made.thumbhash.is_empty() && !made.has_thumbnail);
    assert!(library.list(&user("alice"), None, 10).await.unwrap().media.is_empty());
    assert!(matches!(main("alice", "phone").await, Err(LibraryError::Forbidden)));
    assert!(matches!(open("alice", "phone").await, Err(LibraryError::Forbidden)));
    assert!(matches!(main("carol", "phone").await, Err(LibraryError::Forbidden)), "not opened yet");
    let link = library.sign_link(&user("carol"), id, Variant::Main, DAY).await;
    assert!(matches!(link, Err(LibraryError::Forbidden)));
    let share = library.share(&caller("carol"), id, &[user("bob")]).await;
    assert!(matches!(share, Err(LibraryError::Forbidden)));
    assert!(matches!(library.keep(&user("alice"), id, true).await, Err(LibraryError::Forbidden)));

    let lease = open("carol", "phone").await.unwrap();
    let servable = main("carol", "phone").await.unwrap();
    assert!(!servable.is_cacheable);
    assert_eq!(read(&library, &servable, Some(0..4)).await.unwrap(), b"made");
    assert!(main("carol", "phone").await.is_ok(), "any number of ranges");
    assert!(matches!(library.servable(&caller("carol"), id, Variant::ThumbJpeg).await, Err(LibraryError::NotFound)));
    assert!(matches!(open("carol", "laptop").await, Err(LibraryError::Opened)));
    assert!(matches!(main("carol", "laptop").await, Err(LibraryError::Opened)));
    assert_eq!(open("carol", "phone").await.unwrap(), lease);
    library.opened(&on("carol", "phone"), id).await.unwrap();
    assert!(matches!(main("carol", "phone").await, Err(LibraryError::Opened)));
    assert!(matches!(open("carol", "phone").await, Err(LibraryError::Opened)));

    // Bob's lease runs out by itself: then all have seen it.
    open("bob", "phone").await.unwrap();
    world.pass(Duration::from_secs(60));
    assert!(matches!(main("bob", "phone").await, Err(LibraryError::NotFound)));
    collect_all(&world, &library).await;
    assert_eq!(world.store.len(), 0);
    library.close().await;
}

#[tokio::test]
async fn d10_a_view_once_file_that_nobody_opens_goes_after_a_fortnight() {
    let world = World::new().await;
    let library = world.open().await;
    let once = Intent { view_once: Some(vec![user("bob")]), ..document() };
    let id = upload(&library, "alice", b"once", once).await.unwrap().id;
    world.pass(14 * DAY - Duration::from_millis(1));
    library.collect().await.unwrap();
    library.view(&user("bob"), id).await.unwrap();
    world.pass(Duration::from_millis(1));
    assert!(matches!(library.open_once(&caller("bob"), id).await, Err(LibraryError::NotFound)));
    collect_all(&world, &library).await;
    assert_eq!(world.store.len(), 0);
    let nobody = Intent { view_once: Some(vec![user("nobody")]), ..document() };
    assert!(matches!(library.begin(&caller("alice"), nobody).await, Err(LibraryError::UnknownUser)));
    let oneself = Intent { view_once: Some(vec![user("alice")]), ..document() };
    assert!(matches!(library.begin(&caller("alice"), oneself).await, Err(LibraryError::Recipients { .. })));
    library.close().await;
}

#[tokio::test]
async fn d5_d10_a_groups_picture_stays_as_long_as_it_is_shown_and_is_given_under_no_name_of_its_own() {
    let world = World::new().await;
    let library = world.open().await;
    let (alice, bob) = (caller("alice"), caller("bob"));
    let paper = upload(&library, "alice", b"words", document()).await.unwrap().id;
    assert!(matches!(library.to_show(&alice, paper).await, Err(LibraryError::Refused(_))), "a paper is no picture");
    let wood = upload(&library, "alice", &picture("wood"), Intent::default()).await.unwrap().id;
    world.events.ready(wood).await;
    assert!(matches!(library.to_show(&bob, wood).await, Err(LibraryError::NotFound)), "bob can't see it");
    assert_eq!(library.to_show(&alice, wood).await.unwrap(), wood);
    for _ in 0..2 {
        library.shown(&alice.user, wood, "walks").await.unwrap();
    }
    library.shown(&alice.user, wood, "talks").await.unwrap();
    world.pass(DAY);
    collect_all(&world, &library).await;
    assert!(library.servable_shown(wood, Variant::ThumbJpeg).await.is_ok(), "it is shown");
    assert!(!sees(&library, "bob", wood).await);

    library.not_shown(wood, "walks").await.unwrap();
    world.pass(DAY);
    collect_all(&world, &library).await;
    assert!(library.servable_shown(wood, Variant::ThumbJpeg).await.is_ok(), "the other group shows it");
    library.not_shown(wood, "talks").await.unwrap();
    world.pass(DAY);
    collect_all(&world, &library).await;
    assert!(matches!(library.servable_shown(wood, Variant::ThumbJpeg).await, Err(LibraryError::NotFound)));
    library.close().await;
}
