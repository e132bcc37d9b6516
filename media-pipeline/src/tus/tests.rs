//! Resumable uploads against rows in memory: what a client is told holds, whatever breaks.

use super::*;
use crate::hash::Sha1;
use crate::ingest::{Spool, SpoolLimits};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tempfile::TempDir;
use tertulia_media_core::tus::Checksum;
use tertulia_media_core::{Class, Reason};
use tokio::sync::mpsc;

/// Rows in memory.
#[derive(Default)]
struct Memory {
    rows: Mutex<HashMap<UploadId, UploadRow>>,
    is_broken: AtomicBool,
}

impl Memory {
    fn with<T: Send + 'static>(
        &self,
        then: impl FnOnce(&mut HashMap<UploadId, UploadRow>) -> T,
    ) -> BoxFuture<'_, Result<T, RowsError>> {
        let done = match self.is_broken.load(Ordering::SeqCst) {
            true => Err(RowsError("broken".to_owned())),
            false => Ok(then(&mut self.rows.lock())),
        };
        async move { done }.boxed()
    }
}

impl UploadRows for Memory {
    fn create(&self, row: UploadRow) -> BoxFuture<'_, Result<(), RowsError>> {
        self.with(|rows| drop(rows.insert(row.id, row)))
    }

    fn get(&self, id: UploadId) -> BoxFuture<'_, Result<Option<UploadRow>, RowsError>> {
        self.with(|rows| rows.get(&id).cloned())
    }

    fn advance(&self, id: UploadId, offset: u64, expires_at: Timestamp) -> BoxFuture<'_, Result<(), RowsError>> {
        self.with(|rows| {
            let row = rows.get_mut(&id).unwrap();
            (row.offset, row.expires_at) = (offset, expires_at);
        })
    }

    fn complete(&self, id: UploadId, media: MediaId, expires_at: Timestamp) -> BoxFuture<'_, Result<(), RowsError>> {
        self.with(|rows| {
            let row = rows.get_mut(&id).unwrap();
            (row.media, row.expires_at) = (Some(media), expires_at);
        })
    }

    fn remove(&self, id: UploadId) -> BoxFuture<'_, Result<(), RowsError>> {
        self.with(|rows| drop(rows.remove(&id)))
    }

    fn count(&self, owner: UserId) -> BoxFuture<'_, Result<(u64, u64), RowsError>> {
        self.with(|rows| {
            let open = rows.values().filter(|row| row.media.is_none());
            let mine = open.clone().filter(|row| row.owner == owner).count();
            (mine as u64, open.count() as u64)
        })
    }

    fn expired(&self, now: Timestamp, _limit: u64) -> BoxFuture<'_, Result<Vec<UploadRow>, RowsError>> {
        self.with(|rows| rows.values().filter(|row| row.expires_at <= now).cloned().collect())
    }

    fn unfinished(&self, _limit: u64) -> BoxFuture<'_, Result<Vec<UploadRow>, RowsError>> {
        self.with(|rows| rows.values().filter(|row| row.media.is_none() && row.offset == row.length).cloned().collect())
    }

    fn files(&self) -> BoxFuture<'_, Result<HashSet<String>, RowsError>> {
        self.with(|rows| rows.values().filter(|row| row.media.is_none()).map(|row| row.file.clone()).collect())
    }
}

type Taken = (Class, Vec<u8>, [u8; 32]);
type Item = Result<Bytes, Refusal>;

/// A library that remembers what it was given: the class, the bytes and their hash.
#[derive(Default)]
struct Library {
    taken: Mutex<Vec<Taken>>,
    /// Names of what stays in the spool, as the inputs of jobs do.
    kept: Mutex<Vec<String>>,
    is_full: AtomicBool,
    is_broken: AtomicBool,
}

impl Accept for Library {
    fn admit<'a>(&'a self, _owner: &'a UserId, _length: u64) -> BoxFuture<'a, Result<(), AcceptError>> {
        let full = self.is_full.load(Ordering::SeqCst);
        async move { if full { Err(Refusal::from(Reason::Quota).into()) } else { Ok(()) } }.boxed()
    }

    fn accept<'a>(&'a self, upload: &'a UploadRow, whole: Ingested) -> BoxFuture<'a, Result<MediaId, AcceptError>> {
        async move {
            if self.is_broken.load(Ordering::SeqCst) {
                return Err(AcceptError::Failed("broken".to_owned()));
            }
            let bytes = std::fs::read(whole.spooled.path()).unwrap();
            assert_eq!(whole.h2, sha256(&[b"proof", &bytes]));
            self.taken.lock().push((whole.class, bytes, whole.sha256));
            if whole.class.is_processed() {
                self.kept.lock().push(whole.spooled.keep());
            }
            Ok(MediaId::new(Timestamp(1), upload.id.0))
        }
        .boxed()
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

struct House {
    folder: TempDir,
    rows: Arc<Memory>,
    library: Arc<Library>,
    now: Arc<AtomicU64>,
    uploads: Uploads,
}

const TTL_MS: u64 = 1_000_000;

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (rows, library) = (Arc::new(Memory::default()), Arc::new(Library::default()));
        let now = Arc::new(AtomicU64::new(1_000));
        let uploads = Self::open(&folder, &rows, &library, &now);
        Self { folder, rows, library, now, uploads }
    }

    fn open(folder: &TempDir, rows: &Arc<Memory>, library: &Arc<Library>, now: &Arc<AtomicU64>) -> Uploads {
        let limits = SpoolLimits { files_max: 64, free_bytes_min: 0 };
        let spool = Spool::open(&folder.path().join("incoming"), limits).unwrap();
        let config = TusConfig {
            ttl: Duration::from_millis(TTL_MS),
            of_user_max: 3,
            all_max: 4,
            checkpoint: Duration::ZERO,
            yield_within: Duration::from_secs(60),
        };
        let clock = Arc::clone(now);
        let limits = Limits { file_bytes_max: 3_000_000, image_bytes_max: 5_000, ..Limits::default() };
        let clock: Clock = Arc::new(move || Timestamp(clock.load(Ordering::SeqCst)));
        Uploads::new(spool, limits, config, rows.clone(), library.clone(), clock)
    }

    /// The program is killed, and another run begins.
    fn restart(&mut self) {
        self.uploads = Self::open(&self.folder, &self.rows, &self.library, &self.now);
    }

    async fn create(&self, length: usize, metadata: &str) -> Status {
        self.try_create(&user("ana"), length, metadata).await.unwrap()
    }

    async fn try_create(&self, owner: &UserId, length: usize, metadata: &str) -> Result<Status, TusError> {
        let metadata = Metadata::parse(Some(metadata)).unwrap();
        self.uploads.create(owner, &device(), length as u64, metadata).await
    }

    async fn append(&self, id: UploadId, offset: usize, bytes: &[u8]) -> Result<Status, TusError> {
        self.uploads.append(&user("ana"), id, offset as u64, None, body(bytes)).await
    }

    async fn offset(&self, id: UploadId) -> u64 {
        self.uploads.status(&user("ana"), id).await.unwrap().offset
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("incoming")).unwrap().count()
    }
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn device() -> DeviceId {
    "phone".parse().unwrap()
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect()
}

fn body(bytes: &[u8]) -> BoxStream<'static, Item> {
    let pieces: Vec<_> = bytes.chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces).boxed()
}

fn broken(bytes: &[u8]) -> BoxStream<'static, Item> {
    body(bytes).chain(stream::iter([Err(Refusal::from(Reason::Stalled))])).boxed()
}

#[tokio::test]
async fn d1_an_upload_in_pieces_becomes_one_file() {
    let house = House::new();
    let sent = noise(700_001);
    let status = house.create(sent.len(), "filename YS50eHQ=,as ZG9jdW1lbnQ=").await;
    assert_eq!((status.offset, status.metadata.file_name()), (0, Some("a.txt")));
    for (from, to) in [(0, 5), (5, 300_000), (300_000, 300_000), (300_000, 700_000)] {
        let status = house.append(status.id, from, &sent[from..to]).await.unwrap();
        assert_eq!((status.offset, status.media), (to as u64, None));
    }
    let done = house.append(status.id, 700_000, &sent[700_000..]).await.unwrap();
    assert!(done.media.is_some() && done.offset == done.length);
    assert_eq!(*house.library.taken.lock(), [(Class::Document, sent.clone(), sha256(&[&sent]))]);
    assert_eq!(house.files(), 0);
    // The answer may have been lost: it is the same again.
    assert_eq!(house.uploads.status(&user("ana"), status.id).await.unwrap(), done);
    assert_eq!(house.append(status.id, 700_001, b"").await.unwrap(), done);
    assert_eq!(house.library.taken.lock().len(), 1);
}

#[tokio::test]
async fn d1_what_came_before_a_connection_broke_is_kept() {
    let house = House::new();
    let sent = noise(500_000);
    let id = house.create(sent.len(), "").await.id;
    let result = house.uploads.append(&user("ana"), id, 0, None, broken(&sent[..123_456])).await;
    assert!(matches!(result, Err(TusError::Broken(refusal)) if refusal.reason == Reason::Stalled));
    assert_eq!(house.offset(id).await, 123_456);
    house.append(id, 123_456, &sent[123_456..]).await.unwrap();
    assert_eq!(house.library.taken.lock()[0].1, sent);
}

#[tokio::test]
async fn d1_an_upload_goes_on_after_the_program_was_killed() {
    let mut house = House::new();
    let sent = noise(500_000);
    let id = house.create(sent.len(), "").await.id;
    house.append(id, 0, &sent[..200_000]).await.unwrap();
    // Bytes that were written and not confirmed: the file is longer than the row says.
    let file = house.folder.path().join("incoming").join(&house.rows.rows.lock()[&id].file);
    let longer = [&std::fs::read(&file).unwrap()[..], b"never confirmed"].concat();
    std::fs::write(&file, longer).unwrap();
    std::fs::write(house.folder.path().join("incoming/left-over"), "x").unwrap();
    house.restart();
    let spool = Spool::open(&house.folder.path().join("incoming"), SpoolLimits::default()).unwrap();
    assert_eq!(spool.clean(&house.rows.files().await.unwrap()).unwrap(), 1);
    assert_eq!(house.offset(id).await, 200_000);
    house.append(id, 200_000, &sent[200_000..]).await.unwrap();
    assert_eq!(*house.library.taken.lock(), [(Class::Document, sent.clone(), sha256(&[&sent]))]);
    // A file that is lost, or shorter than was confirmed, is never made up.
    let id = house.create(10, "").await.id;
    house.append(id, 0, b"12345").await.unwrap();
    let file = house.folder.path().join("incoming").join(&house.rows.rows.lock()[&id].file);
    std::fs::write(&file, "1234").unwrap();
    assert!(matches!(house.append(id, 5, b"67890").await, Err(TusError::Gone)));
    assert!(matches!(house.append(id, 5, b"67890").await, Err(TusError::NotFound)));
    assert_eq!(house.files(), 0);
}

#[tokio::test]
async fn d1_a_piece_that_is_not_what_its_checksum_says_is_taken_back() {
    let house = House::new();
    let sent = noise(60_000);
    let id = house.create(sent.len(), "").await.id;
    let append = |offset: usize, checksum, bytes: &[u8]| {
        let uploads = house.uploads.clone();
        let body = body(bytes);
        async move { uploads.append(&user("ana"), id, offset as u64, Some(checksum), body).await }
    };
    let sha1 = |bytes: &[u8]| {
        let mut hash = Sha1::new();
        hash.update(bytes);
        Checksum::Sha1(hash.finish())
    };
    assert_eq!(append(0, sha1(&sent[..30_000]), &sent[..30_000]).await.unwrap().offset, 30_000);
    let wrong = append(30_000, Checksum::Sha256([7; 32]), &noise(20_000)).await;
    assert!(matches!(wrong, Err(TusError::Checksum)));
    assert_eq!(house.offset(id).await, 30_000);
    // What broke off can't be checked.
    let checksum = Some(sha1(&sent[30_000..]));
    let result = house.uploads.append(&user("ana"), id, 30_000, checksum, broken(&sent[30_000..50_000])).await;
    assert!(matches!(result, Err(TusError::Broken(_))));
    assert_eq!(house.offset(id).await, 30_000);
    append(30_000, Checksum::Sha256(sha256(&[&sent[30_000..]])), &sent[30_000..]).await.unwrap();
    assert_eq!(*house.library.taken.lock(), [(Class::Document, sent.clone(), sha256(&[&sent]))]);
}

#[tokio::test]
async fn d1_a_wrong_offset_and_too_many_bytes_change_nothing() {
    let house = House::new();
    let id = house.create(100, "").await.id;
    house.append(id, 0, &[1; 40]).await.unwrap();
    for offset in [0, 39, 41, 100] {
        assert!(matches!(house.append(id, offset, &[1; 10]).await, Err(TusError::Offset { have: 40 })), "{offset}");
    }
    match house.append(id, 40, &[2; 61]).await {
        Err(TusError::Refused(refusal)) => assert_eq!(refusal, Refusal::over(Reason::LengthMismatch, 100, 101)),
        other => panic!("{other:?}"),
    }
    assert_eq!(house.offset(id).await, 40);
    house.append(id, 40, &[1; 60]).await.unwrap();
    assert_eq!(house.library.taken.lock()[0].1, [1; 100]);
}

#[tokio::test]
async fn d3_what_the_library_keeps_for_a_job_stays_when_the_upload_is_over() {
    let house = House::new();
    let sent = [&b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\0mdat"[..], &noise(9_000)].concat();
    let id = house.create(sent.len(), "").await.id;
    house.append(id, 0, &sent).await.unwrap();
    let input = house.library.kept.lock()[0].clone();
    assert_eq!(std::fs::read(house.folder.path().join("incoming").join(input)).unwrap(), sent);
    assert_eq!(house.files(), 1, "and nothing else");
    house.uploads.terminate(&user("ana"), id).await.unwrap();
    assert_eq!(house.files(), 1);
}

/// A body whose bytes come when the test says so.
fn slow() -> (mpsc::UnboundedSender<Item>, BoxStream<'static, Item>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let body = stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) });
    (sender, body.boxed())
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn d1_one_request_at_a_time_writes_and_the_one_that_asks_takes_over() {
    let house = House::new();
    let id = house.create(30, "").await.id;
    let (sender, slow) = slow();
    let uploads = house.uploads.clone();
    let writing = tokio::spawn(async move { uploads.append(&user("ana"), id, 0, None, slow).await });
    sender.send(Ok(Bytes::from_static(b"0123456789"))).unwrap();
    // The checkpoint shows that it is under way.
    until(|| house.rows.rows.lock()[&id].offset == 10).await;
    assert!(matches!(house.append(id, 10, b"x").await, Err(TusError::Locked)));
    // The client has lost its connection, and asks where to go on.
    assert_eq!(house.offset(id).await, 10);
    assert!(matches!(writing.await.unwrap(), Err(TusError::Displaced)));
    house.append(id, 10, b"abcdefghijABCDEFGHIJ").await.unwrap();
    assert_eq!(house.library.taken.lock()[0].1, b"0123456789abcdefghijABCDEFGHIJ");
}

#[tokio::test]
async fn d1_a_request_that_is_dropped_is_written_to_its_end() {
    let house = House::new();
    let id = house.create(30, "").await.id;
    let (sender, slow) = slow();
    let uploads = house.uploads.clone();
    let writing = tokio::spawn(async move { uploads.append(&user("ana"), id, 0, None, slow).await });
    sender.send(Ok(Bytes::from_static(b"0123456789"))).unwrap();
    until(|| house.rows.rows.lock()[&id].offset == 10).await;
    writing.abort();
    sender.send(Ok(Bytes::from_static(b"abc"))).unwrap();
    sender.send(Err(Reason::Stalled.into())).unwrap();
    until(|| house.rows.rows.lock()[&id].offset == 13).await;
}

#[tokio::test]
async fn d1_ending_an_upload_leaves_nothing_even_while_it_writes() {
    let house = House::new();
    let id = house.create(30, "").await.id;
    assert!(matches!(house.uploads.terminate(&user("eva"), id).await, Err(TusError::NotFound)));
    let (sender, slow) = slow();
    let uploads = house.uploads.clone();
    let writing = tokio::spawn(async move { uploads.append(&user("ana"), id, 0, None, slow).await });
    sender.send(Ok(Bytes::from_static(b"0123456789"))).unwrap();
    until(|| house.rows.rows.lock()[&id].offset == 10).await;
    house.uploads.terminate(&user("ana"), id).await.unwrap();
    assert!(matches!(writing.await.unwrap(), Err(TusError::Displaced)));
    assert_eq!((house.files(), house.rows.rows.lock().len()), (0, 0));
    assert!(matches!(house.append(id, 10, b"x").await, Err(TusError::NotFound)));
}

#[tokio::test]
async fn d1_strangers_learn_nothing_of_an_upload() {
    let house = House::new();
    let id = house.create(30, "").await.id;
    let eva = user("eva");
    assert!(matches!(house.uploads.status(&eva, id).await, Err(TusError::NotFound)));
    assert!(matches!(house.uploads.append(&eva, id, 0, None, body(b"x")).await, Err(TusError::NotFound)));
    assert!(matches!(house.uploads.status(&eva, UploadId(1)).await, Err(TusError::NotFound)));
    assert_eq!(house.offset(id).await, 0);
}

#[tokio::test]
async fn d1_an_upload_that_nobody_goes_on_with_expires() {
    let house = House::new();
    let (idle, busy) = (house.create(30, "").await, house.create(30, "").await);
    assert_eq!(idle.expires_at, Timestamp(1_000 + TTL_MS));
    house.now.store(500_000, Ordering::SeqCst);
    let moved = house.append(busy.id, 0, b"0123").await.unwrap();
    assert_eq!(moved.expires_at, Timestamp(500_000 + TTL_MS));
    house.now.store(1_000 + TTL_MS, Ordering::SeqCst);
    assert!(matches!(house.append(idle.id, 0, b"x").await, Err(TusError::Gone)));
    assert_eq!(house.uploads.sweep().await.unwrap(), 1);
    assert!(matches!(house.uploads.status(&user("ana"), idle.id).await, Err(TusError::NotFound)));
    assert_eq!((house.files(), house.offset(busy.id).await), (1, 4));
}

#[tokio::test]
async fn d2_what_is_refused_is_removed_at_once() {
    let house = House::new();
    // A picture over its limit, told by its first bytes and the announced length.
    let id = house.create(6_000, "").await.id;
    match house.append(id, 0, &[&b"\xff\xd8\xff\xe0"[..], &[0; 5_000]].concat()).await {
        Err(TusError::Refused(refusal)) => assert_eq!(refusal, Refusal::over(Reason::TooLarge, 5_000, 6_000)),
        other => panic!("{other:?}"),
    }
    assert_eq!((house.files(), house.rows.rows.lock().len()), (0, 0));
    match house.try_create(&user("ana"), 3_000_001, "").await {
        Err(TusError::Refused(refusal)) => assert_eq!(refusal, Refusal::over(Reason::TooLarge, 3_000_000, 3_000_001)),
        other => panic!("{other:?}"),
    }
    // A checksum of the whole that does not hold.
    let metadata = Metadata::parse(Some("sha256 MDEyMw==")).unwrap();
    let result = house.uploads.create(&user("ana"), &device(), 5, metadata).await;
    assert!(matches!(result, Err(TusError::Header(HeaderError::Metadata))));
    let hex = base64(&"ab".repeat(32));
    let id = house.create(5, &format!("sha256 {hex}")).await.id;
    match house.append(id, 0, b"hello").await {
        Err(TusError::Refused(refusal)) => assert_eq!(refusal.reason, Reason::ChecksumMismatch),
        other => panic!("{other:?}"),
    }
    assert_eq!((house.files(), house.rows.rows.lock().len()), (0, 0));
}

/// Base64 of a text whose length is a multiple of three, or one more.
fn base64(text: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut coded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let digit = if at > three.len() { b'=' } else { alphabet[bits >> (18 - 6 * at) & 63] };
            coded.push(char::from(digit));
        }
    }
    coded
}

#[tokio::test]
async fn d1_unfinished_uploads_are_bounded() {
    let house = House::new();
    for _ in 0..3 {
        house.create(10, "").await;
    }
    let busy = |result: Result<Status, TusError>| match result {
        Err(TusError::Refused(refusal)) => (refusal.reason, refusal.limit),
        other => panic!("{other:?}"),
    };
    assert_eq!(busy(house.try_create(&user("ana"), 10, "").await), (Reason::Busy, Some(3)));
    house.try_create(&user("eva"), 10, "").await.unwrap();
    assert_eq!(busy(house.try_create(&user("ivo"), 10, "").await), (Reason::Busy, Some(4)));
    house.library.is_full.store(true, Ordering::SeqCst);
    let id = house.rows.rows.lock().values().find(|row| row.owner == user("ana")).unwrap().id;
    house.uploads.terminate(&user("ana"), id).await.unwrap();
    assert_eq!(busy(house.try_create(&user("ana"), 10, "").await), (Reason::Quota, None));
    assert_eq!(house.files(), 3);
}

#[tokio::test]
async fn d5_a_whole_upload_that_could_not_be_taken_is_taken_later_without_its_bytes() {
    let mut house = House::new();
    let sent = noise(400_000);
    let id = house.create(sent.len(), "").await.id;
    house.library.is_broken.store(true, Ordering::SeqCst);
    assert!(matches!(house.append(id, 0, &sent).await, Err(TusError::Unavailable(_))));
    assert!(matches!(house.uploads.status(&user("ana"), id).await, Err(TusError::Unavailable(_))));
    house.restart();
    house.library.is_broken.store(false, Ordering::SeqCst);
    assert_eq!(house.uploads.sweep().await.unwrap(), 1);
    assert!(house.uploads.status(&user("ana"), id).await.unwrap().media.is_some());
    assert_eq!(*house.library.taken.lock(), [(Class::Document, sent.clone(), sha256(&[&sent]))]);
    assert_eq!(house.files(), 0);
}

#[tokio::test]
async fn d1_what_the_directory_has_not_confirmed_is_not_told() {
    let house = House::new();
    let id = house.create(30, "").await.id;
    let (sender, slow) = slow();
    let uploads = house.uploads.clone();
    let writing = tokio::spawn(async move { uploads.append(&user("ana"), id, 0, None, slow).await });
    sender.send(Ok(Bytes::from_static(b"0123456789"))).unwrap();
    until(|| house.rows.rows.lock()[&id].offset == 10).await;
    house.rows.is_broken.store(true, Ordering::SeqCst);
    sender.send(Ok(Bytes::from_static(b"abc"))).unwrap();
    assert!(matches!(writing.await.unwrap(), Err(TusError::Unavailable(_))));
    house.rows.is_broken.store(false, Ordering::SeqCst);
    assert_eq!(house.offset(id).await, 10);
    house.append(id, 10, &[b'x'; 20]).await.unwrap();
    assert_eq!(house.library.taken.lock()[0].1, b"0123456789xxxxxxxxxxxxxxxxxxxx");
}
