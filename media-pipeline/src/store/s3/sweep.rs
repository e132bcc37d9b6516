//! Uploads that a crash has left in the bucket: they are seen by nobody, and paid for.
//!
//! Invariant: none that is younger than [`LEFTOVER_AGE`] is touched: another node may be at it.

use super::errors::{Doing, failed};
use super::{Bucket, multipart, time};
use crate::store::{LEFTOVER_AGE, StoreError};
use aws_sdk_s3::error::SdkError;
use std::time::SystemTime;

/// Uploads that one sweep aborts. The next goes on.
const SWEEP_MAX: u64 = 10_000;

pub(super) async fn sweep(bucket: &Bucket) -> Result<u64, StoreError> {
    let mut swept = 0;
    let mut after = (None, None);
    while swept < SWEEP_MAX {
        let page = bucket.client.list_multipart_uploads().bucket(&bucket.name).prefix(&bucket.prefix);
        let page = match page.set_key_marker(after.0).set_upload_id_marker(after.1).send().await {
            Ok(page) => page,
            // Simple services have no such list, and not every key may read it. Then a rule of the bucket has to do it.
            Err(SdkError::ServiceError(answer)) if matches!(answer.raw().status().as_u16(), 403 | 405 | 501) => {
                tracing::warn!("unfinished uploads can't be listed: set a rule of the bucket that removes them");
                return Ok(swept);
            }
            Err(error) => return Err(failed(Doing::Look, &error)),
        };
        for upload in page.uploads() {
            let begun = upload.initiated().and_then(time);
            let is_old =
                begun.is_some_and(|begun| SystemTime::now().duration_since(begun).is_ok_and(|age| age >= LEFTOVER_AGE));
            if let (Some(object), Some(id)) = (upload.key(), upload.upload_id())
                && is_old
                && multipart::abort(bucket, object, id).await
            {
                swept += 1;
            }
        }
        after = (page.next_key_marker, page.next_upload_id_marker);
        if page.is_truncated != Some(true) || after.0.is_none() {
            break;
        }
    }
    Ok(swept)
}
