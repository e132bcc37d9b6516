//! The resumable uploads of everybody: who may create, see, write to and end one.
//!
//! Invariant: what is done to an upload is done by whoever holds its lock. A request that only asks where to go on makes one
//! that is writing stop: it comes from a client whose earlier connection is dead without us knowing.

use super::append::{Append, Memory};
use super::{
    Accept, AcceptError, Clock, Status, TusConfig, TusError, UploadId, UploadRow, UploadRows, sha256_of, treatment_of,
};
use crate::ingest::{Announced, Gate, Spool};
use bytes::Bytes;
use futures_util::Stream;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::sync::Arc;
use tertulia_common::{DeviceId, Timestamp, UserId};
use tertulia_media_core::tus::{Checksum, HeaderError, Metadata};
use tertulia_media_core::{Limits, Reason, Refusal};
use tokio::sync::{Mutex as Lock, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

/// Uploads that are remembered between requests. Lowering it reads files again that are sent in many requests.
const PLACES_MAX: usize = 1_024;
/// Rows that one sweep handles at a time.
const SWEEP_ROWS: u64 = 256;

/// The resumable uploads. Clones are the same.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "parts without Debug")]
pub struct Uploads(Arc<Inner>);

struct Inner {
    spool: Spool,
    limits: Limits,
    config: TusConfig,
    rows: Arc<dyn UploadRows>,
    accept: Arc<dyn Accept>,
    clock: Clock,
    places: Mutex<HashMap<UploadId, Arc<Place>>>,
    too_many: Counter,
    expired: Counter,
}

/// Where the requests about one upload meet.
#[derive(Default)]
struct Place {
    lock: Arc<Lock<Memory>>,
    /// Stops the one that is writing.
    stop: Mutex<CancellationToken>,
}

type Held = OwnedMutexGuard<Memory>;

impl Uploads {
    /// On a spool, with rows, for a library.
    #[must_use]
    pub fn new(
        spool: Spool,
        limits: Limits,
        config: TusConfig,
        rows: Arc<dyn UploadRows>,
        accept: Arc<dyn Accept>,
        clock: Clock,
    ) -> Self {
        let (too_many, expired) = (Counter::default(), Counter::default());
        let places = Mutex::default();
        Self(Arc::new(Inner { spool, limits, config, rows, accept, clock, places, too_many, expired }))
    }

    /// Adds its figures.
    pub fn register(&self, registry: &mut Registry) {
        let Inner { too_many, expired, .. } = &*self.0;
        registry.register("media_tus_too_many", "Resumable uploads refused: too many unfinished", too_many.clone());
        registry.register("media_tus_expired", "Resumable uploads that were given up", expired.clone());
    }

    /// The most bytes of an upload, for `Tus-Max-Size`.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.0.limits.file_bytes_max
    }

    /// Creates one.
    ///
    /// # Errors
    /// If it is over a limit or quota, if its metadata say what can't be, if there are too many.
    pub async fn create(
        &self,
        owner: &UserId,
        device: &DeviceId,
        length: u64,
        metadata: Metadata,
    ) -> Result<Status, TusError> {
        let inner = &self.0;
        let (treatment, sha256) = (treatment_of(&metadata)?, sha256_of(&metadata)?);
        Gate::new(Announced { treatment, limits: inner.limits, length: Some(length), sha256 })?;
        let (mine, all) = inner.rows.count(owner.clone()).await?;
        if mine >= inner.config.of_user_max || all >= inner.config.all_max {
            inner.too_many.inc();
            let (limit, actual) = if mine >= inner.config.of_user_max {
                (inner.config.of_user_max, mine)
            } else {
                (inner.config.all_max, all)
            };
            return Err(Refusal::over(Reason::Busy, limit, actual).into());
        }
        inner.accept.admit(owner, length).await?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| TusError::Unavailable(error.to_string()))?;
        let spooled = inner.spool.create(length)?.finish().await?;
        let row = UploadRow {
            id: UploadId(u128::from_be_bytes(random)),
            owner: owner.clone(),
            device: device.clone(),
            length,
            offset: 0,
            metadata,
            file: spooled.name().to_owned(),
            media: None,
            expires_at: inner.expiry(),
        };
        inner.rows.create(row.clone()).await?;
        let _name = spooled.keep();
        Ok(row.into())
    }

    /// How one stands. What is writing to it is stopped: an answer names bytes that stay.
    ///
    /// # Errors
    /// [`TusError::NotFound`], [`TusError::Gone`], [`TusError::Locked`]; a refusal, if it was whole and is refused now.
    pub async fn status(&self, owner: &UserId, id: UploadId) -> Result<Status, TusError> {
        let row = self.0.row(owner, id).await?;
        if row.media.is_some() {
            return Ok(row.into());
        }
        let held = self.0.take_over(id).await?;
        let row = self.0.row(owner, id).await?;
        if row.offset < row.length || row.media.is_some() {
            return Ok(row.into());
        }
        // Every byte was there, and then something failed.
        let inner = Arc::clone(&self.0);
        join(tokio::spawn(async move { inner.complete(row, held).await })).await
    }

    /// Appends a body at `offset`. It goes on if the future is dropped: then the body ends by itself, and what came is kept.
    ///
    /// # Errors
    /// As of [`status`](Self::status); [`TusError::Offset`], [`TusError::Checksum`], [`TusError::Broken`]; a refusal.
    pub async fn append<S>(
        &self,
        owner: &UserId,
        id: UploadId,
        offset: u64,
        checksum: Option<Checksum>,
        body: S,
    ) -> Result<Status, TusError>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Send + Unpin + 'static,
    {
        let place = self.0.place(id, owner).await?;
        let held = Arc::clone(&place.lock).try_lock_owned().map_err(|_| TusError::Locked)?;
        let stop = CancellationToken::new();
        *place.stop.lock() = stop.clone();
        let row = self.0.row(owner, id).await?;
        if row.offset != offset {
            return Err(TusError::Offset { have: row.offset });
        }
        if row.media.is_some() {
            return Ok(row.into());
        }
        let inner = Arc::clone(&self.0);
        join(tokio::spawn(async move { inner.append(row, held, stop, checksum, body).await })).await
    }

    /// Ends one: nothing of it is kept, unless it was whole. It is fine if it is writing.
    ///
    /// # Errors
    /// [`TusError::NotFound`], [`TusError::Locked`].
    pub async fn terminate(&self, owner: &UserId, id: UploadId) -> Result<(), TusError> {
        self.0.row(owner, id).await?;
        let held = self.0.take_over(id).await?;
        let row = self.0.row(owner, id).await?;
        self.0.remove(&row, held).await
    }

    /// Removes what has expired, and tries again what is whole and was not taken. Returns how many rows it has handled.
    ///
    /// # Errors
    /// If the rows can't be had.
    pub async fn sweep(&self) -> Result<u64, TusError> {
        let inner = &self.0;
        let mut handled = 0;
        for row in inner.rows.expired((inner.clock)(), SWEEP_ROWS).await? {
            let Some((row, held)) = inner.try_hold(row.id).await? else { continue };
            if row.expires_at <= (inner.clock)() {
                inner.expired.inc();
                inner.remove(&row, held).await?;
                handled += 1;
            }
        }
        for row in inner.rows.unfinished(SWEEP_ROWS).await? {
            let Some((row, held)) = inner.try_hold(row.id).await? else { continue };
            if row.media.is_none() && row.offset == row.length {
                if let Err(error) = inner.complete(row, held).await {
                    tracing::debug!(%error, "an upload that is whole was not taken");
                }
                handled += 1;
            }
        }
        Ok(handled)
    }
}

/// What a task has brought.
async fn join<T>(task: tokio::task::JoinHandle<Result<T, TusError>>) -> Result<T, TusError> {
    task.await.unwrap_or_else(|error| Err(TusError::Unavailable(error.to_string())))
}

impl Inner {
    fn expiry(&self) -> Timestamp {
        (self.clock)() + self.config.ttl
    }

    /// The row, if it is this person's and has not expired.
    async fn row(&self, owner: &UserId, id: UploadId) -> Result<UploadRow, TusError> {
        let row = self.rows.get(id).await?.filter(|row| row.owner == *owner).ok_or(TusError::NotFound)?;
        if row.expires_at <= (self.clock)() { Err(TusError::Gone) } else { Ok(row) }
    }

    /// The place of an upload that is there.
    async fn place(&self, id: UploadId, owner: &UserId) -> Result<Arc<Place>, TusError> {
        self.row(owner, id).await?;
        Ok(self.place_of(id))
    }

    fn place_of(&self, id: UploadId) -> Arc<Place> {
        let mut places = self.places.lock();
        if places.len() >= PLACES_MAX && !places.contains_key(&id) {
            // Whoever holds one, or waits for it, has it too.
            places.retain(|_, place| Arc::strong_count(place) > 1 || Arc::strong_count(&place.lock) > 1);
        }
        Arc::clone(places.entry(id).or_default())
    }

    /// The lock of an upload that nobody is busy with, and its row as it is then.
    async fn try_hold(&self, id: UploadId) -> Result<Option<(UploadRow, Held)>, TusError> {
        let Ok(held) = Arc::clone(&self.place_of(id).lock).try_lock_owned() else { return Ok(None) };
        Ok(self.rows.get(id).await?.map(|row| (row, held)))
    }

    /// Stops what is writing to an upload, and waits for it.
    async fn take_over(&self, id: UploadId) -> Result<Held, TusError> {
        let place = self.place_of(id);
        place.stop.lock().cancel();
        let lock = Arc::clone(&place.lock).lock_owned();
        tokio::time::timeout(self.config.yield_within, lock).await.map_err(|_| TusError::Locked)
    }

    async fn append<S>(
        &self,
        mut row: UploadRow,
        mut held: Held,
        stop: CancellationToken,
        checksum: Option<Checksum>,
        body: S,
    ) -> Result<Status, TusError>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Unpin,
    {
        let expiry = || self.expiry();
        let announced = row.announced(self.limits)?;
        let Self { spool, rows, .. } = self;
        let append = Append { spool, rows, announced, checkpoint: self.config.checkpoint, stop, expiry: &expiry };
        match append.body(&mut row, &mut held, checksum, body).await {
            Ok(()) if row.offset == row.length => self.complete(row, held).await,
            Ok(()) => Ok(row.into()),
            Err(error) => Err(self.end_if_for_good(&row, held, error).await),
        }
    }

    /// Hands a whole upload over. If that fails for now, it stays.
    async fn complete(&self, mut row: UploadRow, mut held: Held) -> Result<Status, TusError> {
        match self.hand_over(&row, &mut held).await {
            Ok(media) => {
                row.media = Some(media);
                row.expires_at = self.expiry();
                self.rows.complete(row.id, media, row.expires_at).await?;
                self.spool.remove(&row.file);
                self.forget(row.id, held);
                Ok(row.into())
            }
            Err(error) => Err(self.end_if_for_good(&row, held, error).await),
        }
    }

    async fn hand_over(&self, row: &UploadRow, memory: &mut Memory) -> Result<tertulia_common::MediaId, TusError> {
        let expiry = || self.expiry();
        let (announced, stop) = (row.announced(self.limits)?, CancellationToken::new());
        let Self { spool, rows, .. } = self;
        let append = Append { spool, rows, announced, checkpoint: self.config.checkpoint, stop, expiry: &expiry };
        let mut whole = append.open(row, memory)?.finish().await?;
        // The library's name of it goes with the library; ours stays until that has said yes.
        whole.spooled = whole.spooled.twin().await?;
        Ok(self.accept.accept(row, whole).await?)
    }

    /// What is refused for good is removed.
    async fn end_if_for_good(&self, row: &UploadRow, held: Held, error: TusError) -> TusError {
        let is_for_good = match &error {
            TusError::Gone | TusError::Header(HeaderError::Metadata) => true,
            TusError::Refused(refusal) => !matches!(
                refusal.reason,
                Reason::StoreUnavailable | Reason::Busy | Reason::Quota | Reason::LengthMismatch
            ),
            _ => false,
        };
        if is_for_good && let Err(failed) = self.remove(row, held).await {
            tracing::warn!(error = %failed, "a refused upload could not be removed yet");
        }
        error
    }

    async fn remove(&self, row: &UploadRow, held: Held) -> Result<(), TusError> {
        // The row first: a row without a file is gone, a file without a row is swept at the next start.
        self.rows.remove(row.id).await?;
        self.spool.remove(&row.file);
        self.forget(row.id, held);
        Ok(())
    }

    fn forget(&self, id: UploadId, held: Held) {
        self.places.lock().remove(&id);
        drop(held);
    }
}

impl From<AcceptError> for TusError {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Refused(refusal) => Self::Refused(refusal),
            AcceptError::Failed(why) => Self::Unavailable(why),
        }
    }
}
