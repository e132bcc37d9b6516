//! A library on a real directory and a real folder, with doubles that a test can hold, fail and look into.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tertulia_common::{DeviceId, MediaId, Timestamp, UserId};
use tertulia_directory::Directory;
use tertulia_media_core::{Class, Job, Outcome, Refusal, Treatment};
use tertulia_media_pipeline::ingest::Spooled;
use tertulia_media_pipeline::jobs::Work;
use tertulia_media_pipeline::library::{
    Caller, Events, Intent, Library, LibraryConfig, LibraryError, MediaView, Parts, Servable,
};
use tertulia_media_pipeline::links::LinkKeys;
use tertulia_media_pipeline::store::{BlobKey, BlobRead, BlobStore, Listed, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub(crate) const NOW: u64 = 1_700_000_000_000;
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Begins as a PNG does: what is in it is the double's business.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// Longer than anything takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn caller(name: &str) -> Caller {
    on(name, "phone")
}

pub(crate) fn on(name: &str, device: &str) -> Caller {
    Caller { user: user(name), device: device.parse().unwrap() }
}

pub(crate) fn picture(text: &str) -> Vec<u8> {
    [PICTURE, text.as_bytes()].concat()
}

pub(crate) fn document() -> Intent {
    Intent { treatment: Treatment::Document, ..Intent::default() }
}

/// What stays the same when the library is opened again.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) directory: Directory,
    pub(crate) store: Arc<Store>,
    pub(crate) work: Arc<Worker>,
    pub(crate) events: Arc<Heard>,
    pub(crate) clock: Arc<AtomicU64>,
    pub(crate) config: LibraryConfig,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("directory.db")).await.unwrap();
        for name in ["alice", "bob", "carol"] {
            directory.ensure_user(&user(name), None).await.unwrap();
        }
        let mut config = LibraryConfig::new(folder.path().join("incoming"), LinkKeys::from_bytes([7; 32]));
        config.jobs.store_retry = Duration::from_millis(5);
        config.collect.every = Duration::from_secs(3_600); // tests collect by themselves
        Self {
            folder,
            directory,
            store: Arc::default(),
            work: Arc::default(),
            events: Arc::default(),
            clock: Arc::new(AtomicU64::new(NOW)),
            config,
        }
    }

    pub(crate) async fn open(&self) -> Library {
        self.open_with(Arc::clone(&self.store) as Arc<dyn BlobStore>).await
    }

    pub(crate) async fn open_with(&self, store: Arc<dyn BlobStore>) -> Library {
        let clock = Arc::clone(&self.clock);
        let parts = Parts {
            directory: self.directory.clone(),
            store,
            work: Arc::clone(&self.work) as Arc<dyn Work>,
            events: Arc::clone(&self.events) as Arc<dyn Events>,
            clock: Arc::new(move || Timestamp(clock.load(Ordering::Relaxed))),
        };
        Library::open(self.config.clone(), parts).await.unwrap()
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.clock.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Files in the spool.
    pub(crate) fn spooled(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("incoming")).unwrap().count()
    }

    /// Waits until the spool holds so many.
    pub(crate) async fn spool_holds(&self, files: usize) {
        until(async || self.spooled() == files).await;
    }
}

/// Waits for a condition.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

pub(crate) async fn upload(
    library: &Library,
    name: &str,
    bytes: &[u8],
    intent: Intent,
) -> Result<MediaView, LibraryError> {
    let mut upload = library.begin(&caller(name), intent).await?;
    for piece in bytes.chunks(7) {
        upload.write(piece).await?;
    }
    upload.finish().await
}

pub(crate) async fn read(
    library: &Library,
    servable: &Servable,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>, LibraryError> {
    let blob = library.read(servable, range).await?;
    let pieces: Vec<Bytes> = blob.body.try_collect().await?;
    Ok(pieces.concat())
}

/// Collects until nothing is left to do, with the graces passed.
pub(crate) async fn collect_all(world: &World, library: &Library) {
    for _ in 0..4 {
        library.collect().await.unwrap();
        world.pass(world.config.collect.on_its_way);
    }
}

/// A store in memory.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) blobs: Mutex<HashMap<BlobKey, Vec<u8>>>,
    /// So many puts and deletions fail from now on.
    pub(crate) failures: AtomicUsize,
    pub(crate) puts: AtomicUsize,
    /// Puts and deletions wait for ever.
    pub(crate) hangs: AtomicUsize,
    /// Puts that wait.
    pub(crate) hanging: AtomicUsize,
}

impl Store {
    pub(crate) fn len(&self) -> usize {
        self.blobs.lock().unwrap().len()
    }

    async fn trouble(&self) -> Result<(), StoreError> {
        if self.hangs.load(Ordering::SeqCst) > 0 {
            self.hanging.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        let fails = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if fails.is_ok() { Err(StoreError::Unavailable("as the test wants".to_owned())) } else { Ok(()) }
    }
}

impl BlobStore for Store {
    fn put<'a>(&'a self, key: BlobKey, bytes: &'a Spooled) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.trouble().await?;
            self.puts.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let bytes = std::fs::read(bytes.path()).unwrap();
            self.blobs.lock().unwrap().insert(key, bytes);
            Ok(())
        }
        .boxed()
    }

    fn read(&self, key: BlobKey, range: Option<Range<u64>>) -> BoxFuture<'_, Result<BlobRead, StoreError>> {
        async move {
            let blob = self.blobs.lock().unwrap().get(&key).cloned().ok_or(StoreError::NotFound)?;
            let range = range.unwrap_or(0..blob.len() as u64);
            let part = blob[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_vec();
            Ok(BlobRead { size: blob.len() as u64, body: stream::iter([Ok(Bytes::from(part))]).boxed() })
        }
        .boxed()
    }

    fn size(&self, key: BlobKey) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        async move { Ok(self.blobs.lock().unwrap().get(&key).map(|blob| blob.len() as u64)) }.boxed()
    }

    fn delete(&self, key: BlobKey) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            self.trouble().await?;
            tokio::task::yield_now().await;
            self.blobs.lock().unwrap().remove(&key);
            Ok(())
        }
        .boxed()
    }

    fn list(&self, after: Option<BlobKey>, max: usize) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>> {
        async move {
            let blobs = self.blobs.lock().unwrap();
            let mut keys: Vec<_> = blobs.iter().filter(|(key, _)| after.is_none_or(|after| **key > after)).collect();
            keys.sort_by_key(|(key, _)| **key);
            let long_ago = SystemTime::now() - 2 * DAY;
            let listed =
                |(key, blob): (&BlobKey, &Vec<u8>)| Listed { key: *key, bytes: blob.len() as u64, put_at: long_ago };
            Ok(keys.into_iter().take(max).map(listed).collect())
        }
        .boxed()
    }

    fn sweep(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        async { Ok(0) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async { Ok(()) }.boxed()
    }
}

/// Makes `made: ` and the input of everything, and thumbnails.
pub(crate) struct Worker {
    /// Jobs wait for a permit.
    pub(crate) permits: Semaphore,
    pub(crate) refuses: Mutex<Option<Refusal>>,
    pub(crate) begun: AtomicUsize,
    pub(crate) cancelled: AtomicUsize,
    pub(crate) at_once: AtomicUsize,
    pub(crate) most_at_once: AtomicUsize,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(Semaphore::MAX_PERMITS),
            refuses: Mutex::default(),
            begun: AtomicUsize::default(),
            cancelled: AtomicUsize::default(),
            at_once: AtomicUsize::default(),
            most_at_once: AtomicUsize::default(),
        }
    }
}

impl Worker {
    /// From now on jobs wait until [`release`](Self::release).
    pub(crate) fn hold(&self) {
        self.permits.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn release(&self) {
        self.permits.add_permits(Semaphore::MAX_PERMITS - self.permits.available_permits());
    }

    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

impl Work for Worker {
    fn run<'a>(
        &'a self,
        job: &'a Job,
        input: OwnedFd,
        outputs: [OwnedFd; 3],
        cancel: &'a CancellationToken,
        progress: &'a (dyn Fn(u16) + Send + Sync),
    ) -> BoxFuture<'a, Result<Outcome, Refusal>> {
        async move {
            self.begun.fetch_add(1, Ordering::SeqCst);
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(now, Ordering::SeqCst);
            progress(500);
            let permit = cancel.run_until_cancelled(self.permits.acquire()).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            let Some(permit) = permit else {
                self.cancelled.fetch_add(1, Ordering::SeqCst);
                return Err(tertulia_media_core::Reason::Cancelled.into());
            };
            drop(permit);
            if let Some(refusal) = *self.refuses.lock().unwrap() {
                return Err(refusal);
            }
            let mut original = Vec::new();
            File::from(input).read_to_end(&mut original).unwrap();
            let made = [b"made: ".as_slice(), &original].concat();
            let parts: [&[u8]; 3] = [&made, b"jpeg", b"webp"];
            for (output, part) in outputs.into_iter().zip(parts) {
                File::from(output).write_all(part).unwrap();
            }
            assert_eq!(job.class, Class::Image);
            Ok(Outcome {
                class: Class::Image,
                mime: "image/webp".to_owned(),
                bytes: made.len() as u64,
                width: 640,
                height: 480,
                duration_ms: 0,
                has_sound: false,
                is_remuxed: false,
                is_salvaged: false,
                thumbhash: vec![1, 2, 3],
                preview: "data:,".to_owned(),
                waveform: Vec::new(),
            })
        }
        .boxed()
    }
}

/// What was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Progress(UserId, MediaId, u16),
    Ready(UserId, MediaId),
    Rejected(UserId, Option<DeviceId>, MediaId, Refusal),
}

pub(crate) struct Heard(watch::Sender<Vec<Told>>);

impl Default for Heard {
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl Heard {
    /// Waits until this was told.
    pub(crate) async fn wait(&self, is_it: impl Fn(&Told) -> bool) -> Told {
        let mut all = self.0.subscribe();
        let told = tokio::time::timeout(PATIENCE, all.wait_for(|all| all.iter().any(&is_it))).await.unwrap().unwrap();
        told.iter().find(|told| is_it(told)).unwrap().clone()
    }

    pub(crate) async fn ready(&self, id: MediaId) {
        self.wait(|told| matches!(told, Told::Ready(_, ready) if *ready == id)).await;
    }
}

impl Events for Heard {
    fn progress(&self, owner: &UserId, media: MediaId, thousandths: u16) {
        self.0.send_modify(|all| all.push(Told::Progress(owner.clone(), media, thousandths)));
    }

    fn ready(&self, media: MediaView) {
        self.0.send_modify(|all| all.push(Told::Ready(media.owner.clone(), media.id)));
    }

    fn rejected(&self, owner: &UserId, device: Option<&DeviceId>, media: MediaId, refusal: Refusal) {
        let told = Told::Rejected(owner.clone(), device.cloned(), media, refusal);
        self.0.send_modify(|all| all.push(told));
    }
}
