//! A look at a bucket as `tertulia doctor` takes it: an object is put, read and deleted, and the two clocks are compared.

use super::S3;
use super::errors::{Doing, failed};
use crate::store::StoreError;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What the object holds. No blob has its name.
const CONTENT: &[u8] = b"tertulia doctor";

/// What a look has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// What did not work, if something did not.
    pub found: Result<(), StoreError>,
    /// How far this machine's clock is from the service's, where it has told its own.
    pub clocks_apart: Option<Duration>,
}

/// Hears the time that answers tell, those of refusals too.
#[derive(Clone, Debug, Default)]
struct Dates(Arc<Mutex<Option<Duration>>>);

impl Intercept for Dates {
    fn name(&self) -> &'static str {
        "Dates"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let told = context.response().headers().get("date");
        let date = told.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok());
        if let Some(theirs) = date.and_then(|date| SystemTime::try_from(date).ok()) {
            let ours = SystemTime::now();
            // Whichever is ahead.
            let apart = ours.duration_since(theirs).or_else(|_| theirs.duration_since(ours)).unwrap_or_default();
            *self.0.lock() = Some(apart);
        }
        Ok(())
    }
}

impl S3 {
    /// Puts an object, reads it and deletes it. Nothing is left behind, unless it can't be deleted.
    pub async fn examine(&self) -> Examined {
        let dates = Dates::default();
        let found = self.try_all(&dates).await;
        Examined { found, clocks_apart: *dates.0.lock() }
    }

    async fn try_all(&self, dates: &Dates) -> Result<(), StoreError> {
        let (client, bucket) = (&self.0.client, self.0.name.as_str());
        let object = format!("{}tertulia-doctor-{}", self.0.prefix, std::process::id());
        let put = client.put_object().bucket(bucket).key(&object).body(ByteStream::from_static(CONTENT));
        put.customize().interceptor(dates.clone()).send().await.map_err(|error| failed(Doing::Put, &error))?;
        let got = client.get_object().bucket(bucket).key(&object).send().await;
        let deleted = client.delete_object().bucket(bucket).key(&object).send().await;
        let got = got.map_err(|error| failed(Doing::Read, &error))?.body.collect().await;
        let got = got.map_err(|_| StoreError::Unavailable("reading: the answer broke off".to_owned()))?;
        if got.into_bytes() != CONTENT {
            return Err(StoreError::Damaged);
        }
        deleted.map(|_| ()).map_err(|error| failed(Doing::Delete, &error))
    }
}
