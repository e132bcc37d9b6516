//! Files that messages carry. The relay's side of it is `signaling`'s: here is what a message does to a file.
//!
//! Invariant: nobody is given a file by a message that its sender could not see, and nobody learns from a refusal that a file
//! is there that they can't see.

use super::Library;
use super::words::{Caller, GRANTS_MAX, LibraryError, MediaState, MediaView};
use tertulia_common::{MediaId, UserId};
use tertulia_directory::{Reach, Shared};

impl Library {
    /// A file as it can be carried by a message of who asks: their own, or, if it was shared with them, one of their own on the
    /// same bytes, made if there is none. It is ready.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::NotReady`], why it was refused; [`LibraryError::Forbidden`] for what somebody
    /// else sent to be seen once; a quota.
    pub async fn to_carry(&self, caller: &Caller, id: MediaId) -> Result<MediaView, LibraryError> {
        let (media, reach) = self.reach(&caller.user, id).await?;
        let view = self.inner.view(media.clone(), &caller.user)?;
        match view.state {
            MediaState::Ready(_) => {}
            MediaState::Processing(_) => return Err(LibraryError::NotReady),
            MediaState::Refused(refusal) => return Err(refusal.into()),
        }
        match reach {
            Reach::Owner => Ok(view),
            Reach::Granted if view.view_once => Err(LibraryError::Forbidden),
            Reach::Granted => {
                let own = self.forward(caller, media).await?;
                self.view(&caller.user, own).await
            }
        }
    }

    /// A message of its owner's carries it to these people. To be said before the message is durable; saying it again changes
    /// nothing.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`] if it has gone meanwhile; [`LibraryError::Recipients`].
    pub async fn carried(
        &self,
        owner: &UserId,
        id: MediaId,
        people: &[UserId],
        reference: &str,
    ) -> Result<(), LibraryError> {
        let directory = &self.inner.parts.directory;
        let shared = directory.media_refer(owner, id, people, reference, GRANTS_MAX, self.inner.now()).await?;
        if shared == Shared::Full {
            self.inner.figures.shares_full.inc();
        }
        super::manage::told(shared)
    }

    /// The message does not carry it to these people after all.
    ///
    /// # Errors
    /// If the directory fails.
    pub async fn not_carried(&self, id: MediaId, people: &[UserId], reference: &str) -> Result<(), LibraryError> {
        let inner = &self.inner;
        Ok(inner.parts.directory.media_let_go(id, people, reference, inner.now(), inner.idle_end()).await?)
    }
}
