//! Whoever keeps copies of what is here is told when somebody's access to a file changes.
//!
//! Invariant: they are told after a change is committed (or has failed) and before whoever asked for it hears that it is
//! done. A change goes on when whoever asked has left: else it could be committed and nobody be told.

use crate::{Directory, Error, Result};
use parking_lot::Mutex;
use std::fmt;
use std::sync::{Arc, Weak};
use tertulia_common::{MediaId, UserId};

/// What may be otherwise from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessChange {
    /// A file's own row: it has gone, or goes at another time.
    File(MediaId),
    /// Whether these people have this file.
    Grants(MediaId, Vec<UserId>),
    /// What somebody has of somebody's.
    AllGrants,
    /// Everything.
    All,
}

/// Who wants to know. Called from the change's own task: an implementation must not wait.
pub trait AccessWatch: Send + Sync + 'static {
    /// What was read before may be wrong.
    fn changed(&self, change: &AccessChange);
}

/// Everybody who wants to know.
#[derive(Clone, Default)]
pub(crate) struct Watchers(Arc<Mutex<Vec<Weak<dyn AccessWatch>>>>);

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchers").finish_non_exhaustive()
    }
}

/// Tells when the change is over, however it ends.
struct Telling {
    watchers: Watchers,
    change: AccessChange,
}

impl Drop for Telling {
    fn drop(&mut self) {
        // Not told under the lock: a watcher may drop the last of itself.
        let there: Vec<_> = self.watchers.0.lock().iter().filter_map(Weak::upgrade).collect();
        for watch in there {
            watch.changed(&self.change);
        }
    }
}

impl Directory {
    /// Has this one told of every change of access from now on, for as long as it is there.
    pub fn watch_access(&self, watch: Weak<dyn AccessWatch>) {
        let mut all = self.watchers.0.lock();
        all.retain(|known| known.strong_count() > 0);
        all.push(watch);
    }

    /// Makes a change of access to its end, and tells of it.
    pub(crate) async fn changing<T, F>(&self, change: AccessChange, make: impl FnOnce(Self) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (telling, making) = (Telling { watchers: self.watchers.clone(), change }, make(self.clone()));
        let task = tokio::spawn(async move {
            let made = making.await;
            drop(telling);
            made
        });
        task.await.unwrap_or(Err(Error::Interrupted))
    }
}
