//! Who may fetch what, from memory: so that a thumbnail that many look at costs no question to the database.
//!
//! Invariant: what is answered from memory was so when it was asked. A row is forgotten after each change of it is committed,
//! and before whoever made the change hears of it (`tertulia_directory`'s `watch.rs`); ends are looked at each time. What
//! is seen once is never kept, nor what nobody may have.

use super::rows::FileRow;
use crate::cache::{Row, Rows};
use std::sync::Arc;
use tertulia_common::{MediaId, Timestamp, UserId};
use tertulia_directory::{AccessChange, AccessWatch, Directory, Error, Reach};

/// Files and who has them, as far as they were asked for lately.
pub(crate) struct Access {
    pub(crate) files: Rows<MediaId, Arc<FileRow>>,
    pub(crate) grants: Rows<(MediaId, UserId), Granted>,
}

/// That a file is shared with somebody who has not blocked its owner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted;

impl Row for Granted {
    fn may_be_kept(&self) -> bool {
        true
    }
}

impl Row for Arc<FileRow> {
    fn may_be_kept(&self) -> bool {
        !self.view_once && self.is_ready()
    }
}

impl AccessWatch for Access {
    fn changed(&self, change: &AccessChange) {
        match change {
            AccessChange::File(id) => self.files.forget(id),
            AccessChange::Grants(id, people) => {
                self.files.forget(id);
                for person in people {
                    self.grants.forget(&(*id, person.clone()));
                }
            }
            AccessChange::AllGrants => self.grants.forget_all(),
            AccessChange::All => {
                self.files.forget_all();
                self.grants.forget_all();
            }
        }
    }
}

impl Access {
    /// Nothing yet, and told of every change of this directory's from now on.
    pub(crate) fn of(directory: &Directory, rows_max: usize) -> Arc<Self> {
        let access = Arc::new(Self { files: Rows::new(rows_max), grants: Rows::new(rows_max) });
        let watch: Arc<dyn AccessWatch> = Arc::clone(&access) as _;
        directory.watch_access(Arc::downgrade(&watch));
        access
    }

    /// A file that is there.
    pub(crate) async fn file(
        &self,
        directory: &Directory,
        id: MediaId,
        now: Timestamp,
    ) -> Result<Option<Arc<FileRow>>, Error> {
        let load = async {
            let media = directory.media(id, now).await?;
            media.map(|media| FileRow::of(media).map(Arc::new)).transpose()
        };
        let file = self.files.get(&id, load).await?;
        Ok(file.filter(|file| file.ends_at.is_none_or(|end| end > now)))
    }

    /// A file as this user reaches it, if they do.
    pub(crate) async fn reach(
        &self,
        directory: &Directory,
        user: &UserId,
        id: MediaId,
        now: Timestamp,
    ) -> Result<Option<(Arc<FileRow>, Reach)>, Error> {
        let Some(file) = self.file(directory, id, now).await? else { return Ok(None) };
        if file.owner == *user {
            return Ok(Some((file, Reach::Owner)));
        }
        let load = async { Ok::<_, Error>(directory.media_granted(user, id, &file.owner).await?.then_some(Granted)) };
        // For what is seen once there are few questions, and none of them is to be answered from memory.
        let granted = if file.view_once { load.await? } else { self.grants.get(&(id, user.clone()), load).await? };
        Ok(granted.map(|Granted| (file, Reach::Granted)))
    }
}
