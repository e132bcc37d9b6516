//! Whether the store works, known without asking it each time: for readiness, metrics and alerts.
//!
//! Invariant: one probe at a time, however long it takes: a disk that hangs holds one thread and no more. What is known is
//! never older than a probe and a pause; a store that does not answer within [`ANSWERS_WITHIN`] counts as gone.

use super::{BlobStore, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a probe may take before the store counts as gone.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// When a store is asked again.
#[derive(Clone, Copy, Debug)]
struct Times {
    answers_within: Duration,
    /// The pause after a probe that went well. Each one writes: lowering it costs requests at the service.
    good: Duration,
    /// The pause after one that did not, so that a store that is back is soon known to be.
    bad: Duration,
}

const TIMES: Times =
    Times { answers_within: ANSWERS_WITHIN, good: Duration::from_secs(10), bad: Duration::from_secs(2) };

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreTrouble {
    /// It has not answered in time.
    NoAnswer,
    /// It answers that it can't now, or there is no way to it.
    Unavailable,
    /// There is no room left.
    Full,
    /// It refuses, and will until somebody looks at it: a bucket that is not there, a key that is not good, a broken disk.
    Failed,
}

impl StoreTrouble {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::NoAnswer, Self::Unavailable, Self::Full, Self::Failed];

    /// For `/readyz` and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoAnswer => "store_no_answer",
            Self::Unavailable => "store_unavailable",
            Self::Full => "store_full",
            Self::Failed => "store_failed",
        }
    }
}

impl From<&StoreError> for StoreTrouble {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            StoreError::Unavailable(_) => Self::Unavailable,
            // A probe asks for nothing that is known to be there.
            StoreError::NotFound | StoreError::Damaged | StoreError::Failed(_) => Self::Failed,
        }
    }
}

/// What is known of a store. Dropping it ends the probing.
#[derive(Debug)]
pub struct StoreWatch {
    known: watch::Receiver<Option<Result<(), StoreTrouble>>>,
    probing: JoinHandle<()>,
}

impl Drop for StoreWatch {
    fn drop(&mut self) {
        self.probing.abort();
    }
}

impl StoreWatch {
    /// Probes now, and from then on now and then.
    #[must_use]
    pub fn start(store: Arc<dyn BlobStore>) -> Self {
        Self::start_with(store, TIMES)
    }

    fn start_with(store: Arc<dyn BlobStore>, times: Times) -> Self {
        let (tell, known) = watch::channel(None);
        let probing = tokio::spawn(async move {
            loop {
                let found = probe(&*store, &tell, times.answers_within).await;
                tokio::time::sleep(if found.is_ok() { times.good } else { times.bad }).await;
            }
        });
        Self { known, probing }
    }

    /// What is wrong with it, if something is. Waits for the first probe, never longer than [`ANSWERS_WITHIN`] and a little.
    pub async fn trouble(&self) -> Option<StoreTrouble> {
        let mut known = self.known.clone();
        match known.wait_for(Option::is_some).await {
            Ok(known) => known.and_then(Result::err),
            Err(_) => Some(StoreTrouble::NoAnswer),
        }
    }

    /// The same as far as is known now: nothing is wrong with what was never looked at.
    #[must_use]
    pub fn trouble_now(&self) -> Option<StoreTrouble> {
        self.known.borrow().and_then(Result::err)
    }
}

/// One probe, told of as soon as something is known, and waited for to its end.
async fn probe(
    store: &dyn BlobStore,
    tell: &watch::Sender<Option<Result<(), StoreTrouble>>>,
    within: Duration,
) -> Result<(), StoreTrouble> {
    let mut asked = store.probe();
    let (answer, was_late) = match tokio::time::timeout(within, &mut asked).await {
        Ok(answer) => (answer, false),
        Err(_) => {
            say(tell, Err(StoreTrouble::NoAnswer), None);
            (asked.await, true)
        }
    };
    let found = match &answer {
        Ok(()) => Ok(()),
        Err(error) => Err(StoreTrouble::from(error)),
    };
    // A good answer that came too late says that it is slow: the next one, in a moment, says whether it still is.
    let found = if was_late && found.is_ok() { Err(StoreTrouble::NoAnswer) } else { found };
    say(tell, found, answer.err().as_ref());
    found
}

/// Tells what is known, and the log where that is news.
fn say(
    tell: &watch::Sender<Option<Result<(), StoreTrouble>>>,
    found: Result<(), StoreTrouble>,
    why: Option<&StoreError>,
) {
    let before = tell.send_replace(Some(found));
    match (before.and_then(Result::err), found) {
        (Some(_), Ok(())) => tracing::info!("the store of uploads works again"),
        (before, Err(trouble)) if before != Some(trouble) => {
            let why = why.map(ToString::to_string);
            tracing::error!(trouble = trouble.name(), why, "the store of uploads does not work");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Spooled;
    use crate::store::{BlobKey, BlobRead, Listed};
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use parking_lot::Mutex;
    use std::ops::Range;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A store that can be probed and nothing else. `None`: it hangs.
    #[derive(Default)]
    struct Probed {
        answer: Mutex<Option<Result<(), StoreError>>>,
        under_way: AtomicUsize,
        most: AtomicUsize,
    }

    impl Probed {
        fn says(&self, answer: Option<Result<(), StoreError>>) {
            *self.answer.lock() = answer;
        }
    }

    impl BlobStore for Probed {
        fn put<'a>(&'a self, _: BlobKey, _: &'a Spooled) -> BoxFuture<'a, Result<(), StoreError>> {
            unreachable!("it is only probed")
        }
        fn read(&self, _: BlobKey, _: Option<Range<u64>>) -> BoxFuture<'_, Result<BlobRead, StoreError>> {
            unreachable!("it is only probed")
        }
        fn size(&self, _: BlobKey) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
            unreachable!("it is only probed")
        }
        fn delete(&self, _: BlobKey) -> BoxFuture<'_, Result<(), StoreError>> {
            unreachable!("it is only probed")
        }
        fn list(&self, _: Option<BlobKey>, _: usize) -> BoxFuture<'_, Result<Vec<Listed>, StoreError>> {
            unreachable!("it is only probed")
        }
        fn sweep(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
            unreachable!("it is only probed")
        }
        fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
            async {
                let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
                self.most.fetch_max(now, Ordering::SeqCst);
                loop {
                    let answer = self.answer.lock().clone();
                    if let Some(answer) = answer {
                        self.under_way.fetch_sub(1, Ordering::SeqCst);
                        return answer;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            .boxed()
        }
    }

    /// As short as a test likes it, but for an answer, which may take a busy machine a while.
    const SOON: Times =
        Times { answers_within: Duration::from_secs(5), good: Duration::from_millis(1), bad: Duration::from_millis(1) };

    /// Waits until this is known.
    async fn until(watch: &StoreWatch, trouble: Option<StoreTrouble>) {
        let mut known = watch.known.clone();
        let is_it = |known: &Option<Result<(), StoreTrouble>>| known.is_some_and(|known| known.err() == trouble);
        tokio::time::timeout(Duration::from_secs(60), known.wait_for(is_it)).await.unwrap().unwrap();
        assert_eq!(watch.trouble().await, trouble);
        assert_eq!(watch.trouble_now(), trouble);
    }

    #[tokio::test]
    async fn d5_a_store_that_goes_and_comes_back_is_told_apart_by_what_is_wrong() {
        let store = Arc::new(Probed::default());
        store.says(Some(Ok(())));
        let watch = StoreWatch::start_with(Arc::clone(&store) as _, SOON);
        assert_eq!(watch.trouble().await, None);
        for (error, trouble) in [
            (StoreError::Unavailable("away".to_owned()), StoreTrouble::Unavailable),
            (StoreError::Full, StoreTrouble::Full),
            (StoreError::Failed("no such bucket".to_owned()), StoreTrouble::Failed),
            (StoreError::Unavailable("away".to_owned()), StoreTrouble::Unavailable),
            (StoreError::NotFound, StoreTrouble::Failed),
        ] {
            store.says(Some(Err(error)));
            until(&watch, Some(trouble)).await;
        }
        store.says(Some(Ok(())));
        until(&watch, None).await;
    }

    #[tokio::test]
    async fn d5_a_store_that_hangs_is_known_in_time_and_asked_once_however_long_it_takes() {
        let store = Arc::new(Probed::default());
        let times = Times { answers_within: Duration::from_millis(20), ..SOON };
        let watch = StoreWatch::start_with(Arc::clone(&store) as _, times);
        assert_eq!(watch.trouble_now(), None, "nobody has looked yet");
        assert_eq!(watch.trouble().await, Some(StoreTrouble::NoAnswer));
        // Many times the pause: a second probe would be under way by now.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(watch.trouble().await, Some(StoreTrouble::NoAnswer));
        assert_eq!((store.under_way.load(Ordering::SeqCst), store.most.load(Ordering::SeqCst)), (1, 1));
        drop(watch);
    }

    #[tokio::test]
    async fn d5_an_answer_that_comes_late_counts_when_the_next_one_comes_in_time() {
        let store = Arc::new(Probed::default());
        let watch =
            StoreWatch::start_with(Arc::clone(&store) as _, Times { answers_within: Duration::from_secs(1), ..SOON });
        assert_eq!(watch.trouble().await, Some(StoreTrouble::NoAnswer));
        store.says(Some(Ok(())));
        until(&watch, None).await;
    }
}
