//! The bytes of requests and answers: sent from a file, read a piece at a time.
//!
//! Invariant: what a reader is given are the bytes of its range in order, all of them, or an error. Where the connection
//! breaks the rest is asked for again; blobs never change, so the rest is the rest.

use super::errors::{Doing, failed};
use super::{BODY_BYTES, Bucket};
use crate::store::{BlobKey, BlobRead, PIECE_BYTES_MAX, StoreError};
use aws_sdk_s3::primitives::{ByteStream, Length};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often a read that breaks is taken up again. Each may take as many attempts as a request may.
const RESUMES_MAX: u32 = 3;
/// How long before the first of them; twice as long before each further one.
const RESUME_AFTER: Duration = Duration::from_millis(100);

/// A part of a file as a body, opened anew for each attempt.
pub(super) async fn of_file(path: &Path, part: Range<u64>) -> Result<ByteStream, StoreError> {
    let body = ByteStream::read_from().path(path).offset(part.start).length(Length::Exact(part.end - part.start));
    let body = body.buffer_size(BODY_BYTES).build().await;
    // It looks at the file's size only: what can be wrong is that the file is gone, or short.
    body.map_err(|_| StoreError::Failed("the spooled file is gone, or was cut short".to_owned()))
}

/// What the service has begun to send.
struct Answer {
    /// Bytes of the whole object.
    size: u64,
    /// Which of them follow.
    range: Range<u64>,
    body: ByteStream,
}

pub(super) async fn read(bucket: Arc<Bucket>, key: BlobKey, range: Option<Range<u64>>) -> Result<BlobRead, StoreError> {
    // The protocol has no way to ask for nothing.
    if let Some(range) = range.clone().filter(Range::is_empty) {
        let size = bucket.size(key).await?.ok_or(StoreError::NotFound)?;
        let is_within = range.start == range.end && range.end <= size;
        return if is_within { Ok(BlobRead { size, body: stream::empty().boxed() }) } else { Err(StoreError::Damaged) };
    }
    let answer = bucket.get(key, range).await?;
    let size = answer.size;
    let reading = Reading { bucket, key, left: answer.range, body: Some(answer.body), held: Bytes::new(), resumes: 0 };
    let pieces = stream::unfold(reading, |mut reading| async {
        match reading.next().await {
            Ok(None) => None,
            Ok(Some(piece)) => Some((Ok(piece), reading)),
            Err(error) => {
                reading.left = reading.left.end..reading.left.end;
                Some((Err(error), reading))
            }
        }
    });
    Ok(BlobRead { size, body: pieces.boxed() })
}

struct Reading {
    bucket: Arc<Bucket>,
    key: BlobKey,
    /// What has not been given yet.
    left: Range<u64>,
    body: Option<ByteStream>,
    /// Received, and not given yet.
    held: Bytes,
    resumes: u32,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.left.is_empty() {
            return Ok(None);
        }
        while self.held.is_empty() {
            self.held = self.receive().await?;
        }
        let bytes = self.held.len().min(PIECE_BYTES_MAX);
        let piece = self.held.split_to(bytes);
        self.left.start += bytes as u64;
        Ok(Some(piece))
    }

    /// The next bytes, none of them where the connection had to be made anew.
    async fn receive(&mut self) -> Result<Bytes, StoreError> {
        let Some(body) = &mut self.body else {
            let answer = self.bucket.get(self.key, Some(self.left.clone())).await?;
            self.body = Some(answer.body);
            return Ok(Bytes::new());
        };
        // The time runs only while somebody waits for the bytes: a slow reader is no slow service.
        match tokio::time::timeout(self.bucket.request_timeout, body.next()).await {
            Ok(Some(Ok(bytes))) if bytes.len() as u64 <= self.left.end - self.left.start => return Ok(bytes),
            Ok(Some(Ok(_))) => return Err(StoreError::Damaged),
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
        self.body = None;
        if self.resumes == RESUMES_MAX {
            return Err(StoreError::Unavailable("reading: it broke off, again and again".to_owned()));
        }
        tokio::time::sleep(RESUME_AFTER * 2_u32.pow(self.resumes)).await;
        self.resumes += 1;
        Ok(Bytes::new())
    }
}

impl Bucket {
    async fn get(&self, key: BlobKey, range: Option<Range<u64>>) -> Result<Answer, StoreError> {
        let header = range.as_ref().map(|range| format!("bytes={}-{}", range.start, range.end - 1));
        let asked = self.client.get_object().bucket(&self.name).key(self.object(key)).set_range(header);
        let answer = asked.send().await.map_err(|error| failed(Doing::Read, &error))?;
        let Some(length) = answer.content_length.and_then(|length| u64::try_from(length).ok()) else {
            return Err(StoreError::Failed("reading: the service does not say how much it sends".to_owned()));
        };
        let (size, range) = match (answer.content_range.as_deref().map(parse_content_range), range) {
            (None, None) => (length, 0..length),
            (Some(Some((got, size))), Some(range)) if got.start == range.start && got.end <= range.end => {
                // Cut to what there is: then there is less than there should be.
                if got.end < range.end || length != range.end - range.start {
                    return Err(StoreError::Damaged);
                }
                (size, range)
            }
            // The whole object is a range as well.
            (None, Some(range)) if range == (0..length) => (length, range),
            _ => return Err(StoreError::Failed("reading: the service sends another part than was asked".to_owned())),
        };
        Ok(Answer { size, range, body: answer.body })
    }
}

/// `bytes 0-99/1000` as what it is of how many (RFC 9110 §14.4).
fn parse_content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first..last.checked_add(1)?, size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d5_content_ranges_are_read_as_they_are_written() {
        assert_eq!(parse_content_range("bytes 5-9/20"), Some((5..10, 20)));
        for bad in ["bytes */20", "bytes 9-5/20", "5-9/20", "bytes 5-9/*", "bytes 5-18446744073709551615/1", ""] {
            assert_eq!(parse_content_range(bad), None, "{bad}");
        }
    }
}
