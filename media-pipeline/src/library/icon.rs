//! Pictures of groups. Who is in a group is the relay's business, and asked by `signaling`: here a picture is kept as long as a
//! group shows it, and given to whoever it has found to be a member.
//!
//! Invariant: nobody puts a picture before others that they can't see themselves, nor one that is to be seen once.

use super::Library;
use super::words::{Caller, LibraryError, Servable, Variant};
use tertulia_common::{MediaId, UserId};
use tertulia_media_core::{Class, Reason};

impl Library {
    /// A picture as who asks may put it before others: their own, or, if it was shared with them, one of their own on the same
    /// bytes.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::NotReady`], why it was refused, a quota; [`LibraryError::Forbidden`] for what is
    /// to be seen once; a refusal of what is no picture.
    pub async fn to_show(&self, caller: &Caller, id: MediaId) -> Result<MediaId, LibraryError> {
        let view = self.to_carry(caller, id).await?;
        match view.class {
            _ if view.view_once => Err(LibraryError::Forbidden),
            Class::Image => Ok(view.id),
            _ => Err(LibraryError::Refused(Reason::Unsupported.into())),
        }
    }

    /// It stays as long as a group shows it. Saying it again changes nothing.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`] if it has gone meanwhile.
    pub async fn shown(&self, owner: &UserId, id: MediaId, group: &str) -> Result<(), LibraryError> {
        self.carried(owner, id, std::slice::from_ref(owner), &reference(group)).await
    }

    /// A group shows it no longer: what is then neither shared nor kept goes after a time.
    ///
    /// # Errors
    /// If the directory fails.
    pub async fn not_shown(&self, id: MediaId, group: &str) -> Result<(), LibraryError> {
        let inner = &self.inner;
        let Some(media) = inner.parts.directory.media(id, inner.now()).await? else { return Ok(()) };
        self.not_carried(id, &[media.owner], &reference(group)).await
    }

    /// The bytes of a picture that a group shows, for somebody who is in it.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::NotReady`].
    pub async fn servable_shown(&self, id: MediaId, variant: Variant) -> Result<Servable, LibraryError> {
        let inner = &self.inner;
        let file = inner.access.file(&inner.parts.directory, id, inner.now()).await?;
        file.filter(|file| !file.view_once).ok_or(LibraryError::NotFound)?.servable(variant)
    }
}

/// The group's name in the directory: no message's.
fn reference(group: &str) -> String {
    format!("group {group}")
}
