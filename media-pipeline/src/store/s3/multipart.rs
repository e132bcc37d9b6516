//! Large blobs: in parts, a few at once, none of them held in memory.
//!
//! Invariant: an upload ends completed or aborted, also when its future is dropped. Only a process that dies leaves one
//! behind.

use super::errors::{Doing, failed};
use super::{Bucket, base64, body};
use crate::hash::Sha256;
use crate::ingest::Spooled;
use crate::store::{BlobKey, StoreError};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a part. Raising it sends more anew when one fails; lowering it costs requests. At least 5 MiB.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// Parts of one upload; what the protocol allows.
const PARTS_MAX: u64 = 10_000;
/// Parts of one upload that are sent at once. Each holds a connection and some buffers.
const IN_FLIGHT: usize = 4;

pub(super) async fn put(bucket: &Arc<Bucket>, key: BlobKey, bytes: &Spooled) -> Result<(), StoreError> {
    // It costs one small request, and saves sending what is there.
    if bucket.size(key).await? == Some(bytes.bytes()) {
        return Ok(());
    }
    let mut upload = Upload::begin(bucket, key).await?;
    match upload.send(bytes).await {
        Ok(()) => {
            upload.id = None;
            Ok(())
        }
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}

/// An upload that was begun. Dropping it aborts it.
struct Upload {
    bucket: Arc<Bucket>,
    key: BlobKey,
    /// `None` when there is nothing to abort any more.
    id: Option<String>,
}

impl Upload {
    async fn begin(bucket: &Arc<Bucket>, key: BlobKey) -> Result<Self, StoreError> {
        let create = bucket.client.create_multipart_upload().bucket(&bucket.name).key(bucket.object(key));
        let create = if bucket.sends_checksums { create.checksum_algorithm(ChecksumAlgorithm::Sha256) } else { create };
        let created = create.send().await.map_err(|error| failed(Doing::Put, &error))?;
        let id = created.upload_id.ok_or_else(|| StoreError::Failed("putting: an upload without an id".to_owned()))?;
        Ok(Self { bucket: Arc::clone(bucket), key, id: Some(id) })
    }

    async fn send(&self, bytes: &Spooled) -> Result<(), StoreError> {
        let id = self.id.as_deref().unwrap_or_default();
        let mut parts: Vec<CompletedPart> = stream::iter(parts(bytes.bytes()))
            .map(|(number, range)| self.send_part(id, bytes.path(), number, range))
            .buffer_unordered(IN_FLIGHT)
            .try_collect()
            .await?;
        parts.sort_unstable_by_key(CompletedPart::part_number);
        let bucket = &self.bucket;
        let complete = bucket.client.complete_multipart_upload().bucket(&bucket.name).key(bucket.object(self.key));
        let complete =
            complete.upload_id(id).multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
        // A service may put an object of hundreds of parts together for as long as it would take to send it.
        let time = aws_sdk_s3::config::Builder::new().timeout_config(bucket.timeouts(bytes.bytes()));
        let completed = complete.customize().config_override(time).send().await;
        // Its word may have been lost on the way, and an upload is completed once. What counts is what is there.
        match (bucket.size(self.key).await, completed) {
            (Ok(Some(size)), _) if size == bytes.bytes() => Ok(()),
            (_, Err(error)) => Err(failed(Doing::Put, &error)),
            (Ok(_), Ok(_)) => Err(StoreError::Damaged),
            (Err(error), Ok(_)) => Err(error),
        }
    }

    async fn send_part(
        &self,
        id: &str,
        path: &Path,
        number: i32,
        range: Range<u64>,
    ) -> Result<CompletedPart, StoreError> {
        let bucket = &self.bucket;
        let sum = if bucket.sends_checksums { Some(sum_of(path, range.clone()).await?) } else { None };
        let length = range.end - range.start;
        let part = bucket.client.upload_part().bucket(&bucket.name).key(bucket.object(self.key)).upload_id(id);
        let part = part.part_number(number).content_length(i64::try_from(length).unwrap_or(i64::MAX));
        let part = part.set_checksum_sha256(sum.clone()).body(body::of_file(path, range).await?);
        let time = aws_sdk_s3::config::Builder::new().timeout_config(bucket.timeouts(length));
        let sent = part.customize().config_override(time).send().await.map_err(|error| failed(Doing::Put, &error))?;
        let e_tag = sent.e_tag.ok_or_else(|| StoreError::Failed("putting: a part without an ETag".to_owned()))?;
        Ok(CompletedPart::builder().part_number(number).e_tag(e_tag).set_checksum_sha256(sum).build())
    }

    async fn abort(mut self) {
        if let Some(id) = self.id.take() {
            abort(&self.bucket, &self.bucket.object(self.key), &id).await;
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(id) = self.id.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (bucket, object) = (Arc::clone(&self.bucket), self.bucket.object(self.key));
            runtime.spawn(async move { abort(&bucket, &object, &id).await });
        }
    }
}

/// Takes back what was sent. Returns whether it is gone; what is not will be swept.
pub(super) async fn abort(bucket: &Bucket, object: &str, id: &str) -> bool {
    let abort = bucket.client.abort_multipart_upload().bucket(&bucket.name).key(object).upload_id(id);
    match abort.send().await.map_err(|error| failed(Doing::Delete, &error)) {
        Ok(_) | Err(StoreError::NotFound) => true,
        Err(error) => {
            tracing::warn!(%error, "an unfinished upload could not be aborted");
            false
        }
    }
}

/// Numbers and ranges.
fn parts(bytes: u64) -> impl Iterator<Item = (i32, Range<u64>)> {
    let part = PART_BYTES.max(bytes.div_ceil(PARTS_MAX));
    (1..).zip((0..bytes.div_ceil(part)).map(move |at| at * part..((at + 1) * part).min(bytes)))
}

async fn sum_of(path: &Path, range: Range<u64>) -> Result<String, StoreError> {
    let path = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || {
        let file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; super::BODY_BYTES];
        let mut at = range.start;
        while at < range.end {
            let bytes = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(buffer.len());
            file.read_exact_at(&mut buffer[..bytes], at)?;
            hash.update(&buffer[..bytes]);
            at += bytes as u64;
        }
        Ok(base64(&hash.finish()))
    });
    hashed
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|error| super::errors::of_spooled(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d5_parts_cover_a_file_without_gaps_and_are_never_too_many() {
        for bytes in [PART_BYTES, PART_BYTES + 1, 100 * 1024 * 1024, 5 * 1024 * 1024 * 1024 * 1024] {
            let parts: Vec<_> = parts(bytes).collect();
            assert!(parts.len() as u64 <= PARTS_MAX, "{bytes}");
            let mut at = 0;
            for (count, (number, range)) in parts.iter().enumerate() {
                assert_eq!((usize::try_from(*number).unwrap(), range.start), (count + 1, at));
                assert!(range.end - range.start >= 5 * 1024 * 1024 || range.end == bytes);
                at = range.end;
            }
            assert_eq!(at, bytes);
        }
    }
}
