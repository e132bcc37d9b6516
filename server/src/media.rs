//! Opens what takes uploads: the store, the workers that open media, the library over both.

mod figures;

use crate::config::{Config, make_private_folder};
use anyhow::Context as _;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tertulia_common::Timestamp;
use tertulia_directory::Directory;
use tertulia_media_pipeline::library::{Clock, Library, Parts};
use tertulia_media_pipeline::store::StoreWatch;
use tertulia_media_worker::host::Pool;
use tertulia_signaling::{UploadEvents, Uploads};

/// What takes uploads.
pub(crate) struct Media {
    pub(crate) uploads: Uploads,
    pub(crate) store: Arc<StoreWatch>,
    pool: Arc<Pool>,
}

impl Media {
    /// Opens it all, if the configuration wants uploads.
    ///
    /// # Errors
    /// If the folder or the store can't be used.
    pub(crate) async fn open(config: &Config, directory: &Directory) -> anyhow::Result<Option<Self>> {
        if !config.uploads.enabled {
            return Ok(None);
        }
        let folder = config.media_folder();
        make_private_folder(&folder).with_context(|| folder.display().to_string())?;
        let clock = clock();
        let keys = config.link_keys(clock()).context("the keys of links")?;
        let store = config.uploads.store.open(&config.data.dir).context("[uploads.store]")?;
        let watch = Arc::new(StoreWatch::start(Arc::clone(&store)));
        let pool = Arc::new(Pool::start(config.uploads.pool()).context("the workers that open media")?);
        tokio::spawn(tell_layers(Arc::clone(&pool)));
        let events = Arc::new(UploadEvents::default());
        let (directory, work) = (directory.clone(), Arc::clone(&pool));
        let parts = Parts { directory, store, work, events: Arc::clone(&events) as _, clock };
        let library = Library::open(config.library(keys), parts).await.context("the uploads")?;
        let (stall_s, link_ttl_s) = (config.uploads.stall_s, config.uploads.link_ttl_s);
        Ok(Some(Self { uploads: Uploads { library, events, stall_s, link_ttl_s }, store: watch, pool }))
    }

    /// Adds their figures to the metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.uploads.library.register(registry.sub_registry_with_prefix("tertulia"));
        figures::register(Arc::clone(&self.pool), Arc::clone(&self.store), registry);
    }

    /// Jobs stay for the next run; their workers end.
    pub(crate) async fn close(self) {
        self.uploads.library.close().await;
        self.pool.shutdown().await;
    }
}

/// Why there are no workers, and what to do. What holds them the pool says itself.
async fn tell_layers(pool: Arc<Pool>) {
    if let Err(why) = pool.layers().await {
        tracing::error!(
            why,
            "pictures, videos and sounds are refused: they can't be opened safely here. `tertulia doctor` says what to do; documents \
             are taken"
        );
    }
}

/// The system's time at the start, and from there on a clock that nobody sets back.
fn clock() -> Clock {
    let start = Instant::now();
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Arc::new(move || Timestamp(u64::try_from((epoch + start.elapsed()).as_millis()).unwrap_or(u64::MAX)))
}
