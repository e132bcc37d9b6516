//! Blobs in S3, or in what speaks its protocol: `<prefix><hex of the whole key>`.
//!
//! Invariant: a put is done when the service has said so for all of the bytes; an object appears whole or not at all, which
//! is S3's own promise for single and for multipart uploads. Every request has a time and a number of attempts; an upload
//! holds a few buffers of [`BODY_BYTES`], whatever its size, since its bytes come from the spooled file. What an upload that
//! failed or was dropped has sent is aborted; what a crash leaves is [swept](BlobStore::sweep).

mod body;
mod config;
mod errors;
mod examine;
mod multipart;
mod sweep;

pub use config::{S3Config, S3ConfigError, SecretKey};
pub use examine::Examined;

use crate::ingest::Spooled;
use crate::store::{BlobKey, BlobRead, BlobStore, Listed, StoreError};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use base64::Engine as _;
use errors::{Doing, failed};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Up to here a blob is one request; above, parts. Raising it sends more anew when one fails.
const SINGLE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of the file that are held for a request that sends it.
const BODY_BYTES: usize = 128 * 1024;
/// Bytes a second below which a request that sends bytes is given up. Lowering it lets a poor line work, and a request that
/// hangs hang for longer.
const SEND_BYTES_PER_S_MIN: u64 = 128 * 1024;
/// Names a request for a list asks for; what the protocol allows.
const LIST_MAX: usize = 1_000;
/// The object that a probe writes. No blob has this name.
const PROBE: &str = "tertulia-probe";

/// A bucket. Clones share it.
#[derive(Clone)]
pub struct S3(Arc<Bucket>);

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("bucket", &self.0.name).finish_non_exhaustive()
    }
}

struct Bucket {
    client: Client,
    name: String,
    prefix: String,
    request_timeout: Duration,
    sends_checksums: bool,
}

impl S3 {
    /// A client for a bucket. Speaks to nobody yet: a service that is away at start may come back.
    ///
    /// # Errors
    /// An option that can't be, or a file that can't be read.
    pub fn open(config: &S3Config) -> Result<Self, S3ConfigError> {
        Ok(Self(Arc::new(Bucket {
            client: config.client()?,
            name: config.bucket.clone(),
            prefix: config.prefix.clone(),
            request_timeout: Duration::from_millis(config.request_timeout_ms),
            sends_checksums: config.send_checksums,
        })))
    }
}

impl BlobStore for S3 {
    fn put<'a>(&'a self, key: BlobKey, bytes: &'a Spooled) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let found = tokio::fs::metadata(bytes.path()).await.map_err(|error| errors::of_spooled(&error))?;
            if found.len() != bytes.bytes() {
                return Err(StoreError::Damaged);
            }
            if bytes.bytes() <= SINGLE_BYTES_MAX {
                self.0.put_whole(key, bytes).await
            } else {
                multipart::put(&self.0, key, bytes).await
            }
        }
        .boxed()
    }

    fn read(&self, key: BlobKey, range: Option<Range<u64>>) -> BoxFuture<'_, Result<BlobRead, StoreError>> {
        body::read(Arc::clone(&self.0), key, range).boxed()
    }

    fn size(&self, key: BlobKey) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        self.0.size(key).boxed()
    }

    fn delete(&self, key: BlobKey) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let bucket = &self.0;
            let asked = bucket.client.delete_object().bucket(&bucket.name).key(bucket.object(key));
            match asked.send().await.map_err(|error| failed(Doing::Delete, &error)) {
                Ok(_) | Err(StoreError::NotFound) => Ok(()),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    fn list(&self, after: Option<BlobKey>, max: usize) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>> {
        self.0.list(after, max).boxed()
    }

    fn sweep(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        sweep::sweep(&self.0).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let bucket = &self.0;
            let object = format!("{}{PROBE}", bucket.prefix);
            let put = bucket.client.put_object().bucket(&bucket.name).key(&object);
            put.body(ByteStream::from_static(b"tertulia")).send().await.map_err(|error| failed(Doing::Put, &error))?;
            let deleted = bucket.client.delete_object().bucket(&bucket.name).key(object).send().await;
            deleted.map(|_| ()).map_err(|error| failed(Doing::Delete, &error))
        }
        .boxed()
    }
}

impl Bucket {
    fn object(&self, key: BlobKey) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The time for one attempt to send so many bytes.
    fn timeouts(&self, bytes: u64) -> TimeoutConfig {
        let sending = Duration::from_secs(bytes / SEND_BYTES_PER_S_MIN);
        TimeoutConfig::builder().operation_attempt_timeout(self.request_timeout + sending).build()
    }

    async fn put_whole(&self, key: BlobKey, bytes: &Spooled) -> Result<(), StoreError> {
        let body = body::of_file(bytes.path(), 0..bytes.bytes()).await?;
        let length = i64::try_from(bytes.bytes()).unwrap_or(i64::MAX);
        let mut put = self.client.put_object().bucket(&self.name).key(self.object(key));
        // A blob's name is its checksum: the service looks whether what arrived is what left.
        if self.sends_checksums {
            put = put.checksum_sha256(base64(&key.0));
        }
        let put = put.content_length(length).body(body).customize();
        let put = put.config_override(aws_sdk_s3::config::Builder::new().timeout_config(self.timeouts(bytes.bytes())));
        put.send().await.map(|_| ()).map_err(|error| failed(Doing::Put, &error))
    }

    async fn size(&self, key: BlobKey) -> Result<Option<u64>, StoreError> {
        let asked = self.client.head_object().bucket(&self.name).key(self.object(key)).send().await;
        match asked.map_err(|error| failed(Doing::Look, &error)) {
            Ok(found) => match found.content_length.map(u64::try_from) {
                Some(Ok(bytes)) => Ok(Some(bytes)),
                _ => Err(StoreError::Failed("the service does not say how large an object is".to_owned())),
            },
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, after: Option<BlobKey>, max: usize) -> Result<Vec<Listed>, StoreError> {
        let mut found = Vec::new();
        let mut after = after.map(|key| self.object(key));
        while found.len() < max {
            let ask = i32::try_from((max - found.len()).min(LIST_MAX)).unwrap_or(i32::MAX);
            let page = self.client.list_objects_v2().bucket(&self.name).prefix(&self.prefix);
            let page = page.set_start_after(after.clone()).max_keys(ask).send().await;
            let page = page.map_err(|error| failed(Doing::Look, &error))?;
            let objects = page.contents();
            found.extend(objects.iter().filter_map(|object| self.listed(object)));
            // The last name instead of the service's own token: it is what every service understands.
            let last = objects.last().and_then(|object| object.key());
            match last {
                Some(last) if page.is_truncated() == Some(true) => after = Some(last.to_owned()),
                _ => break,
            }
        }
        Ok(found)
    }

    fn listed(&self, object: &aws_sdk_s3::types::Object) -> Option<Listed> {
        Some(Listed {
            key: BlobKey::parse(object.key()?.strip_prefix(&self.prefix)?)?,
            bytes: u64::try_from(object.size()?).ok()?,
            put_at: time(object.last_modified()?)?,
        })
    }
}

fn time(time: &DateTime) -> Option<SystemTime> {
    SystemTime::try_from(*time).ok()
}

/// As the headers of checksums have it.
fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
