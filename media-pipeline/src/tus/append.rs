//! One request's bytes, appended to an upload: written, checked, and confirmed, or taken back.

use super::{TusError, UploadRow, UploadRows};
use crate::hash::{Hashes, Sha1, Sha256};
use crate::ingest::{Announced, Gate, Ingest, Spool, SpoolFile, Standing};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tertulia_common::Timestamp;
use tertulia_media_core::Refusal;
use tertulia_media_core::sniff::HEAD_BYTES;
use tertulia_media_core::tus::Checksum;
use tokio_util::sync::CancellationToken;

/// What is remembered of an upload between two requests, and at which offset. Losing it costs reading the file once more.
#[derive(Default)]
pub(super) struct Memory(Option<(u64, Standing)>);

impl Memory {
    /// What is remembered, if it is of this offset; else what the file's beginning tells.
    fn recall(&mut self, file: &mut SpoolFile, announced: Announced, offset: u64) -> Result<Standing, TusError> {
        match self.0.take() {
            Some((at, standing)) if at == offset => return Ok(standing),
            _ if offset == 0 => {
                return Ok(Standing { gate: Gate::new(announced)?, hashes: Some(Hashes::new()) });
            }
            _ => {}
        }
        let head = file.head(HEAD_BYTES).map_err(|error| TusError::Unavailable(error.kind().to_string()))?;
        Ok(Standing { gate: Gate::reopen(announced, &head, offset)?, hashes: None })
    }
}

/// The digest of one request's body.
enum Check {
    Sha1(Sha1, [u8; 20]),
    Sha256(Sha256, [u8; 32]),
}

impl Check {
    fn new(checksum: Checksum) -> Self {
        match checksum {
            Checksum::Sha1(expected) => Self::Sha1(Sha1::new(), expected),
            Checksum::Sha256(expected) => Self::Sha256(Sha256::new(), expected),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(digest, _) => digest.update(bytes),
            Self::Sha256(digest, _) => digest.update(bytes),
        }
    }

    fn holds(self) -> bool {
        match self {
            Self::Sha1(digest, expected) => digest.finish() == expected,
            Self::Sha256(digest, expected) => digest.finish() == expected,
        }
    }
}

/// How a body came to its end.
enum End {
    /// It was all.
    Whole,
    /// It broke off.
    Broken(Refusal),
    /// Somebody else wants to go on.
    Displaced,
}

/// Appends to one upload. Whoever has one has the upload's lock.
pub(super) struct Append<'a> {
    pub(super) spool: &'a Spool,
    pub(super) rows: &'a Arc<dyn UploadRows>,
    pub(super) announced: Announced,
    pub(super) checkpoint: Duration,
    pub(super) stop: CancellationToken,
    /// When the upload goes, if it is moved on now.
    pub(super) expiry: &'a (dyn Fn() -> Timestamp + Send + Sync),
}

impl Append<'_> {
    /// Appends a body at the row's offset, and moves that. After an error the row is as it was, or as the last bytes that
    /// were confirmed on the way have left it.
    ///
    /// # Errors
    /// [`TusError::Gone`] if the file is lost; how the body ended, if not well; a refusal.
    pub(super) async fn body<S>(
        &self,
        row: &mut UploadRow,
        memory: &mut Memory,
        checksum: Option<Checksum>,
        body: S,
    ) -> Result<(), TusError>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Unpin,
    {
        let mut place = Some(self.open(row, memory)?);
        let mut check = checksum.map(Check::new);
        let end = match self.pour(row, memory, &mut place, body, &mut check).await {
            Ok(end) => end,
            Err(error) => {
                still(place).await;
                return Err(error);
            }
        };
        // What can't be checked is not kept.
        let taken_back = check.and_then(|check| match &end {
            End::Whole => (!check.holds()).then_some(TusError::Checksum),
            End::Broken(refusal) => Some(TusError::Broken(*refusal)),
            End::Displaced => Some(TusError::Displaced),
        });
        if let Some(error) = taken_back {
            still(place).await;
            return Err(error);
        }
        if let Some(ingest) = place {
            self.confirm(row, memory, ingest).await?;
        }
        match end {
            End::Whole => Ok(()),
            End::Broken(refusal) => Err(TusError::Broken(refusal)),
            End::Displaced => Err(TusError::Displaced),
        }
    }

    /// The upload, to be gone on with at the row's offset.
    pub(super) fn open(&self, row: &UploadRow, memory: &mut Memory) -> Result<Ingest, TusError> {
        let mut file = self.spool.reopen(&row.file, row.offset)?.ok_or(TusError::Gone)?;
        file.set_kept(true);
        let standing = memory.recall(&mut file, self.announced, row.offset)?;
        memory.0 = Some((row.offset, standing.clone()));
        Ok(Ingest::resume(self.spool, self.announced, file, standing))
    }

    async fn pour<S>(
        &self,
        row: &mut UploadRow,
        memory: &mut Memory,
        place: &mut Option<Ingest>,
        mut body: S,
        check: &mut Option<Check>,
    ) -> Result<End, TusError>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Unpin,
    {
        let mut confirmed = Instant::now();
        loop {
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(End::Displaced),
                next = body.next() => next,
            };
            let bytes = match next {
                Some(Ok(bytes)) => bytes,
                Some(Err(refusal)) => return Ok(End::Broken(refusal)),
                None => return Ok(End::Whole),
            };
            let Some(ingest) = place.as_mut() else { return Err(TusError::Gone) };
            if let Some(check) = check {
                check.update(&bytes);
            }
            ingest.write(&bytes).await?;
            if check.is_none() && confirmed.elapsed() >= self.checkpoint {
                if let Some(ingest) = place.take() {
                    *place = Some(self.confirm(row, memory, ingest).await?);
                }
                confirmed = Instant::now();
            }
        }
    }

    /// Puts what there is on the disk, then says so in the row.
    async fn confirm(&self, row: &mut UploadRow, memory: &mut Memory, ingest: Ingest) -> Result<Ingest, TusError> {
        let (file, standing) = ingest.pause().await?;
        let (offset, expires_at) = (standing.gate.seen(), (self.expiry)());
        self.rows.advance(row.id, offset, expires_at).await?;
        (row.offset, row.expires_at) = (offset, expires_at);
        memory.0 = Some((offset, standing.clone()));
        Ok(Ingest::resume(self.spool, self.announced, file, standing))
    }
}

/// Waits until nothing is being written: whoever comes next cuts the file, and nothing may be added to it after that.
async fn still(ingest: Option<Ingest>) {
    if let Some(ingest) = ingest
        && let Err(refusal) = ingest.pause().await
    {
        tracing::debug!(reason = refusal.reason.name(), "an upload was given up");
    }
}
