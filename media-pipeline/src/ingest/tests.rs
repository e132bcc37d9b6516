//! What is let in, what is refused, and what is left behind.

use super::*;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

const KIB: usize = 1_024;

fn spool() -> (TempDir, Spool) {
    let folder = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { files_max: 4, free_bytes_min: 0 };
    let spool = Spool::open(&folder.path().join("incoming"), limits).unwrap();
    (folder, spool)
}

fn names(folder: &TempDir) -> HashSet<String> {
    let entries = std::fs::read_dir(folder.path().join("incoming")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn announced(treatment: Treatment) -> Announced {
    let limits = Limits {
        video_bytes_max: 600 * KIB as u64,
        image_bytes_max: 20 * KIB as u64,
        file_bytes_max: 1_000 * KIB as u64,
        ..Limits::default()
    };
    Announced { treatment, limits, length: None, sha256: None }
}

fn atom(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
}

fn film(bytes: usize) -> Vec<u8> {
    [atom(b"ftyp", b"isom\0\0\0\0"), atom(b"mdat", &vec![7; bytes - 24])].concat()
}

/// A film whose index comes last and says that its data are elsewhere.
fn film_of_elsewhere(bytes: usize) -> Vec<u8> {
    let name = atom(b"url ", b"\0\0\0\0file:///etc/passwd\0");
    let dref = atom(b"dref", &[&[0, 0, 0, 0, 0, 0, 0, 1], &name[..]].concat());
    let minf = atom(b"minf", &atom(b"dinf", &dref));
    [film(bytes), atom(b"moov", &atom(b"trak", &atom(b"mdia", &minf)))].concat()
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect()
}

async fn send(ingest: &mut Ingest, bytes: &[u8], piece: usize) -> Result<(), Refusal> {
    for piece in bytes.chunks(piece) {
        ingest.write(piece).await?;
    }
    Ok(())
}

async fn take(spool: &Spool, announced: Announced, bytes: &[u8], piece: usize) -> Result<Ingested, Refusal> {
    let mut ingest = Ingest::start(spool, announced)?;
    send(&mut ingest, bytes, piece).await?;
    ingest.finish().await
}

/// The refusal; there must be one.
fn refusal(taken: Result<Ingested, Refusal>) -> Refusal {
    match taken {
        Ok(ingested) => panic!("taken as {:?}", ingested.class),
        Err(refusal) => refusal,
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

#[tokio::test]
async fn d1_what_comes_in_is_hashed_and_written_whole_however_it_is_cut() {
    let (folder, spool) = spool();
    let sizes = [1, 4_095, 4_096, 4_097, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 5];
    for bytes in sizes {
        for piece in [bytes, 65_537, 999] {
            let sent = noise(bytes);
            let ingested =
                take(&spool, announced(Treatment::Auto), &sent, piece).await.unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(ingested.bytes, bytes as u64);
            assert_eq!(ingested.sha256, sha256(&[&sent]));
            assert_eq!(ingested.h2, sha256(&[b"proof", &sent]));
            assert_eq!(ingested.class, Class::Document);
            assert_eq!(std::fs::read(ingested.spooled.path()).unwrap(), sent);
            assert_eq!(ingested.spooled.sha256().await, Ok(ingested.sha256));
        }
    }
    assert_eq!(names(&folder), HashSet::new(), "dropped is removed");
}

#[tokio::test]
async fn d2_the_first_byte_over_a_limit_ends_it_with_both_figures() {
    let (folder, spool) = spool();
    let limit = 600 * KIB;
    // Not known beforehand.
    let film = film(limit + 1);
    let mut ingest = Ingest::start(&spool, announced(Treatment::Auto)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(send(&mut ingest, &film[..limit], 10_000).await, Ok(()));
    assert_eq!(ingest.class(), Some(Class::Video));
    let refused = ingest.write(&film[limit..]).await.unwrap_err();
    assert_eq!(refused, Refusal::over(Reason::TooLarge, limit as u64, limit as u64 + 1));
    drop(ingest);
    // Known beforehand: as soon as it is clear what it is.
    let told = Announced { length: Some(900 * KIB as u64), ..announced(Treatment::Auto) };
    let mut ingest = Ingest::start(&spool, told).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(ingest.write(&film[..4_095]).await, Ok(()));
    assert_eq!(
        ingest.write(&film[4_095..4_096]).await,
        Err(Refusal::over(Reason::TooLarge, limit as u64, 900 * KIB as u64))
    );
    drop(ingest);
    // More than any file may have: at once.
    let told = Announced { length: Some(1_000 * KIB as u64 + 1), ..announced(Treatment::Document) };
    let refused = Ingest::start(&spool, told).err().unwrap();
    assert_eq!(refused, Refusal::over(Reason::TooLarge, 1_000 * KIB as u64, 1_000 * KIB as u64 + 1));
    // A picture shorter than what is looked at, and longer than it may be.
    let small = Announced { limits: Limits { image_bytes_max: 10, ..Limits::default() }, ..announced(Treatment::Auto) };
    let refused = refusal(take(&spool, small, b"\xff\xd8\xff\xe0 and so on", 3).await);
    assert_eq!(refused, Refusal::over(Reason::TooLarge, 10, 14));
    assert_eq!(spool.refused(Reason::TooLarge), 4);
    wait_until_empty(&folder).await;
}

#[tokio::test]
async fn d2_a_film_sent_as_a_document_passes_untouched() {
    let (_folder, spool) = spool();
    let sent = film_of_elsewhere(900 * KIB);
    let ingested = take(&spool, announced(Treatment::Document), &sent, 50_000).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((ingested.class, ingested.mime_of_document(Some("a.mp4"))), (Class::Document, "video/mp4"));
    assert_eq!(std::fs::read(ingested.spooled.path()).unwrap(), sent);
    let refused = refusal(take(&spool, announced(Treatment::Document), &noise(1_000 * KIB + 1), 50_000).await);
    assert_eq!(refused, Refusal::over(Reason::TooLarge, 1_000 * KIB as u64, 1_000 * KIB as u64 + 1));
}

#[tokio::test]
async fn d9_what_is_sealed_is_counted_and_not_looked_at() {
    let (_folder, spool) = spool();
    let sent = film_of_elsewhere(900 * KIB);
    let ingested = take(&spool, announced(Treatment::Sealed), &sent, 50_000).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((ingested.class, ingested.sniffed), (Class::Sealed, None));
    assert_eq!(ingested.mime_of_document(Some("a.pdf")), "application/octet-stream");
    let refused = refusal(take(&spool, announced(Treatment::Sealed), &noise(1_000 * KIB + 1), 50_000).await);
    assert_eq!(refused.reason, Reason::TooLarge);
}

#[tokio::test]
async fn d1_what_is_not_what_was_announced_is_refused() {
    let (folder, spool) = spool();
    let sent = noise(5_000);
    let auto = announced(Treatment::Auto);
    let told = |length| Announced { length: Some(length), ..auto };
    let refused = refusal(take(&spool, told(5_001), &sent, 900).await);
    assert_eq!(refused, Refusal::over(Reason::LengthMismatch, 5_001, 5_000));
    let refused = refusal(take(&spool, told(4_999), &sent, 900).await);
    assert_eq!(refused, Refusal::over(Reason::LengthMismatch, 4_999, 5_000));
    let told = |sha256| Announced { sha256: Some(sha256), ..auto };
    assert_eq!(refusal(take(&spool, told([1; 32]), &sent, 900).await), Reason::ChecksumMismatch.into());
    assert!(take(&spool, told(sha256(&[&sent])), &sent, 900).await.is_ok());
    assert_eq!(refusal(take(&spool, auto, b"", 1).await), Reason::Empty.into());
    assert_eq!(refusal(take(&spool, announced(Treatment::Sealed), b"", 1).await), Reason::Empty.into());
    assert_eq!(refusal(take(&spool, auto, b"#EXTM3U\nhttp://192.0.2.1/", 9).await), Reason::Unsupported.into());
    assert_eq!(names(&folder), HashSet::new());
}

#[tokio::test]
async fn d3_a_film_of_elsewhere_is_refused_as_soon_as_its_index_is_there() {
    let (_folder, spool) = spool();
    let film = film_of_elsewhere(500 * KIB);
    let longer = [&film[..], &vec![0; 50 * KIB]].concat();
    let mut ingest = Ingest::start(&spool, announced(Treatment::Auto)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(send(&mut ingest, &longer[..film.len()], 4_000).await, Err(Reason::External.into()));
}

#[tokio::test]
async fn d1_what_is_left_off_is_gone() {
    let (folder, spool) = spool();
    let mut ingest = Ingest::start(&spool, announced(Treatment::Auto)).unwrap_or_else(|e| panic!("{e}"));
    send(&mut ingest, &noise(2 * BLOCK_BYTES), 64 * KIB).await.unwrap();
    assert_eq!(names(&folder).len(), 1);
    drop(ingest);
    wait_until_empty(&folder).await;
}

/// A block that is being written is written to its end first.
async fn wait_until_empty(folder: &TempDir) {
    while !names(folder).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn d1_one_that_was_broken_off_goes_on_where_it_was_whatever_remembers_it() {
    let (_folder, spool) = spool();
    let auto = announced(Treatment::Auto);
    for (at, sent) in [(1_000, noise(9_000)), (4_096, film(9_000)), (300_000, film(500_000))] {
        for is_remembered in [true, false] {
            let mut ingest = Ingest::start(&spool, auto).unwrap_or_else(|e| panic!("{e}"));
            send(&mut ingest, &sent[..at], 700).await.unwrap();
            let (mut file, mut standing) = ingest.pause().await.unwrap_or_else(|e| panic!("{e}"));
            if !is_remembered {
                let name = file.keep();
                file = spool.reopen(&name, at as u64).unwrap().unwrap();
                let head = file.head(4_096).unwrap();
                standing = Standing {
                    gate: Gate::reopen(auto, &head, at as u64).unwrap_or_else(|e| panic!("{e}")),
                    hashes: None,
                };
            }
            let mut ingest = Ingest::resume(&spool, auto, file, standing);
            send(&mut ingest, &sent[at..], 700).await.unwrap();
            let ingested = ingest.finish().await.unwrap_or_else(|e| panic!("{e}"));
            assert_eq!((ingested.sha256, ingested.h2), (sha256(&[&sent]), sha256(&[b"proof", &sent])));
            assert_eq!(std::fs::read(ingested.spooled.path()).unwrap(), sent);
        }
    }
}

#[tokio::test]
async fn d3_what_an_earlier_run_has_let_in_is_looked_at_again_at_the_end() {
    let (folder, spool) = spool();
    let auto = announced(Treatment::Auto);
    let sent = film_of_elsewhere(300_000);
    let at = 299_990;
    let mut ingest = Ingest::start(&spool, auto).unwrap_or_else(|e| panic!("{e}"));
    send(&mut ingest, &sent[..at], 7_000).await.unwrap();
    let (mut file, _) = ingest.pause().await.unwrap_or_else(|e| panic!("{e}"));
    let gate = Gate::reopen(auto, &file.head(4_096).unwrap(), at as u64).unwrap_or_else(|e| panic!("{e}"));
    let mut ingest = Ingest::resume(&spool, auto, file, Standing { gate, hashes: None });
    send(&mut ingest, &sent[at..], 7_000).await.unwrap();
    assert_eq!(refusal(ingest.finish().await), Reason::External.into());
    assert_eq!(names(&folder), HashSet::new());
}

#[tokio::test]
async fn d1_the_spool_is_bounded_private_and_clean_after_a_crash() {
    let (folder, spool) = spool();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let held: Vec<SpoolFile> = (0..4).map(|_| spool.create(10).unwrap()).collect();
    assert_eq!(spool.create(10).unwrap_err(), Reason::Busy.into());
    let root = folder.path().join("incoming");
    assert_eq!((mode(&root), mode(&root.join(held[0].name()))), (0o700, 0o600));
    // A file system that is as full as it may be.
    let full = Spool::open(&root, SpoolLimits { files_max: 4, free_bytes_min: u64::MAX }).unwrap();
    assert_eq!(full.create(10).unwrap_err(), Reason::StoreUnavailable.into());
    let kept: Vec<String> = held.into_iter().map(SpoolFile::keep).collect();
    assert_eq!(names(&folder).len(), 4, "kept files stay");
    assert_eq!(spool.clean(&HashSet::from([kept[0].clone()])).unwrap(), 3);
    assert_eq!(names(&folder), HashSet::from([kept[0].clone()]));
    // Names lead nowhere else.
    std::fs::write(folder.path().join("secret"), "x").unwrap();
    assert!(spool.adopt("../secret").unwrap().is_none());
    assert!(spool.reopen("../secret", 0).unwrap().is_none());
    spool.remove("../secret");
    assert!(folder.path().join("secret").exists());
    // What is shorter than was confirmed is not gone on with; what is longer is cut.
    assert!(spool.reopen(&kept[0], 1).unwrap().is_none());
    let spooled = spool.put(b"hello".to_vec()).await.unwrap_or_else(|e| panic!("{e}"));
    let name = spooled.keep();
    let cut = spool.reopen(&name, 2).unwrap().unwrap().finish().await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(std::fs::read(cut.path()).unwrap(), b"he");
}

#[tokio::test]
async fn d1_a_disk_that_is_full_ends_an_upload_wherever_it_is() {
    let (folder, spool) = spool();
    for blocks in [1, 2, 7] {
        let mut file = spool.create(0).unwrap();
        file.redirect(std::fs::File::options().write(true).open("/dev/full").unwrap());
        let mut writer = Writer::new(file, Some(Hashes::new()));
        let mut written = Ok(());
        for _ in 0..blocks {
            written = writer.write(&noise(BLOCK_BYTES)).await;
        }
        // Two blocks are taken before anybody knows; the third waits for the first.
        assert!(blocks < 3 || written == Err(Reason::StoreUnavailable.into()), "{blocks} blocks: {written:?}");
        assert_eq!(writer.finish(None).await.err(), Some(Reason::StoreUnavailable.into()));
    }
    wait_until_empty(&folder).await;
}
