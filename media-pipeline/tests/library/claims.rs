//! Claims: who proves to have a file need not send it; who does not learns nothing.

use crate::world::{World, caller, document, picture, read, upload, user};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tertulia_media_core::Treatment;
use tertulia_media_pipeline::library::{Challenge, Intent, Library, LibraryError, MediaState, MediaView, Variant};

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What only who has the bytes can say.
fn proof(bytes: &[u8], challenge: &Challenge) -> [u8; 32] {
    let h2: [u8; 32] = Sha256::new_with_prefix(b"proof").chain_update(bytes).finalize().into();
    let mut mac = Hmac::<Sha256>::new_from_slice(&h2).unwrap();
    mac.update(&challenge.nonce);
    mac.finalize().into_bytes().into()
}

async fn claim(library: &Library, name: &str, bytes: &[u8], treatment: Treatment) -> Result<MediaView, LibraryError> {
    let challenge = library.claim_begin(&user(name), sha256(bytes), bytes.len() as u64, treatment).await.unwrap();
    library.claim_finish(&caller(name), challenge.claim, proof(bytes, &challenge), Intent::default()).await
}

fn is_nothing(claimed: &Result<MediaView, LibraryError>) -> bool {
    matches!(claimed, Err(LibraryError::NoClaim))
}

#[tokio::test]
async fn d6_who_has_the_bytes_gets_what_was_made_of_them_without_sending_them() {
    let world = World::new().await;
    let library = world.open().await;
    let bytes = picture("known");
    assert!(is_nothing(&claim(&library, "bob", &bytes, Treatment::Auto).await), "unknown");
    world.work.hold();
    let view = upload(&library, "alice", &bytes, Intent::default()).await.unwrap();
    assert!(is_nothing(&claim(&library, "bob", &bytes, Treatment::Auto).await), "not ready");
    world.work.release();
    world.events.ready(view.id).await;

    let claimed = claim(&library, "bob", &bytes, Treatment::Auto).await.unwrap();
    assert!(claimed.is_mine && claimed.id != view.id && matches!(claimed.state, MediaState::Ready(_)));
    let servable = library.servable(&caller("bob"), claimed.id, Variant::Main).await.unwrap();
    assert_eq!(read(&library, &servable, None).await.unwrap(), [b"made: ".as_slice(), &bytes].concat());
    assert!(is_nothing(&claim(&library, "bob", &bytes, Treatment::Document).await), "another treatment");
    // Alice's deletion is not Bob's.
    library.delete(&user("alice"), view.id).await.unwrap();
    library.view(&user("bob"), claimed.id).await.unwrap();
    library.close().await;
}

#[tokio::test]
async fn d6_a_bare_hash_gives_nothing_and_tells_nothing() {
    let world = World::new().await;
    let library = world.open().await;
    upload(&library, "alice", b"secret words", document()).await.unwrap();
    let begin =
        async |bytes: &[u8]| library.claim_begin(&user("bob"), sha256(bytes), 12, Treatment::Document).await.unwrap();
    let known = begin(b"secret words").await;
    let unknown = begin(b"other  words").await;
    assert_eq!(known.valid_for, unknown.valid_for);
    assert_ne!((known.claim, known.nonce), (unknown.claim, unknown.nonce));

    let finish = async |name: &str, challenge: &Challenge, proof: [u8; 32]| {
        library.claim_finish(&caller(name), challenge.claim, proof, Intent::default()).await
    };
    // With the hash for the file, with a proof for another nonce, with nobody's key, by somebody else.
    assert!(is_nothing(&finish("bob", &known, proof(&sha256(b"secret words"), &known)).await));
    assert!(is_nothing(&finish("bob", &known, proof(b"secret words", &known)).await), "one try");
    let again = begin(b"secret words").await;
    assert!(is_nothing(&finish("bob", &again, proof(b"secret words", &unknown)).await));
    let mut zero = Hmac::<Sha256>::new_from_slice(&[0; 32]).unwrap();
    zero.update(&unknown.nonce);
    assert!(is_nothing(&finish("bob", &unknown, zero.finalize().into_bytes().into()).await));
    let mine = begin(b"secret words").await;
    assert!(is_nothing(&finish("carol", &mine, proof(b"secret words", &mine)).await));
    finish("bob", &mine, proof(b"secret words", &mine)).await.unwrap();
    let late = begin(b"secret words").await;
    world.pass(late.valid_for);
    assert!(is_nothing(&finish("bob", &late, proof(b"secret words", &late)).await));
    library.close().await;
}

#[tokio::test]
async fn d6_what_is_seen_once_is_never_claimed_and_sealed_bytes_are() {
    let world = World::new().await;
    let library = world.open().await;
    let once = Intent { view_once: Some(vec![user("bob")]), ..document() };
    upload(&library, "alice", b"once", once).await.unwrap();
    assert!(is_nothing(&claim(&library, "carol", b"once", Treatment::Document).await));
    let sealed = Intent { treatment: Treatment::Sealed, ..Intent::default() };
    upload(&library, "alice", b"sealed", sealed).await.unwrap();
    let claimed = claim(&library, "carol", b"sealed", Treatment::Sealed).await.unwrap();
    assert!(matches!(claimed.state, MediaState::Ready(made) if made.mime == "application/octet-stream"));
    library.close().await;
}
